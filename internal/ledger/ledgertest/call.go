package ledgertest

import (
	"reflect"

	"pgregory.net/rapid"

	"tollgate/internal/ledger"
)

// AnyCall returns a call whose fields are anything, and often the same as others.
func AnyCall(t *rapid.T) ledger.Call {
	var c ledger.Call
	fill(t, reflect.ValueOf(&c).Elem())
	same := func(name string, dst *string, src string) {
		if rapid.Bool().Draw(t, name) {
			*dst = src
		}
	}
	same("same request", &c.RequestID, c.ID)
	same("same upstream", &c.Upstream, c.Model)
	for i := range c.Attempts {
		same("same channel", &c.Attempts[i].ChannelID, c.ChannelID)
	}
	if c.Receipt != nil {
		same("same model", &c.Receipt.Model, c.Model)
	}
	return c
}

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
		t.Fatalf("a field of kind %v: teach fill and AppendRecord", v.Kind())
	}
}
