package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

const claude = "claude-sonnet-4-5"

// anthropicClient is Anthropic's SDK against g, without its own retries.
func anthropicClient(g *gateway, key string, more ...option.RequestOption) anthropic.Client {
	return anthropic.NewClient(append([]option.RequestOption{option.WithBaseURL(g.base), option.WithAPIKey(key), option.WithMaxRetries(0)}, more...)...)
}

func message(model, prompt string) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{
		Model: model, MaxTokens: 256,
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(prompt))},
	}
}

func checkMessageUsage(t *testing.T, h http.Header, u anthropic.Usage) {
	t.Helper()
	s := fix.sim.answered(t, requestID(t, h))
	if u.InputTokens != s.Usage.Input || u.CacheReadInputTokens != s.Usage.CacheRead || u.OutputTokens != s.Usage.out() ||
		u.CacheCreationInputTokens != s.Usage.CacheWrite5m+s.Usage.CacheWrite1h ||
		u.CacheCreation.Ephemeral5mInputTokens != s.Usage.CacheWrite5m || u.CacheCreation.Ephemeral1hInputTokens != s.Usage.CacheWrite1h {
		t.Errorf("usage %+v, the simulator counted %+v", u, s.Usage)
	}
}

func messageText(m *anthropic.Message) string {
	var b strings.Builder
	for _, c := range m.Content {
		b.WriteString(c.Text)
	}
	return b.String()
}

// send makes a call, streamed or not, and returns the whole message.
func send(t *testing.T, client anthropic.Client, p anthropic.MessageNewParams, streamed bool) (*anthropic.Message, http.Header) {
	t.Helper()
	var resp *http.Response
	if !streamed {
		got, err := client.Messages.New(t.Context(), p, option.WithResponseInto(&resp))
		if err != nil {
			t.Fatal(err)
		}
		return got, resp.Header
	}
	stream := client.Messages.NewStreaming(t.Context(), p, option.WithResponseInto(&resp))
	var got anthropic.Message
	var text strings.Builder
	ended := 0
	for stream.Next() {
		e := stream.Current()
		if err := got.Accumulate(e); err != nil {
			t.Fatalf("the SDK refused %s: %v", e.RawJSON(), err)
		}
		if e.Type == "content_block_delta" {
			text.WriteString(e.Delta.Text)
		}
		if e.Type == "message_stop" {
			ended++
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if ended != 1 {
		t.Errorf("%d ends", ended)
	}
	if text.String() != messageText(&got) {
		t.Errorf("deltas make %q, the message has %q", text.String(), messageText(&got))
	}
	return &got, resp.Header
}

// bothWays runs f for a plain and for a streamed call.
func bothWays(t *testing.T, f func(t *testing.T, streamed bool)) {
	t.Run("plain", func(t *testing.T) { f(t, false) })
	t.Run("streamed", func(t *testing.T) { f(t, true) })
}

func TestMessages(t *testing.T) {
	client := anthropicClient(fix.gw, aliceKey)
	bothWays(t, func(t *testing.T, streamed bool) {
		t.Run("text", func(t *testing.T) {
			got, h := send(t, client, message(claude, "echo: the gate is open"), streamed)
			if messageText(got) != "the gate is open" || got.StopReason != "end_turn" || got.Model != claude || got.Role != "assistant" {
				t.Errorf("%+v", got)
			}
			checkMessageUsage(t, h, got.Usage)
			if id := h.Get("Request-Id"); id != h.Get("X-Request-Id") {
				t.Errorf("Request-Id, where Anthropic's SDKs look, is %q; X-Request-Id is %q", id, h.Get("X-Request-Id"))
			}
		})
		t.Run("system", func(t *testing.T) {
			p := message(claude, "Tell me about tides.")
			bare, _ := send(t, client, p, streamed)
			p.System = []anthropic.TextBlockParam{{Text: strings.Repeat("You keep a lighthouse. ", 20)}}
			with, _ := send(t, client, p, streamed)
			if with.Usage.InputTokens < bare.Usage.InputTokens+100 {
				t.Errorf("%d tokens with the system prompt, %d without", with.Usage.InputTokens, bare.Usage.InputTokens)
			}
		})
		t.Run("stop sequence", func(t *testing.T) {
			p := message(claude, "echo: one two STOP three")
			p.StopSequences = []string{"STOP"}
			got, _ := send(t, client, p, streamed)
			if messageText(got) != "one two " || got.StopReason != "stop_sequence" || got.StopSequence != "STOP" {
				t.Errorf("%+v", got)
			}
		})
		t.Run("max tokens", func(t *testing.T) {
			p := message(claude, "Tell me a long story.")
			p.MaxTokens = 5
			got, h := send(t, client, p, streamed)
			if got.StopReason != "max_tokens" || got.Usage.OutputTokens != 5 {
				t.Errorf("%+v", got)
			}
			checkMessageUsage(t, h, got.Usage)
		})
		t.Run("structured", func(t *testing.T) {
			p := message(claude, "The weather as JSON.")
			p.OutputConfig.Format = anthropic.JSONOutputFormatParam{Schema: weatherSchema()}
			got, _ := send(t, client, p, streamed)
			checkWeather(t, messageText(got))
		})
		t.Run("vision", func(t *testing.T) {
			p := message(claude, "What do you see?")
			p.Messages[0].Content = append(p.Messages[0].Content,
				anthropic.NewImageBlockBase64("image/png", pixel),
				anthropic.NewImageBlock(anthropic.URLImageSourceParam{URL: "https://images.example/cat.png"}))
			got, h := send(t, client, p, streamed)
			if text := messageText(got); !strings.Contains(text, "I received 2: image image/png") || !strings.Contains(text, "1x1; image at https://images.example/cat.png") {
				t.Errorf("%q", text)
			}
			checkMessageUsage(t, h, got.Usage)
		})
		t.Run("prompt cache", func(t *testing.T) {
			// The two lives of a written cache have two prices; the sum alone would hide them.
			got, h := send(t, client, message(claude+"+cached=20+cachewrite=30+cachewrite1h=40", strings.Repeat("a long prompt ", 60)), streamed)
			if u := got.Usage; u.CacheReadInputTokens != 20 || u.CacheCreation.Ephemeral5mInputTokens != 30 || u.CacheCreation.Ephemeral1hInputTokens != 40 {
				t.Errorf("%+v", u)
			}
			checkMessageUsage(t, h, got.Usage)
		})
		t.Run("marked cache", func(t *testing.T) {
			p := message(claude, "echo: cached")
			name := "plain"
			if streamed {
				name = "streamed"
			}
			p.System = []anthropic.TextBlockParam{{Text: strings.Repeat("A "+name+" preface. ", 500), CacheControl: anthropic.NewCacheControlEphemeralParam()}}
			first, h := send(t, client, p, streamed)
			if first.Usage.CacheCreationInputTokens == 0 {
				t.Errorf("nothing was written to the cache: %+v", first.Usage)
			}
			checkMessageUsage(t, h, first.Usage)
			var read int64
			for range 4 { // affinity brings most calls to the channel that has the cache, but promises nothing
				again, h := send(t, client, p, streamed)
				checkMessageUsage(t, h, again.Usage)
				read += again.Usage.CacheReadInputTokens
			}
			if read == 0 {
				t.Error("the cache was never read")
			}
		})
	})
}

func claudeTool(name string) anthropic.ToolUnionParam {
	s := citySchema()
	return anthropic.ToolUnionParam{OfTool: &anthropic.ToolParam{
		Name: name, Description: anthropic.String("Tells the " + name + " of a city"),
		InputSchema: anthropic.ToolInputSchemaParam{Properties: s["properties"], Required: []string{"city"}},
	}}
}

func TestMessagesTools(t *testing.T) {
	client := anthropicClient(fix.gw, aliceKey)
	bothWays(t, func(t *testing.T, streamed bool) {
		for _, c := range []struct {
			name, model, prompt string
			calls               int
		}{
			{"single", claude, "What is the weather?", 1},
			{"parallel", claude, "Ask both in parallel.", 2},
			{"many", claude + "+tools=4", "Ask all of them.", 4},
		} {
			t.Run(c.name, func(t *testing.T) {
				p := message(c.model, c.prompt)
				p.Tools = []anthropic.ToolUnionParam{claudeTool("get_weather"), claudeTool("get_population")}
				first, h := send(t, client, p, streamed)
				if len(first.Content) != c.calls || first.StopReason != "tool_use" {
					t.Fatalf("%+v", first.Content)
				}
				checkMessageUsage(t, h, first.Usage)
				var results []anthropic.ContentBlockParamUnion
				for _, b := range first.Content {
					use := b.AsToolUse()
					checkCity(t, string(use.Input))
					results = append(results, anthropic.NewToolResultBlock(use.ID, "answer of "+use.ID, false))
				}
				p.Messages = append(p.Messages, first.ToParam(), anthropic.NewUserMessage(results...))
				second, _ := send(t, client, p, streamed)
				for _, b := range first.Content {
					use := b.AsToolUse()
					if !strings.Contains(messageText(second), "The tool "+use.Name+" answered: answer of "+use.ID) {
						t.Errorf("the result of %s got lost: %q", use.ID, messageText(second))
					}
				}
			})
		}
		t.Run("forced", func(t *testing.T) {
			p := message(claude, "Hello.")
			p.Tools = []anthropic.ToolUnionParam{claudeTool("get_weather"), claudeTool("get_population")}
			p.ToolChoice = anthropic.ToolChoiceParamOfTool("get_population")
			got, _ := send(t, client, p, streamed)
			if len(got.Content) != 1 || got.Content[0].Name != "get_population" {
				t.Errorf("%+v", got.Content)
			}
		})
	})
}

// The upstream checks its signatures: thoughts that were changed on the way would be refused.
func TestMessagesThinking(t *testing.T) {
	client := anthropicClient(fix.gw, aliceKey)
	bothWays(t, func(t *testing.T, streamed bool) {
		p := message(claude, "What is the weather?")
		p.MaxTokens = 4000
		p.Thinking = anthropic.ThinkingConfigParamOfEnabled(1024)
		p.Tools = []anthropic.ToolUnionParam{claudeTool("get_weather")}
		first, h := send(t, client, p, streamed)
		if len(first.Content) != 2 || first.Content[0].Type != "thinking" || first.Content[1].Type != "tool_use" {
			t.Fatalf("%+v", first.Content)
		}
		if th := first.Content[0].AsThinking(); th.Thinking == "" || th.Signature == "" {
			t.Errorf("%+v", th)
		}
		checkMessageUsage(t, h, first.Usage)
		p.Messages = append(p.Messages, first.ToParam(), anthropic.NewUserMessage(anthropic.NewToolResultBlock(first.Content[1].ID, "18 degrees", false)))
		second, h := send(t, client, p, streamed)
		if !strings.Contains(messageText(second), "18 degrees") {
			t.Errorf("%+v", second.Content)
		}
		checkMessageUsage(t, h, second.Usage)
		p.Messages = append(p.Messages, second.ToParam(), anthropic.NewUserMessage(anthropic.NewTextBlock("echo: three turns")))
		p.Tools = nil
		p.Messages[1].Content = p.Messages[1].Content[:1] // no tool is left, so neither is its call
		p.Messages[2] = anthropic.NewUserMessage(anthropic.NewTextBlock("Go on."))
		third, _ := send(t, client, p, streamed)
		if messageText(third) != "three turns" {
			t.Errorf("%+v", third.Content)
		}

		p.Messages[1].Content[0].OfThinking.Signature = "bm90IGEgc2lnbmF0dXJl"
		_, err := client.Messages.New(t.Context(), p)
		checkAnthropicError(t, err, http.StatusBadRequest, anthropic.ErrorTypeInvalidRequestError)
	})
}

func TestCountTokens(t *testing.T) {
	client := anthropicClient(fix.gw, aliceKey)
	p := message(claude, "Tell me about tides, at some length.")
	p.System = []anthropic.TextBlockParam{{Text: "You keep a lighthouse."}}
	p.Tools = []anthropic.ToolUnionParam{claudeTool("get_weather")}
	var resp *http.Response
	counted, err := client.Messages.CountTokens(t.Context(), anthropic.MessageCountTokensParams{
		Model: p.Model, Messages: p.Messages, System: anthropic.MessageCountTokensParamsSystemUnion{OfTextBlockArray: p.System},
		Tools: []anthropic.MessageCountTokensToolUnionParam{{OfTool: p.Tools[0].OfTool}},
	}, option.WithResponseInto(&resp))
	if err != nil {
		t.Fatal(err)
	}
	got, _ := send(t, client, p, false)
	if in := got.Usage.InputTokens + got.Usage.CacheReadInputTokens; counted.InputTokens == 0 || counted.InputTokens != in {
		t.Errorf("counted %d tokens, then used %d", counted.InputTokens, in)
	}
	if r := fix.gw.record(t, requestID(t, resp.Header)); r.Op != "count_tokens" || r.Nanos != 0 {
		t.Errorf("%+v", r)
	}
}

func TestAnthropicModels(t *testing.T) {
	client := anthropicClient(fix.gw, aliceKey)
	var all []string
	whole := client.Models.ListAutoPaging(t.Context(), anthropic.ModelListParams{Limit: anthropic.Int(1000)})
	for whole.Next() {
		m := whole.Current()
		if m.DisplayName == "" || m.CreatedAt.IsZero() || m.Type != "model" {
			t.Errorf("%s", m.RawJSON())
		}
		all = append(all, m.ID)
	}
	if err := whole.Err(); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(all, claude) || !slices.Contains(all, "gpt-4o") {
		t.Errorf("%v", all)
	}
	first, err := client.Models.List(t.Context(), anthropic.ModelListParams{Limit: anthropic.Int(3)})
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Data) != 3 || !first.HasMore || first.FirstID != all[0] || first.LastID != all[2] {
		t.Errorf("%s", first.RawJSON())
	}
	var paged []string
	for pager := client.Models.ListAutoPaging(t.Context(), anthropic.ModelListParams{Limit: anthropic.Int(4)}); ; {
		if !pager.Next() {
			if err := pager.Err(); err != nil {
				t.Fatal(err)
			}
			break
		}
		paged = append(paged, pager.Current().ID)
	}
	if !slices.Equal(paged, all) {
		t.Errorf("in pages %v, in one %v", paged, all)
	}
	before, err := client.Models.List(t.Context(), anthropic.ModelListParams{Limit: anthropic.Int(2), BeforeID: anthropic.String(all[3])})
	if err != nil {
		t.Fatal(err)
	}
	if len(before.Data) != 2 || before.Data[0].ID != all[1] || !before.HasMore {
		t.Errorf("%s", before.RawJSON())
	}
	m, err := client.Models.Get(t.Context(), claude, anthropic.ModelGetParams{})
	if err != nil || m.ID != claude || m.DisplayName != "Claude under test" {
		t.Errorf("%+v, %v", m, err)
	}
	_, err = client.Models.Get(t.Context(), "claude-none", anthropic.ModelGetParams{})
	checkAnthropicError(t, err, http.StatusNotFound, anthropic.ErrorTypeNotFoundError)
}

// Coding agents use the beta side of the SDK: another query, more headers.
func TestBetaMessages(t *testing.T) {
	client := anthropicClient(fix.gw, aliceKey)
	p := anthropic.BetaMessageNewParams{
		Model: claude, MaxTokens: 100, Betas: []anthropic.AnthropicBeta{"interleaved-thinking-2025-05-14"},
		Messages: []anthropic.BetaMessageParam{anthropic.NewBetaUserMessage(anthropic.NewBetaTextBlock("echo: beta"))},
	}
	got, err := client.Beta.Messages.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Content) != 1 || got.Content[0].Text != "beta" {
		t.Errorf("%s", got.RawJSON())
	}
	stream := client.Beta.Messages.NewStreaming(t.Context(), p)
	var acc anthropic.BetaMessage
	for stream.Next() {
		if err := acc.Accumulate(stream.Current()); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.Err(); err != nil || len(acc.Content) != 1 || acc.Content[0].Text != "beta" || acc.StopReason != "end_turn" {
		t.Errorf("%+v, %v", acc.Content, err)
	}
}
