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
	"tollgate/internal/wildcard"
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

// models lists what a caller may use, by name: what channels name themselves, what the catalogue knows
// and some channel serves, and the names that mappings add.
func (h *Handler) models(c account.Caller) []dialect.Model {
	rules, snap := h.Rules(), h.Catalog()
	seen := map[string]bool{}
	var out []dialect.Model
	add := func(name string) {
		if seen[name] || wildcard.Is(name) {
			return
		}
		seen[name] = true
		sent, pools, ok := h.Accounts.Serve(c, name, &rules)
		if !ok || len(pools) == 0 || !h.Pool.Serves(pools, sent) {
			return
		}
		m := dialect.Model{Name: name, CreatedUnix: h.Began.Unix()}
		if e, ok := snap.Lookup(sent); ok {
			m.Title, m.Owner, m.ContextTokens, m.OutputTokens, m.Ops = e.Model.Title, e.Model.Owner, e.Model.ContextTokens, e.Model.OutputTokens, e.Model.Ops
			if at, err := time.Parse(time.DateOnly, e.Model.PriceDate); err == nil {
				m.CreatedUnix = at.Unix()
			}
		}
		out = append(out, m)
	}
	for _, name := range h.Pool.Named(h.Accounts.Reach(c.Account, &rules)) {
		add(name)
	}
	for _, m := range snap.Models() {
		add(m.Name)
	}
	for _, r := range rules.Models {
		add(r.From)
	}
	for a := range h.Accounts.Line(c.Account) {
		for _, r := range a.Mapping {
			add(r.From)
		}
	}
	slices.SortFunc(out, func(a, b dialect.Model) int { return strings.Compare(a.Name, b.Name) })
	return out
}
