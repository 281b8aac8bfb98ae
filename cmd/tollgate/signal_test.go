package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asMain in the environment makes the test binary tollgate itself, for tests that need a process.
const asMain = "RUN_AS_TOLLGATE"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
	}
	os.Exit(m.Run())
}

// The first SIGTERM makes the gateway serve on while load balancers see that it goes, the second ends it within
// that delay.
func TestSignals(t *testing.T) {
	const key = "sk-admin-0123456789abcdef"
	var stderr output
	cmd := exec.Command(os.Args[0], "serve")
	cmd.Env = []string{asMain + "=1", "LISTEN=127.0.0.1:0", "TOLLGATE_DATA=" + t.TempDir(), "ADMIN_KEY=" + key, "LOG_FORMAT=json", "SHUTDOWN_DELAY=10m"}
	cmd.Dir, cmd.Stderr = t.TempDir(), &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its state tells
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		<-ended
	})
	base := "http://" + stderr.waitFor(t, `"address":"([^"]+)"`)
	// ready asks on a connection of its own.
	ready := func() (int, string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
		if err != nil {
			t.Fatalf("%v\n%s", err, stderr.String())
		}
		raw, err := io.ReadAll(answer.Body)
		if err = errors.Join(err, answer.Body.Close()); err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(raw)
	}
	if status, body := ready(); status != http.StatusOK {
		t.Fatalf("/readyz before: %d %s", status, body)
	}

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	stderr.waitFor(t, `(shutting down)`)
	if status, body := ready(); status != http.StatusServiceUnavailable || !strings.Contains(body, "closing") {
		t.Errorf("/readyz after SIGTERM: %d %s", status, body)
	}
	for range 2 { // on a connection that may be kept, then on a new one
		if status, body := ask(t, base, key); status != http.StatusOK || !strings.Contains(body, `"choices"`) {
			t.Errorf("a call after SIGTERM: %d %s", status, body)
		}
	}

	for done := false; !done; { // the process gives signals back to the system a moment after the first one
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		select {
		case <-ended:
			done = true
		case <-time.After(100 * time.Millisecond):
		}
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGTERM {
		t.Errorf("after the second SIGTERM: %v\n%s", cmd.ProcessState, stderr.String())
	}
}
