package account

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/secret"
)

// TestTakeAll has a second registry catch up with what the first one did while nobody told it.
func TestTakeAll(t *testing.T) {
	ctx := t.Context()
	one, m := registry()
	two := NewRegistry(m, NewDirectory(nil, nil), func() time.Time { return noon })
	keyed := map[string]secret.Secret{}
	equal := func(what string) {
		t.Helper()
		must(t, two.TakeAll(ctx))
		type state struct {
			Accounts map[string]Account
			Found    map[string]string // ids by name and address
			Keys     map[string]string // accounts by plain key
			Below    []string
		}
		of := func(r *Registry) state {
			s := state{map[string]Account{}, map[string]string{}, map[string]string{}, nil}
			for a := range r.dir.Accounts {
				s.Accounts[a.ID] = *a
				for _, called := range []string{a.Name, a.Email} {
					if x := r.dir.Find(called); called != "" && x != nil {
						s.Found[called] = x.ID
					}
				}
			}
			for name, plain := range keyed {
				if c, refused := r.dir.Authenticate(secret.HashKey(plain.Reveal()), noon); refused == "" {
					s.Keys[name] = c.Account.ID
				}
			}
			for _, a := range r.dir.Below(RootID) {
				s.Below = append(s.Below, a.Path)
			}
			slices.Sort(s.Below)
			return s
		}
		if diff := cmp.Diff(of(one), of(two)); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	equal("root")
	made := plant(t, one, "a", "b", "c", "a/a1", "a1/a2", "b/b1")
	for _, name := range []string{"a", "a2", "b1", "c"} {
		_, plain, err := one.CreateKey(ctx, Key{AccountID: made[name].ID, Name: name, Enabled: true})
		must(t, err)
		keyed[name] = plain
	}
	must(t, change(t, one, made["a"].ID, func(a *Account) { a.Email = "a@example.com" }))
	equal("new ones")
	if c, refused := two.dir.Authenticate(secret.HashKey(keyed["a2"].Reveal()), noon); refused != "" || c.Account.Name != "a2" {
		t.Errorf("the key of a2: %s, %+v", refused, c.Account)
	}

	// Names change hands, in either order of the store; a tree moves; keys are replaced, and go.
	for _, pair := range [][2]string{{"a", "b"}, {"c", "b1"}} {
		must(t, change(t, one, made[pair[0]].ID, func(a *Account) { a.Name = "aside" }))
		must(t, change(t, one, made[pair[1]].ID, func(a *Account) { a.Name = pair[0] }))
		must(t, change(t, one, made[pair[0]].ID, func(a *Account) { a.Name = pair[1] }))
	}
	must(t, change(t, one, made["a"].ID, func(a *Account) { a.Email = "" }))
	must(t, change(t, one, made["b"].ID, func(a *Account) { a.Email = "a@example.com" }))
	_, err := one.MoveAccount(ctx, made["a1"].ID, made["b"].ID, 0)
	must(t, err)
	k := one.Keys(made["a2"].ID)[0]
	_, plain, err := one.RotateKey(ctx, k.ID, k.Version, "", 0)
	must(t, err)
	keyed["a2, new"] = plain
	must(t, one.DeleteKey(ctx, one.Keys(made["a"].ID)[0].ID))
	equal("changed ones")
	must(t, one.DeleteAccount(ctx, made["b"].ID, true, func(context.Context, Account) error { return nil }))
	must(t, change(t, one, made["c"].ID, func(a *Account) { a.Name = "a" })) // which the deleted one had
	equal("deleted ones")

	m.refuse = errors.New("the store is away")
	if err := two.TakeAll(ctx); !errors.Is(err, m.refuse) {
		t.Error(err)
	}
	m.refuse = nil
	equal("nothing was lost")
}
