package openairesponses

import (
	"bytes"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/jsonfield"
	"tollgate/internal/dialect/jsonpull"
	"tollgate/internal/dialect/openai"
	"tollgate/internal/jsonedit"
)

// refNames are the members that hold ids of what an upstream account keeps: files, vector stores,
// containers, skills, tunnels. openai/openai-go v3.95.0, responses/response.go, read 2026-11-21.
var refNames = [...]string{"file_id", "file_ids", "vector_store_ids", "container", "container_id", "skill_id", "tunnel_id"}

// Where they can stand, in depth: a tool or an item (3), down to a skill of a tool that an item of the input
// brings (8), with room for what comes.
const (
	refFrom = 3
	refTo   = 10
)

// guard finds what a request names beside its model and the response it continues: objects that an
// upstream account keeps (Refs), and further models (Also). The usual request has none, and what tells so
// is all that is looked at. What is there in another form than we know is refused.
func guard(head *dialect.Head, body *jsonedit.Object) *canon.Error {
	g := guardWalk{head: head}
	for _, m := range body.Members() {
		value := body.Value(m)
		switch m.Name {
		case "conversation":
			g.kept(m.Name, string(value), true)
		case "prompt":
			g.kept(m.Name, string(value), false)
		case "moderation":
			g.models(m.Name, string(value))
		case "prompt_cache_options":
			if raw := memberOf(string(value), "comparison_response_id"); raw != "" {
				g.ref(m.Name+".comparison_response_id", raw)
			}
		}
	}
	names := body.Stats().Disguised || body.MayNameAmong(refFrom, refTo, refNames[:]...) || body.MayName(3, "model") || body.MayName(3, "tools") && body.MayName(5, "model")
	if m, ok := body.Find("tools"); ok && names {
		g.list("tools", string(body.Value(m)), g.tool)
	}
	if m, ok := body.Find("input"); ok && body.Value(m)[0] == '[' && (names || body.MayName(3, "id") && mayRefer(body.Value(m))) {
		g.list("input", string(body.Value(m)), g.item)
	}
	return g.err
}

// mayRefer reports whether raw may hold an item that is but a reference: one of the type item_reference or
// image_generation_call, or one that has an id and nothing else. The bytes are searched for underscores,
// which all of them have, and what is around these is looked at.
func mayRefer(raw []byte) bool {
	for i := 0; ; i++ {
		n := bytes.IndexByte(raw[i:], '_')
		if n < 0 {
			return false
		}
		i += n
		if i+1 == len(raw) {
			return false
		}
		switch raw[i+1] {
		case 'r':
			if bytes.HasPrefix(raw[i+1:], []byte("reference")) {
				return true
			}
		case 'g':
			if bytes.HasPrefix(raw[i+1:], []byte("generation_call")) {
				return true
			}
		}
		from := i
		for from > 0 && 'a' <= raw[from-1] && raw[from-1] <= 'z' {
			from--
		}
		if from > 0 && raw[from-1] == '"' && aloneID(raw, from-1, i) {
			return true
		}
	}
}

// aloneID reports whether the string that opens at quote, with an underscore at i, is the id of an object
// without other members: {"id":"msg_1"}.
func aloneID(raw []byte, quote, i int) bool {
	at := spaceBefore(raw, quote)
	if at == 0 || raw[at-1] != ':' {
		return false
	}
	at = spaceBefore(raw, at-1)
	if !bytes.HasSuffix(raw[:at], []byte(`"id"`)) {
		return false
	}
	if at = spaceBefore(raw, at-4); at == 0 || raw[at-1] != '{' {
		return false
	}
	end := bytes.IndexByte(raw[i:], '"')
	if end < 0 {
		return false
	}
	for _, c := range raw[i+end+1:] {
		switch c {
		case ' ', '\t', '\r', '\n':
		default:
			return c == '}'
		}
	}
	return false
}

// spaceBefore is where the white space before raw[i] begins.
func spaceBefore(raw []byte, i int) int {
	for i > 0 && (raw[i-1] == ' ' || raw[i-1] == '\n' || raw[i-1] == '\t' || raw[i-1] == '\r') {
		i--
	}
	return i
}

// guardWalk goes through the parts of a request that can name something.
type guardWalk struct {
	head *dialect.Head
	err  *canon.Error
}

func (g *guardWalk) refuse(path, format string, args ...any) {
	if g.err == nil {
		g.err = openai.Invalid(path, format, args...)
	}
}

// unquoted is the string that raw is.
func unquoted(raw string) string {
	p := jsonpull.NewString(raw)
	return p.String()
}

// memberOf is the value of a member of an object; "" if it is absent or null.
func memberOf(raw, name string) string {
	o, err := jsonfield.Nested(raw)
	if err != nil {
		return ""
	}
	return o.Find(name)
}

// ref keeps the id raw.
func (g *guardWalk) ref(path, raw string) {
	switch {
	case raw == "null":
	case raw[0] != '"':
		g.refuse(path, "Invalid type for '%s': expected the id of an object, as a string.", path)
	default:
		g.head.Refs = append(g.head.Refs, dialect.Ref{Path: path, ID: unquoted(raw)})
	}
}

// model keeps the name of a further model.
func (g *guardWalk) model(path, raw string) {
	switch {
	case raw == "null":
	case raw[0] != '"':
		g.refuse(path, "Invalid type for '%s': expected the name of a model.", path)
	default:
		g.head.Also = append(g.head.Also, dialect.Ref{Path: path, ID: unquoted(raw)})
	}
}

// models reads an object of settings that names a model of its own.
func (g *guardWalk) models(path, raw string) {
	if raw[0] == '{' {
		if m := memberOf(raw, "model"); m != "" {
			g.model(path+".model", m)
		}
	} else if raw != "null" {
		g.refuse(path, "Invalid type for '%s': expected an object.", path)
	}
}

// kept reads a member that is what an upstream keeps: an object with its id, or the id itself.
func (g *guardWalk) kept(path, raw string, plain bool) {
	switch {
	case raw == "null":
	case raw[0] == '"' && plain:
		g.ref(path, raw)
	case raw[0] == '{':
		id := memberOf(raw, "id")
		if id == "" {
			g.refuse(path+".id", "Missing required parameter: '%s.id'.", path)
			return
		}
		g.ref(path+".id", id)
		if vars := memberOf(raw, "variables"); vars != "" {
			g.any(path+".variables", vars, false)
		}
	default:
		g.refuse(path, "Invalid type for '%s': expected an object.", path)
	}
}

// list calls f with each element of the array raw.
func (g *guardWalk) list(path, raw string, f func(path, raw string)) {
	list, err := jsonfield.Array(raw)
	if err != nil {
		return // what reads the request says what is wrong with it
	}
	for i, one := range list {
		f(path+jsonfield.Index(i), one)
	}
}

// tool reads a tool. What it is called with and what it needs to be reached names nothing.
func (g *guardWalk) tool(path, raw string) { g.any(path, raw, true) }

// item reads an item of the input. What a model said before is history and opens nothing.
func (g *guardWalk) item(path, raw string) {
	o, err := jsonfield.Nested(raw)
	if err != nil {
		return
	}
	kind := ""
	if raw := o.Find("type"); raw != "" {
		kind = unquoted(raw)
	}
	switch {
	case kind == "item_reference", kind == "" && o.Find("role") == "", kind == "image_generation_call" && o.Find("result") == "":
		if id := o.Find("id"); id != "" {
			g.ref(path+".id", id)
		}
	case kind == "additional_tools", kind == "tool_search_output":
		if tools := o.Find("tools"); tools != "" {
			g.list(path+".tools", tools, g.tool)
		}
	case o.Find("role") == `"assistant"`:
	default:
		switch kind {
		case "reasoning", "function_call", "custom_tool_call", "code_interpreter_call", "web_search_call", "file_search_call",
			"image_generation_call", "mcp_call", "mcp_list_tools", "computer_call", "tool_search_call":
		default:
			g.any(path, raw, false)
		}
	}
}

// any goes through a value of which little is known.
func (g *guardWalk) any(path, raw string, tool bool) {
	switch raw[0] {
	case '[':
		g.list(path, raw, func(path, raw string) { g.any(path, raw, tool) })
	case '{':
		o, err := jsonfield.Nested(raw)
		if err != nil {
			return
		}
		for _, m := range o {
			at := path + "." + m.Name
			switch m.Name {
			case "file_id", "container_id", "skill_id", "tunnel_id":
				g.ref(at, m.Raw)
			case "file_ids", "vector_store_ids":
				if m.Raw[0] != '[' {
					g.refuse(at, "Invalid type for '%s': expected an array of ids.", at)
					continue
				}
				g.list(at, m.Raw, g.ref)
			case "container":
				if m.Raw[0] == '{' {
					g.any(at, m.Raw, tool)
				} else {
					g.ref(at, m.Raw)
				}
			case "model":
				if tool {
					g.model(at, m.Raw)
				}
			case "parameters", "output_schema", "headers", "metadata", "filters", "annotations":
			default:
				g.any(at, m.Raw, tool)
			}
		}
	}
}
