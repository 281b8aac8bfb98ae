package gemini

import (
	"encoding/json"
	"slices"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonfield"
)

// readParts appends the parts, which stand at path, to t.
func readParts(t *canon.Turn, raw, path string) error {
	if raw != "" && raw[0] == '"' {
		return jsonfield.Wrong("an array of parts", raw)
	}
	all, err := list(raw)
	if err != nil {
		return err
	}
	t.Blocks, t.Paths = slices.Grow(t.Blocks, len(all)), slices.Grow(t.Paths, len(all))
	for i, one := range all {
		if err := readPart(t, one, path+index(i)); err != nil {
			return jsonfield.Within(err, index(i))
		}
	}
	return nil
}

// dataNames are the members of a part that canon has a word for. A part has one of them, or of others.
var dataNames = [...]string{"text", "inlineData", "fileData", "functionCall", "functionResponse"}

// noteNames are the members that say something of a part and are none themselves.
var noteNames = [...]string{"videoMetadata", "mediaResolution", "partMetadata", "mediaProcessing", "speechMetadata"}

// readPart appends what one part is: the signature that belongs to it, itself, then what canon has no
// word for.
func readPart(t *canon.Turn, raw, path string) error {
	o, err := fields(raw)
	if err != nil {
		return err
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
	if !simple || kind == "" && hasNote(o) {
		t.Add(path, foreign(raw))
		return nil
	}
	thought := false
	if v := o.Find("thought"); v != "" {
		if thought, err = jsonfield.Bool(v); err != nil {
			return jsonfield.Within(err, "thought")
		}
	}
	seal, err := o.Text("thoughtSignature")
	if err != nil {
		return err
	}
	if thought && kind != "text" && kind != "" {
		t.Add(path, foreign(raw))
		return nil
	}
	text := ""
	if kind == "text" {
		if text, err = o.Text(kind); err != nil {
			return err
		}
	}
	switch {
	case thought:
		addThought(t, path, text, seal)
	case seal != "":
		addSeal(t, path, seal)
		fallthrough
	default:
		if err := readData(t, path, kind, o.Find(kind), text); err != nil {
			return jsonfield.Within(err, kind)
		}
	}
	if notes := o.Rest(append(dataNames[:], "thought", "thoughtSignature")...); notes != nil {
		t.Add(path, foreign(string(notes)))
	}
	return nil
}

// readData appends what a part is itself. SDKs leave an empty text out, so a part without any data is one.
func readData(t *canon.Turn, path, kind, value, text string) error {
	switch kind {
	case "inlineData", "fileData":
		return readMedia(t, path, kind, value)
	case "functionCall":
		return readCall(t, path, value)
	case "functionResponse":
		return readResponse(t, path, value)
	}
	t.Add(path, canon.Text{Text: text})
	return nil
}

// addThought appends a thought, which may have a signature of its own.
func addThought(t *canon.Turn, path, text, seal string) {
	if seal == "" {
		t.Add(path, canon.Reasoning{Text: text, Origin: canon.Gemini})
		return
	}
	opened := openSignature(seal)
	if last := &opened[len(opened)-1]; last.Text == "" {
		last.Text = text
	}
	for _, r := range opened {
		t.Add(path, r)
	}
}

// addSeal appends what the signature of the part that follows holds.
func addSeal(t *canon.Turn, path, seal string) {
	for _, r := range openSignature(seal) {
		t.Add(path, r)
	}
}

func isData(name string) bool {
	for _, n := range dataNames {
		if n == name {
			return true
		}
	}
	return false
}

func hasNote(o jsonfield.Object) bool {
	for _, m := range o {
		if isNote(m.Name) {
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

// addRest appends what canon has no word for within the member kind of a part, as a part that holds
// nothing else.
func addRest(t *canon.Turn, path, kind string, rest json.RawMessage) {
	if rest != nil {
		t.Add(path, foreign(`{"`+kind+`":`+string(rest)+`}`))
	}
}

// readMedia reads inlineData or fileData.
func readMedia(t *canon.Turn, path, kind, raw string) error {
	o, err := fields(raw)
	if err != nil {
		return err
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
			return jsonfield.Within(err, f.Name)
		}
	}
	if m.Data == "" && m.URL == "" {
		return jsonfield.Within(jsonfield.Missing(), map[string]string{"inlineData": "data", "fileData": "fileUri"}[kind])
	}
	switch {
	case m.MIME != "":
		m.Kind = mediaKind(m.MIME)
	case isYouTube(m.URL):
		m.Kind = canon.MediaVideo
	default:
		m.Kind = mediaKind(guessMIME(m))
	}
	t.Add(path, m)
	addRest(t, path, kind, o.Rest("mimeType", "data", "fileUri", "displayName"))
	return nil
}

func readCall(t *canon.Turn, path, raw string) error {
	o, err := fields(raw)
	if err != nil {
		return err
	}
	var b canon.ToolUse
	if b.ID, err = o.Text("id"); err != nil {
		return err
	}
	if b.Name, err = o.Named("name"); err != nil {
		return err
	}
	b.Input = json.RawMessage(o.Find("args"))
	if len(b.Input) == 0 {
		b.Input = json.RawMessage("{}") // args are left out where there are none
	}
	t.Add(path, b)
	addRest(t, path, "functionCall", o.Rest("id", "name", "args"))
	return nil
}

// readResponse reads what a function answered. The API asks for an object with "output" or "error",
// and takes any other as the output. Where one of the two is all there is, and is text, that text is the
// result, or several are; else it is the JSON of the whole object.
func readResponse(t *canon.Turn, path, raw string) error {
	o, err := fields(raw)
	if err != nil {
		return err
	}
	var b canon.ToolResult
	if b.ID, err = o.Text("id"); err != nil {
		return err
	}
	if b.Name, err = o.Named("name"); err != nil {
		return err
	}
	if response := o.Find("response"); response != "" {
		inner, err := jsonfield.Nested(response)
		if err != nil {
			return jsonfield.Within(err, "response")
		}
		b.IsError = inner.Find("error") != "" && inner.Find("output") == ""
		texts := responseTexts(response, inner)
		for _, text := range texts {
			b.Blocks = append(b.Blocks, canon.Text{Text: text})
		}
		if len(texts) > 1 || texts[0] != response && isObject(texts[0]) {
			b.Home = json.RawMessage(response) // several in a list, or JSON in a string
		}
	}
	if parts := o.Find("parts"); parts != "" {
		var inner canon.Turn
		if err := readParts(&inner, parts, path); err != nil {
			return jsonfield.Within(err, "parts")
		}
		b.Blocks = append(b.Blocks, inner.Blocks...)
	}
	t.Add(path, b)
	addRest(t, path, "functionResponse", o.Rest("id", "name", "response", "parts"))
	return nil
}

// responseTexts returns the texts that the object response holds, or is.
func responseTexts(response string, o jsonfield.Object) []string {
	if len(o) == 1 && (o[0].Name == "output" || o[0].Name == "error") {
		if s, err := jsonfield.String(o[0].Raw); err == nil {
			return []string{s}
		}
		if list, err := jsonfield.Strings(o[0].Raw); err == nil && len(list) > 1 {
			return list
		}
	}
	return []string{response}
}
