package gemini

import (
	"strings"
	"unicode/utf8"

	"tollgate/internal/dialect/jsonpull"
)

// appendString appends s as a JSON string. What is no UTF-8 becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, s[from:i]...), "\ufffd"...)
				from = i + 1
			}
			i += size
			continue
		}
		dst = append(dst, s[from:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		from = i
	}
	return append(append(dst, s[from:]...), '"')
}

// appendRaw appends JSON on one line, as an event must be: line ends in it can only stand between tokens.
func appendRaw(dst []byte, raw string) []byte {
	if !utf8.ValidString(raw) {
		raw = strings.ToValidUTF8(raw, "\ufffd")
	}
	for {
		i := strings.IndexAny(raw, "\r\n")
		if i < 0 {
			return append(dst, raw...)
		}
		dst = append(append(dst, raw[:i]...), ' ')
		raw = raw[i+1:]
	}
}

// isObject reports whether s is one whole JSON object.
func isObject(s string) bool {
	p := jsonpull.NewString(s)
	if p.Kind() != '{' {
		return false
	}
	p.Skip()
	return p.End() == nil
}

// appendObject appends the arguments of a call, which must be an object. What a model wrote wrong, or as
// text, becomes the member input, and ok is false.
func appendObject(dst []byte, s string) (out []byte, ok bool) {
	switch {
	case isObject(s):
		return appendRaw(dst, s), true
	case strings.TrimSpace(s) == "" || s == "null":
		return append(dst, "{}"...), true
	}
	dst = append(dst, `{"input":`...)
	p := jsonpull.NewString(s)
	if p.Kind() == '"' {
		text := p.String()
		if p.End() == nil {
			s = text
		}
	}
	return append(appendString(dst, s), '}'), false
}
