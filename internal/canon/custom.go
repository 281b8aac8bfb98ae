package canon

import (
	"encoding/json"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// customSchema is the input of a custom tool as a function: one string.
const customSchema = `{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}`

// CustomFunction returns the description and the schema with which the custom tool t becomes a function
// where a dialect has no custom tools. Its grammar, which no schema can say, goes into the description.
func CustomFunction(t Tool) (description string, schema json.RawMessage) {
	description = t.Description
	if g := t.Grammar; g != nil && g.Definition != "" {
		if description != "" {
			description += "\n\n"
		}
		description += "The value of input must match this " + g.Syntax + " grammar:\n" + g.Definition
	}
	return description, json.RawMessage(customSchema)
}

// CustomArguments returns what a function made by CustomFunction is called with for the input of a
// custom tool, which is text as a JSON string.
func CustomArguments(input json.RawMessage) json.RawMessage {
	out := make(json.RawMessage, 0, len(input)+len(`{"input":}`))
	out = append(out, `{"input":`...)
	out = append(out, input...)
	return append(out, '}')
}

// CustomText turns the input of a call back into the text for a custom tool, piece by piece as it comes:
// a JSON string, or the arguments of a function made by CustomFunction. What is neither is passed on as
// it is, when it ends.
type CustomText struct {
	state customState
	held  string // not understood yet: the beginning, or an escape that is cut in two
}

type customState byte

const (
	customOpening customState = iota // before the text
	customInside                     // within the string
	customOver                       // behind it
	customRaw                        // of another form: held to the end
)

// Feed returns the text that piece brings.
func (c *CustomText) Feed(piece string) string {
	switch c.state {
	case customOver:
		return ""
	case customRaw:
		c.held += piece
		return ""
	case customOpening:
		c.held += piece
		rest, state := customStart(c.held)
		if c.state = state; state != customInside {
			return ""
		}
		c.held, piece = "", rest
	case customInside:
	}
	return c.inside(piece)
}

// End returns the text that was held back.
func (c *CustomText) End() string {
	held := c.held
	c.held = ""
	if c.state != customRaw && c.state != customOpening {
		return ""
	}
	c.state = customOver
	var args map[string]json.RawMessage
	var text string
	if json.Unmarshal([]byte(held), &args) == nil && json.Unmarshal(args["input"], &text) == nil {
		return text
	}
	return held
}

// customStart finds where the text begins in s: behind the quote of a string, or of the member input.
func customStart(s string) (rest string, state customState) {
	rest = skipSpace(s)
	if rest == "" {
		return "", customOpening
	}
	if rest[0] == '"' {
		return rest[1:], customInside
	}
	for _, want := range [...]string{"{", `"input"`, ":", `"`} {
		rest = skipSpace(rest)
		if len(rest) < len(want) && strings.HasPrefix(want, rest) {
			return "", customOpening
		}
		var ok bool
		if rest, ok = strings.CutPrefix(rest, want); !ok {
			return "", customRaw
		}
	}
	return rest, customInside
}

func skipSpace(s string) string { return strings.TrimLeft(s, " \t\r\n") }

// inside unescapes piece up to the end of the string.
func (c *CustomText) inside(piece string) string {
	s := c.held + piece
	c.held = ""
	var b strings.Builder
	for s != "" {
		i := strings.IndexAny(s, "\"\\")
		if i < 0 {
			b.WriteString(s)
			break
		}
		b.WriteString(s[:i])
		s = s[i:]
		if s[0] == '"' {
			c.state = customOver
			break
		}
		r, size := customEscape(s)
		if size == 0 { // cut in two
			c.held = s
			break
		}
		b.WriteRune(r)
		s = s[size:]
	}
	return b.String()
}

// customEscape reads the escape that s begins with; size is 0 if it is not whole.
func customEscape(s string) (r rune, size int) {
	if len(s) < 2 {
		return 0, 0
	}
	switch s[1] {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
	default:
		return rune(s[1]), 2
	}
	if len(s) < 6 {
		return 0, 0
	}
	r = hex4(s[2:6])
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if next := s[6:]; len(next) < 6 && (next == "" || next[0] == '\\' && (len(next) == 1 || next[1] == 'u')) {
		return 0, 0 // the other half may follow
	} else if len(next) >= 6 && next[0] == '\\' && next[1] == 'u' {
		if both := utf16.DecodeRune(r, hex4(next[2:6])); both != utf8.RuneError {
			return both, 12
		}
	}
	return utf8.RuneError, 6
}

func hex4(s string) (r rune) {
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
			return utf8.RuneError
		}
		r = r<<4 | rune(c)
	}
	return r
}
