// Package admin owns the operations of the admin API, /api/v1: what may be asked, by whom, and in
// which shape it is answered. One file per noun.
//
// It translates to calls of the domain packages and keeps no state of its own. Rules of accounts,
// channels, models and money belong to account, pool, catalog and ledger; finding the caller behind
// a request belongs to relay; it never calls a model.
package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tollgate/internal/account"
	"tollgate/internal/audit"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
	"tollgate/internal/limit"
	"tollgate/internal/pool"
	"tollgate/internal/provider"
	"tollgate/internal/secret"
	"tollgate/internal/sharing"
)

// Prefix is the path below which the API is served.
const Prefix = "/api/v1"

// Accounts changes accounts and keys. *account.Registry implements it.
type Accounts interface {
	Directory() *account.Directory
	CreateAccount(ctx context.Context, a account.Account) (account.Account, error)
	UpdateAccount(ctx context.Context, id string, change func(*account.Account) error) (account.Account, error)
	MoveAccount(ctx context.Context, id, parentID string, version int64) (account.Account, error)
	DeleteAccount(ctx context.Context, id string, withBelow bool, refund func(context.Context, account.Account) error) error
	Keys(accountID string) []account.Key
	CreateKey(ctx context.Context, k account.Key) (account.Key, secret.Secret, error)
	UpdateKey(ctx context.Context, id string, change func(*account.Key) error) (account.Key, error)
	RotateKey(ctx context.Context, id string, version int64, plain secret.Secret, grace time.Duration) (account.Key, secret.Secret, error)
	DeleteKey(ctx context.Context, id string) error
}

// Channels changes channels. *pool.Pool implements it but for CheckNow, which needs someone who sends.
type Channels interface {
	List() []pool.Status
	Get(id string) (pool.Status, error)
	Add(ctx context.Context, c pool.Channel) (pool.Channel, error)
	Update(ctx context.Context, id string, change func(*pool.Channel) error) (pool.Channel, error)
	Delete(ctx context.Context, id string) error

	// CheckNow asks the provider whether the channel's key is valid. A nil verdict means yes; the
	// error says that there is no such channel.
	CheckNow(ctx context.Context, id string) (verdict *canon.Error, err error)
}

// Models changes the catalogue.
type Models interface {
	List(ctx context.Context) ([]CatalogModel, error) // by name, price rules included
	Put(ctx context.Context, m catalog.Model) error
	Delete(ctx context.Context, name string) error // catalog.ErrNotFound if operators said nothing of it
}

// CatalogModel is an entry of the catalogue and who said it last.
type CatalogModel struct {
	Entry  *catalog.Entry
	Origin string // "builtin", "file" or "api"
}

// Money is what the ledger has in memory. *ledger.Book implements it.
type Money interface {
	Transfer(ctx context.Context, t ledger.Transfer) (ledger.Transferred, error)
	Balance(accountID string, at time.Time) ledger.Funds
	Used(b ledger.Budget, at time.Time) (ledger.Used, bool)
	Held() catalog.Nanos
	Flush(ctx context.Context) error // until the store has all calls that have ended
	Lag(now time.Time) ledger.Lag
}

// Records is what the store keeps. *sqlstore.Store implements it.
type Records interface {
	Key(ctx context.Context, id string) (account.Key, error)
	Card(ctx context.Context, id string) (ledger.Card, error)
	Call(ctx context.Context, id string) (ledger.Call, error)
	Calls(ctx context.Context, q ledger.CallQuery) ([]ledger.Call, error)
	Entries(ctx context.Context, accountID string, q ledger.Page) ([]ledger.Entry, error)
	Rollups(ctx context.Context, q ledger.RollupQuery) ([]ledger.Rollup, error)
}

// Notices tells account holders by mail. *notice.Notices implements it.
type Notices interface {
	KeyRotated(ctx context.Context, x *account.Account, key account.Key)
}

// Deps is what the API works with. All fields are required but Guard.
type Deps struct {
	Authenticate func(r *http.Request, now time.Time) (account.Caller, *canon.Error)
	MayUse       func(c account.Caller, model string) bool // the rule that calls and model lists follow

	Accounts  Accounts
	Channels  Channels
	Models    Models
	Money     Money
	Records   Records
	Providers []provider.Provider

	Limits  *limit.Limiter
	Budgets func(c account.Caller) []ledger.Budget // of its account and those above
	Guard   *sharing.Guard                         // nil: addresses are not watched
	Trail   *audit.Trail
	Notices Notices

	Log     *slog.Logger
	Now     func() time.Time
	Version string
	Began   time.Time // when the gateway started
}

// API serves the admin API.
type API struct {
	Deps
	mux  *http.ServeMux
	huma huma.API
	doc  []byte // the OpenAPI document
}

// maxBody bounds the body of a request, in bytes.
const maxBody = 1 << 20

// New returns the API over d.
func New(d Deps) (*API, error) {
	a := &API{Deps: d, mux: http.NewServeMux()}
	a.huma = humago.New(a.mux, configuration())
	a.huma.UseMiddleware(a.guard)
	a.registerMe()
	a.registerAccounts()
	a.registerLimits()
	a.registerMoney()
	a.registerKeys()
	a.registerChannels()
	a.registerModels()
	a.registerCalls()
	a.registerUsage()
	a.registerAudit()
	a.registerAddresses()
	a.registerStatus()
	plainArrays(a.huma.OpenAPI().Components.Schemas)
	var err error
	if a.doc, err = document(a.huma.OpenAPI()); err != nil {
		return nil, err
	}
	a.mux.HandleFunc("GET "+Prefix+"/openapi.json", a.serveDocument)
	return a, nil
}

// configuration of huma: no page that loads from elsewhere, no links in bodies, strict JSON.
func configuration() huma.Config {
	strictNames()
	c := huma.DefaultConfig("Tollgate admin API", "1")
	c.DocsPath, c.OpenAPIPath, c.SchemasPath = "", "", "" // the document is served by us, made once
	c.CreateHooks = nil
	c.RejectUnknownQueryParameters = true
	format := huma.Format{Marshal: marshal, Unmarshal: unmarshal}
	c.Formats = map[string]huma.Format{"application/json": format, "json": format}
	c.Transformers = []huma.Transformer{withoutValues}
	c.Info.Description = "Money is in US dollars as decimal strings, times are RFC 3339 in UTC, errors are application/problem+json. " +
		"A PATCH keeps what it does not name; null takes a field back to nothing. Lists give next, the cursor of the page after; without it the list has ended."
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"key": {Type: "http", Scheme: "bearer", Description: "A virtual key: of root, of a manager for its own sub-tree, or of any account for what is its own."},
	}
	c.Security = []map[string][]string{{"key": {}}}
	return c
}

// OpenAPI returns the document that describes the API, as api/openapi.json holds it.
func OpenAPI() ([]byte, error) {
	a, err := New(Deps{})
	if err != nil {
		return nil, err
	}
	return a.doc, nil
}

func document(o *huma.OpenAPI) ([]byte, error) {
	raw, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// plainArrays takes null out of every list: we never write it, and only a PATCH reads it.
func plainArrays(r huma.Registry) {
	for name, s := range r.Map() {
		if strings.HasSuffix(name, "Change") {
			continue
		}
		for _, p := range s.Properties {
			if p.Type == huma.TypeArray {
				p.Nullable = false
			}
		}
	}
}

func (a *API) serveDocument(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/openapi+json")
	_, _ = w.Write(a.doc) // a client that went away
}

// ServeHTTP answers a request below Prefix.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	h, pattern := a.mux.Handler(r)
	if pattern == "" { // the mux says 404 or 405 in plain text; we say it as every other error
		var status statusOnly
		h.ServeHTTP(&status, r)
		a.refuse(w, r, status)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// statusOnly is a ResponseWriter that keeps status and headers of an answer without a body.
type statusOnly struct {
	header http.Header
	code   int
}

func (s *statusOnly) Header() http.Header {
	if s.header == nil {
		s.header = http.Header{}
	}
	return s.header
}
func (s *statusOnly) WriteHeader(code int)        { s.code = code }
func (s *statusOnly) Write(p []byte) (int, error) { return len(p), nil }

// refuse answers a request that fits no route.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, s statusOnly) {
	detail := fmt.Sprintf("nothing is served at %s; %s/openapi.json lists what is", r.URL.Path, Prefix)
	if s.code == http.StatusMethodNotAllowed {
		detail = fmt.Sprintf("%s does not take %s, only %s", r.URL.Path, r.Method, s.header.Get("Allow"))
		w.Header().Set("Allow", s.header.Get("Allow"))
	} else {
		s.code = http.StatusNotFound
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(s.code)
	_ = marshal(w, &huma.ErrorModel{Title: http.StatusText(s.code), Status: s.code, Detail: detail}) // a client that went away
}

func marshal(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
