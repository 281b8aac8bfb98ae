package jsonedit

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Patterns for eight bytes at a time.
const (
	ones   = 0x0101010101010101
	highs  = 0x80 * ones
	twos   = 0x02 * ones
	below  = 0x21 * ones
	slants = '\\' * ones
)

// stops marks, by its high bit, the first byte of w (in memory order) that is a quote, a backslash, a
// control character or not ASCII. Bytes behind the first may be marked wrongly. With its second bit
// turned, the quote stands right behind the control characters, and the space behind the quote.
func stops(w uint64) uint64 {
	return (w | ((w ^ twos) - below) | ((w ^ slants) - ones)) & highs
}

// eight loads the first eight bytes of s, the first one lowest.
func eight(s string) uint64 {
	s = s[:8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// str checks the string whose opening quote is at i. It returns the offset behind the closing quote
// and by how many bytes the string is shorter unescaped.
func (s *scanner) str(i int) (end, saved int, bad *Error) {
	raw := s.raw
	start := i
	i++
	for {
		for len(raw)-i >= 16 {
			b := raw[i : i+16 : i+16]
			m := stops(binary.LittleEndian.Uint64(b))
			if m == 0 {
				i += 8
				if m = stops(binary.LittleEndian.Uint64(b[8:])); m == 0 {
					i = plain(raw, i+8)
					continue
				}
			}
			i += bits.TrailingZeros64(m) >> 3
			goto stop
		}
		for i < len(raw) && raw[i] >= ' ' && raw[i] != '"' && raw[i] != '\\' && raw[i] < 0x80 {
			i++
		}
		if i >= len(raw) {
			return 0, 0, s.errorf(len(raw), "unexpected end inside the string that begins at offset %d", start)
		}
	stop:
		switch c := raw[i]; {
		case c == '"':
			return i + 1, saved, nil
		case c == '\\':
			size, stands, msg := escape(raw[i:])
			if msg != "" {
				return 0, 0, s.errorf(i, "%s", msg)
			}
			if size == 6 && stands == 1 && wordByte(hex4(raw[i+2:])) {
				s.stats.Disguised = true
			}
			i += size
			saved += size - stands
		case c < ' ':
			return 0, 0, s.errorf(i, "control character 0x%02x inside a string must be escaped", c)
		default:
			if i = multibyte(raw, i); i < 0 {
				return 0, 0, s.errorf(-i, "invalid UTF-8 inside a string")
			}
		}
	}
}

// plain walks over what is nothing but ASCII text from i on, 32 bytes at a time: long strings are the
// bulk of large requests.
func plain(raw []byte, i int) int {
	for len(raw)-i >= 32 {
		b := raw[i : i+32 : i+32]
		if stops(binary.LittleEndian.Uint64(b))|stops(binary.LittleEndian.Uint64(b[8:]))|
			stops(binary.LittleEndian.Uint64(b[16:]))|stops(binary.LittleEndian.Uint64(b[24:])) != 0 {
			break
		}
		i += 32
	}
	return i
}

// multibyte walks over characters of more than one byte from i on. It returns the offset of the next
// ASCII byte, or, negated, that of the first byte of a bad character.
func multibyte(raw []byte, i int) int {
	for i < len(raw) && raw[i] >= 0x80 {
		// Two characters of three bytes, as in Chinese text. Leads 0xE0 and 0xED restrict the byte
		// that follows them and take the slow way.
		for len(raw)-i >= 8 {
			w := binary.LittleEndian.Uint64(raw[i:])
			if w&0x0000C0C0F0C0C0F0 != 0x00008080E08080E0 || odd(raw[i]) || odd(raw[i+3]) {
				break
			}
			i += 6
		}
		if i >= len(raw) || raw[i] < 0x80 {
			return i
		}
		_, size := utf8.DecodeRune(raw[i:])
		if size <= 1 {
			return -i
		}
		i += size
	}
	return i
}

// wordByte reports whether r is an ASCII letter, a digit or _.
func wordByte(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '_'
}

func odd(lead byte) bool { return lead == 0xE0 || lead == 0xED }

// escape checks the escape at the start of b. It returns its size and the size of what it stands for
// in UTF-8; or what is wrong.
func escape(b []byte) (size, stands int, msg string) {
	if len(b) < 2 {
		return 0, 0, "unexpected end inside an escape"
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, 1, ""
	case 'u':
	default:
		return 0, 0, "bad escape: after a backslash only \" \\ / b f n r t u may stand"
	}
	r := hex4(b[2:])
	switch {
	case r < 0:
		return 0, 0, "bad escape: \\u needs four hexadecimal digits"
	case !utf16.IsSurrogate(r):
		return 6, utf8.RuneLen(r), ""
	}
	if len(b) >= 12 && b[6] == '\\' && b[7] == 'u' && utf16.DecodeRune(r, hex4(b[8:])) != utf8.RuneError {
		return 12, 4, ""
	}
	return 0, 0, "escaped surrogate without its other half"
}

// hex4 reads four hexadecimal digits, or returns -1.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
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

func indexEscape(b []byte) int { return bytes.IndexByte(b, '\\') }

// unquote returns what a checked string, with its quotes, stands for.
func unquote(quoted []byte) string {
	b := quoted[1 : len(quoted)-1]
	if indexEscape(b) < 0 {
		return string(b)
	}
	return string(appendUnescaped(make([]byte, 0, len(b)), b))
}

// appendUnescaped appends what the inside of a checked string stands for.
func appendUnescaped(dst, b []byte) []byte {
	for {
		i := indexEscape(b)
		if i < 0 {
			return append(dst, b...)
		}
		dst = append(dst, b[:i]...)
		b = b[i:]
		size := 2
		switch c := b[1]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			size = 6
			r := hex4(b[2:])
			if utf16.IsSurrogate(r) {
				size = 12
				r = utf16.DecodeRune(r, hex4(b[8:]))
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
		b = b[size:]
	}
}

// Quote returns s as a JSON string with its quotes. Invalid UTF-8 becomes U+FFFD; characters that
// JSON allows as they are stay as they are.
func Quote(s string) []byte { return AppendQuoted(make([]byte, 0, len(s)+2), s) }

// AppendQuoted appends s to dst as Quote has it.
func AppendQuoted(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0 // what stands before it is in dst
	for i := 0; i < len(s); {
		for len(s)-i >= 8 {
			m := stops(eight(s[i:]))
			if m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		if i == len(s) {
			break
		}
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if size = n; r != utf8.RuneError || n > 1 {
				i += size
				continue
			}
		}
		dst = append(dst, s[from:i]...)
		switch {
		case c >= utf8.RuneSelf:
			dst = append(dst, "\uFFFD"...)
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i += size
		from = i
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}
