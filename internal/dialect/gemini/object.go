package gemini

import (
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonfield"
)

// maxDepth is more than any scanned body has.
const maxDepth = 1 << 20

// each calls fn for the elements of an array with their offsets, or for the value itself if it is an
// object: Google takes a single object wherever an array of them is due.
func each(raw []byte, fn func(element []byte, at int) bool) {
	if len(raw) > 0 && raw[0] != '[' {
		fn(raw, 0)
		return
	}
	gjson.ParseBytes(raw).ForEach(func(_, v gjson.Result) bool {
		return fn(raw[v.Index:v.Index+len(v.Raw)], v.Index)
	})
}

// list reads an array of objects, or the one object that stands for it.
func list(raw string) ([]string, error) {
	if raw != "" && raw[0] == '{' {
		return []string{raw}, nil
	}
	return jsonfield.Array(raw)
}

// fields reads an object of Google's with its names in camel case. Two spellings of one name are an error.
func fields(raw string) (jsonfield.Object, error) {
	o, err := jsonfield.Nested(raw)
	if err != nil {
		return nil, err
	}
	for i, m := range o {
		if strings.IndexByte(m.Name, '_') < 0 {
			continue
		}
		o[i].Name = camel(m.Name)
		for j := range o {
			if j != i && o[j].Name == o[i].Name {
				return nil, jsonfield.Within(canon.Errorf(canon.KindInvalid, "is given twice, also as %q", m.Name), o[i].Name)
			}
		}
	}
	return o, nil
}

// camel turns snake_case into camelCase, as the JSON mapping of protocol buffers does.
func camel(name string) string {
	b := make([]byte, 0, len(name))
	up := false
	for i := range len(name) {
		switch c := name[i]; {
		case c == '_' && i > 0:
			up = true
		case up && 'a' <= c && c <= 'z':
			b = append(b, c-'a'+'A')
			up = false
		default:
			b = append(b, c)
			up = false
		}
	}
	return string(b)
}

// integer reads an integer, which Google's JSON may have in quotes.
func integer(raw string) (int64, error) {
	if raw == "" || raw[0] != '"' {
		return jsonfield.Int(raw)
	}
	s, err := jsonfield.String(raw)
	if err != nil {
		return 0, err
	}
	n, err := quotedInt(s)
	if err != nil {
		return 0, jsonfield.Wrong("an integer", raw)
	}
	return n, nil
}

func quotedInt(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }

func index(i int) string { return jsonfield.Index(i) }
