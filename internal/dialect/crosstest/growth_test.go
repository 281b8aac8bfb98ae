package crosstest_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/crosstest"
)

// growing are requests in canon's words, of n of something.
func growing(n int) map[string]*canon.Request {
	text := func(s string) []canon.Block { return []canon.Block{canon.Text{Text: s}} }
	user := canon.Turn{Role: canon.RoleUser, Blocks: text("hi")}
	var turns, calls []canon.Turn
	var blocks []canon.Block
	var tools []canon.Tool
	for i := range n {
		turns = append(turns, canon.Turn{Role: canon.RoleUser, Blocks: text("question")}, canon.Turn{Role: canon.RoleAssistant, Blocks: text("answer")})
		id := fmt.Sprintf("call.%d", i) // which one dialect refuses
		calls = append(calls, canon.Turn{Role: canon.RoleAssistant, Blocks: []canon.Block{canon.ToolUse{ID: id, Name: "f", Input: []byte(`{"a":1}`)}}},
			canon.Turn{Role: canon.RoleTool, Blocks: []canon.Block{canon.ToolResult{ID: id, Name: "f", Blocks: text("done")}}})
		blocks = append(blocks, canon.Text{Text: "one"})
		tools = append(tools, canon.Tool{Name: fmt.Sprintf("f%d", i), Schema: []byte(`{"type":"object","properties":{"a":{"type":"string"}}}`)})
	}
	return map[string]*canon.Request{
		"turns":      {Turns: append(turns, user)},
		"calls":      {Turns: append([]canon.Turn{user}, append(calls, user)...), Tools: tools[:1]},
		"blocks":     {Turns: []canon.Turn{{Role: canon.RoleUser, Blocks: blocks}}},
		"tools":      {Turns: []canon.Turn{user}, Tools: tools},
		"long text":  {Turns: []canon.Turn{{Role: canon.RoleUser, Blocks: text(strings.Repeat("a \"quoted\" word ", n*10))}}},
		"wide":       {Turns: []canon.Turn{user}, Tools: []canon.Tool{{Name: "f", Schema: []byte(`{"type":"object","properties":{` + strings.TrimSuffix(properties(n), ",") + `}}`)}}},
		"system":     {System: blocks, Turns: []canon.Turn{user}},
		"long input": {Turns: []canon.Turn{user, {Role: canon.RoleAssistant, Blocks: []canon.Block{canon.ToolUse{ID: "c", Name: "f", Input: []byte(`{"a":"` + strings.Repeat(`\"x\" `, n*10) + `"}`)}}}, {Role: canon.RoleTool, Blocks: []canon.Block{canon.ToolResult{ID: "c", Name: "f", Blocks: text("done")}}}}, Tools: tools[:1]},
	}
}

func properties(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"p%d":{"type":["string","null"]},`, i)
	}
	return b.String()
}

// growingAnswers are answers of n of something.
func growingAnswers(n int) map[string][]canon.Event {
	var deltas, calls, pieces, thoughts []canon.Event
	for i := range n {
		deltas = append(deltas, canon.TextDelta{Text: "word "})
		calls = append(calls, canon.ToolStart{Index: i, ID: fmt.Sprintf("c%d", i), Name: "f"}, canon.ToolDelta{Index: i, JSON: `{"a":1}`}, canon.BlockEnd{Index: i})
		pieces = append(pieces, canon.ToolDelta{JSON: "x"})
		thoughts = append(thoughts, canon.ReasoningDelta{Index: 2 * i, Text: "hm"}, canon.TextDelta{Index: 2*i + 1, Text: "word"})
	}
	whole := func(events ...canon.Event) []canon.Event {
		return append(append([]canon.Event{canon.Start{ID: "x", Model: "m"}}, events...), canon.Stopped{Why: canon.StopEnd}, canon.Used{Usage: canon.Usage{Input: 1, Output: 1}}, canon.Ended{})
	}
	return map[string][]canon.Event{
		"deltas":          whole(deltas...),
		"calls":           whole(calls...),
		"argument pieces": whole(append(append([]canon.Event{canon.ToolStart{ID: "c", Name: "f"}, canon.ToolDelta{JSON: `{"a":"`}}, pieces...), canon.ToolDelta{JSON: `"}`})...),
		"blocks":          whole(thoughts...),
	}
}

// allocated is what f takes of memory, in bytes, one call after the other.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Four times as much costs four times as much memory, not sixteen times.
func TestGrowthIsLinear(t *testing.T) {
	const n, factor, most = 200, 4, 8
	check := func(what string, f func(n int) func()) {
		t.Helper()
		small, large := allocated(f(n)), allocated(f(n*factor))
		if large > most*small+1<<16 {
			t.Errorf("%s: %d bytes for %d, %d for %d", what, small, n, large, n*factor)
		}
	}
	pairs(t, func(t *testing.T, a, b crosstest.Side) {
		for what := range growing(1) {
			check("request of "+what, func(n int) func() {
				req := growing(n)[what]
				req.Origin, req.Model = a.Dialect(), "m"
				canon.Pair(req)
				raw, _, err := a.WriteRequest(req, crosstest.Target(false))
				if err != nil {
					t.Fatal(err)
				}
				return func() {
					asked, err := crosstest.Read(a, raw, false)
					if err != nil {
						t.Fatal(err)
					}
					if _, _, err := b.WriteRequest(asked, crosstest.Target(false)); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
		for what := range growingAnswers(1) {
			for _, stream := range []bool{false, true} {
				check(fmt.Sprintf("answer of %s, stream %v", what, stream), func(n int) func() {
					asked := &canon.Request{Origin: b.Dialect(), Model: "m"}
					raw, _ := crosstest.WriteAnswer(a, &canon.Request{Origin: a.Dialect(), Model: "m"}, b.Dialect(), stream, growingAnswers(n)[what])
					return func() {
						events, err := crosstest.ReadAnswer(a, stream, raw, 0)
						if err != nil {
							t.Fatal(err)
						}
						crosstest.WriteAnswer(b, asked, a.Dialect(), stream, events)
					}
				})
			}
		}
	})
}
