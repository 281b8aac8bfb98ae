package app

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"tollgate/internal/sharing"
)

// maxBans bounds the bans that wait for the store. What does not fit is in force, and forgotten by a restart.
const maxBans = 1024

// openGuard watches how many accounts call from one address, if the operator wants to know, and goes on
// with the addresses that are refused.
func (a *App) openGuard(ctx context.Context) error {
	a.bans = make(chan sharing.Ban, maxBans)
	a.guard = sharing.New(sharing.Options{
		Alert: a.cfg.SharingAlert, Ban: a.cfg.SharingBan, Trusted: a.cfg.TrustedPeers,
		Told: func(p sharing.Place) {
			a.metrics.Shared(!p.BannedUntil.IsZero())
			a.log.LogAttrs(context.Background(), slog.LevelWarn, "many accounts call from one address", slog.String("address", p.Addr.String()),
				slog.Int("accounts", len(p.Accounts)), slog.Bool("banned", !p.BannedUntil.IsZero()))
		},
		Changed: func(b sharing.Ban) {
			select {
			case a.bans <- b:
			default:
				a.log.LogAttrs(context.Background(), slog.LevelWarn, "a refused address is not kept over a restart: the store is behind", slog.String("address", b.Addr.String()))
			}
		},
	})
	if a.guard == nil {
		return nil
	}
	now := time.Now()
	bans, err := a.store.Bans(ctx, now)
	a.guard.TakeAll(bans, now)
	return err
}

// takeBans takes over what another gateway says of addresses.
func (a *App) takeBans(ctx context.Context, ids []string) error {
	if a.guard == nil {
		return nil
	}
	now := time.Now()
	bans, err := a.store.Bans(ctx, now)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if addr, err := netip.ParsePrefix(id); err == nil {
			a.guard.Take([]netip.Prefix{addr}, bans, now)
		}
	}
	return nil
}

// takeAllBans takes over which addresses are refused.
func (a *App) takeAllBans(ctx context.Context) error {
	if a.guard == nil {
		return nil
	}
	now := time.Now()
	bans, err := a.store.Bans(ctx, now)
	if err == nil {
		a.guard.TakeAll(bans, now)
	}
	return err
}

// banTimeout bounds how long keeping a ban may take.
const banTimeout = 5 * time.Second

// keepBans writes refused addresses to the store, until ctx ends and none waits.
func (a *App) keepBans(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case b := <-a.bans:
			a.keepBan(ctx, b)
		case <-ctx.Done():
		}
	}
	for {
		select {
		case b := <-a.bans:
			a.keepBan(ctx, b)
		default:
			return
		}
	}
}

func (a *App) keepBan(ctx context.Context, b sharing.Ban) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), banTimeout)
	defer cancel()
	if err := a.store.PutBan(ctx, b, time.Now()); err != nil {
		a.log.LogAttrs(ctx, slog.LevelWarn, "a refused address is not kept over a restart", slog.String("address", b.Addr.String()), slog.Any("error", err))
	}
}
