package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// A failed call means the same whichever client made it.
func TestBothClientsFailAlike(t *testing.T) {
	serve := func(answer string, reset bool) string {
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
				_, _ = c.Read(make([]byte, 64<<10))
				_, _ = io.WriteString(c, answer)
				if reset {
					_ = c.(*net.TCPConn).SetLinger(0)
				}
				_ = c.Close()
			}
		})
		t.Cleanup(func() {
			_ = ln.Close()
			wg.Wait()
		})
		return "http://" + ln.Addr().String()
	}
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := "http://" + ln.Addr().String() // nobody listens there any more
	_ = ln.Close()
	held := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does a server notice that its client leaves
		if r.URL.Path == "/body" {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}))
	defer held.Close()
	for name, v := range map[string]struct {
		to      string
		cause   error // with which the call is given up
		connect time.Duration
		want    string
	}{
		"no such host":      {to: "http://a..b", want: "the upstream could not be reached"},
		"refused":           {to: refused, want: "the upstream could not be reached"},
		"refused by v6":     {to: strings.Replace(refused, "127.0.0.1", "[::1]", 1), want: "the upstream could not be reached"},
		"no such port":      {to: "http://127.0.0.1:99999", want: "the upstream could not be reached"},
		"slow to connect":   {to: refused, connect: 1, want: "the upstream could not be reached"},
		"closed":            {to: serve("", false), want: "the upstream closed the connection before the answer was complete"},
		"closed in a head":  {to: serve("HTTP/1.1 200 OK\r\nX-A: a\r\n", false), want: "the upstream closed the connection before the answer was complete"},
		"closed in a body":  {to: serve("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", false), want: "the upstream closed the connection before the answer was complete"},
		"closed in a chunk": {to: serve("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf", false), want: "the upstream closed the connection before the answer was complete"},
		"reset":             {to: serve("", true), want: "the connection to the upstream broke"},
		"no HTTP":           {to: serve("SSH-2.0-OpenSSH_9.2\r\n", false), want: "the connection to the upstream broke"},
		"no answer in time": {to: held.URL + "/head", cause: errFirstByte, want: "the upstream did not answer in time: nothing came in time"},
		"a stalled answer":  {to: held.URL + "/body", cause: errIdle, want: "the upstream did not answer in time: the answer stalled"},
		"the client left":   {to: held.URL + "/head", cause: errClientGone, want: "the client closed the request"},
	} {
		t.Run(name, func(t *testing.T) {
			if v.connect == 0 {
				v.connect = time.Minute
			}
			both := newTransport(Settings{Connect: v.connect})
			defer both.CloseIdleConnections()
			for i, rt := range []http.RoundTripper{both.near, both.far} {
				ctx, cancel := context.WithCancelCause(t.Context())
				if v.cause != nil {
					time.AfterFunc(20*time.Millisecond, func() { cancel(v.cause) })
				}
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.to, strings.NewReader("question"))
				if err != nil {
					t.Fatal(err)
				}
				resp, err := rt.RoundTrip(req)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					_ = resp.Body.Close()
				}
				if err == nil {
					t.Fatal("no error")
				}
				if v.cause != nil && !errors.Is(err, v.cause) {
					t.Errorf("client %d: %v", i, err)
				}
				if got := transportError(context.Cause(ctx), err); got.Message != v.want {
					t.Errorf("client %d: %q for %v", i, got.Message, err)
				}
				cancel(nil)
			}
		})
	}
}

// What the environment says of proxies holds for plain upstreams, too. It is read once for a process, so each
// case is one.
func TestProxiesOfTheEnvironment(t *testing.T) {
	if to := os.Getenv("TRANSPORT_TEST_TO"); to != "" {
		tr := newTransport(Settings{Connect: time.Minute})
		u, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := tr.RoundTrip((&http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: http.Header{}}).WithContext(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil || string(got) != os.Getenv("TRANSPORT_TEST_WANT") {
			t.Errorf("%q, %v; want %q", got, err, os.Getenv("TRANSPORT_TEST_WANT"))
		}
		return
	}
	tell := func(what string) *httptest.Server {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, what) }))
		t.Cleanup(srv.Close)
		return srv
	}
	proxy, upstream := tell("proxy"), tell("upstream")
	host := strings.TrimPrefix(upstream.URL, "http://")
	for name, v := range map[string]struct {
		env  []string
		to   string
		want string
	}{
		"none":                      {nil, upstream.URL, "upstream"},
		"one":                       {[]string{"HTTP_PROXY=" + proxy.URL}, "http://upstream.test", "proxy"},
		"one, in small letters":     {[]string{"http_proxy=" + proxy.URL}, "http://upstream.test", "proxy"},
		"one, but not for this":     {[]string{"HTTP_PROXY=" + proxy.URL, "NO_PROXY=127.0.0.0/8"}, upstream.URL, "upstream"},
		"one, but for others":       {[]string{"HTTP_PROXY=" + proxy.URL, "NO_PROXY=example.com"}, "http://upstream.test", "proxy"},
		"never for this machine":    {[]string{"HTTP_PROXY=" + proxy.URL}, upstream.URL, "upstream"},
		"one for TLS":               {[]string{"HTTPS_PROXY=" + proxy.URL}, upstream.URL, "upstream"},
		"ALL_PROXY, unknown to Go":  {[]string{"ALL_PROXY=" + proxy.URL}, upstream.URL, "upstream"},
		"no port, no slash, a name": {[]string{"HTTP_PROXY=" + strings.TrimPrefix(proxy.URL, "http://")}, "http://upstream.test.", "proxy"},
		"localhost":                 {nil, "http://localhost:" + host[strings.LastIndex(host, ":")+1:], "upstream"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxiesOfTheEnvironment$")
			cmd.Env = append(v.env, "TRANSPORT_TEST_TO="+v.to, "TRANSPORT_TEST_WANT="+v.want, "PATH="+os.Getenv("PATH"))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
