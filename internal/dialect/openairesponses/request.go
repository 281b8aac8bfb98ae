package openairesponses

import (
	"encoding/json"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/openai"
)

// ReadRequest reads a whole request. Only creating a response has one.
func (*Protocol) ReadRequest(op canon.Op, raw []byte) (*canon.Request, error) {
	if op != canon.OpGenerate {
		return nil, canon.Errorf(canon.KindInvalid, "An operation on a stored response has no request to read.")
	}
	q, body := openai.Begin(canon.OpenAIResponses, raw)
	if q.Err != nil {
		return q.Done()
	}
	out := q.Out
	q.Members("", body, func(name string, v gjson.Result) {
		switch name {
		case "model":
			out.Model = q.String(name, v)
		case "stream":
			b := q.Bool(name, v)
			out.Stream = b != nil && *b
		case "stream_options": // about the frames of this dialect alone, nothing for another to lose
		case "instructions":
			if v.IsArray() { // items, when a stored prompt is echoed
				q.Extra(name, v)
			} else if s := q.String(name, v); s != "" {
				out.System = append([]canon.Block{canon.Text{Text: s}}, out.System...)
			}
		case "input":
			readInput(q, name, v)
		case "tools":
			q.Each(name, v, func(path string, v gjson.Result) { readTool(q, path, v) })
		case "tool_choice":
			readToolChoice(q, name, v)
		case "parallel_tool_calls":
			out.ParallelTools = q.Bool(name, v)
		case "max_output_tokens":
			out.MaxOutput = q.Count(name, v)
		case "temperature":
			out.Temperature = q.Float(name, v)
		case "top_p":
			out.TopP = q.Float(name, v)
		case "text":
			readText(q, name, v)
		case "reasoning":
			readEffort(q, name, v)
		case "user":
			out.User = q.String(name, v)
		case "service_tier":
			out.Tier = q.String(name, v)
		default:
			q.Extra(name, v)
		}
	})
	return q.Done()
}

// readText reads text: the format of the answer, and what else is said of it.
func readText(q *openai.Request, path string, v gjson.Result) {
	q.Members(path, v, func(name string, v gjson.Result) {
		at := path + "." + name
		if name != "format" || openai.Absent(v) {
			q.Extra(at, v)
			return
		}
		if !v.IsObject() {
			q.Fail(at, "Invalid type for '%s': expected an object.", at)
			return
		}
		switch q.String(at+".type", v.Get("type")) {
		case "text":
		case "json_object":
			q.Out.Format = &canon.Format{}
		case "json_schema":
			q.Out.Format = q.Format(at, v)
		default:
			q.Extra(at, v)
		}
	})
}

func readEffort(q *openai.Request, path string, v gjson.Result) {
	q.Members(path, v, func(name string, v gjson.Result) {
		if name == "effort" {
			q.Out.Reasoning = openai.Effort(q.String(path+".effort", v))
		} else {
			q.Extra(path+"."+name, v)
		}
	})
}

// readTool reads a tool: a function, flat here, or one of OpenAI's own.
func readTool(q *openai.Request, path string, v gjson.Result) {
	if !v.IsObject() {
		q.Fail(path, "Invalid type for '%s': expected an object.", path)
		return
	}
	switch kind := q.String(path+".type", v.Get("type")); kind {
	case "function":
		q.Out.Tools = append(q.Out.Tools, q.Tool(path, v))
	case "":
		q.Fail(path+".type", "Missing required parameter: '%s.type'.", path)
	default:
		q.Out.Tools = append(q.Out.Tools, canon.Tool{Name: kind, Raw: json.RawMessage(v.Raw)})
	}
}

func readToolChoice(q *openai.Request, path string, v gjson.Result) {
	switch {
	case openai.Absent(v):
	case v.Type == gjson.String:
		if m, ok := openai.ToolMode(v.Str); ok {
			q.Out.ToolChoice.Mode = m
		} else {
			q.Extra(path, v)
		}
	case v.IsObject():
		if named := v.Get("name"); v.Get("type").Str == "function" && named.Type == gjson.String {
			q.Out.ToolChoice = canon.ToolChoice{Mode: canon.ToolNamed, Name: named.Str}
		} else {
			q.Extra(path, v) // allowed_tools, custom, hosted tools
		}
	default:
		q.Fail(path, "Invalid type for '%s': expected a string or an object.", path)
	}
}
