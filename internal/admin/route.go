package admin

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tollgate/internal/account"
	"tollgate/internal/canon"
)

// Policy says who may use a route at all. What of the data a caller then sees is decided where the
// data is: everything for root, its sub-tree for a manager, its own for any other.
type Policy string

// The policies.
const (
	PolicyAnyone  Policy = "any key"
	PolicyManager Policy = "manager"
	PolicyRoot    Policy = "root"
)

// policyKey is where an operation carries its policy.
const policyKey = "policy"

// route describes an operation.
type route struct {
	id      string // of the operation, unique
	method  string
	path    string // below Prefix
	policy  Policy
	tag     string // the noun
	summary string
	more    string // what else a reader should know; may be empty
	status  int    // of success; 0: by huma (200, or 204 without a body)
}

// handle adds a route.
func handle[I, O any](a *API, r route, do func(ctx context.Context, who account.Caller, in *I) (*O, error)) {
	op := huma.Operation{
		OperationID: r.id, Method: r.method, Path: Prefix + r.path, Summary: r.summary, Tags: []string{r.tag},
		Description: describe(r), DefaultStatus: r.status, MaxBodyBytes: maxBody, Metadata: map[string]any{policyKey: r.policy},
	}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		who, ok := ctx.Value(callerKey{}).(account.Caller)
		if !ok { // guard lets nobody through without
			return nil, huma.Error401Unauthorized("no key")
		}
		if r.method == http.MethodGet {
			out, err := do(ctx, who, in)
			if err != nil {
				return nil, a.problem(ctx, err)
			}
			return out, nil
		}
		var out *O
		err := a.audited(ctx, r, who, in, func(ctx context.Context) (any, error) {
			var err error
			if out, err = do(ctx, who, in); err != nil {
				out, err = nil, a.problem(ctx, err)
			}
			return out, err
		})
		return out, err
	})
}

func describe(r route) string {
	needs := map[Policy]string{
		PolicyAnyone: "Open to every key.", PolicyManager: "Needs the key of a manager or of root.", PolicyRoot: "Needs the key of root.",
	}[r.policy]
	if r.more != "" {
		return r.more + " " + needs
	}
	return needs
}

// callerKey is the context's key for the account.Caller of a request.
type callerKey struct{}

// guard finds out who calls and whether the route's policy lets them in. A route without a policy lets
// nobody in.
func (a *API) guard(ctx huma.Context, next func(huma.Context)) {
	r, _ := humago.Unwrap(ctx)
	who, err := a.Authenticate(r, a.Now())
	if err != nil {
		status := http.StatusUnauthorized
		if err.Kind == canon.KindDenied {
			status = http.StatusForbidden
		} else {
			ctx.SetHeader("WWW-Authenticate", "Bearer")
		}
		a.writeProblem(ctx, status, err.Message)
		return
	}
	policy, _ := ctx.Operation().Metadata[policyKey].(Policy)
	if !policy.admits(who) {
		a.writeProblem(ctx, http.StatusForbidden, "this needs the key of "+string(policy))
		return
	}
	switch {
	case policy != PolicyAnyone && who.Key.Narrow():
		a.writeProblem(ctx, http.StatusForbidden, errNarrow.Error())
		return
	case policy != PolicyAnyone && who.Replaced:
		a.writeProblem(ctx, http.StatusForbidden, errReplaced.Error())
		return
	}
	inner := huma.WithValue(ctx, callerKey{}, who) // it alone knows the status afterwards
	next(inner)
	if ctx.Method() != http.MethodGet {
		a.Log.LogAttrs(ctx.Context(), slog.LevelInfo, "admin", slog.String("operation", ctx.Operation().OperationID), slog.String("path", r.URL.Path),
			slog.String("account", who.Account.ID), slog.String("key", who.Key.ID), slog.Int("status", inner.Status()))
	}
}

var errNarrow = huma.Error403Forbidden("this key is narrowed to some models, paths, limits or a quota; managing needs a key of the account that is not")

// errReplaced keeps whoever has a key that may have leaked, which is why it was replaced, from making one that
// lasts.
var errReplaced = huma.Error403Forbidden("this key was replaced and calls on for a while; managing needs the new one")

func (p Policy) admits(who account.Caller) bool {
	switch p {
	case PolicyAnyone:
		return true
	case PolicyManager:
		return who.IsRoot() || who.Account.Role == account.RoleManager
	case PolicyRoot:
		return who.IsRoot()
	}
	return false
}

func (a *API) writeProblem(ctx huma.Context, status int, detail string) {
	_ = huma.WriteErr(a.huma, ctx, status, detail) // it has told stderr; the client went away
}
