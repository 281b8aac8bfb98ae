// Package http1 is the client side of HTTP/1.1 over plain TCP: for model servers of one's own, another
// gateway, a proxy nearby that adds TLS.
//
// net/http's Transport hands every request to one goroutine of its connection and takes the answer from
// another, which is an eighth of what a call through the gateway costs. Here the caller's goroutine writes
// the request and reads the answer, and a connection that streams holds no goroutine but its reader's.
// What answers mean, their framing above all, is left to [http.ReadResponse].
//
// It does not speak TLS or HTTP/2, knows no proxies and no upgrades, and sends no body of unknown length:
// all that is http.Transport's.
package http1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
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
	MaxHead   int64         // bytes of an answer's head
	MaxIdle   int           // connections to one host that wait for a call
	IdleTime  time.Duration // so long they wait
	ReadBytes int           // buffer of a connection

	mu    sync.Mutex
	idle  map[string][]*conn // by host, in the order in which they came
	sweep *time.Timer        // runs while some wait
	heads sync.Pool          // *[]byte
}

// RoundTrip sends req, whose body must have a known length, and returns the answer as soon as its head is
// there. The answer's body ends with an error when the context of req does. It closes the body of req, for
// large ones possibly after it has returned.
//
// A call is sent a second time only if the upstream can't have seen it: over another connection, when
// one that had waited turned out to be closed; calls that may be repeated also when it closes without an answer.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	head, err := t.head(req)
	if err != nil {
		return nil, errors.Join(err, closeBody(req))
	}
	defer t.heads.Put(head)
	for {
		c, err := t.take(req)
		if err != nil {
			return nil, errors.Join(err, closeBody(req))
		}
		resp, unseen, err := c.exchange(req, head)
		if err == nil || !unseen || !c.used || req.Context().Err() != nil {
			return resp, err
		}
		if req.Body != nil && req.Body != http.NoBody {
			if req.GetBody == nil {
				return nil, err
			}
			again := *req
			if again.Body, err = req.GetBody(); err != nil {
				return nil, fmt.Errorf("read the request again: %w", err)
			}
			req = &again
		}
	}
}

func closeBody(req *http.Request) error {
	if req.Body == nil {
		return nil
	}
	return req.Body.Close()
}

// Fits reports whether calls to u can be made here.
func Fits(u *url.URL) bool {
	return u.Scheme == "http" && visible(u.Host) && !strings.ContainsRune(u.Host, '%') // a zone is not for the Host header
}

// take returns a connection to the host of req: the one that has waited for the shortest time, or a new one.
func (t *Transport) take(req *http.Request) (*conn, error) {
	host := req.URL.Host
	for {
		t.mu.Lock()
		waiting := t.idle[host]
		if len(waiting) == 0 {
			t.mu.Unlock()
			break
		}
		c := waiting[len(waiting)-1]
		waiting[len(waiting)-1] = nil
		t.idle[host] = waiting[:len(waiting)-1]
		t.mu.Unlock()
		if c.quiet() {
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
		if raw, err := s.SyscallConn(); err == nil { // else it is not looked at, and serves one call
			c.raw, c.look = raw, c.lookAt
		}
	}
	return c, nil
}

// put keeps a connection for the next call.
func (t *Transport) put(c *conn) {
	c.used, c.since = true, time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	waiting := t.idle[c.host]
	if len(waiting) >= t.MaxIdle {
		c.close()
		return
	}
	if t.idle == nil {
		t.idle = map[string][]*conn{}
	}
	t.idle[c.host] = append(waiting, c)
	if t.sweep == nil {
		t.sweep = time.AfterFunc(t.IdleTime, t.closeOld)
	}
}

// closeOld closes the connections that have waited for too long.
func (t *Transport) closeOld() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sweep == nil {
		return
	}
	next := time.Duration(0)
	for host, waiting := range t.idle {
		old := 0
		for old < len(waiting) && time.Since(waiting[old].since) >= t.IdleTime {
			waiting[old].close()
			old++
		}
		if old == len(waiting) {
			delete(t.idle, host)
			continue
		}
		n := copy(waiting, waiting[old:])
		clear(waiting[n:])
		t.idle[host] = waiting[:n]
		if left := t.IdleTime - time.Since(waiting[0].since); next == 0 || left < next {
			next = max(left, time.Millisecond)
		}
	}
	if next == 0 {
		t.sweep = nil
		return
	}
	t.sweep.Reset(next)
}

// CloseIdleConnections closes the connections that wait for a call.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, waiting := range t.idle {
		for _, c := range waiting {
			c.close()
		}
	}
	t.idle = nil
	if t.sweep != nil {
		t.sweep.Stop()
		t.sweep = nil
	}
}
