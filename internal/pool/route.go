package pool

import (
	"context"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/provider"
)

// Want describes the channel that a call needs.
type Want struct {
	Model   string // after the gateway's own mapping
	Dialect canon.Dialect
	Op      canon.Op
	Pools   string // names joined by a space, in order of preference; "" is DefaultPool
	Only    string // id of the one channel that can answer (it owns a stored object); "" any
}

// Candidate is a channel that can answer a Want.
type Candidate struct {
	Channel  Channel
	Provider provider.Provider
	Spoken   provider.Spoken // the dialect to call it in
	Op       canon.Op        // what to ask of it: the call's own operation, or what stands for it in Spoken.Dialect
	Native   bool            // dialect and operation are the client's own, so its bytes can pass
	Upstream string          // its own name for the model

	// Targets keeps where attempts go, plain and streamed, once their URLs have been built.
	Targets [2]atomic.Pointer[url.URL]

	health *health
	model  *modelHealth
	pass   float64    // place in the weighted round; guarded by tier.mu
	after  *Candidate // the same channel in a better dialect: this one is tried only once that one is known not to be there
}

// waits reports whether the channel is to be called in a better dialect.
func (c *Candidate) waits(now time.Time) bool {
	return c.after != nil && !c.after.model.unspoken(now)
}

// route is every candidate of a Want, best tier first. It is built once per snapshot and Want.
type route struct {
	tiers []*tier
	all   []*Candidate
}

// tier holds candidates of equal priority. Among them it is a weighted round robin (stride scheduling).
type tier struct {
	mu    sync.Mutex
	clock float64 // pass of the last one chosen
	cands []*Candidate
}

// Walk goes through the candidates of a route, each at most once.
type Walk struct {
	p     *Pool
	route *route
	model string
	tried map[*Candidate]bool
	first *Candidate // fast path: most calls need one candidate only

	refused []refusal // by channels that have answered before
}

// Lease is a candidate handed out for one attempt. One of Succeeded, Failed and Dropped must be called, once.
type Lease struct {
	*Candidate
	walk *Walk
}

// Next returns the best candidate that was not handed out yet: healthy ones first, by tier and
// weighted turn; then those that rest after failures of their own. Without one it says why.
func (w *Walk) Next(now time.Time) (*Lease, *canon.Error) {
	for _, t := range w.route.tiers {
		if c := w.choose(t, now); c != nil {
			return w.hand(c, now), nil
		}
	}
	// Nothing healthy is left. A channel that only rests by our own judgement is better than no answer.
	var best *Candidate
	var bestUntil time.Time
	for _, c := range w.route.all {
		if w.used(c) || c.waits(now) {
			continue
		}
		if st, until := c.model.look(c.Op, now); st == resting && (best == nil || until.Before(bestUntil)) && c.health.open() {
			best, bestUntil = c, until
		}
	}
	if best != nil && best.health.usable() {
		return w.hand(best, now), nil
	}
	return nil, w.why(now)
}

func (w *Walk) used(c *Candidate) bool { return c == w.first || w.tried[c] }

func (w *Walk) hand(c *Candidate, now time.Time) *Lease {
	if w.first == nil {
		w.first = c
	} else {
		if w.tried == nil {
			w.tried = map[*Candidate]bool{}
		}
		w.tried[c] = true
	}
	c.model.take(c.Op, now)
	return &Lease{Candidate: c, walk: w}
}

// choose picks the ready candidate of t whose turn it is.
func (w *Walk) choose(t *tier, now time.Time) *Candidate {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		var best *Candidate
		for _, c := range t.cands {
			if w.used(c) || c.waits(now) {
				continue
			}
			if st, _ := c.model.look(c.Op, now); st != ready {
				continue
			}
			if best == nil || c.pass < best.pass {
				best = c
			}
		}
		if best == nil {
			return nil
		}
		// A channel that comes back from a rest does not get the turns it missed.
		best.pass = max(best.pass, t.clock)
		t.clock = best.pass
		weight := float64(max(best.Channel.Weight, 1)) * best.model.share()
		best.pass += 1 / weight
		if best.health.usable() {
			return best
		}
		if w.tried == nil {
			w.tried = map[*Candidate]bool{}
		}
		w.tried[best] = true // retired: not for this call
	}
}

// shown is a model's name as an error repeats it: clients make names up, of any length.
func shown(model string) string {
	const most = 120
	if len(model) <= most {
		return model
	}
	return strings.ToValidUTF8(model[:most], "") + "…"
}

// why explains that no candidate is left, for the caller.
func (w *Walk) why(now time.Time) *canon.Error {
	var soonest time.Time
	barredFor := map[canon.Kind]int{}
	all := 0
	for _, c := range w.route.all {
		if c.waits(now) {
			continue // it stands by for one that is counted
		}
		all++
		if st, until := c.model.look(c.Op, now); st == barred {
			barredFor[c.model.reason()]++
			if soonest.IsZero() || until.Before(soonest) {
				soonest = until
			}
		}
	}
	switch {
	case soonest.IsZero():
		return canon.Errorf(canon.KindOverloaded, "no channel for this model can answer right now")
	case barredFor[canon.KindNotFound] == all: // every provider has said so
		return &canon.Error{
			Kind: canon.KindNotFound, Param: "model", Code: "model_not_found",
			Message: "the model `" + shown(w.model) + "` does not exist at any provider that serves this account",
		}
	}
	kind := canon.KindOverloaded
	if len(barredFor) == 1 && barredFor[canon.KindRateLimited] > 0 {
		kind = canon.KindRateLimited // clients know what to do then
	}
	e := canon.Errorf(kind, "every channel for this model is resting; try again later")
	e.RetryAfter = max(soonest.Sub(now), time.Second)
	return e
}

// Succeeded reports that the attempt was answered. Then channels of the walk that refused the call were wrong.
func (l *Lease) Succeeded() {
	p := l.walk.p
	l.model.succeed(l.Op)
	if l.health.restore() {
		p.changed(l.Channel, l.health, false, "")
	}
	for _, f := range l.walk.refused {
		if f.by.model.disprove(f, p.now()) {
			p.log.LogAttrs(context.Background(), slog.LevelWarn, "channel rests for an operation: it goes on refusing calls that others answer",
				slog.String("channel", f.by.Channel.ID), slog.String("name", f.by.Channel.Name), slog.String("model", shown(f.by.Upstream)), slog.String("op", string(f.by.Op)), slog.String("reason", bound(f.said)))
		}
	}
}

// Failed reports why the attempt was not answered. What the caller did wrong, or that it went away,
// says nothing about the channel.
func (l *Lease) Failed(e *canon.Error, now time.Time) {
	switch e.Kind {
	case canon.KindInvalid, canon.KindTooLarge, canon.KindUnsupported, canon.KindCanceled, canon.KindInternal:
		l.model.settleTrial(l.Op)
	case canon.KindAuth, canon.KindQuota:
		l.model.settleTrial(l.Op)
		reason := "the provider refuses the key: " + e.Message
		if e.Kind == canon.KindQuota {
			reason = "the key is out of quota: " + e.Message
		}
		if l.health.retire(reason, now) {
			l.walk.p.changed(l.Channel, l.health, true, reason)
		}
	case canon.KindDenied, canon.KindNotFound:
		if among, rests := l.model.refuse(l.Op, e, now); among != nil {
			l.walk.refused = append(l.walk.refused, refusal{by: l.Candidate, among: among, rests: rests, said: e.Message})
		}
	default:
		l.model.fail(l.Op, e, now)
		if e.RetryAfter > 0 && (e.Kind == canon.KindRateLimited || e.Kind == canon.KindOverloaded) {
			l.restOthers(e.RetryAfter, e.Kind, now)
		}
	}
}

// restOthers bars the model in the other dialects that the vendor speaks too: its limits are of the key and the
// model, however they are called.
func (l *Lease) restOthers(wait time.Duration, why canon.Kind, now time.Time) {
	for _, s := range l.Provider.Speaks {
		if s.Dialect != l.Spoken.Dialect && s.Has(l.Upstream) {
			l.health.spoken(s.Dialect, l.Upstream).rest(wait, why, now)
		}
	}
}

// Rest keeps the channel from more calls for the model until wait is over: nothing is left until then, as
// its provider said in an answer that went well, or by the channel's own limits.
func (l *Lease) Rest(wait time.Duration, now time.Time) {
	l.model.rest(wait, canon.KindRateLimited, now)
	l.restOthers(wait, canon.KindRateLimited, now)
}

// Dropped reports that the attempt ended without a verdict on the channel.
func (l *Lease) Dropped() { l.model.settleTrial(l.Op) }
