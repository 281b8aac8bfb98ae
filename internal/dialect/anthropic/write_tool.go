package anthropic

import (
	"encoding/json"
	"strconv"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonfield"
	"tollgate/internal/jsonedit"
)

// maxToolName is the longest name of a tool that the API takes.
const maxToolName = 128

// outTool is one tool as it will be written.
type outTool struct {
	tool        *canon.Tool
	raw         []byte // whole, if it isn't the client's own
	description string
	schema      json.RawMessage
	strict      *bool
	cache       *cachePoint
}

// gatherTools takes the tools, or of them those that may be called.
func (w *requestWriter) gatherTools() {
	choice := w.req.ToolChoice
	var only map[string]bool
	if (choice.Mode == canon.ToolAuto || choice.Mode == canon.ToolRequired) && len(choice.Allowed) > 0 {
		w.change(canon.WhatToolAllowed, "", "tools that may not be called are left out")
		only = make(map[string]bool, len(choice.Allowed))
		for _, name := range choice.Allowed {
			only[name] = true
		}
	}
	for i := range w.req.Tools {
		t := &w.req.Tools[i]
		if only != nil && !only[t.Name] && (t.Hosted == nil || !only[string(t.Hosted.Kind)]) {
			continue
		}
		w.gatherTool(t)
	}
}

func (w *requestWriter) gatherTool(t *canon.Tool) {
	out := outTool{tool: t, description: t.Description, schema: t.Schema, strict: t.Strict}
	switch {
	case t.Raw != nil && w.home:
		out.raw = t.Raw
	case t.Hosted != nil:
		out.raw = w.hostedTool(t)
	case t.Raw != nil:
		w.lose(canon.WhatToolHosted, t.At, "the upstream has no tool like "+strings.ToValidUTF8(clip(t.Name), ""))
		return
	default:
		if t.Custom {
			out.description, out.schema = canon.CustomFunction(*t)
			w.change(canon.WhatToolCustom, t.At, "a tool that takes free text becomes one that takes a string")
			if w.customs == nil {
				w.customs = map[string]bool{}
			}
			w.customs[t.Name] = true
		}
		if !w.home {
			if !validName(t.Name, maxToolName) {
				w.fail(t.At, "has the name %q; the upstream takes letters, digits, _ and -, at most %d", clip(t.Name), maxToolName)
				return
			}
			out.schema = w.toolSchema(t, out.schema)
			if t.Strict != nil && !*t.Strict {
				out.strict = nil // what holds where nothing is said
			} else if t.Strict != nil && !strictSchema(out.schema) {
				out.strict = nil
				w.change(canon.WhatToolStrict, t.At, "the upstream can't hold the model to all that the schema demands, so it doesn't to any of it")
			}
		}
	}
	if !w.home {
		for _, f := range t.Extra {
			if f.Idle {
				continue
			}
			w.lose(canon.WhatToolExtra, t.At+"."+f.Name, "the upstream's tools have nothing like it")
		}
	}
	if t.Cache != nil {
		out.cache = &cachePoint{ttl: t.Cache.TTL, path: t.At}
		w.points = append(w.points, out.cache)
	}
	w.tools = append(w.tools, out)
}

// hostedTool writes a tool that the vendor runs, in the oldest form that all models take: web_search_20250305,
// web_fetch_20250910 and code_execution_20250825 of anthropic-sdk-go v1.84.0, read 2026-11-21. It leaves
// the object open.
func (w *requestWriter) hostedTool(t *canon.Tool) []byte {
	h := t.Hosted
	var dst []byte
	switch h.Kind {
	case canon.HostedWebSearch:
		dst = append(dst, `{"type":"web_search_20250305","name":"web_search"`...)
	case canon.HostedWebFetch:
		dst = append(dst, `{"type":"web_fetch_20250910","name":"web_fetch"`...)
	case canon.HostedCode:
		dst = append(dst, `{"type":"code_execution_20250825","name":"code_execution"`...)
		return dst
	}
	if h.MaxUses > 0 {
		dst = append(dst, `,"max_uses":`...)
		dst = strconv.AppendInt(dst, h.MaxUses, 10)
	}
	blocked := h.Blocked
	if len(h.Allowed) > 0 && len(blocked) > 0 {
		w.change(canon.WhatToolHosted, t.At, "either allowed or blocked domains can be said; the allowed ones are")
		blocked = nil
	}
	dst = appendDomains(dst, "allowed_domains", h.Allowed)
	dst = appendDomains(dst, "blocked_domains", blocked)
	if h.ContextSize != "" && h.ContextSize != "medium" {
		w.change(canon.WhatToolHosted, t.At, "how much of what is found is read can't be said")
	}
	if h.City+h.Region+h.Country+h.Timezone == "" {
		return dst
	}
	if h.Kind != canon.HostedWebSearch {
		w.change(canon.WhatToolHosted, t.At, "where the user is can't be said")
		return dst
	}
	dst = append(dst, `,"user_location":{"type":"approximate"`...)
	for _, f := range [...]struct{ name, value string }{{"city", h.City}, {"region", h.Region}, {"country", h.Country}, {"timezone", h.Timezone}} {
		if f.value != "" {
			dst = append(append(append(dst, `,"`...), f.name...), `":`...)
			dst = jsonedit.AppendQuoted(dst, f.value)
		}
	}
	return append(dst, '}')
}

func appendDomains(dst []byte, name string, domains []string) []byte {
	if len(domains) == 0 {
		return dst
	}
	dst = append(append(append(dst, `,"`...), name...), `":[`...)
	for i, d := range domains {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonedit.AppendQuoted(dst, d)
	}
	return append(dst, ']')
}

// toolSchema returns a schema that the API takes: it must be of an object and may not be a choice of
// several at its top. Below the top nothing is touched.
func (w *requestWriter) toolSchema(t *canon.Tool, schema json.RawMessage) json.RawMessage {
	raw := strings.TrimSpace(string(schema))
	if raw == "" || raw == "null" || raw == "true" || raw == "{}" {
		return json.RawMessage(emptySchema)
	}
	o, err := jsonfield.ReadObject(raw)
	if err != nil {
		w.fail(t.At, "has a schema that is no JSON object")
		return nil
	}
	kind, choice := o.Find("type"), false
	for _, m := range o {
		choice = choice || m.Name == "anyOf" || m.Name == "oneOf" || m.Name == "allOf"
	}
	switch {
	case choice:
		w.change(canon.WhatToolSchema, t.At, "a schema may not be a choice of several at its top: their properties are joined")
		return joinSchemas(o)
	case kind == `"object"`:
		return schema
	case kind == "", strings.HasPrefix(kind, "["):
		if kind != "" && !strings.Contains(kind, `"object"`) {
			break
		}
		out := append(make([]byte, 0, len(raw)+18), `{"type":"object"`...)
		return append(appendRest(out, json.RawMessage(raw), "type"), '}')
	}
	w.fail(t.At, "has a schema whose type is not object")
	return nil
}

// joinSchemas makes one schema of an object of several: all properties of all, none of them required.
func joinSchemas(o jsonfield.Object) json.RawMessage {
	dst := []byte(`{"type":"object"`)
	props := []byte(`{`)
	seen := map[string]bool{}
	join := func(object jsonfield.Object) {
		inner, err := jsonfield.ReadObject(object.Find("properties"))
		if err != nil {
			return // none
		}
		for _, m := range inner {
			if !seen[m.Name] {
				seen[m.Name] = true
				props = appendMember(props, canon.Field{Name: m.Name, Value: json.RawMessage(m.Raw)})
			}
		}
	}
	join(o)
	for _, m := range o {
		switch m.Name {
		case "anyOf", "oneOf", "allOf":
			list, err := jsonfield.Array(m.Raw)
			if err != nil {
				continue
			}
			for _, one := range list {
				if branch, err := jsonfield.ReadObject(one); err == nil {
					join(branch)
				}
			}
		case "type", "properties":
		default:
			dst = appendMember(dst, canon.Field{Name: m.Name, Value: json.RawMessage(m.Raw)})
		}
	}
	dst = append(dst, `,"properties":`...)
	dst = append(dst, props...)
	return append(dst, "}}"...)
}

func (w *requestWriter) appendTools(dst []byte) []byte {
	if len(w.tools) == 0 {
		return dst
	}
	dst = append(dst, `,"tools":[`...)
	for i := range w.tools {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = w.appendTool(dst, &w.tools[i])
	}
	return append(dst, ']')
}

func (w *requestWriter) appendTool(dst []byte, t *outTool) []byte {
	if t.raw != nil {
		dst = append(dst, t.raw...)
		if w.home {
			return dst // with its own cache_control
		}
		return append(appendPoint(dst, t.cache), '}')
	}
	dst = append(dst, `{"name":`...)
	dst = jsonedit.AppendQuoted(dst, t.tool.Name)
	if t.description != "" {
		dst = append(dst, `,"description":`...)
		dst = jsonedit.AppendQuoted(dst, t.description)
	}
	if t.schema != nil {
		dst = append(dst, `,"input_schema":`...)
		dst = append(dst, t.schema...)
	}
	if t.strict != nil {
		dst = append(dst, `,"strict":`...)
		dst = strconv.AppendBool(dst, *t.strict)
	}
	if w.home {
		for _, f := range t.tool.Extra {
			dst = appendMember(dst, f)
		}
	}
	return append(appendPoint(dst, t.cache), '}')
}

// appendToolChoice says which tools must be called. Without tools nothing may be said.
func (w *requestWriter) appendToolChoice(dst []byte) []byte {
	c := w.req.ToolChoice
	parallel := w.req.ParallelTools
	if (len(w.tools) == 0 || w.madeUp) && !w.home {
		if c.Mode == canon.ToolRequired || c.Mode == canon.ToolNamed {
			w.lose(canon.WhatToolChoice, "", "there is no tool to be called")
		}
		if w.madeUp {
			dst = append(dst, `,"tool_choice":{"type":"none"}`...)
		}
		return dst
	}
	word := ""
	switch c.Mode {
	case canon.ToolAuto:
		word = "auto"
	case canon.ToolRequired:
		word = "any"
	case canon.ToolNone:
		word = "none"
	case canon.ToolNamed:
		word = "tool"
	default:
		if parallel == nil {
			return dst
		}
		word = "auto"
	}
	dst = append(dst, `,"tool_choice":{"type":"`...)
	dst = append(dst, word...)
	dst = append(dst, '"')
	if c.Mode == canon.ToolNamed {
		dst = append(dst, `,"name":`...)
		dst = jsonedit.AppendQuoted(dst, w.choiceName(c.Name))
	}
	switch {
	case parallel == nil:
	case c.Mode == canon.ToolNone:
		w.lose(canon.WhatParallelTools, "", "where no tool may be called, nothing is said of several")
	default:
		dst = append(dst, `,"disable_parallel_tool_use":`...)
		dst = strconv.AppendBool(dst, !*parallel)
	}
	dst = w.appendExtras(dst, "tool_choice")
	return append(dst, '}')
}

// choiceName is the name of the tool that must be called: of a tool that vendors run, its name here.
func (w *requestWriter) choiceName(name string) string {
	for i := range w.tools {
		if t := w.tools[i].tool; t.Name == name && t.Hosted != nil && !w.home {
			return hostedName(t.Hosted.Kind)
		}
	}
	return name
}

func hostedName(kind canon.HostedKind) string {
	if kind == canon.HostedCode {
		return "code_execution"
	}
	return string(kind)
}

// forced reports whether the model must call a tool.
func (w *requestWriter) forced() bool {
	m := w.req.ToolChoice.Mode
	return (m == canon.ToolRequired || m == canon.ToolNamed) && len(w.tools) > 0 && !w.madeUp
}

// makeUpTools names the tools that were called earlier, where a client no longer offers any: the API
// refuses calls and results in a request without tools ("… must define tools"). None can be called.
func (w *requestWriter) makeUpTools() {
	if len(w.tools) > 0 {
		return
	}
	named := map[string]bool{}
	for i := range w.turns {
		for _, p := range w.turns[i].pieces {
			use, ok := p.b.(canon.ToolUse)
			if !ok || named[use.Name] {
				continue
			}
			named[use.Name] = true
			if !w.madeUp {
				w.madeUp = true
				w.change(canon.WhatTool, "", "tools that were called must be offered again; they are named, and none may be called")
			}
			w.tools = append(w.tools, outTool{tool: &canon.Tool{Name: use.Name}, schema: json.RawMessage(emptySchema)})
		}
	}
}

// emptySchema is that of a tool without parameters, or with any.
const emptySchema = `{"type":"object","properties":{}}`
