// Package proxyxai speaks the management API of ProxyXAI, so that scripts and pages written for that
// system work unchanged. It is thin: it turns the API's words into calls of the domain and back, and
// no rule lives here. What it has so far is upstream keys (/x-keys), the reload of /x-conf, and
// /x-gkey.
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

// Deps is what the API works with. All fields are required.
type Deps struct {
	Authenticate func(r *http.Request, now time.Time) (account.Caller, *canon.Error)
	Channels     Channels
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
	root := func(do func(r *http.Request) (any, error)) http.Handler { return a.serve(true, do) }
	return map[string]http.Handler{
		"GET /x-keys":         root(a.listKeys),
		"POST /x-keys":        root(a.addKey),
		"GET /x-keys/{id}":    root(a.getKey),
		"PUT /x-keys/{id}":    root(a.changeKey),
		"DELETE /x-keys/{id}": root(a.deleteKey),
		"POST /x-conf":        root(a.conf),
		"GET /x-gkey":         a.serve(false, a.newKey),
	}
}

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
func (a *API) serve(rootOnly bool, do func(r *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
		out, err := do(r)
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
	switch {
	case errors.As(err, &f):
	case errors.As(err, &in):
		f = &fault{http.StatusBadRequest, word(in.Field) + ": " + in.Reason}
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

// word is the API's word for a field of a channel.
func word(field string) string {
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

// conf takes LoadKeys, which has nothing to do here but is what scripts call after they added a key.
func (a *API) conf(r *http.Request) (any, error) {
	var in struct {
		LoadKeys      *bool
		LogEnable     *bool
		StatsInterval *int64
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	switch {
	case in.LogEnable != nil:
		return nil, badRequest("LogEnable is not available here: every call is recorded")
	case in.StatsInterval != nil:
		return nil, badRequest("StatsInterval is not available here: statistics follow within moments")
	case in.LoadKeys == nil || !*in.LoadKeys:
		return nil, badRequest("nothing to do: send {\"LoadKeys\":true}")
	}
	if err := a.Channels.Reload(r.Context()); err != nil {
		return nil, err
	}
	return map[string]any{"success": true, "message": "keys are loaded; a new key serves at once, with or without this call"}, nil
}

// newKey answers a fresh key that nobody has.
func (a *API) newKey(*http.Request) (any, error) {
	return map[string]any{"success": true, "key": secret.NewKey().Reveal()}, nil
}
