package openaichat

import (
	"encoding/json"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/openai"
)

// ReadRequest reads a whole request.
func (*Protocol) ReadRequest(op canon.Op, raw []byte) (*canon.Request, error) {
	q, body := openai.Begin(canon.OpenAIChat, raw)
	switch {
	case q.Err != nil:
	case op == canon.OpEmbed || op == canon.OpModerate || op == canon.OpComplete:
		readInput(q, op, body)
	default:
		readChat(q, body)
	}
	return q.Done()
}

// readChat reads a chat completion.
func readChat(q *openai.Request, body gjson.Result) {
	messages := false
	q.Members("", body, func(name string, v gjson.Result) {
		switch name {
		case "messages":
			messages = true
			q.Each(name, v, func(path string, v gjson.Result) { readMessage(q, path, v) })
		case "tools":
			q.Each(name, v, func(path string, v gjson.Result) { readTool(q, path, v) })
		case "functions": // what tools was before 2023-11
			q.Each(name, v, func(path string, v gjson.Result) { q.Out.Tools = append(q.Out.Tools, q.Tool(path, v)) })
		case "tool_choice", "function_call":
			readToolChoice(q, name, v)
		case "parallel_tool_calls":
			q.Out.ParallelTools = q.Bool(name, v)
		case "response_format":
			readFormat(q, name, v)
		case "reasoning_effort":
			q.Out.Reasoning = openai.Effort(q.String(name, v))
		case "reasoning":
			readReasoning(q, name, v)
		default:
			readCommon(q, name, v)
		}
	})
	if !messages {
		q.Fail("messages", "Missing required parameter: 'messages'.")
	}
}

// readCommon reads what chat and legacy completions share.
func readCommon(q *openai.Request, name string, v gjson.Result) {
	out := q.Out
	switch name {
	case "model":
		out.Model = q.String(name, v)
	case "stream":
		b := q.Bool(name, v)
		out.Stream = b != nil && *b
	case "stream_options": // about the frames of this dialect alone, nothing for another to lose
	case "max_completion_tokens":
		if n := q.Count(name, v); n != 0 {
			out.MaxOutput = n
		}
	case "max_tokens": // the older name; the newer wins where both are
		if n := q.Count(name, v); out.MaxOutput == 0 {
			out.MaxOutput = n
		}
	case "n":
		out.N = int(q.Count(name, v))
	case "temperature":
		out.Temperature = q.Float(name, v)
	case "top_p":
		out.TopP = q.Float(name, v)
	case "top_k": // not OpenAI's, but known to most vendors of the dialect
		out.TopK = q.Int(name, v)
	case "stop":
		out.Stop = q.Strings(name, v)
	case "seed":
		out.Seed = q.Int(name, v)
	case "user":
		out.User = q.String(name, v)
	case "service_tier":
		out.Tier = q.String(name, v)
	default:
		q.Extra(name, v)
	}
}

// readReasoning reads OpenRouter's form. https://openrouter.ai/docs/use-cases/reasoning-tokens.
func readReasoning(q *openai.Request, path string, v gjson.Result) {
	e := canon.Effort{}
	if q.Out.Reasoning != nil {
		e = *q.Out.Reasoning
	}
	q.Members(path, v, func(name string, v gjson.Result) {
		switch name {
		case "effort":
			if level := openai.Effort(q.String(path+".effort", v)); level != nil {
				e.Level, e.Disabled = level.Level, level.Disabled
			}
		case "max_tokens":
			e.Budget = q.Count(path+".max_tokens", v)
		case "enabled":
			on := q.Bool(path+".enabled", v)
			e.Disabled = on != nil && !*on
		default:
			q.Extra(path+"."+name, v)
		}
	})
	if e != (canon.Effort{}) {
		q.Out.Reasoning = &e
	}
}

func readTool(q *openai.Request, path string, v gjson.Result) {
	var kind string
	var function gjson.Result
	var rest []canon.Field
	q.Members(path, v, func(name string, v gjson.Result) {
		switch name {
		case "type":
			kind = q.String(path+".type", v)
		case "function":
			function = v
		default:
			rest = append(rest, canon.Field{Name: path + "." + name, Value: json.RawMessage(v.Raw)})
		}
	})
	switch {
	case kind != "" && kind != "function":
		q.Out.Tools = append(q.Out.Tools, canon.Tool{Name: kind, Raw: json.RawMessage(v.Raw)})
	case openai.Absent(function):
		q.Fail(path+".function", "Missing required parameter: '%s.function'.", path)
	default:
		q.Out.Tools = append(q.Out.Tools, q.Tool(path+".function", function))
		q.Out.Extra = append(q.Out.Extra, rest...)
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
		named := v.Get("function.name")
		if path == "function_call" {
			named = v.Get("name")
		}
		if named.Type == gjson.String && named.Str != "" {
			q.Out.ToolChoice = canon.ToolChoice{Mode: canon.ToolNamed, Name: named.Str}
		} else {
			q.Extra(path, v) // allowed_tools, custom
		}
	default:
		q.Fail(path, "Invalid type for '%s': expected a string or an object.", path)
	}
}

func readFormat(q *openai.Request, path string, v gjson.Result) {
	if openai.Absent(v) {
		return
	}
	if !v.IsObject() {
		q.Fail(path, "Invalid type for '%s': expected an object.", path)
		return
	}
	switch q.String(path+".type", v.Get("type")) {
	case "text":
	case "json_object":
		q.Out.Format = &canon.Format{}
	case "json_schema":
		q.Out.Format = q.Format(path+".json_schema", v.Get("json_schema"))
	default:
		q.Extra(path, v)
	}
}

// readInput reads what only has text to read: the prompts of a legacy completion, the inputs of
// embeddings and moderations. Each prompt is a turn; text that is already tokens is foreign.
func readInput(q *openai.Request, op canon.Op, body gjson.Result) {
	member := "input"
	if op == canon.OpComplete {
		member = "prompt"
	}
	turn := func(b ...canon.Block) {
		q.Out.Turns = append(q.Out.Turns, canon.Turn{Role: canon.RoleUser, Blocks: b})
	}
	q.Members("", body, func(name string, v gjson.Result) {
		if name != member {
			readCommon(q, name, v)
			return
		}
		switch {
		case openai.Absent(v):
		case v.Type == gjson.String:
			turn(canon.Text{Text: v.Str})
		case !v.IsArray():
			q.Fail(name, "Invalid type for '%s': expected a string or an array.", name)
		case v.Get("0").Type == gjson.Number:
			turn(q.Foreign(v.Raw))
		case op == canon.OpModerate && v.Get("0").IsObject(): // one input of several parts
			turn(readParts(q, name, v)...)
		default:
			q.Each(name, v, func(_ string, e gjson.Result) {
				if e.Type == gjson.String {
					turn(canon.Text{Text: e.Str})
				} else {
					turn(q.Foreign(e.Raw))
				}
			})
		}
	})
	if op != canon.OpComplete && len(q.Out.Turns) == 0 { // a completion may begin at nothing
		q.Fail(member, "Missing required parameter: '%s'.", member)
	}
}
