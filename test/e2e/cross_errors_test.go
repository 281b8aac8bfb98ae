package e2e

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"google.golang.org/genai"
)

// crossErrors says what every SDK makes of what an upstream of another dialect refused.
var crossErrors = map[string]struct {
	openaiStatus           int
	openaiType, openaiCode string
	claudeStatus           int
	claudeType             anthropic.ErrorType
	geminiStatus           int
	geminiWord             string
}{
	"status=400": {400, "invalid_request_error", "", 400, anthropic.ErrorTypeInvalidRequestError, 400, "INVALID_ARGUMENT"},
	"nomodel":    {404, "invalid_request_error", "model_not_found", 404, anthropic.ErrorTypeNotFoundError, 404, "NOT_FOUND"},
	"overloaded": {503, "server_error", "server_is_overloaded", 529, anthropic.ErrorTypeOverloadedError, 503, "UNAVAILABLE"},
	"ratelimit":  {429, "rate_limit_error", "rate_limit_exceeded", 429, anthropic.ErrorTypeRateLimitError, 429, "RESOURCE_EXHAUSTED"},
	"quota":      {503, "server_error", "server_is_overloaded", 529, anthropic.ErrorTypeOverloadedError, 503, "UNAVAILABLE"},
	"invalidkey": {503, "server_error", "server_is_overloaded", 529, anthropic.ErrorTypeOverloadedError, 503, "UNAVAILABLE"},
	"status=500": {502, "server_error", "upstream_error", 502, anthropic.ErrorTypeAPIError, 502, "UNAVAILABLE"},
}

// An error is the SDK's own, whatever the upstream's looked like, and tells nothing of it.
func TestCrossErrors(t *testing.T) {
	cross(t, func(t *testing.T, c cell) {
		for _, fault := range crossFaults {
			t.Run(fault, func(t *testing.T) {
				want := crossErrors[fault]
				if fault == "quota" && c.upstream == "gemini" {
					want = crossErrors["ratelimit"] // Google's quotas come back
				}
				model := faulty(c.upstream, fault, c.sdk, c.streamed)
				talk := c.open(wish{model: model})
				talk.say("Hello.")
				_, err := talk.next(t.Context(), c.streamed)
				var raw string
				switch c.sdk {
				case "messages":
					raw = checkAnthropicError(t, err, want.claudeStatus, want.claudeType).RawJSON()
				case "gemini":
					raw = checkGeminiError(t, err, want.geminiStatus, want.geminiWord).Message // its details name Google's types
				default:
					e := checkOpenAIError(t, err, want.openaiStatus, want.openaiType, want.openaiCode)
					raw = e.RawJSON()
					if r := c.g.record(t, requestID(t, e.Response.Header)); r.Error == "" || r.Nanos != 0 {
						t.Errorf("%+v", r)
					}
				}
				// The client's own name of the model may be told.
				told := strings.ToLower(strings.ReplaceAll(raw, model, ""))
				for _, secret := range append([]string{"sk-", "org-", "billing", "credit", "127.0.0.1", "openai", "anthropic", "google"}, modelOf(c.upstream)) {
					if strings.Contains(told, secret) {
						t.Errorf("%q tells of %s", raw, secret)
					}
				}
			})
		}
	})
}

// modelOf is what an upstream calls the model that clients know by another name.
func modelOf(upstream string) string {
	for _, u := range upstreams {
		if u.name == upstream {
			return u.model
		}
	}
	return ""
}

// A stream that breaks after content is an error to the SDK, never an answer that seems whole, and what
// was delivered is billed.
func TestCrossBrokenStreams(t *testing.T) {
	cross(t, func(t *testing.T, c cell) {
		if !c.streamed {
			return
		}
		for _, how := range []string{"-cut", "-garbled", "-failing"} {
			t.Run(how[1:], func(t *testing.T) {
				talk := c.open(wish{model: c.upstream + how})
				talk.say("Go on.")
				got, err := talk.next(t.Context(), true)
				if err == nil || got.text == "" || got.stop != "" {
					t.Fatalf("%+v, %v", got, err)
				}
				var claudeError *anthropic.Error
				var geminiError genai.APIError
				switch {
				case c.sdk == "messages" && (!errors.As(err, &claudeError) || claudeError.Type() == ""):
					t.Errorf("not Anthropic's error: %v", err)
				case c.sdk == "gemini" && (!errors.As(err, &geminiError) || geminiError.Code < 500 || geminiError.Status == ""):
					t.Errorf("not Google's error: %v", err)
				}
				if strings.Contains(err.Error(), modelOf(c.upstream)) || strings.Contains(err.Error(), "sk-") {
					t.Errorf("%v tells of the upstream", err)
				}
				checkBroken(t, c.g, got.header)
			})
		}
	})
}

// A client that leaves in the middle stops the call, where the vendor stops billing then, and is billed
// for what was written where not.
func TestCrossCancel(t *testing.T) {
	cross(t, func(t *testing.T, c cell) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		seen := 0
		talk := c.open(wish{model: c.upstream + "-long", piece: func() {
			if seen++; seen == 10 {
				cancel()
			}
		}})
		talk.say("Go on.")
		if !c.streamed {
			return // nothing has come when one leaves; TestCancelPlain is about that
		}
		got, err := talk.next(ctx, true)
		if !errors.Is(err, context.Canceled) || seen < 10 {
			t.Fatalf("after %d pieces the SDK says %v", seen, err)
		}
		id := requestID(t, got.header)
		r := c.g.record(t, id)
		if c.upstream == "chat" || c.upstream == "gemini" {
			if s := fix.sim.answered(t, id); r.Usage != "measured" || r.Out != s.Usage.out() || r.In != s.Usage.in() {
				t.Errorf("gateway %+v, simulator %+v", r, s.Usage)
			}
			return
		}
		if r.Error != "canceled" || r.Usage == "measured" || r.Out == 0 || r.Nanos == 0 {
			t.Errorf("%+v", r)
		}
		s := eventually(t, "the simulator to notice", func() (served, bool) {
			calls, err := fix.sim.calls()
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range calls {
				if s.CallID == id && s.Status == http.StatusOK {
					return s, true
				}
			}
			return served{}, false
		})
		if s.Complete {
			t.Errorf("the upstream wrote on: %+v", s)
		}
	})
}
