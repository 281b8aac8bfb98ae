package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"tollgate/internal/account"
	"tollgate/internal/audit"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
)

// idAt is an id that was made at an instant.
func idAt(t testing.TB, at time.Time) string {
	t.Helper()
	id, err := uuid.NewV7()
	must(t, err)
	for i, ms := 0, at.UnixMilli(); i < 6; i++ {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return id.String()
}

// testForgetCalls removes old calls: what they cost stays proved, and they are not charged again when an old
// journal comes back.
func testForgetCalls(t *testing.T, s Stores) {
	ctx := t.Context()
	now := time.Now().UTC().Truncate(time.Millisecond)
	before := now.Add(-ledger.LeastKept)
	_, err := s.Transfer(ctx, ledger.Transfer{
		ID: newID(t), Kind: ledger.EntryGrant, From: account.RootID, To: "a", Amount: 1_000_000, At: before.Add(-240 * time.Hour), ExpiresAt: now.AddDate(1, 0, 0),
	})
	must(t, err)
	call := func(at time.Time, accountID string, cost catalog.Nanos) ledger.Call {
		return ledger.Call{ID: idAt(t, at.Add(-time.Second)), AtMillis: at.UnixMilli(), AccountID: accountID, KeyID: "k", Model: "m", Status: 200, Cost: cost}
	}
	var old, fresh []ledger.Call
	for i := range 25 {
		old = append(old, call(before.Add(-time.Duration(i+1)*time.Hour), "a", catalog.Nanos(100+i)))
	}
	old = append(old, call(before.Add(-time.Hour), "b", 7), call(before.Add(-time.Hour), "b", 0), call(before.Add(-time.Hour), account.RootID, 9)) // a debt, nothing, root
	fresh = append(fresh, call(before.Add(time.Hour), "a", 1000), call(now, "a", 2000))
	must(t, s.Apply(ctx, "node", append(fresh, old...), ledger.Position{Segment: 1, Offset: 1}))
	a, b := balance(t, s, "a"), balance(t, s, "b")

	count := func() int {
		t.Helper()
		all, err := s.Calls(ctx, ledger.CallQuery{Page: ledger.Page{Limit: 1000}})
		must(t, err)
		return len(all)
	}
	if n, err := s.ForgetCalls(ctx, before.AddDate(-1, 0, 0), 10); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if _, err := s.Call(ctx, idAt(t, before.Add(-time.Hour))); !errors.Is(err, ledger.ErrNotFound) || errors.Is(err, ledger.ErrForgotten) {
		t.Errorf("an old call that never was: %v", err)
	}
	for i, want := range []int{10, 10, 8, 0} {
		n, err := s.ForgetCalls(ctx, before, 10)
		must(t, err)
		same(t, fmt.Sprint("removed in batch ", i), want, n)
		audit := ledger.Audit{}
		must(t, s.Verify(ctx, &audit)) // half way too
	}
	same(t, "calls that are left", len(fresh), count())
	audited := ledger.Audit{}
	must(t, s.Verify(ctx, &audited))
	same(t, "calls that are proved though they are gone", int64(26), audited.Forgotten)
	for _, c := range old {
		if _, err := s.Call(ctx, c.ID); !errors.Is(err, ledger.ErrForgotten) || !errors.Is(err, ledger.ErrNotFound) {
			t.Fatalf("a removed call: %v", err)
		}
	}
	if _, err := s.Call(ctx, newID(t)); errors.Is(err, ledger.ErrForgotten) || !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("a new call that is not there: %v", err)
	}
	rolled, err := s.Rollups(ctx, ledger.RollupQuery{AccountIDs: []string{"a"}})
	must(t, err)
	var calls int64
	for _, r := range rolled {
		calls += r.Calls
	}
	same(t, "calls in roll-ups", int64(27), calls)

	// The journal comes back, to this node and to one that the store does not know.
	must(t, s.Apply(ctx, "node", old, ledger.Position{Segment: 1, Offset: 1}))
	must(t, s.Apply(ctx, "other", append(append([]ledger.Call{}, fresh...), old...), ledger.Position{Segment: 1, Offset: 1}))
	same(t, "calls after an old journal", len(fresh), count())
	same(t, "money after an old journal", a, balance(t, s, "a"))
	same(t, "a debt after an old journal", b, balance(t, s, "b"))
}

func testForgetEvents(t *testing.T, s Stores) {
	ctx := t.Context()
	for i := range 10 {
		must(t, s.InsertEvent(ctx, audit.Event{ID: newID(t), At: noon.Add(time.Duration(i) * time.Hour), Action: fmt.Sprint("a", i), Status: audit.Done}))
	}
	for _, want := range []int{4, 2, 0} {
		n, err := s.ForgetEvents(ctx, noon.Add(6*time.Hour), 4)
		must(t, err)
		same(t, "removed", want, n)
	}
	left, err := s.Events(ctx, audit.Query{Limit: 100})
	must(t, err)
	if len(left) != 4 || left[0].Action != "a9" || left[3].Action != "a6" {
		t.Errorf("%+v", left)
	}
}
