package gemini

import (
	"slices"
	"strings"

	"tollgate/internal/canon"
)

// tools writes tools: the functions as one of Google's, then each built-in one as its own.
func (o *outgoing) tools() {
	functions := o.functions()
	if len(o.req.Tools) == 0 {
		return
	}
	before := len(o.b)
	o.name("tools")
	o.b = append(o.b, '[')
	empty := len(o.b)
	if functions > 0 {
		o.b = append(o.b, `{"functionDeclarations":[`...)
		for i := range o.req.Tools {
			if t := &o.req.Tools[i]; t.Raw == nil && t.Hosted == nil {
				o.function(t)
			}
		}
		o.b = append(o.b, "]}"...)
	}
	said := map[canon.HostedKind]bool{}
	for i := range o.req.Tools {
		t := &o.req.Tools[i]
		switch {
		case t.Raw == nil && t.Hosted == nil:
			continue
		case o.home && t.Raw != nil:
			o.comma()
			o.b = append(o.b, t.Raw...)
			continue
		case t.Hosted == nil:
			o.lose(canon.WhatToolHosted, t.At, "only the vendor of the API that the caller speaks runs it")
		case functions > 0:
			// Newer models take both with includeServerSideToolInvocations, but then want parts sent back that
			// clients of other dialects have no place for: https://ai.google.dev/gemini-api/docs/tool-combination, read 2026-11-21.
			o.lose(canon.WhatToolHosted, t.At, "Gemini models run no tools of their own in a call that brings functions")
		case said[t.Hosted.Kind]:
			o.lose(canon.WhatToolHosted, t.At, "Gemini models have one tool of the kind, and it is named before")
		default:
			said[t.Hosted.Kind] = true
			o.hosted(t)
		}
		if t.Cache != nil {
			o.lose(canon.WhatCachePoint, t.At, "Google's cache finds common beginnings by itself")
		}
	}
	if len(o.b) == empty {
		o.b = o.b[:before]
		return
	}
	o.b = append(o.b, ']')
}

// functions counts the functions among the tools.
func (o *outgoing) functions() (n int) {
	for i := range o.req.Tools {
		if t := &o.req.Tools[i]; t.Raw == nil && t.Hosted == nil {
			n++
		}
	}
	return n
}

// function writes a function. Its schema is sent as it is: parametersJsonSchema is JSON Schema.
func (o *outgoing) function(t *canon.Tool) {
	description, schema := t.Description, t.Schema
	if t.Custom {
		description, schema = canon.CustomFunction(*t)
		o.change(canon.WhatToolCustom, t.At, "Gemini models call tools with JSON only: it becomes a function with the parameter input")
	}
	o.comma()
	o.b = append(o.b, '{')
	o.str("name", t.Name)
	if description != "" {
		o.str("description", description)
	}
	if schema != nil {
		o.raw("parametersJsonSchema", schema)
	}
	for _, f := range t.Extra {
		if !o.home {
			if !f.Idle {
				o.lose(canon.WhatToolExtra, within(t.At, f.Name), "only the API that the caller speaks has it")
			}
			continue
		}
		o.comma()
		o.b = append(appendString(o.b, f.Name), ':')
		o.b = append(o.b, f.Value...)
	}
	o.b = append(o.b, '}')
	if t.Strict != nil && *t.Strict {
		o.lose(canon.WhatToolStrict, t.At, "Gemini models do not promise to keep to the schema of a function")
	}
	if t.Cache != nil {
		o.lose(canon.WhatCachePoint, t.At, "Google's cache finds common beginnings by itself")
	}
}

// within returns the path of the member name of what stands at path.
func within(path, name string) string {
	if path == "" || strings.HasPrefix(name, path) {
		return name
	}
	return path + "." + name
}

// hosted writes a built-in tool that another vendor has too.
func (o *outgoing) hosted(t *canon.Tool) {
	name := ""
	switch h := t.Hosted; h.Kind {
	case canon.HostedWebSearch:
		name = "googleSearch"
	case canon.HostedWebFetch:
		name = "urlContext"
	case canon.HostedCode:
		name = "codeExecution"
	default:
		o.lose(canon.WhatToolHosted, t.At, "Google has no such tool")
		return
	}
	o.comma()
	o.b = append(append(append(o.b, `{"`...), name...), `":{}}`...)
	h := t.Hosted
	var without []string
	for _, f := range [...]struct {
		name string
		said bool
	}{
		{"the domains allowed", len(h.Allowed) > 0},
		{"the domains blocked", len(h.Blocked) > 0},
		{"the limit of uses", h.MaxUses > 0},
		{"the size of the context", h.ContextSize != ""},
		{"the user's place", h.City+h.Region+h.Country+h.Timezone != ""},
	} {
		if f.said {
			without = append(without, f.name)
		}
	}
	if without != nil {
		o.change(canon.WhatToolHosted, t.At, "it is run without "+strings.Join(without, ", "))
	}
	for _, f := range t.Extra {
		if f.Idle {
			continue
		}
		o.lose(canon.WhatToolExtra, within(t.At, f.Name), "only the API that the caller speaks has it")
	}
}

// toolConfig writes whether functions must be called, and which may be.
func (o *outgoing) toolConfig() {
	o.object("toolConfig", func() {
		o.object("functionCallingConfig", func() {
			o.calling()
			o.extrasIn("toolConfig.functionCallingConfig")
		})
		o.extrasIn("toolConfig")
	})
}

// choosesHosted reports whether the tool that must be called is one that the vendor runs.
func (o *outgoing) choosesHosted(choice canon.ToolChoice) bool {
	return !o.home && choice.Mode == canon.ToolNamed && slices.ContainsFunc(o.req.Tools, func(t canon.Tool) bool {
		return t.Name == choice.Name && (t.Raw != nil || t.Hosted != nil)
	}) && !slices.ContainsFunc(o.req.Tools, func(t canon.Tool) bool { return t.Name == choice.Name && t.Raw == nil && t.Hosted == nil })
}

func (o *outgoing) calling() {
	choice := o.req.ToolChoice
	if choice.Mode == "" {
		return
	}
	if o.functions() == 0 && !o.home { // Google refuses the setting then
		if choice.Mode == canon.ToolRequired || choice.Mode == canon.ToolNamed {
			o.lose(canon.WhatToolChoice, "", "Gemini models can be made to call functions only")
		}
		return
	}
	if o.choosesHosted(choice) {
		o.lose(canon.WhatToolChoice, "", "Gemini models can be made to call functions only")
		return
	}
	mode, allowed := "AUTO", choice.Allowed
	switch choice.Mode {
	case canon.ToolNone:
		mode, allowed = "NONE", nil
	case canon.ToolRequired:
		mode = "ANY"
	case canon.ToolNamed:
		mode, allowed = "ANY", []string{choice.Name}
	case canon.ToolAuto:
		if len(allowed) > 0 {
			mode = "VALIDATED" // the automatic mode that can be limited; it keeps to the schemas besides
		}
	}
	if !o.hasExtra("toolConfig.functionCallingConfig", "mode") {
		o.str("mode", mode)
	}
	if len(allowed) > 0 {
		o.strings("allowedFunctionNames", allowed)
	}
}
