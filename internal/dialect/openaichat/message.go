package openaichat

import (
	"strings"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/openai"
	"tollgate/internal/jsonedit"
)

// list of blocks, each with the path where it stood.
type blocks struct {
	list  []canon.Block
	paths []string
}

func (b *blocks) add(path string, block canon.Block) {
	b.list, b.paths = append(b.list, block), append(b.paths, path)
}

func (b *blocks) join(more blocks) {
	b.list, b.paths = append(b.list, more.list...), append(b.paths, more.paths...)
}

// Foreign blocks of this dialect are whole parts of a content (they have a type), or one of these in an
// object of one member.
const (
	inMessage = "message" // members of the message
	inPart    = "part"    // members of the part before
	inCall    = "call"    // members of the tool call before
	wholeCall = "tool_call"
)

// rest keeps members that canon has no word for: of the message, or of the block before.
func rest(q *openai.Request, where string, members []byte) canon.Foreign {
	return q.Foreign(`{"` + where + `":{` + string(members) + `}}`)
}

// appendMember appends a member of a JSON object as it came.
func appendMember(dst []byte, name string, v gjson.Result) []byte {
	if len(dst) > 0 {
		dst = append(dst, ',')
	}
	dst = append(dst, jsonedit.Quote(name)...)
	dst = append(dst, ':')
	return append(dst, v.Raw...)
}

// readMessage reads one message. Instructions before the conversation become System; later ones, and
// those with a name, keep their place.
func readMessage(q *openai.Request, path string, v gjson.Result) {
	if !v.IsObject() {
		q.Fail(path, "Invalid type for '%s': expected an object.", path)
		return
	}
	list := q.Fields(path, v)
	t := canon.Turn{At: path, Name: q.String(path+".name", openai.Find(list, "name"))}
	switch role := q.String(path+".role", openai.Find(list, "role")); role {
	case "system", "developer":
		t.Role = canon.Role(role)
	case "user":
		t.Role = canon.RoleUser
	case "assistant":
		t.Role = canon.RoleAssistant
	case "tool", "function":
		t.Role = canon.RoleTool
	default:
		q.Fail(path+".role", "Invalid value for '%s.role': %q. Supported are system, developer, user, assistant, tool and function.", path, role)
		return
	}
	var thought thoughts
	var said, after, members blocks
	var id string
	var foreign []byte
	for i := range list {
		if q.Err != nil {
			break
		}
		name, v := list[i].Name, list[i].Value
		if name == "role" || name == "name" {
			continue
		}
		at := path + "." + name
		switch name {
		case "content":
			said.join(readContent(q, at, v))
		case "refusal":
			if s := q.String(at, v); s != "" {
				said.add(at, canon.Refusal{Text: s})
			}
		case "tool_calls":
			q.Each(at, v, func(path string, v gjson.Result) { readToolCall(q, path, v, &after) })
		case "function_call":
			if !openai.Absent(v) {
				u, odd := toolUse(q, "", at, v)
				if after.add(at, u); odd {
					after.add(at, rest(q, inCall, appendMember(nil, "function", v)))
				}
			}
		case "reasoning_content", "reasoning":
			s := q.String(at, v)
			if content := openai.Find(list, "reasoning_content"); name == "reasoning" && s != "" && content.Str != "" {
				if s != content.Str { // two names, and two texts
					foreign = appendMember(foreign, name, v)
				}
				continue
			}
			thought.plain(at, s)
		case "reasoning_details":
			thought.details(q, at, v)
		case "audio": // what this assistant said before, by id
			if a := openai.Member(v, "id"); a.Type == gjson.String {
				said.add(at, canon.Media{Kind: canon.MediaAudio, FileID: a.Str})
			} else if !openai.Absent(v) {
				foreign = appendMember(foreign, name, v)
			}
		case "tool_call_id":
			id = q.String(at, v)
			if t.Role != canon.RoleTool && id != "" {
				foreign = appendMember(foreign, name, v)
			}
		case "cache_control":
			if p, ok := cachePoint(v); ok {
				after.add(at, p)
			}
		case "annotations": // an answer that goes back as it came has an empty list, which says nothing
			if len(v.Array()) > 0 {
				foreign = appendMember(foreign, name, v)
			}
		default:
			if !openai.Absent(v) {
				foreign = appendMember(foreign, name, v)
			}
		}
	}
	if len(foreign) > 0 {
		name, _, _ := strings.Cut(string(foreign[1:]), `"`)
		members.add(path+"."+name, rest(q, inMessage, foreign))
	}
	all := thought.blocks(after)
	all.join(said)
	all.join(after)
	if t.Role == canon.RoleTool {
		result := canon.ToolResult{ID: id, Name: t.Name, Blocks: all.list}
		t.Name, all = "", blocks{}
		all.add(path, result)
	}
	all.join(members)
	if (t.Role == canon.RoleSystem || t.Role == canon.RoleDeveloper) && len(q.Out.Turns) == 0 && t.Name == "" {
		q.Out.System = append(q.Out.System, all.list...)
		q.Out.SystemPaths = append(q.Out.SystemPaths, all.paths...)
		return
	}
	t.Blocks, t.Paths = all.list, all.paths
	q.Out.Turns = append(q.Out.Turns, t)
}

// readToolCall reads a call that the assistant made, with the signature that Google puts at it.
// https://ai.google.dev/gemini-api/docs/thought-signatures (OpenAI compatibility), read 2026-11-20.
func readToolCall(q *openai.Request, path string, v gjson.Result, out *blocks) {
	if !v.IsObject() {
		q.Fail(path, "Invalid type for '%s': expected an object.", path)
		return
	}
	var id string
	var function, custom, signed gjson.Result
	var foreign []byte
	q.Members(path, v, func(name string, v gjson.Result) {
		switch name {
		case "id":
			id = q.String(path+".id", v)
		case "type", "index":
		case "function":
			function = v
		case "custom":
			custom = v
		case "extra_content":
			signed = v
		default:
			foreign = appendMember(foreign, name, v)
		}
	})
	if seal := signed.Get("google.thought_signature"); seal.Type == gjson.String && seal.Str != "" {
		r := canon.Reasoning{Origin: canon.OpenAIChat, Seal: compact(signed.Raw)}
		if origin, inner := canon.UnwrapSeal(canon.OpenAIChat, seal.Str); origin != canon.OpenAIChat {
			r.Origin, r.Seal = origin, inner
		}
		out.add(path+".extra_content", r)
	} else if !openai.Absent(signed) {
		foreign = appendMember(foreign, "extra_content", signed)
	}
	switch {
	case custom.IsObject():
		input := q.String(path+".custom.input", openai.Member(custom, "input"))
		name := q.Text(path+".custom", custom, "name")
		q.Named(path+".custom", name)
		out.add(path, canon.ToolUse{ID: id, Name: name, Input: jsonedit.Quote(input), Custom: true})
		if others(custom, "name", "input") {
			foreign = appendMember(foreign, "custom", custom)
		}
	case function.Exists():
		u, odd := toolUse(q, id, path+".function", function)
		out.add(path, u)
		if odd {
			foreign = appendMember(foreign, "function", function)
		}
	default:
		out.add(path, q.Foreign(`{"`+wholeCall+`":`+v.Raw+`}`))
		return
	}
	if len(foreign) > 0 {
		out.add(path, rest(q, inCall, foreign))
	}
}

// toolUse reads {name, arguments}; odd says that there is more.
func toolUse(q *openai.Request, id, path string, v gjson.Result) (u canon.ToolUse, odd bool) {
	u.ID, u.Input = id, []byte("{}")
	q.Members(path, v, func(name string, v gjson.Result) {
		switch name {
		case "name":
			u.Name = q.String(path+".name", v)
		case "arguments":
			if v.IsObject() { // some clients forget to make it a string
				u.Input = []byte(v.Raw)
			} else {
				u.Input = openai.Arguments(q.String(path+".arguments", v))
			}
		default:
			odd = true
		}
	})
	q.Named(path, u.Name)
	return u, odd
}
