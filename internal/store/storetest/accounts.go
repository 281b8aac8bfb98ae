package storetest

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/audit"
	"tollgate/internal/secret"
)

func testAccounts(t *testing.T, s Stores) {
	ctx := t.Context()
	addRoot(t, s)
	a := someAccount("a", account.RootID, ".root.a.", "ann")
	must(t, s.InsertAccount(ctx, a))
	got, err := s.Account(ctx, "a")
	must(t, err)
	same(t, "account after insert", a, got)

	// nil and empty lists mean different things to some callers and stay what they are.
	a.Models, a.Pools, a.Limits, a.Enabled, a.Role, a.Email = nil, []string{}, account.Limits{}, false, account.RoleCaller, ""
	a.UpdatedAt = noon.Add(time.Hour)
	must(t, s.UpdateAccount(ctx, a))
	a.Version++
	got, err = s.Account(ctx, "a")
	must(t, err)
	same(t, "account after update", a, got)

	_, err = s.Account(ctx, "nobody")
	if !errors.Is(err, account.ErrNotFound) {
		t.Errorf("unknown account: %v, want ErrNotFound", err)
	}
}

func testAccountConflicts(t *testing.T, s Stores) {
	ctx := t.Context()
	addRoot(t, s)
	a := someAccount("a", account.RootID, ".root.a.", "ann")
	b := someAccount("b", account.RootID, ".root.b.", "bob")
	must(t, s.InsertAccount(ctx, a))
	must(t, s.InsertAccount(ctx, b))

	for what, bad := range map[string]account.Account{
		"same id":    someAccount("a", account.RootID, ".root.a.", "carl"),
		"same name":  someAccount("c", account.RootID, ".root.c.", "ann"),
		"same email": {ID: "c", ParentID: account.RootID, Path: ".root.c.", Name: "carl", Email: a.Email},
	} {
		if err := s.InsertAccount(ctx, bad); !errors.Is(err, account.ErrConflict) {
			t.Errorf("%s: %v, want ErrConflict", what, err)
		}
	}
	orphan := someAccount("c", "nobody", ".root.nobody.c.", "carl")
	if err := s.InsertAccount(ctx, orphan); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("parent that is not there: %v, want ErrNotFound", err)
	}
	renamed := b
	renamed.Name = a.Name
	if err := s.UpdateAccount(ctx, renamed); !errors.Is(err, account.ErrConflict) {
		t.Errorf("renamed to a taken name: %v, want ErrConflict", err)
	}
	must(t, s.UpdateAccount(ctx, a))
	if err := s.UpdateAccount(ctx, a); !errors.Is(err, account.ErrConflict) {
		t.Errorf("second update from the same version: %v, want ErrConflict", err)
	}
	if err := s.UpdateAccount(ctx, someAccount("c", account.RootID, ".root.c.", "carl")); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("update of an unknown account: %v, want ErrNotFound", err)
	}
	got, err := s.Account(ctx, "b")
	must(t, err)
	same(t, "b after all that failed", b, got)

	// Many may have no address.
	for _, id := range []string{"x", "y"} {
		must(t, s.InsertAccount(ctx, account.Account{ID: id, ParentID: account.RootID, Path: ".root." + id + ".", Name: id}))
	}
}

func testAccountOrder(t *testing.T, s Stores) {
	ctx := t.Context()
	addRoot(t, s)
	// Children with ids and times before their parents'.
	z := someAccount("z", account.RootID, ".root.z.", "z")
	y := someAccount("y", "z", ".root.z.y.", "y")
	x := someAccount("x", "y", ".root.z.y.x.", "x")
	y.CreatedAt, x.CreatedAt = noon.Add(-time.Hour), noon.Add(-2*time.Hour)
	for _, a := range []account.Account{z, y, x} {
		must(t, s.InsertAccount(ctx, a))
	}
	all, err := s.Accounts(ctx)
	must(t, err)
	var ids []string
	for _, a := range all {
		if a.ParentID != "" && !slices.Contains(ids, a.ParentID) {
			t.Errorf("%s stands before its parent", a.ID)
		}
		ids = append(ids, a.ID)
	}
	same(t, "accounts", []string{"root", "z", "y", "x"}, ids)
	same(t, "z", z, all[1])
}

func testAccountMoves(t *testing.T, s Stores) {
	ctx := t.Context()
	addRoot(t, s)
	// The path of "ab" begins with the same letters as that of "a", without a dot behind them.
	for _, a := range []account.Account{
		someAccount("a", account.RootID, ".root.a.", "a"), someAccount("ab", account.RootID, ".root.ab.", "ab"),
		someAccount("b", "a", ".root.a.b.", "b"), someAccount("c", "b", ".root.a.b.c.", "c"), someAccount("d", "a", ".root.a.d.", "d"),
	} {
		must(t, s.InsertAccount(ctx, a))
	}
	b, err := s.Account(ctx, "b")
	must(t, err)
	stale := b
	b.ParentID, b.Path = "ab", ".root.ab.b."
	must(t, s.MoveAccount(ctx, b, ".root.a.b."))
	stale.Path = ".root.b."
	if err := s.MoveAccount(ctx, stale, ".root.ab.b."); !errors.Is(err, account.ErrConflict) {
		t.Errorf("moving what was moved since: %v, want ErrConflict", err)
	}
	all, err := s.Accounts(ctx)
	must(t, err)
	paths := map[string]string{}
	for _, x := range all {
		paths[x.ID] = x.ParentID + " " + x.Path
	}
	same(t, "tree", map[string]string{
		"root": " .root.", "a": "root .root.a.", "ab": "root .root.ab.", "b": "ab .root.ab.b.", "c": "b .root.ab.b.c.", "d": "a .root.a.d.",
	}, paths)
	b.ParentID = "nobody"
	b.Version++
	if err := s.MoveAccount(ctx, b, b.Path); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("moving below nobody: %v, want ErrNotFound", err)
	}
}

func testAccountGoes(t *testing.T, s Stores) {
	ctx := t.Context()
	addRoot(t, s)
	must(t, s.InsertAccount(ctx, someAccount("a", account.RootID, ".root.a.", "a")))
	must(t, s.InsertAccount(ctx, someAccount("b", "a", ".root.a.b.", "b")))
	must(t, s.InsertKey(ctx, someKey("ka", "a")))
	must(t, s.InsertKey(ctx, someKey("kb", "b")))
	if err := s.DeleteAccount(ctx, "a"); !errors.Is(err, account.ErrConflict) {
		t.Errorf("deleting an account with one below it: %v, want ErrConflict", err)
	}
	if _, err := s.Key(ctx, "ka"); err != nil {
		t.Errorf("what was refused took the key along: %v", err)
	}
	must(t, s.DeleteAccount(ctx, "b"))
	if _, err := s.Key(ctx, "kb"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("the key of a deleted account: %v, want ErrNotFound", err)
	}
	must(t, s.DeleteAccount(ctx, "a"))
	if err := s.DeleteAccount(ctx, "a"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("deleting again: %v, want ErrNotFound", err)
	}
	must(t, s.InsertAccount(ctx, someAccount("a2", account.RootID, ".root.a2.", "a"))) // the name is free again
}

func testAudit(t *testing.T, s Stores) {
	ctx := t.Context()
	var all []audit.Event
	for i, e := range []audit.Event{
		{Action: "account.create", Status: audit.Done, OperatorID: "root", KeyID: "k", TargetID: "a", Details: json.RawMessage(`{"name":"it's \"a\""}`)},
		{Action: "account.create", Status: audit.Done, OperatorID: "a", TargetID: "b"},
		{Action: "account.change", Status: audit.Failed, OperatorID: "b", TargetID: "a", Details: json.RawMessage(`{"x":1}`)},
		{Action: "channel.create", Status: audit.Done, OperatorID: "root", Object: "ch☃"},
		{Action: "accounts", Status: audit.Done, OperatorID: "c", TargetID: "c"},
	} {
		e.ID, e.At = newID(t), noon.Add(time.Duration(i)*time.Second)
		must(t, s.InsertEvent(ctx, e))
		all = append([]audit.Event{e}, all...)
	}
	for _, c := range []struct {
		q    audit.Query
		want []audit.Event
	}{
		{audit.Query{Limit: 10}, all},
		{audit.Query{Limit: 2}, all[:2]},
		{audit.Query{Limit: 2, Before: all[1].ID}, all[2:4]},
		{audit.Query{Limit: 2, Offset: 3}, all[3:]},
		{audit.Query{Limit: 10, AccountIDs: []string{"a"}}, all[2:]},
		{audit.Query{Limit: 10, AccountIDs: []string{"b", "c"}}, []audit.Event{all[0], all[2], all[3]}},
		{audit.Query{Limit: 10, Action: "account."}, all[2:]},
		{audit.Query{Limit: 10, Action: "account.create"}, all[3:]},
		{audit.Query{Limit: 10, Status: audit.Failed}, all[2:3]},
		{audit.Query{Limit: 10, OperatorID: "root", TargetID: "a"}, all[4:]},
		{audit.Query{Limit: 10, From: noon.Add(time.Second), To: noon.Add(3 * time.Second)}, all[2:4]},
		{audit.Query{Limit: 10, OperatorID: "nobody"}, nil},
	} {
		got, err := s.Events(ctx, c.q)
		must(t, err)
		same(t, "events", c.want, got)
		n, err := s.CountEvents(ctx, c.q)
		must(t, err)
		if c.q.Before == "" && c.q.Offset == 0 && c.q.Limit == 10 && n != len(c.want) {
			t.Errorf("%+v counts %d, want %d", c.q, n, len(c.want))
		}
	}
}

func testKeys(t *testing.T, s Stores) {
	ctx := t.Context()
	addRoot(t, s)
	k := someKey("k", account.RootID)
	forever := someKey("forever", account.RootID)
	forever.ExpiresAt, forever.Models, forever.CreatedAt = time.Time{}, nil, noon.Add(time.Second)
	must(t, s.InsertKey(ctx, k))
	must(t, s.InsertKey(ctx, forever))
	all, err := s.Keys(ctx)
	must(t, err)
	same(t, "keys", []account.Key{k, forever}, all)
	if !all[1].ExpiresAt.IsZero() {
		t.Error("a key that never expires came back with a time")
	}

	k.Enabled, k.Name, k.Hash = false, "phone", secret.HashKey("rotated")
	must(t, s.UpdateKey(ctx, k))
	k.Version++
	got, err := s.Key(ctx, "k")
	must(t, err)
	same(t, "key after update", k, got)

	must(t, s.DeleteKey(ctx, "k"))
	if err := s.DeleteKey(ctx, "k"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("deleting a deleted key: %v, want ErrNotFound", err)
	}
	if _, err := s.Key(ctx, "k"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("reading a deleted key: %v, want ErrNotFound", err)
	}
}

func testKeyConflicts(t *testing.T, s Stores) {
	ctx := t.Context()
	addRoot(t, s)
	k := someKey("k", account.RootID)
	must(t, s.InsertKey(ctx, k))
	twin := someKey("twin", account.RootID)
	twin.Hash = k.Hash
	if err := s.InsertKey(ctx, twin); !errors.Is(err, account.ErrConflict) {
		t.Errorf("the same plain key twice: %v, want ErrConflict", err)
	}
	if err := s.InsertKey(ctx, someKey("lost", "nobody")); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("key of an unknown account: %v, want ErrNotFound", err)
	}
	must(t, s.UpdateKey(ctx, k))
	if err := s.UpdateKey(ctx, k); !errors.Is(err, account.ErrConflict) {
		t.Errorf("second update from the same version: %v, want ErrConflict", err)
	}
	if err := s.UpdateKey(ctx, twin); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("update of an unknown key: %v, want ErrNotFound", err)
	}
}
