// Package http1 is the client side of HTTP/1.1 over plain TCP: for model servers of one's own, another
// gateway, a proxy nearby that adds TLS.
//
// net/http's Transport hands every request to one goroutine of its connection and takes the answer from
// another, which is an eighth of what a call through the gateway costs. Here the caller's goroutine writes
// the request and reads the answer, and a connection that streams holds no goroutine but its reader's.
// What answers mean, their framing above all, is left to [http.ReadResponse], unless nothing about them is in doubt.
//
// It does not speak TLS or HTTP/2, knows no proxies and no upgrades, and sends no body of unknown length:
// all that is http.Transport's.
package http1

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Transport keeps connections to hosts and makes calls over them. Its fields are set before its first call.
// It is an [http.RoundTripper] and may be used by many at once.
type Transport struct {
	Dial      func(ctx context.Context, network, address string) (net.Conn, error)
	MaxHead   int64         // bytes of an answer's head, with those that only say that one will come
	MaxIdle   int           // connections to one host that wait for a call
	MaxWait   int           // connections to all hosts that do
	IdleTime  time.Duration // so long they wait
	ReadBytes int           // buffer of a connection

	messages sync.Pool // *message
	idle     idle
}

// RoundTrip sends req, whose body must have a known length, and returns the answer as soon as its head is
// there. Reading the answer's body fails once the context of req is done. It closes the body of req, that of
// a large one possibly after it has returned.
//
// A call is sent a second time only if the upstream can't have seen it, because nothing could be written to a
// connection that had waited, or if it does no harm twice and such a connection closed without an answer.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	m, err := t.message(req)
	if err != nil {
		return nil, err
	}
	defer t.free(m)
	for {
		if req.Context().Err() != nil {
			return nil, context.Cause(req.Context())
		}
		c, err := t.take(req)
		if err != nil {
			return nil, err
		}
		resp, again, err := c.exchange(req, m)
		if err == nil || !again || !c.used {
			return resp, err
		}
	}
}

// Fits reports whether calls to u can be made here.
func Fits(u *url.URL) bool {
	return u != nil && u.Scheme == "http" && visible(u.Host) && !strings.ContainsRune(u.Host, '%') // a zone is not for the Host header
}

// CloseIdleConnections closes the connections that wait for a call.
func (t *Transport) CloseIdleConnections() { closeAll(t.idle.clear()) }

// take returns a connection to the host of req: the one that has waited for the shortest time, or a new one.
func (t *Transport) take(req *http.Request) (*conn, error) {
	host := req.URL.Host
	for {
		c := t.idle.newest(host)
		if c == nil {
			break
		}
		// By the clock on the wall, which goes on while the machine sleeps.
		if time.Since(c.since.Round(0)) < t.IdleTime && c.quiet() {
			return c, nil
		}
		c.close()
	}
	address := host
	if req.URL.Port() == "" {
		address = net.JoinHostPort(req.URL.Hostname(), "80")
	}
	nc, err := t.Dial(req.Context(), "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &conn{t: t, host: host, nc: nc}
	c.hangUp = c.close
	c.br = bufio.NewReaderSize(c, t.ReadBytes)
	if s, ok := nc.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil { // else it can't be looked at, and serves one call
			c.raw, c.look = raw, c.lookAt
		}
	}
	return c, nil
}

// put keeps a connection for the next call.
func (t *Transport) put(c *conn) {
	c.used, c.since = true, time.Now()
	if over := t.idle.add(c); over != nil {
		over.close()
	}
}
