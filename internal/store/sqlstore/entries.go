package sqlstore

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"

	"tollgate/internal/ledger"
)

// Entries returns a page of an account's entries, or of a system side's, in the order they were written,
// newest first. That is not always the order of At: a node that was cut off writes late.
func (s *Store) Entries(ctx context.Context, accountID string, q ledger.Page) ([]ledger.Entry, error) {
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	query, args := `
		SELECT seq, movement, at_ms, kind, account_id, counter, amount, card_id, expires_ms, reference, transfer, calls, note, hash FROM entries
		WHERE account_id = $1 ORDER BY seq DESC LIMIT $2`, []any{clean(accountID), int64(q.Limit)}
	if q.Before != "" {
		before, err := strconv.ParseInt(q.Before, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("the page before entry %.40q: %w", q.Before, ledger.ErrNotFound)
		}
		query, args = `
		SELECT seq, movement, at_ms, kind, account_id, counter, amount, card_id, expires_ms, reference, transfer, calls, note, hash FROM entries
		WHERE account_id = $1 AND seq < $3 ORDER BY seq DESC LIMIT $2`, append(args, before)
	}
	all, err := collect(ctx, s.read, scanEntry, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read entries of account %q: %w", accountID, err)
	}
	return all, nil
}

// entriesOf returns the entries of a transfer, in their order.
func entriesOf(ctx context.Context, q querier, transfer string) ([]ledger.Entry, error) {
	return collect(ctx, q, scanEntry, `
		SELECT seq, movement, at_ms, kind, account_id, counter, amount, card_id, expires_ms, reference, transfer, calls, note, hash FROM entries
		WHERE transfer = $1 AND transfer <> '' ORDER BY seq`, clean(transfer))
}

// lockHead returns the head of the chain of entries and holds it until the end of the transaction.
// Rows of balances are locked before it, never after.
func lockHead(ctx context.Context, tx *txn) (ledger.Head, error) {
	return scanHead(tx.QueryRowContext(ctx, `UPDATE chain_head SET seq = seq WHERE id = 1 RETURNING seq, hash`))
}

// appendEntries puts entries behind the head, which the caller holds.
func appendEntries(ctx context.Context, tx *txn, head ledger.Head, entries []ledger.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	tx.entries[0] = head.Seq + 1
	head = head.Chain(entries)
	tx.entries[1] = head.Seq
	rows := make([][]any, len(entries))
	for i := range entries {
		e := &entries[i]
		expires := int64(0)
		if !e.ExpiresAt.IsZero() {
			expires = millis(e.ExpiresAt)
		}
		rows[i] = []any{
			e.Seq, e.Movement, millis(e.At), string(e.Kind), e.Account, e.Counter, int64(e.Amount), e.CardID, expires,
			e.Reference, e.Transfer, string(e.Calls), e.Note, hex.EncodeToString(e.Hash[:]),
		}
	}
	if err := execMany(ctx, tx, `
		INSERT INTO entries (seq, movement, at_ms, kind, account_id, counter, amount, card_id, expires_ms, reference, transfer, calls, note, hash) VALUES {rows}`, rows); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE chain_head SET seq = $1, hash = $2 WHERE id = 1`, head.Seq, hex.EncodeToString(head.Hash[:]))
	return err
}

func scanHead(row scanner) (ledger.Head, error) {
	var h ledger.Head
	var sum string
	err := row.Scan(&h.Seq, &sum)
	h.Hash = readSeal(sum)
	return h, err
}

func scanEntry(row scanner) (ledger.Entry, error) {
	var e ledger.Entry
	var at, expires int64
	var sum string
	if err := row.Scan(&e.Seq, &e.Movement, &at, &e.Kind, &e.Account, &e.Counter, &e.Amount, &e.CardID, &expires, &e.Reference, &e.Transfer, &e.Calls, &e.Note, &sum); err != nil {
		return e, err
	}
	e.At = instant(at)
	if expires != 0 {
		e.ExpiresAt = instant(expires)
	}
	e.Hash = readSeal(sum)
	return e, nil
}

// readSeal reads a hash of the chain. One that is no hash becomes zero, which seals nothing: that is for
// whoever verifies the chain to tell, and must not hide an entry from its account.
func readSeal(text string) (h ledger.Hash) {
	sum, err := hex.DecodeString(text)
	if err == nil && len(sum) == len(h) && hex.EncodeToString(sum) == text {
		copy(h[:], sum)
	}
	return h
}
