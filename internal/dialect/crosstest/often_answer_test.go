package crosstest_test

import (
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/crosstest"
)

// oftenOfAnswers is what gateways often lose of answers. Checks are as in often; of a stream, what it must hold
// one after the other, parted by " … ".
var oftenOfAnswers = []struct {
	name, from string
	stream     bool
	sent       string
	over       map[string]string
}{
	{"all that was said", "anthropic", false, `{"type":"message","role":"assistant","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}`, map[string]string{
		"openaichat": "choices.0.message.content=ab", "openairesponses": `output.#.content.#.text|@flatten=["a","b"]`, "gemini": "candidates.0.content.parts.0.text=ab",
	}},
	{"calls side by side", "openairesponses", false, `{"id":"r","object":"response","status":"completed","model":"x","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"t","annotations":[]}]},{"type":"function_call","call_id":"c1","name":"f","arguments":"{\"a\":1}"},{"type":"function_call","call_id":"c2","name":"g","arguments":"{}"}],"usage":{"input_tokens":1,"output_tokens":2}}`, map[string]string{
		"openaichat": `choices.#=1 choices.0.message.content=t choices.0.message.tool_calls.#.id=["c1","c2"] choices.0.finish_reason=tool_calls`, "anthropic": `content.#.type=["text","tool_use","tool_use"] content.1.id=c1 content.1.input={"a":1} stop_reason=tool_use`, "gemini": `candidates.#=1 candidates.0.content.parts.#.functionCall.id=["c1","c2"]`,
	}},
	{"calls side by side, streamed", "openairesponses", true, `{"type":"response.created","response":{"id":"r","status":"in_progress"}}
{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","id":"i1","call_id":"c1","name":"f","arguments":""}}
{"type":"response.function_call_arguments.delta","item_id":"i1","output_index":0,"delta":"{}"}
{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","id":"i1","call_id":"c1","name":"f","arguments":"{}"}}
{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","id":"i2","call_id":"c2","name":"g","arguments":""}}
{"type":"response.function_call_arguments.delta","item_id":"i2","output_index":1,"delta":"{}"}
{"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","id":"i2","call_id":"c2","name":"g","arguments":"{}"}}
{"type":"response.completed","response":{"id":"r","status":"completed","usage":{"input_tokens":1,"output_tokens":2}}}`, map[string]string{
		"openaichat": `"index":0,"id":"c1" … "index":1,"id":"c2" … {"index":1,"function":{"arguments":"{}"}} … "finish_reason":"tool_calls" … [DONE]`,
		"anthropic":  `"index":0,"content_block":{"type":"tool_use","id":"c1" … {"type":"content_block_stop","index":0} … "index":1,"content_block":{"type":"tool_use","id":"c2" … {"type":"content_block_stop","index":1} … "stop_reason":"tool_use" … message_stop`,
		"gemini":     `"functionCall":{"id":"c1" … "functionCall":{"id":"c2" … "finishReason":"STOP"`,
	}},
	{"calls side by side of Google, streamed", "gemini", true, `{"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"id":"c1","name":"f","args":{}}},{"functionCall":{"id":"c2","name":"g","args":{}}}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2}}`, map[string]string{
		"openaichat":      `"index":0,"id":"c1" … "index":1,"id":"c2" … "finish_reason":"tool_calls" … [DONE]`,
		"anthropic":       `"index":0,"content_block":{"type":"tool_use","id":"c1" … "index":1,"content_block":{"type":"tool_use","id":"c2" … "stop_reason":"tool_use" … message_stop`,
		"openairesponses": `"output_index":0,"item":{ … "call_id":"c1" … "output_index":1,"item":{ … "call_id":"c2" … response.completed`,
	}},
	{"an answer that was cut short, streamed", "openairesponses", true, `{"type":"response.created","response":{"id":"r","status":"in_progress"}}
{"type":"response.output_text.delta","item_id":"i","output_index":0,"content_index":0,"delta":"t"}
{"type":"response.incomplete","response":{"id":"r","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"usage":{"input_tokens":1,"output_tokens":2}}}`, map[string]string{
		"openaichat": `"finish_reason":"length" … [DONE]`, "anthropic": `"stop_reason":"max_tokens" … message_stop`, "gemini": `"finishReason":"MAX_TOKENS"`,
	}},
	{"what a filter stopped", "openaichat", false, `{"id":"c","model":"x","choices":[{"index":0,"message":{"role":"assistant","content":"t"},"finish_reason":"content_filter"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`, map[string]string{
		"anthropic": "stop_reason=refusal", "gemini": "candidates.0.finishReason=SAFETY", "openairesponses": "status=incomplete incomplete_details.reason=content_filter",
	}},
	{"thoughts, before what was said", "openaichat", false, `{"id":"c","model":"x","choices":[{"index":0,"message":{"role":"assistant","reasoning_content":"h","content":"t"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":12,"completion_tokens_details":{"reasoning_tokens":10}}}`, map[string]string{
		"anthropic": `content.#.type=["thinking","text"] content.0.thinking=h usage.output_tokens=12`, "gemini": "candidates.0.content.parts.0.thought=true candidates.0.content.parts.1.text=t usageMetadata.candidatesTokenCount=2 usageMetadata.thoughtsTokenCount=10", "openairesponses": `output.#.type=["reasoning","message"] usage.output_tokens_details.reasoning_tokens=10`,
	}},
	{"signatures", "gemini", true, `{"candidates":[{"content":{"role":"model","parts":[{"text":"h","thought":true},{"functionCall":{"id":"c1","name":"f","args":{}},"thoughtSignature":"c2ln"}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2}}`, map[string]string{
		"anthropic": `"delta":{"type":"thinking_delta","thinking":"h"} … "delta":{"type":"signature_delta","signature":"tollgate-seal-1.gemini. … "type":"tool_use"`, "openaichat": `"reasoning_content":"h" … tollgate-seal-1.gemini.`, "openairesponses": `"encrypted_content":"tollgate-seal-1.gemini. … "call_id":"c1"`,
	}},
	{"tokens read from a cache, once", "openaichat", false, `{"id":"c","model":"x","choices":[{"index":0,"message":{"role":"assistant","content":"t"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":800}}}`, map[string]string{
		"anthropic": "usage.input_tokens=200 usage.cache_read_input_tokens=800", "gemini": "usageMetadata.promptTokenCount=1000 usageMetadata.cachedContentTokenCount=800", "openairesponses": "usage.input_tokens=1000 usage.input_tokens_details.cached_tokens=800",
	}},
	{"tokens read from Google's cache, once", "gemini", false, `{"candidates":[{"content":{"role":"model","parts":[{"text":"t"}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":1000,"cachedContentTokenCount":800,"candidatesTokenCount":2,"thoughtsTokenCount":5}}`, map[string]string{
		"anthropic": "usage.input_tokens=200 usage.cache_read_input_tokens=800 usage.output_tokens=7", "openaichat": "usage.prompt_tokens=1000 usage.prompt_tokens_details.cached_tokens=800 usage.completion_tokens=7", "openairesponses": "usage.input_tokens_details.cached_tokens=800 usage.output_tokens=7",
	}},
	{"tokens of Claude's cache", "anthropic", false, `{"type":"message","role":"assistant","content":[{"type":"text","text":"t"}],"stop_reason":"end_turn","usage":{"input_tokens":200,"cache_read_input_tokens":800,"cache_creation_input_tokens":50,"output_tokens":2}}`, map[string]string{
		"gemini": "usageMetadata.promptTokenCount=1050 usageMetadata.cachedContentTokenCount=800", "openaichat": "usage.prompt_tokens=1050 usage.prompt_tokens_details.cached_tokens=800", "openairesponses": "usage.input_tokens=1050 usage.input_tokens_details.cached_tokens=800",
	}},
	{"sources", "gemini", false, `{"candidates":[{"content":{"role":"model","parts":[{"text":"Sunny."}]},"finishReason":"STOP","index":0,"groundingMetadata":{"webSearchQueries":["q"],"groundingChunks":[{"web":{"uri":"https://a.test","title":"A"}}],"groundingSupports":[{"segment":{"startIndex":0,"endIndex":6,"text":"Sunny."},"groundingChunkIndices":[0]}]}}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2}}`, map[string]string{
		"openaichat": "choices.0.message.annotations.0.url_citation.url=https://a.test", "openairesponses": `output.#(type=="message").content.0.annotations.0.url=https://a.test`, "anthropic": `content.#(type=="text").citations.0.url=https://a.test`,
	}},
	{"sources, streamed", "gemini", true, `{"candidates":[{"content":{"role":"model","parts":[{"text":"Sunny."}]},"index":0}]}
{"candidates":[{"content":{"role":"model","parts":[{"text":""}]},"finishReason":"STOP","index":0,"groundingMetadata":{"webSearchQueries":["q"],"groundingChunks":[{"web":{"uri":"https://a.test","title":"A"}}],"groundingSupports":[{"segment":{"endIndex":6,"text":"Sunny."},"groundingChunkIndices":[0]}]}}]}`, map[string]string{
		"openaichat": `"content":"Sunny." … "url":"https://a.test"`, "anthropic": `"text":"Sunny." … citations_delta … https://a.test … content_block_stop`,
		"openairesponses": `"delta":"Sunny." … response.output_text.annotation.added … "output_index":0, … https://a.test … response.output_text.done … "text":"Sunny." … web_search_call`,
	}},
	{"how likely words were", "openairesponses", false, `{"id":"r","object":"response","status":"completed","model":"x","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"t","annotations":[],"logprobs":[{"token":"t","bytes":[116],"logprob":-0.5,"top_logprobs":[{"token":"u","bytes":[117],"logprob":-1.5}]}]}]}],"usage":{"input_tokens":1,"output_tokens":1}}`, map[string]string{
		"openaichat": "choices.0.logprobs.content.0.token=t choices.0.logprobs.content.0.logprob=-0.5 choices.0.logprobs.content.0.top_logprobs.0.token=u", "gemini": "candidates.0.logprobsResult.chosenCandidates.0.token=t", "anthropic": "~answer.logprobs",
	}},
	{"the name that the caller knows", "anthropic", false, `{"type":"message","role":"assistant","model":"upstream-name","content":[{"type":"text","text":"t"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}`, map[string]string{
		"openaichat": "model=m !upstream-name", "openairesponses": "model=m !upstream-name", "gemini": "modelVersion=m !upstream-name",
	}},
}

func TestWhatIsOftenLostOfAnswers(t *testing.T) {
	top := 1
	for _, c := range oftenOfAnswers {
		raw := c.sent
		if c.stream {
			raw = "data: " + strings.ReplaceAll(c.sent, "\n", "\n\ndata: ") + "\n\n"
		}
		events, err := crosstest.ReadAnswer(named(c.from), c.stream, []byte(raw), 0)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for _, to := range sides() {
			checks := c.over[string(to.Dialect())]
			if checks == "" {
				continue
			}
			asked := &canon.Request{Origin: to.Dialect(), Model: "m", LogProbs: &top, Reasoning: &canon.Effort{Show: canon.ThoughtsShown}}
			out, lost := crosstest.WriteAnswer(to, asked, canon.Dialect(c.from), c.stream, events)
			parts, sep := " ", func(s, check string) (string, bool) { return s, holds(s, lost, check) }
			if c.stream {
				parts, sep = " … ", func(s, check string) (string, bool) { _, rest, ok := strings.Cut(s, check); return rest, ok }
			}
			rest := string(out)
			for check := range strings.SplitSeq(checks, parts) {
				var ok bool
				if rest, ok = sep(rest, check); !ok {
					t.Errorf("%s to %s: %s does not hold of %s, lost %v", c.name, to.Dialect(), check, out, lost)
					break
				}
			}
		}
	}
}
