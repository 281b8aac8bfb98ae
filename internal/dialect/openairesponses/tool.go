package openairesponses

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/openai"
)

// The forms in which tools stand elsewhere than as a function of its own (canon.Home.Kind). Codex 0.169
// sends them all but the first; recorded 2026-11-21.
const (
	homeAdditional = "additional_tools"   // in an item of the input
	homeFound      = "tool_search_output" // in the result of a search for tools: they go home with that item
	homeNamespace  = "namespace"          // in a group
	homeSearch     = "tool_search"        // the client's search for tools
)

// maxName is the length of a function's name that every dialect takes.
const maxName = 64

// flatName is the name of a tool of a group where there are no groups. Calls in the history are named
// the same way, so it follows from the two names alone.
func flatName(group, name string) string {
	switch {
	case group == "":
		return name
	case strings.HasSuffix(group, "__"):
		name = group + name
	default:
		name = group + "__" + name
	}
	if len(name) <= maxName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return strings.ToValidUTF8(name[:maxName-9], "") + "_" + hex.EncodeToString(sum[:4])
}

// readTool reads a tool: a function, flat here, a custom tool, a group of both, or one of OpenAI's own. home
// is the Kind of those that stand elsewhere than among tools; "" for these.
func readTool(q *openai.Request, path string, v gjson.Result, home string) {
	if !v.IsObject() {
		q.Fail(path, "Invalid type for '%s': expected an object.", path)
		return
	}
	kind := q.Text(path, v, "type")
	if kind == "namespace" {
		readNamespace(q, path, v, home)
		return
	}
	t, ok := readOne(q, path, kind, v)
	if ok && home != "" {
		t.Home = &canon.Home{Kind: home, Name: t.Name, Raw: json.RawMessage(v.Raw)}
	}
	q.Out.Tools = append(q.Out.Tools, t)
}

// readNamespace reads a group of tools as tools of their own, each with the group in its name.
func readNamespace(q *openai.Request, path string, v gjson.Result, home string) {
	group := q.Text(path, v, "name")
	about := q.Text(path, v, "description")
	q.Named(path, group)
	if home == "" {
		home = homeNamespace
	}
	raw := json.RawMessage(v.Raw) // one for all, however many they are
	first := true
	q.Each(path+".tools", openai.Member(v, "tools"), func(path string, e gjson.Result) {
		if !e.IsObject() {
			q.Fail(path, "Invalid type for '%s': expected an object.", path)
			return
		}
		t, _ := readOne(q, path, q.Text(path, e, "type"), e)
		t.Home = &canon.Home{Kind: home, Group: group, Name: t.Name, Raw: raw}
		t.Name = flatName(group, t.Name)
		if group := v; first { // what else is said of the group, once
			first = false
			toolRest(q, path, group, &t, "type", "name", "description", "tools")
		}
		if about != "" { // what is said of the group, once, where a model will read it
			t.Description = strings.TrimSpace(about + "\n\n" + t.Description)
			about = ""
		}
		q.Out.Tools = append(q.Out.Tools, t)
	})
}

// readOne reads a tool that is no group. callable is false for one of OpenAI's own.
func readOne(q *openai.Request, path, kind string, v gjson.Result) (t canon.Tool, callable bool) {
	switch kind {
	case "function":
		t, callable = readFunction(q, path, v), true
	case "custom":
		t, callable = readCustom(q, path, v), true
	case "tool_search":
		if t, callable = readSearch(q, path, v); !callable {
			t = canon.Tool{Name: kind, Raw: json.RawMessage(v.Raw)}
		}
	case "":
		q.Fail(path+".type", "Missing required parameter: '%s.type'.", path)
	default:
		t = canon.Tool{Name: kind, Raw: json.RawMessage(v.Raw)}
		readHosted(q, path, kind, v, &t)
	}
	t.At = path
	return t, callable
}

func readFunction(q *openai.Request, path string, v gjson.Result) canon.Tool {
	var t canon.Tool
	q.Members(path, v, func(name string, v gjson.Result) {
		switch name {
		case "name":
			t.Name = q.String(path+".name", v)
		case "description":
			t.Description = q.String(path+".description", v)
		case "parameters":
			if !openai.Absent(v) {
				t.Schema = json.RawMessage(v.Raw)
			}
		case "strict":
			t.Strict = q.Bool(path+".strict", v)
		case "type":
		default:
			toolExtra(&t, name, v)
		}
	})
	q.Named(path, t.Name)
	return t
}

func toolExtra(t *canon.Tool, name string, v gjson.Result) {
	if !openai.Absent(v) {
		t.Extra = append(t.Extra, openai.Extra("", name, v))
	}
}

func readCustom(q *openai.Request, path string, v gjson.Result) canon.Tool {
	t := canon.Tool{Custom: true}
	q.Members(path, v, func(name string, v gjson.Result) {
		switch name {
		case "name":
			t.Name = q.String(path+".name", v)
		case "description":
			t.Description = q.String(path+".description", v)
		case "format":
			switch q.String(path+".format.type", openai.Member(v, "type")) {
			case "text":
			case "grammar":
				t.Grammar = &canon.Grammar{
					Syntax:     q.String(path+".format.syntax", openai.Member(v, "syntax")),
					Definition: q.String(path+".format.definition", openai.Member(v, "definition")),
				}
			default:
				toolExtra(&t, name, v)
			}
		case "type":
		default:
			toolExtra(&t, name, v)
		}
	})
	q.Named(path, t.Name)
	return t
}

// readSearch reads the search for tools that the client runs itself. One that OpenAI runs is its own.
func readSearch(q *openai.Request, path string, v gjson.Result) (canon.Tool, bool) {
	if q.Text(path, v, "execution") != "client" {
		return canon.Tool{}, false
	}
	t := canon.Tool{Name: homeSearch, Description: q.Text(path, v, "description")}
	if p := openai.Member(v, "parameters"); p.IsObject() {
		t.Schema = json.RawMessage(p.Raw)
	}
	t.Home = &canon.Home{Kind: homeSearch, Name: homeSearch, Raw: json.RawMessage(v.Raw)}
	toolRest(q, path, v, &t, "type", "execution", "description", "parameters")
	return t, true
}

// readHosted reads a tool that OpenAI runs and others run too.
func readHosted(q *openai.Request, path, kind string, v gjson.Result, t *canon.Tool) {
	switch {
	case strings.HasPrefix(kind, "web_search"): // also web_search_preview, and both with a date behind them
		h := canon.Hosted{Kind: canon.HostedWebSearch, ContextSize: q.Text(path, v, "search_context_size")}
		h.Allowed = q.Strings(path+".filters.allowed_domains", v.Get("filters.allowed_domains"))
		h.Blocked = q.Strings(path+".filters.blocked_domains", v.Get("filters.blocked_domains"))
		where := openai.Member(v, "user_location")
		for name, to := range map[string]*string{"city": &h.City, "region": &h.Region, "country": &h.Country, "timezone": &h.Timezone} {
			*to = q.String(path+".user_location."+name, where.Get(name))
		}
		t.Hosted = &h
		toolRest(q, path, v, t, "type", "search_context_size", "filters", "user_location")
	case kind == "code_interpreter":
		t.Hosted = &canon.Hosted{Kind: canon.HostedCode}
		known := "container"
		if c := openai.Member(v, known); c.Type == gjson.String || len(q.Fields(path+".container", objectOf(c))) > 1 {
			known = "" // one of the client's own, or with files or bounds
		}
		toolRest(q, path, v, t, "type", known)
	}
}

// toolRest keeps the members of v that are not known.
func toolRest(q *openai.Request, path string, v gjson.Result, t *canon.Tool, known ...string) {
	q.Members(path, v, func(name string, v gjson.Result) {
		if !slices.Contains(known, name) {
			toolExtra(t, name, v)
		}
	})
}

// objectOf is v if it is an object, else nothing.
func objectOf(v gjson.Result) gjson.Result {
	if v.IsObject() {
		return v
	}
	return gjson.Result{}
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
	case v.IsObject():
		switch name := chosen(v); {
		case name != "":
			q.Out.ToolChoice = canon.ToolChoice{Mode: canon.ToolNamed, Name: name}
		case openai.Member(v, "type").Str == "allowed_tools":
			readAllowed(q, path, v)
		default:
			q.Extra("", path, v) // hosted tools
		}
	default:
		q.Fail(path, "Invalid type for '%s': expected a string or an object.", path)
	}
}

// chosen is the name of the function or custom tool that v chooses; "" if it is none.
func chosen(v gjson.Result) string {
	if kind := openai.Member(v, "type").Str; kind != "function" && kind != "custom" {
		return ""
	}
	return flatName(openai.Member(v, "namespace").Str, openai.Member(v, "name").Str)
}

// readAllowed reads the only tools that may be called. If one of them is no function, all go home as they are.
func readAllowed(q *openai.Request, path string, v gjson.Result) {
	mode, ok := openai.ToolMode(q.Text(path, v, "mode"))
	if !ok {
		mode = canon.ToolAuto
	}
	c := canon.ToolChoice{Mode: mode}
	all := true
	q.Each(path+".tools", openai.Member(v, "tools"), func(_ string, v gjson.Result) {
		name := chosen(v)
		all = all && name != ""
		c.Allowed = append(c.Allowed, name)
	})
	if !all || len(c.Allowed) == 0 {
		q.Extra("", path, v)
		return
	}
	q.Out.ToolChoice = c
}
