package app

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"tollgate/internal/change"
)

// takeOver has what other gateways on the same database change taken over here.
func (a *App) takeOver(f *change.Follower) {
	models := func(ctx context.Context, _ []string) error { return a.models.Reload(ctx) }
	settings := func(ctx context.Context, _ []string) error { return a.settings.Refresh(ctx) }
	f.On(change.Account, a.registry.TakeAccounts, a.registry.TakeAll)
	f.On(change.Key, a.registry.TakeKeys, func(context.Context) error { return nil }) // with the accounts
	f.On(change.Channel, a.pool.Take, a.takeChannels)
	f.On(change.Model, models, a.models.Reload)
	f.On(change.Address, a.takeBans, a.takeAllBans)
	f.On(change.Setting, settings, a.settings.Refresh)
}

// takeChannels takes over all channels.
func (a *App) takeChannels(ctx context.Context) error {
	var ids []string
	for _, s := range a.pool.List() {
		ids = append(ids, s.Channel.ID)
	}
	return a.pool.Take(ctx, ids)
}

// catchUpTimeout bounds how long a request to a management API waits for what others changed.
const catchUpTimeout = 2 * time.Second

// upToDate has a request to a management API see what another gateway answered before: a script may
// reach a gateway with one request and another one with the next.
func (a *App) upToDate(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), catchUpTimeout)
		err := a.follower.Follow(ctx)
		cancel()
		if err != nil && r.Context().Err() == nil {
			a.log.LogAttrs(r.Context(), slog.LevelWarn, "a management request may not see what other gateways changed", slog.Any("error", err))
		}
		h.ServeHTTP(w, r)
	})
}
