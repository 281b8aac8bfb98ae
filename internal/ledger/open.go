package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"time"

	"tollgate/internal/journal"
)

// Options are what a Book stands on.
type Options struct {
	Store   Store
	Journal *journal.Journal // stays the caller's: close it after the Book
	Node    string           // names this process to the store, see NodeID
	Log     *slog.Logger     // nil is silent
	Fees    Fees

	// LongestCall is how long a call may last. What is left on a card that has expired is not written off before
	// that: it may have been held for one.
	LongestCall time.Duration

	// OnSoftLimit is told, from a goroutine of its own, that spending has reached the soft limit of a
	// budget: once a period, over restarts and over all processes at the store. Nil if nobody cares.
	OnSoftLimit func(SoftLimit)
}

// OpenBook returns the Book of what the store knows and what the journal holds beyond it, and starts
// to carry the latter over.
func OpenBook(ctx context.Context, o Options) (*Book, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	b := &Book{
		store: o.Store, journal: o.Journal, node: o.Node, log: o.Log, purses: map[string]*purse{}, subjects: map[string]*subject{},
		work: make(chan struct{}, 1), now: make(chan struct{}, 1), drained: make(chan struct{}), soft: warnings{more: make(chan struct{}, 1)}, fees: o.Fees, longestCall: o.LongestCall,
	}
	b.progress.changed = make(chan struct{})
	pos, err := b.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("ledger: read the balances from the store: %w", err)
	}
	if err := b.replay(ctx, pos); err != nil {
		return nil, fmt.Errorf("ledger: read what the store does not have yet from the journal: %w", err)
	}
	b.progress.applied = pos
	b.ctx, b.cancel = context.WithCancel(context.Background())
	go b.drain(pos)
	b.healing.Go(func() { b.warn(o.OnSoftLimit) })
	b.healing.Go(b.sweep)
	b.healing.Go(b.follow)
	return b, nil
}

// load reads position and balances as of one moment. Only this node moves its position, but a former
// process may just be ending.
func (b *Book) load(ctx context.Context) (journal.Position, error) {
	pos, err := b.store.JournalPosition(ctx, b.node)
	if err != nil {
		return journal.Position{}, err
	}
	seen, err := b.store.Moved(ctx, b.node, Changes{math.MaxInt64, math.MaxInt64}) // what comes later will be asked for
	if err != nil {
		return journal.Position{}, err
	}
	b.seen = seen.Now
	for range 10 {
		balances, err := b.store.Balances(ctx)
		if err != nil {
			return journal.Position{}, err
		}
		counters, err := b.store.Counters(ctx)
		if err != nil {
			return journal.Position{}, err
		}
		again, err := b.store.JournalPosition(ctx, b.node)
		if err != nil {
			return journal.Position{}, err
		}
		if again == pos {
			for _, bal := range balances {
				b.purse(bal.AccountID).set(bal)
			}
			if err := b.setCounters(counters); err != nil {
				return journal.Position{}, err
			}
			return journal.Position(pos), nil
		}
		pos = again
	}
	return journal.Position{}, fmt.Errorf("the position of node %s keeps moving: another process runs as the same node; "+
		"give every process its own data directory", b.node)
}

// setCounters takes over what the store counted for budgets.
func (b *Book) setCounters(counters []Counter) error {
	zones := map[string]*time.Location{}
	for _, c := range counters {
		zone := zones[c.Zone]
		if zone == nil {
			var err error
			if zone, err = time.LoadLocation(c.Zone); err != nil {
				return fmt.Errorf("the %s budget of %s: %w", c.Period, c.Subject, err)
			}
			zones[c.Zone] = zone
		}
		s := b.subject(c.Subject)
		s.gauges = append(s.gauges, &gauge{Counter: c, subject: s, zone: zone, known: true})
	}
	return nil
}

// set takes over what the store says. The caller holds mu, or is alone.
func (p *purse) set(bal Balance) {
	p.cards = slices.DeleteFunc(slices.Clone(bal.Cards), func(c Card) bool { return c.Balance <= 0 })
	slices.SortFunc(p.cards, compareCards)
	p.debt, p.spent = bal.Debt, bal.Spent
}

// replay applies to memory what the journal holds behind pos.
func (b *Book) replay(ctx context.Context, pos journal.Position) error {
	// A store that never heard of this node has usually none of its calls. But the node's name may
	// have been lost, so it is asked.
	known := func(string) (bool, error) { return false, nil }
	if pos == (journal.Position{}) {
		known = func(id string) (bool, error) {
			_, err := b.store.Call(ctx, id)
			if errors.Is(err, ErrForgotten) {
				return true, nil // as the store will take it
			}
			if errors.Is(err, ErrNotFound) {
				return false, nil
			}
			return err == nil, err
		}
	}
	if end := b.journal.End(); end.Compare(pos) < 0 {
		b.log.ErrorContext(ctx, "ledger: the store is ahead of the journal; the journal was lost or is an old copy, and goes on behind the store's position",
			"store", pos, "journal", end, "dir", b.journal.Dir())
		return b.journal.Advance(pos)
	}
	if start := b.journal.Start(); pos.Segment < start.Segment && (pos.Segment > 0 || start.Segment > 1) {
		b.log.ErrorContext(ctx, "ledger: the journal does not reach back to the store's position; the store is an old copy, and the calls between are missing in it",
			"store", pos, "journal", start, "dir", b.journal.Dir())
	}
	for {
		records, next, err := b.journal.Read(pos, batchRecords, batchBytes)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			return nil
		}
		for _, r := range records {
			call, err := decode(r)
			if err != nil {
				continue // the drain sets it aside
			}
			if has, err := known(call.ID); err != nil {
				return err
			} else if !has {
				b.purse(call.AccountID).apply(&call)
				b.count(&call, nil, next)
			}
		}
		b.progress.appended.Add(int64(len(records)))
		pos = next
	}
}

func decode(record []byte) (Call, error) {
	var call Call
	if err := json.Unmarshal(record, &call); err != nil {
		return Call{}, err
	}
	return call, call.check()
}

// Close carries over what the journal holds, as long as ctx lasts, and stops. What is left then is not
// lost: the next OpenBook finds it in the journal. Calls may still be settled, until the journal is
// closed.
func (b *Book) Close(ctx context.Context) error {
	err := b.Flush(ctx)
	b.cancel()
	<-b.drained
	b.healing.Wait()
	if err != nil && !errors.Is(err, errStopped) {
		return fmt.Errorf("ledger: some calls are in the journal only, the next start brings them to the store: %w", err)
	}
	return nil
}
