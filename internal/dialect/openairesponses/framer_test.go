package openairesponses_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/openairesponses"
)

// What breaks off a stream has the id that its first event told.
func TestBreakingOffNamesTheResponse(t *testing.T) {
	for first, want := range map[string]string{
		`{"type":"response.created","sequence_number":0,"response":{"id":"resp_7"}}`: `"id":"resp_7"`,
		`{"type":"response.created","response":{"id":7}}`:                            `"id":"7"`,
		`{"type":"response.output_text.delta","item_id":"msg_1","delta":"x"}`:        `"id":""`,
		`no JSON`: `"id":""`,
	} {
		f := dialect.NewFramer(openairesponses.New(), dialect.Head{Op: canon.OpGenerate, Stream: true, Framing: dialect.FramingSSE})
		f.Append(nil, []byte(": working\n\n"), nil) // a comment is no event
		f.Append(nil, nil, []byte(first))
		f.Append(nil, nil, []byte(`{"type":"x","response":{"id":"resp_8"}}`))
		if out := f.Fail(nil, canon.Errorf(canon.KindUpstream, "it broke")); !strings.Contains(string(out), want) {
			t.Errorf("after %s: %s", first, out)
		}
	}
}

// What breaks off a stream is numbered as the next of its events, wherever they carry their numbers.
func TestBreakingOffGoesOnCounting(t *testing.T) {
	for name, c := range map[string]struct {
		frames []string
		want   []string
	}{
		"nothing":     {nil, []string{"0", "1"}},
		"first":       {[]string{`{"type":"response.created","sequence_number":0,"response":{}}`}, []string{"1", "2"}},
		"last member": {[]string{`{"delta":"x","sequence_number":8}`, `{"delta":"x","sequence_number":9}`}, []string{"10", "11"}},
		"spaces":      {[]string{`{"type": "x", "sequence_number": 41}`}, []string{"42", "43"}},
		"none":        {[]string{`{"type":"response.output_text.delta","delta":"x"}`, ""}, []string{"0", "1"}},
		"a text":      {[]string{`{"sequence_number":3,"delta":"\"sequence_number\":77"}`}, []string{"4", "5"}},
		"a schema":    {[]string{`{"response":{"tools":[{"properties":{"sequence_number":{"type":"integer"}}}]},"sequence_number":3}`}, []string{"4", "5"}},
		"no number":   {[]string{`{"sequence_number":3}`, `{"sequence_number":123456789012345678901234567890}`, `{"sequence_number":null}`, `{"sequence_number":`}, []string{"4", "5"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := dialect.NewFramer(openairesponses.New(), dialect.Head{Op: canon.OpGenerate, Stream: true, Framing: dialect.FramingSSE})
			var sent []byte
			for _, data := range c.frames {
				sent = f.Append(sent, []byte("data: "+data+"\n\n"), []byte(data))
			}
			out := f.Fail(nil, canon.Errorf(canon.KindUpstream, "it broke"))
			var got []string
			for _, m := range regexp.MustCompile(`"sequence_number":(\d+)`).FindAllSubmatch(out, -1) {
				got = append(got, string(m[1]))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("after %s come %v: %s", sent, got, out)
			}
		})
	}
}
