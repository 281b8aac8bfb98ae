package gemini_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/gemini"
	"tollgate/internal/jsonedit"
)

// TestFeatures checks the fixtures of testdata/feature, one request for each feature that clients of this
// dialect can ask for: at home each means the same, and what is lost there is what Google has no place for.
func TestFeatures(t *testing.T) {
	p := gemini.New()
	files, err := filepath.Glob("testdata/feature/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(err, len(files))
	}
	atHome := map[string]canon.What{"system.position": canon.WhatSystemPosition}
	for _, file := range files {
		what := strings.TrimSuffix(filepath.Base(file), ".json")
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		raw = bytes.TrimSpace(raw)
		if _, err := jsonedit.Scan(raw, 100); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		asked, err := crosstest.Read(p, raw, false)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		written, lost, bad := p.WriteRequest(asked, crosstest.Target(false))
		if bad != nil || len(lost) > 0 && lost[0].What != atHome[what] || len(lost) > 1 {
			t.Errorf("%s: %v, %v", what, bad, lost)
			continue
		}
		again, err := crosstest.Read(p, written, false)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if diff := cmp.Diff(asked, again); diff != "" && atHome[what] == "" {
			t.Errorf("%s is not the same at home:\n%s\n%s", what, diff, written)
		}
	}
}
