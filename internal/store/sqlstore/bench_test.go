package sqlstore

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/journal"
	"tollgate/internal/ledger"
)

// BenchmarkApply measures the drain's way into the store: batches of 500 calls of 20 accounts.
func BenchmarkApply(b *testing.B) {
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			s := openTest(b, e.dsn(b), testSealer(b))
			now := time.Now()
			node := uuid.NewString()
			for i := range 20 {
				granted := now.Add(-time.Hour).Truncate(time.Millisecond)
				give(b, s, fmt.Sprint("account-", i), 1e15, granted, granted.Add(24*time.Hour))
			}
			var offset int64
			b.ReportAllocs()
			for b.Loop() {
				calls := make([]ledger.Call, 500)
				b.StopTimer()
				for i := range calls {
					calls[i] = benchCall(b, now, i)
					doc, err := json.Marshal(calls[i])
					if err != nil {
						b.Fatal(err)
					}
					calls[i].Document = doc
				}
				b.StartTimer()
				offset++
				if err := s.Apply(b.Context(), node, calls, ledger.Position{Segment: 1, Offset: offset}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(500*float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}

// BenchmarkDrain measures what a call costs behind its answer: settling it, and the way from the journal into
// SQLite in batches as a busy gateway has them. Time is the processor's, of all threads.
func BenchmarkDrain(b *testing.B) {
	const batch, batches = 1024, 20
	for _, accounts := range []int{1, 50} {
		b.Run(fmt.Sprint("accounts=", accounts), func(b *testing.B) {
			s := openTest(b, "sqlite:"+filepath.Join(b.TempDir(), "x.db"), testSealer(b))
			granted := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
			for i := range accounts {
				give(b, s, accountName(i), 1e15, granted, granted.Add(24*time.Hour))
			}
			j, err := journal.Open(b.TempDir(), journal.DefaultOptions())
			if err != nil {
				b.Fatal(err)
			}
			book, err := ledger.OpenBook(b.Context(), ledger.Options{Store: s, Journal: j, Node: uuid.NewString()})
			if err != nil {
				b.Fatal(err)
			}
			var settling, draining time.Duration
			for b.Loop() {
				for range batches {
					calls := make([]ledger.Call, batch)
					for i := range calls {
						calls[i] = plainCall(b, i%accounts)
					}
					began := processorTime(b)
					for i := range calls {
						if err := book.Settle(nil, calls[i]); err != nil {
							b.Fatal(err)
						}
					}
					settled := processorTime(b)
					if err := book.Flush(b.Context()); err != nil {
						b.Fatal(err)
					}
					settling += settled - began
					draining += processorTime(b) - settled
				}
			}
			n := float64(b.N * batch * batches)
			b.ReportMetric(float64(settling.Microseconds())/n, "settle-us/call")
			b.ReportMetric(float64(draining.Microseconds())/n, "drain-us/call")
			if err := book.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
			if err := j.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func accountName(i int) string { return fmt.Sprintf("0199b6f0-bbbb-7000-8000-%012d", i) }

// plainCall is a call as the gateway records most of them.
func plainCall(b *testing.B, account int) ledger.Call {
	id, err := uuid.NewV7()
	if err != nil {
		b.Fatal(err)
	}
	const channel = "0199b6f0-aaaa-7000-8000-000000000000"
	return ledger.Call{
		ID: id.String(), AtMillis: time.Now().UnixMilli(), RequestID: "req_" + id.String(), AccountID: accountName(account), KeyID: fmt.Sprintf("0199b6f0-cccc-7000-8000-%012d", account),
		ChannelID: channel, Provider: "simulator", Dialect: canon.OpenAIChat, Op: canon.OpGenerate, Model: "sim-plain", Upstream: "sim-plain",
		Status: 200, Stop: canon.StopEnd, Attempts: []ledger.Attempt{{ChannelID: channel, Status: 200, Ms: 3}}, TotalMs: 4,
		ClientIP: "127.0.0.1", Usage: canon.Usage{Input: 1200, Output: 300}, Source: canon.Measured, Cost: 900_000,
		Receipt: &catalog.Receipt{Model: "sim-plain", Version: "2026-11-01", Total: 900_000, Items: []catalog.Item{
			{What: "input", Quantity: 1200, Rate: 250_000_000, Amount: 300_000}, {What: "output", Quantity: 300, Rate: 2_000_000_000, Amount: 600_000},
		}},
	}
}

func benchCall(b *testing.B, now time.Time, i int) ledger.Call {
	id, err := uuid.NewV7()
	if err != nil {
		b.Fatal(err)
	}
	channel := fmt.Sprint("0199b6f0-aaaa-7000-8000-00000000000", i%5)
	return ledger.Call{
		ID: id.String(), AtMillis: now.UnixMilli(), RequestID: id.String(), AccountID: fmt.Sprint("account-", i%20), KeyID: fmt.Sprint("key-", i%40),
		ChannelID: channel, Provider: "openai", Dialect: canon.OpenAIChat, Op: canon.OpGenerate, Model: fmt.Sprint("gpt-5-mini-", i%3), Upstream: "gpt-5-mini",
		Stream: true, Status: 200, Stop: canon.StopEnd, Attempts: []ledger.Attempt{{ChannelID: channel, Status: 200, Ms: 812}}, FirstMs: 301, TotalMs: 812,
		ClientIP: "192.0.2.7", Usage: canon.Usage{Input: 1200, CacheRead: 4000, Output: 300}, Source: canon.Measured, Cost: 1_234_567,
		Receipt: &catalog.Receipt{Model: "gpt-5-mini", Version: "2026-11-01", Total: 1_234_567, Items: []catalog.Item{
			{What: "input", Quantity: 1200, Rate: 250_000_000, Amount: 300_000}, {What: "cache_read", Quantity: 4000, Rate: 25_000_000, Amount: 100_000}, {What: "output", Quantity: 300, Rate: 2_000_000_000, Amount: 600_000},
		}},
	}
}
