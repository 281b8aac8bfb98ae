package ledger

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/journal"
)

// subject is whom budgets are of, with what is counted for them.
type subject struct {
	id string

	mu     sync.Mutex // guards the gauges and all that is in them; held for moments only
	gauges []*gauge   // one for each period and zone that a budget was listed with
}

// gauge is the counter of a budget with what is held of it. The limit is in the hands of who holds.
type gauge struct {
	Counter
	subject *subject
	zone    *time.Location
	held    catalog.Nanos
	soft    catalog.Nanos // as of the last hold; 0: none

	known    bool             // Spent is known
	ready    chan struct{}    // closed when it is, or when it could not be learned; nil if it always was
	err      error            // why it could not be learned
	learning bool             // the store is asked for Spent
	late     []settled        // what was settled meanwhile
	from     journal.Position // what ends here or before was counted by the store when Spent was learned
}

// settled is a cost by its place in the journal.
type settled struct {
	behind journal.Position
	at     int64
	cost   catalog.Nanos
}

// learnTimeout bounds how long a hold waits to learn what was spent, for a budget it is the first for.
const learnTimeout = 3 * time.Second

// subject returns the subject with this id, a new one if there is none.
func (b *Book) subject(id string) *subject {
	b.mu.RLock()
	s := b.subjects[id]
	b.mu.RUnlock()
	if s != nil {
		return s
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if s = b.subjects[id]; s == nil {
		s = &subject{id: id}
		b.subjects[id] = s
	}
	return s
}

// find returns the gauge for a period and a zone, or nil. The caller holds mu.
func (s *subject) find(p Period, zone string) *gauge {
	for _, g := range s.gauges {
		if g.Period == p && (g.Zone == zone || p == PeriodTotal) {
			return g
		}
	}
	return nil
}

// gauge returns the gauge of a budget. One that nobody asked for before is asked of the store.
func (b *Book) gauge(ctx context.Context, budget *Budget, at time.Time) (*gauge, error) {
	s := b.subject(budget.Subject)
	s.mu.Lock()
	g := s.find(budget.Period, zoneName(budget.Zone))
	if g != nil && g.known {
		s.mu.Unlock()
		return g, nil
	}
	if g == nil {
		if err := budget.check(); err != nil {
			s.mu.Unlock()
			return nil, err
		}
		g = &gauge{Counter: Counter{Subject: s.id, Period: budget.Period, Zone: zoneName(budget.Zone)}, subject: s, zone: budget.Zone, ready: make(chan struct{}), learning: true}
		if g.zone == nil || g.Period == PeriodTotal {
			g.Zone, g.zone = "UTC", time.UTC
		}
		g.Start, g.End = g.Period.Bounds(at, g.zone)
		s.gauges = append(s.gauges, g)
		s.mu.Unlock()
		b.learn(ctx, g)
	} else {
		s.mu.Unlock()
	}
	select {
	case <-g.ready:
		return g, g.err // written before the close
	case <-ctx.Done():
		return nil, unlearned(g, context.Cause(ctx))
	}
}

// learn asks the store for the first time what was spent in the period of g. From the moment that
// learning was set, what is settled is noted there with its place in the journal; so what the
// store counts and what it cannot have counted yet come together without a gap.
func (b *Book) learn(ctx context.Context, g *gauge) {
	err := b.Flush(ctx)
	var c Counter
	var pos Position
	if err == nil {
		c, pos, err = b.store.Count(ctx, b.node, g.Counter)
	}
	if err == nil {
		g.learned(c, pos)
		close(g.ready)
		return
	}
	s := g.subject
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gauges = slices.DeleteFunc(s.gauges, func(o *gauge) bool { return o == g })
	g.err = unlearned(g, err)
	close(g.ready)
}

// learned takes over what the store has counted up to a position of the journal, and adds what was
// settled behind it.
func (g *gauge) learned(c Counter, pos Position) {
	g.subject.mu.Lock()
	defer g.subject.mu.Unlock()
	late := g.late
	g.Counter, g.known, g.learning, g.late, g.from = c, true, false, nil, journal.Position(pos)
	for _, l := range late {
		if l.behind.Compare(journal.Position(pos)) > 0 {
			g.Count(l.at, l.cost, g.zone)
		}
	}
}

func unlearned(g *gauge, err error) error {
	return &canon.Error{
		Kind: canon.KindOverloaded, Message: "what was spent of a budget cannot be read at the moment; try again later",
		RetryAfter: 5 * time.Second, Cause: fmt.Errorf("ledger: the %s budget of %s: %w", g.Period, g.Subject, err),
	}
}

// Watch learns what was spent of budgets that no hold asked for yet, so that the first one finds it in
// memory: to be called when budgets are made, and for all of them after the start. Budgets that were
// watched or held in an earlier run are known from the start.
func (b *Book) Watch(ctx context.Context, at time.Time, budgets ...Budget) error {
	for i := range budgets {
		if _, err := b.gauge(ctx, &budgets[i], at); err != nil {
			return err
		}
	}
	return nil
}

// Used is what is gone of a budget.
type Used struct {
	Spent  catalog.Nanos // in the present period
	Held   catalog.Nanos // for calls under way
	Renews time.Time     // when the next period begins; zero for a total
}

// Used returns what is gone of a budget at an instant; ok is false if it is not in memory, see Watch.
func (b *Book) Used(budget Budget, at time.Time) (u Used, ok bool) {
	b.mu.RLock()
	s := b.subjects[budget.Subject]
	b.mu.RUnlock()
	if s == nil {
		return u, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.find(budget.Period, zoneName(budget.Zone))
	if g == nil || !g.known {
		return u, false
	}
	g.roll(at.UnixMilli(), g.zone)
	return Used{Spent: g.Spent, Held: g.held, Renews: g.renews()}, true
}

func (c *Counter) renews() time.Time {
	if c.Period == PeriodTotal {
		return time.Time{}
	}
	return time.UnixMilli(c.End).UTC()
}

// reserve adds to what is held if the limit allows. The caller holds the subject.
func (g *gauge) reserve(budget *Budget, amount catalog.Nanos, at int64) error {
	g.roll(at, g.zone)
	g.soft = budget.Soft
	if g.held > math.MaxInt64-amount {
		return fmt.Errorf("ledger: a hold of $%v is out of range", amount)
	}
	if gone := plus(g.Spent, g.held); amount > 0 && budget.Limit != NoLimit && plus(gone, amount) > budget.Limit {
		return &BudgetError{Budget: *budget, Need: amount, Spent: g.Spent, Held: g.held, Renews: g.renews()}
	}
	g.held += amount
	return nil
}

// count adds a call to all gauges of its subjects, and ends on them what h holds. behind is where the
// call ends in the journal.
func (b *Book) count(call *Call, h *Hold, behind journal.Position) {
	for id := range call.CountsFor {
		b.mu.RLock()
		s := b.subjects[id]
		b.mu.RUnlock()
		if s == nil {
			continue
		}
		s.mu.Lock()
		for _, g := range s.gauges {
			if g.learning {
				g.late = append(g.late, settled{behind, call.AtMillis, call.Cost})
			}
			if !g.known {
				continue
			}
			if behind.Compare(g.from) > 0 { // else the drain was quicker than we, and the store has counted it
				g.Count(call.AtMillis, call.Cost, g.zone)
			}
			if h != nil {
				h.free(g)
			}
			if g.soft > 0 && !g.Warned && g.Spent >= g.soft {
				g.Warned = true
				b.soft.put(g)
			}
		}
		s.mu.Unlock()
	}
}

// warnings are soft limits that were reached and not reported yet.
type warnings struct {
	mu   sync.Mutex
	list []SoftLimit // at most one for each gauge and period
	more chan struct{}
}

func (w *warnings) put(g *gauge) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, SoftLimit{Subject: g.Subject, Period: g.Period, Zone: g.Zone, Start: time.UnixMilli(g.Start).UTC(), Soft: g.soft, Spent: g.Spent})
	signal(w.more)
}

func (w *warnings) take() []SoftLimit {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.list
	w.list = nil
	return list
}

// warn reports soft limits until the book closes. The store is asked whether this process is the first
// to do so; while it does not answer they wait.
func (b *Book) warn(report func(SoftLimit)) {
	pause := firstPause
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-b.soft.more:
		}
		for list := b.soft.take(); len(list) > 0; {
			ctx, cancel := context.WithTimeout(b.ctx, applyTimeout)
			err := b.Flush(ctx) // the store must know the call that reached the limit, and so the period
			first := false
			if err == nil {
				w := list[0]
				first, err = b.store.Warn(ctx, Counter{Subject: w.Subject, Period: w.Period, Zone: w.Zone, Start: w.Start.UnixMilli()})
			}
			cancel()
			if err == nil {
				if first && report != nil {
					report(list[0])
				}
				list, pause = list[1:], firstPause
				continue
			}
			select {
			case <-b.ctx.Done():
				return
			case <-time.After(pause):
				pause = min(2*pause, longestPause)
			}
		}
	}
}
