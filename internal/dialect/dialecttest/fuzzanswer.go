package dialecttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"slices"
	"testing"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/jsonedit"
	"tollgate/internal/sse"
)

// answered are the operations that an upstream answers, by their numbers in the seeds.
var answered = [...]canon.Op{
	canon.OpGenerate, canon.OpComplete, canon.OpEmbed, canon.OpBatchEmbed, canon.OpModerate, canon.OpCountTokens,
	canon.OpStoredGet, canon.OpStoredDelete, canon.OpStoredCancel, canon.OpStoredItems,
}

// What else a head says, in the seeds. The two bits above are further choices.
const (
	howStream  = 1 << iota
	howUsage   // the client asked for the usage chunk
	howPassing // the bytes reach the client as they come
	howArray   // the client gets a stream as one JSON array, where the dialect has that
	howChoices // of 4
)

// headOf returns the head of the call that an answer is for.
func headOf(d canon.Dialect, op, how byte) dialect.Head {
	h := dialect.Head{Op: answered[int(op)%len(answered)], Choices: 1 + int(how/howChoices%4), IncludeUsage: how&howUsage != 0, Passing: how&howPassing != 0}
	switch h.Op {
	case canon.OpGenerate, canon.OpComplete, canon.OpStoredGet:
		h.Stream = how&howStream != 0
	case canon.OpStoredDelete, canon.OpStoredCancel, canon.OpStoredItems:
		h.StoredID = "resp_1"
	default:
	}
	if h.Op == canon.OpStoredGet {
		h.StoredID = "resp_1"
	}
	if h.Stream {
		h.Framing = dialect.FramingSSE
		if d == canon.Gemini && how&howArray != 0 {
			h.Framing = dialect.FramingJSONArray
		}
	}
	return h
}

// FuzzReader feeds a reader answers to calls for any operation of the dialect, whole and as streams of
// server-sent events, and passes them on as the relay does. Whatever it reads, usage is never negative,
// errors have words, events own their memory, and what the client gets reads the same, or as broken off.
func FuzzReader(f *testing.F, p dialect.Protocol, testdata fs.FS) {
	files := archives(f, testdata)
	ops := operations(f, p, calls(p, files))
	var served []byte
	for i, op := range answered {
		if ops[op] != "" {
			served = append(served, byte(i))
		}
	}
	for _, a := range files {
		for how, name := range []string{"answer.json", "stream.sse"} {
			raw, ok := section(a, name)
			if !ok {
				continue
			}
			ep, r := newFront(p).route(callOf(a))
			if ep == nil {
				f.Fatalf("an answer to no call: %s", a.Comment)
			}
			head := dialect.Head{Op: ep.Op}
			if body, ok := section(a, "client.json"); ok && takesBody(ep) {
				o, err := jsonedit.Scan([]byte(body), maxDepth)
				if err != nil {
					f.Fatal(err)
				}
				head, _ = p.Head(*ep, r, o)
			}
			if head.IncludeUsage {
				how |= howUsage
			}
			how |= (max(1, head.Choices) - 1) % 4 * howChoices
			op := byte(slices.Index(answered[:], head.Op))
			f.Add(op, byte(how), []byte(raw))
			if how&howStream != 0 {
				f.Add(op, byte(how|howArray|howPassing), []byte(raw))
			}
		}
	}
	odd := slices.DeleteFunc(append(badAnswers(), oddAnswers()...), func(s string) bool { return len(s) > 1<<10 }) // all of them for all operations: see hostile
	for i := 0; i < len(odd); i += 2 * someOf {
		f.Add(served[i%len(served)], byte(0), []byte(odd[i]))
		f.Add(byte(0), byte(howStream|i%4*howArray/2), []byte("data: "+odd[i]+"\n\n"))
	}
	f.Fuzz(func(t *testing.T, op, how byte, raw []byte) {
		head := headOf(p.Dialect(), op, how)
		if ops[head.Op] == "" {
			return
		}
		a := answer{t: t, p: p, head: head}
		if head.Stream {
			a.stream(raw)
		} else {
			a.whole(bytes.TrimSpace(raw))
		}
	})
}

// answer is one answer.
type answer struct {
	t    *testing.T
	p    dialect.Protocol
	head dialect.Head
}

// whole reads an answer that is not streamed.
func (a *answer) whole(raw []byte) {
	if len(raw) == 0 {
		return // nobody reads it
	}
	r := a.p.NewReader(a.head)
	events, err := a.read(r, "", raw)
	if r.Hidden() {
		a.t.Fatal("a whole answer is hidden from the client")
	}
	_ = r.Complete()
	if err == nil && len(events) == 0 {
		a.t.Fatal("an answer that means nothing at all")
	}
}

// read reads one frame and checks what it means.
func (a *answer) read(r dialect.Reader, event string, data []byte) ([]canon.Event, error) {
	t := a.t
	data = bytes.Clone(data)
	events, err := r.Read(event, data, nil)
	said := lines(events)
	for i := range data {
		data[i] = '#'
	}
	if lines(events) != said {
		t.Fatalf("events must own their memory:\n%s", said)
	}
	for _, e := range events {
		switch e := e.(type) {
		case canon.Used:
			u := e.Usage
			if min(u.Input, u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, u.InputImage, u.InputAudio, u.InputVideo, u.Output, u.Reasoning, u.OutputImage, u.OutputAudio, u.WebSearches, u.In(), u.Out()) < 0 {
				t.Fatalf("negative usage: %+v", u)
			}
		case canon.Failed:
			if e.Err == nil || e.Err.Kind == "" || e.Err.Message == "" {
				t.Fatalf("failed without a word: %+v", e.Err)
			}
		case canon.Embedding:
			if err == nil && (e.Number < 0 || !json.Valid(e.Values)) {
				t.Fatalf("vector %d is no JSON: %s", e.Number, e.Values)
			}
		case canon.Ended:
			if a.p.Dialect() == canon.Gemini {
				t.Fatal("this dialect has no end mark")
			}
		}
	}
	return events, err
}

// stream reads a stream and passes it on, as relay does.
func (a *answer) stream(raw []byte) {
	p := a.p
	good, broken := dialect.NewFramer(p, a.head), dialect.NewFramer(p, a.head)
	r, quick := p.NewReader(a.head), p.NewReader(a.head)
	frames := sse.NewReader(bytes.NewReader(raw), maxFrame)
	var out, cut []byte
	var said []canon.Event
	passed, hidden, whole := 0, false, false
	for {
		f, err := frames.Next()
		if err != nil {
			whole = errors.Is(err, io.EOF) && r.Complete()
			break
		}
		if f.Partial {
			f.Raw = append(slices.Clip(f.Raw), "\r\n\r\n"...)
		}
		events, err := a.read(r, string(f.Event), f.Data)
		a.skim(quick, &f, events, err)
		if err != nil || slices.ContainsFunc(events, isFailed) {
			break // nothing of it leaves
		}
		if r.Hidden() {
			hidden = true
			continue
		}
		said = append(said, events...)
		out, cut = good.Append(out, f.Raw, f.Data), broken.Append(cut, f.Raw, f.Data)
		if len(f.Data) > 0 {
			passed++
		}
		if slices.ContainsFunc(events, isEnded) {
			whole = true
			break
		}
	}
	if whole {
		a.passed(good.Close(out), passed, said, hidden)
	}
	if !slices.ContainsFunc(said, isEnded) {
		a.brokenOff(broken.Fail(cut, canon.Errorf(canon.KindUpstream, "the upstream broke")))
	}
}

func isFailed(e canon.Event) bool { _, ok := e.(canon.Failed); return ok }
func isEnded(e canon.Event) bool  { _, ok := e.(canon.Ended); return ok }

// skim reads a frame as the relay does where only the bytes and their meter matter, with a reader of its own.
func (a *answer) skim(quick dialect.Reader, f *sse.Frame, want []canon.Event, broken error) {
	if s, ok := quick.(dialect.Skimmer); ok {
		if text, ok := s.Skim(f.Data); ok {
			if d, isText := want[0].(canon.TextDelta); broken != nil || len(want) != 1 || !isText || d.Text != string(text) {
				a.t.Fatalf("skimmed as the text %q, it reads as %s%v\n%s", text, lines(want), broken, f.Data)
			}
			return
		}
	}
	events, err := quick.Read(string(f.Event), f.Data, nil)
	if lines(events) != lines(want) || (err == nil) != (broken == nil) {
		a.t.Fatalf("with others skimmed it reads as\n%s%v\nand without as\n%s%v\n%s", lines(events), err, lines(want), broken, f.Data)
	}
}

// reread reads what the client got, up to a failure, as relay does.
func (a *answer) reread(out []byte) (events []canon.Event, err error) {
	r := a.p.NewReader(a.head)
	if a.head.Framing == dialect.FramingJSONArray {
		if !json.Valid(out) || !gjson.ParseBytes(out).IsArray() {
			a.t.Fatalf("the client gets no array: %s", out)
		}
		return r.Read("", out, nil)
	}
	frames := sse.NewReader(bytes.NewReader(out), maxFrame)
	for {
		f, err := frames.Next()
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return events, err
		}
		if events, err = r.Read(string(f.Event), f.Data, events); err != nil || slices.ContainsFunc(events, isFailed) {
			return events, err
		}
	}
}

// passed checks a stream that was whole.
func (a *answer) passed(out []byte, frames int, said []canon.Event, hidden bool) {
	got, err := a.reread(out)
	if a.head.Framing == dialect.FramingJSONArray {
		if n := len(gjson.ParseBytes(out).Array()); n != frames {
			a.t.Fatalf("%d frames became %d elements: %s", frames, n, out)
		}
	}
	if err != nil || !hidden && lines(got) != lines(said) {
		a.t.Fatalf("the client reads\n%s%v\nof\n%s\n%s", lines(got), err, lines(said), out)
	}
}

// brokenOff checks a stream that was not.
func (a *answer) brokenOff(out []byte) {
	got, err := a.reread(out)
	if err != nil || len(got) == 0 || !slices.ContainsFunc(got, isFailed) || slices.ContainsFunc(got, isEnded) {
		a.t.Fatalf("what breaks off reads as\n%s%v\n%s", lines(got), err, out)
	}
}
