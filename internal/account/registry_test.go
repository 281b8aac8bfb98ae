package account_test

import (
	"context"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/secret"
)

// oneKey is a store of one key. It says when it has updated the key and gives others time to come
// between.
type oneKey struct {
	account.Store
	key     account.Key
	updated func()
}

func (s *oneKey) Key(context.Context, string) (account.Key, error) { return s.key, nil }

func (s *oneKey) UpdateKey(_ context.Context, k account.Key) error {
	s.key = k
	s.updated()
	return nil
}

func (s *oneKey) DeleteKey(context.Context, string) error { return nil }

// A key that is deleted while somebody changes it is gone for good: a revoked key must not come back.
func TestDeletedKeyStaysDeleted(t *testing.T) {
	root := account.Account{ID: account.RootID, Enabled: true, Role: account.RoleManager}
	key := account.Key{ID: "k", AccountID: root.ID, Hash: secret.HashKey("sk-plain"), Enabled: true}
	dir := account.NewDirectory([]account.Account{root}, []account.Key{key})
	store := &oneKey{key: key}
	r := account.NewRegistry(store, dir, time.Now)
	deleted := make(chan error, 1)
	store.updated = func() {
		go func() { deleted <- r.DeleteKey(context.Background(), key.ID) }()
		select {
		case err := <-deleted: // it came between
			deleted <- err
		case <-time.After(50 * time.Millisecond): // it waits
		}
	}
	if _, err := r.UpdateKey(t.Context(), key.ID, func(k *account.Key) error { k.Name = "new"; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := <-deleted; err != nil {
		t.Fatal(err)
	}
	if dir.Key(key.Hash) != nil {
		t.Error("the key works after it was deleted")
	}
}
