package ledger_test

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"tollgate/internal/ledger"
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
