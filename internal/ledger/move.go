package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
)

const (
	moveTimeout   = 10 * time.Second // a transfer, with all that the journal holds before it
	lockedTimeout = 3 * time.Second  // the part of it that the calls of its accounts wait for
)

// Grant gives a card to an account, out of nothing: a Transfer from root. The card's ID, AccountID,
// Amount, GrantedAt and ExpiresAt must be set; times count in whole milliseconds. It returns the card
// as it stands after a debt was paid from it, or, if it was granted before, as it stands now.
func (b *Book) Grant(ctx context.Context, card Card, note string) (Card, error) {
	out, err := b.Transfer(ctx, Transfer{
		ID: card.ID, Kind: EntryGrant, From: account.RootID, To: card.AccountID, Amount: card.Amount,
		At: card.GrantedAt, ExpiresAt: card.ExpiresAt, Reference: card.Reference, Note: note,
	})
	return out.Card, err
}

// Transfer moves credit: in the store first, then here. It fails with a *ShortError if From has less
// than Amount beyond debts and what is held for calls under way; none of that ever moves. Without an
// ExpiresAt the new card lives for DefaultCardLife, that of a closed account for ClosedCardLife.
//
// A transfer of EntryClose says that the account is closed. What was held for calls under way, or comes
// back otherwise, follows by itself within a day, over restarts too; a debt stays.
//
// With an error nothing changed here; if the store may have done it nevertheless, it is asked until
// that is known, and what would move stays reserved. Asking for the same transfer again, with the same
// id, is always safe. Settlements of the accounts that take part wait meanwhile, for seconds at the
// most; their holds and other accounts do not.
func (b *Book) Transfer(ctx context.Context, t Transfer) (Transferred, error) {
	t.At = t.At.UTC().Truncate(time.Millisecond)
	if t.ExpiresAt.IsZero() {
		t.ExpiresAt = t.At.Add(DefaultCardLife)
		if t.Kind == EntryClose {
			t.ExpiresAt = t.At.Add(ClosedCardLife)
		}
	}
	t.ExpiresAt = t.ExpiresAt.UTC().Truncate(time.Millisecond)
	t.Fee, t.Commission = Fee{}, b.fees.Commission
	switch t.Kind {
	case EntryTake:
		t.Fee = b.fees.Take
	case EntryClose:
		t.Fee = b.fees.Close
	default: // grants pay commission
	}
	if err := t.Check(); err != nil {
		return Transferred{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	if t.Kind == EntryClose {
		if err := b.store.PutClosing(ctx, Closing{ID: t.ID, AccountID: t.From, ParentID: t.To, At: t.At, Note: t.Note}); err != nil {
			return Transferred{}, fmt.Errorf("ledger: nothing was moved: %w", err)
		}
	}
	if err := b.Flush(ctx); err != nil {
		return Transferred{}, fmt.Errorf("ledger: nothing was moved: the store does not take the calls before it: %w", err)
	}
	m := &move{Transfer: t}
	for _, id := range t.Accounts() {
		m.purses = append(m.purses, b.purse(id))
	}
	slices.SortFunc(m.purses, func(a, b *purse) int { return strings.Compare(a.id, b.id) })
	m.lock()
	defer m.unlock()
	locked, cancel := context.WithTimeout(ctx, lockedTimeout)
	defer cancel()
	if err := b.Flush(locked); err != nil {
		return Transferred{}, fmt.Errorf("ledger: nothing was moved: the store does not take the calls before it: %w", err)
	}
	for _, p := range m.purses {
		if p.unsure {
			return Transferred{}, fmt.Errorf("ledger: nothing was moved: an earlier transfer of account %s is in doubt until the store answers; try again", p.id)
		}
	}
	return b.move(ctx, locked, m)
}

// move is a transfer under way.
type move struct {
	Transfer
	purses   []*purse      // of all that take part, by id
	reserved catalog.Nanos // held of From while it moves
}

func (m *move) lock() {
	for _, p := range m.purses {
		p.settling.Lock()
	}
}

func (m *move) unlock() {
	for _, p := range m.purses {
		p.settling.Unlock()
	}
}

// reserve takes what shall move out of the reach of holds. A repeated transfer may find less than it
// once moved: then only the store can tell.
func (m *move) reserve() *ShortError {
	if m.From == account.RootID {
		return nil
	}
	p := m.from()
	p.mu.Lock()
	defer p.mu.Unlock()
	left := p.left(m.At)
	short := &ShortError{AccountID: m.From, Need: m.Amount, Left: left}
	if left < m.Amount && (!m.UpTo || left <= 0) {
		return short
	}
	m.reserved = min(left, m.Amount)
	p.held += m.reserved
	return nil
}

func (m *move) from() *purse {
	return m.purses[slices.IndexFunc(m.purses, func(p *purse) bool { return p.id == m.From })]
}

// finish takes over what the store says and gives free what was reserved.
func (m *move) finish(balances []Balance) {
	for _, p := range m.purses {
		p.mu.Lock()
		for _, bal := range balances {
			if bal.AccountID == p.id {
				p.set(bal)
			}
		}
		if p.id == m.From {
			p.held -= m.reserved
		}
		p.mu.Unlock()
	}
	m.reserved = 0
}

// move does a transfer whose accounts are locked and in the store.
func (b *Book) move(ctx, locked context.Context, m *move) (Transferred, error) {
	if short := m.reserve(); short != nil {
		out, err := b.store.Transferred(locked, m.Transfer)
		switch {
		case err == nil:
			out.Repeated = true
			m.finish(out.Balances)
			return out, nil
		case errors.Is(err, ErrNotFound):
			return Transferred{}, short
		}
		return Transferred{}, fmt.Errorf("ledger: nothing was moved: %w", err)
	}
	t := m.Transfer
	if t.UpTo && t.From != account.RootID {
		t.Amount = m.reserved // the store does not know of holds
	}
	out, err := b.store.Transfer(locked, t)
	if err == nil {
		m.finish(out.Balances)
		return out, nil
	}
	var short *ShortError
	if errors.As(err, &short) || errors.Is(err, ErrReused) {
		m.finish(nil) // the store has looked, and did nothing
		return Transferred{}, err
	}
	return b.doubt(ctx, m, err)
}

// doubt finds out whether a transfer that the store answered with an error happened nevertheless: the
// answer to a commit may be lost. The caller holds settling of all.
func (b *Book) doubt(ctx context.Context, m *move, cause error) (Transferred, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lockedTimeout)
	defer cancel()
	out, err := b.store.Transferred(ctx, m.Transfer)
	switch {
	case err == nil:
		b.log.WarnContext(ctx, "ledger: the store answered a transfer with an error but has it", "transfer", m.ID, "error", cause)
		m.finish(out.Balances)
		return out, nil
	case errors.Is(err, ErrNotFound):
		m.finish(out.Balances)
		return Transferred{}, fmt.Errorf("ledger: transfer from %s to %s: %w", m.From, m.To, cause)
	case errors.Is(err, ErrReused):
		m.finish(nil)
		return Transferred{}, err
	}
	for _, p := range m.purses {
		p.unsure = true
	}
	b.healing.Go(func() { b.heal(m) })
	return Transferred{}, fmt.Errorf("ledger: transfer from %s to %s: nobody knows yet whether it happened; ask for it again with the same id: %w", m.From, m.To, cause)
}

// heal asks the store about a transfer that ended in doubt, until it answers.
func (b *Book) heal(m *move) {
	for wait := firstPause; ; wait = min(2*wait, longestPause) {
		select {
		case <-b.ctx.Done():
			return // the next start asks anyway
		case <-time.After(wait):
		}
		if b.healed(m) {
			return
		}
	}
}

func (b *Book) healed(m *move) bool {
	ctx, cancel := context.WithTimeout(b.ctx, lockedTimeout)
	defer cancel()
	if err := b.Flush(ctx); err != nil {
		return false
	}
	m.lock()
	defer m.unlock()
	if err := b.Flush(ctx); err != nil {
		return false
	}
	out, err := b.store.Transferred(ctx, m.Transfer)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false
	}
	m.finish(out.Balances)
	for _, p := range m.purses {
		p.unsure = false
	}
	return true
}
