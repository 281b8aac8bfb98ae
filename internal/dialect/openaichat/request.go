package openaichat

import (
	"encoding/json"
	"strings"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/openai"
)

// ReadRequest reads a whole request.
func (*Protocol) ReadRequest(op canon.Op, raw []byte) (*canon.Request, error) {
	q, body := openai.Begin(canon.OpenAIChat, raw)
	q.Out.Origin = canon.OpenAIChat
	switch {
	case q.Err != nil:
	case op == canon.OpEmbed || op == canon.OpModerate || op == canon.OpComplete:
		readInput(q, op, body)
	default:
		readChat(q, body)
	}
	return q.Done()
}

// Refuse returns why a request can't be answered in another dialect. Several prompts would be several
// calls, and which text tokens stand for only their own model knows.
func (*Protocol) Refuse(op canon.Op, req *canon.Request) *canon.Error {
	member := "input"
	switch op {
	case canon.OpComplete:
		member = "prompt"
		if len(req.Turns) == 0 {
			return openai.Invalid(member, "The channels left for this model need a 'prompt': they have nothing to go on from without one.")
		}
		if len(req.Turns) > 1 {
			return openai.Invalid(member, "The channels left for this model answer one prompt per call. Send the prompts one by one.")
		}
	case canon.OpEmbed:
	case canon.OpModerate:
		return canon.Errorf(canon.KindUnsupported, "No channel of this model has a moderation endpoint.")
	default:
		return nil
	}
	for _, t := range req.Turns {
		for _, b := range t.Blocks {
			if _, ok := b.(canon.Foreign); ok {
				return openai.Invalid(member, "The channels left for this model take '%s' as text, not as tokens.", member)
			}
		}
	}
	return nil
}

// late is what can be told only when all members are read.
type late struct {
	safety   gjson.Result // safety_identifier
	logProbs *bool
	top      *int64
}

// readChat reads a chat completion.
func readChat(q *openai.Request, body gjson.Result) {
	messages := false
	var l late
	q.Members("", body, func(name string, v gjson.Result) {
		switch name {
		case "messages":
			messages = true
			q.Each(name, v, func(path string, v gjson.Result) { readMessage(q, path, v) })
		case "tools":
			q.Each(name, v, func(path string, v gjson.Result) { readTool(q, path, v) })
		case "functions": // what tools was before 2023-11; of them at most one is called at once
			q.Each(name, v, func(path string, v gjson.Result) {
				q.Out.Tools = append(q.Out.Tools, readFunction(q, canon.Tool{At: path}, path, "", v))
			})
			if one := false; len(q.Out.Tools) > 0 && q.Out.ParallelTools == nil {
				q.Out.ParallelTools = &one
				q.Out.Name(canon.WhatParallelTools, name)
			}
		case "web_search_options":
			if v.IsObject() {
				q.Out.Tools = append(q.Out.Tools, canon.Tool{
					Name: name, Raw: json.RawMessage(v.Raw), Hosted: readSearch(v), At: name, Extra: hostedRest(q, name, v, canon.HostedWebSearch),
				})
			}
		case "tool_choice", "function_call":
			readToolChoice(q, name, v)
			if name == "function_call" {
				q.Out.Name(canon.WhatToolChoice, name)
			}
		case "parallel_tool_calls":
			if on := q.Bool(name, v); on != nil {
				q.Out.ParallelTools = on
				q.Out.Name(canon.WhatParallelTools, "")
			}
		case "response_format":
			readFormat(q, name, v)
		case "reasoning_effort":
			if e := openai.Effort(q.String(name, v)); e != nil {
				level(q, e)
				q.Out.Name(canon.WhatEffort, "")
				q.Out.Name(canon.WhatNoReasoning, "")
			}
		case "reasoning":
			readReasoning(q, name, v)
		case "include_reasoning": // OpenRouter's older form
			show(q, q.Bool(name, v))
			q.Out.Name(canon.WhatThoughts, name)
		case "verbosity":
			q.Out.Verbosity = q.String(name, v)
		case "logprobs":
			l.logProbs = q.Bool(name, v)
		case "top_logprobs":
			l.top = q.Int(name, v)
		default:
			readCommon(q, &l, name, v)
		}
	})
	if !messages {
		q.Fail("messages", "Missing required parameter: 'messages'.")
	}
	if l.logProbs != nil && *l.logProbs {
		n := 0
		if l.top != nil {
			n = int(min(max(*l.top, 0), 1<<20))
		}
		q.Out.LogProbs = &n
	}
	l.done(q)
}

func (l *late) done(q *openai.Request) {
	q.Safety(l.safety)
}

// readCommon reads what chat and its older relatives share.
func readCommon(q *openai.Request, l *late, name string, v gjson.Result) {
	out := q.Out
	switch name {
	case "model":
		out.Model = q.String(name, v)
	case "stream":
		b := q.Bool(name, v)
		out.Stream = b != nil && *b
	case "stream_options": // about the frames of this dialect alone, nothing for another to lose
	case "max_completion_tokens":
		if n := q.Count(name, v); n != 0 {
			out.MaxOutput = n
			out.Name(canon.WhatMaxOutput, "")
		}
	case "max_tokens": // the older name; the newer wins where both are
		if n := q.Count(name, v); n != 0 && out.MaxOutput == 0 {
			out.MaxOutput = n
			out.Name(canon.WhatMaxOutput, name)
		}
	case "n":
		out.N = int(q.Count(name, v))
	case "temperature":
		out.Temperature = q.Float(name, v)
	case "top_p":
		out.TopP = q.Float(name, v)
	case "top_k": // not OpenAI's, but known to most vendors of the dialect
		out.TopK = q.Int(name, v)
	case "stop":
		out.Stop = q.Strings(name, v)
	case "seed":
		out.Seed = q.Int(name, v)
	case "presence_penalty":
		out.PresencePenalty = q.Float(name, v)
	case "frequency_penalty":
		out.FrequencyPenalty = q.Float(name, v)
	case "user":
		out.User = q.String(name, v)
	case "safety_identifier":
		l.safety = v
	case "service_tier":
		out.Tier = q.String(name, v)
	case "store":
		out.Store = q.Bool(name, v)
	case "previous_response_id": // not OpenAI's here, but vendors have it
		out.PreviousID = q.String(name, v)
	case "prompt_cache_key":
		out.CacheKey = q.String(name, v)
	case "metadata":
		if v.IsObject() {
			q.Members(name, v, func(key string, v gjson.Result) {
				out.Metadata = append(out.Metadata, canon.Field{Name: key, Value: json.RawMessage(v.Raw)})
			})
		} else {
			q.Extra("", name, v)
		}
	default:
		q.Extra("", name, v)
	}
}

func effort(q *openai.Request) *canon.Effort {
	if q.Out.Reasoning == nil {
		q.Out.Reasoning = &canon.Effort{}
	}
	return q.Out.Reasoning
}

func level(q *openai.Request, said *canon.Effort) {
	e := effort(q)
	e.Level, e.Disabled = said.Level, said.Disabled
	if e.Disabled {
		e.Level = ""
	}
}

func show(q *openai.Request, on *bool) {
	switch {
	case on == nil:
	case *on:
		effort(q).Show = canon.ThoughtsShown
	default:
		effort(q).Show = canon.ThoughtsHidden
	}
}

// readReasoning reads OpenRouter's form. https://openrouter.ai/docs/use-cases/reasoning-tokens, read 2026-11-20.
func readReasoning(q *openai.Request, path string, v gjson.Result) {
	var enabled *bool
	q.Members(path, v, func(name string, v gjson.Result) {
		at := path + "." + name
		switch name {
		case "effort":
			if e := openai.Effort(q.String(at, v)); e != nil {
				level(q, e)
				q.Out.Name(canon.WhatEffort, at)
				q.Out.Name(canon.WhatNoReasoning, at)
			}
		case "max_tokens":
			if n := q.Count(at, v); n > 0 {
				effort(q).Budget = n
			}
		case "enabled":
			enabled = q.Bool(at, v)
		case "exclude":
			if out := q.Bool(at, v); out != nil {
				shown := !*out
				show(q, &shown)
			}
		default:
			q.Extra(path, name, v)
		}
	})
	switch {
	case enabled == nil:
	case !*enabled:
		effort(q).Disabled = true
		q.Out.Name(canon.WhatNoReasoning, path+".enabled")
	case effort(q).Level == "" && effort(q).Budget == 0:
		effort(q).Level = "medium" // what "enabled" stands for
		q.Out.Name(canon.WhatEffort, path+".enabled")
	}
}

func readFormat(q *openai.Request, path string, v gjson.Result) {
	if openai.Absent(v) {
		return
	}
	if !v.IsObject() {
		q.Fail(path, "Invalid type for '%s': expected an object.", path)
		return
	}
	kind, schema := q.String(path+".type", openai.Member(v, "type")), openai.Member(v, "json_schema")
	switch {
	case kind == "text" && !others(v, "type"):
		return
	case kind == "json_object":
		q.Out.Format = &canon.Format{}
	case kind == "json_schema" && !openai.Absent(schema):
		q.Out.Format = q.Format(path+".json_schema", "", schema)
	default:
		q.Extra("", path, v)
		return
	}
	q.Members(path, v, func(name string, v gjson.Result) {
		if name != "type" && (name != "json_schema" || kind != name) {
			q.Extra(path, name, v)
		}
	})
}

// readInput reads what only has text to read: the prompts of a legacy completion, the inputs of
// embeddings and moderations. Each prompt is a turn; text that is already tokens is foreign.
func readInput(q *openai.Request, op canon.Op, body gjson.Result) {
	member := "input"
	if op == canon.OpComplete {
		member = "prompt"
	}
	turn := func(path string, b canon.Block) {
		q.Out.Turns = append(q.Out.Turns, canon.Turn{Role: canon.RoleUser, At: path, Blocks: []canon.Block{b}})
	}
	var l late
	q.Members("", body, func(name string, v gjson.Result) {
		if name != member {
			if !readOlder(q, op, name, v) {
				readCommon(q, &l, name, v)
			}
			return
		}
		switch {
		case openai.Absent(v):
		case v.Type == gjson.String:
			turn(name, canon.Text{Text: v.Str})
		case !v.IsArray():
			q.Fail(name, "Invalid type for '%s': expected a string or an array.", name)
		case v.Get("0").Type == gjson.Number:
			turn(name, q.Foreign(v.Raw))
		case op == canon.OpModerate && v.Get("0").IsObject(): // one input of several parts
			parts := readContent(q, name, v)
			q.Out.Turns = append(q.Out.Turns, canon.Turn{Role: canon.RoleUser, At: name, Blocks: parts.list, Paths: parts.paths})
		default:
			q.Each(name, v, func(path string, e gjson.Result) {
				if e.Type == gjson.String {
					turn(path, canon.Text{Text: e.Str})
				} else {
					turn(path, q.Foreign(e.Raw))
				}
			})
		}
	})
	l.done(q)
	if op != canon.OpComplete && len(q.Out.Turns) == 0 { // a completion may begin at nothing
		q.Fail(member, "Missing required parameter: '%s'.", member)
	}
}

// readOlder reads a member that only legacy completions or embeddings have.
func readOlder(q *openai.Request, op canon.Op, name string, v gjson.Result) bool {
	switch op {
	case canon.OpComplete:
		switch name {
		case "echo":
			on := q.Bool(name, v)
			q.Out.Echo = on != nil && *on
			return true
		case "logprobs":
			if n := q.Int(name, v); n != nil {
				top := int(min(max(*n, 0), 1<<20))
				q.Out.LogProbs = &top
			}
			return true
		case "suffix":
			if v.Type == gjson.String && v.Str == "" {
				return true
			}
		}
	case canon.OpEmbed:
		switch name {
		case "dimensions":
			q.Out.Dimensions = q.Count(name, v)
			return true
		case "encoding_format":
			switch word := q.String(name, v); word {
			case "", "float":
			case "base64":
				q.Out.Packed = true
			default: // int8 and binary, of vendors
				q.Extra("", name, v)
			}
			return true
		}
	default:
	}
	return false
}

// isLegacy reports whether a request calls its tools by the names of before 2023-11.
func isLegacy(req *canon.Request) bool {
	return req != nil && len(req.Tools) > 0 && strings.HasPrefix(req.Tools[0].At, "functions[")
}
