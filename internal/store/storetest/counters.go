package storetest

import (
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
)

// addTree inserts root, a below it, b below a, c below b, and a key of b.
func addTree(t testing.TB, s Stores) {
	t.Helper()
	addRoot(t, s)
	for _, a := range [][3]string{{"a", "root", ".root.a."}, {"b", "a", ".root.a.b."}, {"c", "b", ".root.a.b.c."}} {
		must(t, s.InsertAccount(t.Context(), someAccount(a[0], a[1], a[2], "name of "+a[0])))
	}
	must(t, s.InsertKey(t.Context(), someKey("k", "b")))
}

// treeCall is a call of an account of the tree, in its key or another.
func treeCall(t testing.TB, id string, key string, at time.Time, cost catalog.Nanos) ledger.Call {
	c := paid(t, id, at, cost)
	c.KeyID = key
	c.Above = map[string][]string{"b": {"a"}, "c": {"b", "a"}}[id]
	return c
}

// testCounters begins counters at random moments between calls: each must have counted exactly the
// calls of its subject in its period, those before it began and those after.
func testCounters(t *testing.T, s Stores) {
	addTree(t, s)
	d := &drain{node: "n"}
	var all []ledger.Call
	subjects := []string{"a", "b", "c", "k", account.RootID, "nobody"}
	zones := []string{"UTC", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns"}
	days := 0
	rapid.Check(t, func(rt *rapid.T) {
		days += 40 // another month, so that most counters have to renew
		base := noon.AddDate(0, 0, days)
		latest := map[string]int64{}
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			var batch []ledger.Call
			for range rapid.IntRange(0, 4).Draw(rt, "calls") {
				at := base.Add(time.Duration(rapid.IntRange(0, 3*24*60).Draw(rt, "minute")) * time.Minute)
				id := rapid.SampledFrom(subjects[:3]).Draw(rt, "account")
				key := "other"
				if id == "b" && rapid.Bool().Draw(rt, "key") {
					key = "k"
				}
				c := treeCall(t, id, key, at, catalog.Nanos(rapid.IntRange(0, 50).Draw(rt, "cost")))
				c.Unbilled = rapid.Bool().Draw(rt, "unbilled")
				batch = append(batch, c)
				for subject := range c.CountsFor {
					latest[subject] = max(latest[subject], c.AtMillis)
				}
			}
			d.apply(t, s, batch...)
			all = append(all, batch...)
			c := ledger.Counter{
				Subject: rapid.SampledFrom(subjects).Draw(rt, "subject"), Zone: rapid.SampledFrom(zones).Draw(rt, "zone"),
				Period: rapid.SampledFrom([]ledger.Period{ledger.PeriodTotal, ledger.PeriodDay, ledger.PeriodWeek, ledger.PeriodMonth}).Draw(rt, "period"),
			}
			loc, err := time.LoadLocation(c.Zone)
			must(t, err)
			if latest[c.Subject] == 0 {
				latest[c.Subject] = base.UnixMilli()
			}
			c.Start, c.End = c.Period.Bounds(time.UnixMilli(latest[c.Subject]), loc)
			got, pos, err := s.Count(t.Context(), "n", c)
			must(t, err)
			same(t, "position", d.pos, pos)
			if got.End < c.Start {
				continue // it stood from an earlier month, and nothing was spent since
			}
			checkCounter(t, all, got)
		}
		counters, err := s.Counters(t.Context())
		must(t, err)
		for _, c := range counters {
			checkCounter(t, all, c)
		}
	})
}

// checkCounter adds up the calls that a counter must have counted.
func checkCounter(t testing.TB, all []ledger.Call, c ledger.Counter) {
	t.Helper()
	var want catalog.Nanos
	for i := range all {
		for subject := range all[i].CountsFor {
			if subject == c.Subject && all[i].AtMillis >= c.Start && all[i].AtMillis < c.End {
				want += all[i].Cost
			}
		}
	}
	if c.Spent != want {
		t.Fatalf("counter %+v, want %d spent", c, want)
	}
}

// testCountWhileApplying begins counters while two nodes write calls: none may be missed or counted
// twice.
func testCountWhileApplying(t *testing.T, s Stores) {
	addTree(t, s)
	const batches, size = 20, 10
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for n := range 2 {
		var work [][]ledger.Call
		for range batches {
			var calls []ledger.Call
			for range size {
				calls = append(calls, treeCall(t, "b", "k", noon, 1))
			}
			work = append(work, calls)
		}
		wg.Go(func() {
			for i, calls := range work {
				if err := s.Apply(t.Context(), sprint("node", n), calls, ledger.Position{Offset: int64(i + 1)}); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Go(func() {
		for _, subject := range []string{"a", "k", "b", "root"} {
			for _, p := range []ledger.Period{ledger.PeriodTotal, ledger.PeriodDay, ledger.PeriodMonth} {
				c := ledger.Counter{Subject: subject, Period: p, Zone: "UTC"}
				c.Start, c.End = p.Bounds(noon, time.UTC)
				if _, _, err := s.Count(t.Context(), "n", c); err != nil {
					errs <- err
					return
				}
			}
		}
	})
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Fatal(err)
	}
	counters, err := s.Counters(t.Context())
	must(t, err)
	same(t, "counters", 12, len(counters))
	for _, c := range counters {
		if c.Spent != 2*batches*size {
			t.Errorf("%+v, want %d spent", c, 2*batches*size)
		}
	}
}

func testWarn(t *testing.T, s Stores) {
	ctx := t.Context()
	d := &drain{node: "n"}
	c := ledger.Counter{Subject: "x", Period: ledger.PeriodMonth, Zone: "Asia/Kolkata"}
	loc, err := time.LoadLocation(c.Zone)
	must(t, err)
	c.Start, c.End = c.Period.Bounds(noon, loc)
	warn := func(what string, want bool) {
		t.Helper()
		got, err := s.Warn(ctx, c)
		must(t, err)
		same(t, what, want, got)
	}
	warn("a counter that is not kept", false)
	_, _, err = s.Count(ctx, "n", c)
	must(t, err)
	var firsts sync.Map
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			if first, err := s.Warn(ctx, c); err != nil || first {
				firsts.Store(i, err)
			}
		})
	}
	wg.Wait()
	n := 0
	firsts.Range(func(_, err any) bool {
		n++
		if err != nil {
			t.Error(err)
		}
		return true
	})
	same(t, "who was first", 1, n)
	d.apply(t, s, paid(t, "x", noon, 1))
	warn("again in the same period", false)
	d.apply(t, s, paid(t, "x", noon.AddDate(0, 1, 0), 1))
	warn("for a period that is over", false)
	c.Start, _ = c.Period.Bounds(noon.AddDate(0, 1, 0), loc)
	warn("in the next period", true)
}
