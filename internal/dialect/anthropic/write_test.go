package anthropic_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/gemini"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/dialect/openairesponses"
	"tollgate/internal/jsonedit"
	"tollgate/internal/simulator"
)

var _ dialect.Translator = (*anthropic.Protocol)(nil)

// protocols are those that a client may speak.
func protocols() map[string]dialect.Protocol {
	return map[string]dialect.Protocol{
		"openaichat": openaichat.New(), "openairesponses": openairesponses.New(), "anthropic": anthropic.New(), "gemini": gemini.New(),
	}
}

// golden is a txtar file under test; -update writes what differs.
type golden struct {
	t       *testing.T
	path    string
	archive *txtar.Archive
	changed bool
}

func openGolden(t *testing.T, path string) *golden {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return &golden{t: t, path: path, archive: txtar.Parse(raw)}
}

func (g *golden) section(name string) (string, bool) {
	for _, f := range g.archive.Files {
		if f.Name == name {
			return strings.TrimSuffix(string(f.Data), "\n"), true
		}
	}
	return "", false
}

func (g *golden) check(name, got string) {
	g.t.Helper()
	want, _ := g.section(name)
	if got == want {
		return
	}
	if flag.Lookup("update").Value.String() != "true" {
		g.t.Errorf("%s (-want +got), rewrite with -update if it is right:\n%s", name, cmp.Diff(want, got))
		return
	}
	g.changed = true
	for i := range g.archive.Files {
		if g.archive.Files[i].Name == name {
			g.archive.Files[i].Data = []byte(got + "\n")
			return
		}
	}
	g.archive.Files = append(g.archive.Files, txtar.File{Name: name, Data: []byte(got + "\n")})
}

func (g *golden) close() {
	if !g.changed {
		return
	}
	if err := os.WriteFile(g.path, txtar.Format(g.archive), 0o644); err != nil {
		g.t.Fatal(err)
	}
}

// lossLines renders losses, one a line.
func lossLines(lost []canon.Loss) string {
	var b strings.Builder
	for _, l := range lost {
		fmt.Fprintf(&b, "%s %s %q: %s\n", l.What, l.Kind, l.Path, l.Reason)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// indent renders JSON with a member a line where it is long, keeping the order.
func indent(raw []byte) string {
	var b strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		b.WriteByte(c)
		switch {
		case quoted:
			if c == '\\' {
				i++
				b.WriteByte(raw[i])
			}
			quoted = c != '"'
		case c == '"':
			quoted = true
		case c == '{', c == '[':
			depth++
		case c == '}', c == ']':
			depth--
		case c == ',' && depth <= 2:
			b.WriteString("\n" + strings.Repeat(" ", depth))
		}
	}
	return b.String()
}

// TestWriteRequest writes what clients of every dialect ask. A file holds the client's dialect (from),
// its JSON, perhaps a Target as JSON, and the golden sections: what goes upstream, and what was lost; or
// the error. What goes upstream must please the simulator, which knows the API's rules from its pages and
// not from us, unless the file has a section "refused" that says why it doesn't.
func TestWriteRequest(t *testing.T) {
	files, err := filepath.Glob("testdata/write/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	sim := simulator.New(simulator.Config{Seed: 1}).Handler()
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			g := openGolden(t, path)
			defer g.close()
			from, _ := g.section("from")
			p := protocols()[from]
			if p == nil {
				t.Fatalf("from %q: no such dialect", from)
			}
			client, _ := g.section("client.json")
			if _, err := jsonedit.Scan([]byte(client), 500); err != nil {
				t.Fatal(err)
			}
			req, err := p.ReadRequest(canon.OpGenerate, []byte(client))
			if err != nil {
				t.Fatal(err)
			}
			req.Origin = p.Dialect()
			canon.Pair(req)
			to := dialect.Target{Op: canon.OpGenerate, Model: "sim-claude", Stream: req.Stream}
			if raw, ok := g.section("target"); ok {
				if err := json.Unmarshal([]byte(raw), &to); err != nil {
					t.Fatal(err)
				}
			}
			out, lost, bad := anthropic.New().WriteRequest(req, to)
			if bad != nil {
				g.check("error", fmt.Sprintf("%s %q %s", bad.Kind, bad.Param, bad.Message))
				return
			}
			if _, err := jsonedit.Scan(out, 600); err != nil {
				t.Fatalf("%v in %s", err, out)
			}
			g.check("upstream.json", indent(out))
			g.check("lost", lossLines(lost))
			r := httptest.NewRequest(http.MethodPost, "/v1/messages", strings.NewReader(string(out)))
			if to.Op == canon.OpCountTokens {
				r.URL.Path = "/v1/messages/count_tokens"
			}
			r.Header.Set("X-Api-Key", "sk-test")
			r.Header.Set("Anthropic-Version", "2023-06-01")
			r.Header.Set("Content-Type", "application/json")
			rec := httptest.NewRecorder()
			sim.ServeHTTP(rec, r)
			why, refused := g.section("refused")
			if (rec.Code != 200) != refused {
				t.Errorf("the simulator answers %d: %s", rec.Code, rec.Body)
			}
			if refused && why == "" {
				t.Error("refused without a reason")
			}
		})
	}
}
