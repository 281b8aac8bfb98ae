package anthropic

import (
	"encoding/json"
	"slices"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonfield"
	"tollgate/internal/dialect/jsonpull"
)

// hostedKind returns what a tool of Anthropic's is in words that several vendors share: by its type, as
// in web_search_20250305, or by the name of its calls.
func hostedKind(name string) (canon.HostedKind, bool) {
	switch {
	case name == "web_search", strings.HasPrefix(name, "web_search_2"):
		return canon.HostedWebSearch, true
	case name == "web_fetch", strings.HasPrefix(name, "web_fetch_2"):
		return canon.HostedWebFetch, true
	case name == "code_execution", strings.HasPrefix(name, "code_execution_2"),
		name == "bash_code_execution", name == "text_editor_code_execution":
		return canon.HostedCode, true
	}
	return "", false
}

// readOwnTool reads a tool of Anthropic's own. It goes home as it came; what others understand of it is
// read besides.
func readOwnTool(kind, raw string, o jsonfield.Object) (tool canon.Tool, err error) {
	tool = canon.Tool{Name: kind, Raw: json.RawMessage(raw)}
	hosted, ok := hostedKind(kind)
	if !ok {
		return tool, nil
	}
	h := &canon.Hosted{Kind: hosted}
	tool.Hosted = h
	for _, m := range o {
		switch m.Name {
		case "allowed_domains":
			h.Allowed, err = jsonfield.Strings(m.Raw)
		case "blocked_domains":
			h.Blocked, err = jsonfield.Strings(m.Raw)
		case "max_uses":
			h.MaxUses, err = jsonfield.Int(m.Raw)
		case "user_location":
			err = readLocation(&tool, m.Raw)
		case "cache_control":
			var more bool
			if tool.Cache, more, err = readCachePoint(m.Raw); more {
				tool.Extra = append(tool.Extra, toolField(m))
			}
		case "type", "name":
		default: // max_content_tokens, citations, allowed_callers …
			tool.Extra = append(tool.Extra, toolField(m))
		}
		if err != nil {
			return tool, jsonfield.Within(err, m.Name)
		}
	}
	return tool, nil
}

func readLocation(tool *canon.Tool, raw string) error {
	o, err := jsonfield.Nested(raw)
	if err != nil {
		return err
	}
	h := tool.Hosted
	places := map[string]*string{"city": &h.City, "region": &h.Region, "country": &h.Country, "timezone": &h.Timezone}
	for _, m := range o {
		if dst := places[m.Name]; dst != nil {
			if *dst, err = jsonfield.String(m.Raw); err != nil {
				return jsonfield.Within(err, m.Name)
			}
		} else if m.Name != "type" {
			tool.Extra = append(tool.Extra, canon.Field{Name: "user_location." + m.Name, In: "user_location", Value: json.RawMessage(m.Raw)})
		}
	}
	return nil
}

// isOwnHosted reports whether a block is a call of another vendor's hosted tool, or its result, as our
// writer showed it to the client. Anthropic would refuse it.
func isOwnHosted(o jsonfield.Object) bool {
	return strings.HasPrefix(text(o.Find("id")), ownHosted) || strings.HasPrefix(text(o.Find("tool_use_id")), ownHosted)
}

// withoutOwnCitations returns a text block without the citations that our writer made of another vendor's.
func withoutOwnCitations(o jsonfield.Object) jsonfield.Object {
	raw := o.Find("citations")
	if !strings.Contains(raw, `"`+ownCitation+`"`) {
		return o
	}
	list, err := jsonfield.Array(raw)
	if err != nil {
		return o
	}
	kept := slices.DeleteFunc(list, func(one string) bool { return text(member(one, "encrypted_index")) == ownCitation })
	out := slices.Clone(o)
	for i := range out {
		if out[i].Name == "citations" {
			out[i].Raw = "[" + strings.Join(kept, ",") + "]"
		}
	}
	if len(kept) == 0 {
		out = slices.DeleteFunc(out, func(m jsonfield.Member) bool { return m.Name == "citations" })
	}
	return out
}

// hostedUse reads a block in which Anthropic's own tool is called (server_tool_use) or answers
// (…_tool_result); ok is false if canon has no word for that tool.
func hostedUse(index int, kind, id, name, block string) (use canon.HostedUse, ok bool) {
	use = canon.HostedUse{Index: index, ID: id, Name: name, Raw: json.RawMessage(block)}
	if kind == "server_tool_use" {
		if use.Kind, ok = hostedKind(name); ok {
			use.Input = hostedInput(member(block, "input"))
		}
		return use, ok
	}
	tool, found := strings.CutSuffix(kind, "_tool_result")
	if !found {
		return use, false
	}
	if use.Kind, ok = hostedKind(tool); !ok {
		return use, false
	}
	use.Name, use.Done, use.ID = tool, true, text(member(block, "tool_use_id"))
	content := member(block, "content")
	if fault := text(member(content, "error_code")); fault != "" {
		use.Failed, use.Output = true, fault
		return use, true
	}
	switch use.Kind {
	case canon.HostedWebSearch:
		p := jsonpull.NewString(content)
		for in := content != "" && p.Array(); in && p.Element(); {
			if c := citationOf(p.Raw()); c.URL != "" {
				c.Raw = nil
				use.Sources = append(use.Sources, c)
			}
		}
	case canon.HostedWebFetch:
		if url := text(member(content, "url")); url != "" {
			use.Sources = []canon.Citation{{URL: url, Title: text(member(member(content, "content"), "title"))}}
		}
	case canon.HostedCode:
		use.Output = text(member(content, "stdout"))
		if code := member(content, "return_code"); code != "" && code != "0" && code != "null" {
			use.Failed, use.Output = true, keep(text(member(content, "stderr")), use.Output)
		}
	}
	return use, true
}

// hostedInput returns the query, URL or code in the input of a call; "" if there is none yet.
func hostedInput(input string) string {
	p := jsonpull.NewString(input)
	said := ""
	for in := input != "" && p.Object(); in && p.Member(); {
		switch p.Name {
		case "query", "url", "code", "command":
			said = keep(p.String(), said)
		default:
			p.Skip()
		}
	}
	if p.End() != nil {
		return ""
	}
	return said
}

// completed returns the call with the input that came in deltas.
func completed(use canon.HostedUse, input string) canon.HostedUse {
	use.Open = false
	if input == "" {
		return use
	}
	p := jsonpull.NewString(input)
	p.Skip()
	if p.End() != nil {
		return use // broken off
	}
	use.Input = hostedInput(input)
	o, err := jsonfield.ReadObject(string(use.Raw))
	if err != nil {
		return use
	}
	for i := range o {
		if o[i].Name == "input" {
			o[i].Raw = input
		}
	}
	use.Raw = o.Rest()
	return use
}

// citationOf reads a citation, or a result of a search, which has the same members. Its offsets count
// characters of the source and not of the answer, so they are left in Raw.
func citationOf(raw string) canon.Citation {
	c := canon.Citation{Raw: json.RawMessage(raw)}
	p := jsonpull.NewString(raw)
	for in := raw != "" && p.Object(); in && p.Member(); {
		switch p.Name {
		case "url", "source":
			c.URL = keep(p.String(), c.URL)
		case "title", "document_title":
			c.Title = keep(p.String(), c.Title)
		case "cited_text":
			c.Text = p.String()
		case "file_id":
			c.FileID = p.String()
		default:
			p.Skip()
		}
	}
	return c
}

// member returns the value of an object's member, "" if there is none.
func member(object, name string) string {
	p := jsonpull.NewString(object)
	found := ""
	for in := object != "" && p.Object(); in && p.Member(); {
		if p.Name == name {
			found = p.Raw()
		} else {
			p.Skip()
		}
	}
	return found
}

// text returns a JSON string's text, "" if raw is none.
func text(raw string) string {
	p := jsonpull.NewString(raw)
	if p.Kind() != '"' {
		return ""
	}
	return p.String()
}
