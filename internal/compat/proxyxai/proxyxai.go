// Package proxyxai speaks the management API of ProxyXAI, so that scripts and pages written for that
// system work unchanged. It is thin: it turns the API's words into calls of the domain and back, and
// no rule lives here. docs/proxyxai.md lists what it has and where it differs.
//
// Levels are pools, see pool.Level; a key that names none has level 0, the default pool.
package proxyxai

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/audit"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
	"tollgate/internal/news"
	"tollgate/internal/pool"
	"tollgate/internal/secret"
)

// Channels changes channels. *pool.Pool implements it.
type Channels interface {
	List() []pool.Status
	Get(id string) (pool.Status, error)
	Add(ctx context.Context, c pool.Channel) (pool.Channel, error)
	Update(ctx context.Context, id string, change func(*pool.Channel) error) (pool.Channel, error)
	Delete(ctx context.Context, id string) error
	Reload(ctx context.Context) error
}

// Accounts changes accounts and keys. *account.Registry implements it.
type Accounts interface {
	Directory() *account.Directory
	CreateAccount(ctx context.Context, a account.Account) (account.Account, error)
	UpdateAccount(ctx context.Context, id string, change func(*account.Account) error) (account.Account, error)
	UpdateAccountBy(ctx context.Context, id string, change func(*account.Account) error, put func(context.Context, account.Account) error) (account.Account, error)
	DeleteAccount(ctx context.Context, id string, withBelow bool, refund func(context.Context, account.Account) error) error
	CreateKey(ctx context.Context, k account.Key) (account.Key, secret.Secret, error)
	ImportKey(ctx context.Context, k account.Key, plain secret.Secret) (account.Key, error)
	RotateKey(ctx context.Context, id string, version int64, plain secret.Secret, grace time.Duration) (account.Key, secret.Secret, error)
}

// Money is what accounts have, and how it moves. *ledger.Book implements it.
type Money interface {
	Balance(accountID string, at time.Time) ledger.Funds
	Transfer(ctx context.Context, t ledger.Transfer) (ledger.Transferred, error)
	Flush(ctx context.Context) error
}

// Records is what the store sums up. *sqlstore.Store implements it.
type Records interface {
	Usage(ctx context.Context, q ledger.UsageQuery) ([]ledger.Usage, error)
}

// Notices tells account holders by mail. *notice.Notices implements it.
type Notices interface {
	News(ctx context.Context, item news.Item)
	KeyRotated(ctx context.Context, x *account.Account, key account.Key)
}

// Settings changes what may change while the gateway runs. *setting.Settings implements it.
type Settings interface {
	Texts() map[string]string
	Change(ctx context.Context, put map[string]string) (map[string]string, error)
	Reset(ctx context.Context, names []string) error
}

// Deps is what the API works with. All fields are required.
type Deps struct {
	Authenticate func(r *http.Request, now time.Time) (account.Caller, *canon.Error)
	Channels     Channels
	Settings     Settings
	Accounts     Accounts
	Money        Money
	Records      Records
	News         *news.Board
	Notices      Notices
	Trail        *audit.Trail
	Base         string        // base URL of a key that is entered without a provider (XAI_BASE)
	MinFunding   catalog.Nanos // least first credit of a new account, in its face values
	MinBalance   catalog.Nanos // least balance to make and fund accounts; not for root
	Log          *slog.Logger
	Now          func() time.Time
}

// API serves the management API.
type API struct{ Deps }

// New returns the API over d.
func New(d Deps) *API { return &API{d} }

// Routes returns the ServeMux patterns that the API serves.
func (a *API) Routes() map[string]http.Handler {
	routes := map[string]http.Handler{}
	root := func(pattern string, do operation) { routes[pattern] = a.serve(true, do) }
	anyone := func(pattern string, do operation) { routes[pattern] = a.serve(false, do) }

	root("GET /x-keys", a.listKeys)
	root("POST /x-keys", a.addKey)
	root("GET /x-keys/{id}", a.getKey)
	root("PUT /x-keys/{id}", a.changeKey)
	root("DELETE /x-keys/{id}", a.deleteKey)
	root("POST /x-conf", a.conf)
	root("GET /x-config", a.settings)
	root("POST /x-config", a.changeSettings)
	root("DELETE /x-config", a.resetSettings)
	root("POST /x-root", a.rotateRoot)

	anyone("GET /x-users", a.listChildren)
	anyone("POST /x-users", a.addUser)
	anyone("GET /x-users/{who}", a.getChild)
	anyone("PUT /x-users/{who}", a.changeUser)
	anyone("DELETE /x-users/{who}", a.deleteUser)
	anyone("GET /x-dna", a.listBelow)
	anyone("GET /x-dna/{who}", a.getBelow)

	anyone("GET /dashboard/x-user-status", a.status)
	anyone("GET /dashboard/x-user-info", a.info)
	anyone("GET /dashboard/x_user/info", a.info)
	anyone("GET /dashboard/info", a.info)
	anyone("GET /dashboard/bill", a.ownBill)
	anyone("GET /dashboard/x-user-logs", a.logs)
	anyone("GET /dashboard/x-user-news", a.ownNews)
	anyone("GET /x-bill", a.treeBill)
	for _, prefix := range []string{"/v1", ""} {
		anyone("GET "+prefix+"/dashboard/billing/usage", a.oldUsage)
		anyone("GET "+prefix+"/dashboard/billing/subscription", a.subscription)
	}
	anyone("POST /x-news", a.postNews)
	anyone("POST /x-news/{who}", a.postNews)
	anyone("DELETE /x-news", a.deleteNews)
	anyone("DELETE /x-news/{who}", a.deleteNews)
	anyone("POST /x-self", a.rotateSelf)
	anyone("GET /x-gkey", a.newKey)

	for _, path := range paths(routes) {
		routes["OPTIONS "+path] = http.HandlerFunc(preflight)
	}
	return routes
}

// operation does what a request asks for, on behalf of its caller.
type operation func(r *http.Request, who account.Caller) (any, error)

// serve finds out who calls, does what is asked and writes the answer as JSON.
func (a *API) serve(rootOnly bool, do operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowOrigin(w)
		w.Header().Set("Cache-Control", "no-store")
		caller, denied := a.Authenticate(r, a.Now())
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case denied != nil && denied.Kind == canon.KindDenied:
			a.refuse(w, r, &fault{http.StatusForbidden, denied.Message})
			return
		case denied != nil:
			a.refuse(w, r, &fault{http.StatusUnauthorized, denied.Message})
			return
		case !account.Allows(caller.Key.Paths, r.URL.Path): // of the key alone: Resources of an account are about models
			a.refuse(w, r, &fault{http.StatusForbidden, "this key may not use " + r.URL.Path})
			return
		case !reads && r.URL.Path != "/x-self" && caller.Key.Narrow(): // it would not be narrow for long
			a.refuse(w, r, &fault{http.StatusForbidden, "this key is narrowed to some models, paths, limits or a quota; managing needs a key that is not"})
			return
		case !reads && caller.Replaced:
			a.refuse(w, r, errReplaced)
			return
		case rootOnly && !caller.IsRoot():
			a.refuse(w, r, &fault{http.StatusForbidden, "this needs the key of root"})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		out, err := do(r, caller)
		if !reads {
			a.Log.LogAttrs(r.Context(), slog.LevelInfo, "x-api", slog.String("method", r.Method), slog.String("path", r.URL.Path),
				slog.String("account", caller.Account.ID), slog.String("key", caller.Key.ID), slog.Bool("done", err == nil))
		}
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		write(w, http.StatusOK, out)
	})
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(body) // a client that went away
}
