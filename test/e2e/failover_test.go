package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"google.golang.org/genai"
)

// faults are the ways in which a channel can be bad before content, as words in its key.
var faults = []string{"fail500", "cut0", "cutsetup", "cutbody", "empty", "html", "inband", "ratelimit", "retryafter30", "invalidkey", "quota", "overloaded", "garble1", "redirect", "nomodel"}

// shakyKey is the key of the account whose first channels are bad in one way.
func shakyKey(fault string) string { return "sk-e2e-shaky-" + fault + "-0123456789abcdef" }

// shakyConfig gives each fault a pool of its own. In it every call goes first to a channel that has
// the fault, one for each way of calling so that none is resting when its turn comes, and then finds
// the good one.
func shakyConfig(upstream string) string {
	var b strings.Builder
	b.WriteString("channels:\n")
	for i, fault := range faults {
		for _, way := range ways {
			fmt.Fprintf(&b, "  - {name: %s-%s, provider: simulator, base_url: %q, key: \"sk-%s-bad%02d\", models: [%q], pools: [%s], priority: 9}\n",
				fault, way.name, upstream, fault, i, way.model, fault)
		}
		fmt.Fprintf(&b, "  - {name: %s-good, provider: simulator, base_url: %q, key: sk-good-%02d, models: %s, pools: [%s]}\n", fault, upstream, i, modelPatterns, fault)
	}
	b.WriteString(models())
	b.WriteString("accounts:\n")
	for _, fault := range faults {
		fmt.Fprintf(&b, "  - {name: %s, credit: \"5\", pools: [%s], keys: [{name: main, key: %s}]}\n", fault, fault, shakyKey(fault))
	}
	return b.String()
}

// ways are the ways of calling, each with a model of its own.
var ways = []struct {
	name, model string
	call        func(t *testing.T, g *gateway, key, model string) (text string, h http.Header)
}{
	{"chat", "gpt-4o+lax", callChat(false)},
	{"chat-stream", "gpt-4o+lax+lax", callChat(true)},
	{"responses", "gpt-4o+echo", callResponses(false)},
	{"responses-stream", "gpt-4o+echo+lax", callResponses(true)},
	{"messages", claude + "+lax", callMessages(false)},
	{"messages-stream", claude + "+lax+lax", callMessages(true)},
	{"gemini", gemini + "+lax", callGemini(false)},
	{"gemini-stream", gemini + "+lax+lax", callGemini(true)},
}

const said = "once more, and it works"

func callChat(streamed bool) func(*testing.T, *gateway, string, string) (string, http.Header) {
	return func(t *testing.T, g *gateway, key, model string) (string, http.Header) {
		t.Helper()
		client := openaiClient(g, key)
		if streamed {
			acc, h, _ := streamChat(t, client, chat(model, "echo: "+said))
			return acc.Choices[0].Message.Content, h
		}
		var resp *http.Response
		got, err := client.Chat.Completions.New(t.Context(), chat(model, "echo: "+said), into(&resp))
		if err != nil {
			t.Fatal(err)
		}
		return got.Choices[0].Message.Content, resp.Header
	}
}

func callResponses(streamed bool) func(*testing.T, *gateway, string, string) (string, http.Header) {
	return func(t *testing.T, g *gateway, key, model string) (string, http.Header) {
		t.Helper()
		client := openaiClient(g, key)
		if streamed {
			text, _, _, h := streamResponse(t, client, ask(model, said))
			return text, h
		}
		var resp *http.Response
		got, err := client.Responses.New(t.Context(), ask(model, said), into(&resp))
		if err != nil {
			t.Fatal(err)
		}
		return got.OutputText(), resp.Header
	}
}

func callMessages(streamed bool) func(*testing.T, *gateway, string, string) (string, http.Header) {
	return func(t *testing.T, g *gateway, key, model string) (string, http.Header) {
		t.Helper()
		got, h := send(t, anthropicClient(g, key), message(model, "echo: "+said), streamed)
		return messageText(got), h
	}
}

func callGemini(streamed bool) func(*testing.T, *gateway, string, string) (string, http.Header) {
	return func(t *testing.T, g *gateway, key, model string) (string, http.Header) {
		t.Helper()
		got := generate(t, geminiClient(t, g, key), model, genai.Text("echo: "+said), nil, streamed)
		return got.text(), got.header
	}
}

// No SDK sees a channel that is bad before content.
func TestFailover(t *testing.T) {
	g, err := startGateway("shaky", shakyConfig(fix.sim.base), "TIMEOUT_IDLE=5s")
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		t.Run(fault, func(t *testing.T) {
			ids := map[string]string{} // the gateway writes its log a moment later, so records are read in the end
			for _, way := range ways {
				t.Run(way.name, func(t *testing.T) {
					if fault == "cutbody" && strings.HasSuffix(way.name, "-stream") {
						t.Skip("a stream has no announced length")
					}
					text, h := way.call(t, g, shakyKey(fault), way.model)
					if text != said {
						t.Errorf("%q", text)
					}
					ids[way.name] = requestID(t, h)
				})
			}
			for way, id := range ids {
				if r := g.record(t, id); r.Attempts != 2 || r.Error != "" || r.Usage != "measured" {
					t.Errorf("%s: %+v", way, r)
				}
			}
		})
	}
}

// stormConfig is a gateway whose every channel is bad, in a way that its account chooses.
func stormConfig(upstream string) string {
	var b strings.Builder
	b.WriteString("channels:\n")
	for _, fault := range []string{"overloaded", "ratelimit", "quota", "invalidkey", "fail500"} {
		for _, way := range ways {
			for i := range 2 {
				fmt.Fprintf(&b, "  - {name: %s-%s-%d, provider: simulator, base_url: %q, key: \"sk-%s-x%d\", models: [%q], pools: [%s]}\n", fault, way.name, i, upstream, fault, i, way.model, fault)
			}
		}
	}
	b.WriteString(models())
	b.WriteString("accounts:\n")
	for _, fault := range []string{"overloaded", "ratelimit", "quota", "invalidkey", "fail500"} {
		fmt.Fprintf(&b, "  - {name: %s, credit: \"5\", pools: [%s], keys: [{name: main, key: %s}]}\n", fault, fault, shakyKey(fault))
	}
	return b.String()
}

// When every channel fails, the client learns what it can act on and nothing of the operator's accounts.
func TestAllChannelsFail(t *testing.T) {
	g, err := startGateway("storm", stormConfig(fix.sim.base))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		fault        string
		openaiStatus int
		openaiType   string
		openaiCode   string
		claudeStatus int
		claudeType   anthropic.ErrorType
		geminiStatus int
		geminiWord   string
	}{
		{"overloaded", 503, "server_error", "server_is_overloaded", 529, anthropic.ErrorTypeOverloadedError, 503, "UNAVAILABLE"},
		{"ratelimit", 429, "rate_limit_error", "rate_limit_exceeded", 429, anthropic.ErrorTypeRateLimitError, 429, "RESOURCE_EXHAUSTED"},
		{"quota", 503, "server_error", "server_is_overloaded", 529, anthropic.ErrorTypeOverloadedError, 429, "RESOURCE_EXHAUSTED"}, // Google's quotas come back
		{"invalidkey", 503, "server_error", "server_is_overloaded", 529, anthropic.ErrorTypeOverloadedError, 503, "UNAVAILABLE"},
		{"fail500", 502, "server_error", "upstream_error", 502, anthropic.ErrorTypeAPIError, 502, "UNAVAILABLE"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			key := shakyKey(c.fault)
			openaiSDK, claudeSDK, geminiSDK := openaiClient(g, key), anthropicClient(g, key), geminiClient(t, g, key)
			model := map[string]string{}
			for _, w := range ways {
				model[w.name] = w.model
			}
			secret := func(t *testing.T, message string) {
				t.Helper()
				for _, word := range []string{"key", "quota", "billing", "credit", "sk-", "org-"} {
					if strings.Contains(strings.ToLower(message), word) {
						t.Errorf("%q tells of the operator's account", message)
					}
				}
			}
			_, chatErr := openaiSDK.Chat.Completions.New(t.Context(), chat(model["chat"], said))
			_, responsesErr := openaiSDK.Responses.New(t.Context(), ask(model["responses"], said))
			for way, err := range map[string]error{
				"chat": chatErr, "chat-stream": drain(openaiSDK.Chat.Completions.NewStreaming(t.Context(), chat(model["chat-stream"], said))),
				"responses": responsesErr, "responses-stream": drain(openaiSDK.Responses.NewStreaming(t.Context(), ask(model["responses-stream"], said))),
			} {
				t.Run(way, func(t *testing.T) {
					e := checkOpenAIError(t, err, c.openaiStatus, c.openaiType, c.openaiCode)
					secret(t, e.Message)
					checkTried(t, g, e.Response.Header)
				})
			}
			_, messagesErr := claudeSDK.Messages.New(t.Context(), message(model["messages"], said))
			for way, err := range map[string]error{"messages": messagesErr, "messages-stream": drain(claudeSDK.Messages.NewStreaming(t.Context(), message(model["messages-stream"], said)))} {
				t.Run(way, func(t *testing.T) {
					e := checkAnthropicError(t, err, c.claudeStatus, c.claudeType)
					secret(t, e.RawJSON())
					checkTried(t, g, e.Response.Header)
				})
			}
			_, geminiErr := geminiSDK.Models.GenerateContent(t.Context(), model["gemini"], genai.Text(said), nil)
			for way, err := range map[string]error{"gemini": geminiErr, "gemini-stream": geminiStreamError(t, geminiSDK, model["gemini-stream"], said)} {
				t.Run(way, func(t *testing.T) {
					secret(t, checkGeminiError(t, err, c.geminiStatus, c.geminiWord).Message)
				})
			}
		})
	}
}

// checkTried looks that both channels were tried and nothing was billed.
func checkTried(t *testing.T, g *gateway, h http.Header) {
	t.Helper()
	if r := g.record(t, requestID(t, h)); r.Attempts != 2 || r.Nanos != 0 || r.Error == "" {
		t.Errorf("%+v", r)
	}
}
