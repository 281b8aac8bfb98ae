package limit

import (
	"fmt"
	"time"
)

// Grant is an admitted call. It is used by one goroutine at a time.
type Grant struct {
	limiter  *Limiter
	state    State
	settled  bool
	released bool
	holds    []hold
	room     [4]hold
}

// hold says what a Grant took of one subject.
type hold struct {
	subject *subject
	at      int64 // the subject's time when it was counted
	tokens  int64 // counted
	windows uint8 // bit k: window k
	exact   uint8 // bit k: window k remembers the call by its own time
	call    bool  // counted among the subject's concurrent calls
}

// stamp returns what the call was counted by in window k.
func (h *hold) stamp(k int) int64 { return stamp(k, h.at, h.exact&(1<<k) != 0) }

// take counts a call of so many tokens for the subject under the limits.
func (g *Grant) take(s *subject, l *Limits, tokens int64) {
	var h *hold
	for i := range g.holds {
		if g.holds[i].subject == s {
			h = &g.holds[i]
		}
	}
	if h == nil {
		s.open++
		g.holds = append(g.holds, hold{subject: s, at: s.last, tokens: tokens})
		h = &g.holds[len(g.holds)-1]
	}
	for k := range windowKinds {
		limit, n := windowLimit(l, k), need(k, tokens)
		if limit <= 0 || h.windows&(1<<k) != 0 {
			continue
		}
		h.windows |= 1 << k
		own := exact(limit, n)
		if own {
			h.exact |= 1 << k
		}
		s.count(k, n, own)
	}
	if l.Concurrent > 0 && !h.call {
		h.call = true
		s.calls++
	}
}

// State returns what was left when the call was admitted, for headers.
func (g *Grant) State() State { return g.state }

// Settle replaces the estimate by the number of tokens that the call really took. What was estimated
// too much comes back at the time of its reservation; what was estimated too little counts from now
// on, and may take a window over its limit until it has passed. Settling again does nothing.
func (g *Grant) Settle(tokens int64) {
	if g.settled || g.released {
		return
	}
	g.settled = true
	tokens = min(max(tokens, 0), maxTokens)
	now := g.limiter.at(g.limiter.now())
	for i := range g.holds {
		h := &g.holds[i]
		if tokens == h.tokens {
			continue
		}
		s := h.subject
		shard := &g.limiter.shards[s.shard]
		shard.mu.Lock()
		s.move(now)
		for k := tokenKinds; k < windowKinds; k++ {
			switch {
			case h.windows&(1<<k) == 0:
			case tokens < h.tokens:
				s.window(k).giveBack(h.stamp(k), h.tokens-tokens)
			default: // it may be beyond the limit, so only buckets bound how much is remembered
				s.count(k, tokens-h.tokens, false)
			}
		}
		shard.mu.Unlock()
	}
}

// Release ends the call: it no longer counts as concurrent. A call that was not settled did not take
// place, and its request and tokens come back too. Releasing again does nothing.
func (g *Grant) Release() {
	if g.released {
		return
	}
	g.released = true
	for i := range g.holds {
		h := &g.holds[i]
		s := h.subject
		shard := &g.limiter.shards[s.shard]
		shard.mu.Lock()
		s.open--
		if h.call {
			s.calls--
		}
		for k := range windowKinds {
			if !g.settled && h.windows&(1<<k) != 0 {
				s.window(k).giveBack(h.stamp(k), need(k, h.tokens))
			}
		}
		shard.mu.Unlock()
	}
}

// State says how far the tightest limits on requests and on tokens are used.
type State struct {
	Requests, Tokens Gauge
}

// Gauge is the state of one limit. With Limit 0 there is none.
type Gauge struct {
	Subject   string
	What      string // "rpm" …
	Limit     int64
	Remaining int64         // at least 0
	Reset     time.Duration // until all of Limit is there again, if nothing else comes
}

// stateOf returns the gauges with the least left.
func stateOf(rules []Rule, subjects []*subject) State {
	var st State
	for i := range rules {
		s := subjects[i]
		for k := range windowKinds {
			limit := windowLimit(&rules[i].Limits, k)
			if limit <= 0 {
				continue
			}
			g := &st.Requests
			if k >= tokenKinds {
				g = &st.Tokens
			}
			if left := max(limit-s.window(k).total, 0); g.Limit == 0 || left < g.Remaining {
				*g = s.gauge(&rules[i], k, limit)
			}
		}
	}
	return st
}

// Use says how far every limit of a rule is used, and how many calls run.
type Use struct {
	Windows []Gauge
	Running int64 // calls at once that Limits.Concurrent held for
}

// Use returns how far the limits of a rule are used now. It counts nothing.
func (l *Limiter) Use(now time.Time, rule Rule) Use {
	sh := &l.shards[l.shardOf(rule.Subject)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s, ok := sh.subjects[rule.Subject]
	if !ok {
		s = &subject{last: l.at(now)} // nobody asked for it
	}
	s.move(l.at(now))
	u := Use{Running: int64(s.calls)}
	for k := range windowKinds {
		if limit := windowLimit(&rule.Limits, k); limit > 0 {
			u.Windows = append(u.Windows, s.gauge(&rule, k, limit))
		}
	}
	return u
}

// gauge returns the state of window k.
func (s *subject) gauge(rule *Rule, k int, limit int64) Gauge {
	return Gauge{
		Subject: rule.Subject, What: windowNames[k], Limit: limit, Remaining: max(limit-s.window(k).total, 0),
		Reset: time.Duration(max(s.window(k).last()+windowNanos[k]+1-s.last, 0)),
	}
}

// Refusal says why a call was not admitted: the limit that holds it up the longest.
type Refusal struct {
	Subject    string
	What       string // "rpm", "rph", "rpd", "tpm", "tph", "tpd" or "concurrent"
	Text       string // What in words: "requests per minute" …
	Limit      int64
	Need       int64         // what the call would have taken of it
	RetryAfter time.Duration // then the call is admitted if nobody else comes first; 0: never, it is TooLarge
	TooLarge   bool          // the call alone needs more tokens than the limit
	State      State
}

// Error says in a sentence what is reached.
func (r *Refusal) Error() string {
	switch {
	case r.TooLarge:
		return fmt.Sprintf("the call needs up to %d tokens, more than the limit of %d %s", r.Need, r.Limit, r.Text)
	case r.What == concurrent:
		return fmt.Sprintf("the limit of %d %s is reached; wait until one of them ends", r.Limit, r.Text)
	}
	return fmt.Sprintf("the limit of %d %s is reached; try again in %s", r.Limit, r.Text, r.RetryAfter.Round(time.Millisecond))
}

const (
	concurrent     = "concurrent"
	concurrentText = "calls at once"

	// callWait is a guess of when one of the calls in flight may have ended.
	callWait = time.Second
)

// refuse finds the limit that stands longest against the call. There is one.
func refuse(rules []Rule, subjects []*subject, size size) *Refusal {
	worst := Refusal{State: stateOf(rules, subjects)}
	for i := range rules {
		s, l := subjects[i], &rules[i].Limits
		tokens := size.of(rules, subjects, i)
		note := func(what, text string, limit, n int64, wait time.Duration, tooLarge bool) {
			if worst.TooLarge || !tooLarge && wait <= worst.RetryAfter {
				return
			}
			worst.Subject, worst.What, worst.Text = rules[i].Subject, what, text
			worst.Limit, worst.Need, worst.RetryAfter, worst.TooLarge = limit, n, wait, tooLarge
		}
		for k := range windowKinds {
			limit, n := windowLimit(l, k), need(k, tokens)
			switch {
			case limit <= 0 || s.window(k).fits(limit, n):
			case n > limit:
				note(windowNames[k], windowTexts[k], limit, n, 0, true)
			default:
				note(windowNames[k], windowTexts[k], limit, n, time.Duration(s.window(k).freeAt(limit, n)+windowNanos[k]+1-s.last), false)
			}
		}
		if l.Concurrent > 0 && int64(s.calls) >= l.Concurrent {
			note(concurrent, concurrentText, l.Concurrent, 1, callWait, false)
		}
	}
	return &worst
}
