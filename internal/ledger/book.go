package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/journal"
)

// ErrHoldDone says that a hold was settled or released before: a mistake of the caller, nothing was
// done the second time.
var ErrHoldDone = errors.New("ledger: the hold was settled or released already")

// ShortError refuses a hold: the money does not suffice.
type ShortError struct {
	AccountID string
	Need      catalog.Nanos
	Left      catalog.Nanos // may be below zero when there is a debt
}

// Error says what is needed and what is left.
func (e *ShortError) Error() string {
	return fmt.Sprintf("ledger: account %s needs $%v for this call, $%v is left", e.AccountID, e.Need, e.Left)
}

// Book is the money as admission sees it: all in memory, one atomic decision per account, no store on
// the path of a call. What it knows beyond the store is exactly what the journal holds beyond the
// store's position, and an owned goroutine carries that over.
type Book struct {
	store   Store
	journal *journal.Journal
	node    string
	log     *slog.Logger

	mu     sync.RWMutex
	purses map[string]*purse // by account id; grows with the accounts that ever had money or a call

	held     atomic.Int64 // sum of all holds, nano-dollars
	buffers  sync.Pool    // *encoding
	progress progress
	recent   recent

	work    chan struct{} // tells the drain that there is something to read
	now     chan struct{} // tells it to read at once
	cancel  context.CancelFunc
	drained chan struct{} // closed when the drain has returned
	healing sync.WaitGroup
	ctx     context.Context // of the drain and of healing; ends with Close
}

// purse is the money of one account.
type purse struct {
	id string

	// settling keeps journal and memory in one order: who appends a call of this account, or grants to
	// it, holds it. Taken before mu.
	settling sync.Mutex
	unsure   bool // a grant ended in doubt and a goroutine asks the store; guarded by settling

	mu    sync.Mutex // guards what follows; held for moments only
	cards []Card     // with a balance above zero, as they are spent; expired ones stay until the store moves them
	debt  catalog.Nanos
	held  catalog.Nanos
	spent catalog.Nanos
}

// Hold is money reserved for one call. It ends with exactly one Settle or Release.
type Hold struct {
	book   *Book
	payer  *purse
	above  []*purse // nil without budgets above
	amount catalog.Nanos
	done   atomic.Bool
}

// Amount returns what is reserved.
func (h *Hold) Amount() catalog.Nanos { return h.amount }

// Funds are an account's money at an instant.
type Funds struct {
	AccountID string
	Cards     []Card        // alive at the instant, in the order they are spent
	Debt      catalog.Nanos // spent beyond the cards
	Held      catalog.Nanos // reserved for calls under way
	Spent     catalog.Nanos // in all time
	Left      catalog.Nanos // what a new hold may take: cards less debt and holds; may be below zero
}

// Hold reserves amount on an account, and on every account above it that has a budget of its own: all
// of them, or none. Only the first one will pay. It refuses with a *ShortError when there is less
// left, and with a *canon.Error of kind overloaded when the journal could not record the call; root, and
// an amount of zero, are never refused for money.
func (b *Book) Hold(accountID string, amount catalog.Nanos, at time.Time, above ...string) (*Hold, error) {
	if amount < 0 {
		return nil, fmt.Errorf("ledger: a hold of $%v on account %s", amount, accountID)
	}
	if err := b.journal.Healthy(); err != nil {
		return nil, &canon.Error{
			Kind: canon.KindOverloaded, Message: "calls cannot be recorded at the moment, so none are taken; try again later",
			RetryAfter: 5 * time.Second, Cause: err,
		}
	}
	h := &Hold{book: b, payer: b.purse(accountID), amount: amount}
	if len(above) == 0 {
		h.payer.mu.Lock()
		err := h.payer.reserve(amount, at)
		h.payer.mu.Unlock()
		if err != nil {
			return nil, err
		}
	} else if err := h.reserveAll(at, above); err != nil {
		return nil, err
	}
	b.held.Add(int64(amount))
	return h, nil
}

// reserveAll locks all purses in the order of their ids, so that two holds never wait for each other.
func (h *Hold) reserveAll(at time.Time, above []string) error {
	for _, id := range above {
		if p := h.book.purse(id); p != h.payer && !slices.Contains(h.above, p) {
			h.above = append(h.above, p)
		}
	}
	all := append([]*purse{h.payer}, h.above...)
	slices.SortFunc(all, func(a, b *purse) int {
		if a.id < b.id {
			return -1
		}
		return 1 // ids differ
	})
	for _, p := range all {
		p.mu.Lock()
		defer p.mu.Unlock()
	}
	for i, p := range all {
		if err := p.reserve(h.amount, at); err != nil {
			for _, q := range all[:i] {
				q.held -= h.amount
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
	h.payer.mu.Lock()
	h.payer.held -= h.amount
	h.payer.mu.Unlock()
	h.freeRest()
	return nil
}

// freeRest gives free what is held beside the payer's purse.
func (h *Hold) freeRest() {
	for _, p := range h.above {
		p.mu.Lock()
		p.held -= h.amount
		p.mu.Unlock()
	}
	h.book.held.Add(-int64(h.amount))
}

// Settle records a call, takes its cost from the account and ends the hold. When it returns without
// an error, the journal has the call. h is nil for a call that nothing was reserved for.
//
// With an error the call is not recorded and nothing is charged, but the hold has ended; as long as
// the journal takes no records, new holds are refused. ErrHoldDone means that the hold had ended
// before.
func (b *Book) Settle(h *Hold, call Call) error {
	if h != nil && !h.done.CompareAndSwap(false, true) {
		return ErrHoldDone
	}
	err := call.check()
	if err == nil && h != nil && h.payer.id != call.AccountID {
		err = fmt.Errorf("ledger: call %s is of account %s, its hold of account %s", call.ID, call.AccountID, h.payer.id)
	}
	var p *purse
	if h != nil {
		p = h.payer
	} else if err == nil {
		p = b.purse(call.AccountID)
	}
	if err == nil {
		err = b.record(p, h, call)
	}
	if err != nil && h != nil {
		p.mu.Lock()
		p.held -= h.amount
		p.mu.Unlock()
	}
	if h != nil {
		h.freeRest()
	}
	if err != nil {
		b.log.Error("ledger: a call was not recorded", "call", call.ID, "account", call.AccountID, "cost", call.Cost, "error", err)
	}
	return err
}

// record appends the call to the journal and then applies it to p, as the store will. With an error
// nothing has changed.
func (b *Book) record(p *purse, h *Hold, call Call) error {
	e := b.encoding()
	defer b.reuse(e)
	payload, err := e.encode(call)
	if err != nil {
		return fmt.Errorf("ledger: encode call %s: %w", call.ID, err)
	}
	p.settling.Lock()
	defer p.settling.Unlock()
	b.recent.put(&call) // before the drain can see the record, or it would stay for ever
	if _, err := b.journal.Append(payload); err != nil {
		b.recent.drop(call.ID)
		return err
	}
	waiting := b.progress.appended.Add(1) - b.progress.carried.Load()
	p.mu.Lock()
	p.apply(&e.call)
	if h != nil {
		p.held -= h.amount
	}
	p.mu.Unlock()
	if waiting >= batchRecords {
		b.hurry()
	} else {
		b.nudge()
	}
	return nil
}

// apply takes the cost of a call, as Store.Apply does. The caller holds mu, or is alone.
func (p *purse) apply(call *Call) {
	if p.id == account.RootID {
		return
	}
	var few [4]Move // more cards for one call are rare
	moves, uncovered := appendMoves(few[:0], p.cards, time.UnixMilli(call.AtMillis), call.Cost)
	p.spent = plus(p.spent, call.Cost)
	p.debt = plus(p.debt, uncovered)
	emptied := false
	for _, m := range moves {
		i := slices.IndexFunc(p.cards, func(c Card) bool { return c.ID == m.CardID })
		p.cards[i].Balance -= m.Amount
		emptied = emptied || p.cards[i].Balance == 0
	}
	if emptied {
		p.cards = slices.DeleteFunc(p.cards, func(c Card) bool { return c.Balance == 0 })
	}
}

// plus adds two amounts that are not negative, and stops at the largest there is.
func plus(a, b catalog.Nanos) catalog.Nanos {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// check says what makes a call impossible to settle.
func (c *Call) check() error {
	switch {
	case c.ID == "" || c.AccountID == "" || c.AtMillis <= 0:
		return fmt.Errorf("ledger: call %q of account %q at %d: id, account and time must be set", c.ID, c.AccountID, c.AtMillis)
	case c.Cost < 0:
		return fmt.Errorf("ledger: call %s costs $%v, less than nothing", c.ID, c.Cost)
	}
	return nil
}

// Balance returns the money of an account at an instant; all zero if it never had any.
func (b *Book) Balance(accountID string, at time.Time) Funds {
	f := Funds{AccountID: accountID}
	b.mu.RLock()
	p := b.purses[accountID]
	b.mu.RUnlock()
	if p == nil {
		return f
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.cards {
		if p.cards[i].Alive(at) {
			f.Cards = append(f.Cards, p.cards[i])
		}
	}
	f.Debt, f.Held, f.Spent, f.Left = p.debt, p.held, p.spent, p.left(at)
	return f
}

// Held returns the sum of all holds.
func (b *Book) Held() catalog.Nanos { return catalog.Nanos(b.held.Load()) }

// purse returns the purse of an account, an empty one if it has none yet.
func (b *Book) purse(accountID string) *purse {
	b.mu.RLock()
	p := b.purses[accountID]
	b.mu.RUnlock()
	if p != nil {
		return p
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if p = b.purses[accountID]; p == nil {
		p = &purse{id: accountID}
		b.purses[accountID] = p
	}
	return p
}

// encoding is a buffer with an encoder on it. It is kept from call to call so that settling allocates
// next to nothing.
type encoding struct {
	call Call
	buf  []byte
	enc  *json.Encoder
}

func (b *Book) encoding() *encoding {
	if e, ok := b.buffers.Get().(*encoding); ok {
		return e
	}
	e := &encoding{}
	e.enc = json.NewEncoder(e)
	e.enc.SetEscapeHTML(false)
	return e
}

// reuse keeps e for another call, unless this one was unusually large.
func (b *Book) reuse(e *encoding) {
	e.call = Call{}
	if cap(e.buf) <= 64<<10 {
		b.buffers.Put(e)
	}
}

// Write appends to the buffer.
func (e *encoding) Write(p []byte) (int, error) {
	e.buf = append(e.buf, p...)
	return len(p), nil
}

// encode returns the call as JSON, valid until the next encode.
func (e *encoding) encode(call Call) ([]byte, error) {
	e.call, e.buf = call, e.buf[:0]
	if err := e.enc.Encode(&e.call); err != nil {
		return nil, err
	}
	return e.buf[:len(e.buf)-1], nil // without the encoder's newline
}
