package openairesponses

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/openai"
	"tollgate/internal/jsonedit"
)

// readInput reads input: a text, or items. Items that one assistant's step was cut into (reasoning,
// message, calls) become one turn again, as canon and the other dialects have it.
func readInput(q *openai.Request, path string, v gjson.Result) {
	switch {
	case openai.Absent(v):
	case v.Type == gjson.String:
		say(q, canon.RoleUser, path, blocksAt(path, canon.Text{Text: v.Str}))
	case v.IsArray():
		q.Each(path, v, func(path string, v gjson.Result) { readItemIn(q, path, v) })
	default:
		q.Fail(path, "Invalid type for '%s': expected a string or an array of items.", path)
	}
}

// placed is blocks with their paths.
type placed struct {
	blocks []canon.Block
	paths  []string
}

func (p *placed) join(more placed) {
	p.blocks, p.paths = append(p.blocks, more.blocks...), append(p.paths, more.paths...)
}

func blocksAt(path string, blocks ...canon.Block) placed {
	p := placed{blocks: blocks}
	for range blocks {
		p.paths = append(p.paths, path)
	}
	return p
}

// say appends a turn. What an assistant says goes into its last turn, if nobody has spoken since.
func say(q *openai.Request, role canon.Role, path string, what placed) {
	turns := q.Out.Turns
	if n := len(turns); role == canon.RoleAssistant && n > 0 && turns[n-1].Role == role {
		t := &turns[n-1]
		t.Blocks, t.Paths = append(t.Blocks, what.blocks...), append(t.Paths, what.paths...)
		return
	}
	q.Out.Turns = append(turns, canon.Turn{Role: role, Blocks: what.blocks, At: path, Paths: what.paths})
}

func readItemIn(q *openai.Request, path string, v gjson.Result) {
	if !v.IsObject() {
		q.Fail(path, "Invalid type for '%s': expected an object.", path)
		return
	}
	get := func(name string) string { return q.Text(path, v, name) }
	kind := get("type")
	// one says what an item is, and what of it canon has no word for.
	one := func(role canon.Role, b canon.Block, known ...string) {
		what := blocksAt(path, b)
		if _, whole := b.(canon.Foreign); !whole {
			what.join(rest(q, path, v, append(known, "type", "id", "status")...))
		}
		say(q, role, path, what)
	}
	switch {
	case kind == "message", kind == "" && openai.Member(v, "role").Exists():
		readMessage(q, path, v)
	case kind == "function_call":
		one(canon.RoleAssistant, canon.ToolUse{
			ID: get("call_id"), Name: called(q, path, v), Input: openai.Arguments(get("arguments")),
		}, "call_id", "namespace", "name", "arguments")
	case kind == "custom_tool_call":
		one(canon.RoleAssistant, canon.ToolUse{
			ID: get("call_id"), Name: called(q, path, v), Input: jsonedit.Quote(get("input")), Custom: true,
		}, "call_id", "namespace", "name", "input")
	case kind == "function_call_output", kind == "custom_tool_call_output":
		r := canon.ToolResult{ID: get("call_id"), Custom: kind == "custom_tool_call_output"}
		r.Blocks = readContent(q, path+".output", openai.Member(v, "output")).blocks
		one(canon.RoleTool, r, "call_id", "output")
	case kind == "tool_search_call" && openai.Member(v, "call_id").Type == gjson.String:
		input := openai.Member(v, "arguments").Raw
		if input == "" {
			input = "{}"
		}
		one(canon.RoleAssistant, canon.ToolUse{ID: get("call_id"), Name: homeSearch, Input: json.RawMessage(input)}, "call_id", "execution", "arguments")
	case kind == "tool_search_output" && openai.Member(v, "call_id").Type == gjson.String:
		q.Each(path+".tools", openai.Member(v, "tools"), func(path string, v gjson.Result) { readTool(q, path, v, homeFound) })
		found := canon.Text{Text: openai.Member(v, "tools").Raw}
		one(canon.RoleTool, canon.ToolResult{ID: get("call_id"), Name: homeSearch, Blocks: []canon.Block{found}}, "call_id", "execution", "tools")
	case kind == "additional_tools":
		q.Each(path+".tools", openai.Member(v, "tools"), func(path string, v gjson.Result) { readTool(q, path, v, homeAdditional) })
	case kind == "reasoning":
		one(canon.RoleAssistant, readReasoning(q, path, v), "summary", "content", "encrypted_content")
	case strings.HasSuffix(kind, "_output"), kind == "mcp_approval_response":
		say(q, canon.RoleTool, path, blocksAt(path, q.Foreign(v.Raw)))
	default: // hosted calls and their results, item_reference, compaction
		say(q, canon.RoleAssistant, path, blocksAt(path, q.Foreign(v.Raw)))
	}
}

// called reads the name of the tool that a call names.
func called(q *openai.Request, path string, v gjson.Result) string {
	name := q.Text(path, v, "name")
	q.Named(path, name)
	return flatName(q.Text(path, v, "namespace"), name)
}

// rest keeps the members of an item, or of a part of one, that canon has no word for: each is a block of its own,
// so that a Loss names it. An id, by which nobody but its own dialect knows an item, is known to be of no use
// elsewhere, and what was cut off is told by a status.
func rest(q *openai.Request, path string, v gjson.Result, known ...string) (out placed) {
	q.Members(path, v, func(name string, v gjson.Result) {
		if openai.Absent(v) || slices.Contains(known, name) {
			return
		}
		raw := append(jsonedit.AppendQuoted([]byte{'{'}, name), ':')
		raw = append(append(raw, v.Raw...), '}')
		out.blocks, out.paths = append(out.blocks, q.Foreign(string(raw))), append(out.paths, path+"."+name)
	})
	return out
}

func readMessage(q *openai.Request, path string, v gjson.Result) {
	content := readContent(q, path+".content", openai.Member(v, "content"))
	content.join(rest(q, path, v, "type", "id", "status", "role", "content"))
	switch role := q.Text(path, v, "role"); role {
	case "user", "assistant":
		say(q, canon.Role(role), path, content)
	case "system", "developer":
		if len(q.Out.Turns) == 0 {
			q.Out.System = append(q.Out.System, content.blocks...)
			q.Out.SystemPaths = append(q.Out.SystemPaths, content.paths...)
		} else {
			say(q, canon.Role(role), path, content)
		}
	default:
		q.Fail(path+".role", "Invalid value for '%s.role': %q. Supported are user, assistant, system and developer.", path, role)
	}
}

// readContent reads content or output: a string or an array of parts.
func readContent(q *openai.Request, path string, v gjson.Result) (out placed) {
	switch {
	case openai.Absent(v):
	case v.Type == gjson.String:
		return blocksAt(path, canon.Text{Text: v.Str})
	case v.IsArray():
		q.Each(path, v, func(path string, v gjson.Result) {
			if !v.IsObject() {
				q.Fail(path, "Invalid type for '%s': expected a part of a message.", path)
				return
			}
			part, known := readPart(q, path, v)
			out.blocks, out.paths = append(out.blocks, part), append(out.paths, path)
			if known == nil {
				return // its mark is a part of it
			}
			if notes := openai.Member(v, "annotations"); notes.IsArray() && strings.Trim(notes.Raw, "[] \t\r\n") == "" {
				known = append(known, "annotations") // an answer that goes back as it came has an empty list, which says nothing
			}
			out.join(rest(q, path, v, append(known, "type", "prompt_cache_breakpoint")...))
			if mark := openai.Member(v, "prompt_cache_breakpoint"); !openai.Absent(mark) { // since gpt-5.6
				at := path + ".prompt_cache_breakpoint"
				ttl, _ := time.ParseDuration(q.Text(at, mark, "ttl")) // 30m or 12h; else the default
				out.blocks, out.paths = append(out.blocks, canon.CachePoint{TTL: ttl}), append(out.paths, at)
			}
		})
	default:
		q.Fail(path, "Invalid type for '%s': expected a string or an array of parts.", path)
	}
	return out
}

// readPart reads a part of a message, and tells the members that it has read; none if all of it is foreign.
func readPart(q *openai.Request, path string, v gjson.Result) (b canon.Block, known []string) {
	get := func(name string) string { return q.Text(path, v, name) }
	switch get("type") {
	case "input_text", "text":
		return canon.Text{Text: get("text")}, []string{"text"}
	case "output_text": // how likely its tokens were says nothing to a model
		return canon.Text{Text: get("text")}, []string{"text", "logprobs"}
	case "refusal":
		return canon.Refusal{Text: get("refusal")}, []string{"refusal"}
	case "input_image":
		m := canon.Media{Kind: canon.MediaImage, FileID: get("file_id"), Detail: get("detail")}
		url := get("image_url")
		if url == "" && m.FileID == "" {
			break
		}
		return openai.Located(m, url), []string{"file_id", "detail", "image_url"}
	case "input_file":
		known = []string{"file_id", "detail", "filename", "file_url", "file_data"}
		m := canon.Media{Kind: canon.MediaFile, FileID: get("file_id"), Name: get("filename"), URL: get("file_url"), Detail: get("detail")}
		if data := get("file_data"); data != "" {
			if _, _, ok := openai.DataURL(data); ok {
				return openai.Located(m, data), known
			}
			m.Data = data
		}
		return m, known
	case "input_audio":
		a := openai.Member(v, "input_audio")
		format := q.String(path+".input_audio.format", openai.Member(a, "format"))
		m := canon.Media{Kind: canon.MediaAudio, MIME: openai.AudioMIME(format), Data: q.String(path+".input_audio.data", openai.Member(a, "data"))}
		return m, []string{"input_audio"}
	}
	return q.Foreign(v.Raw), nil
}

// readReasoning reads a reasoning item. One that is but a reference to what the upstream keeps has
// neither text nor seal; it stays foreign, as its id is all it is.
func readReasoning(q *openai.Request, path string, v gjson.Result) canon.Block {
	text := parts(openai.Member(v, "summary").Raw)
	if open := parts(openai.Member(v, "content").Raw); open != "" {
		text = open // the thoughts themselves, where the model shows them
	}
	seal := q.Text(path, v, "encrypted_content")
	if text == "" && seal == "" {
		return q.Foreign(v.Raw)
	}
	r := canon.Reasoning{Text: text}
	r.Origin, r.Seal = canon.UnwrapSeal(canon.OpenAIResponses, seal)
	return r
}
