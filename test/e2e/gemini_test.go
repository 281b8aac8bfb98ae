package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genai"
)

const gemini = "gemini-2.5-flash"

// geminiClient is Google's SDK against g, without its own retries.
func geminiClient(t *testing.T, g *gateway, key string) *genai.Client {
	t.Helper()
	client, err := genai.NewClient(t.Context(), &genai.ClientConfig{
		APIKey: key, Backend: genai.BackendGeminiAPI,
		HTTPOptions: genai.HTTPOptions{BaseURL: g.base, RetryOptions: &genai.HTTPRetryOptions{Attempts: genai.Ptr[int32](1)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// generated is a whole answer, however it came.
type generated struct {
	*genai.GenerateContentResponse
	parts  []*genai.Part // of the first candidate, in order
	finish genai.FinishReason
	texts  []string // of each candidate, without thoughts
	pieces int
	header http.Header
}

func (g *generated) text() string { return g.texts[0] }

func (g *generated) calls() (calls []*genai.FunctionCall) {
	for _, p := range g.parts {
		if p.FunctionCall != nil {
			calls = append(calls, p.FunctionCall)
		}
	}
	return calls
}

// add takes in one answer, or one piece of it.
func (g *generated) add(r *genai.GenerateContentResponse) {
	g.pieces++
	g.GenerateContentResponse = r
	if r.SDKHTTPResponse != nil {
		g.header = r.SDKHTTPResponse.Headers
	}
	for _, c := range r.Candidates {
		for len(g.texts) <= int(c.Index) {
			g.texts = append(g.texts, "")
		}
		if c.FinishReason != "" {
			g.finish = c.FinishReason
		}
		if c.Content == nil {
			continue
		}
		for _, p := range c.Content.Parts {
			if p.Text == "" && p.FunctionCall == nil {
				continue // a stream ends with an empty text, which must not be sent back
			}
			if c.Index == 0 {
				g.parts = append(g.parts, p)
			}
			if !p.Thought {
				g.texts[c.Index] += p.Text
			}
		}
	}
}

// generate makes a call, streamed or not.
func generate(t *testing.T, client *genai.Client, model string, contents []*genai.Content, cfg *genai.GenerateContentConfig, streamed bool) *generated {
	t.Helper()
	g := &generated{}
	if !streamed {
		got, err := client.Models.GenerateContent(t.Context(), model, contents, cfg)
		if err != nil {
			t.Fatal(err)
		}
		g.add(got)
		return g
	}
	for got, err := range client.Models.GenerateContentStream(t.Context(), model, contents, cfg) {
		if err != nil {
			t.Fatal(err)
		}
		g.add(got)
	}
	return g
}

func checkGeminiUsage(t *testing.T, g *generated) {
	t.Helper()
	s := fix.sim.answered(t, requestID(t, g.header))
	u := g.UsageMetadata
	if u == nil {
		t.Fatal("no usage")
	}
	if int64(u.PromptTokenCount) != s.Usage.in() || int64(u.CandidatesTokenCount) != s.Usage.Output || int64(u.ThoughtsTokenCount) != s.Usage.Reasoning ||
		int64(u.CachedContentTokenCount) != s.Usage.CacheRead || int64(u.TotalTokenCount) != s.Usage.in()+s.Usage.out() {
		t.Errorf("usage %+v, the simulator counted %+v", u, s.Usage)
	}
}

func TestGemini(t *testing.T) {
	client := geminiClient(t, fix.gw, aliceKey)
	bothWays(t, func(t *testing.T, streamed bool) {
		t.Run("text", func(t *testing.T) {
			got := generate(t, client, gemini, genai.Text("echo: the gate is open to all"), nil, streamed)
			if got.text() != "the gate is open to all" || got.finish != genai.FinishReasonStop || got.ModelVersion != gemini || got.ResponseID == "" {
				t.Errorf("%+v", got)
			}
			if streamed != (got.pieces > 1) {
				t.Errorf("%d pieces", got.pieces)
			}
			checkGeminiUsage(t, got)
		})
		t.Run("system", func(t *testing.T) {
			bare := generate(t, client, gemini, genai.Text("Tell me about tides."), nil, streamed)
			with := generate(t, client, gemini, genai.Text("Tell me about tides."), &genai.GenerateContentConfig{
				SystemInstruction: genai.NewContentFromText(strings.Repeat("You keep a lighthouse. ", 20), genai.RoleUser),
			}, streamed)
			if with.UsageMetadata.PromptTokenCount < bare.UsageMetadata.PromptTokenCount+100 {
				t.Errorf("%d tokens with the system prompt, %d without", with.UsageMetadata.PromptTokenCount, bare.UsageMetadata.PromptTokenCount)
			}
		})
		t.Run("stop sequence", func(t *testing.T) {
			got := generate(t, client, gemini, genai.Text("echo: one two STOP three"), &genai.GenerateContentConfig{StopSequences: []string{"STOP"}}, streamed)
			if got.text() != "one two " || got.finish != genai.FinishReasonStop {
				t.Errorf("%q %s", got.text(), got.finish)
			}
		})
		t.Run("max tokens", func(t *testing.T) {
			got := generate(t, client, gemini, genai.Text("Tell me a long story."), &genai.GenerateContentConfig{MaxOutputTokens: 5}, streamed)
			if got.finish != genai.FinishReasonMaxTokens || got.UsageMetadata.CandidatesTokenCount != 5 {
				t.Errorf("%+v %s", got.UsageMetadata, got.finish)
			}
			checkGeminiUsage(t, got)
		})
		t.Run("candidates", func(t *testing.T) {
			got := generate(t, client, gemini, genai.Text("Tell me something."), &genai.GenerateContentConfig{CandidateCount: 3}, streamed)
			if len(got.texts) != 3 || slices.Contains(got.texts, "") {
				t.Errorf("%q", got.texts)
			}
			checkGeminiUsage(t, got)
		})
		t.Run("structured", func(t *testing.T) {
			got := generate(t, client, gemini, genai.Text("The weather as JSON."), &genai.GenerateContentConfig{
				ResponseMIMEType: "application/json", ResponseSchema: &genai.Schema{
					Type: genai.TypeObject, Required: []string{"city", "celsius", "words"},
					Properties: map[string]*genai.Schema{
						"city":    {Type: genai.TypeString, Enum: []string{"Lisbon"}},
						"celsius": {Type: genai.TypeNumber},
						"words":   {Type: genai.TypeArray, Items: &genai.Schema{Type: genai.TypeString}},
					},
				},
			}, streamed)
			checkWeather(t, got.text())
			got = generate(t, client, gemini, genai.Text("The weather as JSON."), &genai.GenerateContentConfig{
				ResponseMIMEType: "application/json", ResponseJsonSchema: weatherSchema(),
			}, streamed)
			checkWeather(t, got.text())
		})
		t.Run("vision", func(t *testing.T) {
			image, err := base64.StdEncoding.DecodeString(pixel)
			if err != nil {
				t.Fatal(err)
			}
			got := generate(t, client, gemini, []*genai.Content{genai.NewContentFromParts([]*genai.Part{
				genai.NewPartFromText("What do you see?"), genai.NewPartFromBytes(image, "image/png"), genai.NewPartFromURI("https://images.example/cat.png", "image/png"),
			}, genai.RoleUser)}, nil, streamed)
			if !strings.Contains(got.text(), "I received 2: image image/png") || !strings.Contains(got.text(), "1x1; image at https://images.example/cat.png") {
				t.Errorf("%q", got.text())
			}
			if s := fix.sim.answered(t, requestID(t, got.header)); s.Usage.InputImage == 0 {
				t.Errorf("the images weigh nothing: %+v", s.Usage)
			}
			checkGeminiUsage(t, got)
		})
		t.Run("cached prompt", func(t *testing.T) {
			got := generate(t, client, gemini+"+cached=10", genai.Text(strings.Repeat("a long prompt ", 40)), nil, streamed)
			if got.UsageMetadata.CachedContentTokenCount != 10 {
				t.Errorf("%+v", got.UsageMetadata)
			}
			checkGeminiUsage(t, got)
		})
	})
}

func geminiTools() []*genai.Tool {
	city := &genai.Schema{Type: genai.TypeObject, Required: []string{"city"}, Properties: map[string]*genai.Schema{
		"city": {Type: genai.TypeString, Enum: []string{"Lisbon", "Oslo"}},
	}}
	return []*genai.Tool{{FunctionDeclarations: []*genai.FunctionDeclaration{
		{Name: "get_weather", Description: "Tells the weather of a city", Parameters: city},
		{Name: "get_population", Description: "Tells the population of a city", ParametersJsonSchema: citySchema()},
	}}}
}

// finishTools gives every call of first its result and checks that the next turn knows them all.
func finishTools(t *testing.T, client *genai.Client, model, prompt string, cfg *genai.GenerateContentConfig, first *generated, streamed bool) {
	t.Helper()
	var results []*genai.Part
	for _, call := range first.calls() {
		raw, err := json.Marshal(call.Args)
		if err != nil {
			t.Fatal(err)
		}
		checkCity(t, string(raw))
		part := genai.NewPartFromFunctionResponse(call.Name, map[string]any{"output": "answer of " + call.ID})
		part.FunctionResponse.ID = call.ID
		results = append(results, part)
	}
	contents := append(genai.Text(prompt), genai.NewContentFromParts(first.parts, genai.RoleModel), genai.NewContentFromParts(results, genai.RoleUser))
	second := generate(t, client, model, contents, cfg, streamed)
	for _, call := range first.calls() {
		if !strings.Contains(second.text(), "The tool "+call.Name+" answered: answer of "+call.ID) {
			t.Errorf("the result of %s got lost: %q", call.ID, second.text())
		}
	}
	checkGeminiUsage(t, second)
}

func TestGeminiTools(t *testing.T) {
	client := geminiClient(t, fix.gw, aliceKey)
	bothWays(t, func(t *testing.T, streamed bool) {
		for _, c := range []struct {
			name, model, prompt string
			calls               int
		}{
			{"single", gemini, "What is the weather?", 1},
			{"parallel", gemini, "Ask both in parallel.", 2},
			{"many", gemini + "+tools=4", "Ask all of them.", 4},
		} {
			t.Run(c.name, func(t *testing.T) {
				cfg := &genai.GenerateContentConfig{Tools: geminiTools()}
				first := generate(t, client, c.model, genai.Text(c.prompt), cfg, streamed)
				if len(first.calls()) != c.calls {
					t.Fatalf("%d calls: %+v", len(first.calls()), first.parts)
				}
				checkGeminiUsage(t, first)
				finishTools(t, client, c.model, c.prompt, cfg, first, streamed)
			})
		}
		t.Run("forced", func(t *testing.T) {
			got := generate(t, client, gemini, genai.Text("Hello."), &genai.GenerateContentConfig{Tools: geminiTools(), ToolConfig: &genai.ToolConfig{
				FunctionCallingConfig: &genai.FunctionCallingConfig{Mode: genai.FunctionCallingConfigModeAny, AllowedFunctionNames: []string{"get_population"}},
			}}, streamed)
			if calls := got.calls(); len(calls) != 1 || calls[0].Name != "get_population" {
				t.Errorf("%+v", got.parts)
			}
		})
	})
}

func TestGeminiThinking(t *testing.T) {
	client := geminiClient(t, fix.gw, aliceKey)
	bothWays(t, func(t *testing.T, streamed bool) {
		cfg := &genai.GenerateContentConfig{ThinkingConfig: &genai.ThinkingConfig{IncludeThoughts: true, ThinkingBudget: genai.Ptr[int32](512)}}
		got := generate(t, client, gemini, genai.Text("echo: thought through"), cfg, streamed)
		thoughts := ""
		for _, p := range got.parts {
			if p.Thought {
				thoughts += p.Text
			}
		}
		if thoughts == "" || got.text() != "thought through" || got.UsageMetadata.ThoughtsTokenCount == 0 {
			t.Errorf("%q, %q, %+v", thoughts, got.text(), got.UsageMetadata)
		}
		checkGeminiUsage(t, got)

		// The signature goes back with the call that it came with; the upstream checks it.
		cfg.Tools = geminiTools()
		first := generate(t, client, gemini, genai.Text("What is the weather?"), cfg, streamed)
		signed := slices.ContainsFunc(first.parts, func(p *genai.Part) bool { return p.FunctionCall != nil && len(p.ThoughtSignature) > 0 })
		if len(first.calls()) != 1 || !signed {
			t.Fatalf("%+v", first.parts)
		}
		finishTools(t, client, gemini, "What is the weather?", cfg, first, streamed)
		for _, p := range first.parts {
			if p.FunctionCall != nil {
				p.ThoughtSignature = []byte("forged")
			}
		}
		result := genai.NewPartFromFunctionResponse("get_weather", map[string]any{"output": "?"})
		result.FunctionResponse.ID = first.calls()[0].ID
		_, err := client.Models.GenerateContent(t.Context(), gemini, append(genai.Text("What is the weather?"),
			genai.NewContentFromParts(first.parts, genai.RoleModel), genai.NewContentFromParts([]*genai.Part{result}, genai.RoleUser)), cfg)
		checkGeminiError(t, err, http.StatusBadRequest, "INVALID_ARGUMENT")
	})
}

func TestGeminiCountAndEmbed(t *testing.T) {
	client := geminiClient(t, fix.gw, aliceKey)
	t.Run("count", func(t *testing.T) {
		counted, err := client.Models.CountTokens(t.Context(), gemini, genai.Text("Tell me about tides, at some length."), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := generate(t, client, gemini, genai.Text("Tell me about tides, at some length."), nil, false)
		if counted.TotalTokens == 0 || counted.TotalTokens != got.UsageMetadata.PromptTokenCount {
			t.Errorf("counted %d tokens, then used %d", counted.TotalTokens, got.UsageMetadata.PromptTokenCount)
		}
		if r := fix.gw.record(t, requestID(t, counted.SDKHTTPResponse.Headers)); r.Op != "count_tokens" || r.Nanos != 0 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("embed", func(t *testing.T) {
		for _, texts := range [][]string{{"the tide"}, {"the tide", "the lamp", "the tide"}} {
			var contents []*genai.Content
			for _, text := range texts {
				contents = append(contents, genai.NewContentFromText(text, genai.RoleUser))
			}
			got, err := client.Models.EmbedContent(t.Context(), "text-embedding-3-small", contents, &genai.EmbedContentConfig{OutputDimensionality: genai.Ptr[int32](16)})
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Embeddings) != len(texts) || len(got.Embeddings[0].Values) != 16 {
				t.Fatalf("%d vectors", len(got.Embeddings))
			}
			if last := got.Embeddings[len(texts)-1]; !slices.Equal(got.Embeddings[0].Values, last.Values) {
				t.Error("vectors do not follow from the texts")
			}
			// This dialect reports no usage for embeddings; the gateway counts.
			if r := fix.gw.record(t, requestID(t, got.SDKHTTPResponse.Headers)); r.In == 0 || r.Nanos == 0 || r.Usage != "estimated" {
				t.Errorf("%+v", r)
			}
		}
	})
	t.Run("embed one", func(t *testing.T) { // the SDK knows the batch alone
		status, body, h := fetch(t, http.MethodPost, fix.gw.base+"/v1beta/models/text-embedding-3-small:embedContent",
			`{"content":{"parts":[{"text":"the tide"}]},"outputDimensionality":16}`, "X-Goog-Api-Key", aliceKey)
		var got struct {
			Embedding genai.ContentEmbedding `json:"embedding"`
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK || len(got.Embedding.Values) != 16 {
			t.Errorf("%d %s: %v", status, body, err)
		}
		if r := fix.gw.record(t, requestID(t, h)); r.Op != "embed" || r.Nanos == 0 {
			t.Errorf("%+v", r)
		}
	})
}

func TestGeminiModels(t *testing.T) {
	client := geminiClient(t, fix.gw, aliceKey)
	var all []string
	for m, err := range client.Models.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(m.Name, "models/") || m.DisplayName == "" {
			t.Errorf("%+v", m)
		}
		all = append(all, m.Name)
	}
	if !slices.Contains(all, "models/"+gemini) || !slices.Contains(all, "models/gpt-4o") {
		t.Errorf("%v", all)
	}
	var paged []string
	page, err := client.Models.List(t.Context(), &genai.ListModelsConfig{PageSize: 4})
	for ; err == nil; page, err = page.Next(t.Context()) {
		if len(page.Items) > 4 {
			t.Fatalf("a page of %d", len(page.Items))
		}
		for _, m := range page.Items {
			paged = append(paged, m.Name)
		}
	}
	if err != genai.ErrPageDone { //nolint:errorlint // the SDK returns it bare
		t.Error(err)
	}
	if !slices.Equal(paged, all) {
		t.Errorf("in pages %v, at once %v", paged, all)
	}
	for _, name := range []string{gemini, "models/" + gemini} {
		m, err := client.Models.Get(t.Context(), name, nil)
		if err != nil {
			t.Fatal(err)
		}
		if m.Name != "models/"+gemini || m.DisplayName != "Gemini under test" || m.OutputTokenLimit != 16384 || !slices.Contains(m.SupportedActions, "generateContent") {
			t.Errorf("%+v", m)
		}
	}
	_, err = client.Models.Get(t.Context(), "gemini-none", nil)
	checkGeminiError(t, err, http.StatusNotFound, "NOT_FOUND")
}

// Without alt=sse a stream is one JSON array, written piece by piece; the SDK for Go never asks for it, REST clients do.
func TestGeminiArray(t *testing.T) {
	url := func(model string) string {
		return fix.gw.base + "/v1beta/models/" + model + ":streamGenerateContent"
	}
	const body = `{"contents":[{"role":"user","parts":[{"text":"echo: piece by piece"}]}]}`
	_, answer, h := fetch(t, http.MethodPost, url(gemini), body, "X-Goog-Api-Key", aliceKey)
	var pieces []*genai.GenerateContentResponse
	if err := json.Unmarshal([]byte(answer), &pieces); err != nil {
		t.Fatalf("%v in %s", err, answer)
	}
	g := &generated{}
	for _, p := range pieces {
		g.add(p)
	}
	g.header = h
	if g.text() != "piece by piece" || g.finish != genai.FinishReasonStop || g.pieces < 2 {
		t.Errorf("%s", answer)
	}
	checkGeminiUsage(t, g)

	_, answer, h = fetch(t, http.MethodPost, url(gemini+"+events=20+cut=9"), body, "X-Goog-Api-Key", aliceKey)
	var broken []struct {
		Error *genai.APIError `json:"error"`
	}
	if err := json.Unmarshal([]byte(answer), &broken); err != nil {
		t.Fatalf("%v in %s", err, answer)
	}
	if last := broken[len(broken)-1].Error; len(broken) < 2 || last == nil || last.Code < 500 || strings.Contains(answer, "finishReason") {
		t.Errorf("%s", answer)
	}
	checkBroken(t, fix.gw, h)
}

// fetch makes a request that no SDK makes.
func fetch(t *testing.T, method, url, body string, headers ...string) (status int, answer string, h http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return readAll(t, resp)
}
