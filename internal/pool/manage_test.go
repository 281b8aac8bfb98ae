package pool

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/internal/canon"
)

func TestCheckNamesTheField(t *testing.T) {
	b := newBench(t, nil)
	many := make([]string, maxList+1)
	for i := range many {
		many[i] = "m"
	}
	for _, c := range []struct {
		field, says string
		how         func(*Channel)
	}{
		{"provider", "opanai", of("opanai")},
		{"name", "100", func(c *Channel) { c.Name = strings.Repeat("é", maxName+1) }},
		{"key", "needs one", func(c *Channel) { c.Secret = "" }},
		{"key", "ASCII", func(c *Channel) { c.Secret = "sk-secret\n" }},
		{"key", "ASCII", func(c *Channel) { c.Secret = "sk secret" }},
		{"key", "ASCII", func(c *Channel) { c.Secret = "sk-secrét" }},
		{"base_url", "Home has no address", of("home")},
		{"base_url", "http", func(c *Channel) { c.BaseURL = "ftp://host" }},
		{"base_url", "http", func(c *Channel) { c.BaseURL = "https://user:sk-secret@host" }},
		{"base_url", "http", func(c *Channel) { c.BaseURL = "https://host/?key=sk-secret" }},
		{"base_url", "http", func(c *Channel) { c.BaseURL = "https://host/#f" }},
		{"base_url", "http", func(c *Channel) { c.BaseURL = "https://" }},
		{"base_url", "http", func(c *Channel) { c.BaseURL = "://" }},
		{"weight", "1000000", weighing(-1)},
		{"weight", "1000000", weighing(maxWeight + 1)},
		{"priority", "1000000", at(-maxWeight - 1)},
		{"models", "2000", models(many...)},
		{"models", "empty", models("a", "")},
		{"pools", "not a name", pools("a b")},
		{"pools", "not a name", pools("")},
	} {
		err := b.Check(channel("c", c.how))
		var input *InputError
		if !errors.As(err, &input) || input.Field != c.field || !strings.Contains(input.Reason, c.says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("want %s: … %s …, got %v", c.field, c.says, err)
		}
	}
	for _, how := range []func(*Channel){
		func(*Channel) {}, weighing(0), weighing(maxWeight), at(-maxWeight), pools("a", "b-2"), models("*"),
		func(c *Channel) { c.Name = strings.Repeat("é", maxName) },
		func(c *Channel) { c.Provider, c.Secret, c.BaseURL = "home", "", "http://[::1]:11434/v1" },
	} {
		if err := b.Check(channel("c", how)); err != nil {
			t.Error(err)
		}
	}
}

func TestAddChangeAndDelete(t *testing.T) {
	b := newBench(t, nil)
	ctx := t.Context()
	if err := b.refused(want); err.Kind != canon.KindOverloaded {
		t.Fatal(err)
	}
	c, err := b.Add(ctx, channel("mine", func(c *Channel) { c.Origin, c.Version = OriginEnv, 77 }))
	if err != nil || c.ID == "mine" || c.Origin != OriginAPI || c.Version != 1 || !c.CreatedAt.Equal(noon) {
		t.Fatalf("%+v, %v", c, err)
	}
	if l := b.next(want); l.Channel.ID != c.ID {
		t.Errorf("the next call went to %s", l.Channel.ID)
	}
	if _, err := b.Add(ctx, channel("", weighing(-1))); err == nil || len(b.store.rows) != 1 {
		t.Errorf("%v, %d rows", err, len(b.store.rows))
	}
	stop := errors.New("stop")
	if _, err := b.Update(ctx, c.ID, func(*Channel) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
	up, err := b.Update(ctx, c.ID, func(c *Channel) error {
		c.Weight, c.ID, c.Origin, c.CreatedAt = 5, "other", OriginFile, time.Time{}
		return nil
	})
	if err != nil || up.ID != c.ID || up.Origin != OriginAPI || !up.CreatedAt.Equal(noon) || up.Version != 2 {
		t.Errorf("%+v, %v", up, err)
	}
	if st, err := b.Get(c.ID); err != nil || st.Channel.Weight != 5 || st.Channel.Version != 2 {
		t.Errorf("%+v, %v", st, err)
	}
	_, err = b.Update(ctx, c.ID, func(*Channel) error { // someone else is faster
		_, err := b.Update(ctx, c.ID, func(c *Channel) error { c.Weight = 6; return nil })
		return err
	})
	if st, _ := b.Get(c.ID); !errors.Is(err, ErrConflict) || st.Channel.Weight != 6 {
		t.Errorf("%v, weight %d", err, st.Channel.Weight)
	}
	running := b.next(want)
	if err := b.Delete(ctx, c.ID); err != nil {
		t.Fatal(err)
	}
	if err := b.refused(want); err.Kind != canon.KindOverloaded {
		t.Error(err)
	}
	running.Failed(failure(canon.KindAuth), b.clock)
	if len(b.dirty) != 0 {
		t.Error("the health of a channel that is gone is to be stored")
	}
	for _, err := range []error{b.Delete(ctx, c.ID), func() error { _, err := b.Get(c.ID); return err }(), func() error { _, err := b.Update(ctx, c.ID, nil); return err }()} {
		if !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	}
}

func TestFixedChannelsStay(t *testing.T) {
	b := newBench(t, []Channel{channel("env", func(c *Channel) { c.Origin = OriginEnv })})
	var input *InputError
	if _, err := b.Update(t.Context(), "env", func(*Channel) error { return nil }); !errors.As(err, &input) || input.Field != "id" {
		t.Error(err)
	}
	if err := b.Delete(t.Context(), "env"); !errors.As(err, &input) || input.Field != "id" {
		t.Error(err)
	}
	if l := b.next(want); l.Channel.ID != "env" {
		t.Error(l.Channel.ID)
	}
}

func TestReloadKeepsHealth(t *testing.T) {
	b := newBench(t, nil, channel("a"), channel("b"))
	b.next(only("a")).Failed(failure(canon.KindAuth), b.clock)
	b.next(only("b")).Failed(&canon.Error{Kind: canon.KindOverloaded, RetryAfter: time.Minute}, b.clock)
	if err := b.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.refused(want); err.RetryAfter != time.Minute {
		t.Errorf("%v, again in %s", err, err.RetryAfter)
	}
	rows := b.store.rows
	b.store.rows = rows[1:]
	if err := b.Reload(t.Context()); err != nil || len(b.health) != 1 {
		t.Errorf("%v, the health of %d channels is kept", err, len(b.health))
	}
	b.store.rows = rows // it comes back, as the store knows it
	if err := b.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l := b.next(want); l.Channel.ID != "a" {
		t.Error(l.Channel.ID)
	}
}

func TestRetiredInTheStore(t *testing.T) {
	b := newBench(t, nil, channel("a", func(c *Channel) { c.Retired, c.Reason, c.RetiredAt = true, "no money", noon.Add(-time.Hour) }),
		channel("b", of("gone")))
	if len(b.List()) != 1 {
		t.Errorf("%d channels: one has a provider that is not known", len(b.List()))
	}
	st, err := b.Get("a")
	if err != nil || !st.Retired || st.Reason != "no money" || !st.RetiredAt.Equal(noon.Add(-time.Hour)) || !st.NextCheck.Equal(noon.Add(firstRecheck)) {
		t.Errorf("%+v, %v", st, err)
	}
	b.refused(want)
}

// A new key, address or switch makes a new start, in the store as well; another name does not.
func TestUpdateForgetsHealth(t *testing.T) {
	for what, c := range map[string]struct {
		change func(*Channel)
		fresh  bool
	}{
		"key":     {func(c *Channel) { c.Secret = "sk-other" }, true},
		"address": {func(c *Channel) { c.BaseURL = "https://else.example" }, true},
		"name":    {func(c *Channel) { c.Name = "x" }, false},
		"weight":  {weighing(3), false},
	} {
		for _, saved := range []bool{true, false} {
			b := newBench(t, nil, channel("a"))
			old := b.next(want)
			b.next(want).Failed(failure(canon.KindQuota), b.clock)
			if saved {
				b.save(t.Context())
			}
			if _, err := b.Update(t.Context(), "a", func(x *Channel) error { c.change(x); return nil }); err != nil {
				t.Fatal(err)
			}
			if c.fresh {
				old.Failed(failure(canon.KindAuth), b.clock) // a call on the old key ends only now
			}
			b.save(t.Context())
			st, err := b.Get("a")
			if err != nil || st.Retired == c.fresh || b.store.rows[0].Retired == c.fresh {
				t.Errorf("%s (saved %v): retired %v, in the store %v, %v", what, saved, st.Retired, b.store.rows[0].Retired, err)
			}
			if c.fresh {
				b.next(want).Succeeded()
			}
		}
	}
}

func TestOwners(t *testing.T) {
	b := newBench(t, nil, channel("a"))
	b.store.owner = map[ownerKey]string{{"alice", "stored"}: "a"}
	ctx := t.Context()
	b.Remember("alice", "resp_1", "a")
	for range 2 {
		for object, want := range map[string]string{"resp_1": "a", "stored": "a"} {
			if ch, err := b.Owner(ctx, "alice", object); ch != want || err != nil {
				t.Errorf("%s: %q, %v", object, ch, err)
			}
			if ch, err := b.Owner(ctx, "bob", object); ch != "" || !errors.Is(err, ErrNotFound) {
				t.Errorf("bob's %s: %q, %v", object, ch, err)
			}
		}
	}
	if b.store.reads != 5 { // alice's stored one once, bob's two each time
		t.Errorf("the store was asked %d times", b.store.reads)
	}
}

func TestOwnersAreBounded(t *testing.T) {
	o := owners{limit: 3}
	for i := range 3 {
		o.put("a", name("o", i), "ch")
	}
	o.get("a", "o0")
	o.put("a", "o1", "ch2") // again: no new one
	o.put("a", "o3", "ch")  // pushes out the one not used for longest
	for object, want := range map[string]string{"o0": "ch", "o1": "ch2", "o2": "", "o3": "ch"} {
		if ch, ok := o.get("a", object); ch != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", object, ch, ok)
		}
	}
	if o.order.Len() != 3 || len(o.byID) != 3 {
		t.Errorf("%d and %d", o.order.Len(), len(o.byID))
	}
}

// Calls of every outcome run while the configuration changes; the race detector looks on.
func TestConcurrentUse(t *testing.T) {
	b := newBench(t, nil, channel("a", weighing(3)), channel("b"), channel("c", at(-1)))
	kinds := []canon.Kind{canon.KindUpstream, canon.KindRateLimited, canon.KindAuth, canon.KindNotFound, canon.KindInvalid}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 300 {
				w := want
				w.Model = name("m", i%7)
				walk, err := b.Route(w)
				if err != nil {
					t.Error(err)
					return
				}
				seen := map[string]bool{}
				for n := 0; ; n++ {
					l, err := walk.Next(noon.Add(time.Duration(i) * time.Second))
					if err != nil {
						break
					}
					if seen[l.Channel.ID] {
						t.Errorf("%s twice", l.Channel.ID)
					}
					seen[l.Channel.ID] = true
					if (g+i+n)%3 > 0 {
						l.Succeeded()
						continue
					}
					l.Failed(&canon.Error{Kind: kinds[(g+i)%len(kinds)], RetryAfter: time.Duration(i%2) * time.Second}, noon)
				}
			}
		})
	}
	wg.Go(func() {
		for i := range 100 {
			err := b.Reload(t.Context())
			if err == nil && i%10 == 0 {
				_, err = b.Update(t.Context(), "b", func(c *Channel) error { c.Weight = i; c.Secret += "x"; return nil })
			}
			if err != nil {
				t.Error(err)
			}
			b.List()
			b.save(t.Context())
		}
	})
	wg.Wait()
	if len(b.List()) != 3 || len(b.health) != 3 {
		t.Errorf("%d channels, %d healths", len(b.List()), len(b.health))
	}
}
