package gemini_test

import (
	"bytes"
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
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/gemini"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/dialect/openairesponses"
	"tollgate/internal/simulator"
)

func protocol(t *testing.T, name string) dialect.Protocol {
	t.Helper()
	for _, p := range []dialect.Protocol{openaichat.New(), openairesponses.New(), anthropic.New(), gemini.New()} {
		if string(p.Dialect()) == name {
			return p
		}
	}
	t.Fatalf("no dialect %q", name)
	return nil
}

// file is a golden file of a translation: inputs by hand, the rest by -update.
type file struct {
	t       *testing.T
	name    string
	archive *txtar.Archive
	changed bool
}

func open(t *testing.T, name string) *file {
	t.Helper()
	a, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return &file{t: t, name: name, archive: a}
}

func (f *file) get(name string) (string, bool) {
	for _, s := range f.archive.Files {
		if s.Name == name {
			return string(s.Data), true
		}
	}
	return "", false
}

func (f *file) check(name, got string) {
	f.t.Helper()
	got = strings.TrimRight(got, "\n") + "\n"
	want, ok := f.get(name)
	if ok && want == got {
		return
	}
	if flag.Lookup("update").Value.String() != "true" {
		f.t.Errorf("%s (-want +got), rewrite with -update if it is right:\n%s", name, cmp.Diff(want, got))
		return
	}
	f.changed = true
	for i := range f.archive.Files {
		if f.archive.Files[i].Name == name {
			f.archive.Files[i].Data = []byte(got)
			return
		}
	}
	f.archive.Files = append(f.archive.Files, txtar.File{Name: name, Data: []byte(got)})
}

func (f *file) save() {
	if f.changed {
		if err := os.WriteFile(f.name, txtar.Format(f.archive), 0o644); err != nil {
			f.t.Fatal(err)
		}
	}
}

func lossLines(lost []canon.Loss) string {
	var b strings.Builder
	for _, l := range lost {
		fmt.Fprintf(&b, "%s %s at %q: %s\n", l.What, l.Kind, l.Path, l.Reason)
	}
	return b.String()
}

func pretty(t *testing.T, raw []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", " "); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return b.String()
}

func golden(t *testing.T, folder string, run func(f *file)) {
	t.Helper()
	names, err := filepath.Glob("testdata/" + folder + "/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal(err, len(names))
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			f := open(t, name)
			run(f)
			f.save()
		})
	}
}

// TestWriteRequest writes what clients of other dialects ask: from is theirs, client.json what they send,
// target (optional) for what it is written.
func TestWriteRequest(t *testing.T) {
	golden(t, "write", func(f *file) {
		from, _ := f.get("from")
		client, _ := f.get("client.json")
		to := dialect.Target{Op: canon.OpGenerate, Model: "gemini-3.1-pro"}
		if target, ok := f.get("target"); ok {
			if err := json.Unmarshal([]byte(target), &to); err != nil {
				f.t.Fatal(err)
			}
		}
		p := protocol(f.t, strings.TrimSpace(from))
		op := to.Op
		if op == canon.OpBatchEmbed {
			op = canon.OpEmbed
		}
		req, err := p.ReadRequest(op, []byte(client))
		if err != nil {
			f.t.Fatal(err)
		}
		req.Origin = p.Dialect()
		canon.Pair(req)
		raw, lost, bad := gemini.New().WriteRequest(req, to)
		if bad != nil {
			f.check("refused", bad.Message)
			return
		}
		f.check("upstream.json", pretty(f.t, raw))
		if !bytes.Contains(bytes.ReplaceAll(raw, []byte(`"thoughtSignature":"skip_thought_signature_validator"`), nil), []byte("thoughtSignature")) {
			call(f.t, to, raw) // which knows no signatures but its own
		}
		f.check("losses", lossLines(lost))
	})
}

// call sends a request to a simulated upstream, which is strict about what it takes.
func call(t *testing.T, to dialect.Target, raw []byte) {
	t.Helper()
	action := map[canon.Op]string{canon.OpGenerate: "generateContent", canon.OpCountTokens: "countTokens", canon.OpBatchEmbed: "batchEmbedContents"}[to.Op]
	r := httptest.NewRequest(http.MethodPost, "/v1beta/models/"+to.Model+":"+action, bytes.NewReader(raw))
	r.Header.Set("X-Goog-Api-Key", "key")
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	simulator.New(simulator.Config{Seed: 1}).Handler().ServeHTTP(rec, r)
	if rec.Code != http.StatusOK {
		t.Errorf("the API answers %d: %s", rec.Code, rec.Body)
	}
}

// TestWriter writes what upstreams of other dialects answer: from is theirs, client.json what the Gemini
// client asked, stream.sse the answer.
func TestWriter(t *testing.T) {
	golden(t, "writer", func(f *file) {
		from, _ := f.get("from")
		client, _ := f.get("client.json")
		stream, _ := f.get("stream.sse")
		p, g := protocol(f.t, strings.TrimSpace(from)), gemini.New()
		asked, err := crosstest.Read(g, []byte(strings.TrimSpace(client)), true)
		if err != nil {
			f.t.Fatal(err)
		}
		events := replay(f.t, p, stream)
		for _, framing := range []dialect.Framing{dialect.FramingSSE, dialect.FramingJSONArray, dialect.FramingNone} {
			a := crosstest.Answer(asked, p.Dialect(), framing != dialect.FramingNone)
			a.Head.Framing = framing
			w := g.NewWriter(a)
			var out []byte
			for _, e := range events {
				out = w.Write(out, e)
			}
			out = w.Close(out)
			switch framing {
			case dialect.FramingSSE:
				f.check("client.sse", strings.ReplaceAll(string(out), "\r\n", "\n"))
				f.check("losses", lossLines(w.Losses()))
			case dialect.FramingJSONArray:
				if !json.Valid(out) {
					f.t.Errorf("no JSON: %s", out)
				}
				sse, _ := f.get("client.sse")
				want := "[" + strings.ReplaceAll(strings.ReplaceAll(strings.TrimRight(sse, "\n"), "\n\ndata: ", ",\r\n"), "data: ", "") + "]"
				if string(out) != want {
					f.t.Errorf("the array is not the stream: %s", cmp.Diff(want, string(out)))
				}
			case dialect.FramingNone:
				f.check("client.whole", pretty(f.t, out))
			}
		}
	})
}

// replay reads a stream of an upstream.
func replay(t *testing.T, p dialect.Protocol, stream string) (events []canon.Event) {
	t.Helper()
	r := p.NewReader(dialect.Head{Op: canon.OpGenerate, Stream: true, Framing: dialect.FramingSSE, Choices: 1, IncludeUsage: true})
	for frame := range strings.SplitSeq(strings.TrimSpace(stream), "\n\n") {
		name, data := "", ""
		for line := range strings.SplitSeq(frame, "\n") {
			if v, ok := strings.CutPrefix(line, "event: "); ok {
				name = v
			} else if v, ok := strings.CutPrefix(line, "data: "); ok {
				data = v
			}
		}
		var err error
		if events, err = r.Read(name, []byte(data), events); err != nil {
			t.Fatalf("%v: %s", err, data)
		}
	}
	return events
}
