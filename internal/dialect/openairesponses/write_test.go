package openairesponses_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/openairesponses"
)

// TestWriteRefuses pins what the upstream would refuse: it is said in the words of whoever sent it.
func TestWriteRefuses(t *testing.T) {
	turn := func(role canon.Role, b canon.Block) canon.Turn {
		return canon.Turn{Role: role, At: "messages[0]", Blocks: []canon.Block{b}, Paths: []string{"messages[0].content[0]"}}
	}
	for name, c := range map[string]struct {
		turns []canon.Turn
		tools []canon.Tool
		param string
	}{
		"a result without its call": {[]canon.Turn{turn(canon.RoleUser, canon.ToolResult{ID: "x"})}, nil, "messages[0].content[0]"},
		"a call without its result": {[]canon.Turn{turn(canon.RoleAssistant, canon.ToolUse{ID: "x", Name: "f"})}, nil, "messages[0].content[0]"},
		"no base64":                 {[]canon.Turn{turn(canon.RoleUser, canon.Media{Kind: canon.MediaImage, MIME: "image/png", Data: "a b\"c"})}, nil, "messages[0].content[0]"},
		"base64 cut off":            {[]canon.Turn{turn(canon.RoleUser, canon.Media{Kind: canon.MediaFile, Data: "AAAAA"})}, nil, "messages[0].content[0]"},
		"an image that is none":     {[]canon.Turn{turn(canon.RoleUser, canon.Media{Kind: canon.MediaImage, MIME: "text/html", Data: "AAAA"})}, nil, "messages[0].content[0]"},
		"a tool's name":             {nil, []canon.Tool{{Name: "a b", At: "tools[0]"}}, "tools[0]"},
	} {
		req := &canon.Request{Origin: canon.Anthropic, Turns: c.turns, Tools: c.tools}
		_, _, e := openairesponses.New().WriteRequest(req, dialect.Target{Op: canon.OpGenerate, Model: "m"})
		if e == nil || e.Kind != canon.KindInvalid || e.Param != c.param || e.Message == "" {
			t.Errorf("%s: got %+v, want it refused for %s", name, e, c.param)
		}
		if _, _, e := openairesponses.New().WriteRequest(&canon.Request{}, dialect.Target{Op: canon.OpEmbed}); e == nil || e.Kind != canon.KindUnsupported {
			t.Errorf("embeddings are written: %v", e)
		}
	}
}

// TestRefuse pins what can't be answered in another dialect at all.
func TestRefuse(t *testing.T) {
	for body, want := range map[string]string{
		`"input":"x"`: "",
		`"input":[{"role":"user","content":"x"},{"type":"web_search_call","id":"ws_1"}]`: "",
		`"input":[{"role":"user","content":"x"},{"type":"item_reference","id":"msg_1"}]`: "input[1]",
		`"input":[{"id":"msg_1"}]`: "input[0]",
		`"input":[{"type":"compaction","encrypted_content":"x"},{"role":"user","content":"x"}]`:            "input[0]",
		`"input":"x","conversation":"conv_1"`:                                                              "conversation",
		`"prompt":{"id":"pmpt_1"}`:                                                                         "prompt",
		`"input":[{"role":"user","content":[{"type":"input_hologram","x":1},{"type":"text","text":"x"}]}]`: "",
	} {
		req := read(t, openairesponses.New(), `{"model":"m",`+body+`}`)
		got := ""
		if e := openairesponses.New().Refuse(canon.OpGenerate, req); e != nil {
			got = e.Param
		}
		if got != want {
			t.Errorf("%s: refused for %q, want %q", body, got, want)
		}
	}
}

// TestInputThatIsNone pins that an input that is no object, and a call of nothing, is refused, not passed over.
func TestInputThatIsNone(t *testing.T) {
	for input, want := range map[string]string{
		`[5]`: "input[0]", `[{"role":"user","content":"x"},"y"]`: "input[1]", `[null]`: "input[0]",
		`[{"type":"function_call","call_id":"c","arguments":"{}"}]`:                         "input[0].name",
		`[{"type":"custom_tool_call","call_id":"c","namespace":"g","name":"","input":"x"}]`: "input[0].name",
	} {
		_, err := openairesponses.New().ReadRequest(canon.OpGenerate, []byte(`{"model":"m","input":`+input+`}`))
		var e *canon.Error
		if !errors.As(err, &e) || e.Kind != canon.KindInvalid || e.Param != want {
			t.Errorf("%s: %+v, want it refused for %s", input, err, want)
		}
	}
}

// TestToolChoiceThatIsNone pins that a choice that is neither a word nor an object is refused.
func TestToolChoiceThatIsNone(t *testing.T) {
	_, err := openairesponses.New().ReadRequest(canon.OpGenerate, []byte(`{"model":"m","input":"x","tool_choice":5}`))
	var e *canon.Error
	if !errors.As(err, &e) || e.Param != "tool_choice" {
		t.Errorf("%+v", err)
	}
}

// TestOrderOfAnAnswer pins that what was said before a thought that goes home stays before it.
func TestOrderOfAnAnswer(t *testing.T) {
	req := &canon.Request{Origin: canon.Anthropic, Turns: []canon.Turn{
		{Role: canon.RoleUser, Blocks: []canon.Block{canon.Text{Text: "x"}}},
		{Role: canon.RoleAssistant, Blocks: []canon.Block{canon.Text{Text: "a"}, canon.Reasoning{Seal: "s", Origin: canon.OpenAIResponses}, canon.Text{Text: "b"}}},
	}}
	raw, _, e := openairesponses.New().WriteRequest(req, dialect.Target{Op: canon.OpGenerate, Model: "m"})
	if e != nil {
		t.Fatal(e)
	}
	got := gjson.GetBytes(raw, "input.#.type").Raw
	if want := `["message","message","reasoning","message"]`; got != want {
		t.Errorf("%s, want %s: %s", got, want, raw)
	}
}

// TestTopKWhereItIsKnown pins that a vendor who knows top_k is told it.
func TestTopKWhereItIsKnown(t *testing.T) {
	k := int64(5)
	req := &canon.Request{Origin: canon.Anthropic, TopK: &k}
	raw, lost, e := openairesponses.New().WriteRequest(req, dialect.Target{Op: canon.OpGenerate, Model: "m", Knows: []canon.What{canon.WhatTopK}})
	if e != nil || len(lost) > 0 || !strings.Contains(string(raw), `"top_k":5`) {
		t.Errorf("%s, %v, %v", raw, lost, e)
	}
}

// TestFilesThatASearchFound pins that they are named as the caller's.
func TestFilesThatASearchFound(t *testing.T) {
	events, err := openairesponses.New().NewReader(dialect.Head{Op: canon.OpGenerate}).Read("", []byte(`{"id":"r","object":"response","status":"completed","model":"x","output":[
		{"type":"file_search_call","id":"fs_1","status":"completed","queries":["q"],"results":[{"file_id":"file-1","filename":"a.txt","score":0.5,"text":"t"}]}]}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	named := false
	for _, e := range events {
		if k, ok := e.(canon.Kept); ok && k.ID == "file-1" {
			named = true
		}
	}
	if !named {
		t.Errorf("the file is not named: %+v", events)
	}
}

// TestTextWithoutDeltas pins that a text that comes whole, by its last event alone, is told then.
func TestTextWithoutDeltas(t *testing.T) {
	for data, want := range map[string]canon.Event{
		`{"type":"response.output_text.done","item_id":"m","output_index":0,"content_index":0,"text":"Whole."}`: canon.TextDelta{Text: "Whole."},
		`{"type":"response.refusal.done","item_id":"m","output_index":0,"content_index":0,"refusal":"Whole."}`:  canon.RefusalDelta{Text: "Whole."},
	} {
		r := openairesponses.New().NewReader(dialect.Head{Op: canon.OpGenerate, Stream: true})
		if events, err := r.Read("", []byte(data), nil); err != nil || len(events) < 2 || events[1] != want {
			t.Errorf("%s: %+v, %v", data, events, err)
		}
	}
}

// TestReasoningModel pins that a model that is known to reason is not told how to draw tokens, and that its
// thoughts are asked for sealed; one that does not is asked for neither.
func TestReasoningModel(t *testing.T) {
	half, one := 0.5, 1.0
	for thinking, want := range map[dialect.Thinking]struct {
		has, not string
		lost     int
	}{
		dialect.ThinkingEffort: {`"include":["reasoning.encrypted_content"]`, `temperature`, 1},
		dialect.ThinkingNone:   {`"temperature":0.5,"top_p":1`, `reasoning`, 1},
	} {
		req := &canon.Request{Origin: canon.Anthropic, Temperature: &half, TopP: &one, Reasoning: &canon.Effort{Budget: 9000}}
		if thinking == dialect.ThinkingEffort {
			req.Reasoning = nil
		}
		raw, lost, e := openairesponses.New().WriteRequest(req, dialect.Target{Op: canon.OpGenerate, Model: "m", Thinking: thinking})
		if e != nil || !strings.Contains(string(raw), want.has) || strings.Contains(string(raw), want.not) || len(lost) != want.lost {
			t.Errorf("%s: %s, %+v, %v", thinking, raw, lost, e)
		}
	}
}

// TestCallIDs pins that an id longer than OpenAI takes is the same, shorter one at the call and at its result.
func TestCallIDs(t *testing.T) {
	long := strings.Repeat("x", 65)
	req := &canon.Request{Origin: canon.Anthropic, Turns: []canon.Turn{
		{Role: canon.RoleAssistant, Blocks: []canon.Block{canon.ToolUse{ID: long, Name: "f", Input: []byte(`{}`)}}},
		{Role: canon.RoleUser, Blocks: []canon.Block{canon.ToolResult{ID: long}}},
	}}
	raw, _, e := openairesponses.New().WriteRequest(req, dialect.Target{Op: canon.OpGenerate, Model: "m"})
	if e != nil {
		t.Fatal(e)
	}
	back := read(t, openairesponses.New(), string(raw))
	use, _ := back.Turns[0].Blocks[0].(canon.ToolUse)
	result, _ := back.Turns[1].Blocks[0].(canon.ToolResult)
	if use.ID != result.ID || use.ID == "" || len(use.ID) > 64 {
		t.Errorf("the call is %q, its result %q", use.ID, result.ID)
	}
}

// TestFail pins that a stream that breaks off can't be taken for whole, keeps counting, and says what there was.
func TestFail(t *testing.T) {
	a := dialect.Answer{Head: dialect.Head{Op: canon.OpGenerate, Stream: true, Framing: dialect.FramingSSE}, ID: callUUID, Model: "m", Origin: canon.Gemini, Created: time.Unix(1, 0)}
	w := openairesponses.New().NewWriter(a)
	b := w.Write(nil, canon.TextDelta{Text: "half"})
	b = w.Fail(b, canon.Errorf(canon.KindUpstream, "It broke."))
	if more := w.Close(b); len(more) != len(b) {
		t.Errorf("after the end comes %s", more[len(b):])
	}
	text := string(b)
	for _, want := range []string{"event: error\n", `"sequence_number":5,`, "event: response.failed\n", `"sequence_number":6,`, `"status":"failed"`, `"message":"It broke."`, `"text":"half"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	events, err := readStream(openairesponses.New(), text)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if _, ok := e.(canon.Ended); ok {
			t.Error("it reads as whole")
		}
	}
}

// TestAnswerLosses pins what of an answer has no place in a response.
func TestAnswerLosses(t *testing.T) {
	req := &canon.Request{Origin: canon.OpenAIResponses}
	stream, _, lost := write(req, []canon.Event{
		canon.TextDelta{Text: "a"},
		canon.TextDelta{Choice: 1, Text: "hidden"},
		canon.TextDelta{Choice: 1, Text: "hidden"},
		canon.MediaDelta{Index: 1, Kind: canon.MediaAudio, Data: "AAAA"},
		canon.Cited{Citation: canon.Citation{Title: "a book"}},
		canon.Stopped{Choice: 1, Why: canon.StopLength},
		canon.Stopped{Why: canon.StopEnd},
	}, canon.Gemini)
	var got []string
	for _, l := range lost {
		got = append(got, string(l.What))
	}
	if s := strings.Join(got, " "); s != "answer.choice answer.media answer.citation" {
		t.Errorf("lost %s", s)
	}
	if strings.Contains(stream, "hidden") || !strings.Contains(stream, "event: response.completed") {
		t.Errorf("%s", stream)
	}
}

// TestEndings pins how a response ends by why the model stopped.
func TestEndings(t *testing.T) {
	for _, c := range []struct {
		events []canon.Event
		want   string
	}{
		{[]canon.Event{canon.Stopped{Why: canon.StopEnd}}, `"status":"completed"`},
		{[]canon.Event{canon.Stopped{Why: canon.StopSequence}}, `"status":"completed"`},
		{[]canon.Event{canon.Stopped{Why: canon.StopLength}}, `"incomplete_details":{"reason":"max_output_tokens"}`},
		{[]canon.Event{canon.Stopped{Why: canon.StopFilter}}, `"incomplete_details":{"reason":"content_filter"}`},
		{[]canon.Event{canon.Stopped{Why: canon.StopRefusal}}, `"incomplete_details":{"reason":"content_filter"}`},
		{[]canon.Event{canon.RefusalDelta{Text: "No."}, canon.Stopped{Why: canon.StopRefusal}}, `"status":"completed"`},
		{[]canon.Event{canon.Stopped{Why: canon.StopOther, Raw: "MALFORMED"}}, `"incomplete_details":{"reason":"MALFORMED"}`},
	} {
		if _, whole, _ := write(&canon.Request{}, c.events, canon.Gemini); !strings.Contains(whole, c.want) {
			t.Errorf("%+v ends as %s", c.events, whole)
		}
	}
}

// TestCountAnswer pins the answer to a count of tokens.
func TestCountAnswer(t *testing.T) {
	w := openairesponses.New().NewWriter(dialect.Answer{Head: dialect.Head{Op: canon.OpCountTokens}})
	b := w.Write(nil, canon.Used{Usage: canon.Usage{Input: 7, CacheRead: 4}})
	if got := string(w.Close(b)); got != `{"object":"response.input_tokens","input_tokens":11}` {
		t.Error(got)
	}
}
