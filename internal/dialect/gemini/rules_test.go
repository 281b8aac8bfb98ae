package gemini_test

import (
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/gemini"
)

// TestRules checks what a Gemini model can't be told or asked, and that it is declared.
func TestRules(t *testing.T) {
	png := canon.Media{Kind: canon.MediaImage, MIME: "image/png", Data: "iVBORw0KGgo="}
	call := canon.ToolUse{ID: "c", Name: "f"}
	search := canon.Tool{Name: "web_search", Hosted: &canon.Hosted{Kind: canon.HostedWebSearch}, At: "tools[0]"}
	again := search
	again.At = "tools[1]"
	budget := dialect.Target{Thinking: dialect.ThinkingBudget}
	for name, c := range map[string]struct {
		req  canon.Request
		to   dialect.Target
		want string
		lost string // features, kinds and places
	}{
		"pictures among words of a result": {
			req: canon.Request{Turns: []canon.Turn{
				{Role: canon.RoleAssistant, Blocks: []canon.Block{call}},
				{Role: canon.RoleTool, At: "t", Blocks: []canon.Block{canon.ToolResult{ID: "c", Name: "f", Blocks: []canon.Block{canon.Text{Text: "a"}, png, canon.Text{Text: "b"}}}}},
			}},
			to: budget, want: `"response":{"output":"a\nb"}`,
			lost: `tool_result.media changed at "t"; tool_result.media changed at "t"`,
		},
		"two tools of one kind": {
			req:  canon.Request{Tools: []canon.Tool{search, again}},
			want: `"tools":[{"googleSearch":{}}]`,
			lost: `tool.hosted lost at "tools[1]"`,
		},
		"a tool of the vendor's that must be called": {
			req:  canon.Request{Tools: []canon.Tool{search, {Name: "f", At: "tools[1]"}}, ToolChoice: canon.ToolChoice{Mode: canon.ToolNamed, Name: "web_search"}},
			want: `"functionDeclarations":[{"name":"f"}]`,
			lost: `tool.hosted lost at "tools[0]"; tool_choice lost at ""`,
		},
		"how much to think, twice": {
			req: canon.Request{Reasoning: &canon.Effort{Level: "high", Budget: 2000, Show: canon.ThoughtsHidden}},
			to:  budget, want: `"thinkingBudget":2000`,
			lost: `reasoning.effort lost at ""`,
		},
		"how much to think, twice, of a model that knows levels": {
			req:  canon.Request{Reasoning: &canon.Effort{Level: "high", Budget: 2000, Show: canon.ThoughtsHidden}},
			want: `"thinkingLevel":"HIGH"`,
			lost: `reasoning.budget lost at ""`,
		},
		"a model that does not think": {
			req:  canon.Request{Reasoning: &canon.Effort{Level: "high", Budget: 2000, Show: canon.ThoughtsShown}},
			to:   dialect.Target{Thinking: dialect.ThinkingNone},
			lost: `reasoning.effort lost at ""; reasoning.budget lost at ""; reasoning.show lost at ""`,
		},
		"calls among the instructions": {
			req:  canon.Request{System: []canon.Block{canon.Text{Text: "s"}, call}, SystemPaths: []string{"s[0]", "s[1]"}},
			want: `"systemInstruction":{"parts":[{"text":"s"}]}`,
			lost: `system.content lost at "s[1]"`,
		},
	} {
		c.req.Origin = canon.OpenAIResponses
		c.req.Turns = append([]canon.Turn{{Role: canon.RoleUser, Blocks: []canon.Block{canon.Text{Text: "hi"}}}}, c.req.Turns...)
		c.to.Op, c.to.Model = canon.OpGenerate, "m"
		out, lost, bad := gemini.New().WriteRequest(&c.req, c.to)
		if bad != nil {
			t.Errorf("%s: %v", name, bad)
			continue
		}
		var got []string
		for line := range strings.Lines(lossLines(lost)) {
			what, _, _ := strings.Cut(line, ":")
			got = append(got, what)
		}
		if !strings.Contains(string(out), c.want) || strings.Join(got, "; ") != c.lost {
			t.Errorf("%s: lost %s, want %s in\n%s", name, strings.Join(got, "; "), c.lost, out)
		}
	}
}
