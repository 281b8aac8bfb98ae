package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
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

// HoldRequest asks for money to be reserved for a call.
type HoldRequest struct {
	Account string
	Above   []string      // ids of the accounts above it but root; they go into the record of the call. Never changed
	Amount  catalog.Nanos // what the call may cost
	At      time.Time
	Budgets []Budget // all that bound this call: of its key, its account, accounts above. Not kept
	Charge  bool     // take money; without it the call is metered and counts for budgets, and that is all
}

// Hold is money reserved for one call. It ends with exactly one Settle or Release.
type Hold struct {
	book   *Book
	payer  *purse // nil if no money is reserved
	acct   string
	above  []string
	amount catalog.Nanos
	gauges []*gauge
	done   atomic.Bool

	room [4]*gauge // where gauges are, as long as they are few
}

// Amount returns what is reserved.
func (h *Hold) Amount() catalog.Nanos { return h.amount }

// Hold reserves an amount on the cards of an account and on every budget that is listed: on all of
// them, or on none. What is left on cards and in budgets is known in memory; only a budget that nobody
// asked for before is asked of the store, see Watch.
//
// It refuses with a *ShortError when the cards do not suffice, with a *BudgetError when a budget does
// not, the first one listed, and with a *canon.Error of kind overloaded when the journal could not
// record the call or a budget cannot be read. Root, and an amount of zero, are never refused for money.
func (b *Book) Hold(r HoldRequest) (*Hold, error) {
	if r.Amount < 0 {
		return nil, fmt.Errorf("ledger: a hold of $%v on account %s", r.Amount, r.Account)
	}
	if err := b.journal.Healthy(); err != nil {
		return nil, &canon.Error{
			Kind: canon.KindOverloaded, Message: "calls cannot be recorded at the moment, so none are taken; try again later",
			RetryAfter: 5 * time.Second, Cause: err,
		}
	}
	h := &Hold{book: b, acct: r.Account, above: r.Above, amount: r.Amount}
	if r.Charge {
		h.payer = b.purse(r.Account)
	}
	if len(r.Budgets) == 0 {
		if err := h.reserve(&r); err != nil {
			return nil, err
		}
	} else if err := h.reserveAll(&r); err != nil {
		return nil, err
	}
	b.held.Add(int64(r.Amount))
	return h, nil
}

// reserve takes the amount from the payer's cards, if it is to be charged.
func (h *Hold) reserve(r *HoldRequest) error {
	if h.payer == nil {
		return nil
	}
	h.payer.mu.Lock()
	defer h.payer.mu.Unlock()
	return h.payer.reserve(r.Amount, r.At)
}

// reserveAll locks the payer and then all subjects in the order of their ids, so that two holds never
// wait for each other, and reserves on all or none.
func (h *Hold) reserveAll(r *HoldRequest) error {
	h.gauges = h.room[:0]
	ctx, cancel := context.Context(nil), context.CancelFunc(nil)
	for i := range r.Budgets {
		g := h.book.known(&r.Budgets[i])
		if g == nil {
			if ctx == nil {
				ctx, cancel = context.WithTimeout(h.book.ctx, learnTimeout)
				defer cancel()
			}
			var err error
			if g, err = h.book.gauge(ctx, &r.Budgets[i], r.At); err != nil {
				return err
			}
		}
		h.gauges = append(h.gauges, g)
	}
	var few [4]*subject
	subjects := few[:0]
	for _, g := range h.gauges { // few: sorting by insertion is the quickest
		at := len(subjects)
		for at > 0 && subjects[at-1].id > g.subject.id {
			at--
		}
		if at == 0 || subjects[at-1] != g.subject {
			subjects = slices.Insert(subjects, at, g.subject)
		}
	}
	if h.payer != nil {
		h.payer.mu.Lock()
		defer h.payer.mu.Unlock()
		if err := h.payer.reserve(r.Amount, r.At); err != nil {
			return err
		}
	}
	for _, s := range subjects {
		s.mu.Lock()
	}
	err := h.reserveGauges(r)
	for _, s := range subjects {
		s.mu.Unlock()
	}
	if err != nil && h.payer != nil {
		h.payer.held -= r.Amount
	}
	return err
}

// reserveGauges reserves on all budgets or none. The caller holds the subjects.
func (h *Hold) reserveGauges(r *HoldRequest) error {
	at := r.At.UnixMilli()
	for i, g := range h.gauges {
		if err := g.reserve(&r.Budgets[i], r.Amount, at); err != nil {
			for _, g := range h.gauges[:i] {
				g.held -= r.Amount
			}
			return err
		}
	}
	return nil
}

// known returns the gauge of a budget if it is in memory.
func (b *Book) known(budget *Budget) *gauge {
	b.mu.RLock()
	s := b.subjects[budget.Subject]
	b.mu.RUnlock()
	if s == nil || budget.Limit < 0 || budget.Soft < 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.find(budget.Period, zoneName(budget.Zone)); g != nil && g.known {
		return g
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

// end gives free what is held on the payer's cards, and what is still held of budgets.
func (h *Hold) end() {
	if h.payer != nil {
		h.payer.mu.Lock()
		h.payer.held -= h.amount
		h.payer.mu.Unlock()
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
	h.book.held.Add(-int64(h.amount))
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
