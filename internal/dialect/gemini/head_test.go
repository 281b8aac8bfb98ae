package gemini

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/jsonedit"
)

// head sends a call through the dialect's own endpoints.
func head(t *testing.T, target, body string) (h dialect.Head, bad *canon.Error) {
	t.Helper()
	o, err := jsonedit.Scan([]byte(body), 100)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	served := false
	for _, ep := range New().Endpoints() {
		mux.HandleFunc(ep.Method+" "+ep.Path, func(_ http.ResponseWriter, r *http.Request) {
			served = true
			h, bad = New().Head(ep, r, o)
		})
	}
	mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, target, strings.NewReader(body)))
	if !served {
		t.Fatalf("%s is not served", target)
	}
	return h, bad
}

func TestHeadOfPath(t *testing.T) {
	type want struct {
		op      canon.Op
		model   string
		framing dialect.Framing
	}
	for target, w := range map[string]want{
		"/v1beta/models/gemini-2.5-flash:generateContent":                  {canon.OpGenerate, "gemini-2.5-flash", ""},
		"/v1/models/gemini-2.5-flash:generateContent?alt=json":             {canon.OpGenerate, "gemini-2.5-flash", ""},
		"/v1beta/models/gemini-2.5-flash:streamGenerateContent":            {canon.OpGenerate, "gemini-2.5-flash", dialect.FramingJSONArray},
		"/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse":    {canon.OpGenerate, "gemini-2.5-flash", dialect.FramingSSE},
		"/v1beta/models/gemini-2.5-flash:streamGenerateContent?%24alt=sse": {canon.OpGenerate, "gemini-2.5-flash", dialect.FramingSSE},
		"/v1beta/models/gemini-2.5-flash%3AgenerateContent":                {canon.OpGenerate, "gemini-2.5-flash", ""},
		"/v1beta/models/models/x:countTokens":                              {canon.OpCountTokens, "x", ""},
		"/v1beta/models/meta-llama/llama-4:free:generateContent":           {canon.OpGenerate, "meta-llama/llama-4:free", ""},
		"/v1beta/models/a%2Fb:generateContent":                             {canon.OpGenerate, "a/b", ""},
		"/v1beta/tunedModels/mine:generateContent":                         {canon.OpGenerate, "tunedModels/mine", ""},
		"/v1beta/models/e:embedContent":                                    {canon.OpEmbed, "e", ""},
		"/v1beta/models/e:batchEmbedContents":                              {canon.OpBatchEmbed, "e", ""},
	} {
		h, bad := head(t, target, `{}`)
		if bad != nil || h.Op != w.op || h.Model != w.model || h.Framing != w.framing || h.Stream != (w.framing != "") || h.Choices != 1 {
			t.Errorf("%s: %+v, %v; want %+v", target, h, bad, w)
		}
	}
}

func TestHeadRefusesPath(t *testing.T) {
	for target, kind := range map[string]canon.Kind{
		"/v1beta/models/gemini-2.5-flash":                            canon.KindNotFound,
		"/v1beta/models/:generateContent":                            canon.KindNotFound,
		"/v1beta/models/m:":                                          canon.KindNotFound,
		"/v1beta/models/m:GenerateContent":                           canon.KindNotFound,
		"/v1beta/models/m:predict":                                   canon.KindNotFound,
		"/v1beta/models/m:countTokens/x":                             canon.KindNotFound,
		"/v1beta/models/m:generateContent:":                          canon.KindNotFound,
		"/v1beta/models/m:streamGenerateContent?alt=proto":           canon.KindInvalid,
		"/v1beta/models/m:streamGenerateContent?alt=sse&alt=json":    canon.KindInvalid,
		"/v1beta/models/m:streamGenerateContent?alt=sse&%24alt=json": canon.KindInvalid,
	} {
		if h, bad := head(t, target, `{}`); bad == nil || bad.Kind != kind {
			t.Errorf("%s: %+v, %v; want %s", target, h, bad, kind)
		}
	}
}

func TestHeadRefusesBody(t *testing.T) {
	for body, param := range map[string]string{
		`{"generationConfig":[]}`:                                          "generationConfig",
		`{"GenerationConfig":{}}`:                                          "GenerationConfig",
		`{"Generation_Config":{}}`:                                         "Generation_Config",
		`{"generationConfig":{},"generation_config":{}}`:                   "generationConfig",
		`{"generationConfig":{"maxOutputTokens":1,"max_output_tokens":9}}`: "generationConfig.maxOutputTokens",
		`{"generation_config":{"maxoutputtokens":1}}`:                      "generationConfig.maxoutputtokens",
		`{"generationConfig":{"maxOutputTokens":-1}}`:                      "generationConfig.maxOutputTokens",
		`{"generationConfig":{"maxOutputTokens":1.5}}`:                     "generationConfig.maxOutputTokens",
		`{"generationConfig":{"maxOutputTokens":99999999999}}`:             "generationConfig.maxOutputTokens",
		`{"generationConfig":{"maxOutputTokens":"many"}}`:                  "generationConfig.maxOutputTokens",
		`{"generationConfig":{"candidateCount":true}}`:                     "generationConfig.candidateCount",
		`{"model":5}`:       "model",
		`{"model":"other"}`: "model",
		`{"Model":"m"}`:     "Model",
		`{"generateContentRequest":{"model":"other"}}`:                               "generateContentRequest.model",
		`{"generateContentRequest":{},"generate_content_request":{"model":"other"}}`: "generateContentRequest",
		`{"requests":[{"model":"m"},{"model":"models/other"}]}`:                      "requests[1].model",
		`{"requests":[{"MODEL":"m"}]}`:                                               "requests[0].MODEL",
		`{"requests":[{"mod\u0065l":"other"}]}`:                                      "requests[0].model",
		`{"requests":{"model":"other"}}`:                                             "requests[0].model",
		`{"requests":[5]}`:                                                           "requests[0]",
		`{"requests":"x"}`:                                                           "requests",
		`{"Requests":[{"model":"other"}]}`:                                           "Requests",
	} {
		if h, bad := head(t, "/v1beta/models/m:generateContent", body); bad == nil || bad.Kind != canon.KindInvalid || bad.Param != param {
			t.Errorf("%s: %+v, %+v; want invalid at %s", body, h, bad, param)
		}
	}
	for _, body := range []string{`{"model":"m"}`, `{"model":"models/m"}`, `{"model":null}`, `{"requests":null}`, `{"generationConfig":null}`, `{"generationConfig":{"maxOutputTokens":null}}`} {
		if _, bad := head(t, "/v1beta/models/m:generateContent", body); bad != nil {
			t.Errorf("%s: %v", body, bad)
		}
	}
	if h, bad := head(t, "/v1beta/models/m:generateContent", `{"generation_config":{"max_output_tokens":"12","candidate_count":3.0}}`); bad != nil || h.MaxOutput != 12 || h.Choices != 3 {
		t.Errorf("%+v, %v", h, bad)
	}
}

func TestNoBody(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/v1beta/models/m:generateContent", nil)
	r.SetPathValue("rest", "m:generateContent")
	if _, bad := New().Head(dialect.Endpoint{Op: canon.OpGenerate, Path: "/v1beta/models/{rest...}"}, r, nil); bad == nil || bad.Kind != canon.KindInvalid {
		t.Errorf("%v", bad)
	}
}

func TestReadRequestSaysWhere(t *testing.T) {
	for body, want := range map[string]string{
		`{"contents":5}`: "contents must be an array, not a number",
		`{"contents":[{"role":"bot","parts":[]}]}`:                                                    "contents[0].role must be",
		`{"contents":[{"parts":"x"}]}`:                                                                "contents[0].parts must be an array of parts, not a string",
		`{"contents":[{"parts":[{"text":"x"},{"text":5}]}]}`:                                          "contents[0].parts[1].text must be a string, not a number",
		`{"contents":[{"parts":[{"text":"x","thought":1}]}]}`:                                         "contents[0].parts[0].thought must be true or false",
		`{"contents":[{"parts":[{"functionCall":{"args":{}}}]}]}`:                                     "contents[0].parts[0].functionCall.name is needed",
		`{"contents":[{"parts":[{"function_response":{"name":"f","response":"x"}}]}]}`:                "contents[0].parts[0].functionResponse.response must be an object",
		`{"contents":[{"parts":[{"inlineData":{"mimeType":5}}]}]}`:                                    "contents[0].parts[0].inlineData.mimeType must be a string",
		`{"systemInstruction":5}`:                                                                     "systemInstruction must be an object",
		`{"tools":[{"functionDeclarations":[{"description":"x"}]}]}`:                                  "tools[0].functionDeclarations[0].name is needed",
		`{"toolConfig":{"functionCallingConfig":{"mode":5}}}`:                                         "toolConfig.functionCallingConfig.mode must be a string",
		`{"generationConfig":{"temperature":"hot"}}`:                                                  "generationConfig.temperature must be a number",
		`{"generationConfig":{"thinkingConfig":{"thinkingBudget":"x"}}}`:                              "generationConfig.thinkingConfig.thinkingBudget must be an integer",
		`{"generationConfig":{"topK":1,"top_k":2}}`:                                                   "generationConfig.topK is given twice",
		`{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","mime_type":"image/jpeg"}}]}]}`: "contents[0].parts[0].inlineData.mimeType is given twice",
		`{"generateContentRequest":{"contents":[{"parts":[{"text":[]}]}]}}`:                           "generateContentRequest.contents[0].parts[0].text must be a string",
		`{"requests":[{"content":{"parts":[{"text":{}}]}}]}`:                                          "requests[0].content.parts[0].text must be a string",
	} {
		op := canon.OpGenerate
		switch {
		case strings.HasPrefix(body, `{"generateContentRequest"`):
			op = canon.OpCountTokens
		case strings.HasPrefix(body, `{"requests"`):
			op = canon.OpBatchEmbed
		}
		_, err := New().ReadRequest(op, []byte(body))
		e, ok := errors.AsType[*canon.Error](err)
		if !ok || e.Kind != canon.KindInvalid || !strings.HasPrefix(e.Message, want) || !strings.HasPrefix(e.Message, e.Param+" ") {
			t.Errorf("%s\n got %v\nwant %s", body, err, want)
		}
	}
}

// TestMembersOfOtherCalls checks that the limits of a request stand nowhere but where they are held for: what another
// operation has members for is refused, not read.
func TestMembersOfOtherCalls(t *testing.T) {
	for body, at := range map[string]string{
		`{"generateContentRequest":{"generationConfig":{"candidateCount":8}}}`:                           "generateContentRequest",
		`{"generate_content_request":{"generationConfig":{"maxOutputTokens":99}}}`:                       "generateContentRequest",
		`{"requests":[{"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{"candidateCount":8}}]}`: "requests",
	} {
		req, err := New().ReadRequest(canon.OpGenerate, []byte(body))
		if e, ok := errors.AsType[*canon.Error](err); !ok || e.Kind != canon.KindInvalid || e.Param != at {
			t.Errorf("%s: %+v, %v", body, req, err)
		}
	}
	for op, body := range map[canon.Op]string{
		canon.OpCountTokens: `{"generateContentRequest":{"generateContentRequest":{"contents":[{"parts":[{"text":"x"}]}]}}}`,
		canon.OpBatchEmbed:  `{"requests":[{"requests":[{"content":{"parts":[{"text":"x"}]}}]}]}`,
	} {
		if req, err := New().ReadRequest(op, []byte(body)); err == nil {
			t.Errorf("%s: %+v", body, req)
		}
	}
}
