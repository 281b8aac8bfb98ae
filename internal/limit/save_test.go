package limit

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A limiter that goes on with what another one saved keeps the limits as if nothing had happened.
func TestSavedWindowsKeepTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := drawLimits(t)
		scale := rapid.SampledFrom(windowLengths[:3]).Draw(t, "scale")
		c := newClock()
		l := New(c.now)
		var admitted []admission
		for _, a := range arrivals(t, scale) {
			c.t = a.at
			if rapid.IntRange(0, 20).Draw(t, "restart") == 0 {
				var b bytes.Buffer
				if err := l.Save(&b); err != nil {
					t.Fatal(err)
				}
				next := New(c.now) // with another epoch
				if err := next.Load(&b); err != nil {
					t.Fatal(err)
				}
				rule := Rule{Subject: "s", Limits: limits}
				if diff := cmp.Diff(l.Use(c.t, rule), next.Use(c.t, rule)); diff != "" {
					t.Fatal(diff)
				}
				l = next
			}
			if done(l, c.t, one(limits), a.tokens) == nil {
				admitted = append(admitted, a)
			}
		}
		checkWindows(t, limits, admitted)
	})
}

func TestLoad(t *testing.T) {
	c := newClock()
	l := New(c.now)
	for i := range 500 {
		for k := range i%3 + 1 {
			c.pass(time.Second)
			done(l, c.t, []Rule{{Subject: fmt.Sprint("subject ", i), Limits: Limits{RPM: 10, RPD: 100, TPH: 1000}}}, int64(k*10))
		}
	}
	var b bytes.Buffer
	if err := l.Save(&b); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	load := func(data []byte) (*Limiter, error) {
		l := New(c.now)
		return l, l.Load(bytes.NewReader(data))
	}
	same, err := load(whole)
	if err != nil || same.size() != l.size() || same.size() < 400 {
		t.Fatalf("%d of %d subjects, %v", same.size(), l.size(), err)
	}
	for i := 0; i < len(whole); i += 7 {
		cut, err := load(whole[:i])
		if err == nil || cut.size() != 0 {
			t.Fatalf("cut at %d: %v, %d subjects", i, err, cut.size())
		}
		bad := bytes.Clone(whole)
		bad[i] ^= 1 << (i % 8)
		if damaged, err := load(bad); err == nil || damaged.size() != 0 {
			t.Fatalf("damaged at %d: %v, %d subjects", i, err, damaged.size())
		}
	}
	c.pass(25 * time.Hour)
	if late, err := load(whole); err != nil || late.size() != 0 {
		t.Errorf("a day later: %d subjects, %v", late.size(), err)
	}
	c.pass(-72 * time.Hour)
	if early, err := load(whole); err != nil || early.size() != 0 {
		t.Errorf("by a clock that went back: %d subjects, %v", early.size(), err)
	}
	// What counts already is not replaced.
	c.pass(47 * time.Hour)
	l = New(c.now)
	rule := Rule{Subject: "subject 2", Limits: Limits{RPD: 100}}
	done(l, c.t, []Rule{rule}, 0)
	if err := l.Load(bytes.NewReader(whole)); err != nil || l.Use(c.t, rule).Windows[0].Remaining != 99 {
		t.Error(err, l.Use(c.t, rule))
	}
}
