package gemini_test

import (
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/gemini"
)

// told writes events of an upstream of the dialect origin, streamed and whole, and returns the whole answer
// with what was lost of either.
func told(t *testing.T, origin canon.Dialect, events ...canon.Event) (string, string) {
	t.Helper()
	asked := &canon.Request{Origin: canon.Gemini}
	whole, lost := crosstest.WriteAnswer(gemini.New(), asked, origin, false, events)
	_, streamed := crosstest.WriteAnswer(gemini.New(), asked, origin, true, events)
	if lossLines(lost) != lossLines(streamed) {
		t.Errorf("whole: %s\nstreamed: %s", lossLines(lost), lossLines(streamed))
	}
	return string(whole), lossLines(lost)
}

// An end that Google has no word for is told by the nearest, and declared with the vendor's own.
func TestStops(t *testing.T) {
	for _, c := range []struct {
		stop       canon.Stopped
		want, lost string
	}{
		{canon.Stopped{Why: canon.StopEnd, Raw: "stop"}, `"finishReason":"STOP"`, ""},
		{canon.Stopped{Why: canon.StopTools, Raw: "tool_use"}, `"finishReason":"STOP"`, ""},
		{canon.Stopped{Why: canon.StopLength, Raw: "length"}, `"finishReason":"MAX_TOKENS"`, ""},
		{canon.Stopped{Why: canon.StopFilter, Raw: "content_filter"}, `"finishReason":"SAFETY"`, ""},
		{canon.Stopped{Why: canon.StopRefusal, Raw: "refusal", Detail: "Blocked."}, `"finishReason":"SAFETY","finishMessage":"Blocked."`, "finishReason (refusal)"},
		{canon.Stopped{Why: canon.StopPause, Raw: "pause_turn"}, `"finishReason":"OTHER"`, "finishReason (pause_turn)"},
		{canon.Stopped{Why: canon.StopCancelled, Raw: "cancelled"}, `"finishReason":"OTHER"`, "finishReason (cancelled)"},
		{canon.Stopped{Why: canon.StopOther, Raw: "new"}, `"finishReason":"OTHER"`, "finishReason (new)"},
		{canon.Stopped{Why: canon.StopSequence, Raw: "stop_sequence", Sequence: "X"}, `"finishReason":"STOP"`, "finishReason (stop_sequence)"},
	} {
		whole, lost := told(t, canon.Anthropic, canon.Start{}, canon.TextDelta{Text: "x"}, c.stop)
		if !strings.Contains(whole, c.want) || c.lost == "" && lost != "" || c.lost != "" && !strings.Contains(lost, `answer.stop changed at "`+c.lost+`"`) {
			t.Errorf("%+v: %s, %s", c.stop, lost, whole)
		}
	}
}

// At home an end keeps its own word, also one that is newer than we are.
func TestStopsAtHome(t *testing.T) {
	for _, answer := range []string{
		`{"candidates":[{"content":{"parts":[{"text":"x"}],"role":"model"},"finishReason":"RECITATION","finishMessage":"As in a book.","index":0}]`,
		`{"candidates":[{"content":{"parts":[{"text":"x"}],"role":"model"},"finishReason":"NEW_IN_2027","index":0}]`,
		`{"promptFeedback":{"blockReason":"BLOCKLIST","blockReasonMessage":"A word."}`,
	} {
		events, err := gemini.New().NewReader(dialect.Head{Op: canon.OpGenerate}).Read("", []byte(answer+"}"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if whole, lost := told(t, canon.Gemini, events...); !strings.HasPrefix(whole, answer) || lost != "" {
			t.Errorf("%s became %s, %s", answer, whole, lost)
		}
	}
}

// Thoughts that the caller did not ask for are declared as soon as it shows that nothing takes them home.
func TestHiddenThoughts(t *testing.T) {
	for _, seal := range []string{"", "c2VhbA=="} {
		w := gemini.New().NewWriter(crosstest.Answer(&canon.Request{Origin: canon.Gemini}, canon.OpenAIChat, true))
		for _, e := range []canon.Event{canon.Start{}, canon.ReasoningDelta{Text: "hm"}, canon.ReasoningDelta{Seal: seal}, canon.TextDelta{Index: 1, Text: "so"}} {
			w.Write(nil, e)
		}
		want := ""
		if seal == "" {
			want = "answer.reasoning lost"
		}
		if got := lossLines(w.Losses()); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("sealed by %q: %s", seal, got)
		}
	}
}
