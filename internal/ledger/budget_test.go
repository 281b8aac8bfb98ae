package ledger_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata" // the zones below, wherever the test runs

	"pgregory.net/rapid"

	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/journal"
	"tollgate/internal/ledger"
	"tollgate/internal/ledger/ledgertest"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestPeriodsFollowTheCalendar(t *testing.T) {
	for _, c := range []struct{ period, zone, at, start, end string }{
		{"day", "UTC", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"},
		{"day", "Asia/Kolkata", "2026-03-01T18:29:59.999Z", "2026-02-28T18:30:00Z", "2026-03-01T18:30:00Z"},
		{"day", "Asia/Kathmandu", "2026-03-01T18:15:00Z", "2026-03-01T18:15:00Z", "2026-03-02T18:15:00Z"},
		{"day", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},  // 23 hours
		{"day", "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},  // 25 hours
		{"day", "Africa/Cairo", "2026-04-24T05:00:00Z", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"},   // has no midnight
		{"day", "America/Havana", "2026-11-01T04:30:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"}, // has two
		{"week", "UTC", "2026-03-01T12:00:00Z", "2026-02-23T00:00:00Z", "2026-03-02T00:00:00Z"},           // a Sunday
		{"week", "America/St_Johns", "2026-03-02T03:30:00Z", "2026-03-02T03:30:00Z", "2026-03-09T02:30:00Z"},
		{"month", "UTC", "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"month", "Pacific/Chatham", "2026-05-31T11:15:00Z", "2026-05-31T11:15:00Z", "2026-06-30T11:15:00Z"},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		start, end := ledger.Period(c.period).Bounds(at, zone(t, c.zone))
		show := func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
		if show(start) != c.start || show(end) != c.end {
			t.Errorf("%s of %s in %s: %s to %s, want %s to %s", c.period, c.at, c.zone, show(start), show(end), c.start, c.end)
		}
	}
}

// TestPeriodsHaveNoGaps walks from period to period: each holds the instants in it and ends where the
// next begins, whatever clocks do.
func TestPeriodsHaveNoGaps(t *testing.T) {
	zones := strings.Fields(`UTC Europe/Berlin Europe/London America/New_York America/St_Johns America/Havana America/Asuncion
		America/Santiago Africa/Cairo Africa/Casablanca Asia/Kolkata Asia/Kathmandu Asia/Tehran Asia/Beirut Asia/Gaza
		Australia/Lord_Howe Pacific/Chatham Pacific/Apia Pacific/Kiritimati Atlantic/Azores America/Nuuk`)
	rapid.Check(t, func(rt *rapid.T) {
		z := zone(t, rapid.SampledFrom(zones).Draw(rt, "zone"))
		p := rapid.SampledFrom([]ledger.Period{ledger.PeriodDay, ledger.PeriodWeek, ledger.PeriodMonth}).Draw(rt, "period")
		at := rapid.Int64Range(1_735_000_000_000, 2_000_000_000_000).Draw(rt, "at")
		start, end := p.Bounds(time.UnixMilli(at), z)
		if at < start || at >= end {
			rt.Fatalf("%d is not in its %s: %d to %d", at, p, start, end)
		}
		inside := rapid.Int64Range(start, end-1).Draw(rt, "inside")
		if s, e := p.Bounds(time.UnixMilli(inside), z); s != start || e != end {
			rt.Errorf("the %s of %d in %s: %d to %d; that of %d: %d to %d", p, at, z, start, end, inside, s, e)
		}
		if next, _ := p.Bounds(time.UnixMilli(end), z); next != end {
			rt.Errorf("the %s in %s after the one that ends at %d begins at %d", p, z, end, next)
		}
	})
}

func month(subject string, limit catalog.Nanos) ledger.Budget {
	return ledger.Budget{Subject: subject, Period: ledger.PeriodMonth, Limit: limit}
}

func total(subject string, limit catalog.Nanos) ledger.Budget {
	return ledger.Budget{Subject: subject, Period: ledger.PeriodTotal, Limit: limit}
}

func TestHoldTakesFromAllBudgetsOrNone(t *testing.T) {
	d := newDesk(t)
	d.grant("1", "child", 100, start, start.Add(time.Hour))
	r := ask("child", 7, start)
	r.Above = []string{"parent", "grand"}
	r.Budgets = []ledger.Budget{total("key", 20), month("child", 20), total("parent", 6), total("grand", 8)}
	var over *ledger.BudgetError
	if _, err := d.Hold(r); !errors.As(err, &over) || over.Subject != "parent" || over.Need != 7 || over.Spent != 0 || !over.Renews.IsZero() {
		t.Errorf("beyond the parent's budget: %v", err)
	}
	nothing := func(what string) {
		t.Helper()
		for _, b := range r.Budgets {
			if u, ok := d.Used(b, start); !ok || u.Held != 0 {
				t.Errorf("%s: of %s is held %+v, %v", what, b.Subject, u, ok)
			}
		}
		if f := d.Balance("child", start); f.Held != 0 || d.Held() != 0 {
			t.Errorf("%s: %+v, %d", what, f, d.Held())
		}
	}
	nothing("refused by a budget")
	r.Amount = 5
	h, err := d.Hold(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range r.Budgets {
		if u, _ := d.Used(b, start); u.Held != 5 {
			t.Errorf("%s: %+v, want 5 held", b.Subject, u)
		}
	}
	if _, err := d.Hold(ask("child", 96, start)); err == nil {
		t.Error("the cards are held twice")
	}
	c := call("1", "child", 4, start)
	c.KeyID = "key"
	if err := d.Settle(h, c); err != nil {
		t.Fatal(err)
	}
	nothing("settled")
	for _, b := range append(r.Budgets, total("root", 1)) {
		if err := d.Watch(t.Context(), start, b); err != nil {
			t.Fatal(err)
		}
		if u, _ := d.Used(b, start); u.Spent != 4 {
			t.Errorf("%s: %+v, want 4 spent", b.Subject, u)
		}
	}
	if h, err = d.Hold(r); !errors.As(err, &over) || over.Subject != "parent" || over.Spent != 4 {
		t.Errorf("5 of 2: %v, %v", h, err)
	}
	r.Account, r.Budgets = "poor", []ledger.Budget{total("grand", 8)}
	var short *ledger.ShortError
	if _, err := d.Hold(r); !errors.As(err, &short) {
		t.Errorf("budget without credit: %v", err)
	}
	nothing("refused by the cards")
	r.Account, r.Budgets = "child", []ledger.Budget{total("grand", 9)}
	if h, err = d.Hold(r); err == nil {
		err = h.Release()
	}
	if err != nil {
		t.Error(err)
	}
	nothing("released")
}

// TestBudgetsInEveryOrder would hang if holds locked their budgets in the order given.
func TestBudgetsInEveryOrder(t *testing.T) {
	d := newDesk(t)
	ids := []string{"a", "b", "c", "d"}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				r := request{Account: "x", Amount: 1, At: start}
				for k := range ids {
					r.Budgets = append(r.Budgets, total(ids[(k*(1+2*(g%2))+i)%4], 1000))
				}
				h, err := d.Hold(r)
				if err == nil {
					err = h.Release()
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if u, ok := d.Used(total(id, 0), start); u.Held != 0 || !ok {
			t.Errorf("%s still holds %d, %v", id, u.Held, ok)
		}
	}
}

func TestBudgetsRenew(t *testing.T) {
	d := newDesk(t)
	kolkata := zone(t, "Asia/Kolkata")
	day := ledger.Budget{Subject: "a", Period: ledger.PeriodDay, Zone: kolkata, Limit: 10}
	r := request{Account: "a", Amount: 10, At: start, Budgets: []ledger.Budget{day}}
	h, err := d.Hold(r)
	if err != nil {
		t.Fatal(err)
	}
	_, end := ledger.PeriodDay.Bounds(start, kolkata)
	next := time.UnixMilli(end)
	var over *ledger.BudgetError
	r.Amount, r.At = 1, next.Add(-time.Millisecond)
	if _, err := d.Hold(r); !errors.As(err, &over) || !over.Renews.Equal(next) || over.Held != 10 {
		t.Errorf("a millisecond before midnight: %v", err)
	}
	// What is under way at midnight counts for the day on which it ends.
	r.At = next
	if _, err := d.Hold(r); !errors.As(err, &over) || over.Held != 10 || over.Spent != 0 {
		t.Errorf("at midnight, with a call under way: %v", err)
	}
	if err := d.Settle(h, call("1", "a", 3, next)); err != nil {
		t.Fatal(err)
	}
	late := call("2", "a", 5, next.Add(-time.Second))
	if err := d.Settle(nil, late); err != nil {
		t.Fatal(err)
	}
	if u, _ := d.Used(day, next); u.Spent != 3 || u.Held != 0 || !u.Renews.Equal(next.Add(24*time.Hour)) {
		t.Errorf("on the second day: %+v", u)
	}
}

func TestUnchargedCallsCountButCostNothing(t *testing.T) {
	d := newDesk(t)
	d.grant("1", "a", 10, start, start.Add(time.Hour))
	r := request{Account: "a", Amount: 50, At: start, Budgets: []ledger.Budget{total("a", 60)}}
	h, err := d.Hold(r)
	if err != nil {
		t.Fatal(err)
	}
	if f := d.Balance("a", start); f.Held != 0 || f.Left != 10 {
		t.Errorf("while it runs: %+v", f)
	}
	if err := d.Settle(h, call("1", "a", 40, start)); err != nil {
		t.Fatal(err)
	}
	if f := d.Balance("a", start); f.Left != 10 || f.Spent != 0 || f.Debt != 0 {
		t.Errorf("after it: %+v", f)
	}
	var over *ledger.BudgetError
	if _, err := d.Hold(r); !errors.As(err, &over) || over.Spent != 40 {
		t.Errorf("the budget does not know of it: %v", err)
	}
	d.flush()
	c, err := d.store.Call(t.Context(), "1")
	if err != nil || !c.Unbilled || c.Cost != 40 {
		t.Errorf("stored: %+v, %v", c, err)
	}
	d.sameAsStore("a")
}

// TestManyHoldsOnOneBudget asks for more than there is from all sides at once.
func TestManyHoldsOnOneBudget(t *testing.T) {
	d := newDesk(t)
	const limit, each = dollar, 3_000_000
	var taken atomic.Int64
	var wg sync.WaitGroup
	for i := range 2_000 {
		wg.Go(func() {
			r := request{Account: fmt.Sprint("a", i%7), Amount: each, At: start, Budgets: []ledger.Budget{month("top", limit), total(fmt.Sprint("a", i%7), limit)}}
			if _, err := d.Hold(r); err == nil {
				taken.Add(1)
			}
		})
	}
	wg.Wait()
	if want := int64(limit / each); taken.Load() != want {
		t.Errorf("%d holds, want %d", taken.Load(), want)
	}
}

func TestBudgetsThatCannotBe(t *testing.T) {
	d := newDesk(t)
	for what, b := range map[string]ledger.Budget{
		"no subject":     {Period: ledger.PeriodDay, Limit: 1},
		"no such period": {Subject: "a", Period: "year", Limit: 1},
		"below zero":     {Subject: "a", Period: ledger.PeriodDay, Limit: -1},
		"soft below":     {Subject: "a", Period: ledger.PeriodDay, Limit: 1, Soft: -1},
		"nameless zone":  {Subject: "a", Period: ledger.PeriodDay, Limit: 1, Zone: time.FixedZone("here", 1800)},
	} {
		if _, err := d.Hold(request{Account: "a", At: start, Budgets: []ledger.Budget{b}}); err == nil {
			t.Errorf("%s: held", what)
		}
	}
}

// TestBudgetLearnedOfACallUnderWay begins to watch a budget while a call of it is in the journal and in the
// store, but not yet counted in memory: it counts once.
func TestBudgetLearnedOfACallUnderWay(t *testing.T) {
	d := newDesk(t)
	release := d.HoldUp("a")
	settled := make(chan error)
	go func() { settled <- d.Settle(nil, call("1", "a", 5, start)) }()
	for deadline := time.Now().Add(time.Minute); d.journal.Bytes(journal.Position{}) == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	err := d.Watch(t.Context(), start, month("a", 1000))
	release()
	if err := errors.Join(err, <-settled); err != nil {
		t.Fatal(err)
	}
	if err := d.Settle(nil, call("2", "a", 1, start)); err != nil {
		t.Fatal(err)
	}
	if u, ok := d.Used(month("a", 1000), start); u.Spent != 6 || !ok {
		t.Errorf("%+v, %v", u, ok)
	}
}

// TestBudgetOfTheStore begins to watch a budget when much was spent already, while calls go on and the
// store is away at first.
func TestBudgetOfTheStore(t *testing.T) {
	var down atomic.Bool
	store := &ledgertest.Store{Before: func(op string) error {
		if down.Load() && op == "Count" {
			return errDown
		}
		return nil
	}}
	d := openDesk(t, store, t.TempDir(), journal.DefaultOptions())
	for i := range 10 {
		if err := d.Settle(nil, call(fmt.Sprint("before", i), "a", 1, start)); err != nil {
			t.Fatal(err)
		}
	}
	down.Store(true)
	r := request{Account: "a", Amount: 1, At: start, Budgets: []ledger.Budget{month("a", 1000)}}
	var refusal *canon.Error
	if _, err := d.Hold(r); !errors.As(err, &refusal) || refusal.Kind != canon.KindOverloaded {
		t.Errorf("a budget that nobody can read: %v", err)
	}
	down.Store(false)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 50 {
				h, err := d.Hold(r)
				if err == nil {
					err = d.Settle(h, call(fmt.Sprint(g, "-", i), "a", 1, start))
				}
				if err != nil {
					t.Error(err)
				}
				if i%10 == 0 {
					if err := d.Watch(t.Context(), start, ledger.Budget{Subject: "a", Period: ledger.PeriodDay, Zone: zone(t, "Asia/Kolkata"), Limit: ledger.NoLimit}, total("a", 7)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	for _, b := range []ledger.Budget{month("a", 0), total("a", 0), {Subject: "a", Period: ledger.PeriodDay, Zone: zone(t, "Asia/Kolkata")}} {
		if u, ok := d.Used(b, start); u.Spent != 410 || u.Held != 0 || !ok {
			t.Errorf("%s: %+v, %v", b.Period, u, ok)
		}
	}
}

// TestBudgetsSurviveARestart leaves some calls in the journal and starts again.
func TestBudgetsSurviveARestart(t *testing.T) {
	var down atomic.Bool
	store := &ledgertest.Store{Before: func(op string) error {
		if down.Load() && op == "Apply" {
			return errDown
		}
		return nil
	}}
	dir := t.TempDir()
	d := openDesk(t, store, dir, journal.DefaultOptions())
	b := month("top", 100)
	if err := d.Watch(t.Context(), start, b); err != nil {
		t.Fatal(err)
	}
	spend := func(id string, cost catalog.Nanos, at time.Time) {
		c := call(id, "a", cost, at)
		c.Above = []string{"top"}
		if err := d.Settle(nil, c); err != nil {
			t.Fatal(err)
		}
	}
	spend("1", 10, start)
	d.flush()
	down.Store(true)
	spend("2", 20, start)
	for range 2 {
		d.stop()
		d = openDesk(t, store, dir, journal.DefaultOptions())
		if u, ok := d.Used(b, start); u.Spent != 30 || !ok {
			t.Errorf("after a start: %+v, %v", u, ok)
		}
	}
	down.Store(false)
	next := start.AddDate(0, 1, 0)
	spend("3", 5, next)
	spend("4", 7, start)
	d.flush()
	d.stop()
	d = openDesk(t, store, dir, journal.DefaultOptions())
	if u, _ := d.Used(b, next); u.Spent != 5 {
		t.Errorf("in the next month: %+v", u)
	}
}

// TestSoftLimitIsReportedOnce crosses a soft limit again and again, over restarts, in two months, with
// a store that is away at first.
func TestSoftLimitIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failures atomic.Int64
		failures.Store(3)
		store := &ledgertest.Store{Before: func(op string) error {
			if op == "Warn" && failures.Add(-1) >= 0 {
				return errDown
			}
			return nil
		}}
		var said []ledger.SoftLimit
		dir := t.TempDir()
		n := 0
		run := func(at time.Time, costs ...catalog.Nanos) {
			j, err := journal.Open(dir, journal.DefaultOptions())
			if err != nil {
				t.Fatal(err)
			}
			book, err := ledger.OpenBook(t.Context(), ledger.Options{Store: store, Journal: j, Node: "node", OnSoftLimit: func(s ledger.SoftLimit) { said = append(said, s) }})
			if err != nil {
				t.Fatal(err)
			}
			b := month("a", 100)
			b.Soft = 50
			for _, cost := range costs {
				n++
				h, err := book.Payer(ledger.Terms{Account: "a", Budgets: []ledger.Budget{b}}).Hold(1, at)
				if err == nil {
					err = book.Settle(h, call(fmt.Sprint(n), "a", cost, at))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Minute)
			if err := errors.Join(book.Close(t.Context()), j.Close()); err != nil {
				t.Fatal(err)
			}
		}
		run(start, 20, 29)
		if len(said) != 0 {
			t.Errorf("below the limit: %+v", said)
		}
		run(start, 1, 1, 1)
		run(start, 1, 1)
		first, _ := ledger.PeriodMonth.Bounds(start, nil)
		if len(said) != 1 || said[0].Subject != "a" || said[0].Spent != 50 || said[0].Soft != 50 || said[0].Start.UnixMilli() != first {
			t.Errorf("at the limit: %+v", said)
		}
		run(start.AddDate(0, 1, 0), 49, 2, 3)
		if len(said) != 2 || said[1].Spent != 51 {
			t.Errorf("in the next month: %+v", said)
		}
	})
}

// TestOverspendIsBounded lets 10,000 calls at once at an account with a dollar, whose key and parent have
// a dollar to spend, too. Calls that cost at most what was held cannot overspend; others can by what
// they cost beyond it, all together, and not by a nano more.
func TestOverspendIsBounded(t *testing.T) {
	for _, beyond := range []catalog.Nanos{0, 1_234_567} {
		d := newDesk(t)
		d.grant("card", "a", dollar, start, start.Add(time.Hour))
		key, parent := total("key", dollar), month("parent", dollar)
		r := request{Account: "a", Above: []string{"parent"}, Amount: 3_000_000, At: start, Budgets: []ledger.Budget{key, parent}, Charge: true}
		var excess, cost, taken atomic.Int64
		var wg sync.WaitGroup
		for i := range 10_000 {
			wg.Go(func() {
				h, err := d.Hold(r)
				if err != nil {
					return
				}
				taken.Add(1)
				actual := r.Amount - catalog.Nanos(i%7)*100_000
				if i%2 == 0 {
					actual = r.Amount + beyond
					excess.Add(int64(beyond))
				}
				cost.Add(int64(actual))
				c := call(fmt.Sprint(i), "a", actual, start)
				c.KeyID = "key"
				if err := d.Settle(h, c); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		f := d.Balance("a", start)
		if over := int64(f.Spent - dollar); int64(f.Spent) != cost.Load() || over > excess.Load() || f.Debt != max(0, f.Spent-dollar) || f.Held != 0 {
			t.Errorf("%d calls for %v, at most %v beyond what was held: %+v", taken.Load(), catalog.Nanos(cost.Load()), catalog.Nanos(excess.Load()), f)
		}
		if taken.Load() < 230 || d.Held() != 0 {
			t.Errorf("%d calls were taken, %v is held", taken.Load(), d.Held())
		}
		for _, b := range []ledger.Budget{key, parent} {
			if u, ok := d.Used(b, start); int64(u.Spent) != cost.Load() || u.Held != 0 || !ok {
				t.Errorf("%s: %+v", b.Subject, u)
			}
		}
		d.sameAsStore("a")
		d.audit()
	}
}
