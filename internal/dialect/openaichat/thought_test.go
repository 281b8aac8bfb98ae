package openaichat_test

import (
	"fmt"
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/openaichat"
)

// Two thoughts with a signature each stay two, whole and streamed: signatures that are joined open nothing.
func TestSignedThoughtsStayApart(t *testing.T) {
	const one, two = `{"type":"reasoning.text","text":"One.","signature":"YQ==","index":0}`, `{"type":"reasoning.text","text":"Two.","signature":"Yg==","index":1}`
	chunk := func(delta string) string {
		return `{"id":"c","model":"m","choices":[{"index":0,"delta":{` + delta + `}}]}`
	}
	for name, frames := range map[string][]string{
		"whole":                         {`{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Said.","reasoning":"One.\n\nTwo.","reasoning_details":[` + one + "," + two + `]},"finish_reason":"stop"}]}`},
		"whole, without the plain text": {`{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Said.","reasoning_details":[` + one + "," + two + `]},"finish_reason":"stop"}]}`},
		"streamed": {
			chunk(`"reasoning_content":"One."`), chunk(`"reasoning_details":[` + one + `]`), chunk(`"reasoning_content":"\n\nTwo."`), chunk(`"reasoning_details":[` + two + `]`), chunk(`"content":"Said."`),
		},
	} {
		r := openaichat.New().NewReader(dialect.Head{Op: canon.OpGenerate, Stream: len(frames) > 1, Choices: 1})
		texts, seals := map[int]string{}, map[int]int{}
		for _, f := range frames {
			events, err := r.Read("", []byte(f), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				if d, ok := e.(canon.ReasoningDelta); ok {
					texts[d.Index] += d.Text
					if d.Seal != "" {
						seals[d.Index]++
					}
				}
			}
		}
		if got := fmt.Sprint(texts, seals); got != "map[0:One. 1:Two.] map[0:1 1:1]" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A message that is not streamed has places for what was thought, said and called, and no order among them:
// what had another one says so, and a seal that stands at its call has not.
func TestOrderOfAWholeAnswer(t *testing.T) {
	text, seal := canon.TextDelta{Index: 1, Text: "a"}, canon.ReasoningDelta{Index: 2, Seal: "c2ln"}
	call := canon.ToolStart{Index: 3, ID: "c", Name: "f"}
	for name, c := range map[string]struct {
		origin canon.Dialect
		events []canon.Event
		lost   bool
	}{
		"in order":                    {canon.Anthropic, []canon.Event{canon.ReasoningDelta{Text: "h", Seal: "c2ln"}, text, call}, false},
		"a seal at the end":           {canon.Gemini, []canon.Event{text, seal}, true},
		"sealed between texts":        {canon.Anthropic, []canon.Event{text, seal, canon.TextDelta{Index: 4, Text: "b"}}, true},
		"a seal of the call":          {canon.Gemini, []canon.Event{text, seal, call}, false},
		"seals of calls":              {canon.Gemini, []canon.Event{seal, call, canon.ReasoningDelta{Index: 4, Seal: "c2ln"}, canon.ToolStart{Index: 5, ID: "d", Name: "f"}}, false},
		"thinking between calls":      {canon.Anthropic, []canon.Event{call, canon.ReasoningDelta{Index: 4, Text: "h"}, canon.ToolStart{Index: 5, ID: "d", Name: "f"}}, true},
		"text behind a call":          {canon.OpenAIResponses, []canon.Event{call, canon.TextDelta{Index: 4, Text: "b"}}, true},
		"a text in two blocks, whole": {canon.Anthropic, []canon.Event{text, canon.TextDelta{Index: 4, Text: "b"}}, false},
	} {
		for _, stream := range []bool{false, true} {
			a := answerTo(&canon.Request{Origin: canon.OpenAIChat}, canon.OpGenerate, stream)
			a.Origin = c.origin
			w := openaichat.New().NewWriter(a)
			var out []byte
			for _, e := range append(c.events, canon.Stopped{Why: canon.StopEnd}) {
				out = w.Write(out, e)
			}
			w.Close(out)
			if got := strings.Contains(losses(w.Losses()), "answer.order changed"); got != (c.lost && !stream) {
				t.Errorf("%s, stream %v: %v", name, stream, w.Losses())
			}
		}
	}
}
