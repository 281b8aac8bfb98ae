// Package server owns the outside of the gateway: the mux, the listener, and a shutdown that lets
// running calls finish. What a call is belongs to relay, what an operator may do to admin.
package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/obs"
	"tollgate/internal/relay"
)

// Options are what a Server is made of. Relay and Protocols are required.
type Options struct {
	Relay          *relay.Handler
	Protocols      []dialect.Protocol      // the first one answers where a request names no dialect
	Routes         map[string]http.Handler // further ServeMux patterns: admin API, metrics …
	Ready          func(context.Context) error
	MaxHeaderBytes int
	ClientRead     time.Duration // for the header of a request to come, and again for its body
	Delay          time.Duration // from not being ready to taking no connections, so that load balancers notice
	Shutdown       time.Duration // for running calls to finish
	Log            *slog.Logger
}

// Server answers clients.
type Server struct {
	opts    Options
	http    *http.Server
	abort   context.CancelCauseFunc // of every running call
	after   func(time.Duration) <-chan time.Time
	closing atomic.Bool
	running atomic.Int64 // handlers
}

// New returns a server that does not listen yet.
func New(o Options) *Server {
	base, abort := context.WithCancelCause(context.Background())
	s := &Server{opts: o, abort: abort, after: time.After}
	protocols := http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s.http = &http.Server{
		Handler:     s.guarded(s.mux(), s.calls()),
		BaseContext: func(net.Listener) context.Context { return base },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if g, ok := c.(*conn); ok {
				return relay.WithConn(ctx, g)
			}
			return ctx
		},
		ReadHeaderTimeout: o.ClientRead,
		// Every client has a bounded time for the body of its request too, whoever reads it: also where nobody
		// does, because the rest of a refused body is read before the answer goes out. Whoever takes large
		// bodies moves the deadline; net/http lifts it at the end of the body (connReader.startBackgroundRead,
		// Go 1.26).
		ReadTimeout:    2 * o.ClientRead,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: o.MaxHeaderBytes,
		Protocols:      &protocols,
		ErrorLog:       slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
	}
	return s
}

// Handler returns what the server serves, for tests.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// Serve answers on ln until ctx is done; then it is not ready any more, serves on for the delay of the
// options, takes no new connections, and lets running calls finish for the time that the options allow. Where ln
// breaks before, calls may finish, too. It returns nil after an orderly shutdown.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	stopped := make(chan error, 1)
	go func() { stopped <- s.http.Serve(&listener{Listener: ln}) }()
	var ended error // what ended the listener
	select {
	case ended = <-stopped:
	case <-ctx.Done():
	}
	s.closing.Store(true)
	if s.opts.Delay > 0 && ended == nil {
		s.opts.Log.LogAttrs(ctx, slog.LevelInfo, "shutting down: not ready any more, calls are still taken", slog.String("for", s.opts.Delay.String()))
		select {
		case ended = <-stopped:
		case <-s.after(s.opts.Delay):
		}
	}
	s.opts.Log.LogAttrs(ctx, slog.LevelInfo, "shutting down: no connection is taken any more, running calls may finish", slog.String("for", s.opts.Shutdown.String()))
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opts.Shutdown)
	defer cancel()
	err := s.http.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		s.opts.Log.LogAttrs(ctx, slog.LevelWarn, "calls are cut: they did not finish in time", slog.String("after", s.opts.Shutdown.String()))
		s.abort(relay.ErrShutdown)
		s.opts.Relay.Cut()
		cut, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err = s.http.Shutdown(cut); err != nil {
			err = errors.Join(err, s.http.Close())
			s.await(closeTime)
		}
	}
	if ended == nil {
		ended = <-stopped
	}
	if !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(fmt.Errorf("serve %s: %w", ln.Addr(), ended), err)
	}
	return err
}

// guarded counts the requests that run and turns away what the mux would misread.
func (s *Server) guarded(next http.Handler, calls map[string]http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.running.Add(1)
		defer s.running.Add(-1)
		if s.closing.Load() { // so that clients move over: a connection that is closed idle may lose the next request
			w.Header()["Connection"] = closing
		}
		if len(r.TransferEncoding) > 0 {
			// There may have been a Content-Length too, which net/http has dropped by now; then what follows
			// on the connection is not to be trusted (RFC 9112, 6.1).
			w.Header()["Connection"] = closing
		}
		if strings.Contains(r.URL.Path, "//") {
			s.unserved(w, r, nil) // the mux would redirect, and not every client sends a POST on
			return
		}
		if call := calls[r.URL.Path]; call != nil && r.Method == http.MethodPost && r.URL.RawPath == "" { // spelt as it is
			call.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// calls returns the endpoints that are posted to and whose paths have no parameters, by path: nearly every request
// is for one of them, and the mux would match it against its patterns.
func (s *Server) calls() map[string]http.Handler {
	calls := map[string]http.Handler{}
	for _, p := range s.opts.Protocols {
		for _, ep := range p.Endpoints() {
			if ep.Method == http.MethodPost && !strings.ContainsAny(ep.Path, "{}") {
				calls[ep.Path] = s.opts.Relay.Endpoint(ep)
			}
		}
	}
	return calls
}

var closing = []string{"close"}

// closeTime is how long handlers may take to see that their connections are gone.
const closeTime = 5 * time.Second

// await waits, at most so long, until no handler runs: what settles a call must not be closed before.
func (s *Server) await(most time.Duration) {
	for end := time.Now().Add(most); s.running.Load() > 0 && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
}

// mux puts every route in one place.
func (s *Server) mux() http.Handler {
	mux := http.NewServeMux()
	for _, p := range s.opts.Protocols {
		for _, ep := range p.Endpoints() {
			if ep.Op == canon.OpListModels || ep.Op == canon.OpGetModel {
				continue // below: the dialects share these paths, the request's headers say which one is meant
			}
			mux.Handle(ep.Method+" "+ep.Path, s.opts.Relay.Endpoint(ep))
		}
	}
	for _, path := range []string{"/v1/models", "/v1/models/{model...}", "/v1beta/models", "/v1beta/models/{model...}"} {
		mux.Handle("GET "+path, s.opts.Relay.Models(s.dialectOf))
	}
	for pattern, h := range s.opts.Routes {
		mux.Handle(pattern, h)
	}
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /readyz", s.ready)
	unserved := func(w http.ResponseWriter, r *http.Request) { s.unserved(w, r, methods(mux, r)) }
	for _, path := range []string{"/v1/models", "/v1beta/models"} {
		mux.HandleFunc(path, unserved) // the mux would send what is not a GET on to what is below the path
	}
	mux.HandleFunc("/", unserved)
	return mux
}

// methods returns with which methods a request would be served; nil if with none. Whoever takes all methods
// at a path answers for itself.
func methods(mux *http.ServeMux, r *http.Request) []string {
	var list []string
	for _, m := range [...]string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"} {
		_, pattern := mux.Handler(&http.Request{Method: m, URL: r.URL, Host: r.Host})
		if method, _, ok := strings.Cut(pattern, " "); ok && (method == m || m == http.MethodHead) {
			list = append(list, m)
		}
	}
	return list
}

// dialectOf tells by its headers and path which dialect a client speaks.
func (s *Server) dialectOf(r *http.Request) dialect.Protocol {
	want := canon.OpenAIChat
	switch {
	case strings.HasPrefix(r.URL.Path, "/v1beta/"):
		want = canon.Gemini
	case r.Header.Get("Anthropic-Version") != "":
		want = canon.Anthropic
	case r.Header.Get("X-Goog-Api-Key") != "", r.Header.Get("Authorization") == "" && r.URL.Query().Has("key"):
		want = canon.Gemini
	case strings.HasPrefix(r.URL.Path, "/v1/messages"):
		want = canon.Anthropic
	case strings.HasPrefix(r.URL.Path, "/v1/responses"):
		want = canon.OpenAIResponses
	}
	for _, p := range s.opts.Protocols {
		if p.Dialect() == want {
			return p
		}
	}
	return s.opts.Protocols[0]
}

// health says that the process is alive.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	writeStatus(w, http.StatusOK, "ok", "")
}

// ready says whether new calls should come here.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if s.closing.Load() {
		writeStatus(w, http.StatusServiceUnavailable, "closing", "the gateway is shutting down")
		return
	}
	if err := s.opts.Ready(r.Context()); err != nil {
		writeStatus(w, http.StatusServiceUnavailable, "not ready", err.Error())
		return
	}
	writeStatus(w, http.StatusOK, "ready", "")
}

func writeStatus(w http.ResponseWriter, status int, word, reason string) {
	body := struct {
		Status string `json:"status"`
		Reason string `json:"reason,omitempty"`
	}{word, reason}
	raw, err := json.Marshal(body)
	if err != nil { // two strings: can't happen
		raw = []byte(`{"status":"error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}

// unserved answers requests that nothing serves, in the shape of the dialect the path looks like. methods
// are those with which the path is served.
func (s *Server) unserved(w http.ResponseWriter, r *http.Request, methods []string) {
	proto := s.dialectOf(r)
	relay.NameCall(w.Header(), proto.Dialect(), obs.NewRequestID())
	e := canon.Errorf(canon.KindNotFound, "nothing is served at %s %s", r.Method, r.URL.Path)
	if len(methods) > 0 {
		allow := strings.Join(methods, ", ")
		w.Header().Set("Allow", allow)
		e = canon.Errorf(canon.KindInvalid, "%s does not take %s, only %s", r.URL.Path, r.Method, allow)
		e.Status, e.Code = http.StatusMethodNotAllowed, "method_not_allowed"
	}
	proto.WriteError(w, e)
}
