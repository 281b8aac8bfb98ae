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
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/canon"
)

// piece is one thing that was said, by whom, in a form that two dialects' ways of saying it share.
type piece struct {
	who  string
	what string
	any  bool // declared as lost or changed: stands for anything of at most two pieces
}

// Diff says what of want is not in got, although none of lost declares it; "" is nothing. Both are as
// ReadRequest read them; lost are the losses on the way, with paths of want. further are losses of a
// later leg, whose paths are not want's.
func Diff(want, got *canon.Request, lost, further []canon.Loss) string {
	gone := map[canon.What]bool{}
	at := map[string]bool{}
	blocks := map[canon.What]bool{}
	for _, l := range lost {
		gone[l.What] = true
		at[l.Path] = true
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
	note(canon.WhatMaxOutput, want.MaxOutput, got.MaxOutput)
	note(canon.WhatTemperature, sampled(want.Temperature), sampled(got.Temperature))
	note(canon.WhatTopP, sampled(want.TopP), sampled(got.TopP))
	note(canon.WhatTopK, want.TopK, got.TopK)
	note(canon.WhatSeed, want.Seed, got.Seed)
	note(canon.WhatPresencePenalty, penalty(want.PresencePenalty), penalty(got.PresencePenalty))
	note(canon.WhatFrequencyPenalty, penalty(want.FrequencyPenalty), penalty(got.FrequencyPenalty))
	note(canon.WhatStop, want.Stop, got.Stop)
	note(canon.WhatUser, want.User, got.User)
	note(canon.WhatTier, want.Tier, got.Tier)
	note(canon.WhatVerbosity, want.Verbosity, got.Verbosity)
	note(canon.WhatCacheKey, want.CacheKey, got.CacheKey)
	note(canon.WhatLogProbs, want.LogProbs, got.LogProbs)
	note(canon.WhatN, max(want.N, 1), max(got.N, 1))
	note(canon.WhatParallelTools, parallel(want), parallel(got))
	if !gone[canon.WhatToolAllowed] {
		note(canon.WhatToolChoice, mode(want), mode(got))
		note(canon.WhatToolChoice, want.ToolChoice.Name, got.ToolChoice.Name)
	}
	if !gone[canon.WhatBudget] && !gone[canon.WhatAdaptive] {
		note(canon.WhatEffort, effort(want), effort(got))
	}
	note(canon.WhatNoReasoning, want.Reasoning != nil && want.Reasoning.Disabled, got.Reasoning != nil && got.Reasoning.Disabled)
	format(want, got, note)
	toolDiff(want, got, gone, note)
	a, b := plain(want.System), plain(got.System)
	asked := gone[canon.WhatFormat] && strings.HasPrefix(b, a) // a format that can only be asked for in words
	if a != b && !asked && !gone[canon.WhatSystemContent] && !gone[canon.WhatSystemPosition] {
		diffs = append(diffs, fmt.Sprintf("system: %q became %q", a, b))
	}
	c, d := flatten(want, at, blocks), flatten(got, nil, nil)
	if !match(c, d) {
		diffs = append(diffs, fmt.Sprintf("conversation:\n  %s\nbecame\n  %s", list(c), list(d)))
	}
	return strings.Join(diffs, "\n")
}

func show(v any) string {
	r := reflect.ValueOf(v)
	if r.Kind() == reflect.Pointer && !r.IsNil() {
		return fmt.Sprintf("%v", r.Elem())
	}
	return fmt.Sprintf("%v", v)
}

// sampled is a temperature or top_p; 1 is what holds everywhere where nothing is said.
func sampled(p *float64) float64 {
	if p == nil {
		return 1
	}
	return *p
}

// penalty is a penalty that changes anything; 0 does not, whether it is said or left out.
func penalty(p *float64) float64 {
	if p == nil {
		return 0
	}
	return *p
}

// mode is how tools are chosen; where nothing is said, the model chooses.
func mode(r *canon.Request) canon.ToolMode {
	if r.ToolChoice.Mode == "" {
		return canon.ToolAuto
	}
	return r.ToolChoice.Mode
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

func format(want, got *canon.Request, note func(canon.What, any, any)) {
	a, b := want.Format, got.Format
	if a == nil || b == nil {
		what := canon.WhatFormat
		if a != nil && a.Schema != nil {
			what = canon.WhatFormatSchema
		}
		note(what, a != nil, b != nil)
		return
	}
	note(canon.WhatFormatSchema, compact(a.Schema), compact(b.Schema))
	if a.Name != "" {
		note(canon.WhatFormatName, a.Name, b.Name)
	}
	x, said := held(want)
	y, too := held(got)
	if said && too {
		note(canon.WhatFormatStrict, x, y)
	}
}

// parallel reports whether several tools may be called at once, as they may everywhere unless it is said.
func parallel(r *canon.Request) bool { return r.ParallelTools == nil || *r.ParallelTools }

// held reports whether the model is asked to keep to the format. said is false for Anthropic and Google, who
// have no word for it and always hold the model to a schema.
func held(r *canon.Request) (yes, said bool) {
	if s := r.Format.Strict; s != nil {
		return *s, true
	}
	return false, r.Origin != canon.Anthropic && r.Origin != canon.Gemini
}

func toolDiff(want, got *canon.Request, gone map[canon.What]bool, note func(canon.What, any, any)) {
	if gone[canon.WhatTool] || gone[canon.WhatToolHosted] || gone[canon.WhatToolCustom] {
		return
	}
	note(canon.WhatTool, len(want.Tools), len(got.Tools))
	for i := range min(len(want.Tools), len(got.Tools)) {
		a, b := want.Tools[i], got.Tools[i]
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

// plain joins what is text, without the white space that joining adds or takes.
func plain(blocks []canon.Block) string {
	var b strings.Builder
	for _, one := range blocks {
		if t, ok := one.(canon.Text); ok {
			b.WriteString(t.Text)
		}
	}
	return strings.Join(strings.Fields(b.String()), "")
}

// flatten lists what was said in order. Neighbouring texts of one side are one; a tool's id is replaced by
// the number of its call.
func flatten(r *canon.Request, at map[string]bool, lost map[canon.What]bool) []piece {
	var out []piece
	ids := map[string]string{}
	number := func(id string) string {
		if ids[id] == "" {
			ids[id] = strconv.Itoa(len(ids) + 1)
		}
		return ids[id]
	}
	for n := range r.Turns {
		t := &r.Turns[n]
		who := string(t.Role)
		switch t.Role {
		case canon.RoleTool:
			who = string(canon.RoleUser)
		case canon.RoleDeveloper:
			who = string(canon.RoleSystem)
		}
		for i, b := range t.Blocks {
			p := piece{who: who, any: at[t.Path(i)] && t.Path(i) != ""}
			var of []canon.What
			p.what, of = said(b, number)
			if (p.what == "" || p.what == "text ") && !p.any { // white space alone is not compared
				continue
			}
			for _, w := range of {
				p.any = p.any || lost[w]
			}
			if last := len(out) - 1; last >= 0 && !p.any && !out[last].any && out[last].who == who &&
				strings.HasPrefix(p.what, "text ") && strings.HasPrefix(out[last].what, "text ") {
				out[last].what += strings.TrimPrefix(p.what, "text ")
				continue
			}
			out = append(out, p)
		}
	}
	return out
}

// said is a block in words, and the features under which it may be declared lost.
func said(b canon.Block, number func(string) string) (string, []canon.What) {
	switch b := b.(type) {
	case canon.Text:
		return "text " + strings.Join(strings.Fields(b.Text), ""), []canon.What{canon.WhatText}
	case canon.Reasoning:
		return "reasoning " + string(b.Origin) + " " + b.Text + " " + b.Seal, []canon.What{canon.WhatReasoningSeal, canon.WhatReasoningText}
	case canon.Media:
		what := "media " + string(b.Kind) + " " + b.MIME + " " + b.Data + b.URL + b.FileID
		if b.URL != "" {
			what = "media " + string(b.Kind) + " " + b.URL // few dialects say the type of what is elsewhere
		}
		return what, []canon.What{
			canon.WhatImageURL, canon.WhatImageData, canon.WhatImageFile, canon.WhatFileURL, canon.WhatFileData, canon.WhatFileID, canon.WhatAudio, canon.WhatVideo,
		}
	case canon.ToolUse:
		return "call " + number(b.ID) + " " + b.Name + " " + compact(b.Input), []canon.What{canon.WhatToolUse, canon.WhatToolArguments, canon.WhatToolCustom}
	case canon.ToolResult:
		var in strings.Builder
		for _, one := range b.Blocks {
			w, _ := said(one, number)
			in.WriteString(w + ";")
		}
		failed := ""
		if b.IsError {
			failed = "failed "
		}
		return "result " + number(b.ID) + " " + failed + in.String(), []canon.What{canon.WhatToolResult, canon.WhatToolResultError, canon.WhatToolResultMedia}
	case canon.Refusal:
		return "refusal " + b.Text, []canon.What{canon.WhatRefusal}
	}
	return "", nil
}

// match reports whether b is a, where a's wildcards stand for up to two pieces each.
func match(a, b []piece) bool {
	if len(a) == 0 {
		return len(b) == 0
	}
	if a[0].any {
		for n := 0; n <= 2 && n <= len(b); n++ {
			if match(a[1:], b[n:]) {
				return true
			}
		}
		return false
	}
	if len(b) == 0 || a[0].who != b[0].who {
		return false
	}
	if a[0].what == b[0].what {
		return match(a[1:], b[1:])
	}
	// Wildcards may have become a text that joined its neighbours, or nothing, and then neighbours join too.
	after := 1
	for after < len(a) && a[after].any {
		after++
	}
	if joined, ok := strings.CutPrefix(b[0].what, a[0].what); ok && strings.HasPrefix(a[0].what, "text ") && after > 1 {
		rest := append([]piece{{who: b[0].who, what: "text " + joined}}, b[1:]...)
		if joined != "" && match(a[after:], rest) {
			return true
		}
		if after < len(a) && strings.HasPrefix(a[after].what, "text ") && strings.HasSuffix(joined, strings.TrimPrefix(a[after].what, "text ")) {
			return match(a[after+1:], b[1:])
		}
		return match(a[after:], b[1:])
	}
	return false
}

func list(pieces []piece) string {
	lines := make([]string, len(pieces))
	for i, p := range pieces {
		lines[i] = p.who + ": " + p.what
		if p.any {
			lines[i] += " (declared)"
		}
	}
	return strings.Join(lines, "\n  ")
}

// block is a part of an answer, put together.
type block struct {
	choice, index int
	kind          string
	text          string
	seal          string
	id, name      string
}

// Told is an answer, put together from its events.
type Told struct {
	blocks []block
	Stops  []string
	Usage  canon.Usage
	Used   bool
	Ended  bool
	Failed *canon.Error
}

// Collect puts an answer together.
func Collect(events []canon.Event) Told {
	var t Told
	at := func(choice, index int, kind string) *block {
		for i := len(t.blocks) - 1; i >= 0; i-- {
			if b := &t.blocks[i]; b.choice == choice && b.index == index && b.kind == kind {
				return b
			}
		}
		t.blocks = append(t.blocks, block{choice: choice, index: index, kind: kind})
		return &t.blocks[len(t.blocks)-1]
	}
	for _, e := range events {
		switch e := e.(type) {
		case canon.TextDelta:
			at(e.Choice, e.Index, "text").text += e.Text
		case canon.ReasoningDelta:
			b := at(e.Choice, e.Index, "reasoning")
			b.text += e.Text
			b.seal += e.Seal
		case canon.RefusalDelta:
			at(e.Choice, e.Index, "refusal").text += e.Text
		case canon.ToolStart:
			b := at(e.Choice, e.Index, "call")
			b.id, b.name = e.ID, e.Name
		case canon.ToolDelta:
			at(e.Choice, e.Index, "call").text += e.JSON
		case canon.Stopped:
			t.Stops = append(t.Stops, strconv.Itoa(e.Choice)+" "+string(e.Why))
		case canon.Used:
			t.Usage, t.Used = e.Usage, true
		case canon.Failed:
			t.Failed = e.Err
		case canon.Ended:
			t.Ended = true
		}
	}
	slices.Sort(t.Stops)
	return t
}

// DiffAnswers says what of the answer want, in the dialect from, is not in got, in the dialect to, although
// none of lost declares it. Indexes may change, order may not.
func DiffAnswers(want, got Told, from, to canon.Dialect, lost []canon.Loss) string {
	gone := map[canon.What]bool{}
	for _, l := range lost {
		gone[l.What] = true
	}
	a, b := lines(want, from, gone), lines(got, to, gone)
	if !slices.Equal(a, b) {
		return "said:\n  " + strings.Join(a, "\n  ") + "\nbecame\n  " + strings.Join(b, "\n  ")
	}
	if !slices.Equal(want.Stops, got.Stops) {
		return fmt.Sprintf("stopped: %q became %q", want.Stops, got.Stops)
	}
	if want.Usage.In() != got.Usage.In() || want.Usage.Out() != got.Usage.Out() || want.Usage.CacheRead != got.Usage.CacheRead {
		return fmt.Sprintf("usage: %+v became %+v", want.Usage, got.Usage)
	}
	marked := from != canon.Gemini && to != canon.Gemini // which has no mark of its own for the end
	if marked && want.Ended != got.Ended || (want.Failed == nil) != (got.Failed == nil) {
		return fmt.Sprintf("ended %v, failed %v became ended %v, failed %v", want.Ended, want.Failed, got.Ended, got.Failed)
	}
	return ""
}

// lines lists the blocks of an answer. Seals are shown as their origin would get them back.
func lines(t Told, d canon.Dialect, gone map[canon.What]bool) []string {
	var out []string
	var texts [8]string
	for _, b := range t.blocks {
		line := strconv.Itoa(b.choice) + " " + b.kind + " "
		switch b.kind {
		case "reasoning":
			if gone[canon.WhatAnswerReasoning] {
				continue
			}
			if !gone[canon.WhatAnswerSeal] {
				_, inner := canon.UnwrapSeal(d, b.seal)
				line += "[" + inner + "] "
			} else if b.text == "" {
				continue
			}
			line += b.text
		case "call":
			line += b.name + " " + compact(json.RawMessage(b.text))
		case "refusal":
			if gone[canon.WhatAnswerRefusal] {
				b.kind = "text"
				line = strconv.Itoa(b.choice) + " text "
			}
			line += b.text
		default:
			if b.text == "" {
				continue
			}
			line += b.text
		}
		if b.kind == "text" && b.choice < len(texts) && len(out) > 0 && strings.HasPrefix(out[len(out)-1], strconv.Itoa(b.choice)+" text ") {
			out[len(out)-1] += b.text
			continue
		}
		out = append(out, line)
	}
	return out
}

// Call is a call of a tool in an answer.
type Call struct{ ID, Name, Arguments string }

// Text is what the first alternative says.
func (t Told) Text() string { return t.joined("text") }

// Thoughts is what the first alternative thinks.
func (t Told) Thoughts() string { return t.joined("reasoning") }

func (t Told) joined(kind string) string {
	var b strings.Builder
	for _, one := range t.blocks {
		if one.choice == 0 && one.kind == kind {
			b.WriteString(one.text)
		}
	}
	return b.String()
}

// Calls are the tools that the first alternative wants called.
func (t Told) Calls() []Call {
	var out []Call
	for _, one := range t.blocks {
		if one.choice == 0 && one.kind == "call" {
			out = append(out, Call{one.id, one.name, one.text})
		}
	}
	return out
}
