package gemini

import (
	"encoding/json"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonfield"
)

func readParts(raw string) ([]canon.Block, error) {
	if raw != "" && raw[0] == '"' {
		return nil, jsonfield.Wrong("an array of parts", raw)
	}
	all, err := list(raw)
	if err != nil {
		return nil, err
	}
	blocks := make([]canon.Block, 0, len(all))
	for i, one := range all {
		if blocks, err = readPart(blocks, one); err != nil {
			return nil, jsonfield.Within(err, index(i))
		}
	}
	return blocks, nil
}

// dataNames are the members of a part that canon has a word for. A part has one of them, or of others.
var dataNames = [...]string{"text", "inlineData", "fileData", "functionCall", "functionResponse"}

// noteNames are the members that say something of a part and are none themselves.
var noteNames = [...]string{"videoMetadata", "mediaResolution", "partMetadata", "mediaProcessing", "speechMetadata"}

// readPart appends what one part is: the signature that belongs to it, itself, then what canon has no
// word for.
func readPart(dst []canon.Block, raw string) ([]canon.Block, error) {
	o, err := fields(raw)
	if err != nil {
		return nil, err
	}
	kind, simple := "", true
	for _, m := range o {
		switch {
		case m.Name == "thought" || m.Name == "thoughtSignature" || isNote(m.Name):
		case isData(m.Name) && kind == "":
			kind = m.Name
		default:
			simple = false
		}
	}
	if kind == "" || !simple {
		return append(dst, foreign(raw)), nil
	}
	thought := false
	if v := o.Find("thought"); v != "" {
		if thought, err = jsonfield.Bool(v); err != nil {
			return nil, jsonfield.Within(err, "thought")
		}
	}
	seal, err := o.Text("thoughtSignature")
	if err != nil {
		return nil, err
	}
	if thought && kind != "text" {
		return append(dst, foreign(raw)), nil
	}
	if seal != "" && !thought {
		dst = append(dst, canon.Reasoning{Seal: seal, Origin: canon.Gemini})
	}
	value := o.Find(kind)
	switch kind {
	case "text":
		s, err := jsonfield.String(value)
		if err != nil {
			return nil, jsonfield.Within(err, kind)
		}
		if thought {
			dst = append(dst, canon.Reasoning{Text: s, Seal: seal, Origin: canon.Gemini})
		} else {
			dst = append(dst, canon.Text{Text: s})
		}
	case "inlineData", "fileData":
		dst, err = readMedia(dst, value)
	case "functionCall":
		dst, err = readCall(dst, value)
	case "functionResponse":
		dst, err = readResponse(dst, value)
	}
	if err != nil {
		return nil, jsonfield.Within(err, kind)
	}
	if notes := o.Rest(append(dataNames[:], "thought", "thoughtSignature")...); notes != nil {
		dst = append(dst, foreign(string(notes)))
	}
	return dst, nil
}

func isData(name string) bool {
	for _, n := range dataNames {
		if n == name {
			return true
		}
	}
	return false
}

func isNote(name string) bool {
	for _, n := range noteNames {
		if n == name {
			return true
		}
	}
	return false
}

func foreign(raw string) canon.Foreign {
	return canon.Foreign{Dialect: canon.Gemini, Raw: json.RawMessage(raw)}
}

// readMedia reads inlineData or fileData.
func readMedia(dst []canon.Block, raw string) ([]canon.Block, error) {
	o, err := fields(raw)
	if err != nil {
		return nil, err
	}
	var m canon.Media
	for _, f := range o {
		switch f.Name {
		case "mimeType":
			m.MIME, err = jsonfield.String(f.Raw)
		case "data":
			m.Data, err = jsonfield.String(f.Raw)
		case "fileUri":
			m.URL, err = jsonfield.String(f.Raw)
		case "displayName":
			m.Name, err = jsonfield.String(f.Raw)
		}
		if err != nil {
			return nil, jsonfield.Within(err, f.Name)
		}
	}
	m.Kind = mediaKind(m.MIME)
	dst = append(dst, m)
	if rest := o.Rest("mimeType", "data", "fileUri", "displayName"); rest != nil {
		dst = append(dst, foreign(string(rest)))
	}
	return dst, nil
}

func readCall(dst []canon.Block, raw string) ([]canon.Block, error) {
	o, err := fields(raw)
	if err != nil {
		return nil, err
	}
	var b canon.ToolUse
	if b.ID, err = o.Text("id"); err != nil {
		return nil, err
	}
	if b.Name, err = o.Needed("name"); err != nil {
		return nil, err
	}
	b.Input = json.RawMessage(o.Find("args"))
	if len(b.Input) == 0 {
		b.Input = json.RawMessage("{}") // args are left out where there are none
	}
	dst = append(dst, b)
	if rest := o.Rest("id", "name", "args"); rest != nil {
		dst = append(dst, foreign(string(rest)))
	}
	return dst, nil
}

// readResponse reads what a function answered. The API asks for an object with "output" or "error",
// and takes any other as the output.
func readResponse(dst []canon.Block, raw string) ([]canon.Block, error) {
	o, err := fields(raw)
	if err != nil {
		return nil, err
	}
	var b canon.ToolResult
	if b.ID, err = o.Text("id"); err != nil {
		return nil, err
	}
	if b.Name, err = o.Needed("name"); err != nil {
		return nil, err
	}
	if response := o.Find("response"); response != "" {
		inner, err := jsonfield.ReadObject(response)
		if err != nil {
			return nil, jsonfield.Within(err, "response")
		}
		b.IsError = inner.Find("error") != "" && inner.Find("output") == ""
		b.Blocks = append(b.Blocks, canon.Text{Text: response})
	}
	if parts := o.Find("parts"); parts != "" {
		more, err := readParts(parts)
		if err != nil {
			return nil, jsonfield.Within(err, "parts")
		}
		b.Blocks = append(b.Blocks, more...)
	}
	dst = append(dst, b)
	if rest := o.Rest("id", "name", "response", "parts"); rest != nil {
		dst = append(dst, foreign(string(rest)))
	}
	return dst, nil
}
