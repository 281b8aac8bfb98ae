package simulator

import (
	"math"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// hints are the words from which values of tool arguments are taken.
type hints struct {
	path string // a path that the prompt named; "" if none
	word string // a word of the prompt to search for
	tool bool   // values are arguments of a tool
}

const (
	deep    = 3  // optional members are left out below
	deepest = 24 // a schema that requires itself ends here with null
)

// sample returns JSON that satisfies schema: objects with all their members, arrays of the least
// length (one item at least), first alternatives. Patterns are not solved.
func sample(schema string, h hints) []byte {
	if schema == "" {
		return []byte(`{"answer":"` + "The gate is open." + `"}`)
	}
	root := gjson.Parse(schema)
	g := sampler{root: root, hints: h}
	g.value(root, "", 0, 0)
	return g.out
}

type sampler struct {
	root  gjson.Result
	hints hints
	out   jsonBuf
}

// value appends one value for s. name is the member's name; nth the index within an array.
func (g *sampler) value(s gjson.Result, name string, nth, depth int) {
	if depth > deepest {
		g.out.raw("null")
		return
	}
	s = g.resolve(s)
	if v := s.Get("const"); v.Exists() {
		g.out.raw(v.Raw)
		return
	}
	if v := s.Get("enum"); v.IsArray() {
		if all := v.Array(); len(all) > 0 {
			if strings.EqualFold(kindOf(s), "string") || all[0].Type == gjson.String {
				g.out.str(all[nth%len(all)].String())
			} else {
				g.out.raw(all[nth%len(all)].Raw)
			}
			return
		}
	}
	for _, word := range []string{"anyOf", "oneOf", "any_of"} {
		if alt := firstReal(s.Get(word), depth > deep); alt.Exists() {
			g.value(alt, name, nth, depth+1)
			return
		}
	}
	switch kind := kindOf(s); kind {
	case "object":
		g.object(s, depth)
	case "array":
		g.array(s, name, depth)
	case "string":
		g.out.str(g.text(s, name, nth))
	case "integer":
		g.out.int(int64(math.Ceil(number(s, nth))))
	case "number":
		n := number(s, nth)
		if n == math.Trunc(n) && !s.Get("multipleOf").Exists() && !s.Get("maximum").Exists() && !s.Get("exclusiveMaximum").Exists() {
			n += 0.5
		}
		g.out.raw(strconv.FormatFloat(n, 'f', -1, 64))
	case "boolean":
		g.out.raw("true")
	case "null":
		g.out.raw("null")
	default:
		g.out.raw(`"anything"`)
	}
}

// resolve follows $ref, which stays inside the schema.
func (g *sampler) resolve(s gjson.Result) gjson.Result {
	for range deepest {
		ref := s.Get(`\$ref`)
		if !ref.Exists() {
			return s
		}
		at, ok := strings.CutPrefix(ref.Str, "#")
		if !ok {
			return gjson.Result{}
		}
		s = g.root
		for part := range strings.SplitSeq(strings.TrimPrefix(at, "/"), "/") {
			if part != "" {
				s = member(s, strings.NewReplacer("~1", "/", "~0", "~").Replace(part))
			}
		}
	}
	return gjson.Result{}
}

// member returns the member of an object by its exact name.
func member(s gjson.Result, name string) gjson.Result {
	var out gjson.Result
	each(s, func(k, v gjson.Result) bool {
		if k.Str == name {
			out = v
			return false
		}
		return true
	})
	return out
}

// firstReal returns the first alternative that is not null, or null when that will do and is allowed.
func firstReal(list gjson.Result, null bool) gjson.Result {
	var out gjson.Result
	each(list, func(_, v gjson.Result) bool {
		is := kindOf(v) == "null"
		if !out.Exists() || is == null {
			out = v
		}
		return is != null
	})
	return out
}

// kindOf names the type of a schema in lower case; Gemini writes them in capitals.
func kindOf(s gjson.Result) string {
	t := s.Get("type")
	if t.IsArray() {
		for _, v := range t.Array() {
			if v.Str != "null" {
				return strings.ToLower(v.Str)
			}
		}
		return "null"
	}
	switch {
	case t.Str != "":
		return strings.ToLower(t.Str)
	case s.Get("properties").Exists() || s.Get("allOf").Exists() || s.Get("additionalProperties").Exists():
		return "object"
	case s.Get("items").Exists() || s.Get("prefixItems").Exists():
		return "array"
	}
	return ""
}

func (g *sampler) object(s gjson.Result, depth int) {
	parts := append([]gjson.Result{s}, s.Get("allOf").Array()...)
	required := map[string]bool{}
	for i := range parts {
		parts[i] = g.resolve(parts[i])
		for _, r := range parts[i].Get("required").Array() {
			required[r.Str] = true
		}
	}
	g.out.raw("{")
	first := true
	done := map[string]bool{}
	put := func(name string, v gjson.Result) {
		if done[name] || !required[name] && depth > deep {
			return
		}
		// An optional member of a tool is an invitation to harm; only what must be is given.
		if g.hints.tool && !required[name] && len(required) > 0 {
			return
		}
		done[name] = true
		if !first {
			g.out.raw(",")
		}
		first = false
		g.out.str(name).raw(":")
		g.value(v, name, 0, depth+1)
	}
	for _, part := range parts {
		each(part.Get("properties"), func(k, v gjson.Result) bool {
			put(k.Str, v)
			return true
		})
	}
	for _, part := range parts {
		for _, r := range part.Get("required").Array() {
			put(r.Str, gjson.Result{}) // required but not described
		}
	}
	g.out.raw("}")
}

func (g *sampler) array(s gjson.Result, name string, depth int) {
	n := 1
	if v := s.Get("minItems"); v.Exists() {
		n = max(n, int(v.Int()))
	}
	if v := s.Get("maxItems"); v.Exists() {
		n = min(n, int(v.Int()))
	}
	prefix := s.Get("prefixItems").Array()
	n = min(max(n, len(prefix)), 1000)
	items := s.Get("items")
	if depth > deep && !s.Get("minItems").Exists() {
		n = 0
	}
	g.out.raw("[")
	if g.hints.tool && name == "command" && kindOf(items) == "string" {
		for i, word := range strings.Fields(g.command()) {
			if i > 0 {
				g.out.raw(",")
			}
			g.out.str(word)
		}
		n = 0
	}
	for i := range n {
		if i > 0 {
			g.out.raw(",")
		}
		item := items
		if i < len(prefix) {
			item = prefix[i]
		}
		g.value(item, name, i, depth+1)
	}
	g.out.raw("]")
}

// number returns the smallest sensible number that s allows.
func number(s gjson.Result, nth int) float64 {
	n := 1 + float64(nth)
	step := 1.0
	if v := s.Get("multipleOf"); v.Float() > 0 {
		step = v.Float()
		n = step * (1 + float64(nth))
	}
	if v := s.Get("minimum"); v.Exists() && n < v.Float() {
		n = math.Ceil(v.Float()/step)*step + float64(nth)*step
		if step == 1 && kindOf(s) == "number" {
			n = v.Float()
		}
	}
	if v := s.Get("exclusiveMinimum"); v.Type == gjson.Number && n <= v.Float() {
		n = (math.Floor(v.Float()/step)+1)*step + float64(nth)*step
	}
	if v := s.Get("maximum"); v.Exists() && n > v.Float() {
		n = math.Floor(v.Float()/step) * step
		if lo := s.Get("minimum"); lo.Exists() && n < lo.Float() {
			n = v.Float()
		}
	}
	if v := s.Get("exclusiveMaximum"); v.Type == gjson.Number && n >= v.Float() {
		n = (math.Ceil(v.Float()/step) - 1) * step
		lo := s.Get("minimum")
		if !lo.Exists() {
			lo = s.Get("exclusiveMinimum")
		}
		if lo.Exists() && n <= lo.Float() {
			n = (lo.Float() + v.Float()) / 2
		}
	}
	return n
}

// text returns a string for s.
func (g *sampler) text(s gjson.Result, name string, nth int) string {
	var v string
	switch s.Get("format").Str {
	case "date-time":
		v = "2026-01-02T03:04:05Z"
	case "date":
		v = "2026-01-02"
	case "time":
		v = "03:04:05Z"
	case "duration":
		v = "PT1H"
	case "email":
		v = "someone@example.com"
	case "uuid":
		v = "3f2b8c1e-6a4d-4e7b-9c5f-0a1b2c3d4e5f"
	case "uri", "url":
		v = "https://example.com/"
	case "hostname":
		v = "example.com"
	case "ipv4":
		v = "192.0.2.1"
	case "ipv6":
		v = "2001:db8::1"
	default:
		v = g.word(strings.ToLower(name))
		if nth > 0 {
			v += " " + strconv.Itoa(nth+1)
		}
	}
	if n := s.Get("minLength"); n.Exists() {
		for int64(len(v)) < min(n.Int(), 1<<16) {
			v += " and more"
		}
	}
	if n := s.Get("maxLength"); n.Exists() && n.Int() >= 0 && int64(len(v)) > n.Int() {
		v = cutRunes(v, int(n.Int()))
	}
	return v
}

// word guesses a fitting value by the name of its member.
func (g *sampler) word(name string) string {
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(name, p) {
				return true
			}
		}
		return false
	}
	switch {
	case g.hints.tool && (name == "command" || name == "cmd" || name == "script"):
		return g.command()
	case has("path", "file", "uri"):
		if g.hints.path != "" {
			return g.hints.path
		}
		if g.hints.tool && has("dir", "folder") {
			return "."
		}
		return "README.md"
	case has("city", "location", "place"):
		return "Paris"
	case has("country"):
		return "France"
	case has("query", "pattern", "search", "keyword"):
		if g.hints.word != "" {
			return g.hints.word
		}
		return "gate"
	case has("name", "title"):
		return "Ada"
	case has("date"):
		return "2026-01-02"
	case has("url"):
		return "https://example.com/"
	}
	return "sample"
}

// command is a harmless shell command that reads what the prompt names.
func (g *sampler) command() string {
	if g.hints.path != "" {
		return "cat " + g.hints.path
	}
	return "echo simulated"
}
