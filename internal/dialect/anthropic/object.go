package anthropic

import (
	"encoding/json"
	"strconv"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonpull"
)

// member is one member of an object, its value as JSON.
type member struct{ name, raw string }

// object is the members of a JSON object in order, without those that are null: Anthropic takes null
// for absent everywhere.
type object []member

// readObject reads raw if it is an object.
func readObject(raw string) (object, error) {
	p := jsonpull.NewString(raw)
	if p.Kind() != '{' {
		return nil, wrong("an object", raw)
	}
	var o object
	p.Object()
	for p.Member() {
		name := p.Name
		if v := p.Raw(); v != "null" {
			o = append(o, member{name, v})
		}
	}
	if err := p.End(); err != nil {
		return nil, canon.Errorf(canon.KindInvalid, "is not JSON: %v", err)
	}
	return o, nil
}

// readArray reads raw if it is an array.
func readArray(raw string) ([]string, error) {
	p := jsonpull.NewString(raw)
	if p.Kind() != '[' {
		return nil, wrong("an array", raw)
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

func readString(raw string) (string, error) {
	p := jsonpull.NewString(raw)
	if p.Kind() != '"' {
		return "", wrong("a string", raw)
	}
	return p.String(), nil
}

func readBool(raw string) (bool, error) {
	if raw != "true" && raw != "false" {
		return false, wrong("true or false", raw)
	}
	return raw == "true", nil
}

func readFloat(raw string) (float64, error) {
	p := jsonpull.NewString(raw)
	f, err := strconv.ParseFloat(raw, 64)
	if p.Kind() != '0' || err != nil {
		return 0, wrong("a number", raw)
	}
	return f, nil
}

func readInt(raw string) (int64, error) {
	n, err := strconv.ParseInt(raw, 10, 64)
	if err == nil {
		return n, nil
	}
	f, ferr := readFloat(raw)
	if ferr != nil || f != float64(int64(f)) || f > 1<<53 || f < -1<<53 {
		return 0, wrong("an integer", raw)
	}
	return int64(f), nil
}

func readStrings(raw string) ([]string, error) {
	list, err := readArray(raw)
	if err != nil {
		return nil, err
	}
	for i, s := range list {
		if list[i], err = readString(s); err != nil {
			return nil, within(err, indexed("", i))
		}
	}
	return list, nil
}

// find returns the value called name, "" if there is none.
func (o object) find(name string) string {
	for _, m := range o {
		if m.name == name {
			return m.raw
		}
	}
	return ""
}

// text returns the string called name, "" if there is none.
func (o object) text(name string) (string, error) {
	raw := o.find(name)
	if raw == "" {
		return "", nil
	}
	s, err := readString(raw)
	return s, within(err, name)
}

// needed is text for a string that must be there.
func (o object) needed(name string) (string, error) {
	if o.find(name) == "" {
		return "", within(canon.Errorf(canon.KindInvalid, "is needed"), name)
	}
	return o.text(name)
}

// rest returns the members other than known, as one object, or nil if there are none.
func (o object) rest(known ...string) json.RawMessage {
	var b []byte
next:
	for _, m := range o {
		for _, k := range known {
			if m.name == k {
				continue next
			}
		}
		sep := byte(',')
		if b == nil {
			sep = '{'
		}
		b = append(b, sep)
		b = appendQuoted(b, m.name)
		b = append(b, ':')
		b = append(b, m.raw...)
	}
	if b == nil {
		return nil
	}
	return append(b, '}')
}

func wrong(want, raw string) error {
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

// within puts where in front of the place that err names. err may be nil.
func within(err error, where string) error {
	if e, ok := err.(*canon.Error); ok {
		if e.Param == "" || e.Param[0] == '[' {
			e.Param = where + e.Param
		} else {
			e.Param = where + "." + e.Param
		}
	}
	return err
}

func indexed(name string, i int) string { return name + "[" + strconv.Itoa(i) + "]" }
