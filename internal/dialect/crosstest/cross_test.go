package crosstest_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/gemini"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/dialect/openairesponses"
)

func sides() []crosstest.Side {
	return []crosstest.Side{openaichat.New(), openairesponses.New(), anthropic.New(), gemini.New()}
}

// pairs runs f for every ordered pair of dialects.
func pairs(t *testing.T, f func(t *testing.T, a, b crosstest.Side)) {
	for _, a := range sides() {
		for _, b := range sides() {
			t.Run(string(a.Dialect())+" over "+string(b.Dialect()), func(t *testing.T) { f(t, a, b) })
		}
	}
}

// What a client of A sends, an upstream of B gets, but for declared losses; and back in A it is what was
// sent.
func TestRequestsRoundTrip(t *testing.T) {
	pairs(t, func(t *testing.T, a, b crosstest.Side) {
		rapid.Check(t, func(t *rapid.T) {
			sent, _, cerr := a.WriteRequest(crosstest.Request(t, a.Dialect()), crosstest.Target(false))
			if cerr != nil {
				t.Fatalf("%s can't write what anybody may ask: %v", a.Dialect(), cerr)
			}
			if !json.Valid(sent) {
				t.Fatalf("%s writes no JSON: %s", a.Dialect(), sent)
			}
			asked, err := crosstest.Read(a, sent, false)
			if err != nil {
				t.Fatalf("%s can't read what it wrote: %v\n%s", a.Dialect(), err, sent)
			}
			over, lost, cerr := b.WriteRequest(asked, crosstest.Target(false))
			if cerr != nil {
				t.Fatalf("%s refuses: %v\n%s", b.Dialect(), cerr, sent)
			}
			if !json.Valid(over) {
				t.Fatalf("%s writes no JSON: %s", b.Dialect(), over)
			}
			got, err := crosstest.Read(b, over, false)
			if err != nil {
				t.Fatalf("%s can't read what it wrote: %v\n%s", b.Dialect(), err, over)
			}
			if diff := crosstest.Diff(asked, got, lost, nil); diff != "" {
				t.Fatalf("%s\nlosses %v\nsent %s\nover %s", diff, lost, sent, over)
			}
			home, further, cerr := a.WriteRequest(got, crosstest.Target(false))
			if cerr != nil {
				t.Fatalf("%s refuses what came home: %v\n%s", a.Dialect(), cerr, over)
			}
			back, err := crosstest.Read(a, home, false)
			if err != nil {
				t.Fatalf("%s can't read what came home: %v\n%s", a.Dialect(), err, home)
			}
			if diff := crosstest.DiffVia(asked, back, b.Dialect(), lost, further); diff != "" {
				t.Fatalf("home: %s\nlosses %v\nfurther %v\nsent %s\nover %s\nhome %s", diff, lost, further, sent, over, home)
			}
			if a.Dialect() == b.Dialect() && len(lost) > 0 {
				t.Fatalf("at home %v is lost of %s", lost, sent)
			}
		})
	})
}

// What an upstream of B answers, a client of A gets, streamed and whole, however the network cuts it.
func TestAnswersRoundTrip(t *testing.T) {
	pairs(t, func(t *testing.T, a, b crosstest.Side) {
		rapid.Check(t, func(t *rapid.T) {
			events := crosstest.Events(t)
			asked := &canon.Request{Origin: a.Dialect(), Model: "m", Tools: []canon.Tool{{Name: "tool_0"}, {Name: "tool_1"}, {Name: "tool_2"}}}
			told := map[bool]crosstest.Told{}
			var declared []canon.Loss // of either
			for _, stream := range []bool{false, true} {
				theirs := *asked
				theirs.Origin = b.Dialect()
				upstream, before := crosstest.WriteAnswer(b, &theirs, b.Dialect(), stream, events)
				n := rapid.SampledFrom([]int{0, 1, 7}).Draw(t, "cut")
				came, err := crosstest.ReadAnswer(b, stream, upstream, n)
				if err != nil {
					t.Fatalf("%s can't read what it wrote: %v\n%s", b.Dialect(), err, upstream)
				}
				client, lost := crosstest.WriteAnswer(a, asked, b.Dialect(), stream, came)
				if !stream && !json.Valid(client) {
					t.Fatalf("%s writes no JSON: %s", a.Dialect(), client)
				}
				got, err := crosstest.ReadAnswer(a, stream, client, n)
				if err != nil {
					t.Fatalf("%s can't read what it wrote: %v\n%s", a.Dialect(), err, client)
				}
				want, have := crosstest.Collect(came), crosstest.Collect(got)
				if diff := crosstest.DiffAnswers(want, have, b.Dialect(), a.Dialect(), lost); diff != "" {
					t.Fatalf("stream %v: %s\nlosses %v\nupstream %s\nclient %s", stream, diff, lost, upstream, client)
				}
				told[stream], declared = have, slices.Concat(declared, before, lost)
			}
			if diff := crosstest.DiffAnswers(told[false], told[true], a.Dialect(), a.Dialect(), declared); diff != "" {
				t.Fatalf("whole and streamed differ: %s", diff)
			}
		})
	})
}

// A stream that fails never ends as a whole one does.
func TestBrokenAnswersNeverLookWhole(t *testing.T) {
	pairs(t, func(t *testing.T, a, b crosstest.Side) {
		rapid.Check(t, func(t *rapid.T) {
			events := crosstest.Events(t)
			events = events[:rapid.IntRange(1, len(events)-1).Draw(t, "cut")]
			w := a.NewWriter(crosstest.Answer(&canon.Request{Origin: a.Dialect(), Model: "m"}, b.Dialect(), true))
			var out []byte
			for _, e := range events {
				if _, ended := e.(canon.Ended); !ended {
					out = w.Write(out, e)
				}
			}
			out = w.Fail(out, canon.Errorf(canon.KindUpstream, "the upstream broke"))
			got, err := crosstest.ReadAnswer(a, true, out, 0)
			told := crosstest.Collect(got)
			if err == nil && told.Failed == nil {
				t.Fatalf("a broken answer reads as whole:\n%s", out)
			}
			if !bytes.Contains(out, []byte("broke")) {
				t.Fatalf("the reason is not told:\n%s", out)
			}
			if strings.Contains(string(out), "[DONE]") || strings.Contains(string(out), "message_stop") || strings.Contains(string(out), "response.completed") {
				t.Fatalf("a broken answer has a normal end:\n%s", out)
			}
		})
	})
}

// The end of an answer is written before its call is recorded, but leaves after it. If the record fails, the
// error must still be told instead.
func TestFailInPlaceOfTheEnd(t *testing.T) {
	pairs(t, func(t *testing.T, a, b crosstest.Side) {
		w := a.NewWriter(crosstest.Answer(&canon.Request{Origin: a.Dialect(), Model: "m"}, b.Dialect(), true))
		var out []byte
		for _, e := range []canon.Event{canon.Start{ID: "x"}, canon.TextDelta{Text: "hello"}, canon.Stopped{Why: canon.StopEnd}, canon.Used{Usage: canon.Usage{Input: 1, Output: 1}}} {
			out = w.Write(out, e)
		}
		_ = w.Close(nil) // held back, and dropped
		out = w.Fail(out, canon.Errorf(canon.KindOverloaded, "the call could not be recorded"))
		got, err := crosstest.ReadAnswer(a, true, out, 0)
		if told := crosstest.Collect(got); err == nil && told.Failed == nil || told.Text() != "hello" {
			t.Errorf("%v, %+v in\n%s", err, told, out)
		}
	})
}
