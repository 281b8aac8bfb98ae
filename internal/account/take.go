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
