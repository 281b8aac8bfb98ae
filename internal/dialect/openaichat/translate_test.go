package openaichat_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/gemini"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/dialect/openairesponses"
	"tollgate/internal/jsonedit"
	"tollgate/internal/sse"
)

var protocols = map[string]dialect.Protocol{
	"openaichat": openaichat.New(), "openairesponses": openairesponses.New(), "anthropic": anthropic.New(), "gemini": gemini.New(),
}

// fixture is a file of testdata/write or testdata/answer.
type fixture struct {
	t       *testing.T
	file    string
	archive *txtar.Archive
}

func fixtures(t *testing.T, dir string, f func(x *fixture)) {
	files, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			f(&fixture{t: t, file: file, archive: archive})
		})
	}
}

func (x *fixture) get(name string) string {
	for _, f := range x.archive.Files {
		if f.Name == name {
			return strings.TrimSuffix(string(f.Data), "\n")
		}
	}
	return ""
}

func (x *fixture) check(name, got string) {
	x.t.Helper()
	want := x.get(name)
	if got == want {
		return
	}
	if f := flag.Lookup("update"); f == nil || f.Value.String() != "true" {
		x.t.Errorf("%s (-want +got), rewrite with -update if it is right:\n%s", name, cmp.Diff(want, got))
		return
	}
	data := []byte(got + "\n")
	found := false
	for i := range x.archive.Files {
		if x.archive.Files[i].Name == name {
			x.archive.Files[i].Data, found = data, true
		}
	}
	if !found {
		x.archive.Files = append(x.archive.Files, txtar.File{Name: name, Data: data})
	}
	if err := os.WriteFile(x.file, txtar.Format(x.archive), 0o644); err != nil {
		x.t.Fatal(err)
	}
}

// read reads the client's request of the fixture.
func (x *fixture) read(from, raw string) (canon.Op, *canon.Request) {
	x.t.Helper()
	op := canon.OpGenerate
	if o := x.get("op"); o != "" {
		op = canon.Op(o)
	}
	if _, err := jsonedit.Scan([]byte(raw), 512); err != nil {
		x.t.Fatal(err)
	}
	req, err := protocols[from].ReadRequest(op, []byte(raw))
	if err != nil {
		x.t.Fatal(err)
	}
	req.Origin = protocols[from].Dialect()
	canon.Pair(req)
	return op, req
}

func losses(list []canon.Loss) string {
	var b strings.Builder
	for _, l := range list {
		fmt.Fprintf(&b, "%s %s at %q: %s\n", l.What, l.Kind, l.Path, l.Reason)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// TestWriteRequest writes requests of every dialect. Sections: from, op, target and client.json are
// inputs; upstream.json and losses, or error, are goldens.
func TestWriteRequest(t *testing.T) {
	fixtures(t, "write", func(x *fixture) {
		op, req := x.read(x.get("from"), x.get("client.json"))
		to := dialect.Target{Op: op, Model: "upstream-model"}
		if raw := x.get("target"); raw != "" {
			if err := json.Unmarshal([]byte(raw), &to); err != nil {
				t.Fatal(err)
			}
		}
		before := fmt.Sprintf("%+v", req)
		raw, lost, err := openaichat.New().WriteRequest(req, to)
		if after := fmt.Sprintf("%+v", req); before != after {
			x.t.Error("the request was changed")
		}
		if err != nil {
			x.check("error", fmt.Sprintf("%s at %q: %s", err.Kind, err.Param, err.Message))
			return
		}
		if _, err := jsonedit.Scan(raw, 512); err != nil {
			x.t.Errorf("not strict JSON: %v\n%s", err, raw)
		}
		x.check("upstream.json", pretty(x.t, raw))
		x.check("losses", losses(lost))
		if x.get("from") == "openaichat" && op == to.Op {
			roundTrip(x.t, op, req, raw)
		}
	})
}

// roundTrip checks that what was written at home means what was read.
func roundTrip(t *testing.T, op canon.Op, req *canon.Request, raw []byte) {
	t.Helper()
	again, err := openaichat.New().ReadRequest(op, raw)
	if err != nil {
		t.Fatalf("what was written can't be read: %v", err)
	}
	canon.Pair(again)
	want := *req
	want.Model, want.Stream, want.Packed = again.Model, again.Stream, again.Packed
	if diff := cmp.Diff(bare(&want), bare(again)); diff != "" {
		t.Errorf("the request means something else now (-want +got):\n%s", diff)
	}
}

// bare leaves out where things stood.
func bare(req *canon.Request) *canon.Request {
	r := *req
	r.SystemPaths = nil
	r.Extra = slices.SortedFunc(slices.Values(r.Extra), func(a, b canon.Field) int { return strings.Compare(a.Name, b.Name) })
	r.Turns, r.Tools = append([]canon.Turn(nil), r.Turns...), append([]canon.Tool(nil), r.Tools...)
	for i := range r.Turns {
		r.Turns[i].At, r.Turns[i].Paths = "", nil
	}
	for i := range r.Tools {
		r.Tools[i].At = ""
	}
	return &r
}

// pretty breaks up the outer levels of an object, and leaves every byte of a value.
func pretty(t *testing.T, raw []byte) string {
	o, err := jsonedit.Scan(raw, 512)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("{\n")
	for _, m := range o.Members() {
		v := o.Value(m)
		if v[0] != '[' {
			fmt.Fprintf(&b, " %q: %s\n", m.Name, v)
			continue
		}
		var list []json.RawMessage
		if err := json.Unmarshal(v, &list); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, " %q: [\n", m.Name)
		for _, e := range list {
			fmt.Fprintf(&b, "  %s\n", e)
		}
		b.WriteString(" ]\n")
	}
	b.WriteString("}")
	return b.String()
}

// TestWriter writes answers of every dialect to a chat client. Sections: from, op, client.json,
// upstream.sse and upstream.json are inputs; the others goldens.
func TestWriter(t *testing.T) {
	fixtures(t, "answer", func(x *fixture) {
		op, req := x.read("openaichat", x.get("client.json"))
		far := protocols[x.get("from")]
		answer := dialect.Answer{
			Request: req, ID: "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", Model: "client-model", Origin: far.Dialect(), Created: time.Unix(1700000000, 0),
			Head: dialect.Head{Op: op, Model: "client-model", Choices: max(req.N, 1), IncludeUsage: strings.Contains(x.get("client.json"), "include_usage")},
		}
		up := dialect.Head{Op: op, Choices: max(req.N, 1), IncludeUsage: true}
		if s := x.get("upstream.op"); s != "" {
			up.Op = canon.Op(s)
		} else if op == canon.OpComplete {
			up.Op = canon.OpGenerate
		}
		if raw := x.get("upstream.sse"); raw != "" {
			answer.Head.Stream, answer.Head.Framing = true, dialect.FramingSSE
			up.Stream, up.Framing = true, dialect.FramingSSE
			w := openaichat.New().NewWriter(answer)
			var out []byte
			for _, e := range streamed(x.t, far.NewReader(up), raw) {
				out = w.Write(out, e)
			}
			out = w.Close(out)
			text := strings.ReplaceAll(string(out), string(prefix(out)), "~")
			x.check("client.sse", strings.TrimSuffix(text, "\n"))
			x.check("stream.losses", losses(w.Losses()))
			readable(x.t, answer.Head, out)
		}
		if raw := x.get("upstream.json"); raw != "" {
			answer.Head.Stream, answer.Head.Framing = false, dialect.FramingNone
			up.Stream, up.Framing = false, dialect.FramingNone
			w := openaichat.New().NewWriter(answer)
			events, err := far.NewReader(up).Read("", []byte(raw), nil)
			if err != nil {
				x.t.Fatal(err)
			}
			var out []byte
			for _, e := range events {
				out = w.Write(out, e)
			}
			if len(out) > 0 {
				x.t.Errorf("written before the end: %s", out)
			}
			out = w.Close(out)
			x.check("client.answer", pretty(x.t, out))
			x.check("whole.losses", losses(w.Losses()))
			if _, err := openaichat.New().NewReader(answer.Head).Read("", out, nil); err != nil {
				x.t.Errorf("our own answer can't be read: %v", err)
			}
		}
	})
}

// prefix is what every chunk begins with.
func prefix(stream []byte) []byte {
	head, _, _ := bytes.Cut(bytes.TrimPrefix(stream, []byte("data: ")), []byte(`"choices":[`))
	return head
}

func streamed(t *testing.T, r dialect.Reader, raw string) (all []canon.Event) {
	t.Helper()
	frames := sse.NewReader(strings.NewReader(raw+"\n\n"), 16<<20)
	for {
		f, err := frames.Next()
		if err != nil {
			return all
		}
		if f.Data == nil {
			continue
		}
		events, rerr := r.Read(string(f.Event), bytes.Clone(f.Data), nil)
		if rerr != nil {
			t.Fatalf("%s: %v", f.Data, rerr)
		}
		all = append(all, events...)
	}
}

// readable checks that what we write reads as a whole answer.
func readable(t *testing.T, head dialect.Head, stream []byte) {
	t.Helper()
	r := openaichat.New().NewReader(head)
	streamed(t, r, string(stream))
	if !r.Complete() {
		t.Errorf("our own stream is not whole:\n%s", stream)
	}
}

// TestFeatures pins that every fixture of a feature is a request that goes home as it came, and that it has
// the feature: without it, something else would be written.
func TestFeatures(t *testing.T) {
	files, err := filepath.Glob("testdata/feature/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	seen := map[string]string{}
	for _, file := range files {
		what := strings.TrimSuffix(filepath.Base(file), ".json")
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		raw = bytes.TrimSpace(raw)
		if _, e := headOf(t, canon.OpGenerate, string(raw)); e != nil {
			t.Errorf("%s: %v", what, e)
		}
		req, err := openaichat.New().ReadRequest(canon.OpGenerate, raw)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		canon.Pair(req)
		out, lost, e := openaichat.New().WriteRequest(req, dialect.Target{Op: canon.OpGenerate, Model: "m"})
		if e != nil || len(lost) > 0 {
			t.Errorf("%s: %v, lost %s", what, e, losses(lost))
			continue
		}
		roundTrip(t, canon.OpGenerate, req, out)
		if other := seen[string(out)]; other != "" {
			t.Errorf("%s and %s are the same request: one does not have its feature", what, other)
		}
		seen[string(out)] = what
	}
}
