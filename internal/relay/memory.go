package relay

import (
	"errors"
	"io"
	"sync"
	"time"

	"tollgate/internal/canon"
)

// memory is what the bodies of requests, and of answers that are not streamed, may take of it together: each is held
// whole while its call runs, and no limit of an account bounds the sum. A request for which there is none left is
// refused, before it has cost anything. An answer has been paid for, so it waits; one at a time may go on without, or
// answers that are half read would wait for each other.
type memory struct {
	size int64
	last chan struct{} // holds the answer that goes on though nothing is left

	mu    sync.Mutex
	left  int64         // below 0: what the last one has beyond all there is; others wait until that is paid back
	freed chan struct{} // closed when there is more of it; nil: nobody waits
}

func newMemory(size int64) *memory {
	return &memory{size: size, left: size, last: make(chan struct{}, 1)}
}

// more returns a channel that is closed when something is given back.
func (m *memory) more() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.freed == nil {
		m.freed = make(chan struct{})
	}
	return m.freed
}

const (
	minCounted = 64 << 10 // from how much a body counts, in bytes, with its copies

	// How often a body is there at one time, by measurement.
	rewritten  = 2 // as it came, and as it is sent
	translated = 4 // and as text, and in parts
	answerAnew = 5 // the parts of an answer are gathered before they are sent

	// largest is how much memory there is at least, in requests of the largest size: for one, translated.
	largest = translated
)

// share is what one body takes of memory.
type share struct {
	of   *memory
	held int64
	last bool
}

// grow notes that the body takes size bytes now and reports whether there is memory for them.
func (s *share) grow(size int64) bool {
	if size < minCounted || size <= s.held {
		return true
	}
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	n := size - s.held
	if s.of.left < n && !s.last {
		return false
	}
	s.of.left -= n
	s.held = size
	return true
}

// wait is grow for an answer: it waits until there is memory, or until no other goes on without. It reports
// false if it has ended before.
func (s *share) wait(size int64, ended <-chan struct{}) bool {
	for {
		more := s.of.more() // before it looks, or it might miss what is given back now
		if s.grow(size) {
			return true
		}
		select {
		case s.of.last <- struct{}{}:
			s.last = true
			return s.grow(size)
		case <-more:
		case <-ended:
			return false
		}
	}
}

// take is grow for a request, which is refused then.
func (s *share) take(size int64) error {
	if !s.grow(size) {
		return errNoMemory
	}
	return nil
}

// free gives back what the body took; it is gone.
func (s *share) free() {
	if s.held > 0 {
		s.of.give(s.held)
		s.held = 0
	}
	if s.last {
		s.last = false
		<-s.of.last
	}
}

func (m *memory) give(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left += n
	if m.freed != nil {
		close(m.freed)
		m.freed = nil
	}
}

var errNoMemory = errors.New("no memory left")

// takes notes that the request is there so many times, with what was fetched for it.
func (c *call) takes(copies int64) *canon.Error {
	if !c.share.grow(copies * (int64(len(c.body)) + c.fetched)) {
		return noMemory()
	}
	return nil
}

// noMemory refuses a request.
func noMemory() *canon.Error {
	return &canon.Error{
		Kind: canon.KindOverloaded, RetryAfter: time.Second, Cause: errNoMemory,
		Message: "the gateway holds as many large requests as it has memory for; try again in a moment",
	}
}

// lively reads an answer that is not streamed. Each time something comes, its upstream has Settings.Idle for the next:
// some send blanks, for minutes, while a model thinks. Blanks are no answer, though, and one has to begin in time.
type lively struct {
	share share
	body  io.Reader
	a     *attempt
	idle  time.Duration
	begin time.Time // by when there must be more than blanks
	begun bool      // there is
}

// Read reads on.
func (r *lively) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	if n == 0 || err != nil {
		return n, err
	}
	if r.begun = r.begun || !onlyBlanks(p[:n]); r.begun {
		r.a.idle(r.idle)
	} else {
		r.a.await(r.idle, r.begin)
	}
	return n, nil
}

// take notes that the answer takes size bytes now; it waits until there is memory for them.
func (r *lively) take(size int64) error {
	if r.share.grow(size) {
		return nil
	}
	r.a.idle(time.Until(r.a.end)) // it is not the upstream that makes us wait
	if !r.share.wait(size, r.a.Done()) {
		if cause := r.a.Cause(); !errors.Is(cause, errCallTime) {
			return cause
		}
		return errNoMemory
	}
	r.a.idle(r.idle)
	return nil
}

// onlyBlanks reports whether there is nothing but JSON's white space in p.
func onlyBlanks(p []byte) bool {
	for _, b := range p {
		if b != ' ' && b != '\n' && b != '\r' && b != '\t' {
			return false
		}
	}
	return true
}
