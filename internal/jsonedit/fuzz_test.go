package jsonedit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

const fuzzDepth = 20

// surrogates finds escapes of surrogates; an escaped backslash before the u makes it none.
var surrogates = regexp.MustCompile(`(?i)\\(?:u(d[89a-f][0-9a-f]{2})|.)`)

// hasLoneSurrogate tells, another way than escape does, whether a string has half of a pair.
func hasLoneSurrogate(raw []byte) bool {
	end := -1 // of the first half that waits for its second
	for _, m := range surrogates.FindAllSubmatchIndex(raw, -1) {
		if m[2] < 0 {
			continue
		}
		low := strings.ContainsRune("cCdDeEfF", rune(raw[m[2]+1]))
		switch {
		case low && end != m[0], !low && end >= 0:
			return true
		case low:
			end = -1
		default:
			end = m[1]
		}
	}
	return end >= 0
}

// refusedOnPurpose tells whether valid JSON has a duplicate name or is nested too deep.
func refusedOnPurpose(raw []byte) bool {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	type level struct {
		names map[string]bool // nil in an array
		value bool            // a value comes next
	}
	var stack []level
	for {
		tok, err := d.Token()
		if err != nil {
			return err != io.EOF
		}
		top := len(stack) - 1
		if name, ok := tok.(string); ok && top >= 0 && stack[top].names != nil && !stack[top].value {
			if stack[top].names[name] {
				return true
			}
			stack[top].names[name], stack[top].value = true, true
			continue
		}
		switch tok {
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:top]
			continue
		}
		if top >= 0 {
			stack[top].value = false
		}
		switch tok {
		case json.Delim('{'):
			stack = append(stack, level{names: map[string]bool{}})
		case json.Delim('['):
			stack = append(stack, level{})
		}
		if len(stack) > fuzzDepth {
			return true
		}
	}
}

var seeds = []string{
	`{}`, `{"a":1,"b":[{"a":null},"x\ud83d\ude00\n"],"a\u0062":-0.5e+3}`, `{"a":1,"a":2}`, `{"a":"\ud800"}`,
	" { \"\xe4\xb8\xad\" : [ [ ] , { } , true ] } ", `{"a":01}`, `{"a":"\\ud800"}`, `{"a":"\udc00\ud800"}`,
	`{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true,"stream_options":{"include_usage":true}}`,
	"{\"a\":\"12345678\x7f\xed\xa0\x80\"}", strings.Repeat(`{"a":`, 21) + "1" + strings.Repeat("}", 21),
}

// What Scan takes is what encoding/json takes, but for what it refuses on purpose.
func FuzzScan(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Add(manyNames(30))
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := Scan(raw, fuzzDepth)
		isObject := json.Valid(raw) && bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{"))
		want := isObject && utf8.Valid(raw) && !hasLoneSurrogate(raw) && !refusedOnPurpose(raw)
		if want != (err == nil) {
			t.Fatalf("Scan(%q): %v, want ok = %v", raw, err, want)
		}
		if err != nil {
			e := (*Error)(nil)
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(raw) || !utf8.ValidString(e.Error()) {
				t.Fatalf("Scan(%q): bad error %q", raw, err)
			}
			return
		}
		checkMembers(t, o, raw)
	})
}

// checkMembers compares an object with what encoding/json reads.
func checkMembers(t *testing.T, o *Object, raw []byte) {
	t.Helper()
	var want map[string]json.RawMessage
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	if len(want) != len(o.Members()) {
		t.Fatalf("%d members of %q, want %d", len(o.Members()), raw, len(want))
	}
	for name, v := range want {
		m, ok := o.Find(name)
		if !ok || !bytes.Equal(o.Value(m), v) {
			t.Fatalf("%q of %q is %q, want %q", name, raw, o.Value(m), v)
		}
		var quoted, s string
		if err := json.Unmarshal(raw[m.NameStart:m.NameEnd], &quoted); err != nil || quoted != name {
			t.Fatalf("name at %d is %q, want %q", m.NameStart, raw[m.NameStart:m.NameEnd], name)
		}
		if v[0] == '"' {
			if err := json.Unmarshal(v, &s); err != nil {
				t.Fatal(err)
			}
			if got, ok, err := o.String(name); got != s || !ok || err != nil {
				t.Fatalf("String(%q) = %q, %v, %v, want %q", name, got, ok, err, s)
			}
		}
		if v[0] == '{' {
			nested, ok, err := o.Object(name)
			if !ok || err != nil {
				t.Fatalf("Object(%q): %v, %v", name, ok, err)
			}
			if !bytes.Equal(nested.Raw(), v) {
				t.Fatalf("Object(%q).Raw() = %q, want %q", name, nested.Raw(), v)
			}
			for _, m := range nested.Members() {
				if got := raw[m.Start:m.End]; !bytes.Equal(got, nested.Value(m)) || !json.Valid(got) {
					t.Fatalf("member of Object(%q) is %q", name, got)
				}
			}
		}
	}
}

// Set changes the one member and nothing else.
func FuzzSet(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s), "a", "x\"\n")
		f.Add([]byte(s), "new", "")
	}
	f.Fuzz(func(t *testing.T, raw []byte, name, value string) {
		o, err := Scan(raw, fuzzDepth)
		if err != nil || !utf8.ValidString(name) {
			return
		}
		var want map[string]any
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		before := bytes.Clone(raw)
		out, err := Apply(raw, o.Set(name, Quote(value)))
		if err != nil || !bytes.Equal(raw, before) {
			t.Fatalf("Apply: %v, raw %q", err, raw)
		}
		want[name] = string([]rune(value)) // U+FFFD for each bad byte
		var got map[string]any
		if err := json.Unmarshal(out, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %q: %v\n%s", out, err, cmp.Diff(want, got))
		}
		if _, err := Scan(out, fuzzDepth); err != nil {
			t.Fatalf("Scan(%q): %v", out, err)
		}
	})
}

// drawn is a generated object, in pieces.
type drawn struct {
	before, after string // white space around it
	open          string // white space behind '{'
	members       []drawnMember
}

type drawnMember struct {
	name, value  string
	head         string // quoted name, colon, white space: all before the value
	tail, behind string // white space behind the value and behind the comma
}

func drawObject(t *rapid.T) drawn {
	space := func() string { return rapid.SampledFrom([]string{"", "", " ", "\n  ", "\t\r\n"}).Draw(t, "space") }
	d := drawn{before: space(), after: space(), open: space()}
	for i := range rapid.IntRange(0, 6).Draw(t, "members") {
		m := drawnMember{name: fmt.Sprintf("m%d", i), tail: space(), behind: space()}
		m.head = `"` + m.name + `"` + space() + ":" + space()
		m.value = rapid.SampledFrom([]string{
			`1`, `-2.50`, `"a\u00e9\n"`, `"é{,}"`, `null`, `[1, {"x":"]"}]`, `{ "m0" : {} }`, `12345678901234567890`,
		}).Draw(t, "value")
		d.members = append(d.members, m)
	}
	return d
}

// text writes the object with members inserted in front.
func (d drawn) text(inserted ...string) string {
	b := d.before + "{" + strings.Join(inserted, ",")
	if len(inserted) > 0 && len(d.members) > 0 {
		b += ","
	}
	b += d.open
	for i, m := range d.members {
		b += m.head + m.value + m.tail
		if i < len(d.members)-1 {
			b += "," + m.behind
		}
	}
	return b + "}" + d.after
}

// Any set of edits leaves all other bytes alone. Removed members take their comma along and one of
// the white spaces around them.
func TestEditsLeaveTheRestAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawObject(t)
		raw := []byte(d.text())
		o, err := Scan(raw, 10)
		if err != nil {
			t.Fatalf("Scan(%q): %v", raw, err)
		}
		var edits []Edit
		var kept []string // text of each member from its name to its value
		var gone int
		for i := range d.members {
			m := &d.members[i]
			switch rapid.SampledFrom([]string{"keep", "set", "remove"}).Draw(t, m.name) {
			case "set":
				edits = append(edits, o.Set(m.name, []byte(`"set"`)))
				m.value = `"set"`
			case "remove":
				e, ok := o.Remove(m.name)
				if !ok {
					t.Fatalf("no %q to remove", m.name)
				}
				edits = append(edits, e)
				gone++
				continue
			}
			kept = append(kept, m.head+m.value)
		}
		edits = append(edits[:0:0], rapid.Permutation(edits).Draw(t, "order")...)
		var inserted []string
		at := 0
		for i := range rapid.IntRange(0, 3).Draw(t, "inserted") { // these keep their order
			name := fmt.Sprintf("new%d", i)
			at = rapid.IntRange(at, len(edits)).Draw(t, "place")
			edits = slices.Insert(edits, at, o.Set(name, []byte(`[0]`)))
			at++
			inserted = append(inserted, `"`+name+`":[0]`)
		}

		out, err := Apply(raw, edits...)
		if err != nil {
			t.Fatal(err)
		}
		if gone == 0 {
			if want := d.text(inserted...); string(out) != want {
				t.Fatalf("%q became %q, want %q", raw, out, want)
			}
			return
		}
		edited, err := Scan(out, 10)
		if err != nil {
			t.Fatalf("%q became %q: %v", raw, out, err)
		}
		var got []string
		rest := string(out)
		for _, m := range slices.Backward(edited.Members()) {
			got = append(got, string(out[m.NameStart:m.End]))
			rest = rest[:m.NameStart] + rest[m.End:]
		}
		slices.Reverse(got)
		if diff := cmp.Diff(append(inserted, kept...), got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%q became %q\n%s", raw, out, diff)
		}
		if !strings.HasPrefix(rest, d.before+"{") || !strings.HasSuffix(rest, "}"+d.after) || strings.Trim(rest, " \t\r\n{,}") != "" {
			t.Fatalf("%q became %q", raw, out)
		}
	})
}
