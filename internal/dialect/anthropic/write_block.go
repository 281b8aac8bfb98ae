package anthropic

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonfield"
	"tollgate/internal/jsonedit"
)

// piece is one block as it will be written.
type piece struct {
	b     canon.Block
	path  string
	id    string          // of a call or a result
	mime  string          // of media: what it is said to be
	inner []piece         // of a result
	rest  json.RawMessage // members that canon has no word for, as an object
	cache *cachePoint
}

// plain reports whether the piece is text and nothing else, so that a string will do.
func (p *piece) plain() bool {
	_, ok := p.b.(canon.Text)
	return ok && p.rest == nil && (p.cache == nil || p.cache.drop)
}

// words returns the text of a piece of text.
func (p *piece) words() string {
	t, _ := p.b.(canon.Text)
	return t.Text
}

// order is 0 for results and 1 for all else.
func (p *piece) order() int {
	if _, ok := p.b.(canon.ToolResult); ok {
		return 0
	}
	return 1
}

// cacheable reports whether a cache point may stand at the piece: not at what was thought.
func (p *piece) cacheable() bool {
	_, thought := p.b.(canon.Reasoning)
	return !thought
}

// add appends what b becomes to dst.
func (w *requestWriter) add(dst []piece, where spot, path string, b canon.Block) []piece {
	switch b := b.(type) {
	case canon.CachePoint:
		return w.addPoint(dst, path, b)
	case canon.Foreign:
		return w.addForeign(dst, path, b)
	}
	before := len(dst)
	dst = w.addBlock(dst, where, path, b)
	w.dropped = len(dst) == before
	return dst
}

func (w *requestWriter) addBlock(dst []piece, where spot, path string, b canon.Block) []piece {
	switch b := b.(type) {
	case canon.Text:
		return w.addText(dst, path, b)
	case canon.Reasoning:
		return w.addReasoning(dst, where, path, b)
	case canon.Media:
		return w.addMedia(dst, where, path, b)
	case canon.ToolUse:
		if where == inSystem || where == inResult {
			w.fail(path, "calls a tool where none can be called")
			return dst
		}
		return w.addToolUse(dst, path, b)
	case canon.ToolResult:
		if where == inSystem || where == inResult {
			w.fail(path, "is the result of a tool where none can be")
			return dst
		}
		p := piece{b: b, path: path}
		if w.home {
			p.id = b.ID
		}
		for _, in := range b.Blocks {
			p.inner = w.add(p.inner, inResult, path, in)
		}
		return append(dst, p)
	case canon.Refusal:
		if b.Text == "" {
			return dst
		}
		w.change(canon.WhatRefusal, path, "a refusal is text there")
		return append(dst, piece{b: canon.Text(b), path: path})
	}
	w.fail(path, "is a block that is not known")
	return dst
}

// addText leaves out what the API refuses: empty text, and text of nothing but white space.
func (w *requestWriter) addText(dst []piece, path string, b canon.Text) []piece {
	if b.Text == "" {
		return dst
	}
	if !w.home && strings.TrimSpace(b.Text) == "" {
		w.lose(canon.WhatText, path, "text of nothing but white space is refused")
		return dst
	}
	return append(dst, piece{b: b, path: path})
}

// addReasoning sends home what was thought and signed here; nobody else's signature is taken, and no
// thought without one.
func (w *requestWriter) addReasoning(dst []piece, where spot, path string, b canon.Reasoning) []piece {
	if b.Origin == canon.Anthropic && (b.Seal != "" || w.home) && where == inAssistant {
		return append(dst, piece{b: b, path: path})
	}
	if b.Text != "" {
		w.lose(canon.WhatReasoningText, path, "thoughts go back only to the vendor that signed them")
	}
	if b.Seal != "" {
		w.lose(canon.WhatReasoningSeal, path, "another vendor's seal is refused")
	}
	return dst
}

func (w *requestWriter) addToolUse(dst []piece, path string, b canon.ToolUse) []piece {
	p := piece{path: path}
	if w.home {
		p.id = b.ID
		p.b = b
		return append(dst, p)
	}
	name := b.Name
	if !validName(name, maxToolName) {
		b.Name = cleanName(name, maxToolName)
		w.change(canon.WhatToolUse, path, "the name of a tool is letters, digits, _ and - there: "+b.Name)
	}
	input := strings.TrimSpace(string(b.Input))
	switch {
	case input == "", input == "null":
		b.Input = json.RawMessage("{}")
	case b.Custom:
		b.Input = canon.CustomArguments(b.Input)
		if !w.customs[name] { // else it is declared at the tool
			w.change(canon.WhatToolCustom, path, "a call with free text becomes one with a string")
		}
	case input[0] == '{' && utf8.ValidString(input) && json.Valid([]byte(input)):
		b.Input = json.RawMessage(input)
	case input[0] == '"' && utf8.ValidString(input) && json.Valid([]byte(input)): // text already
		b.Input = canon.CustomArguments(json.RawMessage(input))
		w.change(canon.WhatToolArguments, path, "arguments that are no JSON object are wrapped into one")
	default:
		b.Input = canon.CustomArguments(jsonedit.Quote(input))
		w.change(canon.WhatToolArguments, path, "arguments that are no JSON object are wrapped into one")
	}
	p.b = b
	return append(dst, p)
}

// addPoint puts a cache point at the block before it.
func (w *requestWriter) addPoint(dst []piece, path string, b canon.CachePoint) []piece {
	for i := len(dst) - 1; i >= 0; i-- {
		p := &dst[i]
		if !p.cacheable() {
			continue
		}
		if p.cache == nil {
			p.cache = &cachePoint{ttl: b.TTL, path: path}
			w.points = append(w.points, p.cache)
		}
		return dst
	}
	switch {
	case len(dst) > 0:
		w.lose(canon.WhatCachePoint, path, "thoughts can't end what is cached")
	case w.dropped && !w.home:
		w.lose(canon.WhatCachePoint, path, "the block that it stands at is left out")
	}
	return dst // before the first block of a message there is nothing to cache that is not cached with it
}

func (w *requestWriter) addForeign(dst []piece, path string, b canon.Foreign) []piece {
	if b.Dialect != canon.Anthropic {
		w.lose(canon.WhatForeign, path, "the upstream has no such block")
		return dst
	}
	if member(string(b.Raw), "type") != "" {
		return append(dst, piece{b: b, path: path})
	}
	if len(dst) > 0 && !w.dropped { // it belongs to the block before it, and goes with that
		dst[len(dst)-1].rest = b.Raw
	}
	return dst
}

func (w *requestWriter) appendPieces(dst []byte, pieces []piece) []byte {
	dst = append(dst, '[')
	for i := range pieces {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = w.appendPiece(dst, &pieces[i])
	}
	return append(dst, ']')
}

func (w *requestWriter) appendPiece(dst []byte, p *piece) []byte {
	switch b := p.b.(type) {
	case canon.Text:
		dst = append(dst, `{"type":"text","text":`...)
		dst = jsonedit.AppendQuoted(dst, b.Text)
	case canon.Reasoning:
		dst = appendReasoning(dst, b)
	case canon.Media:
		dst = appendMedia(dst, b, p.mime)
	case canon.ToolUse:
		dst = append(dst, `{"type":"tool_use","id":`...)
		dst = jsonedit.AppendQuoted(dst, p.id)
		dst = append(dst, `,"name":`...)
		dst = jsonedit.AppendQuoted(dst, b.Name)
		dst = append(dst, `,"input":`...)
		if len(b.Input) == 0 {
			dst = append(dst, "{}"...)
		}
		dst = append(dst, b.Input...)
	case canon.ToolResult:
		dst = append(dst, `{"type":"tool_result","tool_use_id":`...)
		dst = jsonedit.AppendQuoted(dst, p.id)
		if b.IsError {
			dst = append(dst, `,"is_error":true`...)
		}
		switch {
		case len(p.inner) == 1 && p.inner[0].plain():
			dst = append(dst, `,"content":`...)
			dst = jsonedit.AppendQuoted(dst, p.inner[0].words())
		case len(p.inner) > 0:
			dst = append(dst, `,"content":`...)
			dst = w.appendPieces(dst, p.inner)
		}
	case canon.Foreign:
		return append(dst, b.Raw...) // with its own cache_control
	}
	if p.rest != nil {
		dst = appendRest(dst, p.rest, "")
	}
	dst = appendPoint(dst, p.cache)
	return append(dst, '}')
}

// appendRest appends the members of an object but the one named not.
func appendRest(dst []byte, object json.RawMessage, not string) []byte {
	o, err := jsonfield.ReadObject(string(object))
	if err != nil {
		return dst // never: ReadRequest made it
	}
	for _, m := range o {
		if m.Name != not {
			dst = appendMember(dst, canon.Field{Name: m.Name, Value: json.RawMessage(m.Raw)})
		}
	}
	return dst
}

func appendPoint(dst []byte, p *cachePoint) []byte {
	if p == nil || p.drop {
		return dst
	}
	dst = append(dst, `,"cache_control":{"type":"ephemeral"`...)
	if word := ttlWord(p.ttl); word != "" {
		dst = append(dst, `,"ttl":"`...)
		dst = append(dst, word...)
		dst = append(dst, '"')
	}
	return append(dst, '}')
}

func appendReasoning(dst []byte, b canon.Reasoning) []byte {
	if data, ok := strings.CutPrefix(b.Seal, redactedMark); ok && b.Text == "" && b.Origin == canon.Anthropic {
		dst = append(dst, `{"type":"redacted_thinking","data":`...)
		return jsonedit.AppendQuoted(dst, data)
	}
	dst = append(dst, `{"type":"thinking","thinking":`...)
	dst = jsonedit.AppendQuoted(dst, b.Text)
	dst = append(dst, `,"signature":`...)
	return jsonedit.AppendQuoted(dst, canon.WrapSeal(b.Origin, canon.Anthropic, b.Seal))
}

// appendMedia opens an image or a document with its source.
func appendMedia(dst []byte, m canon.Media, mime string) []byte {
	dst = append(dst, `{"type":"`...)
	if m.Kind == canon.MediaImage {
		dst = append(dst, `image","source":{`...)
	} else {
		dst = append(dst, `document","source":{`...)
	}
	switch {
	case m.Data != "" && m.Kind == canon.MediaFile && mime == "text/plain":
		dst = append(dst, `"type":"text","media_type":"text/plain","data":`...)
		words, err := base64.StdEncoding.DecodeString(m.Data)
		if err != nil {
			words = nil // never: mediaData has looked
		}
		dst = jsonedit.AppendQuoted(dst, string(words))
	case m.Data != "":
		dst = append(dst, `"type":"base64","media_type":`...)
		dst = jsonedit.AppendQuoted(dst, mime)
		dst = append(dst, `,"data":`...)
		dst = jsonedit.AppendQuoted(dst, m.Data) // at home nobody has looked whether it is base64
	case m.FileID != "":
		dst = append(dst, `"type":"file","file_id":`...)
		dst = jsonedit.AppendQuoted(dst, m.FileID)
	default:
		dst = append(dst, `"type":"url","url":`...)
		dst = jsonedit.AppendQuoted(dst, m.URL)
	}
	dst = append(dst, '}')
	if m.Name != "" && m.Kind == canon.MediaFile {
		dst = append(dst, `,"title":`...)
		dst = jsonedit.AppendQuoted(dst, m.Name)
	}
	return dst
}
