package openaichat

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/jsonedit"
)

// call begins a tool call.
func (w *writer) call(dst []byte, c *written, e canon.ToolStart) []byte {
	k := &writtenCall{index: e.Index, number: len(c.calls), id: e.ID, name: e.Name, custom: e.Custom, signed: c.seal}
	c.seal = ""
	if req := w.a.Request; req != nil && !e.Custom {
		k.custom = slices.ContainsFunc(req.Tools, func(t canon.Tool) bool { return t.Custom && t.Name == e.Name })
	}
	if k.id == "" {
		w.calls++
		id := strings.ReplaceAll(w.a.ID, "-", "")
		k.id = "call_" + id[:min(len(id), 24)] + strconv.Itoa(w.calls)
	}
	k.lost = w.text || w.legacy && k.number > 0
	c.calls = append(c.calls, k)
	if k.lost {
		w.lose(canon.Lost, canon.WhatAnswerOther, "the older form of an answer has no place for the call")
		return dst
	}
	if k.signed != "" {
		c.ahead = false
	}
	if w.follow(c, atCalls); !w.stream {
		return dst
	}
	dst = w.open(dst, c, "null")
	if w.legacy {
		dst = jsonedit.AppendQuoted(append(dst, `"function_call":{"name":`...), k.name)
		return w.shutDelta(append(dst, `,"arguments":""}`...))
	}
	dst = strconv.AppendInt(append(dst, `"tool_calls":[{"index":`...), int64(k.number), 10)
	dst = append(k.append(append(dst, ','), ""), "}]"...)
	return w.shutDelta(dst)
}

// append appends the members of a call but its number.
func (k *writtenCall) append(dst []byte, input string) []byte {
	dst = jsonedit.AppendQuoted(append(dst, `"id":`...), k.id)
	kind, member := "function", "arguments"
	if k.custom {
		kind, member = "custom", "input"
	}
	dst = append(append(append(dst, `,"type":"`...), kind...), `","`...)
	dst = jsonedit.AppendQuoted(append(append(dst, kind...), `":{"name":`...), k.name)
	dst = jsonedit.AppendQuoted(append(append(append(dst, `,"`...), member...), `":`...), input)
	dst = append(dst, '}')
	switch {
	case k.signed == "":
	case k.signed[0] == '{': // as Google gave it
		dst = append(append(dst, `,"extra_content":`...), k.signed...)
	default:
		dst = jsonedit.AppendQuoted(append(dst, `,"extra_content":{"google":{"thought_signature":`...), k.signed)
		dst = append(dst, "}}"...)
	}
	return dst
}

// input appends a piece of a call's input.
func (w *writer) input(dst []byte, c *written, e canon.ToolDelta) []byte {
	i := slices.IndexFunc(c.calls, func(k *writtenCall) bool { return k.index == e.Index })
	if i < 0 {
		return dst // of nothing that was begun
	}
	piece := e.JSON
	k := c.calls[i]
	if k.custom {
		piece = k.text.Feed(piece)
	}
	return w.piece(dst, c, k, piece)
}

func (w *writer) piece(dst []byte, c *written, k *writtenCall, piece string) []byte {
	switch {
	case k.lost, piece == "":
		return dst
	case !w.stream:
		k.said = true
		k.args.WriteString(piece)
		return dst
	}
	k.said = true
	dst = w.open(dst, c, "null")
	if w.legacy {
		dst = jsonedit.AppendQuoted(append(dst, `"function_call":{"arguments":`...), piece)
		return w.shutDelta(append(dst, '}'))
	}
	dst = strconv.AppendInt(append(dst, `"tool_calls":[{"index":`...), int64(k.number), 10)
	if k.custom {
		dst = append(dst, `,"custom":{"input":`...)
	} else {
		dst = append(dst, `,"function":{"arguments":`...)
	}
	return w.shutDelta(append(jsonedit.AppendQuoted(dst, piece), "}}]"...))
}

func (w *writer) endCall(dst []byte, c *written, k *writtenCall) []byte {
	switch {
	case k.custom:
		return w.piece(dst, c, k, k.text.End())
	case !k.said:
		return w.piece(dst, c, k, "{}") // clients parse it
	}
	return dst
}

// media writes a generated picture as OpenRouter does, or sound as OpenAI does.
// https://openrouter.ai/docs/features/multimodal/image-generation, read 2026-11-20.
func (w *writer) media(dst []byte, c *written, e canon.MediaDelta) []byte {
	switch {
	case !w.text && e.Kind == canon.MediaImage && e.Data != "":
		typ := e.MIME
		if typ == "" {
			typ = sniff(e.Data)
		}
		if typ == "" {
			typ = "image/png"
		}
		b := jsonedit.AppendQuoted([]byte(`{"type":"image_url","image_url":{"url":`), "data:"+typ+";base64,"+e.Data)
		b = append(b, `},"index":`...)
		if w.follow(c, atImages); !w.stream {
			b = append(strconv.AppendInt(b, int64(len(c.whole.images)), 10), '}')
			c.whole.images = append(c.whole.images, string(b))
			return dst
		}
		b = append(strconv.AppendInt(b, int64(c.images), 10), '}')
		c.images++
		dst = append(append(w.open(dst, c, `""`), `"images":[`...), b...)
		return w.shutDelta(append(dst, ']'))
	case !w.text && e.Kind == canon.MediaAudio && e.Data != "":
		if !w.stream {
			c.whole.sound = true
			if raw, err := base64.StdEncoding.DecodeString(e.Data); err == nil {
				c.whole.audio = append(c.whole.audio, raw...)
			}
			return dst
		}
		dst = append(w.open(dst, c, "null"), `"audio":{`...)
		if !c.sound {
			c.sound = true
			dst = append(jsonedit.AppendQuoted(append(dst, `"id":`...), w.audioID(c)), ',')
		}
		dst = jsonedit.AppendQuoted(append(dst, `"data":`...), e.Data)
		return w.shutDelta(append(dst, '}'))
	}
	w.lose(canon.Lost, canon.WhatAnswerMedia, "a chat has no form for "+string(e.Kind))
	return dst
}

func (w *writer) audioID(c *written) string {
	return "audio_" + strings.ReplaceAll(w.a.ID, "-", "") + strconv.Itoa(c.number)
}

// cite writes a source. Where it is not said what it supports, it is the whole block, whose end must
// be waited for.
func (w *writer) cite(dst []byte, c *written, e canon.Cited) []byte {
	if w.text || e.Citation.URL == "" {
		w.lose(canon.Lost, canon.WhatAnswerCitation, "a chat can cite web pages alone")
		return dst
	}
	if e.Citation.From == 0 && e.Citation.To == 0 {
		c.cites = append(c.cites, e)
		return dst
	}
	from, _ := c.span(e.Index)
	return w.annotate(dst, c, e.Citation, from+e.Citation.From, from+e.Citation.To)
}

// flushCites writes the sources of the blocks that are over: all but open; -1 for none.
func (w *writer) flushCites(dst []byte, c *written, open int) []byte {
	if len(c.cites) == 0 {
		return dst
	}
	var later []canon.Cited
	for _, e := range c.cites {
		if e.Index == open {
			later = append(later, e)
			continue
		}
		from, to := c.span(e.Index)
		dst = w.annotate(dst, c, e.Citation, from, to)
	}
	c.cites = later
	return dst
}

// span returns where a block of text begins and ends so far, in characters.
func (c *written) span(index int) (from, to int) {
	for i, b := range c.blocks {
		if b.index != index {
			continue
		}
		if i+1 < len(c.blocks) {
			return b.from, c.blocks[i+1].from
		}
		return b.from, c.runes
	}
	return c.runes, c.runes
}

func (w *writer) annotate(dst []byte, c *written, cite canon.Citation, from, to int) []byte {
	b := strconv.AppendInt([]byte(`{"type":"url_citation","url_citation":{"start_index":`), int64(from), 10)
	b = strconv.AppendInt(append(b, `,"end_index":`...), int64(to), 10)
	b = jsonedit.AppendQuoted(append(b, `,"url":`...), cite.URL)
	b = jsonedit.AppendQuoted(append(b, `,"title":`...), cite.Title)
	if cite.Text != "" {
		b = jsonedit.AppendQuoted(append(b, `,"content":`...), cite.Text)
	}
	b = append(b, "}}"...)
	if !w.stream {
		c.whole.cites = append(c.whole.cites, string(b))
		return dst
	}
	dst = append(append(w.open(dst, c, `""`), `"annotations":[`...), b...)
	return w.shutDelta(append(dst, ']'))
}
