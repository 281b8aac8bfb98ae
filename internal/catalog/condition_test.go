package catalog

import (
	"strings"
	"testing"
	"time"

	"tollgate/internal/canon"
)

// TestHours: the last minute of a part of the day is no longer in it, whether it goes over midnight or not.
func TestHours(t *testing.T) {
	for hours, want := range map[string][4]bool{ // at 08:59:59, 09:00:00, 16:59:59, 17:00:00
		"09:00-17:00": {false, true, true, false},
		"17:00-09:00": {true, false, false, true},
		"00:00-09:00": {true, false, false, false},
		"17:00-00:00": {false, false, false, true},
	} {
		s, err := NewSnapshot([]Model{{Name: "m", Price: &Price{Rates: Rates{Input: "2", Output: "2"}, When: []Condition{{Hours: hours, Percent: 50}}}}})
		if err != nil {
			t.Fatal(err)
		}
		day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		for i, at := range []time.Duration{9*time.Hour - time.Second, 9 * time.Hour, 17*time.Hour - time.Second, 17 * time.Hour} {
			r, err := s.Entry("m").PriceIn(Case{Began: day.Add(at)}, canon.Usage{Input: 1000})
			if err != nil || (r.Total == 1000e3) != want[i] {
				t.Errorf("%s at %v: %s, %v", hours, at, r.Total, err)
			}
		}
	}
}

func TestConditions(t *testing.T) {
	s, err := NewSnapshot([]Model{{Name: "m", Price: &Price{
		Rates: Rates{Input: "2", Output: "10"}, Tiers: []Tier{{AboveInput: 1000, Rates: Rates{Input: "4", Output: "20"}}},
		Services: map[string]Service{"flex": {Percent: 50}},
		When: []Condition{
			{Size: "1024x1536", Quality: "high", Rates: Rates{PerRequest: "0.25"}},
			{AboveOutput: 500, Rates: Rates{Output: "30"}},
			{Hours: "16:30-00:30", Percent: 50},
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	e := s.Entry("m")
	at := func(clock string) Case {
		t.Helper()
		began, err := time.Parse("15:04:05", clock)
		if err != nil {
			t.Fatal(err)
		}
		return Case{Began: began}
	}
	for _, c := range []struct {
		what string
		in   Case
		u    canon.Usage
		want Nanos
		when string
	}{
		{"nothing known", Case{}, canon.Usage{Input: 100, Output: 100}, 200e3 + 1000e3, ""},
		{"by day", at("16:29:59"), canon.Usage{Input: 100, Output: 100}, 200e3 + 1000e3, ""},
		{"its first minute", at("16:30:00"), canon.Usage{Input: 100, Output: 100}, 100e3 + 500e3, "hours 16:30-00:30 UTC"},
		{"over midnight", at("00:29:59"), canon.Usage{Input: 100, Output: 100}, 100e3 + 500e3, "hours 16:30-00:30 UTC"},
		{"after its last minute", at("00:30:00"), canon.Usage{Input: 100, Output: 100}, 200e3 + 1000e3, ""},
		{"a long input by night", at("20:00:00"), canon.Usage{Input: 2000, Output: 100}, 4000e3 + 1000e3, "hours 16:30-00:30 UTC"},
		{"another service by night", at("20:00:00"), canon.Usage{Input: 100, Output: 100, Tier: "flex"}, 50e3 + 250e3, "hours 16:30-00:30 UTC"},
		{"the first that fits", at("20:00:00"), canon.Usage{Input: 100, Output: 400, Reasoning: 101}, 200e3 + 501*30e3, "above 500 output tokens"},
		{"just not", Case{}, canon.Usage{Input: 100, Output: 500}, 200e3 + 5000e3, ""},
		{"all that it says", Case{Size: "1024X1536", Quality: "high"}, canon.Usage{Input: 100, OutputImage: 900}, 250e6, "size 1024x1536, quality high"},
		{"not all that it says", Case{Size: "1024x1536"}, canon.Usage{Input: 100, Output: 100}, 200e3 + 1000e3, ""},
	} {
		r, err := e.PriceIn(c.in, c.u)
		if err != nil || r.Total != c.want || r.When != c.when {
			t.Errorf("%s: %s, %q, %v; want %s", c.what, r.Total, r.When, err, c.want)
			continue
		}
		if total, err := Recompute(r); err != nil || total != c.want {
			t.Errorf("%s: recomputed %s, %v", c.what, total, err)
		}
	}
	own := e.With(&Override{Model: "m", Rates: Rates{Input: "0", Output: "1"}})
	for _, c := range []Case{{}, at("20:00:00")} {
		if r, err := own.PriceIn(c, canon.Usage{Input: 100, Output: 1000}); err != nil || r.Total != 1000e3 {
			t.Errorf("a price of one's own: %s, %v", r.Total, err)
		}
	}
}

func TestBadConditions(t *testing.T) {
	for _, c := range []struct {
		when Condition
		says string
	}{
		{Condition{Percent: 50}, "none is said"},
		{Condition{Hours: "8-9", Percent: 50}, "hours"},
		{Condition{Hours: "08:00-08:00", Percent: 50}, "hours"},
		{Condition{Hours: "08:00-25:00", Percent: 50}, "hours"},
		{Condition{Hours: "08:00-09:00"}, "either a percentage or rates"},
		{Condition{Hours: "08:00-09:00", Percent: 50, Rates: Rates{Input: "1"}}, "either a percentage or rates"},
		{Condition{Hours: "08:00-09:00", Percent: -1}, "percent"},
		{Condition{AboveOutput: -1, Hours: "08:00-09:00", Percent: 50}, "above_output"},
		{Condition{Size: "x", Rates: Rates{Output: "-1"}}, "when[0].output"},
	} {
		m := Model{Name: "m", Price: &Price{Rates: Rates{Input: "1", Output: "2"}, When: []Condition{c.when}}}
		if err := m.Check(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.when, err, c.says)
		}
	}
}
