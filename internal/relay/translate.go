package relay

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/plugin/thinksplit"
	"tollgate/internal/pool"
	"tollgate/internal/tokens"
)

// translation is what a call needs whose channel answers in other words than the client's: in another
// dialect, by another operation, or to be edited on its way.
type translation struct {
	near  dialect.Translator // the client's side
	asked *canon.Request     // what the client asked, paired; read once
	out   dialect.Writer     // of the answer, once there is one
}

// face turns the call towards the channel of a lease: whose words it is called in, and whether the
// upstream's bytes can pass. The client's pass where the lease is native, also if the answer is edited.
func (c *call) face(l *pool.Lease) *canon.Error {
	c.translated = !l.Native || c.split
	c.far, c.farHead, c.lost = c.proto, c.head, nil
	if !c.translated {
		c.farHead.Passing = true
		return nil
	}
	c.far = c.h.Protocols[l.Spoken.Dialect]
	c.farHead = dialect.Head{
		Op: l.Op, Model: l.Upstream, Stream: c.head.Stream, MaxOutput: c.head.MaxOutput, Choices: c.head.Choices, IncludeUsage: true,
	}
	if c.head.Stream {
		c.farHead.Framing = dialect.FramingSSE
	}
	if c.tr != nil {
		c.tr.out = nil
		return nil
	}
	if c.refused.all != nil {
		return c.refused.all
	}
	near, ok := c.proto.(dialect.Translator)
	if _, both := c.far.(dialect.Translator); !ok || !both {
		return canon.Errorf(canon.KindUnsupported, "calls of the dialect %s can't be translated to %s", c.ep.Dialect, l.Spoken.Dialect)
	}
	asked, err := c.ask()
	if err != nil {
		c.refused.all = err
		return err
	}
	c.tr = &translation{near: near, asked: asked}
	return nil
}

// refusals are what translation could not do of a call. A pool of a thousand keys is not worth a thousand tries of
// the same.
type refusals struct {
	all   *canon.Error            // for every channel of another dialect
	media map[string]*canon.Error // by URL: its bytes can't be fetched
	at    map[upstreamModel]refusal
}

// refusal is why a request can't be written for an upstream, and what it would lose there.
type refusal struct {
	err  *canon.Error
	lost []canon.Loss
}

// upstreamModel is what requests are written for.
type upstreamModel struct {
	provider string
	dialect  canon.Dialect
	name     string
}

// ask reads the client's request whole.
func (c *call) ask() (*canon.Request, *canon.Error) {
	if err := c.takes(translated); err != nil {
		return nil, err
	}
	asked, err := c.proto.ReadRequest(c.head.Op, c.body)
	if err != nil {
		if e, ok := err.(*canon.Error); ok { //nolint:errorlint // what wraps it would be a mistake of the dialect
			e.Param = c.ownPlace(e.Param)
			return nil, e
		}
		return nil, &canon.Error{Kind: canon.KindInvalid, Message: err.Error(), Cause: err}
	}
	if c.head.Op == canon.OpGenerate && len(asked.System)+len(asked.Turns) == 0 {
		return nil, canon.Errorf(canon.KindInvalid, "the request says nothing: it has neither a message nor instructions")
	}
	if n := pieces(asked); n > maxPieces {
		return nil, canon.Errorf(canon.KindInvalid, "the conversation has %d pieces; a call that has to be translated can have %d: shorten it", n, maxPieces)
	}
	asked.Origin, asked.Model, asked.Stream = c.ep.Dialect, c.head.Model, c.head.Stream // Gemini has the latter two in the path
	canon.Pair(asked)
	return asked, nil
}

// maxPieces bounds turns, blocks and tools of a translated call, which is read and written whole. Agents
// with hours of work behind them have some thousands.
const maxPieces = 20_000

func pieces(r *canon.Request) int {
	n := len(r.System) + len(r.Turns) + len(r.Tools)
	for _, t := range r.Turns {
		n += len(t.Blocks)
	}
	return n
}

// translatedBody writes the request in the words of the lease's channel.
func (c *call) translatedBody(ctx context.Context, l *pool.Lease) ([]byte, *canon.Error) {
	return c.once(l, func() ([]byte, []canon.Loss, *canon.Error) { return c.translate(ctx, l) })
}

// once returns what write makes of the request for the channel of a lease, unless it has refused that before.
func (c *call) once(l *pool.Lease, write func() ([]byte, []canon.Loss, *canon.Error)) ([]byte, *canon.Error) {
	at := upstreamModel{l.Provider.Name, l.Spoken.Dialect, l.Upstream}
	no, known := c.refused.at[at]
	if !known {
		out, lost, err := write()
		c.lost = lost
		if err == nil {
			return out, nil
		}
		no = refusal{err, lost}
		if c.refused.at == nil {
			c.refused.at = map[upstreamModel]refusal{}
		}
		c.refused.at[at] = no
	}
	c.lost, c.unfit = no.lost, true
	return nil, no.err
}

// translate is translatedBody, tried anew.
func (c *call) translate(ctx context.Context, l *pool.Lease) ([]byte, []canon.Loss, *canon.Error) {
	if r, ok := c.tr.near.(dialect.Refuser); ok {
		if err := r.Refuse(c.head.Op, c.tr.asked); err != nil {
			return nil, nil, err
		}
	}
	far, _ := c.far.(dialect.Translator) // face has looked
	if err := c.media(ctx, far); err != nil {
		return nil, nil, err
	}
	out, lost, err := far.WriteRequest(c.tr.asked, c.wanted(l))
	named(c.tr.asked, lost)
	if err == nil {
		err = c.tooMuch(c.tr.asked, lost, l)
	}
	if err == nil {
		out, err = suited(out, l.Spoken)
	}
	return out, lost, err
}

// writer returns the writer of the answer.
func (c *call) writer(l *pool.Lease) *translating {
	c.tr.out = c.tr.near.NewWriter(dialect.Answer{
		Head: c.head, Request: c.tr.asked, ID: c.id, Model: c.head.Model, Origin: l.Spoken.Dialect, Created: c.began, Continues: c.continues,
		About: tokens.About(c.head.TextBytes, c.head.MediaParts) * c.tokenPercent() / 100,
	})
	t := &translating{Writer: c.tr.out}
	if c.ep.Dialect != canon.Anthropic { // whose writer has an event of its own for it
		t.ping = dialect.Ping(c.ep.Dialect, c.head.Framing)
	}
	if c.split {
		t.split = thinksplit.New()
	}
	return t
}

// outlet is where a streamed answer leaves to the client.
type outlet interface {
	ContentType() []string
	Append(dst, raw, data []byte, events []canon.Event) []byte
	Close(dst []byte) []byte
	Fail(dst []byte, e *canon.Error) []byte
}

// passing hands on the upstream's own frames.
type passing struct{ dialect.Framer }

func (p passing) Append(dst, raw, data []byte, _ []canon.Event) []byte {
	return p.Framer.Append(dst, raw, data)
}

// translating writes what the frames mean.
type translating struct {
	dialect.Writer
	split *thinksplit.Splitter // nil: thoughts are where the dialect has them
	said  bool                 // split has let go of content
	ping  string               // what stands for an upstream's
}

func (t *translating) Append(dst, _, _ []byte, events []canon.Event) []byte {
	if t.split != nil {
		events = t.split.Split(events)
		t.said = t.said || slices.ContainsFunc(events, canon.IsContent)
	}
	before := len(dst)
	for _, e := range events {
		dst = t.Write(dst, e)
	}
	if len(dst) == before && len(events) == 1 {
		if o, ok := events[0].(canon.Other); ok && o.Name == "ping" {
			dst = append(dst, t.ping...) // keeps the client's connection alive as the upstream keeps ours
		}
	}
	return dst
}

// foreign returns an upstream's error, which public has judged, as a client of another dialect may see it:
// its places and codes are another vendor's.
func (c *call) foreign(e *canon.Error) *canon.Error {
	if e == nil || !c.translated || c.unfit || e.Status == 0 && e.Code == "" { // our own words
		return e
	}
	told := *e
	told.Param, told.Code, told.Status = "", "", 0
	if e.Kind == canon.KindNotFound && !stored(c.head.Op) { // by the caller's own name: see masked
		told.Param, told.Code = "model", "model_not_found"
	}
	return &told
}

// estimate answers a count of tokens that no channel can give with the gateway's own.
func (c *call) estimate() *canon.Error {
	near, ok := c.proto.(dialect.Translator)
	if !ok {
		return canon.Errorf(canon.KindUnsupported, "tokens can't be counted in the dialect %s", c.ep.Dialect)
	}
	asked, err := c.ask()
	if err != nil {
		return err
	}
	n := c.h.Tokens.Request(asked) * c.tokenPercent() / 100
	w := near.NewWriter(dialect.Answer{Head: c.head, Request: asked, ID: c.id, Model: c.head.Model, Origin: c.ep.Dialect, Created: c.began})
	var body []byte
	body = w.Write(body, canon.Used{Usage: canon.Usage{Input: n}})
	body = w.Close(w.Write(body, canon.Ended{}))
	c.settled, c.started, c.status = true, true, http.StatusOK // nothing was consumed
	c.h.Log.LogAttrs(c.r.Context(), slog.LevelInfo, "tokens estimated", slog.String("call", c.id), slog.String("account", c.caller.Account.ID),
		slog.String("dialect", string(c.ep.Dialect)), slog.String("model", bounded(c.head.Model, 120)), slog.Int64("in", n))
	h := c.w.Header()
	h["Content-Type"] = w.ContentType()
	h["Content-Length"] = []string{itoa(int64(len(body)))}
	h[estimateHeader] = []string{"tokens"}
	c.clientDeadline(c.began)
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(body) // a client that left has missed nothing that counts
	return nil
}

// unmixed writes a request for a channel of its own dialect anew if it holds what models of others have sealed, which
// the channel would refuse. nil without an error: it can pass, or is so wrong that the upstream may say how.
func (c *call) unmixed(l *pool.Lease) ([]byte, *canon.Error) {
	m, ok := c.proto.(dialect.Mixer)
	if !ok || c.obj == nil || !m.Mixed(c.obj) {
		return nil, nil
	}
	return c.once(l, func() ([]byte, []canon.Loss, *canon.Error) {
		asked, err := c.ask()
		switch {
		case err == nil:
		case errors.Is(err.Cause, errNoMemory):
			return nil, nil, err
		default:
			return nil, nil, nil //nolint:nilerr // it passes as it is: the upstream may say what is wrong
		}
		out, lost, err := m.WriteRequest(asked, c.wanted(l))
		named(asked, lost)
		if err == nil {
			out, err = suited(out, l.Spoken)
		}
		if err != nil {
			return nil, nil, nil //nolint:nilerr // it passes as it is: the upstream may say what is wrong
		}
		return out, lost, c.tooMuch(asked, lost, l)
	})
}

// wanted says for what a request to the lease's channel is written.
func (c *call) wanted(l *pool.Lease) dialect.Target {
	model := c.priced.Model
	if e, ok := c.h.Catalog().Lookup(l.Upstream); ok {
		model = e.Model
	}
	return dialect.Target{
		Op: l.Op, Model: l.Upstream, Stream: c.head.Stream, MaxOutput: model.OutputTokens, Thinking: dialect.Thinking(model.Thinking), Knows: l.Spoken.Knows,
	}
}
