package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
	"google.golang.org/genai"
)

// Tokens are counted in every dialect that has a way to ask, for any model: by the upstream, as it then
// counts the call, or by an estimate that says so.
func TestCrossCounts(t *testing.T) {
	g := crossGateway(t)
	const prompt, system = "Tell me about tides, at some length.", "You keep a lighthouse."
	for _, s := range []struct {
		name  string
		count func(t *testing.T, model string) (n int64, h http.Header)
	}{
		{"responses", func(t *testing.T, model string) (int64, http.Header) {
			client := openaiClient(g, aliceKey)
			var resp *http.Response
			got, err := client.Responses.InputTokens.Count(t.Context(), responses.InputTokenCountParams{
				Model: openai.String(model), Instructions: openai.String(system), Input: responses.InputTokenCountParamsInputUnion{OfString: openai.String(prompt)},
			}, into(&resp))
			if err != nil {
				t.Fatal(err)
			}
			return got.InputTokens, resp.Header
		}},
		{"messages", func(t *testing.T, model string) (int64, http.Header) {
			client := anthropicClient(g, aliceKey)
			var resp *http.Response
			got, err := client.Messages.CountTokens(t.Context(), anthropic.MessageCountTokensParams{
				Model: model, System: anthropic.MessageCountTokensParamsSystemUnion{OfString: anthropic.String(system)}, Messages: message(model, prompt).Messages,
			}, anthropicoption.WithResponseInto(&resp))
			if err != nil {
				t.Fatal(err)
			}
			return got.InputTokens, resp.Header
		}},
		{"gemini", func(t *testing.T, model string) (int64, http.Header) { // this SDK counts no instructions for this API
			got, err := geminiClient(t, g, aliceKey).Models.CountTokens(t.Context(), model, genai.Text(system+"\n"+prompt), nil)
			if err != nil {
				t.Fatal(err)
			}
			return int64(got.TotalTokens), got.SDKHTTPResponse.Headers
		}},
	} {
		for _, u := range upstreams {
			t.Run(s.name+" on "+u.name, func(t *testing.T) {
				model := u.name + "-model"
				n, h := s.count(t, model)
				if u.name == "chat" { // has no way to count
					if h.Get("X-Tollgate-Estimate") != "tokens" || n < 10 || n > 30 {
						t.Errorf("%d tokens, estimate %q", n, h.Get("X-Tollgate-Estimate"))
					}
					return
				}
				if r := g.record(t, requestID(t, h)); r.Op != "count_tokens" || r.Nanos != 0 || r.Error != "" || h.Get("X-Tollgate-Estimate") != "" {
					t.Errorf("%+v, estimate %q", r, h.Get("X-Tollgate-Estimate"))
				}
				talk := openMessages(t, g, wish{model: model, system: system})
				switch s.name {
				case "gemini":
					talk = openGemini(t, g, wish{model: model})
					talk.say(system + "\n" + prompt)
				case "responses":
					talk = openResponses(t, g, wish{model: model, system: system})
					talk.say(prompt)
				default:
					talk.say(prompt)
				}
				if got, err := talk.next(t.Context(), false); err != nil || got.in != n {
					t.Errorf("counted %d tokens, then used %d (%v)", n, got.in, err)
				}
			})
		}
	}
}

// Vectors come in the order of the texts, from either side.
func TestCrossEmbeddings(t *testing.T) {
	g := crossGateway(t)
	texts := []string{"the tide", "the lamp", "the tide"}
	check := func(t *testing.T, h http.Header, vectors [][]float64) {
		t.Helper()
		if len(vectors) != 3 || len(vectors[0]) != 16 || !slices.Equal(vectors[0], vectors[2]) || slices.Equal(vectors[0], vectors[1]) {
			t.Errorf("%v", vectors)
		}
		if r := g.record(t, requestID(t, h)); r.In == 0 || r.Nanos == 0 || r.Error != "" {
			t.Errorf("%+v", r)
		}
	}
	t.Run("chat on gemini", func(t *testing.T) {
		client := openaiClient(g, aliceKey)
		for _, format := range []openai.EmbeddingNewParamsEncodingFormat{"", openai.EmbeddingNewParamsEncodingFormatFloat} {
			var resp *http.Response
			got, err := client.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
				Model: "gemini-embed", Dimensions: openai.Int(16), EncodingFormat: format, Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: texts},
			}, into(&resp))
			if err != nil {
				t.Fatal(err)
			}
			var vectors [][]float64
			for i, d := range got.Data {
				if int(d.Index) != i {
					t.Errorf("vector %d has the index %d", i, d.Index)
				}
				vectors = append(vectors, d.Embedding)
			}
			check(t, resp.Header, vectors)
			if got.Model != "gemini-embed" {
				t.Errorf("%q", got.Model)
			}
		}
	})
	t.Run("gemini on chat", func(t *testing.T) {
		var contents []*genai.Content
		for _, text := range texts {
			contents = append(contents, genai.NewContentFromText(text, genai.RoleUser))
		}
		got, err := geminiClient(t, g, aliceKey).Models.EmbedContent(t.Context(), "chat-embed", contents, &genai.EmbedContentConfig{OutputDimensionality: genai.Ptr[int32](16)})
		if err != nil {
			t.Fatal(err)
		}
		var vectors [][]float64
		for _, e := range got.Embeddings {
			v := make([]float64, len(e.Values))
			for i, x := range e.Values {
				v[i] = float64(x)
			}
			vectors = append(vectors, v)
		}
		check(t, got.SDKHTTPResponse.Headers, vectors)
		id := requestID(t, got.SDKHTTPResponse.Headers)
		if s := fix.sim.answered(t, id); g.record(t, id).In != s.Usage.in() {
			t.Errorf("billed %+v, the simulator counted %+v", g.record(t, id), s.Usage)
		}
	})
}

// A caller who leaves the conversation to the other side goes on from its id on any upstream, as the
// gateway keeps what others do not.
func TestCrossKept(t *testing.T) {
	g := crossGateway(t)
	client := openaiClient(g, aliceKey)
	for _, u := range upstreams {
		if u.name == "responses" {
			continue // keeps them itself: see TestStoredResponses
		}
		t.Run(u.name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, streamed bool) {
				talk, ok := openResponses(t, g, wish{model: u.name + "-model", tools: true}).(*responsesTalk)
				if !ok {
					t.Fatal("not a conversation by responses")
				}
				talk.kept, talk.p.Store = true, openai.Bool(true)
				c := cell{g: g, sdk: "responses", upstream: u.name, streamed: streamed}
				talk.say("Ask both in parallel.")
				first := c.next(t, talk)
				if len(first.calls) != 2 {
					t.Fatalf("%+v", first)
				}
				quotes := answered(talk, first)
				second := c.next(t, talk)
				for _, q := range quotes {
					if !strings.Contains(second.text, q) {
						t.Errorf("%q does not say %q", second.text, q)
					}
				}
				talk.say("Ask one.")
				third := c.next(t, talk)
				if len(third.calls) != 1 || third.in <= second.in {
					t.Errorf("%+v after %+v", third, second)
				}

				got, err := client.Responses.Get(t.Context(), second.id, responses.ResponseGetParams{})
				if err != nil || got.OutputText() != second.text || got.PreviousResponseID != first.id {
					t.Errorf("%+v, %v", got, err)
				}
				items := client.Responses.InputItems.ListAutoPaging(t.Context(), second.id, responses.InputItemListParams{Order: "asc"})
				kinds := map[string]int{}
				for items.Next() {
					kinds[items.Current().Type]++
				}
				if err := items.Err(); err != nil || kinds["function_call_output"] != 2 {
					t.Errorf("%v, %v", kinds, err)
				}
				if err := client.Responses.Delete(t.Context(), third.id); err != nil {
					t.Fatal(err)
				}
				_, err = talk.next(t.Context(), streamed)
				if e := checkOpenAIError(t, err, http.StatusBadRequest, "invalid_request_error", "previous_response_not_found"); e.Param != "previous_response_id" {
					t.Errorf("param %q", e.Param)
				}
			})
		})
	}
}
