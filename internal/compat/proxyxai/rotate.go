package proxyxai

import (
	"net/http"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/secret"
)

// mainKey is the name of the key that this API makes with an account.
const mainKey = "main"

// rotated is a key that took the place of another one. Key is shown this once.
type rotated struct {
	Action    string `json:"action"`
	ID        string `json:"id"` // of the account
	Name      string `json:"name"`
	Key       string `json:"key"`
	Timestamp int64  `json:"timestamp"` // seconds
}

// confirm checks that a request means to rotate keys today, in UTC.
func (a *API) confirm(text, word string) error {
	if want := a.Now().UTC().Format(time.DateOnly) + "-" + word; text != want {
		return badRequest("confirm must be %s, with the date of today in UTC", want)
	}
	return nil
}

// rotateSelf replaces the key of the request.
func (a *API) rotateSelf(r *http.Request, who account.Caller) (any, error) {
	var in struct {
		Confirm string `json:"confirm"`
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if err := a.confirm(in.Confirm, "ROTATE-SELF"); err != nil {
		return nil, err
	}
	return a.rotate(r, who, who.Account, who.Key, "")
}

// rotateRoot replaces root's own key or that of another account.
func (a *API) rotateRoot(r *http.Request, who account.Caller) (any, error) {
	var in struct {
		Name    string `json:"name"`
		Key     string `json:"key"`
		Confirm string `json:"confirm"`
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if err := a.confirm(in.Confirm, "ROTATE-ROOT"); err != nil {
		return nil, err
	}
	if in.Key != "" && !secret.WellFormed(in.Key) {
		return nil, badRequest("key must have 51 characters and begin with sk-Xvs, as GET /x-gkey makes them; leave it out and one is made")
	}
	x, k := who.Account, who.Key
	if called := strings.TrimSpace(in.Name); called != "" && a.Accounts.Directory().Find(called) != who.Account {
		var err error
		if x, err = a.descendant(who, called); err != nil {
			return nil, err
		}
		k = nil
		for _, its := range a.Accounts.Directory().KeysOf(x.ID) {
			if k == nil || its.Name == mainKey {
				k = &its
			}
		}
	}
	return a.rotate(r, who, x, k, secret.Secret(in.Key))
}

// errReplaced keeps whoever has a key that was replaced, maybe because it leaked, from managing and from
// taking the account over.
var errReplaced error = &fault{http.StatusForbidden, "this key was replaced and calls on for a while; managing needs the new one"}

// rotate gives an account a new key in the place of old as it was read, or the first one if that is nil.
func (a *API) rotate(r *http.Request, who account.Caller, x *account.Account, old *account.Key, plain secret.Secret) (any, error) {
	ctx := r.Context()
	var k account.Key
	var err error
	switch {
	case old != nil:
		k, plain, err = a.Accounts.RotateKey(ctx, old.ID, old.Version, plain, 0)
	case plain != "":
		k, err = a.Accounts.ImportKey(ctx, account.Key{AccountID: x.ID, Name: mainKey, Enabled: true}, plain)
	default:
		k, plain, err = a.Accounts.CreateKey(ctx, account.Key{AccountID: x.ID, Name: mainKey, Enabled: true})
	}
	a.record(r, who, "key.rotate", x.ID, k.ID, nil, err)
	if err != nil {
		return nil, err
	}
	a.Notices.KeyRotated(ctx, x, k)
	return struct {
		Success bool    `json:"success"`
		Message string  `json:"message"`
		Rotate  rotated `json:"rotate"`
	}{true, "the old key does not work any more; the new one is shown this once", rotated{"rotate", x.ID, x.Name, plain.Reveal(), a.Now().Unix()}}, nil
}
