package relay

import (
	"net"
	"net/http"
	"os"
	"time"

	"tollgate/internal/http1"
)

// transport is the client side of the gateway: http1 for upstreams without TLS, net/http for all others.
// Bytes are passed on as they are, so neither asks for gzip on its own; idle connections are kept for
// every host, or each burst would pay for new handshakes.
type transport struct {
	near *http1.Transport // nil where a proxy stands between
	far  *http.Transport
}

func newTransport(s Settings) *transport {
	dialer := &net.Dialer{Timeout: s.Connect, KeepAlive: 30 * time.Second}
	const (
		maxHead  = 256 << 10
		maxIdle  = 1024
		idleTime = 90 * time.Second
		readSize = 6 << 10 // what a fast stream brings at once; thousands of slow ones hold it too
	)
	t := &transport{far: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    s.Connect,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           4096,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTime,
		ExpectContinueTimeout:  time.Second,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHead,
		ReadBufferSize:         readSize,
		WriteBufferSize:        3 << 10, // a head and a small body, which leave in one write
	}}
	if os.Getenv("HTTP_PROXY") == "" && os.Getenv("http_proxy") == "" {
		t.near = &http1.Transport{Dial: dialer.DialContext, MaxHead: maxHead, MaxIdle: maxIdle, IdleTime: idleTime, ReadBytes: readSize}
	}
	return t
}

// RoundTrip makes a call.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.near != nil && http1.Fits(req.URL) {
		return t.near.RoundTrip(req)
	}
	return t.far.RoundTrip(req)
}

// CloseIdleConnections closes what waits for a call.
func (t *transport) CloseIdleConnections() {
	if t.near != nil {
		t.near.CloseIdleConnections()
	}
	t.far.CloseIdleConnections()
}
