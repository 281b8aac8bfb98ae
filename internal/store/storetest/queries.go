package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"tollgate/internal/canon"
	"tollgate/internal/ledger"
)

func withCut(ctx context.Context, after time.Duration) (context.Context, func()) {
	return context.WithTimeout(ctx, after)
}

func ids(calls []ledger.Call) []string {
	all := []string{}
	for _, c := range calls {
		all = append(all, c.ID)
	}
	return all
}

func testCallPages(t *testing.T, s Stores) {
	ctx := t.Context()
	d := &drain{node: "n"}
	// 25 calls in three milliseconds, written out of order: many share an instant.
	var calls []ledger.Call
	for i := range 25 {
		calls = append(calls, paid(t, sprint("a", i%2), noon.Add(time.Duration(i/9)*time.Millisecond), 1))
	}
	shuffled := slices.Concat(calls[13:], calls[:13])
	d.apply(t, s, shuffled...)
	slices.Reverse(calls)
	for _, limit := range []int{1, 2, 7, 25, 100} {
		var got []string
		page := ledger.Page{Limit: limit}
		for {
			some, err := s.Calls(ctx, ledger.CallQuery{Page: page})
			must(t, err)
			got = append(got, ids(some)...)
			if len(some) < limit {
				break
			}
			page.Before = some[len(some)-1].ID
		}
		same(t, "pages, newest first", ids(calls), got)
	}
	// A call written meanwhile appears on no page that was begun before it.
	first, err := s.Calls(ctx, ledger.CallQuery{Page: ledger.Page{Limit: 10}})
	must(t, err)
	d.apply(t, s, paid(t, "a-000", noon.Add(time.Hour), 1))
	rest, err := s.Calls(ctx, ledger.CallQuery{Page: ledger.Page{Limit: 100, Before: first[9].ID}})
	must(t, err)
	same(t, "stable", ids(calls), append(ids(first), ids(rest)...))
	// No limit is a limit.
	var more []ledger.Call
	for range 150 {
		more = append(more, paid(t, "b", noon, 0))
	}
	d.apply(t, s, more...)
	some, err := s.Calls(ctx, ledger.CallQuery{})
	must(t, err)
	same(t, "default limit", 100, len(some))
}

func testCallFilters(t *testing.T, s Stores) {
	ctx := t.Context()
	d := &drain{node: "n"}
	texts := append([]string{"", "plain", "nul\x00in it", "bad \xff", "a" + string(make([]byte, 3000))}, hostile...)
	var all []ledger.Call
	for i := range 120 {
		c := paid(t, sprint("a", i%3), noon.Add(time.Duration(i)*time.Second), 1)
		c.KeyID, c.ChannelID, c.Model = sprint("k", i%4), sprint("c", i%5), texts[i%len(texts)]
		switch i % 7 {
		case 1:
			c.Status, c.ErrorKind = 500, canon.KindUpstream
		case 2:
			c.Status, c.ErrorKind = 200, canon.KindCanceled
		case 3:
			c.Quarantine, c.Cost = "no price", 0
		}
		all = append(all, c)
	}
	d.apply(t, s, all...)
	failed := func(c ledger.Call) bool { return c.ErrorKind != "" }
	queries := map[string]struct {
		q    ledger.CallQuery
		want func(ledger.Call) bool
	}{
		"all":         {ledger.CallQuery{}, func(ledger.Call) bool { return true }},
		"accounts":    {ledger.CallQuery{AccountIDs: []string{"a-000", "a-002", "a-000", "none"}}, func(c ledger.Call) bool { return c.AccountID != "a-001" }},
		"key":         {ledger.CallQuery{KeyID: "k-001"}, func(c ledger.Call) bool { return c.KeyID == "k-001" }},
		"channel":     {ledger.CallQuery{ChannelID: "c-004"}, func(c ledger.Call) bool { return c.ChannelID == "c-004" }},
		"errors":      {ledger.CallQuery{OnlyErrors: true}, failed},
		"quarantined": {ledger.CallQuery{Quarantined: true}, func(c ledger.Call) bool { return c.Quarantine != "" }},
		"time": {ledger.CallQuery{From: noon.Add(10 * time.Second), To: noon.Add(20 * time.Second)}, func(c ledger.Call) bool {
			return c.AtMillis >= noon.UnixMilli()+10_000 && c.AtMillis < noon.UnixMilli()+20_000
		}},
		"time below a millisecond": {ledger.CallQuery{From: noon.Add(10*time.Second + 1), To: noon.Add(20*time.Second + 1)}, func(c ledger.Call) bool {
			return c.AtMillis > noon.UnixMilli()+10_000 && c.AtMillis <= noon.UnixMilli()+20_000
		}},
		"everything": {ledger.CallQuery{AccountIDs: []string{"a-001"}, KeyID: "k-001", ChannelID: "c-001", OnlyErrors: true, From: noon, To: noon.Add(time.Hour)}, func(c ledger.Call) bool {
			return c.AccountID == "a-001" && c.KeyID == "k-001" && c.ChannelID == "c-001" && failed(c)
		}},
	}
	for name, test := range queries {
		var want []string
		for _, c := range slices.Backward(all) {
			if test.want(c) {
				want = append(want, c.ID)
			}
		}
		if name != "everything" && len(want) == 0 {
			t.Fatalf("%s: the test selects nothing", name)
		}
		test.q.Limit = 1000
		got, err := s.Calls(ctx, test.q)
		must(t, err)
		same(t, name, want, ids(got), cmpopts.EquateEmpty())
	}
	for _, text := range texts[1:] {
		got, err := s.Calls(ctx, ledger.CallQuery{Model: text})
		must(t, err)
		if len(got) == 0 {
			t.Errorf("model %q: found nothing", text)
		}
		n := 0
		for i := range all {
			if all[i].Model == text {
				n++
			}
		}
		same(t, "calls of model "+text, n, len(got))
		// Hostile in the place of ids as well: nothing is found and nothing breaks.
		got, err = s.Calls(ctx, ledger.CallQuery{AccountIDs: []string{text}, KeyID: text, ChannelID: text})
		must(t, err)
		same(t, "ids that are hostile", 0, len(got))
	}
	// A name that was too long for an index is still told apart from its start.
	got, err := s.Calls(ctx, ledger.CallQuery{Model: "a" + string(make([]byte, 2000))})
	must(t, err)
	same(t, "another long name", 0, len(got))
}

// testManyAccounts asks for more accounts than a statement may have parameters.
func testManyAccounts(t *testing.T, s Stores) {
	ctx := t.Context()
	d := &drain{node: "n"}
	var calls []ledger.Call
	for i := range 60 {
		calls = append(calls, paid(t, sprint("a", i*700), noon.Add(time.Duration(i)*time.Minute), 1))
	}
	d.apply(t, s, calls...)
	var accounts []string
	for i := range 40_000 {
		accounts = append(accounts, sprint("a", i))
	}
	accounts = append(accounts, accounts[:700]...)
	slices.Reverse(calls)
	var want []string
	for _, c := range calls {
		if slices.Contains(accounts, c.AccountID) {
			want = append(want, c.ID)
		}
	}
	q := ledger.CallQuery{AccountIDs: accounts, Page: ledger.Page{Limit: 50}}
	got, err := s.Calls(ctx, q)
	must(t, err)
	same(t, "first page", want[:50], ids(got))
	q.Before = got[49].ID
	got, err = s.Calls(ctx, q)
	must(t, err)
	same(t, "second page", want[50:], ids(got))
	hours, err := s.Rollups(ctx, ledger.RollupQuery{AccountIDs: accounts})
	must(t, err)
	same(t, "roll-ups", len(want), len(hours))
	if !slices.IsSortedFunc(hours, func(a, b ledger.Rollup) int { return a.Hour.Compare(b.Hour) }) {
		t.Error("the roll-ups of many accounts are not in the order of time")
	}
}

func testEntryPages(t *testing.T, s Stores) {
	ctx := t.Context()
	d := &drain{node: "n"}
	grant(t, s, card("a", 1<<30))
	grant(t, s, card("b", 1<<30))
	var want []string
	for i := range 20 {
		// Later entries of earlier calls: the order of writing counts.
		a, b := paid(t, "a", noon.Add(time.Duration(100-i)*time.Second), 1), paid(t, "b", noon, 1)
		d.apply(t, s, a, b)
		want = append(want, a.ID)
	}
	slices.Reverse(want)
	for _, limit := range []int{1, 3, 20} {
		var got []string
		page := ledger.Page{Limit: limit}
		for {
			some, err := s.Entries(ctx, "a", page)
			must(t, err)
			for _, e := range some {
				if e.Kind == ledger.EntrySpend {
					got = append(got, e.Calls.One())
				}
			}
			if len(some) < limit {
				break
			}
			page.Before = some[len(some)-1].ID()
		}
		same(t, "entries, newest first", want, got)
	}
	some, err := s.Entries(ctx, "'; --", ledger.Page{Before: "7"})
	must(t, err)
	same(t, "hostile", 0, len(some))
	if _, err := s.Entries(ctx, "a", ledger.Page{Before: "' OR 1=1"}); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("the page before no entry: %v", err)
	}
}

func testRollupFilters(t *testing.T, s Stores) {
	ctx := t.Context()
	d := &drain{node: "n"}
	var all []ledger.Call
	for i := range 200 {
		c := paid(t, sprint("a", i%4), noon.Add(time.Duration(i)*7*time.Minute), 3)
		c.KeyID, c.ChannelID, c.Model = sprint("k", i%2), sprint("c", i%3), hostile[i%len(hostile)]
		c.Usage = canon.Usage{Input: 10, CacheRead: 5, Output: int64(i), Reasoning: 1}
		if i%5 == 0 {
			c.Status = 429
		}
		if i%6 == 0 {
			c.Quarantine = "why"
		}
		all = append(all, c)
	}
	d.apply(t, s, all[:77]...)
	d.apply(t, s, all[77:]...)
	for name, q := range map[string]ledger.RollupQuery{
		"all":      {},
		"accounts": {AccountIDs: []string{"a-003", "a-001", "a-003"}},
		"time":     {From: noon.Truncate(time.Hour).Add(2 * time.Hour), To: noon.Truncate(time.Hour).Add(5 * time.Hour)},
		"both":     {AccountIDs: []string{"a-000"}, From: noon.Truncate(time.Hour).Add(3 * time.Hour)},
	} {
		hours, err := s.Rollups(ctx, q)
		must(t, err)
		if len(hours) == 0 {
			t.Fatalf("%s: the test selects nothing", name)
		}
		want := rollUp(all, func(c ledger.Call, hour time.Time) bool {
			return (len(q.AccountIDs) == 0 || slices.Contains(q.AccountIDs, c.AccountID)) &&
				(q.From.IsZero() || !hour.Before(q.From)) && (q.To.IsZero() || hour.Before(q.To))
		})
		same(t, name, want, keyed(hours))
		if !slices.IsSortedFunc(hours, func(a, b ledger.Rollup) int { return a.Hour.Compare(b.Hour) }) {
			t.Errorf("%s: not in the order of time", name)
		}
	}
}

// keyed returns roll-ups by what they are of.
func keyed(hours []ledger.Rollup) map[ledger.Rollup]ledger.Rollup {
	m := map[ledger.Rollup]ledger.Rollup{}
	for _, h := range hours {
		m[ledger.Rollup{Hour: h.Hour, AccountID: h.AccountID, KeyID: h.KeyID, Model: h.Model, ChannelID: h.ChannelID}] = h
	}
	return m
}

// rollUp sums calls in the plainest way.
func rollUp(calls []ledger.Call, in func(c ledger.Call, hour time.Time) bool) map[ledger.Rollup]ledger.Rollup {
	m := map[ledger.Rollup]ledger.Rollup{}
	for _, c := range calls {
		hour := time.UnixMilli(c.AtMillis).UTC().Truncate(time.Hour)
		if !in(c, hour) {
			continue
		}
		k := ledger.Rollup{Hour: hour, AccountID: c.AccountID, KeyID: c.KeyID, Model: c.Model, ChannelID: c.ChannelID}
		r := m[k]
		if r.Calls == 0 {
			r = k
		}
		r.Calls++
		if c.ErrorKind != "" || c.Status >= 400 {
			r.Errors++
		}
		if c.Quarantine != "" {
			r.Quarantined++
		}
		r.InTokens += c.Usage.In()
		r.CacheRead += c.Usage.CacheRead
		r.OutTokens += c.Usage.Out()
		r.Cost += c.Cost
		m[k] = r
	}
	return m
}

func testUsage(t *testing.T, s Stores) {
	ctx := t.Context()
	d := &drain{node: "n"}
	type key struct {
		day            time.Time
		account, model string
	}
	days, totals := map[key]ledger.Usage{}, map[key]ledger.Usage{}
	add := func(m map[key]ledger.Usage, k key, c ledger.Call) {
		u := m[k]
		m[k] = ledger.Usage{
			Day: k.day, AccountID: k.account, Model: k.model, Calls: u.Calls + 1, InTokens: u.InTokens + c.Usage.In(), CacheRead: u.CacheRead + c.Usage.CacheRead,
			OutTokens: u.OutTokens + c.Usage.Out(), Cost: u.Cost + c.Cost,
		}
	}
	var all []ledger.Call
	for i := range 300 {
		c := paid(t, sprint("a", i%4), noon.Add(time.Duration(i)*17*time.Minute), 3)
		c.KeyID, c.ChannelID, c.Model = sprint("k", i%2), sprint("c", i%3), sprint("m", i%5)
		c.Usage = canon.Usage{Input: 10, CacheRead: 5, Output: int64(i)}
		all = append(all, c)
		at := time.UnixMilli(c.AtMillis).UTC()
		if c.AccountID != "a-003" {
			add(days, key{at.Truncate(24 * time.Hour), c.AccountID, c.Model}, c)
		}
		add(totals, key{time.UnixMilli(0).UTC(), c.AccountID, ""}, c)
	}
	d.apply(t, s, all...)
	keyed := func(list []ledger.Usage) map[key]ledger.Usage {
		m := map[key]ledger.Usage{}
		for _, u := range list {
			m[key{u.Day, u.AccountID, u.Model}] = u
		}
		if len(m) != len(list) {
			t.Error("a sum is there twice")
		}
		return m
	}
	got, err := s.Usage(ctx, ledger.UsageQuery{AccountIDs: []string{"a-002", "a-000", "a-001", "a-000", "nobody"}})
	must(t, err)
	same(t, "days", days, keyed(got))
	if !slices.IsSortedFunc(got, func(a, b ledger.Usage) int { return a.Day.Compare(b.Day) }) {
		t.Error("not in the order of time")
	}
	got, err = s.Usage(ctx, ledger.UsageQuery{AccountIDs: []string{"a-000", "a-001", "a-002", "a-003"}, Total: true})
	must(t, err)
	same(t, "totals", totals, keyed(got))
	from := noon.Truncate(24*time.Hour).AddDate(0, 0, 1)
	got, err = s.Usage(ctx, ledger.UsageQuery{AccountIDs: []string{"a-000"}, From: from, To: from.AddDate(0, 0, 1)})
	must(t, err)
	if len(got) == 0 {
		t.Fatal("the test selects nothing")
	}
	for _, u := range got {
		same(t, "of one day", days[key{from, "a-000", u.Model}], u)
	}
	got, err = s.Usage(ctx, ledger.UsageQuery{})
	must(t, err)
	if len(got) != 0 {
		t.Errorf("of nobody: %v", got)
	}
}
