package admin

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tollgate/internal/account"
)

// Key is a virtual key as the API shows it. The plain key is shown by the POST that makes it, and
// never again.
type Key struct {
	ID        string         `json:"id"`
	AccountID string         `json:"account_id"`
	Name      string         `json:"name"`
	Hint      string         `json:"hint" doc:"Last four characters."`
	Enabled   bool           `json:"enabled"`
	ExpiresAt time.Time      `json:"expires_at,omitzero" doc:"Missing: never."`
	Models    []string       `json:"models" doc:"Narrows what the account may call; empty: no further."`
	Limits    account.Limits `json:"limits" doc:"Beside those of the account. 0 is no limit."`
	CreatedAt time.Time      `json:"created_at"`
	UpdatedAt time.Time      `json:"updated_at"`
	Version   int64          `json:"version"`
}

// NewKey is a key with its plain form.
type NewKey struct {
	Key
	Secret string `json:"secret" doc:"The plain key. It is not kept: this is the only time it is shown."`
}

func viewKey(k account.Key) Key {
	return Key{
		ID: k.ID, AccountID: k.AccountID, Name: k.Name, Hint: k.Hint, Enabled: k.Enabled, ExpiresAt: k.ExpiresAt.UTC(),
		Models: listOf(k.Models), Limits: k.Limits, CreatedAt: k.CreatedAt.UTC(), UpdatedAt: k.UpdatedAt.UTC(), Version: k.Version,
	}
}

type keyFields struct {
	AccountID string         `json:"account_id,omitempty" maxLength:"100" doc:"Whose key it is; without it, the caller's own account."`
	Name      string         `json:"name,omitempty" maxLength:"63"`
	Enabled   *bool          `json:"enabled,omitempty" doc:"True unless said."`
	ExpiresAt time.Time      `json:"expires_at,omitzero" doc:"Never unless said."`
	Models    []string       `json:"models,omitempty" maxItems:"2000"`
	Limits    account.Limits `json:"limits,omitempty"`
}

type keyChange struct {
	Version   int64                  `json:"version,omitempty" minimum:"1" doc:"The one that was read; with another one there, the change is refused."`
	Name      optional[string]       `json:"name,omitempty" maxLength:"63"`
	Enabled   optional[bool]         `json:"enabled,omitempty"`
	ExpiresAt optional[time.Time]    `json:"expires_at,omitempty" doc:"null: never."`
	Models    optional[[]string]     `json:"models,omitempty" maxItems:"2000"`
	Limits    optional[limitsChange] `json:"limits,omitempty"`
}

// KeyID names a key in a path.
type KeyID struct {
	ID string `path:"id" maxLength:"100" doc:"Id of the key, not the key itself."`
}

func (a *API) registerKeys() {
	const tag = "keys"
	handle(a, route{id: "list-keys", method: http.MethodGet, path: "/keys", policy: PolicyAnyone, tag: tag, summary: "List the keys of an account", more: "Oldest first."}, a.listKeys)
	handle(a, route{
		id: "create-key", method: http.MethodPost, path: "/keys", policy: PolicyManager, tag: tag, summary: "Make a key", status: http.StatusCreated,
		more: "The answer shows the plain key once.",
	}, a.createKey)
	handle(a, route{id: "get-key", method: http.MethodGet, path: "/keys/{id}", policy: PolicyAnyone, tag: tag, summary: "Read a key"}, a.getKey)
	handle(a, route{id: "change-key", method: http.MethodPatch, path: "/keys/{id}", policy: PolicyManager, tag: tag, summary: "Change a key"}, a.changeKey)
	handle(a, route{id: "delete-key", method: http.MethodDelete, path: "/keys/{id}", policy: PolicyManager, tag: tag, summary: "Delete a key", more: "It stops at once."}, a.deleteKey)
}

func (a *API) listKeys(_ context.Context, who account.Caller, in *struct {
	Page
	AccountID string `query:"account_id" maxLength:"100" doc:"Without it, the caller's own account."`
},
) (*listed[Key], error) {
	if in.AccountID == "" {
		in.AccountID = who.Account.ID
	}
	if _, err := a.account(who, in.AccountID); err != nil {
		return nil, err
	}
	keys := a.Accounts.Keys(in.AccountID)
	if in.After != "" {
		i := slices.IndexFunc(keys, func(k account.Key) bool { return k.ID == in.After })
		if i < 0 {
			return nil, invalid("query.after", "there is no such key any more; begin again without it")
		}
		keys = keys[i+1:]
	}
	return paged(keys, in.Limit, func(k account.Key) string { return k.ID }, viewKey), nil
}

// key returns a key of an account that who may know of.
func (a *API) key(ctx context.Context, who account.Caller, id string) (account.Key, error) {
	k, err := a.Records.Key(ctx, id)
	if err != nil {
		return k, err
	}
	if _, err := a.account(who, k.AccountID); err != nil {
		return k, account.ErrNotFound
	}
	return k, nil
}

func (a *API) getKey(ctx context.Context, who account.Caller, in *KeyID) (*one[Key], error) {
	k, err := a.key(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	return &one[Key]{viewKey(k)}, nil
}

func (a *API) createKey(ctx context.Context, who account.Caller, in *struct{ Body keyFields }) (*one[NewKey], error) {
	b := in.Body
	if b.AccountID == "" {
		b.AccountID = who.Account.ID
	}
	if _, err := a.account(who, b.AccountID); err != nil {
		return nil, invalid("body.account_id", "no such account")
	}
	k, plain, err := a.Accounts.CreateKey(ctx, account.Key{
		AccountID: b.AccountID, Name: b.Name, Enabled: b.Enabled == nil || *b.Enabled, ExpiresAt: b.ExpiresAt.UTC(), Models: b.Models, Limits: b.Limits,
	})
	if err != nil {
		return nil, err
	}
	return &one[NewKey]{NewKey{Key: viewKey(k), Secret: plain.Reveal()}}, nil
}

// errOwnKey keeps a caller from locking itself out by mistake.
var errOwnKey = huma.Error409Conflict("this request was made with that very key; use another one to take it out of service")

func (a *API) changeKey(ctx context.Context, who account.Caller, in *struct {
	KeyID
	Body keyChange
},
) (*one[Key], error) {
	if _, err := a.key(ctx, who, in.ID); err != nil {
		return nil, err
	}
	b := in.Body
	if in.ID == who.Key.ID && (b.Enabled.set && !b.Enabled.value || !b.ExpiresAt.value.IsZero() && !b.ExpiresAt.value.After(a.Now())) {
		return nil, errOwnKey
	}
	k, err := a.Accounts.UpdateKey(ctx, in.ID, func(k *account.Key) error {
		if b.Version != 0 && b.Version != k.Version {
			return errChanged
		}
		b.Name.to(&k.Name)
		b.Enabled.to(&k.Enabled)
		b.ExpiresAt.to(&k.ExpiresAt)
		b.Models.to(&k.Models)
		changeLimits(b.Limits, &k.Limits)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &one[Key]{viewKey(k)}, nil
}

func (a *API) deleteKey(ctx context.Context, who account.Caller, in *KeyID) (*none, error) {
	if _, err := a.key(ctx, who, in.ID); err != nil {
		return nil, err
	}
	if in.ID == who.Key.ID {
		return nil, errOwnKey
	}
	return nil, a.Accounts.DeleteKey(ctx, in.ID)
}
