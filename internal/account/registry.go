package account

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"tollgate/internal/secret"
)

// Registry changes accounts and keys: the store first, then the Directory, so that what it answered
// holds for the very next call. Who may change what is left to the APIs; what a tree must look like is
// held here.
type Registry struct {
	mu    sync.Mutex // changes take turns, so that the Directory sees them in the store's order
	store Store
	dir   *Directory
	now   func() time.Time

	// Changed, if set before the first change, is called with every account or key, the other being nil,
	// that was made or changed, after it is in force. It must not change anything here.
	Changed func(ctx context.Context, a *Account, k *Key)
}

// NewRegistry returns a Registry over store that keeps dir up to date.
func NewRegistry(store Store, dir *Directory, now func() time.Time) *Registry {
	return &Registry{store: store, dir: dir, now: now}
}

// Directory returns what the registry keeps up to date.
func (r *Registry) Directory() *Directory { return r.dir }

func (r *Registry) moment() time.Time { return r.now().UTC().Truncate(time.Millisecond) }

// CreateAccount adds an account below a.ParentID. It fills in id, path and times. Errors are
// *InputError, *TakenError and those of the store.
func (r *Registry) CreateAccount(ctx context.Context, a Account) (Account, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.Role == "" {
		a.Role = RoleCaller
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Account{}, fmt.Errorf("make an id: %w", err)
	}
	a.ID = id.String()
	if err := a.Check(); err != nil {
		return Account{}, err
	}
	parent, err := r.roomBelow(a.ParentID, 1)
	if err != nil {
		return Account{}, err
	}
	if err := r.below(parent, &a, &Account{}); err != nil {
		return Account{}, err
	}
	if err := r.free(&a); err != nil {
		return Account{}, err
	}
	a.Path = parent.Path + a.ID + "."
	a.CreatedAt, a.Version = r.moment(), 1
	a.UpdatedAt = a.CreatedAt
	if err := r.store.InsertAccount(ctx, a); err != nil {
		return Account{}, err
	}
	r.putAccount(ctx, a)
	return a, nil
}

// putAccount puts an account in force; if it has moved, those below it go with it.
func (r *Registry) putAccount(ctx context.Context, a Account) {
	from := a.Path
	if old := r.dir.Account(a.ID); old != nil {
		from = old.Path
	}
	r.dir.PutAccount(a)
	if from != a.Path {
		for _, x := range r.dir.Below(a.ID) {
			if rest, ok := strings.CutPrefix(x.Path, from); ok {
				moved := *x
				moved.Path = a.Path + rest
				r.dir.PutAccount(moved)
			}
		}
	}
	if r.Changed != nil {
		r.Changed(ctx, &a, nil)
	}
}

func (r *Registry) putKey(ctx context.Context, k Key) {
	r.dir.PutKey(k)
	if r.Changed != nil {
		r.Changed(ctx, nil, &k)
	}
}

// roomBelow returns the account id if another one with so many levels, itself the first, may be put
// right below it.
func (r *Registry) roomBelow(id string, levels int) (*Account, error) {
	parent := r.dir.Account(id)
	if parent == nil {
		return nil, bad("parent_id", "no such account")
	}
	if strings.Count(parent.Path, ".")-1+levels > maxDepth { // its keys would be refused
		return nil, bad("parent_id", "is %d levels deep; the tree may have %d in all", strings.Count(parent.Path, ".")-1, maxDepth)
	}
	if most := r.dir.Effective(parent).ChildLimit; most > 0 && int64(r.dir.CountChildren(id)) >= most {
		return nil, bad("parent_id", "has %d accounts right below it, the most that it may have", most)
	}
	return parent, nil
}

// UpdateAccount changes the account id by change, which sees it as stored and must not change what its
// lists and maps hold but set new ones. Id, parent, path and times are not its business.
func (r *Registry) UpdateAccount(ctx context.Context, id string, change func(*Account) error) (Account, error) {
	return r.UpdateAccountBy(ctx, id, change, r.store.UpdateAccount)
}

// UpdateAccountBy is UpdateAccount with another one to store the account: put does as Store.UpdateAccount, and
// what else is to happen in the same transaction.
func (r *Registry) UpdateAccountBy(ctx context.Context, id string, change func(*Account) error, put func(context.Context, Account) error) (Account, error) {
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
	if a.ID == RootID && (!a.Enabled || a.Role != RoleManager || a.Name != old.Name) {
		return Account{}, bad("enabled", "root can't be disabled, renamed or lose its role")
	}
	if err := a.Check(); err != nil {
		return Account{}, err
	}
	if a.ID != RootID {
		parent := r.dir.Account(a.ParentID)
		if parent == nil {
			return Account{}, fmt.Errorf("the account above %q: %w", a.ID, ErrNotFound)
		}
		if err := r.below(parent, &a, &old); err != nil {
			return Account{}, err
		}
	}
	if err := r.free(&a); err != nil {
		return Account{}, err
	}
	a.UpdatedAt = r.moment()
	if err := put(ctx, a); err != nil {
		return Account{}, err
	}
	a.Version++
	r.putAccount(ctx, a)
	return a, nil
}

// MoveAccount puts an account, with all below it, right below another one. It is checked as if it were
// made there.
func (r *Registry) MoveAccount(ctx context.Context, id, parentID string, version int64) (Account, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id == RootID {
		return Account{}, bad("id", "root can't be moved")
	}
	a, err := r.store.Account(ctx, id)
	if err != nil {
		return Account{}, err
	}
	if version != 0 && version != a.Version {
		return Account{}, ErrConflict
	}
	if to := r.dir.Account(parentID); to != nil && strings.HasPrefix(to.Path, a.Path) {
		return Account{}, bad("parent_id", "is the account itself or below it: the tree would have a circle")
	}
	levels := 1
	for _, x := range r.dir.Below(id) {
		levels = max(levels, strings.Count(x.Path, ".")-strings.Count(a.Path, ".")+1)
	}
	if parentID == a.ParentID {
		return a, nil
	}
	parent, err := r.roomBelow(parentID, levels)
	if err != nil {
		return Account{}, err
	}
	if err := r.below(parent, &a, &Account{}); err != nil {
		return Account{}, err
	}
	from := a.Path
	a.ParentID, a.Path, a.UpdatedAt = parent.ID, parent.Path+a.ID+".", r.moment()
	if err := r.store.MoveAccount(ctx, a, from); err != nil {
		return Account{}, err
	}
	a.Version++
	r.putAccount(ctx, a)
	return a, nil
}

// DeleteAccount removes an account and its keys and, if withBelow, all accounts below it; without, an
// account that has some is refused with ErrHasBelow. All of their keys stop at once. Then, the deepest
// first, refund takes care of what belongs to an account elsewhere, its money above all, and the account
// is removed. If that fails on the way, those that are left stay disabled, and deleting again goes on.
func (r *Registry) DeleteAccount(ctx context.Context, id string, withBelow bool, refund func(context.Context, Account) error) error {
	if id == RootID {
		return bad("id", "root can't be deleted")
	}
	if err := r.stop(ctx, id, withBelow); err != nil {
		return err
	}
	// refund may take its time and must not keep others from changing accounts. The tree below a stopped
	// account may change meanwhile, so it is asked again until nothing is left.
	for r.dir.Account(id) != nil {
		rest := append([]*Account{r.dir.Account(id)}, r.dir.Below(id)...)
		if len(rest) > 1 && !withBelow {
			return ErrHasBelow
		}
		for _, a := range slices.Backward(rest) {
			if refund != nil {
				if err := refund(ctx, *a); err != nil {
					return fmt.Errorf("close account %q: %w", a.ID, err)
				}
			}
			if err := r.remove(ctx, a.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// stop disables an account that is to be deleted, and with it all below it.
func (r *Registry) stop(ctx context.Context, id string, withBelow bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !withBelow && r.dir.CountChildren(id) > 0 {
		return ErrHasBelow
	}
	a, err := r.store.Account(ctx, id)
	if err != nil || !a.Enabled {
		return err
	}
	a.Enabled, a.UpdatedAt = false, r.moment()
	if err := r.store.UpdateAccount(ctx, a); err != nil {
		return err
	}
	a.Version++
	r.dir.PutAccount(a)
	return nil
}

func (r *Registry) remove(ctx context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dir.CountChildren(id) > 0 {
		return nil // someone put an account there; the next round sees it
	}
	if r.dir.Account(id) == nil {
		return nil // someone deletes the same
	}
	if err := r.store.DeleteAccount(ctx, id); err != nil {
		return err
	}
	r.dir.RemoveAccount(id)
	return nil
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
		return Key{}, bad("account_id", "no such account")
	case !k.ExpiresAt.IsZero() && !k.ExpiresAt.After(r.now()):
		return Key{}, bad("expires_at", "is in the past")
	}
	if err := k.Check(); err != nil {
		return Key{}, err
	}
	if k.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return Key{}, fmt.Errorf("make an id: %w", err)
		}
		k.ID = id.String()
	}
	if err := r.name(&k, plain); err != nil {
		return Key{}, err
	}
	k.OldHash, k.OldUntil = [32]byte{}, time.Time{}
	k.CreatedAt, k.Version = r.moment(), 1
	k.UpdatedAt = k.CreatedAt
	if err := r.store.InsertKey(ctx, k); err != nil {
		return Key{}, err
	}
	r.putKey(ctx, k)
	return k, nil
}

// name gives k the plain form plain, unless another key has it or had it and still works by it.
func (r *Registry) name(k *Key, plain secret.Secret) error {
	p := plain.Reveal()
	hash := secret.HashKey(p)
	if have := r.dir.Key(hash); have != nil {
		return ErrConflict
	}
	k.Hash, k.Hint, k.Tail = hash, secret.Hint(p), ""
	if secret.WellFormed(p) {
		k.Tail = p[len(p)-tailLength:]
	}
	return nil
}

// tailLength is how much of a key is kept to recognise it by. Of the 45 random characters of a key 25
// stay unknown, which is 148 bits.
const tailLength = 20

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
	k.ID, k.AccountID, k.CreatedAt, k.Version = old.ID, old.AccountID, old.CreatedAt, old.Version
	k.Hash, k.Hint, k.Tail, k.OldHash, k.OldUntil = old.Hash, old.Hint, old.Tail, old.OldHash, old.OldUntil
	if err := k.Check(); err != nil {
		return Key{}, err
	}
	return r.put(ctx, k)
}

// put stores a changed key.
func (r *Registry) put(ctx context.Context, k Key) (Key, error) {
	k.UpdatedAt = r.moment()
	if err := r.store.UpdateKey(ctx, k); err != nil {
		return Key{}, err
	}
	k.Version++
	r.putKey(ctx, k)
	return k, nil
}

// maxGrace bounds how long a key that was replaced may go on working.
const maxGrace = 90 * 24 * time.Hour

// RotateKey replaces the plain form of a key by a new one, plain or, if that is "", one that is made and
// returned. The old one works on for grace, and with 0 stops at once; one that an earlier rotation left
// stops in any case. Everything else of the key stays. version is the one of the key that was read: of two
// who replace the same key at once one is refused, or it would be given a key that is dead. 0 is any.
func (r *Registry) RotateKey(ctx context.Context, id string, version int64, plain secret.Secret, grace time.Duration) (Key, secret.Secret, error) {
	if grace < 0 || grace > maxGrace {
		return Key{}, "", bad("grace", "must be between 0 and %d days", int(maxGrace.Hours()/24))
	}
	if plain == "" {
		plain = secret.NewKey()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	k, err := r.store.Key(ctx, id)
	if err != nil {
		return Key{}, "", err
	}
	if version != 0 && version != k.Version {
		return Key{}, "", ErrConflict
	}
	old := k.Hash
	if err := r.name(&k, plain); err != nil {
		return Key{}, "", err
	}
	k.OldHash, k.OldUntil = [32]byte{}, time.Time{}
	if grace > 0 {
		k.OldHash, k.OldUntil = old, r.moment().Add(grace)
	}
	k, err = r.put(ctx, k)
	return k, plain, err
}

// DeleteKey removes a key; it stops at once.
func (r *Registry) DeleteKey(ctx context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.store.DeleteKey(ctx, id); err != nil {
		return err
	}
	r.dir.RemoveKey(id)
	return nil
}

// Keys returns the keys of an account, oldest first.
func (r *Registry) Keys(accountID string) []Key { return r.dir.KeysOf(accountID) }
