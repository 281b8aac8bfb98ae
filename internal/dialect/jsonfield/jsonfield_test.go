package jsonfield

import (
	"errors"
	"testing"

	"tollgate/internal/canon"
)

func TestReadObject(t *testing.T) {
	o, err := ReadObject(` {"b":1, "a":null, "mod\u0065l" : [ 1.50 ],"":{}} `)
	if err != nil {
		t.Fatal(err)
	}
	want := Object{{"b", "1"}, {"model", "[ 1.50 ]"}, {"", "{}"}}
	if len(o) != len(want) {
		t.Fatalf("%q", o)
	}
	for i := range want {
		if o[i] != want[i] {
			t.Errorf("member %d: %q, want %q", i, o[i], want[i])
		}
	}
	if got := string(o.Rest("b")); got != `{"model":[ 1.50 ],"":{}}` {
		t.Error(got)
	}
	if got := o.Rest("b", "model", ""); got != nil {
		t.Errorf("%s", got)
	}
	for _, bad := range []string{"", "null", "[]", `{"a":}`, `{"a":1}}`, `{"a":1`} {
		if o, err := ReadObject(bad); err == nil {
			t.Errorf("%q is %q", bad, o)
		}
	}
}

func TestNumbers(t *testing.T) {
	for raw, want := range map[string]int64{"0": 0, "-5": -5, "12.0": 12, "1e3": 1000, "9223372036854775807": 1<<63 - 1} {
		if got, err := Int(raw); err != nil || got != want {
			t.Errorf("%s: %d, %v", raw, got, err)
		}
	}
	for _, raw := range []string{"1.5", "1e300", "-1e300", `"5"`, "true", "null", "", "NaN", "0x10", "Inf", "1_000"} {
		if n, err := Int(raw); err == nil {
			t.Errorf("%s is the integer %d", raw, n)
		}
	}
	for _, raw := range []string{"NaN", "Inf", "-Inf", "0x1p4", "1_0", `"1"`, "", "1e999"} {
		if f, err := Float(raw); err == nil {
			t.Errorf("%s is the number %v", raw, f)
		}
	}
}

func TestWithin(t *testing.T) {
	err := Within(Within(Within(Wrong("a string", "5"), "text"), Index(3)), "content")
	e, ok := errors.AsType[*canon.Error](err)
	if !ok || e.Param != "content[3].text" || e.Message != "must be a string, not a number" || e.Kind != canon.KindInvalid {
		t.Errorf("%+v", err)
	}
	if Within(nil, "x") != nil {
		t.Error("no error became one")
	}
}
