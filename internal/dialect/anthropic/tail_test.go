package anthropic_test

import (
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/anthropic"
)

// A signature that Google puts at the end of its text is no block of its own after the answer, as clients
// take the last block for the answer. Before a call it stays, because it must come back with the call.
func TestSealAfterText(t *testing.T) {
	write := func(events ...canon.Event) (string, []canon.Loss) {
		w := anthropic.New().NewWriter(dialect.Answer{
			Head: dialect.Head{Op: canon.OpGenerate, Model: "m"}, Request: &canon.Request{Origin: canon.Anthropic}, ID: "0193f0a0-0000-7000-8000-000000000000", Model: "m", Origin: canon.Gemini,
		})
		var out []byte
		for _, e := range append([]canon.Event{canon.Start{}}, events...) {
			out = w.Write(out, e)
		}
		out = w.Close(out)
		return string(out), w.Losses()
	}
	text, seal := canon.TextDelta{Text: "four"}, canon.ReasoningDelta{Index: 1, Seal: "c2ln"}
	stop := canon.Stopped{Why: canon.StopEnd}
	got, lost := write(text, seal, stop, canon.Used{}, canon.Ended{})
	if strings.Contains(got, "thinking") || len(lost) != 1 || lost[0].What != canon.WhatAnswerSeal {
		t.Errorf("%v in %s", lost, got)
	}
	got, lost = write(text, seal, canon.ToolStart{Index: 2, ID: "a", Name: "f"}, canon.ToolDelta{Index: 2, JSON: "{}"}, stop, canon.Ended{})
	if i, j := strings.Index(got, "thinking"), strings.Index(got, "tool_use"); i < 0 || j < i || len(lost) != 0 {
		t.Errorf("%v in %s", lost, got)
	}
	got, lost = write(seal, canon.TextDelta{Index: 2, Text: "four"}, stop, canon.Ended{})
	if !strings.Contains(got, "thinking") || len(lost) != 0 {
		t.Errorf("%v in %s", lost, got)
	}
}
