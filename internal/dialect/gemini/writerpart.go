package gemini

import (
	"tollgate/internal/canon"
)

// appendPart appends a part of text to a list of parts.
func appendPart(dst []byte, seal, text string) []byte {
	if len(dst) > 0 {
		dst = append(dst, ',')
	}
	return appendText(dst, seal, text, false)
}

func appendText(dst []byte, seal, text string, thought bool) []byte {
	dst = appendString(append(dst, `{"text":`...), text)
	if thought {
		dst = append(dst, `,"thought":true`...)
	}
	return append(appendSeal(dst, seal), '}')
}

// appendSeal appends the signature as a further member.
func appendSeal(dst []byte, seal string) []byte {
	if seal == "" {
		return dst
	}
	return appendString(append(dst, `,"thoughtSignature":`...), seal)
}

// take returns the signature for the part that begins, which may be a call.
func (c *saying) take(call bool) string {
	if c.own != "" {
		s := c.own
		c.own = ""
		return s
	}
	envelopes := c.sealed
	if call {
		envelopes = append(c.unsealed, c.sealed...)
		c.unsealed = nil
	}
	if len(envelopes) == 0 {
		return ""
	}
	c.sealed = nil
	return signature(envelopes)
}

// flushOpen ends the part of an answer that is not streamed to which text was added.
func (c *saying) flushOpen() {
	if c.open == 0 {
		return
	}
	if len(c.parts) > 0 {
		c.parts = append(c.parts, ',')
	}
	text := c.text[c.from:]
	if c.open == kindThought {
		text = c.hidden
	}
	c.parts = appendText(c.parts, c.seal, string(text), c.open == kindThought)
	c.open, c.seal, c.hidden = 0, "", c.hidden[:0]
}

// text writes visible text. Without a stream, all that is said in a row is one part.
func (w *answering) text(dst []byte, c *saying, index int, text string) []byte {
	w.mindEnds(c)
	dst = w.flushCalls(dst, c, true) // who speaks on has said all of them
	seal := ""
	if c.own != "" || len(c.sealed) > 0 {
		seal = c.take(false)
	}
	if text == "" && seal == "" {
		return dst
	}
	if w.framer == nil && (c.open != kindText || seal != "") {
		c.flushOpen()
		c.open, c.seal, c.from = kindText, seal, len(c.text)
		c.count++
	}
	if n := len(c.blocks); n == 0 || c.blocks[n-1].index != index {
		b := spoken{index: index, from: len(c.text)}
		if w.framer == nil {
			b.part, b.base = c.count-1, c.from
		}
		c.blocks = append(c.blocks, b)
	}
	c.text = append(c.text, text...)
	if w.framer == nil {
		return dst
	}
	return w.add(dst, c, func(b []byte) []byte { return appendText(b, seal, text, false) })
}

// thought writes what the model thinks. Google's own signatures stay what they are; what another dialect
// thought waits as an envelope for the part that follows.
func (w *answering) thought(dst []byte, c *saying, e canon.ReasoningDelta) []byte {
	if !w.home {
		if c.mind.open && c.mind.index != e.Index {
			w.mindEnds(c)
		}
		c.mind.open, c.mind.index = true, e.Index
		c.mind.text = append(c.mind.text, e.Text...)
		c.mind.seal += e.Seal
		if e.Text == "" || !w.shown {
			return dst
		}
		return w.showThought(dst, c, e.Text, "")
	}
	if origin, inner := canon.UnwrapSeal(canon.Gemini, e.Seal); origin != canon.Gemini { // from a gateway like this one
		c.sealed = append(c.sealed, envelope(origin, inner, e.Text))
		return dst
	}
	if e.Text == "" {
		if c.own != "" { // nothing came of the one before
			seal := c.take(false)
			dst = w.add(dst, c, func(b []byte) []byte { return appendText(b, seal, "", false) })
		}
		c.own = e.Seal
		return dst
	}
	return w.showThought(dst, c, e.Text, e.Seal)
}

func (w *answering) showThought(dst []byte, c *saying, text, seal string) []byte {
	dst = w.flushCalls(dst, c, true)
	if w.framer == nil {
		if c.open != kindThought || c.seal != "" {
			c.flushOpen()
			c.open = kindThought
			c.count++
		}
		c.seal = seal
		c.hidden = append(c.hidden, text...)
		return dst
	}
	return w.add(dst, c, func(b []byte) []byte { return appendText(b, seal, text, true) })
}

// mindEnds makes an envelope of the block of thoughts that is open. Only now can be told whether thoughts that
// the caller did not ask for are lost: a seal, which comes last, takes them home with it. Nothing is late by
// that: a stream's headers have left by its first content, so what an answer loses is told by the record of the
// call, which is written when all of it is known.
func (w *answering) mindEnds(c *saying) {
	if !c.mind.open {
		return
	}
	switch line := envelope(w.a.Origin, c.mind.seal, string(c.mind.text)); {
	case c.mind.seal != "":
		c.sealed = append(c.sealed, line)
	case line != "":
		c.unsealed = append(c.unsealed, line)
		if !w.shown {
			w.note(canon.LostAt(canon.WhatAnswerReasoning, "", "the caller did not ask for thoughts (includeThoughts)"))
		}
	}
	c.mind = thinking{text: c.mind.text[:0]}
}

// media writes what the model drew or said aloud.
func (w *answering) media(dst []byte, c *saying, e canon.MediaDelta) []byte {
	if e.Data == "" {
		return dst
	}
	w.mindEnds(c)
	dst = w.flushCalls(dst, c, true)
	seal, mime := c.take(false), e.MIME
	if mime == "" {
		mime = "application/octet-stream"
	}
	return w.add(dst, c, func(b []byte) []byte {
		b = appendString(append(b, `{"inlineData":{"mimeType":`...), mime)
		b = append(appendString(append(b, `,"data":`...), e.Data), '}')
		return append(appendSeal(b, seal), '}')
	})
}
