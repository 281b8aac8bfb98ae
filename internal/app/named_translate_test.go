package app_test

import (
	"net/http"
	"strings"
	"testing"
)

// What is lost is told by the name that the client took for it, where its dialect has several.
func TestLossesBearTheClientsNames(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, translated(url, ""))
	const chat, responses = `"messages":[{"role":"user","content":"hi"}]`, `"input":"hi"`
	for _, c := range []struct{ path, upstream, rest, at string }{
		{"/v1/chat/completions", "gemini", chat + `,"user":"u"`, "user"},
		{"/v1/chat/completions", "gemini", chat + `,"safety_identifier":"u"`, "safety_identifier"},
		{"/v1/responses", "gemini", responses + `,"safety_identifier":"u"`, "safety_identifier"},
		{"/v1/chat/completions", "gemini", chat + `,"functions":[{"name":"f","parameters":{"type":"object"}}]`, "functions"},
		{"/v1/chat/completions", "gemini", chat + `,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"parallel_tool_calls":false`, "parallel_tool_calls"},
		{"/v1/chat/completions", "claude", chat + `,"reasoning":{"effort":"odd"}`, "reasoning.effort"},
		{"/v1/chat/completions", "claude", chat + `,"reasoning_effort":"odd"`, "reasoning_effort"},
	} {
		body := `{"model":"` + c.upstream + `-model",` + c.rest + `}`
		a := g.send("POST", c.path, body)
		if told := a.header.Get("X-Tollgate-Loss"); a.status != http.StatusOK || !strings.HasPrefix(told, c.at+": ") {
			t.Errorf("%s: %d, told %q, want %s", body, a.status, told, c.at)
		}
		strict := g.send("POST", c.path, body, "X-Tollgate-Strict", "true", "Authorization", "Bearer "+userKey)
		if strict.status != http.StatusBadRequest || !strings.Contains(strict.body, `"param":"`+c.at+`"`) {
			t.Errorf("%s: %d %s", body, strict.status, strict.body)
		}
	}
}
