// Package limit owns rates and concurrency: how many requests and tokens a subject may have per
// minute, hour and day, and how many calls at once. It is in memory and knows no accounts, keys or
// channels: the caller names subjects and says which limits hold now. Money is for ledger.
//
// # The window
//
// Each limit is a sliding window. A call that takes a 64th of its limit or more is remembered by its own
// time: the window holds few of them. Smaller ones are put together in 60 buckets (a second each for a
// minute, a minute for an hour, 24 minutes for a day) and counted as if they came at the end of theirs. So no
// window whatsoever holds more than the limit, wherever it begins, and a burst may take all of it at once,
// which a token bucket with the same promise could not allow. Only what is admitted is counted, so refused
// requests starve nobody.
//
// What the first promise costs: a slot of a bucket comes back at most one bucket late, so traffic above a
// limit of more than 64 gets it at 60/61 or more, less the wait for its own next request. Up to 64 nothing
// is late, and what is admitted is the most that the promise allows. That is not always near the limit n: of
// n+1 requests that come evenly within one window it allows n, be they 5.1 a minute with a limit of 5.
// Whoever comes back when the refusal says gets all of the limit.
//
// Only what counts is kept, at most 125 entries a window, and a subject with nothing left in any window and
// no call in flight is forgotten within about a minute of traffic.
package limit

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// Rule says which limits hold for a subject. Subjects are the caller's names; those of different kinds
// must not be equal. The same subject may come in several rules of a call: it is counted once.
type Rule struct {
	Subject string
	Limits  Limits
	Found   *Found // of this Subject, so that it need not be looked up by its name each time; may be nil
}

// Found is where one Limiter notes one subject. The zero value is ready; it may be used by several
// goroutines at once.
type Found struct{ subject atomic.Pointer[subject] }

const (
	shardCount = 256
	sweepEvery = time.Minute / shardCount // each shard is swept about once a minute
	usualRules = 8                        // up to so many rules a call is decided without memory from the heap

	// maxTokens bounds the tokens of one call, so that sums cannot overflow.
	maxTokens = 1 << 50
)

// Limiter keeps the counts of all subjects. It may be used by several goroutines at once.
type Limiter struct {
	now   func() time.Time
	epoch time.Time
	seed  maphash.Seed

	nextSweep atomic.Int64 // nanoseconds since epoch
	swept     atomic.Uint32
	shards    [shardCount]shard
}

// shard holds a part of the subjects. Whoever locks several does it in the order of their index.
type shard struct {
	mu       sync.Mutex
	subjects map[string]*subject
	peak     int // most subjects since the map was made; Go maps do not shrink
}

// subject is what is known of one subject, guarded by its shard.
type subject struct {
	last  int64 // nanoseconds since epoch; the subject's time never goes back
	calls int32 // in flight, of those that a limit on concurrency held for
	open  int32 // grants that were not released
	shard uint8 // never changes
	used  uint8 // bit k: something counts in window k
	gone  bool  // it was idle and is forgotten: not to be counted on any more
	win   [windowKinds]window
}

// window returns window k. Those of a minute, which most limits are on, are next to each other and to the rest
// of the subject: they are in the same two lines of a cache.
func (s *subject) window(k int) *window { return &s.win[places[k]] }

var places = [windowKinds]uint8{0, 2, 3, 1, 4, 5}

// New returns an empty Limiter. now is the clock by which calls are settled; nil is time.Now.
func New(now func() time.Time) *Limiter {
	if now == nil {
		now = time.Now
	}
	l := &Limiter{now: now, epoch: now(), seed: maphash.MakeSeed()}
	for i := range l.shards {
		l.shards[i].subjects = make(map[string]*subject)
	}
	return l
}

// at returns t in nanoseconds since epoch.
func (l *Limiter) at(t time.Time) int64 { return max(int64(t.Sub(l.epoch)), 0) }

// Admit admits one call of so many estimated tokens at time now under all rules, or refuses it and
// counts nothing. Exactly one of the results is nil. A Grant must be released when the call is over.
//
// Times that go back a little, as concurrent callers' do, are taken for the latest one seen.
func (l *Limiter) Admit(now time.Time, rules []Rule, tokens int64) (*Grant, *Refusal) {
	return l.AdmitGuess(now, rules, tokens, 0)
}

// AdmitGuess is Admit of a call that takes so many tokens and, by a guess, some more. Where both together are
// more than a limit, all of that limit is reserved: then the call is alone in its window, instead of refused
// for ever because the guess is too high for it.
func (l *Limiter) AdmitGuess(now time.Time, rules []Rule, tokens, guess int64) (*Grant, *Refusal) {
	at := l.at(now)
	size := size{min(max(tokens, 0), maxTokens), min(max(guess, 0), maxTokens)}

	var subjectRoom [usualRules]*subject
	var shardRoom, lockRoom [usualRules]int32
	subjects, shards, locks := subjectRoom[:0], shardRoom[:0], lockRoom[:0]
	for i := range rules {
		s := rules[i].Found.load()
		shard := int32(0)
		if s != nil {
			shard = int32(s.shard)
		} else {
			shard = l.shardOf(rules[i].Subject)
		}
		subjects, shards, locks = append(subjects, s), append(shards, shard), insert(locks, shard)
	}
	for _, s := range locks {
		l.shards[s].mu.Lock()
	}
	for i := range rules {
		if s := subjects[i]; s != nil && !s.gone {
			s.move(at)
			continue
		}
		subjects[i] = l.subject(shards[i], rules[i].Subject, at)
		if f := rules[i].Found; f != nil {
			f.subject.Store(subjects[i])
		}
	}
	grant, refusal := decide(rules, subjects, size)
	for _, s := range locks {
		l.shards[s].mu.Unlock()
	}
	if grant != nil {
		grant.limiter = l
	}
	l.sweepOne(at)
	return grant, refusal
}

// size is how many tokens a call takes: surely, and by a guess beyond that.
type size struct{ sure, guess int64 }

// of returns what of it is reserved of the subject of rules[i]: the same under all rules for that subject.
func (n size) of(rules []Rule, subjects []*subject, i int) int64 {
	all := n.sure + n.guess
	if n.guess == 0 {
		return all
	}
	for j := range rules {
		if subjects[j] != subjects[i] {
			continue
		}
		for k := tokenKinds; k < windowKinds; k++ {
			if limit := windowLimit(&rules[j].Limits, k); limit > 0 && limit < all {
				all = max(limit, n.sure+1) // with room for something beyond what is sure
			}
		}
	}
	return all
}

// decide checks all rules, and counts the call if none stands against it.
func decide(rules []Rule, subjects []*subject, n size) (*Grant, *Refusal) {
	refused := false
	for i := range rules {
		if !subjects[i].allows(&rules[i].Limits, n.of(rules, subjects, i)) {
			refused = true
			break
		}
	}
	if refused {
		return nil, refuse(rules, subjects, n)
	}
	g := &Grant{}
	g.holds = g.room[:0]
	for i := range rules {
		g.take(subjects[i], &rules[i].Limits, n.of(rules, subjects, i))
	}
	g.state = stateOf(rules, subjects)
	return g, nil
}

// insert puts s into the ascending list unless it is there.
func insert(list []int32, s int32) []int32 {
	i := len(list)
	for i > 0 && list[i-1] > s {
		i--
	}
	if i > 0 && list[i-1] == s {
		return list
	}
	list = append(list, 0)
	copy(list[i+1:], list[i:])
	list[i] = s
	return list
}

func (f *Found) load() *subject {
	if f == nil {
		return nil
	}
	return f.subject.Load()
}

func (l *Limiter) shardOf(name string) int32 { return int32(maphash.String(l.seed, name) % shardCount) }

// subject returns the subject called name with its windows moved to at. Its shard must be locked.
func (l *Limiter) subject(shard int32, name string, at int64) *subject {
	s := &l.shards[shard]
	sub, ok := s.subjects[name]
	if !ok {
		sub = &subject{shard: uint8(shard)}
		s.subjects[name] = sub
		s.peak = max(s.peak, len(s.subjects))
	}
	sub.move(at)
	return sub
}

// move moves the subject's time on, and with it the windows.
func (s *subject) move(at int64) {
	if at <= s.last {
		return
	}
	s.last = at
	for k, used := 0, s.used; used != 0; k, used = k+1, used>>1 {
		if used&1 != 0 && s.window(k).expire(at-windowNanos[k]) {
			s.used &^= 1 << k
		}
	}
}

// count counts n in window k now, by its own time or that of its bucket.
func (s *subject) count(k int, n int64, exact bool) {
	if n > 0 {
		s.used |= 1 << k
		s.window(k).add(stamp(k, s.last, exact), n)
	}
}

// allows reports whether one more call keeps the limits.
func (s *subject) allows(l *Limits, tokens int64) bool {
	for k := range windowKinds {
		if limit := windowLimit(l, k); limit > 0 && !s.window(k).fits(limit, need(k, tokens)) {
			return false
		}
	}
	return l.Concurrent <= 0 || int64(s.calls) < l.Concurrent
}

// sweepOne forgets the idle subjects of one shard, if it is time. Calls share this work, so that the
// Limiter needs no goroutine.
func (l *Limiter) sweepOne(at int64) {
	next := l.nextSweep.Load()
	if at < next || !l.nextSweep.CompareAndSwap(next, max(next, at-int64(time.Minute))+int64(sweepEvery)) {
		return
	}
	s := &l.shards[l.swept.Add(1)%shardCount]
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, sub := range s.subjects {
		if sub.move(at); sub.used == 0 && sub.open == 0 {
			delete(s.subjects, name)
			sub.gone, sub.win = true, [windowKinds]window{} // a Found may still have it
		}
	}
	if n := len(s.subjects); s.peak > 32 && n < s.peak/4 {
		smaller := make(map[string]*subject, n)
		for name, sub := range s.subjects {
			smaller[name] = sub
		}
		s.subjects, s.peak = smaller, n
	}
}
