// Package change owns how gateways on one store learn of each other's changes: of accounts, keys, channels,
// models, settings and refused addresses. A store numbers changes in the transactions that make them; a Follower asks every
// second what came since. What to read again and what then holds is up to those who take changes over.
package change

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync/atomic"
	"time"
)

// Kind says what changed.
type Kind string

// The kinds. They stand in the store.
const (
	Account Kind = "account"
	Key     Kind = "key"
	Channel Kind = "channel"
	Model   Kind = "model"
	Setting Kind = "setting"
	Address Kind = "address" // that is refused
)

// Change names something that was made, changed or deleted.
type Change struct {
	Kind Kind
	ID   string
}

// ErrForgotten says that what changed since then is not known any more.
var ErrForgotten = errors.New("what changed is not known any more")

// Store numbers changes.
type Store interface {
	// Changes returns what was changed after the one with number since, each thing once, in the order of
	// its last change, and the number of the last change of all. Where it no longer knows, the error is
	// ErrForgotten, and the number is right. After math.MaxInt64 nothing was changed.
	Changes(ctx context.Context, since int64) ([]Change, int64, error)

	// ForgetChanges forgets all but the last so many changes, and returns how many it forgot.
	ForgetChanges(ctx context.Context, keep int64) (int, error)
}

// Follower hands on what other processes at a store changed.
type Follower struct {
	store  Store
	log    *slog.Logger
	takers []taker

	looks atomic.Int64  // that have begun
	turn  chan struct{} // full while somebody looks, who owns what follows
	done  int64         // the last look that went well, by its number
	seen  int64
}

type taker struct {
	kind Kind
	take func(ctx context.Context, ids []string) error
	all  func(ctx context.Context) error
}

// every is how often a Follower asks.
const every = time.Second

// New returns a Follower of what changes from now on: what is read from the store after New is either
// newer, or will be followed.
func New(ctx context.Context, store Store, log *slog.Logger) (*Follower, error) {
	_, seen, err := store.Changes(ctx, math.MaxInt64)
	if err != nil {
		return nil, fmt.Errorf("follow changes: %w", err)
	}
	return &Follower{store: store, log: log, turn: make(chan struct{}, 1), seen: seen}, nil
}

// On has take called with the ids of what changed, also of what this process changed itself, for it may not
// know that it did. After so long that nobody knows what changed, all is called to take over everything of the
// kind. Kinds are taken over in the order in which they were given. It comes before Follow.
func (f *Follower) On(kind Kind, take func(ctx context.Context, ids []string) error, all func(ctx context.Context) error) {
	f.takers = append(f.takers, taker{kind, take, all})
}

// Follow takes over what has changed before it was called. Callers that wait for their turn together share
// one look.
func (f *Follower) Follow(ctx context.Context) error {
	before := f.looks.Load()
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("follow changes: %w", ctx.Err())
	}
	defer func() { <-f.turn }()
	if f.done > before {
		return nil // somebody looked meanwhile
	}
	number := f.looks.Add(1)
	if err := f.look(ctx); err != nil {
		return err
	}
	f.done = number
	return nil
}

// look takes over what changed since the last time. After an error it does so again next time.
func (f *Follower) look(ctx context.Context) error {
	list, now, err := f.store.Changes(ctx, f.seen)
	switch {
	case errors.Is(err, ErrForgotten):
		return f.takeAll(ctx, now)
	case err != nil:
		return fmt.Errorf("follow changes: %w", err)
	}
	ids := map[Kind][]string{}
	for _, c := range list {
		ids[c.Kind] = append(ids[c.Kind], c.ID)
	}
	for _, t := range f.takers {
		if len(ids[t.kind]) == 0 {
			continue
		}
		if err := t.take(ctx, ids[t.kind]); err != nil {
			return fmt.Errorf("take over what changed (%s): %w", t.kind, err)
		}
	}
	f.seen = now
	return nil
}

// takeAll takes over everything, as it is after the change with number now.
func (f *Follower) takeAll(ctx context.Context, now int64) error {
	f.log.LogAttrs(ctx, slog.LevelInfo, "this gateway did not follow the changes of others for long; it reads everything again")
	for _, t := range f.takers {
		if err := t.all(ctx); err != nil {
			return fmt.Errorf("take over everything (%s): %w", t.kind, err)
		}
	}
	f.seen = now
	return nil
}

// timeout bounds one look. Of 100,000 accounts and their keys, reading everything again takes about a second.
const timeout = 30 * time.Second

// Run follows until ctx is done.
func (f *Follower) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		look, cancel := context.WithTimeout(ctx, timeout)
		err := f.Follow(look)
		cancel()
		if err != nil && !failing && ctx.Err() == nil {
			f.log.LogAttrs(ctx, slog.LevelWarn, "what other gateways changed is not known; what held before does", slog.Any("error", err))
		}
		failing = err != nil
	}
}
