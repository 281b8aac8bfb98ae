package openairesponses

import (
	"math"
	"strconv"

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
	req   *canon.Request
	to    dialect.Target
	b     []byte
	home  bool // the request came in this dialect
	lost  []canon.Loss
	err   *canon.Error
	open  map[string][]string    // paths of the calls whose results have not come yet, by their ids
	made  []call                 // all calls
	named map[string]*canon.Tool // by their names
	unit  []byte                 // scratch: the parts of a message, until it is known whether there are any
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

// WantsBytes is false: images and documents may be given by URL.
func (*Protocol) WantsBytes(m canon.Media) bool {
	return m.Kind == canon.MediaAudio // there is no place for the URL of a recording
}

// Field returns the member that says what.
func (*Protocol) Field(what canon.What) string {
	switch what {
	case canon.WhatToolChoice, canon.WhatToolAllowed:
		return "tool_choice"
	case canon.WhatTool:
		return "tools"
	case canon.WhatEmptyTurn:
		return "input"
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
