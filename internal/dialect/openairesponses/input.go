package openairesponses

import (
	"strings"

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
		q.Out.Turns = append(q.Out.Turns, canon.Turn{Role: canon.RoleUser, Blocks: []canon.Block{canon.Text{Text: v.Str}}})
	case v.IsArray():
		q.Each(path, v, func(path string, v gjson.Result) { readInputItem(q, path, v) })
	default:
		q.Fail(path, "Invalid type for '%s': expected a string or an array of items.", path)
	}
}

func readInputItem(q *openai.Request, path string, v gjson.Result) {
	if !v.IsObject() {
		q.Fail(path, "Invalid type for '%s': expected an object.", path)
		return
	}
	kind := q.String(path+".type", v.Get("type"))
	switch {
	case kind == "message", kind == "" && v.Get("role").Exists():
		readMessage(q, path, v)
	case kind == "function_call":
		assistant(q, canon.ToolUse{
			ID:    q.String(path+".call_id", v.Get("call_id")),
			Name:  q.String(path+".name", v.Get("name")),
			Input: openai.Arguments(q.String(path+".arguments", v.Get("arguments"))),
		})
	case kind == "custom_tool_call":
		assistant(q, canon.ToolUse{
			ID:    q.String(path+".call_id", v.Get("call_id")),
			Name:  q.String(path+".name", v.Get("name")),
			Input: jsonedit.Quote(q.String(path+".input", v.Get("input"))),
		})
	case kind == "function_call_output", kind == "custom_tool_call_output":
		r := canon.ToolResult{ID: q.String(path+".call_id", v.Get("call_id"))}
		r.Blocks = readContent(q, path+".output", v.Get("output"))
		q.Out.Turns = append(q.Out.Turns, canon.Turn{Role: canon.RoleTool, Blocks: []canon.Block{r}})
	case kind == "reasoning":
		assistant(q, readReasoning(q, path, v))
	case strings.HasSuffix(kind, "_output"), kind == "mcp_approval_response":
		q.Out.Turns = append(q.Out.Turns, canon.Turn{Role: canon.RoleTool, Blocks: []canon.Block{q.Foreign(v.Raw)}})
	default: // hosted calls and their results, item_reference, compaction
		assistant(q, q.Foreign(v.Raw))
	}
}

// assistant appends to what the assistant said last, if nobody has spoken since.
func assistant(q *openai.Request, blocks ...canon.Block) {
	turns := q.Out.Turns
	if n := len(turns); n > 0 && turns[n-1].Role == canon.RoleAssistant {
		turns[n-1].Blocks = append(turns[n-1].Blocks, blocks...)
		return
	}
	q.Out.Turns = append(turns, canon.Turn{Role: canon.RoleAssistant, Blocks: blocks})
}

func readMessage(q *openai.Request, path string, v gjson.Result) {
	blocks := readContent(q, path+".content", v.Get("content"))
	switch role := q.String(path+".role", v.Get("role")); role {
	case "user":
		q.Out.Turns = append(q.Out.Turns, canon.Turn{Role: canon.RoleUser, Blocks: blocks})
	case "assistant":
		assistant(q, blocks...)
	case "system", "developer":
		if len(q.Out.Turns) == 0 {
			q.Out.System = append(q.Out.System, blocks...)
		} else {
			q.Out.Turns = append(q.Out.Turns, canon.Turn{Role: canon.Role(role), Blocks: blocks})
		}
	default:
		q.Fail(path+".role", "Invalid value for '%s.role': %q. Supported are user, assistant, system and developer.", path, role)
	}
}

// readContent reads content or output: a string or an array of parts.
func readContent(q *openai.Request, path string, v gjson.Result) (out []canon.Block) {
	switch {
	case openai.Absent(v):
	case v.Type == gjson.String:
		return []canon.Block{canon.Text{Text: v.Str}}
	case v.IsArray():
		q.Each(path, v, func(path string, v gjson.Result) {
			if !v.IsObject() {
				q.Fail(path, "Invalid type for '%s': expected a part of a message.", path)
				return
			}
			out = append(out, readPart(q, path, v))
			if !openai.Absent(v.Get("prompt_cache_breakpoint")) { // since gpt-5.6
				out = append(out, canon.CachePoint{})
			}
		})
	default:
		q.Fail(path, "Invalid type for '%s': expected a string or an array of parts.", path)
	}
	return out
}

func readPart(q *openai.Request, path string, v gjson.Result) canon.Block {
	get := func(name string) string { return q.String(path+"."+name, v.Get(name)) }
	switch q.String(path+".type", v.Get("type")) {
	case "input_text", "output_text", "text":
		return canon.Text{Text: get("text")}
	case "refusal":
		return canon.Refusal{Text: get("refusal")}
	case "input_image":
		m := canon.Media{Kind: canon.MediaImage, FileID: get("file_id"), Detail: get("detail")}
		url := get("image_url")
		if url == "" && m.FileID == "" {
			return q.Foreign(v.Raw)
		}
		return openai.Located(m, url)
	case "input_file":
		m := canon.Media{Kind: canon.MediaFile, FileID: get("file_id"), Name: get("filename"), URL: get("file_url")}
		if data := get("file_data"); data != "" {
			if _, _, ok := openai.DataURL(data); ok {
				return openai.Located(m, data)
			}
			m.Data = data
		}
		return m
	case "input_audio":
		a := v.Get("input_audio")
		format := q.String(path+".input_audio.format", a.Get("format"))
		return canon.Media{Kind: canon.MediaAudio, MIME: openai.AudioMIME(format), Data: q.String(path+".input_audio.data", a.Get("data"))}
	}
	return q.Foreign(v.Raw)
}

// readReasoning reads a reasoning item. One that is but a reference to what the upstream keeps has
// neither text nor seal; it stays foreign, as its id is all it is.
func readReasoning(q *openai.Request, path string, v gjson.Result) canon.Block {
	text := parts(v.Get("summary").Raw)
	if open := parts(v.Get("content").Raw); open != "" {
		text = open // the thoughts themselves, where the model shows them
	}
	seal := q.String(path+".encrypted_content", v.Get("encrypted_content"))
	if text == "" && seal == "" {
		return q.Foreign(v.Raw)
	}
	return canon.Reasoning{Text: text, Seal: seal, Origin: canon.OpenAIResponses}
}
