package simulator_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"strings"
	"testing"
	"time"

	"tollgate/internal/simulator"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	u := start(t, simulator.Config{})
	long := strings.Repeat("word ", 40)
	for _, c := range []struct {
		name, path, body string
		check            func(m map[string]any) string
	}{
		{"chat max", "/v1/chat/completions", `{"model":"gpt-4o","max_completion_tokens":5,"messages":[{"role":"user","content":"echo: ` + long + `"}]}`, func(m map[string]any) string {
			return fmt.Sprint(str(m, "choices", 0, "finish_reason"), " ", num(m, "usage", "completion_tokens"), " ", str(m, "choices", 0, "message", "content"))
		}},
		{"chat stop", "/v1/chat/completions", `{"model":"gpt-4o","stop":["three","two"],"messages":[{"role":"user","content":"echo: one two three"}]}`, func(m map[string]any) string {
			return fmt.Sprint(str(m, "choices", 0, "finish_reason"), " ", str(m, "choices", 0, "message", "content"))
		}},
		{"chat n", "/v1/chat/completions", `{"model":"gpt-4o","n":3,"messages":[{"role":"user","content":"echo: one two"}]}`, func(m map[string]any) string {
			return fmt.Sprint(num(m, "choices", 2, "index"), " ", str(m, "choices", 2, "message", "content"), " ", num(m, "usage", "completion_tokens"))
		}},
		{"anthropic max", "/v1/messages", `{"model":"c","max_tokens":5,"messages":[{"role":"user","content":"echo: ` + long + `"}]}`, func(m map[string]any) string {
			return fmt.Sprint(str(m, "stop_reason"), " ", num(m, "usage", "output_tokens"))
		}},
		{"anthropic stop", "/v1/messages", `{"model":"c","max_tokens":50,"stop_sequences":["two"],"messages":[{"role":"user","content":"echo: one two three"}]}`, func(m map[string]any) string {
			return fmt.Sprint(str(m, "stop_reason"), " ", str(m, "stop_sequence"), " ", str(m, "content", 0, "text"))
		}},
		{"anthropic dry", "/v1/messages", `{"model":"c","max_tokens":0,"messages":[{"role":"user","content":"x"}]}`, func(m map[string]any) string {
			return fmt.Sprint(str(m, "stop_reason"), " ", num(m, "usage", "output_tokens"))
		}},
		{"responses max", "/v1/responses", `{"model":"gpt-4o","max_output_tokens":16,"input":"echo: ` + long + `"}`, func(m map[string]any) string {
			return fmt.Sprint(str(m, "status"), " ", str(m, "incomplete_details", "reason"), " ", num(m, "usage", "output_tokens"))
		}},
		{"gemini max", "/v1beta/models/g:generateContent", `{"generation_config":{"max_output_tokens":5},"contents":[{"parts":[{"text":"echo: ` + long + `"}]}]}`, func(m map[string]any) string {
			return fmt.Sprint(str(m, "candidates", 0, "finishReason"), " ", num(m, "usageMetadata", "candidatesTokenCount"))
		}},
		{"gemini candidates", "/v1beta/models/g:generateContent", `{"generationConfig":{"candidateCount":2},"contents":[{"parts":[{"text":"echo: Hi"}]}]}`, func(m map[string]any) string {
			return fmt.Sprint(num(m, "candidates", 1, "index"), " ", str(m, "candidates", 1, "content", "parts", 0, "text"))
		}},
	} {
		want := map[string]string{
			"chat max": "length 5 word word word word ", "chat stop": "stop one ", "chat n": "2 one two 6",
			"anthropic max": "max_tokens 5", "anthropic stop": "stop_sequence two one ", "anthropic dry": "max_tokens 0",
			"responses max": "incomplete max_output_tokens 16", "gemini max": "MAX_TOKENS 5", "gemini candidates": "1 Hi",
		}[c.name]
		a := u.post(c.path, c.body)
		if a.status != 200 {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
			continue
		}
		if got := c.check(tree(t, a.body)); got != want {
			t.Errorf("%s: got %q, want %q", c.name, got, want)
		}
	}
}

func TestSameRequestSameWords(t *testing.T) {
	t.Parallel()
	u := start(t, simulator.Config{Seed: 7})
	words := func(prompt string) string {
		a := u.post("/v1/chat/completions", `{"model":"gpt-4o","messages":[{"role":"user","content":"`+prompt+`"}]}`)
		return str(tree(t, a.body), "choices", 0, "message", "content")
	}
	seen := map[string]bool{}
	for i := range 20 {
		p := fmt.Sprint("prompt ", i)
		first, second := words(p), words(p)
		if first != second {
			t.Errorf("two answers to %q differ", p)
		}
		seen[first] = true
	}
	if len(seen) < 5 {
		t.Errorf("twenty prompts got only %d answers", len(seen))
	}
}

// TestUsage reads the usage of each dialect as its documentation says, and compares it with the record.
func TestUsage(t *testing.T) {
	t.Parallel()
	u := start(t, simulator.Config{})
	for _, words := range []string{"", "+reasoning", "+cached=3", "+reasoning+cached=5+tools=2", "+cachewrite=7+cachewrite1h=2"} {
		for _, st := range streams {
			prompt := "a prompt that is a little longer than the counts of cached tokens above, so that they fit into it"
			st.body = strings.ReplaceAll(st.body, "hello", prompt)
			if st.name == "chat" || st.name == "completions" {
				st.body = strings.Replace(st.body, `"stream":true`, `"stream":true,"stream_options":{"include_usage":true}`, 1)
			}
			a := st.ask(u, words)
			got := reported(t, st.name, a.body)
			rec := u.last()
			want := rec.Usage
			if !rec.Reported || !rec.Complete {
				t.Errorf("%s%s: not recorded as reported: %+v", st.name, words, rec)
			}
			if got != want || got.Input <= 0 || got.Output <= 0 {
				t.Errorf("%s%s: wire says %+v, record %+v", st.name, words, got, want)
			}
			if strings.Contains(words, "cached=") && got.CacheRead == 0 {
				t.Errorf("%s%s: nothing cached: %+v", st.name, words, got)
			}
			if strings.Contains(words, "reasoning") && st.name != "anthropic" && st.name != "completions" && got.Reasoning == 0 {
				t.Errorf("%s%s: no reasoning: %+v", st.name, words, got)
			}
		}
	}
}

// reported reads the last usage of a stream into disjoint buckets.
func reported(t *testing.T, name, body string) simulator.Usage {
	t.Helper()
	var u simulator.Usage
	for _, e := range events(body) {
		if e.data == "[DONE]" {
			continue
		}
		m := tree(t, e.data)
		switch name {
		case "chat", "completions":
			if at(m, "usage") != nil {
				d := num(m, "usage", "completion_tokens_details", "reasoning_tokens")
				c := num(m, "usage", "prompt_tokens_details", "cached_tokens")
				u = simulator.Usage{Input: num(m, "usage", "prompt_tokens") - c, CacheRead: c, Output: num(m, "usage", "completion_tokens") - d, Reasoning: d}
				if num(m, "usage", "total_tokens") != num(m, "usage", "prompt_tokens")+num(m, "usage", "completion_tokens") {
					t.Errorf("%s: the total is no sum: %s", name, e.data)
				}
			}
		case "responses":
			if w := at(m, "response", "usage"); w != nil {
				d := num(w, "output_tokens_details", "reasoning_tokens")
				c := num(w, "input_tokens_details", "cached_tokens")
				u = simulator.Usage{Input: num(w, "input_tokens") - c, CacheRead: c, Output: num(w, "output_tokens") - d, Reasoning: d}
			}
		case "anthropic":
			if w := at(m, "message", "usage"); w != nil {
				u = simulator.Usage{CacheWrite5m: num(w, "cache_creation", "ephemeral_5m_input_tokens"), CacheWrite1h: num(w, "cache_creation", "ephemeral_1h_input_tokens")}
				if num(w, "cache_creation_input_tokens") != u.CacheWrite5m+u.CacheWrite1h {
					t.Errorf("anthropic: cache writes do not add up: %s", e.data)
				}
			}
			if w := at(m, "usage"); w != nil {
				u.Input, u.CacheRead, u.Output = num(w, "input_tokens"), num(w, "cache_read_input_tokens"), num(w, "output_tokens")
			}
		case "gemini":
			w := at(m, "usageMetadata")
			c, d := num(w, "cachedContentTokenCount"), num(w, "thoughtsTokenCount")
			u = simulator.Usage{Input: num(w, "promptTokenCount") - c, CacheRead: c, Output: num(w, "candidatesTokenCount"), Reasoning: d}
			if num(w, "totalTokenCount") != num(w, "promptTokenCount")+u.Output+d {
				t.Errorf("gemini: the total is no sum: %s", e.data)
			}
		}
	}
	return u
}

func TestPrefixCache(t *testing.T) {
	t.Parallel()
	u := start(t, simulator.Config{})
	long := strings.Repeat("All work and no play. ", 300) // 6600 bytes, 1650 tokens
	cached := func(tail string) int64 {
		a := u.post("/v1/chat/completions", `{"model":"gpt-4o","messages":[{"role":"system","content":"`+long+`"},{"role":"user","content":"`+tail+`"}]}`)
		return num(tree(t, a.body), "usage", "prompt_tokens_details", "cached_tokens")
	}
	if n := cached("one"); n != 0 {
		t.Errorf("the first call read %d tokens from the cache", n)
	}
	if n := cached("another end"); n != 1536 { // twelve whole steps of 128
		t.Errorf("the same prefix read %d cached tokens, want 1536", n)
	}
	u.key = "sk-other-key-999999"
	if n := cached("one"); n != 0 {
		t.Errorf("another key read %d tokens from the cache", n)
	}
	u.key = "sk-test-key-abcdef"
	u.clock.advance(6 * time.Minute)
	if n := cached("one"); n != 0 {
		t.Errorf("%d tokens were cached after six minutes", n)
	}
}

func TestMarkedCache(t *testing.T) {
	t.Parallel()
	u := start(t, simulator.Config{})
	long := strings.Repeat("All work and no play. ", 300)
	usage := func(system, user string) simulator.Usage {
		a := u.post("/v1/messages", `{"model":"c","max_tokens":50,"system":[`+system+`],"messages":[{"role":"user","content":[`+user+`]}]}`)
		m := tree(t, a.body)
		if a.status != 200 {
			t.Fatal(a.body)
		}
		return simulator.Usage{
			Input: num(m, "usage", "input_tokens"), CacheRead: num(m, "usage", "cache_read_input_tokens"),
			CacheWrite5m: num(m, "usage", "cache_creation", "ephemeral_5m_input_tokens"), CacheWrite1h: num(m, "usage", "cache_creation", "ephemeral_1h_input_tokens"),
		}
	}
	block := func(text, ttl string) string {
		switch ttl {
		case "":
			return `{"type":"text","text":"` + text + `"}`
		case "5m":
			return `{"type":"text","text":"` + text + `","cache_control":{"type":"ephemeral"}}`
		}
		return `{"type":"text","text":"` + text + `","cache_control":{"type":"ephemeral","ttl":"` + ttl + `"}}`
	}
	for _, c := range []struct {
		name         string
		wait         time.Duration
		system, user string
		want         simulator.Usage
	}{
		{"nothing marked", 0, block(long, ""), block("four", ""), simulator.Usage{Input: 1651}},
		{"first", 0, block(long, "5m"), block("four", ""), simulator.Usage{Input: 1, CacheWrite5m: 1650}},
		{"again", time.Minute, block(long, "5m"), block("four", ""), simulator.Usage{Input: 1, CacheRead: 1650}},
		{"grown", time.Minute, block(long, "5m"), block("four", "5m"), simulator.Usage{CacheRead: 1650, CacheWrite5m: 1}},
		{"expired", 6 * time.Minute, block(long, "1h"), block("four", "5m"), simulator.Usage{CacheWrite1h: 1650, CacheWrite5m: 1}},
		{"within the hour", 50 * time.Minute, block(long, "1h"), block("eight...", "5m"), simulator.Usage{CacheRead: 1650, CacheWrite5m: 2}},
		{"too short", 0, block("short", "5m"), block("four", ""), simulator.Usage{Input: 3}},
	} {
		u.clock.advance(c.wait)
		if got := usage(c.system, c.user); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
	a := u.post("/v1/messages", `{"model":"c","max_tokens":50,"system":[`+block(long, "5m")+`],"messages":[{"role":"user","content":[`+block("x", "1h")+`]}]}`)
	if a.status != 400 || !strings.Contains(a.body, "must not come after") {
		t.Errorf("1h after 5m gave %d %s", a.status, a.body)
	}
}

func TestSealsComeHomeUnchanged(t *testing.T) {
	t.Parallel()
	u := start(t, simulator.Config{Seed: 3})
	other := start(t, simulator.Config{Seed: 4})

	a := u.post("/v1/messages", `{"model":"c","max_tokens":2000,"thinking":{"type":"enabled","budget_tokens":1024},"messages":[{"role":"user","content":"hi"}]}`)
	content, err := json.Marshal(at(tree(t, a.body), "content"))
	if err != nil {
		t.Fatal(err)
	}
	again := `{"model":"c","max_tokens":50,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":` + string(content) + `},{"role":"user","content":"go on"}]}`
	if a := u.post("/v1/messages", again); a.status != 200 {
		t.Errorf("anthropic: our own thinking came back with %d %s", a.status, a.body)
	}
	for name, bad := range map[string]answer{
		"another's": other.post("/v1/messages", again),
		"changed":   u.post("/v1/messages", strings.Replace(again, "I weigh", "I waive", 1)),
	} {
		if bad.status != 400 || !strings.Contains(bad.body, "Invalid `signature` in `thinking` block") {
			t.Errorf("anthropic: %s thinking got %d %s", name, bad.status, bad.body)
		}
	}

	g := `{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"generationConfig":{"thinkingConfig":{}}}`
	a = u.post("/v1beta/models/g:generateContent", g)
	sig := str(tree(t, a.body), "candidates", 0, "content", "parts", 0, "thoughtSignature")
	if _, err := base64.StdEncoding.DecodeString(sig); err != nil || sig == "" {
		t.Errorf("gemini: the signature %q is no base64: %v", sig, err)
	}
	turn := `{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"yes","thoughtSignature":"%s"}]},{"role":"user","parts":[{"text":"go on"}]}]}`
	for s, want := range map[string]int{sig: 200, "AAAA": 400, "skip_thought_signature_validator": 200} {
		if a := u.post("/v1beta/models/g:generateContent", fmt.Sprintf(turn, s)); a.status != want {
			t.Errorf("gemini: signature %q got %d, want %d: %s", s, a.status, want, a.body)
		}
	}

	a = u.post("/v1/responses", `{"model":"gpt-5","input":"hi","store":false,"reasoning":{"effort":"low"},"include":["reasoning.encrypted_content"]}`)
	item, err := json.Marshal(at(tree(t, a.body), "output", 0))
	if err != nil {
		t.Fatal(err)
	}
	turn = `{"model":"gpt-5","input":[{"role":"user","content":"hi"},%s,{"role":"assistant","content":"yes"},{"role":"user","content":"go on"}]}`
	if a := u.post("/v1/responses", fmt.Sprintf(turn, item)); a.status != 200 {
		t.Errorf("responses: our own reasoning came back with %d %s", a.status, a.body)
	}
	if a := other.post("/v1/responses", fmt.Sprintf(turn, item)); a.status != 400 || !strings.Contains(a.body, "invalid_encrypted_content") {
		t.Errorf("responses: another's reasoning got %d %s", a.status, a.body)
	}
}

func TestImagesAreSeen(t *testing.T) {
	t.Parallel()
	u := start(t, simulator.Config{})
	var buf bytes.Buffer
	if err := png.Encode(&buf, image.NewGray(image.Rect(0, 0, 30, 20))); err != nil {
		t.Fatal(err)
	}
	data := base64.StdEncoding.EncodeToString(buf.Bytes())
	want := fmt.Sprintf("image image/png, %d bytes, 30x20", buf.Len())
	for path, body := range map[string]string{
		"/v1/chat/completions":             `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:image/png;base64,` + data + `"}}]}]}`,
		"/v1/messages":                     `{"model":"m","max_tokens":500,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + data + `"}}]}]}`,
		"/v1/responses":                    `{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,` + data + `"}]}]}`,
		"/v1beta/models/m:generateContent": `{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"` + data + `"}}]}]}`,
	} {
		a := u.post(path, body)
		if a.status != 200 || !strings.Contains(a.body, want) {
			t.Errorf("%s: %d %s\nwant %q in it", path, a.status, a.body, want)
		}
		u.last()
	}
	calls := u.Calls(0)
	for _, c := range calls {
		if in := c.Usage.Input + c.Usage.InputImage; in < 258 || in > 270 {
			t.Errorf("%s counted %d input tokens for an image", c.Endpoint, in)
		}
	}
	a := u.post("/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,@@@"}}]}]}`)
	if a.status != 400 {
		t.Errorf("broken base64 got %d", a.status)
	}
}

func TestAudio(t *testing.T) {
	t.Parallel()
	u := start(t, simulator.Config{})
	body := `{"model":"gpt-4o-audio","modalities":["text","audio"],"audio":{"voice":"alloy","format":"wav"},"messages":[{"role":"user","content":[{"type":"text","text":"echo: Hello you"},{"type":"input_audio","input_audio":{"data":"` + base64.StdEncoding.EncodeToString(make([]byte, 9000)) + `","format":"wav"}}]}]%s}`
	m := tree(t, u.post("/v1/chat/completions", fmt.Sprintf(body, "")).body)
	if str(m, "choices", 0, "message", "audio", "transcript") != "Hello you" || str(m, "choices", 0, "message", "audio", "data") == "" {
		t.Errorf("no spoken answer: %v", m)
	}
	if in, out := num(m, "usage", "prompt_tokens_details", "audio_tokens"), num(m, "usage", "completion_tokens_details", "audio_tokens"); in != 9 || out != 6 {
		t.Errorf("audio tokens are %d and %d, want 9 and 6", in, out)
	}
	a := u.post("/v1/chat/completions", fmt.Sprintf(body, `,"stream":true`))
	var transcript, data string
	for _, e := range events(a.body) {
		if e.data != "[DONE]" {
			d := at(tree(t, e.data), "choices", 0, "delta", "audio")
			transcript += str(d, "transcript")
			data += str(d, "data")
		}
	}
	if transcript != "Hello you" || data != str(m, "choices", 0, "message", "audio", "data") {
		t.Errorf("the stream says %q and %d bytes of sound", transcript, len(data))
	}
}
