package anthropic

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonfield"
)

// readContent reads content that is a string or a list of blocks. paths say where each block stands; at
// is where the content does, "" if nobody needs to know.
func readContent(at, raw string) (blocks []canon.Block, paths []string, err error) {
	if raw != "" && raw[0] == '"' {
		s, err := jsonfield.String(raw)
		return []canon.Block{canon.Text{Text: s}}, []string{at}, err
	}
	list, err := jsonfield.Array(raw)
	if err != nil {
		return nil, nil, jsonfield.Wrong("a string or an array of blocks", raw)
	}
	blocks = make([]canon.Block, 0, len(list))
	for i, one := range list {
		if blocks, err = readBlock(blocks, one); err != nil {
			return nil, nil, jsonfield.Within(err, jsonfield.Index(i))
		}
		for path := ""; at != "" && len(paths) < len(blocks); paths = append(paths, path) {
			if path == "" {
				path = at + jsonfield.Index(i)
			}
		}
	}
	return blocks, paths, nil
}

// readBlock appends what one block is: itself, then what canon has no word for, then its cache point.
func readBlock(dst []canon.Block, raw string) ([]canon.Block, error) {
	o, err := jsonfield.Nested(raw)
	if err != nil {
		return nil, err
	}
	kind, err := o.Needed("type")
	if err != nil {
		return nil, err
	}
	var b canon.Block
	var rest json.RawMessage
	switch kind {
	case "text":
		b, err = readText(o)
		rest = withoutOwnCitations(o).Rest(idle(o, "type", "text", "cache_control")...)
	case "thinking":
		b, err = readReasoning(o, "thinking", "signature")
		rest = o.Rest("type", "thinking", "signature", "cache_control")
	case "redacted_thinking":
		b, err = readRedacted(o)
		rest = o.Rest("type", "data", "cache_control")
	case "image":
		b, err = readMedia(o, canon.MediaImage)
		rest = o.Rest("type", "source", "cache_control")
	case "document":
		b, err = readMedia(o, canon.MediaFile)
		rest = o.Rest(idle(o, "type", "source", "title", "cache_control")...)
	case "tool_use":
		b, err = readToolUse(o)
		known := []string{"type", "id", "name", "input", "cache_control"}
		if isDirect(o.Find("caller")) {
			known = append(known, "caller")
		}
		rest = o.Rest(known...)
	case "tool_result":
		b, err = readToolResult(o)
		rest = o.Rest("type", "tool_use_id", "is_error", "content", "cache_control")
	}
	if err != nil {
		return nil, err
	}
	if b == nil {
		if isOwnHosted(o) {
			return append(dst, canon.Foreign{Raw: json.RawMessage(raw)}), nil // made here for this client: nobody's
		}
		// Its cache_control goes home with it.
		return append(dst, foreign(raw)), nil
	}
	dst = append(dst, b)
	point, more, err := readCachePoint(o.Find("cache_control"))
	if err != nil {
		return nil, jsonfield.Within(err, "cache_control")
	}
	if more {
		rest = withCacheControl(o.Find("cache_control"), rest)
	}
	if rest != nil {
		dst = append(dst, foreign(string(rest)))
	}
	if point != nil {
		dst = append(dst, *point)
	}
	return dst, nil
}

// idle adds to known the members of a block that ask for nothing.
func idle(o jsonfield.Object, known ...string) []string {
	if raw := o.Find("citations"); raw != "" && canon.Idle(json.RawMessage(raw), `{"enabled":false}`) {
		known = append(known, "citations")
	}
	return known
}

// withCacheControl puts it among the members that canon has no word for.
func withCacheControl(cacheControl string, rest json.RawMessage) json.RawMessage {
	raw := `{"cache_control":` + cacheControl
	if rest == nil {
		return json.RawMessage(raw + "}")
	}
	return json.RawMessage(raw + "," + string(rest[1:]))
}

// readCachePoint reads cache_control. more is true if it says what a CachePoint can't.
func readCachePoint(raw string) (point *canon.CachePoint, more bool, err error) {
	if raw == "" {
		return nil, false, nil
	}
	o, err := jsonfield.Nested(raw)
	if err != nil {
		return nil, false, err
	}
	kind, err := o.Text("type")
	if err != nil {
		return nil, false, err
	}
	ttl, err := o.Text("ttl")
	if err != nil {
		return nil, false, err
	}
	point = &canon.CachePoint{}
	switch ttl {
	case "":
	case "5m":
		point.TTL = 5 * time.Minute
	case "1h":
		point.TTL = time.Hour
	default:
		return nil, true, nil
	}
	if kind != "ephemeral" || o.Rest("type", "ttl") != nil {
		return nil, true, nil
	}
	return point, false, nil
}

func foreign(raw string) canon.Foreign {
	return canon.Foreign{Dialect: canon.Anthropic, Raw: json.RawMessage(raw)}
}

func readText(o jsonfield.Object) (canon.Block, error) {
	s, err := o.Needed("text")
	return canon.Text{Text: s}, err
}

func readReasoning(o jsonfield.Object, text, seal string) (canon.Block, error) {
	var b canon.Reasoning
	var err error
	if b.Text, err = o.Text(text); err != nil {
		return nil, err
	}
	b.Seal, err = o.Text(seal)
	b.Origin, b.Seal = canon.UnwrapSeal(canon.Anthropic, b.Seal)
	return b, err
}

func readRedacted(o jsonfield.Object) (canon.Block, error) {
	data, err := o.Needed("data")
	return canon.Reasoning{Seal: redactedMark + data, Origin: canon.Anthropic}, err
}

// readMedia reads an image or a document; nil is one that canon has no word for.
func readMedia(o jsonfield.Object, kind canon.MediaKind) (canon.Block, error) {
	b := canon.Media{Kind: kind}
	var err error
	if kind == canon.MediaFile {
		if b.Name, err = o.Text("title"); err != nil {
			return nil, err
		}
	}
	source, err := jsonfield.Nested(o.Find("source"))
	if err != nil {
		return nil, jsonfield.Within(err, "source")
	}
	from, err := source.Needed("type")
	if err != nil {
		return nil, jsonfield.Within(err, "source")
	}
	var known string
	switch from {
	case "base64":
		known = "data"
		b.Data, err = source.Needed("data")
	case "text":
		// A document's plain text is kept as a file of text, which other dialects understand. At home
		// text/plain is written as text again: base64 is for PDFs only there.
		known = "data"
		b.Data, err = source.Needed("data")
		b.Data = base64.StdEncoding.EncodeToString([]byte(b.Data))
	case "url":
		known = "url"
		b.URL, err = source.Needed("url")
	case "file":
		known = "file_id"
		b.FileID, err = source.Needed("file_id")
	default: // "content": blocks inside of a document
		return nil, nil
	}
	if err == nil {
		b.MIME, err = source.Text("media_type")
	}
	if from == "text" && b.MIME == "" {
		b.MIME = "text/plain"
	}
	if err != nil {
		return nil, jsonfield.Within(err, "source")
	}
	if source.Rest("type", "media_type", known) != nil {
		return nil, nil
	}
	return b, nil
}

func readToolUse(o jsonfield.Object) (canon.Block, error) {
	b := canon.ToolUse{Input: json.RawMessage(o.Find("input"))}
	var err error
	if b.ID, err = o.Needed("id"); err != nil {
		return nil, err
	}
	b.Name, err = o.Named("name")
	return b, err
}

// isDirect reports whether the model itself made a call, which is what a call without a caller is too.
// Code in a container can make others.
func isDirect(caller string) bool {
	o, err := jsonfield.Nested(caller)
	return err == nil && len(o) == 1 && o[0] == jsonfield.Member{Name: "type", Raw: `"direct"`}
}

func readToolResult(o jsonfield.Object) (canon.Block, error) {
	b := canon.ToolResult{}
	var err error
	if b.ID, err = o.Needed("tool_use_id"); err != nil {
		return nil, err
	}
	if raw := o.Find("is_error"); raw != "" {
		if b.IsError, err = jsonfield.Bool(raw); err != nil {
			return nil, jsonfield.Within(err, "is_error")
		}
	}
	if raw := o.Find("content"); raw != "" {
		if b.Blocks, _, err = readContent("", raw); err != nil {
			return nil, jsonfield.Within(err, "content")
		}
	}
	return b, nil
}
