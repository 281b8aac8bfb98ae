package openairesponses

import (
	"tollgate/internal/canon"
)

// text writes the format of the answer and how much it shall say.
func (w *requestWriter) text() {
	f, inner := w.req.Format, w.within("text")
	if f == nil && w.req.Verbosity == "" && len(inner) == 0 {
		return
	}
	w.name("text")
	w.b = append(w.b, '{')
	if f != nil {
		w.format(f)
	}
	if w.req.Verbosity != "" {
		w.str("verbosity", w.req.Verbosity)
	}
	w.fields(inner)
	w.b = append(w.b, '}')
}

func (w *requestWriter) format(f *canon.Format) {
	w.name("format")
	inner := w.within("text.format")
	if f.Schema == nil && f.Name == "" {
		w.b = append(w.b, `{"type":"json_object"`...)
		w.fields(inner)
		w.b = append(w.b, '}')
		return
	}
	name := f.Name
	if name == "" {
		name = "answer" // the API demands one, which the model hardly sees
	}
	w.b = append(w.b, `{"type":"json_schema"`...)
	if clean(name) != name && !w.home {
		w.change(canon.WhatFormatName, "", "letters, digits, _ and -, at most 64, are what the Responses API takes")
		name = clean(name)
	}
	w.str("name", name)
	if f.Description != "" {
		w.str("description", f.Description)
	}
	if f.Schema != nil {
		w.raw("schema", string(f.Schema))
	}
	if f.Strict != nil {
		w.bool("strict", *f.Strict)
	}
	w.fields(inner)
	w.b = append(w.b, '}')
}

// fields writes members that canon has no word for into the object that they stand in.
func (w *requestWriter) fields(list []canon.Field) {
	for _, f := range list {
		w.raw(f.Own(), string(f.Value))
	}
}

// clean makes a name of a schema one that OpenAI takes: letters, digits, _ and -, at most 64.
func clean(name string) string {
	b := []byte(name)
	for i, c := range b {
		if !nameByte(c) {
			b[i] = '_'
		}
	}
	return string(b[:min(len(b), maxName)])
}

func nameByte(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == '-'
}

// within returns the members without a word in canon that stand in the member at path, which has one.
func (w *requestWriter) within(path string) (list []canon.Field) {
	if !w.home {
		return nil
	}
	for _, f := range w.req.Extra {
		if f.In == path {
			list = append(list, f)
		}
	}
	return list
}
