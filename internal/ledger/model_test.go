package ledger_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tollgate/internal/catalog"
	"tollgate/internal/journal"
	"tollgate/internal/ledger"
	"tollgate/internal/ledger/ledgertest"
)

// model is the plainest reading of what a Book promises, one nano at a time.
type model struct {
	cards map[string]map[string]ledger.Card // account, card id
	debt  map[string]catalog.Nanos
	held  map[string]catalog.Nanos
	spent map[string]catalog.Nanos
}

func (m *model) left(a string, at time.Time) catalog.Nanos {
	left := -m.debt[a] - m.held[a]
	for _, c := range m.cards[a] {
		if !c.GrantedAt.After(at) && c.ExpiresAt.After(at) {
			left += c.Balance
		}
	}
	return left
}

func (m *model) pay(a string, cost catalog.Nanos, at time.Time) {
	m.spent[a] += cost
	for range cost {
		best := ""
		for id, c := range m.cards[a] {
			if c.Balance == 0 || c.GrantedAt.After(at) || !c.ExpiresAt.After(at) {
				continue
			}
			if b, ok := m.cards[a][best]; !ok || c.ExpiresAt.Before(b.ExpiresAt) ||
				c.ExpiresAt.Equal(b.ExpiresAt) && (c.GrantedAt.Before(b.GrantedAt) || c.GrantedAt.Equal(b.GrantedAt) && id < best) {
				best = id
			}
		}
		if best == "" {
			m.debt[a]++
			continue
		}
		c := m.cards[a][best]
		c.Balance--
		m.cards[a][best] = c
	}
}

// merge makes one of the two smallest cards as long as there are more than ten.
func (m *model) merge(a string, at time.Time) {
	for {
		var alive []ledger.Card
		for _, c := range m.cards[a] {
			if c.Balance > 0 && !c.GrantedAt.After(at) && c.ExpiresAt.After(at) {
				alive = append(alive, c)
			}
		}
		if len(alive) <= 10 {
			return
		}
		later := func(a, b ledger.Card) int {
			return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), a.GrantedAt.Compare(b.GrantedAt), strings.Compare(a.ID, b.ID))
		}
		slices.SortFunc(alive, func(a, b ledger.Card) int { return cmp.Or(cmp.Compare(a.Balance, b.Balance), later(a, b)) })
		gone, kept := alive[0], alive[1]
		if later(gone, kept) > 0 {
			gone, kept = kept, gone
		}
		kept.Balance += gone.Balance
		gone.Balance = 0
		m.cards[a][gone.ID], m.cards[a][kept.ID] = gone, kept
	}
}

// TestBookFollowsTheModel does random things one after the other, with a store that fails now and
// then and a process that ends now and then, and compares every answer and every balance.
func TestBookFollowsTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var flaky atomic.Int64
		store := &ledgertest.Store{}
		fail := func(op string) error {
			if op == "Apply" && flaky.Add(1)%4 == 0 {
				return errors.New("flaky")
			}
			return nil
		}
		store.Before, store.After = fail, fail
		dir := t.TempDir()
		opts := journal.Options{SyncEvery: time.Hour, SegmentBytes: 700}
		d := openDesk(t, store, dir, opts)
		defer func() { d.stop() }()

		m := model{map[string]map[string]ledger.Card{}, map[string]catalog.Nanos{}, map[string]catalog.Nanos{}, map[string]catalog.Nanos{}}
		accounts := []string{"a", "b"}
		type open struct {
			*ledger.Hold
			account string
		}
		var holds []open
		now := start
		n := 0
		take := func(rt *rapid.T) open {
			if len(holds) == 0 {
				rt.Skip("no hold")
			}
			i := rapid.IntRange(0, len(holds)-1).Draw(rt, "which")
			h := holds[i]
			holds = slices.Delete(holds, i, i+1)
			m.held[h.account] -= h.Amount()
			return h
		}
		rt.Repeat(map[string]func(*rapid.T){
			"wait": func(rt *rapid.T) { now = now.Add(time.Duration(rapid.IntRange(1, 5).Draw(rt, "s")) * time.Second) },
			"grant": func(rt *rapid.T) {
				n++
				a := rapid.SampledFrom(accounts).Draw(rt, "account")
				c := ledger.Card{
					ID: fmt.Sprint(n), AccountID: a, Amount: catalog.Nanos(rapid.IntRange(1, 40).Draw(rt, "amount")), GrantedAt: now,
					ExpiresAt: now.Add(time.Duration(rapid.IntRange(1, 20).Draw(rt, "life")) * time.Second),
				}
				got, err := d.Grant(t.Context(), c, "")
				if err != nil {
					rt.Fatal(err)
				}
				repaid := min(m.debt[a], c.Amount)
				m.debt[a] -= repaid
				c.Balance = c.Amount - repaid
				if got.Balance != c.Balance {
					rt.Errorf("granted with %d left, want %d", got.Balance, c.Balance)
				}
				if m.cards[a] == nil {
					m.cards[a] = map[string]ledger.Card{}
				}
				m.cards[a][c.ID] = c
				m.merge(a, now)
			},
			"hold": func(rt *rapid.T) {
				a := rapid.SampledFrom(accounts).Draw(rt, "account")
				amount := catalog.Nanos(rapid.IntRange(0, 30).Draw(rt, "amount"))
				h, err := d.Hold(ask(a, amount, now))
				if left := m.left(a, now); (err == nil) != (amount == 0 || amount <= left) {
					rt.Errorf("hold of %d with %d left: %v", amount, left, err)
				}
				if err == nil {
					m.held[a] += amount
					holds = append(holds, open{h, a})
				}
			},
			"settle": func(rt *rapid.T) {
				h := take(rt)
				n++
				cost := catalog.Nanos(rapid.IntRange(0, 35).Draw(rt, "cost"))
				at := now.Add(-time.Duration(rapid.IntRange(0, 2).Draw(rt, "late")) * time.Second)
				if err := d.Settle(h.Hold, call(fmt.Sprint(n), h.account, cost, at)); err != nil {
					rt.Fatal(err)
				}
				m.pay(h.account, cost, at)
			},
			"release": func(rt *rapid.T) {
				if err := take(rt).Release(); err != nil {
					rt.Fatal(err)
				}
			},
			"restart": func(rt *rapid.T) {
				d.stop()
				d = openDesk(t, store, dir, opts)
				holds, m.held = nil, map[string]catalog.Nanos{} // calls under way died with the process
			},
			"": func(rt *rapid.T) {
				for _, a := range accounts {
					f := d.Balance(a, now)
					if f.Left != m.left(a, now) || f.Debt != m.debt[a] || f.Held != m.held[a] || f.Spent != m.spent[a] {
						rt.Fatalf("account %s: %+v, want %d left, debt %d, held %d, spent %d", a, f, m.left(a, now), m.debt[a], m.held[a], m.spent[a])
					}
					for _, c := range f.Cards {
						if want := m.cards[a][c.ID].Balance; c.Balance != want {
							rt.Fatalf("card %s has %d, want %d", c.ID, c.Balance, want)
						}
					}
				}
			},
		})
		d.sameAsStore(accounts...)
	})
}

// TestManyAtOnceAgreeWithTheStore lets goroutines hold, settle, release and grant as they like, with
// cards that begin and end while calls are under way, and settlements that come late. Whatever the
// order was, memory and store must have distributed every nano alike.
func TestManyAtOnceAgreeWithTheStore(t *testing.T) {
	for round := range 20 {
		var flaky atomic.Int64
		fail := func(op string) error {
			if op == "Apply" && flaky.Add(1)%5 == 0 {
				return errors.New("flaky")
			}
			return nil
		}
		store := &ledgertest.Store{Before: fail, After: fail}
		dir := t.TempDir()
		d := openDesk(t, store, dir, journal.Options{SyncEvery: 5 * time.Millisecond, SegmentBytes: 10_000})
		accounts := []string{"a", "b", "c"}
		var clock, ids, cost, granted atomic.Int64
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(round), uint64(g)))
				for range 60 {
					a := accounts[r.IntN(len(accounts))]
					now := start.Add(time.Duration(clock.Add(1)) * time.Millisecond)
					if r.IntN(6) == 0 {
						amount := catalog.Nanos(1 + r.IntN(60))
						_, err := d.Grant(t.Context(), ledger.Card{
							ID: fmt.Sprint(ids.Add(1)), AccountID: a, Amount: amount, GrantedAt: now,
							ExpiresAt: now.Add(time.Duration(1+r.IntN(100)) * time.Millisecond),
						}, "")
						if err != nil {
							t.Error(err)
						}
						granted.Add(int64(amount))
						continue
					}
					h, err := d.Hold(ask(a, catalog.Nanos(r.IntN(20)), now))
					var short *ledger.ShortError
					switch {
					case errors.As(err, &short):
					case err != nil:
						t.Error(err)
					case r.IntN(4) == 0:
						if err := h.Release(); err != nil {
							t.Error(err)
						}
					default:
						c := call(fmt.Sprint(ids.Add(1)), a, catalog.Nanos(r.IntN(25)), now.Add(-time.Duration(r.IntN(10))*time.Millisecond))
						cost.Add(int64(c.Cost))
						if err := d.Settle(h, c); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		wg.Wait()
		d.sameAsStore(accounts...)
		var spent, debt, cards catalog.Nanos
		for _, a := range accounts {
			f := d.Balance(a, start)
			if f.Held != 0 {
				t.Errorf("%s still holds %d", a, f.Held)
			}
			spent, debt = spent+f.Spent, debt+f.Debt
			for _, c := range d.CardsOf(a) {
				cards += c.Balance
			}
		}
		if int64(spent) != cost.Load() || int64(cards-debt) != granted.Load()-cost.Load() || d.Held() != 0 {
			t.Errorf("granted %d, spent %d: cards have %d, debts are %d, spent is said to be %d", granted.Load(), cost.Load(), cards, debt, spent)
		}
		d.stop()
		d = openDesk(t, store, dir, journal.Options{})
		d.sameAsStore(accounts...)
		d.stop()
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
}
