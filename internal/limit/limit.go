// Package limit owns rates and concurrency: how many requests and tokens a subject may have per
// minute, hour and day, and how many calls at once. It is in memory and knows no accounts, keys or
// channels: the caller names subjects and says which limits hold now. Money is for ledger.
//
// # The window
//
// Each limit is a sliding window over 60 buckets (a second each for a minute, a minute for an hour, 24
// minutes for a day) that are counted conservatively: at any time the current bucket and the 60 before
// it count in full. A window of the limit's length never reaches further back than that, so no window
// whatsoever holds more than the limit, wherever it begins. The price is that a slot comes back at most
// one bucket late: traffic above the limit gets it at 60/61 or more (less the wait for its own next
// request), and a burst may take all of it at once, which a token bucket with the same promise could
// not allow. Only what is admitted is counted, so refused requests starve nobody.
//
// Only buckets that hold something are kept, at most 61 a window, and a subject with nothing left in
// any window and no call in flight is forgotten within about a minute of traffic.
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
}

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
	shard *shard
	last  int64 // nanoseconds since epoch; the subject's time never goes back
	calls int64 // in flight, of those that a limit on concurrency held for
	open  int32 // grants that were not released
	used  uint8 // bit k: something counts in win[k]
	win   [windowKinds]window
}

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
	at := l.at(now)
	tokens = min(max(tokens, 0), maxTokens)

	var subjectRoom [usualRules]*subject
	var shardRoom, lockRoom [usualRules]int32
	subjects, shards, locks := subjectRoom[:0], shardRoom[:0], lockRoom[:0]
	for i := range rules {
		s := int32(maphash.String(l.seed, rules[i].Subject) % shardCount)
		shards = append(shards, s)
		locks = insert(locks, s)
	}
	for _, s := range locks {
		l.shards[s].mu.Lock()
	}
	for i := range rules {
		subjects = append(subjects, l.shards[shards[i]].subject(rules[i].Subject, at))
	}
	grant, refusal := decide(rules, subjects, tokens)
	for _, s := range locks {
		l.shards[s].mu.Unlock()
	}
	if grant != nil {
		grant.limiter = l
	}
	l.sweepOne(at)
	return grant, refusal
}

// decide checks all rules, and counts the call if none stands against it.
func decide(rules []Rule, subjects []*subject, tokens int64) (*Grant, *Refusal) {
	refused := false
	for i := range rules {
		if !subjects[i].allows(&rules[i].Limits, tokens) {
			refused = true
			break
		}
	}
	if refused {
		return nil, refuse(rules, subjects, tokens)
	}
	g := &Grant{tokens: tokens}
	g.holds = g.room[:0]
	for i := range rules {
		g.take(subjects[i], &rules[i].Limits)
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

// subject returns the subject called name with its windows moved to at. The shard must be locked.
func (s *shard) subject(name string, at int64) *subject {
	sub, ok := s.subjects[name]
	if !ok {
		sub = &subject{shard: s}
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
		if used&1 != 0 && s.win[k].expire(at/bucketNanos[k]) {
			s.used &^= 1 << k
		}
	}
}

// count counts n in window k, now.
func (s *subject) count(k int, n int64) {
	if n > 0 {
		s.used |= 1 << k
		s.win[k].add(s.last/bucketNanos[k], n)
	}
}

// allows reports whether one more call keeps the limits.
func (s *subject) allows(l *Limits, tokens int64) bool {
	for k := range s.win {
		if limit := windowLimit(l, k); limit > 0 && !s.win[k].fits(limit, need(k, tokens)) {
			return false
		}
	}
	return l.Concurrent <= 0 || s.calls < l.Concurrent
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
