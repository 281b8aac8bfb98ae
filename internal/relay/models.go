package relay

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/obs"
)

// Models returns a handler that lists the models a caller may use, or one of them, in the shape of
// the dialect that pick chooses by the request.
func (h *Handler) Models(pick func(*http.Request) dialect.Protocol) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proto := pick(r)
		NameCall(w.Header(), obs.NewRequestID())
		caller, err := h.Authenticate(r, time.Now())
		if err != nil {
			proto.WriteError(w, err)
			return
		}
		name := strings.TrimPrefix(r.PathValue("model"), "models/")
		models := h.models(caller)
		if name == "" {
			proto.WriteModels(w, r, models)
			return
		}
		at := slices.IndexFunc(models, func(m dialect.Model) bool { return m.Name == name })
		if at < 0 {
			proto.WriteError(w, &canon.Error{
				Kind: canon.KindNotFound, Param: "model", Code: "model_not_found",
				Message: "the model `" + bounded(name, 120) + "` does not exist here, or this key may not use it",
			})
			return
		}
		proto.WriteModel(w, models[at])
	})
}

// models lists what a caller may use, by name: what channels name themselves, and what the catalogue
// knows and some channel serves.
func (h *Handler) models(c account.Caller) []dialect.Model {
	pools := h.Pools(c.Account, "")
	snap := h.Catalog()
	seen := map[string]bool{}
	var out []dialect.Model
	add := func(name string) {
		if seen[name] || !h.MayUse(c, name) {
			return
		}
		seen[name] = true
		m := dialect.Model{Name: name, CreatedUnix: h.Began.Unix()}
		if e, ok := snap.Lookup(name); ok {
			m.Title, m.Owner, m.ContextTokens, m.OutputTokens, m.Ops = e.Model.Title, e.Model.Owner, e.Model.ContextTokens, e.Model.OutputTokens, e.Model.Ops
			if at, err := time.Parse(time.DateOnly, e.Model.PriceDate); err == nil {
				m.CreatedUnix = at.Unix()
			}
		}
		out = append(out, m)
	}
	for _, name := range h.Pool.Named(pools) {
		add(name)
	}
	for _, m := range snap.Models() {
		if h.Pool.Serves(h.Pools(c.Account, m.Name), m.Name) {
			add(m.Name)
		}
	}
	slices.SortFunc(out, func(a, b dialect.Model) int { return strings.Compare(a.Name, b.Name) })
	return out
}
