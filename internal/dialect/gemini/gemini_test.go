package gemini

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"tollgate/internal/dialect/dialecttest"
)

func TestDialect(t *testing.T) { dialecttest.Run(t, New(), os.DirFS("testdata")) }

// TestEveryActionHasAGolden checks that the golden files, from which fuzzing begins, call every action.
func TestEveryActionHasAGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, raw...)
	}
	for _, a := range actions {
		if !regexp.MustCompile(`(?m)^POST /v1beta/models/[^ ]*:` + a.name + `\b`).Match(all) {
			t.Errorf("no golden file calls %s", a.name)
		}
	}
}
