package gemini

import (
	"encoding/json"
	"strconv"
	"strings"

	"tollgate/internal/dialect/jsonfield"
	"tollgate/internal/jsonedit"
)

// jsonSchema turns a Schema of Google's, a subset of OpenAPI 3.0 with a few members of its own, into
// JSON Schema: types in lower case, "nullable" as a type, counts as numbers. What it has no rule for
// stays as it is, so a schema that is JSON Schema already comes out the same.
//
// Source: https://ai.google.dev/api/caching#Schema, read 2026-11-20.
func jsonSchema(raw string) (json.RawMessage, error) {
	b, err := appendSchema(nil, raw, 0)
	return b, err
}

// maxSchemaDepth is deeper than any schema that a vendor takes; below it, bytes stay as they are.
const maxSchemaDepth = 64

func appendSchema(dst []byte, raw string, depth int) ([]byte, error) {
	if raw == "" || raw[0] != '{' || depth > maxSchemaDepth { // true and false are schemas too
		return append(dst, raw...), nil
	}
	o, err := fields(raw)
	if err != nil {
		return nil, err
	}
	nullable := o.Find("nullable") == "true"
	dst = append(dst, '{')
	first := true
	for _, m := range o {
		if m.Name == "nullable" {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, jsonedit.Quote(m.Name)...)
		dst = append(dst, ':')
		if dst, err = appendSchemaMember(dst, m, nullable, depth); err != nil {
			return nil, jsonfield.Within(err, m.Name)
		}
	}
	return append(dst, '}'), nil
}

func appendSchemaMember(dst []byte, m jsonfield.Member, nullable bool, depth int) ([]byte, error) {
	switch m.Name {
	case "type":
		return appendType(dst, m.Raw, nullable)
	case "properties", "defs", "$defs":
		// The names in it are the client's: no spelling of ours may touch them.
		return appendEach(dst, m.Raw, depth)
	case "items", "additionalProperties", "not":
		return appendSchema(dst, m.Raw, depth+1)
	case "anyOf", "allOf", "oneOf", "prefixItems":
		if m.Raw[0] != '[' {
			break
		}
		all, err := jsonfield.Array(m.Raw)
		if err != nil {
			return nil, err
		}
		dst = append(dst, '[')
		for i, one := range all {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = appendSchema(dst, one, depth+1); err != nil {
				return nil, jsonfield.Within(err, index(i))
			}
		}
		return append(dst, ']'), nil
	case "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties":
		if n, err := integer(m.Raw); err == nil { // 64 bits, so in quotes in Google's JSON
			return strconv.AppendInt(dst, n, 10), nil
		}
	}
	return append(dst, m.Raw...), nil
}

func appendEach(dst []byte, raw string, depth int) ([]byte, error) {
	if raw[0] != '{' {
		return append(dst, raw...), nil
	}
	o, err := jsonfield.Nested(raw)
	if err != nil {
		return nil, err
	}
	dst = append(dst, '{')
	for i, m := range o {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, jsonedit.Quote(m.Name)...)
		dst = append(dst, ':')
		if dst, err = appendSchema(dst, m.Raw, depth+1); err != nil {
			return nil, jsonfield.Within(err, m.Name)
		}
	}
	return append(dst, '}'), nil
}

// appendType appends "OBJECT" as "object", and as ["object","null"] if it is nullable.
func appendType(dst []byte, raw string, nullable bool) ([]byte, error) {
	if raw[0] != '"' { // a list of types is JSON Schema already
		return append(dst, raw...), nil
	}
	name, err := jsonfield.String(raw)
	if err != nil {
		return nil, err
	}
	if upper := strings.ToUpper(name); upper == name {
		name = strings.ToLower(name)
	}
	if !nullable {
		return append(dst, jsonedit.Quote(name)...), nil
	}
	dst = append(dst, '[')
	dst = append(dst, jsonedit.Quote(name)...)
	return append(dst, `,"null"]`...), nil
}
