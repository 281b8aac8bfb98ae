package anthropic

import (
	"encoding/json"
	"errors"

	"tollgate/internal/canon"
	"tollgate/internal/jsonedit"
)

// ReadRequest reads a whole request of messages or count_tokens, which are the same but for what must
// be there.
func (*Protocol) ReadRequest(_ canon.Op, raw []byte) (*canon.Request, error) {
	o, err := readObject(string(raw))
	if err != nil {
		return nil, place(err)
	}
	req := &canon.Request{}
	for _, m := range o {
		if err := readField(req, m); err != nil {
			return nil, place(within(err, m.name))
		}
	}
	return req, nil
}

// place makes the path in Param part of the message: Anthropic's errors have no field for it.
func place(err error) error {
	var e *canon.Error
	if errors.As(err, &e) && e.Param != "" {
		e.Message = e.Param + " " + e.Message
	}
	return err
}

func readField(req *canon.Request, m member) (err error) {
	switch m.name {
	case "model":
		req.Model, err = readString(m.raw)
	case "stream":
		req.Stream, err = readBool(m.raw)
	case "system":
		req.System, err = readContent(m.raw)
	case "messages":
		req.Turns, err = readMessages(m.raw)
	case "tools":
		req.Tools, err = readTools(m.raw)
	case "tool_choice":
		err = readToolChoice(req, m.raw)
	case "max_tokens":
		req.MaxOutput, err = readInt(m.raw)
	case "temperature":
		req.Temperature, err = pointer(readFloat(m.raw))
	case "top_p":
		req.TopP, err = pointer(readFloat(m.raw))
	case "top_k":
		req.TopK, err = pointer(readInt(m.raw))
	case "stop_sequences":
		req.Stop, err = readStrings(m.raw)
	case "thinking":
		err = readThinking(req, m.raw)
	case "output_config":
		err = readOutputConfig(req, m.raw)
	case "output_format": // its name while it was in beta
		err = readFormat(req, "output_format", m.raw)
	case "metadata":
		err = readMetadata(req, m.raw)
	case "service_tier":
		req.Tier, err = readString(m.raw)
	default:
		extra(req, m.name, m.raw)
	}
	return err
}

func pointer[T any](v T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return &v, nil
}

func extra(req *canon.Request, path, raw string) {
	req.Extra = append(req.Extra, canon.Field{Name: path, Value: json.RawMessage(raw)})
}

func readMessages(raw string) ([]canon.Turn, error) {
	list, err := readArray(raw)
	if err != nil {
		return nil, err
	}
	turns := make([]canon.Turn, 0, len(list))
	for i, one := range list {
		turn, err := readMessage(one)
		if err != nil {
			return nil, within(err, indexed("", i))
		}
		turns = append(turns, turn)
	}
	return turns, nil
}

func readMessage(raw string) (turn canon.Turn, err error) {
	o, err := readObject(raw)
	if err != nil {
		return turn, err
	}
	role, err := o.needed("role")
	if err != nil {
		return turn, err
	}
	switch role {
	case "user", "assistant", "system":
		turn.Role = canon.Role(role)
	default:
		return turn, within(canon.Errorf(canon.KindInvalid, "must be \"user\", \"assistant\" or \"system\", not %q", role), "role")
	}
	content := o.find("content")
	if content == "" {
		return turn, within(canon.Errorf(canon.KindInvalid, "is needed"), "content")
	}
	if turn.Blocks, err = readContent(content); err != nil {
		return turn, within(err, "content")
	}
	if rest := o.rest("role", "content"); rest != nil {
		turn.Blocks = append(turn.Blocks, foreign(string(rest)))
	}
	return turn, nil
}

func readTools(raw string) ([]canon.Tool, error) {
	list, err := readArray(raw)
	if err != nil {
		return nil, err
	}
	tools := make([]canon.Tool, 0, len(list))
	for i, one := range list {
		tool, err := readTool(one)
		if err != nil {
			return nil, within(err, indexed("", i))
		}
		tools = append(tools, tool)
	}
	return tools, nil
}

// readTool reads a tool of the client's. All other types are Anthropic's own, run there or known to
// the model, and stay as they are.
func readTool(raw string) (tool canon.Tool, err error) {
	o, err := readObject(raw)
	if err != nil {
		return tool, err
	}
	kind, err := o.text("type")
	if err != nil {
		return tool, err
	}
	if kind != "" && kind != "custom" {
		return canon.Tool{Name: kind, Raw: json.RawMessage(raw)}, nil
	}
	for _, m := range o {
		switch m.name {
		case "type":
		case "name":
			tool.Name, err = readString(m.raw)
		case "description":
			tool.Description, err = readString(m.raw)
		case "input_schema":
			tool.Schema = json.RawMessage(m.raw)
		case "strict":
			tool.Strict, err = pointer(readBool(m.raw))
		default:
			tool.Extra = append(tool.Extra, canon.Field{Name: m.name, Value: json.RawMessage(m.raw)})
		}
		if err != nil {
			return tool, within(err, m.name)
		}
	}
	if tool.Name == "" {
		return tool, within(canon.Errorf(canon.KindInvalid, "is needed"), "name")
	}
	return tool, nil
}

func readToolChoice(req *canon.Request, raw string) error {
	o, err := readObject(raw)
	if err != nil {
		return err
	}
	kind, err := o.needed("type")
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
		if req.ToolChoice.Name, err = o.needed("name"); err != nil {
			return err
		}
	default:
		return within(canon.Errorf(canon.KindInvalid, "must be \"auto\", \"any\", \"tool\" or \"none\", not %q", kind), "type")
	}
	for _, m := range o {
		switch m.name {
		case "type", "name":
		case "disable_parallel_tool_use":
			off, err := readBool(m.raw)
			if err != nil {
				return within(err, m.name)
			}
			on := !off
			req.ParallelTools = &on
		default:
			extra(req, "tool_choice."+m.name, m.raw)
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

// readThinking reads how to think. "adaptive", where the model decides, is an Effort without a budget.
func readThinking(req *canon.Request, raw string) error {
	o, err := readObject(raw)
	if err != nil {
		return err
	}
	kind, err := o.needed("type")
	if err != nil {
		return err
	}
	e := effort(req)
	switch kind {
	case "enabled", "adaptive":
	case "disabled":
		e.Disabled = true
	default: // "between_tools", since 2026-10
		extra(req, "thinking.type", o.find("type"))
	}
	for _, m := range o {
		switch m.name {
		case "type":
		case "budget_tokens":
			if e.Budget, err = readInt(m.raw); err != nil {
				return within(err, m.name)
			}
		default:
			extra(req, "thinking."+m.name, m.raw)
		}
	}
	return nil
}

// readOutputConfig reads effort, which steers all output and not thinking alone, and the format.
func readOutputConfig(req *canon.Request, raw string) error {
	o, err := readObject(raw)
	if err != nil {
		return err
	}
	for _, m := range o {
		switch m.name {
		case "effort":
			effort(req).Level, err = readString(m.raw)
		case "format":
			err = readFormat(req, "output_config.format", m.raw)
		default:
			extra(req, "output_config."+m.name, m.raw)
		}
		if err != nil {
			return within(err, m.name)
		}
	}
	return nil
}

func readFormat(req *canon.Request, path, raw string) error {
	o, err := readObject(raw)
	if err != nil {
		return err
	}
	kind, err := o.needed("type")
	if err != nil {
		return err
	}
	if kind != "json_schema" {
		extra(req, path, raw)
		return nil
	}
	req.Format = &canon.Format{}
	for _, m := range o {
		switch m.name {
		case "type":
		case "schema":
			req.Format.Schema = json.RawMessage(m.raw)
		default:
			extra(req, path+"."+m.name, m.raw)
		}
	}
	return nil
}

func readMetadata(req *canon.Request, raw string) error {
	o, err := readObject(raw)
	if err != nil {
		return err
	}
	for _, m := range o {
		if m.name != "user_id" {
			extra(req, "metadata."+m.name, m.raw)
			continue
		}
		if req.User, err = readString(m.raw); err != nil {
			return within(err, m.name)
		}
	}
	return nil
}

func appendQuoted(dst []byte, s string) []byte { return append(dst, jsonedit.Quote(s)...) }
