package relay

import (
	"errors"
	"fmt"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
)

// circumstances are what the price of the call may depend on beside its usage.
func (c *call) circumstances() catalog.Case {
	return catalog.Case{Began: c.began, Size: c.head.ImageSize, Quality: c.head.ImageQuality}
}

// reserve holds the money that the declared usage would cost, on cards and budgets.
func (c *call) reserve(u canon.Usage) *canon.Error {
	cost, err := c.priced.CeilingIn(c.circumstances(), u)
	if err != nil {
		if c.caller.IsRoot() || c.unbilled || c.h.Pool.OnlyFree(c.pools, c.model) || !c.h.Pool.Serves(c.pools, c.model) {
			// Metered, and what is not free is put in quarantine when it is settled. A model that
			// nobody serves is told so when it is routed.
			return nil
		}
		if errors.Is(err, catalog.ErrTooLarge) {
			return &canon.Error{Kind: canon.KindInvalid, Cause: err, Message: "the output that this request allows may cost more than any account can have; ask for less"}
		}
		return &canon.Error{
			Kind: canon.KindNotFound, Param: "model", Code: "model_not_priced", Cause: err,
			Message: "the model `" + bounded(c.head.Model, 120) + "` has no price here; the operator must set one before it can be used",
		}
	}
	hold, err := c.payer().Hold(c.dearest(u, cost), c.began)
	if err != nil {
		return c.holdError(err)
	}
	c.hold = hold
	return nil
}

// payer returns who pays for the calls of the caller, as long as its standing is what it is.
func (c *call) payer() *ledger.Payer {
	if p, ok := c.standing.Memo.Load().(*ledger.Payer); ok {
		return p
	}
	p := c.h.Book.Payer(ledger.Terms{
		Account: c.caller.Account.ID, Above: c.standing.Above, Budgets: Budgets(c.h.Accounts, c.caller, nil), Charge: !c.unbilled,
	})
	c.standing.Memo.Store(p)
	return p
}

// Budgets appends what bounds the spending of a caller to list: the quota of its key, if it has one, and
// the monthly limits of its account and of every account above.
func Budgets(d *account.Directory, c account.Caller, list []ledger.Budget) []ledger.Budget {
	line := d.LineOf(c)
	if c.Key != nil && c.Key.Quota != (account.Quota{}) {
		q, zone := c.Key.Quota, d.ZoneOn(line)
		for _, b := range [...]struct {
			period ledger.Period
			limit  catalog.Nanos
		}{{ledger.PeriodTotal, q.Total}, {ledger.PeriodDay, q.Day}, {ledger.PeriodWeek, q.Week}, {ledger.PeriodMonth, q.Month}} {
			if b.limit > 0 {
				list = append(list, ledger.Budget{Subject: c.Key.ID, Period: b.period, Zone: zone, Limit: b.limit})
			}
		}
	}
	for i, a := range line {
		if a.HardLimit == 0 && a.SoftLimit == 0 {
			continue
		}
		b := ledger.Budget{Subject: a.ID, Period: ledger.PeriodMonth, Zone: d.ZoneOn(line[i:]), Limit: ledger.NoLimit, Soft: a.SoftLimit}
		if a.HardLimit > 0 {
			b.Limit, b.Soft = a.HardLimit, a.SoftLimitOf()
		}
		list = append(list, b)
	}
	return list
}

// holdError says why no money is held. Amounts are as the account sees them.
func (c *call) holdError(err error) *canon.Error {
	face := c.standing.Rates.Shown
	if short, ok := errors.AsType[*ledger.ShortError](err); ok {
		return &canon.Error{
			Kind: canon.KindQuota, Cause: err,
			Message: fmt.Sprintf("the credit does not cover this call: it may cost up to $%s, $%s is left", face(short.Need), face(max(short.Left, 0))),
		}
	}
	if over, ok := errors.AsType[*ledger.BudgetError](err); ok {
		return &canon.Error{Kind: canon.KindQuota, Code: "budget_exceeded", Message: c.budgetText(over, face), Cause: err}
	}
	if e, ok := errors.AsType[*canon.Error](err); ok {
		return e
	}
	return &canon.Error{Kind: canon.KindOverloaded, Message: "calls can't be recorded right now, so none are taken", RetryAfter: 5 * time.Second, Cause: err}
}

// budgetText says which budget does not cover the call. Of an account above no amounts are told.
func (c *call) budgetText(e *ledger.BudgetError, face func(catalog.Nanos) catalog.Nanos) string {
	what := map[ledger.Period]string{ledger.PeriodTotal: "quota", ledger.PeriodDay: "daily quota", ledger.PeriodWeek: "weekly quota", ledger.PeriodMonth: "monthly quota"}[e.Period] + " of this API key"
	switch e.Subject {
	case c.caller.Key.ID:
	case c.caller.Account.ID:
		what = "monthly limit of this account"
	default:
		return "the monthly limit of an account above this one does not cover this call; ask whoever manages it"
	}
	left := e.Limit - min(e.Limit, e.Spent) // no overflow, as neither is negative
	left = max(left-e.Held, 0)
	text := fmt.Sprintf("the %s is $%s and does not cover this call: it may cost up to $%s, $%s is left", what, face(e.Limit), face(e.Need), face(left))
	if !e.Renews.IsZero() {
		text += "; it begins anew at " + e.Renews.Format(time.RFC3339)
	}
	return text
}
