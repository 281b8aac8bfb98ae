package e2e

import (
	"errors"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/openai/openai-go/v3"
	"google.golang.org/genai"
)

// checkOpenAIError asserts on OpenAI's own error type; an empty code is not looked at.
func checkOpenAIError(t *testing.T, err error, status int, typ, code string) *openai.Error {
	t.Helper()
	var e *openai.Error
	if !errors.As(err, &e) {
		t.Fatalf("not an error of the SDK: %v", err)
	}
	if e.StatusCode != status || e.Type != typ || code != "" && e.Code != code || e.Message == "" {
		t.Errorf("%d %q %q %q, want %d %q %q", e.StatusCode, e.Type, e.Code, e.Message, status, typ, code)
	}
	return e
}

// checkAnthropicError asserts on Anthropic's own error type.
func checkAnthropicError(t *testing.T, err error, status int, typ anthropic.ErrorType) *anthropic.Error {
	t.Helper()
	var e *anthropic.Error
	if !errors.As(err, &e) {
		t.Fatalf("not an error of the SDK: %v", err)
	}
	if e.StatusCode != status || e.Type() != typ {
		t.Errorf("%d %q, want %d %q: %s", e.StatusCode, e.Type(), status, typ, e.RawJSON())
	}
	if e.RequestID == "" || e.RequestID != e.Response.Header.Get("X-Request-Id") {
		t.Errorf("request id %q", e.RequestID)
	}
	return e
}

// checkGeminiError asserts on Google's own error type.
func checkGeminiError(t *testing.T, err error, code int, status string) genai.APIError {
	t.Helper()
	var e genai.APIError
	if !errors.As(err, &e) {
		t.Fatalf("not an error of the SDK: %v", err)
	}
	if e.Code != code || e.Status != status || e.Message == "" {
		t.Errorf("%d %q %q, want %d %q", e.Code, e.Status, e.Message, code, status)
	}
	return e
}
