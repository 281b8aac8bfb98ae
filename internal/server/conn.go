package server

import (
	"io"
	"net"
	"sync"
	"time"
)

// maxGathered bounds what a connection gathers, in bytes.
const maxGathered = 64 << 10

// listener hands out connections that can gather what is written to them.
type listener struct {
	net.Listener
	rooms sync.Pool // *[]byte
}

// Accept waits for a connection.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		return &conn{tcp: tcp, rooms: &l.rooms}, nil
	}
	return c, err
}

// conn is a connection to a client. net/http writes 4 KiB of an answer at a time (Server.Serve,
// newBufioWriterSize, Go 1.26); Gather and Release make one write of several. Only the goroutine that
// writes the answer may call them.
type conn struct {
	tcp   *net.TCPConn // not embedded: its WriteTo, SyscallConn and File would pass by what is below
	rooms *sync.Pool
	held  *[]byte // what was gathered; nil: nothing is
	err   error   // a part of an answer got lost, so that nothing may follow it

	mu      sync.Mutex
	readBy  time.Time // the deadline that was asked for
	setBy   time.Time // the one that holds, as far as nobody reads
	reading int
}

// LocalAddr is the address of this end.
func (c *conn) LocalAddr() net.Addr { return c.tcp.LocalAddr() }

// RemoteAddr is the address of the client's end.
func (c *conn) RemoteAddr() net.Addr { return c.tcp.RemoteAddr() }

// Close closes both ways.
func (c *conn) Close() error { return c.tcp.Close() }

// CloseWrite closes the way to the client. net/http does so before it closes with bytes of the client unread, which
// would reset the connection under the answer (conn.closeWriteAndWait, Go 1.26).
func (c *conn) CloseWrite() error { return c.tcp.CloseWrite() }

// SetWriteDeadline sets the deadline of writes.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.tcp.SetWriteDeadline(t) }

// SetDeadline is both of the others.
func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline sets the deadline of reads under way, and of all later ones. net/http sets it half a dozen
// times for a request (Server.Serve, Go 1.26), and most of them are replaced before anybody reads.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readBy = t
	if c.reading == 0 {
		return nil
	}
	c.setBy = t
	return c.tcp.SetReadDeadline(t)
}

// Read reads what has come.
func (c *conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	if !c.setBy.Equal(c.readBy) {
		if err := c.tcp.SetReadDeadline(c.readBy); err != nil {
			c.mu.Unlock()
			return 0, err
		}
		c.setBy = c.readBy
	}
	c.reading++
	c.mu.Unlock()
	n, err := c.tcp.Read(p)
	c.mu.Lock()
	c.reading--
	c.mu.Unlock()
	return n, err
}

// Gather holds back what is written until Release.
func (c *conn) Gather() {
	if c.held != nil {
		return
	}
	room, ok := c.rooms.Get().(*[]byte)
	if !ok {
		room = new([]byte)
	}
	c.held = room
}

// Release writes what was gathered.
func (c *conn) Release() error {
	if c.held == nil {
		return nil
	}
	room := c.held
	c.held = nil
	if c.err == nil && len(*room) > 0 {
		_, c.err = c.tcp.Write(*room)
	}
	*room = (*room)[:0]
	c.rooms.Put(room)
	return c.err
}

// Write writes p, or gathers it.
func (c *conn) Write(p []byte) (int, error) {
	if c.held != nil && len(*c.held)+len(p) > maxGathered {
		if err := c.Release(); err != nil {
			return 0, err
		}
		c.Gather()
		if len(p) > maxGathered {
			return c.tcp.Write(p)
		}
	}
	switch {
	case c.err != nil:
		return 0, c.err
	case c.held != nil:
		*c.held = append(*c.held, p...)
		return len(p), nil
	}
	return c.tcp.Write(p)
}

// ReadFrom writes what it reads from r, a file without copying it.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if c.held != nil || c.err != nil {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	return c.tcp.ReadFrom(r)
}
