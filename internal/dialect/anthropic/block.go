package anthropic

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"tollgate/internal/canon"
)

// readContent reads content that is a string or a list of blocks.
func readContent(raw string) ([]canon.Block, error) {
	if raw != "" && raw[0] == '"' {
		s, err := readString(raw)
		return []canon.Block{canon.Text{Text: s}}, err
	}
	list, err := readArray(raw)
	if err != nil {
		return nil, wrong("a string or an array of blocks", raw)
	}
	blocks := make([]canon.Block, 0, len(list))
	for i, one := range list {
		if blocks, err = readBlock(blocks, one); err != nil {
			return nil, within(err, indexed("", i))
		}
	}
	return blocks, nil
}

// readBlock appends what one block is: itself, then what canon has no word for, then its cache point.
func readBlock(dst []canon.Block, raw string) ([]canon.Block, error) {
	o, err := readObject(raw)
	if err != nil {
		return nil, err
	}
	kind, err := o.needed("type")
	if err != nil {
		return nil, err
	}
	var b canon.Block
	var rest json.RawMessage
	switch kind {
	case "text":
		b, err = readText(o)
		rest = o.rest("type", "text", "cache_control")
	case "thinking":
		b, err = readReasoning(o, "thinking", "signature")
		rest = o.rest("type", "thinking", "signature", "cache_control")
	case "redacted_thinking":
		b, err = readRedacted(o)
		rest = o.rest("type", "data", "cache_control")
	case "image":
		b, err = readMedia(o, canon.MediaImage)
		rest = o.rest("type", "source", "cache_control")
	case "document":
		b, err = readMedia(o, canon.MediaFile)
		rest = o.rest("type", "source", "title", "cache_control")
	case "tool_use":
		b, err = readToolUse(o)
		rest = o.rest("type", "id", "name", "input", "cache_control")
	case "tool_result":
		b, err = readToolResult(o)
		rest = o.rest("type", "tool_use_id", "is_error", "content", "cache_control")
	}
	if err != nil {
		return nil, err
	}
	if b == nil {
		// Its cache_control goes home with it.
		return append(dst, foreign(raw)), nil
	}
	dst = append(dst, b)
	point, more, err := readCachePoint(o.find("cache_control"))
	if err != nil {
		return nil, within(err, "cache_control")
	}
	if more {
		rest = o.withCacheControl(rest)
	}
	if rest != nil {
		dst = append(dst, foreign(string(rest)))
	}
	if point != nil {
		dst = append(dst, *point)
	}
	return dst, nil
}

// withCacheControl puts cache_control among the members that canon has no word for.
func (o object) withCacheControl(rest json.RawMessage) json.RawMessage {
	raw := `{"cache_control":` + o.find("cache_control")
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
	o, err := readObject(raw)
	if err != nil {
		return nil, false, err
	}
	kind, err := o.text("type")
	if err != nil {
		return nil, false, err
	}
	ttl, err := o.text("ttl")
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
	if kind != "ephemeral" || o.rest("type", "ttl") != nil {
		return nil, true, nil
	}
	return point, false, nil
}

func foreign(raw string) canon.Foreign {
	return canon.Foreign{Dialect: canon.Anthropic, Raw: json.RawMessage(raw)}
}

func readText(o object) (canon.Block, error) {
	s, err := o.needed("text")
	return canon.Text{Text: s}, err
}

func readReasoning(o object, text, seal string) (canon.Block, error) {
	b := canon.Reasoning{Origin: canon.Anthropic}
	var err error
	if b.Text, err = o.text(text); err != nil {
		return nil, err
	}
	b.Seal, err = o.text(seal)
	return b, err
}

func readRedacted(o object) (canon.Block, error) {
	data, err := o.needed("data")
	return canon.Reasoning{Seal: redactedMark + data, Origin: canon.Anthropic}, err
}

// readMedia reads an image or a document; nil is one that canon has no word for.
func readMedia(o object, kind canon.MediaKind) (canon.Block, error) {
	b := canon.Media{Kind: kind}
	var err error
	if kind == canon.MediaFile {
		if b.Name, err = o.text("title"); err != nil {
			return nil, err
		}
	}
	source, err := readObject(o.find("source"))
	if err != nil {
		return nil, within(err, "source")
	}
	from, err := source.needed("type")
	if err != nil {
		return nil, within(err, "source")
	}
	known := "media_type"
	switch from {
	case "base64":
		known = "data"
		b.Data, err = source.needed("data")
	case "text":
		// A document's plain text is kept as a file of text, which other dialects understand. At home
		// text/plain is written as text again: base64 is for PDFs only there.
		known = "data"
		b.Data, err = source.needed("data")
		b.Data = base64.StdEncoding.EncodeToString([]byte(b.Data))
	case "url":
		known = "url"
		b.URL, err = source.needed("url")
	case "file":
		known = "file_id"
		b.FileID, err = source.needed("file_id")
	default: // "content": blocks inside of a document
		return nil, nil
	}
	if err == nil {
		b.MIME, err = source.text("media_type")
	}
	if from == "text" && b.MIME == "" {
		b.MIME = "text/plain"
	}
	if err != nil {
		return nil, within(err, "source")
	}
	if source.rest("type", "media_type", known) != nil {
		return nil, nil
	}
	return b, nil
}

func readToolUse(o object) (canon.Block, error) {
	b := canon.ToolUse{Input: json.RawMessage(o.find("input"))}
	var err error
	if b.ID, err = o.needed("id"); err != nil {
		return nil, err
	}
	b.Name, err = o.needed("name")
	return b, err
}

func readToolResult(o object) (canon.Block, error) {
	b := canon.ToolResult{}
	var err error
	if b.ID, err = o.needed("tool_use_id"); err != nil {
		return nil, err
	}
	if raw := o.find("is_error"); raw != "" {
		if b.IsError, err = readBool(raw); err != nil {
			return nil, within(err, "is_error")
		}
	}
	if raw := o.find("content"); raw != "" {
		if b.Blocks, err = readContent(raw); err != nil {
			return nil, within(err, "content")
		}
	}
	return b, nil
}
