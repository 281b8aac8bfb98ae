package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// arrayed is a streamed answer of Gemini in its older framing: one JSON array, written piece by piece.
func arrayed(t *testing.T, a answer) (text string, last map[string]any) {
	t.Helper()
	var pieces []map[string]any
	if err := json.Unmarshal([]byte(a.body), &pieces); err != nil || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		t.Fatalf("%v, %s: %.900s", err, a.header.Get("Content-Type"), a.body)
	}
	for _, p := range pieces {
		last = p
		candidates, _ := p["candidates"].([]any)
		for _, c := range candidates {
			content, _ := c.(map[string]any)["content"].(map[string]any)
			parts, _ := content["parts"].([]any)
			for _, part := range parts {
				s, _ := part.(map[string]any)["text"].(string)
				text += s
			}
		}
	}
	return text, last
}

// Clients of Gemini that do not ask for server-sent events get one JSON array of every upstream: valid to its end, also
// where the upstream broke off, and with nothing of another framing in it.
func TestTranslatedArrays(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, translated(url, ""))
	began := 0
	for _, u := range upstreams {
		ask := func(model, more string, headers ...string) answer {
			return g.send("POST", "/v1beta/models/"+u.name+model+":streamGenerateContent", `{"contents":[{"role":"user","parts":[{"text":"echo: hello \"you\" there and everywhere, from all of us"}]}]`+more+`}`, headers...)
		}
		text, last := arrayed(t, ask("-model", ""))
		usage, _ := last["usageMetadata"].(map[string]any)
		if text != `hello "you" there and everywhere, from all of us` || usage["totalTokenCount"] == nil || !strings.Contains(fmt.Sprint(last), "STOP") {
			t.Errorf("%s: %q, ends in %v", u.name, text, last)
		}
		if text, last = arrayed(t, ask("-big", "")); text == "" || last["error"] != nil {
			t.Errorf("%s: %q, ends in %v", u.name, text, last)
		}
		if broken := ask("-broken", ""); broken.status == http.StatusOK { // else it broke off before content
			began++
			if text, last = arrayed(t, broken); text == "" || last["error"] == nil {
				t.Errorf("%s: %q, ends in %v", u.name, text, last)
			}
		}
		if u.name == "gemini" {
			continue
		}
		lost := ask("-model", `,"safetySettings":[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"BLOCK_NONE"}]`)
		if text, _ = arrayed(t, lost); text == "" || !strings.Contains(lost.header.Get("X-Tollgate-Loss"), "safetySettings") {
			t.Errorf("%s: %v %s", u.name, lost.header, lost.body)
		}
		strict := ask("-exact", `,"safetySettings":[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"BLOCK_NONE"}]`)
		if e := clients["gemini"].side.ReadError(strict.status, strict.header, []byte(strict.body)); strict.status != http.StatusBadRequest || !strings.Contains(e.Message, "safetySettings") {
			t.Errorf("%s: %d %s", u.name, strict.status, strict.body)
		}
	}
	if began < 2 {
		t.Errorf("%d streams broke off after content", began)
	}
}

// Clients of Chat Completions get the usage of a stream when they ask for it, and no chunk without choices when not,
// whatever the upstream sends.
func TestTranslatedUsageIsAskedFor(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, translated(url, ""))
	for _, u := range upstreams {
		for _, c := range []struct {
			more string
			told bool
		}{{``, false}, {`,"stream_options":{"include_usage":false}`, false}, {`,"stream_options":{"include_usage":true}`, true}} {
			a := g.send("POST", "/v1/chat/completions", fmt.Sprintf(`{"model":"%s-model","stream":true,"messages":[{"role":"user","content":"hi"}]%s}`, u.name, c.more))
			if a.status != http.StatusOK || strings.Contains(a.body, `"total_tokens"`) != c.told || strings.Contains(a.body, `"choices":[]`) != c.told {
				t.Errorf("%s%s: %d %s", u.name, c.more, a.status, a.body)
			}
		}
	}
	for _, line := range g.lines("call") {
		if line["usage"] != "measured" {
			t.Errorf("log: %v", line)
		}
	}
}
