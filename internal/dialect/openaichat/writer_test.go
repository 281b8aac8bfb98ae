package openaichat_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/jsonedit"
)

func answerTo(req *canon.Request, op canon.Op, stream bool) dialect.Answer {
	head := dialect.Head{Op: op, Model: "m", Stream: stream, Choices: 1, IncludeUsage: true}
	if stream {
		head.Framing = dialect.FramingSSE
	}
	return dialect.Answer{Head: head, Request: req, ID: "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", Model: "m", Origin: canon.Anthropic, Created: time.Unix(1700000000, 0)}
}

// message is what a client puts together of a stream, as OpenAI's SDKs do.
type message struct {
	Content, Refusal, Reasoning string
	Calls                       []assembled
	Finish                      string
}

type assembled struct{ ID, Type, Name, Input string }

// assemble reads a stream the way strict clients do: every frame is JSON with the same id, indexes of
// calls count up from 0, and a call has its id and name in its first piece alone.
func assemble(stream []byte) (map[int]*message, bool, error) {
	out := map[int]*message{}
	id, done := "", false
	for _, frame := range strings.Split(strings.TrimSuffix(string(stream), "\n\n"), "\n\n") {
		data, ok := strings.CutPrefix(frame, "data: ")
		if !ok || done {
			return nil, false, fmt.Errorf("frame %q", frame)
		}
		if data == "[DONE]" {
			done = true
			continue
		}
		var c struct {
			ID      string
			Choices []struct {
				Index int
				Delta struct {
					Role, Content, Refusal, ReasoningContent *string
					ToolCalls                                []struct {
						Index    *int
						ID, Type string
						Function struct{ Name, Arguments string }
						Custom   struct{ Name, Input string }
					} `json:"tool_calls"`
				}
				FinishReason *string `json:"finish_reason"`
			}
		}
		if _, err := jsonedit.Scan([]byte(data), 100); err != nil {
			return nil, false, fmt.Errorf("%w: %s", err, data)
		}
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			return nil, false, err
		}
		if id != "" && c.ID != id || c.ID == "" {
			return nil, false, fmt.Errorf("id %q after %q", c.ID, id)
		}
		id = c.ID
		for _, ch := range c.Choices {
			m := out[ch.Index]
			if m == nil {
				m = &message{}
				out[ch.Index] = m
				if ch.Delta.Role == nil || *ch.Delta.Role != "assistant" {
					return nil, false, fmt.Errorf("the first delta has no role: %s", data)
				}
			}
			if ch.Delta.Content != nil {
				m.Content += *ch.Delta.Content
			}
			if ch.Delta.Refusal != nil {
				m.Refusal += *ch.Delta.Refusal
			}
			for _, k := range ch.Delta.ToolCalls {
				switch {
				case k.Index == nil || *k.Index > len(m.Calls):
					return nil, false, fmt.Errorf("index of a call: %s", data)
				case *k.Index == len(m.Calls):
					if k.ID == "" || k.Type == "" {
						return nil, false, fmt.Errorf("a call begins without id or type: %s", data)
					}
					m.Calls = append(m.Calls, assembled{ID: k.ID, Type: k.Type})
				case k.ID != "" || k.Function.Name != "" || k.Custom.Name != "":
					return nil, false, fmt.Errorf("a call begins twice: %s", data)
				}
				call := &m.Calls[*k.Index]
				call.Name += k.Function.Name + k.Custom.Name
				call.Input += k.Function.Arguments + k.Custom.Input
			}
			if ch.FinishReason != nil {
				if m.Finish != "" {
					return nil, false, fmt.Errorf("it ends twice: %s", data)
				}
				m.Finish = *ch.FinishReason
			}
		}
	}
	return out, done, nil
}

// Whatever events come, clients get valid frames, and the same streamed as whole.
func TestWriterKeepsItsForm(t *testing.T) {
	text := rapid.SampledFrom([]string{"", "a", "é\"\\\n", "\xff\xfe", "{\"x\":", "\u2028<b>", strings.Repeat("long ", 50)})
	event := rapid.Custom(func(t *rapid.T) canon.Event {
		choice, index := rapid.IntRange(0, 2).Draw(t, "choice"), rapid.IntRange(0, 4).Draw(t, "index")
		s := text.Draw(t, "text")
		switch rapid.IntRange(0, 13).Draw(t, "kind") {
		case 0:
			return canon.TextDelta{Choice: choice, Index: index, Text: s}
		case 1:
			return canon.ReasoningDelta{Choice: choice, Index: index, Text: s, Seal: text.Draw(t, "seal")}
		case 2:
			return canon.RefusalDelta{Choice: choice, Index: index, Text: s}
		case 3:
			return canon.ToolStart{Choice: choice, Index: index, ID: rapid.SampledFrom([]string{"", "call_1", "\xff"}).Draw(t, "id"), Name: rapid.SampledFrom([]string{"f", "sql", "\xff"}).Draw(t, "name"), Custom: rapid.Bool().Draw(t, "custom")}
		case 4, 5:
			return canon.ToolDelta{Choice: choice, Index: index, JSON: s}
		case 6:
			return canon.MediaDelta{Choice: choice, Index: index, Kind: rapid.SampledFrom([]canon.MediaKind{canon.MediaImage, canon.MediaAudio, canon.MediaVideo}).Draw(t, "media"), Data: rapid.SampledFrom([]string{"", "AAAA", "!\xff"}).Draw(t, "data")}
		case 7:
			return canon.Cited{Choice: choice, Index: index, Citation: canon.Citation{URL: s, Title: s, From: index}}
		case 8:
			return canon.TokenProbs{Choice: choice, Tokens: []canon.TokenProb{{Token: s, LogProb: -1, Bytes: []byte(s)}}}
		case 9:
			return canon.BlockEnd{Choice: choice, Index: index}
		case 10:
			return canon.Stopped{Choice: choice, Why: rapid.SampledFrom([]canon.Stop{canon.StopEnd, canon.StopLength, canon.StopTools, canon.StopRefusal, canon.StopPause, canon.StopOther, ""}).Draw(t, "why")}
		case 11:
			return canon.Used{Usage: canon.Usage{Input: 3, CacheRead: 2, Output: 1}}
		case 12:
			return canon.HostedUse{Choice: choice, Index: index, Kind: canon.HostedCode}
		}
		return canon.Other{Name: s, Content: true}
	})
	rapid.Check(t, func(t *rapid.T) {
		n := 1
		req := &canon.Request{Origin: canon.OpenAIChat, LogProbs: &n, Tools: []canon.Tool{{Name: "sql", Custom: true, At: "tools[0]"}}}
		events := rapid.SliceOfN(event, 0, 25).Draw(t, "events")
		var stopped bool
		for c := range 3 { // as every reader ends them
			for _, e := range events {
				if s, ok := e.(canon.Stopped); ok && s.Choice == c {
					stopped = true
				}
			}
			if !stopped {
				events = append(events, canon.Stopped{Choice: c, Why: canon.StopEnd})
			}
			stopped = false
		}
		var stream, whole []byte
		sw, ww := openaichat.New().NewWriter(answerTo(req, canon.OpGenerate, true)), openaichat.New().NewWriter(answerTo(req, canon.OpGenerate, false))
		for _, e := range events {
			before := len(stream)
			stream = sw.Write(stream, e)
			if d, ok := e.(canon.TextDelta); ok && d.Text != "" && len(stream) == before {
				t.Fatalf("%+v waits", e)
			}
			if whole = ww.Write(whole, e); len(whole) > 0 {
				t.Fatalf("written before the end: %s", whole)
			}
		}
		broken := sw.Fail(append([]byte(nil), stream...), canon.Errorf(canon.KindUpstream, "It broke."))
		if strings.Contains(string(broken), "[DONE]") || !strings.Contains(string(broken[len(stream):]), `"error"`) {
			t.Fatalf("a broken stream looks whole: %s", broken)
		}
		stream, whole = sw.Close(stream), ww.Close(whole)
		messages, done, err := assemble(stream)
		if err != nil || !done {
			t.Fatalf("done %v, %v\n%s", done, err, stream)
		}
		if _, err := jsonedit.Scan(whole, 100); err != nil {
			t.Fatalf("%v\n%s", err, whole)
		}
		var body struct {
			Choices []struct {
				Index   int
				Message struct {
					Content, Refusal *string
					ToolCalls        []struct {
						ID, Type string
						Function struct{ Name, Arguments string }
						Custom   struct{ Name, Input string }
					} `json:"tool_calls"`
				}
				FinishReason string `json:"finish_reason"`
			}
		}
		if err := json.Unmarshal(whole, &body); err != nil {
			t.Fatal(err)
		}
		for _, c := range body.Choices {
			m := message{Finish: c.FinishReason}
			if c.Message.Content != nil {
				m.Content = *c.Message.Content
			}
			if c.Message.Refusal != nil {
				m.Refusal = *c.Message.Refusal
			}
			for _, k := range c.Message.ToolCalls {
				m.Calls = append(m.Calls, assembled{ID: k.ID, Type: k.Type, Name: k.Function.Name + k.Custom.Name, Input: k.Function.Arguments + k.Custom.Input})
			}
			if got := messages[c.Index]; got == nil || !cmp.Equal(*got, m) {
				t.Fatalf("choice %d, whole %+v, streamed %+v\n%s\n%s", c.Index, m, got, whole, stream)
			}
		}
	})
}

// A custom tool's text is the same wherever its JSON is cut.
func TestCustomInputHoweverCut(t *testing.T) {
	const arguments = `{"input": "a\n\u00e9\ud83d\ude00\"\\b"}`
	req := &canon.Request{Origin: canon.OpenAIChat, Tools: []canon.Tool{{Name: "sql", Custom: true}}}
	for cut := range len(arguments) {
		w := openaichat.New().NewWriter(answerTo(req, canon.OpGenerate, true))
		var out []byte
		for _, e := range []canon.Event{
			canon.ToolStart{ID: "c", Name: "sql"}, canon.ToolDelta{JSON: arguments[:cut]}, canon.ToolDelta{JSON: arguments[cut:]}, canon.Stopped{Why: canon.StopTools},
		} {
			out = w.Write(out, e)
		}
		got, _, err := assemble(w.Close(out))
		if err != nil {
			t.Fatal(err)
		}
		want := []assembled{{ID: "c", Type: "custom", Name: "sql", Input: "a\né😀\"\\b"}}
		if diff := cmp.Diff(want, got[0].Calls); diff != "" || got[0].Finish != "tool_calls" {
			t.Fatalf("cut at %d: finish %s\n%s", cut, got[0].Finish, diff)
		}
	}
}

// TestRefuse pins what no other dialect can answer.
func TestRefuse(t *testing.T) {
	for _, c := range []struct {
		op, body string
		refused  bool
	}{
		{"complete", `{"model":"m","prompt":"a"}`, false},
		{"complete", `{"model":"m","prompt":["a"]}`, false},
		{"complete", `{"model":"m","prompt":["a","b"]}`, true},
		{"complete", `{"model":"m","prompt":[1,2]}`, true},
		{"complete", `{"model":"m"}`, true},
		{"embed", `{"model":"m","input":["a","b"]}`, false},
		{"embed", `{"model":"m","input":[[1],[2]]}`, true},
		{"moderate", `{"model":"m","input":"a"}`, true},
		{"generate", `{"model":"m","messages":[{"role":"user","content":[{"type":"x"}]}]}`, false},
	} {
		p := openaichat.New()
		req, err := p.ReadRequest(canon.Op(c.op), []byte(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if e := p.Refuse(canon.Op(c.op), req); (e != nil) != c.refused {
			t.Errorf("%s %s: %v", c.op, c.body, e)
		}
	}
}

// TestWriteRefuses pins that a legacy completion is asked of no upstream that only has those.
// An answer that goes back as it came says nothing but what it said: its empty lists are no losses.
func TestAnswerGoesBack(t *testing.T) {
	req, err := openaichat.New().ReadRequest(canon.OpGenerate, []byte(`{"model":"m","messages":[{"role":"user","content":"hi"},`+
		`{"role":"assistant","content":"hello","refusal":null,"annotations":[],"audio":null},{"role":"user","content":"go on"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(req.Turns) != 3 || len(req.Turns[1].Blocks) != 1 {
		t.Errorf("%+v", req.Turns)
	}
}

func TestWriteRefuses(t *testing.T) {
	_, _, e := openaichat.New().WriteRequest(&canon.Request{Origin: canon.Anthropic}, dialect.Target{Op: canon.OpComplete})
	if e == nil || e.Kind != canon.KindUnsupported {
		t.Errorf("got %v", e)
	}
}

// TestLongArguments pins that a call of five megabytes is written as it is.
func TestLongArguments(t *testing.T) {
	input := json.RawMessage(`{"a":"` + strings.Repeat("x\\n", 5<<20/3) + `"}`)
	req := &canon.Request{Origin: canon.Anthropic, Turns: []canon.Turn{
		{Role: canon.RoleAssistant, Blocks: []canon.Block{canon.ToolUse{ID: "c", Name: "f", Input: input}}},
		{Role: canon.RoleUser, Blocks: []canon.Block{canon.ToolResult{ID: "c"}}},
	}}
	raw, _, e := openaichat.New().WriteRequest(req, dialect.Target{Op: canon.OpGenerate, Model: "m"})
	if e != nil {
		t.Fatal(e)
	}
	again, err := openaichat.New().ReadRequest(canon.OpGenerate, raw)
	if err != nil {
		t.Fatal(err)
	}
	if u, ok := again.Turns[0].Blocks[0].(canon.ToolUse); !ok || string(u.Input) != string(input) {
		t.Error("the arguments have changed")
	}
}

// BenchmarkWriter writes 100 deltas of text.
func BenchmarkWriter(b *testing.B) {
	p := openaichat.New()
	answer := answerTo(&canon.Request{}, canon.OpGenerate, true)
	out := make([]byte, 0, 1<<16)
	b.ReportAllocs()
	for b.Loop() {
		w := p.NewWriter(answer)
		out = out[:0]
		for range 100 {
			out = w.Write(out, canon.TextDelta{Text: " word\n"})
		}
		out = w.Close(out)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/delta")
}

// BenchmarkWriteRequest writes a request of 77 KB that came in another dialect.
func BenchmarkWriteRequest(b *testing.B) {
	p := openaichat.New()
	req, err := p.ReadRequest(canon.OpGenerate, agentRequest())
	if err != nil {
		b.Fatal(err)
	}
	req.Origin = canon.Anthropic
	b.ReportAllocs()
	for b.Loop() {
		if _, _, e := p.WriteRequest(req, dialect.Target{Op: canon.OpGenerate, Model: "m", Stream: true}); e != nil {
			b.Fatal(e)
		}
	}
}
