package anthropic

import (
	"encoding/json"
	"errors"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonfield"
)

// ReadRequest reads a whole request of messages or count_tokens, which are the same but for what must
// be there.
func (*Protocol) ReadRequest(_ canon.Op, raw []byte) (*canon.Request, error) {
	o, err := jsonfield.Nested(string(raw))
	if err != nil {
		return nil, place(err)
	}
	req := &canon.Request{Origin: canon.Anthropic}
	for _, m := range o {
		if err := readField(req, m); err != nil {
			return nil, place(jsonfield.Within(err, m.Name))
		}
	}
	return req, nil
}

// place makes the path in Param part of the message: Anthropic's errors have no field for it.
func place(err error) error {
	if e, ok := errors.AsType[*canon.Error](err); ok && e.Param != "" {
		e.Message = e.Param + " " + e.Message
	}
	return err
}

func readField(req *canon.Request, m jsonfield.Member) (err error) {
	switch m.Name {
	case "model":
		req.Model, err = jsonfield.String(m.Raw)
	case "stream":
		req.Stream, err = jsonfield.Bool(m.Raw)
	case "system":
		req.System, req.SystemPaths, err = readContent("system", m.Raw)
	case "messages":
		req.Turns, err = readMessages(m.Raw)
	case "tools":
		req.Tools, err = readTools(m.Raw)
	case "tool_choice":
		err = readToolChoice(req, m.Raw)
	case "max_tokens":
		if req.MaxOutput, err = jsonfield.Int(m.Raw); req.MaxOutput == 0 && err == nil {
			extra(req, "", m) // fills the cache and writes nothing; canon takes 0 for not said
		}
	case "temperature":
		req.Temperature, err = pointer(jsonfield.Float(m.Raw))
	case "top_p":
		req.TopP, err = pointer(jsonfield.Float(m.Raw))
	case "top_k":
		req.TopK, err = pointer(jsonfield.Int(m.Raw))
	case "stop_sequences":
		req.Stop, err = jsonfield.Strings(m.Raw)
	case "thinking":
		err = readThinking(req, m.Raw)
	case "output_config":
		err = readOutputConfig(req, m.Raw)
	case "output_format": // its name while it was in beta
		err = readFormat(req, "", m)
		for _, what := range [...]canon.What{canon.WhatFormat, canon.WhatFormatSchema, canon.WhatFormatStrict, canon.WhatFormatName} {
			req.Name(what, m.Name)
		}
	case "metadata":
		err = readMetadata(req, m.Raw)
	case "service_tier":
		req.Tier, err = jsonfield.String(m.Raw)
	default:
		extra(req, "", m)
	}
	return err
}

func pointer[T any](v T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// extra keeps the member m of the member in; "" is the top.
func extra(req *canon.Request, in string, m jsonfield.Member) {
	f := canon.Field{Name: m.Name, In: in, Value: json.RawMessage(m.Raw)}
	if in != "" {
		f.Name = in + "." + m.Name
	}
	f.Idle = canon.Idle(f.Value, defaults[f.Name]...)
	req.Extra = append(req.Extra, f)
}

// defaults are values of members without a word in canon that ask for what every vendor does anyway: of a request, and of
// tools.
//
// Source: comments of BetaMessageNewParams and BetaToolParam in anthropic-sdk-go v1.84.0, read 2026-11-21.
var defaults = map[string][]string{
	"context_management":    {`{}`, `{"edits":[]}`},
	"speed":                 {`"standard"`},
	"defer_loading":         {`false`},
	"allowed_callers":       {`["direct"]`},
	"eager_input_streaming": {`false`},
}

// toolField is a member of a tool that canon has no word for.
func toolField(m jsonfield.Member) canon.Field {
	return canon.Field{Name: m.Name, Value: json.RawMessage(m.Raw), Idle: canon.Idle(json.RawMessage(m.Raw), defaults[m.Name]...)}
}

func readMessages(raw string) ([]canon.Turn, error) {
	list, err := jsonfield.Array(raw)
	if err != nil {
		return nil, err
	}
	turns := make([]canon.Turn, 0, len(list))
	for i, one := range list {
		turn, err := readMessage("messages"+jsonfield.Index(i), one)
		if err != nil {
			return nil, jsonfield.Within(err, jsonfield.Index(i))
		}
		turns = append(turns, turn)
	}
	return turns, nil
}

func readMessage(at, raw string) (turn canon.Turn, err error) {
	turn.At = at
	o, err := jsonfield.Nested(raw)
	if err != nil {
		return turn, err
	}
	role, err := o.Needed("role")
	if err != nil {
		return turn, err
	}
	switch role {
	case "user", "assistant", "system":
		turn.Role = canon.Role(role)
	default:
		return turn, jsonfield.Within(canon.Errorf(canon.KindInvalid, "must be \"user\", \"assistant\" or \"system\", not %q", role), "role")
	}
	content := o.Find("content")
	if content == "" {
		return turn, jsonfield.Within(jsonfield.Missing(), "content")
	}
	if turn.Blocks, turn.Paths, err = readContent(at+".content", content); err != nil {
		return turn, jsonfield.Within(err, "content")
	}
	if o.Rest("role", "content") != nil {
		// What else a message says: with its role, which no block has, so that it isn't taken for a block's.
		turn.Add(at, foreign(string(o.Rest("content"))))
	}
	return turn, nil
}

func readTools(raw string) ([]canon.Tool, error) {
	list, err := jsonfield.Array(raw)
	if err != nil {
		return nil, err
	}
	tools := make([]canon.Tool, 0, len(list))
	for i, one := range list {
		tool, err := readTool(one)
		if err != nil {
			return nil, jsonfield.Within(err, jsonfield.Index(i))
		}
		tool.At = "tools" + jsonfield.Index(i)
		tools = append(tools, tool)
	}
	return tools, nil
}

// readTool reads a tool of the client's. All other types are Anthropic's own, run there or known to
// the model, and stay as they are.
func readTool(raw string) (tool canon.Tool, err error) {
	o, err := jsonfield.Nested(raw)
	if err != nil {
		return tool, err
	}
	kind, err := o.Text("type")
	if err != nil {
		return tool, err
	}
	if kind != "" && kind != "custom" {
		return readOwnTool(kind, raw, o)
	}
	for _, m := range o {
		switch m.Name {
		case "type":
		case "name":
			tool.Name, err = jsonfield.String(m.Raw)
		case "description":
			tool.Description, err = jsonfield.String(m.Raw)
		case "input_schema":
			tool.Schema = json.RawMessage(m.Raw)
		case "strict":
			tool.Strict, err = pointer(jsonfield.Bool(m.Raw))
		case "cache_control":
			var more bool
			if tool.Cache, more, err = readCachePoint(m.Raw); more {
				tool.Extra = append(tool.Extra, canon.Field{Name: m.Name, Value: json.RawMessage(m.Raw)})
			}
		default:
			tool.Extra = append(tool.Extra, toolField(m))
		}
		if err != nil {
			return tool, jsonfield.Within(err, m.Name)
		}
	}
	if tool.Name == "" {
		return tool, jsonfield.Within(jsonfield.Missing(), "name")
	}
	return tool, nil
}

func readToolChoice(req *canon.Request, raw string) error {
	o, err := jsonfield.Nested(raw)
	if err != nil {
		return err
	}
	kind, err := o.Needed("type")
	if err != nil {
		return err
	}
	switch kind {
	case "auto":
		req.ToolChoice.Mode = canon.ToolAuto
	case "any":
		req.ToolChoice.Mode = canon.ToolRequired
	case "none":
		req.ToolChoice.Mode = canon.ToolNone
	case "tool":
		req.ToolChoice.Mode = canon.ToolNamed
		if req.ToolChoice.Name, err = o.Named("name"); err != nil {
			return err
		}
	default:
		return jsonfield.Within(canon.Errorf(canon.KindInvalid, "must be \"auto\", \"any\", \"tool\" or \"none\", not %q", kind), "type")
	}
	for _, m := range o {
		switch m.Name {
		case "type", "name":
		case "disable_parallel_tool_use":
			off, err := jsonfield.Bool(m.Raw)
			if err != nil {
				return jsonfield.Within(err, m.Name)
			}
			on := !off
			req.ParallelTools = &on
		default:
			extra(req, "tool_choice", m)
		}
	}
	return nil
}

func effort(req *canon.Request) *canon.Effort {
	if req.Reasoning == nil {
		req.Reasoning = &canon.Effort{}
	}
	return req.Reasoning
}

// readThinking reads how to think.
func readThinking(req *canon.Request, raw string) error {
	o, err := jsonfield.Nested(raw)
	if err != nil {
		return err
	}
	if len(o) > 0 && o.Find("type") == "" && o.Find("budget_tokens") == "" && o.Find("display") == "" {
		for _, m := range o { // models that always think take block_binding alone, since 2026-09
			extra(req, "thinking", m)
		}
		return nil
	}
	kind, err := o.Needed("type")
	if err != nil {
		return err
	}
	e := effort(req)
	switch kind {
	case "enabled":
	case "adaptive":
		e.Adaptive = true
	case "disabled":
		e.Disabled = true
	default: // "between_tools", since 2026-10
		extra(req, "thinking", jsonfield.Member{Name: "type", Raw: o.Find("type")})
	}
	for _, m := range o {
		switch m.Name {
		case "type":
		case "budget_tokens":
			if e.Budget, err = jsonfield.Int(m.Raw); err != nil {
				return jsonfield.Within(err, m.Name)
			}
		case "display":
			switch m.Raw {
			case `"summarized"`:
				e.Show = canon.ThoughtsShown
			case `"omitted"`:
				e.Show = canon.ThoughtsHidden
			default: // "updates", since 2026-08
				extra(req, "thinking", m)
			}
		default:
			extra(req, "thinking", m)
		}
	}
	return nil
}

// readOutputConfig reads effort, which steers all output and not thinking alone, and the format.
func readOutputConfig(req *canon.Request, raw string) error {
	o, err := jsonfield.Nested(raw)
	if err != nil {
		return err
	}
	for _, m := range o {
		switch m.Name {
		case "effort":
			effort(req).Level, err = jsonfield.String(m.Raw)
		case "format":
			err = readFormat(req, "output_config", m)
		default:
			extra(req, "output_config", m)
		}
		if err != nil {
			return jsonfield.Within(err, m.Name)
		}
	}
	return nil
}

// readFormat reads a format, which stands in the member in.
func readFormat(req *canon.Request, in string, format jsonfield.Member) error {
	o, err := jsonfield.Nested(format.Raw)
	if err != nil {
		return err
	}
	kind, err := o.Needed("type")
	if err != nil {
		return err
	}
	if kind != "json_schema" {
		extra(req, in, format)
		return nil
	}
	req.Format = &canon.Format{}
	for _, m := range o {
		switch m.Name {
		case "type":
		case "schema":
			req.Format.Schema = json.RawMessage(m.Raw)
		default:
			extra(req, formatPath(in), m)
		}
	}
	return nil
}

// formatPath is where a format stands that was found in the member in.
func formatPath(in string) string {
	if in == "" {
		return "output_format"
	}
	return in + ".format"
}

func readMetadata(req *canon.Request, raw string) error {
	o, err := jsonfield.Nested(raw)
	if err != nil {
		return err
	}
	for _, m := range o {
		if m.Name != "user_id" {
			if m.Raw[0] == '"' {
				req.Metadata = append(req.Metadata, canon.Field{Name: m.Name, Value: json.RawMessage(m.Raw)})
			} else {
				extra(req, "metadata", m)
			}
			continue
		}
		if req.User, err = jsonfield.String(m.Raw); err != nil {
			return jsonfield.Within(err, m.Name)
		}
	}
	return nil
}
