package relay

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/dialect"
	"tollgate/internal/obs"
	"tollgate/internal/wildcard"
)

// Models returns a handler that lists the models a caller may use, or one of them, in the shape of
// the dialect that pick chooses by the request.
func (h *Handler) Models(pick func(*http.Request) dialect.Protocol) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proto := pick(r)
		NameCall(w.Header(), proto.Dialect(), obs.NewRequestID())
		caller, err := h.Authenticate(r, time.Now())
		if err != nil {
			proto.WriteError(w, err)
			return
		}
		name := strings.TrimPrefix(r.PathValue("model"), "models/")
		if name == "" {
			proto.WriteModels(w, r, h.models(caller))
			return
		}
		rules := h.Rules()
		m, ok := h.model(caller, name, &rules, h.Catalog()) // as a call of it is decided, listed or not
		if ok && strings.Contains(name, ":") {              // but for what may be a model and a method, as Gemini's clients write it
			ok = slices.ContainsFunc(h.models(caller), func(m dialect.Model) bool { return m.Name == name })
		}
		if !ok {
			proto.WriteError(w, &canon.Error{
				Kind: canon.KindNotFound, Param: "model", Code: "model_not_found",
				Message: "the model `" + bounded(name, 120) + "` does not exist here, or this key may not use it",
			})
			return
		}
		proto.WriteModel(w, m)
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
		if m, ok := h.model(c, name, &rules, snap); ok {
			out = append(out, m)
		}
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

// model is a model as a caller sees it; false if a call of it would be refused: the caller may not use it,
// nobody serves it, or it has no price and needs one.
func (h *Handler) model(c account.Caller, name string, rules *account.Rules, snap *catalog.Snapshot) (m dialect.Model, ok bool) {
	sent, pools, ok := h.Accounts.Serve(c, name, rules)
	if !ok || len(pools) == 0 || wildcard.Is(name) || !h.Pool.Serves(pools, sent) {
		return m, false
	}
	e, standing := snap.Entry(sent), h.Accounts.StandingOf(c)
	if own := standing.PriceFor(sent, e.Model.Name, name); own != nil {
		e = e.With(own)
	}
	if priced, _ := e.Priced(); !priced && !c.IsRoot() && !h.Unbilled && !standing.Unbilled && !h.Pool.OnlyFree(pools, sent) {
		return m, false
	}
	m = dialect.Model{
		Name: name, CreatedUnix: h.Began.Unix(), Title: e.Model.Title, Owner: e.Model.Owner,
		ContextTokens: e.Model.ContextTokens, OutputTokens: e.Model.OutputTokens, Ops: e.Model.Ops,
	}
	if at, err := time.Parse(time.DateOnly, e.Model.PriceDate); err == nil {
		m.CreatedUnix = at.Unix()
	}
	return m, true
}
