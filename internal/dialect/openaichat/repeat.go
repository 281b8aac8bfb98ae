package openaichat

import (
	"bytes"
	"unicode/utf8"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonpull"
)

// repeat recognises a chunk that differs from the one before it in nothing but the text of its delta
// and OpenAI's padding: nearly every chunk of a stream. Equal bytes mean the same, so it need not be
// parsed; the meter's cost of such a chunk falls to a tenth. What looks unusual in any way is left to
// the parser.
type repeat struct {
	prefix        []byte // what stands before the text; empty: nothing was learned
	middle        []byte // between text and padding, or all that follows where there is none
	suffix        []byte // behind the padding
	padded        bool
	choice, index int
}

// textMark begins the text of a delta. Inside a JSON string its quotes would be escaped, so where it
// stands in valid JSON it is a member's name and the start of its value.
var textMark = []byte(`"content":"`)

// padMark begins the padding that hides the length of a delta from who watches the wire; it varies.
// Source: https://platform.openai.com/docs/api-reference/chat/create (stream_options.include_obfuscation), read 2026-11-20.
var padMark = []byte(`"obfuscation":"`)

// maxRepeat bounds what is kept of a chunk, in bytes.
const maxRepeat = 2 << 10

// learn takes a chunk that meant exactly one delta of text, and nothing else.
func (r *repeat) learn(data []byte, d canon.TextDelta) {
	at := bytes.Index(data, textMark)
	if at < 0 {
		return
	}
	at += len(textMark)
	inside, text, ok := span(data[at:])
	end := at + len(inside)
	if !ok || text != d.Text || len(data)-len(inside) > maxRepeat || bytes.Contains(data[end:], textMark) {
		return
	}
	r.prefix, r.middle, r.suffix = append(r.prefix[:0], data[:at]...), append(r.middle[:0], data[end:]...), r.suffix[:0]
	r.choice, r.index = d.Choice, d.Index
	if _, rest, ok := bytes.Cut(r.middle, padMark); ok {
		inside, _, ok := span(rest)
		if !ok || bytes.Contains(rest, padMark) {
			r.forget()
			return
		}
		r.suffix = append(r.suffix, rest[len(inside):]...)
		r.middle = r.middle[:len(r.middle)-len(rest)]
	}
	r.padded = len(r.suffix) > 0
}

// forget makes match fail until the next learn.
func (r *repeat) forget() { r.prefix = r.prefix[:0] }

// match returns the text of a chunk that is otherwise the one learned.
func (r *repeat) match(data []byte) (canon.TextDelta, bool) {
	inside, escaped, ok := r.cut(data)
	if !ok {
		return canon.TextDelta{}, false
	}
	text, ok := meaning(inside, escaped)
	return canon.TextDelta{Choice: r.choice, Index: r.index, Text: text}, ok && text != ""
}

// skim is match without a copy, for text that means itself.
func (r *repeat) skim(data []byte) (text []byte, ok bool) {
	inside, escaped, ok := r.cut(data)
	return inside, ok && !escaped && len(inside) > 0 && utf8.Valid(inside)
}

// cut returns the text, as it stands in the string, of a chunk that is otherwise the one learned.
func (r *repeat) cut(data []byte) (inside []byte, escaped, ok bool) {
	if len(r.prefix) == 0 || !bytes.HasPrefix(data, r.prefix) {
		return nil, false, false
	}
	rest := data[len(r.prefix):]
	inside, escaped, ok = within(rest)
	if !ok || !bytes.HasPrefix(rest[len(inside):], r.middle) {
		return nil, false, false
	}
	rest = rest[len(inside)+len(r.middle):]
	if r.padded {
		pad, odd, ok := within(rest)
		if _, fine := meaning(pad, odd); !ok || !fine {
			return nil, false, false
		}
		rest = rest[len(pad):]
	}
	return inside, escaped, bytes.Equal(rest, r.suffix)
}

// span returns the inside of a JSON string that data begins in, as it stands up to its closing quote
// and as the text it means. ok is false for what cannot stand in a string.
func span(data []byte) (inside []byte, text string, ok bool) {
	inside, escaped, ok := within(data)
	if ok {
		text, ok = meaning(inside, escaped)
	}
	return inside, text, ok
}

// within returns the inside of a JSON string that data begins in, and whether escapes are in it.
func within(data []byte) (inside []byte, escaped, ok bool) {
	for i := 0; i < len(data); i++ {
		switch b := data[i]; {
		case b == '"':
			return data[:i], escaped, true
		case b < ' ':
			return nil, false, false
		case b == '\\':
			escaped = true
			i++
		}
	}
	return nil, false, false
}

// meaning returns the text that the inside of a JSON string means.
func meaning(inside []byte, escaped bool) (text string, ok bool) {
	if !escaped {
		return string(inside), utf8.Valid(inside)
	}
	p := jsonpull.New(append(append([]byte{'"'}, inside...), '"'))
	text = p.String()
	return text, p.End() == nil
}
