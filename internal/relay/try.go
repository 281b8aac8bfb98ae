package relay

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/ledger"
	"tollgate/internal/pool"
)

// maxErrorBody bounds what is read of an upstream's error answer.
const maxErrorBody = 64 << 10

// try makes one attempt, now. Without an error the client has been answered; again says whether another
// channel may be tried after the error.
func (c *call) try(l *pool.Lease, now time.Time) (again bool, err *canon.Error) {
	c.tryBegan = now
	c.meter.reset()
	a := c.begin(l, min(c.h.Settings.FirstByte, c.answerBy.Sub(now)))
	defer a.close()

	c.trying, c.accepted, c.unfit = &ledger.Attempt{ChannelID: l.Channel.ID}, false, false
	reported := false
	defer func() {
		if !reported { // only a panic gets here
			l.Dropped()
		}
	}()
	err = c.send(a, l)
	reported = true
	return c.report(l, err), err
}

// report tells the channel's health and the record how an attempt ended, and whether another channel
// may be tried.
func (c *call) report(l *pool.Lease, err *canon.Error) (again bool) {
	c.trying.Ms = time.Since(c.tryBegan).Milliseconds()
	switch {
	case err == nil:
		l.Succeeded()
		if c.spent > 0 {
			l.Rest(c.spent, time.Now())
		}
	case c.unrecorded, c.unfit, errors.Is(err.Cause, errNoMemory), c.ofObject(err):
		c.trying.Kind = err.Kind
		l.Dropped() // our own journal failed, or our memory is used up, or the object is gone; not the channel
	default:
		c.trying.Kind = err.Kind
		l.Failed(err, time.Now())
	}
	c.h.Metrics.Attempt(l.Provider.Name, c.trying.Kind)
	if len(c.attempts) < maxAttempts {
		c.attempts = append(c.attempts, *c.trying)
	}
	c.trying = nil
	return err != nil && !c.started && !c.unrecorded && (retryable(err.Kind) || c.unfit) && c.r.Context().Err() == nil
}

// maxAttempts bounds the attempts listed in a record; a pool may hold thousands of keys.
const maxAttempts = 32

// send makes the round trip and hands the answer to its reader.
func (c *call) send(a *attempt, l *pool.Lease) *canon.Error {
	if err := c.face(l); err != nil {
		c.unfit = true
		return err
	}
	fetched := c.fetched
	req, err := c.request(a, l)
	if err != nil {
		return err
	}
	if c.fetched > fetched { // the time that took is not the upstream's
		a.await(c.h.Settings.FirstByte, c.answerBy)
	}
	resp, rerr := c.h.transport.RoundTrip(req)
	if rerr != nil {
		return transportError(a.Cause(), rerr)
	}
	defer func() { _ = resp.Body.Close() }() // nothing depends on how reading ended; what was read has been judged
	c.trying.Status = resp.StatusCode
	c.accepted = resp.StatusCode < 300
	c.spent = c.far.Spent(resp.Header)
	switch {
	case resp.StatusCode >= 400:
		return c.readError(resp)
	case resp.StatusCode < 200 || resp.StatusCode > http.StatusNoContent: // a part of an answer is none either
		return canon.Errorf(canon.KindUpstream, "the upstream answered with status %d, which is no answer", resp.StatusCode)
	}
	body, err := decoded(resp)
	if err != nil {
		return err
	}
	stream := isEventStream(resp.Header)
	switch {
	case c.head.Stream && stream:
		return c.stream(a, l, resp, body).copy()
	case stream:
		return canon.Errorf(canon.KindUpstream, "the upstream streamed though no stream was asked for")
	}
	return c.whole(a, l, resp, body)
}

// ofObject reports whether an upstream's error may be about an object that the call names, and so says
// nothing of the channel or the model: it is gone, or another account's.
func (c *call) ofObject(err *canon.Error) bool {
	switch err.Kind {
	case canon.KindNotFound:
		return stored(c.head.Op) || !err.NoModel && (c.head.PreviousID != "" || len(c.head.Refs) > 0)
	case canon.KindDenied: // Gemini's word for a file or cache that is not there
		return len(c.head.Refs) > 0
	default:
		return false
	}
}

// stored reports the operations on an object that an upstream keeps.
func stored(op canon.Op) bool {
	switch op {
	case canon.OpStoredGet, canon.OpStoredDelete, canon.OpStoredCancel, canon.OpStoredItems:
		return true
	default:
		return false
	}
}

func isEventStream(h http.Header) bool {
	ct := h["Content-Type"]
	if len(ct) == 0 {
		return false
	}
	if strings.HasPrefix(ct[0], "text/event-stream") {
		return true
	}
	mt, _, err := mime.ParseMediaType(ct[0])
	return err == nil && mt == "text/event-stream"
}

// readError reads what an upstream says went wrong.
func (c *call) readError(resp *http.Response) *canon.Error {
	var body []byte
	if rd, err := decoded(resp); err == nil {
		body, _ = io.ReadAll(io.LimitReader(rd, maxErrorBody)) // a broken error body is an empty one
	}
	e := c.far.ReadError(resp.StatusCode, resp.Header, body)
	if e.Status == 0 {
		e.Status = resp.StatusCode
	}
	return c.masked(e)
}

// masked returns an upstream's error without the channel's key, which some quote, and with the client's name
// of the model.
func (c *call) masked(e *canon.Error) *canon.Error {
	e.Message = renamed(e.Message, c.lease.Upstream, c.head.Model)
	if key := c.lease.Channel.Secret.Reveal(); key != "" {
		e.Message = strings.ReplaceAll(e.Message, key, "***")
		e.Code = strings.ReplaceAll(e.Code, key, "***")
		e.Param = strings.ReplaceAll(e.Param, key, "***")
	}
	if e.Status == 0 { // the upstream's words, not ours: see public
		switch e.Kind {
		case canon.KindUpstream:
			e.Status = http.StatusBadGateway
		case canon.KindTimeout:
			e.Status = http.StatusGatewayTimeout
		default: // public has words of its own for the rest, or tells theirs
		}
	}
	return e
}

// renamed returns s with another name wherever name stands in it as a word.
func renamed(s, name, other string) string {
	if name == "" || other == "" || name == other {
		return s
	}
	part := func(b byte) bool {
		return b == '-' || b == '_' || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
	}
	var b strings.Builder
	for from := 0; ; {
		at := strings.Index(s[from:], name)
		if at < 0 {
			b.WriteString(s[from:])
			return b.String()
		}
		at += from
		end := at + len(name)
		b.WriteString(s[from:at])
		if at > 0 && part(s[at-1]) || end < len(s) && part(s[end]) {
			b.WriteString(name) // a longer name
		} else {
			b.WriteString(other)
		}
		from = end
	}
}

// whole reads an answer that is not streamed, all of it before the client sees any: a broken one can
// still be discarded.
func (c *call) whole(a *attempt, l *pool.Lease, resp *http.Response, body io.Reader) *canon.Error {
	buf := c.h.takeBuffer()
	defer c.h.putBuffer(buf)
	if resp.ContentLength > c.h.Settings.MaxAnswer {
		return c.answerTooLarge()
	}
	s := &c.h.Settings
	a.await(s.FirstByte, c.answerBy)
	in := &lively{share: share{of: c.h.memory}, body: body, a: a, idle: s.Idle, begin: c.answerBy}
	defer in.share.free()
	whole, err := readAll(buf.AvailableBuffer(), in, resp.ContentLength, s.MaxAnswer, in)
	if err != nil {
		if errors.Is(err, errTooLarge) {
			return c.answerTooLarge()
		}
		return transportError(a.Cause(), err)
	}
	*buf = *bytes.NewBuffer(whole) // it may have moved
	data := bytes.TrimSpace(whole)
	if len(data) == 0 && c.head.Op != canon.OpStoredDelete {
		return canon.Errorf(canon.KindUpstream, "the upstream's answer is empty")
	}
	if c.head.Stream {
		// No stream though one was asked for. It may be an error in disguise; an answer it is not.
		return c.inBand(data)
	}
	var events []canon.Event
	if c.translated {
		if err := in.take(answerAnew * int64(len(whole))); err != nil {
			return transportError(a.Cause(), err)
		}
	}
	if len(data) > 0 {
		var err error
		events, err = c.far.NewReader(c.farHead).Read("", data, c.meter.room[:0])
		if err != nil {
			return &canon.Error{Kind: canon.KindUpstream, Message: "the upstream's answer can't be read: " + err.Error(), Cause: err}
		}
		c.meter.observe(events)
		if c.meter.failed != nil {
			return c.masked(c.meter.failed)
		}
	}
	c.firstAt = time.Now()
	c.status = resp.StatusCode
	h := c.w.Header()
	answer := whole
	if c.translated {
		c.status = http.StatusOK
		out := c.writer(l)
		if buf.Cap() > maxPooled {
			*buf = bytes.Buffer{} // the events are all that is needed of it; a large answer need not be there once more
		}
		if billed(c.head.Op) { // the client is told what it will be billed
			if u, source := c.consumed(); source != canon.Measured {
				events = slices.DeleteFunc(events, func(e canon.Event) bool { _, ok := e.(canon.Used); return ok })
				events = append([]canon.Event{canon.Used{Usage: u}}, events...)
			}
		}
		answer = out.Close(out.Append(make([]byte, 0, len(data)+min(len(data)/2, 64<<10)+512), nil, nil, events))
		h["Content-Type"] = out.ContentType()
	}
	if err := c.settle(); err != nil {
		return err
	}
	c.keep()
	c.started = true
	c.answerHeaders(h, resp)
	h["Content-Length"] = []string{itoa(int64(len(answer)))}
	if ct := resp.Header["Content-Type"]; len(ct) > 0 && !c.translated {
		h["Content-Type"] = ct
	}
	c.clientDeadline(time.Now())
	c.w.WriteHeader(c.status)
	// A client that left has been billed for what it asked.
	if len(answer) <= smallAnswer {
		_, _ = c.w.Write(answer)
		return nil
	}
	for piece := range slices.Chunk(answer, maxPiece) { // each has its time: a slow client that reads on is served to the end
		c.clientDeadline(time.Now())
		if c.write(piece) != nil {
			break
		}
	}
	return nil
}

func (c *call) answerTooLarge() *canon.Error {
	return canon.Errorf(canon.KindUpstream, "the upstream's answer is over the limit of %d bytes", c.h.Settings.MaxAnswer)
}

// maxPiece is what a client must take within Settings.ClientWrite, in bytes.
const maxPiece = 1 << 20

// smallAnswer is up to where net/http makes one write of head and body itself, in bytes
// (bufferBeforeChunkingSize, Go 1.26).
const smallAnswer = 2048

// inBand judges a body that came where a stream was due.
func (c *call) inBand(data []byte) *canon.Error {
	plain := c.farHead
	plain.Stream, plain.Framing = false, ""
	events, err := c.far.NewReader(plain).Read("", data, nil)
	if err == nil {
		for _, e := range events {
			if f, ok := e.(canon.Failed); ok {
				return c.masked(f.Err)
			}
		}
	}
	return canon.Errorf(canon.KindUpstream, "the upstream did not stream its answer")
}

// answerHeaders copies what a client may know of the upstream's headers. Rate limits, organisations
// and cookies there are ours, not the client's.
func (c *call) answerHeaders(to http.Header, resp *http.Response) {
	c.tellLosses(to)
	if c.translated {
		return // they are another vendor's
	}
	for _, name := range passHeaders {
		if v := resp.Header[name]; len(v) > 0 {
			to[name] = v
		}
	}
}

var passHeaders = []string{"Openai-Processing-Ms", "Openai-Version", "Server-Timing", "Retry-After"}

func (h *Handler) takeBuffer() *bytes.Buffer {
	if b, ok := h.buffers.Get().(*bytes.Buffer); ok {
		return b
	}
	return new(bytes.Buffer)
}

// maxPooled bounds the buffers that are kept for the next answer.
const maxPooled = 4 << 20

func (h *Handler) putBuffer(b *bytes.Buffer) {
	if b.Cap() <= maxPooled {
		b.Reset()
		h.buffers.Put(b)
	}
}
