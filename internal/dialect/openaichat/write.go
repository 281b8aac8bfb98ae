package openaichat

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/jsonedit"
)

var (
	_ dialect.Translator = (*Protocol)(nil)
	_ dialect.Refuser    = (*Protocol)(nil)
)

// Bounds of OpenAI's API: https://developers.openai.com/api/reference/resources/chat, read 2026-11-20.
const (
	maxStops  = 4
	maxTop    = 20 // top_logprobs
	maxCallID = 40 // "Expected a string with maximum length 40", as its errors say
)

// WantsBytes reports whether m needs its bytes: documents and sound can't be given by URL here.
func (*Protocol) WantsBytes(m canon.Media) bool {
	return m.URL != "" && (m.Kind == canon.MediaFile || m.Kind == canon.MediaAudio)
}

// Field returns how clients of this dialect write the top-level feature what.
func (*Protocol) Field(what canon.What) string {
	switch what {
	case canon.WhatParallelTools:
		return "parallel_tool_calls"
	case canon.WhatToolAllowed:
		return "tool_choice"
	case canon.WhatTool:
		return "tools"
	case canon.WhatPrevious:
		return "previous_response_id"
	case canon.WhatEmptyTurn, canon.WhatSystemPosition:
		return "messages"
	case canon.WhatMaxOutput:
		return "max_completion_tokens"
	case canon.WhatFormat, canon.WhatFormatSchema, canon.WhatFormatStrict, canon.WhatFormatName:
		return "response_format"
	case canon.WhatEffort, canon.WhatNoReasoning:
		return "reasoning_effort"
	case canon.WhatBudget:
		return "reasoning.max_tokens"
	case canon.WhatThoughts:
		return "reasoning.exclude"
	case canon.WhatCacheKey:
		return "prompt_cache_key"
	case canon.WhatTier:
		return "service_tier"
	case canon.WhatToolChoice, canon.WhatN, canon.WhatTemperature, canon.WhatTopP, canon.WhatTopK, canon.WhatStop, canon.WhatSeed,
		canon.WhatPresencePenalty, canon.WhatFrequencyPenalty, canon.WhatLogProbs, canon.WhatVerbosity, canon.WhatStore,
		canon.WhatMetadata, canon.WhatUser, canon.WhatDimensions:
		return string(what) // called the same
	default:
		return ""
	}
}

// WriteRequest writes req as a chat completion, or as embeddings.
func (*Protocol) WriteRequest(req *canon.Request, to dialect.Target) ([]byte, []canon.Loss, *canon.Error) {
	w := &requestWriter{req: req, to: to, own: req.Origin == canon.OpenAIChat, b: make([]byte, 0, size(req))}
	w.older = w.own && len(req.Turns) > 0 && strings.HasPrefix(req.Turns[0].At, "prompt")
	w.b = append(w.b, '{')
	switch to.Op {
	case canon.OpGenerate:
		w.chat()
	case canon.OpEmbed:
		w.embed()
	default:
		w.fail(canon.KindUnsupported, "", "The channels left for this model can't be asked for %s by what was sent.", to.Op)
	}
	if w.err != nil {
		return nil, nil, w.err
	}
	return append(w.b, '}'), w.lost, nil
}

// requestWriter writes one request.
type requestWriter struct {
	req *canon.Request
	to  dialect.Target
	own bool // it comes from this dialect: everything goes home

	older bool // and from a legacy completion
	b     []byte
	lost  []canon.Loss
	err   *canon.Error

	scratch  []byte          // for parts of a content
	messages int             // written so far
	calls    map[string]bool // calls that wait for their results
	custom   bool            // a custom tool became a function, and was told
	customs  map[string]bool // names of the tools that take free text; nil: not looked yet
}

// size is about how long req will be.
func size(req *canon.Request) int {
	n := 1 << 10
	add := func(blocks []canon.Block) {
		for _, b := range blocks {
			n += 64
			switch b := b.(type) {
			case canon.Text:
				n += len(b.Text) + len(b.Text)/16
			case canon.Media:
				n += len(b.Data)
			case canon.ToolUse:
				n += len(b.Input) + len(b.Input)/8 + 128
			case canon.ToolResult:
				for _, inner := range b.Blocks {
					if t, ok := inner.(canon.Text); ok {
						n += len(t.Text) + len(t.Text)/16
					}
				}
			}
		}
	}
	add(req.System)
	for i := range req.Turns {
		n += 32
		add(req.Turns[i].Blocks)
	}
	for i := range req.Tools {
		n += 128 + len(req.Tools[i].Description) + len(req.Tools[i].Schema)
	}
	return n
}

func (w *requestWriter) fail(k canon.Kind, path, format string, args ...any) {
	if w.err == nil {
		w.err = &canon.Error{Kind: k, Message: fmt.Sprintf(format, args...), Param: path}
	}
}

func (w *requestWriter) lose(what canon.What, path, reason string) {
	w.lost = append(w.lost, canon.LostAt(what, path, reason))
}

func (w *requestWriter) change(what canon.What, path, reason string) {
	w.lost = append(w.lost, canon.ChangedAt(what, path, reason))
}

// takes reports whether the upstream has a feature that not all of the dialect have.
func (w *requestWriter) takes(what canon.What) bool { return w.own || w.to.Takes(what) }

// key begins a member of the object that is open at the end of b.
func key(b []byte, name string) []byte {
	if n := len(b); n > 0 && b[n-1] != '{' {
		b = append(b, ',')
	}
	return append(jsonedit.AppendQuoted(b, name), ':') // it may be the client's
}

func (w *requestWriter) str(name, value string) {
	w.b = jsonedit.AppendQuoted(key(w.b, name), value)
}

func (w *requestWriter) raw(name string, value []byte) { w.b = append(key(w.b, name), value...) }

func (w *requestWriter) number(name string, value int64) {
	w.b = strconv.AppendInt(key(w.b, name), value, 10)
}

func (w *requestWriter) float(name string, value *float64) {
	if value != nil {
		w.b = appendFloat(key(w.b, name), *value)
	}
}

func appendFloat(b []byte, f float64) []byte {
	text, err := json.Marshal(f)
	if err != nil { // infinite, which no JSON that was read can be
		return append(b, '0')
	}
	return append(b, text...)
}

func (w *requestWriter) boolean(name string, value *bool) {
	if value != nil {
		w.b = strconv.AppendBool(key(w.b, name), *value)
	}
}

func (w *requestWriter) chat() {
	req := w.req
	w.str("model", w.to.Model)
	w.conversation()
	w.tools()
	if req.MaxOutput > 0 {
		w.number("max_completion_tokens", req.MaxOutput)
	}
	if req.N > 0 {
		w.number("n", int64(req.N))
	}
	w.float("temperature", req.Temperature)
	w.float("top_p", req.TopP)
	if req.TopK != nil {
		if w.takes(canon.WhatTopK) {
			w.number("top_k", *req.TopK)
		} else {
			w.lose(canon.WhatTopK, "", "the upstream can't limit sampling to the likeliest tokens")
		}
	}
	w.stop()
	if req.Seed != nil {
		w.number("seed", *req.Seed)
	}
	w.float("presence_penalty", req.PresencePenalty)
	w.float("frequency_penalty", req.FrequencyPenalty)
	if req.LogProbs != nil {
		w.raw("logprobs", []byte("true"))
		n := *req.LogProbs
		if n > maxTop && !w.own {
			w.change(canon.WhatLogProbs, "", "at most 20 alternatives of each token")
			n = maxTop
		}
		if n > 0 {
			w.number("top_logprobs", int64(n))
		}
	}
	w.format()
	w.reasoning()
	if req.Verbosity != "" {
		w.str("verbosity", req.Verbosity)
	}
	w.rest()
	if w.to.Stream {
		w.raw("stream", []byte("true"))
		w.raw("stream_options", []byte(`{"include_usage":true}`))
	}
}

func (w *requestWriter) stop() {
	stops := w.req.Stop
	if len(stops) == 0 {
		return
	}
	if len(stops) > maxStops && !w.takes(canon.WhatStop) {
		w.change(canon.WhatStop, "", "only the first 4 stop sequences")
		stops = stops[:maxStops]
	}
	w.b = append(key(w.b, "stop"), '[')
	for i, s := range stops {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = jsonedit.AppendQuoted(w.b, s)
	}
	w.b = append(w.b, ']')
}

// rest writes what says who calls and how, and the members that canon has no word for.
func (w *requestWriter) rest() {
	req := w.req
	if req.CacheKey != "" {
		w.str("prompt_cache_key", req.CacheKey)
	}
	w.boolean("store", req.Store)
	if len(req.Metadata) > 0 {
		w.b = append(key(w.b, "metadata"), '{')
		for _, f := range req.Metadata {
			if n := len(w.b); w.b[n-1] != '{' {
				w.b = append(w.b, ',')
			}
			w.b = append(append(jsonedit.AppendQuoted(w.b, f.Name), ':'), f.Value...)
		}
		w.b = append(w.b, '}')
	}
	if req.User != "" {
		w.str("user", req.User)
	}
	w.tier()
	switch {
	case req.PreviousID == "":
	case w.own:
		w.str("previous_response_id", req.PreviousID)
	default:
		w.fail(canon.KindInvalid, "", "The model behind this call can't go on from the stored answer %q. Send the whole conversation instead.", req.PreviousID)
	}
	for _, f := range req.Extra {
		switch {
		case !w.own, w.older && f.Name != "logit_bias":
			if f.Idle || f.Name == "best_of" && string(f.Value) == strconv.Itoa(max(req.N, 1)) {
				continue // the best of as many as there shall be: all
			}
			reason := "only " + string(req.Origin) + " has it"
			if w.own {
				reason = "only legacy completions have it"
			}
			w.lose(canon.WhatExtra, f.Name, reason)
		case f.In != "": // written where they belong
		default:
			w.b = append(append(jsonedit.AppendQuoted(append(w.b, ','), f.Name), ':'), f.Value...)
		}
	}
}

// tier writes the service tier in OpenAI's words: auto, default, flex, scale and priority.
func (w *requestWriter) tier() {
	word := w.req.Tier
	switch {
	case word == "":
		return
	case w.own, word == "auto", word == "default", word == "flex", word == "scale", word == "priority":
	case word == "standard_only", word == "standard":
		word = "default"
	default:
		w.lose(canon.WhatTier, "", "the upstream has no tier "+word)
		return
	}
	w.str("service_tier", word)
}

func (w *requestWriter) format() {
	f := w.req.Format
	if f == nil {
		return
	}
	if f.Schema == nil && f.Name == "" {
		w.b = append(key(w.b, "response_format"), `{"type":"json_object"`...)
		w.nested(inFormat)
		w.b = append(w.b, '}')
		return
	}
	w.b = append(key(w.b, "response_format"), `{"type":"json_schema","json_schema":{"name":`...)
	name := f.Name
	if name == "" {
		name = "answer" // it must have one
	}
	w.b = jsonedit.AppendQuoted(w.b, name)
	if f.Description != "" {
		w.str("description", f.Description)
	}
	if f.Schema != nil {
		w.raw("schema", f.Schema)
	}
	w.boolean("strict", f.Strict)
	w.nested(inSchema)
	w.b = append(w.b, '}')
	w.nested(inFormat)
	w.b = append(w.b, '}')
}

// Members with a word of canon's in which others can stand.
const (
	inFormat    = "response_format"
	inSchema    = "response_format.json_schema"
	inReasoning = "reasoning"
)

// nested writes the members of Extra that stand in the member at path into the object that is open.
func (w *requestWriter) nested(path string) {
	if !w.own {
		return
	}
	for _, f := range w.req.Extra {
		if f.In == path {
			w.raw(f.Own(), f.Value)
		}
	}
}

func (w *requestWriter) hasNested(path string) bool {
	return w.own && slices.ContainsFunc(w.req.Extra, func(f canon.Field) bool { return f.In == path })
}

// embed writes a request for embeddings, one input for each turn.
func (w *requestWriter) embed() {
	req := w.req
	if len(req.Turns) == 0 {
		w.fail(canon.KindInvalid, "", "There is no text to embed.")
		return
	}
	w.str("model", w.to.Model)
	w.b = append(key(w.b, "input"), '[')
	for n := range req.Turns {
		t := &req.Turns[n]
		var text strings.Builder
		for i, b := range t.Blocks {
			switch b := b.(type) {
			case canon.Text:
				text.WriteString(b.Text)
			case canon.Foreign:
				if !w.own {
					w.lose(canon.WhatForeign, t.Path(i), "only "+string(req.Origin)+" has it")
				} else if len(t.Blocks) == 1 && gjson.ParseBytes(b.Raw).IsArray() {
					w.fail(canon.KindInvalid, t.Path(i), "The channels left for this model take '%s' as text, not as tokens.", t.Path(i))
				}
			default:
				w.fail(canon.KindInvalid, t.Path(i), "The channels left for this model can only embed text.")
			}
		}
		if n > 0 {
			w.b = append(w.b, ',')
		}
		w.b = jsonedit.AppendQuoted(w.b, text.String())
	}
	w.b = append(w.b, ']')
	if req.Dimensions > 0 {
		w.number("dimensions", req.Dimensions)
	}
	if req.User != "" {
		w.str("user", req.User)
	}
	for _, f := range req.Extra {
		if w.own {
			w.b = append(append(jsonedit.AppendQuoted(append(w.b, ','), f.Name), ':'), f.Value...)
		} else if !f.Idle {
			w.lose(canon.WhatExtra, f.Name, "only "+string(req.Origin)+" has it")
		}
	}
}
