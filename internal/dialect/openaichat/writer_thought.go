package openaichat

import (
	"strconv"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/jsonedit"
)

// think writes a thought as reasoning_content (DeepSeek's), and its seal as an entry of reasoning_details
// (OpenRouter's), which carries the text that it seals along.
func (w *writer) think(dst []byte, c *written, e canon.ReasoningDelta) []byte {
	if w.text {
		w.lose(canon.Lost, canon.WhatAnswerReasoning, "a completion has no place for thoughts")
		return dst
	}
	switch forCall := e.Text == "" && c.texts[e.Index] == nil && w.signs(e.Seal); {
	case e.Text == "" && e.Seal == "":
		return dst
	case !forCall || c.stage == atThoughts:
		w.follow(c, atThoughts)
	default:
		c.ahead = true
	}
	if e.Text != "" {
		said := e.Text
		if c.thought >= 0 && c.thought != e.Index {
			said = "\n\n" + said
		}
		c.thought = e.Index
		if c.texts == nil {
			c.texts = map[int]*strings.Builder{}
		}
		if c.texts[e.Index] == nil {
			c.texts[e.Index] = &strings.Builder{}
		}
		c.texts[e.Index].WriteString(e.Text)
		if w.stream {
			dst = append(w.open(dst, c, `""`), `"reasoning_content":`...)
			dst = w.shutDelta(jsonedit.AppendQuoted(dst, said))
		} else {
			c.whole.reasoning.WriteString(said)
		}
	}
	if e.Seal == "" {
		return dst
	}
	text := ""
	if b := c.texts[e.Index]; b != nil {
		text = b.String()
		delete(c.texts, e.Index)
	}
	if text == "" && w.signs(e.Seal) {
		c.seal = canon.WrapSeal(w.a.Origin, canon.OpenAIChat, e.Seal)
		if w.a.Origin == canon.OpenAIChat {
			return dst // at the call alone, as it came
		}
	}
	entry := w.entry(e.Seal, text, c.details)
	c.details++
	if !w.stream {
		c.whole.details = append(c.whole.details, string(entry))
		return dst
	}
	dst = append(append(w.open(dst, c, `""`), `"reasoning_details":[`...), entry...)
	return w.shutDelta(append(dst, ']'))
}

// signs reports whether a seal without a thought is Google's signature, which belongs to the call that follows.
func (w *writer) signs(seal string) bool {
	return w.a.Origin == canon.Gemini || w.a.Origin == canon.OpenAIChat && strings.HasPrefix(seal, `{"google"`)
}

// entry makes an entry of reasoning_details.
func (w *writer) entry(seal, text string, index int) []byte {
	if w.a.Origin == canon.OpenAIChat && strings.HasPrefix(seal, "{") {
		return unseal(seal, text)
	}
	return sealEntry(canon.WrapSeal(w.a.Origin, canon.OpenAIChat, seal), text, index)
}

// sealEntry returns an entry of reasoning_details for a seal that is none of OpenRouter's.
func sealEntry(seal, text string, index int) []byte {
	b := []byte(`{"type":"reasoning.encrypted","data":`)
	if text != "" {
		b = jsonedit.AppendQuoted([]byte(`{"type":"reasoning.text","text":`), text)
		b = append(b, `,"signature":`...)
	}
	b = jsonedit.AppendQuoted(b, seal)
	b = append(b, `,"format":"unknown","index":`...)
	return append(strconv.AppendInt(b, int64(index), 10), '}')
}
