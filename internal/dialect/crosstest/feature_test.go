package crosstest_test

import (
	"os"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/matrix"
)

// What docs/translation.md says is kept arrives: of every fixture, in every dialect.
func TestFeaturesArrive(t *testing.T) {
	pairs(t, func(t *testing.T, a, b crosstest.Side) {
		features, err := matrix.Features(a.Dialect(), os.DirFS("../"+string(a.Dialect())))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range features {
			asked, err := matrix.Read(a, f.Raw)
			if err != nil {
				t.Errorf("%s: %v", f.What, err)
				continue
			}
			over, lost, cerr := b.WriteRequest(asked, matrix.Target())
			if cerr != nil {
				if a.Dialect() == b.Dialect() {
					t.Errorf("%s is refused at home: %v", f.What, cerr)
				}
				continue
			}
			if a.Dialect() == b.Dialect() && len(lost) > 0 && f.What != canon.WhatEmptyTurn && f.What != canon.WhatSystemPosition {
				t.Errorf("%s: at home %v is lost", f.What, lost)
			}
			got, err := crosstest.Read(b, over, false)
			if err != nil {
				t.Errorf("%s: %v\n%s", f.What, err, over)
				continue
			}
			if diff := crosstest.Diff(asked, got, lost, nil); diff != "" {
				t.Errorf("%s: %s\nlosses %v\nsent %s\nover %s", f.What, diff, lost, f.Raw, over)
			}
		}
	})
}
