package http1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// Sizes of a request's body, in bytes.
const (
	gathered = 16 << 10 // up to here head and body leave in one write
	inline   = 64 << 10 // above, the answer is awaited while the body is still being written
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
	n, err := c.nc.Read(p)
	c.left -= int64(n)
	return n, err
}

func (c *conn) close() { _ = c.nc.Close() } // nothing is waited for any more

// quiet reports whether a connection that has waited is open and nothing has come that nobody asked for.
func (c *conn) quiet() bool {
	if c.raw == nil {
		return false
	}
	c.still = false
	return c.raw.Read(c.look) == nil && c.still
}

// exchange sends a request and reads the head of the answer. unseen says of an error that the upstream can't
// have acted on the request, or that it does no harm if it does so twice.
func (c *conn) exchange(req *http.Request, head *[]byte) (resp *http.Response, unseen bool, err error) {
	ctx := req.Context()
	stop := afterFunc(ctx, c.hangUp)
	out, sent, werr := c.write(req, head)
	fail := func(err error) (*http.Response, bool, error) {
		stop()
		c.close()
		out.wait()
		if cause := ctx.Err(); cause != nil {
			err = cause
		}
		return nil, unseen, err
	}
	if werr != nil {
		if unseen = !sent; unseen {
			return fail(fmt.Errorf("write the request: %w", werr))
		}
		// It may have answered instead of reading on.
		_ = c.nc.SetReadDeadline(time.Now().Add(afterWrite)) // a connection that is closed says so when it is read
	}
	c.left = c.t.MaxHead
	if _, err := c.br.Peek(1); err != nil {
		unseen = repeatable(req)
		return fail(fmt.Errorf("read the answer: %w", errors.Join(werr, err)))
	}
	if resp, err = c.readHead(req); err != nil {
		return fail(fmt.Errorf("read the answer: %w", errors.Join(werr, err)))
	}
	c.left = math.MaxInt64
	b := &body{c: c, from: resp.Body, stop: stop, out: out, keep: werr == nil && !resp.Close && !req.Close && resp.StatusCode >= 200}
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

// repeatable reports whether a request without an answer may be sent again.
func repeatable(req *http.Request) bool {
	return (req.Method == http.MethodGet || req.Method == http.MethodHead) && (req.Body == nil || req.Body == http.NoBody)
}

// readHead reads the head of the answer, and of those before it that only say that one will come.
func (c *conn) readHead(req *http.Request) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(c.br, req)
		if err != nil || resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, err
		}
	}
}

// write sends head and body. What is large goes on in the background, see outgoing; sent says that
// some of it may have reached the upstream.
func (c *conn) write(req *http.Request, head *[]byte) (out *outgoing, sent bool, err error) {
	from := req.Body
	if from == nil || req.ContentLength == 0 {
		n, err := c.nc.Write(*head)
		return nil, n > 0, errors.Join(err, closeBody(req))
	}
	if req.ContentLength <= gathered {
		all := *head
		n, err := 0, copyBody((*appender)(&all), req)
		if err == nil {
			n, err = c.nc.Write(all)
		}
		*head = all[:len(*head)] // its memory may be larger now
		return nil, n > 0, errors.Join(err, from.Close())
	}
	if n, err := c.nc.Write(*head); err != nil {
		return nil, n > 0, errors.Join(err, from.Close())
	}
	if req.ContentLength <= inline {
		return nil, true, errors.Join(copyBody(c.nc, req), from.Close())
	}
	out = &outgoing{}
	out.wg.Go(func() {
		err := errors.Join(copyBody(c.nc, req), from.Close())
		if err != nil { // an upstream that has answered by now is read all the same
			_ = c.nc.SetReadDeadline(time.Now().Add(afterWrite))
		}
		out.finish(err)
	})
	return out, true, nil
}

// copyBody writes the body of req, in one piece if it is in memory, and never more than was announced: the
// rest would be taken for the next request.
func copyBody(to io.Writer, req *http.Request) error {
	l := limited{to: to, left: req.ContentLength}
	if _, err := io.Copy(&l, req.Body); err != nil {
		return err
	}
	if l.left > 0 {
		return fmt.Errorf("the body is %d bytes shorter than announced", l.left)
	}
	return nil
}

// limited is a writer of so many bytes.
type limited struct {
	to   io.Writer
	left int64
}

// Write writes p, or nothing if that is too much.
func (l *limited) Write(p []byte) (int, error) {
	if int64(len(p)) > l.left {
		return 0, errors.New("the body is longer than announced")
	}
	n, err := l.to.Write(p)
	l.left -= int64(n)
	return n, err
}

// appender is a slice that is written to.
type appender []byte

// Write appends p.
func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}

// outgoing is a large body that is written while the answer is awaited. nil is one that has been written.
type outgoing struct {
	wg   sync.WaitGroup
	mu   sync.Mutex
	done bool
	err  error
}

func (o *outgoing) finish(err error) {
	o.mu.Lock()
	o.done, o.err = true, err
	o.mu.Unlock()
}

// complete reports whether all was written.
func (o *outgoing) complete() bool {
	if o == nil {
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.done && o.err == nil
}

// wait returns when nothing is written any more; the connection is closed.
func (o *outgoing) wait() {
	if o != nil {
		o.wg.Wait()
	}
}

// body is the body of an answer. At its end the connection is free for the next call.
type body struct {
	c    *conn
	from io.ReadCloser
	stop func() bool
	out  *outgoing
	keep bool

	mu  sync.Mutex
	err error // set when it is over
}

// Read reads on.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.from.Read(p)
	if err != nil {
		b.err = err
		b.end(err == io.EOF)
	}
	return n, err
}

// Close gives the rest up, and the connection with it.
func (b *body) Close() error {
	if !b.mu.TryLock() { // it is being read: that ends by closing the connection
		b.c.close()
		b.mu.Lock()
	}
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = http.ErrBodyReadAfterClose
		b.end(false)
	}
	return nil
}

// end lets go of the connection: for the next call if whole says that all was read and nothing else stands
// against it.
func (b *body) end(whole bool) {
	if b.stop() && whole && b.keep && b.out.complete() && b.c.br.Buffered() == 0 {
		b.c.t.put(b.c)
		return
	}
	b.c.close()
	b.out.wait()
}
