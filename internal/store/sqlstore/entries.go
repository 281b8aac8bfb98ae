package sqlstore

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"tollgate/internal/ledger"
)

// Entries returns a page of an account's entries in the order they were written, newest first. That is
// not always the order of At: a node that was cut off writes late.
func (s *Store) Entries(ctx context.Context, accountID string, q ledger.Page) ([]ledger.Entry, error) {
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	query, args := `
		SELECT id, at_ms, kind, account_id, counter, amount, card_id, call_id, note FROM entries
		WHERE account_id = $1 ORDER BY id DESC LIMIT $2`, []any{clean(accountID), int64(q.Limit)}
	if q.Before != "" {
		query, args = `
		SELECT id, at_ms, kind, account_id, counter, amount, card_id, call_id, note FROM entries
		WHERE account_id = $1 AND id < $3 ORDER BY id DESC LIMIT $2`, append(args, clean(q.Before))
	}
	all, err := collect(ctx, s.read, scanEntry, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read entries of account %q: %w", accountID, err)
	}
	return all, nil
}

// insertEntries adds entries and gives them their ids.
func insertEntries(ctx context.Context, tx *txn, entries []ledger.Entry) error {
	rows := make([][]any, len(entries))
	for i, e := range entries {
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		rows[i] = []any{id.String(), millis(e.At), string(e.Kind), e.Account, e.Counter, int64(e.Amount), e.CardID, e.CallID, e.Note}
	}
	return execMany(ctx, tx, `
		INSERT INTO entries (id, at_ms, kind, account_id, counter, amount, card_id, call_id, note) VALUES {rows}`, rows)
}

func scanEntry(row scanner) (ledger.Entry, error) {
	var e ledger.Entry
	var at int64
	err := row.Scan(&e.ID, &at, &e.Kind, &e.Account, &e.Counter, &e.Amount, &e.CardID, &e.CallID, &e.Note)
	e.At = instant(at)
	return e, err
}
