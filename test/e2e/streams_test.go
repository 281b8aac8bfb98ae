package e2e

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"google.golang.org/genai"
)

// A stream that breaks after content is an error to the SDK, never an answer that seems whole, and
// what was delivered is billed.
func TestBrokenStreams(t *testing.T) {
	g, err := startGateway("brittle", mainConfig(fix.sim.base), "TIMEOUT_IDLE=500ms")
	if err != nil {
		t.Fatal(err)
	}
	openaiSDK, claudeSDK, geminiSDK := openaiClient(g, aliceKey), anthropicClient(g, aliceKey), geminiClient(t, g, aliceKey)
	for _, how := range []string{"cut=9", "garble=9", "inband=9", "hang=9"} {
		t.Run(how, func(t *testing.T) {
			words := "+events=30+" + how
			t.Run("chat", func(t *testing.T) {
				var resp *http.Response
				stream := openaiSDK.Chat.Completions.NewStreaming(t.Context(), chat("gpt-4o"+words, "Go on."), into(&resp))
				text, finish := "", ""
				for stream.Next() {
					for _, c := range stream.Current().Choices {
						text += c.Delta.Content
						finish += c.FinishReason
					}
				}
				if stream.Err() == nil || text == "" || finish != "" {
					t.Errorf("%q, %q, %v", text, finish, stream.Err())
				}
				checkBroken(t, g, resp.Header)
			})
			t.Run("responses", func(t *testing.T) {
				var resp *http.Response
				stream := openaiSDK.Responses.NewStreaming(t.Context(), ask("gpt-4o"+words, "Go on."), into(&resp))
				text, end := "", ""
				for stream.Next() {
					e := stream.Current()
					switch {
					case e.Type == "response.output_text.delta":
						text += e.Delta
					case e.Type == "error" || e.Type == "response.failed" || e.Type == "response.completed":
						end += e.Type
					}
				}
				// This dialect's own word for it is an event; the SDK hands it over or makes an error of it.
				if text == "" || end == "response.completed" || end == "" && stream.Err() == nil {
					t.Errorf("%q, %q, %v", text, end, stream.Err())
				}
				checkBroken(t, g, resp.Header)
			})
			t.Run("messages", func(t *testing.T) {
				var resp *http.Response
				stream := claudeSDK.Messages.NewStreaming(t.Context(), message(claude+words, "Go on."), anthropicoption.WithResponseInto(&resp))
				text, stopped := "", false
				for stream.Next() {
					text += stream.Current().Delta.Text
					stopped = stopped || stream.Current().Type == "message_stop" || stream.Current().Type == "message_delta"
				}
				var e *anthropic.Error
				if !errors.As(stream.Err(), &e) || e.Type() == "" || text == "" || stopped {
					t.Errorf("%q, stopped %v, %v", text, stopped, stream.Err())
				}
				checkBroken(t, g, resp.Header)
			})
			t.Run("gemini", func(t *testing.T) {
				text, finish := "", genai.FinishReason("")
				var last error
				var h http.Header
				for got, err := range geminiSDK.Models.GenerateContentStream(t.Context(), gemini+words, genai.Text("Go on."), nil) {
					if last = err; err != nil {
						break
					}
					text += got.Text()
					finish += got.Candidates[0].FinishReason
					h = got.SDKHTTPResponse.Headers
				}
				var e genai.APIError
				if !errors.As(last, &e) || e.Code < 500 || e.Status == "" || text == "" || finish != "" {
					t.Errorf("%q, %q, %v", text, finish, last)
				}
				checkBroken(t, g, h)
			})
		})
	}
}

// checkBroken looks at the record of a stream that broke after content.
func checkBroken(t *testing.T, g *gateway, h http.Header) {
	t.Helper()
	r := g.record(t, requestID(t, h))
	if r.Error == "" || r.Out == 0 || r.In == 0 || r.Nanos == 0 || r.Usage == "measured" {
		t.Errorf("%+v", r)
	}
}

// An answer without the mark that clients of its dialect wait for is not whole, whatever else came.
// Chat Completions says by a finish_reason that it is, so there nothing is missing.
func TestNoTerminalMark(t *testing.T) {
	openaiSDK, claudeSDK, geminiSDK := openaiClient(fix.gw, aliceKey), anthropicClient(fix.gw, aliceKey), geminiClient(t, fix.gw, aliceKey)
	if err := drain(claudeSDK.Messages.NewStreaming(t.Context(), message(claude+"+nodone", "Go on."))); err == nil {
		t.Error("messages: a clean end")
	}
	if err := geminiStreamError(t, geminiSDK, gemini+"+nodone", "Go on."); err == nil {
		t.Error("gemini: a clean end")
	}
	stream := openaiSDK.Responses.NewStreaming(t.Context(), ask("gpt-4o+nodone", "Go on."))
	end := ""
	for stream.Next() {
		end = stream.Current().Type
	}
	if stream.Err() == nil && end != "response.failed" && end != "error" {
		t.Errorf("responses: ended by %s", end)
	}
	if acc, _, _ := streamChat(t, openaiSDK, chat("gpt-4o+nodone", "echo: whole")); acc.Choices[0].Message.Content != "whole" || acc.Choices[0].FinishReason != "stop" {
		t.Errorf("chat: %+v", acc.Choices)
	}
}

// An upstream that reports no usage is billed by what the gateway counted itself.
func TestNoUsage(t *testing.T) {
	ids := map[string]string{}
	for _, way := range ways {
		text, h := way.call(t, fix.gw, aliceKey, way.model+"+nousage")
		if text != said {
			t.Errorf("%s: %q", way.name, text)
		}
		ids[way.name] = requestID(t, h)
	}
	for way, id := range ids {
		if r := fix.gw.record(t, id); r.Usage != "estimated" || r.In == 0 || r.Out == 0 || r.Nanos == 0 || r.Error != "" {
			t.Errorf("%s: %+v", way, r)
		}
	}
}

// Names with a slash, as some providers have them, go through every SDK's paths.
func TestSlashedModel(t *testing.T) {
	const name = "house/large"
	openaiSDK, claudeSDK, geminiSDK := openaiClient(fix.gw, aliceKey), anthropicClient(fix.gw, aliceKey), geminiClient(t, fix.gw, aliceKey)
	if m, err := openaiSDK.Models.Get(t.Context(), name); err != nil || m.ID != name {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err := claudeSDK.Models.Get(t.Context(), name, anthropic.ModelGetParams{}); err != nil || m.ID != name {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err := geminiSDK.Models.Get(t.Context(), "models/"+name, nil); err != nil || m.Name != "models/"+name {
		t.Errorf("%+v, %v", m, err)
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			model := name
			if way.name[0] == 'r' {
				model += "+echo"
			}
			if strings.HasPrefix(way.name, "gemini") {
				model = "models/" + model
			}
			if text, _ := way.call(t, fix.gw, aliceKey, model); text != said {
				t.Errorf("%q", text)
			}
		})
	}
}

// A client that leaves in the middle is billed for what the upstream writes all the same: this one is
// read to its end.
func TestCancel(t *testing.T) {
	openaiSDK, claudeSDK, geminiSDK := openaiClient(fix.gw, aliceKey), anthropicClient(fix.gw, aliceKey), geminiClient(t, fix.gw, aliceKey)
	const words = "+events=60+slow=5ms"
	for name, read := range map[string]func(ctx context.Context, leave func()) (http.Header, error){
		"chat": func(ctx context.Context, leave func()) (http.Header, error) {
			var resp *http.Response
			return leaveMidway(openaiSDK.Chat.Completions.NewStreaming(ctx, chat("gpt-4o"+words, "Go on."), into(&resp)), &resp, leave)
		},
		"responses": func(ctx context.Context, leave func()) (http.Header, error) {
			var resp *http.Response
			return leaveMidway(openaiSDK.Responses.NewStreaming(ctx, ask("gpt-4o"+words, "Go on."), into(&resp)), &resp, leave)
		},
		"messages": func(ctx context.Context, leave func()) (http.Header, error) {
			var resp *http.Response
			return leaveMidway(claudeSDK.Messages.NewStreaming(ctx, message(claude+words, "Go on."), anthropicoption.WithResponseInto(&resp)), &resp, leave)
		},
		"gemini": func(ctx context.Context, leave func()) (h http.Header, err error) {
			n := 0
			for got, err := range geminiSDK.Models.GenerateContentStream(ctx, gemini+words, genai.Text("Go on."), nil) {
				if err != nil {
					return h, err
				}
				h = got.SDKHTTPResponse.Headers
				if n++; n == 10 {
					leave()
				}
			}
			return h, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			h, err := read(ctx, cancel)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the SDK says %v", err)
			}
			s := fix.sim.answered(t, requestID(t, h))
			r := fix.gw.record(t, requestID(t, h))
			if r.Usage != "measured" || r.Out != s.Usage.out() || r.In != s.Usage.in() {
				t.Errorf("gateway %+v, simulator %+v", r, s.Usage)
			}
		})
	}
}

// leaveMidway reads ten events, leaves, and reads on until the SDK notices.
func leaveMidway(s events, resp **http.Response, leave func()) (http.Header, error) {
	for n := 1; s.Next(); n++ {
		if n == 10 {
			leave()
		}
	}
	return (*resp).Header, s.Err()
}

// A plain call whose client leaves is billed as well; nobody can take it back from the upstream.
func TestCancelPlain(t *testing.T) {
	client := openaiClient(fix.gw, aliceKey)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	before := len(fix.gw.records())
	left := make(chan error, 1)
	go func() {
		_, err := client.Chat.Completions.New(ctx, chat("gpt-4o+first=300ms", "echo: too late"))
		left <- err
	}()
	eventually(t, "the call to reach the simulator", func() (bool, bool) {
		_, body, _ := fetch(t, http.MethodGet, fix.sim.base+"/sim/stats", "")
		return true, strings.Contains(body, `"active":1`)
	})
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the SDK says %v", err)
	}
	r := eventually(t, "the record", func() (record, bool) {
		rs := fix.gw.records()
		return rs[len(rs)-1], len(rs) > before
	})
	s := fix.sim.answered(t, r.Call)
	if r.Usage != "measured" || r.Out != s.Usage.out() || r.Nanos == 0 {
		t.Errorf("gateway %+v, simulator %+v", r, s.Usage)
	}
}
