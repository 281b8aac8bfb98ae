package crosstest_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/dialect/openairesponses"
)

// repeated is n pieces of JSON; # in them is their number.
func repeated(n int, piece string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = strings.ReplaceAll(piece, "#", strconv.Itoa(i))
	}
	return strings.Join(list, ",")
}

// large are requests of many pieces of one kind: * stands for all of them.
var large = []struct {
	name, from string
	body       string // with the places of the pieces as *0, *1 …
	pieces     []string
}{
	{"members of the request", "chat", `{"messages":[{"role":"user","content":"x"}],*0}`, []string{`"m#":1`}},
	{"members of a message", "chat", `{"messages":[{"role":"user","content":"x",*0}]}`, []string{`"m#":1`}},
	{"system messages with members", "chat", `{"messages":[*0]}`, []string{`{"role":"system","content":"x","m":1}`}},
	{"messages with members", "chat", `{"messages":[*0]}`, []string{`{"role":"user","content":"x","m":1}`}},
	{"parts with members", "chat", `{"messages":[{"role":"user","content":[*0]}]}`, []string{`{"type":"text","text":"x","m":1}`}},
	{"members of a part", "chat", `{"messages":[{"role":"user","content":[{"type":"text","text":"x",*0}]}]}`, []string{`"m#":1`}},
	{"foreign parts", "chat", `{"messages":[{"role":"user","content":[*0]}]}`, []string{`{"type":"hologram","x":1}`}},
	{"calls and their results, with members", "chat", `{"messages":[{"role":"assistant","tool_calls":[*0]},*1]}`, []string{
		`{"id":"c#","type":"function","function":{"name":"f","arguments":"{}"},"m":1}`, `{"role":"tool","tool_call_id":"c#","content":"x","m":1}`,
	}},
	{"signed calls", "chat", `{"messages":[{"role":"assistant","reasoning_details":[*0],"tool_calls":[*1]},*2]}`, []string{
		`{"type":"reasoning.encrypted","data":"s#"}`,
		`{"id":"c#","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"t#"}}}`,
		`{"role":"tool","tool_call_id":"c#","content":"x"}`,
	}},
	{"tools that may be called", "chat", `{"messages":[{"role":"user","content":"x"}],"tools":[*0],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[*0]}}}`, []string{
		`{"type":"function","function":{"name":"f#"}}`,
	}},
	{"members of a tool", "chat", `{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function",*0,"function":{"name":"f",*0}}]}`, []string{`"m#":1`}},
	{"members of a format", "chat", `{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema",*0,"json_schema":{"name":"n","schema":{},*0}}}`, []string{`"m#":1`}},
	{"items with members", "responses", `{"input":[*0]}`, []string{`{"type":"message","id":"m#","role":"assistant","phase":"x","content":"a"}`}},
	{"calls of many tools", "responses", `{"input":[*0,*1],"tools":[*2]}`, []string{
		`{"type":"function_call","call_id":"c#","name":"f#","arguments":"{}"}`, `{"type":"function_call_output","call_id":"c#","output":"x"}`, `{"type":"function","name":"f#"}`,
	}},
	{"some tools of many", "responses", `{"input":"x","tools":[*0],"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[*0]}}`, []string{`{"type":"function","name":"f#"}`}},
	{"a group of tools", "responses", `{"input":"x","tools":[{"type":"namespace","name":"g","tools":[*0]}]}`, []string{`{"type":"function","name":"f#"}`}},
}

// A request of sixteen times as many pieces takes about sixteen times as long to read and write, not 256 times.
func TestLargeRequestsTakeTheirTime(t *testing.T) {
	const few, times = 400, 16
	chat, responses := openaichat.New(), openairesponses.New()
	for _, l := range large {
		var from crosstest.Side = chat
		if l.from == "responses" {
			from = responses
		}
		body := func(n int) []byte {
			text := l.body
			for i, p := range l.pieces {
				text = strings.ReplaceAll(text, "*"+strconv.Itoa(i), repeated(n, p))
			}
			return []byte(text)
		}
		for _, to := range []crosstest.Side{chat, responses} {
			took := func(n int) time.Duration {
				raw, best := body(n), time.Hour
				for range 3 { // of which the quickest was disturbed least
					began := spent(t)
					req, err := crosstest.Read(from, raw, false)
					if err != nil {
						t.Fatalf("%s: %v", l.name, err)
					}
					if _, _, e := to.WriteRequest(req, crosstest.Target(false)); e != nil {
						t.Fatalf("%s to %s: %v", l.name, to.Dialect(), e)
					}
					best = min(best, spent(t)-began)
				}
				return best
			}
			ratio := float64(took(few*times)) / float64(took(few))
			for again := 0; ratio > 6*times && again < 3; again++ {
				ratio = min(ratio, float64(took(few*times))/float64(took(few)))
			}
			if ratio > 6*times {
				t.Errorf("%s to %s: %d times as many take %.0f times as long", l.name, to.Dialect(), times, ratio)
			}
		}
	}
}

// The tools of a group share the group as it came: else as many copies of it would be kept as it has tools.
func TestGroupsAreKeptOnce(t *testing.T) {
	req, err := crosstest.Read(openairesponses.New(), []byte(`{"input":"x","tools":[{"type":"namespace","name":"g","tools":[`+repeated(3, `{"type":"function","name":"f#"}`)+`]}]}`), false)
	if err != nil || len(req.Tools) != 3 {
		t.Fatal(err, req)
	}
	for _, tool := range req.Tools {
		if &tool.Home.Raw[0] != &req.Tools[0].Home.Raw[0] {
			t.Errorf("%s has its own copy", tool.Name)
		}
	}
}

// A turn of many results gives each message its own members.
func TestMembersOfResults(t *testing.T) {
	own := func(s string) canon.Block {
		return canon.Foreign{Dialect: canon.OpenAIChat, Raw: []byte(`{"message":{"m":` + s + `}}`)}
	}
	req := &canon.Request{Origin: canon.OpenAIChat, Turns: []canon.Turn{{Role: canon.RoleTool, Blocks: []canon.Block{
		canon.ToolResult{ID: "a"}, own("1"), canon.ToolResult{ID: "b"}, own("2"),
	}}}}
	raw, _, e := openaichat.New().WriteRequest(req, crosstest.Target(false))
	if e != nil || strings.Count(string(raw), `"m":1`) != 1 || strings.Count(string(raw), `"m":2`) != 1 {
		t.Errorf("%v in %s", e, raw)
	}
}
