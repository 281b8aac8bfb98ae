package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"tollgate/internal/ledger"
)

// JournalPosition returns up to where the journal of node has been applied; zero if never.
func (s *Store) JournalPosition(ctx context.Context, node string) (ledger.Position, error) {
	// From the writer: what the drain resumes at must not be a moment old.
	pos, err := journalPosition(ctx, s.write, node)
	if err != nil {
		return ledger.Position{}, fmt.Errorf("read the journal position of %s: %w", node, err)
	}
	return pos, nil
}

func journalPosition(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, node string,
) (pos ledger.Position, err error) {
	err = q.QueryRowContext(ctx, `SELECT segment, place FROM journal_positions WHERE node = $1`, clean(node)).Scan(&pos.Segment, &pos.Offset)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return pos, err
}

// movePosition moves the position of node forward and holds its row; it reports false, and changes
// nothing, if pos is not after the one stored.
func movePosition(ctx context.Context, tx *txn, node string, pos ledger.Position) (bool, error) {
	r, err := tx.ExecContext(ctx, `
		INSERT INTO journal_positions (node, segment, place) VALUES ($1, $2, $3)
		ON CONFLICT (node) DO UPDATE SET segment = excluded.segment, place = excluded.place
		WHERE journal_positions.segment < excluded.segment
			OR (journal_positions.segment = excluded.segment AND journal_positions.place < excluded.place)`,
		clean(node), pos.Segment, pos.Offset)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}
