package sqlstore

import (
	"context"
	"fmt"

	"tollgate/internal/catalog"
	"tollgate/internal/change"
)

// Models returns the models that operators changed or added, by name.
func (s *Store) Models(ctx context.Context) ([]catalog.Model, error) {
	all, err := collect(ctx, s.read, scanModel, `SELECT name, doc FROM models ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("read models: %w", err)
	}
	return all, nil
}

// PutModel adds or replaces a model.
func (s *Store) PutModel(ctx context.Context, m catalog.Model) error {
	doc, err := toJSON(m)
	if err == nil {
		err = checkText(map[string]string{"name": m.Name})
	}
	if err == nil {
		err = s.noted(ctx, change.Model, m.Name, func(tx *txn) error {
			_, err := tx.ExecContext(ctx, `
				INSERT INTO models (name, doc, version) VALUES ($1, $2, 1)
				ON CONFLICT (name) DO UPDATE SET doc = excluded.doc, version = models.version + 1`, m.Name, doc)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("keep model %q: %w", m.Name, err)
	}
	return nil
}

// DeleteModel removes a model, or answers catalog.ErrNotFound.
func (s *Store) DeleteModel(ctx context.Context, name string) error {
	err := s.noted(ctx, change.Model, name, func(tx *txn) error {
		r, err := tx.ExecContext(ctx, `DELETE FROM models WHERE name = $1`, clean(name))
		return changed(r, err, catalog.ErrNotFound)
	})
	if err != nil {
		return fmt.Errorf("delete model %q: %w", name, err)
	}
	return nil
}

func scanModel(row scanner) (catalog.Model, error) {
	var m catalog.Model
	var name, doc string
	if err := row.Scan(&name, &doc); err != nil {
		return m, err
	}
	return m, fromJSON(doc, "model "+name, &m)
}
