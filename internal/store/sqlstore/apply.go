package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
)

// ErrBehind says that a journal holds calls that were never applied at a position that was. That is not
// a repetition: its directory was replaced or restored, and going on would lose calls silently.
var ErrBehind = errors.New("the journal is behind what was applied from it")

// Apply writes calls and everything that follows from them and moves the journal position of node to
// pos, all or nothing. Calls that are there already change nothing; a batch whose position is not after
// the one stored is applied already, or ErrBehind.
func (s *Store) Apply(ctx context.Context, node string, calls []ledger.Call, pos ledger.Position) error {
	err := s.apply(ctx, node, calls, pos, false)
	if errors.Is(err, errSomeKnown) {
		err = s.apply(ctx, node, calls, pos, true)
	}
	if err != nil {
		return fmt.Errorf("apply %d calls of node %s up to segment %d offset %d: %w", len(calls), node, pos.Segment, pos.Offset, err)
	}
	return nil
}

func (s *Store) apply(ctx context.Context, node string, calls []ledger.Call, pos ledger.Position, sort bool) error {
	return s.tx(ctx, func(tx *txn) error {
		moved, err := movePosition(ctx, tx, node, pos)
		if err != nil || len(calls) == 0 {
			return err
		}
		calls, err := withoutForgotten(ctx, tx, calls)
		if err != nil || len(calls) == 0 {
			return err
		}
		if !moved {
			return allApplied(ctx, tx, calls)
		}
		fresh, err := insertCalls(ctx, tx, calls, sort)
		if err != nil || len(fresh) == 0 {
			return err
		}
		// From here on the rows of these accounts, their cards and their roll-ups are ours alone.
		balances, err := lockAccounts(ctx, tx, accountsOf(fresh))
		if err != nil {
			return err
		}
		if err := loadCards(ctx, tx, balances, fresh); err != nil {
			return err
		}
		var teller ledger.Teller
		for _, b := range balances {
			teller.Open(*b)
		}
		teller.Charge(fresh)
		if err := errors.Join(
			addRollups(ctx, tx, fresh),
			insertOwned(ctx, tx, fresh),
			saveMoney(ctx, tx, &teller)); err != nil {
			return err
		}
		// From here on the chain is ours, and whoever writes to it waits: what takes long comes before.
		head, err := lockHead(ctx, tx)
		if err != nil {
			return err
		}
		return errors.Join(appendEntries(ctx, tx, head, teller.Entries()), addCounts(ctx, tx, fresh))
	})
}

// plus adds two amounts that are not negative, and stops at what a column can hold.
func plus(a, b catalog.Nanos) catalog.Nanos {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func accountsOf(calls []ledger.Call) []string {
	var ids []string
	for i := range calls {
		if i == 0 || calls[i].AccountID != calls[i-1].AccountID {
			ids = append(ids, calls[i].AccountID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// allApplied answers ErrBehind unless all calls are stored.
func allApplied(ctx context.Context, tx *txn, calls []ledger.Call) error {
	ids := make(map[string]bool, len(calls))
	for i := range calls {
		ids[calls[i].ID] = true
	}
	for some := range slices.Chunk(slices.Collect(maps.Keys(ids)), maxList) {
		query, args := in(`SELECT id FROM calls WHERE id IN {list}`, 1, some)
		found, err := collect(ctx, tx, scanString, query, args...)
		if err != nil {
			return err
		}
		for _, id := range found {
			delete(ids, id)
		}
	}
	for id := range ids {
		return fmt.Errorf("call %s was never applied, and %d more: if the directory of the journal was replaced, give the node another name: %w", strings.ToValidUTF8(id, "?"), len(ids)-1, ErrBehind)
	}
	return nil
}
