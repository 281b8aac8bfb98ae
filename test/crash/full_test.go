package crash

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// When the disk of the journal is full, no answer is given that is not recorded. With space again,
// calls work again, without a restart.
func TestDiskFull(t *testing.T) {
	for _, c := range []struct {
		name    string
		ballast int  // bytes that something else has on the disk of 8 MiB at the start
		reserve bool // the journal has room for its reserve of 4 MiB
	}{
		{"no reserve", 6 << 20, false}, // answers under way are withheld
		{"reserve", 1, true},           // they are recorded in the reserve; no new calls are taken
	} {
		t.Run(c.name, func(t *testing.T) {
			rnd := random(t)
			r := newRig(t, "")
			journal := filepath.Join(r.data, "journal")
			mount(t, journal, "8m")
			ballast, filler := filepath.Join(journal, "ballast"), filepath.Join(journal, "filler")
			if err := os.WriteFile(ballast, make([]byte, c.ballast), 0o600); err != nil {
				t.Fatal(err)
			}
			r.start()
			if _, err := os.Stat(filepath.Join(journal, "reserve")); (err == nil) != c.reserve {
				t.Fatalf("the reserve is there: %v", err == nil)
			}
			r.loaded(rnd, 4, func() {
				waitUntil(t, "calls", func() bool { return r.got.answered() > 20 })
				fill(t, filler)
				waitUntil(t, "refusals", func() bool { return r.got.refusals() > 20 })
				if err := r.gate.answers("/readyz", 100*time.Millisecond); err == nil {
					t.Error("it says that it is ready")
				}
				waitUntil(t, "the end of calls that had begun before they were refused", r.got.sofar())
				answered := r.got.answered()
				time.Sleep(300 * time.Millisecond)
				if n := r.got.answered() - answered; n > 0 {
					t.Errorf("%d calls were answered on a full disk", n)
				}
				if err := errors.Join(os.Remove(filler), os.Remove(ballast)); err != nil {
					t.Fatal(err)
				}
				waitUntil(t, "calls after there is space", func() bool { return r.got.answered() > answered+20 })
			})
			// Killed right then: what was recorded on the full disk is whole.
			r.gate.kill()
			r.start()
			r.stop()
			withheld := 0
			for what, n := range r.got.refused {
				switch {
				case strings.Contains(what, "withheld"):
					withheld += n
				case !strings.HasPrefix(what, "503 ") && !strings.HasPrefix(what, "529 "): // 529 is Anthropic's
					t.Errorf("%d calls were refused with %s", n, what)
				}
			}
			if c.reserve == (withheld > 0) {
				t.Errorf("%d answers were withheld: %v", withheld, r.got.refused)
			}
			b := r.audit(0)
			t.Logf("%d answers to their last byte, %d refused, %d of them withheld; %v", r.got.answered(), r.got.refusals(), withheld, b)
		})
	}
}

// mount puts a small file system of its own at dir until the test ends.
func mount(t *testing.T, dir, size string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("needs a tmpfs, which Linux has")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir); err != nil {
		t.Skipf("no small file system can be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() {
		// The gateway may still run when the test failed: the mount goes when the last file is closed.
		if out, err := command("umount", "-l", dir); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
}

// fill writes until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(f, zeros{})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk ended with %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// zeros never end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
