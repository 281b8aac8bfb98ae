package openairesponses_test

import (
	"testing"

	"pgregory.net/rapid"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/openairesponses"
)

// TestNothingIsLostInSilence writes requests of any origin for every kind of model, and looks what arrived.
func TestNothingIsLostInSilence(t *testing.T) {
	p := openairesponses.New()
	rapid.Check(t, func(t *rapid.T) {
		origin := rapid.SampledFrom([]canon.Dialect{canon.OpenAIChat, canon.OpenAIResponses, canon.Gemini, canon.Anthropic}).Draw(t, "origin")
		req := crosstest.Request(t, origin)
		for i := range req.Turns { // as a reader has it, so that losses find their place
			turn := &req.Turns[i]
			blocks := turn.Blocks
			turn.Blocks, turn.At = nil, "turn"+string(rune('A'+i))
			for n, b := range blocks {
				turn.Add(turn.At+"."+string(rune('a'+n)), b)
			}
		}
		for i := range req.Tools {
			req.Tools[i].At = "tool"
		}
		canon.Pair(req)
		to := crosstest.Target(false)
		to.Thinking = rapid.SampledFrom([]dialect.Thinking{dialect.ThinkingUnknown, dialect.ThinkingNone, dialect.ThinkingEffort, dialect.ThinkingAdaptive}).Draw(t, "thinking")
		raw, lost, bad := p.WriteRequest(req, to)
		if bad != nil {
			t.Fatal(bad)
		}
		again, err := crosstest.Read(p, raw, false)
		if err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		if diff := crosstest.Diff(req, again, lost, nil); diff != "" {
			t.Fatalf("%s\n%s\n%s", diff, lossLines(lost), raw)
		}
	})
}

// TestAnswersArrive writes answers of any origin, streamed and whole, and looks what arrived.
func TestAnswersArrive(t *testing.T) {
	p := openairesponses.New()
	asked := &canon.Request{Origin: canon.OpenAIResponses, LogProbs: new(int)}
	rapid.Check(t, func(t *rapid.T) {
		events := crosstest.Events(t)
		stream := rapid.Bool().Draw(t, "stream")
		raw, lost := crosstest.WriteAnswer(p, asked, canon.Gemini, stream, events)
		back, err := crosstest.ReadAnswer(p, stream, raw, rapid.IntRange(0, 3).Draw(t, "cut"))
		if err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		if diff := crosstest.DiffAnswers(crosstest.Collect(events), crosstest.Collect(back), canon.Gemini, canon.OpenAIResponses, lost); diff != "" {
			t.Fatalf("%s\n%s\n%s", diff, lossLines(lost), raw)
		}
	})
}
