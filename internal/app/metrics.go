package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"time"

	"tollgate/internal/pool"
)

// watch adds the gauges that are read off the parts when somebody asks.
func (a *App) watch() error {
	return errors.Join(
		a.metrics.Watch("journal_lag_bytes", "Bytes of settled calls in the journal that the store has not taken yet.", func() float64 { return float64(a.book.Lag(time.Now()).Bytes) }),
		a.metrics.Watch("journal_lag_seconds", "Age of the oldest settled call that the store has not taken yet.", func() float64 { return a.book.Lag(time.Now()).Age.Seconds() }),
		a.metrics.Watch("held_dollars", "Money held for calls that run.", func() float64 { return float64(a.book.Held()) / 1e9 }),
		a.metrics.Watch("channels", "Channels that are switched on.", func() float64 { return countChannels(a.pool, func(s pool.Status) bool { return s.Channel.Enabled }) }),
		a.metrics.Watch("channels_retired", "Channels whose key the provider refuses.", func() float64 { return countChannels(a.pool, func(s pool.Status) bool { return s.Retired }) }),
	)
}

func countChannels(p *pool.Pool, is func(pool.Status) bool) float64 {
	n := 0.0
	for _, s := range p.List() {
		if is(s) {
			n++
		}
	}
	return n
}

// profiling adds Go's profiles for whoever has root's key.
func (a *App) profiling(routes map[string]http.Handler) {
	guarded := func(h http.HandlerFunc) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if caller, err := a.relay.Authenticate(r, time.Now()); err != nil || !caller.IsRoot() {
				http.Error(w, "profiles are shown to root's key", http.StatusUnauthorized)
				return
			}
			h(w, r)
		})
	}
	routes["GET /debug/pprof/"] = guarded(pprof.Index)
	routes["GET /debug/pprof/profile"] = guarded(pprof.Profile)
	routes["GET /debug/pprof/trace"] = guarded(pprof.Trace)
}

// guardMetrics lets in peers on this machine and whoever has root's key.
func (a *App) guardMetrics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		direct := err == nil && peer.Addr().Unmap().IsLoopback() && r.Header.Get("X-Forwarded-For") == "" && r.Header.Get("Forwarded") == ""
		if !direct {
			caller, cerr := a.relay.Authenticate(r, time.Now())
			if cerr != nil || !caller.IsRoot() {
				http.Error(w, "metrics are shown to loopback peers and to root's key", http.StatusUnauthorized)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// serveMetrics serves /metrics on an address of its own until ctx is done.
func (a *App) serveMetrics(ctx context.Context) {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.metrics.Handler())
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() }) // nothing to lose: a scrape is asked again
	defer stop()
	if err := srv.Serve(a.metricsListener); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		a.log.LogAttrs(ctx, slog.LevelError, "metrics are not served any more", slog.Any("error", err))
	}
}
