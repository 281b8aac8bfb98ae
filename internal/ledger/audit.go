package ledger

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"time"

	"tollgate/internal/catalog"
)

// Fault is the first thing that is wrong with the books.
type Fault struct {
	Where string // the row, e.g. "entry 12", "card x", "call y"
	What  string
}

// Error names the row and says what is wrong.
func (f *Fault) Error() string { return f.Where + ": " + f.What }

// Audit goes through the books and stops at the first fault. It is fed with one state of the store, in
// this order: all entries by Seq, End with the head, all cards, all balances, all calls that are kept and what
// is known of the others; then Charged
// tells whether calls and entries agree. The zero value is ready.
type Audit struct {
	// Known, if its Seq is above zero, is a head that was noted earlier: the chain must still hold it.
	Known Head

	Entries, Movements, Cards, Accounts, Calls int64
	Forgotten                                  int64 // calls that are kept no more
	Head                                       Head  // the last entry read

	movement map[string]*auditedLeg // by account, of the movement under way
	sum      wide                   // of its amounts
	cards    map[string]*auditedCard
	accounts map[string]*auditedAccount
	sides    map[string]*wide
}

type auditedLeg struct{ spent, charged wide }

type auditedCard struct {
	Card
	seen bool
}

type auditedAccount struct {
	debt, spent     wide
	listed, settled Digest
	seen            bool
}

// wide is a sum that cannot overflow.
type wide struct {
	hi int64
	lo uint64
}

func (w *wide) add(n catalog.Nanos) {
	lo, carry := bits.Add64(w.lo, uint64(n), 0)
	w.lo = lo
	w.hi += int64(n)>>63 + int64(carry)
}

func (w *wide) is(n catalog.Nanos) bool { return w.lo == uint64(n) && w.hi == int64(n)>>63 }

func (w *wide) String() string {
	if n := catalog.Nanos(w.lo); w.is(n) {
		return "$" + n.String()
	}
	return "more than can be counted"
}

func (a *Audit) account(id string) *auditedAccount {
	if a.accounts == nil {
		a.accounts = map[string]*auditedAccount{}
	}
	if a.accounts[id] == nil {
		a.accounts[id] = &auditedAccount{}
	}
	return a.accounts[id]
}

// Entry takes the next entry.
func (a *Audit) Entry(e *Entry) error {
	where := fmt.Sprintf("entry %d", e.Seq)
	switch {
	case e.Seq <= a.Head.Seq:
		return &Fault{where, fmt.Sprintf("follows entry %d", a.Head.Seq)}
	case e.Seq != a.Head.Seq+1:
		return &Fault{fmt.Sprintf("entry %d", a.Head.Seq+1), "is missing"}
	case e.Seal(a.Head.Hash) != e.Hash:
		return &Fault{where, "is not what was written: its hash is another one, of it or of the entry before it"}
	case e.Seq == a.Known.Seq && e.Hash != a.Known.Hash:
		return &Fault{where, "had another hash when it was noted: the chain was written anew"}
	}
	if e.Movement == e.Seq {
		if err := a.endMovement(); err != nil {
			return err
		}
		a.Movements++
		a.movement, a.sum = map[string]*auditedLeg{}, wide{}
	} else if a.movement == nil || e.Movement > e.Seq {
		return &Fault{where, fmt.Sprintf("is of movement %d, which it does not follow", e.Movement)}
	}
	a.Entries++
	a.Head = Head{e.Seq, e.Hash}
	a.sum.add(e.Amount)
	if IsSide(e.Account) {
		return a.sideEntry(where, e)
	}
	return a.accountEntry(where, e)
}

func (a *Audit) sideEntry(where string, e *Entry) error {
	if e.CardID != "" || e.Calls != "" {
		return &Fault{where, "is of a system side, but names a card or calls"}
	}
	if a.sides == nil {
		a.sides = map[string]*wide{}
	}
	if a.sides[e.Account] == nil {
		a.sides[e.Account] = &wide{}
	}
	a.sides[e.Account].add(e.Amount)
	return nil
}

func (a *Audit) accountEntry(where string, e *Entry) error {
	k := a.account(e.Account)
	if e.CardID == "" {
		k.debt.add(-e.Amount)
	} else if err := a.cardEntry(where, e); err != nil {
		return err
	}
	leg := a.movement[e.Account]
	if leg == nil {
		leg = &auditedLeg{}
		a.movement[e.Account] = leg
	}
	if e.Kind == EntrySpend || e.Kind == EntryDebt {
		k.spent.add(-e.Amount)
		leg.spent.add(-e.Amount)
	}
	list, err := e.Calls.List()
	if err != nil {
		return &Fault{where, err.Error()}
	}
	for _, c := range list {
		k.listed.Add(c.CallID, c.Amount)
		leg.charged.add(c.Amount)
	}
	return nil
}

func (a *Audit) cardEntry(where string, e *Entry) error {
	if a.cards == nil {
		a.cards = map[string]*auditedCard{}
	}
	c := a.cards[e.CardID]
	if c == nil {
		if e.ExpiresAt.IsZero() {
			return &Fault{where, fmt.Sprintf("moves card %s, which no entry has opened", e.CardID)}
		}
		c = &auditedCard{Card: Card{ID: e.CardID, AccountID: e.Account, Reference: e.Reference, GrantedAt: e.At, ExpiresAt: e.ExpiresAt}}
		a.cards[e.CardID] = c
	} else if !e.ExpiresAt.IsZero() {
		return &Fault{where, fmt.Sprintf("opens card %s a second time", e.CardID)}
	}
	if c.AccountID != e.Account {
		return &Fault{where, fmt.Sprintf("moves card %s, which is of account %s", e.CardID, c.AccountID)}
	}
	if e.Amount > 0 {
		c.Amount = plus(c.Amount, e.Amount)
	}
	if c.Balance += e.Amount; c.Balance < 0 {
		return &Fault{where, fmt.Sprintf("takes more off card %s than is on it", e.CardID)}
	}
	return nil
}

// endMovement checks the movement that the last entry was of.
func (a *Audit) endMovement() error {
	if a.movement == nil {
		return nil
	}
	if !a.sum.is(0) {
		return &Fault{fmt.Sprintf("entry %d", a.Head.Seq), fmt.Sprintf("ends a movement whose sides add up to %s, not to nothing", &a.sum)}
	}
	for id, leg := range a.movement {
		if leg.spent != leg.charged {
			return &Fault{fmt.Sprintf("entry %d", a.Head.Seq), fmt.Sprintf("ends a movement that takes %s from account %s for calls of %s", &leg.spent, id, &leg.charged)}
		}
	}
	return nil
}

// End takes the head of the chain, when all entries were read.
func (a *Audit) End(h Head) error {
	if h.Seq > a.Head.Seq {
		return &Fault{fmt.Sprintf("entry %d", a.Head.Seq+1), fmt.Sprintf("is missing: the chain ends at %d and went on to %d", a.Head.Seq, h.Seq)}
	}
	if err := a.endMovement(); err != nil {
		return err
	}
	switch {
	case h != a.Head:
		return &Fault{"the head of the chain", fmt.Sprintf("is said to be entry %d and is entry %d, or has another hash", h.Seq, a.Head.Seq)}
	case a.Known.Seq > h.Seq:
		return &Fault{fmt.Sprintf("entry %d", h.Seq+1), fmt.Sprintf("is missing: entry %d was noted before", a.Known.Seq)}
	}
	return nil
}

// Card takes a card.
func (a *Audit) Card(c *Card) error {
	a.Cards++
	where := "card " + c.ID
	k := a.cards[c.ID]
	switch {
	case k == nil:
		return &Fault{where, "has no entry"}
	case k.AccountID != c.AccountID:
		return &Fault{where, fmt.Sprintf("is of account %s, by its entries of %s", c.AccountID, k.AccountID)}
	case k.Balance != c.Balance:
		return &Fault{where, fmt.Sprintf("has $%v, its entries add up to $%v", c.Balance, k.Balance)}
	case k.Amount != c.Amount:
		return &Fault{where, fmt.Sprintf("says that $%v came onto it, by its entries it was $%v", c.Amount, k.Amount)}
	case !k.GrantedAt.Equal(c.GrantedAt) || !k.ExpiresAt.Equal(c.ExpiresAt) || k.Reference != c.Reference:
		return &Fault{where, fmt.Sprintf("is from %s to %s (%q), by its entries from %s to %s (%q)", show(c.GrantedAt), show(c.ExpiresAt), c.Reference, show(k.GrantedAt), show(k.ExpiresAt), k.Reference)}
	}
	k.seen = true
	return nil
}

func show(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// Balance takes the debt and the spending of an account; its cards are not looked at.
func (a *Audit) Balance(b *Balance) error {
	a.Accounts++
	k := a.account(b.AccountID)
	k.seen = true
	switch {
	case !k.debt.is(b.Debt):
		return &Fault{"balance of account " + b.AccountID, fmt.Sprintf("has a debt of $%v, its entries add up to %s", b.Debt, &k.debt)}
	case !k.spent.is(b.Spent):
		return &Fault{"balance of account " + b.AccountID, fmt.Sprintf("has spent $%v, by its entries %s", b.Spent, &k.spent)}
	}
	return nil
}

// Call takes a call.
func (a *Audit) Call(c *Call) {
	a.Calls++
	if amount := c.Charged(); amount > 0 {
		a.account(c.AccountID).settled.Add(c.ID, amount)
	}
}

// Forget takes what is known of an account's calls that are kept no more.
func (a *Audit) Forget(accountID string, d Digest) {
	a.Forgotten += d.Calls
	a.account(accountID).settled.join(d)
}

// Charged ends the audit. Accounts whose calls are not those that their entries charge them for are
// returned by id: AuditCharges tells what is wrong.
func (a *Audit) Charged() (wrong []string, err error) {
	for _, id := range sorted(a.cards) {
		if !a.cards[id].seen {
			return nil, &Fault{"card " + id, "is missing; there are entries of it"}
		}
	}
	for _, id := range sorted(a.accounts) {
		k := a.accounts[id]
		switch {
		case !k.seen && (!k.debt.is(0) || !k.spent.is(0)):
			return nil, &Fault{"balance of account " + id, "is missing; there are entries of it"}
		case k.spent.is(math.MaxInt64): // beyond counting: what came last was charged in part, or not at all
		case k.listed != k.settled:
			wrong = append(wrong, id)
		}
	}
	return wrong, nil
}

// Sides returns the sums of the system sides, for people, by name.
func (a *Audit) Sides(yield func(side, sum string) bool) {
	for _, side := range sorted(a.sides) {
		if !yield(side, a.sides[side].String()) {
			return
		}
	}
}

func sorted[V any](m map[string]V) []string {
	ids := make([]string, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, strings.Compare)
	return ids
}

// AuditCharges says what is wrong between an account's entries, oldest first, and its calls; whole says that
// all of these are kept.
func AuditCharges(accountID string, entries []Entry, calls []Call, whole bool) error {
	owed := map[string]catalog.Nanos{}
	for i := range calls {
		if amount := calls[i].Charged(); amount > 0 {
			owed[calls[i].ID] = amount
		}
	}
	paid := map[string]int64{}
	for i := range entries {
		where := fmt.Sprintf("entry %d", entries[i].Seq)
		list, err := entries[i].Calls.List()
		if err != nil {
			return &Fault{where, err.Error()}
		}
		for _, c := range list {
			amount, ok := owed[c.CallID]
			switch {
			case paid[c.CallID] != 0:
				return &Fault{where, fmt.Sprintf("charges call %s again, after entry %d", c.CallID, paid[c.CallID])}
			case !ok && !whole: // it may be one of those
			case !ok:
				return &Fault{where, fmt.Sprintf("charges account %s $%v for call %s, which is not there or is free", accountID, c.Amount, c.CallID)}
			case ok && amount != c.Amount:
				return &Fault{where, fmt.Sprintf("charges $%v for call %s, which costs $%v", c.Amount, c.CallID, amount)}
			}
			paid[c.CallID] = entries[i].Seq
		}
	}
	for i := range calls {
		if amount := calls[i].Charged(); amount > 0 && paid[calls[i].ID] == 0 {
			return &Fault{"call " + calls[i].ID, fmt.Sprintf("costs $%v, and no entry charges account %s for it", amount, accountID)}
		}
	}
	return nil
}
