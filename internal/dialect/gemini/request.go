package gemini

import (
	"encoding/json"
	"errors"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonfield"
)

// ReadRequest reads a whole request. The contents to embed or to count are Turns, one for each text.
func (*Protocol) ReadRequest(op canon.Op, raw []byte) (*canon.Request, error) {
	req := &canon.Request{}
	err := readBody(req, op, string(raw))
	if e, ok := errors.AsType[*canon.Error](err); ok && e.Param != "" {
		e.Message = e.Param + " " + e.Message
	}
	if err != nil {
		return nil, err
	}
	return req, nil
}

func readBody(req *canon.Request, op canon.Op, raw string) error {
	o, err := fields(raw)
	if err != nil {
		return err
	}
	for _, m := range o {
		if err := readMember(req, op, m); err != nil {
			return jsonfield.Within(err, m.Name)
		}
	}
	return nil
}

func readMember(req *canon.Request, op canon.Op, m jsonfield.Member) (err error) {
	switch m.Name {
	case "model":
		req.Model, err = jsonfield.String(m.Raw)
		req.Model = strings.TrimPrefix(req.Model, "models/")
	case "contents":
		err = readContents(req, m.Raw)
	case "content": // embedContent
		err = readTurn(req, m.Raw)
	case "requests": // batchEmbedContents
		err = readRequests(req, op, m.Raw)
	case "generateContentRequest": // countTokens
		err = readBody(req, op, m.Raw)
	case "systemInstruction":
		err = readSystem(req, m.Raw)
	case "tools":
		err = readTools(req, m.Raw)
	case "toolConfig":
		err = readToolConfig(req, m.Raw)
	case "generationConfig":
		err = readConfig(req, m.Raw)
	case "serviceTier":
		req.Tier, err = jsonfield.String(m.Raw)
	default: // safetySettings, cachedContent, labels, store, taskType …
		extra(req, m.Name, m.Raw)
	}
	return err
}

func extra(req *canon.Request, path, raw string) {
	req.Extra = append(req.Extra, canon.Field{Name: path, Value: json.RawMessage(raw)})
}

func readRequests(req *canon.Request, op canon.Op, raw string) error {
	all, err := list(raw)
	if err != nil {
		return err
	}
	for i, one := range all {
		var inner canon.Request
		if err := readBody(&inner, op, one); err != nil {
			return jsonfield.Within(err, index(i))
		}
		req.Turns = append(req.Turns, inner.Turns...)
		for _, f := range inner.Extra {
			extra(req, "requests"+index(i)+"."+f.Name, string(f.Value))
		}
	}
	return nil
}

func readContents(req *canon.Request, raw string) error {
	all, err := list(raw)
	if err != nil {
		return err
	}
	for i, one := range all {
		if err := readTurn(req, one); err != nil {
			return jsonfield.Within(err, index(i))
		}
	}
	return nil
}

// readTurn appends one content. Without a role it is the user's.
func readTurn(req *canon.Request, raw string) error {
	o, err := fields(raw)
	if err != nil {
		return err
	}
	turn := canon.Turn{Role: canon.RoleUser}
	for _, m := range o {
		switch m.Name {
		case "role":
			var role string
			if role, err = jsonfield.String(m.Raw); err == nil {
				turn.Role, err = readRole(role)
			}
		case "parts":
			turn.Blocks, err = readParts(m.Raw)
		}
		if err != nil {
			return jsonfield.Within(err, m.Name)
		}
	}
	if rest := o.Rest("role", "parts"); rest != nil {
		turn.Blocks = append(turn.Blocks, foreign(string(rest)))
	}
	req.Turns = append(req.Turns, turn)
	return nil
}

func readRole(role string) (canon.Role, error) {
	switch role {
	case "user", "":
		return canon.RoleUser, nil
	case "model":
		return canon.RoleAssistant, nil
	case "function", "tool": // early versions of the API had functions answer in their own role
		return canon.RoleTool, nil
	case "system":
		return canon.RoleSystem, nil
	}
	return "", canon.Errorf(canon.KindInvalid, "must be \"user\" or \"model\", not %q", role)
}

// readSystem reads a content whose role means nothing, or a plain string.
func readSystem(req *canon.Request, raw string) error {
	if raw[0] == '"' {
		s, err := jsonfield.String(raw)
		req.System = []canon.Block{canon.Text{Text: s}}
		return err
	}
	var inner canon.Request
	o, err := fields(raw)
	if err != nil {
		return err
	}
	for _, m := range o {
		switch m.Name {
		case "role":
		case "parts":
			if req.System, err = readParts(m.Raw); err != nil {
				return jsonfield.Within(err, m.Name)
			}
		default:
			extra(&inner, "systemInstruction."+m.Name, m.Raw)
		}
	}
	req.Extra = append(req.Extra, inner.Extra...)
	return nil
}

// readTools reads tools. One of Google's can hold any number of functions and one or more of the
// built-in tools at once; each becomes a Tool of its own.
func readTools(req *canon.Request, raw string) error {
	all, err := list(raw)
	if err != nil {
		return err
	}
	for i, one := range all {
		o, err := fields(one)
		if err != nil {
			return jsonfield.Within(err, index(i))
		}
		for _, m := range o {
			if m.Name != "functionDeclarations" {
				req.Tools = append(req.Tools, canon.Tool{Name: m.Name, Raw: json.RawMessage(`{"` + m.Name + `":` + m.Raw + `}`)})
				continue
			}
			if err := readFunctions(req, m.Raw); err != nil {
				return jsonfield.Within(jsonfield.Within(err, m.Name), index(i))
			}
		}
	}
	return nil
}

func readFunctions(req *canon.Request, raw string) error {
	all, err := list(raw)
	if err != nil {
		return err
	}
	for i, one := range all {
		tool, err := readFunction(one)
		if err != nil {
			return jsonfield.Within(err, index(i))
		}
		req.Tools = append(req.Tools, tool)
	}
	return nil
}

func readFunction(raw string) (tool canon.Tool, err error) {
	o, err := fields(raw)
	if err != nil {
		return tool, err
	}
	if tool.Name, err = o.Needed("name"); err != nil {
		return tool, err
	}
	for _, m := range o {
		switch m.Name {
		case "name":
		case "description":
			tool.Description, err = jsonfield.String(m.Raw)
		case "parameters":
			tool.Schema, err = jsonSchema(m.Raw)
		case "parametersJsonSchema":
			tool.Schema = json.RawMessage(m.Raw)
		default:
			tool.Extra = append(tool.Extra, canon.Field{Name: m.Name, Value: json.RawMessage(m.Raw)})
		}
		if err != nil {
			return tool, jsonfield.Within(err, m.Name)
		}
	}
	return tool, nil
}

func readToolConfig(req *canon.Request, raw string) error {
	o, err := fields(raw)
	if err != nil {
		return err
	}
	for _, m := range o {
		if m.Name != "functionCallingConfig" {
			extra(req, "toolConfig."+m.Name, m.Raw)
			continue
		}
		if err := readCalling(req, m.Raw); err != nil {
			return jsonfield.Within(err, m.Name)
		}
	}
	return nil
}

// readCalling reads whether functions must be called. ANY with one allowed name is a named choice;
// with several it is no more than "required", and the names are kept beside it.
func readCalling(req *canon.Request, raw string) error {
	const path = "toolConfig.functionCallingConfig."
	o, err := fields(raw)
	if err != nil {
		return err
	}
	mode, err := o.Text("mode")
	if err != nil {
		return err
	}
	var allowed []string
	if names := o.Find("allowedFunctionNames"); names != "" {
		if allowed, err = jsonfield.Strings(names); err != nil {
			return jsonfield.Within(err, "allowedFunctionNames")
		}
	}
	switch strings.ToUpper(mode) {
	case "", "MODE_UNSPECIFIED":
	case "AUTO":
		req.ToolChoice.Mode = canon.ToolAuto
	case "NONE":
		req.ToolChoice.Mode = canon.ToolNone
	case "ANY":
		req.ToolChoice.Mode = canon.ToolRequired
		if len(allowed) == 1 {
			req.ToolChoice = canon.ToolChoice{Mode: canon.ToolNamed, Name: allowed[0]}
			allowed = nil
		}
	default: // VALIDATED: automatic, with arguments that keep to the schema
		req.ToolChoice.Mode = canon.ToolAuto
		extra(req, path+"mode", o.Find("mode"))
	}
	for _, m := range o {
		if m.Name == "mode" || m.Name == "allowedFunctionNames" && len(allowed) == 0 {
			continue
		}
		extra(req, path+m.Name, m.Raw)
	}
	return nil
}

// readConfig reads a generationConfig.
func readConfig(req *canon.Request, raw string) error {
	o, err := fields(raw)
	if err != nil {
		return err
	}
	for _, m := range o {
		switch m.Name {
		case "temperature":
			req.Temperature, err = pointer(jsonfield.Float(m.Raw))
		case "topP":
			req.TopP, err = pointer(jsonfield.Float(m.Raw))
		case "topK":
			req.TopK, err = pointer(integer(m.Raw))
		case "seed":
			req.Seed, err = pointer(integer(m.Raw))
		case "maxOutputTokens":
			req.MaxOutput, err = integer(m.Raw)
		case "candidateCount":
			var n int64
			n, err = integer(m.Raw)
			req.N = int(min(max(n, 0), 1<<31-1))
		case "stopSequences":
			req.Stop, err = jsonfield.Strings(m.Raw)
		case "thinkingConfig":
			err = readThinking(req, m.Raw)
		case "responseMimeType", "responseSchema", "responseJsonSchema":
			// Together they are the format; see below.
		default: // responseModalities, speechConfig, penalties, logprobs …
			extra(req, "generationConfig."+m.Name, m.Raw)
		}
		if err != nil {
			return jsonfield.Within(err, m.Name)
		}
	}
	return readFormat(req, o)
}

func pointer[T any](v T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// readThinking reads how much to think: a budget in tokens where 0 is off and -1 is up to the model,
// or, from Gemini 3 on, a level.
func readThinking(req *canon.Request, raw string) error {
	o, err := fields(raw)
	if err != nil {
		return err
	}
	for _, m := range o {
		switch m.Name {
		case "thinkingBudget":
			n, err := integer(m.Raw)
			if err != nil {
				return jsonfield.Within(err, m.Name)
			}
			e := effort(req)
			e.Budget, e.Disabled = max(n, 0), n == 0
		case "thinkingLevel":
			level, err := jsonfield.String(m.Raw)
			if err != nil {
				return jsonfield.Within(err, m.Name)
			}
			if level != "THINKING_LEVEL_UNSPECIFIED" {
				effort(req).Level = strings.ToLower(level)
			}
		default: // includeThoughts says whether to show thoughts, not whether to think
			extra(req, "generationConfig.thinkingConfig."+m.Name, m.Raw)
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

// readFormat reads the three members that ask for JSON.
func readFormat(req *canon.Request, config jsonfield.Object) error {
	mime, err := config.Text("responseMimeType")
	if err != nil {
		return err
	}
	schema := config.Find("responseSchema")
	jsonSchemaRaw := config.Find("responseJsonSchema")
	if mime != "" && mime != "application/json" && mime != "text/plain" {
		// text/x.enum and others: what canon calls a format is JSON.
		for _, m := range config {
			switch m.Name {
			case "responseMimeType", "responseSchema", "responseJsonSchema":
				extra(req, "generationConfig."+m.Name, m.Raw)
			}
		}
		return nil
	}
	switch {
	case jsonSchemaRaw != "":
		req.Format = &canon.Format{Schema: json.RawMessage(jsonSchemaRaw)}
		if schema != "" {
			extra(req, "generationConfig.responseSchema", schema)
		}
	case schema != "":
		s, err := jsonSchema(schema)
		if err != nil {
			return jsonfield.Within(err, "responseSchema")
		}
		req.Format = &canon.Format{Schema: s}
	case mime == "application/json":
		req.Format = &canon.Format{}
	}
	return nil
}
