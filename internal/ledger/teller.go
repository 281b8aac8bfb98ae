package ledger

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"tollgate/internal/catalog"
)

// MaxCards is how many cards an account keeps; more are merged.
const MaxCards = 10

// Teller moves the money of some accounts by the rules of the ledger, in memory. A Store opens it with
// what it has, in a transaction that holds the accounts, lets it work, and writes what it changed and
// its entries. So all stores move money alike.
type Teller struct {
	tills   map[string]*till
	order   []*till
	entries []Entry
	first   int // index of the first entry of the movement under way
}

type till struct {
	Balance
	moved bool            // debt or spent changed
	dirty map[string]bool // ids of cards that changed

	// of the movement under way, while calls are charged
	charges []Charge
	paid    []Move
	owed    catalog.Nanos
	last    int64
}

// Open takes over what an account has: all cards that may be needed, each with what is left on it.
func (t *Teller) Open(b Balance) {
	if t.tills == nil {
		t.tills = map[string]*till{}
	}
	b.Cards = slices.Clone(b.Cards)
	slices.SortFunc(b.Cards, compareCards)
	k := &till{Balance: b}
	t.tills[b.AccountID] = k
	t.order = append(t.order, k)
}

// Entries returns the entries of all movements, for Head.Chain.
func (t *Teller) Entries() []Entry { return t.entries }

// Changed calls card and balance for all that has changed.
func (t *Teller) Changed(card func(Card), balance func(Balance)) {
	for _, k := range t.order {
		for _, c := range k.Cards {
			if k.dirty[c.ID] {
				card(c)
			}
		}
		if k.moved {
			balance(k.Balance)
		}
	}
}

// Balance returns what an account has now, without empty cards.
func (t *Teller) Balance(accountID string) Balance {
	b := t.tills[accountID].Balance
	b.Cards = slices.DeleteFunc(slices.Clone(b.Cards), func(c Card) bool { return c.Balance == 0 })
	return b
}

// enter adds an entry to the movement under way.
func (t *Teller) enter(e Entry) {
	e.Movement = int64(t.first + 1)
	t.entries = append(t.entries, e)
}

// end ends the movement under way.
func (t *Teller) end() { t.first = len(t.entries) }

func (k *till) card(id string) *Card {
	return &k.Cards[slices.IndexFunc(k.Cards, func(c Card) bool { return c.ID == id })]
}

func (k *till) touch(id string) {
	if k.dirty == nil {
		k.dirty = map[string]bool{}
	}
	k.dirty[id] = true
}

// take takes a move off its card.
func (k *till) take(m Move) {
	k.card(m.CardID).Balance -= m.Amount
	k.touch(m.CardID)
}

// chargeable bounds what a call is charged, so that what an account spent in all time can be counted.
func chargeable(call *Call, spent catalog.Nanos) catalog.Nanos {
	return min(call.Charged(), math.MaxInt64-spent)
}

// Charge takes what calls are charged, each from the cards alive from its Began to its AtMillis; what no
// card covers is a debt. All calls are one movement, with one entry for each card and account.
func (t *Teller) Charge(calls []Call) {
	for i := range calls {
		c := &calls[i]
		if c.Charged() == 0 {
			continue
		}
		k := t.tills[c.AccountID]
		amount := chargeable(c, k.Spent)
		k.charges = append(k.charges, Charge{c.ID, amount})
		k.last = max(k.last, c.AtMillis)
		n := len(k.paid)
		var uncovered catalog.Nanos
		k.paid, uncovered = appendMoves(k.paid, k.Cards, c.Began(), time.UnixMilli(c.AtMillis), amount)
		for _, m := range k.paid[n:] {
			k.take(m)
		}
		k.Spent += amount
		k.Debt += uncovered
		k.owed += uncovered
		k.moved = true
	}
	t.enterCharges()
}

func (t *Teller) enterCharges() {
	revenue := Entry{Kind: EntrySpend, Account: SideRevenue}
	for _, k := range t.order {
		if len(k.charges) == 0 {
			continue
		}
		at := time.UnixMilli(k.last).UTC()
		e := Entry{At: at, Kind: EntrySpend, Account: k.AccountID, Counter: SideRevenue, Calls: WriteCharges(k.charges)}
		add := func(kind EntryKind, card string, amount catalog.Nanos) {
			e.Kind, e.CardID, e.Amount = kind, card, -amount
			t.enter(e)
			e.Calls = ""
			if revenue.Amount > math.MaxInt64-amount { // beyond all money; but nothing may hold up the drain
				t.enter(revenue)
				revenue.Amount = 0
			}
			revenue.Amount += amount
			if revenue.At.Before(at) {
				revenue.At = at
			}
		}
		slices.SortStableFunc(k.paid, func(a, b Move) int { return cmp.Compare(a.CardID, b.CardID) })
		for len(k.paid) > 0 {
			m := k.paid[0]
			n := 1
			for ; n < len(k.paid) && k.paid[n].CardID == m.CardID; n++ {
				m.Amount += k.paid[n].Amount
			}
			k.paid = k.paid[n:]
			add(EntrySpend, m.CardID, m.Amount)
		}
		if k.owed > 0 || e.Calls != "" { // calls that charge nothing any more are told of, too
			add(EntryDebt, "", k.owed)
		}
		k.charges, k.paid, k.owed, k.last = nil, nil, 0, 0
	}
	if revenue.Amount > 0 {
		t.enter(revenue)
	}
	t.end()
}

// Transfer moves credit; the accounts that take part must be open with all their cards. It fails with a
// *ShortError if there is not enough.
func (t *Teller) Transfer(tr *Transfer) (Transferred, error) {
	out := Transferred{Amount: tr.Amount}
	from, to := side(tr.From), side(tr.To)
	if k := t.tills[from]; k != nil {
		left := k.left(tr.At)
		if left < out.Amount {
			if out.Amount = left; !tr.UpTo || left <= 0 {
				return Transferred{}, &ShortError{AccountID: from, Need: tr.Amount, Left: left}
			}
		}
	}
	if tr.Kind != EntryGrant {
		out.Fee = tr.Fee.Of(out.Amount)
		if out.Fee == out.Amount && tr.Kind == EntryTake {
			return Transferred{}, fmt.Errorf("ledger: transfer %s: the fee takes all of $%v", tr.ID, out.Amount)
		}
	}
	if tr.commissioned() != "" {
		out.Commission = tr.Commission.Of(out.Amount)
	}
	received := out.Received()
	if received == 0 && tr.Kind == EntryGrant {
		return Transferred{}, fmt.Errorf("ledger: transfer %s: the commission takes all of $%v", tr.ID, out.Amount)
	}
	e := Entry{At: tr.At, Kind: tr.Kind, Account: from, Counter: to, Transfer: tr.ID, Note: tr.Note}
	if k := t.tills[from]; k != nil {
		for _, m := range k.draw(tr.At, out.Amount) {
			e.Amount, e.CardID = -m.Amount, m.CardID
			t.enter(e)
		}
	} else {
		e.Amount = -out.Amount
		t.enter(e)
	}
	e.Account, e.Counter, e.CardID, e.Amount = to, from, "", received
	if k := t.tills[to]; k == nil || received == 0 {
		t.enter(e) // also when a fee took all, so that both sides stand there
	} else {
		if err := k.room(received); err != nil {
			return Transferred{}, err
		}
		out.Card = t.issue(k, Card{ID: tr.ID, Amount: received, Reference: tr.Reference, GrantedAt: tr.At, ExpiresAt: tr.ExpiresAt}, e)
	}
	if out.Fee > 0 {
		e.Kind, e.Account, e.Counter, e.Amount = EntryFee, SideFees, from, out.Fee
		t.enter(e)
	}
	if out.Commission > 0 {
		k := t.tills[tr.commissioned()]
		e.Kind, e.Account, e.Counter, e.Amount = EntryCommission, k.AccountID, from, out.Commission
		t.issue(k, Card{ID: commissionPrefix + tr.ID, Amount: out.Commission, Reference: tr.Reference, GrantedAt: tr.At, ExpiresAt: tr.ExpiresAt}, e)
	}
	t.end()
	for _, id := range tr.Accounts() {
		t.merge(t.tills[id], tr.At)
	}
	for _, id := range tr.Accounts() {
		out.Balances = append(out.Balances, t.Balance(id))
	}
	return out, nil
}

// left is what can be moved off an account at an instant.
func (k *till) left(at time.Time) catalog.Nanos {
	left := -k.Debt
	for i := range k.Cards {
		if k.Cards[i].Alive(at) {
			left += k.Cards[i].Balance
		}
	}
	return left
}

// room fails if the account would hold more than can be counted.
func (k *till) room(more catalog.Nanos) error {
	for i := range k.Cards {
		if more = plus(more, k.Cards[i].Balance); more == math.MaxInt64 {
			return fmt.Errorf("ledger: account %s would hold more than can be counted", k.AccountID)
		}
	}
	return nil
}

// draw takes an amount that is there off the cards.
func (k *till) draw(at time.Time, amount catalog.Nanos) []Move {
	moves, _ := Spend(k.Cards, at, at, amount)
	for _, m := range moves {
		k.take(m)
	}
	return moves
}

// issue gives an account a card by the entry e, and pays its debt from it first.
func (t *Teller) issue(k *till, c Card, e Entry) Card {
	c.AccountID, c.Balance = k.AccountID, c.Amount
	e.CardID, e.ExpiresAt, e.Reference = c.ID, c.ExpiresAt, c.Reference
	t.enter(e)
	if repaid := min(k.Debt, c.Amount); repaid > 0 {
		c.Balance -= repaid
		k.Debt -= repaid
		k.moved = true
		e.Kind, e.Counter, e.Amount, e.ExpiresAt, e.Reference = EntryRepay, k.AccountID, -repaid, time.Time{}, ""
		t.enter(e)
		e.Amount, e.CardID = repaid, ""
		t.enter(e)
	}
	k.Cards = append(k.Cards, c)
	slices.SortFunc(k.Cards, compareCards)
	k.touch(c.ID)
	return c
}

// merge makes one card of the two smallest until there are no more than MaxCards: the one that is
// spent later stays, with its life and with what both had.
func (t *Teller) merge(k *till, at time.Time) {
	for {
		var alive []*Card
		for i := range k.Cards {
			if k.Cards[i].Alive(at) {
				alive = append(alive, &k.Cards[i])
			}
		}
		if len(alive) <= MaxCards {
			return
		}
		slices.SortStableFunc(alive, func(a, b *Card) int { return cmp.Compare(a.Balance, b.Balance) })
		gone, kept := alive[0], alive[1]
		if compareCards(*gone, *kept) > 0 {
			gone, kept = kept, gone
		}
		e := Entry{At: at, Kind: EntryMerge, Account: k.AccountID, Counter: k.AccountID, Amount: -gone.Balance, CardID: gone.ID}
		t.enter(e)
		e.Amount, e.CardID = gone.Balance, kept.ID
		t.enter(e)
		t.end()
		kept.Balance += gone.Balance
		kept.Amount += gone.Balance
		gone.Balance = 0
		k.touch(gone.ID)
		k.touch(kept.ID)
	}
}

// Expire takes what is left off all cards whose life ended at the instant at or before.
func (t *Teller) Expire(accountID string, at time.Time) {
	k := t.tills[accountID]
	for i := range k.Cards {
		c := &k.Cards[i]
		if c.Balance == 0 || c.ExpiresAt.After(at) {
			continue
		}
		t.enter(Entry{At: c.ExpiresAt, Kind: EntryExpire, Account: accountID, Counter: SideExpired, Amount: -c.Balance, CardID: c.ID})
		t.enter(Entry{At: c.ExpiresAt, Kind: EntryExpire, Account: SideExpired, Counter: accountID, Amount: c.Balance})
		t.end()
		c.Balance = 0
		k.touch(c.ID)
	}
}
