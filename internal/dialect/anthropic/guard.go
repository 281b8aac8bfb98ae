package anthropic

import (
	"encoding/json"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/jsonfield"
	"tollgate/internal/dialect/jsonpull"
	"tollgate/internal/jsonedit"
)

// Where a file_id can stand, in depth: a block of a message (5), its source or content (6), the same in
// the content of a tool's result or of a document (8, 9, 11), with room for what comes.
const (
	fileFrom = 5
	fileTo   = 12
)

// guard finds what a request names beside its model: files, containers and skills that an upstream
// account keeps (Refs), and further models (Also). The usual request has none of the names, and that is
// all that is looked at. What is there in another form than we know is refused.
//
// Models stand in fallbacks and in the advisor tool, files in sources of images and documents,
// container_upload and the results of code: every param type of anthropic-sdk-go v1.84.0 with a member
// model, file_id, skill_id or container, read 2026-11-21. What a message that a model wrote says of
// models (the blocks "fallback") is history and chooses none. The id of an earlier answer in diagnostics
// is compared with and opens nothing.
func guard(head *dialect.Head, body *jsonedit.Object) *canon.Error {
	if m, ok := body.Find("container"); ok {
		if err := guardContainer(head, string(body.Value(m))); err != nil {
			return err
		}
	}
	if m, ok := body.Find("fallbacks"); ok && body.Value(m)[0] == '"' {
		return invalid("fallbacks", "must name its models: which ones the vendor would choose can't be checked here")
	}
	if body.MayNameAmong(2, 3, "model") {
		if err := guardModels(head, body); err != nil {
			return err
		}
	}
	inline := body.MayName(7, "model") && body.MayName(6, "definition")
	files := body.MayNameAmong(fileFrom, fileTo, "file_id")
	m, ok := body.Find("messages")
	if !ok || !files && !inline {
		return nil
	}
	g := guardWalk{head: head, path: append(make([]byte, 0, 64), "messages"...)}
	p := jsonpull.NewString(string(body.Value(m)))
	g.value(&p)
	return g.err
}

// guardContainer reads container: an id, or an id and skills.
func guardContainer(head *dialect.Head, raw string) *canon.Error {
	bad := invalid("container", "must be the id of a container, or an object with id and skills")
	switch raw[0] {
	case 'n':
		return nil
	case '"':
		head.Refs = append(head.Refs, dialect.Ref{Path: "container", ID: text(raw)})
		return nil
	}
	o, err := jsonfield.Nested(raw)
	if err != nil {
		return bad
	}
	for _, m := range o {
		switch {
		case m.Name == "id" && m.Raw[0] == '"':
			head.Refs = append(head.Refs, dialect.Ref{Path: "container.id", ID: text(m.Raw)})
		case m.Name == "skills":
			list, err := jsonfield.Array(m.Raw)
			if err != nil {
				return bad
			}
			for i, one := range list {
				skill, err := jsonfield.Nested(one)
				path := "container.skills" + jsonfield.Index(i)
				if err != nil {
					return invalid(path, "must be an object")
				}
				if kind, err := skill.Text("type"); err == nil && kind == "anthropic" {
					continue // one of the vendor's, everybody's
				}
				id, err := skill.Needed("skill_id")
				if err != nil {
					return invalid(path+".skill_id", "must be a string")
				}
				head.Refs = append(head.Refs, dialect.Ref{Path: path + ".skill_id", ID: id})
			}
		default:
			return invalid("container."+m.Name, "is not known here, and could name what another account keeps")
		}
	}
	return nil
}

// guardModels finds models in what stands beside the conversation: in an object (name.model), or in a
// list of objects (fallbacks[0].model, tools[2].model).
func guardModels(head *dialect.Head, body *jsonedit.Object) *canon.Error {
	for _, m := range body.Members() {
		value := body.Value(m)
		switch m.Name {
		case "messages", "system", "metadata":
			continue
		}
		switch value[0] {
		case '[':
			list, err := jsonfield.Array(string(value))
			if err != nil {
				return invalid(m.Name, "can't be read")
			}
			for i, one := range list {
				if err := guardModel(head, m.Name+jsonfield.Index(i), one); err != nil {
					return err
				}
			}
		case '{':
			if err := guardModel(head, m.Name, string(value)); err != nil {
				return err
			}
		}
	}
	return nil
}

func guardModel(head *dialect.Head, path, object string) *canon.Error {
	raw := member(object, "model")
	switch {
	case raw == "", raw == "null":
		return nil
	case raw[0] != '"':
		return invalid(path+".model", "must be a string")
	}
	head.Also = append(head.Also, dialect.Ref{Path: path + ".model", ID: text(raw)})
	return nil
}

// guardWalk goes through the messages.
type guardWalk struct {
	head *dialect.Head
	path []byte
	err  *canon.Error
}

// value takes one value. The input of a tool is the model's own words and names nothing.
func (g *guardWalk) value(p *jsonpull.Parser) {
	at := len(g.path)
	switch p.Kind() {
	case '[':
		p.Array()
		for i := 0; p.Element(); i++ {
			g.path = append(g.path, jsonfield.Index(i)...)
			g.value(p)
			g.path = g.path[:at]
		}
	case '{':
		kind, input := "", ""
		p.Object()
		for p.Member() {
			name := p.Name
			g.path = append(append(g.path, '.'), name...)
			switch name {
			case "type":
				kind = p.String()
			case "input":
				input = p.Raw()
			case "file_id":
				g.file(p.Raw())
			case "definition":
				definition := p.Raw()
				if err := guardModel(g.head, string(g.path), definition); err != nil && g.err == nil {
					g.err = err
				}
			default:
				g.value(p)
			}
			g.path = g.path[:at]
		}
		if input != "" && !strings.HasSuffix(kind, "tool_use") {
			g.path = append(g.path, ".input"...)
			inner := jsonpull.NewString(input)
			g.value(&inner)
			g.path = g.path[:at]
		}
	default:
		p.Skip()
	}
}

func (g *guardWalk) file(raw string) {
	switch {
	case raw == "null":
	case json.Valid([]byte(raw)) && raw[0] == '"':
		g.head.Refs = append(g.head.Refs, dialect.Ref{Path: string(g.path), ID: text(raw)})
	case g.err == nil:
		g.err = invalid(string(g.path), "must be a string: the id of a file")
	}
}
