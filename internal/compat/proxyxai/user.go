package proxyxai

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
)

// The keys of account.Account.Labels that this API keeps with an account.
const (
	labelQRCode = "qrcode"
	labelRole   = "role" // the original's number; what an account may do is in Account.Role

	// On an account that is being made: its key or its first credit is missing. It is disabled.
	labelUnfinished = "unfinished"
)

// card is a prepaid card as the API shows it, in face values.
type card struct {
	Amount    amount    `json:"amount"`
	Balance   amount    `json:"balance"`
	Reference string    `json:"reference"`
	GrantedAt time.Time `json:"granted_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// limits are rates as the API shows them; 0 is no limit.
type limits struct{ RPM, RPH, RPD, TPM, TPH, TPD int64 }

// xUser is an account as lists show it.
type xUser struct {
	ID            string
	ParentID      string
	Level         int
	Name          string
	Alias         string
	Rates         json.Number
	CreditUsed    amount
	Balance       amount
	CreditBalance []card
	CreditGranted amount // of the newest card
	HardLimit     amount
	SoftLimit     amount
	RateLimit     int64
	limits
	ChildLimit   int64
	Child        int
	Requests     int64
	Status       bool
	Email        string
	BillingEmail string
	PartialKey   string
	SecretKey    string // always a mask
	AllowIPs     string
	AllowModels  string
	AllowLevels  string
	Resources    string
	ModelMapper  string
	LevelMapper  string
	ModelLimits  map[string]account.Limits
	Role         json.RawMessage
	Gear         int
	Tier         int
	Factor       int
	QRCode       string
	DNA          string
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// rates are what an account's face values are multiplied with.
func (a *API) rates(x *account.Account) catalog.Multiplier {
	return a.Accounts.Directory().RatesOf(x)
}

// purse is an account's money in face values.
type purse struct {
	cards   []card
	balance catalog.Nanos // of the cards
	used    catalog.Nanos // in all time
	granted catalog.Nanos // amount of the newest card
}

// purse reads the money of an account.
func (a *API) purse(x *account.Account) purse {
	m := a.rates(x)
	funds := a.Money.Balance(x.ID, a.Now())
	p := purse{cards: make([]card, 0, len(funds.Cards)), used: m.Shown(funds.Spent)}
	var newest time.Time
	var left catalog.Nanos
	for _, c := range funds.Cards {
		p.cards = append(p.cards, card{
			Amount: amount(m.Shown(c.Amount)), Balance: amount(m.Shown(c.Balance)), Reference: c.Reference, GrantedAt: c.GrantedAt.UTC(), ExpiresAt: c.ExpiresAt.UTC(),
		})
		left += c.Balance
		if !c.GrantedAt.Before(newest) {
			newest, p.granted = c.GrantedAt, m.Shown(c.Amount)
		}
	}
	p.balance = m.Shown(left)
	return p
}

// hardLimit and softLimit are the monthly limits of an account in face values; 0 is none.
func (a *API) hardLimit(x *account.Account) catalog.Nanos { return a.rates(x).Shown(x.HardLimit) }

func (a *API) softLimit(x *account.Account) catalog.Nanos { return a.rates(x).Shown(x.SoftLimitOf()) }

// view shows an account; requests is how many calls it made in all time.
func (a *API) view(x *account.Account, requests int64) xUser {
	dir := a.Accounts.Directory()
	e, p := dir.Effective(x), a.purse(x)
	u := xUser{
		ID: x.ID, ParentID: x.ParentID, Level: e.Level, Name: x.Name, Alias: cmp.Or(x.Alias, x.Name), Rates: json.Number(e.Rates.String()),
		CreditUsed: amount(p.used), Balance: amount(p.balance), CreditBalance: p.cards, CreditGranted: amount(p.granted),
		HardLimit: amount(a.hardLimit(x)), SoftLimit: amount(a.softLimit(x)), RateLimit: e.Limits.RPM, limits: limitsOf(e.Limits),
		ChildLimit: e.ChildLimit, Child: dir.CountChildren(x.ID), Requests: requests, Status: x.Enabled, Email: x.Email, BillingEmail: x.BillingEmail,
		SecretKey: "***", AllowIPs: ipsText(x.IPs), AllowModels: listText(x.Models), AllowLevels: levelsText(x.AllowLevels), Resources: listText(x.Paths),
		ModelMapper: x.Mapping.String(), LevelMapper: x.Levels.String(), ModelLimits: x.ModelLimits, Role: roleOf(x), Gear: x.Gear, Tier: x.Tier, Factor: x.Factor,
		QRCode: x.Labels[labelQRCode], DNA: x.Path, CreatedAt: x.CreatedAt.UTC(), UpdatedAt: x.UpdatedAt.UTC(),
	}
	if u.ModelLimits == nil {
		u.ModelLimits = map[string]account.Limits{}
	}
	for _, k := range dir.KeysOf(x.ID) {
		if u.PartialKey = cmp.Or(k.Tail, k.Hint); k.Name == mainKey {
			break
		}
	}
	return u
}

func limitsOf(l account.Limits) limits { return limits{l.RPM, l.RPH, l.RPD, l.TPM, l.TPH, l.TPD} }

// roleOf is the number that a client gave as Role, or else the word for what the account may do.
func roleOf(x *account.Account) json.RawMessage {
	if n, err := strconv.Atoi(x.Labels[labelRole]); err == nil {
		return json.RawMessage(strconv.Itoa(n))
	}
	return json.RawMessage(strconv.Quote(string(x.Role)))
}

// ipsText writes a list of networks as the API has it: with spaces between them, "*" for any.
func ipsText(list []netip.Prefix) string {
	if len(list) == 0 {
		return "*"
	}
	words := make([]string, len(list))
	for i, p := range list {
		if words[i] = p.String(); p.IsSingleIP() {
			words[i] = p.Addr().String()
		}
	}
	return strings.Join(words, " ")
}

// listText writes a list of patterns as the API has it.
func listText(list []string) string {
	if len(list) == 0 {
		return "*"
	}
	return strings.Join(list, " ")
}

func levelsText(list []int) string {
	words := make([]string, len(list))
	for i, n := range list {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, " ")
}

// below reports whether x hangs below who's account, at any depth.
func below(who account.Caller, x *account.Account) bool {
	return x.ID != who.Account.ID && strings.HasPrefix(x.Path, who.Account.Path)
}

// errNoAccount is the answer for what is not there, and for what the caller may not know to be there.
var errNoAccount error = &fault{http.StatusNotFound, "there is no such account below yours"}

// descendant finds the account below who's that is meant by an id, a name or a mail address.
func (a *API) descendant(who account.Caller, called string) (*account.Account, error) {
	x := a.Accounts.Directory().Find(strings.TrimSpace(called))
	if x == nil || !below(who, x) {
		return nil, errNoAccount
	}
	return x, nil
}

// getChild answers an array with the one account right below the caller's that is named.
func (a *API) getChild(r *http.Request, who account.Caller) (any, error) {
	x, err := a.descendant(who, r.PathValue("who"))
	if err != nil {
		return nil, err
	}
	if x.ParentID != who.Account.ID {
		return nil, errNoAccount
	}
	return a.views(r.Context(), []*account.Account{x})
}

// getBelow is getChild at any depth. What reads as a mark ("L2") or a path (".root.a.") selects many, even
// if an account has such a name: else whoever names accounts could change what a list holds.
func (a *API) getBelow(r *http.Request, who account.Caller) (any, error) {
	called := strings.TrimSpace(r.PathValue("who"))
	if is := a.mark(called); is != nil {
		return a.page(r, a.Accounts.Directory().Below(who.Account.ID), is)
	}
	if strings.HasPrefix(called, ".") {
		return a.page(r, a.Accounts.Directory().Below(who.Account.ID), pathFilter(called))
	}
	x, err := a.descendant(who, called)
	if err != nil {
		return nil, err
	}
	return a.views(r.Context(), []*account.Account{x})
}

// listChildren answers a page of the accounts right below the caller's.
func (a *API) listChildren(r *http.Request, who account.Caller) (any, error) {
	return a.page(r, a.Accounts.Directory().Children(who.Account.ID), nil)
}

// listBelow answers a page of all accounts below the caller's.
func (a *API) listBelow(r *http.Request, who account.Caller) (any, error) {
	return a.page(r, a.Accounts.Directory().Below(who.Account.ID), nil)
}

// Bounds of a page.
const (
	defaultPage = 100
	maxPage     = 1000
)

// page answers what the query of r selects of all, newest first, as the original does.
func (a *API) page(r *http.Request, all []*account.Account, is func(*account.Account) bool) (any, error) {
	q := r.URL.Query()
	filters, err := a.filters(q)
	if err != nil {
		return nil, err
	}
	if is != nil {
		filters = append(filters, is)
	}
	page, err := number(q, "page", 1, 1, 1<<31)
	if err != nil {
		return nil, err
	}
	size, err := number(q, "size", defaultPage, 1, maxPage)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(slices.Clone(all), func(x *account.Account) bool {
		return slices.ContainsFunc(filters, func(is func(*account.Account) bool) bool { return !is(x) })
	})
	slices.SortFunc(all, func(x, y *account.Account) int {
		return cmp.Or(y.CreatedAt.Compare(x.CreatedAt), strings.Compare(y.ID, x.ID))
	})
	from := min((page-1)*size, len(all))
	return a.views(r.Context(), all[from:min(from+size, len(all))])
}

// filters reads what a query says that accounts must be. A parameter that is not known is refused: a
// list that is longer than was meant may be acted on.
func (a *API) filters(q url.Values) ([]func(*account.Account) bool, error) {
	dir := a.Accounts.Directory()
	var out []func(*account.Account) bool
	for name := range q {
		value := strings.TrimSpace(q.Get(name))
		if value == "" {
			continue
		}
		switch strings.ToLower(name) {
		case "page", "size":
		case "id":
			if is := a.mark(value); is != nil {
				out = append(out, is)
				continue
			}
			out = append(out, func(x *account.Account) bool { return x.ID == value })
		case "name":
			out = append(out, func(x *account.Account) bool { return strings.EqualFold(x.Name, value) })
		case "email":
			out = append(out, func(x *account.Account) bool { return strings.EqualFold(x.Email, value) })
		case "level":
			n, err := number(q, name, 0, 0, 1<<31)
			if err != nil {
				return nil, err
			}
			out = append(out, func(x *account.Account) bool { return dir.LevelOf(x) == n })
		case "dna":
			if is := a.mark(value); is != nil {
				out = append(out, is)
				continue
			}
			out = append(out, pathFilter(value))
		default:
			return nil, badRequest("%.40q is no filter; there are id, name, email, level, dna, page and size", name)
		}
	}
	return out, nil
}

// mark reads "L2", "G1", "R1", "T1" or "F1": level, gear, role, tier or factor. It returns nil for
// anything else.
func (a *API) mark(value string) func(*account.Account) bool {
	if len(value) < 2 || len(value) > 10 || strings.Trim(value[1:], "0123456789") != "" {
		return nil
	}
	n, err := strconv.Atoi(value[1:])
	if err != nil {
		return nil
	}
	switch value[0] {
	case 'L', 'l':
		return func(x *account.Account) bool { return a.Accounts.Directory().LevelOf(x) == n }
	case 'G', 'g':
		return func(x *account.Account) bool { return x.Gear == n }
	case 'R', 'r':
		return func(x *account.Account) bool { return x.Labels[labelRole] == strconv.Itoa(n) }
	case 'T', 't':
		return func(x *account.Account) bool { return x.Tier == n }
	case 'F', 'f':
		return func(x *account.Account) bool { return x.Factor == n }
	}
	return nil
}

// pathFilter selects the account at a path and those below it; a part of a path is enough.
func pathFilter(path string) func(*account.Account) bool {
	path = "." + strings.Trim(path, ".") + "."
	return func(x *account.Account) bool { return strings.Contains(x.Path, path) }
}

// views shows accounts.
func (a *API) views(ctx context.Context, list []*account.Account) ([]xUser, error) {
	ids := make([]string, len(list))
	for i, x := range list {
		ids[i] = x.ID
	}
	a.flush(ctx)
	sums, err := a.Records.Usage(ctx, ledger.UsageQuery{AccountIDs: ids, Total: true})
	if err != nil {
		return nil, err
	}
	requests := map[string]int64{}
	for _, u := range sums {
		requests[u.AccountID] = u.Calls
	}
	out := make([]xUser, len(list))
	for i, x := range list {
		out[i] = a.view(x, requests[x.ID])
	}
	return out, nil
}

// number reads a whole number of a query.
func number(q url.Values, name string, unless, least, most int) (int, error) {
	text := q.Get(name)
	if text == "" {
		return unless, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, badRequest("%s must be a whole number between %d and %d", name, least, most)
	}
	return n, nil
}
