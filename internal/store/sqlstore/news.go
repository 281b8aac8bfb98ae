package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tollgate/internal/news"
)

// AddNews implements news.Store.
func (s *Store) AddNews(ctx context.Context, n news.Item, most int) error {
	err := checkText(map[string]string{"title": n.Title, "content": n.Content})
	if err == nil {
		err = s.tx(ctx, func(tx *txn) error {
			if _, err := tx.ExecContext(ctx, `DELETE FROM news WHERE expires_ms <= $1`, millis(n.CreatedAt)); err != nil {
				return err
			}
			var shown int
			if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM news WHERE target = $1`, clean(n.Target.Path)).Scan(&shown); err != nil {
				return err
			}
			if shown >= most {
				return news.ErrFull
			}
			_, err := tx.ExecContext(ctx, `
				INSERT INTO news (id, target, below, title, content, author_id, created_ms, expires_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
				n.ID, clean(n.Target.Path), n.Target.Below, n.Title, n.Content, n.AuthorID, millis(n.CreatedAt), millis(n.ExpiresAt))
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("add news: %w", err)
	}
	return nil
}

// News implements news.Store.
func (s *Store) News(ctx context.Context, path string, now time.Time) ([]news.Item, error) {
	// What is for the account stands at its path, at one above it, or at none.
	targets := []string{""}
	for i := range path {
		if i > 0 && path[i] == '.' {
			targets = append(targets, path[:i+1])
		}
	}
	query, args := in(`
		SELECT id, target, below, title, content, author_id, created_ms, expires_ms
		FROM news WHERE expires_ms > $1 AND target IN {list} ORDER BY created_ms DESC, id DESC`, 2, targets)
	all, err := collect(ctx, s.read, scanNews, query, append([]any{millis(now)}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("read news: %w", err)
	}
	shown := all[:0]
	for _, n := range all {
		if t := n.Target; t.Path == "" || t.Path == path || t.Below && strings.HasPrefix(path, t.Path) {
			shown = append(shown, n)
		}
	}
	return shown, nil
}

// DeleteNews implements news.Store.
func (s *Store) DeleteNews(ctx context.Context, target news.Target, authorID string) (int64, error) {
	query, args := `DELETE FROM news WHERE target = $1 AND below = $2`, []any{clean(target.Path), target.Below}
	if authorID != "" {
		query, args = query+` AND author_id = $3`, append(args, authorID)
	}
	r, err := s.write.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("delete news: %w", err)
	}
	return r.RowsAffected()
}

func scanNews(row scanner) (news.Item, error) {
	var n news.Item
	var created, expires int64
	err := row.Scan(&n.ID, &n.Target.Path, &n.Target.Below, &n.Title, &n.Content, &n.AuthorID, &created, &expires)
	n.CreatedAt, n.ExpiresAt = instant(created), instant(expires)
	return n, err
}
