package dialecttest

import (
	"bytes"
	"encoding/json"
	"reflect"
	"time"

	"tollgate/internal/canon"
)

// dump renders v as indented JSON with what is zero left out and the type of each block named.
func dump(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(plain(reflect.ValueOf(v))); err != nil {
		return err.Error()
	}
	return b.String()
}

// flat is dump on one line.
func flat(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(plain(reflect.ValueOf(v))); err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(b.Bytes()))
}

// plain turns a value into maps, slices and scalars. Raw JSON stays a string, so that a golden shows
// every byte of it.
func plain(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		inner := plain(v.Elem())
		if _, ok := v.Interface().(canon.Block); ok && v.Kind() == reflect.Interface {
			if m, ok := inner.(map[string]any); ok {
				m[" "+v.Elem().Type().Name()] = "" // the space sorts it first
			}
		}
		return inner
	case reflect.Struct:
		m := map[string]any{}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() || f.Name == "Cause" || v.Field(i).IsZero() {
				continue
			}
			m[f.Name] = plain(v.Field(i))
		}
		return m
	case reflect.Slice:
		if raw, ok := v.Interface().(json.RawMessage); ok {
			return string(raw)
		}
		s := make([]any, v.Len())
		for i := range s {
			s[i] = plain(v.Index(i))
		}
		return s
	case reflect.Int64:
		if d, ok := v.Interface().(time.Duration); ok {
			return d.String()
		}
	}
	return v.Interface()
}
