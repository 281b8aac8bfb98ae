package proxyxai

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
)

// modelUsage is what a model used, and its share.
type modelUsage struct {
	Stats    sums  `json:"model_stats"`
	Analysis share `json:"usage_analysis"`
}

// share is a part of a total, in percent.
type share struct {
	Cost     json.Number `json:"cost_percentage"`
	Requests json.Number `json:"request_percentage"`
}

// dayCost is a day of a bill.
type dayCost struct {
	Date       string     `json:"date"`
	Timestamp  int64      `json:"timestamp"` // seconds
	CreditUsed amount     `json:"total_credit_used"`
	Requests   int64      `json:"total_requests"`
	Prompt     int64      `json:"total_prompt"`
	Completion int64      `json:"total_completion"`
	Items      []lineItem `json:"line_items"`
}

type lineItem struct {
	Name string `json:"name"`
	Cost amount `json:"cost"`
}

// bill is what calls of a time cost.
type bill struct {
	CreditUsed amount                `json:"total_credit_used"`
	Requests   int64                 `json:"total_requests"`
	Prompt     int64                 `json:"total_prompt"`
	Completion int64                 `json:"total_completion"`
	Summary    map[string]modelUsage `json:"usage_summary"`
	Days       []dayCost             `json:"daily_costs"`
}

// makeBill adds up days, which come in the order of time. rates are those of an account.
func makeBill(days []ledger.Usage, rates func(accountID string) catalog.Multiplier) bill {
	b := bill{Summary: map[string]modelUsage{}, Days: []dayCost{}}
	var total sums
	items := map[string]int{} // where the models are in the last day's items
	for _, u := range days {
		m := rates(u.AccountID)
		total.add(u, m)
		model := b.Summary[u.Model]
		model.Stats.add(u, m)
		b.Summary[u.Model] = model
		date := u.Day.UTC().Format(time.DateOnly)
		if len(b.Days) == 0 || b.Days[len(b.Days)-1].Date != date {
			b.Days = append(b.Days, dayCost{Date: date, Timestamp: u.Day.Unix(), Items: []lineItem{}})
			clear(items)
		}
		d, cost := &b.Days[len(b.Days)-1], amount(m.ToFace(u.Cost))
		d.CreditUsed += cost
		d.Requests += u.Calls
		d.Prompt += u.InTokens
		d.Completion += u.OutTokens
		at, ok := items[u.Model]
		if !ok {
			at = len(d.Items)
			items[u.Model] = at
			d.Items = append(d.Items, lineItem{Name: u.Model})
		}
		d.Items[at].Cost += cost
	}
	b.CreditUsed, b.Requests, b.Prompt, b.Completion = total.CreditUsed, total.Requests, total.Prompt, total.Completion
	for name, model := range b.Summary {
		model.Analysis = shareOf(model.Stats, total)
		b.Summary[name] = model
	}
	return b
}

// shareOf is the part that s is of total.
func shareOf(s, total sums) share {
	return share{percent(int64(s.CreditUsed), int64(total.CreditUsed)), percent(s.Requests, total.Requests)}
}

// percent writes a part of a whole in percent with two places, cut off.
func percent(part, whole int64) json.Number {
	if whole <= 0 {
		return "0"
	}
	for part > 1<<49 { // keep the product in range; shares of such sums need no last digit
		part, whole = part>>1, whole>>1
	}
	n := part * 10_000 / whole
	return json.Number(fmt.Sprintf("%d.%02d", n/100, n%100))
}

// maxSpan is the longest time of a report: a year, and the days by which people count it differently.
const maxSpan = 368 * day

// span reads the days that a query asks for, by the first of the names that is there. to is the first
// instant that does not count. Without any it is today.
func (a *API) span(q url.Values) (from, to time.Time, err error) {
	get := func(names ...string) string {
		for _, n := range names {
			if v := strings.TrimSpace(q.Get(n)); v != "" {
				return v
			}
		}
		return ""
	}
	today := a.Now().UTC().Truncate(day)
	from, to = today, today.Add(day)
	date, start, end, days := get("date", "d"), get("start", "s"), get("end", "e"), get("days")
	switch {
	case date != "":
		from, err = dateOf("date", date)
		to = from.Add(day)
	case start != "" || end != "":
		if end != "" {
			if to, err = dateOf("end", end); err != nil {
				return from, to, err
			}
			from, to = to, to.Add(day)
		}
		if start != "" {
			from, err = dateOf("start", start)
		}
	case days != "":
		var n int
		n, err = number(q, "days", 1, 1, 366)
		from = to.AddDate(0, 0, -n)
	}
	return from, to, checkSpan(from, to, err)
}

// checkSpan reports what is wrong with a time, or err if it is not nil.
func checkSpan(from, to time.Time, err error) error {
	switch {
	case err != nil:
		return err
	case !from.Before(to):
		return badRequest("the start must not be after the end")
	case to.Sub(from) > maxSpan:
		return badRequest("at most 12 months can be asked for at once")
	}
	return nil
}

func dateOf(name, text string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Year() < 2000 || t.Year() > 2200 {
		return time.Time{}, badRequest("%s must be a day like 2026-11-20", name)
	}
	return t, nil
}

// ownBill answers what the caller's own calls cost.
func (a *API) ownBill(r *http.Request, who account.Caller) (any, error) {
	from, to, err := a.span(r.URL.Query())
	if err != nil {
		return nil, err
	}
	days, err := a.usage(r.Context(), []string{who.Account.ID}, from, to)
	if err != nil {
		return nil, err
	}
	m := a.rates(who.Account)
	return makeBill(days, func(string) catalog.Multiplier { return m }), nil
}

// dayData is a day of a bill of descendants.
type dayData struct {
	Timestamp int64           `json:"aggregation_timestamp"` // seconds
	Requests  int64           `json:"n_requests"`
	Context   int64           `json:"n_context_tokens_total"`
	Generated int64           `json:"n_generated_tokens_total"`
	Cached    int64           `json:"n_cached_tokens_total"`
	Details   map[string]sums `json:"usage_details"`
}

// userBill is the part of one account.
type userBill struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Email    string `json:"email"`
	Requests int64  `json:"total_requests"`
	Cost     amount `json:"total_cost"`
	Analysis share  `json:"usage_analysis"`
}

// treeBill is the bill of descendants.
type treeBill struct {
	Object string `json:"object"`
	bill
	Data  []dayData `json:"data"`
	Total struct {
		Requests int64  `json:"requests"`
		Cost     amount `json:"cost"`
	} `json:"total_usage"`
	Users []userBill `json:"usage_users"`
}

// maxAccountDays bounds what one bill reads: a thousand accounts over a year.
const maxAccountDays = 1000 * 366

// treeBill answers what the calls of one account below the caller's cost, or of all of them. Each is
// counted in its own face values.
func (a *API) treeBill(r *http.Request, who account.Caller) (any, error) {
	q := r.URL.Query()
	if err := onlyNames(q, "user", "u", "date", "d", "start", "s", "end", "e", "days"); err != nil {
		return nil, err
	}
	from, to, err := a.span(q)
	if err != nil {
		return nil, err
	}
	list := a.Accounts.Directory().Below(who.Account.ID)
	if called := cmp.Or(q.Get("user"), q.Get("u")); called != "" {
		x, err := a.descendant(who, called)
		if err != nil {
			return nil, err
		}
		list = []*account.Account{x}
	}
	if n := int(to.Sub(from)/day) * len(list); n > maxAccountDays {
		return nil, badRequest("%d accounts over %d days are too much at once: name a user, or ask for fewer days", len(list), int(to.Sub(from)/day))
	}
	ids, byID := make([]string, len(list)), make(map[string]*account.Account, len(list))
	for i, x := range list {
		ids[i], byID[x.ID] = x.ID, x
	}
	days, err := a.usage(r.Context(), ids, from, to)
	if err != nil {
		return nil, err
	}
	rates := map[string]catalog.Multiplier{}
	ratesOf := func(id string) catalog.Multiplier {
		if _, ok := rates[id]; !ok {
			rates[id] = a.rates(byID[id])
		}
		return rates[id]
	}
	out := treeBill{Object: "list", bill: makeBill(days, ratesOf), Data: []dayData{}, Users: []userBill{}}
	out.Total.Requests, out.Total.Cost = out.Requests, out.CreditUsed
	perUser := map[string]sums{}
	for _, u := range days {
		if n := len(out.Data); n == 0 || out.Data[n-1].Timestamp != u.Day.Unix() {
			out.Data = append(out.Data, dayData{Timestamp: u.Day.Unix(), Details: map[string]sums{}})
		}
		d := &out.Data[len(out.Data)-1]
		d.Requests += u.Calls
		d.Context += u.InTokens
		d.Generated += u.OutTokens
		d.Cached += u.CacheRead
		model, user := d.Details[u.Model], perUser[u.AccountID]
		model.add(u, ratesOf(u.AccountID))
		user.add(u, ratesOf(u.AccountID))
		d.Details[u.Model], perUser[u.AccountID] = model, user
	}
	total := sums{Requests: out.Requests, CreditUsed: out.CreditUsed}
	for id, s := range perUser {
		x := byID[id]
		out.Users = append(out.Users, userBill{x.ID, x.Name, x.Email, s.Requests, s.CreditUsed, shareOf(s, total)})
	}
	slices.SortFunc(out.Users, func(x, y userBill) int {
		return cmp.Or(cmp.Compare(y.Cost, x.Cost), strings.Compare(x.ID, y.ID))
	})
	return out, nil
}
