package http1_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/internal/http1"
)

// answering is a connection whose other side takes every request and gives one answer, some bytes at a time.
type answering struct {
	net.Conn // nil: nothing else is asked of it

	step   int
	asked  chan struct{}
	once   sync.Once
	closed chan struct{}
	shut   sync.Once

	mu     sync.Mutex
	answer []byte
}

func newAnswering(answer []byte, step int) *answering {
	return &answering{answer: answer, step: max(step, 1), asked: make(chan struct{}), closed: make(chan struct{})}
}

func (a *answering) Read(p []byte) (int, error) {
	select {
	case <-a.closed:
		return 0, net.ErrClosed
	case <-a.asked:
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.answer) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), a.step)], a.answer)
	a.answer = a.answer[n:]
	return n, nil
}

func (a *answering) Write(p []byte) (int, error) {
	a.once.Do(func() { close(a.asked) })
	return len(p), nil
}

func (a *answering) Close() error {
	a.shut.Do(func() { close(a.closed) })
	return nil
}

func (*answering) SetReadDeadline(time.Time) error { return errors.ErrUnsupported }

// outcome is what a caller sees of an answer.
func outcome(t testing.TB, rt http.RoundTripper, method string) string {
	body := ""
	if method == http.MethodPost {
		body = "question"
	}
	req := request(t, t.Context(), "http://upstream.test/v1", body)
	req.Method = method
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return "no answer"
	}
	defer func() { _ = resp.Body.Close() }()
	seen := fmt.Sprintf("%s %s %d %d.%d %v %d %v %v", resp.Proto, resp.Status, resp.StatusCode, resp.ProtoMajor, resp.ProtoMinor, resp.Header, resp.ContentLength, resp.TransferEncoding, resp.Close)
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return seen // the rest is no answer: net/http lends its connection, we close ours
	}
	got, err := io.ReadAll(resp.Body)
	return fmt.Sprintf("%s %q broken=%v trailer=%v", seen, got, err != nil, resp.Trailer)
}

// FuzzAnswer holds what is made of any bytes that an upstream may send to what net/http makes of them.
func FuzzAnswer(f *testing.F) {
	log.SetOutput(io.Discard) // net/http tells of bytes that it did not ask for
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more",
		"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
		"HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\n\tc\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\n X-A: a\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nX-A : a\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nX-A: a\x00b\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nX\x00A: a\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nX-A: a\rb\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1000\r\n"+strings.Repeat("x", 4096)+"\r\n", 20) + "0\r\n\r\nbehind",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n2;ext=1\r\nok\r\n0\r\nX-T: t\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\nContent-Length: 3\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: " + strings.Repeat("t", 5000) + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
		"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\nok",
		"HTTP/1.1 200 OK\r\n\r\nuntil the end",
		"HTTP/1.1 200 OK\r\nConnection: close, x\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 199 What\r\nContent-Length: 2\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx",
		"HTTP/1.1 101 Switching Protocols\r\nContent-Length: 2\r\n\r\nok",
		strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 200),
		strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 150) + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 000 Nothing\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 99 Short\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 099 Low\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 -10 Low\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 999 High\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1  200  OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nPragma: no-cache\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 4096-len("HTTP/1.1 200 OK\r\nX-A: \r\n\r\n")) + "\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 4097-len("HTTP/1.1 200 OK\r\nX-A: \r\n\r\n")) + "\r\n\r\nok",
		"HTTP/1.1 200 OK\r\n" + strings.Repeat("A:\r\n", 1000) + "\r\nok",
		"HTTP/1.1 200 OK\r\n" + strings.Repeat("A:\r\n", 1200) + "\r\nok",
		"",
		"\r\n",
		"hello",
	} {
		for method := range uint8(3) {
			f.Add([]byte(answer), method, uint16(5000))
		}
		f.Add([]byte(answer), uint8(0), uint16(1))
	}
	f.Fuzz(func(t *testing.T, answer []byte, method uint8, step uint16) {
		dial := func(context.Context, string, string) (net.Conn, error) { return newAnswering(answer, int(step)), nil }
		near := &http1.Transport{Dial: dial, MaxHead: 4 << 10, MaxIdle: 1, MaxWait: 1, IdleTime: time.Minute, ReadBytes: 512}
		far := &http.Transport{DialContext: dial, DisableCompression: true, MaxResponseHeaderBytes: 4 << 10, ReadBufferSize: 512}
		defer far.CloseIdleConnections()
		m := []string{http.MethodPost, http.MethodGet, http.MethodHead}[method%3]
		if got, want := outcome(t, near, m), outcome(t, far, m); got != want {
			t.Errorf("%s is answered by\n%.500q\nof which we make\n%.500s\nand net/http\n%.500s", m, answer, got, want)
		}
	})
}
