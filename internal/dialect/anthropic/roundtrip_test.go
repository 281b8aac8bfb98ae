package anthropic_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/jsonedit"
)

// clientBodies are the requests of all golden files of the dialect.
func clientBodies(t testing.TB) map[string]string {
	t.Helper()
	bodies := map[string]string{}
	for _, pattern := range []string{"testdata/*.txtar", "testdata/write/messages-*.txtar"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range txtar.Parse(raw).Files {
				if f.Name == "client.json" {
					bodies[path] = strings.TrimSuffix(string(f.Data), "\n")
				}
			}
		}
	}
	files, err := filepath.Glob("testdata/feature/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bodies[path] = string(raw)
	}
	return bodies
}

// normal is a request without what a round trip may change: where things stood, empty text, and that
// results move before what the user says.
func normal(req *canon.Request) *canon.Request {
	req.SystemPaths = nil
	keep := func(blocks []canon.Block) (out []canon.Block) {
		for _, b := range blocks {
			if t, ok := b.(canon.Text); ok && t.Text == "" {
				continue
			}
			if r, ok := b.(canon.ToolResult); ok && len(r.Blocks) == 0 {
				r.Blocks = nil
				b = r
			}
			out = append(out, b)
		}
		return out
	}
	req.System = keep(req.System)
	turns := req.Turns
	req.Turns = nil
	for _, t := range turns {
		t.At, t.Paths, t.Blocks = "", nil, keep(t.Blocks)
		if n := len(req.Turns); n > 0 && req.Turns[n-1].Role == t.Role && t.Role != canon.RoleSystem {
			req.Turns[n-1].Blocks = append(req.Turns[n-1].Blocks, t.Blocks...)
			continue
		}
		req.Turns = append(req.Turns, t)
	}
	for i := range req.Turns {
		var results, others []canon.Block
		inResult := false
		for _, b := range req.Turns[i].Blocks {
			switch b := b.(type) {
			case canon.ToolResult:
				inResult = true
			case canon.CachePoint:
			case canon.Foreign:
				inResult = inResult && !strings.Contains(string(b.Raw), `"type"`)
			default:
				inResult = false
			}
			if inResult {
				results = append(results, b)
			} else {
				others = append(others, b)
			}
		}
		req.Turns[i].Blocks = append(results, others...)
	}
	return req
}

// TestRoundTrip writes what clients of the dialect ask and reads it again: the same request.
func TestRoundTrip(t *testing.T) {
	p := anthropic.New()
	bodies := clientBodies(t)
	if len(bodies) < 10 {
		t.Fatalf("only %d requests", len(bodies))
	}
	for path, body := range bodies {
		req, err := p.ReadRequest(canon.OpGenerate, []byte(body))
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		canon.Pair(req)
		out, lost, bad := p.WriteRequest(req, dialect.Target{Op: canon.OpGenerate, Model: req.Model, Stream: req.Stream})
		if bad != nil || len(lost) > 0 {
			t.Errorf("%s: %v, %+v", path, bad, lost)
			continue
		}
		again, err := p.ReadRequest(canon.OpGenerate, out)
		if err != nil {
			t.Errorf("%s: %v in %s", path, err, out)
			continue
		}
		canon.Pair(again)
		want, got := normal(req), normal(again)
		if want.MaxOutput == 0 {
			got.MaxOutput = 0 // the API demands one
		}
		want.Names = nil // at home each thing is written by its usual name
		if diff := cmp.Diff(sorted(want), sorted(got)); diff != "" {
			t.Errorf("%s (-before +after):\n%s\n%s", path, diff, out)
		}
	}
}

// sorted is req with Extra fields in an order of their own: they are said beside what they belong to.
func sorted(req *canon.Request) *canon.Request {
	byName := map[string]string{}
	for _, f := range req.Extra {
		byName[strings.Replace(f.Name, "output_format", "output_config.format", 1)] = string(f.Value)
	}
	req.Extra = nil
	for name, value := range byName {
		req.Metadata = append(req.Metadata, canon.Field{Name: name, Value: []byte(value)})
	}
	for i := range req.Metadata {
		for j := range req.Metadata[:i] {
			if req.Metadata[i].Name < req.Metadata[j].Name {
				req.Metadata[i], req.Metadata[j] = req.Metadata[j], req.Metadata[i]
			}
		}
	}
	return req
}

// TestWriteChangesNothing checks that writing leaves the request as it is: another channel may be tried.
func TestWriteChangesNothing(t *testing.T) {
	for path, body := range clientBodies(t) {
		for _, origin := range []canon.Dialect{canon.Anthropic, canon.Gemini} {
			read := func() *canon.Request {
				req, err := anthropic.New().ReadRequest(canon.OpGenerate, []byte(body))
				if err != nil {
					t.Fatal(err)
				}
				req.Origin = origin
				canon.Pair(req)
				return req
			}
			req := read()
			first, _, _ := anthropic.New().WriteRequest(req, dialect.Target{Model: "m", Thinking: dialect.ThinkingBudget})
			if diff := cmp.Diff(read(), req); diff != "" {
				t.Errorf("%s: %s", path, diff)
			}
			second, _, _ := anthropic.New().WriteRequest(req, dialect.Target{Model: "m", Thinking: dialect.ThinkingBudget})
			if string(first) != string(second) {
				t.Errorf("%s: written a second time it differs:\n%s\n%s", path, first, second)
			}
		}
	}
}

// FuzzWriteRequest writes whatever ReadRequest has read, as if it came from here or from elsewhere, for
// every kind of model: what comes is strict JSON that is read without a complaint.
func FuzzWriteRequest(f *testing.F) {
	for _, body := range clientBodies(f) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if _, err := jsonedit.Scan([]byte(body), 500); err != nil {
			return
		}
		p := anthropic.New()
		for _, origin := range []canon.Dialect{canon.Anthropic, canon.OpenAIChat} {
			for _, thinking := range []dialect.Thinking{dialect.ThinkingUnknown, dialect.ThinkingNone, dialect.ThinkingEffort, dialect.ThinkingBudget, dialect.ThinkingAdaptive} {
				req, err := p.ReadRequest(canon.OpGenerate, []byte(body))
				if err != nil {
					return
				}
				req.Origin = origin
				canon.Pair(req)
				out, lost, bad := p.WriteRequest(req, dialect.Target{Op: canon.OpGenerate, Model: "m", Thinking: thinking})
				if bad != nil {
					if bad.Message == "" || out != nil {
						t.Fatalf("%+v with %s", bad, out)
					}
					continue
				}
				for _, l := range lost {
					if l.What == "" || l.Reason == "" || l.Kind == "" {
						t.Fatalf("%+v", l)
					}
				}
				if _, err := jsonedit.Scan(out, 600); err != nil {
					t.Fatalf("%v in %s of %s", err, out, body)
				}
				if _, err := p.ReadRequest(canon.OpGenerate, out); err != nil {
					t.Fatalf("%v in %s of %s", err, out, body)
				}
			}
		}
	})
}
