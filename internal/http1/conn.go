package http1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"syscall"
	"time"
)

// afterWrite is how long an answer may take that was sent instead of reading a request to its end.
const afterWrite = time.Second

var errHead = errors.New("the head of the answer is too large")

// conn is a connection to a host. One call at a time has it.
type conn struct {
	t     *Transport
	host  string
	nc    net.Conn
	br    *bufio.Reader
	ahead ahead
	left  int64 // bytes that may still come
	used  bool  // it has served a call
	since time.Time

	hangUp func() // close, as a value

	raw   syscall.RawConn // nil if it can't be looked at
	look  func(fd uintptr) bool
	still bool // what look found
}

// Read reads from the connection, while the head is read no more than a head may have.
func (c *conn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errHead
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.read(p)
	c.left -= int64(n)
	return n, err
}

func (c *conn) close() { _ = c.nc.Close() } // nothing is waited for any more

// quiet reports whether a connection that has waited is open and nothing has come that nobody asked for.
func (c *conn) quiet() bool {
	c.still = false
	return c.raw.Read(c.look) == nil && c.still
}

// refused lets an answer come, for a while, to a request that could not be written to its end.
func (c *conn) refused() {
	_ = c.nc.SetReadDeadline(time.Now().Add(afterWrite)) // a connection that is closed says so when it is read
}

// exchange sends a request and reads the head of the answer. again says of an error that the upstream can't
// have acted on the request, or that it does no harm if it does so twice.
func (c *conn) exchange(req *http.Request, m *message) (resp *http.Response, again bool, err error) {
	ctx := req.Context()
	stop := afterFunc(ctx, c.hangUp)
	var out *outgoing
	n, werr := c.nc.Write(m.first)
	switch {
	case werr == nil && m.rest != nil:
		out = c.send(m.rest, req.ContentLength)
		m.rest = nil
	case werr != nil && n > 0:
		c.refused()
	}
	if werr != nil && n == 0 {
		again, err = true, fmt.Errorf("write the request: %w", werr)
	} else if resp, again, err = c.answer(req); err != nil {
		err = fmt.Errorf("read the answer: %w", errors.Join(werr, out.failed(), err))
	}
	if err != nil {
		stop()
		c.close()
		out.wait()
		if ctx.Err() != nil {
			again, err = false, context.Cause(ctx)
		}
		return nil, again, err
	}
	b := &body{c: c, ctx: ctx, from: resp.Body, stop: stop, out: out}
	b.keep = werr == nil && !resp.Close && !req.Close && resp.StatusCode >= 200 && c.raw != nil
	if resp.Body == http.NoBody {
		b.end(true)
		return resp, false, nil
	}
	resp.Body = b
	return resp, false, nil
}

// afterFunc is context.AfterFunc, which wraps a context in another one even if that knows how to do it.
func afterFunc(ctx context.Context, f func()) (stop func() bool) {
	if a, ok := ctx.(interface{ AfterFunc(func()) func() bool }); ok {
		return a.AfterFunc(f)
	}
	return context.AfterFunc(ctx, f)
}

// answer reads the head of the answer, and passes over those that only say that one will come. It may be
// had again if there was none at all.
func (c *conn) answer(req *http.Request) (resp *http.Response, again bool, err error) {
	c.left, c.ahead.full = c.t.MaxHead, false
	if _, err := c.br.Peek(1); err != nil {
		return nil, (req.Method == http.MethodGet || req.Method == http.MethodHead) && bodyless(req), err
	}
	for {
		resp, err := readResponse(c.br, req)
		if err != nil {
			return nil, false, err
		}
		if resp.StatusCode < 100 || resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			c.left = math.MaxInt64
			return resp, false, nil
		}
	}
}
