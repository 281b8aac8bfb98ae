package e2e

import (
	"strings"
	"testing"
)

// answered gives each call of got its result, and returns what the next turn must know of them.
func answered(talk conversation, got turn) (quotes []string) {
	talk.answer(func(call toolCall) string { return "answer of " + call.id + " to " + call.args })
	for _, call := range got.calls {
		quotes = append(quotes, "The tool "+call.name+" answered: answer of "+call.id+" to ")
	}
	return quotes
}

// Several calls at once, over several turns: each has its id, its arguments and its result.
func TestCrossTools(t *testing.T) {
	cross(t, func(t *testing.T, c cell) {
		for _, conv := range []struct {
			model string
			turns []int // how many calls each turn of the user's leads to
		}{{"-model", []int{2, 1, 2}}, {"-many", []int{4, 4}}} {
			talk, twin := c.talkAbout(wish{model: c.upstream + conv.model, tools: true}, "Ask both in parallel.")
			ids := map[string]bool{}
			for i, n := range conv.turns {
				got := c.next(t, talk)
				if len(got.calls) != n || got.stop != "tools" || got.text != "" {
					t.Fatalf("turn %d: %+v, want %d calls", i, got, n)
				}
				for j, call := range got.calls {
					if call.id == "" || ids[call.id] {
						t.Errorf("turn %d: the id %q is not its own: %+v", i, call.id, got.calls)
					}
					ids[call.id] = true
					if want := []string{"get_weather", "get_population"}[j%2]; call.name != want && n > 1 {
						t.Errorf("turn %d: call %d is of %s", i, j, call.name)
					}
					checkCity(t, call.args)
				}
				if i == 0 {
					c.same(t, got, twin)
				}
				quotes := answered(talk, got)
				last := c.next(t, talk)
				for _, q := range quotes {
					if !strings.Contains(last.text, q) {
						t.Errorf("turn %d: %q does not say %q", i, last.text, q)
					}
				}
				if last.stop != "end" || len(last.calls) != 0 {
					t.Errorf("turn %d: %+v", i, last)
				}
				if i+1 < len(conv.turns) {
					talk.say([]string{"Ask one.", "Ask both in parallel."}[(conv.turns[i+1]-1)%2])
				}
			}
		}
	})
}

// Thoughts and what seals them go to the client and come home with the next turns, where upstreams check
// them.
func TestCrossThinking(t *testing.T) {
	cross(t, func(t *testing.T, c cell) {
		model := c.upstream + "-model"
		if c.upstream == "chat" {
			model = c.upstream + "-thinker" // the vendors' own way is to show nothing
		}
		talk, twin := c.talkAbout(wish{model: model, thinks: true, tools: true}, "What is the weather?")
		// A chat can't ask the two for their thoughts; for clients of other dialects a summary is asked for. All get
		// what seals them.
		shown := c.sdk != "chat" || c.upstream == "messages"
		// OpenAI's accumulator drops thoughts. Claude goes on from calls without theirs only if it need not think.
		dropped := c.sdk == "chat" && c.upstream == "messages" && c.streamed
		check := func(got turn, answers bool) {
			t.Helper()
			loss := got.header.Get("X-Tollgate-Loss")
			if dropped && answers {
				if got.thoughts != "" || !strings.Contains(loss, "reasoning_effort: reasoning.effort lost") {
					t.Errorf("thoughts, though those before are missing: %+v", got)
				}
				return
			}
			if shown != (got.thoughts != "") {
				t.Errorf("thoughts: %+v", got)
			}
			if !got.sealed && c.upstream != "chat" {
				t.Errorf("no seal: %+v", got)
			}
			for _, what := range []string{"reasoning.seal", "reasoning.text", "foreign"} {
				if strings.Contains(loss, what) {
					t.Errorf("what came does not go home: %s", loss)
				}
			}
		}
		first := c.next(t, talk)
		check(first, false)
		if len(first.calls) != 1 || first.stop != "tools" {
			t.Fatalf("%+v", first)
		}
		c.same(t, first, twin)
		quotes := answered(talk, first)
		second := c.next(t, talk)
		check(second, true)
		if !strings.Contains(second.text, quotes[0]) {
			t.Errorf("%q does not say %q", second.text, quotes[0])
		}
		talk.say("Ask both in parallel.")
		third := c.next(t, talk)
		check(third, false)
		if len(third.calls) != 2 {
			t.Fatalf("%+v", third)
		}
		quotes = answered(talk, third)
		last := c.next(t, talk)
		check(last, true)
		if !strings.Contains(last.text, quotes[0]) || !strings.Contains(last.text, quotes[1]) {
			t.Errorf("%q does not say %q", last.text, quotes)
		}
	})
}
