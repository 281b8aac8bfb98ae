package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
)

func TestEmbeddings(t *testing.T) {
	client := openaiClient(fix.gw, aliceKey)
	var resp *http.Response
	got, err := client.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
		Model: "text-embedding-3-small", Dimensions: openai.Int(8),
		Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"the tide", "the lamp", "the tide"}},
	}, into(&resp))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Data) != 3 || len(got.Data[0].Embedding) != 8 || got.Data[2].Index != 2 {
		t.Fatalf("%s", got.RawJSON())
	}
	if !slices.Equal(got.Data[0].Embedding, got.Data[2].Embedding) || slices.Equal(got.Data[0].Embedding, got.Data[1].Embedding) {
		t.Error("vectors do not follow from the texts")
	}
	if s := fix.sim.answered(t, requestID(t, resp.Header)); got.Usage.PromptTokens != s.Usage.in() || got.Usage.TotalTokens != s.Usage.in() {
		t.Errorf("usage %+v, the simulator counted %+v", got.Usage, s.Usage)
	}
	one, err := client.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
		Model: "text-embedding-3-small", Input: openai.EmbeddingNewParamsInputUnion{OfString: openai.String("the tide")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(one.Data) != 1 || len(one.Data[0].Embedding) != 1536 {
		t.Errorf("%d vectors", len(one.Data))
	}
}

func TestCompletions(t *testing.T) {
	client := openaiClient(fix.gw, aliceKey)
	p := openai.CompletionNewParams{
		Model: "gpt-4o", MaxTokens: openai.Int(64), Echo: openai.Bool(false),
		Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("echo: as in the old days")},
	}
	var resp *http.Response
	got, err := client.Completions.New(t.Context(), p, into(&resp))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Choices) != 1 || got.Choices[0].Text != "as in the old days" || got.Choices[0].FinishReason != "stop" {
		t.Errorf("%s", got.RawJSON())
	}
	checkChatUsage(t, resp.Header, got.Usage)

	stream := client.Completions.NewStreaming(t.Context(), p, into(&resp))
	var text strings.Builder
	finish := ""
	for stream.Next() {
		for _, c := range stream.Current().Choices {
			text.WriteString(c.Text)
			finish += string(c.FinishReason)
		}
	}
	if err := stream.Err(); err != nil || text.String() != "as in the old days" || finish != "stop" {
		t.Errorf("%q, %q, %v", text.String(), finish, err)
	}
	if r := fix.gw.record(t, requestID(t, resp.Header)); r.Usage != "measured" || r.Op != "complete" {
		t.Errorf("%+v", r)
	}
}

func TestModerations(t *testing.T) {
	client := openaiClient(fix.gw, aliceKey)
	got, err := client.Moderations.New(t.Context(), openai.ModerationNewParams{
		Model: openai.ModerationModelOmniModerationLatest,
		Input: openai.ModerationNewParamsInputUnion{OfStringArray: []string{"violence", "flowers"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Results) != 2 || !got.Results[0].Flagged || !got.Results[0].Categories.Violence || got.Results[1].Flagged {
		t.Errorf("%s", got.RawJSON())
	}
	if _, err := client.Moderations.New(t.Context(), openai.ModerationNewParams{Input: openai.ModerationNewParamsInputUnion{OfString: openai.String("flowers")}}); err != nil {
		t.Errorf("without a model: %v", err)
	}
}

func TestOpenAIModels(t *testing.T) {
	client := openaiClient(fix.gw, aliceKey)
	var names []string
	for pager := client.Models.ListAutoPaging(t.Context()); ; {
		if !pager.Next() {
			if err := pager.Err(); err != nil {
				t.Fatal(err)
			}
			break
		}
		m := pager.Current()
		if m.Created <= 0 || m.OwnedBy == "" || m.Object != "model" {
			t.Errorf("%s", m.RawJSON())
		}
		names = append(names, m.ID)
	}
	for _, want := range []string{"gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash", "sim-gpt", "text-embedding-3-small"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not listed: %v", want, names)
		}
	}
	if i := slices.IndexFunc(names, func(n string) bool { return strings.Contains(n, "*") }); i >= 0 {
		t.Errorf("a price rule is listed: %s", names[i])
	}
	m, err := client.Models.Get(t.Context(), "gpt-4o")
	if err != nil || m.ID != "gpt-4o" {
		t.Errorf("%+v, %v", m, err)
	}
	// What an account may not use is not shown to it.
	bob := openaiClient(fix.gw, bobKey)
	list, err := bob.Models.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Data) == 0 {
		t.Error("bob sees no model")
	}
	for _, m := range list.Data {
		if strings.HasPrefix(m.ID, "sim-") || strings.HasPrefix(m.ID, "text-") {
			t.Errorf("bob sees %s", m.ID)
		}
	}
}
