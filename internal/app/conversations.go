package app

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/openairesponses"
	"tollgate/internal/kept"
	"tollgate/internal/pool"
)

// conversations keeps Responses that came from upstreams of other dialects.
type conversations struct{ keeper *kept.Keeper }

func (c conversations) load(ctx context.Context, accountID, id string) (*openairesponses.Kept, *canon.Error) {
	raw, err := c.keeper.Load(ctx, accountID, id)
	switch {
	case errors.Is(err, kept.ErrNotFound):
		return nil, &canon.Error{Kind: canon.KindNotFound, Message: "no stored response with this id", Cause: pool.ErrNotFound}
	case err != nil:
		return nil, &canon.Error{Kind: canon.KindOverloaded, Message: "stored responses can't be looked up right now", RetryAfter: 5 * time.Second, Cause: err}
	}
	k, err := openairesponses.DecodeKept(raw)
	if err != nil {
		return nil, &canon.Error{Kind: canon.KindInternal, Message: "the stored response can't be read", Cause: err}
	}
	return k, nil
}

// Resume implements relay.Conversations.
func (c conversations) Resume(ctx context.Context, accountID, id string, body []byte) ([]byte, int, any, *canon.Error) {
	k, err := c.load(ctx, accountID, id)
	if err != nil {
		if errors.Is(err.Cause, pool.ErrNotFound) {
			return nil, 0, nil, nil // some channel may keep it
		}
		return nil, 0, nil, err
	}
	whole, earlier, err := openairesponses.Continue(body, k)
	return whole, earlier, k, err
}

// Keep implements relay.Conversations.
func (c conversations) Keep(ctx context.Context, accountID string, body []byte, before any, w dialect.Writer) error {
	response := openairesponses.Response(w)
	if response == nil {
		return nil
	}
	earlier, _ := before.(*openairesponses.Kept) // nil when the conversation begins here
	k, cerr := openairesponses.Keep(body, earlier, response)
	if cerr != nil {
		return cerr
	}
	raw, err := k.Encode()
	if err != nil {
		return err
	}
	return c.keeper.Keep(ctx, accountID, k.ID(), raw)
}

// Answer implements relay.Conversations.
func (c conversations) Answer(ctx context.Context, accountID string, op canon.Op, id string, query url.Values) ([]byte, *canon.Error) {
	k, err := c.load(ctx, accountID, id)
	if err != nil {
		return nil, err
	}
	switch op {
	case canon.OpStoredGet:
		return k.Response, nil
	case canon.OpStoredItems:
		return k.ListItems(id, query)
	case canon.OpStoredDelete:
		if err := c.keeper.Delete(ctx, accountID, id); err != nil && !errors.Is(err, kept.ErrNotFound) {
			return nil, &canon.Error{Kind: canon.KindOverloaded, Message: "the stored response can't be deleted right now", RetryAfter: 5 * time.Second, Cause: err}
		}
		return openairesponses.Deleted(id), nil
	default:
		return nil, canon.Errorf(canon.KindInvalid, "this response is complete; only responses in the background can be cancelled")
	}
}

// trimEvery is how often what is kept for too long is removed.
const trimEvery = 5 * time.Minute

// trimKept removes kept responses that have expired, until ctx ends.
func (a *App) trimKept(ctx context.Context) {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if _, err := a.kept.Trim(ctx); err != nil && ctx.Err() == nil {
				a.log.LogAttrs(ctx, slog.LevelWarn, "stored responses were not trimmed", slog.Any("error", err))
			}
		}
	}
}
