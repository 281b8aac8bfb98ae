package gemini

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonfield"
)

// ReadRequest reads a whole request. The contents to embed or to count are Turns, one for each text.
func (*Protocol) ReadRequest(op canon.Op, raw []byte) (*canon.Request, error) {
	req := &canon.Request{Origin: canon.Gemini}
	err := readBody(req, op, string(raw), "")
	if e, ok := errors.AsType[*canon.Error](err); ok && e.Param != "" {
		e.Message = e.Param + " " + e.Message
	}
	if err != nil {
		return nil, err
	}
	return req, nil
}

// readBody reads a request that stands at path, which is empty or ends with a dot.
func readBody(req *canon.Request, op canon.Op, raw, path string) error {
	o, err := fields(raw)
	if err != nil {
		return err
	}
	for _, m := range o {
		if err := readMember(req, op, m, path); err != nil {
			return jsonfield.Within(err, m.Name)
		}
	}
	return nil
}

func readMember(req *canon.Request, op canon.Op, m jsonfield.Member, path string) (err error) {
	switch m.Name {
	case "model":
		req.Model, err = jsonfield.String(m.Raw)
		req.Model = strings.TrimPrefix(req.Model, "models/")
	case "contents":
		err = readContents(req, m.Raw, path+"contents")
	case "content": // embedContent
		err = readTurn(req, m.Raw, path+"content")
	case "requests":
		if op != canon.OpBatchEmbed || path != "" {
			return canon.Errorf(canon.KindInvalid, "has its place in a call of batchEmbedContents alone")
		}
		err = readRequests(req, op, m.Raw)
	case "generateContentRequest": // of another call nobody looks at the limits in it
		if op != canon.OpCountTokens || path != "" {
			return canon.Errorf(canon.KindInvalid, "has its place in a call of countTokens alone")
		}
		err = readBody(req, op, m.Raw, "generateContentRequest.")
	case "systemInstruction":
		err = readSystem(req, m.Raw, path+"systemInstruction")
	case "tools":
		err = readTools(req, m.Raw, path+"tools")
	case "toolConfig":
		err = readToolConfig(req, m.Raw)
	case "generationConfig":
		err = readConfig(req, m.Raw)
	case "serviceTier":
		err = readTier(req, m.Raw)
	case "store":
		req.Store, err = pointer(jsonfield.Bool(m.Raw))
	case "labels":
		err = readLabels(req, m.Raw)
	case "outputDimensionality":
		req.Dimensions, err = integer(m.Raw)
	default: // safetySettings, cachedContent, taskType …
		extra(req, "", m)
	}
	return err
}

// extra keeps the member m of what stands at in; "" is the top.
func extra(req *canon.Request, in string, m jsonfield.Member) {
	f := canon.Field{Name: m.Name, In: in, Value: json.RawMessage(m.Raw)}
	if in != "" {
		f.Name = in + "." + m.Name
	}
	f.Idle = canon.Idle(f.Value, defaults[f.Name]...)
	req.Extra = append(req.Extra, f)
}

// defaults are values of members without a word in canon that ask for what every vendor does anyway.
//
// Source: comments of GenerationConfig and ToolConfig in google.golang.org/genai v1.77.0, read 2026-11-21.
var defaults = map[string][]string{
	"generationConfig.responseModalities":                          {`["TEXT"]`, `["text"]`, `["Text"]`, `["MODALITY_UNSPECIFIED"]`},
	"generationConfig.logprobs":                                    {`0`},
	"generationConfig.responseLogprobs":                            {`false`},
	"generationConfig.mediaResolution":                             {`"MEDIA_RESOLUTION_UNSPECIFIED"`},
	"generationConfig.audioTimestamp":                              {`false`},
	"generationConfig.enableAffectiveDialog":                       {`false`},
	"generationConfig.enableEnhancedCivicAnswers":                  {`false`},
	"toolConfig.includeServerSideToolInvocations":                  {`false`},
	"toolConfig.functionCallingConfig.streamFunctionCallArguments": {`false`},
	"behavior": {`"BLOCKING"`, `"UNSPECIFIED"`}, // of a function
}

// readTier reads who is served first. "standard" is what other vendors call the default.
func readTier(req *canon.Request, raw string) error {
	tier, err := jsonfield.String(raw)
	switch tier = strings.TrimPrefix(strings.ToLower(tier), "service_tier_"); tier {
	case "unspecified":
		tier = "auto"
	case "standard":
		tier = "default"
	}
	req.Tier = tier
	return err
}

// readLabels reads what Vertex breaks its bills down by.
func readLabels(req *canon.Request, raw string) error {
	o, err := jsonfield.Nested(raw) // the names in it are the client's
	if err != nil {
		return err
	}
	for _, m := range o {
		if _, err := jsonfield.String(m.Raw); err != nil {
			return jsonfield.Within(err, m.Name)
		}
		req.Metadata = append(req.Metadata, canon.Field{Name: m.Name, Value: json.RawMessage(m.Raw)})
	}
	return nil
}

// readRequests reads the requests of batchEmbedContents. What all of them ask for alike is asked once.
func readRequests(req *canon.Request, op canon.Op, raw string) error {
	all, err := list(raw)
	if err != nil {
		return err
	}
	inner := make([]canon.Request, len(all))
	alike := true
	for i, one := range all {
		path := "requests" + index(i) + "."
		if err := readBody(&inner[i], op, one, path); err != nil {
			return jsonfield.Within(err, index(i))
		}
		alike = alike && inner[i].Dimensions == inner[0].Dimensions
	}
	for i := range inner {
		path := "requests" + index(i)
		req.Turns = append(req.Turns, inner[i].Turns...)
		if n := inner[i].Dimensions; n != 0 && alike {
			req.Dimensions = n
		} else if n != 0 {
			extra(req, path, jsonfield.Member{Name: "outputDimensionality", Raw: strconv.FormatInt(n, 10)})
		}
		for _, f := range inner[i].Extra {
			if f.In == "" {
				extra(req, path, jsonfield.Member{Name: f.Name, Raw: string(f.Value)})
			} else { // of something below
				req.Extra = append(req.Extra, f)
			}
		}
	}
	return nil
}

func readContents(req *canon.Request, raw, path string) error {
	all, err := list(raw)
	if err != nil {
		return err
	}
	for i, one := range all {
		if err := readTurn(req, one, path+index(i)); err != nil {
			return jsonfield.Within(err, index(i))
		}
	}
	req.Turns = withoutTold(req.Turns)
	return nil
}

// readTurn appends one content, which stands at path. Without a role it is the user's.
func readTurn(req *canon.Request, raw, path string) error {
	o, err := fields(raw)
	if err != nil {
		return err
	}
	turn := canon.Turn{Role: canon.RoleUser, At: path}
	for _, m := range o {
		switch m.Name {
		case "role":
			var role string
			if role, err = jsonfield.String(m.Raw); err == nil {
				turn.Role, err = readRole(role)
			}
		case "parts":
			err = readParts(&turn, m.Raw, path+".parts")
		default: // none is known
			extra(req, path, m)
		}
		if err != nil {
			return jsonfield.Within(err, m.Name)
		}
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
func readSystem(req *canon.Request, raw, path string) error {
	t := canon.Turn{At: path}
	if raw[0] == '"' {
		s, err := jsonfield.String(raw)
		t.Add(path, canon.Text{Text: s})
		req.System, req.SystemPaths = t.Blocks, t.Paths
		return err
	}
	o, err := fields(raw)
	if err != nil {
		return err
	}
	for _, m := range o {
		switch m.Name {
		case "role":
		case "parts":
			if err = readParts(&t, m.Raw, path+".parts"); err != nil {
				return jsonfield.Within(err, m.Name)
			}
		default:
			extra(req, path, m)
		}
	}
	req.System, req.SystemPaths = t.Blocks, t.Paths
	return nil
}
