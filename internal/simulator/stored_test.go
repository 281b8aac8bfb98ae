package simulator_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tollgate/internal/simulator"
)

func TestStoredResponses(t *testing.T) {
	t.Parallel()
	u := start(t, simulator.Config{})
	del := func(id string) answer { return u.do(t.Context(), http.MethodDelete, "/v1/responses/"+id, "") }
	first := u.post("/v1/responses", `{"model":"gpt-4o","input":"echo: one","metadata":{"k":"v"}}`)
	id := str(tree(t, first.body), "id")

	if a := u.get("/v1/responses/" + id); a.body != first.body {
		t.Errorf("what is stored is not what was answered:\n%s\n%s", a.body, first.body)
	}
	items := tree(t, u.get("/v1/responses/"+id+"/input_items").body)
	if str(items, "object") != "list" || str(items, "data", 0, "content", 0, "text") != "echo: one" || str(items, "first_id") != str(items, "data", 0, "id") {
		t.Errorf("input items are %v", items)
	}
	if a := u.post("/v1/responses/"+id+"/cancel", ""); a.status != 400 {
		t.Errorf("a foreground response was cancelled: %d %s", a.status, a.body)
	}

	second := u.post("/v1/responses", `{"model":"gpt-4o","input":"echo: two","previous_response_id":"`+id+`"}`)
	m := tree(t, second.body)
	if second.status != 200 || str(m, "previous_response_id") != id || num(m, "usage", "input_tokens") <= num(tree(t, first.body), "usage", "input_tokens") {
		t.Errorf("a continued response did not read what came before: %s", second.body)
	}

	u.key = "sk-another-zzzzzz"
	if a := u.get("/v1/responses/" + id); a.status != 404 {
		t.Errorf("another key saw the response: %d", a.status)
	}
	if a := u.post("/v1/responses", `{"model":"gpt-4o","input":"x","previous_response_id":"`+id+`"}`); a.status != 400 || !strings.Contains(a.body, "previous_response_not_found") {
		t.Errorf("another key continued the response: %d %s", a.status, a.body)
	}
	if a := del(id); a.status != 404 {
		t.Errorf("another key deleted the response: %d", a.status)
	}
	u.key = "sk-test-key-abcdef"
	if a := del(id); a.status != 200 || str(tree(t, a.body), "object") != "response" || at(tree(t, a.body), "deleted") != true {
		t.Errorf("delete gave %d %s", a.status, a.body)
	}
	if a := u.get("/v1/responses/" + id); a.status != 404 {
		t.Errorf("a deleted response is still there: %d", a.status)
	}
	kept := tree(t, u.post("/v1/responses", `{"model":"gpt-4o","input":"x","store":false}`).body)
	if a := u.get("/v1/responses/" + str(kept, "id")); a.status != 404 {
		t.Errorf("store:false was stored: %d", a.status)
	}
}

func TestBackground(t *testing.T) {
	t.Parallel()
	u := start(t, simulator.Config{Background: 8 * time.Second})
	create := func() string {
		m := tree(t, u.post("/v1/responses", `{"model":"gpt-4o","input":"echo: later","background":true}`).body)
		if str(m, "status") != "queued" || at(m, "usage") != nil {
			t.Errorf("a new background response is %v", m)
		}
		return str(m, "id")
	}
	id := create()
	if c := u.last(); c.Reported {
		t.Errorf("usage was recorded before it was told: %+v", c)
	}
	for _, want := range []string{"queued 0", "in_progress 0", "in_progress 0", "in_progress 0", "completed 2"} {
		m := tree(t, u.get("/v1/responses/"+id).body)
		if got := fmt.Sprint(str(m, "status"), " ", num(m, "usage", "output_tokens")); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		u.clock.advance(2 * time.Second)
	}
	if c := u.last(); !c.Reported || c.Usage.Output != 2 || c.Endpoint != "responses.get" {
		t.Errorf("the usage of the finished response was recorded as %+v", c)
	}
	a := u.get("/v1/responses/" + id + "?stream=true&starting_after=3")
	if ev := events(a.body); len(ev) == 0 || num(tree(t, ev[0].data), "sequence_number") != 4 || ev[len(ev)-1].name != "response.completed" {
		t.Errorf("resumed stream: %s", a.body)
	}
	id = create()
	m := tree(t, u.post("/v1/responses/"+id+"/cancel", "").body)
	u.clock.advance(time.Minute)
	if got := str(tree(t, u.get("/v1/responses/"+id).body), "status"); str(m, "status") != "cancelled" || got != "cancelled" {
		t.Errorf("a cancelled response is %s, then %s", str(m, "status"), got)
	}
}

// TestMistakes sends what vendors refuse, and looks for their words.
func TestMistakes(t *testing.T) {
	t.Parallel()
	u := start(t, simulator.Config{MaxBody: 1 << 16})
	chat := func(members string) [2]string {
		return [2]string{"/v1/chat/completions", `{"model":"m",` + members + `}`}
	}
	msgs := func(members string) [2]string {
		return [2]string{"/v1/messages", `{"model":"m","max_tokens":10,` + members + `}`}
	}
	resp := func(members string) [2]string { return [2]string{"/v1/responses", `{"model":"m",` + members + `}`} }
	gem := func(members string) [2]string {
		return [2]string{"/v1beta/models/m:generateContent", `{` + members + `}`}
	}
	hi := `"messages":[{"role":"user","content":"hi"}]`
	for _, c := range []struct {
		req    [2]string
		status int
		words  string
	}{
		{[2]string{"/v1/chat/completions", `{`}, 400, "could not parse the JSON body"},
		{[2]string{"/v1/chat/completions", `[]`}, 400, "could not parse the JSON body"},
		{[2]string{"/v1/chat/completions", `{"model":["m"],` + hi + `}`}, 400, "Invalid type for 'model': expected a string, but got an array"},
		{[2]string{"/v1/chat/completions", `{` + hi + `}`}, 400, "you must provide a model parameter"},
		{[2]string{"/v1/chat/completions", strings.Repeat(" ", 1<<16) + "{}"}, 413, "exceeded"},
		{[2]string{"/v1/messages", strings.Repeat(" ", 1<<16) + "{}"}, 413, "request_too_large"},
		{[2]string{"/v1/chat/nothing", `{}`}, 404, "Invalid URL (POST /v1/chat/nothing)"},
		{chat(`"messages":[]`), 400, "empty array"},
		{chat(`"messages":[{"role":"robot","content":"x"}]`), 400, "Invalid value: 'robot'"},
		{chat(`"messages":[{"role":"user","content":[{"type":"input_text","text":"x"}]}]`), 400, "Invalid value: 'input_text'"},
		{chat(`"messages":[{"role":"tool","tool_call_id":"c","content":"x"}]`), 400, "must be a response to a preceeding message with 'tool_calls'"},
		{chat(`"messages":[{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"user","content":"x"}]`), 400, "did not have response messages: c"},
		{chat(`"stream_options":{"include_usage":true},` + hi), 400, "only allowed when 'stream' is enabled"},
		{chat(`"stream":"yes",` + hi), 400, "Invalid type for 'stream'"},
		{chat(`"max_tokens":5,"max_completion_tokens":5,` + hi), 400, "at the same time"},
		{chat(`"tools":[],` + hi), 400, "empty array"},
		{chat(`"tools":[{"type":"function","function":{"name":"a b"}}],` + hi), 400, "does not match pattern"},
		{chat(`"tool_choice":"auto",` + hi), 400, "only allowed when 'tools' are specified"},
		{chat(`"system":"x",` + hi), 400, "Unknown parameter: 'system'"},
		{[2]string{"/v1/messages", `{"model":"m",` + hi + `}`}, 400, "max_tokens: Field required"},
		{msgs(`"messages":[{"role":"system","content":"x"}]`), 400, "Unexpected role"},
		{msgs(`"messages":[{"role":"user","content":[{"type":"text","text":""}]}]`), 400, "text content blocks must be non-empty"},
		{msgs(`"messages":[{"role":"user","content":""}]`), 400, "must have non-empty content"},
		{msgs(`"messages":[{"role":"user","content":[{"type":"image_url"}]}]`), 400, "Input tag 'image_url'"},
		{msgs(`"messages":[{"role":"user","content":"x"},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"x"}]}]`), 400, "unexpected `tool_use_id`"},
		{msgs(`"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{}}]},{"role":"user","content":"x"}]`), 400, "ids were found without `tool_result` blocks immediately after: t"},
		{msgs(`"thinking":{"type":"enabled","budget_tokens":1024},` + hi), 400, "must be greater than `thinking.budget_tokens`"},
		{msgs(`"thinking":{"type":"enabled","budget_tokens":10},` + hi), 400, "greater than or equal to 1024"},
		{msgs(`"tools":[{"name":"f","parameters":{}}],` + hi), 400, "input_schema: Field required"},
		{msgs(`"response_format":{},` + hi), 400, "response_format: Extra inputs are not permitted"},
		{resp(`"input":[{"type":"function_call_output","call_id":"c","output":"x"}]`), 400, "No tool call found for function call output with call_id c"},
		{resp(`"input":[{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}]`), 400, "No tool output found for function call c"},
		{resp(`"input":[{"role":"user","content":[{"type":"text","text":"x"}]}]`), 400, "Invalid value: 'text'"},
		{resp(`"input":[{"role":"assistant","content":[{"type":"input_text","text":"x"}]}]`), 400, "'output_text' and 'refusal'"},
		{resp(`"input":[{"type":"reasoning","id":"rs_1","summary":[]},{"role":"user","content":"x"}]`), 400, "without its required following item"},
		{resp(`"messages":[]`), 400, "Unknown parameter: 'messages'"},
		{resp(`"max_output_tokens":5,"input":"x"`), 400, "Expected a value >= 16"},
		{resp(`"background":true,"store":false,"input":"x"`), 400, "requires 'store' to be true"},
		{gem(`"contents":[]`), 400, "contents is not specified"},
		{gem(`"contents":[{"role":"assistant","parts":[{"text":"x"}]}]`), 400, "Please use a valid role: user, model."},
		{gem(`"contents":[{"parts":[{"type":"text","text":"x"}]}]`), 400, `Unknown name \"type\" at 'contents[0].parts[0]'`},
		{gem(`"contents":[{"parts":[{"functionResponse":{"name":"f","response":{}}}]}]`), 400, "number of function response parts is equal"},
		{gem(`"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{"maxTokens":3}`), 400, `Unknown name \"maxTokens\" at 'generation_config'`},
		{gem(`"contents":[{"parts":[{"text":"x"}]}],"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"object","additionalProperties":false}}]}]`), 400, `Unknown name \"additionalProperties\"`},
	} {
		a := u.post(c.req[0], c.req[1])
		if a.status != c.status || !strings.Contains(a.body, c.words) {
			t.Errorf("%s %.200s\n got %d %s\nwant %d %s", c.req[0], c.req[1], a.status, a.body, c.status, c.words)
		}
	}
	if a := u.post("/v1/messages", `{"model":"m","max_tokens":5,`+hi+`}`, "Anthropic-Version", ""); a.status != 400 || !strings.Contains(a.body, "anthropic-version: header is required") {
		t.Errorf("no version got %d %s", a.status, a.body)
	}
	if a := u.get("/v1/chat/completions"); a.status != 405 {
		t.Errorf("GET got %d", a.status)
	}
	if a := u.post("/v1/chat/completions", `{}`, "Content-Type", "text/plain"); a.status != 400 || !strings.Contains(a.body, "unsupported_content_type") {
		t.Errorf("text/plain got %d %s", a.status, a.body)
	}
	if a := u.post("/v1/chat/completions", `{"model":"a","model":"b",`+hi+`}`); str(tree(t, a.body), "model") != "b" {
		t.Errorf("of two models the last one should count: %s", a.body)
	}
}
