package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/internal/app"
	"tollgate/internal/config"
	"tollgate/internal/simulator"
)

const (
	adminKey = "sk-test-admin-0123456789abcdefghijklmnop"
	userKey  = "sk-test-user-0123456789abcdefghijklmnop"
)

// gateway is a whole Tollgate on a loopback port, in this process.
type gateway struct {
	t    *testing.T
	base string
	dir  string
	logs *logBuffer
	stop func()
}

// logBuffer keeps what was logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// startGateway runs a gateway with this configuration file and further settings.
func startGateway(t *testing.T, yaml string, env ...string) *gateway {
	t.Helper()
	return startGatewayIn(t, t.TempDir(), yaml, env...)
}

// sameDay waits out the end of a day, which is one of a month too at times: budgets, bills and the words that confirm a
// change belong to a day, and no test is to begin on one and end on the next.
func sameDay() {
	now := time.Now().UTC()
	if midnight := now.Truncate(24 * time.Hour).Add(24 * time.Hour); midnight.Sub(now) < 20*time.Second {
		time.Sleep(midnight.Sub(now))
	}
}

func startGatewayIn(t *testing.T, dir, yaml string, env ...string) *gateway {
	t.Helper()
	sameDay()
	file := filepath.Join(dir, "tollgate.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := append([]string{
		"LISTEN=127.0.0.1:0", "TOLLGATE_DATA=" + filepath.Join(dir, "data"), "ADMIN_KEY=" + adminKey, "SIMULATOR=off", "TIMEOUT_SHUTDOWN=3s",
	}, env...)
	if slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "INIT_USERS=") }) { // it brings its own
		environ = slices.DeleteFunc(environ, func(v string) bool { return strings.HasPrefix(v, "ADMIN_KEY=") })
	}
	cfg, err := config.Load(config.Source{Environ: environ, File: file})
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{t: t, dir: dir, logs: &logBuffer{}}
	a, err := app.New(t.Context(), cfg, "test", slog.New(slog.NewJSONHandler(g.logs, nil)))
	if err != nil {
		t.Fatal(err)
	}
	g.base = "http://" + a.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	g.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		if err := a.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	t.Cleanup(g.stop)
	return g
}

// simulate serves a simulator on a loopback port.
func simulate(t *testing.T) (*simulator.Simulator, string) {
	t.Helper()
	sim := simulator.New(simulator.Config{})
	srv := httptest.NewServer(sim.Handler())
	t.Cleanup(srv.Close)
	return sim, srv.URL
}

// channels is a configuration with one channel for each upstream key, and an account with credit.
func channels(upstream string, keys ...string) string {
	var b strings.Builder
	b.WriteString("channels:\n")
	for i, k := range keys {
		fmt.Fprintf(&b, "  - {name: c%d, provider: simulator, base_url: %q, key: %q, models: [\"sim-*\", \"gpt-*\", \"claude-*\", \"gemini-*\", \"text-embedding-*\", \"omni-*\"]}\n", i, upstream, k)
	}
	fmt.Fprintf(&b, "accounts:\n  - {name: alice, credit: 10, keys: [{name: main, key: %s}]}\n", userKey)
	return b.String()
}

// answer is what a client got.
type answer struct {
	status int
	header http.Header
	body   string
}

func (g *gateway) send(method, path, body string, headers ...string) answer {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), method, g.base+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+userKey)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Del("Authorization")
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatalf("%s %s: the answer broke off: %v after %q", method, path, err, raw)
	}
	return answer{resp.StatusCode, resp.Header, string(raw)}
}

// lines returns the log lines with this message.
func (g *gateway) lines(msg string) []map[string]any {
	var out []map[string]any
	for line := range strings.Lines(g.logs.String()) {
		var m map[string]any
		if json.Unmarshal([]byte(line), &m) == nil && m["msg"] == msg {
			out = append(out, m)
		}
	}
	return out
}

func TestPlainCall(t *testing.T) {
	sim, url := simulate(t)
	g := startGateway(t, channels(url, "sk-up-1"))
	a := g.send("POST", "/v1/chat/completions", `{"model":"sim-gpt","messages":[{"role":"user","content":"echo: hello there"}]}`)
	if a.status != 200 || !strings.Contains(a.body, "hello there") {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a.header.Get("X-Request-Id") == "" {
		t.Error("no X-Request-Id")
	}
	calls := counted(t, sim)
	if len(calls) != 1 || calls[0].CallID != a.header.Get("X-Request-Id") {
		t.Errorf("the simulator saw %+v", calls)
	}
	line := g.lines("call")
	if len(line) != 1 || line[0]["usage"] != "measured" || line[0]["nanos"].(float64) <= 0 {
		t.Errorf("log: %v", line)
	}
}

func TestStreamCall(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, channels(url, "sk-up-1"))
	a := g.send("POST", "/v1/chat/completions", `{"model":"sim-gpt+events=5","stream":true,"messages":[{"role":"user","content":"hi"}]}`)
	if a.status != 200 || !strings.HasSuffix(a.body, "data: [DONE]\n\n") {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if strings.Contains(a.body, `"total_tokens"`) {
		t.Errorf("the client did not ask for usage and got it: %s", a.body)
	}
	line := g.lines("call")
	if len(line) != 1 || line[0]["usage"] != "measured" || line[0]["out"].(float64) <= 0 {
		t.Errorf("log: %v", line)
	}
}

// Half of the channels are bad in each way that a channel can be bad before content; no client sees it.
func TestBadChannelsAreNotSeen(t *testing.T) {
	_, url := simulate(t)
	for _, bad := range []string{"fail500", "cut0", "cutsetup", "empty", "html", "inband", "ratelimit", "invalidkey", "quota", "overloaded", "garble1", "redirect"} {
		t.Run(bad, func(t *testing.T) {
			g := startGateway(t, channels(url, "sk-a-"+bad+"-1", "sk-good-1", "sk-b-"+bad+"-2", "sk-good-2"))
			for i := range 12 {
				body := `{"model":"sim-gpt+events=3","messages":[{"role":"user","content":"hi"}]}`
				if i%2 == 1 {
					body = strings.Replace(body, "{", `{"stream":true,`, 1)
				}
				a := g.send("POST", "/v1/chat/completions", body)
				if a.status != 200 || i%2 == 1 && !strings.HasSuffix(a.body, "data: [DONE]\n\n") {
					t.Fatalf("call %d: %d %s", i, a.status, a.body)
				}
			}
		})
	}
}

// silence is how long a provider may say nothing: short where it hangs, and long where a slow machine must not look
// like that.
func silence(how string) string {
	if strings.HasPrefix(how, "hang") {
		return "1s"
	}
	return "1m"
}

// A stream that breaks after content ends with the dialect's error, never with a normal end.
func TestBrokenStreams(t *testing.T) {
	_, url := simulate(t)
	for _, how := range []string{"cut=4", "garble=4", "inband=4", "hang=4", "nodone"} {
		t.Run(how, func(t *testing.T) {
			g := startGateway(t, channels(url, "sk-up-1", "sk-up-2"), "TIMEOUT_IDLE="+silence(how))
			a := g.send("POST", "/v1/chat/completions", `{"model":"sim-gpt+events=9+`+how+`","stream":true,"messages":[{"role":"user","content":"hi"}]}`)
			line := g.lines("call")
			if len(line) != 1 {
				t.Fatalf("log: %v", line)
			}
			if how == "nodone" { // finish_reason came: the answer is whole though [DONE] is missing
				if strings.Contains(a.body, `"error"`) {
					t.Errorf("a whole answer ends in an error: %s", a.body)
				}
				return
			}
			if strings.Contains(a.body, "[DONE]") || !strings.Contains(a.body, `"error"`) {
				t.Errorf("not the end of a broken stream: %s", a.body)
			}
			if line[0]["error"] == nil || line[0]["out"].(float64) <= 0 || line[0]["usage"] == "measured" {
				t.Errorf("log: %v", line)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, channels(url, "sk-up-1"), "MAX_BODY_BYTES=1KiB")
	ok := `{"model":"sim-gpt","messages":[{"role":"user","content":"hi"}]}`
	for _, c := range []struct {
		name, body string
		headers    []string
		status     int
		says       string
	}{
		{"no key", ok, []string{"Authorization", ""}, 401, "no API key"},
		{"wrong key", ok, []string{"Authorization", "Bearer sk-nope"}, 401, "not known"},
		{"unknown model", `{"model":"nothing","messages":[]}`, nil, 404, "nothing"},
		{"no json", `{"model":`, nil, 400, "JSON"},
		{"number as model", `{"model":5,"messages":[]}`, nil, 400, "model"},
		{"two models", `{"model":"sim-gpt","model":"sim-claude","messages":[]}`, nil, 400, "model"},
		{"case variant", `{"model":"sim-gpt","Model":"sim-claude","messages":[]}`, nil, 400, "Model"},
		{"too large", `{"model":"sim-gpt","messages":[{"role":"user","content":"` + strings.Repeat("x", 2000) + `"}]}`, nil, 413, "1024"},
		{"deep", `{"model":"sim-gpt","messages":` + strings.Repeat("[", 400) + strings.Repeat("]", 400) + `}`, nil, 400, "deep"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := g.send("POST", "/v1/chat/completions", c.body, c.headers...)
			if a.status != c.status || !strings.Contains(a.body, c.says) || !strings.Contains(a.body, `"error"`) {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
}

func TestModels(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, channels(url, "sk-up-1"))
	if a := g.send("GET", "/v1/models", ""); a.status != 200 || !strings.Contains(a.body, `"object":"list"`) || !strings.Contains(a.body, `"sim-gpt"`) {
		t.Errorf("openai: %d %s", a.status, a.body)
	}
	if a := g.send("GET", "/v1/models", "", "X-Api-Key", userKey, "Anthropic-Version", "2023-06-01"); a.status != 200 || !strings.Contains(a.body, `"has_more"`) {
		t.Errorf("anthropic: %d %s", a.status, a.body)
	}
}

// waitFor polls until ok: for long, as a busy machine is no mistake of the gateway.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// Every dialect, streamed and not, is answered and metered.
func TestDialects(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, channels(url, "sk-up-1"))
	gem := []string{"X-Goog-Api-Key", userKey}
	ant := []string{"X-Api-Key", userKey}
	for _, c := range []struct {
		name, path, body string
		headers          []string
		ends             string // how the answer ends
	}{
		{"chat", "/v1/chat/completions", `{"model":"sim-gpt","messages":[{"role":"user","content":"hi"}]}`, nil, "}"},
		{"chat stream", "/v1/chat/completions", `{"model":"sim-gpt","stream":true,"messages":[{"role":"user","content":"hi"}]}`, nil, "data: [DONE]\n\n"},
		{"completions", "/v1/completions", `{"model":"sim-gpt","prompt":"hi"}`, nil, "}"},
		{"completions stream", "/v1/completions", `{"model":"sim-gpt","prompt":"hi","stream":true}`, nil, "data: [DONE]\n\n"},
		{"embeddings", "/v1/embeddings", `{"model":"sim-embed","input":["hi","you"]}`, nil, "}"},
		{"responses", "/v1/responses", `{"model":"sim-gpt","input":"hi"}`, nil, "}"},
		{"responses stream", "/v1/responses", `{"model":"sim-gpt","input":"hi","stream":true}`, nil, "\n\n"},
		{"messages", "/v1/messages", `{"model":"sim-claude","max_tokens":64,"messages":[{"role":"user","content":"hi"}]}`, ant, "}"},
		{"messages stream", "/v1/messages", `{"model":"sim-claude","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"hi"}]}`, ant, "{\"type\":\"message_stop\"}\n\n"},
		{"gemini", "/v1beta/models/sim-gemini:generateContent", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`, gem, "}"},
		{"gemini sse", "/v1beta/models/sim-gemini:streamGenerateContent?alt=sse", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`, gem, "\r\n\r\n"},
		{"gemini array", "/v1/models/sim-gemini:streamGenerateContent", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`, gem, "]"},
		{"gemini key in query", "/v1beta/models/sim-gemini:generateContent?key=" + userKey, `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`, []string{"Authorization", ""}, "}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(g.lines("call"))
			a := g.send("POST", c.path, c.body, c.headers...)
			if a.status != 200 || !strings.HasSuffix(a.body, c.ends) && !strings.HasSuffix(strings.TrimSpace(a.body), c.ends) {
				t.Fatalf("%d …%s", a.status, a.body[max(0, len(a.body)-200):])
			}
			if c.name == "gemini array" && !json.Valid([]byte(a.body)) {
				t.Errorf("not a JSON array: %s", a.body)
			}
			line := g.lines("call")
			if len(line) != before+1 || line[before]["usage"] != "measured" || line[before]["nanos"].(float64) <= 0 {
				t.Errorf("log: %v", line[before:])
			}
		})
	}
	for _, c := range []struct {
		name, path, body string
		headers          []string
		says             string
	}{
		{"moderations", "/v1/moderations", `{"input":"hi"}`, nil, "flagged"},
		{"count anthropic", "/v1/messages/count_tokens", `{"model":"sim-claude","messages":[{"role":"user","content":"hi"}]}`, ant, "input_tokens"},
		{"count gemini", "/v1beta/models/sim-gemini:countTokens", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`, gem, "totalTokens"},
		{"embed gemini", "/v1beta/models/sim-embed:embedContent", `{"content":{"parts":[{"text":"hi"}]}}`, gem, "values"},
		{"batch embed gemini", "/v1beta/models/sim-embed:batchEmbedContents", `{"requests":[{"model":"models/sim-embed","content":{"parts":[{"text":"hi"}]}}]}`, gem, "values"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := g.send("POST", c.path, c.body, c.headers...)
			if a.status != 200 || !strings.Contains(a.body, c.says) {
				t.Fatalf("%d %s", a.status, a.body)
			}
		})
	}
	if a := g.send("GET", "/v1beta/models", "", gem...); a.status != 200 || !strings.Contains(a.body, `"models/sim-gemini"`) {
		t.Errorf("gemini list: %d %s", a.status, a.body)
	}
}

// A stored response is found by its account alone, at the channel that keeps it.
func TestStoredResponses(t *testing.T) {
	_, url := simulate(t)
	dir := t.TempDir()
	g := startGatewayIn(t, dir, channels(url, "sk-up-1", "sk-up-2", "sk-up-3"))
	a := g.send("POST", "/v1/responses", `{"model":"sim-gpt","input":"echo: keep this"}`)
	var made struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(a.body), &made); err != nil || made.ID == "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for range 4 {
		if a := g.send("GET", "/v1/responses/"+made.ID, ""); a.status != 200 || !strings.Contains(a.body, "keep this") {
			t.Fatalf("get: %d %s", a.status, a.body)
		}
	}
	if a := g.send("GET", "/v1/responses/"+made.ID, "", "Authorization", "Bearer "+adminKey); a.status != 404 {
		t.Errorf("another account got it: %d %s", a.status, a.body)
	}
	if a := g.send("POST", "/v1/responses", `{"model":"sim-gpt","input":"and now","previous_response_id":"`+made.ID+`"}`); a.status != 200 {
		t.Errorf("continue: %d %s", a.status, a.body)
	}
	g.stop()
	g = startGatewayIn(t, dir, channels(url, "sk-up-1", "sk-up-2", "sk-up-3"))
	if a := g.send("GET", "/v1/responses/"+made.ID+"/input_items", ""); a.status != 200 || !strings.Contains(a.body, "echo: keep this") {
		t.Errorf("items after a restart: %d %s", a.status, a.body)
	}
	if a := g.send("DELETE", "/v1/responses/"+made.ID, ""); a.status != 200 {
		t.Errorf("delete: %d %s", a.status, a.body)
	}
	if a := g.send("GET", "/v1/responses/"+made.ID, ""); a.status != 404 {
		t.Errorf("get after delete: %d %s", a.status, a.body)
	}
}
