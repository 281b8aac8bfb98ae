package openaichat

import (
	"slices"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/jsonedit"
)

// tools writes the tools, the choice among them and whether several may be called at once.
func (w *requestWriter) tools() {
	req := w.req
	choice := req.ToolChoice
	allowed := choice.Allowed
	if w.takes(canon.WhatToolAllowed) {
		allowed = nil
	}
	may := make(map[string]bool, len(allowed))
	for _, name := range allowed {
		may[name] = true
	}
	n := 0
	var search *canon.Tool
	for i := range req.Tools {
		t := &req.Tools[i]
		switch {
		case t.Raw != nil && t.At == "web_search_options" && w.own:
			search = t
			continue
		case t.Raw != nil && w.own:
		case t.Raw != nil || t.Hosted != nil:
			if h := t.Hosted; h != nil && h.Kind == canon.HostedWebSearch && search == nil && w.searches() {
				search = t
			} else {
				w.lose(canon.WhatToolHosted, t.At, "the upstream does not run the tool "+t.Name)
			}
			if t.Cache != nil {
				w.lose(canon.WhatCachePoint, t.At, "it stood at a tool that is not sent as one")
			}
			continue
		case len(allowed) > 0 && !may[t.Name]:
			continue
		}
		if n++; n == 1 {
			w.b = append(key(w.b, "tools"), '[')
		} else {
			w.b = append(w.b, ',')
		}
		w.tool(t)
	}
	if n > 0 {
		w.b = append(w.b, ']')
		w.boolean("parallel_tool_calls", req.ParallelTools)
	}
	if search != nil {
		w.search(search)
	}
	if len(allowed) > 0 {
		w.change(canon.WhatToolAllowed, "", "the upstream is told of the allowed tools alone")
	}
	w.toolChoice(choice, n)
}

func (w *requestWriter) tool(t *canon.Tool) {
	switch {
	case t.Raw != nil:
		w.b = append(w.b, t.Raw...)
		return
	case t.Custom && w.takes(canon.WhatToolCustom):
		w.b = append(w.b, `{"type":"custom","custom":{"name":`...)
		w.b = jsonedit.AppendQuoted(w.b, t.Name)
		if t.Description != "" {
			w.str("description", t.Description)
		}
		if g := t.Grammar; g != nil {
			w.b = append(w.b, `,"format":{"type":"grammar","grammar":{"syntax":`...)
			w.b = jsonedit.AppendQuoted(w.b, g.Syntax)
			w.str("definition", g.Definition)
			w.b = append(w.b, "}}"...)
		}
		w.toolRest(t, "custom")
		return
	}
	description, schema := t.Description, t.Schema
	if t.Custom {
		description, schema = canon.CustomFunction(*t)
		w.change(canon.WhatToolCustom, t.At, "the upstream has no tools that take free text; it became a function")
		w.custom = true
	}
	w.b = append(w.b, `{"type":"function","function":{"name":`...)
	w.b = jsonedit.AppendQuoted(w.b, t.Name)
	if description != "" {
		w.str("description", description)
	}
	if schema != nil {
		w.raw("parameters", schema)
	}
	w.boolean("strict", t.Strict)
	w.toolRest(t, "function")
}

// toolRest closes the object inner of a tool and the tool itself, with what stands in them beside what canon
// has a word for. Of a legacy function, which has no inner object, all stands in it.
func (w *requestWriter) toolRest(t *canon.Tool, inner string) {
	legacy := strings.HasPrefix(t.At, "functions[")
	for _, f := range t.Extra {
		if w.own && (f.In == inner || legacy) {
			w.b = append(append(jsonedit.AppendQuoted(append(w.b, ','), f.Own()), ':'), f.Value...)
		}
	}
	w.b = append(w.b, '}')
	for _, f := range t.Extra {
		switch {
		case !w.own && f.Idle:
		case !w.own:
			w.lose(canon.WhatToolExtra, t.At+"."+f.Name, "only "+string(w.req.Origin)+" has it")
		case f.In != inner && !legacy:
			w.b = append(append(jsonedit.AppendQuoted(append(w.b, ','), f.Name), ':'), f.Value...)
		}
	}
	if t.Cache != nil {
		w.cachePoint(*t.Cache, t.At)
	}
	w.b = append(w.b, '}')
}

// cachePoint adds a cache point to the object that is open.
func (w *requestWriter) cachePoint(p canon.CachePoint, path string) {
	switch {
	case w.own && p.TTL == explicitTTL:
		w.raw("prompt_cache_breakpoint", []byte(`{"mode":"explicit"}`))
	case !w.takes(canon.WhatCachePoint):
		w.lose(canon.WhatCachePoint, path, "the upstream caches as it sees fit")
	default:
		w.raw("cache_control", []byte(`{"type":"ephemeral"`))
		switch ttl := p.TTL; {
		case ttl == 0:
		case ttl%3600e9 == 0:
			w.str("ttl", strings.TrimSuffix(ttl.String(), "0m0s"))
		case ttl == explicitTTL:
			w.change(canon.WhatCacheTTL, path, "the upstream has other lives of a cache than half an hour")
		default:
			w.str("ttl", strings.TrimSuffix(ttl.String(), "0s"))
		}
		w.b = append(w.b, '}')
	}
}

// searches reports whether the model searches the web when asked to: OpenAI's search models do, and what
// the upstream is known for. https://developers.openai.com/api/docs/guides/tools-web-search, read 2026-11-20.
func (w *requestWriter) searches() bool {
	return w.to.Takes(canon.WhatToolHosted) || strings.Contains(w.to.Model, "-search-preview") || strings.Contains(w.to.Model, "-search-api")
}

// search writes web_search_options.
func (w *requestWriter) search(t *canon.Tool) {
	if t.Raw != nil && w.own && t.At == "web_search_options" {
		w.raw("web_search_options", t.Raw)
		return
	}
	h := t.Hosted
	for _, f := range t.Extra {
		if f.Idle {
			continue
		}
		w.lose(canon.WhatToolExtra, t.At+"."+f.Name, "only "+string(w.req.Origin)+" has it")
	}
	if len(h.Allowed)+len(h.Blocked) > 0 || h.MaxUses > 0 {
		w.change(canon.WhatToolHosted, t.At, "the upstream searches any domain, as often as it likes")
	}
	w.b = append(key(w.b, "web_search_options"), '{')
	if h.ContextSize != "" {
		w.str("search_context_size", h.ContextSize)
	}
	if h.City+h.Region+h.Country+h.Timezone != "" {
		w.b = append(key(w.b, "user_location"), `{"type":"approximate","approximate":{`...)
		for _, m := range [...]struct{ name, value string }{{"country", h.Country}, {"region", h.Region}, {"city", h.City}, {"timezone", h.Timezone}} {
			if m.value != "" {
				w.str(m.name, m.value)
			}
		}
		w.b = append(w.b, "}}"...)
	}
	w.b = append(w.b, '}')
}

// toolChoice writes whether a tool must be called; n tools were written.
func (w *requestWriter) toolChoice(c canon.ToolChoice, n int) {
	switch {
	case c.Mode == "":
		return
	case n == 0: // then the member itself is refused
		if !w.own && (c.Mode == canon.ToolRequired || c.Mode == canon.ToolNamed) {
			w.lose(canon.WhatToolChoice, "", "no tool is left to be called")
		}
		if !w.own {
			return
		}
	}
	if c.Mode == canon.ToolNamed {
		i := slices.IndexFunc(w.req.Tools, func(t canon.Tool) bool { return t.Name == c.Name && (w.own || t.Raw == nil && t.Hosted == nil) })
		if i < 0 && !w.own {
			w.lose(canon.WhatToolChoice, "", "the upstream does not have the tool "+c.Name)
			return
		}
		w.b = append(key(w.b, "tool_choice"), '{')
		w.named(c.Name)
		w.b = append(w.b, '}')
		return
	}
	if len(c.Allowed) == 0 || !w.takes(canon.WhatToolAllowed) {
		w.str("tool_choice", string(c.Mode)) // auto, required and none are called so
		return
	}
	w.b = append(key(w.b, "tool_choice"), `{"type":"allowed_tools","allowed_tools":{"mode":`...)
	w.b = jsonedit.AppendQuoted(w.b, string(c.Mode))
	w.b = append(w.b, `,"tools":[`...)
	for i, name := range c.Allowed {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = append(w.b, '{')
		w.named(name)
		w.b = append(w.b, '}')
	}
	w.b = append(w.b, "]}}"...)
}

// named writes the members that name a tool.
func (w *requestWriter) named(name string) {
	kind := "function"
	if w.customs == nil {
		w.customs = map[string]bool{}
		for i := range w.req.Tools {
			if t := &w.req.Tools[i]; t.Custom {
				w.customs[t.Name] = true
			}
		}
	}
	if w.customs[name] && w.takes(canon.WhatToolCustom) {
		kind = "custom"
	}
	w.str("type", kind)
	w.b = append(key(w.b, kind), '{')
	w.str("name", name)
	w.b = append(w.b, '}')
}
