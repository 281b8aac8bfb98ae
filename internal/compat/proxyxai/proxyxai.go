// Package proxyxai speaks the management API of ProxyXAI, so that scripts and pages written for that
// system work unchanged. It is thin: it turns the API's words into calls of the domain and back, and
// no rule lives here. docs/proxyxai.md lists what it has and where it differs.
//
// Levels are pools, see pool.Level; a key that names none has level 0, the default pool.
package proxyxai

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/jsonedit"
	"tollgate/internal/pool"
	"tollgate/internal/setting"
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
	Base         string // base URL of a key that is entered without a provider (XAI_BASE)
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
	anyone("GET /x-gkey", a.newKey)

	for _, path := range paths(routes) {
		routes["OPTIONS "+path] = http.HandlerFunc(preflight)
	}
	return routes
}

// operation does what a request asks for, on behalf of its caller.
type operation func(r *http.Request, who account.Caller) (any, error)

// fault is an error that the client sees.
type fault struct {
	status  int
	message string
}

func (f *fault) Error() string { return f.message }

func badRequest(format string, args ...any) error {
	return &fault{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// serve finds out who calls, does what is asked and writes the answer as JSON.
func (a *API) serve(rootOnly bool, do operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowOrigin(w)
		w.Header().Set("Cache-Control", "no-store")
		caller, denied := a.Authenticate(r, a.Now())
		switch {
		case denied != nil && denied.Kind == canon.KindDenied:
			a.refuse(w, r, &fault{http.StatusForbidden, denied.Message})
			return
		case denied != nil:
			a.refuse(w, r, &fault{http.StatusUnauthorized, denied.Message})
			return
		case rootOnly && !caller.IsRoot():
			a.refuse(w, r, &fault{http.StatusForbidden, "this needs the key of root"})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		out, err := do(r, caller)
		if r.Method != http.MethodGet {
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

// maxBody bounds the body of a request, in bytes.
const maxBody = 1 << 20

// maxDepth bounds the nesting of a body.
const maxDepth = 16

// read decodes the body of r, an object, into v. Names that v does not have are refused, and so is a
// name that stands there twice.
func read(r *http.Request, v any) error {
	raw, err := io.ReadAll(r.Body)
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		return badRequest("the body is over the limit of %d bytes", big.Limit)
	}
	if err != nil {
		return badRequest("the body could not be read")
	}
	if _, err := jsonedit.Scan(raw, maxDepth); err != nil {
		return badRequest("the body can't be read as a JSON object: %v", err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	err = dec.Decode(v)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, new(*fault)):
		return err
	case errors.As(err, &wrong):
		return badRequest("%s must be %s, not %s", wrong.Field, wrong.Type, wrong.Value)
	case err != nil:
		return badRequest("%s", strings.TrimPrefix(err.Error(), "json: ")) // names the unknown field
	}
	return nil
}

// refuse writes an error in the API's shape. What we do not know stays in our log.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var f *fault
	var in *pool.InputError
	var set *setting.InputError
	switch {
	case errors.As(err, &f):
	case errors.As(err, &set):
		f = &fault{http.StatusBadRequest, set.Error()}
	case errors.As(err, &in):
		f = &fault{http.StatusBadRequest, channelWord(in.Field) + ": " + in.Reason}
	case errors.Is(err, pool.ErrNotFound):
		f = &fault{http.StatusNotFound, "there is no such key"}
	case errors.Is(err, pool.ErrConflict):
		f = &fault{http.StatusBadRequest, "the key was changed by someone else in the meantime; read it again"}
	default:
		a.Log.LogAttrs(r.Context(), slog.LevelError, "x-api request failed", slog.Any("error", err))
		f = &fault{http.StatusInternalServerError, "this failed inside the gateway; its log says why"}
	}
	var body struct {
		Error struct {
			Message string `json:"message"`
			Type    string `json:"type"`
			Code    string `json:"code"`
		} `json:"error"`
	}
	body.Error.Message = f.message
	body.Error.Type, body.Error.Code = words(f.status)
	write(w, f.status, body)
}

// channelWord is the API's word for a field of a channel.
func channelWord(field string) string {
	switch field {
	case "key":
		return "SecretKey"
	case "provider", "base_url":
		return "Provider"
	case "name":
		return "Name"
	case "id":
		return "ID"
	}
	return field
}

// words are type and code of an error, as OpenAI's clients know them.
func words(status int) (kind, code string) {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error", "invalid_api_key"
	case http.StatusForbidden:
		return "permission_error", "permission_denied"
	case http.StatusNotFound:
		return "invalid_request_error", "not_found"
	case http.StatusInternalServerError:
		return "server_error", "internal_error"
	}
	return "invalid_request_error", "invalid_request"
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(body) // a client that went away
}
