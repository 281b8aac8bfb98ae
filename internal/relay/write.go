package relay

import (
	"context"
	"net/http"
	"sync"
)

// Conn is a client's connection that can make one write of several.
type Conn interface {
	Gather()
	Release() error
}

type connKey struct{}

// WithConn returns a context whose calls know their connection. net/http has no other way to tell a
// handler.
func WithConn(ctx context.Context, c Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// write gives the client a piece of its answer at once, in one write if its connection can do that. Over
// HTTP/2 it is not this call's alone.
func (c *call) write(piece []byte) error {
	var conn Conn
	if c.r.ProtoMajor < 2 {
		if conn, _ = c.r.Context().Value(connKey{}).(Conn); conn != nil {
			conn.Gather()
		}
	}
	_, err := c.w.Write(piece)
	if err == nil {
		if w, ok := c.w.(flusher); ok { // one place less on the deepest road
			err = w.FlushError()
		} else {
			err = c.control().Flush()
		}
	}
	if conn != nil {
		if lost := conn.Release(); err == nil {
			err = lost
		}
	}
	return err
}

type flusher interface{ FlushError() error }

func (c *call) control() *http.ResponseController {
	if c.rc == nil {
		c.rc = http.NewResponseController(c.w)
	}
	return c.rc
}

// rooms keeps the room where the events of fast streams gather.
type rooms struct{ pool sync.Pool }

// fastRoom is the room for a stream whose events come faster than they can be sent one by one.
const fastRoom = 20 << 10

func (r *rooms) get() []byte {
	if b, ok := r.pool.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, 0, fastRoom)
}

// put takes back room that nobody uses any more, if it is what get gives.
func (r *rooms) put(b []byte) {
	if cap(b) >= fastRoom && cap(b) <= 4*fastRoom {
		b = b[:0]
		r.pool.Put(&b)
	}
}
