package gemini

import (
	"encoding/json"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonfield"
)

// hosted are the built-in tools of Google's that other vendors have too.
func hosted(name string) canon.HostedKind {
	switch name {
	case "googleSearch", "googleSearchRetrieval", "enterpriseWebSearch":
		return canon.HostedWebSearch
	case "urlContext":
		return canon.HostedWebFetch
	case "codeExecution":
		return canon.HostedCode
	}
	return ""
}

// readTools reads tools. One of Google's can hold any number of functions and one or more of the
// built-in tools at once; each becomes a Tool of its own.
func readTools(req *canon.Request, raw, path string) error {
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
			at := path + index(i) + "." + m.Name
			if m.Name == "functionDeclarations" {
				err = readFunctions(req, m.Raw, at)
			} else {
				err = readBuiltIn(req, m, at)
			}
			if err != nil {
				return jsonfield.Within(jsonfield.Within(err, m.Name), index(i))
			}
		}
	}
	return nil
}

// readBuiltIn reads a tool of Google's own. It goes home as it came; what Hosted has no word for is Extra
// besides, so that it is no silent loss elsewhere.
func readBuiltIn(req *canon.Request, m jsonfield.Member, path string) error {
	tool := canon.Tool{Name: m.Name, Raw: json.RawMessage(`{` + string(appendString(nil, m.Name)) + `:` + m.Raw + `}`), At: path}
	if kind := hosted(m.Name); kind != "" {
		tool.Hosted = &canon.Hosted{Kind: kind}
		o, err := fields(m.Raw)
		if err != nil {
			return err
		}
		for _, f := range o {
			if f.Name != "excludeDomains" {
				tool.Extra = append(tool.Extra, canon.Field{Name: f.Name, Value: json.RawMessage(f.Raw), Idle: canon.Idle(json.RawMessage(f.Raw), defaults[f.Name]...)})
			} else if tool.Hosted.Blocked, err = jsonfield.Strings(f.Raw); err != nil {
				return jsonfield.Within(err, f.Name)
			}
		}
	}
	req.Tools = append(req.Tools, tool)
	return nil
}

func readFunctions(req *canon.Request, raw, path string) error {
	all, err := list(raw)
	if err != nil {
		return err
	}
	for i, one := range all {
		tool, err := readFunction(one)
		if err != nil {
			return jsonfield.Within(err, index(i))
		}
		tool.At = path + index(i)
		req.Tools = append(req.Tools, tool)
	}
	return nil
}

func readFunction(raw string) (tool canon.Tool, err error) {
	o, err := fields(raw)
	if err != nil {
		return tool, err
	}
	if tool.Name, err = o.Named("name"); err != nil {
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
			tool.Extra = append(tool.Extra, canon.Field{Name: m.Name, Value: json.RawMessage(m.Raw), Idle: canon.Idle(json.RawMessage(m.Raw), defaults[m.Name]...)})
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
			extra(req, "toolConfig", m)
			continue
		}
		if err := readCalling(req, m.Raw); err != nil {
			return jsonfield.Within(err, m.Name)
		}
	}
	return nil
}

// readCalling reads whether functions must be called, and which may be. VALIDATED is automatic, with
// arguments that keep to the schema; with names, it is how Google limits an automatic choice.
func readCalling(req *canon.Request, raw string) error {
	const path = "toolConfig.functionCallingConfig"
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
	keep := func(string) bool { return false }
	switch strings.ToUpper(mode) {
	case "", "MODE_UNSPECIFIED", "AUTO", "NONE": // names mean nothing here
		keep = func(name string) bool { return name == "allowedFunctionNames" }
		switch strings.ToUpper(mode) {
		case "AUTO":
			req.ToolChoice.Mode = canon.ToolAuto
		case "NONE":
			req.ToolChoice.Mode = canon.ToolNone
		}
	case "ANY":
		req.ToolChoice = canon.ToolChoice{Mode: canon.ToolRequired, Allowed: allowed}
		if len(allowed) == 1 {
			req.ToolChoice = canon.ToolChoice{Mode: canon.ToolNamed, Name: allowed[0]}
		}
	default:
		req.ToolChoice = canon.ToolChoice{Mode: canon.ToolAuto, Allowed: allowed}
		keep = func(name string) bool {
			return name == "mode" && (len(allowed) == 0 || strings.ToUpper(mode) != "VALIDATED") // or a word that is new
		}
	}
	for _, m := range o {
		if m.Name != "mode" && m.Name != "allowedFunctionNames" || keep(m.Name) {
			extra(req, path, m)
		}
	}
	return nil
}
