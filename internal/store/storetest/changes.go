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

// testForgetChanges removes old changes: who has not seen them is told, and nobody else.
func testForgetChanges(t *testing.T, s Stores) {
	ctx := t.Context()
	forget := func(keep int64, want int) {
		t.Helper()
		gone, err := s.ForgetChanges(ctx, keep)
		must(t, err)
		same(t, "changes that are gone", want, gone)
	}
	forget(0, 0)
	for _, name := range []string{"a", "b", "c", "a", "d"} { // the first one is no change of its own: it was changed again
		must(t, s.PutModel(ctx, catalog.Model{Name: name}))
	}
	_, head, err := s.Changes(ctx, math.MaxInt64)
	must(t, err)
	known := func(since int64, want ...string) {
		t.Helper()
		list, now, err := s.Changes(ctx, since)
		must(t, err)
		var ids []string
		for _, c := range list {
			ids = append(ids, c.ID)
		}
		same(t, "changes", want, ids)
		same(t, "the last number", head, now)
	}
	unknown := func(since int64) {
		t.Helper()
		list, now, err := s.Changes(ctx, since)
		if !errors.Is(err, change.ErrForgotten) || len(list) != 0 {
			t.Errorf("after %d: %v, %v", since, list, err)
		}
		same(t, "the last number", head, now)
	}
	known(0, "b", "c", "a", "d")
	forget(5, 0)
	known(0, "b", "c", "a", "d")
	forget(2, 2)
	for since := range head - 2 {
		unknown(since)
	}
	known(head-2, "a", "d")
	known(head-1, "d")
	known(head)
	unknown(head + 1) // by who knows a later state of this database
	known(math.MaxInt64)
	forget(2, 0)
	forget(3, 0) // what is gone stays so
	unknown(head - 3)
	must(t, s.PutModel(ctx, catalog.Model{Name: "b"}))
	head++
	known(head-3, "a", "d", "b")
	forget(0, 3)
	unknown(head - 1)
	known(head)
}

// testForgetChangesMeanwhile changes much and forgets it at once: whoever follows misses nothing, or is told.
func testForgetChangesMeanwhile(t *testing.T, s Stores) {
	ctx := t.Context()
	const writers, each = 3, 15
	var writing, forgetting sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				if err := s.PutModel(ctx, catalog.Model{Name: string(rune('a'+w)) + string(rune('a'+i))}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writing.Wait(); close(done) }()
	over := func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	}
	forgetting.Go(func() {
		for !over() {
			if _, err := s.ForgetChanges(ctx, 2); err != nil {
				t.Error(err)
			}
		}
	})
	defer forgetting.Wait()
	followed, seen := map[string]bool{}, int64(0)
	for last := false; !last; {
		last = over() // before the look, which then sees everything
		list, now, err := s.Changes(ctx, seen)
		if errors.Is(err, change.ErrForgotten) {
			var all []catalog.Model
			all, err = s.Models(ctx)
			for _, m := range all {
				followed[m.Name] = true
			}
		}
		must(t, err)
		for _, c := range list {
			followed[c.ID] = true
		}
		seen = now
	}
	if len(followed) != writers*each {
		t.Errorf("%d of %d changes were followed", len(followed), writers*each)
	}
}
