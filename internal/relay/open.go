package relay

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/jsonedit"
	"tollgate/internal/secret"
)

// maxDepth bounds the nesting of a request; JSON Schemas of tools are the deepest real thing.
const maxDepth = 256

// open finds out who calls and what they want, without decoding more than the head.
func (c *call) open() *canon.Error {
	var err *canon.Error
	c.from = c.h.ClientIP(c.r)
	if c.caller, err = c.h.authenticate(c.r, c.from, c.began); err != nil {
		return err
	}
	if path := c.r.URL.Path; !account.Allows(c.h.Rules().Paths, path) {
		return canon.Errorf(canon.KindDenied, "%s is not offered here: the operator's list of API paths (RESOURCES) does not hold it", bounded(path, 120))
	} else if !c.h.Accounts.MayReach(c.caller, path) {
		return canon.Errorf(canon.KindDenied, "this API key may not call %s: its list of API paths, or its account's, does not hold it", bounded(path, 120))
	}
	if c.ep.Method == http.MethodPost && !bodyless(c.ep.Op) {
		if err := c.readBody(); err != nil {
			return err
		}
	}
	c.head, err = c.proto.Head(c.ep, c.r, c.obj)
	return err
}

// bodyless reports the POST endpoints that take no body.
func bodyless(op canon.Op) bool { return op == canon.OpStoredCancel }

// Authenticate finds the caller behind the key of a request, wherever the client's SDK puts it, and
// whether it may come from there.
func (h *Handler) Authenticate(r *http.Request, now time.Time) (account.Caller, *canon.Error) {
	return h.authenticate(r, h.ClientIP(r), now)
}

func (h *Handler) authenticate(r *http.Request, from netip.Addr, now time.Time) (account.Caller, *canon.Error) {
	plain := KeyOf(r)
	if plain == "" {
		return account.Caller{}, canon.Errorf(canon.KindAuth, "no API key: send it as `Authorization: Bearer KEY`, `x-api-key` or `x-goog-api-key`")
	}
	caller, refusal := h.Accounts.Authenticate(secret.HashKey(plain), now)
	switch refusal {
	case "":
	case account.KeyDisabled:
		return caller, canon.Errorf(canon.KindAuth, "this API key is disabled")
	case account.KeyExpired:
		return caller, canon.Errorf(canon.KindAuth, "this API key has expired")
	case account.KeyRotated:
		return caller, canon.Errorf(canon.KindAuth, "this API key was replaced by a new one and does not work any more")
	case account.AccountDisabled:
		return caller, canon.Errorf(canon.KindDenied, "the account of this API key is disabled")
	default:
		return account.Caller{}, canon.Errorf(canon.KindAuth, "this API key is not known here")
	}
	if !h.Accounts.Welcome(caller, from) {
		return caller, canon.Errorf(canon.KindDenied, "this API key may not be used from %s: the list of addresses of the key or its account does not hold it", from)
	}
	if h.Guard != nil && !caller.IsRoot() && !h.Guard.Admit(from, caller.Account.ID, now) {
		return caller, canon.Errorf(canon.KindDenied, "calls from %s are refused for now: keys of too many accounts were used from there; ask the operator", from)
	}
	return caller, nil
}

// KeyOf returns the key of a request, "" if there is none.
func KeyOf(r *http.Request) string {
	if v := r.Header["Authorization"]; len(v) > 0 {
		key := v[0]
		if scheme, rest, _ := strings.Cut(key, " "); strings.EqualFold(scheme, "bearer") {
			key = rest
		}
		if key = strings.TrimSpace(key); key != "" { // a client without a key sends "Bearer" alone
			return key
		}
	}
	if v := r.Header["X-Api-Key"]; len(v) > 0 && v[0] != "" {
		return v[0]
	}
	if v := r.Header["X-Goog-Api-Key"]; len(v) > 0 && v[0] != "" {
		return v[0]
	}
	if v := r.Header["Api-Key"]; len(v) > 0 && v[0] != "" {
		return v[0]
	}
	if r.URL.RawQuery != "" {
		return r.URL.Query().Get("key")
	}
	return ""
}

// readBody reads the body, bounded before and after decompression, and scans it.
func (c *call) readBody() *canon.Error {
	limit := c.h.Settings.MaxBody
	if ct := c.r.Header["Content-Type"]; len(ct) > 0 && ct[0] != "application/json" {
		if mt, _, err := mime.ParseMediaType(ct[0]); err != nil || mt != "application/json" && !strings.HasSuffix(mt, "+json") {
			return unsupported("the Content-Type is %.60q; send application/json", ct[0])
		}
	}
	if c.r.ContentLength > limit {
		return tooLarge(limit)
	}
	body := io.Reader(http.MaxBytesReader(c.w, &paced{c: c, body: c.r.Body}, limit))
	switch enc := strings.ToLower(c.r.Header.Get("Content-Encoding")); enc {
	case "", "identity":
	case "gzip":
		zr, err := gzip.NewReader(body)
		if err != nil {
			return c.bodyError(err, limit)
		}
		body = zr
	default:
		return unsupported("the Content-Encoding is %.20q; send gzip or none", enc)
	}
	var err error
	var into []byte
	if c.lent = c.h.takeBody(c.r.ContentLength); c.lent != nil {
		into = c.lent.bytes
	}
	c.body, err = readAll(into, body, c.r.ContentLength, limit, &c.share)
	if c.lent != nil {
		c.lent.bytes = c.body
	}
	if err != nil {
		return c.bodyError(err, limit)
	}
	if len(c.body) == 0 {
		return canon.Errorf(canon.KindInvalid, "the request has no body; send a JSON object")
	}
	c.obj, err = jsonedit.Scan(c.body, maxDepth)
	if err != nil {
		return &canon.Error{Kind: canon.KindInvalid, Message: "the body can't be read as JSON: " + err.Error(), Cause: err}
	}
	return nil
}

func (c *call) bodyError(err error, limit int64) *canon.Error {
	var big *http.MaxBytesError
	if errors.As(err, &big) || errors.Is(err, errTooLarge) {
		return tooLarge(limit)
	}
	if errors.Is(err, errNoMemory) {
		return noMemory()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &canon.Error{Kind: canon.KindInvalid, Status: http.StatusRequestTimeout, Message: "the body did not come in time; send the request again", Cause: err}
	}
	if c.r.Context().Err() != nil {
		return &canon.Error{Kind: canon.KindCanceled, Message: "the client closed the request", Cause: err}
	}
	return &canon.Error{Kind: canon.KindInvalid, Message: "the body could not be read: " + err.Error(), Cause: err}
}

func tooLarge(limit int64) *canon.Error {
	e := canon.Errorf(canon.KindTooLarge, "the request body is over the limit of %d bytes", limit)
	e.Status = http.StatusRequestEntityTooLarge
	return e
}

func unsupported(format string, args ...any) *canon.Error {
	e := canon.Errorf(canon.KindUnsupported, format, args...)
	e.Status = http.StatusUnsupportedMediaType
	return e
}

// slowest is how slow a client may send its body, in bytes a second, once Settings.ClientRead is over.
const slowest = 4 << 10

// paced is the body of a request, with a deadline that moves as bytes come: a client that sends
// nothing, or a byte now and then, must not keep a connection, and memory, for good. What came fast buys no
// more than Settings.ClientRead of silence. The server has set the first deadline, before anybody read, and
// lifts the last one at the end of the body.
type paced struct {
	c    *call
	body io.ReadCloser
	came int64
	due  time.Time // when more must have come
	set  time.Time // the deadline, which may be behind that while it is far
}

func (p *paced) Read(b []byte) (int, error) {
	n, err := p.body.Read(b)
	if p.came += int64(n); err != nil || p.came < slowest {
		return n, err
	}
	wait, now, more := p.c.h.Settings.ClientRead, time.Now(), int64(n)
	if p.due.IsZero() {
		p.due, more = p.c.began.Add(wait), p.came
	}
	if p.due = p.due.Add(time.Duration(more) * time.Second / slowest); p.due.After(now.Add(wait)) {
		p.due = now.Add(wait)
	}
	if p.set.Sub(now) < wait-wait/8 && p.due.After(p.set) { // setting it costs as much as a small read
		p.set = p.due
		_ = p.c.control().SetReadDeadline(p.due) // not every writer has one
	}
	return n, nil
}

func (p *paced) Close() error { return p.body.Close() }

// maxPrealloc bounds what a mere Content-Length can make us allocate.
const maxPrealloc = 1 << 20

// readAll reads r to its end, at most limit bytes, into buf if there is room. size is the expected size
// or -1. It takes what it needs of memory as bytes come: what is only announced takes little.
func readAll(buf []byte, r io.Reader, size, limit int64, memory interface{ take(int64) error }) ([]byte, error) {
	if size < 0 {
		size = 4 << 10
	}
	// One byte more, so that the end is seen without growing.
	want := min(size, maxPrealloc) + 1
	if err := memory.take(want); err != nil {
		return nil, err
	}
	if int64(cap(buf)) < want {
		buf = make([]byte, 0, want)
	}
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > limit {
			return nil, fmt.Errorf("over %d bytes: %w", limit, errTooLarge)
		}
		if err == io.EOF {
			if err := memory.take(int64(len(buf))); err != nil { // a buffer that was lent may have had room for more
				return nil, err
			}
			return buf, nil
		}
		if err != nil {
			return nil, err
		}
		if len(buf) == cap(buf) {
			next := grown(int64(cap(buf)), size, limit)
			if err := memory.take(next); err != nil {
				return nil, err
			}
			buf = append(make([]byte, 0, next), buf...)
		}
	}
}

// grown returns the capacity that follows n: a large buffer grows by half, and one with an announced size towards that,
// as bytes really come.
func grown(n, size, limit int64) int64 {
	next := 2 * n
	if n >= 16<<20 {
		next = n + n/2
	}
	if size >= next {
		next = min(size+1, 5*n)
	}
	return min(next, limit+1)
}
