package admin

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
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
	Paths     []string       `json:"paths" doc:"Narrows the API paths; empty: no further."`
	IPs       []netip.Prefix `json:"ips" doc:"Narrows where it may be used from; empty: no further."`
	Limits    account.Limits `json:"limits" doc:"Beside those of the account. 0 is no limit."`
	Quota     Quota          `json:"quota" doc:"What may be spent with it."`
	Strict    bool           `json:"strict" doc:"Whether its calls are refused rather than answered with losses of translation."`
	OldUntil  time.Time      `json:"old_until,omitzero" doc:"Until then the key that it replaced works too."`
	CreatedAt time.Time      `json:"created_at"`
	UpdatedAt time.Time      `json:"updated_at"`
	Version   int64          `json:"version"`
}

// Quota bounds what may be spent with a key, in dollars. "0" is no bound.
type Quota struct {
	Total string `json:"total,omitempty" maxLength:"30" doc:"In all time."`
	Day   string `json:"day,omitempty" maxLength:"30" doc:"In each day of the account's time zone."`
	Week  string `json:"week,omitempty" maxLength:"30" doc:"In each week, from Monday."`
	Month string `json:"month,omitempty" maxLength:"30" doc:"In each calendar month."`
}

// NewKey is a key with its plain form.
type NewKey struct {
	Key
	Secret string `json:"secret" doc:"The plain key. It is not kept: this is the only time it is shown."`
}

func viewKey(k account.Key) Key {
	v := Key{
		ID: k.ID, AccountID: k.AccountID, Name: k.Name, Hint: k.Hint, Enabled: k.Enabled, ExpiresAt: k.ExpiresAt.UTC(),
		Models: listOf(k.Models), Paths: listOf(k.Paths), IPs: listOf(k.IPs), Limits: k.Limits,
		Quota:     Quota{k.Quota.Total.String(), k.Quota.Day.String(), k.Quota.Week.String(), k.Quota.Month.String()},
		Strict:    k.Strict,
		CreatedAt: k.CreatedAt.UTC(), UpdatedAt: k.UpdatedAt.UTC(), Version: k.Version,
	}
	if !k.OldUntil.IsZero() {
		v.OldUntil = k.OldUntil.UTC()
	}
	return v
}

type keyFields struct {
	AccountID string         `json:"account_id,omitempty" maxLength:"100" doc:"Whose key it is; without it, the caller's own account."`
	Name      string         `json:"name,omitempty" maxLength:"63"`
	Enabled   *bool          `json:"enabled,omitempty" doc:"True unless said."`
	ExpiresAt time.Time      `json:"expires_at,omitzero" doc:"Never unless said."`
	Models    []string       `json:"models,omitempty" maxItems:"2000"`
	Paths     []string       `json:"paths,omitempty" maxItems:"2000"`
	IPs       []string       `json:"ips,omitempty" maxItems:"1000" doc:"Addresses and networks."`
	Limits    account.Limits `json:"limits,omitempty"`
	Quota     Quota          `json:"quota,omitempty"`
	Strict    bool           `json:"strict,omitempty"`
}

type keyChange struct {
	Version   int64                  `json:"version,omitempty" minimum:"1" doc:"The one that was read; with another one there, the change is refused."`
	Name      optional[string]       `json:"name,omitempty" maxLength:"63"`
	Enabled   optional[bool]         `json:"enabled,omitempty"`
	ExpiresAt optional[time.Time]    `json:"expires_at,omitempty" doc:"null: never."`
	Models    optional[[]string]     `json:"models,omitempty" maxItems:"2000"`
	Paths     optional[[]string]     `json:"paths,omitempty" maxItems:"2000"`
	IPs       optional[[]string]     `json:"ips,omitempty" maxItems:"1000"`
	Limits    optional[limitsChange] `json:"limits,omitempty"`
	Quota     optional[quotaChange]  `json:"quota,omitempty"`
	Strict    optional[bool]         `json:"strict,omitempty"`
}

// quotaChange is what a PATCH may say of a quota; what it does not name stays.
type quotaChange struct {
	Total optional[string] `json:"total,omitempty" maxLength:"30"`
	Day   optional[string] `json:"day,omitempty" maxLength:"30"`
	Week  optional[string] `json:"week,omitempty" maxLength:"30"`
	Month optional[string] `json:"month,omitempty" maxLength:"30"`
}

// quota reads q.
func (r *reader) quota(q Quota) account.Quota {
	return account.Quota{Total: r.money("quota.total", q.Total), Day: r.money("quota.day", q.Day), Week: r.money("quota.week", q.Week), Month: r.money("quota.month", q.Month)}
}

// apply changes k as c says. All that can't be read is reported.
func (c *keyChange) apply(k *account.Key) error {
	var r reader
	c.Name.to(&k.Name)
	c.Enabled.to(&k.Enabled)
	c.ExpiresAt.to(&k.ExpiresAt)
	c.Models.to(&k.Models)
	c.Paths.to(&k.Paths)
	read(c.IPs, &k.IPs, r.ips)
	changeLimits(c.Limits, &k.Limits)
	c.Strict.to(&k.Strict)
	if c.Quota.null {
		k.Quota = account.Quota{}
	}
	q := c.Quota.value
	read(q.Total, &k.Quota.Total, func(s string) catalog.Nanos { return r.money("quota.total", s) })
	read(q.Day, &k.Quota.Day, func(s string) catalog.Nanos { return r.money("quota.day", s) })
	read(q.Week, &k.Quota.Week, func(s string) catalog.Nanos { return r.money("quota.week", s) })
	read(q.Month, &k.Quota.Month, func(s string) catalog.Nanos { return r.money("quota.month", s) })
	return r.problem()
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
	handle(a, route{
		id: "rotate-key", method: http.MethodPost, path: "/keys/{id}/rotate", policy: PolicyAnyone, tag: tag, summary: "Replace the plain form of a key", status: http.StatusOK,
		more: "Everything else of the key stays. The answer shows the new plain key once; the old one stops at once, or after grace_seconds. Whoever is not a manager replaces the key of the request only.",
	}, a.rotateKey)
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
	about(ctx, b.AccountID, "", said(b))
	var r reader
	k := account.Key{
		AccountID: b.AccountID, Name: b.Name, Enabled: b.Enabled == nil || *b.Enabled, ExpiresAt: b.ExpiresAt.UTC(), Models: b.Models, Paths: b.Paths,
		IPs: r.ips(b.IPs), Limits: b.Limits, Quota: r.quota(b.Quota), Strict: b.Strict,
	}
	if err := r.problem(); err != nil {
		return nil, err
	}
	k, plain, err := a.Accounts.CreateKey(ctx, k)
	if err != nil {
		return nil, err
	}
	about(ctx, b.AccountID, k.ID, said(b))
	return &one[NewKey]{NewKey{Key: viewKey(k), Secret: plain.Reveal()}}, nil
}

// errOwnKey keeps a caller from locking itself out by mistake.
var errOwnKey = huma.Error409Conflict("this request was made with that very key; use another one to take it out of service")

func (a *API) changeKey(ctx context.Context, who account.Caller, in *struct {
	KeyID
	Body keyChange
},
) (*one[Key], error) {
	have, err := a.key(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	b := in.Body
	about(ctx, have.AccountID, have.ID, said(b))
	if in.ID == who.Key.ID && (b.Enabled.set && !b.Enabled.value || !b.ExpiresAt.value.IsZero() && !b.ExpiresAt.value.After(a.Now())) {
		return nil, errOwnKey
	}
	k, err := a.Accounts.UpdateKey(ctx, in.ID, func(k *account.Key) error {
		if b.Version != 0 && b.Version != k.Version {
			return errChanged
		}
		return b.apply(k)
	})
	if err != nil {
		return nil, err
	}
	return &one[Key]{viewKey(k)}, nil
}

func (a *API) rotateKey(ctx context.Context, who account.Caller, in *struct {
	KeyID
	Body struct {
		Grace int64 `json:"grace_seconds,omitempty" minimum:"0" maximum:"7776000" doc:"How long the old plain key works on; it stops at once unless said."`
	}
},
) (*one[NewKey], error) {
	k, err := a.key(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	about(ctx, k.AccountID, k.ID, map[string]any{"grace_seconds": in.Body.Grace})
	version := int64(0)
	switch {
	case who.Replaced:
		return nil, errReplaced
	case k.ID == who.Key.ID:
		version = who.Key.Version
	default:
		if !PolicyManager.admits(who) {
			return nil, huma.Error403Forbidden("only a manager may replace another key than the one it uses")
		}
		if who.Key.Narrow() {
			return nil, errNarrow
		}
	}
	k, plain, err := a.Accounts.RotateKey(ctx, k.ID, version, "", time.Duration(in.Body.Grace)*time.Second)
	if err != nil {
		return nil, err
	}
	if x := a.Accounts.Directory().Account(k.AccountID); x != nil { // else it was deleted in the same moment
		a.Notices.KeyRotated(ctx, x, k)
	}
	return &one[NewKey]{NewKey{Key: viewKey(k), Secret: plain.Reveal()}}, nil
}

func (a *API) deleteKey(ctx context.Context, who account.Caller, in *KeyID) (*none, error) {
	k, err := a.key(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	about(ctx, k.AccountID, k.ID, map[string]any{"name": k.Name})
	if in.ID == who.Key.ID {
		return nil, errOwnKey
	}
	return nil, a.Accounts.DeleteKey(ctx, in.ID)
}
