package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

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

// Changes returns what was changed after the change with number since, and the number of the last one; or
// change.ErrForgotten with that number.
func (s *Store) Changes(ctx context.Context, since int64) (list []change.Change, now int64, err error) {
	if err := s.read.QueryRowContext(ctx, `SELECT rev FROM change_head WHERE id = 1`).Scan(&now); err != nil {
		return nil, 0, fmt.Errorf("read changes: %w", err)
	}
	switch {
	case since == now || since == math.MaxInt64:
		return nil, now, nil
	case since > now: // the database was set back
		return nil, now, change.ErrForgotten
	}
	// What comes between the two queries is found now and once more next time.
	list, err = collect(ctx, s.read, func(row scanner) (c change.Change, err error) {
		return c, row.Scan(&c.Kind, &c.ID)
	}, `SELECT kind, id FROM changes WHERE rev > $1 ORDER BY rev, kind, id`, since)
	var forgotten int64
	if err == nil { // last: what was gone before the list was read is told now
		err = s.read.QueryRowContext(ctx, `SELECT forgotten FROM change_head WHERE id = 1`).Scan(&forgotten)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read changes: %w", err)
	}
	if since < forgotten {
		return nil, now, change.ErrForgotten
	}
	return list, now, nil
}

// ForgetChanges removes all but the last so many changes, and returns how many of them are gone.
func (s *Store) ForgetChanges(ctx context.Context, keep int64) (gone int, err error) {
	err = s.tx(ctx, func(tx *txn) error {
		var upTo int64
		err := tx.QueryRowContext(ctx, `
			UPDATE change_head SET forgotten = rev - $1 WHERE id = 1 AND forgotten < rev - $1 RETURNING forgotten`, max(keep, 0)).Scan(&upTo)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		r, err := tx.ExecContext(ctx, `DELETE FROM changes WHERE rev <= $1`, upTo)
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		gone = int(n)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("remove old changes: %w", err)
	}
	return gone, nil
}
