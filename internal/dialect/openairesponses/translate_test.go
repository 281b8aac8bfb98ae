package openairesponses_test

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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

// others are the dialects by the names of canon.
func protocol(t testing.TB, name canon.Dialect) dialect.Protocol {
	switch name {
	case canon.OpenAIResponses:
		return openairesponses.New()
	case canon.OpenAIChat:
		return openaichat.New()
	case canon.Anthropic:
		return anthropic.New()
	case canon.Gemini:
		return gemini.New()
	}
	t.Fatalf("no dialect %q", name)
	return nil
}

const callUUID = "0197f3a2-0000-7000-8000-0000000000ab"

// TestTranslate checks testdata/translate: what a client of another dialect asks, written for an upstream of
// this one; what an upstream of another dialect answers, written for a client of this one. Sections:
//
//	from           the other dialect (input)
//	client.json    its request (input); with it
//	target         Model Thinking, for WriteRequest; may be absent (input)
//	upstream.json  what WriteRequest makes of it, or the error
//	losses         what was lost
//
//	ask.json       a request of this dialect (input), to which
//	answer.sse     or answer.json is the answer of the other one (input)
//	stream.sse     the answer streamed, from either
//	whole.json     the answer whole, from either
//	losses
func TestTranslate(t *testing.T) {
	names, err := fs.Glob(os.DirFS("testdata/translate"), "*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(name, ".txtar"), func(t *testing.T) {
			file := filepath.Join("testdata/translate", name)
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			f := &fixture{t: t, archive: txtar.Parse(raw)}
			f.run()
			if f.changed {
				if err := os.WriteFile(file, txtar.Format(f.archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

type fixture struct {
	t       *testing.T
	archive *txtar.Archive
	changed bool
}

func (f *fixture) input(name string) (string, bool) {
	for _, s := range f.archive.Files {
		if s.Name == name {
			return strings.TrimSuffix(string(s.Data), "\n"), true
		}
	}
	return "", false
}

func (f *fixture) check(name, got string) {
	f.t.Helper()
	want, ok := f.input(name)
	if ok && want == strings.TrimSuffix(got, "\n") {
		return
	}
	if u := flag.Lookup("update"); u == nil || u.Value.String() != "true" {
		f.t.Errorf("%s (-want +got), rewrite with -update if it is right:\n%s", name, cmp.Diff(want, got))
		return
	}
	f.changed = true
	if !strings.HasSuffix(got, "\n") {
		got += "\n"
	}
	for i := range f.archive.Files {
		if f.archive.Files[i].Name == name {
			f.archive.Files[i].Data = []byte(got)
			return
		}
	}
	f.archive.Files = append(f.archive.Files, txtar.File{Name: name, Data: []byte(got)})
}

func (f *fixture) run() {
	from, _ := f.input("from")
	other := protocol(f.t, canon.Dialect(from))
	if client, ok := f.input("client.json"); ok {
		f.request(other, client)
	}
	if ask, ok := f.input("ask.json"); ok {
		f.answer(other, ask)
	}
}

func lossLines(lost []canon.Loss) string {
	var b strings.Builder
	for _, l := range lost {
		b.WriteString(string(l.Kind) + " " + string(l.What) + " " + l.Path + ": " + l.Reason + "\n")
	}
	if b.Len() == 0 {
		return "none\n"
	}
	return b.String()
}

func read(t testing.TB, p dialect.Protocol, raw string) *canon.Request {
	t.Helper()
	req, err := p.ReadRequest(canon.OpGenerate, []byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	req.Origin = p.Dialect()
	canon.Pair(req)
	return req
}

func (f *fixture) request(other dialect.Protocol, client string) {
	to := dialect.Target{Op: canon.OpGenerate, Model: "gpt-5.1", Stream: true}
	if s, ok := f.input("target"); ok {
		model, thinking, _ := strings.Cut(s, " ")
		to.Model, to.Thinking = model, dialect.Thinking(thinking)
	}
	raw, lost, e := openairesponses.New().WriteRequest(read(f.t, other, client), to)
	if e != nil {
		f.check("upstream.json", "refused for "+e.Param+": "+e.Message)
		return
	}
	if _, err := jsonedit.Scan(raw, 512); err != nil {
		f.t.Fatalf("not strict JSON: %v\n%s", err, raw)
	}
	f.check("upstream.json", string(raw))
	f.check("losses", lossLines(lost))
}

func (f *fixture) answer(other dialect.Protocol, ask string) {
	req := read(f.t, openairesponses.New(), ask)
	head := dialect.Head{Op: canon.OpGenerate, Choices: 1}
	events := f.events(other, head)
	stream, whole, lost := write(req, events, other.Dialect())
	f.check("stream.sse", stream)
	f.check("whole.json", whole)
	f.check("losses", lossLines(lost))
}

// events reads the answer of the other dialect.
func (f *fixture) events(other dialect.Protocol, head dialect.Head) []canon.Event {
	f.t.Helper()
	if body, ok := f.input("answer.json"); ok {
		events, err := other.NewReader(head).Read("", []byte(body), nil)
		if err != nil {
			f.t.Fatal(err)
		}
		return events
	}
	body, _ := f.input("answer.sse")
	events, err := readStream(other, body)
	if err != nil {
		f.t.Fatal(err)
	}
	return events
}

func readStream(p dialect.Protocol, body string) (events []canon.Event, err error) {
	head := dialect.Head{Op: canon.OpGenerate, Choices: 1, Stream: true, Framing: dialect.FramingSSE, IncludeUsage: true}
	frames, r := sse.NewReader(strings.NewReader(body+"\n\n"), 1<<20), p.NewReader(head)
	for {
		frame, err := frames.Next()
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return events, err
		}
		if frame.Data == nil {
			continue
		}
		if events, err = r.Read(string(frame.Event), bytes.Clone(frame.Data), events); err != nil {
			return events, err
		}
	}
}

// write writes events streamed and whole.
func write(req *canon.Request, events []canon.Event, origin canon.Dialect) (stream, whole string, lost []canon.Loss) {
	a := dialect.Answer{Head: dialect.Head{Op: canon.OpGenerate, Choices: 1}, Request: req, ID: callUUID, Model: "the-model", Origin: origin, Created: time.Unix(1763474589, 0)}
	one := openairesponses.New().NewWriter(a)
	a.Head.Stream, a.Head.Framing = true, dialect.FramingSSE
	w := openairesponses.New().NewWriter(a)
	var s, o []byte
	for _, e := range events {
		s, o = w.Write(s, e), one.Write(o, e)
	}
	return string(w.Close(s)), string(one.Close(o)), w.Losses()
}
