package ledger

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"tollgate/internal/catalog"
)

// Move is what one card pays of a call.
type Move struct {
	CardID string
	Amount catalog.Nanos // above zero
}

// Spend distributes the amount of what began and ended at two instants over the cards that were alive in
// between: the card that expires first pays first, then the one granted first, then the smaller id. What no
// card covers is a debt. A card that expires while a call runs still pays it: money of it was held.
//
// The Book and every Store use it, so that memory and database never distribute differently. Both
// must pass the same instants: Began and AtMillis of the call. The cards may come in any order and are not
// changed; an amount of zero or less moves nothing.
func Spend(cards []Card, began, ended time.Time, amount catalog.Nanos) (moves []Move, uncovered catalog.Nanos) {
	return appendMoves(nil, cards, began, ended, amount)
}

// appendMoves is Spend into a buffer of the caller.
func appendMoves(moves []Move, cards []Card, began, ended time.Time, amount catalog.Nanos) (_ []Move, uncovered catalog.Nanos) {
	if amount <= 0 {
		return moves, 0
	}
	if !slices.IsSortedFunc(cards, compareCards) {
		cards = slices.SortedFunc(slices.Values(cards), compareCards)
	}
	for i := range cards {
		if c := &cards[i]; c.Balance <= 0 || ended.Before(c.GrantedAt) || !began.Before(c.ExpiresAt) {
			continue
		}
		part := min(amount, cards[i].Balance)
		moves = append(moves, Move{CardID: cards[i].ID, Amount: part})
		if amount -= part; amount == 0 {
			return moves, 0
		}
	}
	return moves, amount
}

// Alive reports whether something can be held of c at the instant at: it has been granted, has not expired and is not
// empty.
func (c *Card) Alive(at time.Time) bool {
	return c.Balance > 0 && !at.Before(c.GrantedAt) && at.Before(c.ExpiresAt)
}

// compareCards orders cards as they are spent.
func compareCards(a, b Card) int {
	return cmp.Or(
		a.ExpiresAt.Compare(b.ExpiresAt),
		a.GrantedAt.Compare(b.GrantedAt),
		strings.Compare(a.ID, b.ID),
	)
}
