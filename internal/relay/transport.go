package relay

import (
	"net"
	"net/http"
	"net/url"
	"time"

	"tollgate/internal/http1"
)

// transport is the client side of the gateway: http1 for upstreams without TLS, net/http for all others and
// where a proxy stands between. Bytes are passed on as they are, so neither asks for gzip on its own; idle
// connections are kept for every host, or each burst would pay for new handshakes.
type transport struct {
	near  *http1.Transport
	far   *http.Transport
	proxy func(*http.Request) (*url.URL, error)
}

func newTransport(s Settings) *transport {
	dialer := &net.Dialer{Timeout: s.Connect, KeepAlive: 30 * time.Second}
	const (
		maxHead  = 256 << 10
		maxIdle  = 1024
		maxWait  = 4096
		idleTime = 90 * time.Second
		readSize = 6 << 10 // what a fast stream brings at once; thousands of slow ones hold it too
	)
	return &transport{
		near: &http1.Transport{
			Dial:      dialer.DialContext,
			MaxHead:   maxHead,
			MaxIdle:   maxIdle,
			MaxWait:   maxWait,
			IdleTime:  idleTime,
			ReadBytes: readSize,
		},
		far: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    s.Connect,
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           maxWait,
			MaxIdleConnsPerHost:    maxIdle,
			IdleConnTimeout:        idleTime,
			ExpectContinueTimeout:  time.Second,
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHead,
			ReadBufferSize:         readSize,
			WriteBufferSize:        3 << 10, // a head and a small body, which leave in one write
		},
		proxy: http.ProxyFromEnvironment,
	}
}

// RoundTrip makes a call.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if http1.Fits(req.URL) {
		if via, err := t.proxy(req); via == nil && err == nil {
			return t.near.RoundTrip(req)
		}
	}
	return t.far.RoundTrip(req)
}

// CloseIdleConnections closes what waits for a call.
func (t *transport) CloseIdleConnections() {
	t.near.CloseIdleConnections()
	t.far.CloseIdleConnections()
}
