package openai

import (
	"encoding/json"
	"mime"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonpull"
	"tollgate/internal/jsonedit"
)

// Request reads the members of a request one by one. The first thing wrong is kept and everything
// after it reads as absent, so that readers need no error handling of their own.
type Request struct {
	Origin canon.Dialect
	Out    *canon.Request
	Err    *canon.Error
}

// Begin starts a request; the returned result is its object. raw has passed jsonedit.Scan, so it is
// not checked again.
func Begin(origin canon.Dialect, raw []byte) (*Request, gjson.Result) {
	q := &Request{Origin: origin, Out: &canon.Request{}}
	body := gjson.ParseBytes(raw) // a copy, which owns the memory of all that is read
	if !body.IsObject() {
		q.Fail("", "The request body must be one JSON object.")
	}
	return q, body
}

// Fail keeps the first thing that is wrong.
func (q *Request) Fail(path, format string, args ...any) {
	if q.Err == nil {
		q.Err = Invalid(path, format, args...)
	}
}

// Done returns what was read.
func (q *Request) Done() (*canon.Request, error) {
	if q.Err != nil {
		return nil, q.Err
	}
	return q.Out, nil
}

func (q *Request) want(path, what string, v gjson.Result) {
	q.Fail(path, "Invalid type for '%s': expected %s, but got %s.", path, what, kindOf([]byte(v.Raw)))
}

// Absent reports whether v says nothing.
func Absent(v gjson.Result) bool { return !v.Exists() || v.Type == gjson.Null }

// String reads a string.
func (q *Request) String(path string, v gjson.Result) string {
	switch {
	case Absent(v):
		return ""
	case v.Type != gjson.String:
		q.want(path, "a string", v)
		return ""
	}
	return v.Str
}

// Text reads the string called name of the object v; "" if it is absent.
func (q *Request) Text(path string, v gjson.Result, name string) string {
	m := Member(v, name)
	if m.Type == gjson.String {
		return m.Str
	}
	return q.String(path+"."+name, m)
}

// Named refuses what stands at path if it has no name.
func (q *Request) Named(path, name string) {
	if name == "" {
		q.Fail(path+".name", "Missing required parameter: '%s.name'.", path)
	}
}

// Float reads a number; nil if it is absent.
func (q *Request) Float(path string, v gjson.Result) *float64 {
	switch {
	case Absent(v):
		return nil
	case v.Type != gjson.Number:
		q.want(path, "a number", v)
		return nil
	}
	f := v.Num
	return &f
}

// Int reads an integer; nil if it is absent.
func (q *Request) Int(path string, v gjson.Result) *int64 {
	f := q.Float(path, v)
	if f == nil {
		return nil
	}
	p := jsonpull.NewString(v.Raw)
	n := p.Int()
	if *f != float64(n) {
		q.want(path, "an integer", v)
		return nil
	}
	return &n
}

// Count reads an integer that is 0 if it is absent.
func (q *Request) Count(path string, v gjson.Result) int64 {
	if n := q.Int(path, v); n != nil {
		return *n
	}
	return 0
}

// Bool reads a boolean; nil if it is absent.
func (q *Request) Bool(path string, v gjson.Result) *bool {
	switch {
	case Absent(v):
		return nil
	case v.Type != gjson.True && v.Type != gjson.False:
		q.want(path, "a boolean", v)
		return nil
	}
	b := v.Type == gjson.True
	return &b
}

// Strings reads a string, or an array of strings.
func (q *Request) Strings(path string, v gjson.Result) (out []string) {
	switch {
	case Absent(v):
	case v.Type == gjson.String:
		out = []string{v.Str}
	case v.IsArray():
		q.Each(path, v, func(at string, e gjson.Result) {
			if e.Type != gjson.String {
				q.want(at, "a string", e)
			}
			out = append(out, e.Str)
		})
	default:
		q.want(path, "a string or an array of strings", v)
	}
	return out
}

// Each calls f with each element of the array v and its path, until something is wrong.
func (q *Request) Each(path string, v gjson.Result, f func(path string, v gjson.Result)) {
	switch {
	case Absent(v):
		return
	case !v.IsArray():
		q.want(path, "an array", v)
		return
	}
	p := jsonpull.NewChecked(v.Raw)
	p.Array()
	for i := 0; q.Err == nil && p.Element(); i++ {
		f(path+"["+strconv.Itoa(i)+"]", next(&p))
	}
}

// Members calls f with each member of the object v, until something is wrong.
func (q *Request) Members(path string, v gjson.Result, f func(name string, v gjson.Result)) {
	switch {
	case Absent(v):
		return
	case !v.IsObject():
		q.want(path, "an object", v)
		return
	}
	p := jsonpull.NewChecked(v.Raw)
	p.Object()
	for q.Err == nil && p.Member() {
		name := p.Name
		f(name, next(&p))
	}
}

// Field is a member of an object.
type Field struct {
	Name  string
	Value gjson.Result
}

// Fields returns the members of the object v, for who must know one before another.
func (q *Request) Fields(path string, v gjson.Result) []Field {
	list := make([]Field, 0, 4)
	q.Members(path, v, func(name string, v gjson.Result) { list = append(list, Field{name, v}) })
	return list
}

// Find returns the value called name, which does not exist if there is none.
func Find(list []Field, name string) gjson.Result {
	for i := range list {
		if list[i].Name == name {
			return list[i].Value
		}
	}
	return gjson.Result{}
}

// next takes the next value. Objects and arrays are left to be read; unlike gjson's own loops, this one
// looks only for where they end.
func next(p *jsonpull.Parser) gjson.Result {
	kind := p.Kind()
	var v gjson.Result
	if kind == '"' {
		v.Type = gjson.String
		v.Raw, v.Str = p.Text()
	} else {
		v.Raw = p.Raw()
	}
	if v.Raw == "" { // no JSON
		return gjson.Result{}
	}
	switch kind {
	case '"':
	case '0':
		v.Type = gjson.Number
		v.Num, _ = strconv.ParseFloat(v.Raw, 64) // infinite if it is too large
	case 't':
		v.Type = gjson.True
	case 'f':
		v.Type = gjson.False
	case 'n':
		v.Type = gjson.Null
	default:
		v.Type = gjson.JSON
	}
	return v
}

// Member returns the member of v called name, a value that does not exist if v is no object or has none.
func Member(v gjson.Result, name string) gjson.Result {
	if !v.IsObject() {
		return gjson.Result{}
	}
	p := jsonpull.NewChecked(v.Raw)
	p.Object()
	for p.Member() {
		if p.Name == name {
			return next(&p)
		}
		p.Skip()
	}
	return gjson.Result{}
}

// Extra keeps the member called name that canon has no word for. in is the path of the member that it stands
// in, the rest of which has a word; "" at the top.
func (q *Request) Extra(in, name string, v gjson.Result) {
	if !Absent(v) {
		q.Out.Extra = append(q.Out.Extra, Extra(in, name, v))
	}
}

// Extra is a member that canon has no word for.
func Extra(in, name string, v gjson.Result) canon.Field {
	f := canon.Field{Name: name, In: in, Value: json.RawMessage(v.Raw)}
	if in != "" {
		f.Name = in + "." + name
	}
	f.Idle = canon.Idle(f.Value, defaults[f.Name]...)
	return f
}

// defaults are values of members without a word in canon that ask for what every vendor does anyway: OpenAI's, and
// those of vendors that speak its dialects. https://developers.openai.com/api/reference, read 2026-11-20;
// https://openrouter.ai/docs/api-reference/parameters and https://docs.vllm.ai/en/latest/api/, read 2026-11-20.
var defaults = map[string][]string{
	"modalities":                 {`["text"]`},
	"logit_bias":                 {`{}`},
	"best_of":                    {`1`},
	"prompt_cache_retention":     {`"in_memory"`, `"in-memory"`},
	"min_p":                      {`0`, `0.0`},
	"top_a":                      {`0`, `0.0`},
	"min_tokens":                 {`0`},
	"repetition_penalty":         {`1`, `1.0`},
	"length_penalty":             {`1`, `1.0`},
	"ignore_eos":                 {`false`},
	"use_beam_search":            {`false`},
	"include_stop_str_in_output": {`false`},
	"return_token_ids":           {`false`},
	"safe_prompt":                {`false`},
	"defer_loading":              {`false`},
}

// Foreign keeps a block that canon has no word for.
func (q *Request) Foreign(raw string) canon.Foreign {
	return canon.Foreign{Dialect: q.Origin, Raw: json.RawMessage(raw)}
}

// Arguments returns a tool call's input as JSON. It arrives as a string of JSON; what is none stays
// a JSON string, as the input of a custom tool is one too.
func Arguments(s string) json.RawMessage {
	if strings.TrimSpace(s) == "" {
		return json.RawMessage("{}")
	}
	p := jsonpull.NewString(s)
	if p.Skip(); p.End() == nil {
		return json.RawMessage(s)
	}
	return jsonedit.Quote(s)
}

// Safety reads safety_identifier once all else is read: the newer name of user, whose other half is
// prompt_cache_key. Where both are said and differ, canon has a word for the older one alone.
func (q *Request) Safety(v gjson.Result) {
	const name = "safety_identifier"
	switch s := q.String(name, v); {
	case s == "" || s == q.Out.User:
	case q.Out.User == "":
		q.Out.User = s
		q.Out.Name(canon.WhatUser, name)
	default:
		q.Extra("", name, v)
	}
}

// Format reads a format of type json_schema, whose members stand in v, besides the one called beside.
func (q *Request) Format(path, beside string, v gjson.Result) *canon.Format {
	f := &canon.Format{}
	q.Members(path, v, func(name string, v gjson.Result) {
		switch name {
		case "name":
			f.Name = q.String(path+".name", v)
		case "schema":
			if !Absent(v) {
				f.Schema = json.RawMessage(v.Raw)
			}
		case "description":
			f.Description = q.String(path+".description", v)
		case "strict":
			f.Strict = q.Bool(path+".strict", v)
		case beside:
		default:
			q.Extra(path, name, v)
		}
	})
	return f
}

// ToolMode reads a tool_choice that is a word; ok is false if it is none of them.
func ToolMode(word string) (m canon.ToolMode, ok bool) {
	switch word {
	case "auto":
		return canon.ToolAuto, true
	case "none":
		return canon.ToolNone, true
	case "required", "any": // the latter is Mistral's
		return canon.ToolRequired, true
	}
	return "", false
}

// Effort reads a level of reasoning.
func Effort(level string) *canon.Effort {
	if level == "" {
		return nil
	}
	return &canon.Effort{Level: level, Disabled: level == "none"}
}

// Located fills in where the bytes of m are: inline for a data: URL, else at the URL.
func Located(m canon.Media, url string) canon.Media {
	if typ, data, ok := DataURL(url); ok {
		m.Data = data
		if m.MIME == "" {
			m.MIME = typ
		}
	} else {
		m.URL = url
	}
	return m
}

// DataURL splits a data: URL in base64.
func DataURL(url string) (typ, data string, ok bool) {
	rest, ok := strings.CutPrefix(url, "data:")
	if !ok {
		return "", "", false
	}
	head, data, ok := strings.Cut(rest, ",")
	if !ok {
		return "", "", false
	}
	head, ok = strings.CutSuffix(head, ";base64")
	if !ok {
		return "", "", false
	}
	if typ, _, err := mime.ParseMediaType(head); err == nil {
		return typ, data, true
	}
	return head, data, true
}

// AudioMIME is the media type of a format as input_audio names it.
func AudioMIME(format string) string {
	switch format {
	case "":
		return ""
	case "mp3":
		return "audio/mpeg"
	case "pcm16":
		return "audio/pcm"
	}
	return "audio/" + format
}
