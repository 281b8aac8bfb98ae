package sqlstore

import "context"

// head is the last entry of the chain.
type head struct {
	seq  int64
	hash string // hex
}

// lockHead returns the head of the chain of entries and holds it until the end of the transaction.
// Rows of balances are locked before it, never after.
func lockHead(ctx context.Context, tx *txn) (head, error) {
	var h head
	err := tx.QueryRowContext(ctx, `UPDATE chain_head SET seq = seq WHERE id = 1 RETURNING seq, hash`).Scan(&h.seq, &h.hash)
	return h, err
}
