package catalog_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/wildcard"
)

func builtin(t *testing.T) ([]catalog.Model, *catalog.Snapshot) {
	t.Helper()
	models, err := catalog.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	s, err := catalog.NewSnapshot(models)
	if err != nil {
		t.Fatal(err)
	}
	return models, s
}

// dollars reads a rate; "" is not said.
func dollars(t *testing.T, s string) (n catalog.Nanos, said bool) {
	t.Helper()
	if s == "" {
		return 0, false
	}
	n, err := catalog.ParseNanos(s)
	if err != nil {
		t.Fatal(err)
	}
	return n, true
}

// TestBuiltin holds the data to what prices of models are like: a slip of a digit shows here.
func TestBuiltin(t *testing.T) {
	models, s := builtin(t)
	ops := []canon.Op{canon.OpGenerate, canon.OpComplete, canon.OpEmbed, canon.OpBatchEmbed, canon.OpModerate, canon.OpCountTokens}
	for _, m := range models {
		t.Run(m.Name, func(t *testing.T) {
			if m.Owner == "" || m.PriceSource == "" || m.Title == "" && !wildcard.Is(m.Name) {
				t.Error("owner, title or source is missing")
			}
			if date, err := time.Parse(time.DateOnly, m.PriceDate); err != nil || date.Year() < 2025 || date.After(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)) {
				t.Errorf("price_date %q: the date of the source", m.PriceDate)
			}
			for _, op := range m.Ops {
				if !slices.Contains(ops, op) {
					t.Errorf("op %q is unknown", op)
				}
			}
			if m.ContextTokens > 4_000_000 || m.OutputTokens > 0 && m.ContextTokens > 0 && m.OutputTokens > m.ContextTokens {
				t.Errorf("context %d, output %d", m.ContextTokens, m.OutputTokens)
			}
			if ok, reason := s.Entry(m.Name).Priced(); !ok {
				t.Error(reason)
			}
			var back catalog.Model // a model is stored as its JSON
			if raw, err := json.Marshal(m); err != nil || json.Unmarshal(raw, &back) != nil || cmp.Diff(m, back) != "" {
				t.Errorf("does not survive JSON: %v %s", err, cmp.Diff(m, back))
			}
			if m.Price == nil {
				return
			}
			checkRates(t, "standard", m.Price.Rates)
			last := m.Price.Rates
			for _, tier := range m.Price.Tiers {
				checkRates(t, "tier", tier.Rates)
				before, _ := dollars(t, last.Input)
				if now, _ := dollars(t, tier.Input); now < before {
					t.Error("a long input costs less a token")
				}
				last = tier.Rates
			}
			for name, svc := range m.Price.Services {
				if svc.Percent == 0 {
					checkRates(t, name, svc.Rates)
				}
				if (name == "batch" || name == "flex") && svc.Percent != 50 || name == "priority" && svc.Percent != 0 && svc.Percent <= 100 {
					t.Errorf("%s costs %d%%", name, svc.Percent)
				}
			}
		})
	}
}

func checkRates(t *testing.T, what string, r catalog.Rates) {
	t.Helper()
	const dollar = catalog.Nanos(1e9)
	in, _ := dollars(t, r.Input)
	out, hasOut := dollars(t, r.Output)
	if in <= 0 || in > 200*dollar || !hasOut || out > 1_000*dollar || out != 0 && out < in {
		t.Errorf("%s: input %s, output %s", what, r.Input, r.Output)
	}
	read, hasRead := dollars(t, r.CacheRead)
	if hasRead && (read > in || read*100 < in) {
		t.Errorf("%s: cache_read %s for input %s", what, r.CacheRead, r.Input)
	}
	short, hasShort := dollars(t, r.CacheWrite5m)
	if hasShort && (short < in || short*2 > in*3) {
		t.Errorf("%s: cache_write_5m %s for input %s", what, r.CacheWrite5m, r.Input)
	}
	if long, ok := dollars(t, r.CacheWrite1h); ok && (!hasShort || long < short || long > in*2) {
		t.Errorf("%s: cache_write_1h %s for input %s", what, r.CacheWrite1h, r.Input)
	}
	if thought, ok := dollars(t, r.Reasoning); ok && thought < out {
		t.Errorf("%s: reasoning %s costs less than output %s", what, r.Reasoning, r.Output)
	}
	if web, ok := dollars(t, r.WebSearch1k); ok && (web < dollar || web > 50*dollar) {
		t.Errorf("%s: a thousand searches for %s", what, r.WebSearch1k)
	}
}

// TestBuiltinByHand pins a few well-known prices through the whole way: file, lookup, receipt.
func TestBuiltinByHand(t *testing.T) {
	_, s := builtin(t)
	for _, c := range []struct {
		model string
		usage canon.Usage
		want  string
	}{
		{"gpt-4o-2024-08-06", canon.Usage{Input: 1_000, CacheRead: 1_000, Output: 1_000}, "0.01375"},
		{"gpt-4o-2024-05-13", canon.Usage{Input: 1_000, Output: 1_000}, "0.02"},
		{"gpt-4o-mini", canon.Usage{Input: 1_000_000, Output: 1_000_000, Tier: "priority"}, "1.25"},
		{"claude-sonnet-4-5-20250929", canon.Usage{Input: 1_000, CacheRead: 10_000, CacheWrite5m: 1_000, CacheWrite1h: 1_000, Output: 100, WebSearches: 1}, "0.02725"},
		{"claude-sonnet-4-5", canon.Usage{Input: 200_001}, "1.200006"},
		{"claude-haiku-5-5", canon.Usage{CacheRead: 100_000, Input: 1, Output: 1_000}, "0.0075005"},
		{"anthropic/claude-opus-5.5", canon.Usage{Input: 1_000, Output: 1_000}, "0.024"},
		{"models/gemini-2.5-pro", canon.Usage{Input: 250_000, Output: 1_000, Reasoning: 1_000}, "0.655"},
		{"gemini-2.5-flash", canon.Usage{Input: 1_000, InputAudio: 1_000, Output: 1_000}, "0.0038"},
		{"deepseek-flash", canon.Usage{Input: 1_000_000, CacheRead: 1_000_000, Output: 1_000_000}, "1.506"},
		{"gpt-audio-2025-08-28", canon.Usage{Input: 1_000, InputAudio: 1_000, Output: 1_000, OutputAudio: 1_000}, "0.1085"},
		{"text-embedding-3-small", canon.Usage{Input: 10}, "0.0000002"},
		{"omni-moderation-latest", canon.Usage{Input: 1_000}, "0"},
		{"sim-gpt+slow=20ms", canon.Usage{Input: 1_000_000, Output: 1_000_000}, "0.5"},
	} {
		r, err := s.Entry(c.model).Price(c.usage)
		if err != nil || r.Total.String() != c.want {
			t.Errorf("%s: %s, %v; want %s", c.model, r.Total, err, c.want)
		}
	}
	for _, unknown := range []string{"gpt-4o-mini-tts", "gpt-7", "claude-next", "o3-2025", "llama3:8b"} {
		if e, ok := s.Lookup(unknown); ok {
			t.Errorf("%s is priced as %s, which nobody decided", unknown, e.Model.Name)
		}
	}
}

// TestOneFileAnOwner: the name of a file is the owner that it declares.
func TestOneFileAnOwner(t *testing.T) {
	files, err := os.ReadDir("data")
	if err != nil {
		t.Fatal(err)
	}
	models, _ := builtin(t)
	owners := map[string]bool{}
	for _, m := range models {
		owners[m.Owner] = true
	}
	for _, f := range files {
		if name := strings.TrimSuffix(f.Name(), ".json"); !owners[name] && name != "groq" { // a host, of others' models
			t.Errorf("%s: no model is owned by %s", f.Name(), name)
		}
	}
	for _, want := range []string{"openai", "anthropic", "google", "deepseek", "xai", "mistral", "moonshot", "zhipu", "qwen", "minimax", "doubao", "simulator"} {
		if !owners[want] {
			t.Errorf("no model of %s", want)
		}
	}
}
