package openaichat

import (
	"time"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/openai"
	"tollgate/internal/jsonedit"
)

// readMessage reads one message. Instructions before the conversation become System; later ones, and
// those with a name, keep their place.
func readMessage(q *openai.Request, path string, v gjson.Result) {
	if !v.IsObject() {
		q.Fail(path, "Invalid type for '%s': expected an object.", path)
		return
	}
	t := canon.Turn{Name: q.String(path+".name", v.Get("name"))}
	switch role := q.String(path+".role", v.Get("role")); role {
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
	var said, after []canon.Block
	q.Members(path, v, func(name string, v gjson.Result) {
		switch name {
		case "role", "name":
		case "content":
			said = append(said, readContent(q, path+".content", v)...)
		case "refusal":
			if s := q.String(path+".refusal", v); s != "" {
				said = append(said, canon.Refusal{Text: s})
			}
		case "tool_calls":
			q.Each(path+".tool_calls", v, func(path string, v gjson.Result) { after = append(after, readToolCall(q, path, v)) })
		case "function_call":
			if !openai.Absent(v) {
				after = append(after, toolUse(q, "", path+".function_call", v))
			}
		case "reasoning_content", "reasoning":
			if s := q.String(path+"."+name, v); s != "" && !thought(t.Blocks, s) {
				t.Blocks = append(t.Blocks, canon.Reasoning{Text: s, Origin: canon.OpenAIChat}) // thought before it was said
			}
		case "audio": // what this assistant said before, by id
			if id := v.Get("id"); id.Type == gjson.String {
				said = append(said, canon.Media{Kind: canon.MediaAudio, FileID: id.Str})
			}
		case "tool_call_id":
			if t.Role != canon.RoleTool {
				after = append(after, q.ForeignMember(name, v))
			}
		case "cache_control":
			if p, ok := cachePoint(v); ok {
				after = append(after, p)
			}
		default:
			if !openai.Absent(v) {
				after = append(after, q.ForeignMember(name, v))
			}
		}
	})
	t.Blocks = append(append(t.Blocks, said...), after...)
	if t.Role == canon.RoleTool {
		t.Blocks = []canon.Block{canon.ToolResult{ID: q.String(path+".tool_call_id", v.Get("tool_call_id")), Name: t.Name, Blocks: t.Blocks}}
		t.Name = ""
	}
	if (t.Role == canon.RoleSystem || t.Role == canon.RoleDeveloper) && len(q.Out.Turns) == 0 && t.Name == "" {
		q.Out.System = append(q.Out.System, t.Blocks...)
		return
	}
	q.Out.Turns = append(q.Out.Turns, t)
}

// thought reports whether this reasoning is there already: some clients send it under both names.
func thought(blocks []canon.Block, text string) bool {
	for _, b := range blocks {
		if r, ok := b.(canon.Reasoning); ok && r.Text == text {
			return true
		}
	}
	return false
}

// readContent reads content: a string or an array of parts.
func readContent(q *openai.Request, path string, v gjson.Result) []canon.Block {
	switch {
	case openai.Absent(v):
		return nil
	case v.Type == gjson.String:
		return []canon.Block{canon.Text{Text: v.Str}}
	case v.IsArray():
		return readParts(q, path, v)
	}
	q.Fail(path, "Invalid type for '%s': expected a string or an array of parts.", path)
	return nil
}

func readParts(q *openai.Request, path string, v gjson.Result) (out []canon.Block) {
	q.Each(path, v, func(path string, v gjson.Result) {
		if v.Type == gjson.String {
			out = append(out, canon.Text{Text: v.Str})
			return
		}
		if !v.IsObject() {
			q.Fail(path, "Invalid type for '%s': expected a part of a message.", path)
			return
		}
		out = append(out, readPart(q, path, v))
		if p, ok := cachePoint(v.Get("cache_control")); ok { // OpenRouter, DashScope: as Anthropic has it
			out = append(out, p)
		}
		if !openai.Absent(v.Get("prompt_cache_breakpoint")) { // OpenAI since gpt-5.6
			out = append(out, canon.CachePoint{})
		}
	})
	return out
}

func readPart(q *openai.Request, path string, v gjson.Result) canon.Block {
	kind := q.String(path+".type", v.Get("type"))
	inner := v.Get(kind) // image_url, input_audio and file are named like their type
	switch kind {
	case "text":
		return canon.Text{Text: q.String(path+".text", inner)}
	case "refusal":
		return canon.Refusal{Text: q.String(path+".refusal", inner)}
	case "image_url", "video_url":
		url := inner
		if inner.IsObject() {
			url = inner.Get("url")
		}
		m := canon.Media{Kind: canon.MediaImage, Detail: q.String(path+".image_url.detail", inner.Get("detail"))}
		if kind == "video_url" {
			m.Kind = canon.MediaVideo
		}
		return openai.Located(m, q.String(path+"."+kind+".url", url))
	case "input_audio":
		format := q.String(path+".input_audio.format", inner.Get("format"))
		return canon.Media{Kind: canon.MediaAudio, MIME: openai.AudioMIME(format), Data: q.String(path+".input_audio.data", inner.Get("data"))}
	case "file":
		m := canon.Media{
			Kind:   canon.MediaFile,
			FileID: q.String(path+".file.file_id", inner.Get("file_id")),
			Name:   q.String(path+".file.filename", inner.Get("filename")),
		}
		data := q.String(path+".file.file_data", inner.Get("file_data"))
		if _, _, ok := openai.DataURL(data); ok {
			return openai.Located(m, data)
		}
		m.Data = data
		return m
	}
	return q.Foreign(v.Raw)
}

func readToolCall(q *openai.Request, path string, v gjson.Result) canon.Block {
	if !v.IsObject() {
		q.Fail(path, "Invalid type for '%s': expected an object.", path)
		return q.Foreign("null")
	}
	id := q.String(path+".id", v.Get("id"))
	switch {
	case v.Get("custom").IsObject():
		c := v.Get("custom")
		input := q.String(path+".custom.input", c.Get("input"))
		return canon.ToolUse{ID: id, Name: q.String(path+".custom.name", c.Get("name")), Input: jsonedit.Quote(input)}
	case v.Get("function").Exists():
		return toolUse(q, id, path+".function", v.Get("function"))
	}
	return q.Foreign(v.Raw)
}

func toolUse(q *openai.Request, id, path string, v gjson.Result) canon.ToolUse {
	if !v.IsObject() {
		q.Fail(path, "Invalid type for '%s': expected an object.", path)
		return canon.ToolUse{}
	}
	u := canon.ToolUse{ID: id, Name: q.String(path+".name", v.Get("name"))}
	if args := v.Get("arguments"); args.IsObject() {
		u.Input = []byte(args.Raw)
	} else {
		u.Input = openai.Arguments(q.String(path+".arguments", args))
	}
	return u
}

// cachePoint reads a cache_control: {"type":"ephemeral","ttl":"1h"}.
func cachePoint(v gjson.Result) (canon.CachePoint, bool) {
	if !v.IsObject() {
		return canon.CachePoint{}, false
	}
	d, err := time.ParseDuration(v.Get("ttl").Str)
	if err != nil {
		d = 0 // the vendor's default
	}
	return canon.CachePoint{TTL: d}, true
}
