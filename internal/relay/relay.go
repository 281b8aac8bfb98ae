// Package relay carries one model call from client to upstream and back.
//
// It owns the order of things: open, admit, hold, route, try, copy, settle. It does not know vendors
// (provider), protocols (dialect), money (ledger) or who may call (account); it asks each of them
// once. Start reading at call.run.
package relay

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/dialect"
	"tollgate/internal/ledger"
	"tollgate/internal/limit"
	"tollgate/internal/obs"
	"tollgate/internal/pool"
	"tollgate/internal/provider"
	"tollgate/internal/sharing"
	"tollgate/internal/sse"
	"tollgate/internal/tokens"
)

// Settings are the bounds and times of a call.
type Settings struct {
	MaxBody       int64 // bytes of a request, after decompression
	MaxAnswer     int64 // bytes of an answer that is not streamed
	MaxEvent      int   // bytes of one event of a stream
	Memory        int64 // bytes that bodies may take at once; one of MaxBody always fits
	FirstByte     time.Duration
	Idle          time.Duration // between two events
	Ping          time.Duration // of an upstream's silence after which a stream's client gets a sign of life; 0: it gets none
	Call          time.Duration // whole call
	Route         time.Duration // until some channel has started to answer
	ClientRead    time.Duration // for a request's body to come, and a second for each 4 KiB of it
	ClientWrite   time.Duration // one write to a client that stopped reading
	Connect       time.Duration
	DefaultOutput int64 // tokens reserved when the client names no maximum
	SharedObjects bool  // any account may name objects that upstream accounts keep: files, caches, containers
}

// Deps is what a Handler works with. All fields are required but Kept, Fetch and FetchDocument.
type Deps struct {
	Settings  Settings
	Protocols map[canon.Dialect]dialect.Protocol
	Accounts  *account.Directory
	Catalog   func() *catalog.Snapshot
	Rules     func() account.Rules // the operator's, for all accounts
	Guard     *sharing.Guard       // nil: addresses are not watched
	Unbilled  bool                 // all calls are metered, and none is charged
	Pool      *pool.Pool
	Book      *ledger.Book
	Limits    *limit.Limiter

	// SpentRatio is by what the catalogue's limits for one account are multiplied, because of what the
	// account has spent in its life; nil: by nothing.
	SpentRatio func(accountID string) catalog.Multiplier

	Tokens   *tokens.Counter
	Metrics  *obs.Metrics
	Log      *slog.Logger
	ClientIP func(*http.Request) netip.Addr // the zero address if it is not known
	Began    time.Time                      // when the gateway started
	Version  string

	// Kept keeps answers of translated calls that their callers may continue; nil: none is kept.
	Kept Conversations

	// Fetch gets the bytes of media that an upstream can't take by their URL; nil: it is switched off.
	Fetch func(context.Context, canon.Media) (canon.Media, *canon.Error)

	// FetchDocument gets a file, of at most so many bytes, that the gateway itself turns into text, and its type; nil:
	// it is switched off.
	FetchDocument func(ctx context.Context, url string, most int64) (mediaType string, data []byte, err *canon.Error)
}

// Handler serves the model endpoints.
type Handler struct {
	Deps
	transport *transport
	allow     map[canon.Dialect][]string // client headers that travel upstream
	buffers   sync.Pool                  // *bytes.Buffer for answers
	meters    sync.Pool                  // *meter
	bodies    sync.Pool                  // *buffer
	frames    sse.Pool
	rooms     rooms
	memory    *memory
	reading   chan struct{} // a place for each document that is read at once
	ending    chan struct{} // closed by Cut
	cut       sync.Once
}

// New returns a Handler.
func New(d Deps) *Handler {
	h := &Handler{
		Deps: d, transport: newTransport(d.Settings), allow: map[canon.Dialect][]string{}, memory: newMemory(max(d.Settings.Memory, largest*d.Settings.MaxBody)),
		reading: make(chan struct{}, maxReading()), ending: make(chan struct{}),
	}
	for name, p := range d.Protocols {
		h.allow[name] = p.RequestHeaders()
	}
	return h
}

// Cut ends the attempts that are read to their end though their clients have gone; they are settled on
// what came. Calls whose clients still wait end with their contexts, see ErrShutdown.
func (h *Handler) Cut() { h.cut.Do(func() { close(h.ending) }) }

// Close drops idle upstream connections.
func (h *Handler) Close() { h.transport.CloseIdleConnections() }

// Endpoint returns the handler of one endpoint of a dialect.
func (h *Handler) Endpoint(ep dialect.Endpoint) http.Handler {
	proto := h.Protocols[ep.Dialect]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{h: h, w: w, r: r, proto: proto, ep: ep, share: share{of: h.memory}, began: time.Now()}
		c.serve()
	})
}

// sign puts the key where the provider looks for it.
func sign(header http.Header, auth provider.Auth, key string) {
	switch auth {
	case provider.AuthXAPIKey:
		header["X-Api-Key"] = []string{key}
	case provider.AuthGoogle:
		header["X-Goog-Api-Key"] = []string{key}
	case provider.AuthAPIKey:
		header["Api-Key"] = []string{key}
	case provider.AuthNone:
	default:
		header["Authorization"] = []string{"Bearer " + key}
	}
}
