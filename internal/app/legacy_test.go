package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// completion is an answer of the oldest endpoint, whole or put together from its stream.
type completion struct {
	ID, Object, Model string
	Choices           []struct {
		Index        int
		Text         string
		FinishReason *string `json:"finish_reason"`
	}
	Usage *struct {
		PromptTokens     int `json:"prompt_tokens"`
		CompletionTokens int `json:"completion_tokens"`
	}
	Error *struct{ Type, Message string }
}

// readCompletion reads an answer; texts and why each ended are by choice.
func readCompletion(t *testing.T, a answer, stream bool) (texts, ends map[int]string, last completion) {
	t.Helper()
	texts, ends = map[int]string{}, map[int]string{}
	frames := []string{a.body}
	if stream {
		frames = strings.Split(strings.TrimSuffix(strings.ReplaceAll(a.body, "data: ", ""), "\n\n"), "\n\n")
		if n := len(frames) - 1; frames[n] == "[DONE]" {
			frames = frames[:n]
		}
	}
	for _, f := range frames {
		if strings.HasPrefix(f, ":") { // keeps the connection alive
			continue
		}
		var c completion
		if err := json.Unmarshal([]byte(f), &c); err != nil {
			t.Fatalf("%v in %q", err, f)
		}
		if c.Error == nil && (c.Object != "text_completion" || !strings.HasPrefix(c.ID, "cmpl-")) {
			t.Errorf("not a completion: %s", f)
		}
		for _, ch := range c.Choices {
			texts[ch.Index] += ch.Text
			if ch.FinishReason != nil {
				ends[ch.Index] = *ch.FinishReason
			}
		}
		last = c
	}
	return texts, ends, last
}

// legacy is translated, with a vendor of chats that has no completions.
func legacy(url string) string {
	return strings.Replace(translated(url, ""), "openai-compatible", "moonshot", 1)
}

// The oldest endpoint of OpenAI is answered by models of every dialect, streamed and whole, and what they have
// nothing like is told, or refused to whoever is strict.
func TestLegacyCompletions(t *testing.T) {
	sim, url := simulate(t)
	g := startGateway(t, legacy(url))
	const sent = "echo: one two three"
	for _, c := range []struct {
		more string
		text string            // of each choice
		n    map[string]int    // choices by upstream; 1 where none is given
		lost map[string]string // by upstream; * for all
	}{
		{more: ``, text: "one two three"},
		{more: `,"stop":["zzz"],"temperature":0.5,"max_tokens":50,"user":"u"`, text: "one two three", lost: map[string]string{"responses": "stop", "gemini": "user"}},
		{more: `,"n":2`, text: "one two three", n: map[string]int{"chat": 2, "gemini": 2}, lost: map[string]string{"responses": "n: n lost", "claude": "n: n lost"}},
		{more: `,"echo":true`, text: sent + "one two three"},
		{more: `,"echo":true,"n":2`, text: sent + "one two three", n: map[string]int{"chat": 2, "gemini": 2}, lost: map[string]string{"responses": "n: n lost", "claude": "n: n lost"}},
		{more: `,"suffix":"the end"`, text: "one two three", lost: map[string]string{"*": "suffix: extra lost"}},
		{more: `,"best_of":3`, text: "one two three", lost: map[string]string{"*": "best_of: extra lost"}},
		{more: `,"logit_bias":{"5":1}`, text: "one two three", lost: map[string]string{"responses": "logit_bias", "claude": "logit_bias", "gemini": "logit_bias"}},
		{more: `,"seed":7`, text: "one two three", lost: map[string]string{"responses": "seed: seed lost", "claude": "seed: seed lost"}},
		{more: `,"logprobs":2`, text: "one two three", lost: map[string]string{"claude": "logprobs: logprobs lost"}},
	} {
		for _, u := range upstreams {
			for _, stream := range []bool{false, true} {
				at := fmt.Sprintf("%s on %s, stream %v", c.more, u.name, stream)
				body := fmt.Sprintf(`{"model":"%s-model","prompt":%q,"stream":%v%s}`, u.name, sent, stream, c.more)
				a := g.send("POST", "/v1/completions", body)
				if a.status != http.StatusOK || stream != strings.HasSuffix(a.body, "data: [DONE]\n\n") {
					t.Errorf("%s: %d %s", at, a.status, a.body)
					continue
				}
				lost := c.lost[u.name] + c.lost["*"]
				if told := a.header.Get("X-Tollgate-Loss"); !strings.Contains(told, lost) || lost == "" && told != "" {
					t.Errorf("%s: loss %q, want %q", at, told, lost)
				}
				texts, ends, last := readCompletion(t, a, stream)
				n := max(c.n[u.name], 1)
				for i := range n {
					if texts[i] != c.text || ends[i] != "stop" {
						t.Errorf("%s: choice %d says %q and ends by %q", at, i, texts[i], ends[i])
					}
				}
				if len(texts) != n || last.Model != u.name+"-model" || stream == (last.Usage != nil) {
					t.Errorf("%s: %d choices, %+v", at, len(texts), last)
				}
				if lost == "" {
					continue
				}
				strict := g.send("POST", "/v1/completions", body, "Authorization", "Bearer "+strictKey)
				if name, _, _ := strings.Cut(lost, ":"); strict.status != http.StatusBadRequest || !strings.Contains(strict.body, name) {
					t.Errorf("%s: %d %s", at, strict.status, strict.body)
				}
			}
		}
	}
	asked := g.send("POST", "/v1/completions", fmt.Sprintf(`{"model":"claude-model","prompt":%q,"stream":true,"stream_options":{"include_usage":true}}`, sent))
	if _, _, last := readCompletion(t, asked, true); last.Usage == nil || last.Usage.PromptTokens == 0 || last.Usage.CompletionTokens == 0 || len(last.Choices) != 0 {
		t.Errorf("%+v", last)
	}
	for _, line := range g.lines("call") {
		if line["error"] == nil && (line["usage"] != "measured" || line["op"] != "complete") || line["error"] != nil && line["nanos"].(float64) != 0 {
			t.Errorf("log: %v", line)
		}
	}
	for _, c := range counted(t, sim) {
		if c.Endpoint == "completions" && c.Status == http.StatusOK {
			t.Errorf("not translated: %+v", c)
		}
	}
}

// What no chat can answer is refused with the name of the member, and failures have OpenAI's shape.
func TestLegacyRefusals(t *testing.T) {
	sim, url := simulate(t)
	g := startGateway(t, legacy(url))
	for _, u := range upstreams {
		for prompt, says := range map[string]string{
			`["a","b"]`: "one by one", `[1,2]`: "not as tokens", `[[1,2]]`: "not as tokens", `null`: "need a 'prompt'", `[]`: "need a 'prompt'", `5`: "a string or an array", `{"a":1}`: "a string or an array",
		} {
			a := g.send("POST", "/v1/completions", fmt.Sprintf(`{"model":"%s-model","prompt":%s}`, u.name, prompt))
			if a.status != http.StatusBadRequest || !strings.Contains(a.body, says) || !strings.Contains(a.body, `"param":"prompt"`) {
				t.Errorf("%s, %s: %d %s", u.name, prompt, a.status, a.body)
			}
		}
		if a := g.send("POST", "/v1/completions", fmt.Sprintf(`{"model":"%s-model"}`, u.name)); a.status != http.StatusBadRequest || !strings.Contains(a.body, "prompt") {
			t.Errorf("%s, no prompt: %d %s", u.name, a.status, a.body)
		}
	}
	for _, c := range counted(t, sim) {
		if c.Status == http.StatusOK {
			t.Errorf("the upstream was called: %+v", c)
		}
	}
	for _, u := range upstreams {
		for _, stream := range []bool{false, true} {
			for model, status := range map[string]int{"-failing": http.StatusBadGateway, "-refusing": http.StatusBadRequest} {
				a := g.send("POST", "/v1/completions", fmt.Sprintf(`{"model":"%s%s","prompt":"hi","stream":%v}`, u.name, model, stream))
				if a.status != status || !strings.Contains(a.body, `"error":{`) || !strings.Contains(a.body, `"param"`) {
					t.Errorf("%s%s, stream %v: %d %s", u.name, model, stream, a.status, a.body)
				}
			}
		}
		a := g.send("POST", "/v1/completions", fmt.Sprintf(`{"model":"%s-broken","prompt":"hi","stream":true}`, u.name))
		if _, ends, last := readCompletion(t, a, true); a.status == http.StatusOK && (last.Error == nil || len(ends) != 0 || strings.Contains(a.body, "[DONE]")) {
			t.Errorf("%s: a stream that was cut looks whole: %s", u.name, a.body)
		}
	}
}
