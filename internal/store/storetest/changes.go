package storetest

import (
	"errors"
	"math"
	"sync"
	"testing"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/change"
	"tollgate/internal/pool"
)

// testChanges makes every change that others should hear of, and some that fail.
func testChanges(t *testing.T, s Stores) {
	ctx := t.Context()
	list, seen, err := s.Changes(ctx, 0)
	must(t, err)
	same(t, "changes of an empty store", []change.Change(nil), list)
	expect := func(what string, want ...change.Change) {
		t.Helper()
		list, now, err := s.Changes(ctx, seen)
		must(t, err)
		same(t, what, want, list)
		if grown := now > seen; grown != (len(want) > 0) {
			t.Errorf("%s: number %d after %d", what, now, seen)
		}
		seen = now
	}
	addRoot(t, s)
	a := someAccount("a", account.RootID, ".root.a.", "ann")
	must(t, s.InsertAccount(ctx, a))
	expect("new accounts", change.Change{Kind: change.Account, ID: account.RootID}, change.Change{Kind: change.Account, ID: "a"})
	must(t, s.UpdateAccount(ctx, a))
	a.Version++
	b := someAccount("b", account.RootID, ".root.b.", "bob")
	must(t, s.InsertAccount(ctx, b))
	a.ParentID, a.Path = "b", ".root.b.a."
	must(t, s.MoveAccount(ctx, a, ".root.a."))
	expect("changed and moved", change.Change{Kind: change.Account, ID: "b"}, change.Change{Kind: change.Account, ID: "a"})

	k := someKey("k", "a")
	must(t, s.InsertKey(ctx, k))
	must(t, s.UpdateKey(ctx, k))
	expect("a key", change.Change{Kind: change.Key, ID: "k"})
	must(t, s.DeleteKey(ctx, "k"))
	expect("no key", change.Change{Kind: change.Key, ID: "k"})
	must(t, s.DeleteAccount(ctx, "a"))
	expect("no account", change.Change{Kind: change.Account, ID: "a"})

	c := pool.Channel{ID: "c", Name: "c", Provider: "openai", Version: 1, CreatedAt: noon, UpdatedAt: noon}
	must(t, s.InsertChannel(ctx, c))
	must(t, s.UpdateChannel(ctx, c))
	expect("a channel", change.Change{Kind: change.Channel, ID: "c"})
	must(t, s.SetRetired(ctx, "c", true, "no", noon))
	expect("health is no change")
	must(t, s.DeleteChannel(ctx, "c"))
	expect("no channel", change.Change{Kind: change.Channel, ID: "c"})

	must(t, s.PutModel(ctx, catalog.Model{Name: "m"}))
	expect("a model", change.Change{Kind: change.Model, ID: "m"})
	must(t, s.DeleteModel(ctx, "m"))
	expect("no model", change.Change{Kind: change.Model, ID: "m"})
	must(t, s.ChangeSettings(ctx, map[string]string{"A": "1"}, []string{"B"}))
	expect("settings", change.Change{Kind: change.Setting, ID: "A"}, change.Change{Kind: change.Setting, ID: "B"})
	must(t, s.PutSetting(ctx, "own", "1"))
	expect("what a gateway notes for itself")

	for what, err := range map[string]error{
		"update": s.UpdateAccount(ctx, a), "insert": s.InsertAccount(ctx, b), "key": s.InsertKey(ctx, k), "drop key": s.DeleteKey(ctx, "k"),
		"channel": s.UpdateChannel(ctx, c), "drop channel": s.DeleteChannel(ctx, "c"), "drop model": s.DeleteModel(ctx, "m"), "drop account": s.DeleteAccount(ctx, "a"),
	} {
		if err == nil {
			t.Errorf("%s went well", what)
		}
	}
	expect("what failed")
	list, now, err := s.Changes(ctx, math.MaxInt64)
	if must(t, err); len(list) != 0 || now != seen {
		t.Errorf("the number is %d, want %d; %v", now, seen, list)
	}
}

// testChangesInOrder changes much at once: whoever follows misses none.
func testChangesInOrder(t *testing.T, s Stores) {
	ctx := t.Context()
	addRoot(t, s)
	var wg sync.WaitGroup
	const writers, each = 4, 10
	done := make(chan struct{})
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				id := string(rune('a'+w)) + string(rune('a'+i))
				if err := s.InsertAccount(ctx, account.Account{ID: id, ParentID: account.RootID, Path: ".root." + id + ".", Name: id}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() { wg.Wait(); close(done) }()
	followed, seen := map[string]bool{}, int64(0)
	for last := false; ; {
		list, now, err := s.Changes(ctx, seen)
		must(t, err)
		for _, c := range list {
			followed[c.ID] = true
			if _, err := s.Account(ctx, c.ID); err != nil {
				t.Errorf("%v is told before it can be read: %v", c, err)
			}
		}
		seen = now
		if last {
			break
		}
		select {
		case <-done:
			last = true
		default:
		}
	}
	if len(followed) != writers*each+1 {
		t.Errorf("%d of %d changes were followed", len(followed), writers*each+1)
	}
	if _, err := s.Account(ctx, "nobody"); !errors.Is(err, account.ErrNotFound) {
		t.Error(err)
	}
}
