package openairesponses

import (
	"unicode/utf8"

	"tollgate/internal/canon"
	"tollgate/internal/jsonedit"
)

// text appends a piece of text, or of a refusal.
func (w *writer) text(dst []byte, index int, refusal bool, s string) []byte {
	p := w.part(index)
	if p == nil || p.refusal != refusal || p.over {
		dst = w.settle(dst, nil)
		if w.message == nil {
			w.message = &outItem{kind: messageItem}
			dst = w.add(dst, w.message)
		}
		dst = w.endPart(dst, w.message)
		p = &outPart{block: index, refusal: refusal}
		w.message.parts = append(w.message.parts, p)
		w.at[place{index, messageItem}] = w.message
		if w.sse {
			dst = w.begin(dst, "response.content_part.added")
			dst = within(dst, w.message, "content_index", len(w.message.parts)-1)
			dst = append(dst, `,"part":`...)
			dst = p.append(dst)
			dst = end(dst)
		}
	}
	p.runes += utf8.RuneCountInString(s)
	switch {
	case s == "": // only to have the part
		return dst
	case !w.sse:
		p.text = appendEscaped(p.text, s)
		return dst
	}
	typ := "response.output_text.delta"
	if refusal {
		typ = "response.refusal.delta"
	}
	dst = w.begin(dst, typ)
	dst = within(dst, w.message, "content_index", len(w.message.parts)-1)
	dst = append(dst, `,"delta":`...)
	from := len(dst)
	dst = jsonedit.AppendQuoted(dst, s)
	p.text = append(p.text, dst[from+1:len(dst)-1]...)
	if !refusal {
		dst = append(dst, `,"logprobs":[]`...)
	}
	return end(dst)
}

// appendEscaped appends the inside of s as a JSON string.
func appendEscaped(dst []byte, s string) []byte {
	from := len(dst)
	dst = jsonedit.AppendQuoted(dst, s)
	copy(dst[from:], dst[from+1:])
	return dst[:len(dst)-2]
}

// part returns the part of the open message that the block index is written to; nil if there is none.
func (w *writer) part(index int) *outPart {
	if w.message == nil || w.at[place{index, messageItem}] != w.message {
		return nil
	}
	p := w.message.parts[len(w.message.parts)-1]
	if p.block != index {
		return nil
	}
	return p
}

// endPart closes the last part of a message.
func (w *writer) endPart(dst []byte, it *outItem) []byte {
	n := len(it.parts)
	if n == 0 || it.parts[n-1].over {
		return dst
	}
	p := it.parts[n-1]
	for _, c := range p.whole {
		if c.To == 0 {
			c.To = p.runes
		}
		dst = w.annotate(dst, it, p, c)
	}
	p.whole, p.over = nil, true
	if !w.sse {
		return dst
	}
	typ, member := "response.output_text.done", `,"text":"`
	if p.refusal {
		typ, member = "response.refusal.done", `,"refusal":"`
	}
	dst = w.begin(dst, typ)
	dst = within(dst, it, "content_index", n-1)
	dst = append(dst, member...)
	dst = append(dst, p.text...)
	dst = append(dst, '"')
	if !p.refusal {
		dst = append(dst, `,"logprobs":`...)
		dst = appendProbs(dst, p.probs)
	}
	dst = end(dst)
	dst = w.begin(dst, "response.content_part.done")
	dst = within(dst, it, "content_index", n-1)
	dst = append(dst, `,"part":`...)
	dst = p.append(dst)
	return end(dst)
}

// thought appends a piece of reasoning.
func (w *writer) thought(dst []byte, e canon.ReasoningDelta) []byte {
	if e.Text == "" && e.Seal == "" {
		return dst
	}
	it := w.at[place{e.Index, reasoningItem}]
	if it == nil {
		it = &outItem{kind: reasoningItem}
		dst = w.settle(dst, it)
		w.at[place{e.Index, reasoningItem}] = it
		dst = w.add(dst, it)
	}
	it.seal += e.Seal
	if e.Text == "" {
		return dst
	}
	if len(it.text) == 0 && w.sse {
		dst = w.begin(dst, "response.reasoning_summary_part.added")
		dst = within(dst, it, "summary_index", 0)
		dst = append(dst, `,"part":{"type":"summary_text","text":""}`...)
		dst = end(dst)
	}
	if !w.sse {
		it.text = appendEscaped(it.text, e.Text)
		return dst
	}
	dst = w.begin(dst, "response.reasoning_summary_text.delta")
	dst = within(dst, it, "summary_index", 0)
	dst = append(dst, `,"delta":`...)
	from := len(dst)
	dst = jsonedit.AppendQuoted(dst, e.Text)
	it.text = append(it.text, dst[from+1:len(dst)-1]...)
	return end(dst)
}

func (w *writer) endThought(dst []byte, it *outItem) []byte {
	it.seal = canon.WrapSeal(w.a.Origin, canon.OpenAIResponses, it.seal)
	if w.sse && len(it.text) > 0 {
		dst = w.begin(dst, "response.reasoning_summary_text.done")
		dst = within(dst, it, "summary_index", 0)
		dst = append(dst, `,"text":"`...)
		dst = append(dst, it.text...)
		dst = append(dst, '"')
		dst = end(dst)
		dst = w.begin(dst, "response.reasoning_summary_part.done")
		dst = within(dst, it, "summary_index", 0)
		dst = append(dst, `,"part":{"type":"summary_text","text":"`...)
		dst = append(dst, it.text...)
		dst = append(dst, `"}`...)
		dst = end(dst)
	}
	return w.done(dst, it)
}
