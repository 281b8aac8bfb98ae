package gemini_test

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/gemini"
)

var origins = [...]canon.Dialect{canon.Gemini, canon.Anthropic, canon.OpenAIChat, canon.OpenAIResponses}

// TestRequestsComeHome writes requests of any dialect and reads them back: what is not declared is there.
// Written once more, now at home, nothing is lost and everything means the same.
func TestRequestsComeHome(t *testing.T) {
	p := gemini.New()
	for _, origin := range origins {
		rapid.Check(t, func(t *rapid.T) {
			asked := crosstest.Request(t, origin)
			for i := range asked.Turns {
				turn := &asked.Turns[i]
				turn.At = "turn[" + strconv.Itoa(i) + "]"
				for n := range turn.Blocks {
					turn.Paths = append(turn.Paths, turn.At+"["+strconv.Itoa(n)+"]")
				}
			}
			sent, lost, bad := p.WriteRequest(asked, crosstest.Target(false))
			if bad != nil {
				t.Fatal(bad)
			}
			if !json.Valid(sent) {
				t.Fatalf("no JSON: %s", sent)
			}
			read, err := crosstest.Read(p, sent, false)
			if err != nil {
				t.Fatalf("%v\n%s", err, sent)
			}
			if diff := crosstest.Diff(asked, read, lost, nil); diff != "" {
				t.Fatalf("%s\nlosses %v\n%s", diff, lost, sent)
			}
			again, lost, bad := p.WriteRequest(read, crosstest.Target(false))
			if bad != nil || len(lost) > 0 {
				t.Fatalf("%v %v\n%s", bad, lost, sent)
			}
			home, err := crosstest.Read(p, again, false)
			if diff := cmp.Diff(read, home); err != nil || diff != "" {
				t.Fatalf("%v\n%s\n%s\n%s", err, diff, sent, again)
			}
		})
	}
}

// TestAnswersComeHome writes answers of any dialect, streamed and whole, and reads them back.
func TestAnswersComeHome(t *testing.T) {
	p := gemini.New()
	for _, origin := range origins {
		rapid.Check(t, func(t *rapid.T) {
			events := crosstest.Events(t)
			asked := &canon.Request{Origin: canon.Gemini, Model: "m"}
			if rapid.Bool().Draw(t, "shown") {
				asked.Reasoning = &canon.Effort{Show: canon.ThoughtsShown}
			}
			var told [2]crosstest.Told
			for i, stream := range []bool{false, true} {
				written, lost := crosstest.WriteAnswer(p, asked, origin, stream, events)
				if !stream && !json.Valid(written) {
					t.Fatalf("no JSON: %s", written)
				}
				read, err := crosstest.ReadAnswer(p, stream, written, rapid.IntRange(0, 9).Draw(t, "cut"))
				if err != nil {
					t.Fatalf("%v\n%s", err, written)
				}
				told[i] = crosstest.Collect(append(read, canon.Ended{})) // the dialect has no mark of its own
				if origin == canon.Gemini {
					continue // its signatures stand where the events have them, which these do not
				}
				if diff := crosstest.DiffAnswers(crosstest.Collect(events), told[i], canon.Gemini, canon.Gemini, lost); diff != "" {
					t.Fatalf("stream %v: %s\nlosses %v\n%s", stream, diff, lost, written)
				}
			}
			if diff := crosstest.DiffAnswers(told[0], told[1], canon.Gemini, canon.Gemini, nil); diff != "" {
				t.Fatalf("whole and streamed differ: %s", diff)
			}
		})
	}
}
