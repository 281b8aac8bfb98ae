package admin

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
)

// UsageSum sums the calls of an hour or a day, of one group.
type UsageSum struct {
	Start       time.Time `json:"start" doc:"Of the hour or day, in UTC."`
	AccountID   string    `json:"account_id,omitempty"`
	KeyID       string    `json:"key_id,omitempty"`
	Model       string    `json:"model,omitempty"`
	ChannelID   string    `json:"channel_id,omitempty"`
	Calls       int64     `json:"calls"`
	Errors      int64     `json:"errors"`
	InTokens    int64     `json:"in_tokens" doc:"All that was read, from caches too."`
	CacheRead   int64     `json:"cache_read_tokens"`
	OutTokens   int64     `json:"out_tokens"`
	Cost        string    `json:"cost" doc:"Dollars."`
	Quarantined int64     `json:"quarantined" doc:"Calls whose price is not known."`
}

// UsageReport is the answer of a usage query.
type UsageReport struct {
	From time.Time  `json:"from"`
	To   time.Time  `json:"to"`
	Data []UsageSum `json:"data"`
}

// Bounds of a report.
const (
	maxHours     = 31 * 24 * time.Hour
	maxDays      = 366 * 24 * time.Hour
	maxUsageRows = 10_000
)

type usageQuery struct {
	AccountID string    `query:"account_id" maxLength:"100" doc:"Without it, all accounts that the caller may see."`
	KeyID     string    `query:"key_id" maxLength:"100"`
	Model     string    `query:"model" maxLength:"200"`
	From      time.Time `query:"from" doc:"First hour or day; a day before to unless said."`
	To        time.Time `query:"to" doc:"First instant that does not count any more; now unless said."`
	Interval  string    `query:"interval" enum:"hour,day" default:"hour" doc:"Hours over at most 31 days, days over at most 366."`
	GroupBy   []string  `query:"group_by" enum:"account,key,model,channel" maxItems:"4" doc:"Separated by commas; channel is for root."`
}

func (a *API) registerUsage() {
	handle(a, route{
		id: "get-usage", method: http.MethodGet, path: "/usage", policy: PolicyAnyone, tag: "usage", summary: "Sum calls by hour or day",
		more: "Oldest first; hours and days without calls are left out.",
	}, a.usage)
}

func (a *API) usage(ctx context.Context, who account.Caller, in *usageQuery) (*one[UsageReport], error) {
	if slices.Contains(in.GroupBy, "channel") && !who.IsRoot() {
		return nil, huma.Error403Forbidden("only root may group by channel")
	}
	step, most := time.Hour, maxHours
	if in.Interval == "day" {
		step, most = 24*time.Hour, maxDays
	}
	if in.To.IsZero() {
		in.To = a.Now()
	}
	if in.From.IsZero() {
		in.From = in.To.Add(-24 * time.Hour)
	}
	from, to := in.From.UTC().Truncate(step), in.To.UTC()
	if !from.Before(to) || to.Sub(from) > most+step {
		return nil, invalid("query.from", "must be before to, by at most 31 days for hours and 366 days for days")
	}
	ids, err := a.scope(who, in.AccountID)
	if err != nil {
		return nil, err
	}
	rows, err := a.Records.Rollups(ctx, ledger.RollupQuery{AccountIDs: ids, From: from, To: to})
	if err != nil {
		return nil, err
	}
	data, err := in.sum(rows, step)
	if err != nil {
		return nil, err
	}
	return &one[UsageReport]{UsageReport{From: from, To: to, Data: data}}, nil
}

// group is what the rows of a report are told apart by.
type group struct {
	start                        time.Time
	account, key, model, channel string
}

// sum adds up the rows that the query selects, step by step and group by group.
func (q *usageQuery) sum(rows []ledger.Rollup, step time.Duration) ([]UsageSum, error) {
	by := map[string]bool{}
	for _, g := range q.GroupBy {
		by[g] = true
	}
	named := func(is string, value string) string {
		if by[is] {
			return value
		}
		return ""
	}
	sums := map[group]*ledger.Rollup{}
	for _, r := range rows {
		if q.KeyID != "" && r.KeyID != q.KeyID || q.Model != "" && r.Model != q.Model {
			continue
		}
		g := group{r.Hour.UTC().Truncate(step), named("account", r.AccountID), named("key", r.KeyID), named("model", r.Model), named("channel", r.ChannelID)}
		s := sums[g]
		if s == nil {
			if len(sums) == maxUsageRows {
				return nil, invalid("query.group_by", "gives more than 10000 rows; ask for less time, or group by less")
			}
			s = &ledger.Rollup{}
			sums[g] = s
		}
		s.Calls = plus(s.Calls, r.Calls)
		s.Errors = plus(s.Errors, r.Errors)
		s.InTokens = plus(s.InTokens, r.InTokens)
		s.CacheRead = plus(s.CacheRead, r.CacheRead)
		s.OutTokens = plus(s.OutTokens, r.OutTokens)
		s.Cost = catalog.Nanos(plus(int64(s.Cost), int64(r.Cost)))
		s.Quarantined = plus(s.Quarantined, r.Quarantined)
	}
	out := make([]UsageSum, 0, len(sums))
	for g, s := range sums {
		out = append(out, UsageSum{
			Start: g.start, AccountID: g.account, KeyID: g.key, Model: g.model, ChannelID: g.channel, Calls: s.Calls, Errors: s.Errors,
			InTokens: s.InTokens, CacheRead: s.CacheRead, OutTokens: s.OutTokens, Cost: s.Cost.String(), Quarantined: s.Quarantined,
		})
	}
	slices.SortFunc(out, func(a, b UsageSum) int {
		return cmp.Or(a.Start.Compare(b.Start), strings.Compare(a.AccountID, b.AccountID), strings.Compare(a.KeyID, b.KeyID),
			strings.Compare(a.Model, b.Model), strings.Compare(a.ChannelID, b.ChannelID))
	})
	return out, nil
}

// plus adds counts that are not negative and stops at the largest there is.
func plus(a, b int64) int64 {
	if b > math.MaxInt64-a {
		return math.MaxInt64
	}
	return a + b
}
