package anthropic

import (
	"encoding/json"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonfield"
	"tollgate/internal/jsonedit"
)

// strictSchema reports whether the API can hold a model to all that a schema demands. What it can't it
// refuses.
func strictSchema(schema json.RawMessage) bool {
	f := fitting{}
	f.schema(string(schema), 0)
	return !f.changed && !f.deep
}

// fitSchema returns schema without what the API refuses where it holds the model to it, and whether that
// changed what it demands.
//
// Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs (JSON Schema
// limitations), as quoted 2025-11 to 2026-05 by those who use it, read 2026-11-21: objects must be closed
// and numbers, lengths and counts can't be bounded. The SDKs leave the same out.
func fitSchema(schema json.RawMessage) (fit json.RawMessage, changed bool) {
	f := fitting{}
	out := f.schema(string(schema), 0)
	if f.deep || !f.changed {
		return schema, f.changed
	}
	return json.RawMessage(out), true
}

type fitting struct {
	changed bool
	deep    bool
}

// maxSchemaDepth bounds how deep a schema is looked into.
const maxSchemaDepth = 100

func (f *fitting) schema(raw string, depth int) string {
	o, err := jsonfield.ReadObject(raw)
	if err != nil {
		return raw // true and false are schemas too
	}
	if depth > maxSchemaDepth {
		f.deep = true
		return raw
	}
	dst := make([]byte, 0, len(raw)+32)
	dst = append(dst, '{')
	object, closed := false, false
	for _, m := range o {
		value := m.Raw
		switch m.Name {
		case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "maxItems", "uniqueItems",
			"minProperties", "maxProperties", "patternProperties", "propertyNames", "contains", "minContains", "maxContains", "if", "then", "else", "not":
			f.changed = true
			continue
		case "minItems":
			if value != "0" && value != "1" {
				f.changed = true
				continue
			}
		case "type":
			object = object || strings.Contains(value, `"object"`)
		case "properties", "$defs", "definitions":
			object = object || m.Name == "properties"
			value = f.each(value, depth)
		case "items":
			value = f.schema(value, depth+1)
		case "anyOf", "allOf":
			value = f.list(value, depth)
		case "oneOf":
			f.changed = true
			m.Name, value = "anyOf", f.list(value, depth)
		case "additionalProperties":
			closed = true
			if value != "false" {
				f.changed = true
				value = "false"
			}
		}
		dst = appendMember(dst, canon.Field{Name: m.Name, Value: json.RawMessage(value)})
	}
	if object && !closed {
		f.changed = true
		dst = appendMember(dst, canon.Field{Name: "additionalProperties", Value: json.RawMessage("false")})
	}
	return string(append(dst, '}'))
}

// each fits the schemas of an object's members.
func (f *fitting) each(raw string, depth int) string {
	o, err := jsonfield.ReadObject(raw)
	if err != nil {
		return raw
	}
	dst := []byte{'{'}
	for _, m := range o {
		dst = appendMember(dst, canon.Field{Name: m.Name, Value: json.RawMessage(f.schema(m.Raw, depth+1))})
	}
	return string(append(dst, '}'))
}

func (f *fitting) list(raw string, depth int) string {
	list, err := jsonfield.Array(raw)
	if err != nil {
		return raw
	}
	dst := []byte{'['}
	for i, one := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, f.schema(one, depth+1)...)
	}
	return string(append(dst, ']'))
}

// appendOutputConfig says effort and format.
func (w *requestWriter) appendOutputConfig(dst []byte) []byte {
	from := len(dst)
	dst = append(dst, `,"output_config":{`...)
	empty := len(dst)
	if w.think.effort != "" {
		dst = append(dst, `"effort":`...)
		dst = jsonedit.AppendQuoted(dst, w.think.effort)
	}
	if f := w.req.Format; f != nil && f.Schema != nil {
		dst = w.appendFormat(dst, f)
	}
	dst = w.appendExtras(dst, "output_config")
	if len(dst) == empty {
		return dst[:from]
	}
	return append(dst, '}')
}

func (w *requestWriter) appendFormat(dst []byte, f *canon.Format) []byte {
	schema := f.Schema
	if f.Name != "" {
		w.lose(canon.WhatFormatName, "", "formats have no name there")
	} else if f.Description != "" && member(string(schema), "description") != "" {
		w.lose(canon.WhatFormatName, "", "formats have no description there but the schema's own")
	}
	if !w.home {
		if f.Strict != nil && !*f.Strict {
			w.change(canon.WhatFormatStrict, "", "a model is always held to the schema there")
		}
		var changed bool
		if schema, changed = fitSchema(schema); changed {
			w.change(canon.WhatFormatSchema, "", "objects are closed there, and bounds of numbers, lengths and counts can't be demanded")
		}
		schema = described(schema, f.Description)
	}
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, `"format":{"type":"json_schema","schema":`...)
	dst = append(dst, schema...)
	dst = w.appendExtras(dst, "output_config.format")
	dst = w.appendExtras(dst, "output_format")
	return append(dst, '}')
}

// described puts a description into a schema that has none.
func described(schema json.RawMessage, description string) json.RawMessage {
	if description == "" || len(schema) < 2 || schema[0] != '{' || member(string(schema), "description") != "" {
		return schema
	}
	dst := append(make([]byte, 0, len(schema)+len(description)+20), '{')
	dst = appendMember(dst, canon.Field{Name: "description", Value: jsonedit.Quote(description)})
	return append(appendRest(dst, schema, ""), '}')
}
