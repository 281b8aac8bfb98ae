// Command bench measures what the gateway costs: CPU per request and added latency of a direct call,
// a bare httputil.ReverseProxy and Tollgate with authentication, limits, metering and journal on, in
// one interleaved run, so that a noisy machine disturbs all three alike. It also measures memory under
// slow streams and the time from start to the first answer. Everything stays on loopback.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options say how much is measured.
type options struct {
	binary  string
	rounds  int
	round   time.Duration
	streams int
	only    string
	profile string
	train   string
	before  string
}

func main() {
	var o options
	var proxy, listen string
	flag.StringVar(&o.binary, "binary", "bin/tollgate", "the tollgate binary to measure")
	flag.IntVar(&o.rounds, "rounds", 16, "interleaved rounds of each scenario")
	flag.DurationVar(&o.round, "round", time.Second, "length of a round")
	flag.IntVar(&o.streams, "streams", 2000, "slow streams at once for the memory measurement")
	flag.StringVar(&o.only, "only", "", "only the scenarios whose name holds this")
	flag.StringVar(&o.profile, "profile", "", "instead of measuring, write CPU and allocation profiles of gateway and proxy under each load to this folder")
	flag.StringVar(&o.train, "train", "", "instead of measuring, write to this file a CPU profile of the gateway under all kinds of load, for the compiler")
	flag.StringVar(&o.before, "before", "", "another build of the binary, measured in the same run")
	flag.StringVar(&proxy, "proxy-to", "", "run as the bare reverse proxy to this address (used by bench itself)")
	flag.StringVar(&listen, "listen", "", "address of the bare reverse proxy")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if proxy != "" {
		err = serveProxy(ctx, listen, proxy)
	} else {
		err = measure(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// serveProxy is what the gateway is compared with: the standard library's reverse proxy, with the
// same connection pool and a flush for each piece of a stream.
func serveProxy(ctx context.Context, listen, to string) error {
	target, err := url.Parse(to)
	if err != nil {
		return err
	}
	transport := &http.Transport{MaxIdleConns: 4096, MaxIdleConnsPerHost: 1024, DisableCompression: true}
	rp := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1,
	}
	profiles := profiles()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/debug/pprof/") {
			profiles.ServeHTTP(w, r)
			return
		}
		// Else the server may close the request's body while the transport still waits for its end, and
		// a stream whose answer comes at once breaks.
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		rp.ServeHTTP(w, r)
	})
	srv := &http.Server{Addr: listen, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() }) // a measuring tool: nothing to lose
	defer stop()
	if err := srv.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}
