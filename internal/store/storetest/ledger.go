package storetest

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
	"tollgate/internal/pool"
)

// exceptPlace leaves out what an entry's place in the chain makes of it.
var exceptPlace = cmpopts.IgnoreFields(ledger.Entry{}, "Seq", "Movement", "Hash")

func testEmpty(t *testing.T, s Stores) {
	ctx := t.Context()
	must(t, s.Ping(ctx))
	pos, err := s.JournalPosition(ctx, "node")
	must(t, err)
	same(t, "position", ledger.Position{}, pos)
	all, err := s.Balances(ctx)
	must(t, err)
	same(t, "balances", 0, len(all))
	same(t, "balance", ledger.Balance{AccountID: "nobody"}, balance(t, s, "nobody"))
	if _, err := s.Call(ctx, "none"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("unknown call: %v, want ErrNotFound", err)
	}
	if _, err := s.Owner(ctx, "a", "none"); !errors.Is(err, pool.ErrNotFound) {
		t.Errorf("unknown object: %v, want ErrNotFound", err)
	}
	if _, err := s.Calls(ctx, ledger.CallQuery{Page: ledger.Page{Before: "none"}}); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("page before an unknown call: %v, want ErrNotFound, as an empty page would look like the end", err)
	}
	must(t, s.Apply(ctx, "node", nil, ledger.Position{Segment: 1, Offset: 9}))
	pos, err = s.JournalPosition(ctx, "node")
	must(t, err)
	same(t, "position after an empty batch", ledger.Position{Segment: 1, Offset: 9}, pos)
}

// chargedCalls returns the calls that an account's entries charge it for.
func chargedCalls(t testing.TB, s Stores, accountID string) []ledger.Charge {
	t.Helper()
	var all []ledger.Charge
	for _, e := range entries(t, s, accountID) {
		list, err := e.Calls.List()
		must(t, err)
		all = append(all, list...)
	}
	return all
}

func fullCall(t testing.TB) ledger.Call {
	return ledger.Call{
		ID: newID(t), AtMillis: noon.UnixMilli() + 7, RequestID: "req_☃", AccountID: "a", KeyID: "k", ChannelID: "c2", Provider: "openai",
		Dialect: canon.OpenAIResponses, Op: canon.OpGenerate, Model: "gpt-5 <\"&'>", Upstream: "gpt-5-2026", Stream: true, Status: 502,
		ErrorKind: canon.KindUpstream, ErrorText: "broke\nin two \u2028", Stop: canon.StopLength,
		Attempts: []ledger.Attempt{{ChannelID: "c1", Status: 429, Kind: canon.KindRateLimited, Ms: 12}, {ChannelID: "c2", Ms: 3}},
		FirstMs:  41, TotalMs: 1234567, ClientIP: "2001:db8::1",
		Usage:  canon.Usage{Input: 1, CacheRead: 2, CacheWrite5m: 3, CacheWrite1h: 4, InputImage: 5, InputAudio: 6, InputVideo: 7, Output: 8, Reasoning: 9, OutputImage: 10, OutputAudio: 11, WebSearches: 12, Tier: "priority"},
		Source: canon.Derived, Cost: 77, Quarantine: "no price for tier", ObjectID: "resp_1", Objects: []string{"cntr_1", "cfile_1"}, ClientGone: true,
		Receipt: &catalog.Receipt{Model: "gpt-5", Version: "v", Tier: "priority", Total: 77, Items: []catalog.Item{{What: "input", Quantity: 1, Rate: math.MaxInt64, Amount: -1}}},
	}
}

func testCallReadsBackEqual(t *testing.T, s Stores) {
	d := &drain{node: "n"}
	full := fullCall(t)
	least := ledger.Call{ID: newID(t), AccountID: "a", Dialect: canon.Gemini, Op: canon.OpEmbed}
	d.apply(t, s, full, least)
	for _, want := range []ledger.Call{full, least} {
		got, err := s.Call(t.Context(), want.ID)
		must(t, err)
		same(t, "call", want, got)
	}
}

func testApplyTwice(t *testing.T, s Stores) {
	ctx := t.Context()
	d := &drain{node: "n"}
	granted := grant(t, s, card("a", 1000))
	one, two := paid(t, "a", noon, 10), paid(t, "a", noon, 20)
	one.ObjectID, one.ChannelID = "obj", "c"
	d.apply(t, s, one, two)
	check := func(what string, calls int64, spent catalog.Nanos, lines int) {
		t.Helper()
		left := granted
		left.Balance = 1000 - spent
		same(t, what, ledger.Balance{AccountID: "a", Cards: []ledger.Card{left}, Spent: spent}, balance(t, s, "a"))
		same(t, what+": charged calls", lines, len(chargedCalls(t, s, "a")))
		hours, err := s.Rollups(ctx, ledger.RollupQuery{})
		must(t, err)
		var sum ledger.Rollup
		for _, h := range hours {
			sum.Calls += h.Calls
			sum.Cost += h.Cost
		}
		same(t, what+": rolled up", ledger.Rollup{Calls: calls, Cost: spent}, sum)
	}
	check("once", 2, 30, 2)

	// The answer to a commit was lost: the same batch again.
	must(t, s.Apply(ctx, "n", []ledger.Call{one, two}, d.pos))
	check("the same batch again", 2, 30, 2)

	// Another position, another node, and twice in one batch: the id decides.
	three := paid(t, "a", noon, 5)
	d.apply(t, s, two, three, three, one)
	check("old and new calls mixed", 3, 35, 3)
	other := &drain{node: "m"}
	other.apply(t, s, one, two, three)
	check("another node with the same calls", 3, 35, 3)

	// What a repetition says differently does not count: the first word stands.
	changed := one
	changed.Cost, changed.AccountID = 999, "b"
	d.apply(t, s, changed)
	check("another cost under the same id", 3, 35, 3)
	same(t, "account of the repetition", ledger.Balance{AccountID: "b"}, balance(t, s, "b"))
}

func testApplyBehind(t *testing.T, s Stores) {
	ctx := t.Context()
	known := paid(t, "a", noon, 1)
	at := ledger.Position{Segment: 3, Offset: 500}
	must(t, s.Apply(ctx, "n", []ledger.Call{known}, at))
	for _, old := range []ledger.Position{{Segment: 3, Offset: 500}, {Segment: 3, Offset: 499}, {Segment: 2, Offset: 1 << 40}, {}} {
		must(t, s.Apply(ctx, "n", []ledger.Call{known}, old))
		fresh := paid(t, "a", noon, 1)
		if err := s.Apply(ctx, "n", []ledger.Call{known, fresh}, old); err == nil {
			t.Errorf("a new call at position %v, behind %v, was dropped without an error", old, at)
		}
		if _, err := s.Call(ctx, fresh.ID); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("the refused call: %v, want ErrNotFound", err)
		}
		pos, err := s.JournalPosition(ctx, "n")
		must(t, err)
		same(t, "position", at, pos)
	}
	same(t, "spent", 1, balance(t, s, "a").Spent)
	pos, err := s.JournalPosition(ctx, "another")
	must(t, err)
	same(t, "position of another node", ledger.Position{}, pos)
	must(t, s.Apply(ctx, "n", []ledger.Call{paid(t, "a", noon, 1)}, ledger.Position{Segment: 4}))
}

// testApplyIsWhole cancels batches in the middle: whatever happened, all or nothing of each is there,
// and a drain that resumes at the stored position loses and doubles nothing.
func testApplyIsWhole(t *testing.T, s Stores) {
	const batches, size = 40, 30
	grant(t, s, card("a", 1<<40))
	journal := make([][]ledger.Call, batches)
	for i := range journal {
		for range size {
			journal[i] = append(journal[i], paid(t, "a", noon, 3))
		}
	}
	cuts := 0
	for tries := 0; ; tries++ {
		pos, err := s.JournalPosition(t.Context(), "n")
		must(t, err)
		next := int(pos.Offset)
		spent := balance(t, s, "a").Spent
		if again, err := s.JournalPosition(t.Context(), "n"); err != nil || again != pos {
			must(t, err)
			continue // a commit that was cut off on our side has only now come to its end on the server's
		}
		same(t, "spent at the position", catalog.Nanos(next*size*3), spent)
		if next == batches {
			break
		}
		ctx, cancel := t.Context(), func() {}
		if cuts < 2*batches {
			ctx, cancel = withCut(ctx, time.Duration(tries%17)*200*time.Microsecond)
		}
		if err := s.Apply(ctx, "n", journal[next], ledger.Position{Offset: int64(next + 1)}); err != nil {
			if ctx.Err() == nil {
				t.Fatal(err)
			}
			cuts++
		}
		cancel()
	}
	calls, err := s.Calls(t.Context(), ledger.CallQuery{Page: ledger.Page{Limit: 1 << 20}})
	must(t, err)
	same(t, "calls", batches*size, len(calls))
	same(t, "charged calls", batches*size, len(chargedCalls(t, s, "a")))
}

func testSpendOverExpiringCards(t *testing.T, s Stores) {
	d := &drain{node: "n"}
	expiring := func(id string, amount catalog.Nanos, hours int) ledger.Card {
		c := card("a", amount)
		c.ID, c.ExpiresAt = id, noon.Add(time.Duration(hours)*time.Hour)
		return c
	}
	grant(t, s, expiring("third", 100, 30))
	grant(t, s, expiring("first", 10, 1))
	grant(t, s, expiring("second", 20, 2))
	before := len(entries(t, s, "a"))
	early := paid(t, "a", noon, 15)                   // all of first, 5 of second
	late := paid(t, "a", noon.Add(90*time.Minute), 3) // second
	after := paid(t, "a", noon.Add(2*time.Hour), 4)   // second has expired: third
	after.TotalMs = 0
	long := paid(t, "a", noon.Add(5*time.Hour), 1) // began before second expired
	long.TotalMs = (3*time.Hour + time.Millisecond).Milliseconds()
	d.apply(t, s, early, late, after)
	d.apply(t, s, long)

	want := []ledger.Card{expiring("second", 20, 2), expiring("third", 100, 30)}
	want[0].Balance, want[1].Balance = 11, 96
	same(t, "balance", ledger.Balance{AccountID: "a", Cards: want, Spent: 23}, balance(t, s, "a"))
	spend := func(amount catalog.Nanos, card string) ledger.Entry {
		return ledger.Entry{At: time.UnixMilli(after.AtMillis).UTC(), Kind: ledger.EntrySpend, Account: "a", Counter: ledger.SideRevenue, Amount: -amount, CardID: card}
	}
	lines := []ledger.Entry{spend(10, "first"), spend(8, "second"), spend(4, "third")}
	lines[0].Calls = charges(early, late, after)
	same(t, "entries", lines, entries(t, s, "a")[before:][:3], exceptPlace)
}

// charges are calls that were charged in full.
func charges(calls ...ledger.Call) ledger.Charges {
	var list []ledger.Charge
	for _, c := range calls {
		list = append(list, ledger.Charge{CallID: c.ID, Amount: c.Cost})
	}
	return ledger.WriteCharges(list)
}

func testDebtAndRepay(t *testing.T, s Stores) {
	ctx := t.Context()
	d := &drain{node: "n"}
	grant(t, s, card("a", 100))
	over := paid(t, "a", noon, 130)
	free := paid(t, "a", noon, 0)
	d.apply(t, s, over, free)
	same(t, "in debt", ledger.Balance{AccountID: "a", Debt: 30, Spent: 130}, balance(t, s, "a"))

	small := card("a", 12)
	small.ID = "small"
	got := grant(t, s, small)
	same(t, "a card that does not cover the debt", small, got) // its balance is 0
	same(t, "debt", 18, balance(t, s, "a").Debt)

	large := card("a", 50)
	large.ID = "large"
	got = grant(t, s, large)
	large.Balance = 32
	same(t, "a card that covers it", large, got)
	same(t, "out of debt", ledger.Balance{AccountID: "a", Cards: []ledger.Card{large}, Spent: 130}, balance(t, s, "a"))

	all := entries(t, s, "a")
	entry := func(kind ledger.EntryKind, counter string, amount catalog.Nanos, card string) ledger.Entry {
		e := ledger.Entry{At: noon, Kind: kind, Account: "a", Counter: counter, Amount: amount, CardID: card}
		if counter != ledger.SideRevenue {
			e.Transfer, e.Note = card, "a note"
		}
		if kind == ledger.EntryGrant {
			e.ExpiresAt, e.Reference = noon.AddDate(0, 0, 1), "invoice 7"
		}
		return e
	}
	first := all[0].CardID
	want := []ledger.Entry{
		entry(ledger.EntryGrant, ledger.SideOperator, 100, first),
		entry(ledger.EntrySpend, ledger.SideRevenue, -100, first),
		entry(ledger.EntryDebt, ledger.SideRevenue, -30, ""),
		entry(ledger.EntryGrant, ledger.SideOperator, 12, "small"),
		entry(ledger.EntryRepay, "a", -12, "small"),
		entry(ledger.EntryRepay, "a", 12, ""),
		entry(ledger.EntryGrant, ledger.SideOperator, 50, "large"),
		entry(ledger.EntryRepay, "a", -18, "large"),
		entry(ledger.EntryRepay, "a", 18, ""),
	}
	want[1].Calls, want[5].Transfer, want[8].Transfer = charges(over), "small", "large"
	same(t, "entries", want, all, exceptPlace)
	balances, err := s.Balances(ctx)
	must(t, err)
	same(t, "balances", []ledger.Balance{balance(t, s, "a")}, balances)
}

// testLateCall pins that a call from before a grant, applied after it, is a debt as in memory.
func testLateCall(t *testing.T, s Stores) {
	d := &drain{node: "n"}
	granted := grant(t, s, card("a", 100))
	d.apply(t, s, paid(t, "a", noon.Add(-time.Second), 30))
	same(t, "balance", ledger.Balance{AccountID: "a", Cards: []ledger.Card{granted}, Debt: 30, Spent: 30}, balance(t, s, "a"))
	next := grant(t, s, card("a", 100))
	same(t, "next card", 70, next.Balance)
}

func testRoot(t *testing.T, s Stores) {
	ctx := t.Context()
	d := &drain{node: "n"}
	c := paid(t, account.RootID, noon, 500)
	d.apply(t, s, c)
	same(t, "balance", ledger.Balance{AccountID: account.RootID}, balance(t, s, account.RootID))
	same(t, "entries", 0, len(entries(t, s, account.RootID)))
	got, err := s.Call(ctx, c.ID)
	must(t, err)
	same(t, "call", c, got)
	hours, err := s.Rollups(ctx, ledger.RollupQuery{})
	must(t, err)
	same(t, "roll-ups", []ledger.Rollup{{Hour: noon.Truncate(time.Hour), AccountID: account.RootID, Model: "m", Calls: 1, Cost: 500}}, hours)
	balances, err := s.Balances(ctx)
	must(t, err)
	same(t, "accounts with money", 0, len(balances))
}

func testGrantRefusals(t *testing.T, s Stores) {
	ctx := t.Context()
	bad := map[string]ledger.Card{
		"no account": card("", 1), "nothing": card("a", 0), "less than nothing": card("a", -1),
		"born expired": {AccountID: "a", Amount: 1, GrantedAt: noon, ExpiresAt: noon},
		"broken text":  {AccountID: "a", Amount: 1, GrantedAt: noon, ExpiresAt: noon.Add(1e9), Reference: "\x00"},
	}
	for what, c := range bad {
		if _, err := s.Transfer(ctx, granting(t, c)); err == nil {
			t.Errorf("%s: granted", what)
		}
	}
	c := card("a", 10)
	c.ID = "once"
	grant(t, s, c)
	other := c
	other.Amount = 11
	if _, err := s.Transfer(ctx, granting(t, other)); !errors.Is(err, ledger.ErrReused) {
		t.Errorf("another grant under the same id: %v", err)
	}
	c.ID, c.Amount = "too much", math.MaxInt64-9
	if _, err := s.Transfer(ctx, granting(t, c)); err == nil {
		t.Error("more was granted than can be counted")
	}
	same(t, "entries", 1, len(entries(t, s, "a")))
	c.ID, c.Balance = "once", 10
	c.Amount = 10
	same(t, "balance", ledger.Balance{AccountID: "a", Cards: []ledger.Card{c}}, balance(t, s, "a"))
}

// testExtremes pins that no number that an upstream or a clock makes up can hold up the drain.
func testExtremes(t *testing.T, s Stores) {
	ctx := t.Context()
	d := &drain{node: "n"}
	huge := func() ledger.Call {
		c := paid(t, "a", noon, math.MaxInt64)
		c.Usage = canon.Usage{Input: math.MaxInt64, CacheRead: 0, Output: math.MaxInt64}
		return c
	}
	d.apply(t, s, huge(), huge())
	d.apply(t, s, huge())
	same(t, "balance", ledger.Balance{AccountID: "a", Debt: math.MaxInt64, Spent: math.MaxInt64}, balance(t, s, "a"))
	hours, err := s.Rollups(ctx, ledger.RollupQuery{})
	must(t, err)
	same(t, "roll-ups", []ledger.Rollup{{Hour: noon.Truncate(time.Hour), AccountID: "a", Model: "m", Calls: 3, InTokens: math.MaxInt64, OutTokens: math.MaxInt64, Cost: math.MaxInt64}}, hours)

	odd := []ledger.Call{
		{ID: newID(t), AtMillis: -1, AccountID: "old", Cost: 1, Usage: canon.Usage{Input: -5}},
		{ID: newID(t), AtMillis: math.MaxInt64, AccountID: "new", Cost: 1, ObjectID: "o", ChannelID: "c"},
		{ID: newID(t), AccountID: "negative", Cost: math.MinInt64},
		{ID: newID(t), AccountID: "wraps", Usage: canon.Usage{Input: math.MaxInt64, CacheRead: math.MaxInt64}},
	}
	d.apply(t, s, odd...)
	for _, want := range odd {
		got, err := s.Call(ctx, want.ID)
		must(t, err)
		same(t, "odd call", want, got)
	}
	hours, err = s.Rollups(ctx, ledger.RollupQuery{AccountIDs: []string{"old"}})
	must(t, err)
	same(t, "before 1970", []ledger.Rollup{{Hour: time.Unix(-3600, 0).UTC(), AccountID: "old", Calls: 1, Cost: 1}}, hours)
	same(t, "a negative cost", ledger.Balance{AccountID: "negative"}, balance(t, s, "negative"))

	const most = 1e16 // ten million dollars
	times := card("times", most)
	times.GrantedAt, times.ExpiresAt = time.Unix(0, 0).UTC(), time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)
	granted := grant(t, s, times)
	same(t, "far away times", []ledger.Card{granted}, balance(t, s, "times").Cards)
	times.ID, times.Balance = granted.ID, most
	same(t, "granted", times, granted)
}

func testOwner(t *testing.T, s Stores) {
	ctx := t.Context()
	d := &drain{node: "n"}
	made := func(accountID, object, channel string, at time.Time) ledger.Call {
		c := paid(t, accountID, at, 0)
		c.ObjectID, c.ChannelID = object, channel
		return c
	}
	long := string(make([]byte, 5000)) + "x"
	d.apply(t, s, made("a", "resp_1", "c1", noon), made("b", "resp_1", "c2", noon), made("a", "resp_2", "c3", noon),
		made("a", "resp_2", "c4", noon), made("a", long, "c5", noon), made("a", long+"y", "c6", noon), made("a", "", "c7", noon), made("a", "resp_3", "", noon))
	d.apply(t, s, made("a", "resp_1", "older", noon.Add(-time.Minute)))
	more := made("a", "", "c8", noon)
	more.Objects = []string{"cntr_1", "cfile_1", "cntr_1", ""}
	d.apply(t, s, more)
	for _, want := range []struct{ account, object, channel string }{
		{"a", "resp_1", "c1"},
		{"b", "resp_1", "c2"},
		{"a", "resp_2", "c4"},
		{"a", long, "c5"},
		{"a", long + "y", "c6"},
		{"a", "cntr_1", "c8"},
		{"a", "cfile_1", "c8"},
	} {
		got, err := s.Owner(ctx, want.account, want.object)
		must(t, err)
		same(t, "owner of "+want.object, want.channel, got)
	}
	for _, object := range []string{"", "resp_3", long[:4000]} {
		if c, err := s.Owner(ctx, "a", object); !errors.Is(err, pool.ErrNotFound) {
			t.Errorf("owner of %q: %q, %v, want ErrNotFound", object, c, err)
		}
	}
	// A year later the vendor has forgotten these, and so have we.
	d.apply(t, s, made("b", "resp_9", "c9", noon.AddDate(1, 0, 0)))
	if _, err := s.Owner(ctx, "a", "resp_1"); !errors.Is(err, pool.ErrNotFound) {
		t.Errorf("owner after a year: %v, want ErrNotFound", err)
	}
}
