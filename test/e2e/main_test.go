package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fixture is what all tests share; TestMain makes it before they run.
type fixture struct {
	dir string
	bin string
	sim *simulator
	gw  *gateway // in front of sim, with three good channels

	all []*gateway // every gateway that was started; tests do not run in parallel
}

var fix fixture

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) (code int) {
	flag.Parse()
	for _, e := range os.Environ() { // the SDKs read keys and addresses from there
		name, _, _ := strings.Cut(e, "=")
		for _, prefix := range []string{"OPENAI_", "ANTHROPIC_", "GEMINI_", "GOOGLE_"} {
			if strings.HasPrefix(name, prefix) {
				if err := os.Unsetenv(name); err != nil {
					return failed(err)
				}
			}
		}
	}
	var err error
	if fix.dir, err = os.MkdirTemp("", "tollgate-e2e-"); err != nil {
		return failed(err)
	}
	defer func() { _ = os.RemoveAll(fix.dir) }() // a leftover in the temporary directory harms nobody
	if fix.bin, err = binary(fix.dir); err != nil {
		return failed(err)
	}
	if fix.sim, err = startSimulator(); err != nil {
		return failed(err)
	}
	defer func() {
		if err := fix.sim.stop(); err != nil {
			code = failed(err)
		}
	}()
	fix.gw, err = startGateway("main", mainConfig(fix.sim.base), "MAX_BODY_BYTES=256KiB", "TIMEOUT_IDLE=20s")
	defer func() {
		for _, g := range fix.all {
			if err := g.stop(); err != nil {
				code = failed(err)
			}
		}
	}()
	if err != nil {
		return failed(err)
	}
	code = m.Run()
	if err := compareBooks(); err != nil {
		return failed(err)
	}
	return code
}

func failed(err error) int {
	fmt.Fprintln(os.Stderr, "e2e:", err)
	return 1
}

// binary returns the path of the binary to test.
func binary(dir string) (string, error) {
	if given := os.Getenv("TOLLGATE_BIN"); given != "" {
		return filepath.Abs(given)
	}
	out := filepath.Join(dir, "tollgate")
	build := exec.CommandContext(context.Background(), "go", "build", "-pgo=off", "-o", out, "./cmd/tollgate")
	build.Dir = filepath.Join("..", "..")
	if msg, err := build.CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("build the gateway: %w", err), errors.New(string(msg)))
	}
	return out, nil
}
