package http1_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// BenchmarkExchange compares the transport with net/http's on the same upstream, which only takes
// requests of a known size and writes the same answer to each.
func BenchmarkExchange(b *testing.B) {
	chunks := strings.Repeat("64\r\n"+strings.Repeat("x", 100)+"\r\n", 100) + "0\r\n\r\n"
	for _, v := range []struct {
		name, answer string
		body         int
	}{
		{"small", "Content-Length: 500\r\n\r\n" + strings.Repeat("x", 500), 300},
		{"100chunks", "Transfer-Encoding: chunked\r\n\r\n" + chunks, 300},
		{"32KB", "Content-Length: 500\r\n\r\n" + strings.Repeat("x", 500), 32 << 10},
		{"1MB", "Content-Length: 500\r\n\r\n" + strings.Repeat("x", 500), 1 << 20},
	} {
		to := taker(b, v.body, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Sat, 21 Nov 2026 07:00:00 GMT\r\n"+v.answer)
		body := bytes.Repeat([]byte("x"), v.body)
		for _, side := range []string{"http1", "nethttp"} {
			b.Run(fmt.Sprintf("%s/%s", v.name, side), func(b *testing.B) {
				near := newTransport(b)
				var rt http.RoundTripper = near
				if side == "nethttp" {
					far := netHTTP()
					defer far.CloseIdleConnections()
					rt = far
				}
				buf := make([]byte, 32<<10)
				b.ReportAllocs()
				for b.Loop() {
					req := request(b, b.Context(), to, "")
					req.Method, req.Body, req.ContentLength = http.MethodPost, io.NopCloser(bytes.NewReader(body)), int64(len(body))
					req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
					req.Header["Content-Type"] = []string{"application/json"}
					req.Header["User-Agent"] = []string{"bench"}
					resp, err := rt.RoundTrip(req)
					if err != nil {
						b.Fatal(err)
					}
					for err == nil {
						_, err = resp.Body.Read(buf)
					}
					if !errors.Is(err, io.EOF) {
						b.Fatal(err)
					}
					_ = resp.Body.Close()
				}
				if side == "http1" {
					b.ReportMetric(float64(near.dials.Load())/float64(b.N), "dials/op")
				}
			})
		}
	}
}

func netHTTP() *http.Transport {
	return &http.Transport{
		DialContext:            (&net.Dialer{}).DialContext,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        time.Minute,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
		ReadBufferSize:         4 << 10,
		WriteBufferSize:        3 << 10,
	}
}

// taker is an upstream that answers each request with a body of so many bytes the same.
func taker(t testing.TB, body int, answer string) string {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				buf, have := make([]byte, 64<<10), []byte(nil)
				for {
					n, err := c.Read(buf)
					if err != nil {
						return
					}
					have = append(have, buf[:n]...)
					_, rest, ok := bytes.Cut(have, []byte("\r\n\r\n"))
					if !ok {
						continue
					}
					for left := body - len(rest); left > 0; left -= n {
						if n, err = c.Read(buf[:min(len(buf), left)]); err != nil {
							return
						}
					}
					have = have[:0]
					if _, err := io.WriteString(c, answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return "http://" + ln.Addr().String() + "/v1/chat/completions"
}
