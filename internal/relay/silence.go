package relay

import (
	"strings"
	"time"
)

// A stream whose upstream has begun and says nothing: the attempt's one timer rings on the way to its limit, and the
// client is told that the stream goes on. The goroutine of the timer does that while copy waits, under flow.busy.

// patient sets the timer to how long the upstream may be silent, once it has said something, with a ring on the way.
func (f *flow) patient() {
	if f.at.IsZero() {
		return // the time for a first byte runs
	}
	f.left = f.a.patience(f.c.h.Settings.Idle)
	f.a.flow.Store(f)
	f.a.timer.Reset(f.step())
}

// step takes from the time that is left what may pass without a sign of life.
func (f *flow) step() time.Duration {
	d := f.left
	if ping := f.c.h.Settings.Ping; ping > 0 {
		d = min(d, ping)
	}
	f.left -= d
	return d
}

// calm gives the client of a silent upstream a sign of life and reports whether the upstream may stay silent. It is
// called by the timer, while copy waits.
func (f *flow) calm() bool {
	if !f.busy.TryLock() {
		return true // something came; the timer is set anew before the next wait
	}
	defer f.busy.Unlock()
	if f.left <= 0 {
		return false
	}
	if !f.c.started { // a model may think for minutes before the first content
		f.head()
		f.release()
	}
	if len(f.out) == 0 && (f.sent || strings.HasPrefix(f.ping, ":")) { // a comment may come before the first event
		f.out = append(f.out, f.ping...)
	}
	f.push()
	f.a.timer.Reset(f.step())
	return true
}
