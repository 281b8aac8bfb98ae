package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"tollgate/internal/catalog"
	"tollgate/internal/journal"
)

// Options are what a Book stands on.
type Options struct {
	Store   Store
	Journal *journal.Journal // stays the caller's: close it after the Book
	Node    string           // names this process to the store, see NodeID
	Log     *slog.Logger     // nil is silent

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
		work: make(chan struct{}, 1), now: make(chan struct{}, 1), drained: make(chan struct{}), soft: warnings{more: make(chan struct{}, 1)},
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
	return b, nil
}

// load reads position and balances as of one moment. Only this node moves its position, but a former
// process may just be ending.
func (b *Book) load(ctx context.Context) (journal.Position, error) {
	pos, err := b.store.JournalPosition(ctx, b.node)
	if err != nil {
		return journal.Position{}, err
	}
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

// heal asks the store for the money of an account whose last grant ended in doubt, until it answers.
func (b *Book) heal(p *purse) {
	defer b.healing.Done()
	for wait := firstPause; ; wait = min(2*wait, longestPause) {
		select {
		case <-b.ctx.Done():
			return // the next start asks anyway
		case <-time.After(wait):
		}
		ctx, cancel := context.WithTimeout(b.ctx, lockedTimeout)
		err := b.Flush(ctx)
		if err == nil {
			p.settling.Lock()
			if err = b.Flush(ctx); err == nil {
				err = b.reload(ctx, p)
			}
			p.unsure = err != nil
			p.settling.Unlock()
		}
		cancel()
		if err == nil {
			return
		}
	}
}

// reload takes over what the store says about an account. The caller holds settling, and all that the
// account settled is in the store.
func (b *Book) reload(ctx context.Context, p *purse) error {
	bal, err := b.store.Balance(ctx, p.id)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set(bal)
	return nil
}

const (
	grantTimeout  = 10 * time.Second // a grant, with all that the journal holds before it
	lockedTimeout = 3 * time.Second  // the part of it that the account's calls wait for
)

// Grant gives a card to an account: in the store first, then here. The card's ID, AccountID, Amount,
// GrantedAt and ExpiresAt must be set; times count in whole milliseconds. It returns the card as it
// stands after a debt was paid from it. With an error nothing changed here; if the store may have
// taken the card nevertheless, it is asked until that is known. Settlements of this account wait
// meanwhile, for seconds at the most; its holds and other accounts do not.
func (b *Book) Grant(ctx context.Context, card Card, note string) (Card, error) {
	card.GrantedAt = card.GrantedAt.UTC().Truncate(time.Millisecond)
	card.ExpiresAt = card.ExpiresAt.UTC().Truncate(time.Millisecond)
	card.Balance = card.Amount
	if card.ID == "" || card.AccountID == "" || card.Amount <= 0 || card.Amount > maxCard || !card.ExpiresAt.After(card.GrantedAt) {
		return Card{}, fmt.Errorf("ledger: card %q for account %q: needs ids, an amount above $0 up to $%v (is $%v), and must expire after it is granted",
			card.ID, card.AccountID, maxCard, card.Amount)
	}
	ctx, cancel := context.WithTimeout(ctx, grantTimeout)
	defer cancel()
	if err := b.Flush(ctx); err != nil {
		return Card{}, fmt.Errorf("ledger: nothing was granted: the store does not take the calls before it: %w", err)
	}
	p := b.purse(card.AccountID)
	p.settling.Lock()
	defer p.settling.Unlock()
	locked, cancel := context.WithTimeout(ctx, lockedTimeout)
	defer cancel()
	if err := b.Flush(locked); err != nil {
		return Card{}, fmt.Errorf("ledger: nothing was granted: the store does not take the calls before it: %w", err)
	}
	if p.unsure {
		return Card{}, fmt.Errorf("ledger: nothing was granted: an earlier grant to account %s is in doubt until the store answers; try again", p.id)
	}
	granted, err := b.store.Grant(locked, card, note)
	if err != nil {
		return b.doubt(ctx, p, card, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.debt -= card.Amount - granted.Balance
	if granted.Balance > 0 {
		p.cards = append(p.cards, granted)
		slices.SortFunc(p.cards, compareCards)
	}
	return granted, nil
}

// maxCard bounds the money in play far below what an int64 holds.
const maxCard catalog.Nanos = 1e7 * 1e9

// doubt finds out whether a grant that the store answered with an error happened nevertheless: the
// answer to a commit may be lost. The caller holds settling.
func (b *Book) doubt(ctx context.Context, p *purse, card Card, cause error) (Card, error) {
	find := func() int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return slices.IndexFunc(p.cards, func(c Card) bool { return c.ID == card.ID })
	}
	had := find() >= 0
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lockedTimeout)
	defer cancel()
	if err := b.reload(ctx, p); err != nil {
		p.unsure = true
		b.healing.Add(1)
		go b.heal(p)
		return Card{}, fmt.Errorf("ledger: grant to account %s: nobody knows yet whether it happened, look at the account before trying again: %w", p.id, cause)
	}
	if i := find(); i >= 0 && !had {
		b.log.WarnContext(ctx, "ledger: the store answered a grant with an error but has it", "card", card.ID, "error", cause)
		return p.cards[i], nil
	}
	return Card{}, fmt.Errorf("ledger: grant to account %s: %w", p.id, cause)
}
