// Package app puts the parts together: the only package that sees everyone, and the only one that
// reads a config.Config. It owns the order in which things start and stop.
package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
	_ "time/tzdata" // accounts have time zones, and small images have no file of them

	"tollgate/internal/account"
	"tollgate/internal/audit"
	"tollgate/internal/canon"
	"tollgate/internal/change"
	"tollgate/internal/config"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/gemini"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/dialect/openairesponses"
	"tollgate/internal/fetch"
	"tollgate/internal/journal"
	"tollgate/internal/kept"
	"tollgate/internal/ledger"
	"tollgate/internal/limit"
	"tollgate/internal/mail"
	"tollgate/internal/notice"
	"tollgate/internal/obs"
	"tollgate/internal/pool"
	"tollgate/internal/provider/builtin"
	"tollgate/internal/relay"
	"tollgate/internal/secret"
	"tollgate/internal/server"
	"tollgate/internal/setting"
	"tollgate/internal/sharing"
	"tollgate/internal/store/sqlstore"
	"tollgate/internal/tokens"
)

// App is a gateway ready to run.
type App struct {
	cfg     *config.Config
	log     *slog.Logger
	version string

	store    *sqlstore.Store
	journal  *journal.Journal
	book     *ledger.Book
	registry *account.Registry
	pool     *pool.Pool
	models   *Models
	settings *setting.Settings
	follower *change.Follower
	mails    *mail.Queue
	trail    *audit.Trail
	notices  *notice.Notices
	told     chan struct{} // closed when notices are there, or never will be
	relay    *relay.Handler
	fetcher  *fetch.Fetcher // nil when switched off
	kept     *kept.Keeper
	server   *server.Server
	metrics  *obs.Metrics
	guard    *sharing.Guard
	bans     chan sharing.Ban // that the store is to keep
	limits   *limit.Limiter
	sim      *simulated
	root     rootKey

	listener        net.Listener
	metricsListener net.Listener
}

// New builds a gateway from cfg: it opens the store and the journal, settles what an earlier run left
// in the journal, and listens; it does not answer yet. Close it, also when Run was never called.
func New(ctx context.Context, cfg *config.Config, version string, log *slog.Logger) (a *App, err error) {
	a = &App{cfg: cfg, log: log, version: version, told: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
			a = nil
		}
	}()
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return a, fmt.Errorf("data directory: %w", err)
	}
	if err := a.openBooks(ctx); err != nil {
		return a, err
	}
	if err := a.openSettings(ctx); err != nil {
		return a, err
	}
	if err := a.openAccounts(ctx); err != nil {
		return a, err
	}
	a.watchBudgets(ctx)
	a.openNotices()
	if err := a.openPool(ctx); err != nil {
		return a, err
	}
	a.takeOver(a.follower)
	if err := a.openServer(ctx); err != nil {
		return a, err
	}
	return a, nil
}

// openBooks opens the store, the journal and the ledger over them.
func (a *App) openBooks(ctx context.Context) error {
	store, err := openStore(ctx, a.cfg)
	if err != nil {
		return err
	}
	a.store = store
	if a.follower, err = change.New(ctx, store, a.log); err != nil { // before anything is read from it
		return err
	}
	opts := journal.DefaultOptions()
	opts.SyncEvery, opts.Logger = a.cfg.JournalSync, a.log
	if a.journal, err = journal.Open(journalDir(a.cfg), opts); err != nil {
		return err
	}
	node, err := ledger.NodeID(a.cfg.Data)
	if err != nil {
		return err
	}
	if a.book, err = ledger.OpenBook(ctx, ledger.Options{Store: a.store, Journal: a.journal, Node: node, Log: a.log, OnSoftLimit: a.softLimit, Fees: ledger.Fees{Take: a.cfg.TakeFee, Close: a.cfg.CloseFee, Commission: a.cfg.Commission}, LongestCall: a.cfg.TimeoutCall}); err != nil {
		return err
	}
	a.models, err = NewModels(ctx, a.cfg.Models, a.store)
	return err
}

// openFilled opens the store for a command that looks at what a gateway left there. Where there was none, a
// new store would be empty, and in order.
func openFilled(ctx context.Context, cfg *config.Config) (*sqlstore.Store, error) {
	if cfg.SQLDSN == "" {
		path := filepath.Join(cfg.Data, "tollgate.db")
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no %s: run this with the settings of the gateway, its data directory (--data, TOLLGATE_DATA) or its database (SQL_DSN)", path)
		}
	}
	return openStore(ctx, cfg)
}

func openStore(ctx context.Context, cfg *config.Config) (*sqlstore.Store, error) {
	master, err := secret.LoadMaster(cfg.Data, cfg.MasterKey.Reveal())
	if err != nil {
		return nil, err
	}
	sealer, err := secret.NewSealer(master)
	if err != nil {
		return nil, err
	}
	return sqlstore.Open(ctx, sqlstore.Config{DSN: cfg.SQLDSN.Reveal(), DataDir: cfg.Data, Sealer: sealer})
}

// openPool loads the channels, those of the configuration and the simulator's included.
func (a *App) openPool(ctx context.Context) error {
	fixed, err := fixedChannels(a.cfg)
	if err != nil {
		return err
	}
	if a.cfg.Simulator == "on" || a.cfg.Simulator == "auto" && !a.cfg.HasChannels() {
		if a.sim, err = newSimulated(); err != nil {
			return err
		}
		fixed = append(fixed, a.sim.channel())
	}
	providers, err := builtin.List()
	if err != nil {
		return err
	}
	a.pool, err = pool.New(ctx, a.store, providers, fixed, a.log, time.Now)
	return err
}

// openServer builds the way of a call and listens.
func (a *App) openServer(ctx context.Context) error {
	protocols := []dialect.Protocol{openaichat.New(), openairesponses.New(), anthropic.New(), gemini.New()}
	byName := map[canon.Dialect]dialect.Protocol{}
	for _, p := range protocols {
		byName[p.Dialect()] = p
	}
	c := a.cfg
	a.metrics = obs.NewMetrics(a.version)
	a.limits = limit.New(nil)
	a.loadRates(ctx)
	if err := a.openGuard(ctx); err != nil {
		return err
	}
	deps := relay.Deps{
		Settings: relay.Settings{
			MaxBody: c.MaxBodyBytes, MaxAnswer: c.MaxAnswerBytes, MaxEvent: int(c.MaxEventBytes), Memory: a.memory(ctx),
			FirstByte: c.TimeoutFirstByte, Idle: c.TimeoutIdle, Ping: c.PingAfter, Call: c.TimeoutCall, Route: c.TimeoutRoute,
			ClientRead: c.TimeoutClientRead, ClientWrite: c.TimeoutClientWrite, Connect: c.TimeoutConnect, DefaultOutput: c.DefaultOutput, SharedObjects: c.SharedObjects == "on",
		},
		Protocols: byName, Accounts: a.registry.Directory(), Catalog: a.models.Snapshot, Rules: a.rules, Guard: a.guard, Unbilled: c.Billing == "off", SpentRatio: a.spentRatio(),
		Pool: a.pool, Book: a.book, Limits: a.limits, Tokens: tokens.New(), Metrics: a.metrics,
		Log: a.log, ClientIP: clientIP(c.TrustedPeers), Began: time.Now(), Version: a.version,
	}
	if c.FetchMedia == "on" {
		a.fetcher = fetch.New(fetch.Settings{
			MaxBytes: c.FetchMaxBytes, Timeout: c.FetchTimeout, AtOnce: maxFetches, Allow: c.FetchAllow, Agent: "tollgate/" + a.version,
		})
		deps.Fetch, deps.FetchDocument = a.fetcher.Media, a.fetcher.Document
	}
	a.kept = kept.New(a.store, kept.Defaults(), time.Now)
	if c.KeepResponses == "on" {
		deps.Kept = conversations{a.kept}
	}
	a.relay = relay.New(deps)
	if err := a.watch(); err != nil {
		return err
	}
	routes := map[string]http.Handler{}
	var err error
	if c.MetricsAddr == "" {
		routes["GET /metrics"] = a.guardMetrics(a.metrics.Handler())
	} else if a.metricsListener, err = listen(c.MetricsAddr); err != nil {
		return fmt.Errorf("METRICS_LISTEN: %w", err)
	}
	a.profiling(routes)
	managed, err := a.adminRoutes()
	if err != nil {
		return err
	}
	maps.Copy(routes, managed)
	a.server = server.New(server.Options{
		Relay: a.relay, Protocols: protocols, Routes: routes, Ready: a.ready,
		MaxHeaderBytes: int(c.MaxHeaderBytes), ClientRead: c.TimeoutClientRead, Delay: c.ShutdownDelay, Shutdown: c.TimeoutShutdown, Log: a.log,
	})
	a.listener, err = listen(c.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("LISTEN: %w; stop what uses it, or choose another port with PORT or LISTEN", err)
	}
	if err != nil {
		return fmt.Errorf("LISTEN: %w", err)
	}
	return nil
}

func listen(addr string) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
}

// Addr is the address that the gateway listens on.
func (a *App) Addr() net.Addr { return a.listener.Addr() }

// Run serves until ctx is done, lets running calls finish, and settles them.
func (a *App) Run(ctx context.Context) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { a.pool.Run(background, a.relay.Check) })
	wg.Go(func() { pace(background) })
	wg.Go(func() { a.trimKept(background) })
	wg.Go(func() { a.retain(background) })
	wg.Go(func() { a.keepRates(background) })
	wg.Go(func() { a.keepBans(background) })
	wg.Go(func() { a.follower.Run(background) })
	wg.Go(func() { a.mails.Run(background) })
	wg.Go(func() { a.notices.Run(background) })
	if a.metricsListener != nil {
		wg.Go(func() { a.serveMetrics(background) })
	}
	a.log.LogAttrs(ctx, slog.LevelInfo, "tollgate is listening", slog.String("address", a.Addr().String()), slog.String("version", a.version))
	err := a.server.Serve(ctx, a.listener)
	stop()
	wg.Wait()
	return err
}

// Close releases what New opened. Settled calls that the store did not take yet stay in the journal.
func (a *App) Close() error {
	var errs []error
	if a.listener != nil {
		if err := a.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if a.metricsListener != nil {
		if err := a.metricsListener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if a.relay != nil {
		a.relay.Close()
		if a.fetcher != nil {
			a.fetcher.Close()
		}
	}
	if a.sim != nil {
		errs = append(errs, a.sim.close())
	}
	if a.notices == nil {
		close(a.told)
	}
	if a.book != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		errs = append(errs, a.book.Close(ctx))
	}
	if a.journal != nil {
		errs = append(errs, a.journal.Close())
	}
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	return errors.Join(errs...)
}

// ready reports why new calls should go elsewhere. A store that is away is no reason: calls are
// answered and kept in the journal, only reports are late.
func (a *App) ready(context.Context) error { return a.journal.Healthy() }

// maxFetches bounds the files that are fetched at once in the whole process; each may take FETCH_MAX_BYTES.
const maxFetches = 8
