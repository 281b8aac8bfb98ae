package proxyxai

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
)

// changedUser is the answer of a change.
type changedUser struct {
	Action string // "add", "update" or "delete"
	Parent parentView
	User   userView
}

// parentView is the account whose credit a change moved, as it stands after.
type parentView struct {
	ID            string
	Name          string
	Level         int
	Rates         json.Number
	Balance       amount
	CreditBalance []card
	Child         int
	ChildLimit    int64
	HardLimit     amount
	SoftLimit     amount
	RateLimit     int64
}

// userView is the account that was changed.
type userView struct {
	ID            string
	Name          string
	Alias         string
	SecretKey     string       `json:",omitempty"` // of a new account, this once
	Rates         *json.Number `json:",omitempty"` // of a deleted one, with the next
	CreditBalance []card       `json:",omitempty"`
	Updates       any          // the account as it stands now; of a deleted one nothing
}

func (a *API) parentView(x *account.Account) parentView {
	u := a.view(x, 0)
	return parentView{
		ID: u.ID, Name: u.Name, Level: u.Level, Rates: u.Rates, Balance: u.Balance, CreditBalance: u.CreditBalance, Child: u.Child, ChildLimit: u.ChildLimit,
		HardLimit: u.HardLimit, SoftLimit: u.SoftLimit, RateLimit: u.RateLimit,
	}
}

// updates shows an account after a change that moved so much credit.
func (a *API) updates(x *account.Account, moved *amount) xUser {
	u := a.view(x, 0)
	u.CreditGranted = 0
	if moved != nil {
		u.CreditGranted = *moved
	}
	return u
}

// mayManage reports why the caller may not make and fund accounts.
func (a *API) mayManage(who account.Caller) error {
	switch {
	case who.IsRoot():
		return nil
	case who.Account.Role != account.RoleManager:
		return &fault{http.StatusForbidden, "this account may call models, but not manage accounts"}
	case a.purse(who.Account).balance < a.MinBalance:
		return &fault{http.StatusForbidden, "managing accounts needs a balance of at least " + a.MinBalance.String()}
	}
	return nil
}

// shortestName is how short the name of an account may be, in characters.
const shortestName = 4

func checkName(name string) error {
	if utf8.RuneCountInString(name) < shortestName {
		return badRequest("Name must have %d to 63 characters and at least one letter", shortestName)
	}
	return nil
}

// addUser makes an account right below the caller's, gives it a key and funds it. All of it happens, or
// nothing: until then the account is disabled and marked. What a process leaves that dies on the way gives
// its place to the same request, sent again.
func (a *API) addUser(r *http.Request, who account.Caller) (any, error) {
	if err := a.mayManage(who); err != nil {
		return nil, err
	}
	var in userInput
	if err := read(r, &in); err != nil {
		return nil, err
	}
	trim(in.Name, in.Email, in.BillingEmail)
	switch {
	case text(in.Name) == "":
		return nil, badRequest("Name is missing")
	case text(in.Email) == "":
		return nil, badRequest("Email is missing")
	case in.CreditGranted == nil:
		return nil, badRequest("CreditGranted is missing: a new account needs credit of at least %s", a.MinFunding)
	case catalog.Nanos(*in.CreditGranted) < a.MinFunding || *in.CreditGranted <= 0:
		return nil, badRequest("CreditGranted must be at least %s", a.MinFunding)
	}
	if err := checkName(*in.Name); err != nil {
		return nil, err
	}
	x := account.Account{ParentID: who.Account.ID, Enabled: true, Role: account.RoleManager}
	if err := in.apply(&x, a.Accounts.Directory().RatesOf(who.Account)); err != nil {
		return nil, err
	}
	m := max(x.Rates, a.Accounts.Directory().RatesOf(who.Account))
	if in.HardLimit == nil {
		x.HardLimit = m.ToReal(defaultHardLimit(catalog.Nanos(*in.CreditGranted)))
	}
	t, err := a.transferOf(who, &in, m)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	enabled := x.Enabled
	x.Enabled, x.Labels[labelUnfinished] = false, "true"
	made, err := a.Accounts.CreateAccount(ctx, x)
	if left := a.abandoned(who, &x); left != nil && errors.Is(err, account.ErrConflict) {
		err = a.Accounts.DeleteAccount(ctx, left.ID, false, a.refund("undone: it was never finished"))
		a.record(r, who, "account.delete", left.ID, "", map[string]any{"name": left.Name}, err)
		if err == nil {
			made, err = a.Accounts.CreateAccount(ctx, x)
		}
	}
	x = made
	a.record(r, who, "account.create", x.ID, "", map[string]any{"name": *in.Name}, err)
	if err != nil {
		return nil, err
	}
	t.To = x.ID
	key, err := a.fundNew(r, who, &x, t, enabled)
	if err != nil {
		undo := context.WithoutCancel(ctx)
		return nil, errors.Join(err, a.Accounts.DeleteAccount(undo, x.ID, false, a.refund("undone: the account could not be made")))
	}
	return changedUser{"add", a.parentView(a.current(who.Account)), userView{
		ID: x.ID, Name: x.Name, Alias: a.view(&x, 0).Alias, SecretKey: key, Updates: a.updates(&x, in.CreditGranted),
	}}, nil
}

// defaultHardLimit is what a new account may spend in a month when nobody says: its first credit rounded
// up to a hundred dollars.
func defaultHardLimit(granted catalog.Nanos) catalog.Nanos {
	const hundred = 100 * 1e9
	return (granted + hundred - 1) / hundred * hundred
}

// abandonedAfter is how old an unfinished account is that nobody can be at work on any more.
const abandonedAfter = time.Minute

// abandoned returns the account right below who's with the name and mail address of x that was never
// finished, or nil.
func (a *API) abandoned(who account.Caller, x *account.Account) *account.Account {
	have := a.Accounts.Directory().Find(x.Name)
	if have == nil || have.ParentID != who.Account.ID || !strings.EqualFold(have.Email, x.Email) || have.Enabled ||
		have.Labels[labelUnfinished] == "" || a.Now().Sub(have.CreatedAt) < abandonedAfter {
		return nil
	}
	return have
}

// fundNew makes the key of a new account, moves its first credit to it and lets it work.
func (a *API) fundNew(r *http.Request, who account.Caller, x *account.Account, t *ledger.Transfer, enabled bool) (string, error) {
	ctx, cancel := context.WithTimeout(r.Context(), abandonedAfter/2)
	defer cancel()
	_, plain, err := a.Accounts.CreateKey(ctx, account.Key{AccountID: x.ID, Name: mainKey, Enabled: true})
	if err != nil {
		return "", err
	}
	_, err = a.Money.Transfer(ctx, *t)
	a.record(r, who, "credit.grant", x.ID, t.ID, map[string]any{"amount": t.Amount.String()}, err)
	if err != nil {
		return "", err
	}
	done, err := a.Accounts.UpdateAccount(ctx, x.ID, func(x *account.Account) error {
		x.Enabled, x.Labels = enabled, maps.Clone(x.Labels)
		delete(x.Labels, labelUnfinished)
		return nil
	})
	if err != nil {
		return "", err
	}
	*x = done
	return plain.Reveal(), nil
}

// transferOf is the movement of credit that a request asks for, in real money; nil if it asks for none.
// m is what the account's face values are multiplied with. Who takes part is up to the caller.
func (a *API) transferOf(who account.Caller, in *userInput, m catalog.Multiplier) (*ledger.Transfer, error) {
	life := ledger.DefaultCardLife
	if in.Days != nil {
		n, err := parseAmount(in.Days.String())
		if err != nil || n <= 0 || n > 365e9 {
			return nil, badRequest("Days must be above 0 and at most 365")
		}
		life = time.Duration(n) * 86_400 // billionths of a day
		life = life.Truncate(time.Millisecond)
	}
	if in.CreditGranted == nil || *in.CreditGranted == 0 {
		if in.Days != nil {
			return nil, badRequest("Days is the life of a grant: send it with CreditGranted")
		}
		return nil, nil
	}
	if in.Days != nil && *in.CreditGranted < 0 {
		return nil, badRequest("Days is the life of a grant; nothing is granted when credit is taken back")
	}
	face := catalog.Nanos(*in.CreditGranted)
	t := &ledger.Transfer{ID: uuid.Must(uuid.NewV7()).String(), Kind: ledger.EntryGrant, From: who.Account.ID, Amount: m.ToReal(face), At: a.Now().UTC().Truncate(time.Millisecond), Reference: who.Account.Name}
	if face < 0 {
		t.Kind, t.To, t.From, t.Amount = ledger.EntryTake, who.Account.ID, "", m.ToReal(-face)
	}
	t.ExpiresAt = t.At.Add(life)
	if t.Amount <= 0 {
		return nil, badRequest("CreditGranted is less than can be moved")
	}
	if left := a.Money.Balance(who.Account.ID, a.Now()).Left; face > 0 && !who.IsRoot() && left < t.Amount {
		return nil, a.tooLittle(who.Account, &ledger.ShortError{Need: t.Amount, Left: left})
	}
	return t, nil
}

// tooLittle says that an account has not enough, in its face values.
func (a *API) tooLittle(x *account.Account, short *ledger.ShortError) error {
	m := a.rates(x)
	return badRequest("the balance of %s does not cover this: %s is needed, %s is left", x.Name, m.Shown(short.Need), m.Shown(max(short.Left, 0)))
}

// changeUser changes an account below the caller's and moves credit to or from it; both, or nothing. Of
// its own account a caller may change alias and billing address.
func (a *API) changeUser(r *http.Request, who account.Caller) (any, error) {
	var in userInput
	if err := read(r, &in); err != nil {
		return nil, err
	}
	trim(in.Name, in.Email, in.BillingEmail)
	dir := a.Accounts.Directory()
	called := strings.TrimSpace(r.PathValue("who"))
	if dir.Find(called) == dir.Account(who.Account.ID) {
		return a.changeSelf(r, who, in)
	}
	x, err := a.descendant(who, called)
	if err != nil {
		return nil, err
	}
	grants := in.CreditGranted != nil && *in.CreditGranted > 0
	if err := a.mayManage(who); err != nil && (grants || who.Account.Role != account.RoleManager) {
		return nil, err
	}
	// Pages send what was typed to find the account, an id or a mail address as well, as its name.
	if in.Name != nil && (strings.EqualFold(*in.Name, x.Name) || *in.Name == x.ID || strings.EqualFold(*in.Name, x.Email)) {
		in.Name = nil
	}
	if in.Name != nil {
		if err := checkName(*in.Name); err != nil {
			return nil, err
		}
	}
	rates, above := dir.RatesOf(x), dir.RatesOf(dir.Account(x.ParentID))
	if in.Rates != nil {
		said, err := catalog.ParseMultiplier(in.Rates.String())
		if err != nil {
			return nil, badRequest("Rates: %v", err)
		}
		rates = max(said, above)
	}
	t, err := a.transferOf(who, &in, rates)
	if err != nil {
		return nil, err
	}
	if t != nil && t.Kind == ledger.EntryTake {
		if left := a.Money.Balance(x.ID, a.Now()).Left; left < t.Amount {
			return nil, a.tooLittle(x, &ledger.ShortError{Need: t.Amount, Left: left})
		}
	}
	after, err := a.change(r, who, x, &in, above, t)
	if err != nil {
		return nil, err
	}
	return changedUser{"update", a.parentView(a.current(who.Account)), userView{
		ID: after.ID, Name: after.Name, Alias: a.view(&after, 0).Alias, Updates: a.updates(&after, in.CreditGranted),
	}}, nil
}

// change changes the fields of x that a request names and moves its credit, in one transaction.
func (a *API) change(r *http.Request, who account.Caller, x *account.Account, in *userInput, above catalog.Multiplier, t *ledger.Transfer) (account.Account, error) {
	apply := func(x *account.Account) error { return in.apply(x, above) }
	switch {
	case !in.changes() && t == nil:
		return *x, nil
	case !in.changes():
		err := a.move(r.Context(), who, x, t)
		a.recordMove(r, who, x, t, err)
		return *x, err
	case t == nil:
		after, err := a.Accounts.UpdateAccount(r.Context(), x.ID, apply)
		a.record(r, who, "account.update", x.ID, "", in.named(), err)
		return after, err
	}
	tried := false
	after, err := a.Accounts.UpdateAccountBy(r.Context(), x.ID, apply, func(ctx context.Context, x account.Account) error {
		tried, t.Account = true, &x
		return a.move(ctx, who, &x, t)
	})
	a.record(r, who, "account.update", x.ID, "", in.named(), err)
	if tried {
		a.recordMove(r, who, x, t, err)
	}
	return after, err
}

// move carries out a grant to x or a taking back from it.
func (a *API) move(ctx context.Context, who account.Caller, x *account.Account, t *ledger.Transfer) error {
	if t.Kind == ledger.EntryGrant {
		t.To = x.ID
		if x.ParentID != who.Account.ID {
			t.Parent = x.ParentID
		}
	} else {
		t.From = x.ID
	}
	_, err := a.Money.Transfer(ctx, *t)
	var short *ledger.ShortError
	if errors.As(err, &short) {
		if payer := a.Accounts.Directory().Account(t.From); payer != nil {
			return a.tooLittle(payer, short)
		}
	}
	return err
}

func (a *API) recordMove(r *http.Request, who account.Caller, x *account.Account, t *ledger.Transfer, err error) {
	action := "credit.take"
	if t.Kind == ledger.EntryGrant {
		action = "credit.grant"
	}
	a.record(r, who, action, x.ID, t.ID, map[string]any{"amount": t.Amount.String()}, err)
}

// changeSelf changes what is the caller's own to change.
func (a *API) changeSelf(r *http.Request, who account.Caller, in userInput) (any, error) {
	alias, email := in.Alias, in.BillingEmail
	in.Alias, in.BillingEmail, in.Name = nil, nil, nil
	if in.changes() || in.CreditGranted != nil || in.Days != nil {
		return nil, &fault{http.StatusForbidden, "of its own account a key changes Alias and BillingEmail alone; the rest is up to the account above"}
	}
	x, err := a.Accounts.UpdateAccount(r.Context(), who.Account.ID, func(x *account.Account) error {
		set(&x.Alias, alias)
		set(&x.BillingEmail, email)
		return nil
	})
	a.record(r, who, "account.update", who.Account.ID, "", nil, err)
	if err != nil {
		return nil, err
	}
	return changedUser{"update", a.parentView(&x), userView{ID: x.ID, Name: x.Name, Alias: a.view(&x, 0).Alias, Updates: a.updates(&x, nil)}}, nil
}

// deleteUser deletes an account below the caller's. What is left of its credit goes to the account above
// it.
func (a *API) deleteUser(r *http.Request, who account.Caller) (any, error) {
	called := strings.TrimSpace(r.PathValue("who"))
	if x := a.Accounts.Directory().Find(called); x != nil && x.ID == who.Account.ID {
		return nil, &fault{http.StatusForbidden, "an account can't delete itself, and root not at all"}
	}
	x, err := a.descendant(who, called)
	if err != nil {
		return nil, err
	}
	if !who.IsRoot() && who.Account.Role != account.RoleManager {
		return nil, &fault{http.StatusForbidden, "this account may call models, but not manage accounts"}
	}
	u := a.view(x, 0)
	err = a.Accounts.DeleteAccount(r.Context(), x.ID, false, a.refund("the account was deleted"))
	a.record(r, who, "account.delete", x.ID, "", map[string]any{"name": x.Name, "balance": u.Balance}, err)
	if err != nil {
		return nil, err
	}
	parent := a.Accounts.Directory().Account(x.ParentID)
	if parent == nil { // deleted in the same moment
		parent = who.Account
	}
	return changedUser{"delete", a.parentView(parent), userView{ID: u.ID, Name: u.Name, Alias: u.Alias, Rates: &u.Rates, CreditBalance: u.CreditBalance, Updates: struct{}{}}}, nil
}

// refund returns what moves the credit of an account that is deleted to the one above it.
func (a *API) refund(note string) func(ctx context.Context, x account.Account) error {
	return func(ctx context.Context, x account.Account) error {
		for {
			now := a.Now().UTC().Truncate(time.Millisecond)
			funds := a.Money.Balance(x.ID, now)
			var left catalog.Nanos
			for _, c := range funds.Cards {
				left += c.Balance
			}
			if left = min(left-funds.Debt, maxAmount); left <= 0 {
				return nil
			}
			_, err := a.Money.Transfer(ctx, ledger.Transfer{
				ID: uuid.Must(uuid.NewV7()).String(), Kind: ledger.EntryClose, From: x.ID, To: x.ParentID, Amount: left, UpTo: true,
				At: now, ExpiresAt: now.Add(ledger.ClosedCardLife), Reference: "from " + x.Name, Note: note,
			})
			var short *ledger.ShortError
			if errors.As(err, &short) {
				return nil // spent in this moment
			}
			if err != nil {
				return err
			}
		}
	}
}

// current is an account as it stands now.
func (a *API) current(x *account.Account) *account.Account {
	if now := a.Accounts.Directory().Account(x.ID); now != nil {
		return now
	}
	return x
}

func trim(texts ...*string) {
	for _, s := range texts {
		if s != nil {
			*s = strings.TrimSpace(*s)
		}
	}
}
