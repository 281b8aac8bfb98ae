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

	"tollgate/internal/http1"
)

// transport counts the connections that it makes.
type transport struct {
	http1.Transport

	dials atomic.Int64
}

func newTransport(t testing.TB) *transport {
	tr := &transport{Transport: http1.Transport{MaxHead: 64 << 10, MaxIdle: 16, MaxWait: 64, IdleTime: time.Minute, ReadBytes: 4 << 10}}
	tr.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		tr.dials.Add(1)
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// request makes a POST with a body, or a GET without one.
func request(t testing.TB, ctx context.Context, to, body string) *http.Request {
	t.Helper()
	method, from := http.MethodGet, io.Reader(nil)
	if body != "" {
		method, from = http.MethodPost, strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, to, from)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// call makes a call and returns status and body of the answer.
func call(t *testing.T, rt http.RoundTripper, req *http.Request) (int, string, error) {
	t.Helper()
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	got, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(got), errors.Join(err, resp.Body.Close())
}

// script is a server that speaks each connection's lines as they are given: it reads one request, writes
// the next answer, and closes after the last.
func script(t *testing.T, answers ...string) (to string, closed *atomic.Int64) {
	t.Helper()
	closed = new(atomic.Int64)
	to = upstream(t, func(_ context.Context, c *net.TCPConn) {
		defer func() {
			_ = c.Close()
			closed.Add(1)
		}()
		buf := make([]byte, 64<<10)
		for _, a := range answers {
			if _, err := c.Read(buf); err != nil {
				return
			}
			if _, err := io.WriteString(c, a); err != nil {
				return
			}
		}
	})
	return to, closed
}

func TestAnswersAreThoseOfNetHTTP(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Seen", fmt.Sprintf("%s %s %s %v %d", r.Method, r.URL.RequestURI(), r.Host, r.Header["X-Some"], r.ContentLength))
		switch r.URL.Path {
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/chunked":
			for i := range 50 {
				fmt.Fprintf(w, "piece %d of %d\n", i, len(got))
				w.(http.Flusher).Flush()
			}
		default:
			w.WriteHeader(http.StatusTeapot)
			_, _ = w.Write(got)
		}
	}))
	defer srv.Close()
	near, far := newTransport(t), &http.Transport{DisableCompression: true}
	defer far.CloseIdleConnections()
	for _, path := range []string{"/", "/empty", "/chunked", "/a%2Fb?q=a%20b&c"} {
		for _, size := range []int{0, 1, 5 << 10, 16 << 10, 16<<10 + 1, 64<<10 + 1, 3 << 20} {
			var seen [2]string
			for i, rt := range []http.RoundTripper{near, far} {
				req := request(t, t.Context(), srv.URL+path, strings.Repeat("x", size))
				req.Header["X-Some"] = []string{"one", "two, three"}
				req.Header.Set("User-Agent", "test")
				resp, err := rt.RoundTrip(req)
				if err != nil {
					t.Fatalf("%s with %d bytes: %v", path, size, err)
				}
				got, err := io.ReadAll(resp.Body)
				if err = errors.Join(err, resp.Body.Close()); err != nil {
					t.Fatalf("%s with %d bytes: %v", path, size, err)
				}
				seen[i] = fmt.Sprint(resp.StatusCode, resp.ContentLength, resp.TransferEncoding, resp.Header["X-Seen"], resp.Header["Content-Length"], string(got))
			}
			if seen[0] != seen[1] {
				t.Errorf("%s with %d bytes:\n%.300s\nand by net/http:\n%.300s", path, size, seen[0], seen[1])
			}
		}
	}
	if n := near.dials.Load(); n > 8 { // a body that is still counted as being written costs a connection
		t.Errorf("%d connections for 28 calls in turn", n)
	}
}

// A connection that the other side has closed, or on which something came that nobody asked for, serves no call.
func TestConnectionsThatAreOverServeNoCall(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	text := strings.Repeat("ok", 30000)
	long := "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + text
	for name, after := range map[string]string{
		"closed":              answer,
		"closed far behind":   long,
		"far behind":          long + answer,
		"another answer":      answer + answer,
		"another protocol":    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
		"asked to be closed":  "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
		"ends with its close": "HTTP/1.0 200 OK\r\n\r\nok",
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTransport(t)
			to, closed := script(t, after)
			for i := range int64(5) {
				status, got, err := call(t, tr, request(t, t.Context(), to, "question"))
				if err != nil || status != 101 && (status != 200 || got != "ok" && got != text) {
					t.Fatalf("%d %.200q %v", status, got, err)
				}
				until(t, "the connection to be closed", func() bool { return closed.Load() == i+1 })
			}
			if n := tr.dials.Load(); n != 5 {
				t.Errorf("%d connections for 5 calls", n)
			}
		})
	}
}

func TestCallsEndWithTheirContext(t *testing.T) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			w.WriteHeader(http.StatusOK)
			_, _ = io.WriteString(w, "some")
			w.(http.Flusher).Flush()
		}
		<-release
	}))
	defer srv.Close()
	defer close(release)
	tr := newTransport(t)

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, _, err := call(t, tr, request(t, ctx, srv.URL+"/head", "x")); !errors.Is(err, context.Canceled) {
		t.Errorf("while the head is awaited: %v", err)
	}

	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	resp, err := tr.RoundTrip(request(t, ctx, srv.URL+"/body", "x"))
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4)
	if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != "some" {
		t.Fatalf("%q %v", buf, err)
	}
	cancel()
	if _, err := resp.Body.Read(buf); err == nil {
		t.Error("an answer went on after its call was over")
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}

	// Giving up the answer in the middle of reading it.
	resp, err = tr.RoundTrip(request(t, t.Context(), srv.URL+"/body", "x"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := io.ReadAll(resp.Body)
		done <- err
	}()
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("an answer that was given up ended well")
	}
}

// Hostile heads end the call, not the gateway.
func TestBadAnswersAreErrors(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing":      "",
		"no http":      "hello\r\n\r\n",
		"half a head":  "HTTP/1.1 200 OK\r\nContent-Le",
		"huge head":    "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 1<<20) + "\r\n\r\n",
		"endless 100s": strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 20_000),
		"two lengths":  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
		"cut":          "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok",
		"cut chunk":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
		"bad chunk":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTransport(t)
			to, _ := script(t, answer)
			if status, got, err := call(t, tr, request(t, t.Context(), to, "question")); err == nil {
				t.Errorf("%d %q", status, got)
			}
		})
	}
}

func TestInterimAnswersArePassedOver(t *testing.T) {
	tr := newTransport(t)
	to, _ := script(t, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	if status, got, err := call(t, tr, request(t, t.Context(), to, "question")); status != 200 || got != "ok" || err != nil {
		t.Errorf("%d %q %v", status, got, err)
	}
}

// An upstream that refuses a large request does not read it to its end; its answer counts, not that the
// rest could not be written.
func TestRefusalsOfLargeRequestsAreRead(t *testing.T) {
	to := upstream(t, func(_ context.Context, c *net.TCPConn) {
		_, _ = c.Read(make([]byte, 1000))
		_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large")
		_ = c.CloseWrite()
		_, _ = io.CopyN(io.Discard, c, 300<<10)
	})
	tr := newTransport(t)
	for range 20 {
		status, got, err := call(t, tr, request(t, t.Context(), to, strings.Repeat("x", 8<<20)))
		if status != 413 || got != "too large" || err != nil {
			t.Fatalf("%d %q %v", status, got, err)
		}
	}
}

func TestRequestsThatCannotBeSentAreRefused(t *testing.T) {
	tr := newTransport(t)
	to, _ := script(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	for name, spoil := range map[string]func(*http.Request){
		"a line in a value":   func(r *http.Request) { r.Header["X-A"] = []string{"a\r\nX-B: b"} },
		"a line in a name":    func(r *http.Request) { r.Header["X-A: b\r\nX-B"] = []string{"a"} },
		"a line in the host":  func(r *http.Request) { r.Host = "a\r\nX-B: b" },
		"a space in the path": func(r *http.Request) { r.URL.RawQuery = "a b" },
		"a method of two":     func(r *http.Request) { r.Method = "GET /" },
		"TLS":                 func(r *http.Request) { r.URL.Scheme = "https" },
		"unknown length":      func(r *http.Request) { r.ContentLength = -1 },
		"too long a body":     func(r *http.Request) { r.ContentLength = 3 },
		"too short a body":    func(r *http.Request) { r.ContentLength = 30 },
	} {
		t.Run(name, func(t *testing.T) {
			closed := false
			req := request(t, t.Context(), to, "question")
			req.Body = closing{Reader: strings.NewReader("question"), closed: &closed}
			spoil(req)
			if status, got, err := call(t, tr, req); err == nil {
				t.Errorf("%d %q", status, got)
			}
			if !closed {
				t.Error("the body was not closed")
			}
		})
	}
}

// closing tells that it was closed.
type closing struct {
	io.Reader

	closed *bool
}

func (c closing) Close() error {
	*c.closed = true
	return nil
}

func TestIdleConnectionsAreBounded(t *testing.T) {
	var open atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
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
	tr.MaxIdle, tr.IdleTime = 3, 50*time.Millisecond
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if status, got, err := call(t, tr, request(t, t.Context(), srv.URL, "echo")); status != 200 || got != "echo" || err != nil {
				t.Errorf("%d %q %v", status, got, err)
			}
		})
	}
	wg.Wait()
	until(t, "all connections but a few, then all, to be closed", func() bool { return open.Load() == 0 })
	if status, _, err := call(t, tr, request(t, t.Context(), srv.URL, "echo")); status != 200 || err != nil {
		t.Errorf("after that: %d %v", status, err)
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("still waiting for " + what)
		}
	}
}

// Many calls at once, some given up at any moment: every answer that comes whole is the one to its question.
func TestAnswersBelongToTheirQuestions(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		if err != nil {
			return // given up
		}
		for len(got) > 0 {
			n := min(len(got), 3000)
			if _, err := w.Write(got[:n]); err != nil {
				return
			}
			got = got[n:]
			w.(http.Flusher).Flush()
		}
	}))
	defer srv.Close()
	tr := newTransport(t)
	var wg sync.WaitGroup
	var whole atomic.Int64
	for worker := range 8 {
		wg.Go(func() {
			for i := range 150 {
				question := bytes.Repeat(fmt.Appendf(nil, "%d/%d ", worker, i), 1+(i*worker*37)%20_000)
				ctx, cancel := context.WithCancel(t.Context())
				if i%3 == 0 {
					time.AfterFunc(time.Duration(i*worker%7)*100*time.Microsecond, cancel)
				}
				status, got, err := call(t, tr, request(t, ctx, srv.URL, string(question)))
				cancel()
				if err != nil {
					if i%3 != 0 {
						t.Errorf("%d/%d: %v", worker, i, err)
					}
					continue
				}
				whole.Add(1)
				if status != 200 || got != string(question) {
					t.Errorf("%d/%d: %d with %d bytes for %d: %.40q", worker, i, status, len(got), len(question), got)
				}
			}
		})
	}
	wg.Wait()
	if whole.Load() < 800 {
		t.Errorf("%d calls were answered", whole.Load())
	}
}
