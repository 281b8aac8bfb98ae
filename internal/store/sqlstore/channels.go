package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tollgate/internal/change"
	"tollgate/internal/pool"
	"tollgate/internal/secret"
)

// Channels returns all channels with their secrets opened, oldest first.
func (s *Store) Channels(ctx context.Context) ([]pool.Channel, error) {
	all, err := collect(ctx, s.read, s.scanChannel, `
		SELECT id, name, provider, base_url, secret, models, mapping, pools, priority, weight, enabled, origin, limits, retired, reason, retired_ms, created_ms, updated_ms, version
		FROM channels ORDER BY created_ms, id`)
	if err != nil {
		return nil, fmt.Errorf("read channels: %w", err)
	}
	return all, nil
}

// Channel returns one channel with its secret opened, or pool.ErrNotFound.
func (s *Store) Channel(ctx context.Context, id string) (pool.Channel, error) {
	c, err := s.scanChannel(s.read.QueryRowContext(ctx, `
		SELECT id, name, provider, base_url, secret, models, mapping, pools, priority, weight, enabled, origin, limits, retired, reason, retired_ms, created_ms, updated_ms, version
		FROM channels WHERE id = $1`, clean(id)))
	if errors.Is(err, sql.ErrNoRows) {
		return pool.Channel{}, pool.ErrNotFound
	}
	if err != nil {
		return pool.Channel{}, fmt.Errorf("read channel %q: %w", id, err)
	}
	return c, nil
}

// InsertChannel adds a channel as it is.
func (s *Store) InsertChannel(ctx context.Context, c pool.Channel) error {
	args, err := s.channelArgs(c)
	if err != nil {
		return fmt.Errorf("add channel %q: %w", c.ID, err)
	}
	err = s.noted(ctx, change.Channel, c.ID, func(tx *txn) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO channels (id, name, provider, base_url, secret, models, mapping, pools, priority, weight, enabled, origin, limits, updated_ms, version, created_ms, retired, reason, retired_ms)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`,
			append(args, millis(c.CreatedAt), c.Retired, clean(c.Reason), millis(c.RetiredAt))...)
		return err
	})
	return channelError("add channel", c.ID, err)
}

// UpdateChannel replaces the configuration of a channel. Its id, when it was made and its health stay:
// what a person edits was read before the pool may have retired it.
func (s *Store) UpdateChannel(ctx context.Context, c pool.Channel) error {
	args, err := s.channelArgs(c)
	if err != nil {
		return fmt.Errorf("change channel %q: %w", c.ID, err)
	}
	err = s.noted(ctx, change.Channel, c.ID, func(tx *txn) error {
		r, err := tx.ExecContext(ctx, `
			UPDATE channels SET name = $2, provider = $3, base_url = $4, secret = $5, models = $6, mapping = $7, pools = $8,
				priority = $9, weight = $10, enabled = $11, origin = $12, limits = $13, updated_ms = $14, version = version + 1
			WHERE id = $1 AND version = $15`, args...)
		if err := changed(r, err, pool.ErrConflict); !errors.Is(err, pool.ErrConflict) {
			return err
		}
		return missingOr(tx.QueryRowContext(ctx, `SELECT 1 FROM channels WHERE id = $1`, args[0]), pool.ErrNotFound, pool.ErrConflict)
	})
	return channelError("change channel", c.ID, err)
}

// DeleteChannel removes a channel, or answers pool.ErrNotFound.
func (s *Store) DeleteChannel(ctx context.Context, id string) error {
	err := s.noted(ctx, change.Channel, id, func(tx *txn) error {
		r, err := tx.ExecContext(ctx, `DELETE FROM channels WHERE id = $1`, clean(id))
		return changed(r, err, pool.ErrNotFound)
	})
	return channelError("delete channel", id, err)
}

// SetRetired records the health of a channel, whatever its version, or answers pool.ErrNotFound.
func (s *Store) SetRetired(ctx context.Context, id string, retired bool, reason string, at time.Time) error {
	r, err := s.write.ExecContext(ctx, `
		UPDATE channels SET retired = $2, reason = $3, retired_ms = $4 WHERE id = $1`,
		clean(id), retired, clean(reason), millis(at))
	return channelError("retire channel", id, changed(r, err, pool.ErrNotFound))
}

func channelError(doing, id string, err error) error {
	if err == nil {
		return nil
	}
	if isDuplicate(err) {
		err = pool.ErrConflict
	}
	return fmt.Errorf("%s %q: %w", doing, id, err)
}

// channelSecret is the place that a channel's secret is sealed for.
func channelSecret(id string) secret.Place {
	return secret.Place{Table: "channels", Row: id, Column: "secret"}
}

// channelArgs are the columns of channels that are configuration, as the statements above count them.
func (s *Store) channelArgs(c pool.Channel) ([]any, error) {
	models, err1 := toJSON(c.Models)
	mapping, err2 := toJSON(c.Mapping)
	pools, err3 := toJSON(c.Pools)
	limits, err5 := toJSON(c.Limits)
	err4 := checkText(map[string]string{"id": c.ID, "name": c.Name, "provider": c.Provider, "base URL": c.BaseURL, "origin": string(c.Origin)})
	return []any{
		c.ID, c.Name, c.Provider, c.BaseURL, s.sealer.Seal(c.Secret, channelSecret(c.ID)), models, mapping, pools,
		int64(c.Priority), int64(c.Weight), c.Enabled, string(c.Origin), limits, millis(c.UpdatedAt), c.Version,
	}, errors.Join(err1, err2, err3, err4, err5)
}

func (s *Store) scanChannel(row scanner) (pool.Channel, error) {
	var c pool.Channel
	var sealed, models, mapping, pools, limits string
	var retired, created, updated int64
	if err := row.Scan(&c.ID, &c.Name, &c.Provider, &c.BaseURL, &sealed, &models, &mapping, &pools, &c.Priority, &c.Weight, &c.Enabled, &c.Origin, &limits,
		&c.Retired, &c.Reason, &retired, &created, &updated, &c.Version); err != nil {
		return c, err
	}
	c.RetiredAt, c.CreatedAt, c.UpdatedAt = instant(retired), instant(created), instant(updated)
	var err error
	c.Secret, err = s.sealer.Open(sealed, channelSecret(c.ID))
	return c, errors.Join(err,
		fromJSON(limits, "limits of channel "+c.ID, &c.Limits),
		fromJSON(models, "models of channel "+c.ID, &c.Models),
		fromJSON(mapping, "mapping of channel "+c.ID, &c.Mapping),
		fromJSON(pools, "pools of channel "+c.ID, &c.Pools))
}
