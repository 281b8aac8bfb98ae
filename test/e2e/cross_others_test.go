package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"google.golang.org/genai"
)

// messagesTalk is a conversation by Anthropic's Messages.
type messagesTalk struct {
	client anthropic.Client
	p      anthropic.MessageNewParams
	piece  func()
	calls  []toolCall
}

func openMessages(_ *testing.T, g *gateway, w wish) conversation {
	c := &messagesTalk{client: anthropicClient(g, aliceKey), p: anthropic.MessageNewParams{Model: w.model, MaxTokens: 4000}, piece: w.piece}
	if w.system != "" {
		c.p.System = []anthropic.TextBlockParam{{Text: w.system}}
	}
	if w.tools {
		c.p.Tools = []anthropic.ToolUnionParam{claudeTool("get_weather"), claudeTool("get_population")}
	}
	if w.weather {
		c.p.OutputConfig.Format = anthropic.JSONOutputFormatParam{Schema: weatherSchema()}
	}
	if w.thinks {
		c.p.Thinking = anthropic.ThinkingConfigParamOfEnabled(1024)
	}
	if w.max > 0 {
		c.p.MaxTokens = w.max
	}
	return c
}

func (c *messagesTalk) say(text string, images ...string) {
	blocks := []anthropic.ContentBlockParamUnion{anthropic.NewTextBlock(text)}
	for _, data := range images {
		blocks = append(blocks, anthropic.NewImageBlockBase64("image/png", data))
	}
	c.p.Messages = append(c.p.Messages, anthropic.NewUserMessage(blocks...))
}

func (c *messagesTalk) answer(result func(toolCall) string) {
	var blocks []anthropic.ContentBlockParamUnion
	for _, call := range c.calls {
		blocks = append(blocks, anthropic.NewToolResultBlock(call.id, result(call), false))
	}
	c.p.Messages = append(c.p.Messages, anthropic.NewUserMessage(blocks...))
}

func (c *messagesTalk) next(ctx context.Context, streamed bool) (out turn, err error) {
	var resp *http.Response
	defer func() {
		if resp != nil {
			out.header = resp.Header
		}
	}()
	got := &anthropic.Message{}
	if streamed {
		stream := c.client.Messages.NewStreaming(ctx, c.p, anthropicoption.WithResponseInto(&resp))
		ended := 0
		for stream.Next() {
			e := stream.Current()
			if err := got.Accumulate(e); err != nil {
				return out, fmt.Errorf("the SDK refused %s: %w", e.RawJSON(), err)
			}
			switch e.Type {
			case "content_block_delta":
				out.text += e.Delta.Text
			case "message_stop":
				ended++
			}
			if c.piece != nil {
				c.piece()
			}
		}
		if err := stream.Err(); err != nil {
			return out, err
		}
		if ended != 1 || messageText(got) != out.text {
			return out, fmt.Errorf("%d ends; deltas make %q, the message has %q", ended, out.text, messageText(got))
		}
	} else if got, err = c.client.Messages.New(ctx, c.p, anthropicoption.WithResponseInto(&resp)); err != nil {
		return out, err
	}
	c.p.Messages = append(c.p.Messages, got.ToParam())
	out.text, out.id, out.model, out.stop = messageText(got), got.ID, got.Model, string(got.StopReason)
	if word, ok := map[anthropic.StopReason]string{"end_turn": "end", "tool_use": "tools", "max_tokens": "length"}[got.StopReason]; ok {
		out.stop = word
	}
	c.calls = nil
	for _, b := range got.Content {
		switch b.Type {
		case "thinking":
			out.thoughts += b.Thinking
			out.sealed = out.sealed || b.Signature != ""
		case "redacted_thinking":
			out.sealed = true
		case "tool_use":
			c.calls = append(c.calls, toolCall{b.ID, b.Name, string(b.Input)})
		}
	}
	out.calls = c.calls
	u := got.Usage
	out.in, out.out = u.InputTokens+u.CacheReadInputTokens+u.CacheCreationInputTokens, u.OutputTokens
	out.cached, out.reasoned = u.CacheReadInputTokens, -1
	return out, nil
}

// geminiTalk is a conversation by Google's own chats, which keep the history themselves.
type geminiTalk struct {
	chat    *genai.Chat
	waiting []*genai.Part
	piece   func()
	calls   []toolCall
	err     error
}

func openGemini(t *testing.T, g *gateway, w wish) conversation {
	cfg := &genai.GenerateContentConfig{MaxOutputTokens: int32(w.max)} //nolint:gosec // small
	if w.system != "" {
		cfg.SystemInstruction = genai.NewContentFromText(w.system, genai.RoleUser)
	}
	if w.tools {
		cfg.Tools = geminiTools()
	}
	if w.weather {
		cfg.ResponseMIMEType, cfg.ResponseJsonSchema = "application/json", weatherSchema()
	}
	if w.thinks {
		cfg.ThinkingConfig = &genai.ThinkingConfig{IncludeThoughts: true, ThinkingBudget: genai.Ptr[int32](1024)}
	}
	c := &geminiTalk{piece: w.piece}
	c.chat, c.err = geminiClient(t, g, aliceKey).Chats.Create(t.Context(), w.model, cfg, nil)
	return c
}

func (c *geminiTalk) say(text string, images ...string) {
	c.waiting = append(c.waiting, genai.NewPartFromText(text))
	for _, data := range images {
		raw, err := base64.StdEncoding.DecodeString(data)
		c.err = errors.Join(c.err, err)
		c.waiting = append(c.waiting, genai.NewPartFromBytes(raw, "image/png"))
	}
}

func (c *geminiTalk) answer(result func(toolCall) string) {
	for _, call := range c.calls {
		part := genai.NewPartFromFunctionResponse(call.name, map[string]any{"output": result(call)})
		part.FunctionResponse.ID = call.id
		c.waiting = append(c.waiting, part)
	}
}

func (c *geminiTalk) next(ctx context.Context, streamed bool) (out turn, err error) {
	if c.err != nil {
		return out, c.err
	}
	c.calls = nil
	if !streamed {
		got, err := c.chat.Send(ctx, c.waiting...)
		if err != nil {
			return out, err
		}
		c.add(&out, got)
	} else {
		for got, err := range c.chat.SendStream(ctx, c.waiting...) {
			if err != nil {
				return out, err
			}
			c.add(&out, got)
			if c.piece != nil {
				c.piece()
			}
		}
	}
	c.waiting = nil
	if h := c.chat.History(true); len(h) == 0 || h[len(h)-1].Role != genai.RoleModel {
		return out, errors.New("the SDK does not keep the answer")
	}
	out.calls = c.calls
	if out.stop == "end" && len(out.calls) > 0 {
		out.stop = "tools" // Google's API has no word for it
	}
	return out, c.err
}

// add takes in an answer, or a piece of one.
func (c *geminiTalk) add(out *turn, got *genai.GenerateContentResponse) {
	if got.SDKHTTPResponse != nil {
		out.header = got.SDKHTTPResponse.Headers
	}
	out.id, out.model = got.ResponseID, got.ModelVersion
	if u := got.UsageMetadata; u != nil {
		out.in, out.reasoned, out.cached = int64(u.PromptTokenCount), int64(u.ThoughtsTokenCount), int64(u.CachedContentTokenCount)
		out.out = int64(u.CandidatesTokenCount) + out.reasoned
	}
	for _, candidate := range got.Candidates {
		out.stop += map[genai.FinishReason]string{"": "", genai.FinishReasonStop: "end", genai.FinishReasonMaxTokens: "length"}[candidate.FinishReason]
		if candidate.Content == nil {
			continue
		}
		for _, p := range candidate.Content.Parts {
			out.sealed = out.sealed || len(p.ThoughtSignature) > 0
			switch {
			case p.FunctionCall != nil:
				args, err := json.Marshal(p.FunctionCall.Args)
				c.err = errors.Join(c.err, err)
				c.calls = append(c.calls, toolCall{p.FunctionCall.ID, p.FunctionCall.Name, string(args)})
			case p.Thought:
				out.thoughts += p.Text
			default:
				out.text += p.Text
			}
		}
	}
}
