package catalog_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/internal/canon"
	"tollgate/internal/catalog"
)

// one returns the entry of a model with price p.
func one(t testing.TB, p catalog.Price) *catalog.Entry {
	t.Helper()
	s, err := catalog.NewSnapshot([]catalog.Model{{Name: "m", Price: &p}})
	if err != nil {
		t.Fatal(err)
	}
	return s.Entry("m")
}

// full has a rate of its own for every bucket.
var full = catalog.Price{
	Rates: catalog.Rates{
		Input: "3", CacheRead: "0.30", CacheWrite5m: "3.75", CacheWrite1h: "6", InputImage: "4", InputAudio: "32", InputVideo: "5",
		Output: "15", Reasoning: "16", OutputImage: "40", OutputAudio: "64", WebSearch1k: "10", PerRequest: "0.005",
	},
	Tiers: []catalog.Tier{
		{AboveInput: 200_000, Rates: catalog.Rates{
			Input: "6", CacheRead: "0.60", CacheWrite5m: "7.50", CacheWrite1h: "12", InputImage: "8", InputAudio: "64", InputVideo: "10",
			Output: "22.50", Reasoning: "24", OutputImage: "60", OutputAudio: "96",
		}},
	},
	Services: map[string]catalog.Service{
		"batch": {Percent: 50},
		"priority": {Rates: catalog.Rates{Input: "7", Output: "30"}, Tiers: []catalog.Tier{{AboveInput: 300_000, Rates: catalog.Rates{
			Input: "9", CacheRead: "0.60", CacheWrite5m: "7.50", CacheWrite1h: "12", InputImage: "8", InputAudio: "64", InputVideo: "10",
			Output: "33", Reasoning: "24", OutputImage: "60", OutputAudio: "96",
		}}}},
	},
}

func TestPriceByHand(t *testing.T) {
	e := one(t, full)
	for _, c := range []struct {
		what  string
		usage canon.Usage
		want  string // dollars
		above int64
		note  bool
	}{
		{"nothing but the call", canon.Usage{}, "0.005", 0, false},
		{"a million each way", canon.Usage{Input: 100_000, Output: 100_000}, "1.805", 0, false},
		{"every bucket: .005 + .003 + .0003 + .00375 + .006 + .004 + .032 + .005 + .015 + .016 + .04 + .064 + .01", canon.Usage{
			Input: 1000, CacheRead: 1000, CacheWrite5m: 1000, CacheWrite1h: 1000, InputImage: 1000, InputAudio: 1000, InputVideo: 1000,
			Output: 1000, Reasoning: 1000, OutputImage: 1000, OutputAudio: 1000, WebSearches: 1,
		}, "0.20405", 0, false},
		{"exactly at the tier is below it", canon.Usage{Input: 200_000}, "0.605", 0, false},
		{"all input buckets together are long", canon.Usage{
			Input: 28_572, CacheRead: 28_572, CacheWrite5m: 28_572, CacheWrite1h: 28_572, InputImage: 28_572, InputAudio: 28_572, InputVideo: 28_572,
		}, "3.0936332", 200_000, false},
		{"above the tier all of it costs more", canon.Usage{Input: 1, CacheRead: 200_000, Output: 2_000}, "0.170006", 200_000, false},
		{"half price, but not for the call", canon.Usage{Input: 10_000, Output: 10_000, Tier: "Batch"}, "0.095", 0, false},
		{"half price of long inputs", canon.Usage{Input: 300_000, Tier: "batch"}, "0.905", 200_000, false},
		{"own list, the rest as standard", canon.Usage{Input: 10_000, CacheRead: 10_000, Output: 10_000, Tier: "priority"}, "0.378", 0, false},
		{"own list has its own tiers", canon.Usage{Input: 250_000, Tier: "priority"}, "1.755", 0, false},
		{"a word for standard", canon.Usage{Input: 10_000, Tier: "default"}, "0.035", 0, false},
		{"an unknown tier is standard and says so", canon.Usage{Input: 10_000, Tier: "turbo"}, "0.035", 0, true},
	} {
		t.Run(c.what, func(t *testing.T) {
			r, err := e.Price(c.usage)
			if err != nil || r.Total.String() != c.want || r.Above != c.above || (r.Note != "") != c.note {
				t.Errorf("total %s, above %d, note %q, %v; want %s, %d", r.Total, r.Above, r.Note, err, c.want, c.above)
			}
			if again, err := catalog.Recompute(r); err != nil || again != r.Total {
				t.Errorf("recomputed %s, %v", again, err)
			}
			if err := r.Covers(c.usage); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestReceipt(t *testing.T) {
	r, err := one(t, full).Price(canon.Usage{Input: 1_234, CacheRead: 56, Output: 7, WebSearches: 2, Tier: "standard"})
	if err != nil {
		t.Fatal(err)
	}
	want := catalog.Receipt{
		Model: "m", Version: r.Version, Tier: "standard", Total: 3_702_000 + 16_800 + 105_000 + 20_000_000 + 5_000_000,
		Items: []catalog.Item{
			{What: "input", Quantity: 1_234, Rate: 3e9, Amount: 3_702_000},
			{What: "cache_read", Quantity: 56, Rate: 3e8, Amount: 16_800},
			{What: "output", Quantity: 7, Rate: 15e9, Amount: 105_000},
			{What: "web_searches", Quantity: 2, Rate: 1e13, Amount: 20_000_000},
			{What: "requests", Quantity: 1, Rate: 5e12, Amount: 5_000_000},
		},
	}
	if d := cmp.Diff(want, r); d != "" {
		t.Error(d)
	}
	if len(r.Version) != 16 {
		t.Errorf("version %q", r.Version)
	}
}

// TestFallback: what a price does not say is never free.
func TestFallback(t *testing.T) {
	e := one(t, catalog.Price{Rates: catalog.Rates{Input: "2", CacheWrite5m: "2.50", Output: "8"}})
	r, err := e.Price(canon.Usage{CacheRead: 1, CacheWrite5m: 1, CacheWrite1h: 1, InputImage: 1, InputAudio: 1, InputVideo: 1, Reasoning: 1, OutputImage: 1, OutputAudio: 1})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, it := range r.Items {
		got[it.What] = it.Rate.String()
	}
	want := map[string]string{
		"cache_read": "2", "cache_write_5m": "2.5", "cache_write_1h": "2.5", "input_image": "2", "input_audio": "2", "input_video": "2",
		"reasoning": "8", "output_image": "8", "output_audio": "8",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestNoPrice(t *testing.T) {
	s, err := catalog.NewSnapshot([]catalog.Model{
		{Name: "unpriced"},
		{Name: "in-only", Price: &catalog.Price{Rates: catalog.Rates{Input: "1"}}},
		{Name: "flat", Price: &catalog.Price{Rates: catalog.Rates{PerRequest: "0.01"}}},
		{Name: "free", Free: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		model  string
		usage  canon.Usage
		reason string // part of it; "": priced
		total  string
	}{
		{"nobody-knows-me", canon.Usage{Input: 1}, "no such model", ""},
		{"unpriced", canon.Usage{Input: 1}, "not its price", ""},
		{"in-only", canon.Usage{Input: 1_000_000}, "", "1"},
		{"in-only", canon.Usage{Input: 1, Output: 1}, "does not say output", ""},
		{"in-only", canon.Usage{Reasoning: 1}, "does not say reasoning", ""},
		{"in-only", canon.Usage{Input: 1, WebSearches: 1}, "does not say web_search_1k", ""},
		{"flat", canon.Usage{Input: 1_000_000, Output: 1_000_000}, "", "0.01"},
		{"free", canon.Usage{Input: 1_000, Output: 5, WebSearches: 1, Tier: "whatever"}, "", "0"},
	} {
		r, err := s.Entry(c.model).Price(c.usage)
		var none *catalog.NoPriceError
		switch {
		case c.reason == "" && (err != nil || r.Total.String() != c.total):
			t.Errorf("%s %+v: %s, %v; want %s", c.model, c.usage, r.Total, err, c.total)
		case c.reason != "" && (!errors.As(err, &none) || !strings.Contains(err.Error(), c.reason) || none.Model != c.model):
			t.Errorf("%s %+v: %v; want a NoPriceError with %q", c.model, c.usage, err, c.reason)
		}
		if ok, reason := s.Entry(c.model).Priced(); ok == (c.model == "nobody-knows-me" || c.model == "unpriced") || ok == (reason != "") {
			t.Errorf("%s: Priced() = %v, %q", c.model, ok, reason)
		}
	}
}

func TestRounding(t *testing.T) {
	for _, c := range []struct {
		rate string
		n    int64
		want int64
	}{
		{"0.000001", 499, 0},  // 0.499 nano-dollars
		{"0.000001", 500, 1},  // half goes up
		{"0.000001", 1499, 1}, // 1.499
		{"0.000001", 1500, 2},
		{"3", 1, 3_000},
		{"0.000000001", 1_000_000, 1},
	} {
		r, err := one(t, catalog.Price{Rates: catalog.Rates{Input: c.rate}}).Price(canon.Usage{Input: c.n})
		if err != nil || int64(r.Total) != c.want {
			t.Errorf("%d at %s: %d nano-dollars, %v; want %d", c.n, c.rate, r.Total, err, c.want)
		}
	}
}

func TestPriceRefuses(t *testing.T) {
	e := one(t, catalog.Price{Rates: catalog.Rates{Input: "1000000", Output: "1000000"}})
	for _, c := range []struct {
		what  string
		usage canon.Usage
		want  error
	}{
		{"a negative count", canon.Usage{Input: -1}, catalog.ErrUsage},
		{"one item too large", canon.Usage{Input: math.MaxInt64}, catalog.ErrTooLarge},
		{"a sum too large", canon.Usage{Input: 9e9, Output: 9e9}, catalog.ErrTooLarge},
		{"counts that overflow", canon.Usage{Input: math.MaxInt64, CacheRead: 1}, catalog.ErrTooLarge},
	} {
		if cost, err := e.CeilingIn(catalog.Case{}, c.usage); !errors.Is(err, c.want) {
			t.Errorf("%+v: costs at most %d, %v, want %v", c.usage, cost, err, c.want)
		}
		if r, err := e.Price(c.usage); !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v; want %v", c.what, r, err, c.want)
		}
	}
}

func TestRecomputeFindsForgery(t *testing.T) {
	good, err := one(t, full).Price(canon.Usage{Input: 12_345, Output: 678})
	if err != nil {
		t.Fatal(err)
	}
	for what, forge := range map[string]func(r *catalog.Receipt){
		"a total":        func(r *catalog.Receipt) { r.Total-- },
		"an amount":      func(r *catalog.Receipt) { r.Items[0].Amount-- },
		"a quantity":     func(r *catalog.Receipt) { r.Items[0].Quantity++ },
		"a rate":         func(r *catalog.Receipt) { r.Items[1].Rate++; r.Items[1].Rate *= 2 },
		"a missing item": func(r *catalog.Receipt) { r.Items = r.Items[1:] },
		"a negative":     func(r *catalog.Receipt) { r.Items[0].Quantity = -1 },
		"an overflow":    func(r *catalog.Receipt) { r.Items[0].Quantity, r.Items[0].Rate = math.MaxInt64, math.MaxInt64 },
	} {
		r := good
		r.Items = slices.Clone(good.Items)
		forge(&r)
		if got, err := catalog.Recompute(r); err == nil {
			t.Errorf("%s is not found: %s", what, got)
		}
	}
	// Nor do items stand for another usage, though they add up.
	for what, u := range map[string]canon.Usage{
		"more output":       {Input: 12_345, Output: 679},
		"less input":        {Input: 12_344, Output: 678},
		"something beside":  {Input: 12_345, Output: 678, CacheRead: 1},
		"less than charged": {Input: 12_345},
		"a negative":        {Input: 12_345, Output: -678},
	} {
		if err := good.Covers(u); err == nil {
			t.Errorf("a usage with %s is not found", what)
		}
	}
	for what, forge := range map[string]func(r *catalog.Receipt){
		"no tokens":       func(r *catalog.Receipt) { r.Items = nil },
		"an item twice":   func(r *catalog.Receipt) { r.Items = append(r.Items, r.Items[0]) },
		"an unknown item": func(r *catalog.Receipt) { r.Items[0].What = "goodwill" },
	} {
		r := good
		r.Items = slices.Clone(good.Items)
		forge(&r)
		if err := r.Covers(canon.Usage{Input: 12_345, Output: 678}); err == nil {
			t.Errorf("%s is not found", what)
		}
	}
	// A receipt survives storage.
	raw, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	var back catalog.Receipt
	if err := json.Unmarshal(raw, &back); err != nil || cmp.Diff(good, back) != "" {
		t.Errorf("%v\n%s", err, cmp.Diff(good, back))
	}
}

// TestCeiling: what an answer may cost is what it costs if all of it is of the dearest kind.
func TestCeiling(t *testing.T) {
	for _, c := range []struct {
		what  string
		rates catalog.Rates
		usage canon.Usage
		want  string
	}{
		{"thoughts", catalog.Rates{Input: "1", Output: "2", Reasoning: "8"}, canon.Usage{Input: 1_000, Output: 1_000}, "0.009"},
		{"sound", catalog.Rates{Input: "1", Output: "2", Reasoning: "8", OutputAudio: "64"}, canon.Usage{Input: 1_000, Output: 1_000}, "0.065"},
		{"images", catalog.Rates{Input: "1", Output: "2", OutputImage: "30"}, canon.Usage{Input: 1_000, Output: 1_000, OutputImage: 1_000}, "0.061"},
		{"text", catalog.Rates{Input: "1", Output: "2", Reasoning: "1"}, canon.Usage{Input: 1_000, Output: 1_000}, "0.003"},
		{"a request", catalog.Rates{PerRequest: "0.5"}, canon.Usage{Input: 1_000, Output: 1_000}, "0.5"},
		{"an embedding", catalog.Rates{Input: "1"}, canon.Usage{Input: 1_000}, "0.001"},
	} {
		got, err := one(t, catalog.Price{Rates: c.rates}).CeilingIn(catalog.Case{}, c.usage)
		if err != nil || got.String() != c.want {
			t.Errorf("%s: %s, %v; want %s", c.what, got, err, c.want)
		}
	}
	// A price that can't charge for text covers no answer, however dear its images are.
	for _, rates := range []catalog.Rates{{Input: "1"}, {Input: "1", OutputImage: "30"}, {Input: "1", OutputAudio: "30", Reasoning: "1"}} {
		_, err := one(t, catalog.Price{Rates: rates}).CeilingIn(catalog.Case{}, canon.Usage{Input: 1_000, Output: 1_000})
		if _, ok := errors.AsType[*catalog.NoPriceError](err); !ok {
			t.Errorf("%+v: %v, want that there is no price", rates, err)
		}
	}
	if got, err := one(t, catalog.Price{Rates: catalog.Rates{Input: "1", Output: "2", Reasoning: "8"}}).CeilingIn(catalog.Case{}, canon.Usage{Output: math.MaxInt64, Reasoning: 1}); !errors.Is(err, catalog.ErrTooLarge) {
		t.Errorf("more than can be counted: %s, %v", got, err)
	}
	e := one(t, full)
	rapid.Check(t, func(t *rapid.T) {
		u := drawUsage(t, "")
		r, err := e.Price(u)
		if err != nil {
			t.Fatal(err)
		}
		u.Output, u.Reasoning, u.OutputImage, u.OutputAudio = u.Out(), 0, 0, 0
		if most, err := e.CeilingIn(catalog.Case{}, u); err != nil || most < r.Total-3 { // one rounding for four
			t.Fatalf("costs %s, more than the ceiling %s: %v", r.Total, most, err)
		}
	})
}

func drawUsage(t *rapid.T, name string) canon.Usage {
	n := func(what string) int64 { return rapid.Int64Range(0, 1<<40).Draw(t, name+what) }
	return canon.Usage{
		Input: n("input"), CacheRead: n("cache read"), CacheWrite5m: n("5m"), CacheWrite1h: n("1h"), InputImage: n("image"), InputAudio: n("audio"),
		InputVideo: n("video"), Output: n("output"), Reasoning: n("reasoning"), OutputImage: n("out image"), OutputAudio: n("out audio"),
		WebSearches: rapid.Int64Range(0, 1<<20).Draw(t, name+"searches"),
		Tier:        rapid.SampledFrom([]string{"", "batch", "priority", "auto", "?"}).Draw(t, name+"tier"),
	}
}

// TestReceiptsAddUp: the total is the sum of the items, each item is exact to half a nano-dollar, and
// an audit finds the same.
func TestReceiptsAddUp(t *testing.T) {
	e := one(t, full)
	rapid.Check(t, func(t *rapid.T) {
		u := drawUsage(t, "")
		r, err := e.Price(u)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Covers(u); err != nil {
			t.Fatal(err)
		}
		var sum catalog.Nanos
		for _, it := range r.Items {
			sum += it.Amount
			if it.Quantity == 0 {
				t.Fatalf("an item for nothing: %+v", it)
			}
			// |2·q·r − 2·a·1e6| ≤ 1e6, in whole numbers without bound.
			exact := new(big.Int).Mul(big.NewInt(2*it.Quantity), big.NewInt(int64(it.Rate)))
			off := exact.Sub(exact, new(big.Int).Mul(big.NewInt(int64(it.Amount)), big.NewInt(2e6)))
			if off.CmpAbs(big.NewInt(1e6)) > 0 {
				t.Fatalf("%+v is off by more than half a nano-dollar", it)
			}
		}
		if sum != r.Total {
			t.Fatalf("items sum to %d, total %d", sum, r.Total)
		}
		if again, err := catalog.Recompute(r); err != nil || again != r.Total {
			t.Fatalf("recomputed %d, %v", again, err)
		}
	})
}

// TestMoreCostsMore: with the rates that vendors have, more of anything never costs less.
func TestMoreCostsMore(t *testing.T) {
	e := one(t, full)
	rapid.Check(t, func(t *rapid.T) {
		u := drawUsage(t, "")
		if u.Tier == "priority" { // its list is partial, so its long-input rates may undercut
			u.Tier = ""
		}
		more := u
		fields := []*int64{&more.Input, &more.CacheRead, &more.CacheWrite5m, &more.CacheWrite1h, &more.InputImage, &more.InputAudio, &more.InputVideo, &more.Output, &more.Reasoning, &more.OutputImage, &more.OutputAudio, &more.WebSearches}
		*rapid.SampledFrom(fields).Draw(t, "bucket") += rapid.Int64Range(1, 1<<30).Draw(t, "more")
		a, err1 := e.Price(u)
		b, err2 := e.Price(more)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if b.Total < a.Total {
			t.Fatalf("%+v costs %s, %+v only %s", u, a.Total, more, b.Total)
		}
	})
}

func TestDecimals(t *testing.T) {
	for text, want := range map[string]catalog.Nanos{
		"0": 0, "0.0": 0, "00.10": 100_000_000, "1": 1e9, "0.000000001": 1, "0.0000000010": 1, "9223372036.854775807": math.MaxInt64,
	} {
		if got, err := catalog.ParseNanos(text); err != nil || got != want {
			t.Errorf("ParseNanos(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", ".", "1.", ".5", "-1", "+1", "1e3", "NaN", "Inf", "0x1", "1_000", "1,5", " 1", "1 ", "$1", "١", "0.0000000001", "9223372036.854775808", "99999999999999999999", "1.2.3"} {
		if got, err := catalog.ParseNanos(text); err == nil {
			t.Errorf("ParseNanos(%q) = %d, want an error", text, got)
		}
	}
	for n, want := range map[catalog.Nanos]string{0: "0", 1: "0.000000001", -12_500_000: "-0.0125", 2e9: "2", math.MinInt64: "-9223372036.854775808"} {
		if n.String() != want {
			t.Errorf("%d is written %s, want %s", int64(n), n, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := catalog.Nanos(rapid.Int64Range(0, math.MaxInt64).Draw(t, "n"))
		if back, err := catalog.ParseNanos(n.String()); err != nil || back != n {
			t.Fatalf("%s is read as %d, %v", n, back, err)
		}
	})
}
