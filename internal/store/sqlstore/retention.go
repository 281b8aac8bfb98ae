package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"tollgate/internal/ledger"
)

// ForgetEvents removes up to limit events of the audit trail that are older than before, the oldest first, and
// returns how many.
func (s *Store) ForgetEvents(ctx context.Context, before time.Time, limit int) (int, error) {
	r, err := s.write.ExecContext(ctx, `
		DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at_ms < $1 ORDER BY at_ms LIMIT $2)`, millis(before), int64(limit))
	var n int64
	if err == nil {
		n, err = r.RowsAffected()
	}
	if err != nil {
		return 0, fmt.Errorf("remove old events: %w", err)
	}
	return int(n), nil
}

// ForgetCalls removes up to limit calls that ended before the instant, the oldest first, and returns how many.
// Entries, roll-ups and counters stay; of what was charged for the calls a digest stays, for Verify.
func (s *Store) ForgetCalls(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = s.tx(ctx, func(tx *txn) error {
		gone, err := collect(ctx, tx, scanCall, `
			DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE at_ms < $1 ORDER BY at_ms, id LIMIT $2) RETURNING at_ms, key_id, model, channel_id, doc`, millis(before), int64(limit))
		if err != nil || len(gone) == 0 {
			return err
		}
		n = len(gone)
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO retention (name, before_ms) VALUES ('calls', $1)
			ON CONFLICT (name) DO UPDATE SET before_ms = excluded.before_ms WHERE retention.before_ms < excluded.before_ms`, millis(before)); err != nil {
			return err
		}
		return noteForgotten(ctx, tx, gone)
	})
	if err != nil {
		return 0, fmt.Errorf("remove old calls: %w", err)
	}
	return n, nil
}

func noteForgotten(ctx context.Context, tx *txn, gone []ledger.Call) error {
	byAccount := map[string][]*ledger.Call{}
	for i := range gone {
		if c := &gone[i]; c.Charged() > 0 {
			byAccount[c.AccountID] = append(byAccount[c.AccountID], c)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(byAccount)) { // in one order, as others may do the same
		d, err := scanDigest(tx.QueryRowContext(ctx, `
			INSERT INTO forgotten (account_id, calls, digest) VALUES ($1, 0, '')
			ON CONFLICT (account_id) DO UPDATE SET calls = forgotten.calls RETURNING account_id, calls, digest`, id)) // locks it
		if err = errors.Join(err, d.err); err != nil {
			return err
		}
		for _, c := range byAccount[id] {
			d.Add(c.ID, c.Charged())
		}
		if _, err := tx.ExecContext(ctx, `UPDATE forgotten SET calls = $2, digest = $3 WHERE account_id = $1`, id, d.Calls, d.Text()); err != nil {
			return err
		}
	}
	return nil
}

// forgotten is what is known of an account's calls that are gone.
type forgotten struct {
	account string
	ledger.Digest
	err error // why the digest cannot be read
}

func scanDigest(row scanner) (forgotten, error) {
	var f forgotten
	var calls int64
	var text string
	err := row.Scan(&f.account, &calls, &text)
	f.Digest, f.err = ledger.ReadDigest(calls, text)
	return f, err
}

// keptFrom returns the instant before which calls may be gone.
func keptFrom(ctx context.Context, q rowQuerier) (time.Time, error) {
	var ms int64
	err := q.QueryRowContext(ctx, `SELECT before_ms FROM retention WHERE name = 'calls'`).Scan(&ms)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return instant(ms), err
}

type rowQuerier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// withoutForgotten leaves out calls that are so old that they may have been stored, charged and removed: a
// journal that comes back after that long must not charge them again.
func withoutForgotten(ctx context.Context, tx *txn, calls []ledger.Call) ([]ledger.Call, error) {
	oldest := calls[0].AtMillis
	for i := range calls {
		oldest = min(oldest, calls[i].AtMillis)
	}
	if time.Since(instant(oldest)) < ledger.LeastKept {
		return calls, nil
	}
	from, err := keptFrom(ctx, tx)
	if err != nil || from.IsZero() {
		return calls, err
	}
	return slices.DeleteFunc(slices.Clone(calls), func(c ledger.Call) bool {
		began := ledger.Began(c.ID)
		return !began.IsZero() && began.Before(from)
	}), nil
}
