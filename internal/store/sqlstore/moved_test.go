package sqlstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/journal"
	"tollgate/internal/ledger"
)

// TestOwnAndOthers compares with a set of numbers.
func TestOwnAndOthers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var o own
		mine := map[int64]bool{}
		for n := int64(1); n < 60; {
			last := n + r.Int64N(4)
			if r.IntN(2) == 0 {
				o.add(n, last)
				for i := n; i <= last; i++ {
					mine[i] = true
				}
			}
			n = last + 1
		}
		first, last := 1+r.Int64N(30), 20+r.Int64N(50)
		var want, got []int64
		for i := first; i <= last; i++ {
			if !mine[i] {
				want = append(want, i)
			}
		}
		for _, g := range o.others(first, last) {
			for i := g[0]; i <= g[1]; i++ {
				got = append(got, i)
			}
		}
		if !slices.Equal(want, got) {
			t.Fatalf("%v, from %d to %d: %v, want %v", o.ranges, first, last, got, want)
		}
	}
}

// TestProcessesFollowEachOther runs two books over one database. What one grants and spends, the other
// knows soon, while both go on.
func TestProcessesFollowEachOther(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			dsn, sealer := e.dsn(t), testSealer(t)
			now := time.Now().UTC().Truncate(time.Millisecond)
			month := ledger.Budget{Subject: "a", Period: ledger.PeriodMonth, Limit: ledger.NoLimit}
			var books [2]*ledger.Book
			for i := range books {
				s := openTest(t, dsn, sealer)
				j, err := journal.Open(t.TempDir(), journal.DefaultOptions())
				if err != nil {
					t.Fatal(err)
				}
				b, err := ledger.OpenBook(t.Context(), ledger.Options{Store: s, Journal: j, Node: fmt.Sprint("node", i)})
				if err == nil {
					err = b.Watch(t.Context(), now, month)
				}
				if err != nil {
					t.Fatal(errors.Join(err, j.Close()))
				}
				books[i] = b
				defer func() {
					if err := errors.Join(b.Close(t.Context()), j.Close()); err != nil {
						t.Error(err)
					}
				}()
			}
			grant := func(b *ledger.Book, id string, amount catalog.Nanos) {
				t.Helper()
				_, err := b.Transfer(t.Context(), ledger.Transfer{ID: id, Kind: ledger.EntryGrant, From: account.RootID, To: "a", Amount: amount, At: now})
				if err != nil {
					t.Fatal(err)
				}
			}
			grant(books[0], "first", 10_000)
			grant(books[1], "second", 5_000)
			var wg sync.WaitGroup
			for i, b := range books {
				wg.Go(func() {
					for n := range 60 {
						c := ledger.Call{ID: fmt.Sprint(i, "-", n), AtMillis: now.UnixMilli(), AccountID: "a", Dialect: canon.Gemini, Op: canon.OpGenerate, Status: 200, Cost: 7}
						if err := b.Settle(nil, c); err != nil {
							t.Error(err)
						}
						time.Sleep(20 * time.Millisecond)
					}
				})
			}
			wg.Wait()
			want := catalog.Nanos(15_000 - 2*60*7)
			for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
				zero, one := books[0].Balance("a", now), books[1].Balance("a", now)
				u, _ := books[0].Used(month, now)
				v, _ := books[1].Used(month, now)
				if zero.Left == want && one.Left == want && u.Spent == 840 && v.Spent == 840 {
					if diff := cmp.Diff(zero, one); diff != "" {
						t.Error(diff)
					}
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("want %d left and 840 spent; there are %+v, %+v, %+v, %+v", want, zero, u, one, v)
				}
			}
		})
	}
}
