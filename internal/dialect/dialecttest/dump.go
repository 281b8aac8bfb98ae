package dialecttest

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"tollgate/internal/canon"
)

// width is how long a line of a dump may be before its value is broken up.
const width = 120

// dump renders v as JSON with what is zero left out and the type of each block named, a line for each
// value that fits on one.
func dump(v any) string {
	var b strings.Builder
	write(&b, plain(reflect.ValueOf(v)), "")
	return b.String() + "\n"
}

func write(b *strings.Builder, v any, indent string) {
	line := encode(v)
	if len(indent)+len(line) <= width {
		b.WriteString(line)
		return
	}
	inner := indent + "  "
	switch v := v.(type) {
	case map[string]any:
		b.WriteString("{\n")
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b.WriteString(",\n")
			}
			b.WriteString(inner + encode(name) + ": ")
			write(b, v[name], inner)
		}
		b.WriteString("\n" + indent + "}")
	case []any:
		b.WriteString("[\n")
		for i, e := range v {
			if i > 0 {
				b.WriteString(",\n")
			}
			b.WriteString(inner)
			write(b, e, inner)
		}
		b.WriteString("\n" + indent + "]")
	default:
		b.WriteString(line)
	}
}

// flat is dump on one line.
func flat(v any) string { return encode(plain(reflect.ValueOf(v))) }

func encode(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
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
				m["Block"] = v.Elem().Type().Name()
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
	default:
	}
	return v.Interface()
}
