package crosstest_test

import (
	"slices"
	"strings"
	"testing"

	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/dialect/openairesponses"
)

// silent is a request with something that a reader may pass over.
type silent struct {
	from crosstest.Side
	body string // without its model
	at   string // where the loss in all other dialects must stand; several are set apart by spaces
	home string // what the request must still hold at home
}

// What canon has no word for goes home as it came, and is told as lost elsewhere, wherever it stands and
// whatever it is called.
func TestNothingIsPassedOver(t *testing.T) {
	chat, responses := openaichat.New(), openairesponses.New()
	const said, asked = `"messages":[{"role":"user","content":"hi"}]`, `"input":"hi"`
	const format = `{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"},"x":1},"y":2}`
	for name, c := range map[string]silent{
		"a name with dots like the path of a format's": {
			chat, said + `,"response_format.json_schema.name":"own","response_format":` + format,
			"response_format.json_schema.name response_format.json_schema.x response_format.y", `,"response_format.json_schema.name":"own"}`,
		},
		"the same without a format":                 {chat, said + `,"response_format.json_schema.name":"own"`, "response_format.json_schema.name", `,"response_format.json_schema.name":"own"}`},
		"a name with dots like that of reasoning's": {chat, said + `,"reasoning.x":1`, "reasoning.x", `,"reasoning.x":1}`},
		"beside a format":                           {chat, said + `,"response_format":{"type":"json_object","schema":{"type":"object"}}`, "response_format.schema", `{"type":"json_object","schema":{"type":"object"}}`},
		"a format of text that says more":           {chat, said + `,"response_format":{"type":"text","x":1}`, "response_format", `{"type":"text","x":1}`},
		"a schema that is missing":                  {chat, said + `,"response_format":{"type":"json_schema"}`, "response_format", `{"type":"json_schema"}`},
		"a tool's name with dots":                   {chat, said + `,"tools":[{"type":"function","function.x":1,"function":{"name":"f","x":2}}]`, "tools[0].function.x tools[0].function.x", `"function":{"name":"f","x":2},"function.x":1`},
		"text.format as a name":                     {responses, asked + `,"text.format.name":"own","text":{"format":{"type":"json_schema","name":"n","schema":{},"x":1}}`, "text.format.name text.format.x", `,"text.format.name":"own"}`},
		"text.verbosity as a name":                  {responses, asked + `,"text.verbosity":"low"`, "text.verbosity", `,"text.verbosity":"low"}`},
		"text with a name with dots":                {responses, asked + `,"text":{"format.name":"own","verbosity":"low"}`, "text.format.name", `"text":{"verbosity":"low","format.name":"own"}`},
		"reasoning.effort as a name":                {responses, asked + `,"reasoning.effort":"x"`, "reasoning.effort", `,"reasoning.effort":"x"}`},
		"an object that says more":                  {responses, asked + `,"text":{"format":{"type":"json_object","x":1}}`, "text.format.x", `"text":{"format":{"type":"json_object","x":1}}`},
		"a format of text, of Responses":            {responses, asked + `,"text":{"format":{"type":"text","x":1}}`, "text.format", `"text":{"format":{"type":"text","x":1}}`},
		"the phase of a message, and ids": {responses, `"input":[{"role":"user","content":"hi"},{"type":"message","id":"msg_1","role":"assistant","status":"completed","phase":"commentary","content":[{"type":"output_text","text":"one","annotations":[],"logprobs":[]}]},` +
			`{"type":"message","id":"msg_2","role":"assistant","phase":"final_answer","content":"two"},{"role":"user","content":"go on"}]`, "input[1].phase input[2].phase", `{"type":"message","id":"msg_2","role":"assistant","phase":"final_answer","content":"two"}`},
		"members of a call and its result": {
			responses, `"input":[{"role":"user","content":"hi"},{"type":"function_call","id":"fc_1","status":"completed","call_id":"c","name":"f","arguments":"{}","x":1},{"type":"function_call_output","call_id":"c","output":"o","y":2},{"role":"user","content":"go on"}]`,
			"input[1].x input[2].y", `"arguments":"{}","x":1},{"type":"function_call_output","call_id":"c","output":"o","y":2}`,
		},
		"members of a part": {
			responses, `"input":[{"role":"user","content":[{"type":"input_text","text":"hi","x":1},{"type":"input_image","image_url":"https://example.com/a.png","y":2}]}]`,
			"input[0].content[0].x input[0].content[1].y", `"text":"hi","x":1}`,
		},
		"two names of the user, chat":      {chat, said + `,"user":"a","safety_identifier":"b"`, "safety_identifier", `"safety_identifier":"b"`},
		"two names of the user, responses": {responses, asked + `,"safety_identifier":"b","user":"a"`, "safety_identifier", `"safety_identifier":"b"`},
		"two texts of a thought": {
			chat, `"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"yes","reasoning":"a","reasoning_content":"b"},{"role":"user","content":"go on"}]`,
			"messages[1].reasoning", `"reasoning":"a"`,
		},
		"sound that is no reference": {chat, `"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"yes","audio":{"x":1}},{"role":"user","content":"go on"}]`, "messages[1].audio", `"audio":{"x":1}`},
		"a title of a text":          {chat, `"messages":[{"role":"user","content":[{"type":"text","text":"hi","title":"t"}]}]`, "messages[0].content[0]", `"title":"t"`},
		"members of a call of free text": {
			chat, `"messages":[{"role":"user","content":"hi"},{"role":"assistant","tool_calls":[{"id":"c","type":"custom","custom":{"name":"f","input":"i","x":1}}]},{"role":"tool","tool_call_id":"c","content":"o"}]`,
			"messages[1].tool_calls[0]", `"custom":{"name":"f","input":"i","x":1}`,
		},
		"a search that says more":              {chat, said + `,"web_search_options":{"search_context_size":"low","x":1}`, "web_search_options", `"web_search_options":{"search_context_size":"low","x":1}`},
		"a search of Responses that says more": {responses, asked + `,"tools":[{"type":"web_search","x":1}]`, "tools[0]", `{"type":"web_search","x":1}`},
		"code with bounds":                     {responses, asked + `,"tools":[{"type":"code_interpreter","container":{"type":"auto","memory_limit":"4g"}}]`, "tools[0]", `"memory_limit":"4g"`},
		"a group that says more": {
			responses, asked + `,"tools":[{"type":"namespace","name":"g","description":"d","x":1,"tools":[{"type":"function","name":"f"},{"type":"function","name":"h"}]}]`,
			"tools[0].tools[0].x", `"x":1`,
		},
		"seals that are asked for":       {responses, asked + `,"include":["reasoning.encrypted_content"]`, "", `"include":["reasoning.encrypted_content"]`},
		"more that an answer shall have": {responses, asked + `,"include":["web_search_call.action.sources","reasoning.encrypted_content"]`, "include", `"include":["web_search_call.action.sources","reasoning.encrypted_content"]`},
	} {
		body := `{"model":"m",` + c.body + `}`
		req, err := crosstest.Read(c.from, []byte(body), false)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, to := range sides() {
			raw, lost, cerr := to.WriteRequest(req, crosstest.Target(false))
			if cerr != nil {
				t.Errorf("%s to %s: %v", name, to.Dialect(), cerr)
				continue
			}
			if to.Dialect() == c.from.Dialect() {
				if len(lost) > 0 || !strings.Contains(string(raw), c.home) {
					t.Errorf("%s at home: %v in\n%s", name, lost, raw)
				}
				continue
			}
			var at []string
			for _, l := range lost {
				at = append(at, l.Path)
			}
			if c.at == "" && len(lost) > 0 {
				t.Errorf("%s to %s: %v is lost", name, to.Dialect(), lost)
			}
			for _, want := range strings.Fields(c.at) {
				if i := slices.IndexFunc(at, func(p string) bool {
					return p == want || strings.HasPrefix(p, want) && strings.HasSuffix(want, "]") || p == want+".x"
				}); i >= 0 {
					at = slices.Delete(at, i, i+1)
				} else {
					t.Errorf("%s to %s: nothing is told of %s: %v\n%s", name, to.Dialect(), want, lost, raw)
				}
			}
		}
	}
}
