package openaichat_test

import (
	"fmt"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/openaichat"
)

// BenchmarkReader reads a stream of 100 chunks as OpenAI frames them. The meter does this for every
// passthrough stream.
func BenchmarkReader(b *testing.B) {
	chunks := make([][]byte, 100)
	total := 0
	for i := range chunks {
		chunks[i] = fmt.Appendf(nil, `{"id":"chatcmpl-D8Z5oo6uDh67AD85p73ksdT1KxhE0","object":"chat.completion.chunk","created":1770933892,"model":"gpt-4.1-nano-2025-04-14","service_tier":"default","system_fingerprint":"fp_de604bd877","choices":[{"index":0,"delta":{"content":" word\n%d"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"yhjoJbEF"}`, i)
		total += len(chunks[i])
	}
	p := openaichat.New()
	head := dialect.Head{Op: canon.OpGenerate, Stream: true, Framing: dialect.FramingSSE, Choices: 1}
	var out []canon.Event
	b.ReportAllocs()
	b.SetBytes(int64(total))
	for b.Loop() {
		r := p.NewReader(head)
		for _, c := range chunks {
			var err error
			if out, err = r.Read("", c, out[:0]); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/chunk")
}
