package jsonedit

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func mustScan(t testing.TB, raw string) *Object {
	t.Helper()
	o, err := Scan([]byte(raw), 100)
	if err != nil {
		t.Fatalf("Scan(%s): %v", raw, err)
	}
	return o
}

func TestMembers(t *testing.T) {
	raw := " {\"a\" : 1 ,\"b\\u0063\":[ {\"x\":2} , 3 ],\"s\":\"é\\n\"}\n"
	o := mustScan(t, raw)
	got := map[string]string{}
	for _, m := range o.Members() {
		got[m.Name] = string(o.Value(m))
		if q := raw[m.NameStart:m.NameEnd]; q[0] != '"' || q[len(q)-1] != '"' {
			t.Errorf("name of %q is %s", m.Name, q)
		}
	}
	want := map[string]string{"a": "1", "bc": `[ {"x":2} , 3 ]`, "s": `"é\n"`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if want := strings.TrimSpace(raw); string(o.Raw()) != want {
		t.Errorf("Raw() = %s", o.Raw())
	}
}

func TestVariant(t *testing.T) {
	o := mustScan(t, `{"model":1,"Stream":2,"mo\u0064eL":3,"to\u212As":4}`)
	for name, want := range map[string]string{
		"model":  "modeL",
		"stream": "Stream",
		"toks":   "to\u212As", // the Kelvin sign folds to k
		"Stream": "",
		"other":  "",
	} {
		m, ok := o.Variant(name)
		if m.Name != want || ok != (want != "") {
			t.Errorf("Variant(%q) = %q, %v, want %q", name, m.Name, ok, want)
		}
	}
}

func TestTypedValues(t *testing.T) {
	o := mustScan(t, `{"s":"a\ud83d\ude00\/\"b","n":42,"f":4096.0,"e":1e3,"half":1.5,"big":9223372036854775807,
		"huge":9223372036854775808,"t":true,"no":false,"null":null,"o":{"x":{"y":"z"}},"l":[1]}`)
	if s, ok, err := o.String("s"); s != "a😀/\"b" || !ok || err != nil {
		t.Errorf("String = %q, %v, %v", s, ok, err)
	}
	for name, want := range map[string]int64{"n": 42, "f": 4096, "e": 1000, "big": 9223372036854775807} {
		if n, ok, err := o.Int(name); n != want || !ok || err != nil {
			t.Errorf("Int(%q) = %d, %v, %v, want %d", name, n, ok, err, want)
		}
	}
	for name, want := range map[string]bool{"t": true, "no": false} {
		if b, ok, err := o.Bool(name); b != want || !ok || err != nil {
			t.Errorf("Bool(%q) = %v, %v, %v", name, b, ok, err)
		}
	}
	for _, name := range []string{"null", "absent"} {
		if _, ok, err := o.String(name); ok || err != nil {
			t.Errorf("String(%q) = %v, %v", name, ok, err)
		}
		if _, ok, err := o.Object(name); ok || err != nil {
			t.Errorf("Object(%q) = %v, %v", name, ok, err)
		}
	}
	for _, c := range []struct {
		call func() error
		want string
	}{
		{func() error { _, _, err := o.String("n"); return err }, `"n" must be a string, not the number 42`},
		{func() error { _, _, err := o.Int("s"); return err }, `"s" must be an integer, not a string`},
		{func() error { _, _, err := o.Int("half"); return err }, `"half" must be an integer, not the number 1.5`},
		{func() error { _, _, err := o.Int("huge"); return err }, `"huge" must be an integer, not the number 9223372036854775808`},
		{func() error { _, _, err := o.Bool("o"); return err }, `"o" must be a boolean, not an object`},
		{func() error { _, _, err := o.Object("l"); return err }, `"l" must be an object, not an array`},
	} {
		err := c.call()
		if te := (*TypeError)(nil); !errors.As(err, &te) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	x, _, err := o.Object("o")
	if err != nil {
		t.Fatal(err)
	}
	if x, _, err = x.Object("x"); err != nil {
		t.Fatal(err)
	}
	m, _ := x.Find("y")
	if got := string(o.raw[m.Start:m.End]); got != `"z"` {
		t.Errorf("offsets of a nested object are not absolute: %s", got)
	}
}

func TestScanRefuses(t *testing.T) {
	many := func(n int) string { return strings.Repeat(`{"a":[`, n) + strings.Repeat(`]}`, n) }
	for raw, want := range map[string]string{
		``:                                  "offset 0: empty",
		" \n":                               "offset 2: empty",
		`[1]`:                               "offset 0: unexpected '['",
		`null`:                              "the value must be an object",
		"\xef\xbb\xbf{}":                    "byte order mark",
		`{`:                                 "offset 1: unexpected end, want a name",
		`{"a"`:                              "offset 4 (in a): unexpected end, want ':'",
		`{"a":`:                             "offset 5 (in a): unexpected end, want a value",
		`{"a":1`:                            "offset 6 (in a): unexpected end",
		`{"a":1,`:                           "unexpected end, want a name",
		`{"a":1,}`:                          "unexpected '}', want a name",
		`{,}`:                               "unexpected ','",
		`{"a":[1,]}`:                        "offset 8 (in a[1]): unexpected ']', want a value",
		`{"a":[1}}`:                         "unexpected '}', want ',' or ']'",
		`{"a":1]`:                           "unexpected ']', want ',' or '}'",
		`{"a" 1}`:                           "want ':'",
		`{a:1}`:                             "unexpected 'a', want a name",
		`{'a':1}`:                           "want a name",
		`{"a":1}x`:                          "offset 7: bytes after the object",
		`{"a":1}{}`:                         "bytes after the object",
		`{"a":1} //`:                        "bytes after the object",
		`{"a":1,"a":2}`:                     `offset 7: duplicate name "a"`,
		`{"a":1,"\u0061":2}`:                "duplicate name",
		`{"\u0061":1,"a":2}`:                "duplicate name",
		`{"x":[0,{"y":{"q":1,"q":1}}]}`:     `(in x[1].y): duplicate name "q"`,
		`{"model":"a","mode\u006c":"b"}`:    "duplicate name",
		`{"abcdefghi":1,"abcdefghi":2}`:     "duplicate name",
		`{"a":tru}`:                         "bad literal, want true",
		`{"a":True}`:                        "unexpected 'T'",
		`{"a":nul}`:                         "want null",
		`{"a":falsy}`:                       "want false",
		`{"a":truex}`:                       "unexpected 'x'",
		`{"a":01}`:                          "bad number",
		`{"a":-}`:                           "bad number",
		`{"a":1.}`:                          "bad number",
		`{"a":.5}`:                          "unexpected '.'",
		`{"a":1e}`:                          "bad number",
		`{"a":1e+}`:                         "bad number",
		`{"a":+1}`:                          "unexpected '+'",
		`{"a":0x1}`:                         "unexpected 'x'",
		`{"a":NaN}`:                         "unexpected 'N'",
		`{"a":Infinity}`:                    "unexpected 'I'",
		`{"a":"x`:                           "unexpected end inside the string that begins at offset 5",
		`{"a":"x\`:                          "unexpected end inside an escape",
		`{"a":"\x"}`:                        "bad escape",
		`{"a":"\u12"}`:                      "four hexadecimal digits",
		`{"a":"\u12g4"}`:                    "four hexadecimal digits",
		`{"a":"\ud800"}`:                    "without its other half",
		`{"a":"\udc00\ud800"}`:              "without its other half",
		`{"a":"\ud800\u0041"}`:              "without its other half",
		`{"a":"\ud800\ud800"}`:              "without its other half",
		`{"a":"\ud83dxxxxxxxx"}`:            "without its other half",
		"{\"a\":\"\n\"}":                    "control character 0x0a",
		"{\"a\":\"12345678901234567\x00\"}": "control character 0x00",
		"{\"a\":\"\xff\"}":                  "invalid UTF-8",
		"{\"a\":\"\xc0\xaf\"}":              "invalid UTF-8", // overlong
		"{\"a\":\"\xed\xa0\x80\"}":          "invalid UTF-8", // surrogate
		"{\"a\":\"\xed\xa0\x80\xed\xa0\x80\xed\xa0\x80\"}": "invalid UTF-8",
		"{\"a\":\"\xe0\x80\x80\xe0\x80\x80\xe0\x80\x80\"}": "invalid UTF-8",
		"{\"a\":\"\xe4\xb8\xad\xe0\x80\x80aaaaaa\"}":       "invalid UTF-8",
		"{\"a\":\"\xe4\xb8\xad\xed\xbf\xbfaaaaaa\"}":       "invalid UTF-8",
		"{\"a\":\"\xf4\x90\x80\x80\"}":                     "invalid UTF-8", // beyond U+10FFFF
		"{\"a\":\"\xe4\xb8":                                "invalid UTF-8",
		"{\"\xff\":1}":                                     "invalid UTF-8",
		"{\"a\":1\x00}":                                    "unexpected '\\x00'",
		"{\"a\":\u00a01}":                                  "unexpected byte 0xc2",
		"{\f\"a\":1}":                                      "unexpected '\\f'",
		many(51):                                           "nested deeper than 100 levels",
		strings.Repeat(`{"a":`, 1_000_000):                 "nested deeper than 100 levels",
	} {
		_, err := Scan([]byte(raw), 100)
		if e := (*Error)(nil); !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("Scan(%.60q): %v, want %q", raw, err, want)
		}
	}
	mustScan(t, many(50))
}

// object writes an object of n names from first on, with more members behind them.
func object(first, n int, more ...string) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"n%d":%d`, first+i, i))
	}
	return "{" + strings.Join(append(all, more...), ",") + "}"
}

func TestManyNames(t *testing.T) {
	for _, n := range []int{1, few - 1, few, few + 1, 63, 64, 65, 1500} {
		mustScan(t, object(0, n))
		// Objects beside and inside each other may have the same names; sets are used again.
		mustScan(t, `{"a":`+object(0, n)+`,"b":`+object(0, n, `"c":`+object(0, n), `"d":`+object(1, n))+`,"e":[`+object(0, few)+`,`+object(1, n)+`]}`)
		for _, k := range []int{0, n / 2, n - 1} {
			for _, name := range []string{fmt.Sprintf(`"n%d"`, k), fmt.Sprintf(`"\u006e%d"`, k)} {
				for _, raw := range []string{
					object(0, n, name+`:1`),
					object(0, n, `"x\u006e":1`, `"o":`+object(0, n), name+`:1`),
					`{"a":[` + object(0, n) + `,` + object(0, n, name+`:1`) + `]}`,
				} {
					if _, err := Scan([]byte(raw), 100); err == nil || !strings.Contains(err.Error(), "duplicate name "+name) {
						t.Errorf("%d names and %s again: %v", n, name, err)
					}
				}
			}
		}
	}
	const tooMany = "more than 131072 names"
	mustScan(t, object(0, maxNames))
	for _, raw := range []string{
		object(0, maxNames+1),
		object(0, maxNames/2, `"o":[`+object(0, maxNames/2)),
	} {
		if _, err := Scan([]byte(raw), 100); err == nil || !strings.Contains(err.Error(), tooMany) {
			t.Errorf("%.20s: %v", raw, err)
		}
	}
}

// Every byte at every place of a string that is longer than what is looked at together.
func TestEveryByteInAString(t *testing.T) {
	const length = 40
	for c := range 256 {
		for at := range length {
			inside := []byte(strings.Repeat("x", length))
			inside[at] = byte(c)
			_, err := Scan([]byte(`{"a":"`+string(inside)+`"}`), 10)
			if want := c >= ' ' && c != '"' && c != '\\' && c < 0x80; want != (err == nil) {
				t.Fatalf("byte 0x%02x at %d: %v", c, at, err)
			}
		}
	}
}

func TestScanAccepts(t *testing.T) {
	for _, raw := range []string{
		`{}`, " \t\r\n{ } \n", `{"":0}`, `{"a":{},"b":[],"c":[[],{}]}`,
		`{"a":-0,"b":0.5,"c":1E-9,"d":12345678901234567890}`,
		`{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}`, // the same name in different objects
		`{"model":1,"Model":2}`,                     // Variant finds this one
		`{"a":"\u0000\ud83d\ude00\b\f\"\\\/"}`,
		"{\"a\":\"\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf4\x8f\xbf\xbf\x7f\"}",
		"{\"a\":\"\xe0\xa0\x80\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\"}",
	} {
		mustScan(t, raw)
	}
}

func TestStats(t *testing.T) {
	base64ish := strings.Repeat("QUJDRA+/", 128) // 1 KiB
	text := strings.Repeat("So it is. ", 200)
	got := mustScan(t, `{"m":"né\n\u4e2d","n":[1,2.5,{"u":"data:image/png;base64,`+base64ish+`"}],"b":"`+base64ish+
		`","s":"`+base64ish[:1023]+`","t":"`+text+`"}`).Stats()
	want := Stats{
		TextBytes:  int64(len("mnubst") + len("né\n中") + 1023 + len(text)),
		MediaParts: 2,
		Numbers:    2,
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	quoting := base64ish + " is what " + text + " looks like in base64: " + base64ish
	if got := mustScan(t, `{"":"`+quoting+`"}`).Stats(); got.MediaParts != 0 || got.TextBytes != int64(len(quoting)) {
		t.Errorf("text that quotes base64: %+v", got)
	}
}

func TestEdits(t *testing.T) {
	type edits func(o *Object) []Edit
	set := func(nv ...string) edits {
		return func(o *Object) (es []Edit) {
			for i := 0; i < len(nv); i += 2 {
				es = append(es, o.Set(nv[i], []byte(nv[i+1])))
			}
			return es
		}
	}
	remove := func(names ...string) edits {
		return func(o *Object) (es []Edit) {
			for _, n := range names {
				e, ok := o.Remove(n)
				if !ok {
					panic(n)
				}
				es = append(es, e)
			}
			return es
		}
	}
	both := func(all ...edits) edits {
		return func(o *Object) (es []Edit) {
			for _, e := range all {
				es = append(es, e(o)...)
			}
			return es
		}
	}
	in := func(name string, e edits) edits {
		return func(o *Object) []Edit {
			n, ok, err := o.Object(name)
			if !ok || err != nil {
				panic(err)
			}
			return e(n)
		}
	}
	abc := `{ "a": 1, "b": 2 ,"c":3 }`
	for _, c := range []struct {
		name, raw string
		edits     edits
		want      string // or "error: …"
	}{
		{"replace", abc, set("b", `"x"`), `{ "a": 1, "b": "x" ,"c":3 }`},
		{"insert", abc, set("d", `4`), `{"d":4, "a": 1, "b": 2 ,"c":3 }`},
		{"insert two", abc, set("d", `4`, "e", `5`), `{"d":4,"e":5, "a": 1, "b": 2 ,"c":3 }`},
		{"insert into empty", `{ }`, set("d", `4`), `{"d":4 }`},
		{"insert two into empty", `{}`, set("d", `4`, "e", `5`), `{"d":4,"e":5}`},
		{"remove first", abc, remove("a"), `{ "b": 2 ,"c":3 }`},
		{"remove middle", abc, remove("b"), `{ "a": 1, "c":3 }`},
		{"remove last", abc, remove("c"), `{ "a": 1, "b": 2 }`},
		{"remove first two", abc, remove("b", "a"), `{ "c":3 }`},
		{"remove last two", abc, remove("b", "c"), `{ "a": 1 }`},
		{"remove ends", abc, remove("c", "a"), `{ "b": 2 }`},
		{"remove all", abc, remove("b", "a", "c"), `{  }`},
		{"remove all, insert", abc, both(remove("b", "a", "c"), set("d", `4`)), `{"d":4  }`},
		{"remove, insert, replace", abc, both(set("b", `0`), remove("a", "c"), set("d", `4`)), `{"d":4, "b": 0 }`},
		{"nested", `{"o":{"x":1},"p":{}}`, both(in("o", set("y", `2`, "x", `0`)), in("p", set("z", `3`)), set("q", `4`)), `{"q":4,"o":{"y":2,"x":0},"p":{"z":3}}`},
		{"same object twice", `{"o":{}}`, both(in("o", set("y", `2`)), in("o", set("z", `3`))), `{"o":{"y":2,"z":3}}`},
		{"quoted name", `{}`, set("a\"b", `1`), `{"a\"b":1}`},
		{"overlap", abc, both(set("b", `0`), remove("b")), "error: overlaps"},
		{"edit inside a removed member", `{"o":{}}`, both(remove("o"), in("o", set("y", `2`))), "error: overlaps"},
		{"replaced twice", abc, set("a", `1`, "a", `2`), "error: overlaps"},
		{"inserted twice", abc, set("d", `1`, "d", `2`), `error: insert the member "d"`},
		{"removed twice", abc, remove("a", "a"), `error: remove the member "a"`},
		{"outside", abc, func(*Object) []Edit { return []Edit{{Start: 20, End: 99}} }, "error: outside"},
	} {
		o := mustScan(t, c.raw)
		got, err := Apply([]byte(c.raw), c.edits(o)...)
		if want, ok := strings.CutPrefix(c.want, "error: "); ok {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %s, %v, want an error with %q", c.name, got, err, want)
			}
			continue
		}
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got  %s, %v\nwant %s", c.name, got, err, c.want)
		}
	}
	nested := `{"a":{},"b":{}}`
	o := mustScan(t, nested)
	var many []Edit
	for i := range 50 {
		for _, name := range []string{"b", "a"} {
			in, _, err := o.Object(name)
			if err != nil {
				t.Fatal(err)
			}
			many = append(many, in.Set(fmt.Sprintf("n%d", i), fmt.Append(nil, i)))
		}
	}
	if got, err := Apply([]byte(nested), many...); err != nil || string(got) != `{"a":`+object(0, 50)+`,"b":`+object(0, 50)+`}` {
		t.Errorf("insertions change their order: %s, %v", got, err)
	}
	if _, ok := mustScan(t, abc).Remove("x"); ok {
		t.Error("Remove of an absent member")
	}
}

func TestRename(t *testing.T) {
	for _, c := range []struct{ raw, want string }{
		{`{"max\u005fc":1,"b":2}`, `{"max":1,"b":2}`},
		{`{ "max" : 3, "max_c":1}`, `{ "max" : 3}`},
		{`{"b":2}`, `{"b":2}`},
	} {
		o, err := Scan([]byte(c.raw), 5)
		if err != nil {
			t.Fatal(err)
		}
		var edits []Edit
		if e, ok := o.Rename("max_c", "max"); ok {
			edits = append(edits, e)
		}
		if got, err := Apply([]byte(c.raw), edits...); err != nil || string(got) != c.want {
			t.Errorf("%s became %s, %v, want %s", c.raw, got, err, c.want)
		}
	}
}

// Every name is found at its depth, escaped or not, and most others are not.
func TestMayName(t *testing.T) {
	raw := []byte(`{"a":{"b":[{"c":1,"fil\u0065_id":[[{"deep":{}}]]}]},"d":null}`)
	o, err := Scan(raw, 20)
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{"a": 1, "d": 1, "b": 2, "c": 4, "file_id": 4, "deep": 7}
	wrong := 0
	for name, depth := range at {
		for d := range 12 {
			switch may := o.MayName(d, name); {
			case d == depth && !may:
				t.Errorf("%q at %d is not found", name, d)
			case d != depth && may:
				wrong++
			}
		}
	}
	if wrong > 3 { // of 66, at one in tens of thousands each
		t.Errorf("%d names were found where they do not stand", wrong)
	}
	inner, _, err := o.Object("a")
	if err != nil || !inner.MayName(1, "b") || !inner.MayName(3, "c") {
		t.Error("a nested object counts from itself")
	}
}

// TestDisguised pins that a word can't be hidden from a search in the bytes without our noticing.
func TestDisguised(t *testing.T) {
	for raw, want := range map[string]bool{
		`{"a":"\u00e9\u003c\u2019\n\u0000"}`: false,
		`{"a":"item\u005freference"}`:        true,
		`{"f\u0069le":1}`:                    true,
		`{"a":[{"b":"\u0041"}]}`:             true,
		`{"a":"\\u0041"}`:                    false,
	} {
		if got := mustScan(t, raw).Stats().Disguised; got != want {
			t.Errorf("%s: %v, want %v", raw, got, want)
		}
	}
}

// What is asked of names the quick way is what looking at each of them says.
func TestNamesQuickly(t *testing.T) {
	asked := []string{"model", "Model", "max_tokens", "maxTokens", "k", "K", "s", "ſ", "\u212a", "é", "É", "", "mo\u212a", "mok"}
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.OneOf(rapid.SampledFrom(asked), rapid.StringN(0, 5, -1)), 0, 30, rapid.ID).Draw(t, "names")
		raw := []byte{'{'}
		for i, n := range names {
			if i > 0 {
				raw = append(raw, ',')
			}
			quoted := Quote(n)
			if len(n) == 1 && n[0] >= ' ' && i%2 == 0 {
				quoted = fmt.Appendf(nil, `"\u%04x"`, n[0])
			}
			raw = append(append(raw, quoted...), `:{"inner":[{"deep":1}]}`...)
		}
		raw = append(raw, '}')
		o, err := Scan(raw, 10)
		if err != nil {
			t.Skip(err) // two that are one after replacing what is no UTF-8
		}
		cased := false
		for i, m := range o.Members() {
			if want := strings.ToValidUTF8(names[i], "\uFFFD"); m.Name != want && utf8.ValidString(names[i]) {
				t.Fatalf("member %d is called %q, want %q", i, m.Name, want)
			}
			cased = cased || strings.ContainsFunc(m.Name, func(r rune) bool { return 'A' <= r && r <= 'Z' || r >= 0x80 })
		}
		if o.Cased() != cased {
			t.Fatalf("%s: Cased is %v", raw, !cased)
		}
		for _, name := range asked {
			want, some := Member{}, false
			for _, m := range o.Members() {
				if m.Name != name && strings.EqualFold(m.Name, name) {
					want, some = m, true
					break
				}
			}
			if got, ok := o.Variant(name); got != want || ok != some {
				t.Fatalf("%s: the variant of %q is %v, want %v", raw, name, got, want)
			}
			if low := strings.ToLower(name) == name && isASCII(name); low && some && !o.Cased() {
				t.Fatalf("%s: no name is cased, and %q has a variant", raw, name)
			}
		}
		for from := range 6 {
			for to := range 6 {
				for _, pair := range [][]string{nil, {"inner"}, {"deep"}, {"none", "deep"}, {"model", "k"}} {
					want := false
					for at := from; at <= to; at++ {
						for _, name := range pair {
							want = want || o.MayName(at, name)
						}
					}
					if got := o.MayNameAmong(from, to, pair...); got != want {
						t.Fatalf("%s: names %q from %d to %d: %v, want %v", raw, pair, from, to, got, want)
					}
				}
			}
		}
	})
}

func TestLetters(t *testing.T) {
	for c := range 256 {
		for _, b := range [][]byte{{byte(c)}, []byte("abcdefg" + string([]byte{byte(c)})), []byte(string([]byte{byte(c)}) + "zz_0_aa@[`{")} {
			cased, wide := letters(b)
			if wantWide, wantCased := c >= 0x80, c >= 0x80 || 'A' <= c && c <= 'Z'; cased != wantCased || wide != wantWide {
				t.Fatalf("%q: cased %v, wide %v", b, cased, wide)
			}
		}
	}
}
