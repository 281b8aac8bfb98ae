package relay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/dialect"
	"tollgate/internal/jsonedit"
	"tollgate/internal/ledger"
	"tollgate/internal/limit"
	"tollgate/internal/obs"
	"tollgate/internal/pool"
)

// call is one client request on its way through the gateway. One goroutine owns it.
type call struct {
	h     *Handler
	w     http.ResponseWriter
	r     *http.Request
	proto dialect.Protocol
	ep    dialect.Endpoint
	id    string
	began time.Time

	from    netip.Addr // the client's address
	caller  account.Caller
	head    dialect.Head
	body    []byte           // as the client sent it, decompressed; nil when the endpoint takes none
	lent    *buffer          // what body stands in, if it is to go back
	share   share            // what body takes of memory, with what was fetched for it
	fetched int64            // bytes that were
	obj     *jsonedit.Object // body, scanned
	model   string           // head.Model after the gateway's mapping
	pools   []string

	standing *account.Standing // what holds for the caller
	unbilled bool              // metered, and not charged

	priced *catalog.Entry
	also   []*catalog.Entry // of the models that the request names beside its own, in the order of head.Also
	hold   *ledger.Hold
	grant  *limit.Grant
	tokens int64        // that the call may take, as it was estimated
	guess  int64        // and that it may take beyond them, as its client names no maximum
	load   *limit.Grant // of the channel tried last; nil: it has no limits

	split      bool             // thoughts are taken out of the answer's text
	strict     bool             // the caller would rather be refused than lose something
	translated bool             // the attempt's request and answer are written anew
	unfit      bool             // translation refused the attempt before anything was sent; another dialect may carry it
	far        dialect.Protocol // the attempt's, of the channel
	farHead    dialect.Head     // of the attempt's request
	tr         *translation     // once something was translated
	refused    refusals         // by translation, so far
	before     any              // what the gateway keeps of the conversation that this call continues
	earlier    int              // items of it in front of the request's own
	continues  string           // the answer kept here that this call goes on from

	sentFrom *buffer      // what the attempt's body stands in, if it is to go back
	lost     []canon.Loss // of the attempt's request, as written for its channel
	unread   []canon.Loss // of documents that the gateway has turned into text

	answerBy time.Time   // by when an answer must have begun; not after the end of the call
	lease    *pool.Lease // the attempt that answers, or the last one
	attempts []ledger.Attempt
	trying   *ledger.Attempt // the attempt under way
	tryBegan time.Time
	accepted bool          // the channel tried last took the request: it answered with a good status
	spent    time.Duration // how long the answering channel has nothing left, by its own limits
	meter    *meter
	started  bool // bytes of an answer have left
	firstAt  time.Time
	status   int
	err      *canon.Error // how the call ended, nil when well
	settled  bool

	unrecorded bool // settling failed: nothing of an answer may be given any more
	hungUp     bool // a write to the client failed: see clientGone

	rc            *http.ResponseController
	deadlineMoved time.Time
}

// serve runs the call and closes its books, whatever happens.
func (c *call) serve() {
	c.id = obs.NewRequestID()
	NameCall(c.w.Header(), c.ep.Dialect, c.id)
	done := c.h.Metrics.Begin()
	defer done()
	c.meter = c.h.takeMeter()
	defer c.h.putMeter(c.meter)
	defer c.finish()

	if err := c.run(); err != nil {
		c.fail(err)
	}
}

// NameCall tells a client of d the id of its call, as X-Request-Id, which OpenAI's SDKs look for; Anthropic's look
// for Request-Id.
func NameCall(h http.Header, d canon.Dialect, id string) {
	v := []string{id}
	h["X-Request-Id"] = v
	if d == canon.Anthropic {
		h["Request-Id"] = v
	}
}

// run is the road of a call: open, admit, hold, read its documents, route and try. The error it returns has not been
// told to the client yet.
func (c *call) run() *canon.Error {
	if err := c.open(); err != nil {
		return err
	}
	if err := c.resume(); err != nil {
		return err
	}
	if err := c.admit(); err != nil {
		return err
	}
	if c.priced != nil {
		c.split = c.priced.Model.SplitThoughts && c.head.Op == canon.OpGenerate
		c.strict = c.priced.Model.Strict || c.caller.Key.Strict
	}
	c.strict = c.strict || wantsStrict(c.r.Header)
	if err := c.documents(); err != nil {
		return err
	}
	walk, err := c.route()
	if walk == nil {
		return err // nil: answered without a channel
	}
	return c.walk(walk)
}

// route finds the channels that may answer.
func (c *call) route() (*pool.Walk, *canon.Error) {
	want := pool.Want{Model: c.model, Dialect: c.ep.Dialect, Op: c.head.Op, Pools: join(c.pools)}
	if err := c.pin(&want); err != nil {
		return nil, c.keptObject(err)
	}
	walk, err := c.h.Pool.Route(want)
	if err != nil {
		if c.head.Op == canon.OpCountTokens && errors.Is(err.Cause, pool.ErrNotSpoken) {
			return nil, c.estimate()
		}
		return nil, err
	}
	return walk, nil
}

// wantsStrict reports whether the caller would rather be refused than lose something. Whoever writes the header
// in words of its own means it.
func wantsStrict(h http.Header) bool {
	v := h[strictHeader]
	if len(v) == 0 {
		return false
	}
	switch strings.ToLower(strings.TrimSpace(v[0])) {
	case "", "0", "false", "no", "off":
		return false
	}
	return true
}

// walk tries one channel after the other until one answers, the pool is exhausted, or time is up.
func (c *call) walk(walk *pool.Walk) *canon.Error {
	var last *canon.Error
	unfit := false // last is
	now := time.Now()
	c.answerBy = c.began.Add(c.h.Settings.Call)
	if by := now.Add(c.h.Settings.Route); by.Before(c.answerBy) { // from now on: the client's time is not the upstreams'
		c.answerBy = by
	}
	for ; ; now = time.Now() {
		if !now.Before(c.answerBy) {
			if last == nil {
				return &canon.Error{Kind: canon.KindTimeout, Message: "the time of the call was over before any upstream could be asked", Cause: errCallTime}
			}
			c.unfit = unfit
			return c.foreign(public(last))
		}
		lease, none := walk.Next(now)
		if lease == nil {
			c.unfit = unfit
			if c.head.Op == canon.OpCountTokens {
				return c.estimate()
			}
			return c.foreign(worse(last, none))
		}
		if full := c.enter(lease, now); full != nil {
			if last == nil {
				last = full
			}
			continue
		}
		c.lease = lease
		again, err := c.try(lease, now)
		if err == nil {
			return nil
		}
		if c.unrecorded {
			return err // between us and our disk; no upstream is at fault
		}
		if !again {
			return c.foreign(public(err))
		}
		// A channel that could carry the call and failed says more than one that can't, unless it has no such model.
		if !c.unfit || last == nil || unfit || last.Kind == canon.KindNotFound {
			last, unfit = err, c.unfit
		} else {
			c.lost = nil // nothing was, not even the call
		}
	}
}

// worse chooses what to tell a client whose call nobody answered: what the last channel said, in
// words that do not give away the operator's accounts there. When to come back is up to the channel
// that can be used first, not to the last one.
func worse(last, none *canon.Error) *canon.Error {
	if last == nil {
		return none
	}
	p := public(last)
	if p.RetryAfter > 0 && none.RetryAfter > 0 {
		told := *p
		told.RetryAfter = none.RetryAfter
		return &told
	}
	return p
}

// public returns what a client may know of an upstream's error. What is wrong with the request is
// told as the upstream told it; the rest is between the operator and the provider.
func public(e *canon.Error) *canon.Error {
	if errors.Is(e.Cause, ErrShutdown) || errors.Is(e.Cause, errNoMemory) {
		return e
	}
	p := &canon.Error{Kind: e.Kind, RetryAfter: e.RetryAfter, Cause: e}
	switch e.Kind {
	case canon.KindInvalid, canon.KindTooLarge, canon.KindUnsupported, canon.KindNotFound, canon.KindCanceled, canon.KindInternal:
		return e
	case canon.KindTimeout:
		p.Message = "the upstream did not answer in time"
	case canon.KindAuth, canon.KindDenied, canon.KindQuota:
		p.Kind, p.Message = canon.KindOverloaded, "no channel for this model can answer right now"
	case canon.KindRateLimited:
		p.Message = "the upstream is limiting the rate of calls to this model; try again later"
	case canon.KindOverloaded:
		p.Message = "the upstream is overloaded; try again later"
	default:
		p.Message = "the upstream could not answer; no other channel for this model could either"
	}
	if e.Status == 0 && (p.Kind == canon.KindTimeout || p.Kind == canon.KindUpstream) { // our own words, they say what broke
		p.Message = e.Message
	}
	return p
}

// brokenOff returns what a client may know of the error that ended its stream. No other channel was tried then, and
// trying again is up to the client; content says whether a part of the answer has reached it.
func brokenOff(e *canon.Error, content bool) *canon.Error {
	p := public(e)
	if !retryable(p.Kind) || p.Kind == canon.KindNotFound {
		return p // sent again, the call would fare no better
	}
	told := *p
	upstream, part := "the upstream broke off before the answer had begun", ""
	if content {
		upstream, part = "the upstream broke off after the answer had begun", "what came is incomplete, and "
	}
	later := ""
	switch {
	case errors.Is(e.Cause, ErrShutdown), e.Kind == canon.KindTimeout:
	case e.Kind == canon.KindRateLimited:
		told.Message, later = upstream+", as it limits the rate of calls to this model", " later"
	case e.Kind == canon.KindOverloaded:
		told.Message, later = upstream+", as it is overloaded", " later"
	case e.Kind != canon.KindUpstream, e.Status != 0: // else our own words, they say what broke
		told.Message = upstream
	}
	told.Message += "; " + part + "the call may be sent again" + later
	return &told
}

// pin limits the call to the one channel that keeps what it refers to.
func (c *call) pin(want *pool.Want) *canon.Error {
	if err := c.pinStored(want); err != nil {
		return err
	}
	for _, ref := range c.head.Refs {
		owner, err := c.h.Pool.Owner(c.r.Context(), c.caller.Account.ID, ref.ID)
		switch {
		case errors.Is(err, pool.ErrNotFound): // whoever may name it all the same knows where it is
		case err != nil:
			return unknownOwner(ref.ID, err)
		case want.Only == "" || want.Only == owner:
			want.Only = owner
		default:
			return &canon.Error{
				Kind: canon.KindInvalid, Param: ref.Path,
				Message: "`" + bounded(ref.ID, 120) + "` is kept by another upstream than what else the request names; no one upstream can answer it",
			}
		}
	}
	return nil
}

// pinStored is pin for the answer that the call is about or goes on from.
func (c *call) pinStored(want *pool.Want) *canon.Error {
	id := c.head.StoredID
	if id == "" {
		id = c.head.PreviousID
	}
	if id == "" {
		return nil
	}
	owner, err := c.h.Pool.Owner(c.r.Context(), c.caller.Account.ID, id)
	switch {
	case err == nil:
		want.Only = owner
		return nil
	case errors.Is(err, pool.ErrNotFound) && c.head.StoredID != "":
		return &canon.Error{Kind: canon.KindNotFound, Message: fmt.Sprintf("no stored object with the id %q", bounded(id, 80)), Cause: pool.ErrNotFound}
	case errors.Is(err, pool.ErrNotFound):
		return &canon.Error{
			Kind: canon.KindNotFound, Param: "previous_response_id", Code: "previous_response_not_found",
			Message: "no stored response with the id " + bounded(id, 80),
		}
	}
	return unknownOwner(id, err)
}

func unknownOwner(id string, err error) *canon.Error {
	return &canon.Error{Kind: canon.KindOverloaded, Message: "the owner of `" + bounded(id, 120) + "` can't be looked up right now", Cause: err}
}

// retryable reports whether another channel may do better.
func retryable(k canon.Kind) bool {
	switch k {
	case canon.KindInvalid, canon.KindTooLarge, canon.KindUnsupported, canon.KindCanceled, canon.KindInternal:
		return false
	default:
		return true
	}
}

// clientGone reports whether the client has left, as far as the gateway has been told: by its connection or by a write
// that failed. That the gateway shuts down is not the client's doing.
func (c *call) clientGone() bool {
	return c.hungUp || c.r.Context().Err() != nil && !c.shutDown()
}

// shutDown reports whether the call is to end because the gateway does.
func (c *call) shutDown() bool { return errors.Is(context.Cause(c.r.Context()), ErrShutdown) }

// fail tells the client, in its own dialect, why there is no answer.
func (c *call) fail(err *canon.Error) {
	c.err = err
	if c.started {
		return // the stream has been ended where it broke
	}
	if !c.clientGone() { // the record is made before the answer leaves, and holds its status
		c.status = c.statusOf(err)
	}
	if serr := c.settle(); serr != nil {
		err = serr
		c.err = err
	}
	sw := &statusWriter{ResponseWriter: c.w}
	c.proto.WriteError(sw, err)
	c.status = sw.status
}

// statusOf returns the status with which the client's dialect tells of err.
func (c *call) statusOf(err *canon.Error) int {
	sw := &statusWriter{ResponseWriter: unsent{}}
	c.proto.WriteError(sw, err)
	return sw.status
}

// unsent is an answer that goes nowhere.
type unsent struct{}

func (unsent) Header() http.Header         { return http.Header{} }
func (unsent) Write(p []byte) (int, error) { return len(p), nil }
func (unsent) WriteHeader(int)             {}

// statusWriter remembers the status that was written.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func join(pools []string) string {
	switch len(pools) {
	case 0:
		return ""
	case 1:
		return pools[0]
	}
	return strings.Join(pools, " ")
}

// bounded cuts s to n bytes at most for a message, between two characters.
func bounded(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

func (h *Handler) takeMeter() *meter {
	if m, ok := h.meters.Get().(*meter); ok {
		return m
	}
	return &meter{}
}

func (h *Handler) putMeter(m *meter) {
	m.reset()
	h.meters.Put(m)
}
