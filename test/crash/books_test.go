package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
	"tollgate/internal/secret"
	"tollgate/internal/simulator"
	"tollgate/internal/store/sqlstore"
)

// books are what the ledger and the provider each say at the end.
type books struct {
	calls    map[string]ledger.Call
	served   map[string][]simulator.Call
	lost     int // whole answers that the ledger does not have
	double   int // calls that are in the ledger, or were charged, more than once
	unserved int // calls of the ledger that the provider did not serve
	wrong    int // calls whose usage or price is another than the provider's
}

func (b *books) String() string {
	return fmt.Sprintf("%d calls in the ledger, lost %d, double %d, unserved %d, wrong %d", len(b.calls), b.lost, b.double, b.unserved, b.wrong)
}

// maxComplaints bounds what is printed of one kind of mistake.
const maxComplaints = 5

// audit compares, call by call, what clients got, what the ledger has and what the provider served.
// The gateway must have stopped. allowed is how many calls may be missing in the ledger.
func (r *rig) audit(allowed int) *books {
	r.t.Helper()
	b := &books{calls: map[string]ledger.Call{}, served: r.served()}
	complaints := map[*int]int{}
	wrong := func(n *int, format string, args ...any) {
		*n++
		if complaints[n]++; complaints[n] <= maxComplaints && (n != &b.lost || *n > allowed) {
			r.t.Errorf(format, args...)
		}
	}
	store := r.open()
	defer func() {
		if err := store.Close(); err != nil {
			r.t.Error(err)
		}
	}()
	ctx := r.t.Context()
	list, err := store.Accounts(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, acc := range list {
		if _, ok := accounts[acc.Name]; ok {
			r.auditAccount(ctx, store, acc.ID, acc.Name, b, wrong)
		}
	}
	for id, shape := range r.got.whole {
		if _, ok := b.calls[id]; !ok {
			wrong(&b.lost, "lost: a client got the last byte of %s (%s), the ledger does not have it", id, shape)
		}
	}
	for id, c := range b.calls {
		served := b.served[id]
		switch {
		case len(served) == 0:
			wrong(&b.unserved, "the provider never served call %s (%s %s, status %d %s)", id, c.Dialect, c.Model, c.Status, c.ErrorKind)
		case c.Source != canon.Measured || c.Usage != usageOf(served[0].Usage):
			wrong(&b.wrong, "call %s (%s %s stream %v, status %d %s): the ledger has %s %+v, the provider reported %+v (complete %v)",
				id, c.Dialect, c.Model, c.Stream, c.Status, c.ErrorText, c.Source, c.Usage, served[0].Usage, served[0].Complete)
		case c.Receipt == nil:
			wrong(&b.wrong, "call %s has no receipt: %s", id, c.Quarantine)
		default:
			if sum, err := catalog.Recompute(*c.Receipt); err != nil || sum != c.Cost || sum == 0 {
				wrong(&b.wrong, "the receipt of %s recomputes to %v, charged is %v: %v", id, sum, c.Cost, err)
			}
		}
	}
	for id, calls := range b.served {
		if len(calls) > 1 { // nothing here fails at the provider, so nothing is to be tried again
			wrong(&b.double, "the provider served call %s %d times", id, len(calls))
		}
	}
	if len(r.got.twice) > 0 {
		r.t.Errorf("answers had the same X-Request-Id: %v", r.got.twice)
	}
	return b
}

// auditAccount reads the calls and entries of one account and checks its sums.
func (r *rig) auditAccount(ctx context.Context, store *sqlstore.Store, id, name string, b *books, wrong func(*int, string, ...any)) {
	r.t.Helper()
	must := func(err error) {
		if err != nil {
			r.t.Helper()
			r.t.Fatal(err)
		}
	}
	var costs catalog.Nanos
	calls := int64(0)
	for q := (ledger.CallQuery{AccountIDs: []string{id}, Page: ledger.Page{Limit: 5000}}); ; {
		page, err := store.Calls(ctx, q)
		must(err)
		for _, c := range page {
			if _, ok := b.calls[c.ID]; ok {
				wrong(&b.double, "call %s is in the ledger twice", c.ID)
			}
			b.calls[c.ID] = c
			costs += c.Cost
			calls++
		}
		if len(page) < q.Limit {
			break
		}
		q.Before = page[len(page)-1].ID
	}
	paid := map[string]catalog.Nanos{} // by call
	var granted, moved catalog.Nanos
	for q := (ledger.Page{Limit: 5000}); ; {
		page, err := store.Entries(ctx, id, q)
		must(err)
		for _, e := range page {
			switch e.Kind {
			case ledger.EntryGrant:
				granted += e.Amount
			case ledger.EntrySpend:
				list, err := e.Calls.List()
				must(err)
				for _, c := range list {
					paid[c.CallID] += c.Amount
				}
				moved -= e.Amount
			default:
				r.t.Errorf("%s: an entry that nothing here makes: %+v", name, e)
			}
		}
		if len(page) < q.Limit {
			break
		}
		q.Before = page[len(page)-1].ID()
	}
	for call, amount := range paid {
		if cost := b.calls[call].Cost; amount != cost {
			wrong(&b.double, "%s: entries of call %s move $%v, it cost $%v", name, call, amount, cost)
		}
	}
	bal, err := store.Balance(ctx, id)
	must(err)
	var left catalog.Nanos
	for _, c := range bal.Cards {
		left += c.Balance
	}
	if moved != costs || bal.Spent != costs {
		r.t.Errorf("%s: %d calls cost $%v, entries move $%v, the balance has $%v spent", name, calls, costs, moved, bal.Spent)
	}
	if granted != credit*1e9 || left+bal.Spent != granted || bal.Debt != 0 {
		r.t.Errorf("%s: $%v were granted (should be $%d); $%v are left, $%v spent, $%v owed", name, granted, credit, left, bal.Spent, bal.Debt)
	}
	rollups, err := store.Rollups(ctx, ledger.RollupQuery{AccountIDs: []string{id}})
	must(err)
	var sumCalls int64
	var sumCost catalog.Nanos
	for _, u := range rollups {
		sumCalls, sumCost = sumCalls+u.Calls, sumCost+u.Cost
	}
	if sumCalls != calls || sumCost != costs {
		r.t.Errorf("%s: roll-ups have %d calls for $%v, there are %d for $%v", name, sumCalls, sumCost, calls, costs)
	}
}

// open opens the store of the stopped gateway.
func (r *rig) open() *sqlstore.Store {
	r.t.Helper()
	master, err := secret.LoadMaster(r.data, "")
	if err != nil {
		r.t.Fatal(err)
	}
	sealer, err := secret.NewSealer(master)
	if err != nil {
		r.t.Fatal(err)
	}
	store, err := sqlstore.Open(r.t.Context(), sqlstore.Config{DSN: r.dsn, DataDir: r.data, Sealer: sealer})
	if err != nil {
		r.t.Fatal(err)
	}
	return store
}

// served asks the provider what it served, by our ids, once nothing is under way there.
func (r *rig) served() map[string][]simulator.Call {
	r.t.Helper()
	var stats simulator.Stats
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		r.ask("/sim/stats", func(d *json.Decoder) error { return d.Decode(&stats) })
		if stats.Active == 0 {
			break
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("the provider still has %d calls under way", stats.Active)
		}
	}
	if stats.Dropped > 0 {
		r.t.Fatalf("the provider forgot %d calls: fewer rounds, please", stats.Dropped)
	}
	served := map[string][]simulator.Call{}
	r.ask("/sim/calls", func(d *json.Decoder) error {
		for d.More() {
			var c simulator.Call
			if err := d.Decode(&c); err != nil {
				return err
			}
			served[c.CallID] = append(served[c.CallID], c)
		}
		return nil
	})
	return served
}

func (r *rig) ask(path string, read func(*json.Decoder) error) {
	r.t.Helper()
	resp, err := http.Get(r.sim.base + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := read(json.NewDecoder(resp.Body)); err != nil {
		r.t.Fatalf("%s: %v", path, err)
	}
}

// usageOf is the provider's usage in our words; both count disjoint buckets.
func usageOf(u simulator.Usage) canon.Usage {
	return canon.Usage{
		Input: u.Input, CacheRead: u.CacheRead, CacheWrite5m: u.CacheWrite5m, CacheWrite1h: u.CacheWrite1h,
		InputImage: u.InputImage, InputAudio: u.InputAudio, Output: u.Output, Reasoning: u.Reasoning, OutputAudio: u.OutputAudio,
	}
}
