package simulator

import (
	"strconv"
	"unicode/utf8"
)

// jsonBuf builds JSON by appending, so that members keep the order in which vendors send them.
type jsonBuf []byte

// raw appends s as it is.
func (b *jsonBuf) raw(s string) *jsonBuf {
	*b = append(*b, s...)
	return b
}

// str appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func (b *jsonBuf) str(s string) *jsonBuf {
	*b = appendString(*b, s)
	return b
}

func (b *jsonBuf) int(n int64) *jsonBuf {
	*b = strconv.AppendInt(*b, n, 10)
	return b
}

func (b *jsonBuf) bool(v bool) *jsonBuf {
	*b = strconv.AppendBool(*b, v)
	return b
}

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
		}
		b = append(b, s[from:i]...)
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c == '\t':
			b = append(b, '\\', 't')
		case c >= utf8.RuneSelf:
			b = append(b, "\ufffd"...)
		default:
			const hex = "0123456789abcdef"
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		from = i
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}

func quoted(s string) string { return string(appendString(nil, s)) }
