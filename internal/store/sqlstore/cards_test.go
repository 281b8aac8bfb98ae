package sqlstore

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
)

// give creates a card.
func give(t testing.TB, s *Store, accountID string, amount catalog.Nanos, granted, expires time.Time) ledger.Card {
	t.Helper()
	out, err := s.Transfer(t.Context(), ledger.Transfer{
		ID: "card of " + accountID, Kind: ledger.EntryGrant, From: account.RootID, To: accountID, Amount: amount, At: granted, ExpiresAt: expires, Reference: "r",
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Card
}

// TestCard pins that a card is found also when nothing is left on it or its time is over.
func TestCard(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			s := openTest(t, e.dsn(t), testSealer(t))
			granted := time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
			want := give(t, s, "a", 5, granted, granted.Add(time.Minute))
			call := ledger.Call{ID: "call", AtMillis: granted.UnixMilli() + 1, AccountID: "a", Dialect: canon.Gemini, Op: canon.OpGenerate, Status: 200, Cost: 5}
			if err := s.Apply(t.Context(), "node", []ledger.Call{call}, ledger.Position{Offset: 1}); err != nil {
				t.Fatal(err)
			}
			want.Balance = 0
			got, err := s.Card(t.Context(), want.ID)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("card (-want +got):\n%s", diff)
			}
			if _, err := s.Card(t.Context(), "none"); !errors.Is(err, ledger.ErrNotFound) {
				t.Errorf("unknown card: %v, want ErrNotFound", err)
			}
		})
	}
}
