// Package jsonedit checks raw JSON strictly and edits it in place.
//
// It owns one promise: what we check is what the upstream reads. Scan reads an object from the first
// byte to the last and refuses what two parsers could read differently (duplicate names at any
// depth, bad UTF-8, trailing bytes, too deep nesting). Edits change the members named and leave all
// other bytes alone. It knows no protocol. Standard library only.
package jsonedit

import (
	"fmt"
	"hash/maphash"
	"math"
	"strconv"
	"strings"
)

// Object is a scanned JSON object. It refers to the scanned bytes and does not copy them: they must
// not change while it is in use. It may be read by several goroutines at once.
type Object struct {
	raw     []byte
	members []Member
	open    int // offset of '{' in raw
	end     int // offset behind '}'
	stats   Stats
	seen    seenNames
	cased   bool // a name has a capital or is not ASCII
	wide    bool // a name is not ASCII
}

// Member is one member of an Object. Offsets count from the start of the scanned bytes.
type Member struct {
	Name               string // unescaped
	NameStart, NameEnd int    // with quotes
	Start, End         int    // the value, without surrounding white space
}

// Stats describes the text in a scanned value, for a quick estimate of its tokens.
type Stats struct {
	TextBytes  int64 // bytes inside strings that are not media, names included, escapes counted as what they stand for
	MediaParts int   // strings of 1 KiB and more that are base64 or a data: URL
	Numbers    int64 // numbers; an embedding request may carry its tokens as these
	Disguised  bool  // a letter, a digit or _ is written as an escape: a search for a word in the bytes may miss it
}

// Error says what is wrong with the scanned bytes, and where.
type Error struct {
	Offset int    // of the offending byte; for a duplicate name, of its opening quote
	Path   string // of the innermost value that was begun, like messages[3].content; "" for the root
	Msg    string
}

func (e *Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("invalid JSON at offset %d: %s", e.Offset, e.Msg)
	}
	return fmt.Sprintf("invalid JSON at offset %d (in %s): %s", e.Offset, e.Path, e.Msg)
}

// TypeError says that a member has another type than the one asked for.
type TypeError struct {
	Name   string
	Want   string // "a string", "an integer" …
	Got    string // "an array", "the number 1.5" …
	Offset int    // of the value
}

func (e *TypeError) Error() string {
	return fmt.Sprintf("%q must be %s, not %s (offset %d)", e.Name, e.Want, e.Got, e.Offset)
}

// Raw returns the bytes of the object from '{' to '}'. Offsets of members count from the start of
// what was scanned, which for a nested object or one with white space before it is not Raw's start.
func (o *Object) Raw() []byte { return o.raw[o.open:o.end] }

// Stats returns the statistics of this object alone.
func (o *Object) Stats() Stats { return o.stats }

// MayName reports whether an object at depth, counted in objects and arrays with o as the first, may
// have a member called name, after unescaping. False is certain; true may be wrong (for one name in
// some thousands, in usual requests), so that the caller has to look for itself.
func (o *Object) MayName(depth int, name string) bool {
	return o.seen.has(depth, maphash.String(seed, name))
}

// MayNameAmong is MayName for any of names at any depth from one to another.
func (o *Object) MayNameAmong(from, to int, names ...string) bool {
	for _, name := range names {
		hash := maphash.String(seed, name)
		for depth := from; depth <= to; depth++ {
			if o.seen.has(depth, hash) {
				return true
			}
		}
	}
	return false
}

// Cased reports whether a member's name has a capital or is not ASCII. If not, none is a Variant of a name in
// small ASCII letters.
func (o *Object) Cased() bool { return o.cased }

// Members returns the members in their order. The caller must not change the slice.
func (o *Object) Members() []Member { return o.members }

// Value returns the bytes of m's value. They are part of the scanned bytes.
func (o *Object) Value(m Member) []byte { return o.raw[m.Start:m.End:m.End] }

// Find returns the member called exactly name.
func (o *Object) Find(name string) (Member, bool) {
	for i := range o.members {
		if o.members[i].Name == name {
			return o.members[i], true
		}
	}
	return Member{}, false
}

// Variant returns a member that a parser which folds case, as encoding/json does, takes for name,
// though it is not called exactly name.
func (o *Object) Variant(name string) (Member, bool) {
	ascii := !o.wide && isASCII(name)
	for i := range o.members {
		n := o.members[i].Name
		if ascii && len(n) != len(name) {
			continue
		}
		if n != name && strings.EqualFold(n, name) {
			return o.members[i], true
		}
	}
	return Member{}, false
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// String returns the string called name. ok is false if it is absent or null, err a *TypeError if it
// is something else.
func (o *Object) String(name string) (s string, ok bool, err error) {
	m, ok := o.present(name)
	if !ok {
		return "", false, nil
	}
	v := o.raw[m.Start:m.End]
	if v[0] != '"' {
		return "", false, o.typeError(m, "a string")
	}
	return unquote(v), true, nil
}

// Int returns the integer called name. A number such as 1e3 or 4096.0 is an integer too, as JSON has
// one kind of number only. ok is false if it is absent or null, err a *TypeError if it is something else.
func (o *Object) Int(name string) (n int64, ok bool, err error) {
	m, ok := o.present(name)
	if !ok {
		return 0, false, nil
	}
	v := string(o.raw[m.Start:m.End])
	if n, err := strconv.ParseInt(v, 10, 64); err == nil {
		return n, true, nil
	}
	if v[0] != '-' && (v[0] < '0' || v[0] > '9') {
		return 0, false, o.typeError(m, "an integer")
	}
	const exact = 1 << 53 // beyond it a float64 no longer tells neighbouring integers apart
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= exact {
		return 0, false, o.typeError(m, "an integer")
	}
	return int64(f), true, nil
}

// Bool returns the boolean called name. ok is false if it is absent or null, err a *TypeError if it
// is something else.
func (o *Object) Bool(name string) (b, ok bool, err error) {
	m, ok := o.present(name)
	if !ok {
		return false, false, nil
	}
	switch o.raw[m.Start] {
	case 't':
		return true, true, nil
	case 'f':
		return false, true, nil
	}
	return false, false, o.typeError(m, "a boolean")
}

// Object returns the object called name; its offsets count from the start of the same scanned bytes,
// so that its edits and those of o go into one Apply. ok is false if it is absent or null, err a
// *TypeError if it is something else.
func (o *Object) Object(name string) (nested *Object, ok bool, err error) {
	m, ok := o.present(name)
	if !ok {
		return nil, false, nil
	}
	if o.raw[m.Start] != '{' {
		return nil, false, o.typeError(m, "an object")
	}
	nested, bad := scanAt(o.raw[:m.End], m.Start, math.MaxInt)
	if bad != nil {
		return nil, false, bad // the bytes were changed after the scan
	}
	nested.raw = o.raw
	return nested, true, nil
}

// present returns the member called name unless it is null.
func (o *Object) present(name string) (Member, bool) {
	m, ok := o.Find(name)
	if !ok || o.raw[m.Start] == 'n' {
		return Member{}, false
	}
	return m, true
}

func (o *Object) typeError(m Member, want string) error {
	got := "a number"
	switch v := o.raw[m.Start:m.End]; v[0] {
	case '{':
		got = "an object"
	case '[':
		got = "an array"
	case '"':
		got = "a string"
	case 't', 'f':
		got = "a boolean"
	default:
		if len(v) <= 32 {
			got = "the number " + string(v)
		}
	}
	return &TypeError{Name: shorten(m.Name), Want: want, Got: got, Offset: m.Start}
}

// shorten bounds a name of the client's for an error text.
func shorten(name string) string {
	const longest = 64
	if len(name) <= longest {
		return name
	}
	return strings.ToValidUTF8(name[:longest], "") + "…"
}
