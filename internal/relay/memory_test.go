package relay

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"tollgate/internal/canon"
)

func (m *memory) free() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.left
}

func TestShare(t *testing.T) {
	m := newMemory(1 << 20)
	a, b := share{of: m}, share{of: m}
	if !a.grow(minCounted-1) || a.held != 0 {
		t.Errorf("a small body counts %d", a.held)
	}
	for _, size := range []int64{minCounted, 600 << 10, 500 << 10} {
		if !a.grow(size) {
			t.Errorf("no memory for %d bytes", size)
		}
	}
	if a.held != 600<<10 || b.grow(600<<10) || b.held != 0 || !b.grow(424<<10) || b.grow(425<<10) {
		t.Errorf("held %d and %d", a.held, b.held)
	}
	m.last <- struct{}{}
	b.last = true
	if !b.grow(1<<30) || b.held != 1<<30 || m.free() >= 0 {
		t.Errorf("the last one held %d", b.held)
	}
	a.free()
	a.free()
	b.free()
	if left := m.free(); left != 1<<20 || len(m.last) != 0 {
		t.Errorf("%d are left, %d hold the last place", left, len(m.last))
	}
}

// A call that breaks while it ends, too, gives back what it took: there is no other time for it.
func TestBrokenEndGivesMemoryBack(t *testing.T) {
	m := newMemory(1 << 20)
	c := &call{h: &Handler{}, r: (&http.Request{}).WithContext(t.Context()), share: share{of: m}}
	if !c.share.grow(1 << 20) {
		t.Fatal("no memory")
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a handler of nothing ends a call")
			}
		}()
		c.finish()
	}()
	if left := m.free(); left != 1<<20 {
		t.Errorf("%d are left", left)
	}
}

func TestShareIsNeverOverdrawn(t *testing.T) {
	m := newMemory(10 * minCounted)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				s := share{of: m}
				for n := int64(minCounted); s.grow(n); n += minCounted {
					if m.free() < 0 {
						t.Error("overdrawn")
					}
				}
				s.free()
			}
		})
	}
	wg.Wait()
	if left := m.free(); left != 10*minCounted {
		t.Errorf("%d are left", left)
	}
}

// waiting is an answer in m whose call ends in d.
func waiting(t *testing.T, m *memory, d time.Duration) *lively {
	t.Helper()
	a := &attempt{end: time.Now().Add(d)}
	a.expire.Store(&errIdle)
	a.timer = time.AfterFunc(time.Hour, a.ring)
	t.Cleanup(func() { a.timer.Stop() })
	return &lively{share: share{of: m}, a: a, idle: time.Hour}
}

// An answer that waits goes on as soon as there is memory, however long the one takes that goes on without.
func TestAnswerWaitsForMemoryAlone(t *testing.T) {
	m := newMemory(1 << 20)
	m.last <- struct{}{} // some answer, for an hour
	request := share{of: m}
	if !request.grow(1 << 20) {
		t.Fatal("no memory")
	}
	const many = 8
	done := make(chan error, many)
	for range many {
		in := waiting(t, m, time.Hour)
		go func() {
			err := in.take(minCounted)
			in.share.free()
			done <- err
		}()
	}
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(20 * time.Millisecond): // if they do not wait yet, the test proves less
	}
	request.free()
	for range many {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("there is memory, and an answer waits")
		}
	}
}

// An answer that waits in vain until its call is over is not its upstream's fault; one that is cut ends as any other.
func TestAnswerWaitsInVain(t *testing.T) {
	m := newMemory(0)
	m.last <- struct{}{}
	in := waiting(t, m, 10*time.Millisecond)
	err := in.take(minCounted)
	if e := transportError(in.a.Cause(), err); e.Kind != canon.KindTimeout || !errors.Is(e.Cause, errNoMemory) {
		t.Errorf("%+v", e)
	}
	for _, cause := range []error{ErrShutdown, errClientGone} {
		in = waiting(t, m, time.Hour)
		in.a.cancel(cause)
		if e := transportError(in.a.Cause(), in.take(minCounted)); !errors.Is(e.Cause, cause) {
			t.Errorf("%v: %+v", cause, e)
		}
	}
	if len(m.last) != 1 {
		t.Error("the last place was given back by who does not have it")
	}
}
