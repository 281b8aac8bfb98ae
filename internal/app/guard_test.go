package app_test

import (
	"strings"
	"testing"
)

// What a request names beside its model is judged as its model is: further models must be allowed and
// priced, objects of an upstream account must be the caller's own.
func TestNamedBeside(t *testing.T) {
	sim, url := simulate(t)
	conf := channels(url, "sk-up-1") + "models:\n  - {name: \"claude-cheap\", price: {input: \"1\", output: \"1\"}}\n  - {name: \"claude-dear\", price: {input: \"1000\", output: \"100000\"}}\n"
	g := startGateway(t, strings.Replace(conf, "keys: [{name: main,", "models: [\"claude-cheap\", \"claude-dear\", \"claude-unpriced-x\", \"sim-*\"], keys: [{name: main,", 1))
	for what, c := range map[string]struct {
		path, body string
		status     int
		says       string
	}{
		"a fallback that is not allowed":           {"/v1/messages", `{"model":"claude-cheap","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"fallbacks":[{"model":"claude-secret"}]}`, 404, "claude-secret"},
		"a fallback that costs more than there is": {"/v1/messages", `{"model":"claude-cheap","max_tokens":999999,"messages":[{"role":"user","content":"hi"}],"fallbacks":[{"model":"claude-dear"}]}`, 429, "credit"},
		"a file of somebody's":                     {"/v1/messages", `{"model":"claude-cheap","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"file_011CNha8iCJcU1wXNR6q4V8w"}}]}]}`, 404, "file_011CNha8iCJcU1wXNR6q4V8w"},
		"a cache of somebody's":                    {"/v1beta/models/sim-gemini:generateContent", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"cachedContent":"cachedContents/abc123"}`, 404, "cachedContents/abc123"},
		"a conversation of somebody's":             {"/v1/responses", `{"model":"sim-gpt","input":"hi","conversation":"conv_123"}`, 404, "conv_123"},
	} {
		a := g.send("POST", c.path, c.body)
		if a.status != c.status && (c.status != 429 || a.status != 402 && a.status != 400) || !strings.Contains(a.body, c.says) {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	if n := len(counted(t, sim)); n != 0 {
		t.Errorf("%d calls reached the upstream", n)
	}
}
