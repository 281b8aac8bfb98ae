package storetest

import (
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
)

// testConcurrent lets three nodes drain into the same accounts while these are granted to, and counts
// afterwards. Accounts stand in the batches in different orders, which would make careless locking
// deadlock.
func testConcurrent(t *testing.T, s Stores) {
	const nodes, batches, size, accounts = 3, 12, 20, 4
	var wg sync.WaitGroup
	errs := make(chan error, nodes+1)
	for n := range nodes {
		d := drain{node: sprint("node", n)}
		var work [][]ledger.Call
		for b := range batches {
			var calls []ledger.Call
			for i := range size {
				calls = append(calls, paid(t, sprint("a", (i*(n+1)+b)%accounts), noon, catalog.Nanos(1+i)))
			}
			work = append(work, calls)
		}
		wg.Go(func() {
			for i, calls := range work {
				if err := s.Apply(t.Context(), d.node, calls, ledger.Position{Offset: int64(i + 1)}); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Go(func() {
		for i := range 40 {
			if _, err := s.Transfer(t.Context(), granting(t, card(sprint("a", i%accounts), 100))); err != nil {
				errs <- err
				return
			}
		}
	})
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Fatal(err)
	}
	var spent, worth catalog.Nanos
	for i := range accounts {
		b := balance(t, s, sprint("a", i))
		spent += b.Spent
		worth -= b.Debt
		for _, c := range b.Cards {
			worth += c.Balance
		}
		checkBooks(t, s, sprint("a", i))
	}
	const cost = nodes * batches * size * (size + 1) / 2
	same(t, "spent in all", cost, spent)
	same(t, "left in all", 40*100-cost, worth)
	hours, err := s.Rollups(t.Context(), ledger.RollupQuery{})
	must(t, err)
	var calls int64
	for _, h := range hours {
		calls += h.Calls
	}
	same(t, "calls in all", nodes*batches*size, calls)
}

// checkBooks fails unless an account's entries explain its cards, its debt and what it is worth.
func checkBooks(t testing.TB, s Stores, accountID string) {
	t.Helper()
	b := balance(t, s, accountID)
	var worth, debt, spent catalog.Nanos
	cards := map[string]catalog.Nanos{}
	for _, e := range entries(t, s, accountID) {
		worth += e.Amount
		if e.CardID != "" {
			cards[e.CardID] += e.Amount
		} else {
			debt -= e.Amount
		}
		if e.Kind == ledger.EntrySpend || e.Kind == ledger.EntryDebt {
			spent -= e.Amount
		}
	}
	left := -b.Debt
	for _, c := range b.Cards {
		left += c.Balance
		if c.Balance <= 0 || c.Balance > c.Amount {
			t.Fatalf("card %s of %d has %d", c.ID, c.Amount, c.Balance)
		}
		if cards[c.ID] != c.Balance {
			t.Fatalf("card %s has %d, its entries sum up to %d", c.ID, c.Balance, cards[c.ID])
		}
		delete(cards, c.ID)
	}
	for id, sum := range cards {
		if sum != 0 {
			t.Fatalf("card %s is used up, its entries sum up to %d", id, sum)
		}
	}
	same(t, "worth by entries and by cards less debt", worth, left)
	same(t, "debt by entries", debt, b.Debt)
	same(t, "spent by entries", spent, b.Spent)
}

// testMoneyAddsUp grants and calls at random and compares with the plainest bookkeeping: one account
// after the other, one call after the other, in memory.
func testMoneyAddsUp(t *testing.T, s Stores) {
	d := &drain{node: "n"}
	rapid.Check(t, func(rt *rapid.T) {
		run := newID(t)
		names := []string{run + "-a", run + "-b", account.RootID}
		model := map[string]*ledger.Balance{}
		for _, name := range names {
			model[name] = &ledger.Balance{AccountID: name}
		}
		var all []ledger.Call
		var pending []ledger.Call
		flush := func() {
			d.apply(t, s, pending...)
			for _, c := range pending {
				settle(model[c.AccountID], c)
			}
			all = append(all, pending...)
			pending = nil
		}
		at := func(label string) time.Time {
			return noon.Add(time.Duration(rapid.Int64Range(0, 20).Draw(rt, label)) * time.Minute)
		}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			name := rapid.SampledFrom(names).Draw(rt, "account")
			switch rapid.IntRange(0, 5).Draw(rt, "step") {
			case 0:
				if name == account.RootID || len(model[name].Cards) == ledger.MaxCards {
					continue
				}
				flush()
				c := ledger.Card{AccountID: name, ID: newID(t), Amount: catalog.Nanos(rapid.Int64Range(1, 60).Draw(rt, "amount")), GrantedAt: at("granted")}
				c.ExpiresAt = c.GrantedAt.Add(time.Duration(rapid.Int64Range(1, 20).Draw(rt, "life")) * time.Minute)
				got := grant(t, s, c)
				b := model[name]
				repaid := min(b.Debt, c.Amount)
				b.Debt -= repaid
				c.Balance = c.Amount - repaid
				b.Cards = append(b.Cards, c)
				same(t, "granted", c, got)
			case 1:
				flush()
			case 2:
				if len(all) > 0 { // settled before: must change nothing
					d.apply(t, s, rapid.SampledFrom(all).Draw(rt, "again"))
				}
			default:
				pending = append(pending, paid(t, name, at("at"), catalog.Nanos(rapid.Int64Range(0, 30).Draw(rt, "cost"))))
			}
		}
		flush()
		for _, name := range names[:2] {
			same(t, "balance", tidy(*model[name]), balance(t, s, name))
			checkBooks(t, s, name)
			hours, err := s.Rollups(t.Context(), ledger.RollupQuery{AccountIDs: []string{name}})
			must(t, err)
			same(t, "roll-ups", rollUp(all, func(c ledger.Call, _ time.Time) bool { return c.AccountID == name }), keyed(hours))
		}
		same(t, "root's balance", ledger.Balance{AccountID: account.RootID}, balance(t, s, account.RootID))
	})
}

func settle(b *ledger.Balance, c ledger.Call) {
	if c.AccountID == account.RootID {
		return
	}
	moves, uncovered := ledger.Spend(b.Cards, c.Began(), time.UnixMilli(c.AtMillis), c.Cost)
	for _, m := range moves {
		for i := range b.Cards {
			if b.Cards[i].ID == m.CardID {
				b.Cards[i].Balance -= m.Amount
			}
		}
	}
	b.Debt += uncovered
	b.Spent += c.Cost
}

// tidy returns b as a store answers it: no empty cards, in the order they are spent.
func tidy(b ledger.Balance) ledger.Balance {
	var cards []ledger.Card
	for _, c := range b.Cards {
		if c.Balance == 0 {
			continue
		}
		i := len(cards)
		for i > 0 && spentBefore(c, cards[i-1]) {
			i--
		}
		cards = append(cards[:i], append([]ledger.Card{c}, cards[i:]...)...)
	}
	b.Cards = cards
	return b
}

func spentBefore(a, b ledger.Card) bool {
	switch {
	case !a.ExpiresAt.Equal(b.ExpiresAt):
		return a.ExpiresAt.Before(b.ExpiresAt)
	case !a.GrantedAt.Equal(b.GrantedAt):
		return a.GrantedAt.Before(b.GrantedAt)
	}
	return a.ID < b.ID
}
