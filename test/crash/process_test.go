package crash

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// child is a process of the binary under test.
type child struct {
	base  string // its URL
	log   string // file with all that it printed
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended; then err is valid
	err   error
}

// spawn starts the binary with these arguments, and nothing in its environment but env and what every
// program needs.
func spawn(t *testing.T, name string, env []string, args ...string) *child {
	t.Helper()
	c := &child{log: filepath.Join(t.TempDir(), name+".log"), ended: make(chan struct{})}
	out, err := os.Create(c.log)
	if err != nil {
		t.Fatal(err)
	}
	c.cmd = exec.Command(os.Getenv(binaryEnv), args...)
	c.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + os.TempDir()}, env...)
	c.cmd.Stdout, c.cmd.Stderr = out, out
	if err := errors.Join(c.cmd.Start(), out.Close()); err != nil {
		t.Fatal(err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.ended)
	}()
	t.Cleanup(func() {
		c.kill()
		if t.Failed() {
			words := slices.DeleteFunc(c.lines(""), func(line string) bool { return strings.Contains(line, `"msg":"call"`) })
			t.Logf("the last words of %s:\n%s", name, strings.Join(words[max(0, len(words)-8):], ""))
		}
	})
	return c
}

// kill ends the process as a crash would and waits until it is gone.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may have ended by itself
	<-c.ended
}

// terminate asks the process to stop and returns how it did.
func (c *child) terminate(within time.Duration) error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return c.wait(within)
}

// wait returns how the process ended.
func (c *child) wait(within time.Duration) error {
	select {
	case <-c.ended:
		return c.err
	case <-time.After(within):
		return fmt.Errorf("still running after %v", within)
	}
}

// listening waits until the process says where it listens, as the first group of pattern, and keeps that. The port
// is the system's choice: one that a test looked for before might be somebody else's when the process takes it.
func (c *child) listening(pattern string, within time.Duration) error {
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(3 * time.Millisecond) {
		if m := re.FindStringSubmatch(c.said()); m != nil {
			c.base = "http://" + m[1]
			return nil
		}
		if err := c.alive(); err != nil {
			return err
		}
	}
	return fmt.Errorf("it does not say %s within %v: %s", pattern, within, c.tail(2000))
}

// alive is an error when the process has ended.
func (c *child) alive() error {
	select {
	case <-c.ended:
		return fmt.Errorf("it ended, %v: %s", c.cmd.ProcessState, c.tail(2000))
	default:
		return nil
	}
}

// answers waits until GET path gives 200.
func (c *child) answers(path string, within time.Duration) error {
	client := http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	last := errors.New("never asked")
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(3 * time.Millisecond) {
		resp, err := client.Get(c.base + path)
		if err == nil {
			_ = resp.Body.Close() // the status is all that counts
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(resp.Status)
		}
		last = err
		if err := c.alive(); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s gave no 200 within %v: %w", path, within, last)
}

// said is all that the process printed so far.
func (c *child) said() string {
	b, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func (c *child) tail(n int) string {
	s := c.said()
	return s[max(0, len(s)-n):]
}

// lines returns the printed lines that hold text.
func (c *child) lines(text string) []string {
	var found []string
	for line := range strings.Lines(c.said()) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// getBody returns the body at a URL.
func getBody(url string) (string, error) {
	resp, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// command runs a program of the system and returns what it printed.
func command(name string, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return strings.TrimSpace(out.String()), err
}
