package app

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/config"
	"tollgate/internal/ledger"
	"tollgate/internal/secret"
	"tollgate/internal/store/sqlstore"
)

// rootKey is root's key and where it came from.
type rootKey struct {
	plain secret.Secret
	fresh bool   // made at this start: shown once
	path  string // file that keeps it; "" when the environment gives it

	rotated bool // another one took its place over the API
}

// openAccounts loads accounts and keys and makes those that the configuration asks for: root and its
// key, and the accounts of the file.
func (a *App) openAccounts(ctx context.Context) error {
	accounts, err := a.store.Accounts(ctx)
	if err != nil {
		return err
	}
	keys, err := a.store.Keys(ctx)
	if err != nil {
		return err
	}
	a.registry = account.NewRegistry(a.store, account.NewDirectory(accounts, keys), time.Now)
	if err := a.ensureRoot(ctx); err != nil {
		return err
	}
	byName := map[string]string{"root": account.RootID}
	for _, acc := range accounts {
		byName[acc.Name] = acc.ID
	}
	for _, want := range a.cfg.Accounts {
		if err := a.ensureAccount(ctx, want, byName); err != nil {
			return fmt.Errorf("accounts: %s (line %d): %w", want.Name, want.Line, err)
		}
	}
	return nil
}

// adminKeyName is the name of root's key that ADMIN_KEY, or the file in the data directory, gives.
const adminKeyName = "admin"

// ensureRoot makes the root account on the first start and lets exactly the configured admin key in.
func (a *App) ensureRoot(ctx context.Context) error {
	dir := a.registry.Directory()
	if dir.Account(account.RootID) == nil {
		now := time.Now().UTC().Truncate(time.Millisecond)
		root := account.Account{
			ID: account.RootID, Path: "." + account.RootID + ".", Name: "root", Enabled: true, Role: account.RoleManager,
			CreatedAt: now, UpdatedAt: now, Version: 1,
		}
		if a.cfg.InitUser != nil {
			root.Email = a.cfg.InitUser.Email
		}
		if err := a.store.InsertAccount(ctx, root); err != nil && !errors.Is(err, account.ErrConflict) {
			return fmt.Errorf("make the root account: %w", err)
		}
		dir.PutAccount(root)
	}
	key, err := a.adminKey()
	if err != nil {
		return err
	}
	a.root = key
	if len(key.plain) < shortKey {
		a.log.LogAttrs(ctx, slog.LevelWarn, "the admin key is short enough to be guessed; set ADMIN_KEY to 32 random characters", slog.Int("characters", len(key.plain)))
	}
	if u := a.cfg.InitUser; u != nil && !secret.WellFormed(u.Key.Reveal()) {
		a.log.LogAttrs(ctx, slog.LevelWarn, "the key of INIT_USERS works, but pages made for ProxyXAI refuse it: they want 51 characters that begin with sk-Xvs")
	}
	return a.letIn(ctx, key)
}

// shortKey is what an admin key should have at least, in bytes.
const shortKey = 16

// adminKeySetting keeps the hash of the configured admin key of the last start.
const adminKeySetting = "admin_key_hash"

// letIn makes the configured admin key work, in the place of the one that was configured before. A key
// that was rotated over the API stands until another one is configured: the old one must not come back
// with a restart.
func (a *App) letIn(ctx context.Context, key rootKey) error {
	hash := secret.HashKey(key.plain.Reveal())
	now := hex.EncodeToString(hash[:])
	before, err := a.store.Setting(ctx, adminKeySetting)
	if err != nil && !errors.Is(err, sqlstore.ErrNotFound) {
		return err
	}
	var others []account.Key
	found := false
	for _, k := range a.registry.Keys(account.RootID) {
		found = found || k.Hash == hash
		if k.Name == adminKeyName && k.Hash != hash {
			others = append(others, k)
		}
	}
	if before == now && !found && len(others) > 0 {
		a.root.rotated = true
		return nil
	}
	for _, k := range others {
		if err := a.registry.DeleteKey(ctx, k.ID); err != nil && !errors.Is(err, account.ErrNotFound) {
			return fmt.Errorf("retire the old admin key: %w", err)
		}
	}
	if !found {
		if _, err := a.registry.ImportKey(ctx, account.Key{AccountID: account.RootID, Name: adminKeyName, Enabled: true}, key.plain); err != nil {
			return fmt.Errorf("store the admin key: %w", err)
		}
	}
	if before == now {
		return nil
	}
	return a.store.PutSetting(ctx, adminKeySetting, now)
}

// adminKey is ADMIN_KEY, or the key of INIT_USERS, or the one kept in the data directory, which is
// made on the first start.
func (a *App) adminKey() (rootKey, error) {
	if k := a.cfg.AdminKey; k != "" {
		return rootKey{plain: k}, nil
	}
	if u := a.cfg.InitUser; u != nil {
		return rootKey{plain: u.Key}, nil
	}
	path := filepath.Join(a.cfg.Data, "admin.key")
	raw, err := os.ReadFile(path)
	if err == nil {
		k := secret.Secret(strings.TrimSpace(string(raw)))
		if k == "" {
			return rootKey{}, fmt.Errorf("%s is empty: put a key into it, or remove it and a new one is made", path)
		}
		return rootKey{plain: k, path: path}, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return rootKey{}, fmt.Errorf("read the admin key: %w", err)
	}
	k := secret.NewKey()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return rootKey{}, fmt.Errorf("keep the admin key: %w", err)
	}
	_, err = f.WriteString(k.Reveal() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return rootKey{}, fmt.Errorf("keep the admin key: %w", err)
	}
	return rootKey{plain: k, fresh: true, path: path}, nil
}

// ensureAccount makes an account of the configuration file, with its credit and keys, unless it is
// there. What operators changed since is left alone; keys that are new in the file are added.
func (a *App) ensureAccount(ctx context.Context, want config.Account, byName map[string]string) error {
	id, ok := byName[want.Name]
	if !ok {
		parent := account.RootID
		if want.Parent != "" {
			if parent, ok = byName[want.Parent]; !ok {
				return fmt.Errorf("parent %q: no such account; it must stand before this one", want.Parent)
			}
		}
		made, err := want.AsAccount()
		if err != nil {
			return err
		}
		made.ParentID = parent
		acc, err := a.registry.CreateAccount(ctx, made)
		if err != nil {
			return err
		}
		id = acc.ID
		byName[want.Name] = id
		a.log.LogAttrs(ctx, slog.LevelInfo, "account made from the configuration file", slog.String("account", id), slog.String("name", want.Name))
	}
	if err := a.ensureCredit(ctx, id, want.Credit); err != nil {
		return err
	}
	for _, k := range want.Keys {
		if have := a.registry.Directory().Key(secret.HashKey(k.Key.Reveal())); have != nil {
			if have.AccountID != id {
				return fmt.Errorf("key %q belongs to another account", k.Name)
			}
			continue
		}
		if slices.ContainsFunc(a.registry.Keys(id), func(x account.Key) bool { return x.Name == k.Name && x.Version > 1 }) {
			a.log.LogAttrs(ctx, slog.LevelWarn, "a key of the configuration file is left out: one of that name was replaced over the API", slog.String("account", id), slog.String("name", k.Name))
			continue
		}
		key, err := k.AsKey()
		if err != nil {
			return fmt.Errorf("key %q: %w", k.Name, err)
		}
		key.AccountID = id
		if _, err := a.registry.ImportKey(ctx, key, k.Key); err != nil {
			return fmt.Errorf("key %q: %w", k.Name, err)
		}
	}
	return nil
}

// ensureCredit grants the first credit of an account, unless its money ever moved: a start that was
// killed may have made the account and no more.
func (a *App) ensureCredit(ctx context.Context, id string, credit catalog.Nanos) error {
	if credit <= 0 {
		return nil
	}
	moved, err := a.store.Entries(ctx, id, ledger.Page{Limit: 1})
	if err != nil || len(moved) > 0 {
		return err
	}
	now := time.Now()
	_, err = a.book.Grant(ctx, ledger.Card{ID: uuid.Must(uuid.NewV7()).String(), AccountID: id, Amount: credit, Reference: "configuration file", GrantedAt: now, ExpiresAt: now.Add(ledger.DefaultCardLife)}, "first credit")
	return err
}
