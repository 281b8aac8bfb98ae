package app_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/matrix"
)

// relays is a configuration in which the model FIRST-then-SECOND-… is served by a channel of the dialect FIRST, and
// after it by one of SECOND. Upstreams know the models by the same names.
func relays(first, second, more string) string {
	var b strings.Builder
	b.WriteString("channels:\n")
	for _, u := range upstreams {
		fmt.Fprintf(&b, "  - {name: %s-first, provider: %s, base_url: %q, key: sk-first-%s, models: [\"%s-then-*\"], priority: 9}\n", u.name, u.provider, first, u.name, u.name)
		fmt.Fprintf(&b, "  - {name: %s-second, provider: %s, base_url: %q, key: sk-second-%s, models: [\"*-then-%s-*\"]}\n", u.name, u.provider, second, u.name, u.name)
	}
	return b.String() + "models:\n  - {name: \"*-then-*\", price: {input: \"1\", output: \"2\"}" + more + "}\n" + alice("10")
}

// noGateway tells whether a call came to Google's own gateway for chats, which is not there today.
func noGateway(w http.ResponseWriter, r *http.Request) bool {
	if !strings.Contains(r.URL.Path, "/openai/") {
		return false
	}
	http.NotFound(w, r)
	return true
}

// early are the ways in which an upstream can fail before it says anything.
func early() map[string]func(w http.ResponseWriter, stream bool, say wire) {
	status := func(code int) func(http.ResponseWriter, bool, wire) {
		return func(w http.ResponseWriter, _ bool, _ wire) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, `{"type":"error","error":{"type":"canary_error","message":"canary of the first"}}`)
		}
	}
	cut := func(bytes func(say wire) string) func(http.ResponseWriter, bool, wire) {
		return func(w http.ResponseWriter, stream bool, say wire) {
			if stream {
				_ = send(w, bytes(say))
			} else {
				_ = send(w, say.plain[:len(say.plain)/2])
			}
			panic(http.ErrAbortHandler)
		}
	}
	inband := func(w http.ResponseWriter, stream bool, say wire) {
		fault := `{"type":"error","code":503,"message":"canary of the first","error":{"type":"overloaded_error","code":503,"status":"UNAVAILABLE","message":"canary of the first"}}`
		if stream {
			fault = say.setup + "event: error\ndata: " + fault + "\n\n"
		}
		_, _ = io.WriteString(w, fault)
	}
	return map[string]func(http.ResponseWriter, bool, wire){
		"500": status(500), "429": status(429), "503": status(503), "529": status(529), "404": status(404),
		"cut at once":     cut(func(wire) string { return "" }),
		"cut after setup": cut(func(say wire) string { return say.setup }),
		"cut in a frame":  cut(func(say wire) string { return say.setup + say.text[:len(say.text)/2] }),
		"in band":         inband,
		"html": func(w http.ResponseWriter, _ bool, _ wire) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>canary</html>")
		},
		"empty": func(http.ResponseWriter, bool, wire) {},
		"garbled": func(w http.ResponseWriter, stream bool, say wire) {
			if stream {
				_, _ = io.WriteString(w, say.setup+"data: {canary\n\n")
				return
			}
			_, _ = io.WriteString(w, `{"canary":`)
		},
	}
}

// kinds of requests by what they lose on the way to two dialects.
type lossyBoth struct {
	raw   []byte
	first []string // what it loses at the first upstream
	then  []string // at the second; both empty where that speaks the client's dialect
}

// losing finds a request of the client that loses something at the first upstream only, and one that loses
// something at the second.
func losing(t *testing.T, name, first, second string) []lossyBoth {
	t.Helper()
	c := clients[name]
	features, err := matrix.Features(c.side.Dialect(), os.DirFS("../dialect/"+string(c.side.Dialect())))
	if err != nil {
		t.Fatal(err)
	}
	at := func(upstream string, raw []byte) ([]string, bool) {
		if upstream == name {
			return nil, true
		}
		asked, err := matrix.Read(c.side, raw)
		if err != nil {
			t.Fatal(err)
		}
		side, to := far(t, upstream)
		_, lost, cerr := side.WriteRequest(asked, to)
		list, _ := declared(c.side, lost)
		return list, cerr == nil && asked.PreviousID == "" && asked.N < 2
	}
	var out []lossyBoth
	have := [2]bool{name == first, name == second}
	for _, f := range features {
		one, ok1 := at(first, f.Raw)
		two, ok2 := at(second, f.Raw)
		switch {
		case !ok1 || !ok2:
		case !have[0] && len(one) > 0 && len(two) == 0:
			have[0] = true
			out = append(out, lossyBoth{f.Raw, one, two})
		case !have[1] && len(two) > 0:
			have[1] = true
			out = append(out, lossyBoth{f.Raw, one, two})
		}
	}
	if len(out) == 0 {
		t.Fatalf("%s on %s and %s loses nothing", name, first, second)
	}
	return out
}

// A call whose channel fails before content goes on to a channel of another dialect: its client sees one clean
// answer and what that one lost, the record shows both attempts, and it is billed once.
func TestRetriesInAnotherDialect(t *testing.T) {
	faults := early()
	fault, stream := "", false
	var tried, answered atomic.Int64
	first := bad(t, func(w http.ResponseWriter, r *http.Request, say wire) {
		if noGateway(w, r) {
			return
		}
		tried.Add(1)
		faults[fault](w, stream, say)
	})
	second := bad(t, func(w http.ResponseWriter, r *http.Request, say wire) {
		if noGateway(w, r) {
			return
		}
		answered.Add(1)
		if stream {
			_ = send(w, say.setup, say.say("o"), say.say("k"), say.end)
			return
		}
		_, _ = io.WriteString(w, say.plain)
	})
	g := startGateway(t, relays(first, second, ""), "FETCH_MEDIA=off", "SHARED_OBJECTS=on")
	n := 0
	var last answer
	losses := map[string]int{} // by call
	pairs := func(f func(name string, c wireClient, a, b string)) {
		for name, c := range clients {
			for _, a := range upstreams {
				for _, b := range upstreams {
					if a.name != b.name {
						f(name, c, a.name, b.name)
					}
				}
			}
		}
	}
	pairs(func(name string, c wireClient, a, b string) {
		requests := losing(t, name, a, b)
		for fault = range faults {
			for _, stream = range []bool{false, true} {
				n++
				req := requests[n%len(requests)]
				at := fmt.Sprintf("%s on %s then %s, %s, stream %v", name, a, b, fault, stream)
				tried.Store(0)
				answered.Store(0)
				path, body := c.of(req.raw, fmt.Sprintf("%s-then-%s-%d-codex", a, b, n), stream)
				got := g.send("POST", path, body)
				losses[got.header.Get("X-Request-Id")] = len(req.then)
				if got.status != http.StatusOK || strings.Contains(got.body, "canary") {
					t.Errorf("%s: %d %s", at, got.status, got.body)
					continue
				}
				if told := c.read(t, stream, got); told.Text() != "ok" || told.Failed != nil {
					t.Errorf("%s: %q, failed %v: %s", at, told.Text(), told.Failed, got.body)
				}
				if told := got.header.Get("X-Tollgate-Loss"); told != strings.Join(req.then, "; ") {
					t.Errorf("%s: loss %q, want %q; the first one would lose %q", at, told, req.then, req.first)
				}
				last = got
				if tried.Load() != 1 || answered.Load() != 1 {
					t.Errorf("%s: the first was called %d times, the second %d", at, tried.Load(), answered.Load())
				}
			}
		}
	})
	lines := g.lines("call")
	if len(lines) != n {
		t.Errorf("%d calls, %d records", n, len(lines))
	}
	for _, line := range lines {
		want, known := losses[line["call"].(string)]
		told, _ := line["losses"].(float64) // none where the second speaks the client's dialect
		if !known || line["error"] != nil || line["usage"] != "measured" || line["nanos"].(float64) != 3000 || line["attempts"].(float64) < 2 || int(told) != want {
			t.Errorf("%d losses: %v", want, line)
		}
	}
	tries, _ := g.recorded(last)["attempts"].([]any)
	kinds := ""
	for _, try := range tries {
		kinds += fmt.Sprintf("%v ", try.(map[string]any)["error"])
	}
	if len(tries) < 2 || strings.HasPrefix(kinds, "<nil>") || !strings.HasSuffix(kinds, "<nil> ") { // the last one alone went well
		t.Errorf("the record has the attempts %v", tries)
	}
}

// After content nothing is tried again: the client gets what came and then the error of its own dialect.
func TestNoRetryInAnotherDialectAfterContent(t *testing.T) {
	var answered atomic.Int64
	var inBand atomic.Bool
	first := bad(t, func(w http.ResponseWriter, r *http.Request, say wire) {
		if noGateway(w, r) {
			return
		}
		_ = send(w, say.setup, say.say("half of it"))
		if inBand.Load() {
			_ = send(w, "event: error\ndata: {\"type\":\"error\",\"code\":503,\"message\":\"canary\",\"error\":{\"type\":\"overloaded_error\",\"code\":503,\"status\":\"UNAVAILABLE\",\"message\":\"canary\"}}\n\n")
			return
		}
		panic(http.ErrAbortHandler)
	})
	second := bad(t, func(w http.ResponseWriter, _ *http.Request, say wire) {
		answered.Add(1)
		_ = send(w, say.setup, say.say("another"), say.end)
	})
	g := startGateway(t, relays(first, second, ""))
	n := 0
	foreign(func(name string, c wireClient, a string) {
		for _, told := range []bool{false, true} {
			inBand.Store(told)
			b := "chat"
			if a == "chat" {
				b = "claude"
			}
			n++
			path, body := c.ask(fmt.Sprintf("%s-then-%s-%d-codex", a, b, n), "hi", true, "")
			got := g.send("POST", path, body)
			events, err := crosstest.ReadAnswer(c.side, true, []byte(got.body), 0)
			told := crosstest.Collect(events)
			if got.status != http.StatusOK || told.Text() != "half of it" || err == nil && told.Failed == nil || strings.Contains(got.body, "canary") || told.Ended {
				t.Errorf("%s on %s, in band %v: %d, %v, failed %v, %s", name, a, inBand.Load(), got.status, err, told.Failed, got.body)
			}
		}
	})
	if answered.Load() != 0 {
		t.Errorf("%d calls went on elsewhere", answered.Load())
	}
	for _, line := range g.lines("call") {
		if line["error"] == nil || line["nanos"].(float64) <= 0 || line["usage"] == "measured" || line["out"].(float64) <= 0 || line["out"].(float64) > 10 {
			t.Errorf("log: %v", line)
		}
	}
}

// Thoughts that a model writes into its text: a channel that breaks off while nothing but a tag has come is
// replaced, by one of any dialect, and nothing of it is seen. Once a thought has been told, nothing is tried again.
func TestSplitThoughtsAndRetries(t *testing.T) {
	begin, thinks := "", false
	var answered atomic.Int64
	first := bad(t, func(w http.ResponseWriter, r *http.Request, say wire) {
		if noGateway(w, r) {
			return
		}
		frames := []string{say.setup}
		for part := range strings.SplitSeq(begin, "|") {
			frames = append(frames, say.say(part))
		}
		_ = send(w, frames...)
		panic(http.ErrAbortHandler)
	})
	second := bad(t, func(w http.ResponseWriter, r *http.Request, say wire) {
		if noGateway(w, r) {
			return
		}
		answered.Add(1)
		if thinks {
			_ = send(w, say.setup, say.say("<th"), say.say("ink>so"), say.say("me</think>"), say.say("ok"), say.end)
			return
		}
		_ = send(w, say.setup, say.say("o"), say.say("k"), say.end)
	})
	g := startGateway(t, relays(first, second, ", split_thoughts: true"))
	n := 0
	for name, c := range clients {
		more := ""
		if name == "gemini" { // whose clients see thoughts only when they ask
			more = `,"generationConfig":{"thinkingConfig":{"includeThoughts":true}}`
		}
		for _, a := range upstreams {
			for _, b := range upstreams {
				if a.name == b.name {
					continue
				}
				for _, begin = range []string{"<think>", "<th|ink>", "<think>|\\n", " \\n", "<thi", "<think>|</think>", "<think>\\n</thi"} {
					n++
					thinks = n%2 == 0
					answered.Store(0)
					at := fmt.Sprintf("%s on %s then %s, %s", name, a.name, b.name, begin)
					path, body := c.ask(fmt.Sprintf("%s-then-%s-%d-codex", a.name, b.name, n), "hi", true, more)
					got := g.send("POST", path, body)
					want := ""
					if thinks {
						want = "some"
					}
					if told := c.read(t, true, got); told.Text() != "ok" || told.Thoughts() != want || told.Failed != nil || answered.Load() != 1 {
						t.Errorf("%s: said %q, thought %q, failed %v, %d answers: %s", at, told.Text(), told.Thoughts(), told.Failed, answered.Load(), got.body)
					}
				}
				for _, begin = range []string{"<think>half", "<think>|half|</thi", "<think>half</think>", "half<think>", "<think></think>half"} {
					n++
					answered.Store(0)
					at := fmt.Sprintf("%s on %s then %s, %s", name, a.name, b.name, begin)
					path, body := c.ask(fmt.Sprintf("%s-then-%s-%d-codex", a.name, b.name, n), "hi", true, more)
					got := g.send("POST", path, body)
					events, err := crosstest.ReadAnswer(c.side, true, []byte(got.body), 0)
					told := crosstest.Collect(events)
					if got.status != http.StatusOK || !strings.Contains(told.Text()+told.Thoughts(), "half") || err == nil && told.Failed == nil || answered.Load() != 0 {
						t.Errorf("%s: %d, %v, failed %v, %d answers: %s", at, got.status, err, told.Failed, answered.Load(), got.body)
					}
				}
			}
		}
	}
	for _, line := range g.lines("call") {
		if line["error"] == nil && (line["usage"] != "measured" || line["nanos"].(float64) != 3000) || line["error"] != nil && line["nanos"].(float64) <= 0 {
			t.Errorf("log: %v", line)
		}
	}
}
