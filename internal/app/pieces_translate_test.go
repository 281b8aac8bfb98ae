package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Arguments in pieces that make no whole reach a client that is passed the stream as it comes; a client of another
// dialect is told that the answer broke.
func TestPiecesThatMakeNoWhole(t *testing.T) {
	const chunk = "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[%s]}%s}]}\r\n\r\n"
	stream := fmt.Sprintf(chunk, `{"text":"hi"}`, "") +
		fmt.Sprintf(chunk, `{"functionCall":{"name":"f","willContinue":true}}`, "") +
		fmt.Sprintf(chunk, `{"functionCall":{"partialArgs":[{"jsonPath":"$.a[7]","numberValue":1}],"willContinue":true}}`, "") +
		fmt.Sprintf(chunk, `{"functionCall":{}}`, `,"finishReason":"STOP"`)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, stream)
	}))
	t.Cleanup(srv.Close)
	g := startGateway(t, fmt.Sprintf("channels:\n  - {name: g, provider: gemini, base_url: %q, key: sk-g-1, models: [\"m\"]}\nmodels:\n  - {name: m, price: {input: \"1\", output: \"2\"}}\n", srv.URL)+alice("10"))
	if a := g.send("POST", "/v1beta/models/m:streamGenerateContent?alt=sse", `{"contents":[{"parts":[{"text":"x"}]}]}`); a.status != http.StatusOK || !strings.Contains(a.body, `"finishReason":"STOP"`) || strings.Contains(a.body, `"error"`) {
		t.Errorf("passed on: %d %s", a.status, a.body)
	}
	if a := g.send("POST", "/v1/messages", `{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}`); !strings.Contains(a.body, "event: error") {
		t.Errorf("translated: %d %s", a.status, a.body)
	}
}
