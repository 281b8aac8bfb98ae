package crosstest_test

import (
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/dialect/openairesponses"
)

// What an answer says beside its words arrives, or is told as lost.
func TestNothingOfAnAnswerIsPassedOver(t *testing.T) {
	chat, responses := openaichat.New(), openairesponses.New()
	message := func(more string) string {
		return `{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"four"` + more + `},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}`
	}
	response := func(items, more string) string {
		return `{"id":"resp_1","object":"response","status":"completed","model":"m","output":[` + items + `{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"four","annotations":[]}]}],"usage":{"input_tokens":9,"output_tokens":5` + more + `}`
	}
	claude := anthropic.New()
	const refused = `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":"refusal","stop_details":{"type":"refusal","category":"cyber","explanation":"Not this."},"usage":{"input_tokens":1,"output_tokens":1}}`
	const cached = `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"four"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"cache_creation_input_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":3},"output_tokens":1}}`
	const drawn = `{"type":"code_interpreter_call","id":"ci_1","status":"completed","code":"1","container_id":"cntr_1","outputs":[{"type":"logs","logs":"1"},{"type":"image","url":"https://example.com/i.png"}]},`
	const called = `{"type":"mcp_call","id":"mcp_1","server_label":"s","name":"f","arguments":"{}","output":"o"},`
	const found = `{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"find_in_page","url":"https://example.com","pattern":"x"}},`
	for name, c := range map[string]struct {
		from   crosstest.Side
		answer string
		to     crosstest.Side
		has    string     // in what the client gets
		lost   canon.What // else told as lost
	}{
		"a member that nobody knows":             {chat, message(`,"hologram":{"x":1}`), responses, "", canon.WhatAnswerOther},
		"no more than is usual":                  {chat, message(`,"refusal":null,"annotations":[],"tool_calls":[],"name":"x"`), responses, `"text":"four"`, ""},
		"sources beside the choices":             {chat, strings.Replace(message(""), `"usage"`, `"citations":["https://example.com"],"search_results":[{"title":"E","url":"https://example.com"}],"usage"`, 1), responses, `"url":"https://example.com","title":"E"`, ""},
		"URLs beside the choices":                {chat, strings.Replace(message(""), `"usage"`, `"citations":["https://example.com"],"usage"`, 1), responses, `"url":"https://example.com"`, ""},
		"a stop sequence":                        {chat, strings.Replace(message(""), `"finish_reason":"stop"`, `"finish_reason":"stop","stop_reason":"END"`, 1), chat, `"finish_reason":"stop","stop_reason":"END"`, ""},
		"tokens of images and sound":             {chat, strings.Replace(message(""), `"completion_tokens":2`, `"completion_tokens":5,"prompt_tokens_details":{"image_tokens":2},"completion_tokens_details":{"audio_tokens":4}`, 1), responses, `"image_tokens":2},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":0,"audio_tokens":4}`, ""},
		"searches":                               {responses, response("", `},"tool_usage":{"web_search":{"num_requests":2}}`), chat, `"server_tool_use":{"web_search_requests":2}`, ""},
		"searches at home":                       {responses, response("", `},"tool_usage":{"web_search":{"num_requests":2}}`), responses, `"tool_usage":{"web_search":{"num_requests":2}}`, ""},
		"the tier":                               {responses, response("", `},"service_tier":"priority"`), chat, `"service_tier":"priority"`, ""},
		"a picture that code drew":               {responses, response(drawn, "}"), chat, "", canon.WhatAnswerOther},
		"code at home":                           {responses, response(drawn, "}"), responses, `"container_id":"cntr_1","outputs":[{"type":"logs","logs":"1"},{"type":"image","url":"https://example.com/i.png"}]`, ""},
		"a tool of a server":                     {responses, response(called, "}"), chat, "", canon.WhatAnswerOther},
		"a tool of a server, at home":            {responses, response(called, "}"), responses, strings.TrimSuffix(called, ","), ""},
		"what was looked for in a page":          {responses, response(found, "}"), responses, `"type":"find_in_page"`, ""},
		"the phase of a message":                 {responses, strings.Replace(response("", "}"), `"role":"assistant"`, `"role":"assistant","phase":"commentary"`, 1), chat, "", canon.WhatAnswerOther},
		"an end that a vendor calls its own way": {chat, strings.Replace(message(""), `"finish_reason":"stop"`, `"finish_reason":"wei\"rd"`, 1), chat, `"finish_reason":"wei\"rd"`, ""},
		"the same for another dialect":           {chat, strings.Replace(message(""), `"finish_reason":"stop"`, `"finish_reason":"weird"`, 1), responses, `"incomplete_details":{"reason":"weird"}`, ""},
		"an answer that was cancelled":           {responses, strings.Replace(response("", "}"), `"status":"completed","model"`, `"status":"cancelled","model"`, 1), chat, "", canon.WhatAnswerStop},
		"a tier that others do not have":         {claude, strings.Replace(cached, `"output_tokens":1`, `"output_tokens":1,"service_tier":"batch"`, 1), chat, `four`, canon.WhatAnswerUsage},
		"why Claude refuses":                     {claude, refused, chat, `"refusal":"Not this."`, canon.WhatAnswerStop},
		"why Claude refuses, responses":          {claude, refused, responses, `"refusal":"Not this."`, canon.WhatAnswerStop},
		"what an hour of cache costs":            {claude, cached, chat, `"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":3}`, ""},
		"the same in a response":                 {claude, cached, responses, `"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":3}`, ""},
		"a part that nobody knows":               {responses, strings.Replace(response("", "}"), `"content":[`, `"content":[{"type":"hologram","x":1},`, 1), chat, "", canon.WhatAnswerOther},
	} {
		events, err := crosstest.ReadAnswer(c.from, false, []byte(c.answer), 0)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, stream := range []bool{false, true} {
			out, lost := crosstest.WriteAnswer(c.to, &canon.Request{Origin: c.to.Dialect(), Model: "m"}, c.from.Dialect(), stream, events)
			told := false
			for _, l := range lost {
				told = told || l.What == c.lost
			}
			if !strings.Contains(string(out), c.has) || told != (c.lost != "") || c.lost == "" && len(lost) > 0 {
				t.Errorf("%s, stream %v: told %v in\n%s", name, stream, lost, out)
			}
		}
	}
}
