package e2e

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"google.golang.org/genai"
)

// refusal is what each SDK must make of one kind of error.
type refusal struct {
	name         string
	key          string // "": alice's
	gpt, claude  string // models
	gemini       string
	prompt       string
	openaiStatus int
	openaiType   string
	openaiCode   string
	claudeStatus int
	claudeType   anthropic.ErrorType
	geminiStatus int
	geminiWord   string
	says         string // what every message has
}

func refusals() []refusal {
	return []refusal{
		{
			name: "wrong key", key: "sk-nobody-knows-this-one", openaiStatus: 401, openaiType: "invalid_request_error", openaiCode: "invalid_api_key",
			claudeStatus: 401, claudeType: anthropic.ErrorTypeAuthenticationError, geminiStatus: 401, geminiWord: "UNAUTHENTICATED", says: "API key",
		},
		{
			name: "unknown model", gpt: "no-such-model", claude: "no-such-model", gemini: "no-such-model", openaiStatus: 404, openaiType: "invalid_request_error", openaiCode: "model_not_found",
			claudeStatus: 404, claudeType: anthropic.ErrorTypeNotFoundError, geminiStatus: 404, geminiWord: "NOT_FOUND", says: "no-such-model",
		},
		{
			name: "model of others", key: bobKey, gpt: "sim-gpt", claude: "sim-claude", gemini: "sim-gemini", openaiStatus: 404, openaiType: "invalid_request_error", openaiCode: "model_not_found",
			claudeStatus: 404, claudeType: anthropic.ErrorTypeNotFoundError, geminiStatus: 404, geminiWord: "NOT_FOUND", says: "sim-",
		},
		{
			name: "no such model upstream", gpt: "gpt-4o+nomodel", claude: claude + "+nomodel", gemini: gemini + "+nomodel", openaiStatus: 404, openaiType: "invalid_request_error", openaiCode: "model_not_found",
			claudeStatus: 404, claudeType: anthropic.ErrorTypeNotFoundError, geminiStatus: 404, geminiWord: "NOT_FOUND", says: "nomodel",
		},
		{
			name: "too large", prompt: strings.Repeat("x", 300<<10), openaiStatus: 413, openaiType: "invalid_request_error", openaiCode: "request_too_large",
			claudeStatus: 413, claudeType: "request_too_large", geminiStatus: 413, geminiWord: "INVALID_ARGUMENT", says: "262144",
		},
		{
			name: "no credit", key: brokeKey, openaiStatus: 429, openaiType: "insufficient_quota", openaiCode: "insufficient_quota",
			claudeStatus: 402, claudeType: anthropic.ErrorTypeBillingError, geminiStatus: 429, geminiWord: "RESOURCE_EXHAUSTED", says: "credit",
		},
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func TestRefusals(t *testing.T) {
	for _, r := range refusals() {
		t.Run(r.name, func(t *testing.T) {
			key, prompt := or(r.key, aliceKey), or(r.prompt, "Hello.")
			openaiSDK, claudeSDK, geminiSDK := openaiClient(fix.gw, key), anthropicClient(fix.gw, key), geminiClient(t, fix.gw, key)
			for way, err := range openaiErrors(t, openaiSDK, or(r.gpt, "gpt-4o"), prompt) {
				t.Run(way, func(t *testing.T) {
					if e := checkOpenAIError(t, err, r.openaiStatus, r.openaiType, r.openaiCode); !strings.Contains(e.Message, r.says) {
						t.Errorf("%q does not say %q", e.Message, r.says)
					}
				})
			}
			p := message(or(r.claude, claude), prompt)
			_, err := claudeSDK.Messages.New(t.Context(), p)
			stream := claudeSDK.Messages.NewStreaming(t.Context(), p)
			for way, err := range map[string]error{"messages": err, "messages streamed": drain(stream)} {
				t.Run(way, func(t *testing.T) {
					if e := checkAnthropicError(t, err, r.claudeStatus, r.claudeType); !strings.Contains(e.RawJSON(), r.says) || !strings.Contains(e.RawJSON(), e.RequestID) {
						t.Errorf("%s does not say %q", e.RawJSON(), r.says)
					}
				})
			}
			for way, err := range geminiErrors(t, geminiSDK, or(r.gemini, gemini), prompt) {
				t.Run(way, func(t *testing.T) {
					if e := checkGeminiError(t, err, r.geminiStatus, r.geminiWord); !strings.Contains(e.Message, r.says) {
						t.Errorf("%q does not say %q", e.Message, r.says)
					}
				})
			}
		})
	}
}

// events is a stream of either SDK.
type events interface {
	Next() bool
	Err() error
}

// drain reads a stream to its end and returns how it ended.
func drain(s events) error {
	for s.Next() {
	}
	return s.Err()
}

// openaiErrors makes the same call by every way of the SDK.
func openaiErrors(t *testing.T, client openai.Client, model, prompt string) map[string]error {
	t.Helper()
	_, chatErr := client.Chat.Completions.New(t.Context(), chat(model, prompt))
	_, responseErr := client.Responses.New(t.Context(), ask(model, prompt))
	return map[string]error{
		"chat": chatErr, "chat streamed": drain(client.Chat.Completions.NewStreaming(t.Context(), chat(model, prompt))),
		"responses": responseErr, "responses streamed": drain(client.Responses.NewStreaming(t.Context(), ask(model, prompt))),
	}
}

func geminiErrors(t *testing.T, client *genai.Client, model, prompt string) map[string]error {
	t.Helper()
	_, err := client.Models.GenerateContent(t.Context(), model, genai.Text(prompt), nil)
	return map[string]error{"gemini": err, "gemini streamed": geminiStreamError(t, client, model, prompt)}
}

func geminiStreamError(t *testing.T, client *genai.Client, model, prompt string) error {
	t.Helper()
	for _, err := range client.Models.GenerateContentStream(t.Context(), model, genai.Text(prompt), nil) {
		if err != nil {
			return err
		}
	}
	return nil
}

// What the upstream finds wrong with a request is told as it told it, and no other channel is asked.
func TestBadRequests(t *testing.T) {
	openaiSDK, claudeSDK, geminiSDK := openaiClient(fix.gw, aliceKey), anthropicClient(fix.gw, aliceKey), geminiClient(t, fix.gw, aliceKey)
	t.Run("chat", func(t *testing.T) {
		p := chat("gpt-4o", "Hello.")
		p.Temperature = openai.Float(7)
		_, err := openaiSDK.Chat.Completions.New(t.Context(), p)
		e := checkOpenAIError(t, err, http.StatusBadRequest, "invalid_request_error", "")
		if e.Param != "temperature" {
			t.Errorf("param %q: %s", e.Param, e.RawJSON())
		}
		checkAsked(t, e.Response.Header, 1)
	})
	t.Run("responses", func(t *testing.T) {
		p := ask("gpt-4o", "Hello.")
		p.MaxOutputTokens = openai.Int(1)
		_, err := openaiSDK.Responses.New(t.Context(), p)
		if e := checkOpenAIError(t, err, http.StatusBadRequest, "invalid_request_error", "integer_below_min_value"); e.Param != "max_output_tokens" {
			t.Errorf("param %q", e.Param)
		}
	})
	t.Run("messages", func(t *testing.T) {
		p := message(claude, "Hello.")
		p.Temperature = anthropic.Float(7)
		_, err := claudeSDK.Messages.New(t.Context(), p)
		checkAnthropicError(t, err, http.StatusBadRequest, anthropic.ErrorTypeInvalidRequestError)
		p.Temperature = anthropic.Float(1)
		p.Messages = nil
		_, err = claudeSDK.Messages.New(t.Context(), p, anthropicoption.WithJSONSet("messages", []any{}))
		checkAnthropicError(t, err, http.StatusBadRequest, anthropic.ErrorTypeInvalidRequestError)
	})
	t.Run("gemini", func(t *testing.T) {
		_, err := geminiSDK.Models.GenerateContent(t.Context(), gemini, genai.Text("Hello."), &genai.GenerateContentConfig{CandidateCount: 99})
		checkGeminiError(t, err, http.StatusBadRequest, "INVALID_ARGUMENT")
	})
	t.Run("two models", func(t *testing.T) { // two parsers could read it differently, so it is refused here
		status, body, _ := fetch(t, http.MethodPost, fix.gw.base+"/v1/chat/completions", `{"model":"gpt-4o","messages":[],"model":"sim-gpt"}`, "Authorization", "Bearer "+aliceKey)
		if status != http.StatusBadRequest || !strings.Contains(body, "model") {
			t.Errorf("%d %s", status, body)
		}
	})
	t.Run("previous response", func(t *testing.T) {
		p := ask("gpt-4o", "Hello.")
		p.PreviousResponseID = openai.String("resp_nobody_has_this")
		_, err := openaiSDK.Responses.New(t.Context(), p)
		if e := checkOpenAIError(t, err, http.StatusBadRequest, "invalid_request_error", "previous_response_not_found"); e.Param != "previous_response_id" {
			t.Errorf("param %q", e.Param)
		}
	})
}

// checkAsked looks how many channels a call was sent to.
func checkAsked(t *testing.T, h http.Header, attempts int) {
	t.Helper()
	if r := fix.gw.record(t, requestID(t, h)); r.Attempts != attempts {
		t.Errorf("%d attempts, want %d: %+v", r.Attempts, attempts, r)
	}
}

// An account that may make one request a minute makes two.
func TestRateLimit(t *testing.T) {
	checkWait := func(t *testing.T, h http.Header) {
		t.Helper()
		if s, err := strconv.Atoi(h.Get("Retry-After")); err != nil || s < 1 || s > 61 { // a minute, and the second that it is counted by
			t.Errorf("Retry-After %q", h.Get("Retry-After"))
		}
	}
	t.Run("chat", func(t *testing.T) {
		client := openaiClient(fix.gw, limitedKey("chat"))
		_, err := client.Chat.Completions.New(t.Context(), chat("gpt-4o", "Hello."))
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Chat.Completions.New(t.Context(), chat("gpt-4o", "Hello."))
		checkWait(t, checkOpenAIError(t, err, http.StatusTooManyRequests, "rate_limit_error", "rate_limit_exceeded").Response.Header)
		err = drain(client.Chat.Completions.NewStreaming(t.Context(), chat("gpt-4o", "Hello.")))
		checkWait(t, checkOpenAIError(t, err, http.StatusTooManyRequests, "rate_limit_error", "rate_limit_exceeded").Response.Header)
	})
	t.Run("responses", func(t *testing.T) {
		client := openaiClient(fix.gw, limitedKey("responses"))
		if err := drain(client.Responses.NewStreaming(t.Context(), ask("gpt-4o", "Hello."))); err != nil {
			t.Fatal(err)
		}
		_, err := client.Responses.New(t.Context(), ask("gpt-4o", "Hello."))
		checkWait(t, checkOpenAIError(t, err, http.StatusTooManyRequests, "rate_limit_error", "rate_limit_exceeded").Response.Header)
	})
	t.Run("messages", func(t *testing.T) {
		client := anthropicClient(fix.gw, limitedKey("messages"))
		send(t, client, message(claude, "Hello."), false)
		_, err := client.Messages.New(t.Context(), message(claude, "Hello."))
		checkWait(t, checkAnthropicError(t, err, http.StatusTooManyRequests, anthropic.ErrorTypeRateLimitError).Response.Header)
	})
	t.Run("gemini", func(t *testing.T) {
		client := geminiClient(t, fix.gw, limitedKey("gemini"))
		generate(t, client, gemini, genai.Text("Hello."), nil, true)
		_, err := client.Models.GenerateContent(t.Context(), gemini, genai.Text("Hello."), nil)
		e := checkGeminiError(t, err, http.StatusTooManyRequests, "RESOURCE_EXHAUSTED")
		wait := time.Duration(0)
		for _, d := range e.Details {
			if s, ok := d["retryDelay"].(string); ok {
				wait, err = time.ParseDuration(s)
			}
		}
		if wait < time.Second || wait > 61*time.Second {
			t.Errorf("retryDelay %s, %v: %+v", wait, err, e.Details)
		}
	})
}

// A key works wherever a client puts it.
func TestKeyPlaces(t *testing.T) {
	body := `{"model":"gpt-4o","messages":[{"role":"user","content":"echo: in"}]}`
	for _, c := range []struct {
		name, query string
		headers     []string
	}{
		{"Authorization", "", []string{"Authorization", "Bearer " + aliceKey}},
		{"lower case bearer", "", []string{"Authorization", "bearer " + aliceKey}},
		{"x-api-key", "", []string{"x-api-key", aliceKey}},
		{"x-goog-api-key", "", []string{"x-goog-api-key", aliceKey}},
		{"api-key", "", []string{"api-key", aliceKey}},
		{"query", "?key=" + aliceKey, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for path, body := range map[string]string{
				"/v1/chat/completions": body,
				"/v1/messages":         `{"model":"` + claude + `","max_tokens":9,"messages":[{"role":"user","content":"echo: in"}]}`,
				"/v1beta/models/" + gemini + ":generateContent": `{"contents":[{"parts":[{"text":"echo: in"}]}]}`,
			} {
				status, answer, h := fetch(t, http.MethodPost, fix.gw.base+path+c.query, body, c.headers...)
				if status != http.StatusOK || !strings.Contains(answer, `"in"`) {
					t.Errorf("%s: %d %s", path, status, answer)
				}
				requestID(t, h)
			}
		})
	}
	t.Run("Claude by bearer token", func(t *testing.T) { // ANTHROPIC_AUTH_TOKEN
		client := anthropicClient(fix.gw, "", anthropicoption.WithHeaderDel("X-Api-Key"), anthropicoption.WithAuthToken(aliceKey))
		if got, _ := send(t, client, message(claude, "echo: in"), true); messageText(got) != "in" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("none", func(t *testing.T) {
		client := openaiClient(fix.gw, "", option.WithHeaderDel("Authorization"))
		_, err := client.Responses.Get(t.Context(), "resp_1", responses.ResponseGetParams{})
		checkOpenAIError(t, err, http.StatusUnauthorized, "invalid_request_error", "invalid_api_key")
		var e *openai.Error
		if errors.As(err, &e) && strings.Contains(e.Message, aliceKey) {
			t.Error("a key in a message")
		}
	})
}
