package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/internal/catalog"
	"tollgate/internal/journal"
)

// Book is the money as admission sees it: all in memory, one atomic decision per account, no store on
// the path of a call. What it knows beyond the store is exactly what the journal holds beyond the
// store's position, and an owned goroutine carries that over.
type Book struct {
	store   Store
	journal *journal.Journal
	node    string
	log     *slog.Logger

	mu       sync.RWMutex
	purses   map[string]*purse   // by account id; grows with the accounts that ever had money or a call
	subjects map[string]*subject // by id of a key or an account; those that ever had a budget

	held     atomic.Int64 // sum of all holds, nano-dollars
	buffers  sync.Pool    // *[]byte
	progress progress
	recent   recent
	batch    []Call // of the drain, used again
	soft     warnings

	work chan struct{} // tells the drain that there is something to read
	now  chan struct{} // tells it to read at once
	fees Fees

	longestCall time.Duration
	seen        Changes // of others at the store; of follow
	cancel      context.CancelFunc
	drained     chan struct{}   // closed when the drain has returned
	healing     sync.WaitGroup  // and all other goroutines but the drain
	ctx         context.Context // of all goroutines; ends with Close
}

// purse is the money of one account.
type purse struct {
	id string

	// settling keeps journal and memory in one order: who appends a call of this account, or moves its
	// credit, holds it. Taken before mu, and of several accounts in the order of their ids.
	settling sync.Mutex
	unsure   bool // a transfer ended in doubt and a goroutine asks the store; guarded by settling

	mu    sync.Mutex // guards what follows; held for moments only
	cards []Card     // with a balance above zero, as they are spent; expired ones stay until the store moves them
	debt  catalog.Nanos
	held  catalog.Nanos
	spent catalog.Nanos
}

// Funds are an account's money at an instant.
type Funds struct {
	AccountID string
	Cards     []Card        // alive at the instant, in the order they are spent
	Debt      catalog.Nanos // spent beyond the cards
	Held      catalog.Nanos // reserved for calls under way
	Spent     catalog.Nanos // in all time
	Left      catalog.Nanos // what a new hold may take: cards less debt and holds; may be below zero
}

// Settle records a call, takes its cost from the account and ends the hold. When it returns without
// an error, the journal has the call. h is nil for a call that nothing was reserved for; then the call
// itself says in Above and Unbilled what a hold would have.
//
// With an error the call is not recorded and nothing is charged, but the hold has ended; as long as
// the journal takes no records, new holds are refused. ErrHoldDone means that the hold had ended
// before.
func (b *Book) Settle(h *Hold, call Call) error {
	if h != nil && !h.done.CompareAndSwap(false, true) {
		return ErrHoldDone
	}
	err := call.check()
	if err == nil && h != nil {
		if h.payer.purse.id != call.AccountID {
			err = fmt.Errorf("ledger: call %s is of account %s, its hold of account %s", call.ID, call.AccountID, h.payer.purse.id)
		}
		call.Above, call.Unbilled = h.payer.above, !h.payer.charge
	}
	if err == nil {
		err = b.record(h, &call)
	}
	if err != nil {
		if h != nil {
			h.end()
		}
		b.log.Error("ledger: a call was not recorded", "call", call.ID, "account", call.AccountID, "cost", call.Cost, "error", err)
		return err
	}
	if h != nil {
		h.freeRest()
	}
	return nil
}

// record appends the call to the journal and then applies it to the money of its account, as the store
// will, and to budgets. With an error nothing has changed; without, the hold on the money has ended.
func (b *Book) record(h *Hold, call *Call) error {
	buf, ok := b.buffers.Get().(*[]byte)
	if !ok {
		buf = new([]byte)
	}
	defer b.reuse(buf)
	*buf = call.AppendRecord((*buf)[:0])
	var p *purse
	if h != nil {
		p = h.payer.purse
	} else {
		p = b.purse(call.AccountID)
	}
	p.settling.Lock()
	defer p.settling.Unlock()
	b.recent.put(call) // before the drain can see the record, or it would stay for ever
	behind, err := b.journal.Append(*buf)
	if err != nil {
		b.recent.drop(call.ID)
		return err
	}
	waiting := b.progress.appended.Add(1) - b.progress.carried.Load()
	p.mu.Lock()
	p.apply(call)
	if h != nil && h.payer.charge {
		p.held -= h.amount
	}
	p.mu.Unlock()
	b.count(call, h, behind)
	if waiting >= batchRecords {
		b.hurry()
	} else {
		b.nudge()
	}
	return nil
}

// apply takes what a call is charged, as Store.Apply does. The caller holds mu, or is alone.
func (p *purse) apply(call *Call) {
	charged := chargeable(call, p.spent)
	if charged == 0 {
		return
	}
	var few [4]Move // more cards for one call are rare
	moves, uncovered := appendMoves(few[:0], p.cards, call.Began(), time.UnixMilli(call.AtMillis), charged)
	p.spent += charged
	p.debt += uncovered // at most what was spent
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

// reuse keeps a buffer for another call, unless this one was unusually large.
func (b *Book) reuse(buf *[]byte) {
	if cap(*buf) <= 64<<10 {
		b.buffers.Put(buf)
	}
}
