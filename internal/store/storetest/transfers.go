package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/change"
	"tollgate/internal/ledger"
)

// moving is a transfer at noon.
func moving(t testing.TB, kind ledger.EntryKind, from, to string, amount catalog.Nanos) ledger.Transfer {
	return ledger.Transfer{ID: newID(t), Kind: kind, From: from, To: to, Amount: amount, At: noon, ExpiresAt: noon.AddDate(0, 0, 1), Reference: "of " + from, Note: "note"}
}

func transfer(t testing.TB, s Stores, tr ledger.Transfer) ledger.Transferred {
	t.Helper()
	out, err := s.Transfer(t.Context(), tr)
	must(t, err)
	return out
}

// worth is what cards have less the debt.
func worth(b ledger.Balance) catalog.Nanos {
	sum := -b.Debt
	for _, c := range b.Cards {
		sum += c.Balance
	}
	return sum
}

func testTransfer(t *testing.T, s Stores) {
	ctx := t.Context()
	d := &drain{node: "n"}
	soon := card("a", 40)
	soon.ExpiresAt = noon.Add(time.Hour)
	grant(t, s, soon)
	grant(t, s, card("a", 100))
	d.apply(t, s, paid(t, "c", noon, 15))

	down := moving(t, ledger.EntryGrant, "a", "c", 60)
	down.Parent, down.Commission = "b", ledger.Fee{Billionths: 50_000_000}
	out := transfer(t, s, down)
	want := ledger.Transferred{
		Card:   ledger.Card{ID: down.ID, AccountID: "c", Amount: 57, Balance: 42, Reference: "of a", GrantedAt: noon, ExpiresAt: noon.AddDate(0, 0, 1)},
		Amount: 60, Commission: 3, Balances: []ledger.Balance{balance(t, s, "a"), balance(t, s, "c"), balance(t, s, "b")},
	}
	same(t, "transfer", want, out)
	for id, left := range map[string]catalog.Nanos{"a": 80, "b": 3, "c": 42} {
		same(t, "worth of "+id, left, worth(balance(t, s, id)))
		checkBooks(t, s, id)
	}
	want.Repeated = true
	same(t, "the same again", want, transfer(t, s, down))
	found, err := s.Transferred(ctx, down)
	must(t, err)
	same(t, "looked for", want, found)

	other := down
	other.To = "d"
	if _, err := s.Transfer(ctx, other); !errors.Is(err, ledger.ErrReused) {
		t.Errorf("another one under the same id: %v", err)
	}
	if _, err := s.Transferred(ctx, other); !errors.Is(err, ledger.ErrReused) {
		t.Errorf("another one looked for under the same id: %v", err)
	}
	var short *ledger.ShortError
	much := moving(t, ledger.EntryGrant, "a", "c", 81)
	if _, err := s.Transfer(ctx, much); !errors.As(err, &short) || short.Left != 80 || short.Need != 81 {
		t.Errorf("more than there is: %v", err)
	}
	none, err := s.Transferred(ctx, much)
	if !errors.Is(err, ledger.ErrNotFound) || len(none.Balances) != 2 || worth(none.Balances[0]) != 80 {
		t.Errorf("%+v, %v", none, err)
	}
	much.UpTo = true
	same(t, "as much as there is", 80, transfer(t, s, much).Amount)
	same(t, "as much as there was", 80, transfer(t, s, much).Amount)

	take := moving(t, ledger.EntryTake, "c", account.RootID, 22)
	take.Fee = ledger.Fee{Fixed: 2}
	out = transfer(t, s, take)
	same(t, "taken back", ledger.Transferred{Amount: 22, Fee: 2, Balances: []ledger.Balance{balance(t, s, "c")}}, out)
	same(t, "left", 100, worth(balance(t, s, "c")))
	for side, sum := range map[string]catalog.Nanos{ledger.SideOperator: 20 - 140, ledger.SideFees: 2, ledger.SideRevenue: 15} {
		var got catalog.Nanos
		for _, e := range entries(t, s, side) {
			got += e.Amount
		}
		same(t, side, sum, got)
	}
	broken := moving(t, ledger.EntryGrant, account.RootID, "a", 5)
	broken.Note = "a\x00"
	if _, err := s.Transfer(ctx, broken); err == nil {
		t.Error("a note that PostgreSQL cannot keep was taken")
	}
	for _, text := range hostile {
		tr := moving(t, ledger.EntryGrant, account.RootID, "hostile", 5)
		tr.ID, tr.Reference, tr.Note = text, text, text
		transfer(t, s, tr)
		if again := transfer(t, s, tr); !again.Repeated || again.Card.Reference != text {
			t.Errorf("%q: %+v", text, again)
		}
	}
}

func testMerge(t *testing.T, s Stores) {
	var sum catalog.Nanos
	for i := range 25 {
		c := card("a", catalog.Nanos(1+(i*7)%25))
		c.ExpiresAt = noon.Add(time.Duration(60+(i*11)%25) * time.Minute)
		sum += c.Amount
		grant(t, s, c)
		if n := len(balance(t, s, "a").Cards); n > ledger.MaxCards {
			t.Fatalf("%d cards", n)
		}
	}
	same(t, "in all", sum, worth(balance(t, s, "a")))
	checkBooks(t, s, "a")
}

func testExpire(t *testing.T, s Stores) {
	ctx := t.Context()
	for i := range 3 {
		c := card("a", 10)
		c.ID, c.ExpiresAt = sprint("card", i), noon.Add(time.Duration(i+1)*time.Hour)
		grant(t, s, c)
	}
	grant(t, s, card("b", 5))
	ids, err := s.Expired(ctx, noon, 10)
	must(t, err)
	same(t, "expired at noon", nil, ids)
	ids, err = s.Expired(ctx, noon.Add(2*time.Hour), 10)
	must(t, err)
	same(t, "expired", []string{"a"}, ids)
	var wg sync.WaitGroup
	for range 3 { // several processes
		wg.Go(func() {
			if b, err := s.Expire(ctx, "a", noon.Add(2*time.Hour)); err != nil || worth(b) != 10 {
				t.Errorf("%+v, %v", b, err)
			}
		})
	}
	wg.Wait()
	rows := entries(t, s, ledger.SideExpired)
	if len(rows) != 2 || rows[0].Amount != 10 || rows[0].Counter != "a" || !rows[1].At.Equal(noon.Add(2*time.Hour)) {
		t.Errorf("%+v", rows)
	}
	same(t, "left", 10, worth(balance(t, s, "a")))
	checkBooks(t, s, "a")
	_, err = s.Expire(ctx, "nobody", noon)
	must(t, err)
}

func testClosings(t *testing.T, s Stores) {
	ctx := t.Context()
	one := ledger.Closing{ID: "t", AccountID: "a", ParentID: "p", At: noon, Note: "n"}
	must(t, s.PutClosing(ctx, one))
	again := one
	again.ParentID = "other"
	must(t, s.PutClosing(ctx, again))
	two := ledger.Closing{ID: "u", AccountID: "b", ParentID: "a", At: noon}
	must(t, s.PutClosing(ctx, two))
	all, err := s.Closings(ctx)
	must(t, err)
	same(t, "closings", []ledger.Closing{one, two}, all)
	must(t, s.DropClosing(ctx, "a"))
	must(t, s.DropClosing(ctx, "nobody"))
	all, err = s.Closings(ctx)
	must(t, err)
	same(t, "left", []ledger.Closing{two}, all)
}

// testTrees lets money move at random between accounts, from several sides at once: grants, some of
// them twice, returns, calls, expiries. What all are worth is what was created less what was spent, lost
// or paid, and the books are in order.
func testTrees(t *testing.T, s Stores) {
	const trees, workers, steps = 6, 4, 25
	for n := range trees {
		ids := []string{sprint(sprint("tree", n), 0), sprint(sprint("tree", n), 1), sprint(sprint("tree", n), 2), sprint(sprint("tree", n), 3)}
		var wg sync.WaitGroup
		errs := make(chan error, workers)
		for w := range workers {
			r := rand.New(rand.NewPCG(uint64(n), uint64(w)))
			d := &drain{node: fmt.Sprint("node", n, w)}
			var calls []ledger.Call
			var moves []ledger.Transfer
			for range steps {
				from, to := ids[r.IntN(4)], ids[r.IntN(4)]
				tr := moving(t, ledger.EntryGrant, from, to, catalog.Nanos(1+r.IntN(100)))
				switch r.IntN(4) {
				case 0:
					tr.From = account.RootID
				case 1:
					tr.Kind, tr.Fee = ledger.EntryTake, ledger.Fee{Billionths: 200_000_000}
				}
				if tr.To == tr.From {
					tr.To = account.RootID
				}
				tr.ExpiresAt = noon.Add(time.Duration(1+r.IntN(60)) * time.Minute)
				moves = append(moves, tr)
				calls = append(calls, paid(t, ids[r.IntN(4)], noon.Add(time.Duration(r.IntN(40))*time.Minute), catalog.Nanos(r.IntN(60))))
			}
			wg.Go(func() {
				for i, tr := range moves {
					var short *ledger.ShortError
					for range 1 + i%2 {
						if _, err := s.Transfer(t.Context(), tr); err != nil && !errors.As(err, &short) {
							errs <- err
							return
						}
					}
					d.pos.Offset++
					if err := s.Apply(t.Context(), d.node, calls[i:i+1], d.pos); err != nil {
						errs <- err
						return
					}
					if i%9 == 8 {
						if _, err := s.Expire(t.Context(), ids[i%4], noon.Add(20*time.Minute)); err != nil {
							errs <- err
							return
						}
					}
				}
			})
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			t.Fatal(err)
		}
		for _, id := range ids {
			checkBooks(t, s, id)
		}
	}
}

// testTransferWithChange moves credit and changes an account: both, or neither.
func testTransferWithChange(t *testing.T, s Stores) {
	ctx := t.Context()
	addRoot(t, s)
	a := someAccount("a", account.RootID, ".root.a.", "ann")
	must(t, s.InsertAccount(ctx, a))
	_, seen, err := s.Changes(ctx, 0)
	must(t, err)
	give := func(id, from string, amount catalog.Nanos, a *account.Account) error {
		_, err := s.Transfer(ctx, ledger.Transfer{
			ID: id, Kind: ledger.EntryGrant, From: from, To: "a", Amount: amount, At: noon, ExpiresAt: noon.Add(time.Hour), Account: a,
		})
		return err
	}
	expect := func(what string, alias string, left catalog.Nanos) {
		t.Helper()
		got, err := s.Account(ctx, "a")
		must(t, err)
		sum := catalog.Nanos(0)
		for _, c := range balance(t, s, "a").Cards {
			sum += c.Balance
		}
		if got.Alias != alias || sum != left {
			t.Errorf("%s: %q has %v, want %q with %v", what, got.Alias, sum, alias, left)
		}
	}
	a.Alias = "both"
	must(t, give("one", account.RootID, 5, &a))
	expect("both", "both", 5)
	list, _, err := s.Changes(ctx, seen)
	must(t, err)
	same(t, "noted", []change.Change{{Kind: change.Account, ID: "a"}}, list)

	must(t, give("one", account.RootID, 5, &a)) // again: nothing happens
	expect("again", "both", 5)
	old := a // of a version that is no more
	old.Alias = "stale"
	if err := give("two", account.RootID, 7, &old); !errors.Is(err, account.ErrConflict) {
		t.Errorf("a stale change: %v", err)
	}
	expect("a stale change", "both", 5)
	a.Version++
	a.Alias = "poor"
	var short *ledger.ShortError
	if err := give("three", "b", 7, &a); !errors.As(err, &short) {
		t.Errorf("money that is not there: %v", err)
	}
	expect("money that is not there", "both", 5)
	a.Alias = "late"
	must(t, give("four", account.RootID, 1, &a))
	expect("after all that failed", "late", 6)
}
