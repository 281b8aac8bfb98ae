package app

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/admin"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/compat/proxyxai"
	"tollgate/internal/ledger"
	"tollgate/internal/news"
	"tollgate/internal/pool"
	"tollgate/internal/provider/builtin"
	"tollgate/internal/relay"
	"tollgate/internal/wildcard"
)

// adminRoutes are the ServeMux patterns of the management APIs: our own, and the one that clients of
// ProxyXAI speak.
func (a *App) adminRoutes() (map[string]http.Handler, error) {
	providers, err := builtin.List()
	if err != nil {
		return nil, err
	}
	api, err := admin.New(admin.Deps{
		Authenticate: a.relay.Authenticate, MayUse: a.relay.MayUse, Accounts: a.registry, Channels: managedPool{a.pool, a.relay.Check},
		Models: managedModels{a.models}, Money: a.book, Records: a.store, Providers: providers,
		Limits: a.limits, Guard: a.guard, Trail: a.trail, Notices: a.notices,
		Budgets: func(c account.Caller) []ledger.Budget { return relay.Budgets(a.registry.Directory(), c, nil) },
		Log:     a.log, Now: time.Now, Version: a.version, Began: time.Now(),
	})
	if err != nil {
		return nil, err
	}
	routes := map[string]http.Handler{admin.Prefix + "/": a.upToDate(api)}
	x := proxyxai.New(proxyxai.Deps{
		Authenticate: a.relay.Authenticate, Channels: a.pool, Settings: a.settings, Accounts: a.registry, Money: a.book, Records: a.store,
		News: news.New(a.store, time.Now), Notices: a.notices, Trail: a.trail, Base: a.cfg.XAIBase, MinFunding: a.cfg.MinFunding, MinBalance: a.cfg.MinAPIBalance,
		Log: a.log, Now: time.Now,
	})
	for pattern, h := range x.Routes() {
		routes[pattern] = a.upToDate(h)
	}
	return routes, nil
}

// managedPool is the pool with someone who sends its checks.
type managedPool struct {
	*pool.Pool
	check pool.Checker
}

// CheckNow implements admin.Channels.
func (p managedPool) CheckNow(ctx context.Context, id string) (*canon.Error, error) {
	return p.Pool.CheckNow(ctx, id, p.check)
}

// managedModels is the catalogue as admin sees it: with price rules, and who said what.
type managedModels struct{ *Models }

// List implements admin.Models.
func (m managedModels) List(ctx context.Context) ([]admin.CatalogModel, error) {
	stored, err := m.store.Models(ctx)
	if err != nil {
		return nil, err
	}
	byName := map[string]admin.CatalogModel{}
	snap := m.Snapshot()
	for _, layer := range []struct {
		origin string
		models []catalog.Model
	}{{"builtin", m.builtin}, {"file", m.file}, {"api", stored}} {
		for _, x := range layer.models {
			in := snap
			if wildcard.Is(x.Name) { // the snapshot answers the rule that fits best, which another one may do
				if in, err = catalog.NewSnapshot([]catalog.Model{x}); err != nil {
					return nil, err
				}
			}
			if e, ok := in.Lookup(x.Name); ok && strings.EqualFold(e.Model.Name, x.Name) {
				byName[strings.ToLower(x.Name)] = admin.CatalogModel{Entry: e, Origin: layer.origin}
			}
		}
	}
	out := make([]admin.CatalogModel, 0, len(byName))
	for _, x := range byName {
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b admin.CatalogModel) int {
		return cmp.Compare(strings.ToLower(a.Entry.Model.Name), strings.ToLower(b.Entry.Model.Name))
	})
	return out, nil
}
