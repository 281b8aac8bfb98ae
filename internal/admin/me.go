package admin

import (
	"context"
	"net/http"

	"tollgate/internal/account"
)

// Me is who a caller is.
type Me struct {
	Account Account `json:"account"`
	Key     Key     `json:"key" doc:"The key of this request."`
	Root    bool    `json:"root"`
}

func (a *API) registerMe() {
	handle(a, route{id: "get-me", method: http.MethodGet, path: "/me", policy: PolicyAnyone, tag: "me", summary: "Who am I"},
		func(_ context.Context, who account.Caller, _ *struct{}) (*one[Me], error) {
			return &one[Me]{Me{Account: a.viewAccount(who.Account), Key: viewKey(*who.Key), Root: who.IsRoot()}}, nil
		})
}
