package ledger_test

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/internal/journal"
	"tollgate/internal/ledger"
	"tollgate/internal/ledger/ledgertest"
)

// A debt as large as a number can be leaves nothing, also while calls are under way: it must not wrap
// around to credit.
func TestGreatestDebtLeavesNothing(t *testing.T) {
	d := newDesk(t)
	d.grant("card", "a", 100, start, start.Add(time.Hour))
	running := d.hold("a", 10, start)
	for i := range 2 {
		if err := d.Settle(nil, call(fmt.Sprint(i), "a", math.MaxInt64, start)); err != nil {
			t.Fatal(err)
		}
	}
	var short *ledger.ShortError
	if _, err := d.Hold(ask("a", 1, start)); !errors.As(err, &short) || short.Left >= 0 {
		t.Errorf("%v", err)
	}
	if err := running.Release(); err != nil {
		t.Fatal(err)
	}
}

// What is kept of a call for the drain goes with the drain, whichever of the two is faster.
func TestNothingIsKeptOfCarriedCalls(t *testing.T) {
	d := newDesk(t)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 2000 {
				if err := d.Settle(nil, call(fmt.Sprintf("%d-%d", i, j), fmt.Sprint("a", i), 1, start)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		wg.Wait()
	}()
	for settling := true; settling; {
		select {
		case <-done:
			settling = false
		default:
		}
		d.flush()
	}
	if n := d.Recent(); n != 0 {
		t.Errorf("%d calls are kept for a drain that is done with them", n)
	}
}

// Calls that come while a batch is on its way wait for others too, unless somebody waits for them.
func TestBatchesAreNotFollowedByTheirRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		goOn := make(chan struct{})
		d := openDesk(t, &ledgertest.Store{Before: func(op string) error {
			if op == "Apply" {
				asked.Add(1)
				<-goOn
			}
			return nil
		}}, t.TempDir(), journal.DefaultOptions())
		defer d.stop()
		settled := 0
		settle := func(n int) {
			for range n {
				if err := d.Settle(nil, call(fmt.Sprint(settled), "a", 1, start)); err != nil {
					t.Fatal(err)
				}
				settled++
			}
		}
		check := func(wantAsked, wantWaiting int64) {
			t.Helper()
			synctest.Wait()
			if n, l := asked.Load(), d.Lag(start); n != wantAsked || l.Records != wantWaiting {
				t.Fatalf("asked %d times, want %d; %d calls wait, want %d", n, wantAsked, l.Records, wantWaiting)
			}
		}
		goOn <- struct{}{} // the start of the journal is a batch, too
		check(1, 0)
		settle(ledger.BatchRecords)
		check(2, ledger.BatchRecords)
		settle(10) // behind a full batch, each asks for haste
		goOn <- struct{}{}
		check(2, 10)
		time.Sleep(time.Second)
		check(3, 10)
		settle(ledger.BatchRecords + 90) // more than a batch, so it goes at once, and once more the rest waits
		goOn <- struct{}{}
		check(4, ledger.BatchRecords+90)
		flushed := make(chan error)
		go func() { flushed <- d.Flush(t.Context()) }()
		synctest.Wait()
		close(goOn) // a rest that somebody waits for goes at once
		began := time.Now()
		if err := <-flushed; err != nil || !time.Now().Equal(began) {
			t.Fatalf("%v after %v", err, time.Since(began))
		}
		check(5, 0)
	})
}
