package crash

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A power cut may leave half a record, garbage or zeros at the end of the journal, or take the end
// away. The start tells what it cut off, keeps it beside the journal, and goes on.
func TestTornJournal(t *testing.T) {
	for _, c := range []struct {
		name string
		tear func(data []byte) []byte
		may  int // calls that may be lost, as the disk lost them
	}{
		{"garbage", func(b []byte) []byte { return append(b, "\x07garbage, not a record\xff\xfe\x00"...) }, 0},
		{"zeros", func(b []byte) []byte { return append(b, make([]byte, 5000)...) }, 0},
		{"half a record", func(b []byte) []byte { return append(b, "\x00\x02\x00\x00\x12\x34\x56\x78{\"id\":\"01"...) }, 0},
		{"five bytes less", func(b []byte) []byte { return b[:len(b)-5] }, 1},
		{"half of the header", func(b []byte) []byte { return b[:14] }, -1}, // of a segment without records
	} {
		t.Run(c.name, func(t *testing.T) {
			rnd := random(t)
			r := newRig(t, "")
			for range 3 {
				r.start()
				if c.may >= 0 {
					r.loaded(rnd, 4, func() {
						before := r.got.answered()
						waitUntil(t, "calls", func() bool { return r.got.answered() > before+20 })
						time.Sleep(between(rnd, 0, 300*time.Millisecond))
						r.gate.kill()
					})
				} else {
					r.gate.kill()
				}
				path := r.lastSegment()
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, c.tear(data), 0o600); err != nil {
					t.Fatal(err)
				}
				r.start()
				said := r.gate.lines("journal: cut off a torn end")
				if len(said) != 1 || !strings.Contains(said[0], filepath.Base(path)) {
					t.Errorf("the start reports %q, not that the end of %s is torn", said, filepath.Base(path))
				}
				if saved, err := filepath.Glob(path + ".cut-*"); err != nil || len(saved) != 1 {
					t.Errorf("what was cut off is in %v, not in one file: %v", saved, err)
				}
				before := r.got.answered()
				r.loaded(rnd, 2, func() { waitUntil(t, "calls", func() bool { return r.got.answered() > before+10 }) })
				r.gate.kill()
			}
			r.start()
			r.stop()
			lost := 3 * max(c.may, 0)
			b := r.audit(lost)
			t.Logf("%d answers to their last byte; %v", r.got.answered(), b)
			if b.lost > lost || r.got.refusals() > 0 {
				t.Errorf("%d calls are lost where the disk lost %d; refused %v", b.lost, lost, r.got.refused)
			}
		})
	}
}

// lastSegment is the newest file of the journal.
func (r *rig) lastSegment() string {
	r.t.Helper()
	all, err := filepath.Glob(filepath.Join(r.data, "journal", "*.tgj"))
	if err != nil || len(all) == 0 {
		r.t.Fatalf("segments: %v, %v", all, err)
	}
	return slices.Max(all)
}
