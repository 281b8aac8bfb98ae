package openairesponses

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/jsonedit"
)

var (
	_ dialect.Translator = (*Protocol)(nil)
	_ dialect.Refuser    = (*Protocol)(nil)
)

// requestWriter writes one request.
type requestWriter struct {
	req  *canon.Request
	to   dialect.Target
	b    []byte
	home bool // the request came in this dialect
	lost []canon.Loss
	err  *canon.Error
	open []call // calls whose results have not come yet
	unit []byte // scratch: the parts of a message, until it is known whether there are any
}

// WriteRequest writes req as a request of this dialect.
func (*Protocol) WriteRequest(req *canon.Request, to dialect.Target) ([]byte, []canon.Loss, *canon.Error) {
	if to.Op != canon.OpGenerate && to.Op != canon.OpCountTokens {
		return nil, nil, canon.Errorf(canon.KindUnsupported, "The Responses dialect has no operation %q.", string(to.Op))
	}
	w := &requestWriter{req: req, to: to, home: req.Origin == canon.OpenAIResponses}
	w.b = make([]byte, 0, 2048+size(req))
	w.b = append(w.b, '{')
	w.str("model", to.Model)
	w.system()
	w.input()
	w.tools()
	w.toolChoice()
	if req.ParallelTools != nil {
		w.bool("parallel_tool_calls", *req.ParallelTools)
	}
	w.reasoning()
	w.text()
	if to.Op == canon.OpGenerate {
		w.settings()
	}
	w.previous()
	w.extra()
	w.b = append(w.b, '}')
	if w.err != nil {
		return nil, nil, w.err
	}
	return w.b, w.lost, nil
}

// size estimates the bytes of a request, so that it is written into memory that is large enough.
func size(req *canon.Request) int {
	n := 0
	count := func(blocks []canon.Block) {
		for _, b := range blocks {
			switch b := b.(type) {
			case canon.Text:
				n += len(b.Text) + 64
			case canon.Media:
				n += len(b.Data) + 128
			case canon.ToolUse:
				n += len(b.Input) + 160
			case canon.ToolResult:
				for _, c := range b.Blocks {
					if t, ok := c.(canon.Text); ok {
						n += len(t.Text) + 64
					}
				}
				n += 128
			}
		}
	}
	count(req.System)
	for i := range req.Turns {
		count(req.Turns[i].Blocks)
		n += 64
	}
	for i := range req.Tools {
		n += len(req.Tools[i].Schema) + len(req.Tools[i].Description) + 128
	}
	return n + n/16
}

// name appends a comma, unless the object has only begun, and a member's name.
func (w *requestWriter) name(name string) {
	if c := w.b[len(w.b)-1]; c != '{' && c != '[' && c != ',' {
		w.b = append(w.b, ',')
	}
	w.b = append(jsonedit.AppendQuoted(w.b, name), ':') // it may be the client's
}

func (w *requestWriter) str(name, s string) {
	w.name(name)
	w.b = jsonedit.AppendQuoted(w.b, s)
}

func (w *requestWriter) bool(name string, v bool) {
	w.name(name)
	w.b = strconv.AppendBool(w.b, v)
}

func (w *requestWriter) int(name string, n int64) {
	w.name(name)
	w.b = strconv.AppendInt(w.b, n, 10)
}

func (w *requestWriter) float(name string, f *float64) {
	if f != nil && !math.IsNaN(*f) && !math.IsInf(*f, 0) {
		w.name(name)
		w.b = strconv.AppendFloat(w.b, *f, 'g', -1, 64)
	}
}

func (w *requestWriter) raw(name, value string) {
	w.name(name)
	w.b = append(w.b, value...)
}

func (w *requestWriter) lose(what canon.What, path, reason string) {
	w.lost = append(w.lost, canon.LostAt(what, path, reason))
}

func (w *requestWriter) change(what canon.What, path, reason string) {
	w.lost = append(w.lost, canon.ChangedAt(what, path, reason))
}

// refuse keeps the first thing that can't be written at all.
func (w *requestWriter) refuse(path, format string, args ...any) {
	if w.err == nil {
		w.err = canon.Errorf(canon.KindInvalid, format, args...)
		w.err.Param = path
	}
}

// minOutput is the smallest max_output_tokens that OpenAI takes: "integer below minimum value. Expected a
// value >= 16", https://github.com/vercel/ai/issues/5975, 2025-04-25.
const minOutput = 16

// maxUser is the longest name of a user that OpenAI takes, in bytes.
const maxUser = 64

// settings writes what says how the answer shall be made.
func (w *requestWriter) settings() {
	req := w.req
	if w.to.Stream {
		w.bool("stream", true)
	}
	switch n := req.MaxOutput; {
	case n >= minOutput, n > 0 && w.home:
		w.int("max_output_tokens", n)
	case n > 0:
		w.int("max_output_tokens", minOutput)
		w.change(canon.WhatMaxOutput, "", "the least that the Responses API takes is 16")
	}
	w.sampling()
	if req.Store != nil {
		w.bool("store", *req.Store)
	} else if !w.home {
		w.bool("store", false) // nobody can ask for it again: only clients of this dialect know how
	}
	if len(req.Metadata) > 0 {
		w.metadata()
	}
	if req.CacheKey != "" {
		w.str("prompt_cache_key", req.CacheKey)
	}
	w.user()
	w.tier()
	w.include()
}

func (w *requestWriter) previous() {
	switch {
	case w.req.PreviousID == "":
	case w.home:
		w.str("previous_response_id", w.req.PreviousID)
	default:
		w.lose(canon.WhatPrevious, "", "it names an answer of another dialect")
	}
}

// thinks reports whether the model is known to reason, and is not told to leave it. Such models of OpenAI
// refuse to be told how to draw tokens: "Unsupported parameter: 'temperature' is not supported with this
// model.", https://github.com/openai/openai-agents-python/issues/1397, 2025-08.
func (w *requestWriter) thinks() bool {
	switch w.to.Thinking {
	case dialect.ThinkingUnknown, dialect.ThinkingNone:
		return false
	default:
	}
	return w.req.Reasoning == nil || !w.req.Reasoning.Disabled
}

// sampling writes how tokens are drawn.
func (w *requestWriter) sampling() {
	req := w.req
	for _, s := range [...]struct {
		name string
		what canon.What
		v    *float64
	}{{"temperature", canon.WhatTemperature, req.Temperature}, {"top_p", canon.WhatTopP, req.TopP}} {
		switch {
		case s.v == nil:
		case w.home, !w.thinks(), w.to.Takes(s.what):
			w.float(s.name, s.v)
		case *s.v != 1: // 1 is how they draw anyway
			w.lose(s.what, "", "a reasoning model of the Responses API can't be told")
		}
	}
	const none = "the Responses API has no such setting"
	if req.TopK != nil {
		if w.to.Takes(canon.WhatTopK) {
			w.int("top_k", *req.TopK)
		} else {
			w.lose(canon.WhatTopK, "", none)
		}
	}
	if len(req.Stop) > 0 {
		w.lose(canon.WhatStop, "", none)
	}
	if req.Seed != nil {
		w.lose(canon.WhatSeed, "", none)
	}
	if req.N > 1 {
		w.lose(canon.WhatN, "", "the Responses API gives one answer")
	}
	for _, p := range [...]struct {
		name string
		what canon.What
		v    *float64
	}{{"presence_penalty", canon.WhatPresencePenalty, req.PresencePenalty}, {"frequency_penalty", canon.WhatFrequencyPenalty, req.FrequencyPenalty}} {
		switch {
		case p.v == nil, *p.v == 0 && !w.to.Takes(p.what): // 0 is no penalty, which is what there is
		case w.to.Takes(p.what):
			w.float(p.name, p.v)
		default:
			w.lose(p.what, "", none)
		}
	}
	if req.LogProbs != nil && *req.LogProbs > 0 {
		w.int("top_logprobs", int64(*req.LogProbs))
	}
}

func (w *requestWriter) metadata() {
	w.name("metadata")
	w.b = append(w.b, '{')
	for i, f := range w.req.Metadata {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = jsonedit.AppendQuoted(w.b, f.Name)
		w.b = append(w.b, ':')
		w.b = append(w.b, f.Value...)
	}
	w.b = append(w.b, '}')
}

func (w *requestWriter) user() {
	user := w.req.User
	switch {
	case user == "":
		return
	case len(user) > maxUser && !w.home:
		sum := sha256.Sum256([]byte(user))
		user = hex.EncodeToString(sum[:])
		w.change(canon.WhatUser, "", "it is longer than the 64 characters that the Responses API takes: its SHA-256 stands for it")
	}
	w.str("user", user)
}

// tier writes the service tier. The words are those of ResponseNewParamsServiceTier, openai-go v3.95.0.
func (w *requestWriter) tier() {
	switch tier := w.req.Tier; tier {
	case "":
	case "auto", "default", "flex", "scale", "priority":
		w.str("service_tier", tier)
	case "standard", "standard_only":
		w.str("service_tier", "default")
	default:
		if w.home {
			w.str("service_tier", tier)
		} else {
			w.lose(canon.WhatTier, "", "the Responses API has no tier of this name")
		}
	}
}

// include asks for what an answer leaves out unless it is asked for: the ciphertext of reasoning, without
// which an answer that is not stored can't be gone on with. Models that do not reason refuse it ("Encrypted
// content is not supported with this model."), so it is asked for where the request or the target says that
// there is reasoning.
func (w *requestWriter) include() {
	var all []string
	for _, f := range w.req.Extra {
		if w.home && f.Name == "include" {
			all = stringsOf(string(f.Value))
		}
	}
	if w.seals() && !slices.Contains(all, includeSeals) {
		all = append(all, includeSeals)
	}
	if w.req.LogProbs != nil && !slices.Contains(all, includeLogProbs) {
		all = append(all, includeLogProbs)
	}
	if len(all) > 0 {
		w.strings("include", all)
	}
}

func (w *requestWriter) seals() bool {
	switch w.to.Thinking {
	case dialect.ThinkingNone:
		return false
	case dialect.ThinkingUnknown:
		return w.req.Reasoning != nil && !w.req.Reasoning.Disabled
	default:
	}
	return true
}

func (w *requestWriter) strings(name string, list []string) {
	w.name(name)
	w.b = append(w.b, '[')
	for i, s := range list {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = jsonedit.AppendQuoted(w.b, s)
	}
	w.b = append(w.b, ']')
}

// reasoning writes how much the model shall think, and whether the answer shows it.
func (w *requestWriter) reasoning() {
	e := w.req.Reasoning
	inner := w.within("reasoning.")
	if e == nil && len(inner) == 0 {
		return
	}
	mark := len(w.b)
	w.name("reasoning")
	w.b = append(w.b, '{')
	if e != nil {
		w.effort(e)
	}
	shown := false
	for _, f := range inner {
		name := strings.TrimPrefix(f.Name, "reasoning.")
		shown = shown || name == "summary" || name == "generate_summary"
		w.raw(name, string(f.Value))
	}
	if e != nil && e.Show == canon.ThoughtsShown && !shown && w.to.Thinking != dialect.ThinkingNone {
		w.str("summary", "auto")
	}
	if w.b[len(w.b)-1] == '{' { // nothing was said after all
		w.b = w.b[:mark]
		return
	}
	w.b = append(w.b, '}')
}

func (w *requestWriter) effort(e *canon.Effort) {
	if w.to.Thinking == dialect.ThinkingNone {
		switch {
		case e.Disabled:
		case e.Budget > 0:
			w.lose(canon.WhatBudget, "", "the model does not reason")
		case e.Level != "":
			w.lose(canon.WhatEffort, "", "the model does not reason")
		}
		return
	}
	switch {
	case e.Disabled:
		w.str("effort", "none")
	case e.Level != "":
		w.str("effort", e.Level)
		if e.Budget > 0 {
			w.lose(canon.WhatBudget, "", "the level of reasoning stands for it")
		}
	case e.Budget > 0:
		w.str("effort", canon.BudgetEffort(e.Budget))
		w.change(canon.WhatBudget, "", "the Responses API takes a level of reasoning, not a number of tokens")
	}
	// An adaptive model decides itself, which is what a reasoning model of OpenAI's does without an effort.
}

// text writes the format of the answer and how much it shall say.
func (w *requestWriter) text() {
	f, inner := w.req.Format, w.within("text.")
	if f == nil && w.req.Verbosity == "" && len(inner) == 0 {
		return
	}
	w.name("text")
	w.b = append(w.b, '{')
	if f != nil {
		w.format(f, inner)
	}
	if w.req.Verbosity != "" {
		w.str("verbosity", w.req.Verbosity)
	}
	for _, e := range inner {
		if name := strings.TrimPrefix(e.Name, "text."); !strings.Contains(name, ".") {
			w.raw(name, string(e.Value))
		}
	}
	w.b = append(w.b, '}')
}

func (w *requestWriter) format(f *canon.Format, inner []canon.Field) {
	w.name("format")
	if f.Schema == nil {
		w.b = append(w.b, `{"type":"json_object"}`...)
		return
	}
	name := f.Name
	if name == "" {
		name = "answer" // the API demands one, which the model hardly sees
	}
	w.b = append(w.b, `{"type":"json_schema"`...)
	w.str("name", clean(name))
	if f.Description != "" {
		w.str("description", f.Description)
	}
	w.raw("schema", string(f.Schema))
	if f.Strict != nil {
		w.bool("strict", *f.Strict)
	}
	for _, e := range inner {
		if name, ok := strings.CutPrefix(e.Name, "text.format."); ok {
			w.raw(name, string(e.Value))
		}
	}
	w.b = append(w.b, '}')
}

// clean makes a name of a schema one that OpenAI takes: letters, digits, _ and -, at most 64.
func clean(name string) string {
	b := []byte(name)
	for i, c := range b {
		if !nameByte(c) {
			b[i] = '_'
		}
	}
	return string(b[:min(len(b), maxName)])
}

func nameByte(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == '-'
}

// within returns the members without a word in canon that stand in a member that has one.
func (w *requestWriter) within(prefix string) (list []canon.Field) {
	if !w.home {
		return nil
	}
	for _, f := range w.req.Extra {
		if strings.HasPrefix(f.Name, prefix) {
			list = append(list, f)
		}
	}
	return list
}

// extra writes the members that canon has no word for, at home; elsewhere they are lost.
func (w *requestWriter) extra() {
	for _, f := range w.req.Extra {
		switch {
		case !w.home:
			w.lose(canon.WhatExtra, f.Name, "the Responses API has no such member")
		case strings.HasPrefix(f.Name, "text."), strings.HasPrefix(f.Name, "reasoning."), f.Name == "include":
		case w.to.Op == canon.OpCountTokens && f.Name != "conversation" && f.Name != "truncation" && f.Name != "instructions" && f.Name != "tool_choice":
		default:
			w.raw(f.Name, string(f.Value))
		}
	}
}

// WantsBytes is false: images and documents may be given by URL.
func (*Protocol) WantsBytes(m canon.Media) bool {
	return m.Kind == canon.MediaAudio // there is no place for the URL of a recording
}

// Field returns the member that says what.
func (*Protocol) Field(what canon.What) string {
	switch what {
	case canon.WhatToolChoice, canon.WhatToolAllowed:
		return "tool_choice"
	case canon.WhatParallelTools:
		return "parallel_tool_calls"
	case canon.WhatMaxOutput:
		return "max_output_tokens"
	case canon.WhatTemperature, canon.WhatTopP, canon.WhatStore, canon.WhatMetadata, canon.WhatUser:
		return string(what)
	case canon.WhatLogProbs:
		return "top_logprobs"
	case canon.WhatVerbosity:
		return "text.verbosity"
	case canon.WhatFormat:
		return "text.format"
	case canon.WhatFormatSchema:
		return "text.format.schema"
	case canon.WhatFormatStrict:
		return "text.format.strict"
	case canon.WhatFormatName:
		return "text.format.name"
	case canon.WhatEffort, canon.WhatNoReasoning:
		return "reasoning.effort"
	case canon.WhatThoughts:
		return "reasoning.summary"
	case canon.WhatCacheKey:
		return "prompt_cache_key"
	case canon.WhatPrevious:
		return "previous_response_id"
	case canon.WhatTier:
		return "service_tier"
	case canon.WhatCachePoint:
		return "prompt_cache_breakpoint"
	case canon.WhatSystemContent, canon.WhatSystemPosition:
		return "instructions"
	default:
	}
	return ""
}
