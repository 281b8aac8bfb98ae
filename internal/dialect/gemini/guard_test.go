package gemini

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/jsonedit"
)

func TestGuardFinds(t *testing.T) {
	const target = "/v1beta/models/m:generateContent"
	parts := func(parts string) string { return `{"contents":[{"role":"user","parts":` + parts + `}]}` }
	ref := func(path, id string) []dialect.Ref { return []dialect.Ref{{Path: path, ID: id}} }
	for body, want := range map[string]struct{ refs, also []dialect.Ref }{
		`{"contents":[{"parts":[{"text":"fileUri cachedContent"}]}]}`:                                                  {},
		`{"cachedContent":"cachedContents/a"}`:                                                                         {refs: ref("cachedContent", "cachedContents/a")},
		`{"cached_content":"cachedContents/a","contents":[]}`:                                                          {refs: ref("cachedContent", "cachedContents/a")},
		`{"cachedContent":null}`:                                                                                       {},
		`{"generateContentRequest":{"cachedContent":"c"}}`:                                                             {refs: ref("generateContentRequest.cachedContent", "c")},
		parts(`[{"text":"x"},{"fileData":{"fileUri":"files/abc"}}]`):                                                   {refs: ref("contents[0].parts[1].fileData.fileUri", "files/abc")},
		parts(`[{"file_data":{"file\u005furi":"https://generativelanguage.googleapis.com/v1beta/files/a"}}]`):          {refs: ref("contents[0].parts[0].fileData.fileUri", "https://generativelanguage.googleapis.com/v1beta/files/a")},
		parts(`[{"fileData":{"fileUri":"gs://bucket/a"}}]`):                                                            {refs: ref("contents[0].parts[0].fileData.fileUri", "gs://bucket/a")},
		parts(`[{"fileData":{"fileUri":"https://storage.googleapis.com/bucket/a"}}]`):                                  {refs: ref("contents[0].parts[0].fileData.fileUri", "https://storage.googleapis.com/bucket/a")},
		parts(`[{"fileData":{"fileUri":"https://www.youtube.com/watch?v=1"}},{"fileData":{"fileUri":"https://a/b"}}]`): {},
		parts(`[{"newThing":{"deep":[{"fileUri":"files/n"}]}}]`):                                                       {refs: ref("contents[0].parts[0].newThing.deep[0].fileUri", "files/n")},
		parts(`[{"functionCall":{"name":"f","args":{"fileUri":"files/x"}}}]`):                                          {},
		parts(`[{"functionResponse":{"name":"f","response":{"fileUri":"files/x"},"parts":[{"fileData":{"fileUri":"files/y"}}]}}]`): {
			refs: ref("contents[0].parts[0].functionResponse.parts[0].fileData.fileUri", "files/y"),
		},
		`{"contents":{"parts":{"fileData":{"fileUri":"files/one"}}}}`:                  {refs: ref("contents.parts.fileData.fileUri", "files/one")},
		`{"systemInstruction":{"parts":[{"fileData":{"fileUri":"files/s"}}]}}`:         {refs: ref("systemInstruction.parts[0].fileData.fileUri", "files/s")},
		`{"requests":[{},{"content":{"parts":[{"fileData":{"fileUri":"files/e"}}]}}]}`: {refs: ref("requests[1].content.parts[0].fileData.fileUri", "files/e")},
		`{"tools":[{"functionDeclarations":[{"name":"f"}]},{"fileSearch":{"fileSearchStoreNames":["fileSearchStores/a","fileSearchStores/b"],"topK":3}}]}`: {
			refs: []dialect.Ref{{Path: "tools[1].fileSearch.fileSearchStoreNames[0]", ID: "fileSearchStores/a"}, {Path: "tools[1].fileSearch.fileSearchStoreNames[1]", ID: "fileSearchStores/b"}},
		},
		`{"tools":[{"retrieval":{"vertexAiSearch":{"datastore":"d"},"vertexRagStore":{"ragResources":[{"ragCorpus":"c"}],"ragRetrievalConfig":{"ranking":{"llmRanker":{"modelName":"big"}}}}}}]}`: {
			refs: []dialect.Ref{{Path: "tools[0].retrieval.vertexAiSearch.datastore", ID: "d"}, {Path: "tools[0].retrieval.vertexRagStore.ragResources[0].ragCorpus", ID: "c"}},
			also: ref("tools[0].retrieval.vertexRagStore.ragRetrievalConfig.ranking.llmRanker.modelName", "big"),
		},
		`{"tools":{"google_maps":{"auth_config":{"apiKeyConfig":{"apiKeySecret":"projects/p/secrets/s"}}}}}`:              {refs: ref("tools.googleMaps.authConfig.apiKeyConfig.apiKeySecret", "projects/p/secrets/s")},
		`{"tools":[{"functionDeclarations":[{"name":"f","parameters":{"properties":{"retrieval":{"type":"STRING"}}}}]}]}`: {},
		`{"modelArmorConfig":{"promptTemplateName":"t"}}`:                                                                 {refs: ref("modelArmorConfig.promptTemplateName", "t")},
		`{"generationConfig":{"routingConfig":{"manualMode":{"modelName":"other"}}}}`:                                     {also: ref("generationConfig.routingConfig.manualMode.modelName", "other")},
		`{"generationConfig":{"speechConfig":{"voiceConfig":{"prebuiltVoiceConfig":{"voiceName":"Kore"}}}}}`:              {},
		`{"generationConfig":{"speechConfig":{"voiceConfig":{"voice":"voices/mine"}}}}`:                                   {refs: ref("generationConfig.speechConfig.voiceConfig.voice", "voices/mine")},
	} {
		h, bad := head(t, target, body)
		if bad != nil {
			t.Errorf("%s: %v", body, bad)
		}
		if diff := cmp.Diff(want.refs, h.Refs) + cmp.Diff(want.also, h.Also); diff != "" {
			t.Errorf("%s\n%s", body, diff)
		}
	}
}

func TestGuardRefuses(t *testing.T) {
	for body, param := range map[string]string{
		`{"cachedContent":5}`:                                                                                           "cachedContent",
		`{"CachedContent":"x"}`:                                                                                         "CachedContent",
		`{"cachedContent":"x","cached_content":"y"}`:                                                                    "cachedContent",
		`{"contents":[{"parts":[{"fileData":{"fileUri":["files/a"]}}]}]}`:                                               "contents[0].parts[0].fileData.fileUri",
		`{"generationConfig":{"routingConfig":{"autoMode":{}}}}`:                                                        "generationConfig.routingConfig",
		`{"generationConfig":{"routingConfig":{"autoMode":{},"manualMode":{"modelName":"m"}}}}`:                         "generationConfig.routingConfig",
		`{"generationConfig":{"routing_config":{"manual_mode":{"modelName":["m"]}}}}`:                                   "generationConfig.routingConfig.manualMode.modelName",
		`{"generationConfig":{"modelSelectionConfig":{}}}`:                                                              "generationConfig.modelSelectionConfig",
		`{"generateContentRequest":{"generationConfig":{"modelConfig":{}}}}`:                                            "generateContentRequest.generationConfig.modelConfig",
		`{"modelArmorConfig":{"promptTemplateName":5}}`:                                                                 "modelArmorConfig.promptTemplateName",
		`{"tools":[{"retrieval":{"vertexRagStore":{"ragRetrievalConfig":{"ranking":{"llmRanker":{"modelName":5}}}}}}]}`: "tools[0].retrieval.vertexRagStore.ragRetrievalConfig.ranking.llmRanker.modelName",
	} {
		if h, bad := head(t, "/v1beta/models/m:generateContent", body); bad == nil || bad.Kind != canon.KindInvalid || bad.Param != param {
			t.Errorf("%s: %+v, %+v; want invalid at %s", body, h, bad, param)
		}
	}
}

// BenchmarkGuard is what every call of 77 KB costs that names nothing.
func BenchmarkGuard(b *testing.B) {
	var body bytes.Buffer
	body.WriteString(`{"contents":[{"role":"user","parts":[{"text":"x"}]}`)
	for i := range 120 {
		fmt.Fprintf(&body, `,{"role":"model","parts":[{"functionCall":{"id":"c%d","name":"read","args":{"path":"a","line":%d}},"thoughtSignature":"c2ln"}]}`, i, i)
		fmt.Fprintf(&body, `,{"role":"user","parts":[{"functionResponse":{"id":"c%d","name":"read","response":{"output":%q}}}]}`, i, strings.Repeat("package main\n", 20))
	}
	body.WriteString(`],"tools":[{"functionDeclarations":[{"name":"read","description":"Reads","parametersJsonSchema":{"type":"object","properties":{"path":{"type":"string"}}}}]}],"generationConfig":{"maxOutputTokens":100,"thinkingConfig":{"includeThoughts":true}}}`)
	o, err := jsonedit.Scan(body.Bytes(), 100)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(body.Len()))
	b.ReportAllocs()
	for b.Loop() {
		var h dialect.Head
		if bad := guard(&h, o); bad != nil || h.Refs != nil {
			b.Fatal(bad, h.Refs)
		}
	}
}
