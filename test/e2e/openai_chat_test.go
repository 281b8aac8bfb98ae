package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"
)

// openaiClient is OpenAI's SDK against g, without its own retries.
func openaiClient(g *gateway, key string, more ...option.RequestOption) openai.Client {
	return openai.NewClient(append([]option.RequestOption{option.WithBaseURL(g.base + "/v1"), option.WithAPIKey(key), option.WithMaxRetries(0)}, more...)...)
}

// into notes the HTTP answer, for its request id.
func into(resp **http.Response) option.RequestOption { return option.WithResponseInto(resp) }

// requestID is the id under which the gateway keeps the call.
func requestID(t *testing.T, h http.Header) string {
	t.Helper()
	id := h.Get("X-Request-Id")
	if len(id) != 36 {
		t.Fatalf("X-Request-Id is %q", id)
	}
	return id
}

func chat(model, prompt string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(prompt)}}
}

func chatTool(name string) openai.ChatCompletionToolUnionParam {
	return openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
		Name: name, Description: openai.String("Tells the " + name + " of a city"), Parameters: citySchema(),
	})
}

// citySchema is the schema of every tool in these tests.
func citySchema() map[string]any {
	return map[string]any{
		"type":       "object",
		"properties": map[string]any{"city": map[string]any{"type": "string", "enum": []string{"Lisbon", "Oslo"}}},
		"required":   []string{"city"},
	}
}

func checkCity(t *testing.T, args string) {
	t.Helper()
	var a struct{ City string }
	if err := json.Unmarshal([]byte(args), &a); err != nil || a.City != "Lisbon" && a.City != "Oslo" {
		t.Errorf("arguments %q: %v", args, err)
	}
}

// checkChatUsage compares the usage that a client saw with the simulator's count.
func checkChatUsage(t *testing.T, h http.Header, u openai.CompletionUsage) {
	t.Helper()
	s := fix.sim.answered(t, requestID(t, h))
	if u.PromptTokens != s.Usage.in() || u.CompletionTokens != s.Usage.out() || u.TotalTokens != s.Usage.in()+s.Usage.out() ||
		u.PromptTokensDetails.CachedTokens != s.Usage.CacheRead || u.CompletionTokensDetails.ReasoningTokens != s.Usage.Reasoning {
		t.Errorf("usage %+v, the simulator counted %+v", u, s.Usage)
	}
}

func TestChat(t *testing.T) {
	client := openaiClient(fix.gw, aliceKey)
	for name, model := range map[string]string{"sim": "sim-gpt", "priced": "gpt-4o", "gzip upstream": "gpt-4o+gzip", "trailers": "gpt-4o+trailers"} {
		t.Run(name, func(t *testing.T) {
			var resp *http.Response
			got, err := client.Chat.Completions.New(t.Context(), chat(model, "echo: the gate is open"), into(&resp))
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Choices) != 1 || got.Choices[0].Message.Content != "the gate is open" || got.Choices[0].FinishReason != "stop" {
				t.Errorf("%s", got.RawJSON())
			}
			if got.Model != model || got.ID == "" || got.Created == 0 {
				t.Errorf("%s", got.RawJSON())
			}
			checkChatUsage(t, resp.Header, got.Usage)
		})
	}
}

func TestChatLimits(t *testing.T) {
	client := openaiClient(fix.gw, aliceKey)
	t.Run("system prompt", func(t *testing.T) {
		p := chat("gpt-4o", "Tell me about tides.")
		bare, err := client.Chat.Completions.New(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		p.Messages = append([]openai.ChatCompletionMessageParamUnion{openai.SystemMessage(strings.Repeat("You keep a lighthouse. ", 20))}, p.Messages...)
		with, err := client.Chat.Completions.New(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if with.Usage.PromptTokens < bare.Usage.PromptTokens+100 {
			t.Errorf("%d tokens with the system prompt, %d without", with.Usage.PromptTokens, bare.Usage.PromptTokens)
		}
	})
	t.Run("stop sequence", func(t *testing.T) {
		p := chat("gpt-4o", "echo: one two STOP three")
		p.Stop = openai.ChatCompletionNewParamsStopUnion{OfStringArray: []string{"STOP", "never"}}
		got, err := client.Chat.Completions.New(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if c := got.Choices[0]; c.Message.Content != "one two " || c.FinishReason != "stop" {
			t.Errorf("%s", got.RawJSON())
		}
	})
	t.Run("max tokens", func(t *testing.T) {
		p := chat("gpt-4o", "Tell me a long story.")
		p.MaxCompletionTokens = openai.Int(5)
		got, err := client.Chat.Completions.New(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if got.Choices[0].FinishReason != "length" || got.Usage.CompletionTokens != 5 {
			t.Errorf("%s", got.RawJSON())
		}
	})
	t.Run("n", func(t *testing.T) {
		p := chat("gpt-4o", "Tell me something.")
		p.N = openai.Int(3)
		var resp *http.Response
		got, err := client.Chat.Completions.New(t.Context(), p, into(&resp))
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Choices) != 3 || got.Choices[2].Message.Content == "" || got.Choices[2].Index != 2 {
			t.Errorf("%s", got.RawJSON())
		}
		checkChatUsage(t, resp.Header, got.Usage)
	})
	t.Run("reasoning", func(t *testing.T) {
		p := chat("gpt-4o", "Think about it.")
		p.ReasoningEffort = shared.ReasoningEffortHigh
		var resp *http.Response
		got, err := client.Chat.Completions.New(t.Context(), p, into(&resp))
		if err != nil {
			t.Fatal(err)
		}
		if got.Usage.CompletionTokensDetails.ReasoningTokens == 0 {
			t.Errorf("%s", got.RawJSON())
		}
		checkChatUsage(t, resp.Header, got.Usage)
	})
	t.Run("cached prompt", func(t *testing.T) {
		var resp *http.Response
		got, err := client.Chat.Completions.New(t.Context(), chat("gpt-4o+cached=10", strings.Repeat("a long prompt ", 40)), into(&resp))
		if err != nil {
			t.Fatal(err)
		}
		if got.Usage.PromptTokensDetails.CachedTokens != 10 {
			t.Errorf("%s", got.RawJSON())
		}
		checkChatUsage(t, resp.Header, got.Usage)
	})
}

// streamChat reads a stream to its end and returns what the SDK accumulated.
func streamChat(t *testing.T, client openai.Client, p openai.ChatCompletionNewParams) (openai.ChatCompletionAccumulator, http.Header, int) {
	t.Helper()
	var resp *http.Response
	stream := client.Chat.Completions.NewStreaming(t.Context(), p, into(&resp))
	acc := openai.ChatCompletionAccumulator{}
	n := 0
	for stream.Next() {
		n++
		if !acc.AddChunk(stream.Current()) {
			t.Fatalf("the SDK refused %s", stream.Current().RawJSON())
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	return acc, resp.Header, n
}

func TestChatStream(t *testing.T) {
	client := openaiClient(fix.gw, aliceKey)
	t.Run("with usage", func(t *testing.T) {
		p := chat("gpt-4o", "echo: streamed word by word, and whole in the end")
		p.StreamOptions.IncludeUsage = openai.Bool(true)
		acc, h, n := streamChat(t, client, p)
		if acc.Choices[0].Message.Content != "streamed word by word, and whole in the end" || acc.Choices[0].FinishReason != "stop" || n < 8 {
			t.Errorf("%d chunks, %+v", n, acc.Choices)
		}
		checkChatUsage(t, h, acc.Usage)
	})
	t.Run("without usage", func(t *testing.T) {
		p := chat("gpt-4o", "echo: nobody asked for usage here")
		acc, h, _ := streamChat(t, client, p)
		if acc.Choices[0].Message.Content != "nobody asked for usage here" || acc.Usage.TotalTokens != 0 {
			t.Errorf("%+v", acc)
		}
		if r := fix.gw.record(t, requestID(t, h)); r.Usage != "measured" || r.Out == 0 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("same words as plain", func(t *testing.T) {
		p := chat("gpt-4o", "Tell me about bridges.")
		p.MaxTokens = openai.Int(9)
		plain, err := client.Chat.Completions.New(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		acc, _, _ := streamChat(t, client, p)
		if acc.Choices[0].Message.Content != plain.Choices[0].Message.Content || acc.Choices[0].FinishReason != "length" {
			t.Errorf("streamed %q, plain %q", acc.Choices[0].Message.Content, plain.Choices[0].Message.Content)
		}
	})
	t.Run("n", func(t *testing.T) {
		p := chat("gpt-4o", "Tell me something.")
		p.N = openai.Int(2)
		p.StreamOptions.IncludeUsage = openai.Bool(true)
		acc, h, _ := streamChat(t, client, p)
		p.StreamOptions = openai.ChatCompletionStreamOptionsParam{}
		plain, err := client.Chat.Completions.New(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range plain.Choices {
			if len(acc.Choices) != 2 || acc.Choices[i].Message.Content != c.Message.Content || acc.Choices[i].FinishReason != c.FinishReason {
				t.Errorf("choice %d: streamed %+v, plain %q", i, acc.Choices, c.Message.Content)
			}
		}
		checkChatUsage(t, h, acc.Usage)
	})
	t.Run("gzip upstream", func(t *testing.T) {
		acc, _, _ := streamChat(t, client, chat("gpt-4o+gzip", "echo: unzipped"))
		if acc.Choices[0].Message.Content != "unzipped" {
			t.Errorf("%+v", acc.Choices)
		}
	})
}

func TestChatTools(t *testing.T) {
	client := openaiClient(fix.gw, aliceKey)
	for _, c := range []struct {
		name, model, prompt string
		calls               int
		stream              bool
	}{
		{"single", "gpt-4o", "What is the weather?", 1, false},
		{"single streamed", "gpt-4o", "What is the weather?", 1, true},
		{"parallel", "gpt-4o", "Ask both in parallel.", 2, false},
		{"parallel streamed", "gpt-4o+tools=3", "Ask all of them.", 3, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := chat(c.model, c.prompt)
			p.Tools = []openai.ChatCompletionToolUnionParam{chatTool("get_weather"), chatTool("get_population")}
			var first *openai.ChatCompletion
			if c.stream {
				acc, _, _ := streamChat(t, client, p)
				first = &acc.ChatCompletion
			} else {
				var err error
				if first, err = client.Chat.Completions.New(t.Context(), p); err != nil {
					t.Fatal(err)
				}
			}
			calls := first.Choices[0].Message.ToolCalls
			if len(calls) != c.calls || first.Choices[0].FinishReason != "tool_calls" {
				t.Fatalf("%+v", first.Choices)
			}
			p.Messages = append(p.Messages, first.Choices[0].Message.ToParam())
			ids := map[string]bool{}
			for _, call := range calls {
				ids[call.ID] = true
				checkCity(t, call.Function.Arguments)
				p.Messages = append(p.Messages, openai.ToolMessage("answer of "+call.ID, call.ID))
			}
			if len(ids) != c.calls {
				t.Errorf("ids are not unique: %v", ids)
			}
			second, err := client.Chat.Completions.New(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			for _, call := range calls {
				if !strings.Contains(second.Choices[0].Message.Content, "The tool "+call.Function.Name+" answered: answer of "+call.ID) {
					t.Errorf("the result of %s got lost: %q", call.ID, second.Choices[0].Message.Content)
				}
			}
		})
	}
	t.Run("forced", func(t *testing.T) {
		p := chat("gpt-4o", "Hello.")
		p.Tools = []openai.ChatCompletionToolUnionParam{chatTool("get_weather"), chatTool("get_population")}
		p.ToolChoice = openai.ToolChoiceOptionFunctionToolChoice(openai.ChatCompletionNamedToolChoiceFunctionParam{Name: "get_population"})
		got, err := client.Chat.Completions.New(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if calls := got.Choices[0].Message.ToolCalls; len(calls) != 1 || calls[0].Function.Name != "get_population" {
			t.Errorf("%s", got.RawJSON())
		}
	})
}

// pixel is a PNG of 1×1.
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

func TestChatVision(t *testing.T) {
	client := openaiClient(fix.gw, aliceKey)
	got, err := client.Chat.Completions.New(t.Context(), openai.ChatCompletionNewParams{Model: "gpt-4o", Messages: []openai.ChatCompletionMessageParamUnion{
		openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
			openai.TextContentPart("What do you see?"),
			openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: "data:image/png;base64," + pixel, Detail: "low"}),
			openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: "https://images.example/cat.png"}),
		}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if text := got.Choices[0].Message.Content; !strings.Contains(text, "I received 2: image image/png") || !strings.Contains(text, "1x1; image at https://images.example/cat.png") {
		t.Errorf("%q", text)
	}
}

// weather is what structured outputs are decoded into.
type weather struct {
	City    string   `json:"city"`
	Celsius float64  `json:"celsius"`
	Words   []string `json:"words"`
}

func weatherSchema() map[string]any {
	return map[string]any{
		"type": "object", "additionalProperties": false, "required": []string{"city", "celsius", "words"},
		"properties": map[string]any{
			"city":    map[string]any{"type": "string", "enum": []string{"Lisbon"}},
			"celsius": map[string]any{"type": "number"},
			"words":   map[string]any{"type": "array", "items": map[string]any{"type": "string"}},
		},
	}
}

func checkWeather(t *testing.T, text string) {
	t.Helper()
	var w weather
	if err := json.Unmarshal([]byte(text), &w); err != nil || w.City != "Lisbon" || len(w.Words) == 0 {
		t.Errorf("%q: %v", text, err)
	}
}

func TestChatStructured(t *testing.T) {
	client := openaiClient(fix.gw, aliceKey)
	p := chat("gpt-4o", "The weather as JSON.")
	p.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{
		JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "weather", Strict: openai.Bool(true), Schema: weatherSchema()},
	}
	got, err := client.Chat.Completions.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	checkWeather(t, got.Choices[0].Message.Content)
	acc, _, _ := streamChat(t, client, p)
	checkWeather(t, acc.Choices[0].Message.Content)
}

// A mapped name is the client's; what is sent and priced is the model behind it.
func TestMappedModel(t *testing.T) {
	client := openaiClient(fix.gw, aliceKey)
	var resp *http.Response
	got, err := client.Chat.Completions.New(t.Context(), chat("house-model", "echo: mapped"), into(&resp))
	if err != nil {
		t.Fatal(err)
	}
	if got.Choices[0].Message.Content != "mapped" {
		t.Errorf("%s", got.RawJSON())
	}
	checkChatUsage(t, resp.Header, got.Usage)
	if s, r := fix.sim.answered(t, requestID(t, resp.Header)), fix.gw.record(t, requestID(t, resp.Header)); s.Model != "gpt-4o" || r.Model != "house-model" {
		t.Errorf("gateway %q, simulator %q", r.Model, s.Model)
	}
}
