package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"tollgate/internal/change"
	"tollgate/internal/secret"
)

// Setting returns the value of a setting, or ErrNotFound.
func (s *Store) Setting(ctx context.Context, name string) (string, error) {
	var value string
	err := s.read.QueryRowContext(ctx, `SELECT value FROM settings WHERE name = $1`, clean(name)).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("setting %q: %w", name, ErrNotFound)
	}
	if err != nil {
		return "", fmt.Errorf("read setting %q: %w", name, err)
	}
	return value, nil
}

// Settings returns all settings by name.
func (s *Store) Settings(ctx context.Context) (map[string]string, error) {
	type setting struct{ name, value string }
	all, err := collect(ctx, s.read, func(row scanner) (setting, error) {
		var v setting
		err := row.Scan(&v.name, &v.value)
		return v, err
	}, `SELECT name, value FROM settings`)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	m := make(map[string]string, len(all))
	for _, v := range all {
		m[v.name] = v.value
	}
	return m, nil
}

// PutSetting adds or replaces a setting. Values are not sealed: no secret belongs here.
func (s *Store) PutSetting(ctx context.Context, name, value string) error {
	err := checkText(map[string]string{"name": name, "value": value})
	if err == nil {
		_, err = s.write.ExecContext(ctx, `
			INSERT INTO settings (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	}
	if err != nil {
		return fmt.Errorf("keep setting %q: %w", name, err)
	}
	return nil
}

// DeleteSetting removes a setting, or answers ErrNotFound.
func (s *Store) DeleteSetting(ctx context.Context, name string) error {
	r, err := s.write.ExecContext(ctx, `DELETE FROM settings WHERE name = $1`, clean(name))
	if err := changed(r, err, ErrNotFound); err != nil {
		return fmt.Errorf("delete setting %q: %w", name, err)
	}
	return nil
}

// ChangeSettings puts some settings and drops others, all or none. Dropping what is not there is no
// error. Values are not sealed, see SealSetting.
func (s *Store) ChangeSettings(ctx context.Context, put map[string]string, drop []string) error {
	err := s.tx(ctx, func(tx *txn) error {
		for name, value := range put {
			if err := checkText(map[string]string{"name": name, "value": value}); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `
				INSERT INTO settings (name, value) VALUES ($1, $2)
				ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value); err != nil {
				return err
			}
		}
		for _, name := range drop {
			if _, err := tx.ExecContext(ctx, `DELETE FROM settings WHERE name = $1`, clean(name)); err != nil {
				return err
			}
		}
		return note(ctx, tx, change.Setting, append(slices.Collect(maps.Keys(put)), drop...)...)
	})
	if err != nil {
		return fmt.Errorf("change settings: %w", err)
	}
	return nil
}

func settingPlace(name string) secret.Place {
	return secret.Place{Table: "settings", Row: name, Column: "value"}
}

// SealSetting returns a secret as it may stand in the setting of that name.
func (s *Store) SealSetting(name string, plain secret.Secret) string {
	return s.sealer.Seal(plain, settingPlace(name))
}

// OpenSetting returns what SealSetting sealed.
func (s *Store) OpenSetting(name, sealed string) (secret.Secret, error) {
	return s.sealer.Open(sealed, settingPlace(name))
}
