package openairesponses_test

import (
	"fmt"
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/openairesponses"
)

// Sources that the model named in an earlier turn go home as they came, and are told as lost elsewhere.
func TestAnnotationsOfEarlierTurns(t *testing.T) {
	const notes = `[{"type":"url_citation","url":"https://example.com","title":"E","start_index":0,"end_index":5}]`
	raw := `{"model":"m","input":[{"role":"user","content":"hi"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"hello","annotations":` + notes +
		`},{"type":"output_text","text":"there","annotations":[]}]},{"role":"user","content":"go on"}]}`
	p := openairesponses.New()
	req, err := p.ReadRequest(canon.OpGenerate, []byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	req.Origin = canon.OpenAIResponses
	to := dialect.Target{Op: canon.OpGenerate, Model: "m", MaxOutput: 100}
	home, lost, e := p.WriteRequest(req, to)
	if e != nil || len(lost) != 0 || strings.Count(string(home), `"annotations":`+notes) != 1 || strings.Count(string(home), `"annotations":[]`) != 1 {
		t.Errorf("%v, %v in %s", e, lost, home)
	}
	over, lost, e := anthropic.New().WriteRequest(req, to)
	if e != nil || len(lost) != 1 || lost[0].Path != "input[1].content[0].annotations" || strings.Contains(string(over), "citation") {
		t.Errorf("%v, %v in %s", e, lost, over)
	}
}

// A piece of a thought without text says nothing, and thoughts of more parts than any answer has are an error.
func TestThoughtsWithoutText(t *testing.T) {
	r := openairesponses.New().NewReader(dialect.Head{Op: canon.OpGenerate, Stream: true, Framing: dialect.FramingSSE, Choices: 1})
	const piece = `{"type":"response.reasoning_summary_text.delta","item_id":"rs","output_index":%d,"summary_index":%d,"delta":%q}`
	read := func(output, summary int, text string) ([]canon.Event, error) {
		return r.Read("response.reasoning_summary_text.delta", fmt.Appendf(nil, piece, output, summary, text), nil)
	}
	for _, c := range []struct {
		summary int
		text    string
		want    string
	}{{0, "a", "a"}, {1, "", ""}, {1, "b", "\n\nb"}} {
		events, err := read(0, c.summary, c.text)
		got := ""
		for _, e := range events {
			if d, ok := e.(canon.ReasoningDelta); ok {
				got += d.Text
			}
		}
		if err != nil || got != c.want || c.want == "" && len(events) > 0 {
			t.Errorf("%+v: %v, %v", c, events, err)
		}
	}
	for i := range 1 << 20 {
		if _, err := read(i, 0, "a"); err != nil {
			return
		}
	}
	t.Error("there is no bound")
}
