package ledger

import "slices"

// BatchRecords is how many calls a full batch of the drain has.
const BatchRecords = batchRecords

// CardsOf returns all cards of an account, expired ones too.
func (b *Book) CardsOf(accountID string) []Card {
	p := b.purse(accountID)
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.cards)
}

// Recent returns how many calls are kept for the drain.
func (b *Book) Recent() int {
	b.recent.mu.Lock()
	defer b.recent.mu.Unlock()
	return len(b.recent.byID)
}

// HoldUp keeps calls of an account between the journal and the money of it until release is called.
func (b *Book) HoldUp(accountID string) (release func()) {
	p := b.purse(accountID)
	p.mu.Lock()
	return p.mu.Unlock
}
