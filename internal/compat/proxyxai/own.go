package proxyxai

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
)

// sums are what calls used, as the API shows it.
type sums struct {
	Requests   int64
	Prompt     int64
	Completion int64
	CreditUsed amount
}

func (s *sums) add(u ledger.Usage, m catalog.Multiplier) {
	s.Requests += u.Calls
	s.Prompt += u.InTokens
	s.Completion += u.OutTokens
	s.CreditUsed += amount(m.ToFace(u.Cost))
}

// status answers who the caller is and what is left.
func (a *API) status(_ *http.Request, who account.Caller) (any, error) {
	x := who.Account
	return struct {
		Object  string `json:"object"`
		ID      string `json:"id"`
		Name    string `json:"name"`
		Email   string `json:"email"`
		Balance amount `json:"balance"`
		DNA     string `json:"dna"`
	}{"user_status", x.ID, x.Name, x.Email, amount(a.purse(x).balance), x.Path}, nil
}

// lowLimits are limits in the lower case of the account's own answers.
type lowLimits struct {
	RPM int64 `json:"rpm"`
	RPH int64 `json:"rph"`
	RPD int64 `json:"rpd"`
	TPM int64 `json:"tpm"`
	TPH int64 `json:"tph"`
	TPD int64 `json:"tpd"`
}

// info is an account as its holder sees it.
type info struct {
	ID            string      `json:"id"`
	Name          string      `json:"name"`
	Alias         string      `json:"alias"`
	Email         string      `json:"email"`
	BillingEmail  string      `json:"billing_email"`
	DNA           string      `json:"dna"`
	Level         int         `json:"level"`
	Rates         json.Number `json:"rates"`
	Child         int         `json:"child"`
	ChildLimit    int64       `json:"child_limit"`
	Balance       amount      `json:"balance"`
	CreditUsed    amount      `json:"credit_used"`
	CreditGranted amount      `json:"credit_granted"`
	CreditBalance []card      `json:"credit_balance"`
	HardLimit     amount      `json:"hard_limit"`
	SoftLimit     amount      `json:"soft_limit"`
	lowLimits
	AllowIPs    string    `json:"allow_ips"`
	AllowModels string    `json:"allow_models"`
	Resources   string    `json:"resources"`
	Status      bool      `json:"status"`
	QRCode      string    `json:"qrcode"`
	CreateAt    time.Time `json:"create_at"`
	Daily       sums      `json:"daily_usage"`
	Monthly     sums      `json:"monthly_usage"`
}

// info answers all that the caller's account is and has.
func (a *API) info(r *http.Request, who account.Caller) (any, error) {
	x, dir := who.Account, a.Accounts.Directory()
	now := a.Now().UTC()
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	days, err := a.usage(r.Context(), []string{x.ID}, month, now.Add(time.Hour))
	if err != nil {
		return nil, err
	}
	e, p, m := dir.Effective(x), a.purse(x), a.rates(x)
	out := info{
		ID: x.ID, Name: x.Name, Alias: cmp.Or(x.Alias, x.Name), Email: x.Email, BillingEmail: x.BillingEmail, DNA: x.Path, Level: e.Level, Rates: json.Number(e.Rates.String()),
		Child: dir.CountChildren(x.ID), ChildLimit: e.ChildLimit, Balance: amount(p.balance), CreditUsed: amount(p.used), CreditGranted: amount(p.granted), CreditBalance: p.cards,
		HardLimit: amount(a.hardLimit(x)), SoftLimit: amount(a.softLimit(x)),
		lowLimits: lowLimits{e.Limits.RPM, e.Limits.RPH, e.Limits.RPD, e.Limits.TPM, e.Limits.TPH, e.Limits.TPD},
		AllowIPs:  ipsText(x.IPs), AllowModels: listText(x.Models), Resources: listText(x.Paths), Status: e.Enabled, QRCode: x.Labels[labelQRCode], CreateAt: x.CreatedAt.UTC(),
	}
	for _, u := range days {
		out.Monthly.add(u, m)
		if !u.Day.Before(now.Truncate(day)) {
			out.Daily.add(u, m)
		}
	}
	return out, nil
}

const day = 24 * time.Hour

// flushTimeout bounds how long a report waits for the calls of the last moments.
const flushTimeout = 2 * time.Second

// usage sums the calls of accounts by day, those that ended just now included. Days are those of UTC.
func (a *API) usage(ctx context.Context, ids []string, from, to time.Time) ([]ledger.Usage, error) {
	a.flush(ctx)
	return a.Records.Usage(ctx, ledger.UsageQuery{AccountIDs: ids, From: from, To: to})
}

// flush lets the store know of calls that ended just now. A report that is a moment late is better than
// none, so it does not matter if that fails.
func (a *API) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	_ = a.Money.Flush(ctx)
}

// spentSince is what an account spent since an instant, in face values.
func (a *API) spentSince(ctx context.Context, x *account.Account, from time.Time) (catalog.Nanos, error) {
	days, err := a.usage(ctx, []string{x.ID}, from, a.Now().Add(time.Hour))
	var s sums
	for _, u := range days {
		s.add(u, a.rates(x))
	}
	return catalog.Nanos(s.CreditUsed), err
}
