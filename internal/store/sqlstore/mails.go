package sqlstore

import (
	"context"
	"fmt"
	"time"

	"tollgate/internal/mail"
)

// AddMails implements mail.Store.
func (s *Store) AddMails(ctx context.Context, items []mail.Item, most int) error {
	rows := make([][]any, 0, len(items))
	for _, m := range items {
		rows = append(rows, []any{m.ID, indexed(m.Key), clean(m.To), clean(m.Subject), clean(m.Body), string(m.State), m.Tries, millis(m.NextAt), clean(m.Error), millis(m.CreatedAt)})
	}
	err := s.tx(ctx, func(tx *txn) error {
		var waiting int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM mails WHERE state = $1`, string(mail.Waiting)).Scan(&waiting); err != nil {
			return err
		}
		if waiting+len(rows) > most {
			return mail.ErrFull
		}
		return execMany(ctx, tx, `
			INSERT INTO mails (id, mail_key, recipient, subject, body, state, tries, next_ms, error, created_ms) VALUES {rows}
			ON CONFLICT (mail_key) DO NOTHING`, rows)
	})
	if err != nil {
		return fmt.Errorf("add mails: %w", err)
	}
	return nil
}

// DueMails implements mail.Store.
func (s *Store) DueMails(ctx context.Context, now time.Time, limit int) ([]mail.Item, error) {
	all, err := collect(ctx, s.read, scanMail, `
		SELECT id, mail_key, recipient, subject, body, state, tries, next_ms, error, created_ms
		FROM mails WHERE state = $1 AND next_ms <= $2 ORDER BY next_ms, id LIMIT $3`, string(mail.Waiting), millis(now), int64(limit))
	if err != nil {
		return nil, fmt.Errorf("read mails: %w", err)
	}
	return all, nil
}

// ClaimMail implements mail.Store.
func (s *Store) ClaimMail(ctx context.Context, item mail.Item, next time.Time) (bool, error) {
	r, err := s.write.ExecContext(ctx, `
		UPDATE mails SET tries = tries + 1, next_ms = $2 WHERE id = $1 AND state = $3 AND tries = $4`,
		item.ID, millis(next), string(mail.Waiting), item.Tries)
	if err != nil {
		return false, fmt.Errorf("claim mail %q: %w", item.ID, err)
	}
	n, err := r.RowsAffected()
	return n == 1, err
}

// SettleMail implements mail.Store.
func (s *Store) SettleMail(ctx context.Context, item mail.Item) error {
	body := item.Body
	if item.State != mail.Waiting {
		body = ""
	}
	_, err := s.write.ExecContext(ctx, `
		UPDATE mails SET state = $2, tries = $3, next_ms = $4, error = $5, body = $6 WHERE id = $1`,
		item.ID, string(item.State), item.Tries, millis(item.NextAt), clean(item.Error), clean(body))
	if err != nil {
		return fmt.Errorf("settle mail %q: %w", item.ID, err)
	}
	return nil
}

// ForgetMails implements mail.Store.
func (s *Store) ForgetMails(ctx context.Context, t time.Time) error {
	_, err := s.write.ExecContext(ctx, `DELETE FROM mails WHERE state <> $1 AND created_ms < $2`, string(mail.Waiting), millis(t))
	if err != nil {
		return fmt.Errorf("forget mails: %w", err)
	}
	return nil
}

func scanMail(row scanner) (mail.Item, error) {
	var m mail.Item
	var next, created int64
	err := row.Scan(&m.ID, &m.Key, &m.To, &m.Subject, &m.Body, &m.State, &m.Tries, &next, &m.Error, &created)
	m.NextAt, m.CreatedAt = instant(next), instant(created)
	return m, err
}
