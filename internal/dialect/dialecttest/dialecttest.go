// Package dialecttest is the suite that every dialect passes.
//
// It owns the format of the golden files (testdata/*.txtar), their replay, and the checks that hold
// for any dialect whatever it says: hostile bytes are refused without a panic, an answer means the
// same streamed or whole, a stream means the same however the network cuts it. The fixtures and what
// a dialect means by them belong to the dialect.
//
// A golden file is one case: prose on top that says what it pins and where the bytes come from, then
// sections. Inputs are written by hand, goldens by `go test -update`; a golden is only checked or
// written where its input stands.
//
//	call            method, path and query of the client's request, then header lines (input)
//	client.json     its body (input)
//	head            what Head reads, or the error that refuses it
//	request         what ReadRequest reads, or the error
//	upstream.model  name that the upstream knows the model by; "upstream-model" if absent (input)
//	upstream.json   the body after Edits
//	stream.sse      a streamed answer (input)
//	stream.events   its events, a frame per paragraph
//	answer.json     the same answer not streamed (input)
//	answer.events   its events
//	meter           what a meter has read at the end, from either of the two
//	error.http      status line, header lines, empty line, body of an upstream's error (input)
//	error           what ReadError reads
//	fault           a canon.Error as JSON (input)
//	fault.http      how the client sees it
//	fault.stream    how it ends a stream
//	models          a list of dialect.Model as JSON (input)
//	models.http     how the client sees the list
//	model.http      how the client sees the first of them
package dialecttest

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"tollgate/internal/dialect"
)

var update = flag.Bool("update", false, "write the golden sections of testdata/*.txtar")

// Run checks p against the golden files in testdata and against the rules for all dialects. With
// -update, goldens are written to the folder testdata of the package under test.
func Run(t *testing.T, p dialect.Protocol, testdata fs.FS) {
	t.Helper()
	names, err := fs.Glob(testdata, "*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Fatal("no *.txtar in testdata")
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(name, ".txtar"), func(t *testing.T) {
			raw, err := fs.ReadFile(testdata, name)
			if err != nil {
				t.Fatal(err)
			}
			g := &golden{t: t, p: p, archive: txtar.Parse(raw)}
			if strings.TrimSpace(string(g.archive.Comment)) == "" {
				t.Error("no prose on top: say what this case pins and where its bytes come from")
			}
			g.run()
			if *update && g.changed {
				if err := os.WriteFile(filepath.Join("testdata", name), txtar.Format(g.archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	t.Run("contract", func(t *testing.T) { contract(t, p) })
	t.Run("hostile", func(t *testing.T) { hostile(t, p, testdata) })
}

// golden is one file under test.
type golden struct {
	t       *testing.T
	p       dialect.Protocol
	archive *txtar.Archive
	changed bool
	used    []string
}

// input returns a section written by hand.
func (g *golden) input(name string) (string, bool) {
	g.used = append(g.used, name)
	for _, f := range g.archive.Files {
		if f.Name == name {
			return string(f.Data), true
		}
	}
	return "", false
}

// check compares got with the golden section name, or writes it.
func (g *golden) check(name, got string) {
	g.t.Helper()
	if got != "" && !strings.HasSuffix(got, "\n") {
		got += "\n"
	}
	want, ok := g.input(name)
	if ok && want == got {
		return
	}
	if !*update {
		g.t.Errorf("%s (-want +got), rewrite with -update if it is right:\n%s", name, cmp.Diff(want, got))
		return
	}
	g.changed = true
	for i := range g.archive.Files {
		if g.archive.Files[i].Name == name {
			g.archive.Files[i].Data = []byte(got)
			return
		}
	}
	g.archive.Files = append(g.archive.Files, txtar.File{Name: name, Data: []byte(got)})
}

// run checks every section that the file has.
func (g *golden) run() {
	head, ok := g.request()
	if ok {
		g.answers(head)
	}
	g.errors()
	g.models()
	for _, f := range g.archive.Files {
		known := false
		for _, name := range g.used {
			known = known || f.Name == name
		}
		if !known {
			g.t.Errorf("section %q is not checked by anything: its name or its input is wrong", f.Name)
		}
	}
}
