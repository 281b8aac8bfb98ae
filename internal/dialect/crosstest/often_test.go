package crosstest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/crosstest"
)

// often is what gateways often lose of requests, in the words of both sides: a reader and a writer that agree on
// a mistake do not hide it here.
//
// A check is path=value of what is sent (a string, or JSON), !path of what it must not hold, or ~feature of what
// must be told as lost or changed.
var often = []struct {
	name, from, sent string
	over             map[string]string
}{
	{"instructions as a string", "anthropic", `"system":"S","messages":[{"role":"user","content":"x"}]`, map[string]string{
		"openaichat": "messages.0.content=S messages.0.role=system", "openairesponses": "instructions=S", "gemini": "systemInstruction.parts.0.text=S",
	}},
	{"instructions as blocks", "anthropic", `"system":[{"type":"text","text":"S"},{"type":"text","text":"T"}],"messages":[{"role":"user","content":"x"}]`, map[string]string{
		"openaichat": `messages.0.content="S\n\nT"`, "openairesponses": `input.0.role=developer input.0.content.#.text=["S","T"]`, "gemini": "systemInstruction.parts.#=2",
	}},
	{"all instructions, a developer's too", "openaichat", `"messages":[{"role":"system","content":"S"},{"role":"developer","content":"T"},{"role":"user","content":"x"}]`, map[string]string{
		"anthropic": `system.#.text=["S","T"] messages.#=1`, "gemini": `systemInstruction.parts.#.text=["S","T"] contents.#=1`, "openairesponses": `input.0.role=developer input.0.content.#.text=["S","T"] input.#=2`,
	}},
	{"temperature and top_p", "openaichat", `"messages":[{"role":"user","content":"x"}],"temperature":0.25,"top_p":0.5`, map[string]string{
		"anthropic": "temperature=0.25 ~top_p", "gemini": "generationConfig.temperature=0.25 generationConfig.topP=0.5", "openairesponses": "temperature=0.25 top_p=0.5",
	}},
	{"max_completion_tokens", "openaichat", `"messages":[{"role":"user","content":"x"}],"max_completion_tokens":77`, map[string]string{
		"anthropic": "max_tokens=77", "gemini": "generationConfig.maxOutputTokens=77", "openairesponses": "max_output_tokens=77",
	}},
	{"max_tokens", "openaichat", `"messages":[{"role":"user","content":"x"}],"max_tokens":77`, map[string]string{
		"anthropic": "max_tokens=77", "gemini": "generationConfig.maxOutputTokens=77", "openairesponses": "max_output_tokens=77",
	}},
	{"stop", "openaichat", `"messages":[{"role":"user","content":"x"}],"stop":["a","b"]`, map[string]string{
		"anthropic": `stop_sequences=["a","b"]`, "gemini": `generationConfig.stopSequences=["a","b"]`, "openairesponses": "~stop",
	}},
	{"stop sequences", "gemini", `"contents":[{"role":"user","parts":[{"text":"x"}]}],"generationConfig":{"stopSequences":["a","b"]}`, map[string]string{
		"anthropic": `stop_sequences=["a","b"]`, "openaichat": `stop=["a","b"]`, "openairesponses": "~stop",
	}},
	{"n, seed and penalties", "openaichat", `"messages":[{"role":"user","content":"x"}],"n":2,"seed":7,"presence_penalty":0.5,"frequency_penalty":0.25,"logit_bias":{"1":2}`, map[string]string{
		"anthropic":       "~n ~seed ~presence_penalty ~frequency_penalty ~extra",
		"gemini":          "generationConfig.candidateCount=2 generationConfig.seed=7 generationConfig.presencePenalty=0.5 generationConfig.frequencyPenalty=0.25 ~extra",
		"openairesponses": "~n ~seed ~presence_penalty ~frequency_penalty ~extra",
	}},
	{"n, seed and penalties of Google", "gemini", `"contents":[{"role":"user","parts":[{"text":"x"}]}],"generationConfig":{"candidateCount":2,"seed":7,"presencePenalty":0.5,"frequencyPenalty":0.25,"topK":5}`, map[string]string{
		"anthropic": "~n ~seed ~presence_penalty ~frequency_penalty top_k=5", "openaichat": "n=2 seed=7 presence_penalty=0.5 frequency_penalty=0.25 ~top_k", "openairesponses": "~n ~seed ~top_k",
	}},
	{"logprobs", "openaichat", `"messages":[{"role":"user","content":"x"}],"logprobs":true,"top_logprobs":3`, map[string]string{
		"anthropic": "~logprobs", "gemini": "generationConfig.responseLogprobs=true generationConfig.logprobs=3", "openairesponses": `top_logprobs=3 include.#(=="message.output_text.logprobs")=message.output_text.logprobs`,
	}},
	{"a tool without parameters", "openaichat", `"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f"}}]`, map[string]string{
		"anthropic": "tools.0.name=f tools.0.input_schema.type=object", "gemini": "tools.0.functionDeclarations.0.name=f", "openairesponses": "tools.0.name=f",
	}},
	{"a whole schema", "openaichat", `"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","$defs":{"d":{"type":"string"}},"properties":{"a":{"$ref":"#/$defs/d"}},"required":[],"additionalProperties":false}}}]`, map[string]string{
		"anthropic":       `tools.0.input_schema.$defs.d.type=string tools.0.input_schema.additionalProperties=false tools.0.input_schema.required=[]`,
		"gemini":          `tools.0.functionDeclarations.0.parametersJsonSchema.$defs.d.type=string tools.0.functionDeclarations.0.parametersJsonSchema.additionalProperties=false`,
		"openairesponses": `tools.0.parameters.$defs.d.type=string tools.0.parameters.additionalProperties=false`,
	}},
	{"strict tools", "openaichat", `"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","properties":{},"required":[],"additionalProperties":false}}}]`, map[string]string{
		"anthropic": "tools.0.strict=true", "gemini": "~tool.strict", "openairesponses": "tools.0.strict=true",
	}},
	{"a call must be made", "openaichat", `"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required","parallel_tool_calls":false`, map[string]string{
		"anthropic": "tool_choice.type=any tool_choice.disable_parallel_tool_use=true", "gemini": "toolConfig.functionCallingConfig.mode=ANY ~parallel_tools", "openairesponses": "tool_choice=required parallel_tool_calls=false",
	}},
	{"no call may be made", "openaichat", `"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"none"`, map[string]string{
		"anthropic": "tool_choice.type=none tools.0.name=f", "gemini": "toolConfig.functionCallingConfig.mode=NONE", "openairesponses": "tool_choice=none",
	}},
	{"no call may be made, in Claude's words", "anthropic", `"messages":[{"role":"user","content":"x"}],"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"none"}`, map[string]string{
		"openaichat": "tool_choice=none", "gemini": "toolConfig.functionCallingConfig.mode=NONE", "openairesponses": "tool_choice=none",
	}},
	{"no call may be made, in Google's words", "gemini", `"contents":[{"role":"user","parts":[{"text":"x"}]}],"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}`, map[string]string{
		"openaichat": "tool_choice=none", "anthropic": "tool_choice.type=none", "openairesponses": "tool_choice=none",
	}},
	{"one tool, by its name", "anthropic", `"messages":[{"role":"user","content":"x"}],"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true}`, map[string]string{
		"openaichat": `tool_choice.type=function tool_choice.function.name=f parallel_tool_calls=false`, "openairesponses": `tool_choice={"type":"function","name":"f"} parallel_tool_calls=false`, "gemini": `toolConfig.functionCallingConfig={"mode":"ANY","allowedFunctionNames":["f"]}`,
	}},
	{"a result of parts", "openaichat", `"messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":[{"type":"text","text":"r"}]}]`, map[string]string{
		"anthropic": "messages.2.role=user messages.2.content.0.type=tool_result messages.2.content.0.tool_use_id=c", "gemini": "contents.2.parts.0.functionResponse.name=f contents.2.parts.0.functionResponse.id=c", "openairesponses": "input.2.type=function_call_output input.2.call_id=c input.2.output=r",
	}},
	{"a result that is an error", "anthropic", `"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"r","is_error":true}]}]`, map[string]string{
		"openaichat": `messages.2.content="Error:\nr"`, "openairesponses": `input.2.output="Error:\nr"`, "gemini": "contents.2.parts.0.functionResponse.response.error=r",
	}},
	{"a picture", "anthropic", `"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}]}]`, map[string]string{
		"openaichat": "messages.0.content.0.image_url.url=data:image/png;base64,iVBORw0KGgo=", "openairesponses": "input.0.content.0.type=input_image input.0.content.0.image_url=data:image/png;base64,iVBORw0KGgo=", "gemini": "contents.0.parts.0.inlineData.mimeType=image/png contents.0.parts.0.inlineData.data=iVBORw0KGgo=",
	}},
	{"a document", "anthropic", `"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}}]}]`, map[string]string{
		"openaichat": "messages.0.content.0.file.file_data=data:application/pdf;base64,JVBERi0=", "openairesponses": "input.0.content.0.type=input_file input.0.content.0.file_data=data:application/pdf;base64,JVBERi0=", "gemini": "contents.0.parts.0.inlineData.mimeType=application/pdf",
	}},
	{"a document of Google", "gemini", `"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"application/pdf","data":"JVBERi0="}}]}]`, map[string]string{
		"openaichat": "messages.0.content.0.type=file", "anthropic": "messages.0.content.0.type=document", "openairesponses": "input.0.content.0.type=input_file",
	}},
	{"sound", "gemini", `"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"audio/wav","data":"UklGRg=="}},{"text":"x"}]}]`, map[string]string{
		"openaichat": "messages.0.content.0.input_audio.format=wav messages.0.content.0.input_audio.data=UklGRg==", "anthropic": "~audio messages.0.content=x", "openairesponses": "input.0.content.0.input_audio.data=UklGRg==",
	}},
	{"thoughts of the history", "anthropic", `"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"thinking","thinking":"SECRET","signature":"c2ln"},{"type":"text","text":"y"}]},{"role":"user","content":"z"}]`, map[string]string{
		"openaichat": "!SECRET ~reasoning.seal", "openairesponses": "!SECRET ~reasoning.seal", "gemini": "contents.1.parts.0.thought=true ~reasoning.seal",
	}},
	{"thoughts of Google's history", "gemini", `"contents":[{"role":"user","parts":[{"text":"x"}]},{"role":"model","parts":[{"text":"SECRET","thought":true},{"text":"y"}]},{"role":"user","parts":[{"text":"z"}]}]`, map[string]string{
		"openaichat": "!SECRET ~reasoning.text", "openairesponses": "!SECRET ~reasoning.text", "anthropic": "!SECRET ~reasoning.text",
	}},
	{"a schema for the answer", "openaichat", `"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"r","strict":true,"schema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}}`, map[string]string{
		"anthropic": "output_config.format.type=json_schema output_config.format.schema.properties.a.type=string", "gemini": "generationConfig.responseMimeType=application/json generationConfig.responseJsonSchema.properties.a.type=string", "openairesponses": "text.format.type=json_schema text.format.name=r text.format.strict=true text.format.schema.required.0=a",
	}},
	{"a schema of Google's types", "gemini", `"contents":[{"role":"user","parts":[{"text":"x"}]}],"generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true}},"required":["a"]}}`, map[string]string{
		"openaichat": `response_format.json_schema.schema.type=object response_format.json_schema.schema.properties.a.type=["string","null"]`, "anthropic": "output_config.format.schema.type=object", "openairesponses": "text.format.schema.type=object",
	}},
	{"where to cache, for an hour", "anthropic", `"system":[{"type":"text","text":"S","cache_control":{"type":"ephemeral","ttl":"1h"}}],"messages":[{"role":"user","content":"x"}]`, map[string]string{
		"openaichat": "~cache_point", "openairesponses": "~cache_point", "gemini": "~cache_point", "anthropic": "system.0.cache_control.ttl=1h",
	}},
	{"who the user is, which tier, which cache", "openaichat", `"messages":[{"role":"user","content":"x"}],"user":"u","service_tier":"priority","metadata":{"k":"v"},"prompt_cache_key":"p"`, map[string]string{
		"anthropic": "metadata.user_id=u ~tier ~metadata ~cache_key", "gemini": "~user ~metadata ~cache_key", "openairesponses": "service_tier=priority metadata.k=v prompt_cache_key=p user=u",
	}},
	{"what is unsafe", "gemini", `"contents":[{"role":"user","parts":[{"text":"x"}]}],"safetySettings":[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"BLOCK_NONE"}],"cachedContent":"cachedContents/a"`, map[string]string{
		"openaichat": "~extra", "anthropic": "~extra", "openairesponses": "~extra",
	}},
	{"a search of the web", "openairesponses", `"input":"x","tools":[{"type":"web_search"}]`, map[string]string{
		"anthropic": "tools.0.name=web_search", "gemini": "tools.0.googleSearch={}", "openaichat": "~tool.hosted",
	}},
	{"how much a search reads, and the tier that all know", "openaichat", `"messages":[{"role":"user","content":"x"}],"web_search_options":{"search_context_size":"low"},"service_tier":"auto"`, map[string]string{
		"openairesponses": "tools.0.type=web_search tools.0.search_context_size=low service_tier=auto", "anthropic": "tools.0.name=web_search service_tier=auto",
	}},
	{"how hard to think", "openaichat", `"messages":[{"role":"user","content":"x"}],"reasoning_effort":"high"`, map[string]string{
		"openairesponses": "reasoning.effort=high", "gemini": "generationConfig.thinkingConfig.thinkingLevel=HIGH", "anthropic": "output_config.effort=high",
	}},
}

func TestWhatIsOftenLostOfRequests(t *testing.T) {
	head := map[string]string{"openaichat": `"model":"m",`, "openairesponses": `"model":"m",`, "anthropic": `"model":"m","max_tokens":64,`}
	for _, c := range often {
		from := named(c.from)
		asked, err := crosstest.Read(from, []byte(`{`+head[c.from]+c.sent+`}`), false)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for _, to := range sides() {
			checks := c.over[string(to.Dialect())]
			if checks == "" {
				continue
			}
			raw, lost, refused := to.WriteRequest(asked, crosstest.Target(false))
			if refused != nil {
				t.Errorf("%s to %s: refused: %v", c.name, to.Dialect(), refused)
				continue
			}
			for check := range strings.SplitSeq(checks, " ") {
				if !holds(string(raw), lost, check) {
					t.Errorf("%s to %s: %s does not hold of %s, lost %v", c.name, to.Dialect(), check, raw, lost)
				}
			}
		}
	}
}

func named(name string) crosstest.Side {
	for _, s := range sides() {
		if s.Dialect() == canon.Dialect(name) {
			return s
		}
	}
	return nil
}

func holds(raw string, lost []canon.Loss, check string) bool {
	if what, ok := strings.CutPrefix(check, "~"); ok {
		return slices.ContainsFunc(lost, func(l canon.Loss) bool { return string(l.What) == what })
	}
	if not, ok := strings.CutPrefix(check, "!"); ok {
		return !strings.Contains(raw, not)
	}
	at := strings.LastIndex(check, "=")
	if i := strings.Index(check, "="); !strings.Contains(check, "#(") {
		at = i
	}
	got := gjson.Get(raw, check[:at])
	return got.Exists() && (got.Raw == check[at+1:] || got.String() == check[at+1:])
}
