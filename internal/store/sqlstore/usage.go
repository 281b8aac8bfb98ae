package sqlstore

import (
	"context"
	"fmt"
	"math"
	"slices"

	"tollgate/internal/ledger"
)

// Usage sums the roll-ups that q selects, by day.
func (s *Store) Usage(ctx context.Context, q ledger.UsageQuery) ([]ledger.Usage, error) {
	from, to := int64(math.MinInt64), int64(math.MaxInt64)
	if !q.From.IsZero() {
		from = ceilMillis(q.From)
	}
	if !q.To.IsZero() {
		to = ceilMillis(q.To)
	}
	query := `
		SELECT account_id, hour_ms - hour_ms % 86400000, model, CAST(SUM(calls) AS BIGINT), CAST(SUM(in_tokens) AS BIGINT), CAST(SUM(cache_read) AS BIGINT), CAST(SUM(out_tokens) AS BIGINT), CAST(SUM(cost) AS BIGINT)
		FROM rollups WHERE hour_ms >= $1 AND hour_ms < $2 AND account_id IN {list}
		GROUP BY account_id, hour_ms - hour_ms % 86400000, model ORDER BY 2, 1, 3`
	if q.Total {
		query = `
		SELECT account_id, 0, '', CAST(SUM(calls) AS BIGINT), CAST(SUM(in_tokens) AS BIGINT), CAST(SUM(cache_read) AS BIGINT), CAST(SUM(out_tokens) AS BIGINT), CAST(SUM(cost) AS BIGINT)
		FROM rollups WHERE hour_ms >= $1 AND hour_ms < $2 AND account_id IN {list} GROUP BY account_id ORDER BY 1`
	}
	var all []ledger.Usage
	ids := slices.Compact(slices.Sorted(slices.Values(q.AccountIDs)))
	for some := range slices.Chunk(ids, maxList) {
		text, args := in(query, 3, some)
		page, err := collect(ctx, s.read, scanUsage, text, append([]any{from, to}, args...)...)
		if err != nil {
			return nil, fmt.Errorf("sum roll-ups: %w", err)
		}
		all = append(all, page...)
	}
	if len(ids) > maxList {
		slices.SortStableFunc(all, func(a, b ledger.Usage) int { return a.Day.Compare(b.Day) })
	}
	return all, nil
}

func scanUsage(row scanner) (ledger.Usage, error) {
	var u ledger.Usage
	var day int64
	err := row.Scan(&u.AccountID, &day, &u.Model, &u.Calls, &u.InTokens, &u.CacheRead, &u.OutTokens, &u.Cost)
	u.Day = instant(day)
	return u, err
}
