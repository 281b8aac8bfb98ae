package openairesponses

import (
	"encoding/json"
	"slices"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/openai"
)

// The values of include that canon has its own words for: Request.WantsSeals, which others need not be asked for,
// and Request.LogProbs.
const (
	includeSeals    = "reasoning.encrypted_content"
	includeLogProbs = "message.output_text.logprobs"
)

// atInstructions is the path of the instructions, which unlike the rest of a request do not carry over
// to a response that continues it.
const atInstructions = "instructions"

// ReadRequest reads a whole request: for a response, or for the count of its tokens.
func (*Protocol) ReadRequest(op canon.Op, raw []byte) (*canon.Request, error) {
	if op != canon.OpGenerate && op != canon.OpCountTokens {
		return nil, canon.Errorf(canon.KindInvalid, "An operation on a stored response has no request to read.")
	}
	q, body := openai.Begin(canon.OpenAIResponses, raw)
	if q.Err != nil {
		return q.Done()
	}
	out := q.Out
	out.Origin = canon.OpenAIResponses
	var safety gjson.Result
	q.Members("", body, func(name string, v gjson.Result) {
		switch name {
		case "model":
			out.Model = q.String(name, v)
		case "stream":
			b := q.Bool(name, v)
			out.Stream = b != nil && *b
		case "stream_options": // about the frames of this dialect alone, nothing for another to lose
		case "instructions":
			readInstructions(q, name, v)
		case "input":
			out.Home = json.RawMessage(v.Raw)
			readInput(q, name, v)
		case "tools":
			q.Each(name, v, func(path string, v gjson.Result) { readTool(q, path, v, "") })
		case "tool_choice":
			readToolChoice(q, name, v)
		case "parallel_tool_calls":
			out.ParallelTools = q.Bool(name, v)
		case "text":
			readText(q, name, v)
		case "reasoning":
			readEffort(q, name, v)
		case "safety_identifier":
			safety = v
		default:
			readSetting(q, name, v)
		}
	})
	q.Safety(safety)
	// Tools that the input brought stand behind the others, so that the beginning of a request, which a
	// vendor may have cached, stays the same while a conversation goes on.
	slices.SortStableFunc(out.Tools, func(a, b canon.Tool) int { return boolInt(inInput(a)) - boolInt(inInput(b)) })
	return q.Done()
}

// inInput reports whether a tool stood in an item of the input.
func inInput(t canon.Tool) bool {
	return t.Home != nil && (t.Home.Kind == homeFound || t.Home.Kind == homeAdditional)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// readSetting reads what is one value.
func readSetting(q *openai.Request, name string, v gjson.Result) {
	out := q.Out
	switch name {
	case "max_output_tokens":
		out.MaxOutput = q.Count(name, v)
	case "temperature":
		out.Temperature = q.Float(name, v)
	case "top_p":
		out.TopP = q.Float(name, v)
	case "top_logprobs":
		if n := q.Int(name, v); n != nil && *n != 0 { // 0 asks for none beside the chosen ones, which include asks for
			k := int(*n)
			out.LogProbs = &k
		}
	case "include":
		readInclude(q, name, v)
	case "user":
		out.User = q.String(name, v)
	case "service_tier":
		out.Tier = q.String(name, v)
	case "prompt_cache_key":
		out.CacheKey = q.String(name, v)
	case "store":
		out.Store = q.Bool(name, v)
	case "previous_response_id":
		out.PreviousID = q.String(name, v)
	case "metadata":
		q.Members(name, v, func(tag string, v gjson.Result) {
			if q.String(name+"."+tag, v); !openai.Absent(v) {
				out.Metadata = append(out.Metadata, canon.Field{Name: tag, Value: json.RawMessage(v.Raw)})
			}
		})
	case "background":
		if b := q.Bool(name, v); b != nil && *b {
			q.Extra("", name, v)
		}
	case "truncation":
		if s := q.String(name, v); s != "disabled" { // the default, of every dialect
			q.Extra("", name, v)
		}
	default:
		q.Extra("", name, v)
	}
}

// readInstructions reads what stands before all input.
func readInstructions(q *openai.Request, path string, v gjson.Result) {
	if v.IsArray() { // items, when a stored prompt is echoed
		q.Extra("", path, v)
		return
	}
	if s := q.String(path, v); s != "" {
		q.Out.System = append([]canon.Block{canon.Text{Text: s}}, q.Out.System...)
		q.Out.SystemPaths = append([]string{path}, q.Out.SystemPaths...)
	}
}

// readInclude reads what else the answer shall contain.
func readInclude(q *openai.Request, path string, v gjson.Result) {
	rest := false
	for _, s := range q.Strings(path, v) {
		switch s {
		case includeSeals:
			q.Out.WantsSeals = true
		case includeLogProbs:
			if q.Out.LogProbs == nil {
				q.Out.LogProbs = new(int)
			}
		default:
			rest = true
		}
	}
	if rest {
		q.Extra("", path, v)
	}
}

// readText reads text: the format of the answer, and how much it shall say.
func readText(q *openai.Request, path string, v gjson.Result) {
	q.Members(path, v, func(name string, v gjson.Result) {
		at := path + "." + name
		switch {
		case name == "verbosity":
			q.Out.Verbosity = q.String(at, v)
			return
		case name != "format" || openai.Absent(v):
			q.Extra(path, name, v)
			return
		case !v.IsObject():
			q.Fail(at, "Invalid type for '%s': expected an object.", at)
			return
		}
		switch kind := q.String(at+".type", openai.Member(v, "type")); {
		case kind == "text" && len(q.Fields(at, v)) == 1:
		case kind == "json_object":
			q.Out.Format = &canon.Format{}
			q.Members(at, v, func(name string, v gjson.Result) {
				if name != "type" {
					q.Extra(at, name, v)
				}
			})
		case kind == "json_schema":
			q.Out.Format = q.Format(at, "type", v)
		default:
			q.Extra(path, name, v)
		}
	})
}

func readEffort(q *openai.Request, path string, v gjson.Result) {
	if openai.Absent(v) {
		return
	}
	var e canon.Effort
	q.Members(path, v, func(name string, v gjson.Result) {
		at := path + "." + name
		switch name {
		case "effort":
			if said := openai.Effort(q.String(at, v)); said != nil {
				e.Level, e.Disabled = said.Level, said.Disabled
			}
		case "summary", "generate_summary": // the latter is the older name
			if name == "generate_summary" {
				q.Out.Name(canon.WhatThoughts, at)
			}
			switch q.String(at, v) {
			case "":
			case "auto":
				e.Show = canon.ThoughtsShown
			default: // concise, detailed: shown, and how is a word of this dialect alone
				e.Show = canon.ThoughtsShown
				q.Extra(path, name, v)
			}
		default:
			q.Extra(path, name, v)
		}
	})
	if e != (canon.Effort{}) {
		q.Out.Reasoning = &e
	}
}
