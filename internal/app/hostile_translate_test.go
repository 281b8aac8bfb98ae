package app_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/crosstest"
)

// upModel is what upstreams call the models of the gateways below; such names are served as responses alone.
const upModel = "canary-model-77-codex"

// foreigners is a configuration in which the model CLIENT-on-UPSTREAM is served by a channel of that dialect
// alone; more are members of the channels.
func foreigners(upstream string) string {
	var b strings.Builder
	b.WriteString("channels:\n")
	for _, u := range upstreams {
		fmt.Fprintf(&b, "  - {name: %s, provider: %s, base_url: %q, key: %q, models: [\"*-on-%s\"], mapping: {", u.name, u.provider, upstream, upKey, u.name)
		for client := range clients {
			fmt.Fprintf(&b, "%s-on-%s: %s, ", client, u.name, upModel)
		}
		b.WriteString("}}\n")
	}
	b.WriteString("models:\n  - {name: \"*-on-*\", price: {input: \"1\", output: \"2\"}}\n")
	fmt.Fprintf(&b, "accounts:\n  - {name: alice, credit: 10, keys: [{name: main, key: %s}]}\n", userKey)
	return b.String()
}

// foreign runs f for every client on every upstream of another dialect.
func foreign(f func(name string, c wireClient, upstream string)) {
	for _, name := range []string{"chat", "responses", "claude", "gemini"} {
		for _, u := range upstreams {
			if u.name != name {
				f(name, clients[name], u.name)
			}
		}
	}
}

// What an upstream says of our account, of its own names and places stays between it and us: a client of
// another dialect learns what kind of error it is and no more than the words of one that is its own fault.
func TestHostileForeignFaults(t *testing.T) {
	for _, status := range []int{400, 401, 402, 403, 404, 413, 422, 429, 500, 503, 529} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			fault := `{"type":"error","request_id":"req_canary0001","error":{"type":"invalid_request_error","code":"canary_code","param":"canary.param","status":"CANARY_STATUS",` +
				`"message":"it went wrong for the model ` + "`" + upModel + "`" + ` of organization org-canary0002 with the key ` + upKey + `","details":[{"@type":"x","metadata":{"consumer":"projects/canary"}}]}}`
			url := bad(t, func(w http.ResponseWriter, r *http.Request, _ wire) {
				if strings.Contains(r.URL.Path, "/openai/") { // Google's own gateway for chats, which is not there today
					http.NotFound(w, r)
					return
				}
				w.Header().Set("Request-Id", "req_canary0003")
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				_, _ = io.WriteString(w, fault)
			})
			h := attackOn(t, foreigners(url))
			foreign(func(name string, c wireClient, upstream string) {
				for _, stream := range []bool{false, true} {
					path, body := c.ask(name+"-on-"+upstream, "hi", stream, "")
					a := h.post(t, path, strings.NewReader(body), "Authorization", "Bearer "+userKey)
					e := c.side.ReadError(a.status, a.header, []byte(a.body))
					if a.status < 400 || e.Message == "" {
						t.Errorf("%s on %s: %d %s", name, upstream, a.status, a.body)
					}
					if shown := fmt.Sprint(a.header) + a.body; strings.Contains(strings.ToLower(shown), "canary") {
						t.Errorf("%s on %s: %s", name, upstream, shown)
					}
				}
			})
			for _, line := range h.lines("call") {
				if line["error"] == nil || line["nanos"].(float64) != 0 {
					t.Errorf("log: %v", line)
				}
			}
		})
	}
}

// oddStreams are streams of every upstream that are well-formed, and yet nothing that a vendor sends.
func oddStreams() map[string]map[string]string {
	chat := func(choices ...string) (out string) {
		for _, c := range choices {
			out += `data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[` + c + "]}\n\n"
		}
		return out
	}
	event := func(raw ...string) (out string) {
		for _, r := range raw {
			typ, _, _ := strings.Cut(strings.TrimPrefix(r, `{"type":"`), `"`)
			out += "event: " + typ + "\ndata: " + r + "\n\n"
		}
		return out
	}
	data := func(raw ...string) (out string) {
		for _, r := range raw {
			out += "data: " + r + "\n\n"
		}
		return out
	}
	eight := ""
	for i := range 40 {
		eight += chat(fmt.Sprintf(`{"index":%d,"delta":{"content":"c%d "}}`, i%8, i%8))
	}
	for i := range 8 {
		eight += chat(fmt.Sprintf(`{"index":%d,"delta":{},"finish_reason":"stop"}`, i))
	}
	pieces := func(n int, format string) string {
		return strings.Repeat(fmt.Sprintf(format, strings.Repeat("x", 1024)), n)
	}
	const done = "data: [DONE]\n\n"
	start := event(`{"type":"message_start","message":{"id":"m1","type":"message","role":"assistant","model":"m","content":[],"usage":{"input_tokens":3,"output_tokens":1}}}`)
	stop := event(`{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":9}}`, `{"type":"message_stop"}`)
	created := event(`{"type":"response.created","response":{"id":"r1","object":"response","status":"in_progress","model":"m","output":[]}}`)
	completed := event(`{"type":"response.completed","response":{"id":"r1","object":"response","status":"completed","model":"m","output":[],"usage":{"input_tokens":3,"output_tokens":9,"total_tokens":12}}}`)
	ended := `{"candidates":[{"index":0,"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":9,"totalTokenCount":12}}`
	return map[string]map[string]string{
		"chat": {
			"eight choices":       eight + done,
			"huge indexes":        chat(`{"index":0,"delta":{"tool_calls":[{"index":2147483647,"id":"a","function":{"name":"f","arguments":"{}"}}]}}`, `{"index":9007199254740993,"delta":{"content":"x"}}`, `{"index":-1,"delta":{"content":"y"}}`, `{"index":0,"delta":{"content":"kept"},"finish_reason":"stop"}`) + done,
			"calls not offered":   chat(`{"index":0,"delta":{"tool_calls":[{"index":0,"id":"","function":{"name":"nobody offered","arguments":"{"}}]}}`, `{"index":0,"delta":{},"finish_reason":"tool_calls"}`) + done,
			"twins":               chat(`{"index":0,"delta":{"tool_calls":[{"index":0,"id":"twin","function":{"name":"f","arguments":"{\"a\":"}},{"index":1,"id":"twin","function":{"name":"g","arguments":"not json"}}]}}`, `{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]},"finish_reason":"tool_calls"}`) + done,
			"after the end":       chat(`{"index":0,"delta":{"content":"kept"},"finish_reason":"stop"}`, `{"index":0,"delta":{"content":"late"}}`, `{"index":0,"delta":{"tool_calls":[{"index":0,"id":"late","function":{"name":"f","arguments":"{}"}}]}}`) + done + chat(`{"index":0,"delta":{"content":"later"}}`),
			"surrogates":          chat(`{"index":0,"delta":{"content":"\ud800 \udc00\ud800 \u0000"}}`, `{"index":0,"delta":{"tool_calls":[{"index":0,"id":"\ud800","function":{"name":"\udfff","arguments":"{\"\\ud800\":\"\ud800\"}"}}]}}`, `{"index":0,"delta":{},"finish_reason":"stop"}`) + done,
			"not UTF-8":           chat("{\"index\":0,\"delta\":{\"content\":\"\xff\xfe\xed\xa0\x80\"}}", `{"index":0,"delta":{},"finish_reason":"stop"}`) + done,
			"megabytes arguments": chat(`{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"a\":\""}}]}}`) + pieces(5000, `data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"%s"}}]}}]}`+"\n\n") + chat(`{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"}"}}]},"finish_reason":"tool_calls"}`) + done,
		},
		"responses": {
			"huge indexes":        created + event(`{"type":"response.output_item.added","output_index":2147483647,"item":{"type":"function_call","id":"fc","call_id":"a","name":"f","arguments":""}}`, `{"type":"response.function_call_arguments.delta","output_index":2147483647,"item_id":"fc","delta":"{}"}`, `{"type":"response.output_text.delta","output_index":-5,"content_index":99999999999,"delta":"kept"}`) + completed,
			"calls not offered":   created + event(`{"type":"response.output_item.added","output_index":0,"item":{"type":"custom_tool_call","id":"x","call_id":"","name":"","input":""}}`, `{"type":"response.custom_tool_call_input.delta","output_index":0,"item_id":"x","delta":"free \" text"}`, `{"type":"response.output_item.added","output_index":1,"item":{"type":"no_such_call","id":"y"}}`) + completed,
			"deltas alone":        created + event(`{"type":"response.function_call_arguments.delta","output_index":3,"item_id":"none","delta":"{}"}`, `{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"kept"}`, `{"type":"response.output_item.done","output_index":9,"item":{"type":"function_call","id":"z","call_id":"z","name":"f","arguments":"broken"}}`) + completed,
			"after the end":       created + event(`{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"kept"}`) + completed + event(`{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"late"}`) + completed,
			"surrogates":          created + event(`{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"\ud800\u0000"}`, `{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","id":"\ud800","call_id":"\ud800","name":"\ud800","arguments":"\ud800"}}`) + completed,
			"not UTF-8":           created + event("{\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"\xff\xed\xa0\x80\"}") + completed,
			"megabytes arguments": created + event(`{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","id":"fc","call_id":"a","name":"f","arguments":""}}`, `{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{\"a\":\""}`) + pieces(5000, "data: {\"type\":\"response.function_call_arguments.delta\",\"output_index\":0,\"delta\":\"%s\"}\n\n") + event(`{"type":"response.function_call_arguments.delta","output_index":0,"delta":"\"}"}`) + completed,
		},
		"claude": {
			"huge indexes":        start + event(`{"type":"content_block_start","index":2147483647,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}`, `{"type":"content_block_delta","index":2147483647,"delta":{"type":"input_json_delta","partial_json":"{}"}}`, `{"type":"content_block_start","index":-7,"content_block":{"type":"text","text":""}}`, `{"type":"content_block_delta","index":-7,"delta":{"type":"text_delta","text":"kept"}}`) + stop,
			"calls not offered":   start + event(`{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"","name":"","input":[1]}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\""}}`, `{"type":"content_block_start","index":1,"content_block":{"type":"mcp_tool_use","id":"q"}}`) + stop,
			"blocks interleaved":  start + event(`{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"twin","name":"f","input":{}}}`, `{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"twin","name":"g","input":{}}}`, `{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{}"}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}}`, `{"type":"content_block_delta","index":5,"delta":{"type":"text_delta","text":"kept"}}`, `{"type":"content_block_stop","index":77}`) + stop,
			"after the end":       start + event(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"kept"}}`) + stop + start + event(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"late"}}`) + stop,
			"surrogates":          start + event(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\ud800\u0000"}}`, `{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"\ud800","name":"\ud800","input":{}}}`, `{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"\ud800\":1}"}}`) + stop,
			"not UTF-8":           start + event("{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"\xff\xed\xa0\x80\"}}") + stop,
			"megabytes arguments": start + event(`{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\":\""}}`) + pieces(5000, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"%s\"}}\n\n") + event(`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"\"}"}}`) + stop,
		},
		"gemini": {
			"eight choices":       data(`{"candidates":[{"index":0,"content":{"parts":[{"text":"kept"}]}},{"index":7,"content":{"parts":[{"text":"b"}]}},{"index":3,"content":{"parts":[{"functionCall":{"name":"f","args":{}}}]}}]}`, `{"candidates":[{"index":7,"finishReason":"STOP"},{"index":3,"finishReason":"STOP"}]}`, ended),
			"huge indexes":        data(`{"candidates":[{"index":9007199254740993,"content":{"parts":[{"text":"x"}]}},{"index":-3,"content":{"parts":[{"text":"x"}]}},{"index":0,"content":{"parts":[{"text":"kept"}]}}]}`, ended),
			"calls not offered":   data(`{"candidates":[{"index":0,"content":{"parts":[{"functionCall":{"name":"","args":[1]}},{"functionCall":{"args":"text"}},{"functionCall":{"name":"f","args":{"__arg1":"x"}}},{"executableCode":{"code":1}},{"noSuchPart":{}}]}}]}`, ended),
			"after the end":       data(`{"candidates":[{"index":0,"content":{"parts":[{"text":"kept"}]}}]}`, ended, `{"candidates":[{"index":0,"content":{"parts":[{"text":"late"},{"functionCall":{"name":"late","args":{}}}]}}]}`, ended),
			"surrogates":          data(`{"candidates":[{"index":0,"content":{"parts":[{"text":"\ud800\u0000"},{"functionCall":{"id":"\ud800","name":"\ud800","args":{"\ud800":"\ud800"}}}]}}]}`, ended),
			"not UTF-8":           data("{\"candidates\":[{\"index\":0,\"content\":{\"parts\":[{\"text\":\"\xff\xed\xa0\x80\"},{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":\"\xff\"}}}]}}]}", ended),
			"megabytes arguments": data(`{"candidates":[{"index":0,"content":{"parts":[{"functionCall":{"name":"f","args":{"a":"`+strings.Repeat("x", 5<<20)+`"}}}]}}]}`, ended),
		},
	}
}

// Whatever an upstream of another dialect streams, its client gets an answer that it can read, or an error of
// its own dialect, in frames of valid JSON and text; and the books are closed.
func TestHostileForeignStreams(t *testing.T) {
	odd := oddStreams()
	upstream, name := "", ""
	url := bad(t, func(w http.ResponseWriter, r *http.Request, _ wire) {
		if strings.Contains(r.URL.Path, "/openai/") {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, odd[upstream][name])
	})
	h := attackOn(t, foreigners(url))
	calls := 0
	foreign(func(client string, c wireClient, up string) {
		upstream = up
		for name = range odd[up] {
			path, body := c.ask(client+"-on-"+up, "hi", true, "")
			a := h.post(t, path, strings.NewReader(body), "Authorization", "Bearer "+userKey)
			calls++
			at := fmt.Sprintf("%s on %s, %s", client, up, name)
			if !utf8.ValidString(a.body) {
				t.Errorf("%s: the answer is not UTF-8: %.500q", at, a.body)
			}
			if a.status != http.StatusOK {
				if e := c.side.ReadError(a.status, a.header, []byte(a.body)); e.Message == "" || a.status < 500 {
					t.Errorf("%s: %d %.500s", at, a.status, a.body)
				}
				continue
			}
			events, err := crosstest.ReadAnswer(c.side, true, []byte(a.body), 0)
			if name == "megabytes arguments" {
				calls, size := argued(events)
				if err != nil || calls != 1 || size < 5_000_000 {
					t.Errorf("%s: %v, %d calls with %d bytes", at, err, calls, size)
				}
				continue
			}
			told := crosstest.Collect(events)
			if told.Failed != nil && name == "huge indexes" {
				continue // said so, in the client's dialect
			}
			if err != nil || told.Failed != nil {
				t.Errorf("%s: %v, failed %v: %.500s", at, err, told.Failed, a.body)
			}
			if strings.Contains(odd[up][name], "kept") && !strings.Contains(told.Text(), "kept") {
				t.Errorf("%s: text is gone: %.900s", at, a.body)
			}
			if strings.Contains(a.body, "later") {
				t.Errorf("%s: what came after the end is told: %.900s", at, a.body)
			}
		}
	})
	waitFor(t, "the lines of all calls", func() bool { return len(h.lines("call")) == calls })
	for _, line := range h.lines("call") {
		if line["error"] == nil && (line["usage"] == nil || line["out"].(float64) <= 0) {
			t.Errorf("log: %v", line)
		}
	}
	if strings.Contains(h.logs.String(), "panic") {
		t.Errorf("it panicked: %s", h.logs.String())
	}
}

// argued counts the calls of tools in an answer and the bytes of their arguments.
func argued(events []canon.Event) (calls, size int) {
	for _, e := range events {
		switch e := e.(type) {
		case canon.ToolStart:
			calls++
		case canon.ToolDelta:
			size += len(e.JSON)
		}
	}
	return calls, size
}

// A request that says nothing is refused before it costs anything, as vendors do at home.
func TestNothingSaidIsRefused(t *testing.T) {
	sim, url := simulate(t)
	g := startGateway(t, translated(url, ""))
	for client, ask := range map[string][2]string{
		"chat":      {"/v1/chat/completions", `{"model":"MODEL","messages":[],"tools":[{"type":"function","function":{"name":"f"}}]}`},
		"responses": {"/v1/responses", `{"model":"MODEL","input":[]}`},
		"claude":    {"/v1/messages", `{"model":"MODEL","max_tokens":9,"messages":[]}`},
		"gemini":    {"/v1beta/models/MODEL:generateContent", `{"contents":[]}`},
	} {
		for _, upstream := range []string{"chat", "responses", "claude", "gemini"} {
			if client == upstream {
				continue
			}
			model := upstream + "-model"
			a := g.send("POST", strings.ReplaceAll(ask[0], "MODEL", model), strings.ReplaceAll(ask[1], "MODEL", model))
			if a.status != 400 {
				t.Errorf("%s on %s: %d %s", client, upstream, a.status, a.body)
			}
		}
	}
	for _, c := range counted(t, sim) { // a path that may be there, as some vendors have it, is tried
		if c.Status == 200 {
			t.Errorf("an upstream answered: %+v", c)
		}
	}
}
