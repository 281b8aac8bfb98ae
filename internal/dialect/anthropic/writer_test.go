package anthropic_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"pgregory.net/rapid"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/sse"
)

// message is an answer as a client holds it in the end.
type message struct {
	ID           string           `json:"id"`
	Type         string           `json:"type"`
	Role         string           `json:"role"`
	Model        string           `json:"model"`
	Content      []map[string]any `json:"content"`
	StopReason   *string          `json:"stop_reason"`
	StopSequence *string          `json:"stop_sequence"`
	StopDetails  any              `json:"stop_details"`
	Usage        map[string]any   `json:"usage"`
}

// accumulate reads a stream as the strictest of clients does: events in their order and with their names,
// blocks one at a time with indexes that count up, deltas of the kind of their block.
func accumulate(stream []byte) (*message, error) {
	var m *message
	var open map[string]any
	var input strings.Builder
	ended := false
	frames := sse.NewReader(bytes.NewReader(stream), 64<<20)
	for {
		f, err := frames.Next()
		if errors.Is(err, io.EOF) {
			if !ended {
				return nil, errors.New("no message_stop")
			}
			return m, nil
		}
		if err != nil {
			return nil, err
		}
		if f.Data == nil {
			continue
		}
		var e struct {
			Type         string          `json:"type"`
			Index        *int            `json:"index"`
			Message      json.RawMessage `json:"message"`
			ContentBlock map[string]any  `json:"content_block"`
			Delta        map[string]any  `json:"delta"`
			Usage        map[string]any  `json:"usage"`
		}
		if err := json.Unmarshal(f.Data, &e); err != nil {
			return nil, fmt.Errorf("%w: %s", err, f.Data)
		}
		if e.Type != string(f.Event) || ended || (m == nil) != (e.Type == "message_start") {
			return nil, fmt.Errorf("event %s with data %s out of place", f.Event, f.Data)
		}
		if strings.HasPrefix(e.Type, "content_block") && (e.Index == nil || *e.Index != len(m.Content) || (open == nil) != (e.Type == "content_block_start")) {
			return nil, fmt.Errorf("out of order: %s after %d blocks", f.Data, len(m.Content))
		}
		switch e.Type {
		case "ping":
		case "message_start":
			m = &message{}
			if err := json.Unmarshal(e.Message, m); err != nil {
				return nil, err
			}
			if m.Content == nil || len(m.Content) > 0 || m.StopReason != nil || m.Usage == nil || m.Type != "message" || m.Role != "assistant" {
				return nil, fmt.Errorf("opens with %s", e.Message)
			}
		case "content_block_start":
			open = e.ContentBlock
			input.Reset()
			for _, name := range map[string][]string{"text": {"text"}, "thinking": {"thinking", "signature"}}[open["type"].(string)] {
				if s, ok := open[name].(string); !ok || s != "" {
					return nil, fmt.Errorf("a block without an empty %s: %s", name, f.Data)
				}
			}
		case "content_block_delta":
			type kind struct{ delta, block, member string }
			matched := false
			for _, k := range []kind{{"text_delta", "text", "text"}, {"thinking_delta", "thinking", "thinking"}, {"signature_delta", "thinking", "signature"}} {
				if e.Delta["type"] == k.delta && open["type"] == k.block {
					if k.delta == "signature_delta" && open["signature"] != "" {
						return nil, errors.New("two signatures")
					}
					open[k.member] = open[k.member].(string) + e.Delta[k.member].(string)
					matched = true
				}
			}
			switch {
			case e.Delta["type"] == "input_json_delta" && (open["type"] == "tool_use" || open["type"] == "server_tool_use"):
				input.WriteString(e.Delta["partial_json"].(string))
			case e.Delta["type"] == "citations_delta" && open["type"] == "text":
				list, _ := open["citations"].([]any)
				open["citations"] = append(list, e.Delta["citation"])
			case !matched:
				return nil, fmt.Errorf("a %s for a %s", e.Delta["type"], open["type"])
			}
		case "content_block_stop":
			if input.Len() > 0 {
				var v any
				if err := json.Unmarshal([]byte(input.String()), &v); err != nil {
					v = input.String() // the model's fault
				}
				open["input"] = v
			}
			m.Content = append(m.Content, open)
			open = nil
		case "message_delta":
			if open != nil {
				return nil, errors.New("a block is open at the end")
			}
			reason, _ := e.Delta["stop_reason"].(string)
			m.StopReason = &reason
			if s, ok := e.Delta["stop_sequence"].(string); ok {
				m.StopSequence = &s
			}
			m.StopDetails = e.Delta["stop_details"]
			for name, n := range e.Usage {
				m.Usage[name] = n
			}
		case "message_stop":
			if m.StopReason == nil {
				return nil, errors.New("no message_delta")
			}
			ended = true
		default:
			return nil, fmt.Errorf("unknown event %s", f.Data)
		}
	}
}

// answer is what an answer is written for.
func answer(origin canon.Dialect, req *canon.Request, stream bool) dialect.Answer {
	a := dialect.Answer{
		Head:    dialect.Head{Op: canon.OpGenerate, Stream: stream, Choices: 1},
		Request: req, ID: "0199c0de-0000-7000-8000-000000000001", Model: "my-model", Origin: origin, Created: time.Unix(1_790_000_000, 0),
	}
	if stream {
		a.Head.Framing = dialect.FramingSSE
	}
	return a
}

// write writes events.
func write(a dialect.Answer, events []canon.Event) ([]byte, []canon.Loss) {
	w := anthropic.New().NewWriter(a)
	var dst []byte
	for _, e := range events {
		dst = w.Write(dst, e)
	}
	if !a.Head.Stream && len(dst) > 0 {
		panic("a whole answer was begun before Close")
	}
	return w.Close(dst), w.Losses()
}

// both writes events streamed and whole, and checks that they mean the same.
func both(t interface {
	Helper()
	Fatalf(string, ...any)
	Errorf(string, ...any)
}, origin canon.Dialect, req *canon.Request, events []canon.Event,
) (stream, whole []byte, lost []canon.Loss) {
	t.Helper()
	stream, lost = write(answer(origin, req, true), events)
	got, err := accumulate(stream)
	if err != nil {
		t.Fatalf("%v in\n%s", err, stream)
	}
	whole, wholeLost := write(answer(origin, req, false), events)
	var want message
	if err := json.Unmarshal(whole, &want); err != nil {
		t.Fatalf("%v in %s", err, whole)
	}
	for i := range got.Content { // what a model wrote wrong is passed on in a stream, and wrapped in an object
		if s, ok := got.Content[i]["input"].(string); ok {
			got.Content[i]["input"] = map[string]any{"input": s}
		} else if v, ok := got.Content[i]["input"]; ok {
			if _, ok := v.(map[string]any); !ok && i < len(want.Content) {
				got.Content[i]["input"] = want.Content[i]["input"]
			}
		}
	}
	for _, once := range []string{"service_tier", "cache_creation"} { // a message_delta does not say these again
		delete(want.Usage, once)
		delete(got.Usage, once)
	}
	if diff := cmp.Diff(want, *got); diff != "" {
		t.Errorf("streamed it means something else (-whole +stream):\n%s\n%s", diff, stream)
	}
	for _, l := range lost {
		found := false
		for _, m := range wholeLost {
			found = found || m == l
		}
		if !found {
			t.Errorf("lost in a stream alone: %+v", l)
		}
	}
	return stream, whole, wholeLost
}

// eventsOf reads a stream of another dialect.
func eventsOf(t *testing.T, p dialect.Protocol, stream string) []canon.Event {
	t.Helper()
	frames := sse.NewReader(strings.NewReader(stream), 16<<20)
	r := p.NewReader(dialect.Head{Op: canon.OpGenerate, Stream: true, Framing: dialect.FramingSSE, Choices: 1, IncludeUsage: true})
	var events []canon.Event
	for {
		f, err := frames.Next()
		if err != nil {
			return events
		}
		if f.Data == nil {
			continue
		}
		if events, err = r.Read(string(f.Event), f.Data, events); err != nil {
			return events
		}
	}
}

// TestWriter writes answers of other dialects. A file holds the dialect of the upstream (from), its
// stream.sse, perhaps the client's request (client.json), and the golden sections: the stream that the
// client gets, the body, and what was lost.
func TestWriter(t *testing.T) {
	files, err := filepath.Glob("testdata/answer/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			g := openGolden(t, path)
			defer g.close()
			from, _ := g.section("from")
			p := protocols()[from]
			if p == nil {
				t.Fatalf("from %q: no such dialect", from)
			}
			req := &canon.Request{Origin: canon.Anthropic}
			if client, ok := g.section("client.json"); ok {
				if req, err = anthropic.New().ReadRequest(canon.OpGenerate, []byte(client)); err != nil {
					t.Fatal(err)
				}
			}
			raw, _ := g.section("stream.sse")
			stream, whole, lost := both(t, p.Dialect(), req, eventsOf(t, p, raw+"\n\n"))
			g.check("client.sse", string(stream))
			g.check("client.body", indent(whole))
			g.check("lost", lossLines(lost))
		})
	}
}

// TestWriterOfEveryStream writes every stream that the dialects have on file, whatever it holds.
func TestWriterOfEveryStream(t *testing.T) {
	n := 0
	for name, p := range protocols() {
		files, err := filepath.Glob("../" + name + "/testdata/*.txtar")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range txtar.Parse(raw).Files {
				if f.Name != "stream.sse" {
					continue
				}
				n++
				t.Run(name+"/"+filepath.Base(path), func(t *testing.T) {
					events := eventsOf(t, p, string(f.Data))
					stream, _, _ := both(t, p.Dialect(), nil, events)
					if name == "anthropic" {
						return
					}
					want, got := said(events), said(eventsOf(t, anthropic.New(), string(stream)))
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("the client hears something else (-upstream +client):\n%s\n%s", diff, stream)
					}
				})
			}
		}
	}
	if n < 20 {
		t.Fatalf("only %d streams", n)
	}
}

// speech is what an answer says, however it was cut.
type speech struct {
	Text, Thoughts string
	Calls          []string
}

func said(events []canon.Event) (s speech) {
	inputs := map[int]int{}
	for _, e := range events {
		switch e := e.(type) {
		case canon.TextDelta:
			if e.Choice == 0 {
				s.Text += e.Text
			}
		case canon.RefusalDelta:
			if e.Choice == 0 {
				s.Text += e.Text
			}
		case canon.ReasoningDelta:
			if e.Choice == 0 {
				s.Thoughts += e.Text
			}
		case canon.ToolStart:
			if e.Choice == 0 {
				inputs[e.Index] = len(s.Calls)
				s.Calls = append(s.Calls, e.Name+" ")
				if e.Custom {
					s.Calls[len(s.Calls)-1] += `{"input":`
				}
			}
		case canon.ToolDelta:
			if at, ok := inputs[e.Index]; ok && e.Choice == 0 {
				s.Calls[at] += e.JSON
			}
		}
	}
	for i, c := range s.Calls {
		if strings.Contains(c, ` {"input":"`) && strings.HasSuffix(c, `"`) {
			c += "}"
		}
		if strings.HasSuffix(c, " ") {
			c += "{}"
		}
		s.Calls[i] = c
	}
	return s
}

// TestCallsTakeTurns feeds fragments of parallel calls in any order: the first is never held up, the
// others follow whole, and nothing is lost.
func TestCallsTakeTurns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		calls := rapid.IntRange(1, 4).Draw(t, "calls")
		args := []string{`{"a":"}{\"x"}`, `{"b":[1,{"c":2}]}`, ``, `{}`, ` { "d" : 1 } `}
		left := make([]string, calls)
		events := []canon.Event{canon.Start{ID: "x"}}
		if rapid.Bool().Draw(t, "text") {
			events = append(events, canon.TextDelta{Index: 0, Text: "I look."})
		}
		var want []string
		for i := range calls {
			left[i] = rapid.SampledFrom(args).Draw(t, "args")
			want = append(want, fmt.Sprint("f", i, " ", left[i]))
			events = append(events, canon.ToolStart{Index: i + 1, ID: fmt.Sprint("id", i), Name: fmt.Sprint("f", i)})
		}
		for {
			var open []int
			for i, s := range left {
				if s != "" {
					open = append(open, i)
				}
			}
			if len(open) == 0 {
				break
			}
			i := rapid.SampledFrom(open).Draw(t, "next")
			n := rapid.IntRange(1, len(left[i])).Draw(t, "bytes")
			events = append(events, canon.ToolDelta{Index: i + 1, JSON: left[i][:n]})
			left[i] = left[i][n:]
		}
		w := anthropic.New().NewWriter(answer(canon.OpenAIChat, nil, true))
		for _, e := range events {
			out := w.Write(nil, e)
			if d, ok := e.(canon.ToolDelta); ok && d.Index == 1 && strings.TrimSpace(d.JSON) != "" && len(out) == 0 {
				t.Fatalf("%+v of the first call was held up", d)
			}
		}
		events = append(events, canon.Stopped{Why: canon.StopTools}, canon.Used{Usage: canon.Usage{Input: 5, Output: 7}}, canon.Ended{})
		stream, _, lost := both(t, canon.OpenAIChat, nil, events)
		if len(lost) > 0 {
			t.Fatalf("%+v", lost)
		}
		var got []string
		m, err := accumulate(stream)
		if err != nil {
			t.Fatal(err)
		}
		calling := 0
		for _, b := range m.Content {
			if b["type"] != "tool_use" {
				continue
			}
			var wantInput any = map[string]any{}
			if _, a, _ := strings.Cut(want[calling], " "); strings.TrimSpace(a) != "" {
				if err := json.Unmarshal([]byte(a), &wantInput); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(wantInput, b["input"]); diff != "" {
				t.Fatalf("call %d: %s", calling, diff)
			}
			got = append(got, b["name"].(string))
			calling++
		}
		if len(got) != calls {
			t.Fatalf("%d of %d calls: %v", len(got), calls, got)
		}
	})
}

// TestNextCallIsNotHeldUp checks that a call which begins when the one before it is whole leaves at once.
func TestNextCallIsNotHeldUp(t *testing.T) {
	w := anthropic.New().NewWriter(answer(canon.OpenAIChat, nil, true))
	for _, e := range []canon.Event{canon.Start{}, canon.ToolStart{Index: 0, Name: "a"}, canon.ToolDelta{Index: 0, JSON: `{"x":1}`}} {
		w.Write(nil, e)
	}
	if out := w.Write(nil, canon.ToolStart{Index: 1, Name: "b"}); !bytes.Contains(out, []byte(`"index":1,"content_block":{"type":"tool_use"`)) {
		t.Errorf("held up: %s", out)
	}
	if out := w.Write(nil, canon.ToolDelta{Index: 1, JSON: `{"y`}); !bytes.Contains(out, []byte(`{\"y`)) {
		t.Errorf("held up: %s", out)
	}
}

// TestFail checks that a broken stream can't be taken for whole.
func TestFail(t *testing.T) {
	w := anthropic.New().NewWriter(answer(canon.Gemini, nil, true))
	dst := w.Write(nil, canon.Start{})
	dst = w.Write(dst, canon.TextDelta{Text: "Hel"})
	dst = w.Fail(dst, canon.Errorf(canon.KindUpstream, "it broke"))
	dst = w.Write(dst, canon.TextDelta{Text: "lo"})
	dst = w.Close(dst)
	if bytes.Contains(dst, []byte("message_stop")) || !bytes.HasSuffix(dst, []byte("\n\n")) || !bytes.Contains(dst, []byte("event: error\ndata: ")) || bytes.Contains(dst, []byte(`"lo"`)) {
		t.Errorf("%s", dst)
	}
}

// TestCountTokens checks the answer of count_tokens.
func TestCountTokens(t *testing.T) {
	a := answer(canon.Gemini, nil, false)
	a.Head.Op = canon.OpCountTokens
	if out, _ := write(a, []canon.Event{canon.Used{Usage: canon.Usage{Input: 7, CacheRead: 5}}, canon.Ended{}}); string(out) != `{"input_tokens":12}` {
		t.Errorf("%s", out)
	}
}

// TestSealsGoThroughClients checks that thoughts of every dialect come home through a Messages client,
// signed or not, and are not sent to Anthropic.
func TestSealsGoThroughClients(t *testing.T) {
	for _, origin := range []canon.Dialect{canon.OpenAIChat, canon.OpenAIResponses, canon.Gemini, canon.Anthropic} {
		for _, r := range []canon.ReasoningDelta{{Text: "hm", Seal: "c2ln"}, {Text: "hm"}, {Seal: "c2ln"}} {
			_, whole, _ := both(t, origin, nil, []canon.Event{canon.Start{}, r, canon.TextDelta{Index: 1, Text: "x"}, canon.Ended{}})
			var m struct{ Content json.RawMessage }
			if err := json.Unmarshal(whole, &m); err != nil {
				t.Fatal(err)
			}
			req, err := anthropic.New().ReadRequest(canon.OpGenerate, []byte(`{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":`+string(m.Content)+`}]}`))
			if err != nil {
				t.Fatal(err)
			}
			want := canon.Reasoning{Text: r.Text, Seal: r.Seal, Origin: origin}
			if diff := cmp.Diff(canon.Block(want), req.Turns[1].Blocks[0]); diff != "" {
				t.Errorf("%s: %s", origin, diff)
			}
			req.Origin = canon.OpenAIChat // as if another client had sent it
			out, _, bad := anthropic.New().WriteRequest(req, dialect.Target{Model: "m"})
			if bad != nil {
				t.Fatal(bad)
			}
			if sent := bytes.Contains(out, []byte(`"thinking"`)); sent != (origin == canon.Anthropic && r.Seal != "") {
				t.Errorf("thoughts of %s go to Anthropic: %s", origin, out)
			}
		}
	}
}

// TestWriterOfAnyAnswer writes drawn answers, streamed and whole, and reads them back.
func TestWriterOfAnyAnswer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		origin := rapid.SampledFrom([]canon.Dialect{canon.OpenAIChat, canon.OpenAIResponses, canon.Gemini}).Draw(t, "origin")
		events := crosstest.Events(t)
		if rapid.Bool().Draw(t, "without ends") { // as Chat Completions has it
			events = slices.DeleteFunc(events, func(e canon.Event) bool { _, ok := e.(canon.BlockEnd); return ok })
		}
		stream, whole, lost := both(t, origin, nil, events)
		if len(lost) > 0 {
			t.Fatalf("%+v", lost)
		}
		for _, raw := range [][]byte{stream, whole} {
			got, err := crosstest.ReadAnswer(anthropic.New(), bytes.HasPrefix(raw, []byte("event:")), raw, 0)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(said(events), said(got)); diff != "" {
				t.Fatalf("%s\n%s", diff, raw)
			}
			var seal, why, used string
			for _, e := range got {
				switch e := e.(type) {
				case canon.ReasoningDelta:
					if e.Seal != "" {
						from, inner := canon.UnwrapSeal(canon.Anthropic, e.Seal)
						seal += string(from) + " " + inner
					}
				case canon.Stopped:
					why = string(e.Why)
				case canon.Used:
					used = fmt.Sprint(e.Usage)
				}
			}
			for _, e := range events {
				switch e := e.(type) {
				case canon.ReasoningDelta:
					if e.Seal != "" && !strings.Contains(seal, string(origin)+" "+e.Seal) {
						t.Fatalf("the seal %q became %q", e.Seal, seal)
					}
				case canon.Stopped:
					if why != string(e.Why) {
						t.Fatalf("%s became %s", e.Why, why)
					}
				case canon.Used:
					if used != fmt.Sprint(e.Usage) {
						t.Fatalf("%+v became %s", e.Usage, used)
					}
				}
			}
		}
	})
}

// BenchmarkWriter writes the answer of 100 events that BenchmarkReader reads.
func BenchmarkWriter(b *testing.B) {
	events := []canon.Event{canon.Start{ID: "x"}}
	for len(events) < 97 {
		events = append(events, canon.TextDelta{Text: " applying successive division until"})
	}
	events = append(events, canon.Stopped{Why: canon.StopEnd}, canon.Used{Usage: canon.Usage{Input: 5, Output: 9}}, canon.Ended{})
	dst := make([]byte, 0, 1<<16)
	b.ReportAllocs()
	for b.Loop() {
		w := anthropic.New().NewWriter(answer(canon.OpenAIChat, nil, true))
		dst = dst[:0]
		for _, e := range events {
			dst = w.Write(dst, e)
		}
		dst = w.Close(dst)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(events)), "ns/event")
}
