package app_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// A Responses client continues what a chat, Claude or Gemini upstream answered: the gateway keeps it, for
// its account alone, and shows and deletes it.
func TestKeptResponses(t *testing.T) {
	sim, url := simulate(t)
	other := "sk-test-other-0123456789abcdefghijklmnop"
	conf := strings.Replace(translated(url, ""), "accounts:\n", "accounts:\n  - {name: bob, credit: 10, keys: [{name: main, key: "+other+"}]}\n", 1)
	g := startGateway(t, conf)
	for _, upstream := range []string{"chat", "claude", "gemini"} {
		for _, stream := range []bool{false, true} {
			ask := map[string]any{"model": upstream + "-model", "input": "echo: my name is Ada", "stream": stream}
			first := responseOf(t, g.send("POST", "/v1/responses", marshal(t, ask)), stream)
			id, _ := first["id"].(string)
			if !strings.HasPrefix(id, "resp_") || first["store"] != true {
				t.Fatalf("%s, stream %v: %v", upstream, stream, first)
			}
			before := len(counted(t, sim))
			ask["input"], ask["previous_response_id"] = "what is my name?", id
			second := responseOf(t, g.send("POST", "/v1/responses", marshal(t, ask)), stream)
			if second["previous_response_id"] != id {
				t.Errorf("%s, stream %v: it continues %v", upstream, stream, second["previous_response_id"])
			}
			calls := counted(t, sim)
			if got := calls[len(calls)-1].Usage; len(calls) != before+1 || got.Input+got.CacheRead < 10 {
				t.Errorf("%s, stream %v: the upstream did not read the conversation: %+v", upstream, stream, got)
			}
			if a := g.send("POST", "/v1/responses", marshal(t, ask), "Authorization", "Bearer "+other); a.status != 400 || !strings.Contains(a.body, "previous_response_not_found") {
				t.Errorf("another account continues it: %d %s", a.status, a.body)
			}
			if a := g.send("GET", "/v1/responses/"+id, "", "Authorization", "Bearer "+other); a.status != 404 {
				t.Errorf("another account reads it: %d %s", a.status, a.body)
			}
			if a := g.send("GET", "/v1/responses/"+id, ""); a.status != 200 || !strings.Contains(a.body, "my name is Ada") {
				t.Errorf("%d %s", a.status, a.body)
			}
			if a := g.send("GET", "/v1/responses/"+id+"/input_items", ""); a.status != 200 || !strings.Contains(a.body, "echo: my name is Ada") {
				t.Errorf("%d %s", a.status, a.body)
			}
			if a := g.send("DELETE", "/v1/responses/"+id, ""); a.status != 200 || !strings.Contains(a.body, `"deleted":true`) {
				t.Errorf("%d %s", a.status, a.body)
			}
			if a := g.send("GET", "/v1/responses/"+id, ""); a.status != 404 {
				t.Errorf("a deleted response is there: %d %s", a.status, a.body)
			}
		}
	}
	ask := map[string]any{"model": "chat-model", "input": "hi", "store": false}
	none := responseOf(t, g.send("POST", "/v1/responses", marshal(t, ask)), false)
	if a := g.send("GET", "/v1/responses/"+none["id"].(string), ""); a.status != 404 {
		t.Errorf("a response that was not to be stored is: %d %s", a.status, a.body)
	}
}

// What a call that goes on loses is told by its place in the call's own input.
func TestLossesOfContinuedResponses(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, translated(url, ""))
	const pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	look := []any{map[string]any{"role": "user", "content": []any{map[string]any{"type": "input_image", "image_url": pixel, "detail": "high"}}}}
	ask := map[string]any{"model": "claude-model", "input": look}
	first := g.send("POST", "/v1/responses", marshal(t, ask))
	ask["previous_response_id"] = responseOf(t, first, false)["id"]
	second := g.send("POST", "/v1/responses", marshal(t, ask))
	for a, want := range map[*answer]string{
		&first:  "input[0].content[0]: image.detail lost",
		&second: "input[0].content[0]: image.detail lost (and at 1 more)", // not the one that was told before
	} {
		if got := a.header.Get("X-Tollgate-Loss"); a.status != 200 || !strings.Contains(got, want) || want == "" {
			t.Errorf("%d %q, want %q", a.status, got, want)
		}
	}
	ask["input"] = []any{map[string]any{"role": "user", "content": []any{map[string]any{"type": "input_image", "image_url": 1}}}}
	if a := g.send("POST", "/v1/responses", marshal(t, ask)); a.status != 400 || !strings.Contains(a.body, `"input[0].content[0]`) {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// responseOf returns the response object of an answer.
func responseOf(t *testing.T, a answer, stream bool) map[string]any {
	t.Helper()
	if a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	raw := a.body
	if stream {
		_, raw, _ = strings.Cut(a.body, `{"type":"response.completed"`)
		raw, _, _ = strings.Cut(`{"type":"response.completed"`+raw, "\n")
	}
	var out map[string]any
	if err := json.Unmarshal([]byte(raw), &out); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	if stream {
		out, _ = out["response"].(map[string]any)
	}
	return out
}
