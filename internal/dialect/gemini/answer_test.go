package gemini

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
)

// TestUsageOfLies feeds figures that no answer can have: the frame is refused, so that a call is never
// settled by them.
func TestUsageOfLies(t *testing.T) {
	for _, usage := range []string{
		`{"promptTokenCount":-1}`, `{"promptTokenCount":"x"}`, `{"candidatesTokenCount":1e99}`, `{"thoughtsTokenCount":1.5}`, `{"totalTokenCount":9223372036854775807}`,
		`{"toolUsePromptTokenCount":true}`, `{"promptTokensDetails":[{"modality":"IMAGE","tokenCount":-5}]}`,
	} {
		for _, stream := range []bool{false, true} {
			data := `{"candidates":[{"content":{"parts":[{"text":"x"}]}}],"usageMetadata":` + usage + `}`
			if events, err := New().NewReader(dialect.Head{Op: canon.OpGenerate, Stream: stream}).Read("", []byte(data), nil); err == nil {
				t.Errorf("%s was read: %v", data, events)
			}
		}
	}
}

// TestUsageAddsUp checks on any figures, also on details that contradict them, that the buckets are
// disjoint, lose nothing and never go below zero.
func TestUsageAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := func(name string) int64 { return rapid.Int64Range(0, 1e6).Draw(t, name) }
		details := func(name string) string {
			var list []string
			for _, m := range []string{"TEXT", "IMAGE", "AUDIO", "VIDEO", "DOCUMENT"} {
				if rapid.Bool().Draw(t, name+m) {
					list = append(list, fmt.Sprintf(`{"modality":%q,"tokenCount":%d}`, m, n(name+m+"count")))
				}
			}
			return "[" + strings.Join(list, ",") + "]"
		}
		prompt, cached, tool, candidates, thoughts := n("prompt"), n("cached"), n("tool"), n("candidates"), n("thoughts")
		usage := fmt.Sprintf(`{"promptTokenCount":%d,"cachedContentTokenCount":%d,"toolUsePromptTokenCount":%d,"candidatesTokenCount":%d,"thoughtsTokenCount":%d,"totalTokenCount":%d,"promptTokensDetails":%s,"cacheTokensDetails":%s,"toolUsePromptTokensDetails":%s,"candidatesTokensDetails":%s}`,
			prompt, cached, tool, candidates, thoughts, prompt+tool+candidates+thoughts, details("p"), details("c"), details("t"), details("o"))
		events, err := New().NewReader(dialect.Head{Op: canon.OpGenerate}).Read("", []byte(`{"candidates":[],"usageMetadata":`+usage+`}`), nil)
		if err != nil {
			t.Fatal(err)
		}
		u := events[len(events)-1].(canon.Used).Usage
		if u.In() != prompt+tool || u.Out() != candidates+thoughts || u.CacheRead != min(cached, prompt) || u.Reasoning != thoughts {
			t.Fatalf("%s\n%+v: in %d, out %d", usage, u, u.In(), u.Out())
		}
		if min(u.Input, u.InputImage, u.InputAudio, u.InputVideo, u.Output, u.OutputImage, u.OutputAudio) < 0 {
			t.Fatalf("%s\n%+v", usage, u)
		}
	})
}

// TestStreamError checks both framings: whole events, or a bare element for the framer to put in place.
func TestStreamError(t *testing.T) {
	p := New()
	for framing, want := range map[dialect.Framing]string{
		dialect.FramingSSE:       "data: {\"candidates\":1}\r\n\r\ndata: {\"error\":{\"code\":503,\"message\":\"gone\",\"status\":\"UNAVAILABLE\"}}\r\n\r\n",
		dialect.FramingJSONArray: "[{\"candidates\":1},\r\n{\"error\":{\"code\":503,\"message\":\"gone\",\"status\":\"UNAVAILABLE\"}}]",
	} {
		f := dialect.NewFramer(p, dialect.Head{Framing: framing})
		out := f.Append(nil, []byte("data: {\"candidates\":1}\r\n\r\n"), []byte(`{"candidates":1}`))
		out = f.Fail(out, canon.Errorf(canon.KindOverloaded, "gone"))
		if string(out) != want {
			t.Errorf("%s: %q, want %q", framing, out, want)
		}
		if framing == dialect.FramingJSONArray && !json.Valid(out) {
			t.Errorf("%s is not JSON", out)
		}
	}
}

// TestSchemaStays checks that JSON Schema passes through unchanged.
func TestSchemaStays(t *testing.T) {
	for _, schema := range []string{
		`{"type":"object","properties":{"some_name":{"type":["string","null"]},"nullable":{"type":"boolean"}},"additionalProperties":false}`,
		`{"type":"array","items":{"anyOf":[{"const":1.50},true]},"minItems":2,"default":[ {"any_of":1} ]}`,
		`true`,
	} {
		if got, err := jsonSchema(schema); err != nil || string(got) != schema {
			t.Errorf("%s became %s, %v", schema, got, err)
		}
	}
}

// stream is 100 chunks of an answer with text.
func stream() (data [][]byte) {
	const usage = `"usageMetadata": {"promptTokenCount": 5,"candidatesTokenCount": 4,"totalTokenCount": 33,"promptTokensDetails": [{"modality": "TEXT","tokenCount": 5}],"thoughtsTokenCount": 24,"serviceTier": "standard"},"modelVersion": "gemini-2.5-flash","responseId": "1CU1asHWGqna1e8P843o4QQ"}`
	for range 99 {
		data = append(data, []byte(`{"candidates": [{"content": {"parts": [{"text": " there, and then some more words of an answer\n"}],"role": "model"},"index": 0}],`+usage))
	}
	return append(data, []byte(`{"candidates": [{"content": {"parts": [{"text": "","thoughtSignature": "CikBjz1rX1=="}],"role": "model"},"finishReason": "STOP","index": 0}],`+usage))
}

// BenchmarkReader reads a stream of 100 chunks, which is what every passthrough answer costs.
func BenchmarkReader(b *testing.B) {
	data := stream()
	var out []canon.Event
	b.ReportAllocs()
	for b.Loop() {
		r := New().NewReader(dialect.Head{Op: canon.OpGenerate, Stream: true})
		for i := range data {
			var err error
			if out, err = r.Read("", data[i], out[:0]); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(data)), "ns/event")
}

// TestUsageComesBack writes usage as Google counts it and reads it again: all that Google can say is there.
func TestUsageComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := func(name string) int64 { return rapid.Int64Range(0, 1e6).Draw(t, name) }
		u := canon.Usage{
			Input: n("input"), CacheRead: n("read"), CacheWrite5m: n("write"), InputImage: n("image"), InputAudio: n("audio"), InputVideo: n("video"),
			Output: n("output"), Reasoning: n("reasoning"), OutputImage: n("image out"), OutputAudio: n("audio out"),
			Tier: rapid.SampledFrom([]string{"", "flex", "priority"}).Draw(t, "tier"),
		}
		body := append(appendUsage([]byte(`{"candidates":[],"usageMetadata":`), u), '}')
		events, err := New().NewReader(dialect.Head{Op: canon.OpGenerate}).Read("", body, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := u
		want.Input, want.CacheWrite5m = u.Input+u.CacheWrite5m, 0 // Google has no word for what was written to a cache
		if got := events[len(events)-1].(canon.Used).Usage; got != want {
			t.Fatalf("%+v became %+v by %s", want, got, body)
		}
	})
}
