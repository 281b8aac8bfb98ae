package ledger_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/journal"
	"tollgate/internal/ledger"
	"tollgate/internal/ledger/ledgertest"
)

// tree is some accounts below root, as the model sees them: what each is worth, and what it shows.
type tree struct {
	d      *desk
	r      *rand.Rand
	ids    []string
	parent map[string]string
	face   map[string]catalog.Multiplier // at least that of the account above
	held   map[*ledger.Hold]string
	now    time.Time
	n      int
	closed map[string]bool
}

// worth is what the cards of an account have, expired or not, less its debt.
func (x *tree) worth(id string) catalog.Nanos {
	sum := -x.d.Balance(id, x.now).Debt
	for _, c := range x.d.CardsOf(id) {
		sum += c.Balance
	}
	return sum
}

func (x *tree) all() map[string]catalog.Nanos {
	m := map[string]catalog.Nanos{}
	for _, id := range x.ids {
		m[id] = x.worth(id)
	}
	return m
}

func (x *tree) id() string {
	x.n++
	return fmt.Sprint(x.ids[0], "/", x.n)
}

func (x *tree) pick() string { return x.ids[x.r.IntN(len(x.ids))] }

// expect fails unless exactly the named accounts are worth so much more or less than before.
func (x *tree) expect(what string, before map[string]catalog.Nanos, change map[string]catalog.Nanos) {
	x.d.t.Helper()
	for _, id := range x.ids {
		if got, want := x.worth(id)-before[id], change[id]; got != want {
			x.d.t.Fatalf("%s: account %s changed by %d, want %d", what, id, got, want)
		}
		for _, c := range x.d.CardsOf(id) {
			if c.Balance <= 0 || c.Balance > c.Amount {
				x.d.t.Fatalf("%s: card %+v", what, c)
			}
		}
		if n := len(x.d.Balance(id, x.now).Cards); n > ledger.MaxCards {
			x.d.t.Fatalf("%s: account %s has %d cards", what, id, n)
		}
	}
}

// step does one random thing and checks what it did to everybody.
func (x *tree) step(fees ledger.Fees) {
	t := x.d.t
	before := x.all()
	var short *ledger.ShortError
	switch x.r.IntN(9) {
	case 0, 1: // a grant in face value, from somebody above or from root
		to := x.pick()
		from := x.parent[to]
		for x.r.IntN(3) == 0 && from != account.RootID {
			from = x.parent[from]
		}
		real := x.face[to].ToReal(catalog.Nanos(1 + x.r.IntN(500)))
		if real == 0 || x.closed[to] {
			return
		}
		tr := ledger.Transfer{
			ID: x.id(), Kind: ledger.EntryGrant, From: from, To: to, Parent: x.parent[to], Amount: real, At: x.now,
			ExpiresAt: x.now.Add(time.Duration(1+x.r.IntN(30)) * time.Minute),
		}
		out, err := x.d.Transfer(t.Context(), tr)
		left := x.d.Balance(from, x.now).Left
		switch {
		case errors.As(err, &short):
			if from == account.RootID || left >= real {
				t.Fatalf("refused %d of %d: %v", real, left, err)
			}
			x.expect("a refused grant", before, nil)
			return
		case err != nil:
			t.Fatal(err)
		}
		commission := catalog.Nanos(0)
		if from != x.parent[to] && x.parent[to] != account.RootID {
			commission = fees.Commission.Of(real)
		}
		change := map[string]catalog.Nanos{from: -real, to: real - commission}
		change[x.parent[to]] += commission
		x.expect("grant", before, change)
		if again, err := x.d.Transfer(t.Context(), tr); err != nil || !again.Repeated || again.Amount != out.Amount || again.Commission != commission {
			t.Fatalf("again: %+v, %v", again, err)
		}
		x.expect("the same grant again", before, change)
		// Whoever granted sees it in its own multiplier: face by face the same real money left.
		if seen := x.face[to].ToFace(out.Received()); x.face[to].ToReal(seen) > out.Received() {
			t.Fatalf("%d is seen as %d", out.Received(), seen)
		}
	case 2: // some is taken back
		from := x.pick()
		amount := catalog.Nanos(1 + x.r.IntN(200))
		to := x.parent[from]
		out, err := x.d.Transfer(t.Context(), ledger.Transfer{ID: x.id(), Kind: ledger.EntryTake, From: from, To: to, Amount: amount, At: x.now})
		if err != nil {
			if left := x.d.Balance(from, x.now).Left; errors.As(err, &short) == (left >= amount) {
				t.Fatalf("refused %d of %d: %v", amount, left, err)
			}
			x.expect("nothing taken back", before, nil)
			return
		}
		x.expect("taken back", before, map[string]catalog.Nanos{from: -amount, to: amount - out.Fee})
	case 3:
		id := x.pick()
		if h, err := x.d.Hold(ask(id, catalog.Nanos(x.r.IntN(80)), x.now)); err == nil {
			x.held[h] = id
		}
		x.expect("a hold", before, nil)
	case 4, 5: // a call, with or without a hold, for more or less than was held
		id := x.pick()
		var hold *ledger.Hold
		for h, of := range x.held {
			hold, id = h, of
			delete(x.held, h)
			break
		}
		cost := catalog.Nanos(x.r.IntN(100))
		if err := x.d.Settle(hold, call(x.id(), id, cost, x.now)); err != nil {
			t.Fatal(err)
		}
		x.expect("a call", before, map[string]catalog.Nanos{id: -cost})
	case 6:
		x.now = x.now.Add(time.Duration(x.r.IntN(12)) * time.Minute)
		if err := x.d.Sweep(t.Context(), x.now); err != nil {
			t.Fatal(err)
		}
		for _, id := range x.ids { // what is gone had expired
			for _, c := range x.d.CardsOf(id) {
				if c.ExpiresAt.Add(6 * time.Minute).Before(x.now) {
					t.Fatalf("%+v is still there", c)
				}
			}
		}
	case 7:
		id := x.ids[len(x.ids)-1] // a leaf
		if x.closed[id] {
			return
		}
		x.closed[id] = true
		out, err := x.d.Transfer(t.Context(), closing(x.id(), id, x.parent[id], x.now))
		if err != nil && !errors.As(err, &short) {
			t.Fatal(err)
		}
		if left := x.d.Balance(id, x.now).Left; left > 0 {
			t.Fatalf("%d are left of a closed account", left)
		}
		x.expect("closed", before, map[string]catalog.Nanos{id: -out.Amount, x.parent[id]: out.Amount - out.Fee})
	case 8: // a multiplier is raised: everything looks larger, and buys as much
		id := x.pick()
		left := max(0, x.d.Balance(id, x.now).Left)
		one := x.face[id].ToFace(left)
		if x.face[id] < 1<<40 {
			x.face[id] *= 2
		}
		if two := x.face[id].ToFace(left); x.face[id] < 1<<40 && (two < 2*one || two > 2*one+1) {
			t.Fatalf("%d was seen as %d, now as %d", left, one, two)
		}
		x.expect("a multiplier", before, nil)
	}
}

// TestRandomTrees grows a thousand trees of accounts and lets money move in them as it likes.
func TestRandomTrees(t *testing.T) {
	fees := ledger.Fees{Take: ledger.Fee{Fixed: 3}, Close: ledger.Fee{Billionths: 100_000_000}, Commission: ledger.Fee{Billionths: 50_000_000}}
	for round := range 20 {
		store := &ledgertest.Store{}
		f := fees
		if round%2 == 0 {
			f = ledger.Fees{}
		}
		d := openDeskWith(t, store, t.TempDir(), journal.DefaultOptions(), f)
		for n := range 50 {
			r := rand.New(rand.NewPCG(uint64(round), uint64(n)))
			x := &tree{d: d, r: r, parent: map[string]string{}, face: map[string]catalog.Multiplier{}, held: map[*ledger.Hold]string{}, now: start, closed: map[string]bool{}}
			for i := range 2 + r.IntN(6) {
				id := fmt.Sprint(round, ".", n, ".", i)
				x.parent[id], x.face[id] = account.RootID, catalog.One
				if i > 0 && r.IntN(4) > 0 {
					x.parent[id] = x.ids[r.IntN(i)]
					x.face[id] = x.face[x.parent[id]]
				}
				x.face[id] += catalog.Multiplier(r.IntN(2) * r.IntN(2e9))
				x.ids = append(x.ids, id)
			}
			for range 30 {
				x.step(f)
			}
			for h := range x.held {
				if err := h.Release(); err != nil {
					t.Fatal(err)
				}
			}
			for _, id := range x.ids {
				if d.Balance(id, x.now).Held != 0 {
					t.Fatalf("%s: %+v", id, d.Balance(id, x.now))
				}
			}
			if n%10 == 0 {
				d.sameAsStore(x.ids...)
			}
		}
		d.audit()
		d.stop()
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
}
