package kept_test

import (
	"errors"
	"testing"
	"time"

	"tollgate/internal/kept"
	"tollgate/internal/kept/kepttest"
)

func TestMemory(t *testing.T) { kepttest.Run(t, kepttest.NewMemory()) }

// TestKeeper pins the limits: nothing larger than they allow, nothing longer, nothing of another's.
func TestKeeper(t *testing.T) {
	ctx := t.Context()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	k := kept.New(kepttest.NewMemory(), kept.Limits{DocBytes: 20, AccountBytes: 40, TotalBytes: 60, For: time.Hour}, func() time.Time { return now })
	if err := k.Keep(ctx, "a", "1", make([]byte, 19)); !errors.Is(err, kept.ErrTooLarge) {
		t.Errorf("21 bytes: %v", err)
	}
	put := func(account, id string) {
		now = now.Add(time.Second)
		if err := k.Keep(ctx, account, id, []byte("0123456789abcdefgh")); err != nil {
			t.Fatal(err)
		}
	}
	has := func(account, id string) bool {
		_, err := k.Load(ctx, account, id)
		if err != nil && !errors.Is(err, kept.ErrNotFound) {
			t.Fatal(err)
		}
		return err == nil
	}
	put("a", "1")
	put("a", "2")
	put("a", "3")
	if has("a", "1") || !has("a", "2") || !has("a", "3") || has("b", "3") {
		t.Error("an account keeps its two newest documents, and nobody else sees them")
	}
	put("b", "1")
	put("b", "2")
	if n, err := k.Trim(ctx); err != nil || n != 1 || has("a", "2") || !has("a", "3") || !has("b", "1") {
		t.Errorf("trimmed %d, %v: want the oldest of all gone", n, err)
	}
	if err := k.Delete(ctx, "b", "1"); err != nil || has("b", "1") {
		t.Error("deleted, and still there", err)
	}
	if err := k.Delete(ctx, "b", "1"); !errors.Is(err, kept.ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	now = now.Add(2 * time.Hour)
	if has("a", "3") {
		t.Error("what has expired is still there")
	}
	if n, err := k.Trim(ctx); err != nil || n != 2 {
		t.Errorf("trimmed %d, %v: want both that expired", n, err)
	}
}
