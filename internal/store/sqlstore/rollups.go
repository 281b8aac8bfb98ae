package sqlstore

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
)

// Rollups returns the hours that q selects, oldest first. From is the first instant that counts, To
// the first that does not; an hour is selected by its start.
func (s *Store) Rollups(ctx context.Context, q ledger.RollupQuery) ([]ledger.Rollup, error) {
	from, to := int64(math.MinInt64), int64(math.MaxInt64)
	if !q.From.IsZero() {
		from = ceilMillis(q.From)
	}
	if !q.To.IsZero() {
		to = ceilMillis(q.To)
	}
	query := `
		SELECT hour_ms, account_id, key_id, model, channel_id, calls, errors, in_tokens, cache_read, out_tokens, cost, quarantined
		FROM rollups WHERE hour_ms >= $1 AND hour_ms < $2`
	if len(q.AccountIDs) == 0 {
		all, err := collect(ctx, s.read, scanRollup, query+` ORDER BY hour_ms`, from, to)
		if err != nil {
			return nil, fmt.Errorf("read roll-ups: %w", err)
		}
		return all, nil
	}
	ids := slices.Compact(slices.Sorted(slices.Values(q.AccountIDs)))
	var all []ledger.Rollup
	for some := range slices.Chunk(ids, maxList) {
		query, args := in(query+` AND account_id IN {list} ORDER BY hour_ms`, 3, some)
		page, err := collect(ctx, s.read, scanRollup, query, append([]any{from, to}, args...)...)
		if err != nil {
			return nil, fmt.Errorf("read roll-ups: %w", err)
		}
		all = append(all, page...)
	}
	slices.SortStableFunc(all, func(a, b ledger.Rollup) int { return a.Hour.Compare(b.Hour) })
	return all, nil
}

type rollupKey struct {
	hour                         int64
	account, key, model, channel string
}

// addRollups adds calls to their hours. The accounts are held, so no one else adds to these rows. Sums
// of what an upstream claims stop at what a column holds: SQLite would go on in floating point, and
// PostgreSQL would refuse the batch for ever.
func addRollups(ctx context.Context, tx *txn, calls []ledger.Call) error {
	sums := map[rollupKey]*ledger.Rollup{}
	var order []rollupKey
	var r *ledger.Rollup
	var hour int64
	for i := range calls {
		c := &calls[i]
		if h := hourOf(c.AtMillis); i == 0 || h != hour || !alike(c, &calls[i-1]) {
			hour = h
			k := rollupKey{h, c.AccountID, indexed(c.KeyID), indexed(c.Model), indexed(c.ChannelID)}
			if r = sums[k]; r == nil {
				r = &ledger.Rollup{}
				sums[k] = r
				order = append(order, k)
			}
		}
		addTo(r, c)
	}
	rows := make([][]any, len(order))
	for i, k := range order {
		r := sums[k]
		rows[i] = []any{k.account, k.hour, k.key, k.model, k.channel, r.Calls, r.Errors, r.InTokens, r.CacheRead, r.OutTokens, int64(r.Cost), r.Quarantined}
	}
	return execMany(ctx, tx, `
		INSERT INTO rollups (account_id, hour_ms, key_id, model, channel_id, calls, errors, in_tokens, cache_read, out_tokens, cost, quarantined) VALUES {rows}
		ON CONFLICT (account_id, hour_ms, key_id, model, channel_id) DO UPDATE SET
			calls = rollups.calls + excluded.calls,
			errors = rollups.errors + excluded.errors,
			quarantined = rollups.quarantined + excluded.quarantined,
			in_tokens = CASE WHEN rollups.in_tokens > 9223372036854775807 - excluded.in_tokens THEN 9223372036854775807 ELSE rollups.in_tokens + excluded.in_tokens END,
			cache_read = CASE WHEN rollups.cache_read > 9223372036854775807 - excluded.cache_read THEN 9223372036854775807 ELSE rollups.cache_read + excluded.cache_read END,
			out_tokens = CASE WHEN rollups.out_tokens > 9223372036854775807 - excluded.out_tokens THEN 9223372036854775807 ELSE rollups.out_tokens + excluded.out_tokens END,
			cost = CASE WHEN rollups.cost > 9223372036854775807 - excluded.cost THEN 9223372036854775807 ELSE rollups.cost + excluded.cost END`, rows)
}

func addTo(r *ledger.Rollup, c *ledger.Call) {
	sum := func(a, b int64) int64 { return int64(plus(catalog.Nanos(a), catalog.Nanos(max(b, 0)))) }
	r.Calls++
	if failed(c) {
		r.Errors++
	}
	if c.Quarantine != "" {
		r.Quarantined++
	}
	r.InTokens = sum(r.InTokens, c.Usage.In())
	r.CacheRead = sum(r.CacheRead, c.Usage.CacheRead)
	r.OutTokens = sum(r.OutTokens, c.Usage.Out())
	r.Cost = plus(r.Cost, max(c.Cost, 0))
}

// hourOf returns the start of the hour, also before 1970.
func hourOf(ms int64) int64 {
	const hour = int64(time.Hour / time.Millisecond)
	into := ms % hour
	if into < 0 {
		into += hour
	}
	return ms - into
}

// ceilMillis is the first stored instant that is not before t.
func ceilMillis(t time.Time) int64 {
	ms := millis(t)
	if instant(ms).Before(t) {
		ms++
	}
	return ms
}

func scanRollup(row scanner) (ledger.Rollup, error) {
	var r ledger.Rollup
	var hour int64
	err := row.Scan(&hour, &r.AccountID, &r.KeyID, &r.Model, &r.ChannelID, &r.Calls, &r.Errors, &r.InTokens, &r.CacheRead, &r.OutTokens, &r.Cost, &r.Quarantined)
	r.Hour = instant(hour)
	return r, err
}
