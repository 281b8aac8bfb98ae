package anthropic

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/jsonedit"
)

// defaultMaxTokens is what max_tokens says where neither the client nor the catalogue does: the API
// demands one.
const defaultMaxTokens = 8192

// requestWriter writes one request. Rules of the API that are named in comments here and in the files
// beside are from the pages of https://platform.claude.com/docs/en/ (messages, extended-thinking,
// adaptive-thinking, tool-use, prompt-caching, structured-outputs) as read 2026-11-21.
type requestWriter struct {
	req  *canon.Request
	to   dialect.Target
	home bool // the request is of this dialect: what only it has goes home, and what it refuses is the client's to hear
	lost []canon.Loss
	err  *canon.Error // the first

	system  []piece
	turns   []outTurn
	tools   []outTool
	customs map[string]bool // tools that take free text and are declared to take a string now
	madeUp  bool            // the tools are only named, since they were called
	dropped bool            // the block before was left out
	points  []*cachePoint   // in the order in which the API reads them: tools, system, messages

	extras map[int]bool // the Extra fields that were written, by their numbers

	think  outThinking
	max    int64
	asJSON bool // any JSON object is asked for, which takes an instruction
}

// WriteRequest writes req for messages or count_tokens.
func (*Protocol) WriteRequest(req *canon.Request, to dialect.Target) ([]byte, []canon.Loss, *canon.Error) {
	w := &requestWriter{req: req, to: to, home: req.Origin == canon.Anthropic}
	if req.PreviousID != "" {
		return nil, nil, canon.Errorf(canon.KindInvalid, "an answer that another upstream keeps can't be continued here: send the whole conversation instead of the id %q", clip(req.PreviousID))
	}
	w.gatherTools()
	w.gatherSystem()
	w.gatherTurns()
	if !w.home {
		w.pairCalls()
		w.fitTurns()
		w.makeUpTools()
		w.limitPoints()
	}
	w.plan()
	if w.err != nil {
		return nil, nil, w.err
	}
	dst := make([]byte, 0, w.size())
	dst = w.append(dst)
	if w.err != nil {
		return nil, nil, w.err
	}
	return dst, w.lost, nil
}

// WantsBytes reports true of documents that are no PDF: the API fetches only images and PDFs itself.
func (*Protocol) WantsBytes(m canon.Media) bool {
	if m.Kind == canon.MediaImage {
		return !fetched(m.URL)
	}
	return m.Kind == canon.MediaFile && (!fetched(m.URL) || m.MIME != "" && m.MIME != "application/pdf")
}

// Field returns how a client of Messages writes a top-level feature.
func (*Protocol) Field(what canon.What) string {
	switch what {
	case canon.WhatToolChoice, canon.WhatToolAllowed:
		return "tool_choice"
	case canon.WhatTool:
		return "tools"
	case canon.WhatEmptyTurn, canon.WhatSystemPosition:
		return "messages"
	case canon.WhatParallelTools:
		return "tool_choice.disable_parallel_tool_use"
	case canon.WhatMaxOutput:
		return "max_tokens"
	case canon.WhatTemperature, canon.WhatTopP, canon.WhatTopK, canon.WhatMetadata:
		return string(what)
	case canon.WhatStop:
		return "stop_sequences"
	case canon.WhatFormat, canon.WhatFormatSchema, canon.WhatFormatStrict, canon.WhatFormatName:
		return "output_config.format"
	case canon.WhatEffort:
		return "output_config.effort"
	case canon.WhatBudget:
		return "thinking.budget_tokens"
	case canon.WhatAdaptive, canon.WhatNoReasoning:
		return "thinking"
	case canon.WhatThoughts:
		return "thinking.display"
	case canon.WhatUser:
		return "metadata.user_id"
	case canon.WhatTier:
		return "service_tier"
	default:
	}
	return ""
}

func (w *requestWriter) lose(what canon.What, path, reason string) {
	w.lost = append(w.lost, canon.LostAt(what, path, reason))
}

func (w *requestWriter) change(what canon.What, path, reason string) {
	w.lost = append(w.lost, canon.ChangedAt(what, path, reason))
}

func (w *requestWriter) fail(path, format string, args ...any) {
	if w.err != nil {
		return
	}
	if w.err = invalid(path, format, args...); path == "" {
		w.err.Message = "a part of the conversation" + w.err.Message
	}
}

// size guesses the bytes of the request.
func (w *requestWriter) size() int {
	n := 1024
	for i := range w.turns {
		for _, p := range w.turns[i].pieces {
			n += 128
			switch b := p.b.(type) {
			case canon.Text:
				n += len(b.Text) + len(b.Text)/32
			case canon.Media:
				n += len(b.Data)
			case canon.ToolUse:
				n += len(b.Input)
			case canon.ToolResult:
				for _, in := range p.inner {
					if t, ok := in.b.(canon.Text); ok {
						n += len(t.Text) + len(t.Text)/32
					}
				}
			}
		}
	}
	for i := range w.tools {
		n += 256 + len(w.tools[i].raw) + len(w.tools[i].schema) + len(w.tools[i].description)
	}
	return n
}

// plan settles what the parts of a request demand of each other.
func (w *requestWriter) plan() {
	req := w.req
	if f := req.Format; f != nil && f.Schema == nil {
		w.asJSON = true
		w.change(canon.WhatFormat, "", "any JSON object can't be demanded here without a schema: it is asked for in the instructions")
	}
	w.max = req.MaxOutput
	if w.max == 0 {
		w.max = w.to.MaxOutput
	} else if m := w.to.MaxOutput; m > 0 && w.max > m {
		w.max = m
		w.change(canon.WhatMaxOutput, "", "the model writes at most "+strconv.FormatInt(m, 10)+" tokens")
	}
	w.planThinking()
	if w.max == 0 {
		w.max = defaultMaxTokens
	}
}

func (w *requestWriter) append(dst []byte) []byte {
	dst = append(dst, `{"model":`...)
	dst = jsonedit.AppendQuoted(dst, w.to.Model)
	counting := w.to.Op == canon.OpCountTokens
	if !counting {
		dst = append(dst, `,"max_tokens":`...)
		if raw := w.extra("", "max_tokens"); raw != nil {
			dst = append(dst, raw...)
		} else {
			dst = strconv.AppendInt(dst, w.max, 10)
		}
		if w.to.Stream {
			dst = append(dst, `,"stream":true`...)
		}
	}
	dst = w.appendSystem(dst)
	dst = append(dst, `,"messages":[`...)
	for i := range w.turns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = w.appendTurn(dst, &w.turns[i])
	}
	dst = append(dst, ']')
	dst = w.appendTools(dst)
	dst = w.appendToolChoice(dst)
	dst = w.appendThinking(dst)
	dst = w.appendOutputConfig(dst)
	if !counting {
		dst = w.appendSampling(dst)
		dst = w.appendStop(dst)
		dst = w.appendMetadata(dst)
		dst = w.appendTier(dst)
	}
	w.declareRest()
	if w.home {
		dst = w.appendTop(dst)
	}
	return append(dst, '}')
}

// appendTop appends the Extra fields at the top of a request, and declares those within something that is no
// longer there. A count leaves out what only generating takes.
func (w *requestWriter) appendTop(dst []byte) []byte {
	counting := w.to.Op == canon.OpCountTokens
	for i, f := range w.req.Extra {
		top := f.In == ""
		switch {
		case counting && (!top || !counted(f.Name)), top && f.Name == "max_tokens":
		case top:
			dst = appendMember(dst, f)
		case !w.extras[i]:
			w.lose(canon.WhatExtra, f.Name, "what it belongs to is not sent")
		}
	}
	return dst
}

// counted reports whether count_tokens takes a member of that name.
func counted(name string) bool {
	switch name {
	case "mcp_servers", "context_management", "cache_control", "speed", "output_format", "compaction":
		return true
	}
	return false
}

// declareRest declares what the whole dialect has no place for.
func (w *requestWriter) declareRest() {
	req := w.req
	if req.N > 1 {
		w.lose(canon.WhatN, "", "the upstream gives one answer a call")
	}
	if req.Seed != nil {
		w.lose(canon.WhatSeed, "", "the upstream has no seeds")
	}
	if p := req.PresencePenalty; p != nil && *p != 0 {
		w.lose(canon.WhatPresencePenalty, "", "the upstream has no penalties")
	}
	if p := req.FrequencyPenalty; p != nil && *p != 0 {
		w.lose(canon.WhatFrequencyPenalty, "", "the upstream has no penalties")
	}
	if req.LogProbs != nil {
		w.lose(canon.WhatLogProbs, "", "the upstream tells no probabilities")
	}
	if req.Verbosity != "" && req.Verbosity != "medium" { // which is what a model does that is not told
		w.lose(canon.WhatVerbosity, "", "the upstream has no verbosity")
	}
	if req.CacheKey != "" {
		w.lose(canon.WhatCacheKey, "", "the upstream caches by what stands before its cache points")
	}
	if req.Store != nil && *req.Store {
		w.lose(canon.WhatStore, "", "the upstream keeps no answers")
	}
	if w.home {
		return
	}
	if len(req.Metadata) > 0 {
		w.lose(canon.WhatMetadata, "", "the upstream takes no tags but the user")
	}
	for _, f := range req.Extra {
		if f.Idle {
			continue
		}
		w.lose(canon.WhatExtra, f.Name, "the upstream has nothing like it")
	}
}

// extra returns the value of an Extra field of a request that goes home, whose path is in and its own name.
func (w *requestWriter) extra(in, name string) json.RawMessage {
	if !w.home {
		return nil
	}
	for _, f := range w.req.Extra {
		if f.In == in && f.Own() == name {
			return f.Value
		}
	}
	return nil
}

// appendExtras appends the Extra fields of the member in, each after a comma.
func (w *requestWriter) appendExtras(dst []byte, in string) []byte {
	if !w.home {
		return dst
	}
	for i, f := range w.req.Extra {
		if f.In == in {
			if w.extras == nil {
				w.extras = map[int]bool{}
			}
			w.extras[i] = true
			dst = appendMember(dst, canon.Field{Name: f.Own(), Value: f.Value})
		}
	}
	return dst
}

// appendMember appends a member after a comma, or as the first one of an object that was just opened.
func appendMember(dst []byte, f canon.Field) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = jsonedit.AppendQuoted(dst, f.Name)
	dst = append(dst, ':')
	return append(dst, f.Value...)
}

func (w *requestWriter) appendSystem(dst []byte) []byte {
	if w.asJSON {
		w.system = append(w.system, piece{b: canon.Text{Text: "Answer with one JSON object and nothing else: no prose, no code fence."}})
	}
	if len(w.system) == 0 {
		return dst
	}
	if len(w.system) == 1 && w.system[0].plain() {
		dst = append(dst, `,"system":`...)
		return jsonedit.AppendQuoted(dst, w.system[0].words())
	}
	dst = append(dst, `,"system":`...)
	return w.appendPieces(dst, w.system)
}

func (w *requestWriter) appendStop(dst []byte) []byte {
	open := false
	for _, s := range w.req.Stop {
		if strings.TrimSpace(s) == "" && !w.home {
			w.lose(canon.WhatStop, "", "a stop sequence of nothing but white space is refused")
			continue
		}
		if !open {
			dst = append(dst, `,"stop_sequences":[`...)
			open = true
		} else {
			dst = append(dst, ',')
		}
		dst = jsonedit.AppendQuoted(dst, s)
	}
	if open {
		dst = append(dst, ']')
	}
	return dst
}

func (w *requestWriter) appendMetadata(dst []byte) []byte {
	from := len(dst)
	dst = append(dst, `,"metadata":{`...)
	empty := len(dst)
	if w.req.User != "" {
		dst = append(dst, `"user_id":`...)
		dst = jsonedit.AppendQuoted(dst, w.req.User)
	}
	if w.home {
		for _, f := range w.req.Metadata {
			dst = appendMember(dst, f)
		}
		dst = w.appendExtras(dst, "metadata")
	}
	if len(dst) == empty {
		return dst[:from]
	}
	return append(dst, '}')
}

// appendTier says the service tier: the API knows auto and standard_only.
func (w *requestWriter) appendTier(dst []byte) []byte {
	tier := w.req.Tier
	switch {
	case tier == "":
		return dst
	case w.home, tier == "auto", tier == "standard_only":
	case tier == "default", tier == "standard":
		tier = "standard_only" // the same under the other name
	case tier == "priority":
		w.change(canon.WhatTier, "", "priority can't be demanded of the upstream; it gives it where it is paid for")
		tier = "auto"
	default:
		w.lose(canon.WhatTier, "", "the upstream has no such service tier")
		return dst
	}
	dst = append(dst, `,"service_tier":`...)
	return jsonedit.AppendQuoted(dst, tier)
}

// ttlWord is how the API writes the life of a cache point; "" for its default.
func ttlWord(ttl time.Duration) string {
	switch {
	case ttl == 0:
		return ""
	case ttl >= time.Hour:
		return "1h"
	}
	return "5m"
}

// clip bounds a client's words in an error.
func clip(s string) string {
	const longest = 80
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "…"
}
