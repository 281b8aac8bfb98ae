package dialecttest

import (
	"io/fs"
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/jsonedit"
)

// badBodies are request bodies that no dialect may take: two parsers could read them differently, or
// they are no JSON object at all.
func badBodies() []string {
	deep := strings.Repeat("[", 20_000)
	return []string{
		"", " ", "null", "true", "1", `"x"`, "[]", `[{"model":"m"}]`,
		"{", `{"model"`, `{"model":`, `{"model":"m"`, `{"model":"m",}`, `{,"model":"m"}`, `{"model" "m"}`,
		`{"model":"m"}x`, `{"model":"m"}{}`, `{"model":"m"}` + "\x00", "\xef\xbb\xbf" + `{"model":"m"}`,
		`{"model":"a","model":"b"}`, `{"model":"a","mod\u0065l":"b"}`, `{"x":{"y":1,"y":2}}`,
		"{\"model\":\"\xff\"}", "{\"model\":\"\xed\xa0\x80\"}", "{\"model\":\"a\nb\"}", `{"model":"\x"}`, `{"model":"\u12"}`,
		`{"model":'m'}`, `{model:"m"}`, `{"a":01}`, `{"a":+1}`, `{"a":.5}`, `{"a":1.}`, `{"a":NaN}`, `{"a":Infinity}`, `{"a":tru}`,
		`{"model":"m","x":` + deep + `}`, `{"model":"m","x":` + deep + strings.Repeat("]", 20_000) + `}`,
		"/* c */ {}", `{"model":"m" /* c */}`,
	}
}

// oddBodies are strict JSON that a dialect may refuse or read, but never stumble over.
func oddBodies() []string {
	values := []string{
		`null`, `true`, `0`, `-1`, `1e400`, `123456789012345678901234567890`, `1.5`, `""`, `"x"`, `"\ud800"`, `"data:;base64,"`, `[]`, `[[]]`, `[null]`, `[1]`, `["x"]`,
		`[{}]`, `{}`, `{"":""}`, `{"type":null}`, `[{"type":1}]`, `[{"type":"text"}]`, `[{"role":1,"content":{}}]`, `[{"role":"user","content":[1,null,{}]}]`,
		`[{"role":"assistant","tool_calls":{}}]`, `[{"role":"assistant","tool_calls":[null,1,{"function":[]}]}]`, `[{"role":"tool","content":[[]]}]`,
		`[{"type":"function_call","arguments":{}}]`, `[{"type":"reasoning","summary":1}]`, `[{"parts":1}]`, `[{"parts":[{"inlineData":[]}]}]`,
		`{"maxOutputTokens":"7","candidateCount":3}`, `{"generationConfig":{"max_output_tokens":9,"candidate_count":4}}`, `[{"generationConfig":{"candidateCount":4},"model":"m"}]`,
	}
	names := []string{
		"model", "Model", "stream", "STREAM", "messages", "input", "prompt", "n", "max_tokens", "max_completion_tokens", "max_output_tokens",
		"stream_options", "tools", "tool_choice", "response_format", "text", "reasoning", "stop", "store", "background", "previous_response_id",
		"instructions", "system", "thinking", "contents", "generationConfig", "systemInstruction", "user", "best_of", "seed", "temperature", "metadata", "functions",
		"content", "requests", "generateContentRequest", "outputDimensionality", "dimensions", "encoding_format", "echo", "suffix", "logprobs", "top_logprobs",
		"conversation", "cachedContent", "labels", "container", "output_config", "reasoning_effort", "include_reasoning", "web_search_options", "include", "truncation",
	}
	var out []string
	for _, name := range names {
		for _, v := range values {
			out = append(out, `{"`+name+`":`+v+`}`)
			if name != "model" {
				out = append(out, `{"model":"m","`+name+`":`+v+`}`)
			}
		}
	}
	return out
}

// badAnswers are bytes that cannot be an answer of any dialect.
func badAnswers() []string {
	return []string{
		"<html><body>502 Bad Gateway</body></html>", "upstream connect error", "{", `{"a":`, `{"choices":[{"delta":{"content":"x`,
		`{"a":1}}`, `{"a":tru}`, `{"a":1,}`, "{\"a\":\"\x01\"}", `{"a":"\x"}`, strings.Repeat("[", 200_000), `{"a":` + strings.Repeat(`{"a":`, 200_000),
	}
}

// oddAnswers are JSON that may mean nothing.
func oddAnswers() []string {
	var out []string
	for _, v := range []string{`null`, `1`, `-1`, `1e999`, `"x"`, `"\ud800"`, `[]`, `[1]`, `[null]`, `[[]]`, `{}`, `[{}]`, `{"a":{}}`, `[{"index":1e9}]`, `[{"index":-5,"delta":{"content":"x"}}]`, `[{"delta":[]}]`, `[{"message":{"content":[{}]}}]`, `[{"delta":{"tool_calls":[{"index":99999999,"function":{"arguments":{}}}]}}]`} {
		for _, name := range []string{"id", "model", "choices", "usage", "error", "type", "response", "item", "delta", "output_index", "content_index", "message", "index", "content_block", "candidates", "usageMetadata", "promptFeedback", "output", "status", "data", "results", "service_tier", "part"} {
			out = append(out, `{"`+name+`":`+v+`}`)
			for _, typ := range []string{"response.output_text.delta", "response.output_item.added", "response.output_item.done", "response.completed", "response.failed", "error", "message_start", "content_block_start", "content_block_delta", "message_delta"} {
				if name != "type" {
					out = append(out, `{"type":"`+typ+`","`+name+`":`+v+`}`)
				}
			}
		}
	}
	return out
}

// hostile feeds p bytes that a client or an upstream must not be able to trip it with.
func hostile(t *testing.T, p dialect.Protocol, testdata fs.FS) {
	front := newFront(p)
	for _, call := range operations(t, p, calls(p, archives(t, testdata))) {
		ep, r := front.route(call)
		if !takesBody(ep) {
			continue
		}
		for _, raw := range badBodies() {
			if _, err := jsonedit.Scan([]byte(raw), maxDepth); err == nil {
				t.Errorf("the scan takes %.60q", raw)
			}
			// ReadRequest is promised scanned bytes only. Should the promise break, it still must not panic.
			_, _ = p.ReadRequest(ep.Op, []byte(raw))
		}
		for _, raw := range oddBodies() {
			body, err := jsonedit.Scan([]byte(raw), maxDepth)
			if err != nil {
				continue
			}
			t.Run("", func(t *testing.T) {
				defer func() {
					if t.Failed() {
						t.Logf("%s %s", call, raw)
					}
				}()
				c := fuzzed{t: t, p: p, front: front, ep: ep, r: r}
				c.request([]byte(raw), body)
			})
		}
	}
	for _, op := range []canon.Op{canon.OpGenerate, canon.OpComplete, canon.OpEmbed, canon.OpModerate, canon.OpCountTokens} {
		for _, stream := range []bool{false, true} {
			head := dialect.Head{Op: op, Stream: stream, Choices: 1}
			if stream {
				head.Framing = dialect.FramingSSE
			}
			for _, data := range badAnswers() {
				if events, err := p.NewReader(head).Read("", []byte(data), nil); err == nil {
					t.Errorf("%s, stream %v: %.60q was read as an answer: %s", op, stream, data, lines(events))
				}
			}
			if _, err := p.NewReader(head).Read("", nil, nil); err == nil && !stream {
				t.Errorf("%s: an empty body was read as an answer", op)
			}
			r := p.NewReader(head) // one reader for all: its state must survive nonsense too
			for _, data := range oddAnswers() {
				for _, reader := range []dialect.Reader{p.NewReader(head), r} {
					if events, err := reader.Read("", []byte(data), nil); err == nil {
						_ = lines(events)
						_ = measure(events)
					}
				}
			}
		}
	}
}
