// Package jsonfield reads the JSON of a client's request member by member.
//
// It owns the checks of a value's type and the path in an error that says where a wrong one stands. It
// knows no protocol: which members there are, and what they mean, belongs to the dialects. All errors
// are *canon.Error of KindInvalid with the path in Param.
//
// Only ReadObject looks whether a text is JSON at all. The others are for values that are known to be: they
// were handed out by an Object or an Array, or are part of a body that jsonedit.Scan has passed. Each level
// of a request would otherwise check again all that is below it.
package jsonfield

import (
	"encoding/json"
	"errors"
	"strconv"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonpull"
	"tollgate/internal/jsonedit"
)

// Member is one member of an object, its value as JSON.
type Member struct{ Name, Raw string }

// Object is the members of a JSON object in order, without those that are null: the vendors that read
// requests this way take null for absent.
type Object []Member

// ReadObject reads raw if it is an object. raw may be anything.
func ReadObject(raw string) (Object, error) { return object(jsonpull.NewString(raw), raw) }

// Nested is ReadObject for a value that is known to be JSON.
func Nested(raw string) (Object, error) { return object(jsonpull.NewChecked(raw), raw) }

func object(p jsonpull.Parser, raw string) (Object, error) {
	if p.Kind() != '{' {
		return nil, Wrong("an object", raw)
	}
	o := make(Object, 0, 4)
	p.Object()
	for p.Member() {
		name := p.Name
		if v := p.Raw(); v != "null" {
			o = append(o, Member{name, v})
		}
	}
	if err := p.End(); err != nil {
		return nil, canon.Errorf(canon.KindInvalid, "is not JSON: %v", err)
	}
	return o, nil
}

// Array reads raw if it is an array.
func Array(raw string) ([]string, error) {
	p := jsonpull.NewChecked(raw)
	if p.Kind() != '[' {
		return nil, Wrong("an array", raw)
	}
	var a []string
	p.Array()
	for p.Element() {
		a = append(a, p.Raw())
	}
	if err := p.End(); err != nil {
		return nil, canon.Errorf(canon.KindInvalid, "is not JSON: %v", err)
	}
	return a, nil
}

// String reads raw if it is a string.
func String(raw string) (string, error) {
	if raw == "" || raw[0] != '"' {
		return "", Wrong("a string", raw)
	}
	return jsonpull.Unquote(raw), nil
}

// Bool reads raw if it is a boolean.
func Bool(raw string) (bool, error) {
	if raw != "true" && raw != "false" {
		return false, Wrong("true or false", raw)
	}
	return raw == "true", nil
}

// Float reads raw if it is a number.
func Float(raw string) (float64, error) {
	p := jsonpull.NewString(raw)
	number := p.Kind() == '0'
	p.Skip()
	f, err := strconv.ParseFloat(raw, 64)
	if !number || p.End() != nil || err != nil {
		return 0, Wrong("a number", raw)
	}
	return f, nil
}

// Int reads raw if it is an integer; 12.0 and 1e3 are integers too.
func Int(raw string) (int64, error) {
	n, err := strconv.ParseInt(raw, 10, 64)
	if err == nil {
		return n, nil
	}
	f, ferr := Float(raw)
	if ferr != nil || f != float64(int64(f)) || f > 1<<53 || f < -1<<53 {
		return 0, Wrong("an integer", raw)
	}
	return int64(f), nil
}

// Strings reads raw if it is an array of strings.
func Strings(raw string) ([]string, error) {
	list, err := Array(raw)
	if err != nil {
		return nil, err
	}
	for i, s := range list {
		if list[i], err = String(s); err != nil {
			return nil, Within(err, Index(i))
		}
	}
	return list, nil
}

// Find returns the value called name, "" if there is none.
func (o Object) Find(name string) string {
	for _, m := range o {
		if m.Name == name {
			return m.Raw
		}
	}
	return ""
}

// Text returns the string called name, "" if there is none.
func (o Object) Text(name string) (string, error) {
	raw := o.Find(name)
	if raw == "" {
		return "", nil
	}
	s, err := String(raw)
	return s, Within(err, name)
}

// Needed is Text for a string that must be there.
func (o Object) Needed(name string) (string, error) {
	if o.Find(name) == "" {
		return "", Within(Missing(), name)
	}
	return o.Text(name)
}

// Named is Needed for a string that names something, and so is not empty.
func (o Object) Named(name string) (string, error) {
	s, err := o.Needed(name)
	if err == nil && s == "" {
		err = Within(Missing(), name)
	}
	return s, err
}

// Rest returns the members other than known, as one object, or nil if there are none.
func (o Object) Rest(known ...string) json.RawMessage {
	var b []byte
next:
	for _, m := range o {
		for _, k := range known {
			if m.Name == k {
				continue next
			}
		}
		sep := byte(',')
		if b == nil {
			sep = '{'
		}
		b = append(b, sep)
		b = append(b, jsonedit.Quote(m.Name)...)
		b = append(b, ':')
		b = append(b, m.Raw...)
	}
	if b == nil {
		return nil
	}
	return append(b, '}')
}

// Wrong is the error of a value that is not what it must be.
func Wrong(want, raw string) error {
	got := "a number"
	switch {
	case raw == "":
		got = "nothing"
	case raw[0] == '{':
		got = "an object"
	case raw[0] == '[':
		got = "an array"
	case raw[0] == '"':
		got = "a string"
	case raw == "null":
		got = "null"
	case raw == "true", raw == "false":
		got = "a boolean"
	}
	return canon.Errorf(canon.KindInvalid, "must be %s, not %s", want, got)
}

// Within puts where in front of the place that err names. err may be nil.
func Within(err error, where string) error {
	if e, ok := errors.AsType[*canon.Error](err); ok {
		if e.Param == "" || e.Param[0] == '[' {
			e.Param = where + e.Param
		} else {
			e.Param = where + "." + e.Param
		}
	}
	return err
}

// Index is the path of an element.
func Index(i int) string { return "[" + strconv.Itoa(i) + "]" }

// Missing is the error of a member that must be there.
func Missing() error { return canon.Errorf(canon.KindInvalid, "is needed") }
