package openai_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/openai"
)

func TestReadUsage(t *testing.T) {
	for _, c := range []struct {
		name, raw, tier string
		want            canon.Usage
	}{
		{"plain", `{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21}`, "default", canon.Usage{Input: 9, Output: 12}},
		{
			"everything inside", `{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":64,"audio_tokens":10},"completion_tokens_details":{"reasoning_tokens":20,"audio_tokens":5,"accepted_prediction_tokens":3,"rejected_prediction_tokens":4}}`, "priority",
			canon.Usage{CacheRead: 64, InputAudio: 10, Input: 26, Reasoning: 20, OutputAudio: 5, Output: 25, Tier: "priority"},
		},
		{
			"responses with a cache write (gpt-5.6)", `{"input_tokens":2000,"input_tokens_details":{"cache_write_tokens":1500,"cached_tokens":300},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":2005}`, "flex",
			canon.Usage{CacheRead: 300, CacheWrite5m: 1500, Input: 200, Output: 5, Tier: "flex"},
		},
		{
			"DeepSeek's names", `{"prompt_tokens":88,"completion_tokens":4,"total_tokens":92,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":24,"completion_tokens_details":{"reasoning_tokens":4}}`, "",
			canon.Usage{CacheRead: 64, Input: 24, Reasoning: 4},
		},
		{"Moonshot's name", `{"prompt_tokens":20,"completion_tokens":3,"total_tokens":23,"cached_tokens":16}`, "", canon.Usage{CacheRead: 16, Input: 4, Output: 3}},
		{
			"xAI counts reasoning beside the completion", `{"prompt_tokens":291,"completion_tokens":26,"total_tokens":513,"prompt_tokens_details":{"text_tokens":291,"cached_tokens":290},"completion_tokens_details":{"reasoning_tokens":196}}`, "",
			canon.Usage{CacheRead: 290, Input: 1, Reasoning: 196, Output: 26},
		},
		{"Google leaves thinking out", `{"prompt_tokens":10,"completion_tokens":5,"total_tokens":115}`, "", canon.Usage{Input: 10, Reasoning: 100, Output: 5}},
		{"Google, nothing but thinking", `{"prompt_tokens":10,"completion_tokens":0,"total_tokens":110}`, "", canon.Usage{Input: 10, Reasoning: 100}},
		{
			"Anthropic's figures under OpenAI's names", `{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12,"cache_read_input_tokens":1000,"cache_creation_input_tokens":200}`, "",
			canon.Usage{CacheRead: 5, Output: 7},
		}, // its total denies them: believe the total
		{
			"the same, with a total", `{"prompt_tokens":5,"completion_tokens":7,"total_tokens":1212,"cache_read_input_tokens":1000,"cache_creation_input_tokens":200}`, "",
			canon.Usage{CacheRead: 1000, CacheWrite5m: 200, Input: 5, Output: 7},
		},
		{
			"cache writes for an hour", `{"input_tokens":500,"output_tokens":1,"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":300}}`, "",
			canon.Usage{CacheWrite5m: 100, CacheWrite1h: 300, Input: 100, Output: 1},
		},
		{"embeddings", `{"prompt_tokens":8,"total_tokens":8}`, "", canon.Usage{Input: 8}},
		{"a total only", `{"total_tokens":8}`, "", canon.Usage{Input: 8}},
		{"nonsense is clamped", `{"prompt_tokens":10,"completion_tokens":-5,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":99},"completion_tokens_details":{"reasoning_tokens":7}}`, "", canon.Usage{CacheRead: 10}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := openai.ReadUsage(c.raw, c.tier)
			if diff := cmp.Diff(c.want, got.Usage); diff != "" || !ok {
				t.Errorf("ok %v, (-want +got)\n%s", ok, diff)
			}
		})
	}
	for _, raw := range []string{`{}`, `null`, `{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}`, `[]`, `{"prompt_tokens":`} {
		if u, ok := openai.ReadUsage(raw, ""); ok {
			t.Errorf("%s counts something: %+v", raw, u)
		}
	}
}

// TestBucketsAddUp pins that no token is counted twice or lost, whatever the vendor says of the parts.
func TestBucketsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := func(name string) int64 { return rapid.Int64Range(0, 1000).Draw(t, name) }
		in, out := 1+n("in"), n("out")
		raw := fmt.Sprintf(`{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":%d,"audio_tokens":%d,"image_tokens":%d,"cache_write_tokens":%d},"completion_tokens_details":{"reasoning_tokens":%d,"audio_tokens":%d,"image_tokens":%d}}`,
			in, out, in+out, n("cached"), n("audio"), n("image"), n("write"), n("reasoning"), n("out audio"), n("out image"))
		used, ok := openai.ReadUsage(raw, "")
		u := used.Usage
		if !ok || u.In() != in || u.Out() != out {
			t.Fatalf("%s: %d in, %d out: %+v", raw, u.In(), u.Out(), u)
		}
		for _, b := range []int64{u.Input, u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, u.InputAudio, u.InputImage, u.Output, u.Reasoning, u.OutputAudio, u.OutputImage} {
			if b < 0 {
				t.Fatalf("%s: a negative bucket: %+v", raw, u)
			}
		}
	})
}
