package crosstest_test

import (
	"fmt"
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/gemini"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/dialect/openairesponses"
)

// What a vendor tells of usage that no other has a figure for is told as lost by its name; zeros and empties are not.
func TestUsageThatNobodyElseTells(t *testing.T) {
	const message = `{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":1,%s}}`
	const completion = `{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6,%s}}`
	const response = `{"id":"r","object":"response","status":"completed","model":"m","output":[{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"hi","annotations":[]}]}],"usage":{"input_tokens":5,"output_tokens":1,"total_tokens":6,%s}}`
	const generated = `{"candidates":[{"content":{"role":"model","parts":[{"text":"hi"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":1,%s}}`
	for _, c := range []struct {
		from         crosstest.Side
		answer, more string
		name         string // "": nothing is lost
		in           int64
	}{
		{anthropic.New(), message, `"server_tool_use":{"web_search_requests":0,"web_fetch_requests":2}`, "server_tool_use.web_fetch_requests", 5},
		{anthropic.New(), message, `"server_tool_use":{"web_search_requests":0,"web_fetch_requests":0}`, "", 5},
		{anthropic.New(), message, `"inference_geo":"us"`, "inference_geo", 5},
		{anthropic.New(), message, `"inference_geo":"not_available","service_tier":"standard","speed":"standard","cache_creation":{"ephemeral_5m_input_tokens":0,"new":0}`, "", 5},
		{anthropic.New(), message, `"new_in_2027":{"a":1}`, "new_in_2027", 5},
		{anthropic.New(), message, `"output_tokens_details":{"thinking_tokens":0,"new_in_2027":3}`, "output_tokens_details.new_in_2027", 5},
		{openaichat.New(), completion, `"cost":0.01`, "cost", 5},
		{openaichat.New(), completion, `"cost":0,"is_byok":false,"queue_time":0.1,"prompt_tokens_details":{"text_tokens":5},"completion_tokens_details":{"accepted_prediction_tokens":0}`, "", 5},
		{openaichat.New(), completion, `"completion_tokens_details":{"rejected_prediction_tokens":4}`, "completion_tokens_details.rejected_prediction_tokens", 5},
		{openairesponses.New(), response, `"new_in_2027":7`, "new_in_2027", 5},
		{gemini.New(), generated, `"toolUsePromptTokenCount":7,"totalTokenCount":13`, "toolUsePromptTokenCount", 12},
		{gemini.New(), generated, `"promptTokensDetails":[{"modality":"TEXT","tokenCount":2},{"modality":"DOCUMENT","tokenCount":3}]`, "tokens of documents", 5},
		{gemini.New(), generated, `"totalTokenCount":6,"promptTokensDetails":[{"modality":"TEXT","tokenCount":5}],"trafficType":"ON_DEMAND"`, "", 5},
		{gemini.New(), generated, `"newIn2027":7`, "newIn2027", 5},
	} {
		events, err := crosstest.ReadAnswer(c.from, false, fmt.Appendf(nil, c.answer, c.more), 0)
		if err != nil {
			t.Errorf("%s: %v", c.more, err)
			continue
		}
		for _, e := range events {
			if u, ok := e.(canon.Used); ok && u.Usage.In() != c.in {
				t.Errorf("%s: %d tokens read are billed, want %d", c.more, u.Usage.In(), c.in)
			}
		}
		for _, to := range sides() {
			if to.Dialect() == c.from.Dialect() {
				continue
			}
			_, lost := crosstest.WriteAnswer(to, &canon.Request{Origin: to.Dialect(), Model: "m"}, c.from.Dialect(), false, events)
			told := false
			for _, l := range lost {
				told = told || l.What == canon.WhatAnswerUsage && l.Kind == canon.Lost && strings.Contains(l.Reason, c.name)
			}
			if told != (c.name != "") || c.name == "" && len(lost) > 0 {
				t.Errorf("%s to %s: %+v", c.more, to.Dialect(), lost)
			}
		}
	}
}

// What is said beside an answer without content is told as lost, and still no content: another channel may be asked.
func TestWhatStandsBesideNothingIsTold(t *testing.T) {
	for _, c := range []struct {
		from crosstest.Side
		body string
	}{
		{gemini.New(), `{"promptFeedback":{"blockReason":"SAFETY","safetyRatings":[{"category":"HARM_CATEGORY_HARASSMENT","probability":"HIGH"}]},"usageMetadata":{"promptTokenCount":3}}`},
		{gemini.New(), `{"promptFeedback":{"blockReason":"SAFETY"},"newIn2027":{"a":1},"usageMetadata":{"promptTokenCount":3}}`},
		{gemini.New(), `{"candidates":[{"finishReason":"SAFETY","index":0,"safetyRatings":[{"category":"HARM_CATEGORY_HARASSMENT","probability":"HIGH","blocked":true}]}],"usageMetadata":{"promptTokenCount":3}}`},
		{anthropic.New(), `{"id":"m","type":"message","role":"assistant","model":"m","content":[],"stop_reason":"refusal","container":{"id":"c"},"usage":{"input_tokens":1,"output_tokens":1}}`},
		{anthropic.New(), `{"id":"m","type":"message","role":"assistant","model":"m","content":[],"stop_reason":"refusal","stop_details":{"type":"refusal","category":null,"explanation":null,"new_in_2027":1},"usage":{"input_tokens":1,"output_tokens":1}}`},
	} {
		events, err := crosstest.ReadAnswer(c.from, false, []byte(c.body), 0)
		if err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		for _, e := range events {
			if canon.IsContent(e) {
				t.Errorf("%s: content: %+v", c.body, e)
			}
		}
		for _, to := range sides() {
			if to.Dialect() == c.from.Dialect() {
				continue
			}
			_, lost := crosstest.WriteAnswer(to, &canon.Request{Origin: to.Dialect(), Model: "m"}, c.from.Dialect(), false, events)
			told := false
			for _, l := range lost {
				told = told || l.What == canon.WhatAnswerOther
			}
			if !told {
				t.Errorf("%s to %s: %+v", c.body, to.Dialect(), lost)
			}
		}
	}
}

// What a vendor says of an end to people, and which sequence it met, arrives or is told.
func TestEndsAreTold(t *testing.T) {
	for _, s := range []canon.Stopped{
		{Why: canon.StopFilter, Raw: "SAFETY", Detail: "not this"},
		{Why: canon.StopOther, Raw: "MALFORMED_FUNCTION_CALL", Detail: "not this"},
		{Why: canon.StopSequence, Raw: "stop_sequence", Sequence: "END"},
		{Why: canon.StopRefusal, Raw: "refusal", Category: "cyber"},
	} {
		for _, to := range []crosstest.Side{openaichat.New(), openairesponses.New()} {
			for _, stream := range []bool{false, true} {
				events := []canon.Event{canon.Start{}, canon.TextDelta{Text: "hi"}, s, canon.Ended{}}
				out, lost := crosstest.WriteAnswer(to, &canon.Request{Origin: to.Dialect(), Model: "m"}, canon.Anthropic, stream, events)
				told := s.Sequence != "" && strings.Contains(string(out), s.Sequence) || s.Detail != "" && strings.Contains(string(out), s.Detail)
				for _, l := range lost {
					told = told || l.What == canon.WhatAnswerStop
				}
				if !told {
					t.Errorf("%+v to %s: %+v %s", s, to.Dialect(), lost, out)
				}
			}
		}
	}
}
