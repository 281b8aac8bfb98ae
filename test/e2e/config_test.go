package e2e

import (
	"fmt"
	"strings"
)

const (
	adminKey = "sk-e2e-admin-0123456789abcdefghijkl"
	aliceKey = "sk-e2e-alice-0123456789abcdefghijkl"
	bobKey   = "sk-e2e-bob-0123456789abcdefghijklmn"
	brokeKey = "sk-e2e-broke-0123456789abcdefghijkl"
)

// limitedKey is the key of an account that may make one request a minute; every dialect has its own.
func limitedKey(dialect string) string { return "sk-e2e-limited-" + dialect + "-0123456789abcdef" }

// rate is what a million tokens cost, in thousandths of a dollar, so that every token costs a whole
// number of nano-dollars.
type rate struct{ input, cacheRead, write5m, write1h, output int64 }

// families are the models that tests call, by the start of their names.
var families = []struct {
	name  string
	title string
	ops   string
	rate  rate
}{
	{"gpt-4o", "GPT under test", "generate, complete", rate{2500, 1250, 2500, 2500, 10000}},
	{"gpt-4o-codex", "Codex under test", "generate", rate{2500, 1250, 2500, 2500, 10000}},
	{"claude-sonnet-4-5", "Claude under test", "generate, count_tokens", rate{3000, 300, 3750, 6000, 15000}},
	{"gemini-2.5-flash", "Gemini under test", "generate, count_tokens", rate{300, 30, 300, 300, 2500}},
	{"house/large", "A name with a slash", "generate", rate{100, 10, 100, 100, 400}},
	{"text-embedding-3-small", "Embeddings under test", "embed, batch_embed", rate{20, 20, 20, 20, 0}},
}

// cost is what a counted call costs, in nano-dollars; ok is false for a model without a rate here.
func cost(s served) (nanos int64, ok bool) {
	for _, f := range families {
		if s.Model == f.name || strings.HasPrefix(s.Model, f.name+"+") {
			u, r := s.Usage, f.rate
			return (u.Input+u.InputImage+u.InputAudio)*r.input + u.CacheRead*r.cacheRead + u.CacheWrite5m*r.write5m +
				u.CacheWrite1h*r.write1h + s.Usage.out()*r.output, true
		}
	}
	return 0, false
}

const modelPatterns = `["sim-*", "gpt-*", "claude-*", "gemini-*", "text-embedding-*", "omni-*", "house/*"]`

// models is the catalogue's part of a configuration. A name with + is a model with behaviours.
func models() string {
	var b strings.Builder
	b.WriteString("models:\n")
	for _, f := range families {
		for _, name := range []string{f.name, f.name + "+*"} {
			fmt.Fprintf(&b, "  - {name: %q, title: %q, ops: [%s], context_tokens: 128000, output_tokens: 16384, price: %s}\n", name, f.title, f.ops, f.rate)
		}
	}
	return b.String()
}

// String is r as a configuration has it.
func (r rate) String() string {
	dollars := func(thousandths int64) string { return fmt.Sprintf("%d.%03d", thousandths/1000, thousandths%1000) }
	return fmt.Sprintf("{input: %q, cache_read: %q, cache_write_5m: %q, cache_write_1h: %q, output: %q}",
		dollars(r.input), dollars(r.cacheRead), dollars(r.write5m), dollars(r.write1h), dollars(r.output))
}

// mainConfig is the configuration of the gateway that most tests use.
func mainConfig(upstream string) string {
	var b strings.Builder
	b.WriteString("model_mapper: {\"house-*\": gpt-4o}\nchannels:\n")
	for i := range 3 {
		fmt.Fprintf(&b, "  - {name: up-%d, provider: simulator, base_url: %q, key: sk-up-%d, models: %s}\n", i, upstream, i, modelPatterns)
	}
	b.WriteString(models())
	fmt.Fprintf(&b, "accounts:\n  - {name: alice, credit: \"100\", keys: [{name: main, key: %s}]}\n", aliceKey)
	fmt.Fprintf(&b, "  - {name: bob, credit: \"50\", models: [\"gpt-*\", \"claude-*\", \"gemini-*\"], keys: [{name: main, key: %s}]}\n", bobKey)
	fmt.Fprintf(&b, "  - {name: broke, credit: \"0.000001\", keys: [{name: main, key: %s}]}\n", brokeKey)
	for _, d := range []string{"chat", "responses", "messages", "gemini"} {
		fmt.Fprintf(&b, "  - {name: limited-%s, credit: \"1\", limits: {rpm: 1}, keys: [{name: main, key: %s}]}\n", d, limitedKey(d))
	}
	return b.String()
}
