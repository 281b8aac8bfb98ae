package crosstest_test

import (
	"fmt"
	"slices"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/gemini"
	"tollgate/internal/dialect/openaichat"
	"tollgate/internal/dialect/openairesponses"
)

// A cache point at a tool that its vendor runs is told as lost wherever it is, in words that nobody knows as well, and
// goes home as it came.
func TestCachePointsOfHostedTools(t *testing.T) {
	for point, what := range map[string]canon.What{
		`{"type":"ephemeral"}`: canon.WhatCachePoint, `{"type":"ephemeral","ttl":"1h"}`: canon.WhatCachePoint,
		`{"type":"ephemeral","until":1}`: canon.WhatToolExtra, `{"type":"lasting"}`: canon.WhatToolExtra,
	} {
		raw := fmt.Sprintf(`{"model":"m","max_tokens":99,"tools":[{"type":"web_search_20250305","name":"web_search","cache_control":%s}],"messages":[{"role":"user","content":"hi"}]}`, point)
		for _, side := range []crosstest.Side{gemini.New(), openaichat.New(), openairesponses.New(), anthropic.New()} {
			for _, knows := range [][]canon.What{nil, {canon.WhatToolHosted, canon.WhatCachePoint}} {
				req, err := crosstest.Read(anthropic.New(), []byte(raw), false)
				if err != nil {
					t.Fatal(err)
				}
				to := crosstest.Target(false)
				to.Knows = knows
				out, lost, cerr := side.WriteRequest(req, to)
				if cerr != nil {
					t.Fatal(cerr)
				}
				told := slices.ContainsFunc(lost, func(l canon.Loss) bool {
					return l.What == what && (what == canon.WhatCachePoint && l.Path == "tools[0]" || l.Path == "tools[0].cache_control")
				}) || what == canon.WhatToolExtra && gone(lost)
				if home := side.Dialect() == canon.Anthropic; told == home || home && len(lost) > 0 {
					t.Errorf("%s at %s, which knows %v: lost %v in %s", point, side.Dialect(), knows, lost, out)
				}
			}
		}
	}
}

// gone reports whether the whole tool is told as lost.
func gone(lost []canon.Loss) bool {
	return slices.ContainsFunc(lost, func(l canon.Loss) bool {
		return l.What == canon.WhatToolHosted && l.Kind == canon.Lost && l.Path == "tools[0]"
	})
}
