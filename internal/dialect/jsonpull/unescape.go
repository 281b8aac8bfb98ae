package jsonpull

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Unquote returns the string that raw, a whole JSON string with its quotes, stands for.
func Unquote(raw string) string {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return ""
	}
	s := raw[1 : len(raw)-1]
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	return unescape(s)
}

// unescape returns what the inside of a JSON string stands for. Half a surrogate pair, which stands for
// nothing, becomes U+FFFD, and so does what is no escape, of a text that is no JSON.
func unescape(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for {
		i := slant(s)
		if i < 0 || i == len(s)-1 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		c := s[i+1]
		s = s[i+2:]
		switch c {
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 'r':
			b.WriteByte('\r')
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			r := rune(-1)
			if len(s) >= 4 {
				r = hex4(s[:4])
				s = s[4:]
			}
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if len(s) >= 6 && s[0] == '\\' && s[1] == 'u' {
					low = hex4(s[2:6])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					s = s[6:]
				}
			}
			b.WriteRune(r)
		default:
			b.WriteByte(c)
		}
	}
}

// slant returns where the first backslash of s is, -1 if there is none. In code, most are near.
func slant(s string) int {
	const near = 16
	for i := range min(near, len(s)) {
		if s[i] == '\\' {
			return i
		}
	}
	if len(s) <= near {
		return -1
	}
	i := strings.IndexByte(s[near:], '\\')
	if i < 0 {
		return -1
	}
	return near + i
}

// hex4 returns the value of four hexadecimal digits, -1 if they are not.
func hex4(s string) rune {
	var r rune
	for i := range 4 {
		c := s[i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
