package http1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// writerTime is how long the end of an answer waits for the end of its request. An upstream that reads all and
// answers at once is often faster than the goroutine that has just written the last byte.
const writerTime = 10 * time.Millisecond

// copyBody writes a body, in one piece if it is in memory, and never more than was announced: the rest would be
// taken for the next request. It closes it.
func copyBody(to *limited, from io.ReadCloser) error {
	_, err := io.Copy(to, from)
	if err == nil && to.left > 0 {
		err = fmt.Errorf("the body is %d bytes shorter than announced", to.left)
	}
	return errors.Join(err, from.Close())
}

// limited is a writer of so many bytes.
type limited struct {
	to     io.Writer
	left   int64
	failed bool // to has
}

// Write writes p, or nothing if that is too much.
func (l *limited) Write(p []byte) (int, error) {
	if int64(len(p)) > l.left {
		return 0, errors.New("the body is longer than announced")
	}
	n, err := l.to.Write(p)
	l.left -= int64(n)
	l.failed = err != nil
	return n, err
}

// outgoing is a large body that is written while the answer is awaited. nil is one that has been written.
type outgoing struct {
	done chan struct{}
	err  error // once done is closed
}

// send writes a body of so many bytes in the background. It ends when all is written or the connection is closed,
// if reading the body does not wait for anybody.
func (c *conn) send(from io.ReadCloser, size int64) *outgoing {
	o := &outgoing{done: make(chan struct{})}
	go func() {
		to := limited{to: c.nc, left: size}
		o.err = copyBody(&to, from)
		close(o.done) // first, for whoever learns of it by what follows
		switch {
		case o.err == nil: // the connection may be another call's by now
		case to.failed:
			c.refused()
		default:
			c.close() // half a request has no answer
		}
	}()
	return o
}

// wait returns when nothing is written any more; the connection is closed.
func (o *outgoing) wait() {
	if o != nil {
		<-o.done
	}
}

// failed returns the error that writing has ended with so far.
func (o *outgoing) failed() error {
	if o == nil {
		return nil
	}
	select {
	case <-o.done:
		return o.err
	default:
		return nil
	}
}

// complete reports whether all was written.
func (o *outgoing) complete() bool {
	if o == nil {
		return true
	}
	select {
	case <-o.done:
		return o.err == nil
	default:
	}
	late := time.NewTimer(writerTime)
	defer late.Stop()
	select {
	case <-o.done:
		return o.err == nil
	case <-late.C:
		return false
	}
}

// body is the body of an answer. At its end the connection is free for the next call.
type body struct {
	c    *conn
	ctx  context.Context
	from io.Reader
	stop func() bool
	out  *outgoing
	keep bool
	err  error // the reader's last

	over atomic.Bool // whoever sets it lets go of the connection
}

// Read reads on.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.over.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.from.Read(p)
	if err == nil {
		return n, nil
	}
	switch b.err = err; {
	case !b.end(err == io.EOF):
		b.err = http.ErrBodyReadAfterClose
	case err != io.EOF && b.ctx.Err() != nil:
		b.err = context.Cause(b.ctx)
	}
	return n, b.err
}

// Close gives the rest up, and the connection with it. It may be called while another goroutine reads, which
// then fails.
func (b *body) Close() error {
	b.end(false)
	return nil
}

// end lets go of the connection: for the next call if whole says that all was read and nothing else stands
// against it. It reports whether nobody had done so before.
func (b *body) end(whole bool) bool {
	if !b.over.CompareAndSwap(false, true) {
		return false
	}
	if b.stop() && whole && b.keep && b.out.complete() && b.c.br.Buffered() == 0 && b.c.ahead.room == nil {
		b.c.t.put(b.c)
		return true
	}
	b.c.close()
	b.out.wait()
	return true
}
