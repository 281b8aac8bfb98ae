package app

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/mail"
	"tollgate/internal/pool"
	"tollgate/internal/setting"
	"tollgate/internal/wildcard"
)

// openSettings reads the settings that operators change while the gateway runs; those of the
// environment hold where they changed nothing.
func (a *App) openSettings(ctx context.Context) error {
	c := a.cfg
	settings, err := setting.Open(ctx, a.store, map[string]string{
		setting.ModelMapper: c.Mapper.String(), setting.LevelMapper: c.Levels.String(), setting.SwitchOver: c.SwitchOver.String(),
		setting.Resources: strings.Join(c.Resources, ","), setting.ServiceMail: c.ServiceMail,
		setting.EmailSMTP: c.EmailSMTP, setting.EmailPort: strconv.Itoa(c.EmailPort), setting.EmailAuth: c.EmailAuth,
		setting.EmailPass: c.EmailPass.Reveal(), setting.EmailSender: c.EmailSender, setting.EmailTLS: c.EmailTLS,
	}, a.log)
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	a.settings = settings
	a.mails = mail.NewQueue(a.store, func() mail.Server { return settings.Values().Mail }, a.log, time.Now)
	if c.RedisAddr != "" {
		a.log.LogAttrs(ctx, slog.LevelInfo, "REDIS_ADDR is set, but nothing here needs Redis: limits are kept in memory, everything else in the database")
	}
	return nil
}

// mapModel is the gateway's own mapping of model names.
func (a *App) mapModel(model string) string { return a.settings.Values().Models.Map(model) }

// offers reports whether an API path may be called at all.
func (a *App) offers(path string) bool {
	paths := a.settings.Values().Resources
	return len(paths) == 0 || wildcard.Any(paths, path)
}

// poolsFor returns the pools whose channels serve a model to an account, in order: its own, or that of
// the level which the operator's rules name for the model, and then those that take over from them.
func (a *App) poolsFor(x *account.Account, model string) []string {
	v := a.settings.Values()
	pools := x.Pools
	if level, ok := v.Levels.Level(model); ok && len(pools) == 0 {
		pools = []string{pool.Level(level)}
	}
	return pool.SwitchOver(pools, v.Steps)
}
