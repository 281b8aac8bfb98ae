package app_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/gemini"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/dialect/openairesponses"
	"tollgate/internal/simulator"
)

// strictKey is a key whose calls are refused rather than answered with losses.
const strictKey = "sk-test-strict-0123456789abcdefghijklmn"

// upstreams are channels that speak one dialect each, for models named after it.
var upstreams = []struct{ name, provider, model, dialect string }{
	{"chat", "openai-compatible", "sim-gpt", "openaichat"},
	{"responses", "openai", "sim-gpt-codex", "openairesponses"}, // such names are served as responses alone
	{"claude", "anthropic", "sim-claude", "anthropic"},
	{"gemini", "gemini", "sim-gemini", "gemini"},
}

// translated is a configuration in which NAME-model is served by a channel of that dialect alone. After
// "+" a model's name carries behaviours of the simulator.
func translated(upstream string, more string) string {
	var b strings.Builder
	b.WriteString("channels:\n")
	for _, u := range upstreams {
		fmt.Fprintf(&b, "  - {name: %s, provider: %s, base_url: %q, key: sk-%s-1, models: [\"%s-*\"], mapping: {%s-model: %s, %s-exact: %s, %s-split: %s, %s-broken: %s+cut=4, %s-failing: %s+status=500, %s-refusing: %s+status=400, %s-big: %s+events=50}}\n",
			u.name, u.provider, upstream, u.name, u.name,
			u.name, u.model, u.name, u.model, u.name, u.model, u.name, u.model, u.name, u.model, u.name, u.model, u.name, u.model)
	}
	b.WriteString("models:\n")
	for _, u := range upstreams {
		fmt.Fprintf(&b, "  - {name: \"%s-*\", price: {input: \"1\", output: \"2\", cache_read: \"0.1\"}}\n", u.name)
		fmt.Fprintf(&b, "  - {name: %s-exact, strict: true, price: {input: \"1\", output: \"2\"}}\n", u.name)
		fmt.Fprintf(&b, "  - {name: \"%s-split\", split_thoughts: true, price: {input: \"1\", output: \"2\"}}\n", u.name)
	}
	fmt.Fprintf(&b, "accounts:\n  - {name: alice, credit: 10, keys: [{name: main, key: %s}, {name: exact, key: %s, strict: true}]}\n", userKey, strictKey)
	return b.String() + more
}

// wireClient is a client of one dialect.
type wireClient struct {
	side crosstest.Side
	path string // of a call for the model %s, plain; its body
	body string // with %q for the model and %s for further members
	say  string // a user's turn, %q
}

func (w wireClient) ask(model, text string, stream bool, more string) (path, body string) {
	path = w.path
	if strings.Contains(path, "%s") {
		action := "generateContent"
		if stream {
			action = "streamGenerateContent?alt=sse"
		}
		return fmt.Sprintf(path, model, action), fmt.Sprintf(w.body, fmt.Sprintf(w.say, text), more)
	}
	if stream {
		more += `,"stream":true`
		if w.side.Dialect() == "openaichat" {
			more += `,"stream_options":{"include_usage":true}`
		}
	}
	return path, fmt.Sprintf(w.body, model, fmt.Sprintf(w.say, text), more)
}

var clients = map[string]wireClient{
	"chat":      {openaichat.New(), "/v1/chat/completions", `{"model":%q,"messages":[%s]%s}`, `{"role":"user","content":%q}`},
	"responses": {openairesponses.New(), "/v1/responses", `{"model":%q,"input":[%s]%s}`, `{"role":"user","content":%q}`},
	"claude":    {anthropic.New(), "/v1/messages", `{"model":%q,"max_tokens":1000,"messages":[%s]%s}`, `{"role":"user","content":%q}`},
	"gemini":    {gemini.New(), "/v1beta/models/%s:%s", `{"contents":[%s]%s}`, `{"role":"user","parts":[{"text":%q}]}`},
}

// cells runs f for every client on every upstream.
func cells(t *testing.T, f func(t *testing.T, client string, c wireClient, upstream string)) {
	for _, name := range []string{"chat", "responses", "claude", "gemini"} {
		for _, u := range upstreams {
			t.Run(name+" on "+u.name, func(t *testing.T) { f(t, name, clients[name], u.name) })
		}
	}
}

func (w wireClient) read(t *testing.T, stream bool, a answer) crosstest.Told {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	events, err := crosstest.ReadAnswer(w.side, stream, []byte(a.body), 0)
	if err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return crosstest.Collect(events)
}

// Every client gets an answer of every upstream, streamed and whole, and is billed what the upstream counted.
func TestTranslatedCalls(t *testing.T) {
	sim, url := simulate(t)
	g := startGateway(t, translated(url, ""))
	seen := 0
	cells(t, func(t *testing.T, name string, c wireClient, upstream string) {
		for _, stream := range []bool{false, true} {
			path, body := c.ask(upstream+"-model", `echo: hello "you" <there>`, stream, "")
			told := c.read(t, stream, g.send("POST", path, body))
			if got := told.Text(); got != `hello "you" <there>` {
				t.Errorf("stream %v: %q", stream, got)
			}
			if told.Ended != (name != "gemini") || !told.Used || told.Failed != nil { // Gemini's last chunk has no mark
				t.Errorf("stream %v: ended %v, usage told %v, failed %v", stream, told.Ended, told.Used, told.Failed)
			}
			calls := slices.DeleteFunc(counted(t, sim), func(c simulator.Call) bool { return c.Status != http.StatusOK }) // a dialect that turned out not to be there
			if len(calls) != seen+1 {
				seen = len(calls)
				t.Fatalf("more than one upstream call: %+v", calls[len(calls)-2:])
			}
			call := calls[seen]
			seen = len(calls)
			lines := g.lines("call")
			line := lines[len(lines)-1]
			if line["usage"] != "measured" || int64(line["in"].(float64)) != call.Usage.Input || int64(line["out"].(float64)) != call.Usage.Output {
				t.Errorf("stream %v: billed %v of %v, the upstream counted %+v", stream, line["in"], line["out"], call.Usage)
			}
			if told.Usage.In() != call.Usage.Input || told.Usage.Out() != call.Usage.Output {
				t.Errorf("stream %v: told %+v, the upstream counted %+v", stream, told.Usage, call.Usage)
			}
			if spoken := line["spoken"]; name == upstream && spoken != nil || name != upstream && spoken == nil {
				t.Errorf("spoken: %v", spoken)
			}
		}
	})
}

// Many Claude clients read the input of a stream from its message_start alone, which others tell last.
func TestTranslatedStreamsBeginWithTheirInput(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, translated(url, ""))
	for _, u := range upstreams {
		path, body := clients["claude"].ask(u.name+"-model", "echo: "+strings.Repeat("some words ", 40), true, "")
		a := g.send("POST", path, body)
		start, _, _ := strings.Cut(a.body, "\n\n")
		if n := gjson.Get(start[strings.Index(start, "{"):], "message.usage.input_tokens").Int(); n < 50 || n > 250 {
			t.Errorf("%s: %d tokens in %s", u.name, n, start)
		}
	}
}

// Parallel calls of tools arrive with ids, names and arguments, and their results go back.
func TestTranslatedTools(t *testing.T) {
	tools := map[string]string{
		"chat":      `,"tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}},{"type":"function","function":{"name":"get_time"}}]`,
		"responses": `,"tools":[{"type":"function","name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}},{"type":"function","name":"get_time"}]`,
		"claude":    `,"tools":[{"name":"get_weather","input_schema":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}},{"name":"get_time","input_schema":{"type":"object"}}]`,
		"gemini":    `,"tools":[{"functionDeclarations":[{"name":"get_weather","parametersJsonSchema":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}},{"name":"get_time"}]}]`,
	}
	_, url := simulate(t)
	g := startGateway(t, translated(url, ""))
	cells(t, func(t *testing.T, name string, c wireClient, upstream string) {
		for _, stream := range []bool{false, true} {
			path, body := c.ask(upstream+"-model", "in parallel, get_weather please", stream, tools[name])
			told := c.read(t, stream, g.send("POST", path, body))
			calls := told.Calls()
			if len(calls) != 2 || calls[0].Name != "get_weather" || calls[1].Name != "get_time" {
				t.Fatalf("stream %v: %+v", stream, calls)
			}
			if len(told.Stops) != 1 || !strings.HasSuffix(told.Stops[0], "tools") {
				t.Errorf("stream %v: stopped by %v", stream, told.Stops)
			}
			if name != "gemini" && (calls[0].ID == "" || calls[0].ID == calls[1].ID) {
				t.Errorf("stream %v: ids %q and %q", stream, calls[0].ID, calls[1].ID)
			}
			if !strings.Contains(calls[0].Arguments, `"city"`) {
				t.Errorf("stream %v: arguments %s", stream, calls[0].Arguments)
			}
		}
	})
}

// A broken upstream never looks like success, an error has the shape of the client's dialect, and nothing
// of the upstream's account is told.
func TestTranslatedFailures(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, translated(url, ""))
	cells(t, func(t *testing.T, name string, c wireClient, upstream string) {
		path, body := c.ask(upstream+"-broken", "hello", true, "")
		a := g.send("POST", path, body)
		events, err := crosstest.ReadAnswer(c.side, true, []byte(a.body), 0)
		if told := crosstest.Collect(events); a.status == 200 && err == nil && told.Failed == nil {
			t.Errorf("a stream that was cut looks whole: %s", a.body)
		}
		for model, status := range map[string]int{"-failing": 502, "-refusing": 400} {
			for _, stream := range []bool{false, true} {
				path, body := c.ask(upstream+model, "hello", stream, "")
				a := g.send("POST", path, body)
				if name != "gemini" && a.status != status && (status != 502 || a.status < 500) {
					t.Errorf("%s: status %d: %s", model, a.status, a.body)
				}
				e := c.side.ReadError(a.status, a.header, []byte(a.body))
				if e.Message == "" || strings.Contains(a.body, "sk-") || strings.Contains(a.body, "sim-gpt") {
					t.Errorf("%s: %s", model, a.body)
				}
			}
		}
	})
}

// What is lost is told, and refused to whoever would rather be.
func TestTranslationTellsLosses(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, translated(url, ""))
	body := `{"model":"claude-model","messages":[{"role":"user","content":"hi"}],"seed":7,"logit_bias":{"5":1}}`
	a := g.send("POST", "/v1/chat/completions", body)
	loss := a.header.Get("X-Tollgate-Loss")
	if a.status != 200 || !strings.Contains(loss, "seed: seed lost") || !strings.Contains(loss, "logit_bias") {
		t.Errorf("%d, loss %q: %s", a.status, loss, a.body)
	}
	strict := g.send("POST", "/v1/chat/completions", body, "X-Tollgate-Strict", "true", "Authorization", "Bearer "+userKey)
	if strict.status != 400 || !strings.Contains(strict.body, "seed") || !strings.Contains(strict.body, `"param"`) {
		t.Errorf("%d %s", strict.status, strict.body)
	}
	if a := g.send("POST", "/v1/chat/completions", body, "Authorization", "Bearer "+strictKey); a.status != 400 || !strings.Contains(a.body, "seed") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if line := g.lines("call"); len(line) == 0 || line[0]["losses"] == nil {
		t.Errorf("%v", line)
	}
	native := g.send("POST", "/v1/chat/completions", strings.Replace(body, "claude-model", "chat-model", 1), "X-Tollgate-Strict", "true", "Authorization", "Bearer "+userKey)
	if native.status != 200 || native.header.Get("X-Tollgate-Loss") != "" {
		t.Errorf("%d %v", native.status, native.header)
	}
	metrics := g.asRoot("GET", "/metrics", "")
	if !strings.Contains(metrics.body, `tollgate_translation_losses_total{dialect="openaichat",feature="seed",kind="lost",spoken="anthropic"} `) {
		t.Error("the loss is not counted")
	}
}

// Thoughts in the text come out as thoughts, also where client and channel speak the same dialect.
func TestThoughtsAreSplit(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, translated(url, ""))
	cells(t, func(t *testing.T, name string, c wireClient, upstream string) {
		for _, stream := range []bool{false, true} {
			more := ""
			if name == "gemini" { // whose clients see thoughts only when they ask
				more = `,"generationConfig":{"thinkingConfig":{"includeThoughts":true}}`
			}
			path, body := c.ask(upstream+"-split", "echo:<think>\nlet me see\n</think>\n\nit is four", stream, more)
			told := c.read(t, stream, g.send("POST", path, body))
			if told.Text() != "it is four" || !strings.HasSuffix(told.Thoughts(), "let me see") {
				t.Errorf("stream %v: said %q, thought %q", stream, told.Text(), told.Thoughts())
			}
		}
	})
}

// A request to a channel of its own dialect passes as it came, with its dialect's headers, also where the
// answer is edited.
func TestEditedAnswersLeaveTheRequestAlone(t *testing.T) {
	bodies, headers := make(chan string, 1), make(chan http.Header, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body) // what is missing is seen
		bodies <- string(raw)
		headers <- r.Header
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/responses") {
			_, _ = w.Write([]byte(`{"id":"resp_1","object":"response","status":"completed","model":"m","output":[{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"<think>hm</think>four","annotations":[]}]}],"usage":{"input_tokens":1,"output_tokens":1}}`))
			return
		}
		_, _ = w.Write([]byte(`{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"<think>hm</think>four"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`))
	}))
	defer srv.Close()
	g := startGateway(t, translated(srv.URL, ""))
	for path, body := range map[string]string{
		"/v1/responses": `{"model":"responses-split","include":["reasoning.encrypted_content"],"text.verbosity":"own","input":[{"type":"message","id":"msg_0","role":"assistant","phase":"commentary","status":"completed",` +
			`"content":[{"type":"output_text","text":"one","annotations":[]}]},{"role":"user","content":"go on"}]}`,
		"/v1/chat/completions": `{"model":"chat-split", "response_format.json_schema.name":"own","messages":[{"role":"user","content":"hi","own":1}]}`,
	} {
		a := g.send("POST", path, body, "OpenAI-Beta", "x=1", "Authorization", "Bearer "+userKey)
		if a.status != 200 || !strings.Contains(a.body, "hm") || strings.Contains(a.body, "<think>") || a.header.Get("X-Tollgate-Loss") != "" {
			t.Errorf("%s: %d %v %s", path, a.status, a.header, a.body)
			continue
		}
		name, model := "responses-split", "sim-gpt-codex"
		if path == "/v1/chat/completions" {
			name, model = "chat-split", "sim-gpt"
		}
		if got, want := <-bodies, strings.Replace(body, name, model, 1); got != want {
			t.Errorf("%s: sent\n%s\nof\n%s", path, got, want)
		}
		if h := <-headers; h.Get("Openai-Beta") != "x=1" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

// Tokens are counted in every dialect for any model, by the upstream or else by an estimate that says so,
// and never by a paid call.
func TestTranslatedCounts(t *testing.T) {
	sim, url := simulate(t)
	g := startGateway(t, translated(url, ""))
	for _, u := range upstreams {
		for path, body := range map[string]string{
			"/v1/messages/count_tokens":                       `{"model":"` + u.name + `-model","messages":[{"role":"user","content":"how many tokens are these"}]}`,
			"/v1beta/models/" + u.name + "-model:countTokens": `{"contents":[{"role":"user","parts":[{"text":"how many tokens are these"}]}]}`,
			"/v1/responses/input_tokens":                      `{"model":"` + u.name + `-model","input":"how many tokens are these"}`,
		} {
			a := g.send("POST", path, body)
			if a.status != 200 || !strings.Contains(strings.ToLower(a.body), "tokens") {
				t.Errorf("%s on %s: %d %s", path, u.name, a.status, a.body)
			}
			if estimated := a.header.Get("X-Tollgate-Estimate") == "tokens"; estimated != (u.name == "chat") { // the one that counts nothing itself
				t.Errorf("%s on %s: estimated %v", path, u.name, estimated)
			}
		}
	}
	for _, c := range counted(t, sim) {
		if c.Status == http.StatusOK && c.Endpoint != "count_tokens" && c.Endpoint != "countTokens" && c.Endpoint != "input_tokens" && c.Endpoint != "unknown" {
			t.Errorf("a paid call: %+v", c)
		}
	}
	if a := g.send("POST", "/v1/messages/count_tokens", `{"model":"chat-model","messages":[{"role":"user","content":"hi"}]}`); a.header.Get("X-Tollgate-Estimate") != "tokens" {
		t.Errorf("an estimate does not say so: %v", a.header)
	}
}

// An image by URL reaches an upstream that needs its bytes, through the guarded way alone.
func TestTranslatedMedia(t *testing.T) {
	png := "\x89PNG\r\n\x1a\n0000IHDR"
	images := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(png)) }))
	defer images.Close()
	_, url := simulate(t)
	ask := `{"model":"gemini-model","messages":[{"role":"user","content":[{"type":"text","text":"what is it"},{"type":"image_url","image_url":{"url":"` + images.URL + `/a.png"}}]}]}`
	open := startGateway(t, translated(url, ""), "FETCH_ALLOW=127.0.0.1/32")
	if a := open.send("POST", "/v1/chat/completions", ask); a.status != 200 || !strings.Contains(a.body, "I received 1") {
		t.Errorf("%d %s", a.status, a.body)
	}
	guarded := startGateway(t, translated(url, ""))
	if a := guarded.send("POST", "/v1/chat/completions", ask); a.status != 400 || !strings.Contains(a.body, "messages[0].content[1]") {
		t.Errorf("%d %s", a.status, a.body)
	}
	off := startGateway(t, translated(url, ""), "FETCH_MEDIA=off")
	if a := off.send("POST", "/v1/chat/completions", ask); a.status == 200 && !strings.Contains(a.header.Get("X-Tollgate-Loss"), "image.url") {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	inline := strings.Replace(ask, images.URL+"/a.png", "data:image/png;base64,"+base64.StdEncoding.EncodeToString([]byte(png)), 1)
	if a := guarded.send("POST", "/v1/chat/completions", inline); a.status != 200 || !strings.Contains(a.body, "I received 1") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// Legacy completions reach chat-like models, of whatever dialect.
func TestTranslatedCompletions(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, translated(url, ""))
	for _, u := range upstreams {
		for _, stream := range []bool{false, true} {
			body := fmt.Sprintf(`{"model":"%s-model","prompt":"echo: hello","stream":%v}`, u.name, stream)
			a := g.send("POST", "/v1/completions", body)
			if a.status != 200 || !strings.Contains(a.body, "text_completion") || !strings.Contains(a.body, `"text":"`) {
				t.Errorf("%s, stream %v: %d %s", u.name, stream, a.status, a.body)
			}
		}
	}
}

// A client is told the usage that it is billed, also where the upstream says none.
func TestEstimatedUsageIsTold(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, strings.Replace(translated(url, ""), "gemini-model: sim-gemini", "gemini-model: sim-gemini+nousage", 1))
	a := g.send("POST", "/v1/messages", `{"model":"gemini-model","max_tokens":100,"messages":[{"role":"user","content":"how much is it"}]}`)
	told := clients["claude"].read(t, false, a)
	lines := g.lines("call")
	line := lines[len(lines)-1]
	if line["usage"] != "estimated" || told.Usage.In() == 0 || told.Usage.In() != int64(line["in"].(float64)) || told.Usage.Out() != int64(line["out"].(float64)) {
		t.Errorf("told %+v, billed %v", told.Usage, line)
	}
}

// A conversation that is too long to be translated is refused before any work is done for it.
func TestTranslationIsBounded(t *testing.T) {
	sim, url := simulate(t)
	g := startGateway(t, translated(url, ""))
	a := g.send("POST", "/v1/chat/completions", `{"model":"claude-model","messages":[`+strings.Repeat(`{"role":"user","content":"a"},`, 10_001)+`{"role":"user","content":"a"}]}`)
	if a.status != 400 || !strings.Contains(a.body, "shorten it") || len(counted(t, sim)) != 0 {
		t.Errorf("%d %.300s", a.status, a.body)
	}
}
