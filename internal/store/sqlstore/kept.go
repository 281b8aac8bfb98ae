package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tollgate/internal/kept"
)

// PutKept implements kept.Store.
func (s *Store) PutKept(ctx context.Context, d kept.Doc, accountBytes int64) error {
	body := string(d.Body)
	err := checkText(map[string]string{"account": d.AccountID, "id": d.ID, "body": body})
	if err == nil {
		err = s.tx(ctx, func(tx *txn) error {
			if _, err := tx.ExecContext(ctx, `
				INSERT INTO kept_docs (account_id, id, body, bytes, at_ms, expires_ms) VALUES ($1, $2, $3, $4, $5, $6)
				ON CONFLICT (account_id, id) DO UPDATE SET body = excluded.body, bytes = excluded.bytes, at_ms = excluded.at_ms, expires_ms = excluded.expires_ms`,
				d.AccountID, indexed(d.ID), body, d.Bytes(), millis(d.At), millis(d.Expires)); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, `
				DELETE FROM kept_docs WHERE account_id = $1 AND id IN (
					SELECT id FROM (
						SELECT id, SUM(bytes) OVER (ORDER BY at_ms DESC, id DESC) AS newer FROM kept_docs WHERE account_id = $1
					) AS counted WHERE newer > $2)`, d.AccountID, accountBytes)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("keep %q: %w", d.ID, err)
	}
	return nil
}

// Kept implements kept.Store.
func (s *Store) Kept(ctx context.Context, accountID, id string, now time.Time) (kept.Doc, error) {
	d := kept.Doc{AccountID: accountID, ID: id}
	var body string
	var at, expires int64
	err := s.read.QueryRowContext(ctx, `
		SELECT body, at_ms, expires_ms FROM kept_docs WHERE account_id = $1 AND id = $2 AND expires_ms > $3`,
		clean(accountID), indexed(id), millis(now)).Scan(&body, &at, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return kept.Doc{}, kept.ErrNotFound
	}
	if err != nil {
		return kept.Doc{}, fmt.Errorf("read what is kept as %q: %w", id, err)
	}
	d.Body, d.At, d.Expires = []byte(body), instant(at), instant(expires)
	return d, nil
}

// DeleteKept implements kept.Store.
func (s *Store) DeleteKept(ctx context.Context, accountID, id string, now time.Time) error {
	r, err := s.write.ExecContext(ctx, `DELETE FROM kept_docs WHERE account_id = $1 AND id = $2 AND expires_ms > $3`, clean(accountID), indexed(id), millis(now))
	if err := changed(r, err, kept.ErrNotFound); err != nil {
		return fmt.Errorf("delete what is kept as %q: %w", id, err)
	}
	return nil
}

// TrimKept implements kept.Store.
func (s *Store) TrimKept(ctx context.Context, now time.Time, totalBytes int64) (gone int64, err error) {
	err = s.tx(ctx, func(tx *txn) error {
		gone = 0
		for _, q := range []struct {
			text string
			arg  int64
		}{
			{`DELETE FROM kept_docs WHERE expires_ms <= $1`, millis(now)},
			{`DELETE FROM kept_docs WHERE (account_id, id) IN (
				SELECT account_id, id FROM (
					SELECT account_id, id, SUM(bytes) OVER (ORDER BY at_ms DESC, id DESC, account_id DESC) AS newer FROM kept_docs
				) AS counted WHERE newer > $1)`, totalBytes},
		} {
			r, err := tx.ExecContext(ctx, q.text, q.arg)
			if err != nil {
				return err
			}
			n, err := r.RowsAffected()
			if err != nil {
				return err
			}
			gone += n
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("trim what is kept: %w", err)
	}
	return gone, nil
}
