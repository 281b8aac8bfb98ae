package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"

	"tollgate/internal/ledger"
)

// own remembers which numbers of a sequence this process gave away, to tell those of others.
type own struct {
	mu     sync.Mutex
	ranges [][2]int64 // first and last, ascending and not touching
}

// maxOwn bounds what is remembered. What is forgotten looks like a change of somebody else, and is only
// read once more.
const maxOwn = 1024

func (o *own) add(first, last int64) {
	if first > last {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	at, _ := slices.BinarySearchFunc(o.ranges, first, func(r [2]int64, n int64) int { return int(min(1, max(-1, r[0]-n))) })
	o.ranges = slices.Insert(o.ranges, at, [2]int64{first, last})
	if at+1 < len(o.ranges) && o.ranges[at+1][0] == last+1 {
		o.ranges[at][1] = o.ranges[at+1][1]
		o.ranges = slices.Delete(o.ranges, at+1, at+2)
	}
	if at > 0 && o.ranges[at-1][1] == first-1 {
		o.ranges[at-1][1] = o.ranges[at][1]
		o.ranges = slices.Delete(o.ranges, at, at+1)
	}
	if len(o.ranges) > maxOwn {
		o.ranges = slices.Delete(o.ranges, 0, 1)
	}
}

// others returns the numbers from first to last that others gave away, in as few ranges.
func (o *own) others(first, last int64) (gaps [][2]int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.ranges {
		if r[1] < first {
			continue
		}
		if r[0] > last {
			break
		}
		if r[0] > first {
			gaps = append(gaps, [2]int64{first, r[0] - 1})
		}
		first = r[1] + 1
	}
	if first <= last {
		gaps = append(gaps, [2]int64{first, last})
	}
	return gaps
}

// Moved returns what other processes moved and counted since, and the journal position of node at that
// moment.
func (s *Store) Moved(ctx context.Context, node string, since ledger.Changes) (m ledger.Moved, err error) {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{Isolation: s.snapshot(), ReadOnly: true})
	if err != nil {
		return m, fmt.Errorf("look for changes of others: %w", err)
	}
	defer tx.Rollback()
	if m, err = s.moved(ctx, tx, node, since); err != nil {
		return ledger.Moved{}, fmt.Errorf("look for changes of others: %w", err)
	}
	return m, nil
}

func (s *Store) moved(ctx context.Context, tx *sql.Tx, node string, since ledger.Changes) (m ledger.Moved, err error) {
	err = tx.QueryRowContext(ctx, `SELECT seq, changes FROM chain_head WHERE id = 1`).Scan(&m.Now.Entries, &m.Now.Counters)
	if err != nil {
		return m, err
	}
	for _, gap := range s.ownEntries.others(since.Entries+1, m.Now.Entries) {
		ids, err := collect(ctx, tx, scanString, `SELECT DISTINCT account_id FROM entries WHERE seq >= $1 AND seq <= $2`, gap[0], gap[1])
		if err != nil {
			return m, err
		}
		m.Accounts = append(m.Accounts, ids...)
	}
	slices.Sort(m.Accounts)
	m.Accounts = slices.DeleteFunc(slices.Compact(m.Accounts), ledger.IsSide)
	if gaps := s.ownCounts.others(since.Counters+1, m.Now.Counters); len(gaps) > 0 {
		// Also what this process changed after another one did.
		m.Counters, err = collect(ctx, tx, scanCounter, `
			SELECT subject, period, zone, start_ms, end_ms, spent, warned FROM counters WHERE change >= $1`, gaps[0][0])
		if err != nil {
			return m, err
		}
	}
	m.Position, err = journalPosition(ctx, tx, node)
	return m, err
}
