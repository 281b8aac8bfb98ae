package openaichat

import (
	"encoding/json"
	"strings"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/openai"
)

// readTool reads a function, a custom tool, or one of a vendor's own.
func readTool(q *openai.Request, path string, v gjson.Result) {
	var kind string
	var function, custom gjson.Result
	t := canon.Tool{At: path}
	q.Members(path, v, func(name string, v gjson.Result) {
		switch name {
		case "type":
			kind = q.String(path+".type", v)
		case "function":
			function = v
		case "custom":
			custom = v
		case "cache_control":
			if p, ok := cachePoint(v); ok {
				t.Cache = &p
			}
		default:
			t.Extra = append(t.Extra, openai.Extra("", name, v))
		}
	})
	switch {
	case kind == "custom" && custom.IsObject():
		readCustom(q, &t, path+".custom", custom)
	case kind != "" && kind != "function":
		t = canon.Tool{At: path, Name: kind, Raw: json.RawMessage(v.Raw), Hosted: hosted(kind, v)}
		if t.Hosted != nil {
			t.Extra = hostedRest(q, path, v, t.Hosted.Kind)
		}
	case openai.Absent(function):
		q.Fail(path+".function", "Missing required parameter: '%s.function'.", path)
		return
	default:
		t = readFunction(q, t, path+".function", "function", function)
	}
	q.Out.Tools = append(q.Out.Tools, t)
}

// readFunction reads the object that has name, description, parameters and strict. Members without a
// word of canon's are kept in Extra, within the member in.
func readFunction(q *openai.Request, t canon.Tool, path, in string, v gjson.Result) canon.Tool {
	q.Members(path, v, func(name string, v gjson.Result) {
		at := path + "." + name
		switch name {
		case "name":
			t.Name = q.String(at, v)
		case "description":
			t.Description = q.String(at, v)
		case "parameters":
			if !openai.Absent(v) {
				t.Schema = json.RawMessage(v.Raw)
			}
		case "strict":
			t.Strict = q.Bool(at, v)
		default:
			if p, ok := cachePoint(v); ok && name == "cache_control" {
				t.Cache = &p
			} else if !openai.Absent(v) {
				t.Extra = append(t.Extra, openai.Extra(in, name, v))
			}
		}
	})
	q.Named(path, t.Name)
	return t
}

// readCustom reads a custom tool: openai/openai-python, types/chat/chat_completion_custom_tool_param.py, read 2026-11-20.
func readCustom(q *openai.Request, t *canon.Tool, path string, v gjson.Result) {
	t.Custom = true
	q.Members(path, v, func(name string, v gjson.Result) {
		at := path + "." + name
		switch name {
		case "name":
			t.Name = q.String(at, v)
		case "description":
			t.Description = q.String(at, v)
		case "format":
			if openai.Member(v, "type").Str == "text" {
				return
			}
			if g := openai.Member(v, "grammar"); openai.Member(g, "definition").Type == gjson.String {
				t.Grammar = &canon.Grammar{Syntax: openai.Member(g, "syntax").Str, Definition: openai.Member(g, "definition").Str}
				return
			}
			t.Extra = append(t.Extra, openai.Extra("custom", name, v))
		default:
			if !openai.Absent(v) {
				t.Extra = append(t.Extra, openai.Extra("custom", name, v))
			}
		}
	})
	q.Named(path, t.Name)
}

// hosted says what a vendor's own tool is in words that several share; nil: one of a kind.
func hosted(kind string, v gjson.Result) *canon.Hosted {
	switch kind = strings.TrimPrefix(kind, "openrouter:"); {
	case kind == "web_search", strings.HasPrefix(kind, "web_search_preview"), strings.HasPrefix(kind, "web_search_20"):
		return readSearch(v)
	case kind == "web_fetch", strings.HasPrefix(kind, "web_fetch_20"):
		return &canon.Hosted{Kind: canon.HostedWebFetch}
	case kind == "code_interpreter", strings.HasPrefix(kind, "code_execution"):
		return &canon.Hosted{Kind: canon.HostedCode}
	}
	return nil
}

// hostedRest is what a vendor's own tool says beyond canon's words for it.
func hostedRest(q *openai.Request, path string, v gjson.Result, kind canon.HostedKind) (rest []canon.Field) {
	q.Members(path, v, func(name string, v gjson.Result) {
		switch name {
		case "type", "name":
			return
		case "search_context_size", "max_uses", "user_location", "allowed_domains", "blocked_domains", "filters":
			if kind == canon.HostedWebSearch {
				return
			}
		}
		if !openai.Absent(v) {
			rest = append(rest, openai.Extra("", name, v))
		}
	})
	return rest
}

// readSearch reads web_search_options, or a tool like it.
// openai/openai-python, types/chat/completion_create_params.py (WebSearchOptions), read 2026-11-20.
func readSearch(v gjson.Result) *canon.Hosted {
	h := &canon.Hosted{Kind: canon.HostedWebSearch, ContextSize: v.Get("search_context_size").String(), MaxUses: v.Get("max_uses").Int()}
	where := openai.Member(v, "user_location")
	if inner := where.Get("approximate"); inner.IsObject() {
		where = inner
	}
	h.City, h.Region = where.Get("city").String(), where.Get("region").String()
	h.Country, h.Timezone = where.Get("country").String(), where.Get("timezone").String()
	for _, path := range [...]string{"allowed_domains", "filters.allowed_domains"} {
		for _, d := range v.Get(path).Array() {
			h.Allowed = append(h.Allowed, d.String())
		}
	}
	for _, path := range [...]string{"blocked_domains", "filters.blocked_domains"} {
		for _, d := range v.Get(path).Array() {
			h.Blocked = append(h.Blocked, d.String())
		}
	}
	return h
}

func readToolChoice(q *openai.Request, path string, v gjson.Result) {
	switch {
	case openai.Absent(v):
	case v.Type == gjson.String:
		if m, ok := openai.ToolMode(v.Str); ok {
			q.Out.ToolChoice.Mode = m
		} else {
			q.Extra("", path, v)
		}
	case !v.IsObject():
		q.Fail(path, "Invalid type for '%s': expected a string or an object.", path)
	default:
		name := v.Get("function.name")
		if path == "function_call" {
			name = openai.Member(v, "name")
		} else if c := v.Get("custom.name"); c.Exists() {
			name = c
		}
		if name.Type == gjson.String && name.Str != "" {
			q.Out.ToolChoice = canon.ToolChoice{Mode: canon.ToolNamed, Name: name.Str}
		} else if !readAllowed(q, v) {
			q.Extra("", path, v)
		}
	}
}

// readAllowed reads the choice of some tools of all: openai/openai-python,
// types/chat/chat_completion_allowed_tools_param.py, read 2026-11-20.
func readAllowed(q *openai.Request, v gjson.Result) bool {
	a := openai.Member(v, "allowed_tools")
	mode, ok := openai.ToolMode(openai.Member(a, "mode").Str)
	if openai.Member(v, "type").Str != "allowed_tools" || !ok || mode == canon.ToolNone {
		return false
	}
	c := canon.ToolChoice{Mode: mode}
	for _, t := range a.Get("tools").Array() {
		name := t.Get("function.name")
		if !name.Exists() {
			name = t.Get("custom.name")
		}
		if name.Type != gjson.String || name.Str == "" {
			return false
		}
		c.Allowed = append(c.Allowed, name.Str)
	}
	if len(c.Allowed) == 0 {
		return false
	}
	q.Out.ToolChoice = c
	return true
}
