package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"tollgate/internal/dialect/crosstest"
)

// words are how a client of each dialect writes what the extreme requests are made of.
type words struct {
	user, model string // a turn of either; %s: its text
	tool        string // %d: a number for its name, %s: the schema of its input
	call        string // a turn with a call of t0 with the arguments %s, and one with its result
	image       string // a turn with an image; %s: its base64
	turns       func(turns string, tools string) string
}

var extremeWords = map[string]words{
	"chat": {
		`{"role":"user","content":"%s"}`, `{"role":"assistant","content":"%s"}`,
		`{"type":"function","function":{"name":"t%d","parameters":%s}}`,
		`{"role":"assistant","content":null,"tool_calls":[{"id":"c0","type":"function","function":{"name":"t0","arguments":"{\"a\":\"%s\"}"}}]},{"role":"tool","tool_call_id":"c0","content":"done"}`,
		`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,%s"}}]}`,
		func(turns, tools string) string { return `"messages":[` + turns + `]` + list("tools", tools) },
	},
	"responses": {
		`{"role":"user","content":"%s"}`, `{"role":"assistant","content":"%s"}`,
		`{"type":"function","name":"t%d","parameters":%s,"strict":false}`,
		`{"type":"function_call","call_id":"c0","name":"t0","arguments":"{\"a\":\"%s\"}"},{"type":"function_call_output","call_id":"c0","output":"done"}`,
		`{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,%s"}]}`,
		func(turns, tools string) string { return `"input":[` + turns + `]` + list("tools", tools) },
	},
	"claude": {
		`{"role":"user","content":"%s"}`, `{"role":"assistant","content":"%s"}`,
		`{"name":"t%d","input_schema":%s}`,
		`{"role":"assistant","content":[{"type":"tool_use","id":"c0","name":"t0","input":{"a":"%s"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c0","content":"done"}]}`,
		`{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"%s"}}]}`,
		func(turns, tools string) string {
			return `"max_tokens":100,"messages":[` + turns + `]` + list("tools", tools)
		},
	},
	"gemini": {
		`{"role":"user","parts":[{"text":"%s"}]}`, `{"role":"model","parts":[{"text":"%s"}]}`,
		`{"name":"t%d","parametersJsonSchema":%s}`,
		`{"role":"model","parts":[{"functionCall":{"name":"t0","args":{"a":"%s"}}}]},{"role":"user","parts":[{"functionResponse":{"name":"t0","response":{"output":"done"}}}]}`,
		`{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"%s"}}]}`,
		func(turns, tools string) string {
			if tools != "" {
				tools = `{"functionDeclarations":[` + tools + `]}`
			}
			return `"contents":[` + turns + `]` + list("tools", tools)
		},
	},
}

func list(name, elements string) string {
	if elements == "" {
		return ""
	}
	return `,"` + name + `":[` + elements + `]`
}

// nested is a schema in which n arrays hold each other.
func nested(n int) string {
	return strings.Repeat(`{"type":"array","items":`, n) + `{"type":"string","description":"at the bottom"}` + strings.Repeat("}", n)
}

// extreme are requests at the edge of what calls are, and what the upstream must get of each, how often.
func extreme(w words, object string) map[string]struct {
	request string
	holds   string
	times   int
} {
	type want = struct {
		request string
		holds   string
		times   int
	}
	hi := fmt.Sprintf(w.user, "hi")
	var tools []string
	for i := range 1000 {
		tools = append(tools, fmt.Sprintf(w.tool, i, `{"type":"object","properties":{"marked":{"type":"string"}}}`))
	}
	var turns []string
	for range 4999 {
		turns = append(turns, fmt.Sprintf(w.user, "marked"), fmt.Sprintf(w.model, "marked"))
	}
	turns = append(turns, fmt.Sprintf(w.user, "marked"))
	one := fmt.Sprintf(w.tool, 0, object)
	return map[string]want{
		"a deep schema":  {w.turns(hi, fmt.Sprintf(w.tool, 0, `{"type":"object","properties":{"a":`+nested(230)+`}}`)), "at the bottom", 1},
		"1,000 tools":    {w.turns(hi, strings.Join(tools, ",")), `"marked"`, 1000},
		"9,999 turns":    {w.turns(strings.Join(turns, ","), ""), "marked", 9999},
		"huge arguments": {w.turns(hi+","+fmt.Sprintf(w.call, strings.Repeat("marked: ä", 5<<17)), one), "marked: ä", 5 << 17},
		"a huge image":   {w.turns(hi+","+fmt.Sprintf(w.image, "iVBORw0KGgoA"+strings.Repeat("marked++", 2<<20)), ""), "marked++", 2 << 20},
	}
}

// At the edge of what a call can be, every dialect's client gets an answer through every other dialect, what it said
// arrives, and no body grows beyond measure on the way.
func TestExtremeRequests(t *testing.T) {
	var mu sync.Mutex
	body := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if noGateway(w, r) {
			return
		}
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		body = string(raw)
		mu.Unlock()
		say := wireOf(r.URL.Path)
		if strings.Contains(r.URL.Path, "streamGenerate") || r.Header.Get("Accept") == "text/event-stream" {
			w.Header().Set("Content-Type", "text/event-stream")
			_ = send(w, say.setup, say.say("ok"), say.end)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, say.plain)
	}))
	t.Cleanup(srv.Close)
	h := attackOn(t, foreigners(srv.URL))
	all := map[string]map[string]struct {
		request string
		holds   string
		times   int
	}{}
	for name := range clients {
		all[name] = extreme(extremeWords[name], `{"type":"object"}`)
	}
	n := 0
	foreign(func(name string, c wireClient, upstream string) {
		for what, e := range all[name] {
			n++
			stream := n%2 == 0
			path, _ := c.ask(name+"-on-"+upstream, "", stream, "")
			ask := fmt.Sprintf(`{"model":"%s-on-%s","stream":%v,%s}`, name, upstream, stream, e.request)
			if name == "gemini" {
				ask = "{" + e.request + "}"
			}
			body = ""
			a := h.post(t, path, strings.NewReader(ask), "Authorization", "Bearer "+userKey)
			at := fmt.Sprintf("%s on %s, %s", name, upstream, what)
			if a.status != http.StatusOK {
				t.Errorf("%s: %d %.500s", at, a.status, a.body)
				continue
			}
			if told := c.read(t, stream, a); told.Text() != "ok" {
				t.Errorf("%s: %.500s", at, a.body)
			}
			if got := strings.Count(body, e.holds); got < e.times {
				t.Errorf("%s: %q arrived %d times, want %d; losses %s", at, e.holds, got, e.times, a.header.Get("X-Tollgate-Loss"))
			}
			if len(body) > 3*len(ask) {
				t.Errorf("%s: %d bytes became %d", at, len(ask), len(body))
			}
		}
	})
}

// Beyond the edge the error is the client's, whole and before any upstream is called.
func TestBeyondExtremes(t *testing.T) {
	sim, url := simulate(t)
	h := attackOn(t, foreigners(url), "MAX_BODY_BYTES=8MiB")
	foreign(func(name string, c wireClient, upstream string) {
		w := extremeWords[name]
		hi := fmt.Sprintf(w.user, "hi")
		for what, e := range map[string]struct {
			request string
			status  int
			says    string
		}{
			"too deep":       {w.turns(hi, fmt.Sprintf(w.tool, 0, nested(260))), 400, "deep"},
			"too many turns": {w.turns(strings.Repeat(hi+",", 10_000)+hi, ""), 400, "shorten it"},
			"too large":      {w.turns(fmt.Sprintf(w.user, strings.Repeat("x", 8<<20)), ""), 413, "8388608"},
		} {
			path, _ := c.ask(name+"-on-"+upstream, "", false, "")
			ask := fmt.Sprintf(`{"model":"%s-on-%s",%s}`, name, upstream, e.request)
			if name == "gemini" {
				ask = "{" + e.request + "}"
			}
			a := h.post(t, path, strings.NewReader(ask), "Authorization", "Bearer "+userKey)
			fault := c.side.ReadError(a.status, a.header, []byte(a.body))
			if a.status != e.status || !strings.Contains(fault.Message, e.says) {
				t.Errorf("%s on %s, %s: %d %.500s", name, upstream, what, a.status, a.body)
			}
		}
	})
	for _, c := range counted(t, sim) {
		if c.Status == http.StatusOK {
			t.Errorf("the upstream was called: %+v", c)
		}
	}
}

// A frame as large as a frame may be passes through every translation; a larger one ends the answer with the error of
// the client's dialect, before content as after it.
func TestExtremeFrames(t *testing.T) {
	const most = 1 << 20
	size, late := 0, false
	url := bad(t, func(w http.ResponseWriter, r *http.Request, say wire) {
		if noGateway(w, r) {
			return
		}
		frames := []string{say.setup}
		if late {
			frames = append(frames, say.say("first "))
		}
		_ = send(w, append(frames, say.say(strings.Repeat("x", size)), say.end)...)
	})
	h := attackOn(t, foreigners(url), fmt.Sprint("MAX_EVENT_BYTES=", most))
	foreign(func(name string, c wireClient, upstream string) {
		for _, late = range []bool{false, true} {
			for _, size = range []int{most - 1024, most + 1024} {
				path, body := c.ask(name+"-on-"+upstream, "hi", true, "")
				a := h.post(t, path, strings.NewReader(body), "Authorization", "Bearer "+userKey)
				at := fmt.Sprintf("%s on %s, %d bytes, after content %v", name, upstream, size, late)
				if size > most && !late {
					if e := c.side.ReadError(a.status, a.header, []byte(a.body)); a.status != http.StatusBadGateway || !strings.Contains(e.Message, "limit") {
						t.Errorf("%s: %d %.500s", at, a.status, a.body)
					}
					continue
				}
				events, err := crosstest.ReadAnswer(c.side, true, []byte(a.body), 0)
				told := crosstest.Collect(events)
				if broken := err != nil || told.Failed != nil; a.status != http.StatusOK || broken != (size > most) || !broken && len(told.Text()) < size || broken && told.Text() != "first " {
					t.Errorf("%s: %d, %v, failed %v, %d bytes of text", at, a.status, err, told.Failed, len(told.Text()))
				}
			}
		}
	})
}
