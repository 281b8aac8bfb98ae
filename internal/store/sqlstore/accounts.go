package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/change"
	"tollgate/internal/mapping"
)

// Accounts returns all accounts, parents before children.
func (s *Store) Accounts(ctx context.Context) ([]account.Account, error) {
	all, err := collect(ctx, s.read, scanAccount, `
		SELECT id, COALESCE(parent_id, ''), path, name, COALESCE(email, ''), alias, enabled, role, limits, models, pools, doc, created_ms, updated_ms, version
		FROM accounts`)
	if err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	slices.SortFunc(all, func(a, b account.Account) int {
		return cmp.Or(
			cmp.Compare(strings.Count(a.Path, "."), strings.Count(b.Path, ".")),
			a.CreatedAt.Compare(b.CreatedAt),
			strings.Compare(a.ID, b.ID))
	})
	return all, nil
}

// Account returns one account, or account.ErrNotFound.
func (s *Store) Account(ctx context.Context, id string) (account.Account, error) {
	a, err := scanAccount(s.read.QueryRowContext(ctx, `
		SELECT id, COALESCE(parent_id, ''), path, name, COALESCE(email, ''), alias, enabled, role, limits, models, pools, doc, created_ms, updated_ms, version
		FROM accounts WHERE id = $1`, clean(id)))
	if errors.Is(err, sql.ErrNoRows) {
		return account.Account{}, account.ErrNotFound
	}
	if err != nil {
		return account.Account{}, fmt.Errorf("read account %q: %w", id, err)
	}
	return a, nil
}

// InsertAccount adds an account as it is; its parent must exist.
func (s *Store) InsertAccount(ctx context.Context, a account.Account) error {
	args, err := accountArgs(a)
	if err != nil {
		return fmt.Errorf("add account %q: %w", a.ID, err)
	}
	err = s.noted(ctx, change.Account, a.ID, func(tx *txn) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO accounts (id, parent_id, path, name, email, alias, enabled, role, limits, models, pools, doc, updated_ms, version, created_ms)
			VALUES ($1, NULLIF($2, ''), $3, $4, NULLIF($5, ''), $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
			append(args, millis(a.CreatedAt))...)
		return err
	})
	return accountError("add account", a.ID, err)
}

// UpdateAccount replaces all of an account but its id and when it was made.
func (s *Store) UpdateAccount(ctx context.Context, a account.Account) error {
	return s.tx(ctx, func(tx *txn) error { return changeAccount(ctx, tx, a) })
}

// changeAccount is UpdateAccount as the last part of a transaction.
func changeAccount(ctx context.Context, tx *txn, a account.Account) error {
	args, err := accountArgs(a)
	if err == nil {
		err = updateAccount(ctx, tx, args)
	}
	if err == nil {
		err = note(ctx, tx, change.Account, a.ID)
	}
	return accountError("change account", a.ID, err)
}

func updateAccount(ctx context.Context, tx *txn, args []any) error {
	r, err := tx.ExecContext(ctx, `
		UPDATE accounts SET parent_id = NULLIF($2, ''), path = $3, name = $4, email = NULLIF($5, ''), alias = $6, enabled = $7,
			role = $8, limits = $9, models = $10, pools = $11, doc = $12, updated_ms = $13, version = version + 1
		WHERE id = $1 AND version = $14`, args...)
	if err := changed(r, err, account.ErrConflict); !errors.Is(err, account.ErrConflict) {
		return err
	}
	return missingOr(tx.QueryRowContext(ctx, `SELECT 1 FROM accounts WHERE id = $1`, args[0]), account.ErrNotFound, account.ErrConflict)
}

// MoveAccount replaces an account as UpdateAccount does, and the beginning from of the paths below it by
// its new path.
func (s *Store) MoveAccount(ctx context.Context, a account.Account, from string) error {
	args, err := accountArgs(a)
	if err == nil {
		err = s.noted(ctx, change.Account, a.ID, func(tx *txn) error {
			if err := updateAccount(ctx, tx, args); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, `
				UPDATE accounts SET path = $1 || SUBSTR(path, $2) WHERE SUBSTR(path, 1, $3) = $4 AND id <> $5`,
				a.Path, utf8.RuneCountInString(from)+1, utf8.RuneCountInString(from), from, a.ID)
			return err
		})
	}
	return accountError("move account", a.ID, err)
}

// DeleteAccount removes an account and its keys.
func (s *Store) DeleteAccount(ctx context.Context, id string) error {
	err := s.noted(ctx, change.Account, id, func(tx *txn) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM api_keys WHERE account_id = $1`, clean(id)); err != nil {
			return err
		}
		r, err := tx.ExecContext(ctx, `DELETE FROM accounts WHERE id = $1`, clean(id))
		if isOrphan(err) {
			return account.ErrConflict // others are below it
		}
		return changed(r, err, account.ErrNotFound)
	})
	return accountError("delete account", id, err)
}

// missingOr tells why a conditional change met no row: there is none, or it has another version.
func missingOr(row *sql.Row, missing, conflict error) error {
	var one int
	switch err := row.Scan(&one); {
	case errors.Is(err, sql.ErrNoRows):
		return missing
	case err != nil:
		return err
	}
	return conflict
}

// accountError puts the words of package account on what a database says about an account or a key.
func accountError(doing, id string, err error) error {
	switch {
	case err == nil:
		return nil
	case isDuplicate(err):
		err = account.ErrConflict
	case isOrphan(err):
		err = fmt.Errorf("the account it belongs to: %w", account.ErrNotFound)
	}
	return fmt.Errorf("%s %q: %w", doing, id, err)
}

// accountDoc is what the column doc of an account holds. Names are never reused.
type accountDoc struct {
	BillingEmail string                    `json:"billing_email,omitempty"`
	ModelLimits  map[string]account.Limits `json:"model_limits,omitempty"`
	LimitRatio   catalog.Multiplier        `json:"limit_ratio,omitempty"`
	ChildLimit   int64                     `json:"child_limit,omitempty"`
	Paths        []string                  `json:"paths,omitempty"`
	IPs          []netip.Prefix            `json:"ips,omitempty"`
	Level        int                       `json:"level,omitempty"`
	AllowLevels  []int                     `json:"allow_levels,omitempty"`
	Mapping      mapping.Models            `json:"mapping,omitempty"`
	Levels       mapping.Levels            `json:"levels,omitempty"`
	Rates        catalog.Multiplier        `json:"rates,omitempty"`
	Prices       []catalog.Override        `json:"prices,omitempty"`
	Unbilled     bool                      `json:"unbilled,omitempty"`
	HardLimit    catalog.Nanos             `json:"hard_limit,omitempty"`
	SoftLimit    catalog.Nanos             `json:"soft_limit,omitempty"`
	Gear         int                       `json:"gear,omitempty"`
	Factor       int                       `json:"factor,omitempty"`
	Tier         int                       `json:"tier,omitempty"`
	Labels       map[string]string         `json:"labels,omitempty"`
	TimeZone     string                    `json:"time_zone,omitempty"`
}

// accountArgs are all columns of accounts but created_ms, as the statements above count them.
func accountArgs(a account.Account) ([]any, error) {
	limits, err1 := toJSON(a.Limits)
	models, err2 := toJSON(a.Models)
	pools, err3 := toJSON(a.Pools)
	doc, err4 := toJSON(accountDoc{
		a.BillingEmail, a.ModelLimits, a.LimitRatio, a.ChildLimit, a.Paths, a.IPs, a.Level, a.AllowLevels, a.Mapping, a.Levels, a.Rates, a.Prices,
		a.Unbilled, a.HardLimit, a.SoftLimit, a.Gear, a.Factor, a.Tier, a.Labels, a.TimeZone,
	})
	err5 := checkText(map[string]string{"id": a.ID, "parent": a.ParentID, "path": a.Path, "name": a.Name, "email": a.Email, "alias": a.Alias, "role": string(a.Role)})
	return []any{
		a.ID, a.ParentID, a.Path, a.Name, a.Email, a.Alias, a.Enabled, string(a.Role), limits, models, pools, doc,
		millis(a.UpdatedAt), a.Version,
	}, errors.Join(err1, err2, err3, err4, err5)
}

func scanAccount(row scanner) (account.Account, error) {
	var a account.Account
	var limits, models, pools, doc string
	var created, updated int64
	if err := row.Scan(&a.ID, &a.ParentID, &a.Path, &a.Name, &a.Email, &a.Alias, &a.Enabled, &a.Role, &limits, &models, &pools, &doc, &created, &updated, &a.Version); err != nil {
		return a, err
	}
	a.CreatedAt, a.UpdatedAt = instant(created), instant(updated)
	var d accountDoc
	err := errors.Join(
		fromJSON(limits, "limits of account "+a.ID, &a.Limits),
		fromJSON(models, "models of account "+a.ID, &a.Models),
		fromJSON(pools, "pools of account "+a.ID, &a.Pools),
		fromJSON(doc, "account "+a.ID, &d))
	a.BillingEmail, a.ModelLimits, a.LimitRatio, a.ChildLimit, a.Paths, a.IPs = d.BillingEmail, d.ModelLimits, d.LimitRatio, d.ChildLimit, d.Paths, d.IPs
	a.Level, a.AllowLevels, a.Mapping, a.Levels = d.Level, d.AllowLevels, d.Mapping, d.Levels
	a.Rates, a.Prices, a.Unbilled, a.HardLimit, a.SoftLimit = d.Rates, d.Prices, d.Unbilled, d.HardLimit, d.SoftLimit
	a.Gear, a.Factor, a.Tier, a.Labels, a.TimeZone = d.Gear, d.Factor, d.Tier, d.Labels, d.TimeZone
	return a, err
}
