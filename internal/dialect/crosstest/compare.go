// Package crosstest checks that translation between dialects keeps what it does not declare as lost.
//
// It owns the comparison of a request, or an answer, before and after a way through other dialects; the
// generators of both; and the matrix of features that docs/translation.md shows. The words of a dialect
// belong to its package.
package crosstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"tollgate/internal/canon"
)

// Diff says what of want is not in got, although none of lost declares it; "" is nothing. Both are as
// ReadRequest read them; lost are the losses on the way, with paths of want. further are losses of a
// later leg, whose paths are not want's.
func Diff(want, got *canon.Request, lost, further []canon.Loss) string {
	return DiffVia(want, got, got.Origin, lost, further)
}

// DiffVia is Diff of what came home from the dialect via.
func DiffVia(want, got *canon.Request, via canon.Dialect, lost, further []canon.Loss) string {
	gone := map[canon.What]bool{}
	at := map[string]bool{}
	blocks := map[canon.What]bool{}
	for _, l := range lost {
		gone[l.What] = true
		at[l.Path] = true
		if l.What == canon.WhatToolCustom { // said of the tool, true of its calls
			blocks[l.What] = true
		}
	}
	for _, l := range further {
		gone[l.What] = true
		blocks[l.What] = true
	}
	var diffs []string
	note := func(what canon.What, a, b any) {
		if !gone[what] && !reflect.DeepEqual(a, b) {
			diffs = append(diffs, fmt.Sprintf("%s: %v became %v", what, show(a), show(b)))
		}
	}
	if want.MaxOutput != 0 || got.Origin != canon.Anthropic { // which demands it
		note(canon.WhatMaxOutput, want.MaxOutput, got.MaxOutput)
	}
	note(canon.WhatTemperature, orOne(want.Temperature), orOne(got.Temperature))
	note(canon.WhatTopP, orOne(want.TopP), orOne(got.TopP))
	note(canon.WhatTopK, want.TopK, got.TopK)
	note(canon.WhatSeed, want.Seed, got.Seed)
	note(canon.WhatPresencePenalty, orZero(want.PresencePenalty), orZero(got.PresencePenalty))
	note(canon.WhatFrequencyPenalty, orZero(want.FrequencyPenalty), orZero(got.FrequencyPenalty))
	note(canon.WhatStop, want.Stop, got.Stop)
	note(canon.WhatUser, want.User, got.User)
	note(canon.WhatTier, tier(want), tier(got))
	note(canon.WhatVerbosity, want.Verbosity, got.Verbosity)
	note(canon.WhatCacheKey, want.CacheKey, got.CacheKey)
	note(canon.WhatLogProbs, want.LogProbs, got.LogProbs)
	note(canon.WhatN, max(want.N, 1), max(got.N, 1))
	if want.ToolChoice.Mode != canon.ToolNone {
		note(canon.WhatParallelTools, want.ParallelTools == nil || *want.ParallelTools, got.ParallelTools == nil || *got.ParallelTools) // it is what all do
	}
	if !gone[canon.WhatToolAllowed] {
		note(canon.WhatToolChoice, choice(want), choice(got))
		note(canon.WhatToolChoice, named(want), named(got))
	}
	if !gone[canon.WhatBudget] && !gone[canon.WhatAdaptive] && !gone[canon.WhatNoReasoning] {
		note(canon.WhatEffort, effort(want), effort(got))
	}
	note(canon.WhatNoReasoning, want.Reasoning != nil && want.Reasoning.Disabled, got.Reasoning != nil && got.Reasoning.Disabled)
	format(want, got, via, note)
	toolDiff(want, got, gone, note)
	if a, b := plain(want.System), plain(got.System); a != b && (!gone[canon.WhatFormat] || !strings.HasPrefix(b, a)) && !gone[canon.WhatSystemContent] && !gone[canon.WhatSystemPosition] {
		diffs = append(diffs, fmt.Sprintf("system: %q became %q", a, b))
	}
	a, b := flatten(want, at, blocks), flatten(got, nil, nil)
	if !match(a, b) {
		diffs = append(diffs, fmt.Sprintf("conversation:\n  %s\nbecame\n  %s", list(a), list(b)))
	}
	return strings.Join(diffs, "\n")
}

// tier is the service tier; the ordinary one has several names.
func tier(r *canon.Request) string {
	switch r.Tier {
	case "standard_only", "standard", "default":
		return ""
	}
	return r.Tier
}

// named is the one tool that must be called.
func named(r *canon.Request) string {
	if choice(r) == canon.ToolNamed && r.ToolChoice.Name == "" {
		return r.ToolChoice.Allowed[0]
	}
	return r.ToolChoice.Name
}

// choice is the mode; not said is the same as automatic.
func choice(r *canon.Request) canon.ToolMode {
	switch {
	case r.ToolChoice.Mode == "":
		return canon.ToolAuto
	case r.ToolChoice.Mode == canon.ToolRequired && len(r.ToolChoice.Allowed) == 1:
		return canon.ToolNamed
	}
	return r.ToolChoice.Mode
}

// orOne is a temperature or top_p; 1 is what holds everywhere where nothing is said.
func orOne(v *float64) float64 {
	if v == nil {
		return 1
	}
	return *v
}

// orZero is a penalty; 0 changes nothing, whether it is said or left out.
func orZero(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

func show(v any) string {
	r := reflect.ValueOf(v)
	if r.Kind() == reflect.Pointer && !r.IsNil() {
		return fmt.Sprintf("%v", r.Elem())
	}
	return fmt.Sprintf("%v", v)
}

// effort is how much to think, as a budget: words and numbers of the same strength are equal.
func effort(r *canon.Request) string {
	e := r.Reasoning
	switch {
	case e == nil || e.Disabled:
		return ""
	case e.Level != "":
		return e.Level
	case e.Budget > 0:
		return canon.BudgetEffort(e.Budget)
	}
	return ""
}

func format(want, got *canon.Request, via canon.Dialect, note func(canon.What, any, any)) {
	a, b := want.Format, got.Format
	if a == nil || b == nil {
		what := canon.WhatFormat
		if a != nil && a.Schema != nil {
			what = canon.WhatFormatSchema
		}
		note(what, a != nil, b != nil)
		return
	}
	if a.Description == "" { // it may stand in the schema where it has no other place
		note(canon.WhatFormatSchema, compact(a.Schema), compact(b.Schema))
	}
	if a.Name != "" { // some demand one
		note(canon.WhatFormatName, a.Name, b.Name)
	}
	if via != canon.Anthropic && via != canon.Gemini { // these keep to any schema
		note(canon.WhatFormatStrict, a.Strict, b.Strict)
	}
}

func toolDiff(want, got *canon.Request, gone map[canon.What]bool, note func(canon.What, any, any)) {
	if gone[canon.WhatTool] || gone[canon.WhatToolAllowed] || gone[canon.WhatToolHosted] || gone[canon.WhatToolCustom] {
		return
	}
	note(canon.WhatTool, len(want.Tools), len(got.Tools))
	for i := range min(len(want.Tools), len(got.Tools)) {
		a, b := want.Tools[i], got.Tools[i]
		if a.Hosted != nil && b.Hosted != nil { // each vendor has names of its own for it
			note(canon.WhatToolHosted, a.Hosted.Kind, b.Hosted.Kind)
			continue
		}
		note(canon.WhatTool, a.Name, b.Name)
		note(canon.WhatTool, a.Description, b.Description)
		note(canon.WhatToolStrict, a.Strict != nil && *a.Strict, b.Strict != nil && *b.Strict)
		note(canon.WhatToolSchema, schema(a.Schema), schema(b.Schema))
	}
}

// schema is a tool's schema; none and one without properties are the same.
func schema(raw json.RawMessage) string {
	s := compact(raw)
	if s == "" || s == `{"properties":{},"type":"object"}` || s == `{"type":"object"}` {
		return ""
	}
	return s
}

// compact is JSON with its members sorted, numbers as they were.
func compact(raw json.RawMessage) string {
	if len(raw) == 0 {
		return ""
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return string(raw)
	}
	out, err := json.Marshal(v)
	if err != nil {
		return string(raw)
	}
	return string(out)
}
