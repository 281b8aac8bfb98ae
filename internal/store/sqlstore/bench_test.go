package sqlstore

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"tollgate/internal/canon"
	"tollgate/internal/catalog"
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
