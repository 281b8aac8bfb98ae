package admin

import (
	"context"
	"math"
	"net/http"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/ledger"
	"tollgate/internal/limit"
)

// LimitUse is how far one limit is used.
type LimitUse struct {
	Scope     string `json:"scope" enum:"account,model,above" doc:"Whose it is: this account's, its own for a model, or that of an account above, which others share."`
	Pattern   string `json:"pattern,omitempty" doc:"Of the models it is for."`
	What      string `json:"what" enum:"rpm,rph,rpd,tpm,tph,tpd,concurrent"`
	Limit     int64  `json:"limit"`
	Remaining int64  `json:"remaining"`
	ResetMs   int64  `json:"reset_ms,omitempty" doc:"Until all of it is there again, if nothing else comes."`
}

// BudgetUse is how far a monthly limit is used.
type BudgetUse struct {
	Scope    string    `json:"scope" enum:"account,above"`
	Period   string    `json:"period" enum:"day,week,month,total"`
	Limit    string    `json:"limit,omitempty" doc:"Dollars; missing: it only warns. Of an account above nothing is told but that there is one, except to root."`
	Soft     string    `json:"soft,omitempty" doc:"Dollars at which the owner is told."`
	Spent    string    `json:"spent,omitempty"`
	Held     string    `json:"held,omitempty" doc:"For calls that run."`
	RenewsAt time.Time `json:"renews_at,omitzero"`
}

// LimitReport is how far the limits of an account are used.
type LimitReport struct {
	AccountID string      `json:"account_id"`
	Limits    []LimitUse  `json:"limits"`
	Budgets   []BudgetUse `json:"budgets"`
}

func (a *API) registerLimits() {
	handle(a, route{
		id: "get-limits", method: http.MethodGet, path: "/accounts/{id}/limits", policy: PolicyAnyone, tag: "accounts", summary: "Read how far the limits of an account are used",
		more: "Its own ones, and those of the accounts above that the caller may see.",
	}, a.limits)
}

func (a *API) limits(_ context.Context, who account.Caller, in *AccountID) (*one[LimitReport], error) {
	x, err := a.account(who, in.ID)
	if err != nil {
		return nil, err
	}
	out := LimitReport{AccountID: x.ID, Limits: []LimitUse{}, Budgets: []BudgetUse{}}
	add := func(scope, pattern, subject string, l account.Limits) {
		use := a.Limits.Use(a.Now(), limit.Rule{Subject: subject, Limits: l})
		for _, g := range use.Windows {
			out.Limits = append(out.Limits, LimitUse{scope, pattern, g.What, g.Limit, g.Remaining, g.Reset.Milliseconds()})
		}
		if l.Concurrent > 0 {
			out.Limits = append(out.Limits, LimitUse{scope, pattern, "concurrent", l.Concurrent, max(l.Concurrent-use.Running, 0), 0})
		}
	}
	for up := range a.Accounts.Directory().Line(x) {
		if !visible(who, up) {
			break
		}
		if up != x {
			add("above", "", up.ID, up.Limits)
			continue
		}
		add("account", "", up.ID, up.Limits)
		for pattern, l := range up.ModelLimits {
			add("model", pattern, account.ModelSubject(up.ID, pattern), l)
		}
	}
	for _, b := range a.Budgets(account.Caller{Account: x}) {
		out.Budgets = append(out.Budgets, a.budgetUse(who, x, b))
	}
	return &one[LimitReport]{out}, nil
}

func (a *API) budgetUse(who account.Caller, x *account.Account, b ledger.Budget) BudgetUse {
	v := BudgetUse{Scope: "account", Period: string(b.Period)}
	if b.Subject != x.ID {
		v.Scope = "above"
		if up := a.Accounts.Directory().Account(b.Subject); up == nil || !visible(who, up) {
			return v
		}
	}
	if b.Limit < math.MaxInt64 {
		v.Limit = b.Limit.String()
	}
	if b.Soft > 0 {
		v.Soft = b.Soft.String()
	}
	if used, ok := a.Money.Used(b, a.Now()); ok {
		v.Spent, v.Held, v.RenewsAt = used.Spent.String(), used.Held.String(), used.Renews.UTC()
	}
	return v
}
