package gemini

import (
	"strings"
	"unicode/utf8"

	"tollgate/internal/dialect/jsonpull"
)

// appendString appends s as a JSON string. What is no UTF-8 becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		if i+8 <= len(s) && !stops(eight(s[i:i+8])) {
			i += 8
			continue
		}
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			i++
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

func eight(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// stops reports whether one of eight bytes must be escaped: a control character, a quote or a backslash.
// Source of the arithmetic: https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord.
func stops(w uint64) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	quote, back := w^ones*'"', w^ones*'\\'
	return ((w-ones*' ')&^w|(quote-ones)&^quote|(back-ones)&^back)&high != 0
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
