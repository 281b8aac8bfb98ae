package openairesponses_test

import (
	"fmt"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/openairesponses"
)

// BenchmarkReader reads a stream of 100 text deltas as OpenAI frames them. The meter does this for
// every passthrough stream.
func BenchmarkReader(b *testing.B) {
	chunks := make([][]byte, 100)
	total := 0
	for i := range chunks {
		chunks[i] = fmt.Appendf(nil, `{"type":"response.output_text.delta","sequence_number":%d,"item_id":"msg_68c187e279048192be3775da689aa25105ca09a4773fcd25","output_index":9,"content_index":0,"delta":" word\n%d","logprobs":[],"obfuscation":"Y2jAkOWFtw"}`, i, i)
		total += len(chunks[i])
	}
	p := openairesponses.New()
	head := dialect.Head{Op: canon.OpGenerate, Stream: true, Framing: dialect.FramingSSE, Choices: 1}
	var out []canon.Event
	b.ReportAllocs()
	b.SetBytes(int64(total))
	for b.Loop() {
		r := p.NewReader(head)
		for _, c := range chunks {
			var err error
			if out, err = r.Read("response.output_text.delta", c, out[:0]); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/chunk")
}

// BenchmarkWriter writes a stream of 100 text deltas for an answer that another dialect gives.
func BenchmarkWriter(b *testing.B) {
	p := openairesponses.New()
	a := dialect.Answer{
		Head: dialect.Head{Op: canon.OpGenerate, Stream: true, Framing: dialect.FramingSSE}, Request: &canon.Request{Origin: canon.OpenAIResponses},
		ID: "0197f3a2-0000-7000-8000-0000000000ab", Model: "m", Origin: canon.Anthropic,
	}
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		w := p.NewWriter(a)
		out = w.Write(out[:0], canon.Start{})
		for range 100 {
			out = w.Write(out[:0], canon.TextDelta{Text: " word\n42"})
		}
		out = w.Close(out[:0])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/chunk")
}
