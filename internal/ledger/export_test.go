package ledger

import "slices"

// CardsOf returns all cards of an account, expired ones too.
func (b *Book) CardsOf(accountID string) []Card {
	p := b.purse(accountID)
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.cards)
}
