package crosstest_test

import (
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/jsonedit"
)

// plainCalls are short calls as most are, with answers as the vendors write them.
var plainCalls = map[canon.Dialect]struct{ ask, answer string }{
	canon.OpenAIChat: {
		`{"model":"gpt-4o","messages":[{"role":"system","content":"You are a helpful assistant."},{"role":"user","content":"What is the capital of France?"}],"max_tokens":256,"temperature":0.7}`,
		`{"id":"chatcmpl-KgjDc2Lze8BdQ8XpERy15ksruJmec","object":"chat.completion","created":1767323045,"model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":"The capital of France is Paris.\nIt has been since \"forever\".","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":6,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":"fp_5137a70a7e"}`,
	},
	canon.OpenAIResponses: {
		`{"model":"gpt-4o","instructions":"You are a helpful assistant.","input":"What is the capital of France?","max_output_tokens":256,"temperature":0.7}`,
		`{"id":"resp_46b49b738d2023a28804637de4898f1331921d1f02f493f2","object":"response","created_at":1767323045,"status":"completed","background":false,"completed_at":1767323045,"error":null,"incomplete_details":null,"instructions":"Be brief.","max_output_tokens":null,"max_tool_calls":null,"model":"gpt-4o","output":[{"id":"msg_2ae919490ac1593362e6782e68a4eedc74dfd4d87aa141ed","type":"message","status":"completed","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"The capital of France is Paris.\nIt has been since \"forever\"."}],"role":"assistant"}],"parallel_tool_calls":true,"previous_response_id":null,"prompt_cache_key":null,"reasoning":{"effort":null,"summary":null},"safety_identifier":null,"service_tier":"default","store":true,"temperature":1.0,"text":{"format":{"type":"text"},"verbosity":"medium"},"tool_choice":"auto","tools":[],"top_logprobs":0,"top_p":1.0,"truncation":"disabled","usage":{"input_tokens":5,"input_tokens_details":{"cached_tokens":0},"output_tokens":1,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":6},"user":null,"metadata":{}}`,
	},
	canon.Anthropic: {
		`{"model":"claude-sonnet-4-5","system":"You are a helpful assistant.","max_tokens":256,"messages":[{"role":"user","content":"What is the capital of France?"}]}`,
		`{"model":"claude-sonnet-4-5","id":"msg_01KgjDc2Lze8BdQ8XpERy15k","type":"message","role":"assistant","content":[{"type":"text","text":"The capital of France is Paris.\nIt has been since \"forever\"."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":2,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":1,"service_tier":"standard"}}`,
	},
	canon.Gemini: {
		`{"systemInstruction":{"parts":[{"text":"You are a helpful assistant."}]},"contents":[{"role":"user","parts":[{"text":"What is the capital of France?"}]}],"generationConfig":{"maxOutputTokens":256,"temperature":0.7}}`,
		`{"candidates":[{"content":{"parts":[{"text":"The capital of France is Paris.\nIt has been since \"forever\"."}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":2,"candidatesTokenCount":1,"totalTokenCount":3,"promptTokensDetails":[{"modality":"TEXT","tokenCount":2}]},"modelVersion":"gemini-2.5-flash","responseId":"KgjDc2Lze8BdQ8XpERy15k"}`,
	},
}

// BenchmarkPlainCall runs what a short call that is not translated costs the dialects: the scan of its
// request, the head, and the reading of the answer for the meter.
func BenchmarkPlainCall(b *testing.B) {
	for _, s := range sides() {
		call := plainCalls[s.Dialect()]
		b.Run("scan/"+string(s.Dialect()), func(b *testing.B) {
			raw := []byte(call.ask)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := jsonedit.Scan(raw, maxDepth); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("head/"+string(s.Dialect()), func(b *testing.B) {
			o, err := jsonedit.Scan([]byte(call.ask), maxDepth)
			if err != nil {
				b.Fatal(err)
			}
			ep, r := (&work{b: b, a: s}).call()
			b.ReportAllocs()
			for b.Loop() {
				if _, refused := s.Head(ep, r, o); refused != nil {
					b.Fatal(refused)
				}
			}
		})
		b.Run("read/"+string(s.Dialect()), func(b *testing.B) {
			raw, head := []byte(call.answer), crosstest.Head(false)
			var room [8]canon.Event
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.NewReader(head).Read("", raw, room[:0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
