package crosstest_test

import (
	"errors"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/crosstest"
)

// TestNamelessIsRefused pins that calls and tools without a name are refused before they are translated: no
// vendor takes them, and what one would say of them would not name the place in the client's request.
func TestNamelessIsRefused(t *testing.T) {
	const (
		chat     = `{"model":"m","messages":[{"role":"user","content":"x"}]`
		messages = `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}]`
		input    = `{"model":"m","input":"x"`
		contents = `{"contents":[{"role":"user","parts":[{"text":"x"}]}]`
	)
	bodies := map[canon.Dialect][]string{
		canon.OpenAIChat: {
			`{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"arguments":"{}"}}]}]}`,
			`{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"","arguments":"{}"}}]}]}`,
			`{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c","type":"custom","custom":{"input":"x"}}]}]}`,
			chat + `,"tools":[{"type":"function","function":{"name":""}}]}`,
			chat + `,"tools":[{"type":"custom","custom":{"name":""}}]}`,
		},
		canon.OpenAIResponses: {
			`{"model":"m","input":[{"type":"function_call","call_id":"c","arguments":"{}"}]}`,
			`{"model":"m","input":[{"type":"function_call","call_id":"c","name":"","arguments":"{}"}]}`,
			`{"model":"m","input":[{"type":"custom_tool_call","call_id":"c","namespace":"g","name":"","input":"x"}]}`,
			input + `,"tools":[{"type":"function","name":""}]}`,
			input + `,"tools":[{"type":"custom"}]}`,
			input + `,"tools":[{"type":"namespace","name":"g","tools":[{"type":"function","name":""}]}]}`,
		},
		canon.Anthropic: {
			`{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"c","input":{}}]}]}`,
			`{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"","input":{}}]}]}`,
			messages + `,"tools":[{"name":"","input_schema":{"type":"object"}}]}`,
			messages + `,"tools":[{"input_schema":{"type":"object"}}]}`,
			messages + `,"tool_choice":{"type":"tool","name":""}}`,
		},
		canon.Gemini: {
			`{"contents":[{"role":"model","parts":[{"functionCall":{"args":{}}}]}]}`,
			`{"contents":[{"role":"model","parts":[{"functionCall":{"name":"","args":{}}}]}]}`,
			`{"contents":[{"role":"user","parts":[{"functionResponse":{"name":"","response":{}}}]}]}`,
			contents + `,"tools":[{"functionDeclarations":[{"name":""}]}]}`,
		},
	}
	for _, a := range sides() {
		list := bodies[a.Dialect()]
		if len(list) == 0 {
			t.Errorf("%s has no case", a.Dialect())
		}
		for _, body := range list {
			req, err := crosstest.Read(a, []byte(body), false)
			var e *canon.Error
			if !errors.As(err, &e) || e.Kind != canon.KindInvalid || e.Param == "" && a.Dialect() != canon.Anthropic {
				t.Errorf("%s: %s is read as %+v, %+v", a.Dialect(), body, req, err)
			}
		}
	}
}
