package fetch_test

import (
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/fetch"
)

// names is a name server that says of every host, one look after the other, what its owner likes.
type names struct {
	mu    sync.Mutex
	says  [][]string // addresses by look-up of IPv4 addresses; the last one stays
	looks int
}

// looked is how many looks there were.
func (n *names) looked() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.looks
}

func (n *names) addresses() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.looks++
	return n.says[min(n.looks, len(n.says))-1]
}

// serve answers over UDP until the test ends and returns a resolver that asks it alone.
func (n *names) serve(t *testing.T) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0") //nolint:noctx // closed with the test
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if out := n.reply(buf[:size]); out != nil {
				_, _ = conn.WriteTo(out, from) // it asks again
			}
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return &net.Resolver{PreferGo: true, StrictErrors: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// reply answers a question of RFC 1035 in the only form that resolvers send: one question, not compressed.
func (n *names) reply(raw []byte) []byte {
	const head, address = 12, 1
	end := head
	for end < len(raw) && raw[end] != 0 {
		end += int(raw[end]) + 1
	}
	if end += 5; end > len(raw) { // the root, type and class
		return nil
	}
	var ips []string
	if binary.BigEndian.Uint16(raw[end-4:]) == address {
		ips = n.addresses()
	}
	out := append([]byte{raw[0], raw[1], 0x81, 0x80, 0, 1, 0, byte(len(ips)), 0, 0, 0, 0}, raw[head:end]...)
	for _, ip := range ips {
		out = append(out, 0xc0, head, 0, address, 0, 1, 0, 0, 0, 0, 0, 4)
		out = append(out, netip.MustParseAddr(ip).AsSlice()...)
	}
	return out
}

// watched is a server on a loopback address that counts its connections.
func watched(t *testing.T, address string, h http.HandlerFunc) (url string, connections *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", address) //nolint:noctx // closed with the test
	if err != nil {
		t.Fatal(err)
	}
	connections = &atomic.Int64{}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h, ConnState: func(_ net.Conn, s http.ConnState) { //nolint:gosec // a test server
		if s == http.StateNew {
			connections.Add(1)
		}
	}}}
	s.Start()
	t.Cleanup(s.Close)
	return s.URL, connections
}

// A name that was harmless when somebody looked, and is not when the connection is made, reaches nothing: there is
// one look, and the address that the connection goes to is judged.
func TestRebinding(t *testing.T) {
	inner, connections := watched(t, "127.0.0.2:0", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(png)) })
	_, port, err := net.SplitHostPort(strings.TrimPrefix(inner, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	outer, _ := watched(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/twice" { // to the same name, which means another address by now
			http.Redirect(w, r, "http://rebinds.example:"+port+"/", http.StatusFound)
			return
		}
		_, _ = w.Write([]byte(png))
	})
	_, good, err := net.SplitHostPort(strings.TrimPrefix(outer, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		url  string
		says [][]string
		ok   bool
	}{
		{"allowed", "http://rebinds.example:" + good, [][]string{{"127.0.0.1"}}, true},
		{"private at once", "http://rebinds.example:" + port, [][]string{{"127.0.0.2"}}, false},
		{"private beside a good one", "http://rebinds.example:" + port, [][]string{{"127.0.0.1", "127.0.0.2"}}, false},
		{"private before a good one", "http://rebinds.example:" + port, [][]string{{"127.0.0.2", "127.0.0.1"}}, false},
		{"private at the second look", "http://rebinds.example:" + good + "/twice", [][]string{{"127.0.0.1"}, {"127.0.0.2"}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := &names{says: c.says}
			f := fetch.New(fetch.Settings{
				MaxBytes: 1000, Timeout: time.Minute, AtOnce: 2, Agent: "test", Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Names: n.serve(t),
			})
			defer f.Close()
			_, e := f.Media(t.Context(), canon.Media{Kind: canon.MediaImage, URL: c.url})
			if c.ok != (e == nil) || e != nil && strings.Contains(e.Message, "127.0.0") {
				t.Errorf("%v", e)
			}
			if looks := n.looked(); looks != len(c.says) {
				t.Errorf("%d looks at the name", looks)
			}
		})
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections were made to the address within", n)
	}
}

// Each hop of a redirect is judged, also the second and by every way of writing an address.
func TestLaterHops(t *testing.T) {
	inner, connections := watched(t, "127.0.0.2:0", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(png)) })
	_, port, err := net.SplitHostPort(strings.TrimPrefix(inner, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{
		"http://127.0.0.2:" + port, "//127.0.0.2:" + port, "http://[::ffff:127.0.0.2]:" + port, "http://2130706434:" + port, "http://0177.0.0.2:" + port, "http://0x7f.0.0.2:" + port,
		"http://127.2:" + port, "http://169.254.169.254/", "http://user@127.0.0.2:" + port, "ftp://127.0.0.2:" + port, "http:127.0.0.2:" + port, "https://127.0.0.2:" + port,
	} {
		outer, _ := watched(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/first" {
				http.Redirect(w, r, "/second", http.StatusTemporaryRedirect)
				return
			}
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
		})
		f := newFetcher(t, "127.0.0.1/32")
		if _, e := f.Media(t.Context(), canon.Media{Kind: canon.MediaImage, URL: outer + "/first"}); e == nil || e.Kind != canon.KindInvalid || strings.Contains(e.Message, "127.0.0.2") {
			t.Errorf("%s: %v", to, e)
		}
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections were made to the address within", n)
	}
}
