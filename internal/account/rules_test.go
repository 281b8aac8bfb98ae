package account

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/secret"
)

var errStore = errors.New("the store is away")

// ruled is a Store; names, and hashes of keys, are unique.
type ruled struct {
	mu       sync.Mutex
	accounts map[string]Account
	keys     map[string]Key
	refuse   error
}

func (m *ruled) Accounts(context.Context) ([]Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := slices.Collect(maps.Values(m.accounts))
	slices.SortFunc(all, func(a, b Account) int {
		if d := strings.Count(a.Path, ".") - strings.Count(b.Path, "."); d != 0 {
			return d
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all, m.refuse
}

func (m *ruled) Keys(context.Context) ([]Key, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.keys)), nil
}

func (m *ruled) Account(_ context.Context, id string) (Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a, ok := m.accounts[id]; ok {
		return a, nil
	}
	return Account{}, ErrNotFound
}

func (m *ruled) putAccount(a Account, version int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse != nil {
		return m.refuse
	}
	for id, have := range m.accounts {
		if id != a.ID && have.Name == a.Name {
			return ErrConflict
		}
	}
	if m.accounts[a.ID].Version != version {
		return ErrConflict
	}
	a.Version = version + 1
	m.accounts[a.ID] = a
	return nil
}

func (m *ruled) InsertAccount(_ context.Context, a Account) error { return m.putAccount(a, 0) }
func (m *ruled) UpdateAccount(_ context.Context, a Account) error { return m.putAccount(a, a.Version) }

func (m *ruled) MoveAccount(_ context.Context, a Account, from string) error {
	if err := m.putAccount(a, a.Version); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, x := range m.accounts {
		if rest, ok := strings.CutPrefix(x.Path, from); ok {
			x.Path = a.Path + rest
			m.accounts[id] = x
		}
	}
	return nil
}

func (m *ruled) DeleteAccount(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse != nil {
		return m.refuse
	}
	for _, x := range m.accounts {
		if x.ParentID == id {
			return ErrConflict
		}
	}
	delete(m.accounts, id)
	for kid, k := range m.keys {
		if k.AccountID == id {
			delete(m.keys, kid)
		}
	}
	return nil
}

func (m *ruled) Key(_ context.Context, id string) (Key, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k, ok := m.keys[id]; ok {
		return k, nil
	}
	return Key{}, ErrNotFound
}

func (m *ruled) putKey(k Key, version int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse != nil {
		return m.refuse
	}
	for id, have := range m.keys {
		if id != k.ID && have.Hash == k.Hash {
			return ErrConflict
		}
	}
	if m.keys[k.ID].Version != version {
		return ErrConflict
	}
	k.Version = version + 1
	m.keys[k.ID] = k
	return nil
}

func (m *ruled) InsertKey(_ context.Context, k Key) error { return m.putKey(k, 0) }

func (m *ruled) UpdateKey(_ context.Context, k Key) error { return m.putKey(k, k.Version) }

func (m *ruled) DeleteKey(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse != nil {
		return m.refuse
	}
	if _, ok := m.keys[id]; !ok {
		return ErrNotFound
	}
	delete(m.keys, id)
	return nil
}

func registry() (*Registry, *ruled) {
	root := Account{ID: RootID, Path: ".root.", Name: "root", Enabled: true, Role: RoleManager, Version: 1}
	m := &ruled{accounts: map[string]Account{RootID: root}, keys: map[string]Key{}}
	return NewRegistry(m, NewDirectory([]Account{root}, nil), func() time.Time { return noon }), m
}

func wantField(t *testing.T, err error, field string) {
	t.Helper()
	var input *InputError
	if !errors.As(err, &input) || input.Field != field {
		t.Errorf("want a fault of %s, got %v", field, err)
	}
}

func TestAccountRules(t *testing.T) {
	r, m := registry()
	good := Account{ParentID: RootID, Name: "good", Enabled: true}
	for _, c := range []struct {
		field  string
		change func(*Account)
	}{
		{"name", func(a *Account) { a.Name = "" }},
		{"name", func(a *Account) { a.Name = strings.Repeat("é", maxName+1) }},
		{"name", func(a *Account) { a.Name = "a\nb" }},
		{"name", func(a *Account) { a.Name = "a@b" }},
		{"name", func(a *Account) { a.Name = "0199f000-0000-7000-8000-000000000000" }},
		{"email", func(a *Account) { a.Email = "nobody" }},
		{"email", func(a *Account) { a.Email = "@b" }},
		{"email", func(a *Account) { a.Email = "a@" }},
		{"email", func(a *Account) { a.Email = "a@b@c" }},
		{"email", func(a *Account) { a.Email = "a b@c" }},
		{"role", func(a *Account) { a.Role = "king" }},
		{"limits.rpm", func(a *Account) { a.Limits.RPM = -1 }},
		{"limits.concurrent", func(a *Account) { a.Limits.Concurrent = -1 }},
		{"parent_id", func(a *Account) { a.ParentID = "nobody" }},
		{"parent_id", func(a *Account) { a.ParentID = "" }},
	} {
		a := good
		c.change(&a)
		_, err := r.CreateAccount(t.Context(), a)
		wantField(t, err, c.field)
	}
	if len(m.accounts) != 1 {
		t.Errorf("%d accounts are stored", len(m.accounts))
	}
	a := good
	a.Name, a.Email = strings.Repeat("é", maxName), "a+b@c.example"
	if _, err := r.CreateAccount(t.Context(), a); err != nil {
		t.Error(err)
	}
}

func TestDepthOfAccounts(t *testing.T) {
	r, _ := registry()
	at := RootID
	for n := 2; ; n++ {
		a, err := r.CreateAccount(t.Context(), Account{ParentID: at, Name: "l" + strings.Repeat("x", n%60) + string(rune('a'+n/60)), Enabled: true})
		if err != nil {
			wantField(t, err, "parent_id")
			if n != maxDepth+1 {
				t.Errorf("level %d: %v", n, err)
			}
			break
		}
		at = a.ID
	}
	_, plain, err := r.CreateKey(t.Context(), Key{AccountID: at, Enabled: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, refusal := r.Directory().Authenticate(secret.HashKey(plain.Reveal()), noon); refusal != "" {
		t.Errorf("the deepest account: %s", refusal)
	}
}

func TestAccountLife(t *testing.T) {
	r, m := registry()
	ctx := t.Context()
	a, err := r.CreateAccount(ctx, Account{ID: "mine", ParentID: RootID, Name: "a", Enabled: true, Version: 9})
	if err != nil || a.ID == "mine" || a.Path != ".root."+a.ID+"." || a.Role != RoleCaller || a.Version != 1 || !a.CreatedAt.Equal(noon) {
		t.Fatalf("%+v, %v", a, err)
	}
	if _, err := r.CreateAccount(ctx, Account{ParentID: RootID, Name: "a"}); !errors.Is(err, ErrConflict) {
		t.Error(err)
	}
	up, err := r.UpdateAccount(ctx, a.ID, func(x *Account) error {
		x.ID, x.ParentID, x.Path, x.CreatedAt, x.Version = "x", "y", ".z.", time.Time{}, 77
		x.Alias = "alias"
		return nil
	})
	same := a
	same.Alias, same.Version = "alias", 2
	if diff := cmp.Diff(same, up); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if diff := cmp.Diff(same, *r.Directory().Account(a.ID)); diff != "" {
		t.Error(diff)
	}
	// What fails leaves everybody with what was there.
	stop := errors.New("stop")
	for _, c := range []struct {
		refuse error
		change func(*Account) error
		want   error
	}{
		{nil, func(x *Account) error { x.Alias = "no"; return stop }, stop},
		{errStore, func(x *Account) error { x.Alias = "no"; return nil }, errStore},
		{nil, func(x *Account) error { x.Name = "root"; return nil }, ErrConflict},
		{nil, func(x *Account) error { // someone else is faster
			faster := m.accounts[a.ID]
			faster.Version++
			m.accounts[a.ID] = faster
			r.Directory().PutAccount(faster)
			x.Alias = "no"
			return nil
		}, ErrConflict},
	} {
		m.refuse = c.refuse
		if _, err := r.UpdateAccount(ctx, a.ID, c.change); !errors.Is(err, c.want) {
			t.Errorf("%v, want %v", err, c.want)
		}
		m.refuse = nil
		if diff := cmp.Diff(m.accounts[a.ID], *r.Directory().Account(a.ID)); diff != "" || m.accounts[a.ID].Alias == "no" {
			t.Errorf("%v: %s", c.want, diff)
		}
	}
	if _, err := r.UpdateAccount(ctx, "nobody", func(*Account) error { return nil }); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	_, err = r.UpdateAccount(ctx, a.ID, func(x *Account) error { x.Name = ""; return nil })
	wantField(t, err, "name")
}

func TestRootStays(t *testing.T) {
	r, m := registry()
	for _, change := range []func(*Account){func(a *Account) { a.Enabled = false }, func(a *Account) { a.Role = RoleCaller }} {
		_, err := r.UpdateAccount(t.Context(), RootID, func(a *Account) error { change(a); return nil })
		wantField(t, err, "enabled")
	}
	if a := r.Directory().Account(RootID); !a.Enabled || a.Role != RoleManager || m.accounts[RootID].Version != 1 {
		t.Errorf("%+v", a)
	}
}

func TestKeyLife(t *testing.T) {
	r, m := registry()
	ctx := t.Context()
	auth := func(plain secret.Secret) Refusal {
		_, refusal := r.Directory().Authenticate(secret.HashKey(plain.Reveal()), noon)
		return refusal
	}
	for field, k := range map[string]Key{
		"account_id": {AccountID: "nobody"},
		"name":       {AccountID: RootID, Name: strings.Repeat("é", maxName+1)},
		"expires_at": {AccountID: RootID, ExpiresAt: noon},
		"limits.tpm": {AccountID: RootID, Limits: Limits{TPM: -1}},
	} {
		_, _, err := r.CreateKey(ctx, k)
		wantField(t, err, field)
	}
	m.refuse = errStore
	if _, plain, err := r.CreateKey(ctx, Key{AccountID: RootID, Enabled: true}); !errors.Is(err, errStore) || auth(plain) != Unknown {
		t.Errorf("%v, %q", err, auth(plain))
	}
	m.refuse = nil
	k, plain, err := r.CreateKey(ctx, Key{AccountID: RootID, Enabled: true, ExpiresAt: noon.Add(1)})
	if err != nil || !secret.WellFormed(plain.Reveal()) || !strings.HasSuffix(plain.Reveal(), k.Hint) || k.Version != 1 || auth(plain) != "" {
		t.Fatalf("%+v, %v, %q", k, err, auth(plain))
	}
	if _, err := r.ImportKey(ctx, Key{AccountID: RootID}, plain); !errors.Is(err, ErrConflict) || auth(plain) != "" {
		t.Errorf("the same key again: %v, %q", err, auth(plain))
	}
	_, err = r.UpdateKey(ctx, k.ID, func(k *Key) error { k.Name = strings.Repeat("x", maxName+1); return nil })
	wantField(t, err, "name")
	m.refuse = errStore
	if _, err := r.UpdateKey(ctx, k.ID, func(k *Key) error { k.Enabled = false; return nil }); !errors.Is(err, errStore) || auth(plain) != "" {
		t.Errorf("%v, %q", err, auth(plain))
	}
	if err := r.DeleteKey(ctx, k.ID); !errors.Is(err, errStore) || auth(plain) != "" {
		t.Errorf("%v, %q", err, auth(plain))
	}
	m.refuse = nil
	up, err := r.UpdateKey(ctx, k.ID, func(k *Key) error {
		k.ID, k.AccountID, k.Hash, k.Hint, k.CreatedAt = "x", "y", [32]byte{}, "", time.Time{}
		k.ExpiresAt = noon
		return nil
	})
	same := k
	same.ExpiresAt, same.Version = noon, 2
	if diff := cmp.Diff(same, up); diff != "" || err != nil || auth(plain) != KeyExpired {
		t.Errorf("%v, %q: %s", err, auth(plain), diff)
	}
	second, _, err := r.CreateKey(ctx, Key{AccountID: RootID})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Key{up, second}, r.Keys(RootID)); diff != "" {
		t.Error(diff)
	}
	if err := r.DeleteKey(ctx, k.ID); err != nil || auth(plain) != Unknown {
		t.Errorf("%v, %q", err, auth(plain))
	}
	if err := r.DeleteKey(ctx, k.ID); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}
