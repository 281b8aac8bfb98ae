package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/simulator"
)

// talk is a conversation of a client that keeps all of it itself, with answers exactly as it got them.
type talk struct {
	request func(model string, turns []any) (path string, body map[string]any)
	say     func(text string) any
	heard   func(answer map[string]any) (turns []any, calls []map[string]any) // of an answer: what goes back, and calls
	results func(calls []map[string]any) []any
}

func dig(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			l, _ := v.([]any)
			if step >= len(l) {
				return nil
			}
			v = l[step]
		}
	}
	return v
}

type obj = map[string]any

func talks() map[string]talk {
	schema := obj{"type": "object", "properties": obj{"city": obj{"type": "string"}}, "required": []any{"city"}}
	const result = "eleven degrees"
	pick := func(list any, kind string) (out []map[string]any) {
		l, _ := list.([]any)
		for _, v := range l {
			if m, _ := v.(map[string]any); m["type"] == kind {
				out = append(out, m)
			}
		}
		return out
	}
	return map[string]talk{
		"chat": {
			func(model string, turns []any) (string, map[string]any) {
				return "/v1/chat/completions", obj{"model": model, "messages": turns, "tools": []any{obj{"type": "function", "function": obj{"name": "get_weather", "parameters": schema}}}}
			},
			func(text string) any { return obj{"role": "user", "content": text} },
			func(a map[string]any) ([]any, []map[string]any) {
				m := dig(a, "choices", 0, "message")
				return []any{m}, pick(dig(m, "tool_calls"), "function")
			},
			func(calls []map[string]any) (out []any) {
				for _, c := range calls {
					out = append(out, obj{"role": "tool", "tool_call_id": c["id"], "content": result})
				}
				return out
			},
		},
		"responses": {
			func(model string, turns []any) (string, map[string]any) {
				return "/v1/responses", obj{"model": model, "input": turns, "store": false, "include": []any{"reasoning.encrypted_content"}, "tools": []any{obj{"type": "function", "name": "get_weather", "parameters": schema, "strict": false}}}
			},
			func(text string) any { return obj{"role": "user", "content": text} },
			func(a map[string]any) ([]any, []map[string]any) {
				items, _ := a["output"].([]any)
				return items, pick(a["output"], "function_call")
			},
			func(calls []map[string]any) (out []any) {
				for _, c := range calls {
					out = append(out, obj{"type": "function_call_output", "call_id": c["call_id"], "output": result})
				}
				return out
			},
		},
		"claude": {
			func(model string, turns []any) (string, map[string]any) {
				return "/v1/messages", obj{"model": model, "max_tokens": 4000, "messages": turns, "tools": []any{obj{"name": "get_weather", "input_schema": schema}}}
			},
			func(text string) any { return obj{"role": "user", "content": text} },
			func(a map[string]any) ([]any, []map[string]any) {
				return []any{obj{"role": "assistant", "content": a["content"]}}, pick(a["content"], "tool_use")
			},
			func(calls []map[string]any) []any {
				var blocks []any
				for _, c := range calls {
					blocks = append(blocks, obj{"type": "tool_result", "tool_use_id": c["id"], "content": result})
				}
				return []any{obj{"role": "user", "content": blocks}}
			},
		},
		"gemini": {
			func(model string, turns []any) (string, map[string]any) {
				return "/v1beta/models/" + model + ":generateContent", obj{"contents": turns, "tools": []any{obj{"functionDeclarations": []any{obj{"name": "get_weather", "parametersJsonSchema": schema}}}}, "generationConfig": obj{"thinkingConfig": obj{"includeThoughts": true}}}
			},
			func(text string) any { return obj{"role": "user", "parts": []any{obj{"text": text}}} },
			func(a map[string]any) ([]any, []map[string]any) {
				content := dig(a, "candidates", 0, "content")
				parts, _ := dig(content, "parts").([]any)
				var calls []map[string]any
				for _, p := range parts {
					if c, ok := dig(p, "functionCall").(map[string]any); ok {
						calls = append(calls, c)
					}
				}
				return []any{content}, calls
			},
			func(calls []map[string]any) []any {
				var parts []any
				for _, c := range calls {
					r := obj{"name": c["name"], "response": obj{"output": result}}
					if c["id"] != nil {
						r["id"] = c["id"]
					}
					parts = append(parts, obj{"functionResponse": r})
				}
				return []any{obj{"role": "user", "parts": parts}}
			},
		},
	}
}

// streamedTurn makes a call as a stream and returns what its client puts together of it.
func streamedTurn(t *testing.T, g *gateway, name, path string, body map[string]any) answer {
	t.Helper()
	if name == "gemini" {
		path = strings.Replace(path, ":generateContent", ":streamGenerateContent?alt=sse", 1)
	} else {
		body["stream"] = true
	}
	a := g.send("POST", path, marshal(t, body))
	if a.status != http.StatusOK {
		return a
	}
	if name == "gemini" { // whose SDKs keep the parts of all chunks as they came
		var parts []any
		for data := range strings.SplitSeq(a.body, "data: ") {
			var chunk map[string]any
			if json.Unmarshal([]byte(data), &chunk) == nil {
				more, _ := dig(chunk, "candidates", 0, "content", "parts").([]any)
				parts = append(parts, more...)
			}
		}
		a.body = marshal(t, obj{"candidates": []any{obj{"content": obj{"role": "model", "parts": parts}}}})
		return a
	}
	side := clients[name].side
	events, err := crosstest.ReadAnswer(side, true, []byte(a.body), 0)
	if err != nil {
		t.Errorf("%v in %s", err, a.body)
	}
	whole, _ := crosstest.WriteAnswer(side, &canon.Request{Origin: side.Dialect(), Model: "m"}, side.Dialect(), false, events)
	a.body = string(whole)
	return a
}

// A conversation with thoughts and tools goes on at any upstream, whichever dialect the turns before came from, and
// comes back: no upstream gets thoughts that another one signed, nor a call without its result, and each checks.
func TestConversationsMove(t *testing.T) {
	sim, url := simulate(t)
	g := startGateway(t, behaving(url, map[string]string{"thinks": "+reasoning"}))
	orders := [][]string{
		{"chat", "responses", "claude", "gemini"}, {"gemini", "claude", "responses", "chat"}, {"claude", "chat", "gemini", "responses"}, {"responses", "gemini", "chat", "claude"},
	}
	for name, talk := range talks() {
		for i, order := range orders {
			stream := i%2 == 1
			turns := []any{talk.say("get_weather please")}
			waits := false // a result was sent last
			for step := range 12 {
				upstream := order[step%len(order)]
				at := fmt.Sprintf("%s over %v, stream %v, step %d on %s", name, order, stream, step, upstream)
				path, body := talk.request(upstream+"-thinks", turns)
				var a answer
				if stream {
					a = streamedTurn(t, g, name, path, body)
				} else {
					a = g.send("POST", path, marshal(t, body))
				}
				var got map[string]any
				if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK {
					t.Errorf("%s: %d %v %s\nafter %s", at, a.status, err, a.body, marshal(t, turns[max(0, len(turns)-3):]))
					break
				}
				more, calls := talk.heard(got)
				turns = append(turns, more...)
				if waits {
					if !strings.Contains(a.body, "degrees") {
						t.Errorf("%s: the answer quotes no result: %s", at, a.body)
					}
					turns, waits = append(turns, talk.say("and get_weather again")), false
					continue
				}
				if len(calls) == 0 {
					t.Errorf("%s: no call of a tool: %s", at, a.body)
					break
				}
				turns, waits = append(turns, talk.results(calls)...), true
			}
		}
	}
	for _, c := range slices.DeleteFunc(counted(t, sim), func(c simulator.Call) bool { return c.Endpoint == "unknown" }) {
		if c.Status != http.StatusOK {
			t.Errorf("an upstream refused: %+v", c)
		}
	}
}
