package relay

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/plugin/thinksplit"
	"tollgate/internal/pool"
)

// translation is what a call needs whose channel answers in other words than the client's: in another
// dialect, by another operation, or to be edited on its way.
type translation struct {
	near  dialect.Translator // the client's side
	asked *canon.Request     // what the client asked, paired; read once
	lost  []canon.Loss       // of the request, as written for the candidate of sentFor
	out   dialect.Writer     // of the answer, once there is one
}

// Headers by which caller and gateway speak of translation.
const (
	strictHeader   = "X-Tollgate-Strict"   // from the caller: refuse rather than lose
	lossHeader     = "X-Tollgate-Loss"     // to the caller: what was lost or changed
	estimateHeader = "X-Tollgate-Estimate" // to the caller: a count is the gateway's own estimate
)

// face turns the call towards the channel of a lease: whose words it is called in, and whether the
// client's bytes can pass.
func (c *call) face(l *pool.Lease) *canon.Error {
	c.translated = !l.Native || c.split
	c.far, c.farHead = c.proto, c.head
	if !c.translated {
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
	near, ok := c.proto.(dialect.Translator)
	if _, both := c.far.(dialect.Translator); !ok || !both {
		return canon.Errorf(canon.KindUnsupported, "calls of the dialect %s can't be translated to %s", c.ep.Dialect, l.Spoken.Dialect)
	}
	asked, err := c.ask()
	if err != nil {
		return err
	}
	if r, ok := near.(dialect.Refuser); ok {
		if err := r.Refuse(c.head.Op, asked); err != nil {
			return err
		}
	}
	c.tr = &translation{near: near, asked: asked}
	return nil
}

// ask reads the client's request whole.
func (c *call) ask() (*canon.Request, *canon.Error) {
	asked, err := c.proto.ReadRequest(c.head.Op, c.body)
	if err != nil {
		if e, ok := err.(*canon.Error); ok { //nolint:errorlint // what wraps it would be a mistake of the dialect
			return nil, e
		}
		return nil, &canon.Error{Kind: canon.KindInvalid, Message: err.Error(), Cause: err}
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
	far, _ := c.far.(dialect.Translator) // face has looked
	if err := c.fetch(ctx, far); err != nil {
		return nil, err
	}
	model := c.priced.Model
	if e, ok := c.h.Catalog().Lookup(l.Upstream); ok {
		model = e.Model
	}
	out, lost, err := far.WriteRequest(c.tr.asked, dialect.Target{
		Op: l.Op, Model: l.Upstream, Stream: c.head.Stream, MaxOutput: model.OutputTokens, Thinking: dialect.Thinking(model.Thinking), Knows: l.Spoken.Knows,
	})
	if err != nil {
		return nil, err
	}
	if c.tr.lost = lost; len(lost) > 0 && c.strict {
		c.tooStrict = true
		at := c.lossPath(lost[0])
		return nil, &canon.Error{
			Kind: canon.KindInvalid, Param: at,
			Message: "the only channels left for this model speak " + string(l.Spoken.Dialect) + ", which can't carry " + at + " as it is (" + string(lost[0].What) + ": " +
				lost[0].Reason + "); leave it out, or call without " + strictHeader,
		}
	}
	return out, nil
}

// fetch replaces the URLs of media that the far side can take only as bytes.
func (c *call) fetch(ctx context.Context, far dialect.Translator) *canon.Error {
	if c.h.Fetch == nil {
		return nil
	}
	left := maxFetches
	var visit func(blocks []canon.Block, path func(int) string) *canon.Error
	visit = func(blocks []canon.Block, path func(int) string) *canon.Error {
		for i, b := range blocks {
			switch b := b.(type) {
			case canon.ToolResult:
				if err := visit(b.Blocks, func(int) string { return path(i) }); err != nil {
					return err
				}
			case canon.Media:
				if b.URL == "" || b.Data != "" || !far.WantsBytes(b) {
					continue
				}
				if left--; left < 0 {
					return canon.Errorf(canon.KindInvalid, "the request names more than %d files by their URL; the model behind it needs their bytes: send them inline", maxFetches)
				}
				got, err := c.h.Fetch(ctx, b)
				if err != nil {
					e := *err
					e.Param = path(i)
					return &e
				}
				blocks[i] = got
			}
		}
		return nil
	}
	for i := range c.tr.asked.Turns {
		t := &c.tr.asked.Turns[i]
		if err := visit(t.Blocks, t.Path); err != nil {
			return err
		}
	}
	return nil
}

// maxFetches bounds the files that one request can have the gateway fetch.
const maxFetches = 20

// writer returns the writer of the answer.
func (c *call) writer(l *pool.Lease) outlet {
	c.tr.out = c.tr.near.NewWriter(dialect.Answer{
		Head: c.head, Request: c.tr.asked, ID: c.id, Model: c.head.Model, Origin: l.Spoken.Dialect, Created: c.began, Continues: c.continues,
	})
	// Comments are part of every event stream, but Google's own SDK for JavaScript breaks on them.
	t := &translating{Writer: c.tr.out, comments: c.head.Framing == dialect.FramingSSE && c.ep.Dialect != canon.Gemini}
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
	split    *thinksplit.Splitter // nil: thoughts are where the dialect has them
	comments bool
}

func (t *translating) Append(dst, _, _ []byte, events []canon.Event) []byte {
	if t.split != nil {
		events = t.split.Split(events)
	}
	before := len(dst)
	for _, e := range events {
		dst = t.Write(dst, e)
	}
	if len(dst) == before && t.comments && len(events) == 1 {
		if o, ok := events[0].(canon.Other); ok && o.Name == "ping" {
			dst = append(dst, ": ping\n\n"...) // keeps the client's connection alive as the upstream keeps ours
		}
	}
	return dst
}

// lossPath says where a loss stood, in the client's words.
func (c *call) lossPath(l canon.Loss) string {
	if l.Path != "" {
		return l.Path
	}
	if f := c.tr.near.Field(l.What); f != "" {
		return f
	}
	return string(l.What)
}

// Bounds of what is told of losses; a long conversation may hold hundreds of the same kind.
const (
	maxLosses     = 32
	maxLossHeader = 2 << 10
)

// losses lists what was lost or changed so far, request first, for the record.
func (c *call) losses() (list []string, all []canon.Loss) {
	if c.tr == nil || !c.translated {
		return nil, nil
	}
	all = c.tr.lost
	if c.tr.out != nil {
		all = append(all[:len(all):len(all)], c.tr.out.Losses()...)
	}
	for i, l := range all {
		if i == maxLosses {
			list = append(list, "and "+strconv.Itoa(len(all)-i)+" more")
			break
		}
		list = append(list, printable(c.lossPath(l))+": "+string(l.What)+" "+string(l.Kind))
	}
	return list, all
}

// tellLosses puts what was lost so far into the answer's headers.
func (c *call) tellLosses(h http.Header) {
	list, _ := c.losses()
	if len(list) == 0 {
		return
	}
	text := strings.Join(list, "; ")
	if len(text) > maxLossHeader {
		text = text[:maxLossHeader] + "..."
	}
	h[lossHeader] = []string{text}
}

// printable bounds s and makes it fit for a header: names of members come from clients.
func printable(s string) string {
	const most = 160
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == ';' {
			return '?'
		}
		return r
	}, s)
}

// foreign returns an upstream's error, which public has judged, as a client of another dialect may see it:
// its places and codes are another vendor's.
func (c *call) foreign(e *canon.Error) *canon.Error {
	if e == nil || !c.translated || c.tooStrict || e.Status == 0 && e.Code == "" { // our own words
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
