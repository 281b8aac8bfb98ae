package app_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// A channel whose provider says, in a good answer, that nothing is left rests until the time it named:
// the next calls go elsewhere without being refused first.
func TestSpentChannelRests(t *testing.T) {
	var spent, fresh atomic.Int64
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.Header.Get("Authorization"), "sk-up-1") {
			spent.Add(1)
			w.Header().Set("X-Ratelimit-Remaining-Requests", "0")
			w.Header().Set("X-Ratelimit-Reset-Requests", "1m0s")
		} else {
			fresh.Add(1)
		}
		_, _ = io.WriteString(w, `{"id":"c","object":"chat.completion","created":1,"model":"sim-gpt","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)
	}))
	t.Cleanup(upstream.Close)
	g := startGateway(t, channels(upstream.URL, "sk-up-1", "sk-up-2"))
	for range 10 {
		if a := g.send("POST", "/v1/chat/completions", hello); a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	if spent.Load() != 1 || fresh.Load() != 9 {
		t.Errorf("%d calls went to the spent channel, %d to the other; want 1 and 9", spent.Load(), fresh.Load())
	}
}
