package app

import (
	"context"
	"log/slog"

	"tollgate/internal/sharing"
)

// newGuard watches how many accounts call from one address, if the operator wants to know.
func (a *App) newGuard() *sharing.Guard {
	return sharing.New(sharing.Options{
		Alert: a.cfg.SharingAlert, Ban: a.cfg.SharingBan, Trusted: a.cfg.TrustedPeers,
		Told: func(p sharing.Place) {
			a.metrics.Shared(!p.BannedUntil.IsZero())
			a.log.LogAttrs(context.Background(), slog.LevelWarn, "many accounts call from one address", slog.String("address", p.Addr.String()),
				slog.Int("accounts", len(p.Accounts)), slog.Bool("banned", !p.BannedUntil.IsZero()))
		},
	})
}
