package jsonedit

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// maxNames bounds the names of all objects that are open at once, and so the memory that finding
// duplicates may take: some 10 MiB.
const maxNames = 1 << 17

// Scan checks that raw is exactly one JSON object as RFC 8259 has it, with nothing but white space
// around it, and remembers where its members are. On top of the grammar it refuses what parsers are
// known to read differently: duplicate names (after unescaping) at any depth, invalid UTF-8, escaped
// lone surrogates, a byte order mark; and more than maxDepth levels of nesting (the object itself is
// the first) or 131,072 names in the objects that are open at once. An error is always an *Error.
//
// It is one pass; what it allocates does not depend on the number of values.
func Scan(raw []byte, maxDepth int) (*Object, error) {
	o, bad := scanAt(raw, 0, maxDepth)
	if bad != nil {
		return nil, bad
	}
	return o, nil
}

// scanAt scans the object in raw[from:]; offsets count from raw's start.
func scanAt(raw []byte, from, maxDepth int) (*Object, *Error) {
	s := scanner{raw: raw}
	room := rooms.Get().(*room)
	defer rooms.Put(room)
	s.frames, s.names.refs, s.members = room.frames[:0], room.names[:0], room.members[:0]

	o := &Object{raw: raw}
	if bad := s.object(from, maxDepth, o); bad != nil {
		return nil, bad
	}
	s.hand(o)
	o.stats = s.stats
	return o, nil
}

// room is what usual requests need; a scan that needs more takes it from the heap.
type room struct {
	frames  [32]frame
	names   [96]nameRef
	members [24]found
}

// rooms keeps them from one scan to the next. Nothing of a scanned text stays in them: what a scan
// returns is copied, and names are offsets.
var rooms = sync.Pool{New: func() any { return new(room) }}

// frame is an object or array that is open.
type frame struct {
	array bool
	count int // of an array: elements before the current one
	names int // of an object: where its names begin in scanner.names
	plain int // and where its unescaped ones begin
}

// found is a member of the root. Like all that is in a room it holds no text.
type found struct {
	NameStart, NameEnd int
	Start, End         int
	nameTo             int // where its name ends among all names
}

type scanner struct {
	raw     []byte
	frames  []frame
	names   nameStack
	members []found // of the root
	stats   Stats
}

func (s *scanner) errorf(at int, format string, args ...any) *Error {
	return &Error{Offset: at, Path: s.path(len(s.frames)), Msg: fmt.Sprintf(format, args...)}
}

// unexpected says what stands at i instead of what was wanted.
func (s *scanner) unexpected(i int, want string) *Error {
	if i >= len(s.raw) {
		return s.errorf(i, "unexpected end, want %s", want)
	}
	if c := s.raw[i]; c < 0x80 {
		return s.errorf(i, "unexpected %q, want %s", c, want)
	}
	return s.errorf(i, "unexpected byte 0x%02x, want %s", s.raw[i], want)
}

// nameErrorf is errorf for what is wrong with a name in the innermost object.
func (s *scanner) nameErrorf(at int, format string, args ...any) *Error {
	return &Error{Offset: at, Path: s.path(len(s.frames) - 1), Msg: fmt.Sprintf(format, args...)}
}

// path tells where in the outer depth values the scanner is.
func (s *scanner) path(depth int) string {
	var b strings.Builder
	for k, f := range s.frames[:depth] {
		if b.Len() > 200 {
			b.WriteString("…")
			break
		}
		if f.array {
			b.WriteByte('[')
			b.WriteString(strconv.Itoa(f.count))
			b.WriteByte(']')
			continue
		}
		last := len(s.names.refs)
		if k+1 < len(s.frames) {
			last = s.frames[k+1].names
		}
		if last == f.names {
			break // no name yet
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(shorten(string(s.names.bytes(s.raw, s.names.refs[last-1]))))
	}
	return b.String()
}

// object is the automaton: it reads straight from '{' at from to the end of raw.
func (s *scanner) object(from, maxDepth int, o *Object) *Error {
	raw := s.raw
	i := s.space(from)
	switch {
	case i >= len(raw):
		return s.errorf(i, "empty, want a JSON object")
	case raw[i] == 0xEF && i+2 < len(raw) && raw[i+1] == 0xBB && raw[i+2] == 0xBF:
		return s.errorf(i, "a byte order mark, want a JSON object without one")
	case raw[i] != '{':
		return s.unexpected(i, "'{': the value must be an object")
	}
	o.open = i

value:
	if i >= len(raw) {
		return s.unexpected(i, "a value")
	}
	if len(s.frames) == 1 { // a member of the root, never an element: the root is an object
		s.members[len(s.members)-1].Start = i
	}
	switch c := raw[i]; c {
	case '"':
		end, saved, bad := s.str(i)
		if bad != nil {
			return bad
		}
		s.count(raw[i+1:end-1], saved)
		i = end
	case '{', '[':
		if len(s.frames) >= maxDepth {
			return s.errorf(i, "nested deeper than %d levels", maxDepth)
		}
		s.frames = append(s.frames, frame{array: c == '[', names: len(s.names.refs), plain: len(s.names.plain)})
		i = s.space(i + 1)
		if c == '{' {
			if i < len(raw) && raw[i] == '}' {
				goto closing
			}
			goto name
		}
		if i < len(raw) && raw[i] == ']' {
			goto closing
		}
		goto value
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		end, ok := number(raw, i)
		if !ok {
			return s.errorf(end, "bad number that begins at offset %d", i)
		}
		s.stats.Numbers++
		i = end
	case 't':
		if !word(raw, i, "true") {
			return s.errorf(i, "bad literal, want true")
		}
		i += 4
	case 'f':
		if !word(raw, i, "false") {
			return s.errorf(i, "bad literal, want false")
		}
		i += 5
	case 'n':
		if !word(raw, i, "null") {
			return s.errorf(i, "bad literal, want null")
		}
		i += 4
	default:
		return s.unexpected(i, "a value")
	}

after:
	switch len(s.frames) {
	case 0:
		o.end = i
		if i = s.space(i); i < len(raw) {
			return s.errorf(i, "bytes after the object")
		}
		return nil
	case 1:
		s.members[len(s.members)-1].End = i
	}
	i = s.space(i)
	if i >= len(raw) {
		return s.unexpected(i, "',' or the end of the object or array")
	}
	{
		f := &s.frames[len(s.frames)-1]
		switch c := raw[i]; {
		case c == ',':
			i = s.space(i + 1)
			if !f.array {
				goto name
			}
			f.count++
			goto value
		case c == '}' && !f.array, c == ']' && f.array:
			goto closing
		case f.array:
			return s.unexpected(i, "',' or ']'")
		default:
			return s.unexpected(i, "',' or '}'")
		}
	}

closing:
	{
		last := len(s.frames) - 1
		f := s.frames[last]
		s.frames = s.frames[:last]
		if !f.array {
			s.names.truncate(f.names, f.plain)
		}
		i++
		goto after
	}

name:
	{
		if i >= len(raw) || raw[i] != '"' {
			return s.unexpected(i, "a name in double quotes")
		}
		start := i
		end, saved, bad := s.str(i)
		if bad != nil {
			return bad
		}
		s.stats.TextBytes += int64(end-start-2) - int64(saved)
		f := s.frames[len(s.frames)-1]
		switch fresh := s.names.add(raw, f.names, start, end, saved > 0); {
		case !fresh:
			return s.nameErrorf(start, "duplicate name %s", shorten(string(raw[start:end])))
		case len(s.names.refs) > maxNames:
			return s.nameErrorf(start, "more than %d names in the objects open here", maxNames)
		}
		o.seen.add(len(s.frames), s.names.refs[len(s.names.refs)-1].hash)
		if len(s.frames) == 1 {
			s.members = append(s.members, found{NameStart: start, NameEnd: end})
		}
		i = s.space(end)
		if i >= len(raw) || raw[i] != ':' {
			return s.unexpected(i, "':'")
		}
		i = s.space(i + 1)
		goto value
	}
}

// hand gives the members to o, all names in one allocation.
func (s *scanner) hand(o *Object) {
	if len(s.members) == 0 {
		return
	}
	var room [128]byte
	names := room[:0]
	for k := range s.members {
		m := &s.members[k]
		names = appendUnescaped(names, s.raw[m.NameStart+1:m.NameEnd-1])
		m.nameTo = len(names)
	}
	o.cased, o.wide = letters(names)
	all, from := string(names), 0
	o.members = make([]Member, len(s.members))
	for k := range s.members {
		m := &s.members[k]
		o.members[k] = Member{Name: all[from:m.nameTo], NameStart: m.NameStart, NameEnd: m.NameEnd, Start: m.Start, End: m.End}
		from = m.nameTo
	}
}

// letters reports whether a byte of b is a capital or not ASCII, and whether one is not ASCII.
func letters(b []byte) (cased, wide bool) {
	const fromA, behindZ = (0x80 - 'A') * ones, (0x80 - 'Z' - 1) * ones
	var some, capital uint64 // marks by the high bits, which those of wide bytes disturb only to the same end
	for ; len(b) >= 8; b = b[8:] {
		w := binary.LittleEndian.Uint64(b)
		some |= w
		capital |= (w + fromA) &^ (w + behindZ)
	}
	for _, c := range b {
		some |= uint64(c)
		capital |= (uint64(c) + fromA&0xFF) &^ (uint64(c) + behindZ&0xFF)
	}
	wide = some&highs != 0
	return wide || capital&highs != 0, wide
}

// space returns the offset of the first byte at or after i that is no white space.
func (s *scanner) space(i int) int {
	raw := s.raw
	for i < len(raw) && raw[i] <= ' ' && (raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\r' || raw[i] == '\t') {
		i++
	}
	return i
}

// word reports whether w stands at i.
func word(raw []byte, i int, w string) bool {
	return len(raw)-i >= len(w) && string(raw[i:i+len(w)]) == w
}

// number returns the offset behind the number at i; or the one where it goes wrong, and false.
func number(raw []byte, i int) (end int, ok bool) {
	if raw[i] == '-' {
		i++
	}
	start := i
	i = digits(raw, i)
	if i == start || raw[start] == '0' && i > start+1 {
		return start, false
	}
	if i < len(raw) && raw[i] == '.' {
		start = i + 1
		if i = digits(raw, start); i == start {
			return i, false
		}
	}
	if i < len(raw) && raw[i]|0x20 == 'e' {
		i++
		if i < len(raw) && (raw[i] == '+' || raw[i] == '-') {
			i++
		}
		start = i
		if i = digits(raw, start); i == start {
			return i, false
		}
	}
	return i, true
}

func digits(raw []byte, i int) int {
	for i < len(raw) && isDigit(raw[i]) {
		i++
	}
	return i
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
