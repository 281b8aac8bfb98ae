package openairesponses

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonpull"
	"tollgate/internal/dialect/openai"
	"tollgate/internal/jsonedit"
)

// call is a tool call on its way to its result.
type call struct{ id, path string }

// noParameters is the schema of a function that takes nothing.
const noParameters = `{"type":"object","properties":{}}`

// tool returns the tool called name; nil if there is none.
func findTool(req *canon.Request, name string) *canon.Tool {
	for i := range req.Tools {
		if req.Tools[i].Name == name {
			return &req.Tools[i]
		}
	}
	return nil
}

// homeOf is how the tool t of req stands at home; nil if it is a function of its own.
func homeOf(req *canon.Request, t *canon.Tool) *canon.Home {
	if req == nil || t == nil || req.Origin != canon.OpenAIResponses {
		return nil
	}
	return t.Home
}

// paired reports whether calls and results must find each other in this request alone.
func (w *requestWriter) paired() bool {
	return w.to.Op == canon.OpGenerate && (!w.home || w.req.PreviousID == "")
}

// maxCallID is the longest id of a call that OpenAI takes, in bytes: "Expected a string with maximum length
// 64", https://github.com/langchain-ai/langchain/issues/31536, 2025-06.
const maxCallID = 64

func callID(id string) string {
	if len(id) <= maxCallID {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "call_" + hex.EncodeToString(sum[:20])
}

// use writes a call of a tool.
func (w *requestWriter) use(path string, u *canon.ToolUse) {
	if w.open == nil {
		w.open = map[string][]string{}
	}
	w.open[u.ID] = append(w.open[u.ID], path)
	w.made = append(w.made, call{u.ID, path})
	id := u.ID
	if !w.home {
		id = callID(id)
	}
	text := string(u.Input)
	if strings.HasPrefix(text, `"`) { // a custom tool's text, or arguments that are no JSON
		p := jsonpull.NewString(text)
		text = p.String()
	}
	kind, member := "function_call", "arguments"
	if u.Custom {
		kind, member = "custom_tool_call", "input"
	}
	w.item(kind)
	w.str("call_id", id)
	w.str("name", u.Name)
	w.str(member, text)
	w.b = append(w.b, '}')
}

// result writes what a tool answered.
func (w *requestWriter) result(path string, r *canon.ToolResult) {
	waiting := w.open[r.ID]
	switch {
	case len(waiting) > 1:
		w.open[r.ID] = waiting[1:]
	case len(waiting) == 1:
		delete(w.open, r.ID)
	case w.paired():
		w.refuse(path, "No tool call was made to which the result %q belongs.", clipped(r.ID))
		return
	}
	id := r.ID
	if !w.home {
		id = callID(id)
	}
	kind := "function_call_output"
	if r.Custom {
		kind = "custom_tool_call_output"
	}
	w.item(kind)
	w.str("call_id", id)
	w.name("output")
	blocks := r.Blocks
	if r.IsError {
		blocks = openai.WithError(blocks)
		w.change(canon.WhatToolResultError, path, "the mark became a word in the result")
	}
	w.output(path, blocks)
	w.b = append(w.b, '}')
}

// output writes the blocks of a result: one text as it is, else parts.
func (w *requestWriter) output(path string, blocks []canon.Block) {
	switch len(blocks) {
	case 0:
		w.b = append(w.b, `""`...)
		return
	case 1:
		if t, ok := blocks[0].(canon.Text); ok {
			w.b = jsonedit.AppendQuoted(w.b, t.Text)
			return
		}
	}
	w.b = append(w.b, '[')
	for _, b := range blocks {
		if m, ok := b.(canon.Media); ok && (m.Kind == canon.MediaAudio || m.Kind == canon.MediaVideo) {
			w.lose(canon.WhatToolResultMedia, path, "the result of a tool holds text, images and files alone in the Responses API")
			continue
		}
		if _, ok := b.(canon.CachePoint); ok && !w.to.Takes(canon.WhatCachePoint) {
			w.lose(canon.WhatCachePoint, path, "only a part of a message can be marked")
			continue
		}
		before := len(w.b)
		if w.b[before-1] == '}' {
			w.b = append(w.b, ',')
		}
		if c, ok := b.(canon.CachePoint); ok {
			w.b = w.b[:before]
			w.mark(path, c)
			continue
		}
		begun := len(w.b)
		if w.b = w.appendPart(w.b, canon.RoleUser, path, b); len(w.b) == begun {
			w.b = w.b[:before]
		}
	}
	w.b = append(w.b, ']')
}

// mark is cachePoint for the part of an output that was just written.
func (w *requestWriter) mark(path string, c canon.CachePoint) {
	w.unit, w.b = w.b, w.unit
	w.cachePoint(path, c)
	w.unit, w.b = w.b, w.unit
}

// written reports whether the tool i was written with the group of the one before it.
func (w *requestWriter) written(i int) bool {
	h := w.req.Tools[i].Home
	if i == 0 || h == nil || h.Group == "" {
		return false
	}
	last := w.req.Tools[i-1].Home
	return last != nil && last.Group == h.Group && last.Kind == h.Kind && bytes.Equal(last.Raw, h.Raw)
}

// tools writes what the model may call.
func (w *requestWriter) tools() {
	mark := len(w.b)
	w.name("tools")
	w.b = append(w.b, '[')
	empty := len(w.b)
	for i := range w.req.Tools {
		t := &w.req.Tools[i]
		if w.home && t.Home != nil {
			if !inInput(*t) && !w.written(i) {
				w.comma()
				w.b = append(w.b, t.Home.Raw...)
			}
			continue
		}
		w.tool(t)
	}
	if len(w.b) == empty {
		w.b = w.b[:mark]
		return
	}
	w.b = append(w.b, ']')
}

func (w *requestWriter) tool(t *canon.Tool) {
	switch {
	case t.Raw != nil && w.home:
		w.comma()
		w.b = append(w.b, t.Raw...)
		return
	case t.Hosted != nil:
		w.hosted(t)
		w.cached(t)
		return
	case t.Raw != nil:
		w.lose(canon.WhatToolHosted, t.At, "the Responses API has no such tool")
		return
	case !w.home && !isName(t.Name):
		w.refuse(t.At, "The name of the tool %q holds what the model's API does not take: use letters, digits, _ and -, at most %d.", clipped(t.Name), maxName)
		return
	}
	w.comma()
	w.b = append(w.b, `{"type":"`...)
	if t.Custom {
		w.b = append(w.b, `custom"`...)
	} else {
		w.b = append(w.b, `function"`...)
	}
	w.str("name", t.Name)
	if t.Description != "" {
		w.str("description", t.Description)
	}
	if t.Custom {
		if g := t.Grammar; g != nil {
			w.name("format")
			w.b = append(w.b, `{"type":"grammar"`...)
			w.str("syntax", g.Syntax)
			w.str("definition", g.Definition)
			w.b = append(w.b, '}')
		}
	} else {
		w.schema(t)
	}
	for _, f := range t.Extra {
		if w.home {
			w.raw(f.Name, string(f.Value))
		} else if !f.Idle {
			w.lose(canon.WhatToolExtra, t.At+"."+f.Name, "the Responses API has no such member")
		}
	}
	w.b = append(w.b, '}')
	w.cached(t)
}

// cached declares the cache point at a tool.
func (w *requestWriter) cached(t *canon.Tool) {
	if t.Cache != nil {
		w.lose(canon.WhatCachePoint, t.At, "the upstream caches by itself")
	}
}

// schema writes the input of a function. Functions of the Responses API are strict unless it is said that
// they are not, those of other dialects the other way round:
// https://platform.openai.com/docs/guides/migrate-to-responses, read 2026-11-21.
func (w *requestWriter) schema(t *canon.Tool) {
	switch {
	case t.Schema != nil:
		w.raw("parameters", string(t.Schema))
	case !w.home:
		w.raw("parameters", noParameters)
	}
	switch {
	case t.Strict != nil:
		w.bool("strict", *t.Strict)
	case !w.home:
		w.bool("strict", false)
	}
}

func isName(s string) bool {
	for i := range len(s) {
		if !nameByte(s[i]) {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// hosted writes a tool that OpenAI runs itself, said in another dialect's words.
func (w *requestWriter) hosted(t *canon.Tool) {
	h := t.Hosted
	switch h.Kind {
	case canon.HostedWebSearch:
	case canon.HostedCode:
		w.comma()
		w.b = append(w.b, `{"type":"code_interpreter","container":{"type":"auto"}}`...)
		w.toolExtras(t)
		return
	default:
		w.lose(canon.WhatToolHosted, t.At, "the Responses API has no such tool")
		return
	}
	w.comma()
	w.b = append(w.b, `{"type":"web_search"`...)
	if len(h.Allowed) > 0 {
		w.name("filters")
		w.b = append(w.b, '{')
		w.strings("allowed_domains", h.Allowed)
		w.b = append(w.b, '}')
	}
	if h.ContextSize != "" {
		w.str("search_context_size", h.ContextSize)
	}
	if h.City != "" || h.Region != "" || h.Country != "" || h.Timezone != "" {
		w.name("user_location")
		w.b = append(w.b, `{"type":"approximate"`...)
		for _, p := range [...]struct{ name, v string }{{"city", h.City}, {"region", h.Region}, {"country", h.Country}, {"timezone", h.Timezone}} {
			if p.v != "" {
				w.str(p.name, p.v)
			}
		}
		w.b = append(w.b, '}')
	}
	w.b = append(w.b, '}')
	if len(h.Blocked) > 0 {
		w.change(canon.WhatToolHosted, t.At, "the Responses API can't keep domains out of a search")
	}
	if h.MaxUses > 0 {
		w.change(canon.WhatToolHosted, t.At, "the Responses API does not count the uses of one tool")
	}
	w.toolExtras(t)
}

func (w *requestWriter) toolExtras(t *canon.Tool) {
	for _, f := range t.Extra {
		if f.Idle {
			continue
		}
		w.lose(canon.WhatToolExtra, t.At+"."+f.Name, "the Responses API has no such member")
	}
}

// toolChoice writes whether the model must call a tool.
func (w *requestWriter) toolChoice() {
	c := w.req.ToolChoice
	if c.Mode == "" || len(w.req.Tools) == 0 && !w.home {
		return
	}
	if c.Mode == canon.ToolNamed {
		w.name("tool_choice")
		w.choice(c.Name)
		return
	}
	if len(c.Allowed) == 0 || c.Mode == canon.ToolNone {
		w.str("tool_choice", string(c.Mode))
		return
	}
	w.name("tool_choice")
	w.b = append(w.b, `{"type":"allowed_tools","mode":"`...)
	w.b = append(w.b, c.Mode...)
	w.b = append(w.b, `","tools":[`...)
	for _, name := range c.Allowed {
		w.comma()
		w.choice(name)
	}
	w.b = append(w.b, `]}`...)
}

// called is the tool of that name; nil if there is none.
func (w *requestWriter) called(name string) *canon.Tool {
	if w.named == nil {
		w.named = make(map[string]*canon.Tool, len(w.req.Tools))
		for i := range w.req.Tools {
			if t := &w.req.Tools[i]; w.named[t.Name] == nil {
				w.named[t.Name] = t
			}
		}
	}
	return w.named[name]
}

// choice names one tool.
func (w *requestWriter) choice(name string) {
	kind := "function"
	t := w.called(name)
	h := homeOf(w.req, t)
	if t != nil {
		switch {
		case t.Custom:
			kind = "custom"
		case t.Hosted != nil && t.Hosted.Kind == canon.HostedWebSearch && !w.home:
			w.b = append(w.b, `{"type":"web_search"}`...)
			return
		case t.Hosted != nil && t.Hosted.Kind == canon.HostedCode && !w.home:
			w.b = append(w.b, `{"type":"code_interpreter"}`...)
			return
		}
	}
	w.b = append(w.b, `{"type":"`...)
	w.b = append(w.b, kind...)
	w.b = append(w.b, '"')
	if h != nil && h.Group != "" {
		w.str("name", h.Name)
		w.str("namespace", h.Group)
	} else {
		w.str("name", name)
	}
	w.b = append(w.b, '}')
}
