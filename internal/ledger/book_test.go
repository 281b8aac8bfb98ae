package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/journal"
	"tollgate/internal/ledger"
	"tollgate/internal/ledger/ledgertest"
)

const dollar catalog.Nanos = 1e9

var start = time.UnixMilli(1_800_000_000_000).UTC()

// desk is a Book with all that it stands on.
type desk struct {
	*ledger.Book
	t       testing.TB
	store   *ledgertest.Store
	journal *journal.Journal
	dir     string

	holds  atomic.Int64
	payers sync.Map // of Hold
}

func openDesk(t testing.TB, store *ledgertest.Store, dir string, opts journal.Options) *desk {
	t.Helper()
	return openDeskWith(t, store, dir, opts, ledger.Fees{})
}

func openDeskWith(t testing.TB, store *ledgertest.Store, dir string, opts journal.Options, fees ledger.Fees) *desk {
	t.Helper()
	return openDeskAs(t, store, dir, opts, ledger.Options{Fees: fees})
}

func openDeskAs(t testing.TB, store *ledgertest.Store, dir string, opts journal.Options, o ledger.Options) *desk {
	t.Helper()
	j, err := journal.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	o.Store, o.Journal, o.Node = store, j, "node"
	b, err := ledger.OpenBook(t.Context(), o)
	if err != nil {
		t.Fatal(errors.Join(err, j.Close()))
	}
	d := &desk{Book: b, t: t, store: store, journal: j, dir: dir}
	t.Cleanup(d.stop)
	return d
}

func newDesk(t testing.TB) *desk {
	return openDesk(t, &ledgertest.Store{}, t.TempDir(), journal.DefaultOptions())
}

// stop ends the desk without waiting for the store; a second stop does nothing.
func (d *desk) stop() {
	if d.Book == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = d.Close(ctx) // says that records are left in the journal, if any are
	if err := d.journal.Close(); err != nil {
		d.t.Error(err)
	}
	d.Book = nil
}

func (d *desk) flush() {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := d.Flush(ctx); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) grant(id, account string, amount catalog.Nanos, granted, expires time.Time) ledger.Card {
	d.t.Helper()
	c, err := d.Grant(context.Background(), ledger.Card{ID: id, AccountID: account, Amount: amount, GrantedAt: granted, ExpiresAt: expires}, "")
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

func (d *desk) hold(account string, amount catalog.Nanos, at time.Time) *ledger.Hold {
	d.t.Helper()
	h, err := d.Hold(ask(account, amount, at))
	if err != nil {
		d.t.Fatal(err)
	}
	return h
}

// sameAsStore compares what the Book knows of accounts with what the store does, after a Flush.
func (d *desk) sameAsStore(accounts ...string) {
	d.t.Helper()
	d.flush()
	for _, id := range accounts {
		want, err := d.store.Balance(context.Background(), id)
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			d.t.Fatal(err)
		}
		got := ledger.Balance{Cards: d.CardsOf(id)}
		f := d.Balance(id, start)
		got.AccountID, got.Debt, got.Spent = f.AccountID, f.Debt, f.Spent
		want.AccountID = id
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			d.t.Errorf("account %s (-store +book):\n%s", id, diff)
		}
	}
}

// request is one hold and its terms.
type request struct {
	Account string
	Above   []string
	Amount  catalog.Nanos
	At      time.Time
	Budgets []ledger.Budget
	Charge  bool
}

func (r request) payer(b *ledger.Book) *ledger.Payer {
	return b.Payer(ledger.Terms{Account: r.Account, Above: r.Above, Budgets: r.Budgets, Charge: r.Charge})
}

// Hold holds for a payer that nobody had before or, as often, for one that had the same terms.
func (d *desk) Hold(r request) (*ledger.Hold, error) {
	p := r.payer(d.Book)
	if d.holds.Add(1)%2 == 0 {
		same, _ := d.payers.LoadOrStore(fmt.Sprint(r.Account, r.Above, r.Budgets, r.Charge), p)
		p = same.(*ledger.Payer)
	}
	return p.Hold(r.Amount, r.At)
}

func ask(account string, amount catalog.Nanos, at time.Time) request {
	return request{Account: account, Amount: amount, At: at, Charge: true}
}

func call(id, account string, cost catalog.Nanos, at time.Time) ledger.Call {
	return ledger.Call{ID: id, AccountID: account, AtMillis: at.UnixMilli(), Cost: cost, Op: canon.OpGenerate, Status: 200}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHoldReservesAndSettlePays(t *testing.T) {
	d := newDesk(t)
	d.grant("card", "a", 10, start, start.Add(time.Hour))
	h := d.hold("a", 7, start)
	var short *ledger.ShortError
	if _, err := d.Hold(ask("a", 4, start)); !errors.As(err, &short) || *short != (ledger.ShortError{AccountID: "a", Need: 4, Left: 3}) {
		t.Errorf("second hold: %v", err)
	}
	if err := d.Settle(h, call("1", "a", 2, start)); err != nil {
		t.Fatal(err)
	}
	if f := d.Balance("a", start); f.Left != 8 || f.Held != 0 || f.Spent != 2 || f.Debt != 0 || d.Held() != 0 {
		t.Errorf("after settling: %+v", f)
	}
	d.sameAsStore("a")
	if got, err := d.store.Call(t.Context(), "1"); err != nil || got.Cost != 2 {
		t.Errorf("in the store: %+v, %v", got, err)
	}
}

func TestHoldEndsOnce(t *testing.T) {
	d := newDesk(t)
	d.grant("card", "a", 100, start, start.Add(time.Hour))
	settled, released := d.hold("a", 10, start), d.hold("a", 10, start)
	other := d.hold("a", 10, start) // would show a double release
	if err := d.Settle(settled, call("1", "a", 1, start)); err != nil {
		t.Fatal(err)
	}
	if err := released.Release(); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"settle again":         d.Settle(settled, call("2", "a", 1, start)),
		"release a settled":    settled.Release(),
		"release again":        released.Release(),
		"settle a released":    d.Settle(released, call("3", "a", 1, start)),
		"settle the same call": d.Settle(settled, call("1", "a", 1, start)),
	} {
		if !errors.Is(err, ledger.ErrHoldDone) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if f := d.Balance("a", start); f.Held != 10 || f.Left != 89 || f.Spent != 1 || d.Held() != other.Amount() {
		t.Errorf("after all: %+v", f)
	}
	d.sameAsStore("a")
}

func TestCardsExpireAtTheInstant(t *testing.T) {
	d := newDesk(t)
	end := start.Add(time.Hour)
	d.grant("card", "a", 10, start, end)
	if f := d.Balance("a", end.Add(-1)); f.Left != 10 || len(f.Cards) != 1 {
		t.Errorf("just before: %+v", f)
	}
	if f := d.Balance("a", end); f.Left != 0 || len(f.Cards) != 0 {
		t.Errorf("at the instant: %+v", f)
	}
	if f := d.Balance("a", start.Add(-1)); f.Left != 0 {
		t.Errorf("before it was granted: %+v", f)
	}
	if _, err := d.Hold(ask("a", 1, end)); err == nil {
		t.Error("a hold on an expired card")
	}
	if err := d.Settle(nil, call("1", "a", 5, end)); err != nil { // nothing was held for it
		t.Fatal(err)
	}
	if f := d.Balance("a", end); f.Debt != 5 || f.Left != -5 {
		t.Errorf("a call that began when its card had ended: %+v", f)
	}
	d.sameAsStore("a")
}

// TestHeldMoneyDoesNotExpire lets cards end while calls run that hold all there is: each is paid by what
// was held for it, however late, and what others hold meanwhile is not touched.
func TestHeldMoneyDoesNotExpire(t *testing.T) {
	const took = 23 * time.Hour
	d := openDeskAs(t, &ledgertest.Store{}, t.TempDir(), journal.DefaultOptions(), ledger.Options{LongestCall: took})
	end := start.Add(time.Hour)
	d.grant("short", "a", 10, start, end)
	d.grant("long", "a", 10, start, end.Add(1000*time.Hour))
	early := d.hold("a", 20, end.Add(-time.Millisecond))
	late := end.Add(-time.Millisecond).Add(took)
	if err := d.Sweep(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	d.grant("next", "a", 7, late.Add(-time.Minute), end.Add(2000*time.Hour))
	if f := d.Balance("a", late); f.Left != -3 || f.Held != 20 { // no more than 17 live, whatever the 20 come from
		t.Errorf("while it runs: %+v", f)
	}
	c := call("1", "a", 20, late)
	c.TotalMs = took.Milliseconds()
	if err := d.Settle(early, c); err != nil {
		t.Fatal(err)
	}
	if f := d.Balance("a", late); f.Debt != 0 || f.Left != 7 || f.Held != 0 {
		t.Errorf("after it: %+v", f)
	}
	d.sameAsStore("a")
	d.grant("gone", "b", 5, start, end)
	if err := d.Sweep(t.Context(), late.Add(6*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if left := d.CardsOf("b"); len(left) != 0 {
		t.Errorf("nothing is held of it any more: %+v", left)
	}
	d.sameAsStore("a", "b")
	d.audit()
}

func TestRootAndFreeCallsAreNeverRefused(t *testing.T) {
	d := newDesk(t)
	h := d.hold(account.RootID, 5*dollar, start)
	if err := d.Settle(h, call("1", account.RootID, 6*dollar, start)); err != nil {
		t.Fatal(err)
	}
	d.hold(account.RootID, 1, start)
	d.hold("poor", 0, start)
	if err := d.Settle(nil, call("2", "poor", 0, start)); err != nil {
		t.Errorf("a call without a hold: %v", err)
	}
	d.sameAsStore(account.RootID, "poor")
	if f := d.Balance(account.RootID, start); f.Debt != 0 || f.Held != 1 {
		t.Errorf("root owes somebody: %+v", f)
	}
	if _, err := d.Hold(ask("poor", -1, start)); err == nil {
		t.Error("a hold below zero")
	}
}

func TestDebtIsPaidFromTheNextCard(t *testing.T) {
	d := newDesk(t)
	d.grant("1", "a", 10, start, start.Add(time.Hour))
	h := d.hold("a", 10, start)
	if err := d.Settle(h, call("1", "a", 25, start)); err != nil {
		t.Fatal(err)
	}
	if c := d.grant("2", "a", 10, start, start.Add(time.Hour)); c.Balance != 0 {
		t.Errorf("a card smaller than the debt has %d left", c.Balance)
	}
	if c := d.grant("3", "a", 10, start, start.Add(time.Hour)); c.Balance != 5 {
		t.Errorf("a card larger than the debt has %d left", c.Balance)
	}
	if f := d.Balance("a", start); f.Left != 5 || f.Debt != 0 {
		t.Errorf("%+v", f)
	}
	d.sameAsStore("a")
}

func TestOneDollarHoldsOneDollar(t *testing.T) {
	d := newDesk(t)
	d.grant("card", "a", dollar, start, start.Add(time.Hour))
	const each = 3_000_000 // does not divide a dollar
	var taken atomic.Int64
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for range 10_000 {
		wg.Go(func() {
			<-gate
			if _, err := d.Hold(ask("a", each, start)); err == nil {
				taken.Add(1)
			}
			if f := d.Balance("a", start); f.Held > dollar {
				t.Errorf("%v held", f.Held)
			}
		})
	}
	close(gate)
	wg.Wait()
	if want := int64(dollar / each); taken.Load() != want {
		t.Errorf("%d holds, want %d", taken.Load(), want)
	}
}

func TestCallsThatCannotBeAreNotRecorded(t *testing.T) {
	d := newDesk(t)
	d.grant("card", "a", 10, start, start.Add(time.Hour))
	for name, c := range map[string]ledger.Call{
		"no id":           call("", "a", 1, start),
		"no account":      call("1", "", 1, start),
		"another account": call("1", "b", 1, start),
		"no time":         {ID: "1", AccountID: "a"},
		"below zero":      call("1", "a", -1, start),
	} {
		if err := d.Settle(d.hold("a", 10, start), c); err == nil {
			t.Errorf("%s: settled", name)
		}
	}
	if f := d.Balance("a", start); f.Left != 10 {
		t.Errorf("%+v", f)
	}
	if d.flush(); len(d.store.Applied()) != 0 {
		t.Errorf("recorded: %v", d.store.Applied())
	}
}

// TestStoreDownOnlyDelays settles while the store fails; all calls arrive, once and in order, even
// though some answers of the store get lost.
func TestStoreDownOnlyDelays(t *testing.T) {
	var down atomic.Bool
	var lost atomic.Int64
	store := &ledgertest.Store{}
	store.Before = func(op string) error {
		if op == "Apply" && down.Load() {
			return errors.New("the store is down")
		}
		return nil
	}
	store.After = func(op string) error {
		if op == "Apply" && lost.Add(1)%3 == 1 {
			return errors.New("the answer got lost")
		}
		return nil
	}
	d := openDesk(t, store, t.TempDir(), journal.Options{SegmentBytes: 2000, SyncEvery: time.Millisecond})
	d.grant("card", "a", 1000, start, start.Add(time.Hour))
	down.Store(true)
	var want []string
	for i := range 300 {
		id := fmt.Sprintf("%04d", i)
		want = append(want, id)
		if err := d.Settle(d.hold("a", 5, start), call(id, "a", 1, start)); err != nil {
			t.Fatal(err)
		}
	}
	if l := d.Lag(start.Add(time.Minute)); l.Records != 300 || l.Bytes == 0 {
		t.Errorf("lag with the store down: %+v", l)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := d.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Flush with the store down: %v", err)
	}
	down.Store(false)
	d.sameAsStore("a")
	if diff := cmp.Diff(want, store.Applied()); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
	if l := d.Lag(start.Add(time.Minute)); l != (ledger.Lag{}) {
		t.Errorf("lag after Flush: %+v", l)
	}
	if files, err := filepath.Glob(filepath.Join(d.dir, "*.tgj")); err != nil || len(files) > 1 {
		t.Errorf("applied segments are still there: %v, %v", files, err)
	}
}

// TestRestartFindsWhatTheStoreMisses ends the process with records in the journal only.
func TestRestartFindsWhatTheStoreMisses(t *testing.T) {
	var down atomic.Bool
	store := &ledgertest.Store{Before: func(op string) error {
		if op == "Apply" && down.Load() {
			return errors.New("the store is down")
		}
		return nil
	}}
	dir := t.TempDir()
	for round := range 4 {
		down.Store(false)
		d := openDesk(t, store, dir, journal.Options{SegmentBytes: 1000})
		if round == 0 {
			d.grant("card", "a", 1000, start, start.Add(time.Hour))
		}
		if f := d.Balance("a", start); f.Left != 1000-20*catalog.Nanos(round) {
			t.Errorf("round %d begins with %+v", round, f)
		}
		for i := range 20 {
			down.Store(i >= 10)
			if err := d.Settle(nil, call(fmt.Sprintf("%d-%d", round, i), "a", 1, start)); err != nil {
				t.Fatal(err)
			}
		}
		d.stop()
	}
	down.Store(false)
	d := openDesk(t, store, dir, journal.Options{})
	d.sameAsStore("a")
	if n := len(store.Applied()); n != 80 {
		t.Errorf("%d calls in the store, want 80", n)
	}
}

func TestLostNodeNameDoublesNothing(t *testing.T) {
	store := &ledgertest.Store{}
	dir := t.TempDir()
	d := openDesk(t, store, dir, journal.Options{})
	d.grant("card", "a", 100, start, start.Add(time.Hour))
	if err := d.Settle(nil, call("1", "a", 10, start)); err != nil {
		t.Fatal(err)
	}
	d.flush()
	d.stop()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := ledger.OpenBook(t.Context(), ledger.Options{Store: store, Journal: j, Node: "another node"})
	if err != nil {
		t.Fatal(err)
	}
	d = &desk{Book: b, t: t, store: store, journal: j, dir: dir}
	defer d.stop()
	if f := d.Balance("a", start); f.Left != 90 {
		t.Errorf("%+v", f)
	}
	d.sameAsStore("a")
}

// TestLostJournalHidesNothing replaces the journal by an empty one, while the store remembers a
// position far behind its start.
func TestLostJournalHidesNothing(t *testing.T) {
	store := &ledgertest.Store{}
	dir := t.TempDir()
	for range 3 {
		d := openDesk(t, store, dir, journal.Options{SegmentBytes: 300})
		for i := range 5 {
			if err := d.Settle(nil, call(fmt.Sprint(time.Now().UnixNano(), i), "a", 1, start)); err != nil {
				t.Fatal(err)
			}
		}
		d.flush()
		d.stop()
	}
	d := openDesk(t, store, t.TempDir(), journal.Options{})
	if err := d.Settle(nil, call("after", "a", 1, start)); err != nil {
		t.Fatal(err)
	}
	d.sameAsStore("a")
	if ids := store.Applied(); len(ids) != 16 || ids[15] != "after" {
		t.Errorf("applied: %v", ids)
	}
}

func TestStoreDownAtStartIsAnError(t *testing.T) {
	for _, down := range []string{"JournalPosition", "Balances"} {
		store := &ledgertest.Store{Before: func(op string) error {
			if op == down {
				return errors.New("no route to host")
			}
			return nil
		}}
		j, err := journal.Open(t.TempDir(), journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ledger.OpenBook(t.Context(), ledger.Options{Store: store, Journal: j, Node: "node"}); err == nil || !strings.Contains(err.Error(), "no route to host") {
			t.Errorf("%s: %v", down, err)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestOpenBookWaitsForOneView moves the position between reading it and reading the balances, as a
// predecessor does that is just ending.
func TestOpenBookWaitsForOneView(t *testing.T) {
	store := &ledgertest.Store{}
	dir := t.TempDir()
	d := openDesk(t, store, dir, journal.Options{})
	var end []ledger.Position
	for i := range 3 {
		if err := d.Settle(nil, call(fmt.Sprint(i), "a", 1, start)); err != nil {
			t.Fatal(err)
		}
		end = append(end, ledger.Position(d.journal.End()))
	}
	d.stop()

	late := &ledgertest.Store{}
	moved := 0
	late.Before = func(op string) error {
		if op == "Balances" && moved < 3 {
			i := moved
			moved++
			return late.Apply(t.Context(), "node", []ledger.Call{call(fmt.Sprint(i), "a", 1, start)}, end[i])
		}
		return nil
	}
	d = openDesk(t, late, dir, journal.Options{})
	if f := d.Balance("a", start); f.Spent != 3 || moved != 3 {
		t.Errorf("%+v after %d moves", f, moved)
	}
	d.sameAsStore("a")
}

func TestRecordThatIsNoCallIsSetAside(t *testing.T) {
	d := newDesk(t)
	bad := []string{`{"id":`, `{"id":"x"}`, "\x00"}
	for i, b := range bad {
		if _, err := d.journal.Append([]byte(b)); err != nil {
			t.Fatal(err)
		}
		if err := d.Settle(nil, call(fmt.Sprint(i), "a", 1, start)); err != nil {
			t.Fatal(err)
		}
	}
	d.sameAsStore("a")
	if got := d.store.Applied(); !slices.Equal(got, []string{"0", "1", "2"}) {
		t.Errorf("applied %v", got)
	}
	files, err := filepath.Glob(filepath.Join(d.dir, "quarantine-*"))
	if err != nil {
		t.Fatal(err)
	}
	saved := map[string]bool{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		saved[string(data)] = true
	}
	if got := slices.Sorted(maps.Keys(saved)); !slices.Equal(got, slices.Sorted(slices.Values(bad))) || d.Quarantined() != 3 {
		t.Errorf("set aside: %q, counted %d", got, d.Quarantined())
	}
}

func TestNodeIDStays(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first, err := ledger.NodeID(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ledger.NodeID(dir)
	if err != nil || again != first {
		t.Errorf("%q, then %q, %v", first, again, err)
	}
	other, err := ledger.NodeID(t.TempDir())
	if err != nil || other == first {
		t.Errorf("another directory: %q, %v", other, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "node"), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if id, err := ledger.NodeID(dir); err == nil {
		t.Errorf("garbage was read as %q", id)
	}
}
