package openaichat_test

import (
	"fmt"
	"strings"
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

// agentRequest is a request of a coding agent: 25 tools, 40 messages, 77 KB.
func agentRequest() []byte {
	schema := `{"type":"object","properties":{`
	for i := range 9 {
		schema += fmt.Sprintf(`"p%d":{"type":"string","description":"What the tool needs to know before it can start."},`, i)
	}
	schema += `"q":{"type":"string"}}}`
	var raw []byte
	raw = append(raw, `{"model":"m","stream":true,"tools":[`...)
	for i := range 25 {
		if i > 0 {
			raw = append(raw, ',')
		}
		raw = fmt.Appendf(raw, `{"type":"function","function":{"name":"tool_%d","description":"Does one thing and does it well.","parameters":%s}}`, i, schema)
	}
	raw = append(raw, `],"messages":[{"role":"system","content":"You are an agent."}`...)
	for i := range 20 {
		raw = fmt.Appendf(raw, `,{"role":"assistant","content":null,"tool_calls":[{"id":"call_%d","type":"function","function":{"name":"tool_1","arguments":"{\"path\":\"a.go\"}"}}]},{"role":"tool","tool_call_id":"call_%d","content":%q}`, i, i, strings.Repeat("line of a file\n", 160))
	}
	raw = append(raw, `]}`...)
	return raw
}

// BenchmarkReadRequest reads it whole.
func BenchmarkReadRequest(b *testing.B) {
	raw := agentRequest()
	p := openaichat.New()
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := p.ReadRequest(canon.OpGenerate, raw); err != nil {
			b.Fatal(err)
		}
	}
}
