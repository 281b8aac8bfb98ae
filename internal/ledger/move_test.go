package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/journal"
	"tollgate/internal/ledger"
	"tollgate/internal/ledger/ledgertest"
)

// transfer is one between accounts at start.
func transfer(kind ledger.EntryKind, id, from, to string, amount catalog.Nanos) ledger.Transfer {
	return ledger.Transfer{ID: id, Kind: kind, From: from, To: to, Amount: amount, At: start, ExpiresAt: start.Add(time.Hour)}
}

// closing is one of all that an account has.
func closing(id, from, to string, at time.Time) ledger.Transfer {
	return ledger.Transfer{ID: id, Kind: ledger.EntryClose, From: from, To: to, Amount: 1e16, UpTo: true, At: at}
}

func (d *desk) move(t ledger.Transfer) ledger.Transferred {
	d.t.Helper()
	out, err := d.Transfer(context.Background(), t)
	if err != nil {
		d.t.Fatal(err)
	}
	return out
}

// left is what accounts have left, without zeros.
func (d *desk) left(at time.Time, ids ...string) map[string]catalog.Nanos {
	m := map[string]catalog.Nanos{}
	for _, id := range ids {
		if f := d.Balance(id, at); f.Left != 0 {
			m[id] = f.Left
		}
	}
	return m
}

func (d *desk) audit() {
	d.t.Helper()
	d.flush()
	if err := d.store.Audit(&ledger.Audit{}); err != nil {
		d.t.Error(err)
	}
}

func TestTransferMovesMoney(t *testing.T) {
	d := newDesk(t)
	d.grant("late", "a", 100, start, start.Add(3*time.Hour))
	d.grant("soon", "a", 40, start, start.Add(time.Minute))
	out := d.move(transfer(ledger.EntryGrant, "t", "a", "b", 60))
	want := ledger.Card{ID: "t", AccountID: "b", Amount: 60, Balance: 60, GrantedAt: start, ExpiresAt: start.Add(time.Hour)}
	if diff := cmp.Diff(want, out.Card); diff != "" || out.Amount != 60 || out.Repeated {
		t.Errorf("%+v\n%s", out, diff)
	}
	if cards := d.CardsOf("a"); len(cards) != 1 || cards[0].ID != "late" || cards[0].Balance != 80 {
		t.Errorf("not the card that expires first: %+v", cards)
	}
	var short *ledger.ShortError
	if _, err := d.Transfer(t.Context(), transfer(ledger.EntryGrant, "t2", "a", "b", 81)); !errors.As(err, &short) || short.AccountID != "a" || short.Left != 80 {
		t.Errorf("more than there is: %v", err)
	}
	h := d.hold("a", 70, start)
	if _, err := d.Transfer(t.Context(), transfer(ledger.EntryGrant, "t3", "a", "b", 11)); !errors.As(err, &short) || short.Left != 10 {
		t.Errorf("what is held: %v", err)
	}
	d.move(transfer(ledger.EntryGrant, "t4", "a", "b", 10))
	if err := h.Release(); err != nil {
		t.Fatal(err)
	}
	d.move(transfer(ledger.EntryTake, "t5", "b", "a", 65))
	if got := d.left(start, "a", "b"); got["a"] != 135 || got["b"] != 5 {
		t.Errorf("%v", got)
	}
	d.move(transfer(ledger.EntryTake, "t6", "b", account.RootID, 5))
	if got := d.left(start, "a", "b"); len(got) != 1 {
		t.Errorf("%v", got)
	}
	if d.Held() != 0 {
		t.Errorf("%d held", d.Held())
	}
	d.sameAsStore("a", "b")
	d.audit()
}

func TestTransferPaysADebtFirst(t *testing.T) {
	d := newDesk(t)
	d.grant("1", "a", 100, start, start.Add(time.Hour))
	if err := d.Settle(nil, call("c", "b", 30, start)); err != nil {
		t.Fatal(err)
	}
	if out := d.move(transfer(ledger.EntryGrant, "t", "a", "b", 50)); out.Card.Balance != 20 {
		t.Errorf("%+v", out)
	}
	var short *ledger.ShortError
	if _, err := d.Transfer(t.Context(), transfer(ledger.EntryTake, "t2", "b", "a", 21)); !errors.As(err, &short) {
		t.Errorf("what was owed came back: %v", err)
	}
	d.sameAsStore("a", "b")
	d.audit()
}

func TestFeesAndCommission(t *testing.T) {
	fee := func(s string) ledger.Fee {
		f, err := ledger.ParseFee(s)
		if err != nil {
			t.Fatal(err)
		}
		if f.String() != s {
			t.Errorf("%s reads back as %s", s, f)
		}
		return f
	}
	for _, s := range []string{"", "%", "-1", "101%", "1.00000001%", "x"} {
		if f, err := ledger.ParseFee(s); err == nil {
			t.Errorf("%q was read as %v", s, f)
		}
	}
	d := openDeskWith(t, &ledgertest.Store{}, t.TempDir(), journal.DefaultOptions(), ledger.Fees{Take: fee("0.2"), Close: fee("10%"), Commission: fee("5%")})
	d.grant("1", "a", 100*dollar, start, start.Add(time.Hour))
	down := transfer(ledger.EntryGrant, "down", "a", "c", 40*dollar)
	down.Parent = "b"
	if out := d.move(down); out.Commission != 2*dollar || out.Received() != 38*dollar || out.Card.Amount != 38*dollar {
		t.Errorf("%+v", out)
	}
	direct := transfer(ledger.EntryGrant, "direct", "a", "b", 10*dollar)
	direct.Parent = "a"
	if out := d.move(direct); out.Commission != 0 {
		t.Errorf("%+v", out)
	}
	if out := d.move(transfer(ledger.EntryTake, "take", "c", "a", 8*dollar)); out.Fee != dollar/5 || out.Received() != 8*dollar-dollar/5 {
		t.Errorf("%+v", out)
	}
	if _, err := d.Transfer(t.Context(), transfer(ledger.EntryTake, "little", "c", "a", dollar/5)); err == nil {
		t.Error("the fee took all")
	}
	out, err := d.Transfer(t.Context(), closing("close", "c", "b", start))
	if err != nil || out.Fee != 3*dollar || out.Card.Amount != 27*dollar || out.Card.ExpiresAt != start.Add(180*24*time.Hour) {
		t.Errorf("%+v, %v", out, err)
	}
	if got := d.left(start, "a", "b", "c"); got["a"] != 57*dollar+800e6 || got["b"] != 39*dollar || got["c"] != 0 {
		t.Errorf("%v", got)
	}
	if again, err := d.Transfer(t.Context(), closing("close", "c", "b", start)); err != nil || !again.Repeated || again.Fee != 3*dollar {
		t.Errorf("%+v, %v", again, err)
	}
	d.sameAsStore("a", "b", "c")
	d.audit()
}

func TestTransferOnce(t *testing.T) {
	d := newDesk(t)
	d.grant("1", "a", 100, start, start.Add(time.Hour))
	tr := transfer(ledger.EntryGrant, "t", "a", "b", 80)
	var first atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			out, err := d.Transfer(t.Context(), tr)
			if err != nil || out.Amount != 80 || out.Card.ID != "t" {
				t.Errorf("%+v, %v", out, err)
			}
			if !out.Repeated {
				first.Add(1)
			}
		})
	}
	wg.Wait()
	if got := d.left(start, "a", "b"); first.Load() != 1 || got["a"] != 20 || got["b"] != 80 {
		t.Errorf("%d times: %v", first.Load(), got)
	}
	other := tr
	other.Amount = 10
	if _, err := d.Transfer(t.Context(), other); !errors.Is(err, ledger.ErrReused) {
		t.Errorf("another one under the same id: %v", err)
	}
	if err := d.Settle(nil, call("c", "b", 80, start)); err != nil {
		t.Fatal(err)
	}
	if out, err := d.Transfer(t.Context(), tr); err != nil || !out.Repeated || out.Card.Balance != 0 {
		t.Errorf("when all is spent: %+v, %v", out, err)
	}
	if f := d.Balance("a", start); f.Held != 0 {
		t.Errorf("%+v", f)
	}
	d.sameAsStore("a", "b")
	d.audit()
}

func TestTransfersThatCannotBe(t *testing.T) {
	d := newDesk(t)
	d.grant("1", "a", 100, start, start.Add(time.Hour))
	for what, change := range map[string]func(*ledger.Transfer){
		"no id":          func(t *ledger.Transfer) { t.ID = "" },
		"another kind":   func(t *ledger.Transfer) { t.Kind = ledger.EntrySpend },
		"nobody":         func(t *ledger.Transfer) { t.To = "" },
		"to itself":      func(t *ledger.Transfer) { t.To = "a" },
		"a side":         func(t *ledger.Transfer) { t.To = ledger.SideRevenue },
		"nothing":        func(t *ledger.Transfer) { t.Amount = 0 },
		"below zero":     func(t *ledger.Transfer) { t.Amount = -1 },
		"all money":      func(t *ledger.Transfer) { t.Amount = 1 << 62 },
		"expired":        func(t *ledger.Transfer) { t.ExpiresAt = t.At },
		"taken id":       func(t *ledger.Transfer) { t.ID = "commission:1" },
		"its own parent": func(t *ledger.Transfer) { t.Parent = "b" },
	} {
		tr := transfer(ledger.EntryGrant, "t", "a", "b", 5)
		change(&tr)
		if out, err := d.Transfer(t.Context(), tr); err == nil {
			t.Errorf("%s: %+v", what, out)
		}
	}
	if got := d.left(start, "a", "b"); got["a"] != 100 || d.Balance("a", start).Held != 0 {
		t.Errorf("%v", got)
	}
}

// TestTransferInDoubt loses the answer of a transfer and the connection with it. Until the store answers,
// what may have moved is nobody's to spend; then it is in one place.
func TestTransferInDoubt(t *testing.T) {
	for _, happened := range []bool{true, false} {
		t.Run(fmt.Sprint("happened ", happened), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var down atomic.Bool
				fail := func(when bool, ops ...string) func(string) error {
					return func(op string) error {
						for _, o := range ops {
							if when && down.Load() && op == o {
								return errors.New("no route to host")
							}
						}
						return nil
					}
				}
				store := &ledgertest.Store{}
				store.Before = fail(true, "Transferred")
				if happened {
					store.After = fail(true, "Transfer")
				} else {
					store.Before = fail(true, "Transferred", "Transfer")
				}
				d := openDesk(t, store, t.TempDir(), journal.DefaultOptions())
				defer d.stop()
				d.grant("1", "a", 100, start, start.Add(10000*time.Hour))
				down.Store(true)
				tr := transfer(ledger.EntryGrant, "t", "a", "b", 60)
				if _, err := d.Transfer(t.Context(), tr); err == nil {
					t.Error("a transfer in doubt was reported as done")
				}
				if got := d.left(start, "a", "b"); got["a"] != 40 || got["b"] != 0 {
					t.Errorf("in doubt: %v", got)
				}
				if _, err := d.Hold(ask("a", 41, start)); err == nil {
					t.Error("what may have moved was held")
				}
				if err := d.Settle(nil, call("c", "a", 5, start)); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Minute)
				if _, err := d.Transfer(t.Context(), transfer(ledger.EntryGrant, "t2", "a", "b", 1)); err == nil {
					t.Error("a transfer on top of one in doubt")
				}
				down.Store(false)
				time.Sleep(10 * time.Second)
				moved := map[bool]catalog.Nanos{true: 60}[happened]
				if got := d.left(start, "a", "b"); got["a"] != 95-moved || got["b"] != moved {
					t.Errorf("afterwards: %v", got)
				}
				if out, err := d.Transfer(t.Context(), tr); err != nil || out.Repeated != happened {
					t.Errorf("asked for again: %+v, %v", out, err)
				}
				if got := d.left(start, "a", "b"); got["a"] != 35 || got["b"] != 60 || d.Balance("a", start).Held != 0 {
					t.Errorf("at last: %v", got)
				}
				d.sameAsStore("a", "b")
				d.audit()
			})
		})
	}
}

// TestMoreThanTenCardsAreMerged grants many small cards. The total stays, the later life is kept.
func TestMoreThanTenCardsAreMerged(t *testing.T) {
	d := newDesk(t)
	var sum catalog.Nanos
	for i := range 30 {
		amount := catalog.Nanos(1 + (i*7)%30)
		sum += amount
		d.grant(fmt.Sprint(i), "a", amount, start, start.Add(time.Duration(60+(i*11)%30)*time.Minute))
		if cards := d.CardsOf("a"); len(cards) > 10 {
			t.Fatalf("%d cards", len(cards))
		}
	}
	if f := d.Balance("a", start); f.Left != sum || len(f.Cards) != 10 {
		t.Errorf("%d of %d are left", f.Left, sum)
	}
	d.sameAsStore("a")
	d.audit()

	// Two small ones and nine large ones: the small ones become one, with the life of the later.
	d = newDesk(t)
	for i := range 9 {
		d.grant(fmt.Sprint(i), "a", 100, start, start.Add(time.Hour))
	}
	d.grant("early", "a", 3, start, start.Add(time.Minute))
	d.grant("late", "a", 2, start, start.Add(5*time.Hour))
	cards := d.CardsOf("a")
	if len(cards) != 10 || cards[9].ID != "late" || cards[9].Balance != 5 || !cards[9].ExpiresAt.Equal(start.Add(5*time.Hour)) {
		t.Errorf("%+v", cards)
	}
}

// TestExpiry lets cards expire, and takes some of them back before.
func TestExpiry(t *testing.T) {
	d := newDesk(t)
	d.grant("1", "a", 100, start, start.Add(time.Minute))
	d.grant("2", "b", 50, start, start.Add(time.Hour))
	d.move(transfer(ledger.EntryTake, "rescue", "a", "b", 60))
	h := d.hold("a", 10, start)
	later := start.Add(2 * time.Minute)
	if f := d.Balance("a", later); f.Left != -10 {
		t.Errorf("expired: %+v", f)
	}
	sweep := func(at time.Time, cards, expired int) {
		t.Helper()
		var wg sync.WaitGroup
		for range 3 { // as other processes would
			wg.Go(func() {
				if err := d.Sweep(t.Context(), at); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		rows, err := d.store.Entries(t.Context(), ledger.SideExpired, ledger.Page{Limit: 100})
		if err != nil || len(rows) != expired || len(d.CardsOf("a")) != cards {
			t.Errorf("%+v, %v, %+v", rows, err, d.CardsOf("a"))
		}
	}
	sweep(later, 1, 0) // within the grace for calls that come late
	if err := d.Settle(h, call("c", "a", 15, start)); err != nil {
		t.Fatal(err)
	}
	sweep(later.Add(10*time.Minute), 0, 1)
	rows, err := d.store.Entries(t.Context(), "a", ledger.Page{Limit: 1})
	if err != nil || rows[0].Kind != ledger.EntryExpire || rows[0].Amount != -25 || rows[0].CardID != "1" || !rows[0].At.Equal(start.Add(time.Minute)) {
		t.Errorf("%+v, %v", rows, err)
	}
	if got := d.left(later, "a", "b"); got["a"] != 0 || got["b"] != 110 {
		t.Errorf("%v", got)
	}
	d.sameAsStore("a", "b")
	d.audit()
}

// TestExpiryIsSweptByItself waits a minute.
func TestExpiryIsSweptByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failures atomic.Int64
		failures.Store(2)
		store := &ledgertest.Store{After: func(op string) error {
			if op == "Expire" && failures.Add(-1) >= 0 {
				return errDown
			}
			return nil
		}}
		d := openDesk(t, store, t.TempDir(), journal.DefaultOptions())
		defer d.stop()
		now := time.Now()
		d.grant("1", "a", 10, now, now.Add(time.Minute))
		d.grant("2", "b", 10, now, now.Add(time.Minute))
		d.grant("3", "b", 10, now, now.Add(time.Hour))
		time.Sleep(10 * time.Minute)
		if a, b := d.CardsOf("a"), d.CardsOf("b"); len(a) != 0 || len(b) != 1 {
			t.Errorf("%+v, %+v", a, b)
		}
		d.sameAsStore("a", "b")
		d.audit()
	})
}

// TestCloseAccount closes one while a call is under way: what is held for it follows, over a restart.
func TestCloseAccount(t *testing.T) {
	for _, restart := range []bool{false, true} {
		store, dir := &ledgertest.Store{}, t.TempDir()
		d := openDesk(t, store, dir, journal.DefaultOptions())
		d.grant("1", "b", 100, start, start.Add(240*time.Hour))
		h := d.hold("b", 30, start)
		out, err := d.Transfer(t.Context(), closing("close", "b", "a", start))
		if err != nil || out.Amount != 70 {
			t.Errorf("%+v, %v", out, err)
		}
		if got := d.left(start, "a", "b"); got["a"] != 70 || got["b"] != 0 {
			t.Errorf("%v", got)
		}
		if err := d.Sweep(t.Context(), start.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if err := d.Settle(h, call("c", "b", 12, start)); err != nil {
			t.Fatal(err)
		}
		if restart {
			d.stop()
			d = openDesk(t, store, dir, journal.DefaultOptions())
		}
		for i := range 3 {
			if err := d.Sweep(t.Context(), start.Add(time.Duration(2+i)*time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		if got := d.left(start.Add(time.Hour), "a", "b"); got["a"] != 88 || got["b"] != 0 {
			t.Errorf("%v", got)
		}
		if err := d.Sweep(t.Context(), start.Add(25*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if left, err := store.Closings(t.Context()); err != nil || len(left) != 0 {
			t.Errorf("%+v, %v", left, err)
		}
		d.sameAsStore("a", "b")
		d.audit()
	}
}

// TestTransfersBothWays moves money in circles while accounts hold, spend and are refused, with a store
// that fails now and then. It would hang if transfers locked accounts in the order given.
func TestTransfersBothWays(t *testing.T) {
	var flaky atomic.Int64
	var failing atomic.Bool
	fail := func(string) error {
		if failing.Load() && flaky.Add(1)%7 == 0 {
			return errors.New("flaky")
		}
		return nil
	}
	accounts := []string{"a", "b", "c"}
	store := &ledgertest.Store{Before: fail, After: fail}
	d := openDesk(t, store, t.TempDir(), journal.DefaultOptions())
	for _, id := range accounts {
		d.grant("first of "+id, id, 1000, start, start.Add(time.Hour))
	}
	failing.Store(true)
	var spent atomic.Int64
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(7, uint64(g)))
			for i := range 60 {
				x := r.Perm(3)
				from, to := accounts[x[0]], accounts[x[1]]
				switch r.IntN(3) {
				case 0:
					tr := transfer(ledger.EntryGrant, fmt.Sprint(g, "-", i), from, to, catalog.Nanos(1+r.IntN(100)))
					for range 3 { // the same again must be safe, whatever the answer was
						_, _ = d.Transfer(t.Context(), tr)
					}
				case 1:
					if h, err := d.Hold(ask(from, catalog.Nanos(r.IntN(50)), start)); err == nil && h.Release() != nil {
						t.Error("not released")
					}
				default:
					h, err := d.Hold(ask(from, 10, start))
					if err != nil {
						continue
					}
					cost := catalog.Nanos(r.IntN(10))
					if err := d.Settle(h, call(fmt.Sprint("c", g, "-", i), from, cost, start)); err != nil {
						t.Error(err)
					}
					spent.Add(int64(cost))
				}
			}
		})
	}
	wg.Wait()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		held := false
		for _, id := range accounts {
			held = held || d.Balance(id, start).Held != 0
		}
		if !held {
			break
		}
	}
	var sum catalog.Nanos
	for _, id := range accounts {
		f := d.Balance(id, start)
		sum += f.Left
		if f.Held != 0 || f.Debt != 0 || f.Left < 0 {
			t.Errorf("%s: %+v", id, f)
		}
	}
	if sum != 3000-catalog.Nanos(spent.Load()) {
		t.Errorf("%d are left of 3000, %d were spent", sum, spent.Load())
	}
	failing.Store(false)
	d.sameAsStore(accounts...)
	d.audit()
}
