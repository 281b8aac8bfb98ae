package catalog

import (
	"errors"
	"testing"

	"tollgate/internal/canon"
)

func TestOverride(t *testing.T) {
	entry := func(m Model) *Entry {
		t.Helper()
		m.Name = "m"
		s, err := NewSnapshot([]Model{m})
		if err != nil {
			t.Fatal(err)
		}
		return s.Entry("m")
	}
	listed := entry(Model{Price: &Price{
		Rates:    Rates{Input: "2", CacheRead: "0.2", Output: "10"},
		Tiers:    []Tier{{AboveInput: 200, Rates: Rates{Input: "4", CacheRead: "0.4", Output: "20"}}},
		Services: map[string]Service{"flex": {Percent: 50}},
	}})
	usage := canon.Usage{Input: 100, CacheRead: 10, Output: 1000}
	long := usage
	long.Input = 1000
	flex := usage
	flex.Tier = "flex"
	for _, c := range []struct {
		what string
		e    *Entry
		o    Override
		u    canon.Usage
		want Nanos // -1: no price
	}{
		{"one rate", listed, Override{Rates: Rates{Output: "1"}}, usage, 200e3 + 2e3 + 1000e3},
		{"a zero is a price", listed, Override{Rates: Rates{Output: "0"}}, usage, 200e3 + 2e3},
		{"it holds for long inputs", listed, Override{Rates: Rates{Output: "0"}}, long, 4000e3 + 4e3},
		{"and for other service tiers", listed, Override{Rates: Rates{Output: "1"}}, flex, 100e3 + 1e3 + 1000e3},
		{"beside what a request costs", listed, Override{Rates: Rates{Input: "0", Output: "0", CacheRead: "0", PerRequest: "0.5"}}, usage, 500e6},
		{"the price of a request alone", listed, Override{Rates: Rates{PerRequest: "0.5"}}, usage, 500e6},
		{"free", listed, Override{Free: true}, usage, 0},
		{"no longer free", entry(Model{Free: true}), Override{Rates: Rates{Input: "1"}}, usage, 100e3 + 10e3},
		{"no price before", entry(Model{}), Override{Rates: Rates{Input: "1", Output: "2"}}, usage, 110e3 + 2000e3},
		{"no price before, nor enough now", entry(Model{}), Override{Rates: Rates{Output: "2"}}, usage, -1},
		{"no price before, and free", entry(Model{}), Override{Free: true}, usage, 0},
	} {
		c.o.Model = "m"
		if err := c.o.Check(); err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
		before, beforeErr := c.e.Price(c.u)
		r, err := c.e.With(&c.o).Price(c.u)
		var none *NoPriceError
		switch {
		case c.want < 0 && !errors.As(err, &none), c.want >= 0 && (err != nil || r.Total != c.want):
			t.Errorf("%s: %s, %v; want %s", c.what, r.Total, err, c.want)
		case err == nil:
			if total, err := Recompute(r); err != nil || total != c.want || r.Version == c.e.Version && c.e.Version != "free" {
				t.Errorf("%s: recomputed %s, %v, version %s", c.what, total, err, r.Version)
			}
			if err := r.Covers(c.u); err != nil {
				t.Errorf("%s: %v", c.what, err)
			}
		}
		if after, err := c.e.Price(c.u); after.Total != before.Total || (err == nil) != (beforeErr == nil) {
			t.Errorf("%s: the catalogue's own entry has changed", c.what)
		}
	}
}

func TestMultiplier(t *testing.T) {
	for s, want := range map[string]Multiplier{"1": One, "1.25": One * 5 / 4, "0.000000001": 1, "1000000": MaxMultiplier} {
		m, err := ParseMultiplier(s)
		if err != nil || m != want || m.String() != s {
			t.Errorf("%s: %s, %v", s, m, err)
		}
	}
	for _, s := range []string{"", "0", "-1", "1e3", "NaN", "Inf", "1000000.1", "1.0000000001", "1,5", " 1", "999999999999999999999"} {
		if m, err := ParseMultiplier(s); err == nil {
			t.Errorf("%q is %s", s, m)
		}
	}
}
