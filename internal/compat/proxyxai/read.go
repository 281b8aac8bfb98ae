package proxyxai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"tollgate/internal/jsonedit"
)

// maxBody bounds the body of a request, in bytes.
const maxBody = 1 << 20

// maxDepth bounds the nesting of a body.
const maxDepth = 16

// read decodes the body of r, an object, into v. Names that v does not have are refused, and so is a
// name that stands there twice, in whatever case: encoding/json would take the last one.
func read(r *http.Request, v any) error {
	raw, err := io.ReadAll(r.Body)
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		return badRequest("the body is over the limit of %d bytes", big.Limit)
	}
	if err != nil {
		return badRequest("the body could not be read")
	}
	o, err := jsonedit.Scan(raw, maxDepth)
	if err != nil {
		return badRequest("the body can't be read as a JSON object: %v", err)
	}
	if one, other := alike(raw); one != other {
		return badRequest("%q and %q are the same field: send it once", one, other)
	}
	if err := decode(raw, v); err != nil {
		return named(o, v, err)
	}
	return nil
}

// decode decodes an object of known names.
func decode(raw []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}

// alike returns two names of one object in scanned JSON that differ in the case of letters alone, or "".
func alike(raw []byte) (one, other string) {
	var names []map[string]string // of the objects that are open; nil: an array
	name := false                 // a name is next, or the end of the object
	for dec := json.NewDecoder(bytes.NewReader(raw)); ; {
		token, err := dec.Token()
		if err != nil {
			return "", "" // the end: it was scanned before
		}
		text, isText := token.(string)
		switch {
		case token == json.Delim('{'):
			names = append(names, map[string]string{})
		case token == json.Delim('['):
			names = append(names, nil)
		case token == json.Delim('}'), token == json.Delim(']'):
			names = names[:len(names)-1]
		case name && isText:
			folded := strings.ToLower(strings.ToUpper(text)) // as encoding/json folds, and more
			open := names[len(names)-1]
			if have, ok := open[folded]; ok && have != text {
				return have, text
			}
			open[folded] = text
			name = false
			continue
		}
		name = len(names) > 0 && names[len(names)-1] != nil
	}
}

// named says what is wrong with the first member of o that can't be decoded into what v is.
func named(o *jsonedit.Object, v any, err error) error {
	for _, m := range o.Members() {
		name, bad := json.Marshal(m.Name)
		if bad == nil {
			bad = decode(fmt.Appendf(nil, "{%s:%s}", name, o.Value(m)), reflect.New(reflect.TypeOf(v).Elem()).Interface())
		}
		var f *fault
		var wrong *json.UnmarshalTypeError
		switch {
		case bad == nil:
			continue
		case errors.As(bad, &f):
			return &fault{f.status, m.Name + ": " + f.message}
		case errors.As(bad, &wrong):
			return badRequest("%s must be %s, not %s", wrong.Field, kindOf(wrong.Type), wrong.Value)
		case strings.Contains(bad.Error(), "unknown field"):
			return badRequest("%s", strings.TrimPrefix(bad.Error(), "json: ")) // names it
		}
		return badRequest("%s can't be read: %s", m.Name, strings.TrimPrefix(bad.Error(), "json: "))
	}
	return badRequest("%s", strings.TrimPrefix(err.Error(), "json: "))
}

// kindOf is what people call a type.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Slice:
		return "an array"
	case reflect.Map, reflect.Struct:
		return "an object"
	default:
		return t.String()
	}
}

// onlyNames refuses what a query names beside names: a list that is longer than was meant may be acted on.
func onlyNames(q url.Values, names ...string) error {
	for name := range q {
		if !slices.Contains(names, name) {
			return badRequest("%.40q is no filter; there are %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}
