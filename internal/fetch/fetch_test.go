package fetch_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/fetch"
)

const png = "\x89PNG\r\n\x1a\n0000"

func newFetcher(t *testing.T, allow ...string) *fetch.Fetcher {
	t.Helper()
	return newFetcherFor(t, time.Minute, allow...)
}

// newFetcherFor is one that waits no longer than timeout.
func newFetcherFor(t *testing.T, timeout time.Duration, allow ...string) *fetch.Fetcher {
	t.Helper()
	s := fetch.Settings{MaxBytes: 1000, Timeout: timeout, AtOnce: 2, Agent: "test"}
	for _, a := range allow {
		s.Allow = append(s.Allow, netip.MustParsePrefix(a))
	}
	f := fetch.New(s)
	t.Cleanup(f.Close)
	return f
}

// Whatever a URL looks like, what counts is where the connection goes.
func TestPrivateAddressesAreRefused(t *testing.T) {
	var hits atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { hits.Add(1); _, _ = w.Write([]byte(png)) }))
	defer s.Close()
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	f := newFetcher(t)
	for _, at := range []string{
		"http://127.0.0.1:" + port, "http://localhost:" + port, "http://[::1]:" + port, "http://[::ffff:127.0.0.1]:" + port, "http://[::ffff:7f00:1]:" + port,
		"http://2130706433:" + port, "http://0x7f.1:" + port, "http://0177.0.0.1:" + port, "http://127.1:" + port, "http://0:" + port, "http://0.0.0.0:" + port, "http://[::]:" + port,
		"http://10.0.0.1", "http://192.168.1.1", "http://172.16.0.1", "http://169.254.169.254/latest/meta-data", "http://[fd00:ec2::254]", "http://[fe80::1%25lo]",
		"http://100.64.0.1", "http://[64:ff9b::7f00:1]", "http://[2002:7f00:1::]", "http://198.18.0.1", "http://224.0.0.1",
		"file:///etc/passwd", "ftp://example.com/x", "gopher://127.0.0.1", "http://user:pw@example.com", "http:///x", "//example.com", "data:image/png;base64,xx", "http://[", "",
	} {
		_, e := f.Media(context.Background(), canon.Media{Kind: canon.MediaImage, URL: at})
		if e == nil || e.Kind != canon.KindInvalid {
			t.Errorf("%s: %v", at, e)
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("%d requests arrived", n)
	}
}

func TestPublic(t *testing.T) {
	for _, ip := range []string{"8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8"} {
		if !fetch.Public(netip.MustParseAddr(ip)) {
			t.Errorf("%s is public", ip)
		}
	}
	if fetch.Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

// A redirect is a new connection, and judged like the first one.
func TestRedirects(t *testing.T) {
	inner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(png)) }))
	defer inner.Close()
	l, err := net.Listen("tcp", "127.0.0.2:0") // another loopback address, which is not allowed
	if err != nil {
		t.Fatal(err)
	}
	var private atomic.Int64
	other := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { private.Add(1); _, _ = w.Write([]byte(png)) })}} //nolint:gosec // a test server
	other.Start()
	defer other.Close()
	outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			http.Redirect(w, r, inner.URL, http.StatusFound)
		case "/private":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		default:
			http.Redirect(w, r, "/loop", http.StatusFound)
		}
	}))
	defer outer.Close()
	f := newFetcher(t, "127.0.0.1/32")
	if m, e := f.Media(context.Background(), canon.Media{Kind: canon.MediaImage, URL: outer.URL + "/good"}); e != nil || m.MIME != "image/png" || m.URL != "" || m.Data != base64.StdEncoding.EncodeToString([]byte(png)) {
		t.Errorf("%+v %v", m, e)
	}
	for _, path := range []string{"/private", "/file", "/loop"} {
		if _, e := f.Media(context.Background(), canon.Media{Kind: canon.MediaImage, URL: outer.URL + path}); e == nil {
			t.Errorf("%s was followed", path)
		} else if strings.Contains(e.Message, "127.0.0.2") {
			t.Errorf("%s tells where it leads: %s", path, e.Message)
		}
	}
	if private.Load() != 0 {
		t.Error("a private address was reached by a redirect")
	}
}

func TestBounds(t *testing.T) {
	stop := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/large":
			_, _ = w.Write([]byte(png + strings.Repeat("x", 2000)))
		case "/endless":
			w.Header().Set("Content-Length", "5")
			w.Header().Del("Content-Length")
			for range 100 {
				if _, err := fmt.Fprint(w, png, strings.Repeat("x", 100)); err != nil {
					return
				}
			}
		case "/slow":
			select {
			case <-r.Context().Done():
			case <-stop:
			}
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte(png))
		case "/missing":
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte("secret of the inside"))
		case "/html":
			w.Header().Set("Content-Type", "image/png")
			_, _ = w.Write([]byte("<html><body>no image"))
		case "/svg":
			w.Header().Set("Content-Type", "image/svg+xml")
			_, _ = w.Write([]byte(`<?xml version="1.0"?><svg/>`))
		}
	}))
	defer s.Close()
	defer close(stop)
	for _, path := range []string{"/large", "/endless", "/slow", "/gzip", "/missing", "/html", "/svg"} {
		timeout := time.Minute
		if path == "/slow" {
			timeout = 200 * time.Millisecond
		}
		f := newFetcherFor(t, timeout, "127.0.0.1/32")
		_, e := f.Media(context.Background(), canon.Media{Kind: canon.MediaImage, URL: s.URL + path})
		if e == nil || e.Kind != canon.KindInvalid || strings.Contains(e.Message, "secret") {
			t.Errorf("%s: %v", path, e)
		}
	}
}

func TestTypes(t *testing.T) {
	body, typ := "", ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", typ)
		_, _ = w.Write([]byte(body))
	}))
	defer s.Close()
	f := newFetcher(t, "127.0.0.1/32")
	for _, c := range []struct {
		kind            canon.MediaKind
		typ, body, want string
	}{
		{canon.MediaImage, "application/octet-stream", png, "image/png"},
		{canon.MediaImage, "image/jpeg", png, "image/png"},
		{canon.MediaFile, "", "%PDF-1.7 x", "application/pdf"},
		{canon.MediaFile, "text/csv; charset=utf-8", "a,b", "text/csv"},
		{canon.MediaFile, "application/octet-stream", "plain words", "text/plain"},
		{canon.MediaFile, "application/octet-stream", "<html><body>", ""},
		{canon.MediaAudio, "audio/mpeg", "ID3\x03\x00\x00\x00", "audio/mpeg"},
		{canon.MediaAudio, "audio/mpeg", "words", ""},
		{canon.MediaVideo, "video/mp4", "\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", "video/mp4"},
		{canon.MediaVideo, "video/mp4", png, ""},
	} {
		body, typ = c.body, c.typ
		m, e := f.Media(context.Background(), canon.Media{Kind: c.kind, URL: s.URL + "/dir/name.pdf"})
		if (e == nil) != (c.want != "") || e == nil && m.MIME != c.want {
			t.Errorf("%s declared %q: %q %v", c.kind, c.typ, m.MIME, e)
		}
		if e == nil && c.kind == canon.MediaFile && m.Name != "name.pdf" {
			t.Errorf("name %q", m.Name)
		}
	}
}

// A document is taken whatever it is, and is bounded by the smaller of two sizes.
func TestDocument(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-anything")
		_, _ = w.Write([]byte(strings.Repeat("x", len(r.URL.Path))))
	}))
	defer s.Close()
	if _, _, e := newFetcher(t).Document(context.Background(), s.URL+"/a?secret", 100); e == nil || e.Kind != canon.KindInvalid || !strings.Contains(e.Message, "public") || strings.Contains(e.Message, "secret") {
		t.Errorf("a private address: %v", e)
	}
	f := newFetcher(t, "127.0.0.0/8")
	if _, _, e := f.Document(context.Background(), "http://user:secret@bad host/", 100); e == nil || strings.Contains(e.Message, "secret") {
		t.Errorf("no URL: %v", e)
	}
	for _, c := range []struct {
		size int
		most int64
		ok   bool
	}{{100, 100, true}, {101, 100, false}, {1000, 5000, true}, {1001, 5000, false}} {
		typ, data, e := f.Document(context.Background(), s.URL+"/"+strings.Repeat("a", c.size-1), c.most)
		if c.ok && (e != nil || len(data) != c.size || typ != "application/x-anything") || !c.ok && (e == nil || !strings.Contains(e.Message, "larger than")) {
			t.Errorf("%d of %d: %d bytes, %q, %v", c.size, c.most, len(data), typ, e)
		}
	}
}
