package sqlstore

import (
	"context"
	"fmt"

	"tollgate/internal/ledger"
)

// PutClosing keeps a closing until DropClosing. A second one of the same account changes nothing.
func (s *Store) PutClosing(ctx context.Context, c ledger.Closing) error {
	err := checkText(map[string]string{"account": c.AccountID, "parent": c.ParentID, "id": c.ID, "note": c.Note})
	if err == nil {
		_, err = s.write.ExecContext(ctx, `
			INSERT INTO closings (account_id, parent_id, transfer, at_ms, note) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (account_id) DO NOTHING`, c.AccountID, c.ParentID, c.ID, millis(c.At), c.Note)
	}
	if err != nil {
		return fmt.Errorf("close account %q: %w", c.AccountID, err)
	}
	return nil
}

// Closings returns all closings that are kept.
func (s *Store) Closings(ctx context.Context) ([]ledger.Closing, error) {
	all, err := collect(ctx, s.read, func(row scanner) (c ledger.Closing, err error) {
		var at int64
		err = row.Scan(&c.AccountID, &c.ParentID, &c.ID, &at, &c.Note)
		c.At = instant(at)
		return c, err
	}, `SELECT account_id, parent_id, transfer, at_ms, note FROM closings ORDER BY account_id`)
	if err != nil {
		return nil, fmt.Errorf("read closings: %w", err)
	}
	return all, nil
}

// DropClosing forgets the closing of an account.
func (s *Store) DropClosing(ctx context.Context, accountID string) error {
	if _, err := s.write.ExecContext(ctx, `DELETE FROM closings WHERE account_id = $1`, clean(accountID)); err != nil {
		return fmt.Errorf("forget that account %q was closed: %w", accountID, err)
	}
	return nil
}
