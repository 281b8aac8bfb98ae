package proxyxai

import (
	"net/http"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
)

// The shapes of OpenAI's old billing endpoints, which chat clients still ask for a balance. They never
// were documented; the fields are those that clients read:
// https://github.com/songquanpeng/one-api/blob/main/controller/billing.go, read 2026-11-20.

// cents is money in hundredths of a dollar, exact.
type cents catalog.Nanos

// MarshalJSON implements json.Marshaler.
func (c cents) MarshalJSON() ([]byte, error) {
	n := catalog.Nanos(c)
	if n > maxCents || n < -maxCents {
		return []byte((n / 1e7).String()), nil // so much that what is below a cent does not matter
	}
	return []byte((n * 100).String()), nil
}

const maxCents = 9e16

// subscription answers what the account may spend. Clients subtract the usage of the month from
// hard_limit_usd and show the rest as the balance, so that is what was spent this month and what is left.
func (a *API) subscription(r *http.Request, who account.Caller) (any, error) {
	x := who.Account
	now := a.Now().UTC()
	spent, err := a.spentSince(r.Context(), x, time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		return nil, err
	}
	p := a.purse(x)
	var until int64
	for _, c := range p.cards {
		until = max(until, c.ExpiresAt.Unix())
	}
	total := amount(p.balance + spent)
	return struct {
		Object      string `json:"object"`
		HasPayment  bool   `json:"has_payment_method"`
		SoftLimit   amount `json:"soft_limit_usd"`
		HardLimit   amount `json:"hard_limit_usd"`
		SystemLimit amount `json:"system_hard_limit_usd"`
		Until       int64  `json:"access_until"` // seconds; 0: there is no credit
	}{"billing_subscription", true, amount(a.softLimit(x)), total, total, until}, nil
}

// usageDay is a day of the old usage answer. Costs are in cents.
type usageDay struct {
	Timestamp int64       `json:"timestamp"` // seconds
	Items     []usageItem `json:"line_items"`
}

type usageItem struct {
	Name string `json:"name"`
	Cost cents  `json:"cost"`
}

// oldUsage answers what own calls cost from start_date to end_date, which does not count itself unless it
// is the same day. Without them it is this month.
func (a *API) oldUsage(r *http.Request, who account.Caller) (any, error) {
	q := r.URL.Query()
	now := a.Now().UTC()
	from, to := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC), now.Truncate(day).Add(day)
	var err error
	if s := q.Get("end_date"); s != "" {
		if to, err = dateOf("end_date", s); err != nil {
			return nil, err
		}
	}
	if s := q.Get("start_date"); s != "" {
		if from, err = dateOf("start_date", s); err != nil {
			return nil, err
		}
	}
	if from.Equal(to) {
		to = to.Add(day)
	}
	if err := checkSpan(from, to, nil); err != nil {
		return nil, err
	}
	days, err := a.usage(r.Context(), []string{who.Account.ID}, from, to)
	if err != nil {
		return nil, err
	}
	m := a.rates(who.Account)
	b := makeBill(days, func(string) catalog.Multiplier { return m })
	out := struct {
		Object string     `json:"object"`
		Days   []usageDay `json:"daily_costs"`
		Total  cents      `json:"total_usage"`
	}{"list", make([]usageDay, 0, len(b.Days)), cents(b.CreditUsed)}
	for _, d := range b.Days {
		u := usageDay{Timestamp: d.Timestamp, Items: make([]usageItem, 0, len(d.Items))}
		for _, i := range d.Items {
			u.Items = append(u.Items, usageItem{i.Name, cents(i.Cost)})
		}
		out.Days = append(out.Days, u)
	}
	return out, nil
}
