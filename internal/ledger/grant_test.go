package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/journal"
	"tollgate/internal/ledger"
	"tollgate/internal/ledger/ledgertest"
)

func card(id, account string) ledger.Card {
	return ledger.Card{ID: id, AccountID: account, Amount: 100, GrantedAt: start, ExpiresAt: start.Add(time.Hour)}
}

func TestGrantChecksTheCard(t *testing.T) {
	d := newDesk(t)
	for name, change := range map[string]func(*ledger.Card){
		"no id":           func(c *ledger.Card) { c.ID = "" },
		"no account":      func(c *ledger.Card) { c.AccountID = "" },
		"nothing on it":   func(c *ledger.Card) { c.Amount = 0 },
		"below zero":      func(c *ledger.Card) { c.Amount = -1 },
		"more than money": func(c *ledger.Card) { c.Amount = 1 << 62 },
		"born expired":    func(c *ledger.Card) { c.ExpiresAt = c.GrantedAt.Add(time.Microsecond) },
	} {
		c := card("card", "a")
		change(&c)
		if _, err := d.Grant(t.Context(), c, ""); err == nil {
			t.Errorf("%s: granted", name)
		}
	}
	d.sameAsStore("a")
}

func TestGrantFailsWithoutATrace(t *testing.T) {
	store := &ledgertest.Store{Before: func(op string) error {
		if op == "Transfer" {
			return errors.New("disk I/O error")
		}
		return nil
	}}
	d := openDesk(t, store, t.TempDir(), journal.DefaultOptions())
	if _, err := d.Grant(t.Context(), card("card", "a"), ""); err == nil {
		t.Error("granted")
	}
	if f := d.Balance("a", start); f.Left != 0 {
		t.Errorf("%+v", f)
	}
	d.sameAsStore("a")
}

// TestGrantWhoseAnswerGotLost pins that a card which the store has is not denied to the account.
func TestGrantWhoseAnswerGotLost(t *testing.T) {
	store := &ledgertest.Store{After: func(op string) error {
		if op == "Transfer" {
			return errors.New("connection reset")
		}
		return nil
	}}
	d := openDesk(t, store, t.TempDir(), journal.DefaultOptions())
	if c, err := d.Grant(t.Context(), card("card", "a"), ""); err != nil || c.Balance != 100 {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := d.Grant(t.Context(), card("card", "a"), ""); err != nil || c.Balance != 100 {
		t.Errorf("the same again: %+v, %v", c, err)
	}
	if f := d.Balance("a", start); f.Left != 100 {
		t.Errorf("the same card was granted twice: %+v", f)
	}
	d.sameAsStore("a")
}

// TestGrantInDoubtIsCleared loses the answer of a grant and the connection with it. Until the store
// answers again the account has what it had, and no second grant; then it has the card.
func TestGrantInDoubtIsCleared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		store := &ledgertest.Store{}
		store.Before = func(op string) error {
			if op == "Transferred" && down.Load() {
				return errors.New("no route to host")
			}
			return nil
		}
		store.After = func(op string) error {
			if op == "Transfer" && down.Load() {
				return errors.New("connection reset")
			}
			return nil
		}
		d := openDesk(t, store, t.TempDir(), journal.DefaultOptions())
		defer d.stop()
		down.Store(true)
		if _, err := d.Grant(t.Context(), card("1", "a"), ""); err == nil {
			t.Error("a grant in doubt was reported as granted")
		}
		if f := d.Balance("a", start); f.Left != 0 {
			t.Errorf("in doubt: %+v", f)
		}
		if _, err := d.Grant(t.Context(), card("2", "a"), ""); err == nil {
			t.Error("a second grant on top of one in doubt")
		}
		if _, err := d.Grant(t.Context(), card("3", "b"), ""); err == nil {
			t.Error("the store is down for everybody")
		}
		time.Sleep(time.Minute)
		down.Store(false)
		time.Sleep(10 * time.Second) // longer than the longest pause
		if f := d.Balance("a", start); f.Left != 100 {
			t.Errorf("afterwards: %+v", f)
		}
		d.grant("4", "a", 5, start, start.Add(time.Hour))
		d.sameAsStore("a", "b")
	})
}

// TestGrantWaitsBoundedly grants while the store takes no calls: the grant gives up, and neither holds
// nor settlements of the account had to wait for it.
func TestGrantWaitsBoundedly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &ledgertest.Store{Before: func(op string) error {
			if op == "Apply" {
				return errors.New("the store is down")
			}
			return nil
		}}
		d := openDesk(t, store, t.TempDir(), journal.DefaultOptions())
		defer d.stop()
		if err := d.Settle(nil, call("1", "a", 1, start)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := d.Grant(t.Context(), card("card", "a"), ""); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Grant: %v", err)
			}
		})
		synctest.Wait() // the grant waits for the store
		if err := d.Settle(nil, call("2", "a", 1, start)); err != nil {
			t.Error(err)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("a settlement waited %v for a grant", waited)
		}
		wg.Wait()
		if waited := time.Since(began); waited > 15*time.Second {
			t.Errorf("the grant waited %v", waited)
		}
		if f := d.Balance("a", start); f.Left != -2 {
			t.Errorf("%+v", f)
		}
	})
}

// TestDrainDoesNotHammer counts how often a store that is down for an hour is asked.
func TestDrainDoesNotHammer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		var asked atomic.Int64
		store := &ledgertest.Store{Before: func(op string) error {
			if op == "Apply" && down.Load() {
				asked.Add(1)
				return errors.New("the store is down")
			}
			return nil
		}}
		d := openDesk(t, store, t.TempDir(), journal.DefaultOptions())
		defer d.stop()
		down.Store(true)
		for i := range 100 {
			if err := d.Settle(nil, call(fmt.Sprint(i), "a", 1, start)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		if n := asked.Load(); n < 700 || n > 800 {
			t.Errorf("asked %d times in an hour, want about every 5 seconds", n)
		}
		if l := d.Lag(start.Add(time.Hour)); l.Records != 100 || l.Age != time.Hour {
			t.Errorf("lag %+v", l)
		}
		down.Store(false)
		time.Sleep(6 * time.Second)
		if l := d.Lag(start); l != (ledger.Lag{}) {
			t.Errorf("lag %+v six seconds after the store came back", l)
		}
	})
}

// fullDisk is a disk that has room for room more bytes.
type fullDisk struct {
	mu   sync.Mutex
	room int
}

func (d *fullDisk) set(room int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = room
}

type diskFile struct {
	journal.File
	disk *fullDisk
}

func (f diskFile) Write(p []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	fits := min(len(p), f.disk.room)
	n, err := f.File.Write(p[:fits])
	f.disk.room -= n
	if err == nil && n < len(p) {
		err = syscall.ENOSPC
	}
	return n, err
}

func TestFullDiskRefusesCallsUntilThereIsRoom(t *testing.T) {
	disk := &fullDisk{room: 1 << 30}
	opts := journal.DefaultOptions()
	opts.ProbeEvery = time.Hour // the test probes
	opts.Create = func(path string) (journal.File, error) {
		f, err := journal.CreateFile(path)
		return diskFile{f, disk}, err
	}
	d := openDesk(t, &ledgertest.Store{}, t.TempDir(), opts)
	d.grant("card", "a", 100, start, start.Add(time.Hour))
	h, other := d.hold("a", 10, start), d.hold("a", 10, start)
	disk.set(100)
	if err := d.Settle(h, call("1", "a", 10, start)); err == nil {
		t.Error("settled on a full disk")
	}
	if f := d.Balance("a", start); f.Left != 90 || f.Held != 10 {
		t.Errorf("the failed call: %+v", f)
	}
	var refusal *canon.Error
	if _, err := d.Hold(ask("a", 1, start)); !errors.As(err, &refusal) || refusal.Kind != canon.KindOverloaded {
		t.Errorf("a hold that could not be settled: %v", err)
	}
	if d.Healthy() == nil {
		t.Error("healthy on a full disk")
	}
	if n := d.Recent(); n != 0 {
		t.Errorf("%d calls that the journal did not take are kept for the drain", n)
	}
	disk.set(1 << 30)
	if err := d.journal.Probe(); err != nil {
		t.Fatal(err)
	}
	if err := d.Settle(other, call("2", "a", 10, start)); err != nil {
		t.Error(err)
	}
	d.hold("a", 1, start)
	d.sameAsStore("a")
}

// onceFile fails one write of its disk.
type onceFile struct {
	journal.File
	fail *atomic.Bool
}

func (f onceFile) Write(p []byte) (int, error) {
	if f.fail.CompareAndSwap(true, false) {
		return 0, syscall.ENOSPC
	}
	return f.File.Write(p)
}

// TestCallsUnderWayLiveOnTheReserve pins that a disk that fills up costs no call that was admitted.
func TestCallsUnderWayLiveOnTheReserve(t *testing.T) {
	var fail atomic.Bool
	opts := journal.DefaultOptions()
	opts.ProbeEvery = time.Hour
	opts.Create = func(path string) (journal.File, error) {
		f, err := journal.CreateFile(path)
		return onceFile{f, &fail}, err
	}
	d := openDesk(t, &ledgertest.Store{}, t.TempDir(), opts)
	d.grant("card", "a", 100, start, start.Add(time.Hour))
	under := []*ledger.Hold{d.hold("a", 10, start), d.hold("a", 10, start)}
	fail.Store(true)
	for i, h := range under {
		if err := d.Settle(h, call(fmt.Sprint(i), "a", 10, start)); err != nil {
			t.Errorf("a call under way: %v", err)
		}
		var refusal *canon.Error
		if _, err := d.Hold(ask("a", 1, start)); !errors.As(err, &refusal) || refusal.Kind != canon.KindOverloaded {
			t.Errorf("a new call: %v", err)
		}
	}
	if err := d.journal.Probe(); err != nil {
		t.Fatal(err)
	}
	d.hold("a", 1, start)
	d.sameAsStore("a")
}
