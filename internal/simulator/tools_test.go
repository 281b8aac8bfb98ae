package simulator_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/simulator"
)

// call is a tool call as any dialect tells it.
type call struct{ id, name, args string }

const tools = `[{"name":"Bash","schema":{"type":"object","properties":{"command":{"type":"string"},"timeout":{"type":"number"}},"required":["command"]}},` +
	`{"name":"Read","schema":{"type":"object","properties":{"file_path":{"type":"string"},"limit":{"type":"number"}},"required":["file_path"]}},` +
	`{"name":"get_weather","schema":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer","minimum":3}},"required":["city","days"]}}]`

// offered writes the tools as a dialect wants them.
func offered(t *testing.T, dialect string) string {
	t.Helper()
	var list []struct {
		Name   string
		Schema json.RawMessage
	}
	if err := json.Unmarshal([]byte(tools), &list); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range list {
		switch dialect {
		case "chat":
			out = append(out, fmt.Sprintf(`{"type":"function","function":{"name":%q,"parameters":%s}}`, f.Name, f.Schema))
		case "responses":
			out = append(out, fmt.Sprintf(`{"type":"function","name":%q,"parameters":%s}`, f.Name, f.Schema))
		case "anthropic":
			out = append(out, fmt.Sprintf(`{"name":%q,"input_schema":%s}`, f.Name, f.Schema))
		case "gemini":
			out = append(out, fmt.Sprintf(`{"name":%q,"parameters":%s}`, f.Name, f.Schema))
		}
	}
	list2 := strings.Join(out, ",")
	if dialect == "gemini" {
		return `[{"functionDeclarations":[` + list2 + `]}]`
	}
	return "[" + list2 + "]"
}

// calls asks with tools on offer and collects the calls of a plain or a streamed answer.
func calls(t *testing.T, u *upstream, dialect, words, prompt, extra string, stream bool) []call {
	t.Helper()
	var a answer
	p := fmt.Sprintf("%q", prompt)
	switch dialect {
	case "chat":
		a = u.post("/v1/chat/completions", fmt.Sprintf(`{"model":"m%s","stream":%v,"tools":%s,"messages":[{"role":"user","content":%s}]%s}`, words, stream, offered(t, dialect), p, extra))
	case "responses":
		a = u.post("/v1/responses", fmt.Sprintf(`{"model":"m%s","stream":%v,"tools":%s,"input":%s%s}`, words, stream, offered(t, dialect), p, extra))
	case "anthropic":
		a = u.post("/v1/messages", fmt.Sprintf(`{"model":"m%s","max_tokens":500,"stream":%v,"tools":%s,"messages":[{"role":"user","content":%s}]%s}`, words, stream, offered(t, dialect), p, extra))
	case "gemini":
		action := ":generateContent"
		if stream {
			action = ":streamGenerateContent?alt=sse"
		}
		a = u.post("/v1beta/models/m"+words+action, fmt.Sprintf(`{"tools":%s,"contents":[{"role":"user","parts":[{"text":%s}]}]%s}`, offered(t, dialect), p, extra))
	}
	if a.status != 200 {
		t.Fatalf("%s: %d %s", dialect, a.status, a.body)
	}
	if stream {
		return streamedCalls(t, dialect, a.body)
	}
	var out []call
	m := tree(t, a.body)
	for i := range 10 {
		var c call
		switch dialect {
		case "chat":
			v := at(m, "choices", 0, "message", "tool_calls", i)
			c = call{str(v, "id"), str(v, "function", "name"), str(v, "function", "arguments")}
		case "responses":
			v := at(m, "output", i)
			c = call{str(v, "call_id"), str(v, "name"), str(v, "arguments")}
		case "anthropic":
			v := at(m, "content", i)
			c = call{str(v, "id"), str(v, "name"), compact(t, at(v, "input"))}
		case "gemini":
			v := at(m, "candidates", 0, "content", "parts", i, "functionCall")
			c = call{str(v, "id"), str(v, "name"), compact(t, at(v, "args"))}
		}
		if c.name != "" {
			out = append(out, c)
		}
	}
	return out
}

func streamedCalls(t *testing.T, dialect, body string) []call {
	t.Helper()
	var out []call
	for _, e := range events(body) {
		if e.data == "[DONE]" {
			continue
		}
		m := tree(t, e.data)
		switch dialect {
		case "chat":
			v := at(m, "choices", 0, "delta", "tool_calls", 0)
			if id := str(v, "id"); id != "" {
				out = append(out, call{id: id, name: str(v, "function", "name")})
			}
			if v != nil {
				out[num(v, "index")].args += str(v, "function", "arguments")
			}
		case "responses":
			switch e.name {
			case "response.output_item.added":
				out = append(out, call{id: str(m, "item", "call_id"), name: str(m, "item", "name")})
			case "response.function_call_arguments.delta":
				out[num(m, "output_index")].args += str(m, "delta")
			case "response.function_call_arguments.done":
				if got := out[num(m, "output_index")].args; got != str(m, "arguments") {
					t.Errorf("the fragments %q are not the arguments %q", got, str(m, "arguments"))
				}
			}
		case "anthropic":
			switch e.name {
			case "content_block_start":
				out = append(out, call{id: str(m, "content_block", "id"), name: str(m, "content_block", "name")})
			case "content_block_delta":
				out[num(m, "index")].args += str(m, "delta", "partial_json")
			}
		case "gemini":
			if v := at(m, "candidates", 0, "content", "parts", 0, "functionCall"); v != nil {
				out = append(out, call{str(v, "id"), str(v, "name"), compact(t, at(v, "args"))})
			}
		}
	}
	return out
}

func compact(t *testing.T, v any) string {
	t.Helper()
	if v == nil {
		return ""
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestToolCalls(t *testing.T) {
	t.Parallel()
	u := start(t, simulator.Config{})
	forced := map[string]string{
		"chat":      `,"tool_choice":{"type":"function","function":{"name":"Bash"}}`,
		"responses": `,"tool_choice":{"type":"function","name":"Bash"}`,
		"anthropic": `,"tool_choice":{"type":"tool","name":"Bash"}`,
		"gemini":    `,"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["Bash"]}}`,
	}
	none := map[string]string{
		"chat": `,"tool_choice":"none"`, "responses": `,"tool_choice":"none"`, "anthropic": `,"tool_choice":{"type":"none"}`,
		"gemini": `,"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}`,
	}
	for _, dialect := range []string{"chat", "responses", "anthropic", "gemini"} {
		for _, stream := range []bool{false, true} {
			for _, c := range []struct{ name, words, prompt, extra, want string }{
				{"a path", "", "Please look at src/main.go, thanks.", "", `Read{"file_path":"src/main.go"}`},
				{"by name", "", "use get_weather now", "", `get_weather{"city":"Paris","days":3}`},
				{"forced", "", "read a.txt", forced[dialect], `Bash{"command":"cat a.txt"}`},
				{"none", "", "read a.txt", none[dialect], ``},
				{"parallel", "", "do it in parallel with get_weather", "", `get_weather{"city":"Paris","days":3} Bash{"command":"echo simulated"}`},
				{"by behaviour", "+tools=3", "read a.txt", "", `Read{"file_path":"a.txt"} Read{"file_path":"a.txt"} Read{"file_path":"a.txt"}`},
				{"notools", "+notools", "read a.txt", "", ``},
			} {
				got := calls(t, u, dialect, c.words, c.prompt, c.extra, stream)
				var words []string
				ids := map[string]bool{}
				for _, g := range got {
					if g.name != "" {
						words = append(words, g.name+g.args)
						ids[g.id] = true
					}
				}
				if s := strings.Join(words, " "); s != c.want || len(ids) != len(words) {
					t.Errorf("%s stream=%v %s: got %q with %d ids, want %q", dialect, stream, c.name, s, len(ids), c.want)
				}
			}
		}
	}
}

func TestToolResultsAreQuoted(t *testing.T) {
	t.Parallel()
	u := start(t, simulator.Config{})
	for path, body := range map[string]string{
		"/v1/chat/completions":             `{"model":"m","tools":` + offered(t, "chat") + `,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"Read","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c1","content":"forty-two"}]}`,
		"/v1/responses":                    `{"model":"m","tools":` + offered(t, "responses") + `,"input":[{"role":"user","content":"x"},{"type":"function_call","call_id":"c1","name":"Read","arguments":"{}"},{"type":"function_call_output","call_id":"c1","output":"forty-two"}]}`,
		"/v1/messages":                     `{"model":"m","max_tokens":99,"tools":` + offered(t, "anthropic") + `,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"Read","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":[{"type":"text","text":"forty-two"}]},{"type":"text","text":"<system-reminder>be good</system-reminder>"}]}]}`,
		"/v1beta/models/m:generateContent": `{"tools":` + offered(t, "gemini") + `,"contents":[{"role":"user","parts":[{"text":"x"}]},{"role":"model","parts":[{"functionCall":{"name":"Read","args":{}}}]},{"role":"user","parts":[{"functionResponse":{"name":"Read","response":{"output":"forty-two"}}}]}]}`,
	} {
		if a := u.post(path, body); a.status != 200 || !strings.Contains(a.body, "The tool Read answered: forty-two") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

// TestAgents sends what coding agents send: reminders around the prompt, and where they work.
func TestAgents(t *testing.T) {
	t.Parallel()
	u := start(t, simulator.Config{})
	a := u.post("/v1/messages", `{"model":"claude-sonnet-4-5","max_tokens":99,"tools":`+offered(t, "anthropic")+`,"system":[{"type":"text","text":"<env>\nWorking directory: /home/me/app\nIs directory a git repo: Yes\n</env>"}],"messages":[{"role":"user","content":[{"type":"text","text":"<system-reminder>see /etc/CLAUDE.md</system-reminder>"},{"type":"text","text":"What does notes.txt say?"}]}]}`)
	if got := compact(t, at(tree(t, a.body), "content", 0, "input")); got != `{"file_path":"/home/me/app/notes.txt"}` {
		t.Errorf("a reading tool was called with %s", got)
	}
	shell := `[{"type":"function","name":"shell","strict":false,"parameters":{"type":"object","properties":{"command":{"type":"array","items":{"type":"string"}},"workdir":{"type":"string"}},"required":["command"]}},{"type":"custom","name":"apply_patch","format":{"type":"grammar"}},{"type":"web_search"}]`
	a = u.post("/v1/responses", `{"model":"gpt-5-codex","tools":`+shell+`,"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"<environment_context><cwd>/w/x.y</cwd></environment_context>"}]},{"type":"message","role":"user","content":[{"type":"input_text","text":"read notes.txt"}]}]}`)
	if got := str(tree(t, a.body), "output", 0, "arguments"); got != `{"command":["cat","notes.txt"]}` {
		t.Errorf("a shell was called with %s", got)
	}
	a = u.post("/v1/responses", `{"model":"gpt-5-codex","stream":true,"tools":`+shell+`,"tool_choice":{"type":"custom","name":"apply_patch"},"input":"go"}`)
	if !strings.Contains(a.body, "event: response.custom_tool_call_input.delta") || !strings.Contains(a.body, `"type":"custom_tool_call"`) {
		t.Errorf("a custom tool was not called: %s", a.body)
	}
}

func TestStructuredOutput(t *testing.T) {
	t.Parallel()
	u := start(t, simulator.Config{})
	for _, c := range []struct{ schema, want string }{
		{`{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"},"ok":{"type":"boolean"},"x":{"type":"number"}},"required":["name"]}`, `{"name":"Ada","age":1,"ok":true,"x":1.5}`},
		{`{"type":"object","properties":{"kind":{"enum":["b","a"]},"v":{"const":7}}}`, `{"kind":"b","v":7}`},
		{`{"type":"object","properties":{"l":{"type":"array","items":{"type":"string","enum":["p","q"]},"minItems":2}}}`, `{"l":["p","q"]}`},
		{`{"type":"object","properties":{"a":{"anyOf":[{"type":"null"},{"type":"integer","minimum":9}]}}}`, `{"a":9}`},
		{`{"type":"object","properties":{"a":{"type":["null","string"],"format":"date"}}}`, `{"a":"2026-01-02"}`},
		{`{"type":"object","properties":{"p":{"$ref":"#/$defs/point"}},"$defs":{"point":{"type":"object","properties":{"x":{"type":"integer","exclusiveMinimum":4,"multipleOf":3}},"required":["x"]}}}`, `{"p":{"x":6}}`},
		{`{"type":"object","properties":{"t":{"$ref":"#/$defs/n"}},"$defs":{"n":{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}},"required":["v"]}}}`, `{"t":{"v":1,"next":{"v":1,"next":null}}}`},
		{`{"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}},"required":["next"]}}}`, `{"next":{"next":{"next":null}}}`},
		{`{"allOf":[{"type":"object","properties":{"a":{"type":"null"}}},{"type":"object","properties":{"b":{"type":"string","minLength":10,"maxLength":12}}}]}`, `{"a":null,"b":"sample and m"}`},
		{`{"type":"object","properties":{"n":{"type":"number","minimum":0.2,"maximum":0.4}}}`, `{"n":0.4}`},
		{`{"type":"array","prefixItems":[{"type":"integer"},{"type":"boolean"}]}`, `[1,true]`},
		{`{"type":"OBJECT","properties":{"a":{"type":"STRING"}}}`, `{"a":"sample"}`},
	} {
		got := map[string]string{}
		a := u.post("/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":`+c.schema+`}}}`)
		got["chat"] = str(tree(t, a.body), "choices", 0, "message", "content")
		a = u.post("/v1/responses", `{"model":"m","input":"x","text":{"format":{"type":"json_schema","name":"n","schema":`+c.schema+`}}}`)
		got["responses"] = str(tree(t, a.body), "output", 0, "content", 0, "text")
		a = u.post("/v1/messages", `{"model":"m","max_tokens":99,"messages":[{"role":"user","content":"x"}],"output_config":{"format":{"type":"json_schema","schema":`+c.schema+`}}}`)
		got["anthropic"] = str(tree(t, a.body), "content", 0, "text")
		a = u.post("/v1beta/models/m:generateContent", `{"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{"responseMimeType":"application/json","responseJsonSchema":`+c.schema+`}}`)
		got["gemini"] = str(tree(t, a.body), "candidates", 0, "content", "parts", 0, "text")
		want := map[string]string{"chat": c.want, "responses": c.want, "anthropic": c.want, "gemini": c.want}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("schema %s (-want +got):\n%s", c.schema, diff)
		}
	}
	a := u.post("/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"json please"}],"response_format":{"type":"json_object"}}`)
	if s := str(tree(t, a.body), "choices", 0, "message", "content"); !json.Valid([]byte(s)) || s[0] != '{' {
		t.Errorf("json_object gave %q", s)
	}
}
