package sqlstore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"

	"tollgate/internal/account"
	"tollgate/internal/change"
)

// Keys returns all keys, oldest first.
func (s *Store) Keys(ctx context.Context) ([]account.Key, error) {
	all, err := collect(ctx, s.read, scanKey, `
		SELECT id, account_id, name, hash, hint, enabled, expires_ms, models, limits, doc, created_ms, updated_ms, version
		FROM api_keys ORDER BY created_ms, id`)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	return all, nil
}

// Key returns one key, or account.ErrNotFound.
func (s *Store) Key(ctx context.Context, id string) (account.Key, error) {
	k, err := scanKey(s.read.QueryRowContext(ctx, `
		SELECT id, account_id, name, hash, hint, enabled, expires_ms, models, limits, doc, created_ms, updated_ms, version
		FROM api_keys WHERE id = $1`, clean(id)))
	if errors.Is(err, sql.ErrNoRows) {
		return account.Key{}, account.ErrNotFound
	}
	if err != nil {
		return account.Key{}, fmt.Errorf("read key %q: %w", id, err)
	}
	return k, nil
}

// InsertKey adds a key as it is; its account must exist.
func (s *Store) InsertKey(ctx context.Context, k account.Key) error {
	args, err := keyArgs(k)
	if err != nil {
		return fmt.Errorf("add key %q: %w", k.ID, err)
	}
	err = s.noted(ctx, change.Key, k.ID, func(tx *txn) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO api_keys (id, account_id, name, hash, hint, enabled, expires_ms, models, limits, doc, updated_ms, version, created_ms)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
			append(args, millis(k.CreatedAt))...)
		return err
	})
	return accountError("add key", k.ID, err)
}

// UpdateKey replaces all of a key but its id and when it was made.
func (s *Store) UpdateKey(ctx context.Context, k account.Key) error {
	args, err := keyArgs(k)
	if err != nil {
		return fmt.Errorf("change key %q: %w", k.ID, err)
	}
	err = s.noted(ctx, change.Key, k.ID, func(tx *txn) error {
		r, err := tx.ExecContext(ctx, `
			UPDATE api_keys SET account_id = $2, name = $3, hash = $4, hint = $5, enabled = $6, expires_ms = $7, models = $8,
				limits = $9, doc = $10, updated_ms = $11, version = version + 1
			WHERE id = $1 AND version = $12`, args...)
		if err := changed(r, err, account.ErrConflict); !errors.Is(err, account.ErrConflict) {
			return err
		}
		return missingOr(tx.QueryRowContext(ctx, `SELECT 1 FROM api_keys WHERE id = $1`, args[0]), account.ErrNotFound, account.ErrConflict)
	})
	return accountError("change key", k.ID, err)
}

// DeleteKey removes a key, or answers account.ErrNotFound.
func (s *Store) DeleteKey(ctx context.Context, id string) error {
	err := s.noted(ctx, change.Key, id, func(tx *txn) error {
		r, err := tx.ExecContext(ctx, `DELETE FROM api_keys WHERE id = $1`, clean(id))
		return changed(r, err, account.ErrNotFound)
	})
	return accountError("delete key", id, err)
}

// keyDoc is what the column doc of a key holds. Names are never reused.
type keyDoc struct {
	Tail     string         `json:"tail,omitempty"`
	Paths    []string       `json:"paths,omitempty"`
	IPs      []netip.Prefix `json:"ips,omitempty"`
	Quota    account.Quota  `json:"quota,omitzero"`
	Strict   bool           `json:"strict,omitempty"`
	OldHash  string         `json:"old_hash,omitempty"` // hex
	OldUntil int64          `json:"old_until_ms,omitempty"`
}

// keyArgs are all columns of api_keys but created_ms, as the statements above count them.
func keyArgs(k account.Key) ([]any, error) {
	models, err1 := toJSON(k.Models)
	limits, err2 := toJSON(k.Limits)
	d := keyDoc{Tail: k.Tail, Paths: k.Paths, IPs: k.IPs, Quota: k.Quota, Strict: k.Strict}
	if !k.OldUntil.IsZero() {
		d.OldHash, d.OldUntil = hex.EncodeToString(k.OldHash[:]), millis(k.OldUntil)
	}
	doc, err3 := toJSON(d)
	err4 := checkText(map[string]string{"id": k.ID, "account": k.AccountID, "name": k.Name, "hint": k.Hint})
	return []any{
		k.ID, k.AccountID, k.Name, hex.EncodeToString(k.Hash[:]), k.Hint, k.Enabled, millis(k.ExpiresAt), models, limits, doc,
		millis(k.UpdatedAt), k.Version,
	}, errors.Join(err1, err2, err3, err4)
}

func scanKey(row scanner) (account.Key, error) {
	var k account.Key
	var hash, models, limits, doc string
	var expires, created, updated int64
	if err := row.Scan(&k.ID, &k.AccountID, &k.Name, &hash, &k.Hint, &k.Enabled, &expires, &models, &limits, &doc, &created, &updated, &k.Version); err != nil {
		return k, err
	}
	k.ExpiresAt, k.CreatedAt, k.UpdatedAt = instant(expires), instant(created), instant(updated)
	var d keyDoc
	err := errors.Join(
		readHash(hash, k.ID, &k.Hash),
		fromJSON(models, "models of key "+k.ID, &k.Models),
		fromJSON(limits, "limits of key "+k.ID, &k.Limits),
		fromJSON(doc, "key "+k.ID, &d))
	k.Tail, k.Paths, k.IPs, k.Quota, k.Strict = d.Tail, d.Paths, d.IPs, d.Quota, d.Strict
	if d.OldUntil != 0 {
		err = errors.Join(err, readHash(d.OldHash, k.ID, &k.OldHash))
		k.OldUntil = instant(d.OldUntil)
	}
	return k, err
}

func readHash(text, id string, dst *[32]byte) error {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(dst) {
		return fmt.Errorf("stored hash of key %s is damaged", id)
	}
	*dst = [32]byte(raw)
	return nil
}
