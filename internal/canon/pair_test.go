package canon_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/canon"
)

func TestPair(t *testing.T) {
	req := &canon.Request{Turns: []canon.Turn{
		{Role: canon.RoleAssistant, At: "m[0]", Blocks: []canon.Block{
			canon.ToolUse{Name: "a"}, canon.ToolUse{ID: "call_1", Name: "b", Custom: true}, canon.ToolUse{Name: "a"}, canon.ToolUse{ID: "x", Name: "c"},
		}},
		{Role: canon.RoleTool, At: "m[1]", Blocks: []canon.Block{
			canon.ToolResult{ID: "call_1"}, canon.ToolResult{Name: "a"}, canon.ToolResult{}, canon.ToolResult{ID: "nobody"},
		}},
	}}
	orphans := canon.Pair(req)
	wantTurns := []canon.Turn{
		{Role: canon.RoleAssistant, At: "m[0]", Blocks: []canon.Block{
			canon.ToolUse{ID: "call_2", Name: "a"}, canon.ToolUse{ID: "call_1", Name: "b", Custom: true}, canon.ToolUse{ID: "call_3", Name: "a"}, canon.ToolUse{ID: "x", Name: "c"},
		}},
		{Role: canon.RoleTool, At: "m[1]", Blocks: []canon.Block{
			canon.ToolResult{ID: "call_1", Name: "b", Custom: true}, canon.ToolResult{ID: "call_2", Name: "a"}, canon.ToolResult{ID: "call_3", Name: "a"}, canon.ToolResult{ID: "nobody"},
		}},
	}
	if diff := cmp.Diff(wantTurns, req.Turns); diff != "" {
		t.Error(diff)
	}
	want := []canon.Orphan{{Path: "m[1]", Result: true, ID: "nobody"}, {Path: "m[0]", ID: "x", Name: "c"}}
	if diff := cmp.Diff(want, orphans); diff != "" {
		t.Error(diff)
	}
	if again := canon.Pair(req); !cmp.Equal(again, want) || !cmp.Equal(req.Turns, wantTurns) {
		t.Error("pairing a second time changes something")
	}
}

func TestSealsFindHome(t *testing.T) {
	for _, from := range []canon.Dialect{canon.OpenAIChat, canon.OpenAIResponses, canon.Anthropic, canon.Gemini} {
		for _, via := range []canon.Dialect{canon.OpenAIChat, canon.OpenAIResponses, canon.Anthropic, canon.Gemini} {
			for _, seal := range []string{"", "c2ln", "a.b/c+d==", "\x00\xff"} {
				kept := canon.WrapSeal(from, via, seal)
				if from == via && kept != seal {
					t.Errorf("%s changes its own seal to %q", from, kept)
				}
				origin, inner := canon.UnwrapSeal(via, kept)
				if inner != seal || seal != "" && origin != from {
					t.Errorf("%q of %s via %s came back as %q of %s", seal, from, via, inner, origin)
				}
			}
		}
	}
	if origin, inner := canon.UnwrapSeal(canon.Anthropic, canon.MarkSeal(canon.OpenAIChat, canon.Anthropic, "")); origin != canon.OpenAIChat || inner != "" {
		t.Errorf("a thought without a seal came home as %q of %s", inner, origin)
	}
	if canon.MarkSeal(canon.Gemini, canon.Gemini, "") != "" || canon.MarkSeal(canon.Gemini, canon.Anthropic, "x") != canon.WrapSeal(canon.Gemini, canon.Anthropic, "x") {
		t.Error("MarkSeal marks what WrapSeal does not")
	}
	for _, seal := range []string{"tollgate-seal-1.", "tollgate-seal-1.gemini", "tollgate-seal-1.gemini.!!"} {
		if origin, inner := canon.UnwrapSeal(canon.Anthropic, seal); origin != canon.Anthropic || inner != seal {
			t.Errorf("%q was taken for one of ours: %q %q", seal, origin, inner)
		}
	}
}
