package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/wildcard"
)

// ModelEntry is an entry of the catalogue as the API shows it.
type ModelEntry struct {
	catalog.Model
	Origin  string `json:"origin" enum:"builtin,file,api" doc:"Who said this: what is built in, the configuration file, or operators here."`
	Priced  bool   `json:"priced" doc:"Calls to it can be priced."`
	Missing string `json:"missing,omitempty" doc:"Why not."`
	Version string `json:"price_version,omitempty" doc:"Names the content of the price; receipts carry it."`
}

func viewModel(m CatalogModel) ModelEntry {
	v := ModelEntry{Model: m.Entry.Model, Origin: m.Origin, Version: m.Entry.Version}
	v.Priced, v.Missing = m.Entry.Priced()
	return v
}

// ModelName names a model in a path.
type ModelName struct {
	Name string `path:"name" maxLength:"200" doc:"Name of the model, with %2F for a slash; with a * in it, a price rule."`
}

func (a *API) registerModels() {
	const tag = "models"
	handle(a, route{
		id: "list-models", method: http.MethodGet, path: "/models", policy: PolicyAnyone, tag: tag, summary: "List the catalogue",
		more: "By name, with prices and where they are from. Root sees all, price rules too; others the models they may call.",
	}, a.listModels)
	handle(a, route{id: "get-model", method: http.MethodGet, path: "/models/{name}", policy: PolicyAnyone, tag: tag, summary: "Read a model"}, a.getModel)
	handle(a, route{
		id: "put-model", method: http.MethodPut, path: "/models/{name}", policy: PolicyRoot, tag: tag, summary: "Say what a model is and costs",
		more: "Takes the place of what is built in or in the configuration file, whole. Calls that settle from now on are priced with it.",
	}, a.putModel)
	handle(a, route{
		id: "delete-model", method: http.MethodDelete, path: "/models/{name}", policy: PolicyRoot, tag: tag, summary: "Forget what was said of a model here",
		more: "What is built in or in the configuration file holds again.",
	}, a.deleteModel)
}

// models returns the entries that who may know of, by name.
func (a *API) models(ctx context.Context, who account.Caller) ([]CatalogModel, error) {
	all, err := a.Models.List(ctx)
	if err != nil || who.IsRoot() {
		return all, err
	}
	return slices.DeleteFunc(all, func(m CatalogModel) bool {
		return wildcard.Is(m.Entry.Model.Name) || !a.MayUse(who, m.Entry.Model.Name)
	}), nil
}

func (a *API) listModels(ctx context.Context, who account.Caller, in *struct {
	After string `query:"after" maxLength:"200" doc:"The next of the page before; without it the list begins."`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"Most entries to answer."`
	Name  string `query:"name" maxLength:"200" doc:"Only models whose name holds this, whatever the case."`
},
) (*listed[ModelEntry], error) {
	rows, err := a.models(ctx, who)
	if err != nil {
		return nil, err
	}
	name, after := strings.ToLower(in.Name), strings.ToLower(in.After)
	rows = slices.DeleteFunc(rows, func(m CatalogModel) bool {
		n := strings.ToLower(m.Entry.Model.Name)
		return after != "" && n <= after || !strings.Contains(n, name)
	})
	return paged(rows, in.Limit, func(m CatalogModel) string { return m.Entry.Model.Name }, viewModel), nil
}

func (a *API) getModel(ctx context.Context, who account.Caller, in *ModelName) (*one[ModelEntry], error) {
	all, err := a.models(ctx, who)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(m CatalogModel) bool {
		return strings.EqualFold(m.Entry.Model.Name, in.Name) || slices.ContainsFunc(m.Entry.Model.Aliases, func(n string) bool { return strings.EqualFold(n, in.Name) })
	})
	if i < 0 {
		return nil, notFound("model")
	}
	return &one[ModelEntry]{viewModel(all[i])}, nil
}

func (a *API) putModel(ctx context.Context, who account.Caller, in *struct {
	ModelName
	Body catalog.Model
},
) (*one[ModelEntry], error) {
	if in.Body.Name != in.Name {
		return nil, invalid("body.name", "must be the name in the path, "+quoted(in.Name))
	}
	if err := in.Body.Check(); err != nil {
		return nil, invalid("body", err.Error())
	}
	if err := a.Models.Put(ctx, in.Body); err != nil {
		return nil, err
	}
	return a.getModel(ctx, who, &in.ModelName)
}

func (a *API) deleteModel(ctx context.Context, _ account.Caller, in *ModelName) (*none, error) {
	return nil, a.Models.Delete(ctx, in.Name)
}
