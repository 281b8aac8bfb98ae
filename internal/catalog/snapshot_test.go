package catalog_test

import (
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/catalog"
)

func at(in string) *catalog.Price {
	return &catalog.Price{Rates: catalog.Rates{Input: in, Output: "1"}}
}

func TestLookup(t *testing.T) {
	s, err := catalog.NewSnapshot([]catalog.Model{
		{Name: "gpt-4o", Price: at("2.5")},
		{Name: "gpt-4o-2024-05-13", Price: at("5")},
		{Name: "claude-opus-4-5", Aliases: []string{"best"}, Price: at("5")},
		{Name: "gemini-2.0-flash", Price: at("0.1")},
		{Name: "MiniMax-M3", Price: at("0.3")},
		{Name: "openai/gpt-oss-120b", Price: at("0.15")},
		{Name: "doubao-seed-2-1-pro", Price: at("0.8")},
		{Name: "sim-*", Price: at("0.1")},
		{Name: "sim-large*", Price: at("1")},
		{Name: "*", Price: at("9")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"gpt-4o":                      "gpt-4o",
		"GPT-4o":                      "gpt-4o",
		"gpt-4o-2024-08-06":           "gpt-4o",
		"gpt-4o-2024-05-13":           "gpt-4o-2024-05-13", // a date with a price of its own
		"openai/gpt-4o-2024-05-13":    "gpt-4o-2024-05-13",
		"openai/gpt-4o":               "gpt-4o",
		"gpt-4o-2024-13-45":           "*", // no date
		"gpt-4o-mini":                 "*", // a suffix that changes the price
		"claude-opus-4-5-20251101":    "claude-opus-4-5",
		"anthropic/claude-opus-4.5":   "claude-opus-4-5",
		"claude-opus-4-5@20251101":    "claude-opus-4-5",
		"best":                        "claude-opus-4-5",
		"models/gemini-2.0-flash":     "gemini-2.0-flash",
		"models/gemini-2.0-flash-001": "gemini-2.0-flash",
		"publishers/google/models/gemini-2.0-flash": "gemini-2.0-flash",
		"minimax-m3":                 "MiniMax-M3",
		"openai/gpt-oss-120b":        "openai/gpt-oss-120b",
		"gpt-oss-120b":               "*",
		"doubao-seed-2-1-pro-260915": "doubao-seed-2-1-pro",
		"sim-x":                      "sim-*",
		"sim-large-2":                "sim-large*", // the rule that says more
		"gemini-":                    "*",
		"models/":                    "*",
		"":                           "*",
	} {
		e, ok := s.Lookup(name)
		if !ok || e.Model.Name != want {
			t.Errorf("Lookup(%q) = %q, %v; want %q", name, e.Model.Name, ok, want)
		}
	}
	if got := len(s.Models()); got != 7 {
		t.Errorf("%d models are listed; price rules are none", got)
	}
}

func TestLayers(t *testing.T) {
	s, err := catalog.NewSnapshot(
		[]catalog.Model{{Name: "a", Aliases: []string{"x", "y"}, Price: at("1")}, {Name: "b", Price: at("2")}},
		[]catalog.Model{{Name: "A", Aliases: []string{"x"}, Price: at("3")}, {Name: "c", Aliases: []string{"b", "y"}, Free: true}},
	)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"a": "A", // replaced, whole
		"x": "A",
		"y": "c", // its old owner no longer claims it
		"b": "b", // a name stands before another's alias
	} {
		if e, ok := s.Lookup(name); !ok || e.Model.Name != want {
			t.Errorf("Lookup(%q) = %q, want %q", name, e.Model.Name, want)
		}
	}
}

// TestVersion: a receipt names exactly the price that was used.
func TestVersion(t *testing.T) {
	v := func(p catalog.Price) string { return one(t, p).Version }
	first, again := v(*at("1")), v(*at("1"))
	if first != again || first == v(*at("2")) {
		t.Error("the same content has the same version, another content another")
	}
	withTier := *at("1")
	withTier.Tiers = []catalog.Tier{{AboveInput: 5, Rates: catalog.Rates{Input: "2", Output: "2"}}}
	if v(withTier) == first {
		t.Error("tiers belong to the price")
	}
}

func TestCheck(t *testing.T) {
	bad := func(f func(m *catalog.Model)) catalog.Model {
		m := catalog.Model{Name: "m", Price: at("1")}
		f(&m)
		return m
	}
	for want, m := range map[string]catalog.Model{
		"name":                bad(func(m *catalog.Model) { m.Name = "" }),
		"white space":         bad(func(m *catalog.Model) { m.Name = "a b" }),
		"alias":               bad(func(m *catalog.Model) { m.Aliases = []string{"x*"} }),
		"price rule":          bad(func(m *catalog.Model) { m.Name, m.Aliases = "x*", []string{"y"} }),
		"free":                bad(func(m *catalog.Model) { m.Free = true }),
		"token_percent":       bad(func(m *catalog.Model) { m.TokenPercent = 1 }),
		"price_date":          bad(func(m *catalog.Model) { m.PriceDate = "20 Nov" }),
		"context_tokens":      bad(func(m *catalog.Model) { m.ContextTokens = -1 }),
		"price.input":         bad(func(m *catalog.Model) { m.Price.Input = "-1" }),
		"price.output":        bad(func(m *catalog.Model) { m.Price.Output = "NaN" }),
		"too":                 bad(func(m *catalog.Model) { m.Price.Input = "1000001"; m.Name = "too" }),
		"nine decimal places": bad(func(m *catalog.Model) { m.Price.CacheRead = "0.0000000001" }),
		"price.web_search_1k": bad(func(m *catalog.Model) { m.Price.WebSearch1k = "9999999999" }),
		"neither input":       {Name: "m", Price: &catalog.Price{Rates: catalog.Rates{Output: "1"}}},
		"tiers[0].output": bad(func(m *catalog.Model) {
			m.Price.Tiers = []catalog.Tier{{AboveInput: 1, Rates: catalog.Rates{Input: "2"}}}
		}),
		"tiers[0].above_input": bad(func(m *catalog.Model) { m.Price.Tiers = []catalog.Tier{{Rates: at("1").Rates}} }),
		"tiers[1].above_input": bad(func(m *catalog.Model) {
			m.Price.Tiers = []catalog.Tier{{AboveInput: 2, Rates: at("1").Rates}, {AboveInput: 2, Rates: at("1").Rates}}
		}),
		"services.Batch.":        bad(func(m *catalog.Model) { m.Price.Services = map[string]catalog.Service{"Batch": {Percent: 50}} }),
		"services.batch.percent": bad(func(m *catalog.Model) { m.Price.Services = map[string]catalog.Service{"batch": {Percent: -1}} }),
		"either a percentage": bad(func(m *catalog.Model) {
			m.Price.Services = map[string]catalog.Service{"batch": {Percent: 50, Rates: at("1").Rates}}
		}),
		"finer than a nano-dollar": bad(func(m *catalog.Model) {
			m.Price.Input = "0.000000001"
			m.Price.Services = map[string]catalog.Service{"batch": {Percent: 50}}
		}),
		"services.flex.tiers": bad(func(m *catalog.Model) {
			m.Price.Tiers = []catalog.Tier{{AboveInput: 2, Rates: at("2").Rates}}
			m.Price.Services = map[string]catalog.Service{"flex": {Rates: at("1").Rates}}
		}),
	} {
		if err := m.Check(); err == nil || !strings.Contains(err.Error()+m.Name, want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := catalog.NewSnapshot([]catalog.Model{{Name: "a"}, {Name: "A"}}); err == nil {
		t.Error("a name stands there twice")
	}
	if _, err := catalog.NewSnapshot([]catalog.Model{{Name: "a", Aliases: []string{"x"}}, {Name: "b", Aliases: []string{"X"}}}); err == nil {
		t.Error("an alias belongs to two models")
	}
}

func BenchmarkLookupAndPrice(b *testing.B) {
	models, err := catalog.Builtin()
	if err != nil {
		b.Fatal(err)
	}
	s, err := catalog.NewSnapshot(models)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Entry("gpt-4o-2024-08-06").Price(canon.Usage{Input: 1000, CacheRead: 500, Output: 200}); err != nil {
			b.Fatal(err)
		}
	}
}
