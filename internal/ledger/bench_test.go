package ledger_test

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/journal"
	"tollgate/internal/ledger"
	"tollgate/internal/ledger/ledgertest"
)

// benchCall is a call as a relay settles it, with a receipt of three items.
func benchCall(id, account string) ledger.Call {
	return ledger.Call{
		ID: id, AtMillis: start.UnixMilli(), RequestID: id, AccountID: account,
		KeyID: "0198c1a2-7b1e-7c3d-9e4f-1a2b3c4d5e6f", ChannelID: "0198c1a2-7b1e-7c3d-9e4f-1a2b3c4d5e70", Provider: "openai",
		Dialect: canon.OpenAIChat, Op: canon.OpGenerate, Model: "gpt-5.2", Upstream: "gpt-5.2", Stream: true, Status: 200, Stop: canon.StopEnd,
		Attempts: []ledger.Attempt{{ChannelID: "0198c1a2-7b1e-7c3d-9e4f-1a2b3c4d5e70", Status: 200, Ms: 812}},
		FirstMs:  312, TotalMs: 1812, ClientIP: "203.0.113.7",
		Usage: canon.Usage{Input: 1200, CacheRead: 8000, Output: 431}, Source: "measured",
		Receipt: &catalog.Receipt{Model: "gpt-5.2", Version: "2026-08-20", Total: 100, Items: []catalog.Item{
			{What: "input", Quantity: 1200, Rate: 1250000000, Amount: 1500000},
			{What: "cache_read", Quantity: 8000, Rate: 125000000, Amount: 1000000},
			{What: "output", Quantity: 431, Rate: 10000000000, Amount: 4310000},
		}},
		Cost: 100,
	}
}

// BenchmarkHoldSettle is what money costs a call, with 100,000 accounts and the drain running.
func BenchmarkHoldSettle(b *testing.B) {
	const accounts = 100_000
	store := &ledgertest.Store{}
	ids := make([]string, accounts)
	for i := range ids {
		ids[i] = fmt.Sprintf("0198c1a2-7b1e-7c3d-9e4f-%012d", i)
		store.Give(ledger.Card{ID: ids[i], AccountID: ids[i], Amount: 1e15, Balance: 1e15, GrantedAt: start, ExpiresAt: start.Add(time.Hour)})
	}
	for _, drains := range []bool{false, true} {
		if !drains { // the store refuses, so that only the path of a call is measured
			store.Before = func(op string) error {
				if op == "Apply" {
					return errDown
				}
				return nil
			}
		} else {
			store.Before = nil
		}
		d := openDesk(b, store, b.TempDir(), journal.DefaultOptions())
		var n atomic.Int64
		like := benchCall("", "")
		one := func(b *testing.B) {
			i := n.Add(1)
			id := ids[int(i*7919)%accounts]
			h, err := d.Hold(ask(id, 1000, start))
			if err == nil {
				c := like
				c.ID, c.AccountID = strconv.FormatInt(i, 10), id
				err = d.Settle(h, c)
			}
			if err != nil {
				b.Error(err)
			}
		}
		name := map[bool]string{false: "path", true: "drained"}[drains]
		b.Run(name+"/alone", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				one(b)
			}
		})
		b.Run(name+"/from32", func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					one(b)
				}
			})
		})
		d.stop()
	}
}

// BenchmarkHoldBudgets is what admission costs with 100,000 accounts on three levels, a hold of each on
// three budgets; and what it costs to settle. The store is asked nothing.
func BenchmarkHoldBudgets(b *testing.B) {
	const accounts = 100_000
	store := &ledgertest.Store{}
	zone, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		b.Fatal(err)
	}
	requests := make([]request, accounts)
	payers := make([]*ledger.Payer, accounts)
	var all []ledger.Budget
	for i := range requests {
		id := func(level, n int) string { return fmt.Sprintf("0198c1a2-7b1e-7c3d-%04d-%012d", level, n) }
		leaf, team, dealer := id(3, i), id(2, i/10), id(1, i/1000)
		store.Give(ledger.Card{ID: leaf, AccountID: leaf, Amount: 1e15, Balance: 1e15, GrantedAt: start, ExpiresAt: start.Add(time.Hour)})
		requests[i] = request{
			Account: leaf, Above: []string{team, dealer}, Amount: 1000, At: start, Charge: true,
			Budgets: []ledger.Budget{
				{Subject: id(4, i), Period: ledger.PeriodTotal, Limit: 1e15},
				{Subject: team, Period: ledger.PeriodMonth, Zone: zone, Limit: 1e15},
				{Subject: dealer, Period: ledger.PeriodMonth, Zone: zone, Limit: 1e15},
			},
		}
		all = append(all, requests[i].Budgets...)
	}
	for _, x := range all {
		c := ledger.Counter{Subject: x.Subject, Period: x.Period, Zone: "UTC"}
		if x.Zone != nil {
			c.Zone = x.Zone.String()
		}
		c.Start, c.End = x.Period.Bounds(start, x.Zone)
		store.Begin(c)
	}
	d := openDesk(b, store, b.TempDir(), journal.DefaultOptions())
	store.Before = func(op string) error {
		switch op {
		case "Apply", "Moved", "Expired", "Closings": // by the drain and others who come round
		default:
			b.Errorf("the store is asked: %s", op)
		}
		return errDown
	}
	for i := range requests {
		payers[i] = requests[i].payer(d.Book)
		if h, err := payers[i].Hold(0, start); err != nil || h.Release() != nil {
			b.Fatal(err)
		}
	}
	var n atomic.Int64
	like := benchCall("", "")
	b.Run("hold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h, err := payers[int(n.Add(1)*7919)%accounts].Hold(1000, start)
			if err == nil {
				err = h.Release()
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("settle", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			i := n.Add(1)
			r := &requests[int(i*7919)%accounts]
			h, err := payers[int(i*7919)%accounts].Hold(1000, start)
			if err == nil {
				c := like
				c.ID, c.AccountID, c.KeyID = strconv.FormatInt(i, 10), r.Account, r.Budgets[0].Subject
				err = d.Settle(h, c)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

var errDown = fmt.Errorf("the store is down")
