// Package fetch gets the bytes of media that a client named by URL, for upstreams that can't, and of documents that
// the gateway reads.
//
// It owns the one guarded way out of the gateway to an address that a client chose: nothing else fetches.
// Every connection, also after a redirect or a second look at the name, is judged by the address it
// really goes to. Which media need it is said by the dialects.
package fetch

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"tollgate/internal/canon"
)

// Settings bound a fetch.
type Settings struct {
	MaxBytes int64          // of one file
	Timeout  time.Duration  // of one file, from name to last byte
	AtOnce   int            // fetches under way in the whole process
	Allow    []netip.Prefix // addresses that may be reached though they are not public
	Agent    string         // User-Agent
	Names    *net.Resolver  // looks up hosts; nil: as the system does
}

// maxRedirects bounds the hops of a fetch.
const maxRedirects = 3

// Fetcher fetches.
type Fetcher struct {
	s      Settings
	client *http.Client
	turns  chan struct{}
}

// New returns a Fetcher.
func New(s Settings) *Fetcher {
	f := &Fetcher{s: s, turns: make(chan struct{}, max(s.AtOnce, 1))}
	dialer := &net.Dialer{Timeout: s.Timeout, Control: f.control, Resolver: s.Names}
	f.client = &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // a proxy would choose the address for us
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    s.Timeout,
			ResponseHeaderTimeout:  s.Timeout,
			MaxResponseHeaderBytes: 64 << 10,
			DisableKeepAlives:      true, // a connection is judged when it is made; none is used for another name
			DisableCompression:     true, // what is small on the wire must not be large here
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return errRedirects
			}
			return checkURL(r.URL)
		},
	}
	return f
}

var (
	errRedirects = errors.New("it redirects too often")
	errAddress   = errors.New("its address is not a public one")
	errURL       = errors.New("it is no URL") // in words of our own: the library's repeat it, with what may be secret in it
	errPort      = errors.New("its port is none of 80, 443, 8080 and 8443")
)

// Close drops idle connections.
func (f *Fetcher) Close() { f.client.CloseIdleConnections() }

// control judges the address that a connection is about to go to.
func (f *Fetcher) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return errAddress
	}
	ip := to.Addr().WithZone("").Unmap()
	for _, p := range f.s.Allow {
		if p.Contains(ip) {
			return nil
		}
	}
	if !Public(ip) {
		return errAddress
	}
	switch to.Port() {
	case 80, 443, 8080, 8443:
		return nil
	}
	return errPort
}

// special are the address blocks that are not on the public internet, or that lead to others: IANA's
// special-purpose registries for IPv4 and IPv6, read 2026-11-20.
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24",
	"192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48",
	"3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

func prefixes(all ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(all))
	for i, p := range all {
		out[i] = netip.MustParsePrefix(p)
	}
	return out
}

// Public reports whether ip is an ordinary address of the public internet.
func Public(ip netip.Addr) bool {
	ip = ip.WithZone("").Unmap()
	if !ip.IsValid() || !ip.IsGlobalUnicast() {
		return false
	}
	for _, p := range special {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}

func checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("only http and https can be fetched")
	case u.Host == "" || u.Opaque != "":
		return errors.New("it names no host")
	case u.User != nil:
		return errors.New("it holds a user or password")
	}
	return nil
}

// Media returns m with its bytes in place of its URL. The error is the caller's to read: it says what of
// the URL can't be fetched, and nothing of what answered there but that.
func (f *Fetcher) Media(ctx context.Context, m canon.Media) (canon.Media, *canon.Error) {
	typ, data, err := f.open(ctx, m.URL, f.s.MaxBytes)
	if errors.Is(err, errBusy) {
		return m, busy()
	}
	if err == nil {
		typ, err = accepted(m.Kind, typ, data)
	}
	if err != nil {
		return m, refuse(m, err)
	}
	if u, err := url.Parse(m.URL); err == nil && m.Kind == canon.MediaFile && m.Name == "" {
		m.Name = u.Path[strings.LastIndexByte(u.Path, '/')+1:]
	}
	m.URL, m.MIME, m.Data = "", typ, base64.StdEncoding.EncodeToString(data)
	return m, nil
}

// Document returns a file of whatever type, for the gateway itself to read, and what its server calls that type. It has
// at most so many bytes as most, or as Settings allow. The error is as Media's.
func (f *Fetcher) Document(ctx context.Context, at string, most int64) (typ string, data []byte, _ *canon.Error) {
	typ, data, err := f.open(ctx, at, min(most, f.s.MaxBytes))
	switch {
	case errors.Is(err, errBusy):
		return "", nil, busy()
	case err != nil:
		return "", nil, canon.Errorf(canon.KindInvalid, "the document%s can't be fetched: %v; its bytes can also be sent inline", shown(at), err)
	}
	return typ, data, nil
}

var errBusy = errors.New("too many fetches")

func busy() *canon.Error {
	return &canon.Error{Kind: canon.KindOverloaded, Message: "the gateway fetches too many files at the moment; try again, or send the bytes inline"}
}

// open gets a file of at most so many bytes when it is its turn.
func (f *Fetcher) open(ctx context.Context, at string, most int64) (typ string, data []byte, err error) {
	u, err := url.Parse(at)
	if err != nil {
		return "", nil, errURL
	}
	if err := checkURL(u); err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, f.s.Timeout)
	defer cancel()
	select {
	case f.turns <- struct{}{}:
		defer func() { <-f.turns }()
	case <-ctx.Done():
		return "", nil, errBusy
	}
	return f.get(ctx, u.String(), most)
}

func (f *Fetcher) get(ctx context.Context, at string, most int64) (typ string, data []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return "", nil, errURL
	}
	req.Header.Set("User-Agent", f.s.Agent)
	req.Header.Set("Accept", "*/*")
	resp, err := f.client.Do(req)
	if err != nil {
		return "", nil, reason(err)
	}
	defer func() { _ = resp.Body.Close() }() // what was read is judged by itself
	switch {
	case resp.StatusCode != http.StatusOK:
		return "", nil, fmt.Errorf("it answers with status %d", resp.StatusCode)
	case resp.Header.Get("Content-Encoding") != "" && !strings.EqualFold(resp.Header.Get("Content-Encoding"), "identity"):
		return "", nil, errors.New("it answers in an encoding that was not asked for")
	case resp.ContentLength > most:
		return "", nil, fmt.Errorf("it is larger than %d bytes", most)
	}
	data, err = io.ReadAll(io.LimitReader(resp.Body, most+1))
	switch {
	case err != nil:
		return "", nil, reason(err)
	case int64(len(data)) > most:
		return "", nil, fmt.Errorf("it is larger than %d bytes", most)
	}
	return resp.Header.Get("Content-Type"), data, nil
}

// reason keeps of a transport's error what a client may know: no address, no words of a server within.
func reason(err error) error {
	for _, known := range []error{errAddress, errPort, errRedirects} {
		if errors.Is(err, known) {
			return known
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("it does not come in time")
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return errors.New("its host is not known")
	}
	return errors.New("it can't be reached")
}

// accepted returns the type of the data if it fits the kind of media. Declared types are often wrong, so
// the bytes have the first word where they have one.
func accepted(kind canon.MediaKind, declared string, data []byte) (string, error) {
	typ, _, err := mime.ParseMediaType(declared)
	if err != nil {
		typ = ""
	}
	seen, _, err := mime.ParseMediaType(http.DetectContentType(data))
	if err != nil {
		return "", errors.New("its content is of no known type")
	}
	has := func(prefix string) bool { return strings.HasPrefix(seen, prefix) }
	switch kind {
	case canon.MediaImage:
		if has("image/") {
			return seen, nil
		}
		if seen == "application/octet-stream" && (typ == "image/heic" || typ == "image/heif" || typ == "image/avif") {
			return typ, nil
		}
		return "", errors.New("it is no image")
	case canon.MediaAudio:
		if has("audio/") || has("application/ogg") || has("video/") || seen == "application/octet-stream" && strings.HasPrefix(typ, "audio/") {
			if strings.HasPrefix(typ, "audio/") {
				return typ, nil
			}
			return seen, nil
		}
		return "", errors.New("it is no audio")
	case canon.MediaVideo:
		if has("video/") || seen == "application/octet-stream" && strings.HasPrefix(typ, "video/") {
			if strings.HasPrefix(typ, "video/") {
				return typ, nil
			}
			return seen, nil
		}
		return "", errors.New("it is no video")
	default:
	}
	switch {
	case seen == "application/pdf":
		return seen, nil
	case has("text/html") && !strings.HasPrefix(typ, "text/"):
		return "", errors.New("it is a web page")
	case has("text/"):
		if strings.HasPrefix(typ, "text/") || typ == "application/json" || typ == "application/xml" {
			return typ, nil
		}
		return "text/plain", nil
	case typ != "" && typ != "text/html":
		return typ, nil
	}
	return "", errors.New("its type is not known")
}

func refuse(m canon.Media, err error) *canon.Error {
	return canon.Errorf(canon.KindInvalid, "the %s%s can't be fetched: %v; the model behind this name needs its bytes, which can also be sent inline", m.Kind, shown(m.URL), err)
}

// shown says where a file is, for a message that is also logged: without what may be secret in a URL.
func shown(at string) string {
	u, err := url.Parse(at)
	if err != nil || u.Host == "" {
		return ""
	}
	const most = 200
	said := u.Scheme + "://" + u.Host + u.EscapedPath()
	if len(said) > most {
		said = strings.ToValidUTF8(said[:most], "") + "…"
	}
	return fmt.Sprintf(" at %q", said)
}
