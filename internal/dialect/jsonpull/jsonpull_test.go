package jsonpull_test

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"tollgate/internal/dialect/jsonpull"
)

// tree reads a whole text with the parser, the way a caller would.
func tree(p *jsonpull.Parser) any {
	switch p.Kind() {
	case '{':
		m := map[string]any{}
		p.Object()
		for p.Member() {
			name := p.Name
			m[name] = tree(p)
		}
		return m
	case '[':
		s := []any{}
		p.Array()
		for p.Element() {
			s = append(s, tree(p))
		}
		return s
	case '"':
		return p.String()
	case 't', 'f':
		return p.Bool()
	case '0':
		return json.Number(p.Raw())
	}
	p.Skip()
	return nil
}

func TestReads(t *testing.T) {
	p := jsonpull.New([]byte(` { "a" : [ 1 , "two\n\u00e9\ud83d\ude00\ud800x" , { "x" : null } ] , "b":{"c":{}},"n":-12.5e1,"big":1e300,"s":"17","t":true } `))
	var got []any
	if !p.Object() {
		t.Fatal("no object")
	}
	for p.Member() {
		switch p.Name {
		case "a":
			if !p.Array() {
				t.Fatal("no array")
			}
			for p.Element() {
				switch p.Kind() {
				case '0':
					got = append(got, p.Int())
				case '"':
					got = append(got, p.String())
				default:
					got = append(got, p.Raw())
				}
			}
		case "n", "big", "s":
			got = append(got, p.Int())
		case "t":
			got = append(got, p.Bool())
		default:
			p.Skip()
		}
	}
	if err := p.End(); err != nil {
		t.Fatal(err)
	}
	want := []any{int64(1), "two\né😀\ufffdx", `{ "x" : null }`, int64(-125), int64(math.MaxInt64), int64(17), true}
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("value %d: got %#v, want %#v", i, got[i], want[i])
		}
	}
}

func TestWrongTypesAreSkipped(t *testing.T) {
	p := jsonpull.NewString(`{"a":{"deep":[1]},"b":"x","c":[]}`)
	p.Object()
	for p.Member() {
		if p.Name == "b" {
			if p.Object() || p.Array() {
				t.Error("a string was entered")
			}
			break
		}
		if s, n := p.String(), int64(0); s != "" || n != 0 {
			t.Errorf("an object reads as %q", s)
		}
	}
}

func TestDepthIsBounded(t *testing.T) {
	p := jsonpull.NewString(strings.Repeat("[", 1<<20))
	p.Skip()
	if p.End() == nil {
		t.Error("a megabyte of brackets was read")
	}
}

// What is skipped may be as deep as what is entered, in the middle of a text too.
func TestDepthOfWhatIsSkipped(t *testing.T) {
	for _, c := range []struct{ outer, inner int }{{0, 500}, {0, 501}, {1, 499}, {1, 500}, {63, 437}, {64, 437}, {499, 1}, {499, 2}, {500, 0}, {500, 1}} {
		open := strings.Repeat("[", c.outer) + strings.Repeat(`{"a":[`, c.inner/2) + strings.Repeat("[", c.inner%2)
		shut := strings.Repeat("]", c.inner%2) + strings.Repeat(`],"b":1}`, c.inner/2) + strings.Repeat("]", c.outer)
		p := jsonpull.NewString(open + "0" + shut)
		for range c.outer {
			p.Array()
			p.Element()
		}
		p.Skip()
		for range c.outer {
			p.Element()
		}
		if ok, want := p.End() == nil, c.outer+c.inner <= 500; ok != want {
			t.Errorf("%d entered, %d skipped: read %v, want %v", c.outer, c.inner, ok, want)
		}
	}
}

func TestInt(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "7": 7, " 42": 42, "-1": -1, "-0": 0, "1.9": 1, "-1.9": -1, "1e3": 1000, "1E3": 1000, `"12"`: 12, `"1x"`: 0, "null": 0,
		"999999999999999999": 999999999999999999, "9223372036854775807": math.MaxInt64, "9223372036854775808": math.MaxInt64,
		"1234567890123456789": 1234567890123456789, "100000000000000000000": math.MaxInt64, "-100000000000000000000": math.MinInt64, "[1]": 0,
	} {
		p := jsonpull.NewString(text)
		if got := p.Int(); got != want || p.End() != nil {
			t.Errorf("%s reads as %d, want %d: %v", text, got, want, p.End())
		}
	}
	for _, text := range []string{"01", "00", "1.", "1e", "1x", "-", "1 1", "", "000000000000000000001", "1234567890123456789012x"} {
		p := jsonpull.NewString(text)
		if n := p.Int(); p.End() == nil {
			t.Errorf("%s reads as %d", text, n)
		}
	}
}

// FuzzValid compares what is taken for valid with encoding/json, and what is read of it.
func FuzzValid(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e-3,"x\u0041\n",null,true,false,{}],"b":{}}`, `[01]`, `[1,]`, `{"a":1,}`, `{,}`, `"\x"`, `-`, `1.`, `1e`, "\"\x01\"", `[1 2]`, `{"a" 1}`, ` 0 `, `nul`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := jsonpull.NewString(s)
		p.Skip()
		ok := p.End() == nil
		if want := json.Valid([]byte(s)); ok != want && strings.Count(s, "[")+strings.Count(s, "{") < 400 {
			t.Fatalf("%q: valid %v, encoding/json says %v", s, ok, want)
		}
		q := jsonpull.NewString(s)
		v := tree(&q)
		if read := q.End() == nil; read != ok {
			t.Fatalf("%q: reads %v, skips %v", s, read, ok)
		}
		if !ok || !utf8.ValidString(s) {
			return
		}
		got, err := json.Marshal(v)
		if err != nil {
			return // a number that encoding/json cannot hold
		}
		var w any
		dec := json.NewDecoder(strings.NewReader(s))
		dec.UseNumber()
		if dec.Decode(&w) != nil {
			return
		}
		want, err := json.Marshal(w)
		if err == nil && string(got) != string(want) {
			t.Fatalf("%q reads as %s, want %s", s, got, want)
		}
	})
}

// What is known to be JSON reads the same without being checked on the way, and what was wrongly said to be
// JSON costs no more than a wrong value: no panic, no endless loop.
func FuzzChecked(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,{"b":"}]\"\\"},"\\\\"],"c":{"d":null},"e":-1.5e3,"\"":"\u00e9\ud83d\ude00\ud800x"}`, `[[[]]]`, `"\n\t\"\\"`, `"\u12"`, `"\`, `{"a":"\`, `[{]}`, `"` + strings.Repeat(`\\`, 40) + `"`,
		`{"long":"` + strings.Repeat("plain text without an escape ", 9) + `\n"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		checked := jsonpull.NewChecked(s)
		fast := tree(&checked)
		skipped := jsonpull.NewChecked(s)
		skipped.Skip()
		p := jsonpull.NewString(s)
		slow := tree(&p)
		if p.End() != nil {
			return
		}
		if checked.End() != nil || skipped.End() != nil {
			t.Fatalf("%q: %v, %v", s, checked.End(), skipped.End())
		}
		if text, ok := slow.(string); ok && jsonpull.Unquote(strings.Trim(s, " \t\r\n")) != text {
			t.Fatalf("%q is %q, unquoted %q", s, text, jsonpull.Unquote(s))
		}
		if !reflect.DeepEqual(fast, slow) {
			t.Fatalf("%q reads as %v, checked as %v", s, fast, slow)
		}
	})
}
