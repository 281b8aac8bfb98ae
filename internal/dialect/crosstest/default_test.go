package crosstest_test

import (
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/gemini"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/dialect/openairesponses"
)

// A default that is spelt out asks for what every dialect does anyway: no loss, and no reason to refuse a strict caller.
func TestDefaultsAreNoLoss(t *testing.T) {
	const function = `{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}`
	for _, c := range []struct {
		from crosstest.Side
		body string // %s: the member
		list []string
	}{
		{openaichat.New(), `{"model":"m","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"yes",%s},{"role":"user","content":"and"}]}`, []string{
			`"refusal":null`, `"annotations":[]`, `"audio":null`, `"tool_calls":[]`, `"tool_calls":null`, `"function_call":null`, `"reasoning_content":null`, `"reasoning_content":""`, `"reasoning_details":[]`, `"name":null`,
		}},
		{openaichat.New(), `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo=",%s}}]}]}`, []string{`"detail":"auto"`, `"detail":null`}},
		{openaichat.New(), `{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"},%s}}]}`, []string{
			`"strict":false`, `"strict":null`, `"description":""`, `"description":null`,
		}},
		{openairesponses.New(), `{"model":"m","input":[{"role":"user","content":"hi"},{"type":"message","role":"assistant","id":"msg_1","content":[{"type":"output_text","text":"yes","annotations":[],"logprobs":[]}],%s},{"role":"user","content":"and"}]}`, []string{
			`"status":"completed"`, `"phase":null`,
		}},
		{openairesponses.New(), `{"model":"m","input":[{"role":"user","content":"hi"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}",%s},{"type":"function_call_output","call_id":"c","output":"1"}],"tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":false}]}`, []string{
			`"status":"completed"`, `"id":"fc_1"`, `"namespace":null`,
		}},
		{openairesponses.New(), `{"model":"m","input":"hi","tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":false,%s}]}`, []string{`"description":null`, `"defer_loading":false`}},
		{anthropic.New(), `{"model":"m","max_tokens":64,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"text","text":"yes",%s}]},{"role":"user","content":"and"}]}`, []string{
			`"citations":null`, `"citations":[]`, `"cache_control":null`,
		}},
		{anthropic.New(), `{"model":"m","max_tokens":64,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{},%s}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"1","is_error":false}]}],"tools":[{"name":"f","input_schema":{"type":"object"}}]}`, []string{
			`"cache_control":null`, `"caller":{"type":"direct"}`, `"caller":null`,
		}},
		{anthropic.New(), `{"model":"m","max_tokens":64,"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"f","input_schema":{"type":"object"},%s}]}`, []string{
			`"type":"custom"`, `"type":null`, `"strict":false`, `"defer_loading":false`, `"allowed_callers":["direct"]`, `"eager_input_streaming":false`, `"input_examples":[]`, `"cache_control":null`,
		}},
		{anthropic.New(), `{"model":"m","max_tokens":64,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="},%s}]}]}`, []string{
			`"citations":null`, `"citations":{"enabled":false}`, `"context":null`, `"title":null`,
		}},
		{gemini.New(), `{"contents":[{"role":"user","parts":[{"text":"hi",%s}]}]}`, []string{`"thought":false`, `"thoughtSignature":""`, `"videoMetadata":null`}},
		{gemini.New(), `{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{"type":"object"},%s}]}]}`, []string{`"behavior":"BLOCKING"`, `"response":null`, `"description":""`}},
		{openaichat.New(), `{"model":"m","messages":[{"role":"user","content":"hi"}],%s}`, []string{
			`"modalities":["text"]`, `"modalities":[]`, `"n":1`, `"logprobs":false`, `"logprobs":false,"top_logprobs":0`, `"top_logprobs":0`, `"store":false`,
			`"stream":false`, `"stream_options":{"include_usage":true,"include_obfuscation":false}`, `"response_format":{"type":"text"}`,
			`"tools":[` + function + `],"tool_choice":"auto"`, `"tools":[` + function + `],"parallel_tool_calls":true`, `"tools":[]`, `"tool_choice":"none"`, `"tool_choice":"auto"`,
			`"parallel_tool_calls":true`, `"parallel_tool_calls":false`, `"functions":[]`, `"service_tier":"auto"`, `"service_tier":"default"`, `"service_tier":"standard"`,
			`"metadata":{}`, `"metadata":null`, `"logit_bias":{}`, `"logit_bias":null`, `"stop":[]`, `"stop":null`, `"presence_penalty":0`, `"frequency_penalty":0`,
			`"temperature":1`, `"top_p":1`, `"temperature":1,"top_p":1`, `"prediction":null`, `"audio":null`, `"user":""`, `"prompt_cache_key":""`, `"safety_identifier":""`, `"verbosity":"medium"`, `"repetition_penalty":1`,
			`"min_p":0`, `"top_a":0`, `"transforms":[]`, `"models":[]`, `"plugins":[]`, `"seed":null`, `"best_of":1`, `"web_search_options":null`, `"reasoning":{}`, `"reasoning":{"exclude":false}`,
		}},
		{openairesponses.New(), `{"model":"m","input":"hi",%s}`, []string{
			`"text":{"format":{"type":"text"}}`, `"text":{"verbosity":"medium"}`, `"text":{}`, `"truncation":"disabled"`, `"top_logprobs":0`, `"store":false`, `"stream":false`, `"background":false`,
			`"stream_options":{"include_obfuscation":false}`, `"tools":[]`, `"tool_choice":"auto"`, `"tool_choice":"none"`, `"parallel_tool_calls":true`, `"parallel_tool_calls":false`,
			`"tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":false}],"tool_choice":"auto","parallel_tool_calls":true`,
			`"service_tier":"auto"`, `"service_tier":"default"`, `"metadata":{}`, `"include":[]`, `"include":null`, `"include":["reasoning.encrypted_content"]`, `"reasoning":{}`, `"reasoning":{"effort":null,"summary":null}`,
			`"temperature":1`, `"top_p":1`, `"instructions":null`, `"instructions":""`, `"previous_response_id":null`, `"conversation":null`, `"prompt":null`, `"max_tool_calls":null`, `"user":""`,
			`"prompt_cache_key":""`, `"prompt_cache_retention":null`, `"prompt_cache_retention":"in_memory"`, `"context_management":[]`,
		}},
		{anthropic.New(), `{"model":"m","max_tokens":64,"messages":[{"role":"user","content":"hi"}],%s}`, []string{
			`"stream":false`, `"stop_sequences":[]`, `"tools":[]`, `"tool_choice":{"type":"auto"}`, `"tool_choice":{"type":"auto","disable_parallel_tool_use":false}`, `"tool_choice":{"type":"none"}`,
			`"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":false}`,
			`"service_tier":"auto"`, `"metadata":{}`, `"metadata":{"user_id":null}`, `"temperature":1`, `"mcp_servers":[]`, `"context_management":{}`, `"context_management":{"edits":[]}`,
			`"output_config":{}`, `"container":null`, `"speed":"standard"`, `"speed":null`, `"system":[]`, `"system":""`, `"betas":[]`, `"inference_geo":null`, `"cache_control":null`, `"top_p":1`, `"output_format":null`,
		}},
		{gemini.New(), `{"contents":[{"role":"user","parts":[{"text":"hi"}]}],%s}`, []string{
			`"safetySettings":[]`, `"tools":[]`, `"tools":[{"functionDeclarations":[]}]`, `"tools":[{}]`, `"toolConfig":{}`, `"toolConfig":{"functionCallingConfig":{"mode":"AUTO"}}`, `"toolConfig":{"functionCallingConfig":{}}`,
			`"toolConfig":{"functionCallingConfig":{"mode":"MODE_UNSPECIFIED"}}`, `"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}`, `"toolConfig":{"functionCallingConfig":{"mode":"AUTO","allowedFunctionNames":[]}}`,
			`"labels":{}`, `"cachedContent":""`, `"cachedContent":null`, `"systemInstruction":null`, `"systemInstruction":{"parts":[]}`, `"generationConfig":{}`, `"generationConfig":{"candidateCount":1}`, `"generationConfig":{"responseModalities":["TEXT"]}`,
			`"generationConfig":{"responseModalities":[]}`, `"generationConfig":{"response_modalities":["text"]}`, `"generationConfig":{"responseLogprobs":false}`, `"generationConfig":{"responseLogprobs":false,"logprobs":0}`, `"generationConfig":{"logprobs":0}`, `"generationConfig":{"stopSequences":[]}`,
			`"generationConfig":{"presencePenalty":0,"frequencyPenalty":0}`, `"generationConfig":{"responseMimeType":"text/plain"}`, `"generationConfig":{"temperature":1}`, `"generationConfig":{"topP":1}`, `"generationConfig":{"mediaResolution":"MEDIA_RESOLUTION_UNSPECIFIED"}`,
			`"generationConfig":{"thinkingConfig":{}}`, `"generationConfig":{"thinkingConfig":{"includeThoughts":false}}`, `"generationConfig":{"audioTimestamp":false}`, `"generationConfig":{"enableAffectiveDialog":false}`, `"generationConfig":{"seed":null}`, `"generationConfig":{"speechConfig":null}`,
			`"serviceTier":"standard"`, `"serviceTier":"SERVICE_TIER_UNSPECIFIED"`, `"store":false`, `"generationConfig":{"enableEnhancedCivicAnswers":false}`, `"generationConfig":{"responseJsonSchema":null}`, `"generationConfig":{"responseSchema":null}`,
		}},
	} {
		for _, member := range c.list {
			raw := strings.Replace(c.body, "%s", member, 1)
			asked, err := crosstest.Read(c.from, []byte(raw), false)
			if err != nil {
				t.Errorf("%s: %v", raw, err)
				continue
			}
			for _, to := range sides() {
				target := crosstest.Target(false)
				if to.Dialect() == canon.Gemini {
					target.Thinking = dialect.ThinkingBudget // it wants no signature on calls
				}
				if to.Dialect() == canon.Anthropic && strings.Contains(member, "top_p") && strings.Contains(member, "temperature") {
					continue
				}
				if out, lost, err := to.WriteRequest(asked, target); err != nil || len(lost) > 0 {
					t.Errorf("%s %s to %s: %v %+v: %s", c.from.Dialect(), member, to.Dialect(), err, lost, out)
				}
			}
		}
	}
}
