package pool

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/provider"
)

var errStore = errors.New("the store is away")

// memory is a Store. Like the real one, it leaves health alone when a channel's configuration changes.
type memory struct {
	mu     sync.Mutex
	rows   []Channel
	owner  map[ownerKey]string
	reads  int   // of owners
	refuse error // of SetRetired
}

func (m *memory) at(id string) int {
	return slices.IndexFunc(m.rows, func(c Channel) bool { return c.ID == id })
}

func (m *memory) refusing(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse = err
}

func (m *memory) Channels(context.Context) ([]Channel, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.rows), nil
}

func (m *memory) Channel(_ context.Context, id string) (Channel, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := m.at(id); i >= 0 {
		return m.rows[i], nil
	}
	return Channel{}, ErrNotFound
}

func (m *memory) InsertChannel(_ context.Context, c Channel) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows = append(m.rows, c)
	return nil
}

func (m *memory) UpdateChannel(_ context.Context, c Channel) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.at(c.ID)
	if i < 0 {
		return ErrNotFound
	}
	old := m.rows[i]
	if old.Version != c.Version {
		return ErrConflict
	}
	c.Version++
	c.Retired, c.Reason, c.RetiredAt = old.Retired, old.Reason, old.RetiredAt
	m.rows[i] = c
	return nil
}

func (m *memory) DeleteChannel(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.at(id)
	if i < 0 {
		return ErrNotFound
	}
	m.rows = slices.Delete(m.rows, i, i+1)
	return nil
}

func (m *memory) SetRetired(_ context.Context, id string, retired bool, reason string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse != nil {
		return m.refuse
	}
	i := m.at(id)
	if i < 0 {
		return ErrNotFound
	}
	m.rows[i].Retired, m.rows[i].Reason, m.rows[i].RetiredAt = retired, reason, at
	return nil
}

func (m *memory) Owner(_ context.Context, accountID, objectID string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	if ch, ok := m.owner[ownerKey{accountID, objectID}]; ok {
		return ch, nil
	}
	return "", ErrNotFound
}

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// vendors speak Chat Completions; "picky" serves two families of models and speaks Messages too, "count"
// speaks Messages alone and counts tokens.
func vendors() []provider.Provider {
	chat := provider.Spoken{Dialect: canon.OpenAIChat, Paths: map[canon.Op]string{canon.OpGenerate: "/v1/chat/completions"}}
	messages := provider.Spoken{Dialect: canon.Anthropic, Paths: map[canon.Op]string{canon.OpGenerate: "/v1/messages"}}
	return []provider.Provider{
		{Name: "any", Title: "Any", Base: "https://any.example", Speaks: []provider.Spoken{chat}},
		{Name: "picky", Title: "Picky", Base: "https://picky.example", Speaks: []provider.Spoken{messages, chat}, Serves: []string{"gpt-*", "o3"}},
		{Name: "count", Title: "Count", Base: "https://count.example", Speaks: []provider.Spoken{{
			Dialect: canon.Anthropic, Paths: map[canon.Op]string{canon.OpGenerate: "/v1/messages", canon.OpCountTokens: "/v1/messages/count_tokens"},
		}}},
		{Name: "home", Title: "Home", Speaks: []provider.Spoken{chat}, Keyless: true, Free: true},
	}
}

// bench is a pool with a clock that stands still.
type bench struct {
	*Pool
	t     *testing.T
	store *memory
	clock time.Time
}

func newBench(t *testing.T, fixed []Channel, rows ...Channel) *bench {
	t.Helper()
	b := &bench{t: t, store: &memory{rows: rows}, clock: noon}
	p, err := New(t.Context(), b.store, vendors(), fixed, slog.New(slog.DiscardHandler), func() time.Time { return b.clock })
	if err != nil {
		t.Fatal(err)
	}
	b.Pool = p
	return b
}

// channel is a channel that serves, changed by how.
func channel(id string, how ...func(*Channel)) Channel {
	c := Channel{ID: id, Provider: "any", Secret: "sk-secret", Enabled: true, Origin: OriginAPI, Version: 1}
	for _, h := range how {
		h(&c)
	}
	return c
}

var want = Want{Model: "gpt-5", Dialect: canon.OpenAIChat, Op: canon.OpGenerate}

// next is the first lease of a new walk.
func (b *bench) next(w Want) *Lease {
	b.t.Helper()
	walk, err := b.Route(w)
	if err != nil {
		b.t.Fatalf("route %+v: %v", w, err)
	}
	l, err := walk.Next(b.clock)
	if err != nil {
		b.t.Fatalf("next of %+v: %v", w, err)
	}
	return l
}

// disproved is a call that from refuses and to answers.
func (b *bench) disproved(w Want, from, to string, kind canon.Kind) {
	b.t.Helper()
	walk, err := b.Route(w)
	if err != nil {
		b.t.Fatalf("route %+v: %v", w, err)
	}
	for _, id := range []string{from, to} {
		l, err := walk.Next(b.clock)
		if err != nil || l.Channel.ID != id {
			b.t.Fatalf("next of %+v is %+v, %v; want %s", w, l, err, id)
		}
		if id == from {
			l.Failed(failure(kind), b.clock)
		} else {
			l.Succeeded()
		}
	}
}

// refused is why a new walk has no channel at all.
func (b *bench) refused(w Want) *canon.Error {
	b.t.Helper()
	walk, err := b.Route(w)
	if err != nil {
		return err
	}
	l, err := walk.Next(b.clock)
	if err == nil {
		b.t.Fatalf("%+v was given channel %s", w, l.Channel.ID)
	}
	return err
}

// order lists the channels of one walk to its end.
func (b *bench) order(w Want) []string {
	b.t.Helper()
	walk, err := b.Route(w)
	if err != nil {
		b.t.Fatalf("route %+v: %v", w, err)
	}
	var out []string
	for {
		l, err := walk.Next(b.clock)
		if err != nil {
			return out
		}
		out = append(out, l.Channel.ID)
		l.Dropped()
	}
}

// counts tells how often each channel comes first in n walks that go well.
func (b *bench) counts(n int) map[string]int {
	b.t.Helper()
	got := map[string]int{}
	for range n {
		l := b.next(want)
		got[l.Channel.ID]++
		l.Succeeded()
	}
	return got
}

func failure(kind canon.Kind) *canon.Error { return &canon.Error{Kind: kind, Message: "no"} }

func name(prefix string, i int) string { return prefix + strconv.Itoa(i) }
