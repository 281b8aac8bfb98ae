package account

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/catalog"
	"tollgate/internal/mapping"
	"tollgate/internal/secret"
)

// plant makes accounts named "parent/child" below root, each enabled, and returns them by their own name.
func plant(t *testing.T, r *Registry, names ...string) map[string]Account {
	t.Helper()
	made := map[string]Account{"root": {ID: RootID}}
	for _, n := range names {
		parent, name, ok := strings.Cut(n, "/")
		if !ok {
			parent, name = "root", n
		}
		a, err := r.CreateAccount(t.Context(), Account{ParentID: made[parent].ID, Name: name, Enabled: true, Role: RoleManager})
		if err != nil {
			t.Fatal(err)
		}
		made[name] = a
	}
	return made
}

func change(t *testing.T, r *Registry, id string, f func(*Account)) error {
	t.Helper()
	_, err := r.UpdateAccount(t.Context(), id, func(a *Account) error { f(a); return nil })
	return err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFieldsAreChecked(t *testing.T) {
	r, m := registry()
	prefix := netip.MustParsePrefix
	for _, c := range []struct {
		field  string
		change func(*Account)
	}{
		{"name", func(a *Account) { a.Name = "4711" }},
		{"name", func(a *Account) { a.Name = ".1.42." }},
		{"name", func(a *Account) { a.Name = " a" }},
		{"name", func(a *Account) { a.Name = "a/b" }},
		{"email", func(a *Account) { a.Email = "a@b,c@d" }},
		{"billing_email", func(a *Account) { a.BillingEmail = "nobody" }},
		{"alias", func(a *Account) { a.Alias = strings.Repeat("x", maxAlias+1) }},
		{"child_limit", func(a *Account) { a.ChildLimit = -1 }},
		{"level", func(a *Account) { a.Level = mapping.MaxLevel + 1 }},
		{"hard_limit", func(a *Account) { a.HardLimit = -1 }},
		{"hard_limit", func(a *Account) { a.HardLimit = maxMoney + 1 }},
		{"soft_limit", func(a *Account) { a.SoftLimit = -1 }},
		{"rates", func(a *Account) { a.Rates = catalog.One - 1 }},
		{"rates", func(a *Account) { a.Rates = -1 }},
		{"rates", func(a *Account) { a.Rates = catalog.MaxMultiplier + 1 }},
		{"time_zone", func(a *Account) { a.TimeZone = "Local" }},
		{"time_zone", func(a *Account) { a.TimeZone = "../etc/passwd" }},
		{"model_limits.gpt-4.rpm", func(a *Account) { a.ModelLimits = map[string]Limits{"gpt-4": {RPM: -1}} }},
		{"model_limits", func(a *Account) { a.ModelLimits = map[string]Limits{"gpt-4": {}} }},
		{"model_limits", func(a *Account) { a.ModelLimits = map[string]Limits{"gpt-[4]": {RPM: 1}} }},
		{"models", func(a *Account) { a.Models = []string{"-"} }},
		{"models", func(a *Account) { a.Models = []string{""} }},
		{"models", func(a *Account) { a.Models = []string{"--gpt-4"} }},
		{"paths", func(a *Account) { a.Paths = []string{"--/v1/files"} }},
		{"model_limits", func(a *Account) { a.ModelLimits = map[string]Limits{"-gpt-4": {RPM: 1}} }},
		{"models", func(a *Account) { a.Models = []string{"gpt-?"} }},
		{"models", func(a *Account) { a.Models = []string{"gpt 4"} }},
		{"models", func(a *Account) { a.Models = []string{strings.Repeat("x", maxPattern+1)} }},
		{"paths", func(a *Account) { a.Paths = []string{"v1/chat"} }},
		{"pools", func(a *Account) { a.Pools = []string{"a b"} }},
		{"pools", func(a *Account) { a.Pools = []string{"a", "a"} }},
		{"allow_levels", func(a *Account) { a.AllowLevels = []int{11} }},
		{"allow_levels", func(a *Account) { a.AllowLevels = []int{1, 1} }},
		{"ips", func(a *Account) { a.IPs = []netip.Prefix{{}} }},
		{"ips", func(a *Account) { a.IPs = []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr("10.1.2.3"), 8)} }},
		{"ips", func(a *Account) { a.IPs = []netip.Prefix{prefix("::ffff:10.0.0.0/104")} }},
		{"model_mapper", func(a *Account) { a.Mapping = mapping.Models{{From: "a", To: "b*"}} }},
		{"level_mapper", func(a *Account) { a.Levels = mapping.Levels{{Model: "a", Level: 11}} }},
		{"prices", func(a *Account) { a.Prices = []catalog.Override{{Model: "a"}} }},
		{"prices", func(a *Account) { a.Prices = []catalog.Override{{Model: "a", Rates: catalog.Rates{Input: "-1"}}} }},
		{"prices", func(a *Account) { a.Prices = []catalog.Override{{Model: "a", Free: true}, {Model: "A", Free: true}} }},
		{"labels", func(a *Account) { a.Labels = map[string]string{"": "x"} }},
	} {
		a := Account{ParentID: RootID, Name: "good", Enabled: true}
		c.change(&a)
		_, err := r.CreateAccount(t.Context(), a)
		wantField(t, err, c.field)
	}
	if len(m.accounts) != 1 {
		t.Errorf("%d accounts are stored", len(m.accounts))
	}
	for field, k := range map[string]Key{
		"quota.day": {AccountID: RootID, Quota: Quota{Day: -1}},
		"models":    {AccountID: RootID, Models: []string{"a,b"}},
		"paths":     {AccountID: RootID, Paths: []string{"x"}},
	} {
		_, _, err := r.CreateKey(t.Context(), k)
		wantField(t, err, field)
	}
	_, _, err := r.CreateKey(t.Context(), Key{AccountID: RootID, Models: []string{"gpt-*", "--gpt-4"}})
	wantField(t, err, "models")
	if _, err := r.CreateAccount(t.Context(), Account{ParentID: RootID, Name: "good", Enabled: true, Models: []string{"gpt-*", "-gpt-4"}, Paths: []string{"-/v1/files"}}); err != nil {
		t.Errorf("exclusions: %v", err)
	}
}

// An account may not have more than the one above it; what was right once stays and has no effect.
func TestChildrenHaveNoMore(t *testing.T) {
	r, _ := registry()
	x := plant(t, r, "team", "team/leaf")
	must(t, change(t, r, x["team"].ID, func(a *Account) {
		a.Limits, a.Rates, a.ChildLimit, a.Level, a.TimeZone = Limits{RPM: 100}, catalog.One*2, 5, 2, "Asia/Shanghai"
	}))
	for field, f := range map[string]func(*Account){
		"limits.rpm":   func(a *Account) { a.Limits.RPM = 101 },
		"rates":        func(a *Account) { a.Rates = catalog.One * 3 / 2 },
		"child_limit":  func(a *Account) { a.ChildLimit = 6 },
		"pools":        func(a *Account) { a.Pools = []string{"default"} },
		"level":        func(a *Account) { a.Level = 3 },
		"allow_levels": func(a *Account) { a.AllowLevels = []int{0} },
	} {
		wantField(t, change(t, r, x["leaf"].ID, f), field)
	}
	d := r.Directory()
	leaf := func() Effective { return d.Effective(d.Account(x["leaf"].ID)) }
	if e := leaf(); e.Limits != (Limits{RPM: 100}) || e.Rates != catalog.One*2 || e.ChildLimit != 5 || e.Level != 2 || e.Zone.String() != "Asia/Shanghai" {
		t.Errorf("what is not said is inherited: %+v", e)
	}
	must(t, change(t, r, x["leaf"].ID, func(a *Account) {
		a.Limits, a.Rates, a.ChildLimit = Limits{RPM: 90, TPM: 7}, catalog.One*5/2, 4
	}))
	if e := leaf(); e.Limits != (Limits{RPM: 90, TPM: 7}) || e.Rates != catalog.One*5/2 || e.ChildLimit != 4 {
		t.Errorf("what is said holds: %+v", e)
	}
	must(t, change(t, r, x["team"].ID, func(a *Account) { a.Limits.RPM, a.Rates = 10, catalog.One*3 }))
	if e := leaf(); e.Limits.RPM != 10 || e.Rates != catalog.One*3 {
		t.Errorf("a change above holds below: %+v", e)
	}
	must(t, change(t, r, x["leaf"].ID, func(a *Account) { a.Alias = "still possible" }))
	wantField(t, change(t, r, x["leaf"].ID, func(a *Account) { a.Limits.RPM = 89 }), "limits.rpm")
}

func TestChildLimit(t *testing.T) {
	r, _ := registry()
	x := plant(t, r, "team", "team/one")
	must(t, change(t, r, x["team"].ID, func(a *Account) { a.ChildLimit = 1 }))
	_, err := r.CreateAccount(t.Context(), Account{ParentID: x["team"].ID, Name: "two"})
	wantField(t, err, "parent_id")
	plant(t, r, "other")
	_, err = r.MoveAccount(t.Context(), r.Directory().Find("other").ID, x["team"].ID, 0)
	wantField(t, err, "parent_id")
}

func TestFind(t *testing.T) {
	r, _ := registry()
	a, err := r.CreateAccount(t.Context(), Account{ParentID: RootID, Name: "Ann", Email: "Ann@Example.com"})
	must(t, err)
	d := r.Directory()
	for _, who := range []string{a.ID, "Ann", "ANN", "ann@example.com"} {
		if x := d.Find(who); x == nil || x.ID != a.ID {
			t.Errorf("%q: %+v", who, x)
		}
	}
	for field, twin := range map[string]Account{"name": {Name: "aNN"}, "email": {Name: "bob", Email: "ANN@example.com"}} {
		twin.ParentID = RootID
		_, err := r.CreateAccount(t.Context(), twin)
		var taken *TakenError
		if !errors.As(err, &taken) || taken.Field != field || !errors.Is(err, ErrConflict) {
			t.Errorf("%s: %v", field, err)
		}
	}
	must(t, change(t, r, a.ID, func(a *Account) { a.Name, a.Email = "bea", "" }))
	if d.Find("ann") != nil || d.Find("ann@example.com") != nil || d.Find("bea") == nil || d.Find("") != nil {
		t.Error("after a change of name")
	}
}

func TestMove(t *testing.T) {
	r, m := registry()
	x := plant(t, r, "a", "a/b", "b/c", "c/d", "e")
	ctx := t.Context()
	k, plain, err := r.CreateKey(ctx, Key{AccountID: x["d"].ID, Enabled: true})
	must(t, err)
	for _, to := range []string{"b", "c", "d"} {
		_, err := r.MoveAccount(ctx, x["b"].ID, x[to].ID, 0)
		wantField(t, err, "parent_id")
	}
	_, err = r.MoveAccount(ctx, x["b"].ID, "nobody", 0)
	wantField(t, err, "parent_id")
	_, err = r.MoveAccount(ctx, RootID, x["a"].ID, 0)
	wantField(t, err, "id")
	if _, err := r.MoveAccount(ctx, x["b"].ID, x["e"].ID, 7); !errors.Is(err, ErrConflict) {
		t.Errorf("another version: %v", err)
	}
	must(t, change(t, r, x["e"].ID, func(a *Account) { a.Limits.RPM, a.Rates = 5, catalog.One*2 }))
	must(t, change(t, r, x["b"].ID, func(a *Account) { a.Limits.RPM = 6 }))
	_, err = r.MoveAccount(ctx, x["b"].ID, x["e"].ID, 0)
	wantField(t, err, "limits.rpm")
	must(t, change(t, r, x["b"].ID, func(a *Account) { a.Limits.RPM, a.Rates = 5, catalog.One }))
	_, err = r.MoveAccount(ctx, x["b"].ID, x["e"].ID, 0)
	wantField(t, err, "rates")
	must(t, change(t, r, x["b"].ID, func(a *Account) { a.Rates = 0 }))
	m.refuse = errStore
	if _, err = r.MoveAccount(ctx, x["b"].ID, x["e"].ID, 0); !errors.Is(err, errStore) {
		t.Error(err)
	}
	m.refuse = nil
	moved, err := r.MoveAccount(ctx, x["b"].ID, x["e"].ID, 0)
	must(t, err)
	d := r.Directory()
	for _, name := range []string{"b", "c", "d"} {
		a := d.Find(name)
		if diff := cmp.Diff(m.accounts[a.ID], *a); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if !strings.HasPrefix(a.Path, ".root."+x["e"].ID+"."+x["b"].ID+".") || !strings.HasSuffix(a.Path, "."+a.ID+".") {
			t.Errorf("%s is at %s", name, a.Path)
		}
	}
	if moved.ParentID != x["e"].ID || d.CountChildren(x["a"].ID) != 0 || d.CountChildren(x["e"].ID) != 1 || len(d.Below(x["e"].ID)) != 3 {
		t.Errorf("%+v", moved)
	}
	must(t, change(t, r, x["e"].ID, func(a *Account) { a.Enabled = false }))
	if _, refusal := d.Authenticate(secret.HashKey(plain.Reveal()), noon); refusal != AccountDisabled {
		t.Errorf("key %s: %q", k.ID, refusal)
	}
}

func TestMoveKeepsDepth(t *testing.T) {
	r, _ := registry()
	at := RootID
	for n := 2; n <= maxDepth; n++ {
		a, err := r.CreateAccount(t.Context(), Account{ParentID: at, Name: "deep" + strings.Repeat("x", n%50) + string(rune('a'+n/50))})
		must(t, err)
		at = a.ID
	}
	x := plant(t, r, "one", "one/two")
	up := r.Directory().Account(at).ParentID
	_, err := r.MoveAccount(t.Context(), x["one"].ID, up, 0)
	wantField(t, err, "parent_id")
	if _, err := r.MoveAccount(t.Context(), x["two"].ID, up, 0); err != nil {
		t.Error(err)
	}
}

func TestDelete(t *testing.T) {
	r, m := registry()
	x := plant(t, r, "a", "a/b", "b/c", "a/d", "e")
	ctx := t.Context()
	_, plain, err := r.CreateKey(ctx, Key{AccountID: x["c"].ID, Enabled: true})
	must(t, err)
	auth := func() Refusal {
		_, refusal := r.Directory().Authenticate(secret.HashKey(plain.Reveal()), noon)
		return refusal
	}
	wantField(t, r.DeleteAccount(ctx, RootID, true, nil), "id")
	if err := r.DeleteAccount(ctx, "nobody", true, nil); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if err := r.DeleteAccount(ctx, x["a"].ID, false, nil); !errors.Is(err, ErrHasBelow) || auth() != "" {
		t.Errorf("%v, %q", err, auth())
	}
	// The money of b can't be returned: what is left is stopped, and nothing above it is gone.
	stop := errors.New("stop")
	var closed []string
	err = r.DeleteAccount(ctx, x["a"].ID, true, func(_ context.Context, a Account) error {
		if auth() == "" {
			t.Errorf("a key works while %s is closed", a.Name)
		}
		if a.Name == "b" {
			return stop
		}
		closed = append(closed, a.Name)
		return nil
	})
	if !errors.Is(err, stop) || r.Directory().Find("b") == nil || r.Directory().Find("c") != nil || auth() != Unknown {
		t.Errorf("%v", err)
	}
	must(t, r.DeleteAccount(ctx, x["a"].ID, true, func(_ context.Context, a Account) error { closed = append(closed, a.Name); return nil }))
	if !slices.Equal(closed, []string{"c", "d", "b", "a"}) {
		t.Errorf("closed %v", closed)
	}
	if len(m.accounts) != 2 || len(m.keys) != 0 || r.Directory().Find("a") != nil || r.Directory().CountChildren(RootID) != 1 {
		t.Errorf("%d accounts and %d keys are left", len(m.accounts), len(m.keys))
	}
	plant(t, r, "a") // its name is free
}

func TestRotateKey(t *testing.T) {
	r, m := registry()
	ctx := t.Context()
	now := noon
	r.now = func() time.Time { return now }
	auth := func(plain secret.Secret) Refusal {
		_, refusal := r.Directory().Authenticate(secret.HashKey(plain.Reveal()), now)
		return refusal
	}
	k, first, err := r.CreateKey(ctx, Key{AccountID: RootID, Enabled: true, Models: []string{"gpt-*"}, Quota: Quota{Day: 1}})
	must(t, err)
	_, second, err := r.RotateKey(ctx, k.ID, 0, "", 0)
	must(t, err)
	if auth(first) != Unknown || auth(second) != "" {
		t.Errorf("without grace: %q, %q", auth(first), auth(second))
	}
	_, third, err := r.RotateKey(ctx, k.ID, 0, "", time.Hour)
	must(t, err)
	if c, refusal := r.Directory().Authenticate(secret.HashKey(second.Reveal()), now); !c.Replaced || refusal != "" || auth(third) != "" {
		t.Errorf("in grace: %q, %q", auth(second), auth(third))
	}
	// The hash stays after a restart, and so does its end.
	d := NewDirectory([]Account{m.accounts[RootID]}, []Key{m.keys[k.ID]})
	if _, refusal := d.Authenticate(secret.HashKey(second.Reveal()), now.Add(time.Hour-1)); refusal != "" {
		t.Errorf("after a restart: %q", refusal)
	}
	if _, refusal := d.Authenticate(secret.HashKey(second.Reveal()), now.Add(time.Hour)); refusal != KeyRotated {
		t.Errorf("after a restart and its time: %q", refusal)
	}
	now = now.Add(time.Hour)
	if auth(second) != KeyRotated || auth(third) != "" {
		t.Errorf("after grace: %q, %q", auth(second), auth(third))
	}
	if c, _ := r.Directory().Authenticate(secret.HashKey(third.Reveal()), now); c.Replaced {
		t.Error("the new key counts as replaced")
	}
	seen := r.Directory().Key(secret.HashKey(third.Reveal())).Version
	if _, _, err := r.RotateKey(ctx, k.ID, seen-1, "", 0); !errors.Is(err, ErrConflict) || auth(third) != "" {
		t.Errorf("a key that was replaced in the meantime: %v, %q", err, auth(third))
	}
	chosen := secret.Secret("sk-somebody-chose-this-one-0123456789")
	got, _, err := r.RotateKey(ctx, k.ID, seen, chosen, time.Hour)
	must(t, err)
	if auth(second) != Unknown || auth(third) != "" || auth(chosen) != "" || got.Tail != "" || got.Hint != "6789" {
		t.Errorf("chosen: %+v", got)
	}
	if got.Models[0] != "gpt-*" || got.Quota.Day != 1 || got.ID != k.ID {
		t.Errorf("the rest stays: %+v", got)
	}
	if _, err := r.ImportKey(ctx, Key{AccountID: RootID}, third); !errors.Is(err, ErrConflict) {
		t.Errorf("a key in its time of grace, given to another one: %v", err)
	}
	_, _, err = r.RotateKey(ctx, k.ID, 0, "", maxGrace+1)
	wantField(t, err, "grace")
	m.refuse = errStore
	if _, _, err := r.RotateKey(ctx, k.ID, 0, "", 0); !errors.Is(err, errStore) || auth(chosen) != "" {
		t.Errorf("%v, %q", err, auth(chosen))
	}
	m.refuse = nil
	must(t, r.DeleteKey(ctx, k.ID))
	if auth(third) != Unknown || auth(chosen) != Unknown {
		t.Error("deleted")
	}
}

func TestPools(t *testing.T) {
	r, _ := registry()
	x := plant(t, r, "team", "team/leaf")
	d := r.Directory()
	leaf := func() *Account { return d.Account(x["leaf"].ID) }
	check := func(what string, start []string, may, mayNot string) {
		t.Helper()
		if diff := cmp.Diff(start, d.PoolsOf(leaf())); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
		for _, p := range strings.Fields(may) {
			name, rule := strings.CutSuffix(p, "!")
			if !d.MayUsePool(leaf(), name, rule) {
				t.Errorf("%s: %s is refused", what, p)
			}
		}
		for _, p := range strings.Fields(mayNot) {
			name, rule := strings.CutSuffix(p, "!")
			if d.MayUsePool(leaf(), name, rule) {
				t.Errorf("%s: %s is allowed", what, p)
			}
		}
	}
	both := func(team, leaf func(*Account)) {
		t.Helper()
		reset := func(a *Account) { a.Pools, a.AllowLevels, a.Level = nil, nil, 0 }
		must(t, change(t, r, x["leaf"].ID, reset))
		must(t, change(t, r, x["team"].ID, reset))
		must(t, change(t, r, x["team"].ID, team))
		must(t, change(t, r, x["leaf"].ID, leaf))
	}
	none := func(*Account) {}
	both(none, none)
	check("nothing said", []string{"default"}, "default level-4!", "level-4 gold")
	both(func(a *Account) { a.Level = 2 }, none)
	check("level above", []string{"level-2"}, "level-2 level-4!", "default level-4")
	both(func(a *Account) { a.Pools = []string{"gold", "default"} }, none)
	check("pools above", []string{"gold", "default"}, "gold default", "level-2 level-2! silver")
	both(func(a *Account) { a.Level, a.AllowLevels = 2, []int{2, 3} }, func(a *Account) { a.Level = 3 })
	check("levels above", []string{"level-3"}, "level-2 level-3 level-2!", "default level-4 level-4!")
	both(func(a *Account) { a.Pools, a.AllowLevels = []string{"gold"}, []int{3} }, func(a *Account) { a.AllowLevels = []int{3} })
	check("both lists", []string{"gold"}, "level-3", "default")
	if !d.MayUsePool(d.Account(RootID), "anything", false) {
		t.Error("root may use all")
	}
	// What the account above loses is lost below, whatever is written there.
	both(func(a *Account) { a.Pools = []string{"gold", "silver"} }, func(a *Account) { a.Pools = []string{"silver"} })
	must(t, change(t, r, x["team"].ID, func(a *Account) { a.Pools = []string{"gold"} }))
	check("narrowed above", []string{"silver"}, "", "gold silver silver!")
}

func TestAccess(t *testing.T) {
	r, _ := registry()
	x := plant(t, r, "team", "team/leaf")
	ips, err := ParseIPs([]string{"192.0.2.0/24", "2001:db8::1", "::ffff:198.51.100.7"})
	must(t, err)
	must(t, change(t, r, x["team"].ID, func(a *Account) {
		a.IPs, a.Paths, a.Models = ips, []string{"/v1/*", "-/v1/files*"}, []string{"gpt-*"}
		a.Mapping = mapping.Models{{From: "gpt-3.5*", To: "gpt-5"}}
	}))
	must(t, change(t, r, x["leaf"].ID, func(a *Account) { a.Mapping = mapping.Models{{From: "best", To: "gpt-6"}} }))
	d := r.Directory()
	c := Caller{Account: d.Account(x["leaf"].ID), Key: &Key{IPs: ips[:1], Models: []string{"-gpt-4"}, Paths: []string{"/v1/chat/*"}}}
	for addr, want := range map[string]bool{"192.0.2.9": true, "192.0.3.9": false, "2001:db8::1": false, "198.51.100.7": false} {
		if got := d.Welcome(c, netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	if d.Welcome(c, netip.Addr{}) || !d.Welcome(Caller{Account: c.Account, Key: &Key{}}, netip.MustParseAddr("198.51.100.7")) {
		t.Error("an address that is not known, or one of the account's")
	}
	for path, want := range map[string]bool{"/v1/chat/completions": true, "/v1/files": false, "/v1/models": false} {
		if got := d.MayReach(c, path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
	for model, want := range map[string]bool{"gpt-5": true, "gpt-4": false, "claude": false} {
		if got := d.MayCall(c, model); got != want {
			t.Errorf("%s: %v", model, got)
		}
	}
	for model, want := range map[string]string{"gpt-3.5-turbo": "gpt-5", "best": "gpt-6", "other": "other"} {
		if got, ok := d.Map(c.Account, model); got != want || ok != (want != model) {
			t.Errorf("%s: %s", model, got)
		}
	}
	for _, bad := range []string{"", "localhost", "10.0.0.1/8", "10.0.0.0/33", "fe80::1%eth0", "1.2.3", "::ffff:10.0.0.0/104", "*"} {
		if _, err := ParseIPs([]string{bad}); err == nil || bad != "" && !strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// What Serve says when rules, mappings, levels and take-overs meet.
func TestServe(t *testing.T) {
	r, _ := registry()
	x := plant(t, r, "team", "team/leaf")
	must(t, change(t, r, x["team"].ID, func(a *Account) {
		a.Models, a.AllowLevels = []string{"gpt-*"}, []int{0, 2, 3}
		a.Mapping = mapping.Models{{From: "gpt-best", To: "gpt-5"}, {From: "gpt-bad", To: "claude"}}
	}))
	must(t, change(t, r, x["leaf"].ID, func(a *Account) { a.Levels = mapping.Levels{{Model: "gpt-5", Level: 3}} }))
	d := r.Directory()
	rules := &Rules{
		Models: mapping.Models{{From: "gpt-best", To: "gpt-0"}, {From: "gpt-old*", To: "gpt-new"}, {From: "o1", To: "gpt-1"}},
		Levels: mapping.Levels{{Model: "gpt-5", Level: 2}, {Model: "gpt-new", Level: 2}, {Model: "gpt-9", Level: 9}},
		Steps:  mapping.Steps{{From: 0, To: 2}, {From: 2, To: 9}, {From: 9, To: 3}},
	}
	for _, c := range []struct {
		who, asked, sent, pools string
		ok                      bool
	}{
		{"leaf", "gpt-x", "gpt-x", "default level-2 level-3", true}, // level 9 takes over from 2, but is not the team's
		{"leaf", "gpt-best", "gpt-5", "level-3", true},              // the team's mapping and the leaf's level go before the operator's
		{"team", "gpt-best", "gpt-5", "level-2 level-3", true},      // the operator's level
		{"leaf", "gpt-old-7", "gpt-new", "level-2 level-3", true},   // the operator's mapping
		{"leaf", "gpt-9", "gpt-9", "default level-2 level-3", true}, // a level that it may not use is no rule for it
		{"leaf", "claude", "claude", "", false},                     // not the team's
		{"leaf", "gpt-bad", "claude", "", false},                    // what is sent must be allowed too
		{"leaf", "o1", "o1", "", false},                             // and what is asked for
		{"root", "gpt-9", "gpt-9", "level-9 level-3", true},         // root may use all
		{"root", "gpt-5", "gpt-5", "level-2 level-9 level-3", true}, // and has no mapping
	} {
		a := d.Account(RootID)
		if c.who != "root" {
			a = d.Account(x[c.who].ID)
		}
		sent, pools, ok := d.Serve(Caller{Account: a, Key: &Key{}}, c.asked, rules)
		if sent != c.sent || strings.Join(pools, " ") != c.pools || ok != c.ok {
			t.Errorf("%s %s: %s %v %v", c.who, c.asked, sent, pools, ok)
		}
	}
	// A level that the account above gives by a rule needs no list; one that it has not itself it can't give.
	plant(t, r, "free", "free/child")
	must(t, change(t, r, d.Find("free").ID, func(a *Account) { a.Levels = mapping.Levels{{Model: "*", Level: 4}} }))
	if _, pools, _ := d.Serve(Caller{Account: d.Find("child"), Key: &Key{}}, "m", &Rules{}); strings.Join(pools, " ") != "level-4" {
		t.Errorf("given by a rule: %v", pools)
	}
	wantField(t, change(t, r, d.Find("child").ID, func(a *Account) { a.Levels = mapping.Levels{{Model: "*", Level: 5}} }), "level_mapper")
	// None is left.
	must(t, change(t, r, d.Find("free").ID, func(a *Account) { a.Pools = []string{"gold"} }))
	must(t, change(t, r, d.Find("child").ID, func(a *Account) { a.Pools = []string{"gold"} }))
	must(t, change(t, r, d.Find("free").ID, func(a *Account) { a.Pools = []string{"silver"} }))
	if _, pools, ok := d.Serve(Caller{Account: d.Find("child"), Key: &Key{}}, "m", &Rules{}); len(pools) != 0 || !ok {
		t.Errorf("none is left: %v %v", pools, ok)
	}
}

func TestMostTelling(t *testing.T) {
	a := Account{
		ID: "a", ParentID: RootID,
		ModelLimits: map[string]Limits{"*": {RPM: 1}, "gpt-*": {RPM: 2}, "gpt-4*": {RPM: 3}, "gpt-4": {RPM: 4}},
		Prices:      []catalog.Override{{Model: "*", Free: true}, {Model: "gpt-4", Off: true, Rates: catalog.Rates{Input: "9"}}, {Model: "GPT-4*", Rates: catalog.Rates{Input: "1"}}},
	}
	above := NewDirectory([]Account{a, {ID: RootID, ModelLimits: map[string]Limits{"*": {RPM: 9}}}}, nil)
	s := above.StandingOf(Caller{Account: above.Account("a"), Key: &Key{}})
	for names, want := range map[string]string{"gpt-4": "gpt-4", "gpt-4o": "gpt-4*", "gpt-5": "gpt-*", "x": "*", "x gpt-4": "gpt-4"} {
		rules, own := s.AppendModelLimits(nil, strings.Fields(names)...)
		if len(rules) != 2 || !own || rules[0].Subject != ModelSubject("a", want) || rules[0].Limits != a.ModelLimits[want] {
			t.Errorf("%s: %+v", names, rules)
		}
		if rules[1].Subject != ModelSubject(RootID, "*") {
			t.Errorf("%s: of the account above: %+v", names, rules)
		}
	}
	child := Account{ParentID: "p"}
	d := NewDirectory([]Account{{ID: "p", ModelLimits: a.ModelLimits, Prices: a.Prices}, child}, nil)
	for name, want := range map[string]string{"gpt-4": "GPT-4*", "gpt-5": "*"} {
		if o := PriceOn(d.lineOf(&child), name); o == nil || o.Model != want {
			t.Errorf("%s: %+v", name, o)
		}
	}
	if PriceOn(d.lineOf(&Account{}), "x") != nil {
		t.Error("nothing is said")
	}
}

func TestAllows(t *testing.T) {
	for _, c := range []struct {
		patterns, yes, no string // separated by blanks
	}{
		{"", "gpt-5 anything", ""},
		{"gpt-*", "gpt-5 gpt-", "claude gpt xgpt-5"},
		{"*", "gpt-5", ""},
		{"-gpt-*", "claude", "gpt-5"},
		{"gpt-* -*-pro", "gpt-5", "gpt-5-pro claude claude-pro"},
		{"-*-pro gpt-5-pro", "", "gpt-5-pro"},
		{"-*", "", "gpt-5 claude"},
		{"gpt-5", "gpt-5", "gpt-5-mini xgpt-5"},
		{"-", "gpt-5", ""},
	} {
		for _, m := range strings.Fields(c.yes) {
			if !Allows(strings.Fields(c.patterns), m) {
				t.Errorf("%q does not allow %s", c.patterns, m)
			}
		}
		for _, m := range strings.Fields(c.no) {
			if Allows(strings.Fields(c.patterns), m) {
				t.Errorf("%q allows %s", c.patterns, m)
			}
		}
	}
}

func TestSoftLimitOf(t *testing.T) {
	for _, c := range []struct{ hard, soft, want catalog.Nanos }{{0, 0, 0}, {50e9, 0, 40e9}, {50e9, 10e9, 10e9}, {0, 10e9, 10e9}, {1e16, 0, 8e15}} {
		a := Account{HardLimit: c.hard, SoftLimit: c.soft}
		if got := a.SoftLimitOf(); got != c.want {
			t.Errorf("hard limit %s, soft limit %s: told at %s, want %s", c.hard, c.soft, got, c.want)
		}
	}
}
