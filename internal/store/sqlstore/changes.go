package sqlstore

import (
	"context"
	"fmt"

	"tollgate/internal/change"
)

// note numbers a change of what these ids name, for other processes. It comes last in a transaction:
// whoever is behind waits for the number, so numbers are seen in their order.
func note(ctx context.Context, tx *txn, kind change.Kind, ids ...string) error {
	var rev int64
	if err := tx.QueryRowContext(ctx, `UPDATE change_head SET rev = rev + 1 WHERE id = 1 RETURNING rev`).Scan(&rev); err != nil {
		return fmt.Errorf("number a change: %w", err)
	}
	for _, id := range ids {
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO changes (kind, id, rev) VALUES ($1, $2, $3)
			ON CONFLICT (kind, id) DO UPDATE SET rev = excluded.rev`, string(kind), indexed(id), rev); err != nil {
			return fmt.Errorf("note a change: %w", err)
		}
	}
	return nil
}

// noted runs f and notes the change in one transaction.
func (s *Store) noted(ctx context.Context, kind change.Kind, id string, f func(*txn) error) error {
	return s.tx(ctx, func(tx *txn) error {
		if err := f(tx); err != nil {
			return err
		}
		return note(ctx, tx, kind, id)
	})
}

// Changes returns what was changed after the change with number since, and the number of the last one.
func (s *Store) Changes(ctx context.Context, since int64) (list []change.Change, now int64, err error) {
	if err := s.read.QueryRowContext(ctx, `SELECT rev FROM change_head WHERE id = 1`).Scan(&now); err != nil {
		return nil, 0, fmt.Errorf("read changes: %w", err)
	}
	if now <= since {
		return nil, now, nil
	}
	// What comes between the two queries is found now and once more next time.
	list, err = collect(ctx, s.read, func(row scanner) (c change.Change, err error) {
		return c, row.Scan(&c.Kind, &c.ID)
	}, `SELECT kind, id FROM changes WHERE rev > $1 ORDER BY rev, kind, id`, since)
	if err != nil {
		return nil, 0, fmt.Errorf("read changes: %w", err)
	}
	return list, now, nil
}
