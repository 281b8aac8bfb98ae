package gemini_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/dialecttest"
	"tollgate/internal/dialect/gemini"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/jsonedit"
)

// FuzzReadRequest adds to the golden files what they spell in one way alone.
func FuzzReadRequest(f *testing.F) {
	const generate, count, batch = "POST /v1beta/models/m:generateContent", "POST /v1beta/models/m:countTokens", "POST /v1beta/models/m:batchEmbedContents"
	for _, seed := range [...][2]string{
		{generate, `{"contents":[{"parts":[{"text":"x"}]}],"generation_config":{"max_output_tokens":"5"},"system_instruction":"s"}`},
		{batch, `{"model":"models/m","requests":[{"model":"m","content":{"parts":{"text":"x"}}},{"model":"models/m"}]}`},
		{count, `{"generateContentRequest":{"model":"m","tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true}}}}]}]}}`},
		{generate, `{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f"}},{"text":"h","thought":true,"thoughtSignature":"s"}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}}`},
	} {
		f.Add(seed[0], []byte(seed[1]))
	}
	dialecttest.FuzzRequest(f, gemini.New(), os.DirFS("testdata"))
}

func FuzzReader(f *testing.F) {
	dialecttest.FuzzReader(f, gemini.New(), os.DirFS("testdata"))
}

// FuzzWriteRequest checks that whatever a client of any dialect sends becomes strict JSON that reads back,
// or an error that says why not.
func FuzzWriteRequest(f *testing.F) {
	files, err := filepath.Glob("testdata/feature/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(raw))
	}
	f.Add(`{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"b","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[]}]}]}`)
	f.Add(`{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{"}}]},{"role":"tool","tool_call_id":"c","content":"x"},{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,!"}}]}]}`)
	f.Add(`{"contents":[{"":"","parts":[{"":{}}]}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		if _, err := jsonedit.Scan([]byte(body), 100); err != nil {
			return
		}
		p := gemini.New()
		for _, from := range []dialect.Protocol{p, anthropic.New(), openaichat.New()} {
			req, err := from.ReadRequest(canon.OpGenerate, []byte(body))
			if err != nil {
				continue
			}
			req.Origin = from.Dialect()
			canon.Pair(req)
			for _, to := range []dialect.Target{{Op: canon.OpGenerate}, {Op: canon.OpGenerate, Thinking: dialect.ThinkingBudget}, {Op: canon.OpCountTokens}, {Op: canon.OpBatchEmbed}} {
				to.Model = "m"
				raw, _, bad := p.WriteRequest(req, to)
				if bad != nil {
					if bad.Message == "" || bad.Kind == "" {
						t.Fatalf("refused without a word: %s", body)
					}
					continue
				}
				if !json.Valid(raw) {
					t.Fatalf("%s\nbecame %s", body, raw)
				}
				if _, err := p.ReadRequest(to.Op, raw); err != nil && from.Dialect() != canon.Gemini {
					t.Fatalf("%s\nbecame %s: %v", body, raw, err)
				}
			}
		}
	})
}
