package ledger

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/internal/catalog"
)

func genCards(t *rapid.T) []Card {
	n := rapid.IntRange(0, 6).Draw(t, "n")
	cards := make([]Card, n)
	for i := range cards {
		granted := rapid.Int64Range(0, 5).Draw(t, "granted")
		cards[i] = Card{
			ID:        strconv.Itoa(i),
			Balance:   catalog.Nanos(rapid.Int64Range(0, 5).Draw(t, "balance")),
			GrantedAt: time.UnixMilli(granted),
			ExpiresAt: time.UnixMilli(granted + rapid.Int64Range(0, 5).Draw(t, "life")),
		}
	}
	return rapid.Permutation(cards).Draw(t, "order")
}

// TestSpendTakesNanoByNano compares Spend with the plainest reading of its rule: every single nano
// comes from the best card that was alive while the call ran and is not empty, and if there is none it is a debt.
func TestSpendTakesNanoByNano(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cards := genCards(t)
		began := time.UnixMilli(rapid.Int64Range(-1, 11).Draw(t, "began"))
		ended := began.Add(time.Duration(rapid.Int64Range(0, 4).Draw(t, "took")) * time.Millisecond)
		amount := catalog.Nanos(rapid.Int64Range(-2, 25).Draw(t, "amount"))

		left := slices.Clone(cards)
		want := map[string]catalog.Nanos{}
		var wantUncovered catalog.Nanos
		for range max(amount, 0) {
			best := -1
			for i, c := range left {
				if c.Balance < 1 || c.GrantedAt.After(ended) || !c.ExpiresAt.After(began) {
					continue
				}
				if best < 0 || before(c, left[best]) {
					best = i
				}
			}
			if best < 0 {
				wantUncovered++
				continue
			}
			left[best].Balance--
			want[left[best].ID]++
		}

		passed := slices.Clone(cards)
		moves, uncovered := Spend(passed, began, ended, amount)
		got := map[string]catalog.Nanos{}
		for _, m := range moves {
			if _, twice := got[m.CardID]; twice {
				t.Fatalf("card %s moves twice in %v", m.CardID, moves)
			}
			got[m.CardID] = m.Amount
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("moves (-want +got):\n%s", diff)
		}
		if uncovered != wantUncovered {
			t.Errorf("uncovered = %d, want %d", uncovered, wantUncovered)
		}
		if diff := cmp.Diff(cards, passed); diff != "" {
			t.Errorf("Spend changed the cards it was given:\n%s", diff)
		}
	})
}

func before(a, b Card) bool {
	if !a.ExpiresAt.Equal(b.ExpiresAt) {
		return a.ExpiresAt.Before(b.ExpiresAt)
	}
	if !a.GrantedAt.Equal(b.GrantedAt) {
		return a.GrantedAt.Before(b.GrantedAt)
	}
	return a.ID < b.ID
}

// TestSpendIgnoresTheOrderOfCards pins that two readers of the same rows, in whatever order, agree
// on the moves and on their order, which becomes the order of entries.
func TestSpendIgnoresTheOrderOfCards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cards := genCards(t)
		at := time.UnixMilli(rapid.Int64Range(0, 10).Draw(t, "at"))
		amount := catalog.Nanos(rapid.Int64Range(0, 25).Draw(t, "amount"))
		a, ua := Spend(cards, at, at, amount)
		b, ub := Spend(rapid.Permutation(cards).Draw(t, "again"), at, at, amount)
		if diff := cmp.Diff(a, b); diff != "" || ua != ub {
			t.Errorf("another order, other moves (%d, %d uncovered):\n%s", ua, ub, diff)
		}
	})
}
