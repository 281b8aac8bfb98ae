package crosstest_test

import (
	"fmt"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/gemini"
)

// What an answer says that no other dialect has a place for is told as lost, and is no content where there is
// none.
func TestWhatStandsBesideIsTold(t *testing.T) {
	const candidate = `{"candidates":[{"content":{"role":"model","parts":[%s]},"finishReason":"STOP","index":0%s}]}`
	const message = `{"type":"message","role":"assistant","content":[%s],"stop_reason":"end_turn"%s}`
	const said, text = `{"text":"hi"}`, `{"type":"text","text":"hi"}`
	for _, c := range []struct {
		from crosstest.Side
		body string
		name string // of the canon.Other
	}{
		{gemini.New(), fmt.Sprintf(candidate, said, `,"safetyRatings":[{"category":"HARM_CATEGORY_HARASSMENT","probability":"LOW"}]`), "safetyRatings"},
		{gemini.New(), fmt.Sprintf(candidate, said, `,"avgLogprobs":-0.25`), "avgLogprobs"},
		{gemini.New(), fmt.Sprintf(candidate, said, `,"tokenCount":7`), "tokenCount"},
		{gemini.New(), fmt.Sprintf(candidate, said, `,"continuationToken":"x"`), "continuationToken"},
		{gemini.New(), fmt.Sprintf(candidate, said, `,"groundingMetadata":{"webSearchQueries":["q"],"searchEntryPoint":{"renderedContent":"<b>"}}`), "searchEntryPoint"},
		{gemini.New(), fmt.Sprintf(candidate, `{"text":"hi","partMetadata":{"a":1}}`, ""), "partMetadata"},
		{gemini.New(), fmt.Sprintf(candidate, `{"functionCall":{"name":"f","args":{}},"newIn2027":{"a":1}}`, ""), "newIn2027"},
		{gemini.New(), fmt.Sprintf(candidate, `{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo=","displayName":"a.png"}}`, ""), "displayName"},
		{gemini.New(), fmt.Sprintf(candidate, `{"fileData":{"fileUri":"https://example.com/a"}}`, ""), "fileData"},
		{anthropic.New(), fmt.Sprintf(message, text, `,"container":{"id":"c","expires_at":"2027-01-01T00:00:00Z"}`), "container"},
		{anthropic.New(), fmt.Sprintf(message, text, `,"context_management":{"applied_edits":[{"type":"clear_tool_uses_20250919","cleared_tool_uses":3}]}`), "context_management"},
		{anthropic.New(), fmt.Sprintf(message, text, `,"new_in_2027":1`), "new_in_2027"},
		{anthropic.New(), fmt.Sprintf(message, `{"type":"text","text":"hi","new_in_2027":1}`, ""), "new_in_2027"},
		{anthropic.New(), fmt.Sprintf(message, `{"type":"tool_use","id":"a","name":"f","input":{},"caller":{"type":"code_execution_20250825","tool_id":"b"}}`, ""), "caller"},
		{anthropic.New(), fmt.Sprintf(message, `{"type":"container_upload","file_id":"f"}`, ""), "container_upload"},
	} {
		events, err := crosstest.ReadAnswer(c.from, false, []byte(c.body), 0)
		if err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		found := false
		for _, e := range events {
			o, ok := e.(canon.Other)
			found = found || ok && o.Name == c.name && o.Content
		}
		if !found {
			t.Errorf("%s is not told of %s: %+v", c.name, c.body, events)
		}
		for _, to := range sides() {
			if to.Dialect() == c.from.Dialect() {
				continue
			}
			_, lost := crosstest.WriteAnswer(to, &canon.Request{Origin: to.Dialect(), Model: "m"}, c.from.Dialect(), false, events)
			declared := false
			for _, l := range lost {
				declared = declared || l.What == canon.WhatAnswerOther
			}
			if !declared {
				t.Errorf("%s to %s: %v", c.name, to.Dialect(), lost)
			}
		}
	}
	for _, c := range []struct {
		from crosstest.Side
		body string
	}{
		{gemini.New(), `{"candidates":[{"finishReason":"SAFETY","safetyRatings":[{"category":"HARM_CATEGORY_HARASSMENT","blocked":true}]}]}`},
		{anthropic.New(), fmt.Sprintf(message, "", `,"container":{"id":"c"}`)},
	} {
		events, err := crosstest.ReadAnswer(c.from, false, []byte(c.body), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if canon.IsContent(e) {
				t.Errorf("%s has content: %+v", c.body, e)
			}
		}
	}
}

// Code that failed is not told as code that went well.
func TestFailedCode(t *testing.T) {
	const google = `{"candidates":[{"content":{"parts":[{"executableCode":{"language":"PYTHON","code":"1/0"}},{"codeExecutionResult":{"outcome":"OUTCOME_FAILED","output":"ZeroDivisionError"}}]},"finishReason":"STOP"}]}`
	const claude = `{"type":"message","content":[{"type":"server_tool_use","id":"s","name":"code_execution","input":{"code":"1/0"}},{"type":"code_execution_tool_result","tool_use_id":"s","content":{"type":"code_execution_result","stdout":"","stderr":"ZeroDivisionError","return_code":1,"content":[]}}],"stop_reason":"end_turn"}`
	for _, c := range []struct {
		from, to crosstest.Side
		body     string
	}{{gemini.New(), anthropic.New(), google}, {anthropic.New(), gemini.New(), claude}} {
		events, err := crosstest.ReadAnswer(c.from, false, []byte(c.body), 0)
		if err != nil {
			t.Fatal(err)
		}
		out, _ := crosstest.WriteAnswer(c.to, &canon.Request{Origin: c.to.Dialect(), Model: "m"}, c.from.Dialect(), false, events)
		again, err := crosstest.ReadAnswer(c.to, false, out, 0)
		if err != nil {
			t.Fatal(err)
		}
		failed := false
		for _, e := range again {
			use, ok := e.(canon.HostedUse)
			failed = failed || ok && use.Failed && use.Output == "ZeroDivisionError"
		}
		if !failed {
			t.Errorf("%s to %s: %s", c.from.Dialect(), c.to.Dialect(), out)
		}
	}
}
