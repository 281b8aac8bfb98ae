// Package kepttest is the suite that every store of kept documents passes, and one in memory for tests.
package kepttest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/kept"
)

// Run runs the suite on an empty store.
func Run(t *testing.T, s kept.Store) {
	t.Helper()
	ctx := t.Context()
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	doc := func(account, id string, second int, body string) kept.Doc {
		at := noon.Add(time.Duration(second) * time.Second)
		return kept.Doc{AccountID: account, ID: id, Body: []byte(body), At: at, Expires: at.Add(time.Hour)}
	}
	put := func(d kept.Doc, bytes int64) {
		t.Helper()
		if err := s.PutKept(ctx, d, bytes); err != nil {
			t.Fatal(err)
		}
	}
	want := func(account, id string, now time.Time, body string) {
		t.Helper()
		d, err := s.Kept(ctx, account, id, now)
		if body == "" {
			if !errors.Is(err, kept.ErrNotFound) {
				t.Errorf("%s of %s: %q, %v, want ErrNotFound", id, account, d.Body, err)
			}
			return
		}
		if err != nil || string(d.Body) != body {
			t.Errorf("%s of %s: %q, %v, want %q", id, account, d.Body, err, body)
		}
	}

	one := doc("a", "resp_1", 1, `{"ü":"\u0000'$1"}`)
	put(one, 1<<20)
	got, err := s.Kept(ctx, "a", "resp_1", noon)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(one, got); diff != "" {
		t.Errorf("kept and read back (-put +got):\n%s", diff)
	}
	want("b", "resp_1", noon, "")
	want("a", "resp_2", noon, "")
	want("a", "resp_1", one.Expires, "")

	put(doc("a", "resp_1", 2, "again"), 1<<20)
	want("a", "resp_1", noon, "again")
	put(doc("b", "resp_1", 3, "another's"), 1<<20)
	want("a", "resp_1", noon, "again")

	// Each of these counts for 12 or 13 bytes. Two fit.
	put(doc("a", "resp_2", 4, "second"), 1<<20)
	put(doc("a", "resp_3", 5, "third"), 26)
	want("a", "resp_1", noon, "")
	want("a", "resp_2", noon, "second")
	want("a", "resp_3", noon, "third")
	want("b", "resp_1", noon, "another's")

	if err := s.DeleteKept(ctx, "a", "resp_1", noon); !errors.Is(err, kept.ErrNotFound) {
		t.Errorf("deleting what went: %v", err)
	}
	if err := s.DeleteKept(ctx, "b", "resp_1", noon.Add(3*time.Hour)); !errors.Is(err, kept.ErrNotFound) {
		t.Errorf("deleting what has expired: %v", err)
	}
	if err := s.DeleteKept(ctx, "b", "resp_1", noon); err != nil {
		t.Error(err)
	}
	want("b", "resp_1", noon, "")

	put(doc("b", "resp_4", 6, "fourth"), 1<<20)
	trim := func(now time.Time, bytes, gone int64) {
		t.Helper()
		if n, err := s.TrimKept(ctx, now, bytes); err != nil || n != gone {
			t.Errorf("trimmed %d, %v, want %d", n, err, gone)
		}
	}
	trim(noon, 1<<20, 0)
	trim(noon, 30, 1) // resp_2 is the oldest
	want("a", "resp_2", noon, "")
	want("a", "resp_3", noon, "third")
	trim(doc("a", "resp_3", 5, "").Expires, 1<<20, 1)
	want("a", "resp_3", noon, "")
	want("b", "resp_4", noon, "fourth")
	trim(noon, 0, 1)
	want("b", "resp_4", noon, "")
	trim(noon, 0, 0)
}
