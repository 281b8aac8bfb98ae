package relay

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/internal/pool"
	"tollgate/internal/provider"
)

// attempt is one try of the call at one channel: its context, its one clock, and whether the client
// still listens. It outlives the client, because some providers bill an answer that nobody waits for,
// and ends by its own causes.
//
// It is a context itself: those of the standard library that would be needed here, one within the other,
// and what they keep of their children, took more than a tenth of what a call allocates.
type attempt struct {
	values context.Context // what the client's request carries
	timer  *time.Timer
	expire atomic.Pointer[error] // what the timer will cancel with
	end    time.Time             // of the whole call
	gone   atomic.Bool           // the client went away, but the upstream is read to its end
	flow   atomic.Pointer[flow]  // that waits for the upstream; nil: there is nobody to calm when the timer rings
	unhook func() bool

	mu    sync.Mutex
	done  chan struct{} // nil until somebody asks for it
	cause error         // why it was cancelled
	after []*func()     // called then
}

var _ context.Context = (*attempt)(nil)

// begin starts an attempt that must show a first byte within wait from now.
func (c *call) begin(l *pool.Lease, wait time.Duration) *attempt {
	client := c.r.Context()
	a := &attempt{values: context.WithoutCancel(client), end: c.began.Add(c.h.Settings.Call)}
	a.expire.Store(&errFirstByte)
	a.timer = time.AfterFunc(wait, a.ring)
	drain := c.drains(l)
	a.unhook = context.AfterFunc(client, func() {
		if errors.Is(context.Cause(client), ErrShutdown) {
			a.cancel(ErrShutdown)
			return
		}
		if !drain {
			a.cancel(errClientGone)
			return
		}
		a.gone.Store(true)
		select { // the client's context has ended and can't tell of a shutdown any more
		case <-c.h.ending:
			a.cancel(ErrShutdown)
		case <-a.Done():
		}
	})
	return a
}

// Deadline says that there is none: the attempt's clock is its own.
func (a *attempt) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value returns what the client's request carries under key.
func (a *attempt) Value(key any) any { return a.values.Value(key) }

// Done returns a channel that is closed when the attempt has been cancelled or is over.
func (a *attempt) Done() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done == nil {
		a.done = make(chan struct{})
		if a.cause != nil {
			close(a.done)
		}
	}
	return a.done
}

// Err is context.Canceled once Done is closed.
func (a *attempt) Err() error {
	if a.Cause() == nil {
		return nil
	}
	return context.Canceled
}

// Cause says why the attempt was cancelled; nil while it was not.
func (a *attempt) Cause() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cause
}

// AfterFunc calls f in a goroutine of its own once the attempt is cancelled, unless stop is called before:
// package context looks for this method.
func (a *attempt) AfterFunc(f func()) (stop func() bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cause != nil {
		go f()
		return func() bool { return false }
	}
	a.after = append(a.after, &f)
	return func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		i := slices.Index(a.after, &f)
		if i < 0 {
			return false
		}
		a.after = slices.Delete(a.after, i, i+1)
		return true
	}
}

// cancel ends the attempt for a cause. The first one counts.
func (a *attempt) cancel(cause error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cause != nil {
		return
	}
	a.cause = cause
	if a.done != nil {
		close(a.done)
	}
	for _, f := range a.after {
		go (*f)()
	}
	a.after = nil
}

// close ends what the attempt still has under way; it is over.
func (a *attempt) close() {
	a.timer.Stop()
	a.unhook()
	a.cancel(context.Canceled)
}

// drains reports whether the upstream is read to its end though the client has gone: where it is
// billed all the same. A plain answer always is: closing stops nobody from writing it.
func (c *call) drains(l *pool.Lease) bool {
	return !c.head.Stream || l.Provider.OnAbort == provider.AbortDrain
}

// ring is called by the timer.
func (a *attempt) ring() {
	if f := a.flow.Load(); f == nil || !f.calm() {
		a.cancel(*a.expire.Load())
	}
}

// idle gives an upstream whose answer has begun d from now, or until the end of the call.
func (a *attempt) idle(d time.Duration) { a.timer.Reset(a.patience(d)) }

// await gives an upstream whose answer has yet to begin d from now, or until begin.
func (a *attempt) await(d time.Duration, begin time.Time) {
	a.expire.Store(&errFirstByte)
	a.timer.Reset(min(d, time.Until(begin)))
}

// patience returns the smaller of d and what is left of the call, which the attempt ends after.
func (a *attempt) patience(d time.Duration) time.Duration {
	cause := &errIdle
	if left := time.Until(a.end); left < d {
		d, cause = left, &errCallTime
	}
	a.expire.Store(cause)
	return d
}

// What may follow the end of an answer, and how long we wait for it.
const (
	maxRest  = 4 << 10
	restTime = 50 * time.Millisecond
)

// leave reads what little follows the end of a stream, its last chunk in particular: only then can the
// connection serve another call.
func (a *attempt) leave(body io.Reader) {
	a.flow.Store(nil)
	a.timer.Reset(restTime)
	_, _ = io.CopyN(io.Discard, body, maxRest) // the call is over; what goes wrong here costs a connection
}
