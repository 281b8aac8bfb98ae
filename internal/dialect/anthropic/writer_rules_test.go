package anthropic_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/anthropic"
)

// TestWriterRules checks single parts of an answer's body.
func TestWriterRules(t *testing.T) {
	for name, c := range map[string]struct {
		req    *canon.Request
		events []canon.Event
		want   string
		lost   string
	}{
		"calls of custom tools": {
			events: []canon.Event{canon.ToolStart{ID: "a", Name: "p", Custom: true}, canon.ToolDelta{JSON: `"a \"b`}, canon.ToolDelta{JSON: `\" c"`}},
			want:   `{"type":"tool_use","id":"a","name":"p","input":{"input":"a \"b\" c"}}`,
			lost:   `tool.custom changed ""`,
		},
		"cache writes of both lives": {
			events: []canon.Event{canon.Used{Usage: canon.Usage{Input: 1, InputImage: 2, CacheRead: 4, CacheWrite5m: 8, CacheWrite1h: 16, Output: 32, Reasoning: 64, OutputImage: 128, Tier: "priority"}}},
			want:   `"usage":{"input_tokens":3,"cache_creation_input_tokens":24,"cache_read_input_tokens":4,"cache_creation":{"ephemeral_5m_input_tokens":8,"ephemeral_1h_input_tokens":16},"output_tokens":224,"output_tokens_details":{"thinking_tokens":64},"service_tier":"priority"}`,
			lost:   `answer.usage changed ""`,
		},
		"the only stop sequence": {
			req:    &canon.Request{Stop: []string{"X"}},
			events: []canon.Event{canon.Stopped{Why: canon.StopSequence}},
			want:   `"stop_reason":"stop_sequence","stop_sequence":"X"`,
		},
		"one of two": {
			req:    &canon.Request{Stop: []string{"X", "Y"}},
			events: []canon.Event{canon.Stopped{Why: canon.StopSequence}},
			want:   `"stop_reason":"stop_sequence","stop_sequence":null`,
		},
		"the one that was met": {events: []canon.Event{canon.Stopped{Why: canon.StopSequence, Sequence: "Y"}}, want: `"stop_sequence":"Y"`},
		"pause":                {events: []canon.Event{canon.Stopped{Why: canon.StopPause, Raw: "CONTINUATION"}}, want: `"pause_turn"`, lost: `answer.stop changed "stop_reason (CONTINUATION)"`},
		"a prompt that was blocked": {
			events: []canon.Event{canon.Stopped{Why: canon.StopFilter, Raw: "BLOCKLIST", Detail: "A word.", Prompt: true}},
			want:   `"stop_reason":"refusal","stop_sequence":null,"stop_details":{"type":"refusal","category":null,"explanation":"A word."}`,
			lost:   `answer.stop changed "stop_reason (BLOCKLIST)"`,
		},
		"an end that has no word": {
			events: []canon.Event{canon.TextDelta{Text: "x"}, canon.Stopped{Why: canon.StopOther, Raw: "LANGUAGE"}},
			want:   `"stop_reason":"end_turn"`,
			lost:   `answer.stop changed "stop_reason (LANGUAGE)"`,
		},
		"cancelled": {events: []canon.Event{canon.Stopped{Why: canon.StopCancelled, Raw: "cancelled"}}, want: `"end_turn"`, lost: `answer.stop changed "stop_reason (cancelled)"`},
		"an end of which more is said": {
			events: []canon.Event{canon.Stopped{Why: canon.StopLength, Raw: "MAX_TOKENS", Detail: "Too long."}},
			want:   `"max_tokens"`,
			lost:   `answer.stop changed "stop_reason (MAX_TOKENS)"`,
		},
		"cut while calling": {events: []canon.Event{canon.ToolStart{Name: "f"}, canon.Stopped{Why: canon.StopLength}}, want: `"max_tokens"`},
		"thoughts that are hidden": {
			req:    &canon.Request{Reasoning: &canon.Effort{Show: canon.ThoughtsHidden}},
			events: []canon.Event{canon.ReasoningDelta{Text: "secret"}, canon.ReasoningDelta{Seal: "s"}},
			want:   `"content":[{"type":"thinking","thinking":"","signature":"tollgate-seal-1.gemini.cw"}]`,
		},
		"code that was run": {
			events: []canon.Event{canon.HostedUse{Kind: canon.HostedCode, Input: "print(1)"}, canon.HostedUse{Kind: canon.HostedCode, Done: true, Output: "1\n"}},
			want:   `"name":"code_execution","input":{"code":"print(1)"}},{"type":"code_execution_tool_result","tool_use_id":"srvtoolu_tollgate_0199c0de000070008000000000000001_0","content":{"type":"code_execution_result","stdout":"1\n","stderr":"","return_code":0,"content":[]}}`,
			lost:   `answer.hosted changed ""`,
		},
		"a search that tells nothing": {
			events: []canon.Event{canon.HostedUse{Kind: canon.HostedWebSearch, Open: true, ID: "w"}, canon.HostedUse{Kind: canon.HostedWebSearch, Index: 1, ID: "w", Input: "q"}, canon.TextDelta{Index: 2, Text: "so"}, canon.Cited{Index: 2, Citation: canon.Citation{URL: "https://a", Title: "A"}}},
			want:   `"content":[{"type":"web_search_result","url":"https://a","title":"A","encrypted_content":"tollgate","page_age":null}]`,
			lost:   `answer.hosted changed ""`,
		},
		"images":         {events: []canon.Event{canon.MediaDelta{Kind: canon.MediaImage}}, want: `"content":[]`, lost: `answer.media lost ""`},
		"bad utf-8":      {events: []canon.Event{canon.TextDelta{Text: "a\xffb"}}, want: "a\uFFFDb"},
		"late arguments": {events: []canon.Event{canon.ToolDelta{Index: 3, JSON: "{}"}}, want: `"content":[]`, lost: `tool_use.arguments lost ""`},
	} {
		events := append(append([]canon.Event{canon.Start{}}, c.events...), canon.Ended{})
		if name == "bad utf-8" {
			out, _ := write(answer(canon.Gemini, c.req, false), events)
			if !json.Valid(out) || !strings.Contains(string(out), c.want) {
				t.Errorf("%s: %q", name, out)
			}
			continue
		}
		_, whole, lost := both(t, canon.Gemini, c.req, events)
		if !strings.Contains(string(whole), c.want) {
			t.Errorf("%s: no %s in %s", name, c.want, whole)
		}
		what, _, _ := strings.Cut(lossLines(lost), ":")
		if what != c.lost {
			t.Errorf("%s: lost %s, want %s", name, what, c.lost)
		}
	}
}

// At home an end keeps its own word, also one that is newer than we are, and all that is said of it.
func TestStopsAtHome(t *testing.T) {
	for _, end := range []string{
		`"stop_reason":"model_context_window_exceeded","stop_sequence":null,"stop_details":null`,
		`"stop_reason":"compaction","stop_sequence":null,"stop_details":null`,
		`"stop_reason":"new_in_2027","stop_sequence":null,"stop_details":null`,
		`"stop_reason":"refusal","stop_sequence":null,"stop_details":{"type":"refusal","category":"cyber","explanation":"Blocked."}`,
		`"stop_reason":"stop_sequence","stop_sequence":"X","stop_details":null`,
	} {
		events, err := anthropic.New().NewReader(dialect.Head{Op: canon.OpGenerate}).Read("", []byte(`{"type":"message","content":[],`+end+`}`), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, whole, lost := both(t, canon.Anthropic, nil, events)
		if !strings.Contains(string(whole), end) || len(lost) > 0 {
			t.Errorf("%s became %s, %s", end, whole, lossLines(lost))
		}
	}
}

// TestShownOnceNotSentBack checks that what our writer shows of another vendor's searches does not reach
// Anthropic when the client sends the conversation on: it would be refused there.
func TestShownOnceNotSentBack(t *testing.T) {
	_, whole, _ := both(t, canon.Gemini, nil, []canon.Event{
		canon.Start{},
		canon.HostedUse{Kind: canon.HostedWebSearch, Input: "q", Done: true, Sources: []canon.Citation{{URL: "https://a"}}},
		canon.TextDelta{Index: 1, Text: "so"},
		canon.Cited{Index: 1, Citation: canon.Citation{URL: "https://a"}},
		canon.Ended{},
	})
	var m struct{ Content []json.RawMessage }
	if err := json.Unmarshal(whole, &m); err != nil || len(m.Content) != 3 {
		t.Fatalf("%v in %s", err, whole)
	}
	mixed := strings.Replace(string(m.Content[2]), `"citations":[`, `"citations":[{"type":"char_location","cited_text":"own"},`, 1)
	body := `{"max_tokens":5,"messages":[{"role":"user","content":"q"},{"role":"assistant","content":[` + string(m.Content[0]) + "," + string(m.Content[1]) + "," + string(m.Content[2]) + "," + mixed + `]}]}`
	req, err := anthropic.New().ReadRequest(canon.OpGenerate, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	out, lost, bad := anthropic.New().WriteRequest(req, dialect.Target{Model: "m"})
	if bad != nil {
		t.Fatal(bad)
	}
	want := `[{"type":"text","text":"so"},{"type":"text","text":"so","citations":[{"type":"char_location","cited_text":"own"}]}]`
	if !strings.Contains(string(out), want) || strings.Contains(string(out), "tollgate") {
		t.Errorf("%s", out)
	}
	if diff := cmp.Diff("foreign lost \"messages[1].content[0]\": the upstream has no such block\nforeign lost \"messages[1].content[1]\": the upstream has no such block", lossLines(lost)); diff != "" {
		t.Error(diff)
	}
}

// TestAnyEvents feeds events in any order, sensible or not: what comes is an answer that the strictest of
// clients takes, and the same streamed and whole.
func TestAnyEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		small := rapid.IntRange(0, 2)
		word := rapid.SampledFrom([]string{"", "a", `"`, `{"x":1}`, "{", "}", "\xff", "漢"})
		event := rapid.Custom(func(t *rapid.T) canon.Event {
			choice, index := 0, small.Draw(t, "index")
			if rapid.IntRange(0, 9).Draw(t, "other") == 0 {
				choice = 1
			}
			switch rapid.IntRange(0, 11).Draw(t, "event") {
			case 0:
				return canon.Start{ID: "x"}
			case 1, 2:
				return canon.TextDelta{Choice: choice, Index: index, Text: word.Draw(t, "text")}
			case 3:
				return canon.ReasoningDelta{Choice: choice, Index: index, Text: word.Draw(t, "text"), Seal: word.Draw(t, "seal")}
			case 4:
				return canon.RefusalDelta{Choice: choice, Index: index, Text: word.Draw(t, "text")}
			case 5:
				return canon.ToolStart{Choice: choice, Index: index, ID: word.Draw(t, "id"), Name: word.Draw(t, "name")}
			case 6, 7:
				return canon.ToolDelta{Choice: choice, Index: index, JSON: word.Draw(t, "json")}
			case 8:
				return canon.BlockEnd{Choice: choice, Index: index}
			case 9:
				return canon.HostedUse{
					Index: index, Kind: rapid.SampledFrom([]canon.HostedKind{canon.HostedWebSearch, canon.HostedWebFetch, canon.HostedCode}).Draw(t, "kind"), ID: word.Draw(t, "id"),
					Open: rapid.Bool().Draw(t, "open"), Done: rapid.Bool().Draw(t, "done"), Input: word.Draw(t, "input"), Sources: []canon.Citation{{URL: word.Draw(t, "url")}},
				}
			case 10:
				return canon.Cited{Index: index, Citation: canon.Citation{URL: word.Draw(t, "url"), From: index}}
			}
			return rapid.SampledFrom([]canon.Event{canon.Stopped{Why: canon.StopEnd}, canon.Used{}, canon.Other{Name: "ping"}, canon.Other{Name: "x", Content: true}, canon.MediaDelta{}}).Draw(t, "rest")
		})
		events := rapid.SliceOfN(event, 0, 30).Draw(t, "events")
		stream, _ := write(answer(canon.Gemini, nil, true), events)
		if _, err := accumulate(stream); err != nil {
			t.Fatalf("%v in\n%s", err, stream)
		}
		whole, _ := write(answer(canon.Gemini, nil, false), events)
		if !json.Valid(whole) || !utf8.Valid(whole) {
			t.Fatalf("%s", whole)
		}
	})
}

// TestInputIsToldFirst: a message_start says what is known of the input, an estimate if the upstream tells its
// usage last; what it tells then stands. Whole answers hold no estimate.
func TestInputIsToldFirst(t *testing.T) {
	a := dialect.Answer{Head: dialect.Head{Op: canon.OpGenerate, Stream: true}, ID: "x", Model: "m", Origin: canon.OpenAIChat, About: 41}
	w := anthropic.New().NewWriter(a)
	start := string(w.Write(nil, canon.TextDelta{Text: "hi"}))
	if !strings.Contains(start, `"usage":{"input_tokens":41,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,`) {
		t.Errorf("message_start: %s", start)
	}
	end := string(w.Write(w.Write(nil, canon.Used{Usage: canon.Usage{Input: 7, CacheRead: 30, Output: 3}}), canon.Ended{}))
	if !strings.Contains(end, `"usage":{"input_tokens":7,"cache_creation_input_tokens":0,"cache_read_input_tokens":30,"output_tokens":3}`) {
		t.Errorf("message_delta: %s", end)
	}
	w = anthropic.New().NewWriter(a)
	if start := string(w.Write(w.Write(nil, canon.Used{Usage: canon.Usage{Input: 7}}), canon.Start{})); !strings.Contains(start, `"usage":{"input_tokens":7,`) {
		t.Errorf("message_start of known usage: %s", start)
	}
	a.Head.Stream = false
	w = anthropic.New().NewWriter(a)
	if whole := string(w.Close(w.Write(nil, canon.TextDelta{Text: "hi"}))); !strings.Contains(whole, `"usage":{"input_tokens":0,`) {
		t.Errorf("whole: %s", whole)
	}
}
