// Package sharing watches how many accounts call from one address. Keys that were sold on or leaked show
// so: when many accounts come from an address within an hour it says so, and from some number on it
// refuses the address, never the accounts. It keeps what it knows in memory, bounded; which addresses are
// refused it tells, and takes over, so that somebody can keep it.
package sharing

import (
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Window is the time over which accounts are counted, and for which an address is refused.
const Window = time.Hour

// Options say from how many accounts on something happens. Zero: never.
type Options struct {
	Alert int // tell
	Ban   int // refuse the address for an hour

	// Trusted are addresses of proxies of ours: all clients would be behind them if they do not say whom
	// they stand for, so they are not watched.
	Trusted []netip.Prefix

	// Told is called when an address reaches a number, once until it has fallen below again.
	Told func(Place)

	// Changed is called when an address is refused, and with the zero time when it is refused no more before
	// its time. A call may wait for it.
	Changed func(Ban)
}

// Ban is an address that is refused.
type Ban struct {
	Addr     netip.Prefix
	Until    time.Time
	Accounts []string // that called from it, those seen last first
}

// Place is an address with accounts that called from it.
type Place struct {
	Addr        netip.Prefix // one address; of IPv6 the /64 that one subscriber has
	Accounts    []string     // ids, those seen last first, as many as Options tell apart
	SeenAt      time.Time
	BannedUntil time.Time // zero: it is not refused
}

const (
	shardCount = 64
	maxPlaces  = 64 << 10 // addresses known at once
)

// Guard watches addresses. It may be used by several goroutines at once.
type Guard struct {
	o      Options
	most   int // accounts told apart at one address
	seed   maphash.Seed
	shards [shardCount]shard
}

type shard struct {
	mu     sync.Mutex
	places map[netip.Prefix]*place
}

type place struct {
	seen   map[string]time.Time // by account
	last   time.Time
	banned time.Time // until then
	alert  bool      // told already
}

// New returns a Guard, nil if nothing is to happen ever.
func New(o Options) *Guard {
	if o.Alert <= 0 && o.Ban <= 0 {
		return nil
	}
	g := &Guard{o: o, most: max(o.Alert, o.Ban), seed: maphash.MakeSeed()}
	for i := range g.shards {
		g.shards[i].places = map[netip.Prefix]*place{}
	}
	return g
}

// key is the place that an address belongs to; false if it is not watched.
func (g *Guard) key(addr netip.Addr) (netip.Prefix, bool) {
	addr = addr.Unmap().WithZone("")
	if !addr.IsValid() || addr.IsLoopback() || slices.ContainsFunc(g.o.Trusted, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return netip.Prefix{}, false
	}
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	return p, err == nil
}

func (g *Guard) shard(p netip.Prefix) *shard {
	return &g.shards[maphash.Comparable(g.seed, p)%shardCount]
}

// Admit notes that an account calls from an address and reports whether it may.
func (g *Guard) Admit(addr netip.Addr, accountID string, now time.Time) bool {
	key, watched := g.key(addr)
	if !watched {
		return true
	}
	s := g.shard(key)
	s.mu.Lock()
	p := s.place(key, now)
	p.last = now
	if _, known := p.seen[accountID]; !known {
		p.forget(now)
		if len(p.seen) >= g.most { // more make no difference
			p.dropOldest()
		}
	}
	p.seen[accountID] = now
	told, admitted := g.judge(p, accountID, now)
	var shown Place
	if told {
		shown = p.show(key)
	}
	s.mu.Unlock()
	if told && g.o.Told != nil {
		g.o.Told(shown)
	}
	if told && !shown.BannedUntil.IsZero() && g.o.Changed != nil {
		g.o.Changed(Ban{shown.Addr, shown.BannedUntil, shown.Accounts})
	}
	return admitted
}

// judge reports whether the place is to be told of and whether calls from it are admitted.
func (g *Guard) judge(p *place, accountID string, now time.Time) (told, admitted bool) {
	if now.Before(p.banned) {
		return false, false
	}
	if !p.banned.IsZero() { // it is over, and who came meanwhile was refused: all are counted anew
		p.banned, p.alert = time.Time{}, false
		p.seen = map[string]time.Time{accountID: now}
	}
	n := len(p.seen)
	if g.o.Ban > 0 && n >= g.o.Ban {
		if p.forget(now); len(p.seen) >= g.o.Ban {
			p.banned, p.alert = now.Add(Window), true
			return true, false
		}
	}
	switch reached := g.o.Alert > 0 && n >= g.o.Alert; {
	case reached && !p.alert:
		p.forget(now)
		p.alert = len(p.seen) >= g.o.Alert
		return p.alert, true
	case !reached:
		p.alert = false
	}
	return false, true
}

// place returns what is known of an address, and makes room for a new one.
func (s *shard) place(key netip.Prefix, now time.Time) *place {
	p := s.places[key]
	if p != nil {
		return p
	}
	if len(s.places) >= maxPlaces/shardCount {
		s.makeRoom(now)
	}
	p = &place{seen: map[string]time.Time{}}
	s.places[key] = p
	return p
}

// makeRoom forgets addresses that were not seen for a window and, if that is not enough, some that were;
// none that is refused. It frees a quarter at once, so that it is not done at every call.
func (s *shard) makeRoom(now time.Time) {
	const low = maxPlaces / shardCount * 3 / 4
	for _, idle := range []bool{true, false} {
		for k, p := range s.places {
			if len(s.places) <= low && !idle {
				return
			}
			if !now.Before(p.banned) && (!idle || now.Sub(p.last) > Window) {
				delete(s.places, k)
			}
		}
	}
}

// forget drops accounts that were not seen for a window.
func (p *place) forget(now time.Time) {
	for id, at := range p.seen {
		if now.Sub(at) > Window {
			delete(p.seen, id)
		}
	}
}

func (p *place) dropOldest() {
	oldest := ""
	for id, at := range p.seen {
		if oldest == "" || at.Before(p.seen[oldest]) {
			oldest = id
		}
	}
	delete(p.seen, oldest)
}

func (p *place) show(key netip.Prefix) Place {
	out := Place{Addr: key, SeenAt: p.last, BannedUntil: p.banned}
	for id := range p.seen {
		out.Accounts = append(out.Accounts, id)
	}
	slices.SortFunc(out.Accounts, func(a, b string) int { return p.seen[b].Compare(p.seen[a]) })
	return out
}

// Places returns the addresses that are refused now and those that accounts enough to be told of came
// from, those with the most accounts first, at most limit.
func (g *Guard) Places(now time.Time, limit int) []Place {
	var all []Place
	for i := range g.shards {
		s := &g.shards[i]
		s.mu.Lock()
		for key, p := range s.places {
			p.forget(now)
			if !now.Before(p.banned) {
				p.banned = time.Time{}
			}
			if !p.banned.IsZero() || g.o.Alert > 0 && len(p.seen) >= g.o.Alert {
				all = append(all, p.show(key))
			}
		}
		s.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b Place) int {
		switch {
		case a.BannedUntil.IsZero() != b.BannedUntil.IsZero():
			if a.BannedUntil.IsZero() {
				return 1
			}
			return -1
		case len(a.Accounts) != len(b.Accounts):
			return len(b.Accounts) - len(a.Accounts)
		}
		return a.Addr.Addr().Compare(b.Addr.Addr())
	})
	return all[:min(len(all), limit)]
}

// Lift lets an address call again and begins to count anew. It reports whether the address was refused.
func (g *Guard) Lift(addr netip.Addr, now time.Time) bool {
	key, watched := g.key(addr)
	if !watched {
		return false
	}
	if !g.lift(key, now) {
		return false
	}
	if g.o.Changed != nil {
		g.o.Changed(Ban{Addr: key})
	}
	return true
}

func (g *Guard) lift(key netip.Prefix, now time.Time) bool {
	s := g.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.places[key]
	if p == nil {
		return false
	}
	delete(s.places, key)
	return now.Before(p.banned)
}

// Take takes over what somebody kept of these addresses: those in bans are refused, the others are not.
func (g *Guard) Take(addrs []netip.Prefix, bans []Ban, now time.Time) {
	for _, addr := range addrs {
		at := slices.IndexFunc(bans, func(b Ban) bool { return b.Addr == addr })
		if at >= 0 {
			g.ban(bans[at], now)
		} else if g.banned(addr, now) {
			g.lift(addr, now)
		}
	}
}

// TakeAll takes over all that somebody kept: addresses in bans are refused, no others are.
func (g *Guard) TakeAll(bans []Ban, now time.Time) {
	var addrs []netip.Prefix
	for i := range g.shards {
		s := &g.shards[i]
		s.mu.Lock()
		for key, p := range s.places {
			if now.Before(p.banned) {
				addrs = append(addrs, key)
			}
		}
		s.mu.Unlock()
	}
	for _, b := range bans {
		addrs = append(addrs, b.Addr)
	}
	g.Take(addrs, bans, now)
}

func (g *Guard) banned(key netip.Prefix, now time.Time) bool {
	s := g.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.places[key]
	return p != nil && now.Before(p.banned)
}

func (g *Guard) ban(b Ban, now time.Time) {
	key, watched := g.key(b.Addr.Addr())
	if g.o.Ban <= 0 || !watched || key != b.Addr || !now.Before(b.Until) {
		return
	}
	s := g.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.place(key, now)
	if !p.banned.Before(b.Until) {
		return
	}
	p.banned, p.alert = b.Until, true
	for i, id := range b.Accounts[:min(len(b.Accounts), g.most)] {
		at := b.Until.Add(-Window - time.Duration(i)*time.Millisecond)
		if p.last.Before(at) {
			p.last = at
		}
		if _, known := p.seen[id]; !known {
			p.seen[id] = at
		}
	}
}
