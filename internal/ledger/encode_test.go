package ledger

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"tollgate/internal/canon"
	"tollgate/internal/catalog"
)

// fill sets whatever v has, deeply, so that a field added to Call is seen here too.
func fill(t *rapid.T, v reflect.Value) {
	if rapid.IntRange(0, 3).Draw(t, "zero") == 0 {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"a\"b\\c/\n\r\t\x00\x1f\x7f", "<b>&amp;", "用户", "\xff\xfe", "\u2028", "🙂", "�"})).Draw(t, "text"))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "number"))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(0, 3).Draw(t, "length"), 3))
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("json") != "-" {
				fill(t, v.Field(i))
			}
		}
	default:
		t.Fatalf("a field of kind %v: teach this test and appendJSON", v.Kind())
	}
}

// A record must say all that a call has, in the words that recall and the store read.
func TestEncodeLikeJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var call Call
		fill(t, reflect.ValueOf(&call).Elem())
		got := call.appendJSON(nil)
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(call); err != nil {
			t.Fatal(err)
		}
		if g, w := plainEscapes(t, got), plainEscapes(t, want.Bytes()); g != w {
			t.Fatalf("appendJSON wrote\n%s\nencoding/json\n%s", g, w)
		}
		var back, same Call
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(want.Bytes(), &same); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, same) {
			t.Fatalf("read back %+v, want %+v", back, same)
		}
	})
}

// plainEscapes writes the tokens of a text anew: order and numbers stay, the ways to escape a
// character become one.
func plainEscapes(t *rapid.T, raw []byte) string {
	var out bytes.Buffer
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	for d.More() {
		token, err := d.Token()
		if err != nil {
			t.Fatalf("%v in %q", err, raw)
		}
		again, err := json.Marshal(token)
		if delim, ok := token.(json.Delim); ok {
			again, err = []byte(delim.String()), nil
		}
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(again, ' '))
	}
	return out.String()
}

func TestEncodeDoesNotAllocate(t *testing.T) {
	call := Call{ID: "019a0000-0000-7000-8000-000000000000", Usage: canon.Usage{Input: 7}, Receipt: &catalog.Receipt{Items: []catalog.Item{{What: "input"}}}}
	buf := call.appendJSON(nil)
	if n := testing.AllocsPerRun(100, func() { buf = call.appendJSON(buf[:0]) }); n > 0 {
		t.Errorf("%v allocations for a record", n)
	}
}
