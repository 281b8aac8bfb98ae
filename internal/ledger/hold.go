package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
)

// ErrHoldDone says that a hold was settled or released before: a mistake of the caller, nothing was
// done the second time.
var ErrHoldDone = errors.New("ledger: the hold was settled or released already")

// ShortError refuses a hold or a transfer: the money does not suffice.
type ShortError struct {
	AccountID string
	Need      catalog.Nanos
	Left      catalog.Nanos // may be below zero when there is a debt
}

// Error says what is needed and what is left.
func (e *ShortError) Error() string {
	return fmt.Sprintf("ledger: account %s needs $%v, $%v is left", e.AccountID, e.Need, e.Left)
}

// Terms say who pays for calls, and within which bounds.
type Terms struct {
	Account string
	Above   []string // ids of the accounts above it but root; they go into the record of the call. Never changed
	Budgets []Budget // all that bound these calls: of their key, its account, accounts above
	Charge  bool     // take money; without it calls are metered and count for budgets, and that is all
}

// Payer pays for calls on its Terms. It is made once for many of them: what the Book keeps of its account and its
// budgets is looked up once. It may be used by several goroutines at once.
type Payer struct {
	book     *Book
	purse    *purse
	charge   bool
	bounds   []bound
	subjects []*subject // of the bounds, in the order of their ids, none twice
	above    []string

	room [2]*subject // where subjects are, as long as they are few
}

// bound is a budget with its gauge, which is nil as long as what was spent is not known.
type bound struct {
	budget Budget
	gauge  atomic.Pointer[gauge]
}

// Payer returns who pays for calls on the terms.
func (b *Book) Payer(t Terms) *Payer {
	p := &Payer{book: b, purse: b.purse(t.Account), charge: t.Charge, above: t.Above, bounds: make([]bound, len(t.Budgets))}
	p.subjects = p.room[:0]
	for i := range t.Budgets {
		p.bounds[i].budget = t.Budgets[i]
		p.subjects = append(p.subjects, b.subject(t.Budgets[i].Subject))
	}
	slices.SortFunc(p.subjects, func(a, b *subject) int { return strings.Compare(a.id, b.id) })
	p.subjects = slices.Compact(p.subjects)
	return p
}

// Hold is money reserved for one call. It ends with exactly one Settle or Release.
type Hold struct {
	payer  *Payer
	amount catalog.Nanos
	gauges []*gauge // of the payer, that something is held of; nil where it has ended
	done   atomic.Bool

	room [4]*gauge // where gauges are, as long as they are few
}

// Amount returns what is reserved.
func (h *Hold) Amount() catalog.Nanos { return h.amount }

// Hold reserves an amount on the cards of the account and on every budget: on all of them, or on none. What
// is left on cards and in budgets is known in memory; only a budget that nobody asked for before is asked
// of the store, see Watch.
//
// It refuses with a *ShortError when the cards do not suffice, with a *BudgetError when a budget does
// not, the first one listed, and with a *canon.Error of kind overloaded when the journal could not
// record the call or a budget cannot be read. Root, and an amount of zero, are never refused for money.
func (p *Payer) Hold(amount catalog.Nanos, at time.Time) (*Hold, error) {
	if amount < 0 {
		return nil, fmt.Errorf("ledger: a hold of $%v on account %s", amount, p.purse.id)
	}
	if err := p.book.journal.Healthy(); err != nil {
		return nil, &canon.Error{
			Kind: canon.KindOverloaded, Message: "calls cannot be recorded at the moment, so none are taken; try again later",
			RetryAfter: 5 * time.Second, Cause: err,
		}
	}
	h := &Hold{payer: p, amount: amount}
	if err := h.findGauges(at); err != nil {
		return nil, err
	}
	if err := h.reserve(at); err != nil {
		return nil, err
	}
	p.book.held.Add(int64(amount))
	return h, nil
}

// findGauges finds the gauges of all budgets.
func (h *Hold) findGauges(at time.Time) error {
	p := h.payer
	h.gauges = h.room[:0]
	ctx, cancel := context.Context(nil), context.CancelFunc(nil)
	for i := range p.bounds {
		bound := &p.bounds[i]
		g := bound.gauge.Load()
		if g == nil {
			if ctx == nil {
				ctx, cancel = context.WithTimeout(p.book.ctx, learnTimeout)
				defer cancel()
			}
			var err error
			if g, err = p.book.gauge(ctx, &bound.budget, at); err != nil {
				return err
			}
			bound.gauge.Store(g)
		}
		h.gauges = append(h.gauges, g)
	}
	return nil
}

// reserve locks the purse and then all subjects in the order of their ids, so that two holds never wait
// for each other, and reserves on all or none.
func (h *Hold) reserve(at time.Time) error {
	p := h.payer
	if p.charge {
		p.purse.mu.Lock()
		defer p.purse.mu.Unlock()
		if err := p.purse.reserve(h.amount, at); err != nil {
			return err
		}
	}
	if len(h.gauges) == 0 {
		return nil
	}
	for _, s := range p.subjects {
		s.mu.Lock()
	}
	err := h.reserveGauges(at.UnixMilli())
	for _, s := range p.subjects {
		s.mu.Unlock()
	}
	if err != nil && p.charge {
		p.purse.held -= h.amount
	}
	return err
}

// reserveGauges reserves on all budgets or none. The caller holds the subjects.
func (h *Hold) reserveGauges(at int64) error {
	for i, g := range h.gauges {
		if err := g.reserve(&h.payer.bounds[i].budget, h.amount, at); err != nil {
			for _, g := range h.gauges[:i] {
				g.held -= h.amount
			}
			return err
		}
	}
	return nil
}

// reserve adds to held if enough is left. The caller holds mu.
func (p *purse) reserve(amount catalog.Nanos, at time.Time) error {
	if p.id == account.RootID {
		if p.held > math.MaxInt64-amount {
			return fmt.Errorf("ledger: a hold of $%v is out of range", amount)
		}
	} else if left := p.left(at); left < amount && amount > 0 {
		return &ShortError{AccountID: p.id, Need: amount, Left: left}
	}
	p.held += amount
	return nil
}

// left is what a new hold may take. The caller holds mu.
func (p *purse) left(at time.Time) catalog.Nanos {
	left := -plus(p.debt, p.held)
	for i := range p.cards {
		if p.cards[i].Alive(at) {
			left += p.cards[i].Balance
		}
	}
	return left
}

// Release ends the hold without a call.
func (h *Hold) Release() error {
	if !h.done.CompareAndSwap(false, true) {
		return ErrHoldDone
	}
	h.end()
	return nil
}

// end gives free what is held on the account's cards, and what is still held of budgets.
func (h *Hold) end() {
	if p := h.payer; p.charge {
		p.purse.mu.Lock()
		p.purse.held -= h.amount
		p.purse.mu.Unlock()
	}
	h.freeRest()
}

// freeRest gives free what is still held of budgets.
func (h *Hold) freeRest() {
	for i, g := range h.gauges {
		if g != nil {
			g.subject.mu.Lock()
			g.held -= h.amount
			g.subject.mu.Unlock()
			h.gauges[i] = nil
		}
	}
	h.payer.book.held.Add(-int64(h.amount))
}

// free gives free what is held of g, if anything is. The caller holds the subject.
func (h *Hold) free(g *gauge) {
	for i, have := range h.gauges {
		if have == g { // twice, if it was listed twice
			g.held -= h.amount
			h.gauges[i] = nil
		}
	}
}
