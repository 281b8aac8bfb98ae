package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"tollgate/internal/account"
	"tollgate/internal/ledger"
)

// AccountID names an account in a path.
type AccountID struct {
	ID string `path:"id" maxLength:"100" doc:"Id of the account."`
}

func (a *API) registerAccounts() {
	const tag = "accounts"
	handle(a, route{
		id: "list-accounts", method: http.MethodGet, path: "/accounts", policy: PolicyAnyone, tag: tag, summary: "List accounts",
		more: "Oldest first. Whoever is not a manager sees its own account only.",
	}, a.listAccounts)
	handle(a, route{
		id: "create-account", method: http.MethodPost, path: "/accounts", policy: PolicyManager, tag: tag, summary: "Make an account", status: http.StatusCreated,
		more: "What a manager gives away it must have itself.",
	}, a.createAccount)
	handle(a, route{id: "get-account", method: http.MethodGet, path: "/accounts/{id}", policy: PolicyAnyone, tag: tag, summary: "Read an account"}, a.getAccount)
	handle(a, route{
		id: "change-account", method: http.MethodPatch, path: "/accounts/{id}", policy: PolicyManager, tag: tag, summary: "Change an account",
		more: "Of its own account a manager changes no more than name, email, alias, billing_email, soft_limit and labels.",
	}, a.changeAccount)
	handle(a, route{
		id: "move-account", method: http.MethodPost, path: "/accounts/{id}/move", policy: PolicyManager, tag: tag, summary: "Put an account below another one", status: http.StatusOK,
		more: "With all below it. What it has laid down must be right there too.",
	}, a.moveAccount)
	handle(a, route{
		id: "delete-account", method: http.MethodDelete, path: "/accounts/{id}", policy: PolicyManager, tag: tag, summary: "Delete an account",
		more: "Its keys stop at once; what is left of its credit returns to the account above. If that fails the account stays, disabled, and deleting it again goes on.",
	}, a.deleteAccount)
}

// visible reports whether who may know of the account x.
func visible(who account.Caller, x *account.Account) bool {
	switch {
	case who.IsRoot() || x.ID == who.Account.ID:
		return true
	case who.Account.Role == account.RoleManager:
		return strings.HasPrefix(x.Path, who.Account.Path)
	}
	return false
}

// account returns the account id if who may know of it.
func (a *API) account(who account.Caller, id string) (*account.Account, error) {
	x := a.Accounts.Directory().Account(id)
	if x == nil || !visible(who, x) {
		return nil, notFound("account")
	}
	return x, nil
}

// accounts returns the ids of all accounts that who may know of; nil, which is all, for root.
func (a *API) accounts(who account.Caller) []string {
	if who.IsRoot() {
		return nil
	}
	var ids []string
	for x := range a.Accounts.Directory().Accounts {
		if visible(who, x) {
			ids = append(ids, x.ID)
		}
	}
	return ids
}

// rank orders accounts: root, then by id, which is by age. A cursor is an id, so a page begins at the
// same place whatever was added since.
func rank(id string) string {
	if id == account.RootID {
		return ""
	}
	return id
}

func (a *API) listAccounts(_ context.Context, who account.Caller, in *struct {
	Page
	Name     string `query:"name" maxLength:"63" doc:"Only accounts whose name or alias holds this, whatever the case."`
	ParentID string `query:"parent_id" maxLength:"100" doc:"Only accounts right below this one."`
},
) (*listed[Account], error) {
	name := strings.ToLower(in.Name)
	var rows []*account.Account
	for x := range a.Accounts.Directory().Accounts {
		if !visible(who, x) || in.After != "" && rank(x.ID) <= rank(in.After) || in.ParentID != "" && x.ParentID != in.ParentID ||
			!strings.Contains(strings.ToLower(x.Name), name) && !strings.Contains(strings.ToLower(x.Alias), name) {
			continue
		}
		rows = append(rows, x)
	}
	slices.SortFunc(rows, func(x, y *account.Account) int { return strings.Compare(rank(x.ID), rank(y.ID)) })
	return paged(rows, in.Limit, func(x *account.Account) string { return x.ID }, a.viewAccount), nil
}

func (a *API) getAccount(_ context.Context, who account.Caller, in *AccountID) (*one[Account], error) {
	x, err := a.account(who, in.ID)
	if err != nil {
		return nil, err
	}
	return &one[Account]{a.viewAccount(x)}, nil
}

func (a *API) createAccount(ctx context.Context, who account.Caller, in *struct{ Body accountFields }) (*one[Account], error) {
	b := in.Body
	if b.ParentID == "" {
		b.ParentID = who.Account.ID
	}
	parent := a.Accounts.Directory().Account(b.ParentID)
	if parent == nil || !visible(who, parent) {
		return nil, invalid("body.parent_id", "no such account")
	}
	about(ctx, parent.ID, "", said(b))
	if !who.IsRoot() {
		switch {
		case len(b.Prices) > 0:
			return nil, errForRoot("prices")
		case b.Unbilled:
			return nil, errForRoot("unbilled")
		case b.LimitRatio != "":
			return nil, errForRoot("limit_ratio")
		}
	}
	x, err := b.account()
	if err != nil {
		return nil, err
	}
	if x, err = a.Accounts.CreateAccount(ctx, x); err != nil {
		return nil, err
	}
	about(ctx, x.ID, "", said(b))
	return &one[Account]{a.viewAccount(&x)}, nil
}

func errForRoot(field string) error {
	return huma.Error403Forbidden("only root may set " + field)
}

func (a *API) changeAccount(ctx context.Context, who account.Caller, in *struct {
	AccountID
	Body accountChange
},
) (*one[Account], error) {
	if _, err := a.account(who, in.ID); err != nil {
		return nil, err
	}
	b := in.Body
	about(ctx, in.ID, "", said(b))
	if !who.IsRoot() {
		if in.ID == who.Account.ID && !b.own() {
			return nil, huma.Error403Forbidden("only the account above may change more than name, email, alias, billing_email, soft_limit and labels of this one")
		}
		if field := b.forRoot(); field != "" {
			return nil, errForRoot(field)
		}
	}
	x, err := a.Accounts.UpdateAccount(ctx, in.ID, func(x *account.Account) error {
		if b.Version != 0 && b.Version != x.Version {
			return errChanged
		}
		return b.apply(x)
	})
	if err != nil {
		return nil, err
	}
	return &one[Account]{a.viewAccount(&x)}, nil
}

func (a *API) moveAccount(ctx context.Context, who account.Caller, in *struct {
	AccountID
	Body struct {
		ParentID string `json:"parent_id" maxLength:"100" doc:"The account that shall be right above it."`
		Version  int64  `json:"version,omitempty" minimum:"1" doc:"The one that was read; with another one there, the account is not moved."`
	}
},
) (*one[Account], error) {
	x, err := a.below(who, in.ID)
	if err != nil {
		return nil, err
	}
	about(ctx, x.ID, "", map[string]any{"from": x.ParentID, "to": in.Body.ParentID})
	if _, err := a.account(who, in.Body.ParentID); err != nil {
		return nil, invalid("body.parent_id", "no such account")
	}
	moved, err := a.Accounts.MoveAccount(ctx, x.ID, in.Body.ParentID, in.Body.Version)
	if errors.Is(err, account.ErrConflict) && in.Body.Version != 0 {
		return nil, errChanged
	}
	if err != nil {
		return nil, err
	}
	return &one[Account]{a.viewAccount(&moved)}, nil
}

// below returns the account id if it is below who, not who itself: what is done to it is not who's to do
// to itself.
func (a *API) below(who account.Caller, id string) (*account.Account, error) {
	x, err := a.account(who, id)
	if err == nil && x.ID == who.Account.ID && !who.IsRoot() {
		return nil, huma.Error403Forbidden("only an account above may do this to an account")
	}
	return x, err
}

func (a *API) deleteAccount(ctx context.Context, who account.Caller, in *struct {
	AccountID
	Below bool `query:"below" doc:"Delete the accounts below it too; without it, an account that has some is not deleted."`
},
) (*none, error) {
	x, err := a.below(who, in.ID)
	if err != nil {
		return nil, err
	}
	about(ctx, x.ID, "", map[string]any{"name": x.Name, "parent_id": x.ParentID, "below": in.Below})
	return nil, a.Accounts.DeleteAccount(ctx, x.ID, in.Below, a.closeAccount)
}

// closeAccount returns what is left of an account's credit to the account above it.
func (a *API) closeAccount(ctx context.Context, x account.Account) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	_, err = a.Money.Transfer(ctx, ledger.Transfer{
		ID: id.String(), Kind: ledger.EntryClose, From: x.ID, To: x.ParentID, Amount: maxGrant, UpTo: true, At: a.Now().UTC().Truncate(time.Millisecond),
		Reference: "from " + x.Name, Note: "the account was deleted",
	})
	if _, nothing := errors.AsType[*ledger.ShortError](err); nothing {
		return nil
	}
	return err
}
