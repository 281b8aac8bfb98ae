package app

import (
	"context"
	"log/slog"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/ledger"
	"tollgate/internal/relay"
)

// watchTimeout bounds how long a change of an account waits for what was spent of its budgets.
const watchTimeout = 3 * time.Second

// watchBudgets has the ledger learn what was spent of the budgets of all accounts and keys, now and when
// they change, so that no call waits for the store.
func (a *App) watchBudgets(ctx context.Context) {
	dir := a.registry.Directory()
	all := map[ledger.Budget]bool{}
	add := func(c account.Caller) {
		for _, b := range relay.Budgets(dir, c, nil) {
			all[b] = true
		}
	}
	dir.Accounts(func(x *account.Account) bool {
		add(account.Caller{Account: x})
		return true
	})
	dir.Keys(func(k *account.Key) bool {
		if x := dir.Account(k.AccountID); x != nil && k.Quota != (account.Quota{}) {
			add(account.Caller{Account: x, Key: k})
		}
		return true
	})
	for b := range all {
		if err := a.book.Watch(ctx, time.Now(), b); err != nil {
			a.log.LogAttrs(ctx, slog.LevelWarn, "what was spent of budgets is not known yet; the first call asks the store", slog.Any("error", err))
			break
		}
	}
	a.registry.Changed = a.watchChanged
}

func (a *App) watchChanged(ctx context.Context, x *account.Account, k *account.Key) {
	c := account.Caller{Account: x, Key: k}
	if k != nil {
		c.Account = a.registry.Directory().Account(k.AccountID)
	}
	list := relay.Budgets(a.registry.Directory(), c, nil)
	if c.Account == nil || len(list) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), watchTimeout)
	defer cancel()
	if err := a.book.Watch(ctx, time.Now(), list...); err != nil {
		a.log.LogAttrs(ctx, slog.LevelWarn, "what was spent of a budget is not known yet; the first call asks the store", slog.String("account", c.Account.ID), slog.Any("error", err))
	}
}
