package app

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/audit"
	"tollgate/internal/ledger"
	"tollgate/internal/mail"
	"tollgate/internal/notice"
	"tollgate/internal/setting"
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

// rules are the operator's, for all accounts.
func (a *App) rules() account.Rules {
	v := a.settings.Values()
	return account.Rules{Models: v.Models, Levels: v.Levels, Steps: v.Steps, Paths: v.Resources}
}

// openNotices begins to tell account holders things, and to keep the trail of what people do.
func (a *App) openNotices() {
	a.trail = audit.NewTrail(a.store, a.log, time.Now)
	a.notices = notice.New(notice.Deps{
		Accounts: a.registry.Directory(), Records: a.store, Mails: a.mails, Service: a.cfg.Service,
		Contact: func() string { return a.settings.Values().ServiceMail }, Log: a.log, Now: time.Now,
	})
	close(a.told)
}

// softLimit is told when spending has reached a soft limit, maybe before the notices are there.
func (a *App) softLimit(s ledger.SoftLimit) {
	<-a.told
	if a.notices != nil {
		a.notices.SoftLimit(context.Background(), s)
	}
}
