package account

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"tollgate/internal/secret"
)

// Registry changes accounts and keys: the store first, then the Directory, so that what it answered
// holds for the very next call.
type Registry struct {
	mu    sync.Mutex // changes take turns, so that the Directory sees them in the store's order
	store Store
	dir   *Directory
	now   func() time.Time
}

// NewRegistry returns a Registry over store that keeps dir up to date.
func NewRegistry(store Store, dir *Directory, now func() time.Time) *Registry {
	return &Registry{store: store, dir: dir, now: now}
}

// InputError says which field of an account or key was wrong, and why.
type InputError struct {
	Field, Reason string
}

func (e *InputError) Error() string { return e.Field + ": " + e.Reason }

// Directory returns what the registry keeps up to date.
func (r *Registry) Directory() *Directory { return r.dir }

// Bounds of names, in characters.
const (
	minName = 1
	maxName = 63
)

func (a *Account) check() error {
	n := utf8.RuneCountInString(a.Name)
	switch {
	case n < minName || n > maxName:
		return &InputError{"name", fmt.Sprintf("must have %d to %d characters", minName, maxName)}
	case strings.ContainsFunc(a.Name, unicode.IsControl):
		return &InputError{"name", "must not hold control characters"}
	case strings.Contains(a.Name, "@"):
		return &InputError{"name", "must not look like a mail address"}
	case a.Email != "" && (strings.Count(a.Email, "@") != 1 || strings.HasPrefix(a.Email, "@") || strings.HasSuffix(a.Email, "@") || strings.ContainsFunc(a.Email, unicode.IsSpace)):
		return &InputError{"email", "is not a mail address"}
	case a.Role != RoleManager && a.Role != RoleCaller:
		return &InputError{"role", "must be manager or caller"}
	}
	if _, err := uuid.Parse(a.Name); err == nil {
		return &InputError{"name", "must not look like an id"}
	}
	return a.Limits.check()
}

func (k *Key) check() error {
	if utf8.RuneCountInString(k.Name) > maxName {
		return &InputError{"name", fmt.Sprintf("must have at most %d characters", maxName)}
	}
	return k.Limits.check()
}

func (l Limits) check() error {
	for name, v := range map[string]int64{"rpm": l.RPM, "rph": l.RPH, "rpd": l.RPD, "tpm": l.TPM, "tph": l.TPH, "tpd": l.TPD, "concurrent": l.Concurrent} {
		if v < 0 {
			return &InputError{"limits." + name, "must not be negative; 0 is no limit"}
		}
	}
	return nil
}

// CreateAccount adds an account below a.ParentID. It fills in id, path and times.
func (r *Registry) CreateAccount(ctx context.Context, a Account) (Account, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.Role == "" {
		a.Role = RoleCaller
	}
	if err := a.check(); err != nil {
		return Account{}, err
	}
	parent := r.dir.Account(a.ParentID)
	if parent == nil {
		return Account{}, &InputError{"parent_id", "no such account"}
	}
	if strings.Count(parent.Path, ".")-1 >= maxDepth { // its keys would be refused
		return Account{}, &InputError{"parent_id", fmt.Sprintf("is %d levels deep already; there are no more", maxDepth)}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Account{}, fmt.Errorf("make an id: %w", err)
	}
	a.ID = id.String()
	a.Path = parent.Path + a.ID + "."
	a.CreatedAt, a.Version = r.now().UTC().Truncate(time.Millisecond), 1
	a.UpdatedAt = a.CreatedAt
	if err := r.store.InsertAccount(ctx, a); err != nil {
		return Account{}, err
	}
	r.dir.PutAccount(a)
	return a, nil
}

// UpdateAccount changes the account id by change, which sees it as stored. Id, parent, path and
// times are not its business.
func (r *Registry) UpdateAccount(ctx context.Context, id string, change func(*Account) error) (Account, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, err := r.store.Account(ctx, id)
	if err != nil {
		return Account{}, err
	}
	a := old
	if err := change(&a); err != nil {
		return Account{}, err
	}
	a.ID, a.ParentID, a.Path, a.CreatedAt, a.Version = old.ID, old.ParentID, old.Path, old.CreatedAt, old.Version
	if a.ID == RootID && (!a.Enabled || a.Role != RoleManager) {
		return Account{}, &InputError{"enabled", "root can't be disabled or lose its role"}
	}
	if err := a.check(); err != nil {
		return Account{}, err
	}
	a.UpdatedAt = r.now().UTC().Truncate(time.Millisecond)
	if err := r.store.UpdateAccount(ctx, a); err != nil {
		return Account{}, err
	}
	a.Version++
	r.dir.PutAccount(a)
	return a, nil
}

// CreateKey makes a key for k.AccountID and returns its plain form, which is not kept anywhere.
func (r *Registry) CreateKey(ctx context.Context, k Key) (Key, secret.Secret, error) {
	plain := secret.NewKey()
	k, err := r.ImportKey(ctx, k, plain)
	return k, plain, err
}

// ImportKey stores a key whose plain form someone chose (ADMIN_KEY, a configuration file).
func (r *Registry) ImportKey(ctx context.Context, k Key, plain secret.Secret) (Key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.dir.Account(k.AccountID) == nil:
		return Key{}, &InputError{"account_id", "no such account"}
	case !k.ExpiresAt.IsZero() && !k.ExpiresAt.After(r.now()):
		return Key{}, &InputError{"expires_at", "is in the past"}
	}
	if err := k.check(); err != nil {
		return Key{}, err
	}
	if k.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return Key{}, fmt.Errorf("make an id: %w", err)
		}
		k.ID = id.String()
	}
	p := plain.Reveal()
	k.Hash, k.Hint = secret.HashKey(p), secret.Hint(p)
	k.CreatedAt, k.Version = r.now().UTC().Truncate(time.Millisecond), 1
	k.UpdatedAt = k.CreatedAt
	if err := r.store.InsertKey(ctx, k); err != nil {
		return Key{}, err
	}
	r.dir.PutKey(k)
	return k, nil
}

// UpdateKey changes the key id by change, which sees it as stored. Id, account, hash and times are
// not its business.
func (r *Registry) UpdateKey(ctx context.Context, id string, change func(*Key) error) (Key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, err := r.store.Key(ctx, id)
	if err != nil {
		return Key{}, err
	}
	k := old
	if err := change(&k); err != nil {
		return Key{}, err
	}
	k.ID, k.AccountID, k.Hash, k.Hint, k.CreatedAt, k.Version = old.ID, old.AccountID, old.Hash, old.Hint, old.CreatedAt, old.Version
	if err := k.check(); err != nil {
		return Key{}, err
	}
	k.UpdatedAt = r.now().UTC().Truncate(time.Millisecond)
	if err := r.store.UpdateKey(ctx, k); err != nil {
		return Key{}, err
	}
	k.Version++
	r.dir.PutKey(k)
	return k, nil
}

// DeleteKey removes a key; it stops at once.
func (r *Registry) DeleteKey(ctx context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, err := r.store.Key(ctx, id)
	if err != nil {
		return err
	}
	if err := r.store.DeleteKey(ctx, id); err != nil {
		return err
	}
	r.dir.RemoveKey(k.Hash)
	return nil
}

// Keys returns the keys of an account, oldest first.
func (r *Registry) Keys(accountID string) []Key {
	var out []Key
	for i := range shards {
		for _, k := range *r.dir.keys[i].Load() {
			if k.AccountID == accountID {
				out = append(out, *k)
			}
		}
	}
	sortKeys(out)
	return out
}

func sortKeys(keys []Key) {
	slices.SortFunc(keys, func(a, b Key) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
}
