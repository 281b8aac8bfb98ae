package anthropic

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
)

// TestUsageOfLies feeds figures that no answer can have: the frame is refused, so that a call is never
// settled by them.
func TestUsageOfLies(t *testing.T) {
	for _, usage := range []string{
		`{"input_tokens":-1}`, `{"input_tokens":"12"}`, `{"input_tokens":1e99}`, `{"input_tokens":1.5}`, `{"output_tokens":9223372036854775807}`,
		`{"output_tokens":true}`, `{"cache_creation":{"ephemeral_1h_input_tokens":-5}}`, `{"output_tokens_details":{"thinking_tokens":[]}}`,
		`{"server_tool_use":{"web_search_requests":-1}}`, `{"iterations":[{"type":"compaction","input_tokens":-1}]}`,
	} {
		for _, frame := range []string{
			`{"type":"message_start","message":{"usage":%s}}`, `{"type":"message_delta","delta":{},"usage":%s}`, `{"type":"message","content":[],"usage":%s}`,
		} {
			data := fmt.Sprintf(frame, usage)
			if events, err := New().NewReader(dialect.Head{Stream: true}).Read("", []byte(data), nil); err == nil {
				t.Errorf("%s was read: %v", data, events)
			}
		}
	}
}

// TestUsageAddsUp checks on any figures that the buckets are disjoint and lose nothing.
func TestUsageAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := func(name string) int64 { return rapid.Int64Range(0, 1e9).Draw(t, name) }
		input, read, w5m, w1h, output := n("input"), n("read"), n("5m"), n("1h"), n("output")
		thinking := rapid.Int64Range(0, output).Draw(t, "thinking")
		start := fmt.Sprintf(`{"type":"message_start","message":{"usage":{"input_tokens":%d,"cache_read_input_tokens":%d,"cache_creation_input_tokens":%d,"cache_creation":{"ephemeral_5m_input_tokens":%d,"ephemeral_1h_input_tokens":%d},"output_tokens":1}}}`,
			input, read, w5m+w1h, w5m, w1h)
		deltas := []string{
			fmt.Sprintf(`{"output_tokens":%d,"output_tokens_details":{"thinking_tokens":%d}}`, output, thinking),
			fmt.Sprintf(`{"input_tokens":%d,"cache_read_input_tokens":%d,"cache_creation_input_tokens":%d,"output_tokens":%d,"output_tokens_details":{"thinking_tokens":%d}}`, input, read, w5m+w1h, output, thinking),
			fmt.Sprintf(`{"input_tokens":null,"cache_creation":null,"output_tokens":%d,"output_tokens_details":{"thinking_tokens":%d}}`, output, thinking),
		}
		r := New().NewReader(dialect.Head{Stream: true})
		if _, err := r.Read("", []byte(start), nil); err != nil {
			t.Fatal(err)
		}
		delta := rapid.SampledFrom(deltas).Draw(t, "delta")
		events, err := r.Read("", []byte(`{"type":"message_delta","delta":{},"usage":`+delta+`}`), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := events[len(events)-1].(canon.Used).Usage
		want := canon.Usage{Input: input, CacheRead: read, CacheWrite5m: w5m, CacheWrite1h: w1h, Output: output - thinking, Reasoning: thinking}
		if got != want {
			t.Fatalf("%+v, want %+v", got, want)
		}
	})
}

// stream is 100 events of an answer with text, as the upstream's SSE fields.
func stream() (events []string, data [][]byte) {
	add := func(event, text string) {
		events = append(events, event)
		data = append(data, []byte(text))
	}
	add("message_start", `{"type":"message_start","message":{"model":"claude-sonnet-5","id":"msg_011CdZqGg4K3tq97K7RDtTw7","type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"stop_details":null,"usage":{"input_tokens":47,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":2,"service_tier":"standard","inference_geo":"global"}}  }`)
	add("content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`)
	for len(events) < 97 {
		add("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" applying successive division until"}             }`)
	}
	add("content_block_stop", `{"type":"content_block_stop","index":0        }`)
	add("message_delta", `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null,"stop_details":null},"usage":{"input_tokens":47,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":373,"output_tokens_details":{"thinking_tokens":62}}    }`)
	add("message_stop", `{"type":"message_stop"               }`)
	return events, data
}

// BenchmarkReader reads a stream of 100 events, which is what every passthrough answer costs.
func BenchmarkReader(b *testing.B) {
	names, data := stream()
	var out []canon.Event
	b.ReportAllocs()
	for b.Loop() {
		r := New().NewReader(dialect.Head{Op: canon.OpGenerate, Stream: true})
		for i := range data {
			var err error
			if out, err = r.Read(names[i], data[i], out[:0]); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(data)), "ns/event")
}

// TestEventsAreNoMessage checks that where a whole message was due, nothing else passes for one.
func TestEventsAreNoMessage(t *testing.T) {
	for _, body := range []string{
		`{"type":"ping"}`, `{"type":"message_stop"}`, `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}`,
		`{"type":"message_start","message":{"id":"m","content":[],"usage":{"input_tokens":1}}}`, `{"type":"content_block_stop","index":0}`, `{"type":"new_in_2027"}`,
	} {
		if events, err := New().NewReader(dialect.Head{Op: canon.OpGenerate}).Read("", []byte(body), nil); err == nil {
			t.Errorf("%s reads as %v", body, events)
		}
	}
	events, err := New().NewReader(dialect.Head{Op: canon.OpGenerate}).Read("", []byte(`{"type":"message_delta","error":{"type":"api_error","message":"x"}}`), nil)
	if _, failed := events[len(events)-1].(canon.Failed); err != nil || !failed {
		t.Errorf("an error reads as %v, %v", events, err)
	}
}
