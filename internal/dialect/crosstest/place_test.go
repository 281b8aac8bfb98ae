package crosstest_test

import (
	"testing"

	"tollgate/internal/dialect/crosstest"
)

// Every loss of a request has a place that its client can find: a path, or a member at the top that its dialect names.
func TestLossesHavePlaces(t *testing.T) {
	check := func(n int, file string, raw []byte) {
		from := sides()[n]
		req, err := crosstest.Read(from, raw, false)
		if err != nil {
			return // of another operation
		}
		for _, to := range sides() {
			_, lost, cerr := to.WriteRequest(req, crosstest.Target(false))
			if cerr != nil || to.Dialect() == from.Dialect() {
				continue
			}
			for _, l := range lost {
				if l.Path == "" && from.Field(l.What) == "" && req.Names[l.What] == "" {
					t.Errorf("%s of %s to %s: %s has no place (%s)", file, from.Dialect(), to.Dialect(), l.What, l.Reason)
				}
			}
		}
	}
	goldens(t, "client.json", check)
	for n, raw := range []string{ // as sides numbers them: nothing to answer but instructions, calls without tools
		`{"model":"m","messages":[{"role":"system","content":"be"}]}`,
		`{"model":"m","input":[],"instructions":"be"}`,
		`{"model":"m","max_tokens":9,"system":"be","messages":[{"role":"user","content":""}]}`,
		`{"systemInstruction":{"parts":[{"text":"be"}]},"contents":[]}`,
	} {
		check(n, "instructions alone", []byte(raw))
	}
	for n, raw := range []string{
		`{"model":"m","messages":[{"role":"user","content":"hi"},{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"r"}]}`,
		`{"model":"m","input":[{"role":"user","content":"hi"},{"type":"function_call","call_id":"a","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"a","output":"r"}]}`,
		`{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"r"}]}]}`,
		`{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{}}}]}]}`,
	} {
		check(n, "calls without tools", []byte(raw))
	}
}
