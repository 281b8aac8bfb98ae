package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tollgate/internal/account"
)

// Account is an account as the API shows it.
type Account struct {
	ID        string         `json:"id"`
	ParentID  string         `json:"parent_id" doc:"The account above; empty for root."`
	Path      string         `json:"path" doc:"Ids from root down, with a dot before, between and after."`
	Name      string         `json:"name"`
	Email     string         `json:"email"`
	Alias     string         `json:"alias"`
	Enabled   bool           `json:"enabled" doc:"False stops its keys, and those of every account below it, at once."`
	Role      account.Role   `json:"role" enum:"manager,caller"`
	Limits    account.Limits `json:"limits"`
	Models    []string       `json:"models" doc:"Patterns of the models it may call; empty: all. -x excludes."`
	Pools     []string       `json:"pools" doc:"Pools of channels that serve it, in order; empty: the default pool."`
	CreatedAt time.Time      `json:"created_at"`
	UpdatedAt time.Time      `json:"updated_at"`
	Version   int64          `json:"version" doc:"Counts changes; name it in a PATCH to change nothing that others changed since."`
}

func viewAccount(a *account.Account) Account {
	return Account{
		ID: a.ID, ParentID: a.ParentID, Path: a.Path, Name: a.Name, Email: a.Email, Alias: a.Alias, Enabled: a.Enabled, Role: a.Role,
		Limits: a.Limits, Models: listOf(a.Models), Pools: listOf(a.Pools), CreatedAt: a.CreatedAt.UTC(), UpdatedAt: a.UpdatedAt.UTC(), Version: a.Version,
	}
}

// accountFields are what a POST may say of an account.
type accountFields struct {
	ParentID string          `json:"parent_id,omitempty" doc:"The account above; without it, the caller's own."`
	Name     string          `json:"name" maxLength:"63" doc:"Unique."`
	Email    string          `json:"email,omitempty" maxLength:"254" doc:"Unique."`
	Alias    string          `json:"alias,omitempty" maxLength:"100"`
	Enabled  *bool           `json:"enabled,omitempty" doc:"True unless said."`
	Role     account.Role    `json:"role,omitempty" enum:"manager,caller" doc:"caller unless said."`
	Limits   *account.Limits `json:"limits,omitempty" doc:"As the account above unless said. 0 is no limit."`
	Models   []string        `json:"models,omitempty" maxItems:"2000" doc:"As the account above unless said."`
	Pools    []string        `json:"pools,omitempty" maxItems:"100" doc:"As the account above unless said."`
}

// accountChange is what a PATCH may say of an account.
type accountChange struct {
	Version int64                  `json:"version,omitempty" minimum:"1" doc:"The one that was read; with another one there, the change is refused."`
	Name    optional[string]       `json:"name,omitempty" maxLength:"63"`
	Email   optional[string]       `json:"email,omitempty" maxLength:"254"`
	Alias   optional[string]       `json:"alias,omitempty" maxLength:"100"`
	Enabled optional[bool]         `json:"enabled,omitempty"`
	Role    optional[account.Role] `json:"role,omitempty" enum:"manager,caller"`
	Limits  optional[limitsChange] `json:"limits,omitempty"`
	Models  optional[[]string]     `json:"models,omitempty" maxItems:"2000"`
	Pools   optional[[]string]     `json:"pools,omitempty" maxItems:"100"`
}

// limitsChange is what a PATCH may say of limits; what it does not name stays.
type limitsChange struct {
	RPM        optional[int64] `json:"rpm,omitempty" minimum:"0"`
	RPH        optional[int64] `json:"rph,omitempty" minimum:"0"`
	RPD        optional[int64] `json:"rpd,omitempty" minimum:"0"`
	TPM        optional[int64] `json:"tpm,omitempty" minimum:"0"`
	TPH        optional[int64] `json:"tph,omitempty" minimum:"0"`
	TPD        optional[int64] `json:"tpd,omitempty" minimum:"0"`
	Concurrent optional[int64] `json:"concurrent,omitempty" minimum:"0"`
}

// changeLimits applies o to l.
func changeLimits(o optional[limitsChange], l *account.Limits) {
	if o.null {
		*l = account.Limits{}
	}
	c := o.value
	c.RPM.to(&l.RPM)
	c.RPH.to(&l.RPH)
	c.RPD.to(&l.RPD)
	c.TPM.to(&l.TPM)
	c.TPH.to(&l.TPH)
	c.TPD.to(&l.TPD)
	c.Concurrent.to(&l.Concurrent)
}

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
		more: "A manager changes no more than name, email and alias of its own account.",
	}, a.changeAccount)
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
	return paged(rows, in.Limit, func(x *account.Account) string { return x.ID }, viewAccount), nil
}

func (a *API) getAccount(_ context.Context, who account.Caller, in *AccountID) (*one[Account], error) {
	x, err := a.account(who, in.ID)
	if err != nil {
		return nil, err
	}
	return &one[Account]{viewAccount(x)}, nil
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
	x := account.Account{
		ParentID: parent.ID, Name: b.Name, Email: b.Email, Alias: b.Alias, Enabled: b.Enabled == nil || *b.Enabled, Role: b.Role,
		Limits: parent.Limits, Models: parent.Models, Pools: parent.Pools,
	}
	if b.Limits != nil {
		x.Limits = *b.Limits
	}
	if b.Models != nil {
		x.Models = b.Models
	}
	if b.Pools != nil {
		x.Pools = b.Pools
	}
	if !who.IsRoot() {
		if err := within(parent, &x); err != nil {
			return nil, err
		}
	}
	x, err := a.Accounts.CreateAccount(ctx, x)
	if err != nil {
		return nil, err
	}
	return &one[Account]{viewAccount(&x)}, nil
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
	bounded := b.Limits.set || b.Models.set || b.Pools.set
	if in.ID == who.Account.ID && !who.IsRoot() && (bounded || b.Enabled.set || b.Role.set) {
		return nil, huma.Error403Forbidden("only the account above may change more than name, email and alias of this one")
	}
	x, err := a.Accounts.UpdateAccount(ctx, in.ID, func(x *account.Account) error {
		if b.Version != 0 && b.Version != x.Version {
			return errChanged
		}
		b.Name.to(&x.Name)
		b.Email.to(&x.Email)
		b.Alias.to(&x.Alias)
		b.Enabled.to(&x.Enabled)
		b.Role.to(&x.Role)
		changeLimits(b.Limits, &x.Limits)
		b.Models.to(&x.Models)
		b.Pools.to(&x.Pools)
		if bounded && !who.IsRoot() {
			return within(a.Accounts.Directory().Account(x.ParentID), x)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &one[Account]{viewAccount(&x)}, nil
}
