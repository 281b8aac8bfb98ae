package crosstest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/jsonedit"
	"tollgate/internal/sse"
)

// BenchmarkTranslate runs what a call costs the dialects, for every client on every upstream: the request
// (scan, head, and the edits of passthrough or the reading and writing of translation) and the answer
// (frames, reading for the meter, and the framer or the writer). Where client and upstream speak the same
// it is passthrough; else the metric "ratio" says how many times the CPU of that client's passthrough the
// cell takes, the two measured in turns. Of a stream, "first-ns" is the time from the frame with the first
// content to the bytes for the client.
func BenchmarkTranslate(b *testing.B) {
	small, agent := smallAsk(), agentAsk()
	events := answer(100)
	for _, kind := range []struct {
		name   string
		ask    *canon.Request // of a request
		stream bool           // of an answer
	}{{"small", small, false}, {"agent", agent, false}, {"plain", nil, false}, {"stream", nil, true}} {
		for _, a := range sides() {
			var pass func()
			for _, u := range fromHome(a) {
				b.Run(fmt.Sprintf("%s/%s/%s", kind.name, a.Dialect(), u.Dialect()), func(b *testing.B) {
					w := &work{b: b, a: a, u: u, stream: kind.stream}
					if kind.ask != nil {
						w.sent = w.write(kind.ask)
					} else {
						w.came, _ = crosstest.WriteAnswer(u, &canon.Request{Origin: u.Dialect(), Model: "m"}, u.Dialect(), kind.stream, events)
						w.asked = &canon.Request{Origin: a.Dialect(), Model: "m"}
					}
					run := w.run()
					if u.Dialect() == a.Dialect() {
						pass = run
					}
					b.ReportAllocs()
					w.first = nil
					for b.Loop() {
						run()
					}
					if w.first != nil {
						b.ReportMetric(float64(median(w.first).Nanoseconds()), "first-ns")
					}
					if pass != nil && u.Dialect() != a.Dialect() { // a filter may have left the home cell out
						b.ReportMetric(compare(run, pass), "ratio")
					}
				})
			}
		}
	}
}

// fromHome returns the upstreams for a client, its own dialect first.
func fromHome(a crosstest.Side) []crosstest.Side {
	list := []crosstest.Side{a}
	for _, s := range sides() {
		if s.Dialect() != a.Dialect() {
			list = append(list, s)
		}
	}
	return list
}

// work is one cell.
type work struct {
	b      *testing.B
	a, u   crosstest.Side // the client's dialect and the upstream's
	stream bool

	sent  []byte         // the client's request; nil where an answer is measured
	came  []byte         // the upstream's answer
	asked *canon.Request // what it answers
	first []time.Duration

	frames sse.Pool
	events []canon.Event
	out    []byte
}

// write returns the client's request.
func (w *work) write(ask *canon.Request) []byte {
	mine := *ask
	mine.Origin = w.a.Dialect()
	raw, _, err := w.a.WriteRequest(&mine, crosstest.Target(false))
	if err != nil {
		w.b.Fatal(err)
	}
	return raw
}

// run returns what is measured.
func (w *work) run() func() {
	switch home := w.a.Dialect() == w.u.Dialect(); {
	case w.sent != nil:
		ep, r := w.call()
		return func() { w.request(ep, r, home) }
	case w.stream:
		return func() { w.streamed(home) }
	default:
		return func() { w.whole(home) }
	}
}

// call returns the endpoint and the request as the server hands them over.
func (w *work) call() (ep dialect.Endpoint, r *http.Request) {
	path := map[canon.Dialect]string{
		canon.OpenAIChat: "/v1/chat/completions", canon.OpenAIResponses: "/v1/responses",
		canon.Anthropic: "/v1/messages", canon.Gemini: "/v1beta/models/m:generateContent",
	}[w.a.Dialect()]
	mux, seen := http.NewServeMux(), map[string]bool{}
	for _, e := range w.a.Endpoints() {
		if pattern := e.Method + " " + e.Path; !seen[pattern] {
			seen[pattern] = true
			mux.HandleFunc(pattern, func(_ http.ResponseWriter, got *http.Request) { ep, r = e, got })
		}
	}
	mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, path, http.NoBody))
	if r == nil {
		w.b.Fatalf("no endpoint serves %s", path)
	}
	return ep, r
}

// request makes the upstream's request of the client's.
func (w *work) request(ep dialect.Endpoint, r *http.Request, home bool) {
	o, err := jsonedit.Scan(w.sent, maxDepth)
	if err != nil {
		w.b.Fatal(err)
	}
	head, refused := w.a.Head(ep, r, o)
	if refused != nil {
		w.b.Fatal(refused)
	}
	if home {
		edits, err := w.a.Edits(head, o, "other")
		if err != nil {
			w.b.Fatal(err)
		}
		if w.out, err = jsonedit.Apply(w.sent, edits...); err != nil {
			w.b.Fatal(err)
		}
		return
	}
	asked, err := crosstest.Read(w.a, w.sent, false)
	if err != nil {
		w.b.Fatal(err)
	}
	var bad *canon.Error
	if w.out, _, bad = w.u.WriteRequest(asked, crosstest.Target(false)); bad != nil {
		w.b.Fatal(bad)
	}
}

// whole makes the client's answer of the upstream's.
func (w *work) whole(home bool) {
	var err error
	if w.events, err = w.u.NewReader(crosstest.Head(false)).Read("", w.came, w.events[:0]); err != nil {
		w.b.Fatal(err)
	}
	if home {
		w.out = append(w.out[:0], w.came...)
		return
	}
	out := w.a.NewWriter(crosstest.Answer(w.asked, w.u.Dialect(), false))
	w.out = w.out[:0]
	for _, e := range w.events {
		w.out = out.Write(w.out, e)
	}
	w.out = out.Close(w.out)
}

// streamed makes the client's stream of the upstream's, frame by frame.
func (w *work) streamed(home bool) {
	head := crosstest.Head(true)
	frames := w.frames.Get(bytes.NewReader(w.came), 1<<20)
	defer w.frames.Put(frames)
	reader := w.u.NewReader(head)
	framer := dialect.NewFramer(w.a, head)
	var out dialect.Writer
	if !home {
		out = w.a.NewWriter(crosstest.Answer(w.asked, w.u.Dialect(), true))
	}
	w.out = w.out[:0]
	told := false
	for {
		frame, err := frames.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			w.b.Fatal(err)
		}
		var began time.Time
		if !told {
			began = time.Now()
		}
		if w.events, err = reader.Read(name(frame.Event), frame.Data, w.events[:0]); err != nil {
			w.b.Fatal(err)
		}
		if home {
			w.out = framer.Append(w.out, frame.Raw, frame.Data)
		} else {
			for _, e := range w.events {
				w.out = out.Write(w.out, e)
			}
		}
		if !told && slices.ContainsFunc(w.events, canon.IsContent) {
			told = true
			if len(w.first) < 1<<16 {
				w.first = append(w.first, time.Since(began))
			}
		}
	}
	if home {
		w.out = framer.Close(w.out)
	} else {
		w.out = out.Close(w.out)
	}
	if !told || !reader.Complete() {
		w.b.Fatal("the stream is not whole")
	}
}

// name is an event's name as the relay hands it on: without a copy where it is one that goes by all the time.
func name(b []byte) string {
	switch string(b) {
	case "":
		return ""
	case "content_block_delta":
		return "content_block_delta"
	case "response.output_text.delta":
		return "response.output_text.delta"
	}
	return string(b)
}

// compare returns how many times as long as pass over takes: the median of short rounds in turns.
func compare(over, pass func()) float64 {
	const rounds, long = 21, time.Millisecond
	each := func(f func()) float64 {
		n, began := 0, time.Now()
		for time.Since(began) < long {
			f()
			n++
		}
		return float64(time.Since(began)) / float64(n)
	}
	var all []float64
	for range rounds {
		all = append(all, each(over)/each(pass))
	}
	return median(all)
}

func median[T time.Duration | float64](all []T) T {
	slices.Sort(all)
	return all[len(all)/2]
}

// smallAsk is a question as most are.
func smallAsk() *canon.Request {
	return &canon.Request{
		Model: "m", MaxOutput: 4096, System: []canon.Block{canon.Text{Text: "You are a helpful assistant."}},
		Turns: []canon.Turn{{Role: canon.RoleUser, Blocks: []canon.Block{canon.Text{Text: "What is the capital of France, and why was it chosen?"}}}},
	}
}

// agentAsk is a request of a coding agent of about 77 KB: 25 tools and a long history of their use.
func agentAsk() *canon.Request {
	req := smallAsk()
	req.System = []canon.Block{canon.Text{Text: strings.Repeat("You are a coding agent. Look before you change anything.\n", 100)}}
	for i := range 25 {
		var props []string
		for k := range 6 {
			props = append(props, fmt.Sprintf(`"param_%d":{"type":"string","description":"What the tool needs to know before it can start."}`, k))
		}
		req.Tools = append(req.Tools, canon.Tool{
			Name: fmt.Sprintf("tool_%d", i), Description: strings.Repeat("Does one thing and does it well; use it when nothing else will do. ", 5),
			Schema: json.RawMessage(`{"type":"object","properties":{` + strings.Join(props, ",") + `,"limit":{"type":"integer","minimum":0}},"required":["param_0"],"additionalProperties":false}`),
		})
	}
	for i := range 40 {
		id := fmt.Sprintf("call_%d", i)
		req.Turns = append(
			req.Turns,
			canon.Turn{Role: canon.RoleAssistant, Blocks: []canon.Block{
				canon.Text{Text: "I look at the file first, then at its tests."},
				canon.ToolUse{ID: id, Name: "tool_1", Input: json.RawMessage(fmt.Sprintf(`{"param_0":"internal/relay/file_%d.go","limit":%d}`, i, i))},
			}},
			canon.Turn{Role: canon.RoleTool, Blocks: []canon.Block{
				canon.ToolResult{ID: id, Name: "tool_1", Blocks: []canon.Block{canon.Text{Text: strings.Repeat("\tif err != nil {\n\t\treturn fmt.Errorf(\"read %s: %w\", path, err) // what the caller can do about it\n\t}\n", 9)}}},
			}},
		)
	}
	req.Turns = append(req.Turns, canon.Turn{Role: canon.RoleUser, Blocks: []canon.Block{canon.Text{Text: "Go on."}}})
	return req
}

// answer is n pieces of text.
func answer(n int) []canon.Event {
	out := []canon.Event{canon.Start{ID: "upstream-id", Model: "upstream-model", Created: 1_790_000_000}}
	for i := range n {
		out = append(out, canon.TextDelta{Text: fmt.Sprintf(" word\n%d", i)})
	}
	return append(out, canon.BlockEnd{}, canon.Stopped{Why: canon.StopEnd}, canon.Used{Usage: canon.Usage{Input: 50, Output: 100}}, canon.Ended{})
}
