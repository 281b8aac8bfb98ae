package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

func ask(model, prompt string) responses.ResponseNewParams {
	return responses.ResponseNewParams{Model: model, Input: responses.ResponseNewParamsInputUnion{OfString: openai.String(prompt)}}
}

func checkResponseUsage(t *testing.T, h http.Header, u responses.ResponseUsage) {
	t.Helper()
	s := fix.sim.answered(t, requestID(t, h))
	if u.InputTokens != s.Usage.in() || u.OutputTokens != s.Usage.out() || u.TotalTokens != s.Usage.in()+s.Usage.out() ||
		u.InputTokensDetails.CachedTokens != s.Usage.CacheRead || u.OutputTokensDetails.ReasoningTokens != s.Usage.Reasoning {
		t.Errorf("usage %+v, the simulator counted %+v", u, s.Usage)
	}
}

// streamResponse reads a stream to its end: the text of its deltas, and the response it ended with.
func streamResponse(t *testing.T, client openai.Client, p responses.ResponseNewParams) (text, args string, end responses.Response, h http.Header) {
	t.Helper()
	var resp *http.Response
	stream := client.Responses.NewStreaming(t.Context(), p, into(&resp))
	seq, ended := int64(-1), 0
	var b, a strings.Builder
	for stream.Next() {
		e := stream.Current()
		if e.SequenceNumber != seq+1 {
			t.Errorf("event %d follows %d", e.SequenceNumber, seq)
		}
		seq = e.SequenceNumber
		switch e.Type {
		case "response.output_text.delta":
			b.WriteString(e.AsResponseOutputTextDelta().Delta)
		case "response.function_call_arguments.delta":
			a.WriteString(e.AsResponseFunctionCallArgumentsDelta().Delta)
		case "response.completed":
			ended++
			end = e.AsResponseCompleted().Response
		case "response.incomplete":
			ended++
			end = e.AsResponseIncomplete().Response
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if ended != 1 {
		t.Fatalf("%d ends", ended)
	}
	return b.String(), a.String(), end, resp.Header
}

func TestResponses(t *testing.T) {
	client := openaiClient(fix.gw, aliceKey)
	t.Run("plain", func(t *testing.T) {
		var resp *http.Response
		p := ask("gpt-4o", "echo: answered")
		p.Instructions = openai.String("Be brief.")
		p.Metadata = shared.Metadata{"run": "e2e"}
		got, err := client.Responses.New(t.Context(), p, into(&resp))
		if err != nil {
			t.Fatal(err)
		}
		if got.OutputText() != "answered" || got.Status != "completed" || got.Model != "gpt-4o" || got.Metadata["run"] != "e2e" {
			t.Errorf("%s", got.RawJSON())
		}
		checkResponseUsage(t, resp.Header, got.Usage)
	})
	t.Run("stream", func(t *testing.T) {
		text, _, end, h := streamResponse(t, client, ask("gpt-4o", "echo: in several pieces"))
		if text != "in several pieces" || end.OutputText() != text || end.Status != "completed" {
			t.Errorf("%q, %s", text, end.RawJSON())
		}
		checkResponseUsage(t, h, end.Usage)
	})
	t.Run("max tokens", func(t *testing.T) {
		p := ask("gpt-4o", "Tell me a long story, as long as you can.")
		p.MaxOutputTokens = openai.Int(16)
		got, err := client.Responses.New(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if got.Status != "incomplete" || got.IncompleteDetails.Reason != "max_output_tokens" || got.Usage.OutputTokens != 16 {
			t.Errorf("%s", got.RawJSON())
		}
		_, _, end, _ := streamResponse(t, client, p)
		if end.Status != "incomplete" || end.Usage.OutputTokens != 16 {
			t.Errorf("%s", end.RawJSON())
		}
	})
	t.Run("structured", func(t *testing.T) {
		p := ask("gpt-4o", "The weather as JSON.")
		p.Text.Format.OfJSONSchema = &responses.ResponseFormatTextJSONSchemaConfigParam{Name: "weather", Schema: weatherSchema(), Strict: openai.Bool(true)}
		got, err := client.Responses.New(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		checkWeather(t, got.OutputText())
		text, _, _, _ := streamResponse(t, client, p)
		checkWeather(t, text)
	})
	t.Run("vision", func(t *testing.T) {
		content := responses.ResponseInputMessageContentListParam{
			responses.ResponseInputContentParamOfInputText("What do you see?"),
			{OfInputImage: &responses.ResponseInputImageParam{ImageURL: openai.String("data:image/png;base64," + pixel), Detail: "auto"}},
			{OfInputImage: &responses.ResponseInputImageParam{ImageURL: openai.String("https://images.example/cat.png"), Detail: "low"}},
		}
		got, err := client.Responses.New(t.Context(), responses.ResponseNewParams{Model: "gpt-4o", Input: responses.ResponseNewParamsInputUnion{
			OfInputItemList: responses.ResponseInputParam{responses.ResponseInputItemParamOfMessage(content, responses.EasyInputMessageRoleUser)},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if text := got.OutputText(); !strings.Contains(text, "I received 2: image image/png") || !strings.Contains(text, "cat.png") {
			t.Errorf("%q", text)
		}
	})
}

func TestResponsesReasoning(t *testing.T) {
	client := openaiClient(fix.gw, aliceKey)
	p := ask("gpt-4o", "Think first. echo: thought through")
	p.Reasoning = shared.ReasoningParam{Effort: shared.ReasoningEffortMedium, Summary: shared.ReasoningSummaryAuto}
	p.Include = []responses.ResponseIncludable{responses.ResponseIncludableReasoningEncryptedContent}
	p.Store = openai.Bool(false)
	got, err := client.Responses.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Output) != 2 || got.Output[0].Type != "reasoning" || got.Usage.OutputTokensDetails.ReasoningTokens == 0 {
		t.Fatalf("%s", got.RawJSON())
	}
	thought := got.Output[0].AsReasoning()
	if thought.EncryptedContent == "" || len(thought.Summary) == 0 || thought.Summary[0].Text == "" {
		t.Errorf("%s", got.RawJSON())
	}
	_, _, end, h := streamResponse(t, client, p)
	if len(end.Output) != 2 || end.Output[0].AsReasoning().EncryptedContent == "" || end.OutputText() != "thought through" {
		t.Errorf("%s", end.RawJSON())
	}
	checkResponseUsage(t, h, end.Usage)

	// Without a store the thoughts travel back with the next turn; the upstream checks their seal.
	next := responses.ResponseNewParams{Model: "gpt-4o", Store: openai.Bool(false), Input: responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
		responses.ResponseInputItemParamOfMessage("Think first. echo: thought through", responses.EasyInputMessageRoleUser),
		{OfReasoning: &responses.ResponseReasoningItemParam{ID: thought.ID, EncryptedContent: openai.String(thought.EncryptedContent), Summary: []responses.ResponseReasoningItemSummaryParam{{Text: thought.Summary[0].Text}}}},
		responses.ResponseInputItemParamOfMessage(got.OutputText(), responses.EasyInputMessageRoleAssistant),
		responses.ResponseInputItemParamOfMessage("echo: and on", responses.EasyInputMessageRoleUser),
	}}}
	second, err := client.Responses.New(t.Context(), next)
	if err != nil {
		t.Fatal(err)
	}
	if second.OutputText() != "and on" {
		t.Errorf("%s", second.RawJSON())
	}
}

func responseTool(name string) responses.ToolUnionParam {
	return responses.ToolUnionParam{OfFunction: &responses.FunctionToolParam{Name: name, Parameters: citySchema(), Strict: openai.Bool(false)}}
}

func TestResponsesTools(t *testing.T) {
	client := openaiClient(fix.gw, aliceKey)
	for _, c := range []struct {
		name, prompt string
		calls        int
		stream       bool
	}{
		{"single", "What is the weather?", 1, false},
		{"parallel", "Ask both in parallel.", 2, false},
		{"single streamed", "What is the weather?", 1, true},
		{"parallel streamed", "Ask both in parallel.", 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := ask("gpt-4o", c.prompt)
			p.Tools = []responses.ToolUnionParam{responseTool("get_weather"), responseTool("get_population")}
			var first responses.Response
			if c.stream {
				var args string
				_, args, first, _ = streamResponse(t, client, p)
				want := ""
				for _, item := range first.Output {
					want += item.AsFunctionCall().Arguments
				}
				if args != want || args == "" {
					t.Errorf("fragments make %q, want %q", args, want)
				}
			} else {
				got, err := client.Responses.New(t.Context(), p)
				if err != nil {
					t.Fatal(err)
				}
				first = *got
			}
			if len(first.Output) != c.calls {
				t.Fatalf("%s", first.RawJSON())
			}
			p.PreviousResponseID = openai.String(first.ID)
			p.Input = responses.ResponseNewParamsInputUnion{}
			for _, item := range first.Output {
				call := item.AsFunctionCall()
				checkCity(t, call.Arguments)
				p.Input.OfInputItemList = append(p.Input.OfInputItemList, responses.ResponseInputItemUnionParam{
					OfFunctionCallOutput: &responses.ResponseInputItemFunctionCallOutputParam{
						CallID: openai.String(call.CallID),
						Output: responses.ResponseInputItemFunctionCallOutputOutputUnionParam{OfString: openai.String("answer of " + call.CallID)},
					},
				})
			}
			second, err := client.Responses.New(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range first.Output {
				call := item.AsFunctionCall()
				if !strings.Contains(second.OutputText(), "The tool "+call.Name+" answered: answer of "+call.CallID) {
					t.Errorf("the result of %s got lost: %q", call.CallID, second.OutputText())
				}
			}
		})
	}
}

func TestStoredResponses(t *testing.T) {
	client, bob := openaiClient(fix.gw, aliceKey), openaiClient(fix.gw, bobKey)
	for _, how := range []string{"plain", "streamed"} {
		t.Run(how, func(t *testing.T) {
			var id string
			if how == "plain" {
				made, err := client.Responses.New(t.Context(), ask("gpt-4o", "echo: keep this"))
				if err != nil {
					t.Fatal(err)
				}
				id = made.ID
			} else {
				_, _, made, _ := streamResponse(t, client, ask("gpt-4o", "echo: keep this"))
				id = made.ID
			}
			for range 4 { // any channel could be asked; only one has it
				got, err := client.Responses.Get(t.Context(), id, responses.ResponseGetParams{})
				if err != nil {
					t.Fatal(err)
				}
				if got.ID != id || got.OutputText() != "keep this" {
					t.Fatalf("%s", got.RawJSON())
				}
			}
			items := client.Responses.InputItems.ListAutoPaging(t.Context(), id, responses.InputItemListParams{Order: "asc"})
			n := 0
			for items.Next() {
				n++
				if m := items.Current(); m.Type != "message" || m.Role != "user" {
					t.Errorf("%s", m.RawJSON())
				}
			}
			if err := items.Err(); err != nil || n != 1 {
				t.Errorf("%d items, %v", n, err)
			}
			next := ask("gpt-4o", "echo: continued")
			next.PreviousResponseID = openai.String(id)
			more, err := client.Responses.New(t.Context(), next)
			if err != nil {
				t.Fatal(err)
			}
			if more.PreviousResponseID != id || more.OutputText() != "continued" {
				t.Errorf("%s", more.RawJSON())
			}

			_, err = bob.Responses.Get(t.Context(), id, responses.ResponseGetParams{})
			checkOpenAIError(t, err, http.StatusNotFound, "invalid_request_error", "")
			stranger := ask("gpt-4o", "echo: mine?")
			stranger.PreviousResponseID = openai.String(id)
			_, err = bob.Responses.New(t.Context(), stranger)
			if e := checkOpenAIError(t, err, http.StatusBadRequest, "invalid_request_error", "previous_response_not_found"); e.Param != "previous_response_id" {
				t.Errorf("param %q", e.Param)
			}

			if err := client.Responses.Delete(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			_, err = client.Responses.Get(t.Context(), id, responses.ResponseGetParams{})
			checkOpenAIError(t, err, http.StatusNotFound, "invalid_request_error", "")
		})
	}
}
