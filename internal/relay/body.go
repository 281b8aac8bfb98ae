package relay

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// Bodies of some size come again and again (a coding agent sends its whole conversation each time), and
// fresh memory for each costs more than reading it: it is cleared, faulted in and collected. So large
// ones are kept. What makes that safe is a count: a buffer goes back only when the call and every
// attempt that sends it are done, and an attempt is done when the transport closes its body, which may
// be after the round trip has returned.
const (
	minKept = 64 << 10
	maxKept = 4 << 20
)

// buffer is a request body that several may hold.
type buffer struct {
	bytes []byte
	holds atomic.Int32
	pool  *sync.Pool
}

func (h *Handler) takeBody(size int64) *buffer {
	if size < minKept || size > maxKept {
		return nil
	}
	b, ok := h.bodies.Get().(*buffer)
	if !ok {
		b = &buffer{pool: &h.bodies}
	}
	b.holds.Store(1)
	return b
}

func (b *buffer) hold() { b.holds.Add(1) }

func (b *buffer) release() {
	if b.holds.Add(-1) == 0 && cap(b.bytes) <= 2*maxKept {
		b.bytes = b.bytes[:0]
		b.pool.Put(b)
	}
}

// newBody returns a body to send. One that nobody lent is a reader which the transport knows to be in
// memory: then head and body leave in one write.
func newBody(body []byte, from *buffer) io.ReadCloser {
	if from == nil {
		return io.NopCloser(bytes.NewReader(body))
	}
	return newOutgoing(body, from)
}

// outgoing is a body on its way to an upstream. Nothing reads from it once it is closed, though the
// transport may still try.
type outgoing struct {
	mu   sync.Mutex
	rest []byte
	from *buffer // nil when the bytes belong to nobody else
	shut bool
}

func newOutgoing(body []byte, from *buffer) *outgoing {
	if from != nil {
		from.hold()
	}
	return &outgoing{rest: body, from: from}
}

// Read reads on.
func (o *outgoing) Read(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.shut {
		return 0, http.ErrBodyReadAfterClose
	}
	if len(o.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, o.rest)
	o.rest = o.rest[n:]
	return n, nil
}

// Len returns how many bytes are left.
func (o *outgoing) Len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.rest)
}

// WriteTo writes what is left in one piece. The bytes stay held while it writes, not the lock: closing
// must not wait for an upstream that takes its time.
func (o *outgoing) WriteTo(w io.Writer) (int64, error) {
	o.mu.Lock()
	if o.shut {
		o.mu.Unlock()
		return 0, http.ErrBodyReadAfterClose
	}
	rest := o.rest
	o.rest = nil
	if o.from != nil {
		o.from.hold()
		defer o.from.release()
	}
	o.mu.Unlock()
	n, err := w.Write(rest)
	return int64(n), err
}

// Close lets go of the bytes.
func (o *outgoing) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.shut {
		return nil
	}
	o.shut, o.rest = true, nil
	if o.from != nil {
		o.from.release()
	}
	return nil
}
