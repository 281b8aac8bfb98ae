package relay

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/jsonedit"
	"tollgate/internal/pool"
	"tollgate/internal/provider"
)

// request builds the attempt's request: the client's bytes with the edits that the channel needs,
// the headers that belong to the protocol, and the channel's own key.
func (c *call) request(ctx context.Context, l *pool.Lease) (*http.Request, *canon.Error) {
	body, cerr := c.upstreamBody(ctx, l)
	if cerr != nil {
		return nil, cerr
	}
	to, err := c.target(l)
	if errors.Is(err, provider.ErrQuery) {
		return nil, &canon.Error{Kind: canon.KindInvalid, Message: err.Error(), Cause: err}
	}
	if err != nil {
		return nil, &canon.Error{Kind: canon.KindInternal, Message: "the channel's address is not usable", Cause: err}
	}
	req := blank.WithContext(ctx)
	req.Method, req.URL, req.Host, req.Header = c.ep.Method, to, to.Host, make(http.Header, 12)
	if body != nil {
		req.ContentLength = int64(len(body))
		from := c.sentFrom
		req.Body = newBody(body, from)
		req.GetBody = func() (io.ReadCloser, error) { return newBody(body, from), nil }
	}
	hd := req.Header
	if l.Native {
		for _, name := range c.h.allow[c.ep.Dialect] {
			if v := c.r.Header[name]; len(v) > 0 {
				hd[name] = v
			}
		}
	}
	if body != nil {
		hd["Content-Type"] = jsonType
	}
	if c.head.Stream {
		hd["Accept"] = eventStreamType
	} else {
		hd["Accept"] = jsonType
	}
	hd["Accept-Encoding"] = identity
	if ua := c.r.Header["User-Agent"]; len(ua) > 0 {
		hd["User-Agent"] = ua
	} else {
		hd["User-Agent"] = []string{"tollgate/" + c.h.Version}
	}
	hd["X-Client-Request-Id"] = []string{c.id}
	for name, value := range l.Spoken.Headers {
		if len(hd[name]) == 0 {
			hd[name] = []string{value}
		}
	}
	sign(hd, l.Provider.AuthFor(l.Spoken), l.Channel.Secret.Reveal())
	return req, nil
}

// target returns where the attempt goes. The URL of a candidate is built once, but for calls that
// bring a part of it along.
func (c *call) target(l *pool.Lease) (*url.URL, error) {
	slot := &l.Targets[0]
	if c.head.Stream {
		slot = &l.Targets[1]
	}
	query := c.r.URL.RawQuery
	if !l.Native {
		query = "" // it is the client's dialect's
	}
	own := c.head.StoredID != "" || query != ""
	if u := slot.Load(); u != nil && !own {
		return u, nil
	}
	text, err := l.Provider.URL(l.Channel.BaseURL, l.Spoken, provider.Target{Op: l.Op, Model: l.Upstream, ID: c.head.StoredID, Stream: c.head.Stream, Query: query})
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(text)
	if err == nil && !own {
		slot.Store(u)
	}
	return u, err
}

// blank is what a request is made of: WithContext copies it.
var blank = http.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}

var (
	jsonType        = []string{"application/json"}
	eventStreamType = []string{"text/event-stream"}
	identity        = []string{"identity"}
)

// upstreamBody returns what the channel of a lease is sent: the client's bytes with the edits that it needs,
// or the request in its words. nil for what has no body.
func (c *call) upstreamBody(ctx context.Context, l *pool.Lease) ([]byte, *canon.Error) {
	if c.body == nil {
		return nil, nil
	}
	if err := c.takes(rewritten); err != nil {
		c.unfit = true
		return nil, err
	}
	if !l.Native {
		out, err := c.translatedBody(ctx, l)
		if err != nil {
			return nil, err
		}
		return c.sends(out, nil), nil
	}
	out, cerr := c.unmixed(l)
	if cerr != nil {
		return nil, cerr
	}
	if out != nil {
		return c.sends(out, nil), nil
	}
	edits, err := c.proto.Edits(c.head, c.obj, l.Upstream)
	if err != nil {
		return nil, &canon.Error{Kind: canon.KindInvalid, Message: err.Error(), Cause: err}
	}
	if len(edits) > 0 {
		if s, ok := c.proto.(dialect.Unsealer); ok && c.obj != nil {
			c.lost = s.Unsealed(c.obj)
		}
	}
	edits = suit(edits, c.obj, l.Spoken)
	if len(edits) == 0 {
		if c.lent != nil {
			c.lent.hold()
		}
		return c.sends(c.body, c.lent), nil
	}
	var room []byte
	lent := c.h.takeBody(int64(len(c.body)))
	if lent != nil {
		room = lent.bytes
	}
	out, err = jsonedit.Append(room, c.body, edits...)
	if err != nil {
		if lent != nil {
			lent.release()
		}
		return nil, &canon.Error{Kind: canon.KindInternal, Message: "the request could not be rewritten", Cause: err}
	}
	if lent != nil {
		lent.bytes = out
	}
	return c.sends(out, lent), nil
}

// sends notes what the body that the attempt sends stands in, and lets go of the one before. The hold on
// from, nil if nobody lent it, is the call's from now on.
func (c *call) sends(body []byte, from *buffer) []byte {
	if c.sentFrom != nil {
		c.sentFrom.release()
	}
	c.sentFrom = from
	return body
}

// suited returns body with the members as the vendor has them.
func suited(body []byte, s provider.Spoken) ([]byte, *canon.Error) {
	if len(s.Drop) == 0 && len(s.Rename) == 0 {
		return body, nil
	}
	o, err := jsonedit.Scan(body, maxDepth)
	if err != nil {
		return nil, &canon.Error{Kind: canon.KindInvalid, Message: "the request can't be translated: " + err.Error(), Cause: err}
	}
	out, err := jsonedit.Apply(body, suit(nil, o, s)...)
	if err != nil {
		return nil, &canon.Error{Kind: canon.KindInternal, Message: "the request could not be rewritten", Cause: err}
	}
	return out, nil
}

// suit appends the edits that take away the members which a vendor refuses, and give others its names.
func suit(edits []jsonedit.Edit, o *jsonedit.Object, s provider.Spoken) []jsonedit.Edit {
	for _, name := range s.Drop {
		if e, ok := o.Remove(name); ok {
			edits = append(edits, e)
		}
	}
	for ours, theirs := range s.Rename {
		if e, ok := o.Rename(ours, theirs); ok {
			edits = append(edits, e)
		}
	}
	return edits
}

// reasons for which an attempt is cancelled.
var (
	errFirstByte  = errors.New("nothing came in time")
	errIdle       = errors.New("the answer stalled")
	errCallTime   = errors.New("the call took too long")
	errClientGone = errors.New("the client went away")

	// ErrShutdown is the cause with which the server cancels its base context when running calls
	// must end now; their clients are told so in their own dialect.
	ErrShutdown = errors.New("the gateway is shutting down")
)

// transportError says what a failed round trip or read means. cause is why it was cancelled, nil if it was not.
func transportError(cause, err error) *canon.Error {
	switch {
	case errors.Is(err, errNoMemory):
		return &canon.Error{Kind: canon.KindTimeout, Message: "the gateway had no memory for the answer until the call's time was over", Cause: err}
	case errors.Is(cause, errClientGone):
		return &canon.Error{Kind: canon.KindCanceled, Message: "the client closed the request", Cause: cause}
	case errors.Is(cause, ErrShutdown):
		return &canon.Error{Kind: canon.KindOverloaded, Message: "the gateway is shutting down", Cause: cause}
	case errors.Is(cause, errFirstByte), errors.Is(cause, errIdle), errors.Is(cause, errCallTime):
		return &canon.Error{Kind: canon.KindTimeout, Message: "the upstream did not answer in time: " + cause.Error(), Cause: cause}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &canon.Error{Kind: canon.KindUpstream, Message: "the upstream closed the connection before the answer was complete", Cause: err}
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return &canon.Error{Kind: canon.KindUpstream, Message: "the upstream could not be reached", Cause: err}
	}
	return &canon.Error{Kind: canon.KindUpstream, Message: "the connection to the upstream broke", Cause: err}
}

// decoded returns the body without a content encoding that the upstream used though it was not asked.
func decoded(resp *http.Response) (io.Reader, *canon.Error) {
	switch enc := strings.ToLower(resp.Header.Get("Content-Encoding")); enc {
	case "", "identity":
		return resp.Body, nil
	case "gzip":
		zr, err := gzip.NewReader(resp.Body)
		if err != nil {
			return nil, &canon.Error{Kind: canon.KindUpstream, Message: "the upstream's answer is not the gzip it claims to be", Cause: err}
		}
		return zr, nil
	default:
		return nil, canon.Errorf(canon.KindUpstream, "the upstream answered in an encoding that was not asked for: %.20q", enc)
	}
}

var errTooLarge = errors.New("too large")
