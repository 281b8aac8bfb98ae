package gemini

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"tollgate/internal/dialect/jsonpull"
)

// arguments writes the JSON of a call's arguments as Vertex streams them: values with the paths where they
// belong (partialArgs), in the order in which the model writes them. So what came before never has to be
// kept, but for the way to the value at hand and the names beside it. What goes back to an object or a list
// that is over, skips an element or gives a value twice is no way to write JSON: an error.
//
// Source: FunctionCall and PartialArg in google.golang.org/genai v1.77.0 (types.go); calls recorded 2026-04
// and 2026-05, vercel/ai packages/google/src/__fixtures__/google-vertex-stream-tool-call-arguments-nested.1.chunks.txt
// and google-stream-tool-call-array-arguments-missing-terminal-function-call.chunks.txt; both read 2026-11-21.
type arguments struct {
	index int    // of the call's block
	name  string // of the call
	way   []level
	text  []step // where the string stands that goes on; nil: none does
	bytes int    // written so far
}

// step is a step of a path: a name, or a number in a list.
type step struct {
	name   string
	number int // -1: a name
}

// level is an object or a list that is open.
type level struct {
	at    step // in the one around it
	list  bool
	count int                 // elements or members so far
	names map[string]struct{} // of an object's members
}

// maxArguments bounds the JSON of one call in bytes, and with it what is kept of it; maxSteps the depth.
const (
	maxArguments = 16 << 20
	maxSteps     = 100
)

// partial is one element of partialArgs.
type partial struct {
	path  string
	kind  byte   // of the value: '"', '0', 'b' or 'n'; 0: none
	value string // a string's text, else JSON
	more  bool   // the value goes on
}

// readPartial reads the element at hand.
func readPartial(p *jsonpull.Parser) (one partial, err error) {
	set := func(kind byte, value string) {
		if one.kind != 0 {
			err = errors.New("an argument with two values")
		}
		one.kind, one.value = kind, value
	}
	for in := p.Object(); in && p.Member(); {
		switch p.Name {
		case "jsonPath":
			one.path = p.String()
		case "willContinue":
			one.more = p.Bool()
		case "nullValue": // the enum NullValue in JSON: "NULL_VALUE", or null
			p.Skip()
			set('n', "null")
		case "stringValue", "numberValue", "boolValue":
			want, kind := p.Name, p.Kind()
			switch {
			case kind == 'n': // not said
				p.Skip()
			case want == "stringValue" && kind == '"':
				set('"', p.String())
			case want == "numberValue" && kind == '0':
				set('0', p.Raw())
			case want == "boolValue" && (kind == 't' || kind == 'f'):
				set('b', p.Raw())
			default:
				err = fmt.Errorf("a %s that is %.40s", want, p.Raw())
			}
		default:
			p.Skip()
		}
	}
	return one, err
}

// add appends the JSON that one brings.
func (a *arguments) add(dst []byte, one partial) ([]byte, error) {
	from := len(dst)
	path, err := argumentPath(one.path)
	if err != nil {
		return dst, err
	}
	if a.text != nil {
		same := samePath(a.text, path)
		switch {
		case same && one.kind != 0 && one.kind != '"':
			return dst, fmt.Errorf("%.80q is a string that goes on as something else", one.path)
		case same:
			dst = appendInside(dst, one.value)
		}
		if !same || !one.more {
			dst, a.text = append(dst, '"'), nil
		}
		if same {
			return dst, a.count(len(dst) - from)
		}
	}
	if one.kind == 0 {
		return dst, a.count(len(dst) - from) // no value yet
	}
	if dst, err = a.reach(dst, path); err != nil {
		return dst, fmt.Errorf("%.80q %w", one.path, err)
	}
	switch {
	case one.kind != '"':
		dst = append(dst, one.value...)
	case one.more:
		dst = appendInside(append(dst, '"'), one.value)
		a.text = path
	default:
		dst = appendString(dst, one.value)
	}
	return dst, a.count(len(dst) - from)
}

func (a *arguments) count(n int) error {
	if a.bytes += n; a.bytes > maxArguments {
		return fmt.Errorf("more than %d bytes", maxArguments)
	}
	return nil
}

// reach ends what path does not lead through, opens what it does, and appends all that stands before the
// value itself.
func (a *arguments) reach(dst []byte, path []step) ([]byte, error) {
	if len(a.way) == 0 {
		a.way, dst = append(a.way, level{}), append(dst, '{')
	}
	shared := 1
	for shared < len(a.way) && shared < len(path) && a.way[shared].at == path[shared-1] {
		shared++
	}
	dst = a.close(dst, shared)
	for i := shared - 1; ; i++ {
		var err error
		if dst, err = a.way[i].enter(dst, path[i]); err != nil {
			return dst, err
		}
		if i == len(path)-1 {
			return dst, nil
		}
		below := level{at: path[i], list: path[i+1].number >= 0}
		open := byte('{')
		if below.list {
			open = '['
		}
		a.way, dst = append(a.way, below), append(dst, open)
	}
}

// enter appends what stands before the member or element s.
func (l *level) enter(dst []byte, s step) ([]byte, error) {
	switch {
	case l.list != (s.number >= 0):
		return dst, errors.New("makes a list of an object, or an object of a list")
	case l.list && s.number != l.count:
		return dst, fmt.Errorf("is the element %d of a list that has %d so far", s.number, l.count)
	}
	if !l.list {
		if _, twice := l.names[s.name]; twice {
			return dst, errors.New("gives a value twice, or goes back to one that is over")
		}
		if l.names == nil {
			l.names = map[string]struct{}{}
		}
		l.names[s.name] = struct{}{}
	}
	if l.count++; l.count > 1 {
		dst = append(dst, ',')
	}
	if !l.list {
		dst = append(appendString(dst, s.name), ':')
	}
	return dst, nil
}

// close ends what is open below the first keep levels.
func (a *arguments) close(dst []byte, keep int) []byte {
	for i := len(a.way) - 1; i >= keep; i-- {
		if a.way[i].list {
			dst = append(dst, ']')
		} else {
			dst = append(dst, '}')
		}
	}
	a.way = a.way[:min(keep, len(a.way))]
	return dst
}

// end appends what is still missing.
func (a *arguments) end(dst []byte) []byte {
	if a.text != nil {
		dst, a.text = append(dst, '"'), nil
	}
	if len(a.way) == 0 {
		return append(dst, "{}"...)
	}
	return a.close(dst, 0)
}

func samePath(a, b []step) bool {
	if len(a) != len(b) {
		return false
	}
	for i := len(a) - 1; i >= 0; i-- {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// appendInside appends s as part of a JSON string.
func appendInside(dst []byte, s string) []byte {
	from := len(dst)
	dst = appendString(dst, s)
	return append(dst[:from], dst[from+1:len(dst)-1]...)
}

// argumentPath reads a JSONPath (RFC 9535) that names one value of an object: $.foo.bar[0]['data'].
func argumentPath(s string) (path []step, err error) {
	bad := fmt.Errorf("no path to an argument: %.80q", s)
	rest, ok := strings.CutPrefix(s, "$")
	if !ok {
		return nil, bad
	}
	for rest != "" {
		var one step
		if rest[0] == '[' {
			one, rest, ok = readBracket(rest[1:])
		} else {
			one, rest, ok = readName(rest)
		}
		if !ok || len(path) == maxSteps {
			return nil, bad
		}
		path = append(path, one)
	}
	if len(path) == 0 || path[0].number >= 0 {
		return nil, bad
	}
	return path, nil
}

// readName reads a step behind a dot.
func readName(s string) (one step, rest string, ok bool) {
	s, ok = strings.CutPrefix(s, ".")
	end := strings.IndexAny(s, ".[")
	if end < 0 {
		end = len(s)
	}
	name := s[:end]
	return step{name: name, number: -1}, s[end:], ok && name != "" && name != "*"
}

// readBracket reads a step behind a bracket: a number, or a name in quotes of either kind.
func readBracket(s string) (one step, rest string, ok bool) {
	if s == "" || s[0] != '"' && s[0] != '\'' {
		number, rest, ok := strings.Cut(s, "]")
		n, err := strconv.ParseUint(number, 10, 31)
		return step{number: int(n)}, rest, ok && err == nil
	}
	var text strings.Builder // as JSON has it
	text.WriteByte('"')
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == s[0]:
			p := jsonpull.NewString(text.String() + `"`)
			name := p.String()
			rest, ok = strings.CutPrefix(s[i+1:], "]")
			return step{name: name, number: -1}, rest, ok && p.End() == nil
		case c == '\\' && i+1 < len(s):
			i++
			if s[i] != '\'' {
				text.WriteByte('\\')
			}
			text.WriteByte(s[i])
		case c == '"':
			text.WriteString(`\"`)
		default:
			text.WriteByte(c)
		}
	}
	return one, "", false
}
