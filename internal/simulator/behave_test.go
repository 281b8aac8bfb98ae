package simulator_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"tollgate/internal/simulator"
)

// stream asks each dialect for a streamed answer with a behaviour.
type streamed struct {
	name  string
	path  func(words string) string
	body  string // %s is the behaviour
	setup int    // events before content
	done  func(body string) bool
}

var streams = []streamed{
	{
		"chat", func(string) string { return "/v1/chat/completions" },
		`{"model":"sim-gpt%s","stream":true,"messages":[{"role":"user","content":"hello"}]}`, 1,
		func(b string) bool { return strings.HasSuffix(b, "data: [DONE]\n\n") },
	},
	{
		"completions", func(string) string { return "/v1/completions" },
		`{"model":"sim-gpt%s","stream":true,"prompt":"hello"}`, 0,
		func(b string) bool { return strings.HasSuffix(b, "data: [DONE]\n\n") },
	},
	{
		"responses", func(string) string { return "/v1/responses" },
		`{"model":"sim-gpt%s","stream":true,"input":"hello"}`, 4,
		func(b string) bool { return strings.Contains(b, "event: response.completed\n") },
	},
	{
		"anthropic", func(string) string { return "/v1/messages" },
		`{"model":"sim-claude%s","stream":true,"max_tokens":100,"messages":[{"role":"user","content":"hello"}]}`, 3,
		func(b string) bool { return strings.Contains(b, "event: message_stop\n") },
	},
	{
		"gemini", func(w string) string {
			return "/v1beta/models/sim-gemini" + w + ":streamGenerateContent?alt=sse"
		},
		`{"contents":[{"parts":[{"text":"hello"}]}]}`, 0,
		func(b string) bool { return strings.Contains(b, `"finishReason":"STOP"`) },
	},
}

func (st streamed) ask(u *upstream, words string, headers ...string) answer {
	body := st.body
	if strings.Contains(body, "%s") {
		body = fmt.Sprintf(body, words)
	}
	return u.post(st.path(words), body, headers...)
}

func TestStreamBehaviours(t *testing.T) {
	for _, st := range streams {
		t.Run(st.name, func(t *testing.T) {
			t.Parallel()
			u := start(t, simulator.Config{})
			whole := st.ask(u, "")
			if whole.status != 200 || whole.err != nil || !st.done(whole.body) {
				t.Fatalf("a plain stream did not end as it should: %d %v\n%s", whole.status, whole.err, whole.body)
			}
			if got := u.last(); !got.Complete || got.Events != len(events(whole.body)) {
				t.Errorf("recorded %+v for %d events", got, len(events(whole.body)))
			}

			for _, n := range []int{0, 1, 4} {
				a := st.ask(u, fmt.Sprintf("+cut=%d", n))
				if a.status != 200 || a.err == nil || len(events(a.body)) != n {
					t.Errorf("cut=%d gave %d, error %v and %d events", n, a.status, a.err, len(events(a.body)))
				}
				if got := u.last(); got.Complete || got.Reported || got.Events != n {
					t.Errorf("cut=%d was recorded as %+v", n, got)
				}
			}
			if a := st.ask(u, "+cutsetup"); a.err == nil || len(events(a.body)) != st.setup {
				t.Errorf("cutsetup gave error %v and %d events, want %d", a.err, len(events(a.body)), st.setup)
			}
			if a := st.ask(u, "+garble=2"); a.err != nil || valid(events(a.body)[1].data) || !valid(events(a.body)[0].data) {
				t.Errorf("garble=2 left event 2 readable, or broke another: %v\n%s", a.err, a.body)
			}
			if a := st.ask(u, "+empty"); a.status != 200 || a.err != nil || a.body != "" {
				t.Errorf("empty gave %d %v %q", a.status, a.err, a.body)
			}
			if a := st.ask(u, "+nodone"); a.err != nil || st.done(a.body) || len(events(a.body)) < st.setup+3 {
				t.Errorf("nodone gave %v and\n%s", a.err, a.body)
			}
			if got := u.last(); got.Complete {
				t.Errorf("nodone was recorded as complete: %+v", got)
			}
			for n, words := range []string{"+inband", "+inband=1", "+inband=2"} {
				a := st.ask(u, words)
				ev := events(a.body)
				if a.err != nil || len(ev) != n+1 || !strings.Contains(ev[n].data, `"error"`) || st.done(a.body) {
					t.Errorf("%s gave %v and\n%s", words, a.err, a.body)
				}
			}
			a := st.ask(u, "+events=7+size=9")
			if n := len(events(a.body)) - len(events(whole.body)); a.err != nil || !st.done(a.body) || n >= 0 {
				t.Errorf("events=7 gave %d events, %v", len(events(a.body)), a.err)
			}
			if got := u.last().Usage.Output; got != 16 { // 63 bytes
				t.Errorf("events=7 size=9 reported %d output tokens, want 16", got)
			}
			if a := st.ask(u, "+big=100000"); len(a.body) < 100000 || !st.done(a.body) {
				t.Errorf("big=100000 gave %d bytes", len(a.body))
			}
			if a := st.ask(u, "+nousage"); hasUsage(a.body) {
				t.Errorf("nousage left usage in\n%s", a.body)
			}
			a = st.ask(u, "+gzip")
			z, err := gzip.NewReader(strings.NewReader(a.body))
			if err != nil {
				t.Fatalf("gzip: %v", err)
			}
			plain, err := io.ReadAll(z)
			if err != nil || !st.done(string(plain)) || a.header.Get("Content-Encoding") != "gzip" {
				t.Errorf("gzip gave %v, %v", err, a.header)
			}
			if a := st.ask(u, "+trailers"); a.header.Get("X-Sim-Trailer") != "the end" {
				t.Errorf("trailers gave none: %v", a.header)
			}
		})
	}
}

// hasUsage reports whether any event carries counts.
func hasUsage(body string) bool {
	for _, w := range []string{"prompt_tokens", "input_tokens", "promptTokenCount"} {
		if strings.Contains(body, w) {
			return true
		}
	}
	return false
}

func TestHang(t *testing.T) {
	for _, st := range streams {
		for words, want := range map[string]int{"+hang": 0, "+hang=2": 2} {
			t.Run(st.name+words, func(t *testing.T) {
				t.Parallel()
				u := start(t, simulator.Config{})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				body := st.body
				if strings.Contains(body, "%s") {
					body = fmt.Sprintf(body, words)
				}
				resp, err := client().Do(u.request(ctx, http.MethodPost, st.path(words), body))
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				var got strings.Builder
				for piece := make([]byte, 4<<10); len(events(got.String())) < want; {
					n, err := resp.Body.Read(piece)
					if err != nil {
						t.Fatalf("%v after %q", err, got.String())
					}
					got.Write(piece[:n])
				}
				time.AfterFunc(100*time.Millisecond, cancel) // until then nothing comes
				rest, err := io.ReadAll(resp.Body)
				if !errors.Is(err, context.Canceled) || resp.StatusCode != http.StatusOK || len(rest) != 0 || len(events(got.String())) != want {
					t.Errorf("%s gave %d, %v, %q and then %q", words, resp.StatusCode, err, got.String(), rest)
				}
				u.settled()
				if got := u.last(); got.Complete {
					t.Errorf("recorded as complete: %+v", got)
				}
			})
		}
	}
}

func TestPlainBehaviours(t *testing.T) {
	t.Parallel()
	u := start(t, simulator.Config{})
	ask := func(words string) answer {
		return u.post("/v1/chat/completions", `{"model":"sim-gpt`+words+`","messages":[{"role":"user","content":"hello"}]}`)
	}
	if a := ask("+cutbody"); a.status != 200 || !errors.Is(a.err, io.ErrUnexpectedEOF) || !valid(a.body) {
		t.Errorf("cutbody gave %d %v %q", a.status, a.err, a.body)
	}
	if u.last().Complete {
		t.Error("cutbody was recorded as complete")
	}
	if a := ask("+cut=0"); a.err == nil {
		t.Error("cut=0 gave a whole answer")
	}
	if a := ask("+html"); a.status != 200 || !strings.HasPrefix(a.body, "<!DOCTYPE") || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		t.Errorf("html gave %d %q", a.status, a.body)
	}
	if a := ask("+empty"); a.status != 200 || a.body != "" || a.err != nil {
		t.Errorf("empty gave %d %q %v", a.status, a.body, a.err)
	}
	if a := ask("+garble"); a.status != 200 || valid(a.body) {
		t.Errorf("garble gave %d %q", a.status, a.body)
	}
	if a := ask("+inband"); a.status != 200 || str(tree(t, a.body), "error", "type") != "server_error" {
		t.Errorf("inband gave %d %q", a.status, a.body)
	}
	if a := ask("+retryafter=7"); a.status != 429 || a.header.Get("Retry-After") != "7" {
		t.Errorf("retryafter gave %d %v", a.status, a.header)
	}
	if a := ask("+redirect"); a.status != 307 || a.header.Get("Location") == "" {
		t.Errorf("redirect gave %d %v", a.status, a.header)
	}
	if a := ask("+hugeheaders=100000"); headerSize(a.header) < 90000 {
		t.Errorf("hugeheaders gave %d bytes", headerSize(a.header))
	}
	if a := ask("+trailers"); a.header.Get("X-Sim-Trailer") != "the end" || !valid(a.body) {
		t.Errorf("trailers gave %v", a.header)
	}
	if a := ask("+wrongusage"); num(tree(t, a.body), "usage", "total_tokens") == num(tree(t, a.body), "usage", "prompt_tokens")+num(tree(t, a.body), "usage", "completion_tokens") {
		t.Errorf("wrongusage adds up: %s", a.body)
	}
	if c := u.last(); !c.Wrong || !c.Reported {
		t.Errorf("wrongusage was recorded as %+v", c)
	}
	if a := ask("+nousage"); hasUsage(a.body) || u.last().Reported {
		t.Errorf("nousage gave %s", a.body)
	}
	if a := ask("+big=5000"); len(a.body) < 5000 || !valid(a.body) {
		t.Errorf("big gave %d bytes", len(a.body))
	}
	if a := ask("+first=150ms"); a.status != 200 {
		t.Errorf("first gave %d", a.status)
	}
	var got []int
	for range 6 {
		got = append(got, ask("+flap=3").status)
	}
	if fmt.Sprint(got) != "[200 200 500 200 200 500]" {
		t.Errorf("flap=3 gave %v", got)
	}
	if a := ask("+nonsense"); a.status != 400 || !strings.Contains(a.body, `nonsense`) {
		t.Errorf("an unknown word gave %d %s", a.status, a.body)
	}
	if a := ask("+events=x"); a.status != 400 || !strings.Contains(a.body, "events wants a number") {
		t.Errorf("a malformed word gave %d %s", a.status, a.body)
	}
	if a := u.post("/v1/chat/completions", `{"model":"gpt-4o","messages":[{"role":"user","content":"x"}]}`, "X-Simulate", "status=418, first=1ms"); a.status != 418 {
		t.Errorf("X-Simulate gave %d %s", a.status, a.body)
	}
	if a := u.post("/v1/chat/completions", `{"model":"gpt-4o+lax","vendor_thing":1,"messages":[{"role":"user","content":"x"}]}`); a.status != 200 {
		t.Errorf("lax gave %d %s", a.status, a.body)
	}
}

func valid(s string) bool { return s == "[DONE]" || json.Valid([]byte(s)) }

func headerSize(h http.Header) int {
	n := 0
	for k, vs := range h {
		for _, v := range vs {
			n += len(k) + len(v)
		}
	}
	return n
}

// TestErrors checks status and error type of every kind in every dialect.
func TestErrors(t *testing.T) {
	t.Parallel()
	u := start(t, simulator.Config{})
	for _, c := range []struct {
		words            string
		openAI           int
		openAIType, code string
		anthropic        int
		anthropicType    string
		gemini           int
		geminiStatus     string
	}{
		{"status=500", 500, "server_error", "", 500, "api_error", 500, "INTERNAL"},
		{"status=503", 503, "server_error", "", 503, "api_error", 503, "UNAVAILABLE"},
		{"status=403", 403, "invalid_request_error", "permission_denied", 403, "permission_error", 403, "PERMISSION_DENIED"},
		{"overloaded", 503, "server_error", "", 529, "overloaded_error", 503, "UNAVAILABLE"},
		{"ratelimit", 429, "requests", "rate_limit_exceeded", 429, "rate_limit_error", 429, "RESOURCE_EXHAUSTED"},
		{"invalidkey", 401, "invalid_request_error", "invalid_api_key", 401, "authentication_error", 400, "INVALID_ARGUMENT"},
		{"quota", 429, "insufficient_quota", "insufficient_quota", 400, "invalid_request_error", 429, "RESOURCE_EXHAUSTED"},
		{"nomodel", 404, "invalid_request_error", "model_not_found", 404, "not_found_error", 404, "NOT_FOUND"},
	} {
		t.Run(c.words, func(t *testing.T) {
			for _, st := range streams {
				a := st.ask(u, "+"+c.words)
				body := tree(t, a.body)
				status, typ, code := c.openAI, c.openAIType, c.code
				got := str(body, "error", "type")
				switch st.name {
				case "anthropic":
					status, typ, code = c.anthropic, c.anthropicType, ""
					if str(body, "type") != "error" || str(body, "request_id") != a.header.Get("Request-Id") {
						t.Errorf("anthropic's envelope is wrong: %s", a.body)
					}
				case "gemini":
					status, typ, code = c.gemini, c.geminiStatus, ""
					got = str(body, "error", "status")
					if int(num(body, "error", "code")) != status {
						t.Errorf("gemini's code is wrong: %s", a.body)
					}
				}
				if a.status != status || got != typ || code != "" && str(body, "error", "code") != code {
					t.Errorf("%s: got %d %s, want %d %s %s", st.name, a.status, a.body, status, typ, code)
				}
			}
		})
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	u := start(t, simulator.Config{})
	body := `{"model":"gpt-4o","messages":[{"role":"user","content":"x"}]}`
	for key, want := range map[string]int{
		"sk-fail500-1": 500, "sk-a-fail502-b": 502, "sk-invalid-2": 401, "sk-quota-3": 429, "sk-ratelimit-4": 429, "sk-overloaded-5": 503,
		"sk-proj-events-1": 200, "sk-fail500": 200, "sk-slow-2": 200,
	} {
		u.key = key
		a := u.post("/v1/chat/completions", body)
		if a.status != want {
			t.Errorf("key %s got %d, want %d: %s", key, a.status, want, a.body)
		}
	}
	u.key = "sk-cut0-1"
	if a := u.post("/v1/chat/completions", `{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"x"}]}`); a.err == nil || a.body != "" {
		t.Errorf("a cut0 key got %v %q", a.err, a.body)
	}

	u = start(t, simulator.Config{Keys: []string{"good"}})
	for _, st := range streams {
		for key, want := range map[string]int{"": 401, "bad": 401, "good": 200} {
			if st.name == "gemini" && key != "good" {
				want = map[string]int{"": 403, "bad": 400}[key]
			}
			u.key = key
			headers := []string{}
			if st.name == "anthropic" {
				headers = []string{"Anthropic-Version", "2023-06-01"}
			}
			if a := st.ask(u, "", headers...); a.status != want {
				t.Errorf("%s with key %q got %d, want %d: %s", st.name, key, a.status, want, a.body)
			}
		}
	}
	u.key = ""
	if a := u.post("/v1/models/sim-gemini:countTokens?key=good", `{"contents":[{"parts":[{"text":"x"}]}]}`); a.status != 200 {
		t.Errorf("?key= got %d %s", a.status, a.body)
	}
}

// TestWordsAreDocumented keeps the table and the package comment the same.
func TestWordsAreDocumented(t *testing.T) {
	raw, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	doc := strings.Join(strings.Fields(strings.ReplaceAll(string(raw), "//", "")), " ")
	for _, b := range simulator.Behaviours() {
		value := ""
		switch {
		case strings.HasPrefix(b.Value, "["):
			value = "[=" + b.Value[1:]
		case b.Value != "":
			value = "=" + b.Value
		}
		if want := b.Word + value + " " + b.Means; !strings.Contains(doc, want) {
			t.Errorf("the package comment does not say %q", want)
		}
		u := start(t, simulator.Config{})
		word := b.Word
		switch b.Value {
		case "DUR":
			word += "=1ms"
		case "CODE":
			word += "=500"
		case "N", "SEC":
			word += "=2"
		}
		a := u.get("/sim/stats")
		if a.status != 200 {
			t.Fatal(a)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		a = u.do(ctx, http.MethodPost, "/v1/chat/completions", `{"model":"gpt-4o","messages":[{"role":"user","content":"x"}]}`, "X-Simulate", word)
		cancel()
		if a.status == 400 {
			t.Errorf("%s is in the table and refused: %s", word, a.body)
		}
	}
}
