package crosstest_test

import (
	"encoding/json"
	"fmt"
	"syscall"
	"testing"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/gemini"
)

// What it takes to translate grows with what there is to translate, and not with its square. Compared are two
// sizes, eight times apart, by the best of several runs each, in time of the processor's own: the square would
// be 64.
func TestNothingGrowsLikeASquare(t *testing.T) {
	const small, times, most = 1_500, 8, 32
	for name, run := range map[string]func(n int) func(){
		"results in the order of their calls turned round": turnedRound,
		"calls without ids":               withoutIDs,
		"results that come late":          lateResults,
		"instructions, one after another": instructions,
		"tools that are gone":             goneTools,
		"thoughts that were told":         toldThoughts,
		"thoughts of one envelope":        longEnvelope,
		"calls that are open at once, to Claude": func(n int) func() {
			return openCalls(anthropic.New(), n)
		},
		"calls that are open at once, to Gemini": func(n int) func() { return openCalls(gemini.New(), n) },
		"searches, to Claude":                    func(n int) func() { return manySearches(anthropic.New(), n) },
		"searches, to Gemini":                    func(n int) func() { return manySearches(gemini.New(), n) },
		"citations of a long text, to Gemini":    manyCitations,
	} {
		t.Run(name, func(t *testing.T) {
			best := func(n int) time.Duration {
				f := run(n)
				least := time.Duration(1 << 62)
				for range 5 {
					began := spent(t)
					f()
					least = min(least, spent(t)-began)
				}
				return least
			}
			for try := 0; ; try++ { // others may be using the caches
				few, many := best(small), best(small*times)
				if many < most*few {
					return
				}
				if try == 2 {
					t.Fatalf("%v for %d, %v for %d", few, small, many, small*times)
				}
			}
		})
	}
}

// spent is the processor's time that this process has taken.
func spent(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fresh returns a copy of req whose blocks can be paired again.
func fresh(req *canon.Request) *canon.Request {
	out := *req
	out.Turns = make([]canon.Turn, len(req.Turns))
	for i, t := range req.Turns {
		out.Turns[i] = t
		out.Turns[i].Blocks = append([]canon.Block(nil), t.Blocks...)
	}
	return &out
}

// written pairs req and writes it for both dialects.
func written(req *canon.Request) func() {
	return func() {
		req := fresh(req)
		canon.Pair(req)
		for _, side := range []crosstest.Side{anthropic.New(), gemini.New()} {
			to := crosstest.Target(false)
			to.Knows = []canon.What{canon.WhatSystemPosition}
			if _, _, err := side.WriteRequest(req, to); err != nil {
				panic(err)
			}
		}
	}
}

func chat(turns ...canon.Turn) *canon.Request {
	return &canon.Request{Origin: canon.OpenAIChat, Turns: append([]canon.Turn{{Role: canon.RoleUser, Blocks: []canon.Block{canon.Text{Text: "go"}}}}, turns...)}
}

func callOf(i int) canon.ToolUse {
	return canon.ToolUse{ID: fmt.Sprint("call_", i), Name: "f", Input: json.RawMessage("{}")}
}

func resultOf(i int) canon.ToolResult {
	return canon.ToolResult{ID: fmt.Sprint("call_", i), Blocks: []canon.Block{canon.Text{Text: "ok"}}}
}

func turnedRound(n int) func() {
	calls, results := canon.Turn{Role: canon.RoleAssistant}, canon.Turn{Role: canon.RoleTool}
	for i := range n {
		calls.Blocks = append(calls.Blocks, callOf(i))
		results.Blocks = append(results.Blocks, resultOf(n-1-i))
	}
	return written(chat(calls, results))
}

func withoutIDs(n int) func() {
	calls, results := canon.Turn{Role: canon.RoleAssistant}, canon.Turn{Role: canon.RoleTool}
	for i := range n {
		calls.Blocks = append(calls.Blocks, canon.ToolUse{Name: fmt.Sprint("f", i), Input: json.RawMessage("{}")})
		results.Blocks = append(results.Blocks, canon.ToolResult{Name: fmt.Sprint("f", n-1-i), Blocks: []canon.Block{canon.Text{Text: "ok"}}})
	}
	return written(chat(calls, results))
}

func lateResults(n int) func() {
	req := chat()
	for i := range n {
		req.Turns = append(req.Turns, canon.Turn{Role: canon.RoleAssistant, Blocks: []canon.Block{callOf(i)}}, canon.Turn{Role: canon.RoleUser, Blocks: []canon.Block{canon.Text{Text: "wait"}}})
	}
	results := canon.Turn{Role: canon.RoleTool}
	for i := range n {
		results.Blocks = append(results.Blocks, resultOf(i))
	}
	req.Turns = append(req.Turns, results)
	return written(req)
}

func instructions(n int) func() {
	req := chat()
	for range n {
		req.Turns = append(req.Turns, canon.Turn{Role: canon.RoleSystem, Blocks: []canon.Block{canon.Text{Text: "be brief"}}})
	}
	req.Turns = append(req.Turns, canon.Turn{Role: canon.RoleAssistant, Blocks: []canon.Block{canon.Text{Text: "yes"}}}, req.Turns[0])
	return written(req)
}

func goneTools(n int) func() {
	calls, results := canon.Turn{Role: canon.RoleAssistant}, canon.Turn{Role: canon.RoleTool}
	for i := range n {
		c := callOf(i)
		c.Name = fmt.Sprint("f", i)
		calls.Blocks, results.Blocks = append(calls.Blocks, c), append(results.Blocks, resultOf(i))
	}
	return written(chat(calls, results))
}

// toldThoughts is a conversation of a Gemini client's in which each thought was shown and came back in an
// envelope too.
func toldThoughts(n int) func() {
	_, sealed := told(n, 1)
	return reading(sealed)
}

func longEnvelope(n int) func() {
	_, sealed := told(1, n)
	return reading(sealed)
}

// told is the answer of another dialect's model that thinks in so many pieces before each of so many words, and
// the Gemini client's next request.
func told(words, thoughts int) (answer, request string) {
	w := gemini.New().NewWriter(crosstest.Answer(&canon.Request{Reasoning: &canon.Effort{Show: canon.ThoughtsShown}}, canon.OpenAIChat, false))
	index := 0
	for range words {
		for range thoughts {
			w.Write(nil, canon.ReasoningDelta{Index: index, Text: "hm ", Seal: "c2ln"})
			index++
		}
		w.Write(nil, canon.TextDelta{Index: index, Text: "word"})
		index++
	}
	answer = string(w.Close(nil))
	var whole struct {
		Candidates []struct {
			Content json.RawMessage `json:"content"`
		} `json:"candidates"`
	}
	if err := json.Unmarshal([]byte(answer), &whole); err != nil {
		panic(err)
	}
	return answer, `{"contents":[{"role":"user","parts":[{"text":"go"}]},` + string(whole.Candidates[0].Content) + `]}`
}

func reading(request string) func() {
	return func() {
		if _, err := gemini.New().ReadRequest(canon.OpGenerate, []byte(request)); err != nil {
			panic(err)
		}
	}
}

// answering writes events to a client of side.
func answering(side crosstest.Side, events []canon.Event) func() {
	return func() {
		w := side.NewWriter(crosstest.Answer(&canon.Request{Origin: side.Dialect()}, canon.OpenAIChat, true))
		var out []byte
		for _, e := range events {
			out = w.Write(out[:0], e)
		}
		w.Close(out)
	}
}

func openCalls(side dialect.Translator, n int) func() {
	var events []canon.Event
	for i := range n {
		events = append(events, canon.ToolStart{Index: i, ID: fmt.Sprint("c", i), Name: "f"})
	}
	for i := range n {
		events = append(events, canon.ToolDelta{Index: n - 1 - i, JSON: `{"a":`})
	}
	for i := range n {
		events = append(events, canon.ToolDelta{Index: n - 1 - i, JSON: `1}`}, canon.BlockEnd{Index: n - 1 - i})
	}
	s, _ := side.(crosstest.Side)
	return answering(s, events)
}

func manySearches(side crosstest.Side, n int) func() {
	var events []canon.Event
	for i := range n {
		events = append(events, canon.HostedUse{Kind: canon.HostedWebSearch, Index: i, ID: fmt.Sprint("s", i), Input: fmt.Sprint("query ", i)})
	}
	for i := range n {
		use := canon.HostedUse{Kind: canon.HostedWebSearch, Index: n + i, ID: fmt.Sprint("s", n-1-i), Done: true}
		use.Sources = []canon.Citation{{URL: fmt.Sprint("https://example.com/", i), Title: "T"}}
		events = append(events, use)
	}
	return answering(side, events)
}

func manyCitations(n int) func() {
	events := make([]canon.Event, 0, 2*n)
	for range n {
		events = append(events, canon.TextDelta{Text: "zwölf Wörter für Übermütige "})
	}
	for i := range n {
		events = append(events, canon.Cited{Citation: canon.Citation{URL: fmt.Sprint("https://example.com/", i), From: 28 * i, To: 28*i + 5}})
	}
	return answering(gemini.New(), events)
}
