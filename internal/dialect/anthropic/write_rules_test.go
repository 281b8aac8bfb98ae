package anthropic_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/jsonedit"
)

func says(role canon.Role, at string, blocks ...canon.Block) canon.Turn {
	t := canon.Turn{Role: role, At: at}
	for i, b := range blocks {
		t.Add(at+"."+string(rune('a'+i)), b)
	}
	return t
}

// TestRules checks what the API demands of a request, rule by rule, and that what it costs is declared.
func TestRules(t *testing.T) {
	text := func(s string) canon.Block { return canon.Text{Text: s} }
	hour := canon.CachePoint{TTL: time.Hour}
	user := says(canon.RoleUser, "u", text("hi"))
	png := canon.Media{Kind: canon.MediaImage, MIME: "image/png", Data: "iVBORw0KGgo="}
	call := func(id, name string) canon.Block {
		return canon.ToolUse{ID: id, Name: name, Input: json.RawMessage("{}")}
	}
	tool := func(schema string) canon.Tool {
		return canon.Tool{Name: "f", Schema: json.RawMessage(schema), At: "tools[0]"}
	}
	long := strings.Repeat("x", 70)
	yes := true
	for name, c := range map[string]struct {
		req   canon.Request
		to    dialect.Target
		wants []string // in what is written
		never []string
		lost  string // as lossLines has it, without reasons
		err   string // beginning of the error
	}{
		"four cache points": {
			req: canon.Request{System: []canon.Block{text("s"), hour}, Turns: []canon.Turn{says(canon.RoleUser, "u",
				text("1"), canon.CachePoint{}, text("2"), canon.CachePoint{}, text("3"), canon.CachePoint{}, text("4"), canon.CachePoint{TTL: 5 * time.Minute})}},
			wants: []string{
				`{"type":"text","text":"s","cache_control":{"type":"ephemeral","ttl":"1h"}}`, `{"type":"text","text":"1"}`, `"text":"2","cache_control":{"type":"ephemeral"}}`,
				`"text":"4","cache_control":{"type":"ephemeral","ttl":"5m"}}`,
			},
			lost: `cache_point lost "u.b"`,
		},
		"an effort stands for a budget": {
			req:   canon.Request{Turns: []canon.Turn{user}, Reasoning: &canon.Effort{Level: "low", Budget: 3000}},
			wants: []string{`"thinking":{"type":"adaptive"}`, `"effort":"low"`},
			lost:  `reasoning.budget lost ""`,
		},
		"an effort stands for a budget where models think by it": {
			req:   canon.Request{Turns: []canon.Turn{user}, Reasoning: &canon.Effort{Level: "low", Budget: 3000}},
			to:    dialect.Target{Thinking: dialect.ThinkingEffort},
			wants: []string{`"effort":"low"`},
			never: []string{"thinking"},
			lost:  `reasoning.budget lost ""`,
		},
		"a budget stands where the effort is not known": {
			req:   canon.Request{Turns: []canon.Turn{user}, Reasoning: &canon.Effort{Level: "much", Budget: 3000}},
			wants: []string{`"thinking":{"type":"adaptive"}`, `"effort":"medium"`},
			lost:  `reasoning.effort lost "";reasoning.budget changed ""`,
		},
		"no longer life after a shorter": {
			req:   canon.Request{Turns: []canon.Turn{says(canon.RoleUser, "u", text("1"), canon.CachePoint{TTL: 10 * time.Minute}, text("2"), hour)}},
			wants: []string{`"1","cache_control":{"type":"ephemeral","ttl":"5m"}`, `"2","cache_control":{"type":"ephemeral","ttl":"5m"}`},
			lost:  `cache_point.ttl changed "u.b";cache_point.ttl changed "u.d"`,
		},
		"no cache point at thoughts": {
			req:   canon.Request{Turns: []canon.Turn{user, says(canon.RoleAssistant, "a", text("so"), canon.Reasoning{Text: "hm", Seal: "c2ln", Origin: canon.Anthropic}, canon.CachePoint{})}},
			wants: []string{`{"type":"text","text":"so","cache_control"`, `{"type":"thinking","thinking":"hm","signature":"c2ln"}`},
		},
		"tools are cached": {
			req:   canon.Request{Tools: []canon.Tool{{Name: "f", Cache: &canon.CachePoint{}}}, Turns: []canon.Turn{user}},
			wants: []string{`{"name":"f","input_schema":{"type":"object","properties":{}},"cache_control":{"type":"ephemeral"}}`},
		},
		"media where none can be": {
			req:   canon.Request{System: []canon.Block{png}, SystemPaths: []string{"s"}, Turns: []canon.Turn{user, says(canon.RoleAssistant, "a", text("see"), png), user}},
			never: []string{"image"},
			lost:  `system.content lost "s";image.data lost "a.b"`,
		},
		"a name of an image": {
			req:  canon.Request{Turns: []canon.Turn{says(canon.RoleUser, "u", canon.Media{Kind: canon.MediaImage, MIME: "image/png", Data: "iVBORw0KGgo=", Name: "a.png"})}},
			lost: `file.name lost "u.a"`,
		},
		"a cache point at what is left out": {
			req:  canon.Request{Turns: []canon.Turn{user, says(canon.RoleAssistant, "a", text("so")), says(canon.RoleUser, "v", canon.Media{Kind: canon.MediaAudio}, canon.CachePoint{}, text("hear"))}},
			lost: `audio lost "v.a";cache_point lost "v.b"`,
		},
		"results behind words": {
			req: canon.Request{Tools: []canon.Tool{{Name: "f"}}, Turns: []canon.Turn{
				user, says(canon.RoleAssistant, "a", call("c", "f")),
				says(canon.RoleUser, "v", text("well"), canon.ToolResult{ID: "c"}),
			}},
			wants: []string{`{"role":"user","content":[{"type":"tool_result","tool_use_id":"c"},{"type":"text","text":"well"}]}`},
			lost:  `tool_result changed "v.b"`,
		},
		"names of tools that are gone": {
			req:   canon.Request{Turns: []canon.Turn{user, says(canon.RoleAssistant, "a", call("c", "f.g")), says(canon.RoleTool, "t", canon.ToolResult{ID: "c"})}},
			wants: []string{`"name":"f_g","input":{}`},
			lost:  `tool_use changed "a.a";tool changed ""`,
		},
		"a format that is described twice": {
			req:   canon.Request{Turns: []canon.Turn{user}, Format: &canon.Format{Description: "mine", Schema: json.RawMessage(`{"type":"object","properties":{},"description":"own","additionalProperties":false}`)}},
			never: []string{"mine"},
			lost:  `format.name lost ""`,
		},
		"a format that allows more members": {
			req:   canon.Request{Turns: []canon.Turn{user}, Format: &canon.Format{Schema: json.RawMessage(`{"type":"object","properties":{},"additionalProperties":true}`)}},
			wants: []string{`"schema":{"type":"object","properties":{},"additionalProperties":false}`},
			lost:  `format.schema changed ""`,
		},
		"arguments that only begin like text": {
			req:   canon.Request{Turns: []canon.Turn{user, says(canon.RoleAssistant, "a", canon.ToolUse{ID: "c", Name: "f", Input: json.RawMessage(`"a" b`)}), says(canon.RoleTool, "t", canon.ToolResult{ID: "c"})}},
			wants: []string{`"input":{"input":"\"a\" b"}`},
			lost:  `tool_use.arguments changed "a.a";tool changed ""`,
		},
		"a model that does not think": {
			req:   canon.Request{Turns: []canon.Turn{user}, Reasoning: &canon.Effort{Level: "high", Budget: 2000, Adaptive: true, Show: canon.ThoughtsShown}},
			to:    dialect.Target{Thinking: dialect.ThinkingNone},
			never: []string{"thinking", "effort"},
			lost:  `reasoning.effort lost "";reasoning.budget lost "";reasoning.adaptive lost "";reasoning.show lost ""`,
		},
		"thoughts that can't be shown": {
			req:  canon.Request{Turns: []canon.Turn{user}, Reasoning: &canon.Effort{Level: "high", Show: canon.ThoughtsShown}},
			to:   dialect.Target{Thinking: dialect.ThinkingEffort},
			lost: `reasoning.show lost ""`,
		},
		"a table by its address": {
			req:   canon.Request{Turns: []canon.Turn{says(canon.RoleUser, "u", canon.Media{Kind: canon.MediaFile, MIME: "text/csv", URL: "https://a.test/x.csv"}, canon.Text{Text: "x"})}},
			never: []string{"a.test"},
			lost:  `file.url lost "u.a"`,
		},
		"base64 of the other alphabet": {
			req:   canon.Request{Turns: []canon.Turn{says(canon.RoleUser, "u", canon.Media{Kind: canon.MediaImage, MIME: "image/png", Data: "-_8\nA"})}},
			wants: []string{`"data":"+/8A"`},
		},
		"base64 without its padding": {
			req:   canon.Request{Turns: []canon.Turn{says(canon.RoleUser, "u", canon.Media{Kind: canon.MediaImage, MIME: "image/png", Data: "AAAAA_8"})}},
			wants: []string{`"data":"AAAAA/8="`},
		},
		"no base64": {
			req: canon.Request{Turns: []canon.Turn{says(canon.RoleUser, "u", canon.Media{Kind: canon.MediaImage, MIME: "image/png", Data: "AA=A"})}}, err: "u.a holds data",
		},
		"refusals": {
			req:   canon.Request{Turns: []canon.Turn{user, says(canon.RoleAssistant, "a", canon.Refusal{Text: "I won't."}), user}},
			wants: []string{`"content":"I won't."`}, lost: `refusal changed "a.a"`,
		},
		"media in results": {
			req:   canon.Request{Turns: []canon.Turn{user, says(canon.RoleAssistant, "a", call("i", "f")), says(canon.RoleTool, "t", canon.ToolResult{ID: "i", IsError: true, Blocks: []canon.Block{png, canon.Media{Kind: canon.MediaAudio, Data: "AA=="}}})}, Tools: []canon.Tool{tool("")}},
			wants: []string{`"is_error":true,"content":[{"type":"image"`}, lost: `tool_result.media lost "t.a"`,
		},
		"ids as the API takes them": {
			req:   canon.Request{Turns: []canon.Turn{user, says(canon.RoleAssistant, "a", call(long, "f"), call("ö", "f")), says(canon.RoleTool, "t", canon.ToolResult{ID: "ö"}, canon.ToolResult{ID: long})}, Tools: []canon.Tool{tool("")}},
			never: []string{long, "ö"},
		},
		"unknown role":         {req: canon.Request{Turns: []canon.Turn{says("critic", "c", text("x"))}}, err: "c has a role"},
		"system's own place":   {req: canon.Request{Turns: []canon.Turn{user, says(canon.RoleSystem, "s", text("brief"))}}, to: dialect.Target{Knows: []canon.What{canon.WhatSystemPosition}}, wants: []string{`{"role":"system","content":"brief"}`}},
		"but not everywhere":   {req: canon.Request{Turns: []canon.Turn{user, says(canon.RoleSystem, "s", text("brief")), user}}, to: dialect.Target{Knows: []canon.What{canon.WhatSystemPosition}}, wants: []string{`"system":"brief"`}, lost: `system.position changed "s"`},
		"choice of schemas":    {req: canon.Request{Tools: []canon.Tool{tool(`{"anyOf":[{"properties":{"a":{"type":"string"}},"required":["a"]},{"properties":{"a":{},"b":{}}}],"$defs":{"x":{}}}`)}, Turns: []canon.Turn{user}}, wants: []string{`"input_schema":{"type":"object","$defs":{"x":{}},"properties":{"a":{"type":"string"},"b":{}}}`}, lost: `tool.schema changed "tools[0]"`},
		"schema without type":  {req: canon.Request{Tools: []canon.Tool{tool(`{"properties":{"a":{"minimum":1.50}}}`)}, Turns: []canon.Turn{user}}, wants: []string{`"input_schema":{"type":"object","properties":{"a":{"minimum":1.50}}}`}},
		"schema of no object":  {req: canon.Request{Tools: []canon.Tool{tool(`{"type":"string"}`)}, Turns: []canon.Turn{user}}, err: "tools[0] has a schema"},
		"schema that is none":  {req: canon.Request{Tools: []canon.Tool{tool(`[1]`)}, Turns: []canon.Turn{user}}, err: "tools[0] has a schema"},
		"name of a tool":       {req: canon.Request{Tools: []canon.Tool{{Name: "a.b", At: "tools[0]"}}, Turns: []canon.Turn{user}}, err: `tools[0] has the name "a.b"`},
		"allowed tools":        {req: canon.Request{Tools: []canon.Tool{{Name: "f"}, {Name: "g"}}, ToolChoice: canon.ToolChoice{Mode: canon.ToolRequired, Allowed: []string{"g"}}, Turns: []canon.Turn{user}}, wants: []string{`"tools":[{"name":"g"`, `{"type":"any"}`}, lost: `tool_choice.allowed changed ""`},
		"choice without tools": {req: canon.Request{ToolChoice: canon.ToolChoice{Mode: canon.ToolRequired}, Turns: []canon.Turn{user}}, never: []string{"tool_choice"}, lost: `tool_choice lost ""`},
		"domains":              {req: canon.Request{Tools: []canon.Tool{{Name: "x", Raw: json.RawMessage("{}"), At: "t", Hosted: &canon.Hosted{Kind: canon.HostedWebSearch, Allowed: []string{"a"}, Blocked: []string{"b"}, MaxUses: 2}}}, Turns: []canon.Turn{user}}, wants: []string{`{"type":"web_search_20250305","name":"web_search","max_uses":2,"allowed_domains":["a"]}`}, lost: `tool.hosted changed "t"`},
		"one of a kind":        {req: canon.Request{Tools: []canon.Tool{{Name: "computer_use", Raw: json.RawMessage("{}"), At: "t"}}, Turns: []canon.Turn{user}}, never: []string{"tools"}, lost: `tool.hosted lost "t"`},
		"hosted tool by name":  {req: canon.Request{Tools: []canon.Tool{{Name: "web_search_preview", Raw: json.RawMessage("{}"), At: "t", Hosted: &canon.Hosted{Kind: canon.HostedWebSearch}}}, ToolChoice: canon.ToolChoice{Mode: canon.ToolNamed, Name: "web_search_preview"}, Turns: []canon.Turn{user}}, wants: []string{`{"type":"tool","name":"web_search"}`}},
		"another's words":      {req: canon.Request{Turns: []canon.Turn{says(canon.RoleUser, "u", text("hi"), canon.Foreign{Dialect: canon.Gemini, Raw: json.RawMessage(`{"type":"x"}`)})}, Extra: []canon.Field{{Name: "safetySettings", Value: json.RawMessage("[]")}}}, never: []string{"safety", `"x"`}, lost: `foreign lost "u.b";extra lost "safetySettings"`},
		"signed at home, asked elsewhere": {
			req:   canon.Request{Turns: []canon.Turn{user, says(canon.RoleAssistant, "a", canon.Reasoning{Seal: "redacted_thinking:ZGF0YQ==", Origin: canon.Anthropic}, text("x")), user}},
			wants: []string{`{"type":"redacted_thinking","data":"ZGF0YQ=="}`},
		},
		"the model's limit":   {req: canon.Request{MaxOutput: 9000, Turns: []canon.Turn{user}}, to: dialect.Target{MaxOutput: 4096}, wants: []string{`"max_tokens":4096`}, lost: `max_output changed ""`},
		"nothing said of it":  {req: canon.Request{Turns: []canon.Turn{user}}, to: dialect.Target{MaxOutput: 4096}, wants: []string{`"max_tokens":4096`}},
		"least budget":        {req: canon.Request{Reasoning: &canon.Effort{Budget: 5}, Turns: []canon.Turn{user}}, to: dialect.Target{Thinking: dialect.ThinkingBudget}, wants: []string{`"max_tokens":9216`, `"thinking":{"type":"enabled","budget_tokens":1024}`}, lost: `reasoning.budget changed ""`},
		"budget as effort":    {req: canon.Request{Reasoning: &canon.Effort{Budget: 5000, Show: canon.ThoughtsShown}, Turns: []canon.Turn{user}}, to: dialect.Target{Thinking: dialect.ThinkingAdaptive}, wants: []string{`"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"medium"}`}, lost: `reasoning.budget changed ""`},
		"effort alone":        {req: canon.Request{Reasoning: &canon.Effort{Level: "xhigh"}, Turns: []canon.Turn{user}}, to: dialect.Target{Thinking: dialect.ThinkingEffort}, wants: []string{`"output_config":{"effort":"xhigh"}`}, never: []string{"thinking"}},
		"no thinking at all":  {req: canon.Request{Reasoning: &canon.Effort{Disabled: true}, Turns: []canon.Turn{user}}, to: dialect.Target{Thinking: dialect.ThinkingNone}, never: []string{"thinking"}},
		"thinking off":        {req: canon.Request{Reasoning: &canon.Effort{Disabled: true}, Turns: []canon.Turn{user}}, wants: []string{`"thinking":{"type":"disabled"}`}},
		"a word nobody knows": {req: canon.Request{Reasoning: &canon.Effort{Level: "huge"}, Turns: []canon.Turn{user}}, never: []string{"thinking", "huge"}, lost: `reasoning.effort lost ""`},
		"sampling while thinking": {
			req:   canon.Request{Reasoning: &canon.Effort{Level: "high"}, Temperature: f(0.5), TopP: f(0.5), TopK: i(4), Turns: []canon.Turn{user}},
			never: []string{"temperature", "top_p", "top_k"}, lost: `temperature lost "";top_p lost "";top_k lost ""`,
		},
		"tiers":        {req: canon.Request{Tier: "priority", Turns: []canon.Turn{user}}, wants: []string{`"service_tier":"auto"`}, lost: `tier changed ""`},
		"no such tier": {req: canon.Request{Tier: "flex", Turns: []canon.Turn{user}}, never: []string{"service_tier"}, lost: `tier lost ""`},
		"what is kept": {req: canon.Request{Store: &yes, Turns: []canon.Turn{user}}, lost: `store lost ""`},
		"five megabytes of arguments": {
			req:   canon.Request{Tools: []canon.Tool{tool("")}, Turns: []canon.Turn{user, says(canon.RoleAssistant, "a", canon.ToolUse{ID: "i", Name: "f", Input: json.RawMessage(`{"x":"` + strings.Repeat("y", 5<<20) + `"}`)}), says(canon.RoleTool, "t", canon.ToolResult{ID: "i", Blocks: []canon.Block{text("bad \xff utf-8")}})}},
			wants: []string{`"content":"bad ` + "\uFFFD" + ` utf-8"`},
		},
		"arguments that are no UTF-8": {
			req:   canon.Request{Tools: []canon.Tool{tool("")}, Turns: []canon.Turn{user, says(canon.RoleAssistant, "a", canon.ToolUse{ID: "i", Name: "f", Input: json.RawMessage("{\"x\":\"\xff\"}")})}},
			wants: []string{`"input":{"input":"{\"x\":\"` + "\uFFFD" + `\"}"}`}, lost: `tool_use.arguments changed "a.a"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.to.Model == "" {
				c.to.Model = "m"
			}
			c.req.Origin = canon.OpenAIResponses
			canon.Pair(&c.req)
			out, lost, bad := anthropic.New().WriteRequest(&c.req, c.to)
			if c.err != "" {
				if bad == nil || bad.Kind != canon.KindInvalid || !strings.HasPrefix(bad.Message, c.err) || bad.Param == "" {
					t.Fatalf("%+v, want %s", bad, c.err)
				}
				return
			}
			if bad != nil {
				t.Fatal(bad)
			}
			if _, err := jsonedit.Scan(out, 100); err != nil {
				t.Fatalf("%v in %.500s", err, out)
			}
			for _, want := range c.wants {
				if !strings.Contains(string(out), want) {
					t.Errorf("no %s in %.1000s", want, out)
				}
			}
			for _, never := range c.never {
				if strings.Contains(string(out), never) {
					t.Errorf("%s in %.1000s", never, out)
				}
			}
			var got []string
			for _, line := range strings.Split(lossLines(lost), "\n") {
				what, _, _ := strings.Cut(line, ":")
				got = append(got, what)
			}
			if s := strings.Join(got, ";"); s != c.lost {
				t.Errorf("lost %s, want %s", s, c.lost)
			}
		})
	}
}

func f(v float64) *float64 { return &v }

func i(v int64) *int64 { return &v }

// TestWantsBytes says what the gateway has to fetch itself.
func TestWantsBytes(t *testing.T) {
	for _, c := range []struct {
		m    canon.Media
		want bool
	}{
		{canon.Media{Kind: canon.MediaImage, URL: "https://x/a.png"}, false},
		{canon.Media{Kind: canon.MediaImage, URL: "gs://x/a.png"}, true},
		{canon.Media{Kind: canon.MediaFile, URL: "https://x/a.pdf"}, false},
		{canon.Media{Kind: canon.MediaFile, URL: "https://x/a.pdf", MIME: "application/pdf"}, false},
		{canon.Media{Kind: canon.MediaFile, URL: "https://x/a.txt", MIME: "text/plain"}, true},
		{canon.Media{Kind: canon.MediaAudio, URL: "https://x/a.wav"}, false},
	} {
		if got := anthropic.New().WantsBytes(c.m); got != c.want {
			t.Errorf("%+v: %v", c.m, got)
		}
	}
}
