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
	any  bool // declared as lost or changed: stands for anything of at most six pieces
}

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

// flatten lists what was said in order. A tool's id is replaced by the number of its call.
func flatten(r *canon.Request, at map[string]bool, lost map[canon.What]bool) []piece {
	var out []piece
	moved := 0
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
		default:
		}
		for i, b := range t.Blocks {
			p := piece{who: who, any: at[t.Path(i)] && t.Path(i) != "" || at[t.At] && t.At != ""}
			var of []canon.What
			p.what, of = said(b, number)
			if moved > 0 && !strings.HasPrefix(p.what, "result ") {
				out = append(out, piece{who: who, any: true})
				moved = 0
			}
			if p.any && strings.HasPrefix(p.what, "result ") && strings.Contains(p.what, ";media ") {
				moved++ // what is no text of a result may follow after all results
			}
			if p.what == "" && !p.any {
				continue
			}
			for _, w := range of {
				p.any = p.any || lost[w]
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
		if text := strings.Join(strings.Fields(b.Text), ""); text != "" {
			return "text " + text, []canon.What{canon.WhatText}
		}
		return "", nil // white space alone, which some refuse and nobody misses
	case canon.Reasoning:
		if b.Seal == "" { // anybody's
			return "reasoning " + b.Text, []canon.What{canon.WhatReasoningSeal, canon.WhatReasoningText}
		}
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
		text := false
		for _, one := range b.Blocks {
			w, _ := said(one, number)
			if w == "" {
				continue
			}
			if rest, ok := strings.CutPrefix(w, "text "); ok && text {
				in.WriteString(rest)
				continue
			}
			text = strings.HasPrefix(w, "text ")
			in.WriteString(";" + w)
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

// match reports whether b is a, where a's wildcards stand for up to six pieces each, and neighbouring texts
// of one side may be joined or split.
func match(a, b []piece) bool {
	m := matcher{a: a, b: b, failed: map[[4]int]bool{}}
	return m.from(0, 0, 0, 0)
}

// matcher remembers which ways lead nowhere: places in a and b, and how much of the texts there is done.
type matcher struct {
	a, b   []piece
	failed map[[4]int]bool
}

func (m *matcher) from(i, j, doneA, doneB int) bool {
	at := [4]int{i, j, doneA, doneB}
	if m.failed[at] {
		return false
	}
	ok := m.try(i, j, doneA, doneB)
	m.failed[at] = !ok
	return ok
}

func (m *matcher) try(i, j, doneA, doneB int) bool {
	if i == len(m.a) {
		return j == len(m.b)
	}
	a := m.a[i]
	if a.any {
		if m.inside(i, j, doneB) {
			return true
		}
		for n := 0; n <= 6 && j+n <= len(m.b); n++ {
			rest := doneB
			if n > 0 {
				rest = 0
			}
			if m.from(i+1, j+n, 0, rest) {
				return true
			}
		}
		return false
	}
	if j == len(m.b) || a.who != m.b[j].who {
		return false
	}
	b := m.b[j]
	ta, isA := strings.CutPrefix(a.what, "text ")
	tb, isB := strings.CutPrefix(b.what, "text ")
	if !isA || !isB {
		return a.what == b.what && m.from(i+1, j+1, 0, 0)
	}
	ta, tb = ta[doneA:], tb[doneB:]
	switch {
	case ta == tb:
		return m.from(i+1, j+1, 0, 0)
	case strings.HasPrefix(tb, ta):
		return m.from(i+1, j, 0, doneB+len(ta))
	case strings.HasPrefix(ta, tb):
		return m.from(i, j+1, doneA+len(tb), 0)
	}
	return false
}

// inside reports whether the wildcards from i on became a part of the text at j, before what follows them.
func (m *matcher) inside(i, j, doneB int) bool {
	next := i
	for next < len(m.a) && m.a[next].any {
		next++
	}
	if next == len(m.a) || j == len(m.b) {
		return false
	}
	ta, isA := strings.CutPrefix(m.a[next].what, "text ")
	tb, isB := strings.CutPrefix(m.b[j].what, "text ")
	if !isA || !isB || m.a[next].who != m.b[j].who {
		return false
	}
	at := strings.Index(tb[doneB:], ta)
	return at > 0 && m.from(next, j, 0, doneB+at)
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
	if from != canon.Gemini && to != canon.Gemini && want.Ended != got.Ended || (want.Failed == nil) != (got.Failed == nil) {
		return fmt.Sprintf("ended %v, failed %v became ended %v, failed %v", want.Ended, want.Failed, got.Ended, got.Failed)
	}
	return ""
}

// lines lists the blocks of an answer. Seals are shown as their origin would get them back.
func lines(t Told, d canon.Dialect, gone map[canon.What]bool) []string {
	var out []string
	var blocks []block
	for _, b := range t.blocks { // thoughts that follow each other are one, whoever cut them
		if n := len(blocks) - 1; b.kind == "reasoning" && n >= 0 && blocks[n].kind == b.kind && blocks[n].choice == b.choice {
			blocks[n].text += b.text
			if b.seal != "" {
				blocks[n].seal = b.seal
			}
			continue
		}
		blocks = append(blocks, b)
	}
	for _, b := range blocks {
		line := strconv.Itoa(b.choice) + " " + b.kind + " "
		switch b.kind {
		case "reasoning":
			if gone[canon.WhatAnswerReasoning] {
				continue
			}
			if !gone[canon.WhatAnswerSeal] {
				line += "[" + seal(d, b.seal) + "] "
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
		if b.kind == "text" && len(out) > 0 && strings.HasPrefix(out[len(out)-1], strconv.Itoa(b.choice)+" text ") {
			out[len(out)-1] += b.text
			continue
		}
		out = append(out, line)
	}
	return out
}

// seal is what the origin of a seal gets back of what a client of d was given. Chat Completions has seals in
// an object: of reasoning_details, or Google's beside a call.
func seal(d canon.Dialect, kept string) string {
	var detail struct {
		Signature, Data string
		Google          struct {
			Signature string `json:"thought_signature"`
		}
	}
	if d == canon.OpenAIChat && json.Unmarshal([]byte(kept), &detail) == nil {
		for _, s := range []string{detail.Signature, detail.Data, detail.Google.Signature} {
			if origin, inner := canon.UnwrapSeal(d, s); s != "" && origin != d {
				return inner
			}
		}
	}
	_, inner := canon.UnwrapSeal(d, kept)
	return inner
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
