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
	s, i := p.s, p.i
	if !p.fresh && i < len(s) && s[i] == ',' {
		i++
	}
	if i < len(s) && s[i] == '"' && p.fresh == (i == p.i) { // as machines write it, without spaces
		if end := stop(s, i+1); len(s)-end > 1 && s[end] == '"' && s[end+1] == ':' {
			p.Name, p.i, p.fresh = s[i+1:end], end+2, false
			return true
		}
	}
	if !p.next('}') {
		return false
	}
	from := p.i + 1
	end, escaped := p.name()
	if end == 0 {
		return false
	}
	p.Name = p.s[from:end]
	if escaped {
		p.Name = unescape(p.Name)
	}
	return true
}

// name passes a member's name and the colon behind it. It returns where the name ends, before its closing
// quote, and whether it has escapes; 0 if there is none.
func (p *Parser) name() (end int, escaped bool) {
	if p.i == len(p.s) || p.s[p.i] != '"' {
		p.fail(errSyntax)
		return 0, false
	}
	escaped = p.skipString()
	end = p.i - 1
	p.space()
	if p.i == len(p.s) || p.s[p.i] != ':' {
		p.fail(errSyntax)
		return 0, false
	}
	p.i++
	return end, escaped
}

// Element goes to the next element of the array that was entered last; false at its end.
func (p *Parser) Element() bool { return p.next(']') }

// more is Member of what ends with a brace, else Element.
func (p *Parser) more(end byte) bool {
	if end == '}' {
		return p.Member()
	}
	return p.Element()
}

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
	if k := p.Kind(); k != '"' {
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
	if n, ok := p.count(); ok {
		return n
	}
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

// count takes the next value if it is a whole number of at most 18 digits without a sign, which most are.
func (p *Parser) count() (n int64, ok bool) {
	p.space()
	s, from := p.s, p.i
	i := from
	for ; i < len(s) && i-from <= 18 && '0' <= s[i] && s[i] <= '9'; i++ {
		n = 10*n + int64(s[i]-'0')
	}
	switch {
	case i == from, i-from > 18, s[from] == '0' && i > from+1, i < len(s) && (s[i] == '.' || s[i]|0x20 == 'e'):
		return 0, false
	}
	p.i = i
	return n, true
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
	case k != '{' && k != '[':
		p.scalar(k)
	case p.i+1 < len(p.s) && p.s[p.i+1] == k+2 && p.depth < maxDepth: // empty, see checkContainer
		p.i += 2
	case p.checked:
		p.skipContainer()
	default:
		p.checkContainer()
	}
}

// scalar passes the value at the cursor, which is of kind k and no container.
func (p *Parser) scalar(k byte) {
	switch k {
	case '"':
		p.skipString()
	case '0':
		p.number()
	case 't':
		p.word("true")
	case 'f':
		p.word("false")
	case 'n':
		p.word("null")
	default:
		p.fail(errSyntax)
	}
}

// checkContainer passes the object or array at the cursor. What is open in it is kept in bits, not in calls.
func (p *Parser) checkContainer() {
	var arrays [maxDepth/64 + 1]uint64
	end, outer := byte(0), p.depth
	for {
		if k := p.Kind(); k != '{' && k != '[' {
			p.scalar(k)
		} else {
			p.enter(k)
			end = k + 2 // of ASCII: { | } and [ \ ]
			arrays[p.depth/64] &^= 1 << (p.depth % 64)
			if k == '[' {
				arrays[p.depth/64] |= 1 << (p.depth % 64)
			}
		}
		for !p.more(end) {
			if p.err != nil || p.depth == outer {
				return
			}
			end = '}'
			if arrays[p.depth/64]>>(p.depth%64)&1 != 0 {
				end = ']'
			}
		}
	}
}

func (p *Parser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
	p.i = len(p.s)
}

func (p *Parser) space() {
	if p.i < len(p.s) && p.s[p.i] <= ' ' {
		p.spaces()
	}
}

func (p *Parser) spaces() {
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
	for i := p.i + 1; ; i++ {
		if i = stop(s, i); i == len(s) || s[i] < ' ' {
			break
		}
		if s[i] == '"' {
			p.i = i + 1
			return escaped
		}
		escaped = true
		if i++; i == len(s) || !validEscape(s[i:]) {
			break
		}
	}
	p.fail(errSyntax)
	return false
}

// stop returns where the first quote, backslash or control character of s at or behind i is, or its length.
func stop(s string, i int) int {
	for len(s)-i >= 8 {
		if m := stops(eight(s, i)); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	for i < len(s) && s[i] >= ' ' && s[i] != '"' && s[i] != '\\' {
		i++
	}
	return i
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
	near := s[:min(from+64, len(s))] // names and words
	i := stop(near, from)
	if i < len(near) && s[i] == '"' {
		return i + 1
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
