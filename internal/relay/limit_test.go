package relay

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/canon"
	"tollgate/internal/limit"
)

// TestTellLimits: every dialect has its own names, a limit that is not there has none, and all that one
// call is told stands in one string without running together.
func TestTellLimits(t *testing.T) {
	now := time.Date(2026, 11, 20, 10, 0, 0, 500e6, time.UTC)
	requests := limit.Gauge{Limit: 60, Remaining: 0, Reset: 6 * time.Minute}
	tokens := limit.Gauge{Limit: 9_000_000_000_000_000, Remaining: 8_999_999_999_999_999, Reset: 59*time.Second + 999_600*time.Microsecond}
	for _, c := range []struct {
		what    string
		dialect canon.Dialect
		state   limit.State
		want    http.Header
	}{
		{"no limits", canon.OpenAIChat, limit.State{}, http.Header{}},
		{"Gemini has no such headers", canon.Gemini, limit.State{Requests: requests, Tokens: tokens}, http.Header{}},
		{"OpenAI", canon.OpenAIResponses, limit.State{Requests: requests, Tokens: tokens}, http.Header{
			"X-Ratelimit-Limit-Requests": {"60"}, "X-Ratelimit-Remaining-Requests": {"0"}, "X-Ratelimit-Reset-Requests": {"6m0s"},
			"X-Ratelimit-Limit-Tokens": {"9000000000000000"}, "X-Ratelimit-Remaining-Tokens": {"8999999999999999"}, "X-Ratelimit-Reset-Tokens": {"1m0s"},
		}},
		{"OpenAI, tokens alone", canon.OpenAIChat, limit.State{Tokens: tokens}, http.Header{
			"X-Ratelimit-Limit-Tokens": {"9000000000000000"}, "X-Ratelimit-Remaining-Tokens": {"8999999999999999"}, "X-Ratelimit-Reset-Tokens": {"1m0s"},
		}},
		{"Anthropic", canon.Anthropic, limit.State{Requests: requests, Tokens: tokens}, http.Header{
			"Anthropic-Ratelimit-Requests-Limit": {"60"}, "Anthropic-Ratelimit-Requests-Remaining": {"0"}, "Anthropic-Ratelimit-Requests-Reset": {"2026-11-20T10:06:01Z"},
			"Anthropic-Ratelimit-Tokens-Limit": {"9000000000000000"}, "Anthropic-Ratelimit-Tokens-Remaining": {"8999999999999999"}, "Anthropic-Ratelimit-Tokens-Reset": {"2026-11-20T10:01:01Z"},
			"Anthropic-Ratelimit-Input-Tokens-Limit": {"9000000000000000"}, "Anthropic-Ratelimit-Input-Tokens-Remaining": {"8999999999999999"}, "Anthropic-Ratelimit-Input-Tokens-Reset": {"2026-11-20T10:01:01Z"},
			"Anthropic-Ratelimit-Output-Tokens-Limit": {"9000000000000000"}, "Anthropic-Ratelimit-Output-Tokens-Remaining": {"8999999999999999"}, "Anthropic-Ratelimit-Output-Tokens-Reset": {"2026-11-20T10:01:01Z"},
		}},
		{"Anthropic, requests alone", canon.Anthropic, limit.State{Requests: requests}, http.Header{
			"Anthropic-Ratelimit-Requests-Limit": {"60"}, "Anthropic-Ratelimit-Requests-Remaining": {"0"}, "Anthropic-Ratelimit-Requests-Reset": {"2026-11-20T10:06:01Z"},
		}},
	} {
		h := http.Header{}
		tellLimits(h, c.dialect, c.state, now)
		if diff := cmp.Diff(c.want, h); diff != "" {
			t.Errorf("%s: %s", c.what, diff)
		}
		for name := range h { // a value that is added to one must not take the place of another's
			h.Add(name, "more")
		}
		for name, want := range c.want {
			if h.Get(name) != want[0] {
				t.Errorf("%s: %s is %q after something was added", c.what, name, h.Get(name))
			}
		}
	}
}
