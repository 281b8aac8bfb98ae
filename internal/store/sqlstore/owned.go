package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tollgate/internal/ledger"
	"tollgate/internal/pool"
)

// ownedFor is how long the owner of a stored object is remembered. OpenAI keeps responses 30 days
// (https://platform.openai.com/docs/api-reference/responses, "store", read 2026-11); this is twice that.
const ownedFor = 60 * 24 * time.Hour

// Owner returns the channel that keeps an object of an account, or pool.ErrNotFound.
func (s *Store) Owner(ctx context.Context, accountID, objectID string) (string, error) {
	var channel string
	err := s.read.QueryRowContext(ctx, `
		SELECT channel_id FROM owned_objects WHERE account_id = $1 AND object_id = $2`,
		clean(accountID), indexed(objectID)).Scan(&channel)
	if errors.Is(err, sql.ErrNoRows) {
		return "", pool.ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("read the owner of object %q: %w", objectID, err)
	}
	return channel, nil
}

// insertOwned notes the objects that calls left at their channels, and forgets those that no vendor
// keeps any more. Of two calls with the same object the later one, in the batch and in time, stands.
func insertOwned(ctx context.Context, tx *txn, calls []ledger.Call) error {
	type object struct{ account, id string }
	at := map[object]int{}
	var rows [][]any
	var newest int64
	for i := range calls {
		c := &calls[i]
		for n := -1; n < len(c.Objects); n++ {
			id := c.ObjectID
			if n >= 0 {
				id = c.Objects[n]
			}
			if id == "" || c.ChannelID == "" {
				continue
			}
			newest = max(newest, c.AtMillis)
			k := object{c.AccountID, indexed(id)}
			row := []any{k.account, k.id, clean(c.ChannelID), c.AtMillis, c.AtMillis + ownedFor.Milliseconds()}
			if j, ok := at[k]; ok {
				rows[j] = row
				continue
			}
			at[k] = len(rows)
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if err := execMany(ctx, tx, `
		INSERT INTO owned_objects (account_id, object_id, channel_id, at_ms, expires_ms) VALUES {rows}
		ON CONFLICT (account_id, object_id) DO UPDATE SET channel_id = excluded.channel_id, at_ms = excluded.at_ms, expires_ms = excluded.expires_ms
		WHERE owned_objects.at_ms <= excluded.at_ms`, rows); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM owned_objects WHERE expires_ms < $1`, newest)
	return err
}
