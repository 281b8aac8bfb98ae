package anthropic

import (
	"net/http"
	"testing"
	"time"
)

func TestSpent(t *testing.T) {
	h := http.Header{}
	h.Set("Date", "Fri, 20 Nov 2026 12:00:00 GMT")
	h.Set("Anthropic-Ratelimit-Requests-Remaining", "4")
	h.Set("Anthropic-Ratelimit-Requests-Reset", "2026-11-20T12:05:00Z")
	if d := New().Spent(h); d != 0 {
		t.Errorf("%v though requests remain", d)
	}
	h.Set("Anthropic-Ratelimit-Output-Tokens-Remaining", "0")
	h.Set("Anthropic-Ratelimit-Output-Tokens-Reset", "2026-11-20T12:00:30Z")
	if d := New().Spent(h); d != 30*time.Second {
		t.Errorf("%v, want the 30 s until output tokens are there again", d)
	}
}
