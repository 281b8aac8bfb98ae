package account

import (
	"context"
	"errors"
	"fmt"
)

// TakeAccounts takes over these accounts as they are in the store, where another process may have changed
// them.
func (r *Registry) TakeAccounts(ctx context.Context, ids []string) error {
	for _, id := range ids {
		if err := r.takeAccount(ctx, id); err != nil {
			return fmt.Errorf("take over account %q: %w", id, err)
		}
	}
	return nil
}

// TakeAll takes over all accounts and keys as they are in the store; what is not there is forgotten here.
func (r *Registry) TakeAll(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	accounts, err := r.store.Accounts(ctx)
	if err != nil {
		return fmt.Errorf("take over all accounts: %w", err)
	}
	keys, err := r.store.Keys(ctx) // later: of an account that was read before a key was made for it there may be more
	if err != nil {
		return fmt.Errorf("take over all keys: %w", err)
	}
	there := make(map[string]bool, len(accounts)+len(keys))
	for _, a := range accounts {
		there[a.ID] = true
	}
	for _, k := range keys {
		there[k.ID] = true
	}
	r.keepOnly(there) // first, as names of those that are gone may be others' now
	var put []Account
	for _, a := range accounts {
		if have := r.dir.Account(a.ID); have == nil || have.Version != a.Version || have.Path != a.Path {
			r.putAccount(ctx, a)
			put = append(put, a)
		}
	}
	for _, a := range put { // once more, where another one still had the name when it was put
		if r.dir.Find(a.Name) != r.dir.Account(a.ID) || a.Email != "" && r.dir.Find(a.Email) != r.dir.Account(a.ID) {
			r.dir.PutAccount(a)
		}
	}
	for _, k := range keys {
		if have := r.dir.KeyByID(k.ID); have == nil || have.Version != k.Version {
			r.putKey(ctx, k)
		}
	}
	return nil
}

// keepOnly forgets accounts and keys but those with these ids.
func (r *Registry) keepOnly(ids map[string]bool) {
	var gone []string
	for a := range r.dir.Accounts {
		if !ids[a.ID] {
			gone = append(gone, a.ID)
		}
	}
	for _, id := range gone {
		r.dir.RemoveAccount(id)
	}
	gone = gone[:0]
	for k := range r.dir.Keys {
		if !ids[k.ID] {
			gone = append(gone, k.ID)
		}
	}
	for _, id := range gone {
		r.dir.RemoveKey(id)
	}
}

func (r *Registry) takeAccount(ctx context.Context, id string) error {
	r.mu.Lock() // from the reading on: a change made here meanwhile would be newer
	defer r.mu.Unlock()
	a, err := r.store.Account(ctx, id)
	switch have := r.dir.Account(id); {
	case errors.Is(err, ErrNotFound):
		r.dir.RemoveAccount(id)
		return nil
	case err != nil:
		return err
	case have == nil || have.Version != a.Version || have.Path != a.Path:
		r.putAccount(ctx, a)
	}
	return nil
}

// TakeKeys takes over these keys as they are in the store.
func (r *Registry) TakeKeys(ctx context.Context, ids []string) error {
	for _, id := range ids {
		if err := r.takeKey(ctx, id); err != nil {
			return fmt.Errorf("take over key %q: %w", id, err)
		}
	}
	return nil
}

func (r *Registry) takeKey(ctx context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, err := r.store.Key(ctx, id)
	switch have := r.dir.KeyByID(id); {
	case errors.Is(err, ErrNotFound):
		r.dir.RemoveKey(id)
		return nil
	case err != nil:
		return err
	case have == nil || have.Version != k.Version:
		r.putKey(ctx, k)
	}
	return nil
}
