package ledger

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
)

// Lives of cards when nobody says.
const (
	DefaultCardLife = 365 * 24 * time.Hour // of granted and taken credit
	ClosedCardLife  = 180 * 24 * time.Hour // of what a closed account leaves
)

// maxCard bounds the money in play far below what an int64 holds.
const maxCard catalog.Nanos = 1e7 * 1e9

// commissionPrefix begins the id of the card of a commission; that of its transfer follows.
const commissionPrefix = "commission:"

// ErrReused says that the id of a transfer was used before, for another one.
var ErrReused = errors.New("ledger: another transfer has this id")

// Transfer moves credit from one account to another: out of the cards of the one, soonest expiry
// first, into a new card of the other, both sides at once. Root is the operator: it creates what it
// gives, and what it gets is gone. That the one may give to or take from the other is the caller's to
// know.
type Transfer struct {
	ID        string        // what makes it unique; the same again does nothing. Also the id of the new card
	Kind      EntryKind     // EntryGrant, EntryTake or EntryClose
	From, To  string        // account ids
	Parent    string        // grant: the account right above To, which may get a commission; "" if there is none to get
	Amount    catalog.Nanos // what leaves From
	UpTo      bool          // less than Amount will do, if From has less
	At        time.Time     // in whole milliseconds
	ExpiresAt time.Time     // of the new card
	Reference string        // of the new card
	Note      string        // for the entries

	// Account, if not nil, is an account as it shall be from then on: it is changed in the same transaction, as
	// account.Store.UpdateAccount does. Both happen, or neither.
	Account *account.Account

	Fee        Fee // out of Amount; set by the Book
	Commission Fee // out of Amount; set by the Book
}

// Transferred is what a transfer did.
type Transferred struct {
	Card       Card          // the new card, after a debt was paid from it; zero if To is the operator
	Amount     catalog.Nanos // what left From
	Fee        catalog.Nanos
	Commission catalog.Nanos
	Repeated   bool      // it was done before, and nothing happened this time
	Balances   []Balance // of all accounts that took part, as they stand after
}

// Received is what arrived at To.
func (t *Transferred) Received() catalog.Nanos { return t.Amount - t.Fee - t.Commission }

// side returns the account as entries name it.
func side(id string) string {
	if id == account.RootID {
		return SideOperator
	}
	return id
}

// Accounts returns the accounts whose money takes part: neither the operator nor any of them twice.
func (t *Transfer) Accounts() []string {
	ids := make([]string, 0, 3)
	for _, id := range [...]string{t.From, t.To, t.commissioned()} {
		if id != "" && !IsSide(side(id)) {
			ids = append(ids, id)
		}
	}
	return ids
}

// commissioned is who gets the commission, or "".
func (t *Transfer) commissioned() string {
	if t.Kind != EntryGrant || t.Commission == (Fee{}) || t.Parent == t.From || side(t.Parent) == SideOperator {
		return ""
	}
	return t.Parent
}

// Check says what makes a transfer impossible.
func (t *Transfer) Check() error {
	to := side(t.To)
	switch {
	case t.Kind != EntryGrant && t.Kind != EntryTake && t.Kind != EntryClose:
		return fmt.Errorf("ledger: a transfer of kind %q", t.Kind)
	case t.ID == "" || t.From == "" || t.To == "" || t.From == t.To || t.To == t.Parent:
		return fmt.Errorf("ledger: transfer %q from %q to %q: needs an id and two accounts", t.ID, t.From, t.To)
	case IsSide(t.From) || IsSide(t.To) || IsSide(t.Parent):
		return fmt.Errorf("ledger: transfer %q from %q to %q: these are no accounts", t.ID, t.From, t.To)
	case strings.HasPrefix(t.ID, commissionPrefix):
		return fmt.Errorf("ledger: transfer %s: ids that begin with %s are for commissions", t.ID, commissionPrefix)
	case t.Amount <= 0 || t.Amount > maxCard:
		return fmt.Errorf("ledger: transfer %s: the amount must be above $0 and at most $%v, is $%v", t.ID, maxCard, t.Amount)
	case to != SideOperator && (!t.ExpiresAt.After(t.At) || !t.ExpiresAt.Equal(t.ExpiresAt.Truncate(time.Millisecond))):
		return fmt.Errorf("ledger: transfer %s: its card must expire after it is granted, in whole milliseconds", t.ID)
	case !t.At.Equal(t.At.Truncate(time.Millisecond)):
		return fmt.Errorf("ledger: transfer %s: its time must be in whole milliseconds", t.ID)
	}
	return nil
}

// Same reports whether what stands in the entries of a transfer is what t asks for.
func (t *Transfer) Same(entries []Entry) bool {
	from, to := side(t.From), side(t.To)
	var left catalog.Nanos
	reached := false
	for i := range entries {
		e := &entries[i]
		switch {
		case e.Transfer != t.ID || e.Kind == EntryFee || e.Kind == EntryCommission || e.Kind == EntryRepay:
		case e.Kind != t.Kind:
			return false
		case e.Account == from && e.Amount < 0:
			left -= e.Amount
		case e.Account == to:
			reached = true
		default:
			return false
		}
	}
	return reached && left > 0 && (left == t.Amount || t.UpTo)
}

// Repeat fills in, from the entries of a transfer, what it did when it was done.
func (t *Transferred) Repeat(entries []Entry) {
	t.Repeated = true
	for i := range entries {
		switch e := &entries[i]; {
		case e.Kind == EntryFee:
			t.Fee += e.Amount
		case e.Kind == EntryCommission && e.Amount > 0:
			t.Commission += e.Amount
		case e.Kind != EntryRepay && e.Amount < 0:
			t.Amount -= e.Amount
		}
	}
}
