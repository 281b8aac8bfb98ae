package crosstest_test

import (
	"encoding/json"
	"slices"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/gemini"
)

// A call of an earlier turn whose free text becomes an object is declared once: at the tool if that is there,
// at the call if not.
func TestCallsWithFreeText(t *testing.T) {
	call := canon.ToolUse{ID: "c", Name: "patch", Custom: true, Input: json.RawMessage(`"x"`)}
	for _, side := range []crosstest.Side{anthropic.New(), gemini.New()} {
		for _, offered := range []bool{true, false} {
			req := &canon.Request{Origin: canon.OpenAIResponses, Turns: []canon.Turn{
				{Role: canon.RoleUser, Blocks: []canon.Block{canon.Text{Text: "go"}}},
				{Role: canon.RoleAssistant, Blocks: []canon.Block{call}, Paths: []string{"input[1]"}},
				{Role: canon.RoleTool, Blocks: []canon.Block{canon.ToolResult{ID: "c", Custom: true, Blocks: []canon.Block{canon.Text{Text: "ok"}}}}},
			}}
			want := canon.Loss{What: canon.WhatToolCustom, Kind: canon.Changed, Path: "input[1]"}
			if offered {
				req.Tools = []canon.Tool{{Name: "patch", Custom: true, At: "tools[0]"}}
				want.Path = "tools[0]"
			}
			canon.Pair(req)
			_, lost, cerr := side.WriteRequest(req, crosstest.Target(false))
			if cerr != nil {
				t.Fatal(cerr)
			}
			var got []canon.Loss
			for _, l := range lost {
				if l.What == canon.WhatToolCustom {
					l.Reason = ""
					got = append(got, l)
				}
			}
			if !slices.Equal(got, []canon.Loss{want}) {
				t.Errorf("%s, offered %v: %+v", side.Dialect(), offered, got)
			}
		}
	}
}
