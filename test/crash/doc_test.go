// Package crash kills the real binary while it works and then compares its ledger, call by call, with
// what the clients got and with what the simulated provider counted. It has tests only, and leaves to
// the packages below internal/ whatever can be shown without a second process.
//
// CRASH_ROUNDS sets how often TestKilled kills (15; `make crash` runs 200), CRASH_SEED repeats the
// random choices of a run, TOLLGATE_BIN names a binary instead of building one.
package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	_ "tollgate/internal/app" // what the binary is built from: go test must not take a cached result after a change of it
)

// binaryEnv hands the path of the binary to the tests.
const binaryEnv = "TOLLGATE_BIN"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if config := os.Getenv(moneyEnv); config != "" {
		fmt.Fprintln(os.Stderr, moveForever(context.Background(), config, os.Stdout))
		return 1
	}
	if os.Getenv(binaryEnv) != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "tollgate-crash-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "tollgate")
	if out, err := exec.Command("go", "build", "-pgo=off", "-o", bin, "tollgate/cmd/tollgate").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the binary: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv(binaryEnv, bin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// number reads a whole number from the environment.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q: must be a whole number from 1", name, text)
	}
	return n
}

// random returns a source of random choices; a failed test tells how to repeat them.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := number(t, "CRASH_SEED", int(time.Now().UnixNano()>>10&0xffffff)+1)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("to make the same random choices: CRASH_SEED=%d", seed)
		}
	})
	return rand.New(rand.NewPCG(uint64(seed), 0))
}

// between is a random duration.
func between(rnd *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(rnd.Int64N(int64(most-least)))
}
