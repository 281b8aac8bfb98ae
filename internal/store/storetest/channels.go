package storetest

import (
	"errors"
	"testing"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/pool"
)

func testChannels(t *testing.T, s Stores) {
	ctx := t.Context()
	c := someChannel("c")
	keyless := pool.Channel{ID: "keyless", Name: "ollama", Provider: "ollama", CreatedAt: noon.Add(time.Second), UpdatedAt: noon, Retired: true, Reason: "gone", RetiredAt: noon}
	must(t, s.InsertChannel(ctx, c))
	must(t, s.InsertChannel(ctx, keyless))
	all, err := s.Channels(ctx)
	must(t, err)
	same(t, "channels", []pool.Channel{c, keyless}, all)

	c.Secret, c.Mapping, c.Enabled, c.Weight = "sk-another", nil, false, 0
	must(t, s.UpdateChannel(ctx, c))
	c.Version++
	got, err := s.Channel(ctx, "c")
	must(t, err)
	same(t, "channel after update", c, got)

	must(t, s.DeleteChannel(ctx, "c"))
	if _, err := s.Channel(ctx, "c"); !errors.Is(err, pool.ErrNotFound) {
		t.Errorf("reading a deleted channel: %v, want ErrNotFound", err)
	}
	if err := s.DeleteChannel(ctx, "c"); !errors.Is(err, pool.ErrNotFound) {
		t.Errorf("deleting a deleted channel: %v, want ErrNotFound", err)
	}
}

func testChannelConflicts(t *testing.T, s Stores) {
	ctx := t.Context()
	c := someChannel("c")
	must(t, s.InsertChannel(ctx, c))
	if err := s.InsertChannel(ctx, c); !errors.Is(err, pool.ErrConflict) {
		t.Errorf("the same id twice: %v, want ErrConflict", err)
	}
	must(t, s.UpdateChannel(ctx, c))
	if err := s.UpdateChannel(ctx, c); !errors.Is(err, pool.ErrConflict) {
		t.Errorf("second update from the same version: %v, want ErrConflict", err)
	}
	if err := s.UpdateChannel(ctx, someChannel("nobody")); !errors.Is(err, pool.ErrNotFound) {
		t.Errorf("update of an unknown channel: %v, want ErrNotFound", err)
	}
}

// testChannelHealth pins that the pool retires a channel whoever edits it, and that an edit which was
// begun before does not bring it back.
func testChannelHealth(t *testing.T, s Stores) {
	ctx := t.Context()
	c := someChannel("c")
	must(t, s.InsertChannel(ctx, c))
	must(t, s.SetRetired(ctx, "c", true, "invalid key", noon))
	c.Name = "edited meanwhile"
	must(t, s.UpdateChannel(ctx, c))
	c.Version++
	c.Retired, c.Reason, c.RetiredAt = true, "invalid key", noon
	got, err := s.Channel(ctx, "c")
	must(t, err)
	same(t, "retired and edited", c, got)

	must(t, s.SetRetired(ctx, "c", false, "", time.Time{}))
	c.Retired, c.Reason, c.RetiredAt = false, "", time.Time{}
	got, err = s.Channel(ctx, "c")
	must(t, err)
	same(t, "back again", c, got)
	if err := s.SetRetired(ctx, "nobody", true, "", noon); !errors.Is(err, pool.ErrNotFound) {
		t.Errorf("retiring an unknown channel: %v, want ErrNotFound", err)
	}
}

func testModels(t *testing.T, s Stores) {
	ctx := t.Context()
	b := catalog.Model{Name: "b", Aliases: []string{"bee"}, Ops: []canon.Op{canon.OpGenerate}, ContextTokens: 1 << 40, Free: true}
	a := catalog.Model{Name: "a/with-slash*", Owner: "nobody", Note: "it's \"fine\""}
	must(t, s.PutModel(ctx, b))
	must(t, s.PutModel(ctx, a))
	all, err := s.Models(ctx)
	must(t, err)
	same(t, "models", []catalog.Model{a, b}, all)
	b.Note = "changed"
	must(t, s.PutModel(ctx, b))
	must(t, s.DeleteModel(ctx, a.Name))
	all, err = s.Models(ctx)
	must(t, err)
	same(t, "models after", []catalog.Model{b}, all)
	if err := s.DeleteModel(ctx, a.Name); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("deleting a deleted model: %v, want ErrNotFound", err)
	}
}

func testSettings(t *testing.T, s Stores) {
	ctx := t.Context()
	must(t, s.PutSetting(ctx, "one", "1"))
	must(t, s.PutSetting(ctx, "two", ""))
	must(t, s.PutSetting(ctx, "one", "uno"))
	all, err := s.Settings(ctx)
	must(t, err)
	same(t, "settings", map[string]string{"one": "uno", "two": ""}, all)
	got, err := s.Setting(ctx, "one")
	must(t, err)
	same(t, "one", "uno", got)
	must(t, s.DeleteSetting(ctx, "one"))
	if _, err := s.Setting(ctx, "one"); err == nil {
		t.Error("a deleted setting is still there")
	}
	if err := s.DeleteSetting(ctx, "one"); err == nil {
		t.Error("deleting a deleted setting is no error")
	}
}

// testHostileText writes texts that break naive SQL or one engine, and reads them back.
func testHostileText(t *testing.T, s Stores) {
	ctx := t.Context()
	addRoot(t, s)
	for i, text := range hostile {
		a := someAccount(sprint("a", i), "root", ".root."+sprint("a", i)+".", text)
		a.Alias, a.Models = text, []string{text}
		must(t, s.InsertAccount(ctx, a))
		c := someChannel(sprint("c", i))
		c.Name, c.Mapping, c.Secret = text, map[string]string{text: text}, "secret "+someChannel(text).Secret
		must(t, s.InsertChannel(ctx, c))
		must(t, s.SetRetired(ctx, c.ID, true, text, noon))
		must(t, s.PutSetting(ctx, text, text))

		gotA, err := s.Account(ctx, a.ID)
		must(t, err)
		same(t, "account", a, gotA)
		gotC, err := s.Channel(ctx, c.ID)
		must(t, err)
		c.Retired, c.Reason, c.RetiredAt = true, text, noon
		same(t, "channel", c, gotC)
		value, err := s.Setting(ctx, text)
		must(t, err)
		same(t, "setting", text, value)
	}
	// What no text column of PostgreSQL can hold is refused everywhere, and looking for it finds nothing.
	for _, text := range []string{"nul\x00", "broken \xff\xfe"} {
		if err := s.InsertAccount(ctx, someAccount("bad", "root", ".root.bad.", text)); err == nil {
			t.Errorf("account named %q was accepted", text)
		}
		if err := s.PutSetting(ctx, "x", text); err == nil {
			t.Errorf("setting %q was accepted", text)
		}
		if _, err := s.Account(ctx, text); err == nil {
			t.Errorf("account %q was found", text)
		}
		if _, err := s.Setting(ctx, text); err == nil {
			t.Errorf("setting %q was found", text)
		}
		// The words of an upstream are no one's choice: they are kept as well as possible.
		must(t, s.SetRetired(ctx, "c-000", true, text, noon))
	}
}
