package http1_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// upstream is a server that leaves each connection to a function, and closes it after that. Its context ends with
// the test.
func upstream(t *testing.T, serve func(ctx context.Context, c *net.TCPConn)) (to string) {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				serve(t.Context(), c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		wg.Wait()
	})
	return "http://" + ln.Addr().String() + "/v1"
}

// However a large request ends, its body is closed once and not read after that, no goroutine is left (goleak),
// and its connection serves no other call unless all went well.
func TestLargeBodiesEnd(t *testing.T) {
	const size = 8 << 20 // more than the kernel takes
	broken := errors.New("broken")
	all := strings.Repeat("x", size)
	whole := func() io.Reader { return strings.NewReader(all) }
	for name, v := range map[string]struct {
		serve  func(ctx context.Context, c *net.TCPConn)
		from   func() io.Reader
		cancel bool
		want   error // nil: an answer
		any    bool  // any error
	}{
		"never read": {serve: func(ctx context.Context, c *net.TCPConn) {
			_, _ = c.Read(make([]byte, 1000))
			<-ctx.Done()
		}, cancel: true, want: context.Canceled},
		"answered at once and not read": {serve: func(ctx context.Context, c *net.TCPConn) {
			_, _ = c.Read(make([]byte, 1000))
			_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\n\r\ntoo large")
			<-ctx.Done()
		}},
		"answered at once in chunks": {serve: func(ctx context.Context, c *net.TCPConn) {
			_, _ = c.Read(make([]byte, 1000))
			_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ntoo large\r\n0\r\n\r\n")
			<-ctx.Done()
		}},
		"answered without a body": {serve: func(ctx context.Context, c *net.TCPConn) {
			_, _ = c.Read(make([]byte, 1000))
			_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
			<-ctx.Done()
		}},
		"closed": {serve: func(ctx context.Context, c *net.TCPConn) { _, _ = c.Read(make([]byte, 1000)) }, any: true},
		"reset": {serve: func(ctx context.Context, c *net.TCPConn) {
			_, _ = c.Read(make([]byte, 1000))
			_ = c.SetLinger(0)
		}, any: true},
		"closed for writing": {serve: func(ctx context.Context, c *net.TCPConn) {
			_ = c.CloseWrite()
			_, _ = io.Copy(io.Discard, c)
		}, want: io.EOF},
		"unreadable": {from: func() io.Reader { return io.MultiReader(io.LimitReader(whole(), size/2), iotest.ErrReader(broken)) }, want: broken},
		"too short":  {from: func() io.Reader { return io.LimitReader(whole(), size/2) }, any: true},
		"too long":   {from: func() io.Reader { return io.MultiReader(whole(), strings.NewReader("GET / HTTP/1.1")) }, any: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			serve, from := v.serve, v.from
			if serve == nil {
				serve = func(_ context.Context, c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }
			}
			if from == nil {
				from = whole
			}
			to := upstream(t, serve)
			tr := newTransport(t)
			for range 2 {
				ctx, cancel := context.WithCancel(t.Context())
				body := &counted{from: from()}
				if v.cancel {
					body.from = io.MultiReader(io.LimitReader(body.from, 1<<20), after(cancel), body.from)
				}
				req := request(t, ctx, to, "")
				req.Method, req.Body, req.ContentLength = http.MethodPost, body, size
				status, _, err := call(t, tr, req)
				switch {
				case v.any || v.want != nil:
					if err == nil || v.want != nil && !errors.Is(err, v.want) {
						t.Errorf("%d, %v; want %v", status, err, v.want)
					}
				case status != 413 || err != nil:
					t.Errorf("%d, %v", status, err)
				}
				body.check(t, name)
				cancel()
			}
			if n := tr.dials.Load(); n != 2 {
				t.Errorf("%d connections for 2 calls", n)
			}
		})
	}
}

// after is a reader at its end that does something when that is found out.
type after func()

func (a after) Read([]byte) (int, error) {
	a()
	return 0, io.EOF
}
