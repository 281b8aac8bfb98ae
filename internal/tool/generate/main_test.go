package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The table of packages in docs/architecture.md is written by hand. A package that is not in it can't be
// found by who reads it, and one that is gone misleads.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	raw, err := os.ReadFile(filepath.FromSlash("../../../docs/architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for line := range strings.Lines(string(raw)) {
		cell, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		if !ok || !strings.HasPrefix(line, "| `") {
			continue
		}
		for i, name := range strings.Split(cell, "`") {
			if i%2 == 1 {
				named[name] = true
			}
		}
	}
	root := filepath.FromSlash("../..")
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		found := false
		for name := range named {
			found = found || name == e.Name() || strings.HasPrefix(name, e.Name()+"/")
		}
		if e.IsDir() && !found {
			t.Errorf("docs/architecture.md does not say what internal/%s owns", e.Name())
		}
	}
	for name := range named {
		if info, err := os.Stat(filepath.Join(root, filepath.FromSlash(name))); err != nil || !info.IsDir() {
			t.Errorf("docs/architecture.md names internal/%s, which is not there", name)
		}
	}
}
