// Package openai holds what OpenAI's two dialects have in common.
//
// It owns reading their errors (and those of the many vendors that speak them almost), writing ours,
// the list of models, and the strict reading of request heads. It leaves requests and answers to
// packages openaichat and openairesponses.
package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"tollgate/internal/canon"
	"tollgate/internal/jsonedit"
)

// acted lists the request members that the gateway decides by. Another parser may fold case, so a
// variant of one could mean more upstream than what we checked.
var acted = [...]string{
	"model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "max_output_tokens",
	"n", "best_of", "store", "background", "previous_response_id",
}

// maxModel bounds a model name, in bytes.
const maxModel = 256

// CheckNames refuses a body in which a name that the gateway acts on stands in other case.
func CheckNames(body *jsonedit.Object) *canon.Error {
	if !body.Cased() {
		return nil
	}
	for _, name := range acted {
		if e := CheckName(body, name); e != nil {
			return e
		}
	}
	return nil
}

// CheckName refuses a body that has a case variant of name.
func CheckName(body *jsonedit.Object, name string) *canon.Error {
	m, ok := body.Variant(name)
	if !ok {
		return nil
	}
	written := m.Name
	if len(written) > 64 {
		written = written[:64]
	}
	e := canon.Errorf(canon.KindInvalid, "Unknown parameter: %q. Names are case-sensitive; write %q.", written, name)
	e.Param, e.Code = written, "unknown_parameter"
	return e
}

// Model reads the model of a request; "" if it is absent. Anything but a usable name is refused.
func Model(body *jsonedit.Object) (string, *canon.Error) {
	m, ok := body.Find("model")
	if !ok {
		return "", nil
	}
	name, ok, err := body.String("model")
	if err != nil || !ok {
		return "", Invalid("model", "Invalid type for 'model': expected a string, but got %s.", kindOf(body.Value(m)))
	}
	if name == "" || len(name) > maxModel || hasControl(name) {
		return "", Invalid("model", "Invalid value for 'model': expected a name of 1 to %d characters without control characters.", maxModel)
	}
	return name, nil
}

func hasControl(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return true
		}
	}
	return false
}

// MissingModel says that a request names no model.
func MissingModel() *canon.Error {
	e := Invalid("model", "You must provide a model parameter.")
	e.Code = "missing_required_parameter"
	return e
}

// Bool reads a boolean member; null counts as absent.
func Bool(body *jsonedit.Object, name string) (v, ok bool, refused *canon.Error) {
	v, ok, err := body.Bool(name)
	return v, ok, wrongType(err)
}

// Int reads an integer member between low and high; null counts as absent.
func Int(body *jsonedit.Object, name string, low, high int64) (n int64, ok bool, refused *canon.Error) {
	n, ok, err := body.Int(name)
	if err != nil {
		return 0, false, wrongType(err)
	}
	if ok && (n < low || n > high) {
		return 0, false, Invalid(name, "Invalid value for '%s': %d is not between %d and %d.", name, n, low, high)
	}
	return n, ok, nil
}

// String reads a string member; null counts as absent.
func String(body *jsonedit.Object, name string) (s string, ok bool, refused *canon.Error) {
	s, ok, err := body.String(name)
	return s, ok, wrongType(err)
}

// wrongType turns an error of jsonedit into one for the client.
func wrongType(err error) *canon.Error {
	if err == nil {
		return nil
	}
	if t, ok := errors.AsType[*jsonedit.TypeError](err); ok {
		return Invalid(t.Name, "Invalid type for '%s': expected %s, but got %s.", t.Name, t.Want, t.Got)
	}
	return &canon.Error{Kind: canon.KindInvalid, Message: "The request body could not be read: " + err.Error(), Cause: err}
}

// Invalid says what is wrong with the member param.
func Invalid(param, format string, args ...any) *canon.Error {
	return &canon.Error{Kind: canon.KindInvalid, Message: fmt.Sprintf(format, args...), Param: param}
}

// kindOf names the type of a JSON value.
func kindOf(v []byte) string {
	if len(v) == 0 { // of what is no JSON
		return "nothing"
	}
	switch v[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// marshal encodes v without escaping <, > and &, and without a line feed at the end.
func marshal(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return []byte(`{}`) // unreachable: only structs of strings and numbers come here
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
