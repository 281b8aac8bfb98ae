package relay

import (
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
	"tollgate/internal/obs"
	"tollgate/internal/tokens"
)

// settle closes the books of the call: it prices what was consumed, appends the record to the
// journal and releases the hold. It comes before the last byte of an answer; only when it returns nil
// may that byte leave. Settling again does nothing, and fails if it failed before.
func (c *call) settle() *canon.Error {
	if c.settled {
		return c.err // nil unless recording failed, or the answer broke off
	}
	c.settled = true
	if c.lease == nil && c.hold == nil {
		return nil // nothing was tried, nothing held: refused at the door, which is for the log alone
	}
	rec := c.record()
	if rec.Receipt != nil && !c.head.Stream {
		cost := rec.Cost
		if r := rec.Receipt.Rates; r != 0 { // what its account is shown prices multiplied with
			cost = r.ToFace(cost)
		}
		c.w.Header()["X-Tollgate-Cost"] = []string{cost.String()} // dollars; of a stream it is known too late
	}
	if c.lease == nil {
		if err := c.hold.Release(); err != nil {
			c.h.Log.LogAttrs(c.r.Context(), slog.LevelError, "a hold ended twice", slog.String("call", c.id), slog.Any("error", err))
		}
		return nil
	}
	if c.head.Stored && !c.translated && rec.ErrorKind == "" && c.meter.id != "" {
		rec.ObjectID = c.meter.id
		c.h.Pool.Remember(rec.AccountID, rec.ObjectID, rec.ChannelID)
	}
	if c.lease.Native { // else the client gets other ids, or none
		rec.Objects = c.meter.kept
		for _, id := range rec.Objects {
			c.h.Pool.Remember(rec.AccountID, id, rec.ChannelID)
		}
	}
	if c.grant != nil {
		c.grant.Settle(rec.Usage.In() + rec.Usage.Out())
	}
	c.leave(rec.Usage.In() + rec.Usage.Out())
	if err := c.h.Book.Settle(c.hold, rec); err != nil { // the book has logged it
		c.unrecorded = true
		c.err = &canon.Error{Kind: canon.KindOverloaded, Message: "the call could not be recorded; its answer is withheld", Cause: err}
		return c.err
	}
	c.h.Metrics.Settled(rec, c.entry())
	c.logLine(&rec)
	return nil
}

// entry returns the name of the catalogue's entry for the model of the call, "" if it has none.
func (c *call) entry() string {
	if c.priced == nil || !c.priced.Known() {
		return ""
	}
	return c.priced.Model.Name
}

// record states the call as it stands now.
func (c *call) record() ledger.Call {
	now := time.Now()
	rec := ledger.Call{
		ID: c.id, AtMillis: now.UnixMilli(), RequestID: c.id,
		AccountID: c.caller.Account.ID, KeyID: c.caller.Key.ID, Above: c.standing.Above, Unbilled: c.unbilled,
		Dialect: c.ep.Dialect, Op: c.head.Op, Model: c.head.Model, Stream: c.head.Stream,
		Status: c.status, Stop: c.meter.stop, Attempts: c.attempts,
		TotalMs: (now.Sub(c.began) + time.Millisecond - 1).Milliseconds(), ClientIP: c.ip(),
		ClientGone: c.clientGone(),
	}
	if t := c.trying; t != nil && len(rec.Attempts) < maxAttempts { // settled before the attempt is over
		done := *t
		done.Ms = now.Sub(c.tryBegan).Milliseconds()
		if c.err != nil {
			done.Kind = c.err.Kind
		}
		rec.Attempts = append(slices.Clip(rec.Attempts), done)
	}
	if !c.firstAt.IsZero() {
		rec.FirstMs = c.firstAt.Sub(c.began).Milliseconds()
	}
	if c.err != nil {
		rec.ErrorKind, rec.ErrorText = c.err.Kind, bounded(c.err.Message, 300)
	}
	l := c.lease
	if l == nil {
		return rec
	}
	rec.ChannelID, rec.Provider, rec.Upstream = l.Channel.ID, l.Provider.Name, l.Upstream
	if c.translated {
		rec.Spoken = l.Spoken.Dialect
	}
	var all []canon.Loss
	rec.Losses, all = c.losses()
	if !c.unfit && len(all) > 0 { // else nothing was lost but the call
		c.h.Metrics.Lost(c.ep.Dialect, l.Spoken.Dialect, all)
	}
	if billed(c.head.Op) {
		c.bill(&rec)
	}
	return rec
}

// bill fills in what was consumed and what it costs.
func (c *call) bill(rec *ledger.Call) {
	rec.Usage, rec.Source = c.consumed()
	if rec.Source == "" {
		return
	}
	if c.head.Background && c.meter.stop == "" {
		rec.Quarantine = "a background response: its usage is not known when the call ends"
		return
	}
	receipt, err := c.answered().PriceIn(c.circumstances(), rec.Usage)
	switch {
	case err == nil:
		if m := c.standing.Rates; m != catalog.One {
			receipt.Rates = m
		}
		rec.Receipt, rec.Cost = &receipt, receipt.Total
	case unpriced(err) && c.lease.Provider.Free:
	default:
		rec.Quarantine = err.Error()
	}
}

func unpriced(err error) bool {
	_, ok := errors.AsType[*catalog.NoPriceError](err)
	return ok
}

// consumed returns the usage of the call and how it is known; "" when nothing was consumed.
func (c *call) consumed() (canon.Usage, canon.UsageSource) {
	m := c.meter
	whole := c.err == nil
	switch {
	case whole && m.used && m.usage.In() > 0 && (m.usage.Out() > 0 || len(m.text) == 0):
		return m.usage, canon.Measured
	case !whole && !c.started && (c.err.Kind != canon.KindCanceled || !c.accepted):
		// No channel answered. What a failed one consumed is not the client's to pay; what one had begun
		// to answer when the client left is.
		return canon.Usage{}, ""
	}
	// The upstream did not say, or not all: count what is known of the call.
	u, source := m.usage, canon.Derived
	if !m.used {
		source = canon.Estimated
		u = canon.Usage{Input: c.countInput()}
	} else if u.In() == 0 { // no request is empty: some count the answer alone
		u.Input = c.countInput()
	}
	out := c.countOutput()
	if missing := out - u.Out(); missing > 0 {
		u.Output += missing
	}
	return u, source
}

// countInput counts the tokens of the request.
func (c *call) countInput() int64 {
	req, err := c.proto.ReadRequest(c.head.Op, c.body)
	if err != nil {
		// The upstream took what we can't read: the quick estimate has to do.
		return tokens.Quick(c.head.TextBytes, c.head.MediaParts)
	}
	return c.h.Tokens.Request(req) * c.tokenPercent() / 100
}

// countOutput counts the tokens of the answer as far as it came.
func (c *call) countOutput() int64 {
	n := c.h.Tokens.Output(string(c.meter.text))
	if kept := int64(len(c.meter.text)); c.meter.dropped > 0 && kept > 0 {
		n += n * c.meter.dropped / kept
	}
	return n * c.tokenPercent() / 100
}

func (c *call) tokenPercent() int64 {
	if p := c.priced.Model.TokenPercent; p > 0 {
		return p
	}
	return 100
}

// finish ends the call: what was not settled yet is, and what was refused at the door gets its line.
func (c *call) finish() {
	defer c.share.free()
	if !c.settled {
		// Only a handler that was torn down gets here: the answer was not completed.
		if c.err == nil {
			c.err = canon.Errorf(canon.KindInternal, "the call was torn down")
		}
		_ = c.settle() // it has logged what went wrong, and there is nobody left to tell
	}
	if c.lease == nil {
		c.refusedLine()
	}
	if c.grant != nil {
		c.grant.Release()
	}
	c.leave(0) // nothing, if it was settled
	for _, b := range [...]*buffer{c.lent, c.sentFrom} {
		if b != nil {
			b.release()
		}
	}
}

// clientDeadline gives a client that stopped reading a bounded time. The deadline is moved once a
// second at most; setting it costs as much as a small write.
func (c *call) clientDeadline(now time.Time) {
	if now.Before(c.deadlineMoved.Add(time.Second)) {
		return
	}
	c.deadlineMoved = now
	_ = c.control().SetWriteDeadline(now.Add(c.h.Settings.ClientWrite + time.Second)) // not every writer has one
}

// liftDeadline takes the deadline back after a write, where it ends the stream when it passes, even if
// nobody writes: net/http does so for HTTP/2 (h2_bundle.go, onWriteTimeout, Go 1.26).
func (c *call) liftDeadline() {
	if c.r.ProtoMajor < 2 {
		return
	}
	c.deadlineMoved = time.Time{}
	_ = c.control().SetWriteDeadline(time.Time{}) // not every writer has one
}

// logLine writes the one wide line of a call.
func (c *call) logLine(r *ledger.Call) {
	level := slog.LevelInfo
	if r.ErrorKind != "" {
		level = slog.LevelWarn
	}
	if !c.h.Log.Enabled(c.r.Context(), level) {
		return
	}
	l := obs.NewLine(c.h.Log, level, "call").
		Text("call", r.ID).Text("account", r.AccountID).Text("key", r.KeyID).
		Text("dialect", string(r.Dialect)).Text("op", string(r.Op)).Text("model", bounded(r.Model, 120)).
		Text("upstream", r.Upstream).Text("provider", r.Provider).Text("channel", r.ChannelID).
		Bool("stream", r.Stream).Int("status", int64(r.Status)).Int("attempts", int64(len(r.Attempts))).
		Int("in", r.Usage.In()).Int("cached", r.Usage.CacheRead).Int("out", r.Usage.Out()).Text("usage", string(r.Source)).
		Int("nanos", int64(r.Cost)).Int("first_ms", r.FirstMs).Int("ms", r.TotalMs).Text("ip", r.ClientIP)
	if r.ErrorKind != "" {
		l.Text("error", string(r.ErrorKind)).Text("reason", r.ErrorText)
		if c.err != nil && c.err.Cause != nil {
			l.Text("cause", bounded(c.err.Cause.Error(), 300))
		}
	}
	if r.Spoken != "" {
		l.Text("spoken", string(r.Spoken))
	}
	if r.Spoken != "" || len(r.Losses) > 0 {
		l.Int("losses", int64(len(r.Losses)))
	}
	if r.Quarantine != "" {
		l.Text("quarantine", r.Quarantine)
	}
	if r.ClientGone {
		l.Bool("client_gone", true)
	}
	l.End(c.r.Context())
}

// refusedLine writes the line of a call that no channel saw.
func (c *call) refusedLine() {
	e := c.err
	if e == nil {
		return
	}
	c.h.Metrics.Refused(string(c.ep.Dialect), string(c.ep.Op), e.Kind)
	if !c.h.Log.Enabled(c.r.Context(), slog.LevelInfo) {
		return
	}
	l := obs.NewLine(c.h.Log, slog.LevelInfo, "call refused").
		Text("call", c.id).Text("dialect", string(c.ep.Dialect)).Text("op", string(c.ep.Op)).
		Text("model", bounded(c.head.Model, 120)).Int("status", int64(c.status)).
		Text("error", string(e.Kind)).Text("reason", bounded(e.Message, 300)).Text("ip", c.ip())
	if c.caller.Account != nil {
		l.Text("account", c.caller.Account.ID)
	}
	if c.caller.Key != nil {
		l.Text("key", c.caller.Key.ID)
	}
	if c.clientGone() {
		l.Bool("client_gone", true)
	}
	l.End(c.r.Context())
}

// ip is the client's address as it is recorded.
func (c *call) ip() string {
	if !c.from.IsValid() {
		return ""
	}
	return c.from.String()
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
