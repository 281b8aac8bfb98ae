package pool

import (
	"sync"
	"time"

	"tollgate/internal/canon"
)

// Cool-downs and intervals. A failing channel rests longer each time; a refused key is checked again
// at intervals that grow to a few hours.
const (
	failuresToCool  = 3                // consecutive failures before a channel rests
	refusalsToCool  = 8                // refusals in a row, each disproved by another channel, before it rests
	minCool         = time.Second      // first rest
	maxCool         = time.Minute      // longest rest without the provider's word
	maxProviderCool = time.Hour        // longest rest on the provider's word
	denyCool        = 10 * time.Minute // a model that the key may not use, or a dialect that is not there
	maxTest         = time.Minute      // after a rest one call goes first for so long, if it does not end before
	firstRecheck    = time.Minute
	maxRecheck      = 6 * time.Hour
	recheckFactor   = 4
)

// errorDecay is the weight of the newest outcome in the moving error rate.
const errorDecay = 0.1

// health is what experience says of one channel, whatever the model. It outlives snapshots.
type health struct {
	mu        sync.Mutex
	retired   bool
	reason    string
	retiredAt time.Time
	interval  time.Duration // until the next check; grows
	nextCheck time.Time
	trial     bool // a check found the key valid but only a call can tell (quota): one call may try
	models    map[string]*modelHealth
}

// modelHealth is what experience says of one upstream model at one channel.
type modelHealth struct {
	mu        sync.Mutex
	failures  int // consecutive
	errorRate float64
	coolUntil time.Time
	firm      bool       // the provider named the time: not tried before it
	why       canon.Kind // of the failure that the rest is about
	testing   time.Time  // one call is testing it after a rest, and others wait for it until then; zero: none is
	answered  bool       // it has answered before
	noModel   bool       // barred because the model is not there, in whatever dialect
	refused   map[canon.Op]*refusals
}

// refusals are those (403 and 404) of one operation of a model that has answered before. Most speak of
// something in the call: an object that is not there, a feature that the key may not use. Only those count
// whose call another channel then answered. So nobody rests a channel with calls that are wrong everywhere,
// and there is always another one that serves.
type refusals struct {
	disproved int // without an answer between them
	until     time.Time
	testing   time.Time // as modelHealth's
}

// rests is how often the operation was sent to rest since it last answered.
func (r *refusals) rests() int { return max(0, r.disproved-refusalsToCool+1) }

// refusal is one that nobody has disproved yet.
type refusal struct {
	by    *Candidate
	among *refusals
	rests int    // of among at the time
	said  string // by the provider
}

// maxModelsPerChannel bounds the models remembered of one channel.
const maxModelsPerChannel = 2048

// spoken is what experience says of a model in a dialect: each may be missing on its own.
func (h *health) spoken(d canon.Dialect, upstream string) *modelHealth {
	return h.model(string(d) + " " + upstream)
}

func (h *health) model(name string) *modelHealth {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.models[name]
	if m == nil {
		if h.models == nil || len(h.models) >= maxModelsPerChannel {
			h.models = map[string]*modelHealth{}
		}
		m = &modelHealth{}
		h.models[name] = m
	}
	return m
}

// retire takes the channel out of service. It reports whether this changed anything. The interval goes
// on growing where it left off unless the channel has worked for long since.
func (h *health) retire(reason string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	fresh := !h.retired
	if fresh && (h.interval == 0 || now.Sub(h.nextCheck) > maxRecheck) {
		h.interval = firstRecheck
	} else {
		h.interval = min(h.interval*recheckFactor, maxRecheck)
	}
	if fresh {
		h.retiredAt = now
	}
	h.retired, h.trial, h.reason = true, false, reason
	h.nextCheck = now.Add(h.interval)
	return fresh
}

// restore puts the channel back into service. It reports whether this changed anything.
func (h *health) restore() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.retired
	h.retired, h.trial, h.reason, h.retiredAt = false, false, "", time.Time{}
	return was
}

// postpone notes that a check of a retired channel failed. One that came back meanwhile stays.
func (h *health) postpone(reason string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.retired {
		h.interval = min(h.interval*recheckFactor, maxRecheck)
		h.trial, h.reason, h.nextCheck = false, reason, now.Add(h.interval)
	}
}

// open reports whether calls may go to the channel, and unlike usable takes nothing.
func (h *health) open() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.retired || h.trial
}

// usable reports whether calls may go to the channel, apart from its models' cool-downs.
func (h *health) usable() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.retired {
		return true
	}
	if h.trial {
		h.trial = false // this call is the trial
		return true
	}
	return false
}

// state of a candidate at an instant.
type state int

const (
	ready   state = iota
	resting       // after failures of its own: tried only when nothing better is left
	barred        // until a time that is known, or the model is not there
)

// look returns the state for op now and, when resting or barred, until when.
func (m *modelHealth) look(op canon.Op, now time.Time) (state, time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.coolUntil.IsZero():
	case now.Before(m.coolUntil):
		if m.firm {
			return barred, m.coolUntil
		}
		return resting, m.coolUntil
	case now.Before(m.testing):
		return resting, m.coolUntil
	}
	if r := m.refused[op]; r != nil && (now.Before(r.until) || now.Before(r.testing)) {
		return resting, r.until
	}
	return ready, time.Time{}
}

// take marks the one call that tests the channel after a rest.
func (m *modelHealth) take(op canon.Op, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.coolUntil.IsZero() && !now.Before(m.coolUntil) {
		m.testing = now.Add(maxTest)
	}
	if r := m.refused[op]; r != nil && r.rests() > 0 && !now.Before(r.until) {
		r.testing = now.Add(maxTest)
	}
}

// unspoken reports whether the model is barred now because this dialect is not there, or does not have it.
func (m *modelHealth) unspoken(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.firm && now.Before(m.coolUntil) && m.why == canon.KindNotFound && !m.noModel
}

// reason is the kind of failure that the rest is about.
func (m *modelHealth) reason() canon.Kind {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.why
}

func (m *modelHealth) succeed(op canon.Op) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failures, m.answered = 0, true
	delete(m.refused, op)
	m.errorRate *= 1 - errorDecay
	if m.firm && m.testing.IsZero() && (m.why == canon.KindRateLimited || m.why == canon.KindOverloaded) {
		return // a call from before the provider named the time; its word still holds
	}
	m.coolUntil, m.firm, m.why, m.testing = time.Time{}, false, "", time.Time{}
}

// rest bars the model for a time that is known: the provider named it, or it follows from the channel's limits.
func (m *modelHealth) rest(wait time.Duration, why canon.Kind, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bar(min(wait, maxProviderCool), why, now)
}

// bar sets a time before which the model is not tried. It never shortens another one: calls that ran
// together may each be told of another limit.
func (m *modelHealth) bar(wait time.Duration, why canon.Kind, now time.Time) {
	until := now.Add(wait)
	if m.firm && until.Before(m.coolUntil) {
		return
	}
	m.coolUntil, m.firm, m.why = until, true, why
}

// cool lets the model rest by our own judgement, unless a bar holds, or a longer rest.
func (m *modelHealth) cool(wait time.Duration, why canon.Kind, now time.Time) {
	until := now.Add(wait)
	if m.firm && now.Before(m.coolUntil) || until.Before(m.coolUntil) {
		return
	}
	m.coolUntil, m.firm, m.why = until, false, why
}

// settleTrial ends a test without a verdict (the client's own fault, or it went away).
func (m *modelHealth) settleTrial(op canon.Op) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settle(op)
}

func (m *modelHealth) settle(op canon.Op) {
	m.testing = time.Time{}
	if r := m.refused[op]; r != nil {
		r.testing = time.Time{}
	}
}

// refuse notes a 403 or 404. It bars a model that has never answered. One that has is there and allowed: then
// this may be about something in the call, which must not take the model away from others, nor count against
// it, unless what is returned is disproved.
func (m *modelHealth) refuse(op canon.Op, e *canon.Error, now time.Time) (among *refusals, rests int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.answered {
		m.settle(op)
		m.bar(denyCool, e.Kind, now)
		m.noModel = e.NoModel
		return nil, 0
	}
	r := m.refused[op]
	if r == nil {
		if m.refused == nil {
			m.refused = map[canon.Op]*refusals{}
		}
		r = &refusals{}
		m.refused[op] = r
	}
	if !r.testing.IsZero() { // it has not come back; should this be disproved, it rests longer
		r.until = now.Add(backoff(r.rests()))
	}
	m.settle(op)
	return r, r.rests()
}

// disprove notes that another channel answered what was refused, and reports whether the first rest began for it.
// It means nothing any more after an answer or a rest that came since.
func (m *modelHealth) disprove(f refusal, now time.Time) (rests bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := f.among
	if m.refused[f.by.Op] != r || r.rests() != f.rests {
		return false
	}
	r.disproved++
	n := r.rests()
	if n > 0 {
		r.until = now.Add(backoff(n))
	}
	return n == 1
}

func (m *modelHealth) fail(op canon.Op, e *canon.Error, now time.Time) {
	kind, retryAfter := e.Kind, e.RetryAfter
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settle(op)
	m.failures++
	if kind == canon.KindRateLimited || kind == canon.KindOverloaded {
		// A busy channel is not a bad one: it rests, but its share does not shrink.
		if retryAfter > 0 {
			m.bar(min(retryAfter, maxProviderCool), kind, now)
		} else {
			m.cool(backoff(m.failures), kind, now)
		}
		return
	}
	m.errorRate += errorDecay * (1 - m.errorRate)
	wait := min(retryAfter, maxProviderCool)
	if m.failures >= failuresToCool {
		wait = max(wait, backoff(m.failures-failuresToCool+1))
	}
	if wait > 0 {
		m.cool(wait, kind, now)
	}
}

// backoff doubles from minCool to maxCool.
func backoff(n int) time.Duration {
	if n > 10 {
		return maxCool
	}
	return min(minCool<<(n-1), maxCool)
}

// share scales a channel's weight by its error rate: (0.1 / (rate + 0.1))², so at 50 % errors a
// channel gets a 36th of its share and still heals by itself.
func (m *modelHealth) share() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := 0.1 / (m.errorRate + 0.1)
	return f * f
}
