package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	followEvery = time.Second
	followBatch = 32 // accounts whose settlements wait together
)

// Changes is how far the changes in a store were seen.
type Changes struct {
	Entries  int64 // Seq of the last entry
	Counters int64 // number of the last change of counters
}

// Moved is what other processes did to a store.
type Moved struct {
	Accounts []string  // whose money moved; each once
	Counters []Counter // those that changed, and maybe more
	Now      Changes
	Position Position // of the journal of the node that asks
}

// follow takes over what other processes at the store did, until the book closes.
func (b *Book) follow() {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(b.ctx, applyTimeout)
		err := b.Follow(ctx)
		cancel()
		if err != nil && !failing && b.ctx.Err() == nil {
			b.log.Warn("ledger: what other processes did is not known", "error", err)
		}
		failing = err != nil
	}
}

// Follow takes over what other processes at the store did since the last time. A Book does so by itself
// every second; it must not be called by several at once with it.
func (b *Book) Follow(ctx context.Context) error {
	m, err := b.store.Moved(ctx, b.node, b.seen)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	slices.Sort(m.Accounts)
	for some := range slices.Chunk(m.Accounts, followBatch) {
		if err := b.reload(ctx, some); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
	}
	if err := b.relearn(ctx, m.Counters); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	b.seen = m.Now
	return nil
}

// reload takes over what the store says about accounts, whose ids ascend.
func (b *Book) reload(ctx context.Context, ids []string) error {
	if err := b.Flush(ctx); err != nil { // most of what has to be waited for, without holding anybody up
		return err
	}
	purses := make([]*purse, len(ids))
	for i, id := range ids {
		purses[i] = b.purse(id)
		purses[i].settling.Lock()
		defer purses[i].settling.Unlock()
	}
	ctx, cancel := context.WithTimeout(ctx, lockedTimeout)
	defer cancel()
	if err := b.Flush(ctx); err != nil {
		return err
	}
	for _, p := range purses {
		if p.unsure {
			continue // whoever heals it will ask
		}
		bal, err := b.store.Balance(ctx, p.id)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		p.mu.Lock()
		p.set(bal)
		p.mu.Unlock()
	}
	return nil
}

// relearn asks the store again what was spent of budgets that are in memory, as learn does for one.
func (b *Book) relearn(ctx context.Context, counters []Counter) error {
	type key struct {
		subject, zone string
		period        Period
	}
	learning := map[key]*gauge{}
	for _, c := range counters {
		if g := b.begin(c); g != nil {
			learning[key{c.Subject, c.Zone, c.Period}] = g
		}
	}
	if len(learning) == 0 {
		return nil
	}
	err := b.Flush(ctx)
	var m Moved
	if err == nil {
		m, err = b.store.Moved(ctx, b.node, b.seen)
	}
	for _, c := range m.Counters {
		k := key{c.Subject, c.Zone, c.Period}
		if g := learning[k]; g != nil {
			g.learned(c, m.Position)
			delete(learning, k)
		}
	}
	for _, g := range learning { // it is asked for again next time
		g.subject.mu.Lock()
		g.learning, g.late = false, nil
		g.subject.mu.Unlock()
	}
	return err
}

// begin has the gauge of a counter note what is settled from now on; nil if there is none, or if it
// knows what the counter says.
func (b *Book) begin(c Counter) *gauge {
	b.mu.RLock()
	s := b.subjects[c.Subject]
	b.mu.RUnlock()
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.find(c.Period, c.Zone)
	if g == nil || g.learning || g.Counter == c {
		return nil
	}
	g.learning = true
	return g
}
