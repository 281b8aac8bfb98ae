package recorded_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/gemini"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/dialect/openairesponses"
	"tollgate/internal/dialect/recorded"
)

func sides() []crosstest.Side {
	return []crosstest.Side{openaichat.New(), openairesponses.New(), anthropic.New(), gemini.New()}
}

// each runs f for every recording that has what f is about.
func each(t *testing.T, has func(recorded.Recording) bool, f func(t *testing.T, r recorded.Recording, from crosstest.Side)) {
	t.Helper()
	all, err := recorded.All()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[canon.Dialect]bool{}
	for _, r := range all {
		if !has(r) {
			continue
		}
		for _, s := range sides() {
			if s.Dialect() == r.Dialect {
				seen[r.Dialect] = true
				t.Run(r.Name, func(t *testing.T) { f(t, r, s) })
			}
		}
	}
	if len(seen) != len(sides()) {
		t.Errorf("there are recordings of %v only", seen)
	}
}

func answered(r recorded.Recording) bool  { return r.Answer != nil }
func requested(r recorded.Recording) bool { return r.Request != nil }
func refused(r recorded.Recording) bool   { return r.Error != nil }

func TestEverySourceIsNamed(t *testing.T) {
	each(t, func(recorded.Recording) bool { return true }, func(t *testing.T, r recorded.Recording, _ crosstest.Side) {
		for _, word := range []string{"Source", "License", "Fetched", "Changed"} {
			if r.About[word] == "" {
				t.Errorf("it does not say its %s", word)
			}
		}
		if r.Request == nil && r.Answer == nil && r.Error == nil {
			t.Error("it has nothing")
		}
	})
}

// events reads the answer of r, cut into pieces of n bytes.
func events(t *testing.T, r recorded.Recording, from crosstest.Side, n int) []canon.Event {
	t.Helper()
	raw := r.Answer
	if !r.Stream { // with line breaks between tokens, which a stream must not get
		var spaced bytes.Buffer
		if err := json.Indent(&spaced, raw, "", "  "); err != nil {
			t.Fatal(err)
		}
		raw = spaced.Bytes()
	}
	got, err := crosstest.ReadAnswer(from, r.Stream, raw, n)
	if err != nil && (r.Failed == "" || !errors.Is(err, io.ErrUnexpectedEOF)) { // what fails is not complete
		t.Fatalf("%s can't read it: %v", from.Dialect(), err)
	}
	return got
}

// An answer is read to its end, says why it ended, and means the same however the network cuts it.
func TestAnswersAreRead(t *testing.T) {
	each(t, answered, func(t *testing.T, r recorded.Recording, from crosstest.Side) {
		whole := events(t, r, from, 0)
		told := crosstest.Collect(whole)
		switch {
		case r.Failed != "":
			if told.Failed == nil || told.Failed.Kind != r.Failed {
				t.Errorf("it fails with %v, want %s", told.Failed, r.Failed)
			}
		case told.Failed != nil:
			t.Errorf("it reads as failed: %v", told.Failed)
		case len(told.Stops) == 0:
			t.Error("nothing says why it ended")
		}
		if !r.Stream {
			reader := from.NewReader(crosstest.Head(false))
			if _, err := reader.Read("", r.Answer, nil); err != nil || !reader.Complete() {
				t.Errorf("it is not complete (%v)", err)
			}
			return
		}
		for _, n := range []int{1, 7} {
			if cut := events(t, r, from, n); !reflect.DeepEqual(cut, whole) {
				t.Errorf("cut into pieces of %d it reads as %v, want %v", n, cut, whole)
			}
		}
	})
}

// prices is a catalogue of what the vendors asked at the time of the recordings. It does not follow their
// lists, as the built-in one does.
func prices(t *testing.T) *catalog.Snapshot {
	t.Helper()
	raw, err := os.ReadFile("testdata/prices.json")
	if err != nil {
		t.Fatal(err)
	}
	var models []catalog.Model
	if err := json.Unmarshal(raw, &models); err != nil {
		t.Fatal(err)
	}
	s, err := catalog.NewSnapshot(models)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// cost is what u costs on the model of r.
func cost(t *testing.T, s *catalog.Snapshot, r recorded.Recording, u canon.Usage) int64 {
	t.Helper()
	e, ok := s.Lookup(r.About["Model"])
	if !ok {
		t.Fatalf("no price of %q", r.About["Model"])
	}
	receipt, err := e.Price(u)
	if err != nil {
		t.Fatal(err)
	}
	return int64(receipt.Total)
}

// What an answer consumed is what its vendor's figures say, and costs what its list says.
func TestAnswersAreBilled(t *testing.T) {
	snapshot := prices(t)
	each(t, answered, func(t *testing.T, r recorded.Recording, from crosstest.Side) {
		told := crosstest.Collect(events(t, r, from, 0))
		if told.Usage != r.Usage {
			t.Fatalf("it consumed %+v, want %+v", told.Usage, r.Usage)
		}
		if r.About["Model"] == "" {
			return
		}
		if got := cost(t, snapshot, r, told.Usage); got != r.Cost {
			t.Errorf("it costs %d nano-dollars, want %d", got, r.Cost)
		}
	})
}

// An error is the caller's own where the vendor says so, with the vendor's words.
func TestErrorsAreRead(t *testing.T) {
	each(t, refused, func(t *testing.T, r recorded.Recording, from crosstest.Side) {
		got := from.ReadError(r.Status, http.Header{"Content-Type": {"application/json"}}, r.Error)
		if got.Kind != canon.KindInvalid || got.Message == "" {
			t.Errorf("it reads as %+v", got)
		}
	})
}

// A client of any dialect gets what the vendor said, streamed and whole, but for declared losses; and what it
// is told of tokens costs what we bill.
func TestAnswersAreWrittenOn(t *testing.T) {
	snapshot := prices(t)
	each(t, answered, func(t *testing.T, r recorded.Recording, from crosstest.Side) {
		came := events(t, r, from, 0)
		for _, to := range sides() {
			t.Run(string(to.Dialect()), func(t *testing.T) {
				if r.About["Untranslated"] != "" {
					t.Skip(r.About["Untranslated"])
				}
				asked := asks(t, r, from, to, came)
				for _, stream := range []bool{true, false} {
					if r.Failed != "" && !stream {
						continue // the relay makes it an error with a status
					}
					client, lost := write(to, asked, from.Dialect(), stream, came)
					want := inWordsOf(to.Dialect(), stream, came)
					if !stream && !json.Valid(client) {
						t.Fatalf("%s writes no JSON: %s", to.Dialect(), client)
					}
					got, err := crosstest.ReadAnswer(to, stream, client, 0)
					if err != nil && (r.Failed == "" || !errors.Is(err, io.ErrUnexpectedEOF)) {
						t.Fatalf("stream %v: %s can't read what it wrote: %v\n%s", stream, to.Dialect(), err, client)
					}
					have := crosstest.Collect(got)
					if r.Failed != "" { // what broke is told without a reason to stop, figures and a normal end
						want.Stops, want.Usage, want.Ended = nil, canon.Usage{}, false
						have.Stops, have.Usage = nil, canon.Usage{}
						if to.Dialect() == canon.Gemini {
							lost = append(lost, canon.LostAt(canon.WhatAnswerReasoning, "", "told at the end of the thoughts, which does not come"))
						}
					}
					if diff := crosstest.DiffAnswers(want, have, from.Dialect(), to.Dialect(), lost); diff != "" {
						t.Errorf("stream %v: %s\nlosses %v\nclient %s", stream, diff, lost, client)
					}
					if kind := silent(came, got, lost, to.Dialect() == from.Dialect()); kind != "" {
						t.Errorf("stream %v: %s is lost without a word, losses %v\nclient %s", stream, kind, lost, client)
					}
					if r.About["Model"] == "" || r.Failed != "" {
						continue
					}
					if c := cost(t, snapshot, r, sayable(r.Usage, have.Usage)); c != r.Cost {
						t.Errorf("stream %v: the client is told %+v, which costs %d, not %d", stream, have.Usage, c, r.Cost)
					}
				}
			})
		}
	})
}

// write writes an answer for a client of to, as the relay does: what fails ends there.
func write(to crosstest.Side, asked *canon.Request, origin canon.Dialect, stream bool, came []canon.Event) ([]byte, []canon.Loss) {
	w := to.NewWriter(crosstest.Answer(asked, origin, stream))
	var out []byte
	for _, e := range came {
		if f, failed := e.(canon.Failed); failed {
			return w.Fail(out, f.Err), w.Losses()
		}
		out = w.Write(out, e)
	}
	return w.Close(out), w.Losses()
}

// inWordsOf is what a client in dialect d is told of came. Anthropic has one word for what filters withhold and
// what the model refuses; it and Gemini have no tools with free text, which becomes the parameter input; a whole
// chat message has no order of thoughts and text.
func inWordsOf(d canon.Dialect, stream bool, came []canon.Event) crosstest.Told {
	if d == canon.OpenAIChat && !stream {
		came = slices.Clone(came)
		slices.SortStableFunc(came, func(a, b canon.Event) int {
			return rank(a) - rank(b)
		})
	}
	if d == canon.Anthropic || d == canon.Gemini {
		came = asFunctions(came)
	}
	told := crosstest.Collect(came)
	for i, why := range told.Stops {
		if d == canon.Anthropic {
			told.Stops[i] = strings.Replace(why, string(canon.StopFilter), string(canon.StopRefusal), 1)
		}
	}
	return told
}

// asFunctions makes calls of custom tools calls of functions.
func asFunctions(came []canon.Event) []canon.Event {
	var out, after []canon.Event
	for _, e := range came {
		out = append(out, e)
		if call, ok := e.(canon.ToolStart); ok && call.Custom {
			out = append(out, canon.ToolDelta{Choice: call.Choice, Index: call.Index, JSON: `{"input":`})
			after = append(after, canon.ToolDelta{Choice: call.Choice, Index: call.Index, JSON: "}"})
		}
	}
	return append(out, after...)
}

func rank(e canon.Event) int {
	switch e.(type) {
	case canon.Start:
		return 0
	case canon.ReasoningDelta:
		return 1
	}
	return 2
}

// silent returns what of the sources and of the vendor's own tools got lost although lost does not say so.
func silent(came, got []canon.Event, lost []canon.Loss, home bool) canon.What {
	count := func(events []canon.Event) map[canon.What]int {
		n := map[canon.What]int{}
		for _, e := range events {
			switch e := e.(type) {
			case canon.Cited:
				n[canon.WhatAnswerCitation]++
			case canon.HostedUse:
				if !e.Open {
					n[canon.WhatAnswerHosted]++
				}
			}
		}
		return n
	}
	declared := map[canon.What]bool{}
	for _, l := range lost {
		declared[l.What] = true
	}
	have := count(got)
	for what, n := range count(came) {
		if declared[what] {
			if home {
				return what
			}
			continue
		}
		if home && have[what] != n || have[what] == 0 {
			return what
		}
	}
	return ""
}

// sayable is have with what not all dialects have words for put back from want: how long a cache keeps what was
// written to it, searches, the tier.
func sayable(want, have canon.Usage) canon.Usage {
	have.WebSearches, have.Tier = want.WebSearches, want.Tier
	if have.In() == want.In() && have.CacheRead == want.CacheRead {
		have.Input, have.CacheWrite5m, have.CacheWrite1h = want.Input, want.CacheWrite5m, want.CacheWrite1h
	}
	return have
}

// asks is what a client of to asked, to get the answer of r: the request of r in its words, or else one
// with the tools that are called.
func asks(t *testing.T, r recorded.Recording, from, to crosstest.Side, came []canon.Event) *canon.Request {
	t.Helper()
	if r.Request != nil {
		req, err := crosstest.Read(from, r.Request, r.Stream)
		if err != nil {
			t.Fatal(err)
		}
		if raw, _, cerr := to.WriteRequest(req, crosstest.Target(r.Stream)); cerr == nil {
			asked, err := crosstest.Read(to, raw, r.Stream)
			if err != nil {
				t.Fatalf("%s can't read what it wrote: %v\n%s", to.Dialect(), err, raw)
			}
			return asked
		}
	}
	asked := &canon.Request{Origin: to.Dialect(), Model: "m", Stream: r.Stream}
	for _, e := range came {
		if call, ok := e.(canon.ToolStart); ok {
			asked.Tools = append(asked.Tools, canon.Tool{Name: call.Name, Custom: call.Custom})
		}
	}
	return asked
}
