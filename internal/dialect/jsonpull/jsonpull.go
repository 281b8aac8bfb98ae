// Package jsonpull reads JSON of an upstream front to back, once, without building it.
//
// It owns a cursor over one JSON text that checks what it passes and leaves every choice to the
// caller: enter a value, take it, or skip it. It is made for the chunks of streams, where each event
// of each passthrough answer is read, so it allocates one copy of the bytes and the strings it hands
// out are parts of that. Nesting is bounded, so no answer can exhaust the stack. It does not check
// what package jsonedit promises for requests (duplicate names, UTF-8). Standard library only.
package jsonpull

import (
	"errors"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// maxDepth bounds nesting. The deepest real answers are tool schemas echoed by an upstream, about 30.
const maxDepth = 500

// Errors that End returns.
var (
	errSyntax = errors.New("not valid JSON")
	errDeep   = errors.New("JSON nested too deeply")
)

// Parser is a cursor. After an error it is at the end: loops end and values are zero. Each value that
// Member or Element announces must be taken by exactly one of Object, Array, String, Int, Bool, Raw, Skip.
type Parser struct {
	Name string // of the member that Member announced

	s       string
	i       int
	depth   int
	fresh   bool // in a container of which nothing was read yet
	checked bool // s is JSON; what is passed over need not be looked at again
	err     error
}

// New returns a parser of a copy of data.
func New(data []byte) Parser { return Parser{s: string(data)} }

// NewString returns a parser of s.
func NewString(s string) Parser { return Parser{s: s} }

// NewChecked returns a parser of s that its caller knows to be JSON: the text of a value that a parser has
// passed, or what jsonedit.Scan has. It passes over values several times as fast, because it looks only for
// where they end; in anything else it finds no more than that it does not end.
func NewChecked(s string) Parser { return Parser{s: s, checked: true} }

// End returns an error unless exactly one value was read and nothing but white space follows it.
func (p *Parser) End() error {
	p.space()
	if p.err == nil && (p.i != len(p.s) || p.depth != 0) {
		p.err = errSyntax
	}
	return p.err
}

// Kind returns the kind of the next value: '{', '[', '"', 't', 'f', 'n', '0' for a number, or 0 if there is none.
func (p *Parser) Kind() byte {
	p.space()
	if p.i == len(p.s) {
		return 0
	}
	switch c := p.s[p.i]; {
	case c == '{', c == '[', c == '"', c == 't', c == 'f', c == 'n':
		return c
	case c == '-', '0' <= c && c <= '9':
		return '0'
	}
	return 0
}

// Object enters the next value if it is an object, for Member; else it skips the value.
func (p *Parser) Object() bool { return p.enter('{') }

// Array enters the next value if it is an array, for Element; else it skips the value.
func (p *Parser) Array() bool { return p.enter('[') }

func (p *Parser) enter(open byte) bool {
	if p.Kind() != open {
		p.Skip()
		return false
	}
	if p.depth == maxDepth {
		p.fail(errDeep)
		return false
	}
	p.i++
	p.depth++
	p.fresh = true
	return true
}

// Member goes to the next member of the object that was entered last and sets Name; false at its end.
func (p *Parser) Member() bool {
	if !p.next('}') {
		return false
	}
	if p.i == len(p.s) || p.s[p.i] != '"' {
		p.fail(errSyntax)
		return false
	}
	p.Name = p.String()
	p.space()
	if p.i == len(p.s) || p.s[p.i] != ':' {
		p.fail(errSyntax)
		return false
	}
	p.i++
	return true
}

// Element goes to the next element of the array that was entered last; false at its end.
func (p *Parser) Element() bool { return p.next(']') }

func (p *Parser) next(end byte) bool {
	p.space()
	if p.i == len(p.s) {
		p.fail(errSyntax)
		return false
	}
	fresh := p.fresh
	p.fresh = false
	if p.s[p.i] == end {
		p.i++
		p.depth--
		return false
	}
	if !fresh {
		if p.s[p.i] != ',' {
			p.fail(errSyntax)
			return false
		}
		p.i++
		p.space()
	}
	return true
}

// String takes the next value; "" if it is no string.
func (p *Parser) String() string {
	if p.Kind() != '"' {
		p.Skip()
		return ""
	}
	from := p.i + 1
	escaped := p.skipString()
	if p.err != nil {
		return ""
	}
	s := p.s[from : p.i-1]
	if escaped {
		return unescape(s)
	}
	return s
}

// Text is String that returns the text of the value too; raw is "" if there is none.
func (p *Parser) Text() (raw, s string) {
	p.space()
	from := p.i
	if s = p.String(); p.err != nil {
		return "", ""
	}
	return p.s[from:p.i], s
}

// Int takes the next value; 0 if it is no number, nor a string that holds one. Fractions are cut off
// and what does not fit is clamped.
func (p *Parser) Int() int64 {
	var text string
	switch p.Kind() {
	case '"':
		text = p.String()
	case '0':
		text = p.Raw()
	default:
		p.Skip()
		return 0
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil && f == 0, math.IsNaN(f):
		return 0
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}

// Bool takes the next value and reports whether it is true.
func (p *Parser) Bool() bool {
	yes := p.Kind() == 't'
	p.Skip()
	return yes && p.err == nil
}

// Raw takes the next value and returns its text.
func (p *Parser) Raw() string {
	p.space()
	from := p.i
	p.Skip()
	if p.err != nil {
		return ""
	}
	return p.s[from:p.i]
}

// Skip takes the next value.
func (p *Parser) Skip() {
	switch k := p.Kind(); {
	case k == '"':
		p.skipString()
	case p.checked && (k == '{' || k == '['):
		p.skipContainer()
	case k == '{':
		if p.enter('{') {
			for p.Member() {
				p.Skip()
			}
		}
	case k == '[':
		if p.enter('[') {
			for p.Element() {
				p.Skip()
			}
		}
	case k == 't':
		p.word("true")
	case k == 'f':
		p.word("false")
	case k == 'n':
		p.word("null")
	case k == '0':
		p.number()
	default:
		p.fail(errSyntax)
	}
}

func (p *Parser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
	p.i = len(p.s)
}

func (p *Parser) space() {
	for p.i < len(p.s) {
		switch p.s[p.i] {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return
		}
	}
}

func (p *Parser) word(w string) {
	if !strings.HasPrefix(p.s[p.i:], w) {
		p.fail(errSyntax)
		return
	}
	p.i += len(w)
}

func (p *Parser) number() {
	s, i := p.s, p.i
	digits := func() bool {
		from := i
		for i < len(s) && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		return i > from
	}
	if s[i] == '-' {
		i++
	}
	zero := i < len(s) && s[i] == '0'
	from := i
	ok := digits() && (!zero || i == from+1)
	if ok && i < len(s) && s[i] == '.' {
		i++
		ok = digits()
	}
	if ok && i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		ok = digits()
	}
	if !ok {
		p.fail(errSyntax)
		return
	}
	p.i = i
}

// Patterns for eight bytes at a time.
const (
	ones   = 0x0101010101010101
	highs  = 0x80 * ones
	spaces = 0x20 * ones
	quotes = '"' * ones
	slants = '\\' * ones
)

// eight loads the eight bytes of s from i on, the first one lowest.
func eight(s string, i int) uint64 {
	b := s[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 | uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// stops marks, by its high bit, the first byte of w that is a quote, a backslash or a control character.
// Bytes behind the first may be marked wrongly.
func stops(w uint64) uint64 {
	q, s := w^quotes, w^slants
	return ((w-spaces)&^w | (q-ones)&^q | (s-ones)&^s) & highs
}

// skipString passes the string at the cursor and reports whether it has escapes.
func (p *Parser) skipString() (escaped bool) {
	s := p.s
	if p.checked {
		from := p.i + 1
		end := stringEnd(s, from)
		if end < 0 {
			p.fail(errSyntax)
			return false
		}
		p.i = end
		return strings.IndexByte(s[from:end], '\\') >= 0
	}
	for i := p.i + 1; i < len(s); i++ {
		for len(s)-i >= 8 {
			if m := stops(eight(s, i)); m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		if i == len(s) {
			break
		}
		switch c := s[i]; {
		case c == '"':
			p.i = i + 1
			return escaped
		case c == '\\':
			escaped = true
			i++
			if i == len(s) || !validEscape(s[i:]) {
				p.fail(errSyntax)
				return false
			}
		case c < ' ':
			p.fail(errSyntax)
			return false
		}
	}
	p.fail(errSyntax)
	return false
}

// skipContainer passes the object or array at the cursor, which is known to be JSON.
func (p *Parser) skipContainer() {
	s, open := p.s, 0
	for i := p.i; i < len(s); {
		switch s[i] {
		case '"':
			end := stringEnd(s, i+1)
			if end < 0 {
				p.fail(errSyntax)
				return
			}
			i = end
			continue
		case '{', '[':
			open++
		case '}', ']':
			if open--; open == 0 {
				p.i = i + 1
				return
			}
		}
		i++
	}
	p.fail(errSyntax)
}

// stringEnd returns where the string whose inside begins at from ends, behind its closing quote; -1 if it
// does not.
func stringEnd(s string, from int) int {
	i := from
	for near := min(from+16, len(s)); i < near && s[i] != '\\'; i++ { // names and words
		if s[i] == '"' {
			return i + 1
		}
	}
	for {
		n := strings.IndexByte(s[i:], '"')
		if n < 0 {
			return -1
		}
		i += n + 1
		slants := 0
		for j := i - 2; j >= from && s[j] == '\\'; j-- {
			slants++
		}
		if slants%2 == 0 {
			return i
		}
	}
}

// validEscape reports whether s continues a backslash to an escape.
func validEscape(s string) bool {
	switch s[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		return len(s) > 4 && hex4(s[1:5]) >= 0
	}
	return false
}
