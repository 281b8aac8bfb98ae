package app

import (
	"time"

	"tollgate/internal/catalog"
)

// spentRatio is by what the catalogue's limits for an account are multiplied, because of what it has
// spent in its life; nil if the operator says nothing of it.
func (a *App) spentRatio() func(accountID string) catalog.Multiplier {
	list := a.cfg.LimitRatios
	if len(list) == 0 {
		return nil
	}
	return func(accountID string) catalog.Multiplier {
		spent, ratio := a.book.Balance(accountID, time.Now()).Spent, catalog.One
		for _, r := range list {
			if spent >= r.Spent {
				ratio = r.Ratio
			}
		}
		return ratio
	}
}
