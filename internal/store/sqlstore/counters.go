package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
)

// Counters returns all counters of budgets.
func (s *Store) Counters(ctx context.Context) ([]ledger.Counter, error) {
	all, err := collect(ctx, s.read, scanCounter, `SELECT subject, period, zone, start_ms, end_ms, spent, warned FROM counters`)
	if err != nil {
		return nil, fmt.Errorf("read counters: %w", err)
	}
	return all, nil
}

// addCounts counts calls on the counters of their subjects. The caller holds the head of the chain,
// and with it all counters.
func addCounts(ctx context.Context, tx *txn, calls []ledger.Call) error {
	seen := map[string]bool{}
	var ids []string
	for i := range calls {
		if i > 0 && alike(&calls[i], &calls[i-1]) && slices.Equal(calls[i].Above, calls[i-1].Above) {
			continue
		}
		for id := range calls[i].CountsFor {
			if !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
		}
	}
	var rows [][]any
	for some := range slices.Chunk(ids, maxList) {
		query, args := in(`SELECT subject, period, zone, start_ms, end_ms, spent, warned FROM counters WHERE subject IN {list}`, 1, some)
		counters, err := collect(ctx, tx, scanCounter, query, args...)
		if err != nil {
			return err
		}
		for _, i := range ledger.CountAll(counters, calls) {
			rows = append(rows, counterRow(counters[i]))
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if err := tx.QueryRowContext(ctx, `UPDATE chain_head SET changes = changes + 1 WHERE id = 1 RETURNING changes`).Scan(&tx.change); err != nil {
		return err
	}
	for i := range rows {
		rows[i] = append(rows[i], tx.change)
	}
	return execMany(ctx, tx, `
		INSERT INTO counters (subject, period, zone, start_ms, end_ms, spent, warned, change) VALUES {rows}
		ON CONFLICT (subject, period, zone) DO UPDATE SET
			start_ms = excluded.start_ms, end_ms = excluded.end_ms, spent = excluded.spent, warned = excluded.warned, change = excluded.change`, rows)
}

// Count begins to keep a counter, with all calls in its period that are stored, and returns it and the
// journal position of node at that moment. One that is kept already is returned as it is.
func (s *Store) Count(ctx context.Context, node string, c ledger.Counter) (have ledger.Counter, pos ledger.Position, err error) {
	err = s.tx(ctx, func(tx *txn) error {
		if _, err := lockHead(ctx, tx); err != nil { // so that no call is stored meanwhile
			return err
		}
		if have, err = counter(ctx, tx, c); errors.Is(err, sql.ErrNoRows) {
			have = c
			have.Warned = false
			if have.Spent, err = spentIn(ctx, tx, c); err == nil {
				err = execMany(ctx, tx, `
					INSERT INTO counters (subject, period, zone, start_ms, end_ms, spent, warned) VALUES {rows}`, [][]any{counterRow(have)})
			}
		}
		if err != nil {
			return err
		}
		pos, err = journalPosition(ctx, tx, node)
		return err
	})
	if err != nil {
		return c, pos, fmt.Errorf("count what %q spent: %w", c.Subject, err)
	}
	return have, pos, nil
}

func counter(ctx context.Context, tx *txn, c ledger.Counter) (ledger.Counter, error) {
	return scanCounter(tx.QueryRowContext(ctx, `
		SELECT subject, period, zone, start_ms, end_ms, spent, warned FROM counters WHERE subject = $1 AND period = $2 AND zone = $3`,
		clean(c.Subject), string(c.Period), c.Zone))
}

// Warn notes that the soft limit of a counter was reported in its period.
func (s *Store) Warn(ctx context.Context, c ledger.Counter) (first bool, err error) {
	err = s.tx(ctx, func(tx *txn) error {
		if _, err := lockHead(ctx, tx); err != nil {
			return err
		}
		r, err := tx.ExecContext(ctx, `
			UPDATE counters SET warned = TRUE WHERE subject = $1 AND period = $2 AND zone = $3 AND start_ms = $4 AND NOT warned`,
			clean(c.Subject), string(c.Period), c.Zone, c.Start)
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		first = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("note the warning of %q: %w", c.Subject, err)
	}
	return first, nil
}

const hourMillis = int64(time.Hour / time.Millisecond)

// spentIn sums the calls of a subject in a period: whole hours from the roll-ups, and where the period
// does not begin or end with one, the calls themselves.
func spentIn(ctx context.Context, tx *txn, c ledger.Counter) (catalog.Nanos, error) {
	accounts, key, err := counted(ctx, tx, c.Subject)
	if err != nil {
		return 0, err
	}
	first, last := c.Start, c.End
	if c.Period != ledger.PeriodTotal {
		first, last = hourOf(c.Start+hourMillis-1), hourOf(c.End)
	}
	var sum catalog.Nanos
	for some := range slices.Chunk(accounts, maxList) {
		query, args := in(`
			SELECT cost FROM rollups WHERE hour_ms >= $1 AND hour_ms < $2 AND key_id = COALESCE(NULLIF($3, ''), key_id) AND account_id IN {list}`, 4, some)
		costs, err := collect(ctx, tx, scanNanos, query, append([]any{first, last, key}, args...)...)
		if err != nil {
			return 0, err
		}
		for _, cost := range costs {
			sum = plus(sum, cost)
		}
		for _, edge := range [][2]int64{{c.Start, first}, {last, c.End}} {
			if edge[0] >= edge[1] {
				continue
			}
			query, args := in(`
				SELECT at_ms, key_id, model, channel_id, doc FROM calls WHERE at_ms >= $1 AND at_ms < $2 AND key_id = COALESCE(NULLIF($3, ''), key_id) AND account_id IN {list}`, 4, some)
			calls, err := collect(ctx, tx, scanCall, query, append([]any{edge[0], edge[1], key}, args...)...)
			if err != nil {
				return 0, err
			}
			for i := range calls {
				sum = plus(sum, max(calls[i].Cost, 0))
			}
		}
	}
	return sum, nil
}

// counted returns the accounts whose calls count for a subject, and the key if it is one.
func counted(ctx context.Context, tx *txn, subject string) (accounts []string, key string, err error) {
	owner, err := collect(ctx, tx, scanString, `SELECT account_id FROM api_keys WHERE id = $1`, clean(subject))
	if err != nil {
		return nil, "", err
	}
	if len(owner) > 0 {
		return owner, indexed(subject), nil
	}
	accounts, err = collect(ctx, tx, scanString, `
		WITH RECURSIVE below (id) AS (
			SELECT id FROM accounts WHERE parent_id = $1
			UNION ALL SELECT accounts.id FROM accounts JOIN below ON accounts.parent_id = below.id)
		SELECT id FROM below`, clean(subject))
	return append(accounts, clean(subject)), "", err
}

func counterRow(c ledger.Counter) []any {
	return []any{c.Subject, string(c.Period), c.Zone, c.Start, c.End, int64(c.Spent), c.Warned}
}

func scanCounter(row scanner) (ledger.Counter, error) {
	var c ledger.Counter
	err := row.Scan(&c.Subject, &c.Period, &c.Zone, &c.Start, &c.End, &c.Spent, &c.Warned)
	return c, err
}

func scanNanos(row scanner) (catalog.Nanos, error) {
	var n catalog.Nanos
	err := row.Scan(&n)
	return n, err
}
