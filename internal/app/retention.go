package app

import (
	"context"
	"log/slog"
	"time"
)

const (
	retainEvery = time.Hour
	retainBatch = 500                    // rows in a transaction, which others wait for
	retainPause = 100 * time.Millisecond // after each, for those

	// keepChanges is how many changes a gateway that was cut off from the database may have missed before it reads
	// everything again.
	keepChanges = 10_000
)

// retain removes records of calls and events that are older than CALLS_KEEP_DAYS and AUDIT_KEEP_DAYS, and changes
// that every gateway has seen, at the start and every hour, until ctx ends.
func (a *App) retain(ctx context.Context) {
	tick := time.NewTicker(retainEvery)
	defer tick.Stop()
	for {
		a.forget(ctx, "calls", a.cfg.KeepCalls, a.store.ForgetCalls)
		a.forget(ctx, "audit trail", a.cfg.KeepEvents, a.store.ForgetEvents)
		if _, err := a.store.ForgetChanges(ctx, keepChanges); err != nil && ctx.Err() == nil {
			a.log.LogAttrs(ctx, slog.LevelWarn, "old changes were not removed", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// forget removes what is older than so many days, in batches; 0 days are for ever.
func (a *App) forget(ctx context.Context, what string, days int, batch func(context.Context, time.Time, int) (int, error)) {
	if days == 0 {
		return
	}
	n, some, err := 0, retainBatch, error(nil)
	for err == nil && some == retainBatch {
		some, err = batch(ctx, time.Now().AddDate(0, 0, -days), retainBatch)
		n += some
		select {
		case <-ctx.Done():
			return
		case <-time.After(retainPause):
		}
	}
	if err != nil {
		a.log.LogAttrs(ctx, slog.LevelWarn, "old records were not removed", slog.String("what", what), slog.Any("error", err))
	}
	if n > 0 {
		a.log.LogAttrs(ctx, slog.LevelInfo, "old records were removed", slog.String("what", what), slog.Int("number", n), slog.Int("days", days))
	}
}
