package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

// chatTalk is a conversation by Chat Completions.
type chatTalk struct {
	client openai.Client
	p      openai.ChatCompletionNewParams
	piece  func()
	calls  []toolCall
}

func openChat(_ *testing.T, g *gateway, w wish) conversation {
	c := &chatTalk{client: openaiClient(g, aliceKey), p: openai.ChatCompletionNewParams{Model: w.model}, piece: w.piece}
	if w.system != "" {
		c.p.Messages = append(c.p.Messages, openai.SystemMessage(w.system))
	}
	if w.tools {
		c.p.Tools = []openai.ChatCompletionToolUnionParam{chatTool("get_weather"), chatTool("get_population")}
	}
	if w.weather {
		c.p.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{
			JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "weather", Strict: openai.Bool(true), Schema: weatherSchema()},
		}
	}
	if w.thinks {
		c.p.ReasoningEffort = shared.ReasoningEffortMedium
	}
	if w.max > 0 {
		c.p.MaxCompletionTokens = openai.Int(w.max)
	}
	return c
}

func (c *chatTalk) say(text string, images ...string) {
	if len(images) == 0 {
		c.p.Messages = append(c.p.Messages, openai.UserMessage(text))
		return
	}
	parts := []openai.ChatCompletionContentPartUnionParam{openai.TextContentPart(text)}
	for _, data := range images {
		parts = append(parts, openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: "data:image/png;base64," + data}))
	}
	c.p.Messages = append(c.p.Messages, openai.UserMessage(parts))
}

func (c *chatTalk) answer(result func(toolCall) string) {
	for _, call := range c.calls {
		c.p.Messages = append(c.p.Messages, openai.ToolMessage(result(call), call.id))
	}
}

func (c *chatTalk) next(ctx context.Context, streamed bool) (out turn, err error) {
	var resp *http.Response
	defer func() {
		if resp != nil {
			out.header = resp.Header
		}
	}()
	if !streamed {
		got, err := c.client.Chat.Completions.New(ctx, c.p, into(&resp))
		if err != nil {
			return out, err
		}
		raw := got.Choices[0].Message.RawJSON()
		out.extras(raw)
		c.keep(&out, got)
		// What the SDK's types don't know, as thoughts, goes back only with the message as it came.
		c.p.Messages = append(c.p.Messages, param.Override[openai.ChatCompletionMessageParamUnion](json.RawMessage(raw)))
		return out, nil
	}
	p := c.p
	p.StreamOptions.IncludeUsage = openai.Bool(true)
	stream := c.client.Chat.Completions.NewStreaming(ctx, p, into(&resp))
	var acc openai.ChatCompletionAccumulator
	for stream.Next() {
		chunk := stream.Current()
		if !acc.AddChunk(chunk) {
			return out, fmt.Errorf("the SDK refused %s", chunk.RawJSON())
		}
		for _, choice := range chunk.Choices {
			out.extras(choice.Delta.RawJSON())
			out.text += choice.Delta.Content
		}
		if c.piece != nil {
			c.piece()
		}
	}
	if err := stream.Err(); err != nil {
		return out, err
	}
	if len(acc.Choices) != 1 || acc.Choices[0].Message.Content != out.text {
		return out, fmt.Errorf("%q was accumulated to %+v", out.text, acc.Choices)
	}
	c.keep(&out, &acc.ChatCompletion)
	c.p.Messages = append(c.p.Messages, acc.Choices[0].Message.ToParam())
	return out, nil
}

// extras notes what this dialect's vendors add to it.
func (t *turn) extras(raw string) {
	var m struct {
		ReasoningContent string            `json:"reasoning_content"`
		ReasoningDetails []json.RawMessage `json:"reasoning_details"`
		ToolCalls        []struct {
			Extra json.RawMessage `json:"extra_content"`
		} `json:"tool_calls"`
	}
	if json.Unmarshal([]byte(raw), &m) != nil {
		return
	}
	t.thoughts += m.ReasoningContent
	t.sealed = t.sealed || len(m.ReasoningDetails) > 0
	for _, call := range m.ToolCalls {
		t.sealed = t.sealed || len(call.Extra) > 0
	}
}

func (c *chatTalk) keep(out *turn, got *openai.ChatCompletion) {
	m := got.Choices[0]
	out.text, out.id, out.model = m.Message.Content, got.ID, got.Model
	out.stop = m.FinishReason
	if word, ok := map[string]string{"stop": "end", "tool_calls": "tools"}[m.FinishReason]; ok {
		out.stop = word
	}
	for _, call := range m.Message.ToolCalls {
		out.calls = append(out.calls, toolCall{call.ID, call.Function.Name, call.Function.Arguments})
	}
	c.calls = out.calls
	u := got.Usage
	out.in, out.out, out.cached, out.reasoned = u.PromptTokens, u.CompletionTokens, u.PromptTokensDetails.CachedTokens, u.CompletionTokensDetails.ReasoningTokens
}

// responsesTalk is a conversation by Responses. A kept one leaves what was said to the other side.
type responsesTalk struct {
	client openai.Client
	p      responses.ResponseNewParams
	piece  func()
	kept   bool
	calls  []toolCall
}

func openResponses(_ *testing.T, g *gateway, w wish) conversation {
	c := &responsesTalk{client: openaiClient(g, aliceKey), p: responses.ResponseNewParams{Model: w.model, Store: openai.Bool(false)}, piece: w.piece}
	if w.system != "" {
		c.p.Instructions = openai.String(w.system)
	}
	if w.tools {
		c.p.Tools = []responses.ToolUnionParam{responseTool("get_weather"), responseTool("get_population")}
	}
	if w.weather {
		c.p.Text.Format.OfJSONSchema = &responses.ResponseFormatTextJSONSchemaConfigParam{Name: "weather", Schema: weatherSchema(), Strict: openai.Bool(true)}
	}
	if w.thinks {
		c.p.Reasoning = shared.ReasoningParam{Effort: shared.ReasoningEffortMedium, Summary: shared.ReasoningSummaryAuto}
		c.p.Include = []responses.ResponseIncludable{responses.ResponseIncludableReasoningEncryptedContent}
	}
	if w.max > 0 {
		c.p.MaxOutputTokens = openai.Int(w.max)
	}
	return c
}

func (c *responsesTalk) add(item responses.ResponseInputItemUnionParam) {
	c.p.Input.OfInputItemList = append(c.p.Input.OfInputItemList, item)
}

func (c *responsesTalk) say(text string, images ...string) {
	content := responses.ResponseInputMessageContentListParam{responses.ResponseInputContentParamOfInputText(text)}
	for _, data := range images {
		content = append(content, responses.ResponseInputContentUnionParam{
			OfInputImage: &responses.ResponseInputImageParam{ImageURL: openai.String("data:image/png;base64," + data), Detail: "auto"},
		})
	}
	c.add(responses.ResponseInputItemParamOfMessage(content, responses.EasyInputMessageRoleUser))
}

func (c *responsesTalk) answer(result func(toolCall) string) {
	for _, call := range c.calls {
		c.add(responses.ResponseInputItemUnionParam{OfFunctionCallOutput: &responses.ResponseInputItemFunctionCallOutputParam{
			CallID: openai.String(call.id), Output: responses.ResponseInputItemFunctionCallOutputOutputUnionParam{OfString: openai.String(result(call))},
		}})
	}
}

func (c *responsesTalk) next(ctx context.Context, streamed bool) (out turn, err error) {
	var resp *http.Response
	defer func() {
		if resp != nil {
			out.header = resp.Header
		}
	}()
	var got *responses.Response
	if streamed {
		got, err = c.stream(ctx, &out, &resp)
	} else {
		got, err = c.client.Responses.New(ctx, c.p, into(&resp))
	}
	if err != nil {
		return out, err
	}
	if streamed && got.OutputText() != out.text {
		return out, fmt.Errorf("deltas make %q, the end has %s", out.text, got.RawJSON())
	}
	out.text, out.id, out.model, out.stop = got.OutputText(), got.ID, got.Model, string(got.Status)
	u := got.Usage
	out.in, out.out, out.cached, out.reasoned = u.InputTokens, u.OutputTokens, u.InputTokensDetails.CachedTokens, u.OutputTokensDetails.ReasoningTokens
	ids := map[string]bool{}
	c.calls = nil
	for _, item := range got.Output {
		switch item.Type {
		case "reasoning":
			thought := item.AsReasoning()
			for _, s := range thought.Summary {
				out.thoughts += s.Text
			}
			out.sealed = out.sealed || thought.EncryptedContent != ""
		case "function_call":
			call := item.AsFunctionCall()
			c.calls = append(c.calls, toolCall{call.CallID, call.Name, call.Arguments})
		}
		if item.ID == "" || ids[item.ID] {
			return out, fmt.Errorf("ids in %s", got.RawJSON())
		}
		ids[item.ID] = true
	}
	out.calls = c.calls
	switch {
	case got.Status == responses.ResponseStatusIncomplete && got.IncompleteDetails.Reason == "max_output_tokens":
		out.stop = "length"
	case got.Status == responses.ResponseStatusCompleted && len(c.calls) > 0:
		out.stop = "tools"
	case got.Status == responses.ResponseStatusCompleted:
		out.stop = "end"
	}
	if c.kept {
		c.p.PreviousResponseID, c.p.Input = openai.String(got.ID), responses.ResponseNewParamsInputUnion{}
		return out, nil
	}
	for _, item := range got.Output {
		c.add(param.Override[responses.ResponseInputItemUnionParam](json.RawMessage(item.RawJSON())))
	}
	return out, nil
}

// stream reads a stream to its end; its events must make the response that it ends with.
func (c *responsesTalk) stream(ctx context.Context, out *turn, resp **http.Response) (*responses.Response, error) {
	stream := c.client.Responses.NewStreaming(ctx, c.p, into(resp))
	var acc responses.ResponseAccumulator
	seq := int64(-1)
	for stream.Next() {
		e := stream.Current()
		if seq++; e.SequenceNumber != seq {
			return nil, fmt.Errorf("event %d is number %d", seq, e.SequenceNumber)
		}
		var same responses.ResponsesServerEventUnion // the accumulator was made for another transport
		if err := json.Unmarshal([]byte(e.RawJSON()), &same); err != nil {
			return nil, err
		}
		if err := acc.AddEvent(same); err != nil {
			return nil, fmt.Errorf("the SDK refused %s: %w", e.RawJSON(), err)
		}
		switch e.Type {
		case "response.output_text.delta":
			out.text += e.Delta
		case "error", "response.failed":
			return nil, errors.New(e.RawJSON())
		}
		if c.piece != nil {
			c.piece()
		}
	}
	if err := stream.Err(); err != nil {
		return nil, err
	}
	got, err := acc.ReconstructedResponse()
	if err != nil {
		return nil, err
	}
	for _, o := range acc.Snapshot().Output {
		item := got.Output[o.OutputIndex]
		if item.ID != o.ItemID || item.Type != o.Type || item.Type == "function_call" && (item.AsFunctionCall().Arguments != o.Arguments || item.CallID != o.CallID) {
			return nil, fmt.Errorf("events make %+v, the end has %s", o, item.RawJSON())
		}
	}
	return got, nil
}
