package http1_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A caller may close an answer while another goroutine reads its last byte. The connection may then be another
// call's already.
func TestClosingAnAnswerHarmsNoOtherCall(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer srv.Close()
	tr := newTransport(t)
	var closers, others sync.WaitGroup
	var over atomic.Bool
	for range 4 {
		others.Go(func() {
			for !over.Load() {
				if status, got, err := call(t, tr, request(t, t.Context(), srv.URL, "echo")); status != 200 || got != "echo" || err != nil {
					t.Errorf("%d %q %v", status, got, err)
					return
				}
			}
		})
	}
	for range 4 {
		closers.Go(func() {
			for range 300 {
				resp, err := tr.RoundTrip(request(t, t.Context(), srv.URL, "other"))
				if err != nil {
					t.Error(err)
					return
				}
				var closing sync.WaitGroup
				closing.Go(func() { _ = resp.Body.Close() })
				_, _ = io.ReadAll(resp.Body) // fails or not
				closing.Wait()
			}
		})
	}
	closers.Wait()
	over.Store(true)
	others.Wait()
}

// loser is an upstream that answers the first request of each connection and closes it when it has seen another.
func loser(t *testing.T) (to string, seen *atomic.Int64) {
	t.Helper()
	seen = new(atomic.Int64)
	to = upstream(t, func(_ context.Context, c *net.TCPConn) {
		for i := range 2 {
			if n, err := c.Read(make([]byte, 64<<10)); err != nil || n == 0 {
				return
			}
			seen.Add(1)
			if i > 0 {
				return
			}
			if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); err != nil {
				return
			}
		}
	})
	return to, seen
}

// What the upstream may have acted on is not sent again, unless it does no harm.
func TestWhatMayHaveBeenSeenIsNotSentAgain(t *testing.T) {
	for method, want := range map[string]int64{http.MethodPost: 2, http.MethodDelete: 2, http.MethodGet: 3, http.MethodHead: 3} {
		t.Run(method, func(t *testing.T) {
			to, seen := loser(t)
			tr := newTransport(t)
			body := ""
			if method == http.MethodPost {
				body = "question"
			}
			for i := range 2 {
				req := request(t, t.Context(), to, body)
				req.Method = method
				req.Header.Set("Idempotency-Key", "once") // net/http would take it for leave to repeat
				_, _, err := call(t, tr, req)
				if refused := i == 1 && want == 2; (err != nil) != refused || refused && !errors.Is(err, io.EOF) {
					t.Errorf("call %d: %v", i, err)
				}
			}
			if n := seen.Load(); n != want {
				t.Errorf("the upstream saw %d requests, want %d", n, want)
			}
		})
	}
}

// stale is a connection that takes the first request, and of the next nothing, or a part.
type stale struct {
	*net.TCPConn

	heads int
	takes int
}

func (s *stale) Write(p []byte) (int, error) {
	if bytes.HasPrefix(p, []byte("POST")) {
		s.heads++
	}
	if s.heads == 1 {
		return s.TCPConn.Write(p)
	}
	n, err := s.TCPConn.Write(p[:s.takes])
	return n, errors.Join(err, &net.OpError{Op: "write", Net: "tcp", Err: errors.New("broken pipe")})
}

func TestWhatWasNotSentIsSentAnew(t *testing.T) {
	for name, size := range map[string]int{"small": 10, "large": 100 << 10} {
		for _, takes := range []int{0, 5} {
			t.Run(fmt.Sprintf("%s body, %d bytes taken", name, takes), func(t *testing.T) {
				t.Parallel()
				to := taker(t, size, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				tr := newTransport(t)
				dial := tr.Dial
				tr.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
					c, err := dial(ctx, network, address)
					if err != nil || tr.dials.Load() > 1 {
						return c, err
					}
					return &stale{TCPConn: c.(*net.TCPConn), takes: takes}, nil
				}
				for i := range 2 {
					body := &counted{from: strings.NewReader(strings.Repeat("x", size))}
					req := request(t, t.Context(), to, "")
					req.Method, req.Body, req.ContentLength = http.MethodPost, body, int64(size)
					_, _, err := call(t, tr, req)
					if fails := i == 1 && takes > 0; fails != (err != nil) {
						t.Errorf("call %d: %v", i, err)
					}
					body.check(t, "call")
				}
			})
		}
	}
}

// counted is a body that knows how it was treated.
type counted struct {
	from   io.Reader
	closed atomic.Int64
	late   atomic.Bool // it was read after that
}

func (c *counted) Read(p []byte) (int, error) {
	if c.closed.Load() > 0 {
		c.late.Store(true)
	}
	return c.from.Read(p)
}

func (c *counted) Close() error {
	c.closed.Add(1)
	return nil
}

func (c *counted) check(t *testing.T, name string) {
	t.Helper()
	until(t, "the body to be closed", func() bool { return c.closed.Load() > 0 })
	if n := c.closed.Load(); n != 1 || c.late.Load() {
		t.Errorf("%s: the body was closed %d times, and read after that: %v", name, n, c.late.Load())
	}
}

// An upstream that restarts leaves many connections behind that are closed. One call clears them away.
func TestConnectionsOfAnUpstreamThatRestartsAreClearedAway(t *testing.T) {
	const many = 200
	tr := newTransport(t)
	tr.MaxIdle, tr.MaxWait = many, many
	var arrived sync.WaitGroup
	arrived.Add(many)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/many" {
			arrived.Done()
			arrived.Wait()
		}
		_, _ = io.Copy(w, r.Body)
	}))
	defer srv.Close()
	var wg sync.WaitGroup
	for range many {
		wg.Go(func() {
			if _, _, err := call(t, tr, request(t, t.Context(), srv.URL+"/many", "echo")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	srv.CloseClientConnections()
	for range 3 {
		if status, got, err := call(t, tr, request(t, t.Context(), srv.URL, "echo")); status != 200 || got != "echo" || err != nil {
			t.Errorf("%d %q %v", status, got, err)
		}
	}
	if n := tr.dials.Load(); n != many+1 {
		t.Errorf("%d connections, want one more than %d", n, many)
	}
}

func TestCallsThatAreOverTakeNoConnection(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer srv.Close()
	tr := newTransport(t)
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	for i := range 10 {
		body := &counted{from: strings.NewReader("echo")}
		req := request(t, ctx, srv.URL, "echo")
		if req.Body = body; i%2 > 0 {
			req.Body, req.ContentLength = body, 1<<20
		}
		if _, err := tr.RoundTrip(req); !errors.Is(err, gone) {
			t.Errorf("a call that is over: %v", err)
		}
		body.check(t, "a call that is over")
		if _, _, err := call(t, tr, request(t, t.Context(), srv.URL, "echo")); err != nil {
			t.Error(err)
		}
	}
	if n := tr.dials.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// A connection that can't be looked at serves one call.
func TestConnectionsThatCannotBeLookedAtAreNotKept(t *testing.T) {
	var open atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		default:
		}
	}
	srv.Start()
	defer srv.Close()
	tr := newTransport(t)
	dial := tr.Dial
	tr.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		return struct{ net.Conn }{c}, err
	}
	if _, _, err := call(t, tr, request(t, t.Context(), srv.URL, "echo")); err != nil {
		t.Fatal(err)
	}
	until(t, "the connection to be closed", func() bool { return open.Load() == 0 })
}

// The bound over all hosts drops the connection that has waited for the longest time.
func TestIdleConnectionsToAllHostsAreBounded(t *testing.T) {
	tr := newTransport(t)
	tr.MaxWait = 3
	var to [5]string
	for i := range to {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
		t.Cleanup(srv.Close)
		to[i] = srv.URL
	}
	reach := func(i int) {
		t.Helper()
		if _, _, err := call(t, tr, request(t, t.Context(), to[i], "echo")); err != nil {
			t.Fatal(err)
		}
	}
	for i := range to {
		reach(i)
		time.Sleep(time.Millisecond) // clocks may be coarse; order is by time
	}
	for _, v := range []struct{ host, dials int }{{4, 5}, {3, 5}, {2, 5}, {1, 6}, {0, 7}} {
		if reach(v.host); tr.dials.Load() != int64(v.dials) {
			t.Errorf("host %d: %d connections, want %d", v.host, tr.dials.Load(), v.dials)
		}
	}
}
