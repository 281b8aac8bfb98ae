package simulator_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"tollgate/internal/simulator"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata")

// TestGolden pins the bytes of an answer of every endpoint. Each file tells in its head where the shape
// was read. A "request" section is a method and path, headers, an empty line, and the body; the
// section after it is the answer. Clock and seed are fixed, so ids are the same every time.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			u := start(t, simulator.Config{Seed: 1})
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var out []txtar.File
			for _, f := range ar.Files {
				if !strings.HasPrefix(f.Name, "request") {
					continue
				}
				a := u.raw(string(f.Data))
				got := fmt.Sprintf("%d %s\n\n%s", a.status, a.header.Get("Content-Type"), strings.ReplaceAll(a.body, "\r\n", "\n"))
				if !strings.HasSuffix(got, "\n") {
					got += "\n"
				}
				out = append(out, f, txtar.File{Name: strings.Replace(f.Name, "request", "answer", 1), Data: []byte(got)})
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(&txtar.Archive{Comment: ar.Comment, Files: out}), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want := map[string]string{}
			for _, f := range ar.Files {
				want[f.Name] = string(f.Data)
			}
			for _, f := range out {
				if diff := cmp.Diff(want[f.Name], string(f.Data)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", f.Name, diff)
				}
			}
		})
	}
}

// raw sends a request written as in the golden files.
func (u *upstream) raw(text string) answer {
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	method, path, ok := strings.Cut(lines[0], " ")
	if !ok {
		u.t.Fatalf("no method and path in %q", lines[0])
	}
	var headers []string
	for _, l := range lines[1:] {
		k, v, _ := strings.Cut(l, ": ")
		headers = append(headers, k, v)
	}
	return u.do(u.t.Context(), method, path, strings.TrimSpace(body), headers...)
}
