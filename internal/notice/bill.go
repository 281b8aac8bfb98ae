package notice

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
	"tollgate/internal/mail"
)

const (
	billCheck  = time.Hour          // between two looks whether bills are due
	billWindow = 7 * 24 * time.Hour // so long after a month its bills still go out, after a late start too
	maxItems   = 50                 // models that a bill names
)

// Run mails the bills of each month soon after its end, until ctx is done.
func (n *Notices) Run(ctx context.Context) {
	tick := time.NewTicker(billCheck)
	defer tick.Stop()
	for {
		n.bills(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// bills queues the bills of last month. Those that were queued before are known by their keys.
func (n *Notices) bills(ctx context.Context) {
	now := n.Now().UTC()
	to := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	if !n.Mails.Enabled() || now.Sub(to) > billWindow {
		return
	}
	from := to.AddDate(0, -1, 0)
	var ids []string
	for x := range n.Accounts.Accounts {
		if n.address(x) != "" {
			ids = append(ids, x.ID)
		}
	}
	slices.Sort(ids)
	for some := range slices.Chunk(ids, chunk) {
		days, err := n.Records.Usage(ctx, ledger.UsageQuery{AccountIDs: some, From: from, To: to})
		if err != nil {
			if ctx.Err() == nil {
				n.Log.LogAttrs(ctx, slog.LevelError, "the bills of last month could not be made", slog.Any("error", err))
			}
			return
		}
		byAccount := map[string][]ledger.Usage{}
		for _, u := range days {
			byAccount[u.AccountID] = append(byAccount[u.AccountID], u)
		}
		var out []mail.Message
		for _, id := range some {
			x := n.Accounts.Account(id)
			if x == nil || len(byAccount[id]) == 0 {
				continue
			}
			month := from.Format("2006-01")
			if m, ok := n.message(x, "bill:"+id+":"+month, "Bill for "+month, n.bill(x, from, byAccount[id])); ok {
				out = append(out, m)
			}
		}
		if !n.put(ctx, "bills", out...) {
			return // the next look goes on
		}
	}
}

// bill writes what a month cost, by model, in face values.
func (n *Notices) bill(x *account.Account, month time.Time, days []ledger.Usage) string {
	type line struct {
		model string
		calls int64
		cost  catalog.Nanos
	}
	r := n.Accounts.RatesOf(x)
	byModel := map[string]*line{}
	var lines []*line
	var total line
	for _, u := range days {
		l := byModel[u.Model]
		if l == nil {
			l = &line{model: u.Model}
			byModel[u.Model] = l
			lines = append(lines, l)
		}
		cost := r.ToFace(u.Cost)
		l.calls += u.Calls
		l.cost += cost
		total.calls += u.Calls
		total.cost += cost
	}
	slices.SortFunc(lines, func(a, b *line) int { return cmp.Or(cmp.Compare(b.cost, a.cost), strings.Compare(a.model, b.model)) })
	var b strings.Builder
	fmt.Fprintf(&b, "in %s your account %s made %d calls, which cost $%s.\n\n", month.Format("January 2006"), x.Name, total.calls, short(total.cost))
	for i, l := range lines {
		if i == maxItems {
			fmt.Fprintf(&b, "%12s %8s  %d more models\n", "", "", len(lines)-maxItems)
			break
		}
		fmt.Fprintf(&b, "%12s %8d  %s\n", "$"+short(l.cost), l.calls, mail.OneLine(cmp.Or(l.model, "(no model)"), 80))
	}
	return b.String()
}
