package openairesponses

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/openai"
	"tollgate/internal/jsonedit"
)

// writer writes one answer: the events of a stream, or at the end the response object alone. Blocks become
// items of the output: texts and refusals that follow each other are parts of one message, everything else
// is an item of its own.
type writer struct {
	a      dialect.Answer
	sse    bool
	seq    int64
	base   string // what ids are made of
	echo   echo   // what the response repeats of its request
	begun  bool
	over   bool // the last event was written
	closed bool // and it ended the answer well

	items   []*outItem
	at      map[place]*outItem // open blocks
	message *outItem           // the open one
	lost    []canon.Loss

	stopped bool
	why     canon.Stop
	word    string // the upstream's own for it
	refused bool
	usage   *canon.Usage
}

// place is a block of the answer. A block may hold thoughts and text under one number, as a vendor sees fit.
type place struct {
	index int
	kind  itemKind
}

// NewWriter returns a writer of one answer.
func (*Protocol) NewWriter(a dialect.Answer) dialect.Writer {
	if a.Request == nil {
		a.Request = &canon.Request{Origin: canon.OpenAIResponses}
	}
	if a.Head.Op == canon.OpCountTokens {
		return &countWriter{}
	}
	return &writer{a: a, sse: a.Head.Stream, base: idBase(a.ID), at: map[place]*outItem{}}
}

// ResponseID is the id of the response to the call id.
func ResponseID(id string) string { return "resp_" + idBase(id) }

// idBase is what ids are made of: those of the items are told apart by their number behind it.
func idBase(id string) string { return strings.ReplaceAll(id, "-", "") }

// ContentType is that of a stream, or of JSON.
func (w *writer) ContentType() []string {
	if w.sse {
		return []string{"text/event-stream; charset=utf-8"}
	}
	return []string{"application/json"}
}

// Losses returns what could not be carried.
func (w *writer) Losses() []canon.Loss { return w.lost }

func (w *writer) lose(what canon.What, kind canon.LossKind, reason string) {
	if !slices.ContainsFunc(w.lost, func(l canon.Loss) bool { return l.What == what }) {
		w.lost = append(w.lost, canon.Loss{What: what, Kind: kind, Reason: reason})
	}
}

// Write appends what the client gets for e.
func (w *writer) Write(dst []byte, e canon.Event) []byte {
	if w.over {
		return dst
	}
	if choiceOf(e) != 0 {
		w.lose(canon.WhatAnswerChoice, canon.Lost, "a response is one answer")
		return dst
	}
	dst = w.start(dst)
	switch e := e.(type) {
	case canon.TextDelta:
		if e.Text != "" {
			dst = w.text(dst, e.Index, false, e.Text)
		}
	case canon.RefusalDelta:
		if e.Text != "" {
			w.refused = true
			dst = w.text(dst, e.Index, true, e.Text)
		}
	case canon.ReasoningDelta:
		dst = w.thought(dst, e)
	case canon.ToolStart:
		dst = w.tool(dst, e)
	case canon.ToolDelta:
		if it := w.at[place{e.Index, callItem}]; it != nil {
			dst = w.arguments(dst, it, e.JSON)
		}
	case canon.MediaDelta:
		dst = w.media(dst, e)
	case canon.Cited:
		dst = w.cite(dst, e)
	case canon.HostedUse:
		dst = w.hosted(dst, e)
	case canon.TokenProbs:
		if p := w.part(e.Index); p != nil && w.a.Request.LogProbs != nil {
			p.probs = append(p.probs, e.Tokens...)
		}
	case canon.BlockEnd:
		dst = w.blockEnd(dst, e.Index)
	case canon.Stopped:
		w.stopped, w.why, w.word = true, e.Why, e.Raw
	case canon.Used:
		u := e.Usage
		w.usage = &u
	case canon.Failed:
		if w.sse {
			dst = w.Fail(dst, e.Err)
		}
	case canon.Other:
		if e.Content && w.a.Origin != canon.OpenAIResponses {
			w.lose(canon.WhatAnswerOther, canon.Lost, "a response has nothing like it")
		}
	case canon.Embedding:
		w.lose(canon.WhatAnswerOther, canon.Lost, "a response holds no embeddings")
	}
	return dst
}

// choiceOf is the alternative that e belongs to.
func choiceOf(e canon.Event) int {
	switch e := e.(type) {
	case canon.TextDelta:
		return e.Choice
	case canon.ReasoningDelta:
		return e.Choice
	case canon.RefusalDelta:
		return e.Choice
	case canon.ToolStart:
		return e.Choice
	case canon.ToolDelta:
		return e.Choice
	case canon.MediaDelta:
		return e.Choice
	case canon.Cited:
		return e.Choice
	case canon.HostedUse:
		return e.Choice
	case canon.TokenProbs:
		return e.Choice
	case canon.BlockEnd:
		return e.Choice
	case canon.Stopped:
		return e.Choice
	}
	return 0
}

// start appends the events that open a response.
func (w *writer) start(dst []byte) []byte {
	if w.begun {
		return dst
	}
	w.begun = true
	w.echo = newEcho(&w.a)
	if !w.sse {
		return dst
	}
	for _, typ := range [...]string{"response.created", "response.in_progress"} {
		dst = w.begin(dst, typ)
		dst = append(dst, `,"response":`...)
		dst = w.response(dst, "in_progress", nil)
		dst = end(dst)
	}
	return dst
}

// begin appends the beginning of an event, up to its sequence number.
func (w *writer) begin(dst []byte, typ string) []byte {
	dst = append(dst, "event: "...)
	dst = append(dst, typ...)
	dst = append(dst, "\ndata: {\"type\":\""...)
	dst = append(dst, typ...)
	dst = append(dst, `","sequence_number":`...)
	dst = strconv.AppendInt(dst, w.seq, 10)
	w.seq++
	return dst
}

func end(dst []byte) []byte { return append(dst, "}\n\n"...) }

// placeItem appends which item an event is about.
func placeItem(dst []byte, it *outItem) []byte {
	dst = append(dst, `,"item_id":"`...)
	dst = append(dst, it.id...)
	dst = append(dst, `","output_index":`...)
	return strconv.AppendInt(dst, int64(it.number), 10)
}

// within is placeItem with the number of a part of the item.
func within(dst []byte, it *outItem, member string, n int) []byte {
	dst = placeItem(dst, it)
	dst = append(dst, `,"`...)
	dst = append(dst, member...)
	dst = append(dst, `":`...)
	return strconv.AppendInt(dst, int64(n), 10)
}

// add opens an item of the output.
func (w *writer) add(dst []byte, it *outItem) []byte {
	it.number = len(w.items)
	it.id = it.prefix() + w.base + hexByte(it.number)
	w.items = append(w.items, it)
	if !w.sse {
		return dst
	}
	dst = w.begin(dst, "response.output_item.added")
	dst = append(dst, `,"output_index":`...)
	dst = strconv.AppendInt(dst, int64(it.number), 10)
	dst = append(dst, `,"item":`...)
	dst = it.append(dst, "in_progress")
	return end(dst)
}

// hexByte is n in at least two hexadecimal digits.
func hexByte(n int) string {
	s := strconv.FormatInt(int64(n), 16)
	if len(s) < 2 {
		return "0" + s
	}
	return s
}

// done closes an item of the output.
func (w *writer) done(dst []byte, it *outItem) []byte {
	if it.over {
		return dst
	}
	it.over = true
	for p, open := range w.at {
		if open == it {
			delete(w.at, p)
		}
	}
	if !w.sse {
		return dst
	}
	dst = w.begin(dst, "response.output_item.done")
	dst = append(dst, `,"output_index":`...)
	dst = strconv.AppendInt(dst, int64(it.number), 10)
	dst = append(dst, `,"item":`...)
	dst = it.append(dst, "completed")
	return end(dst)
}

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

// settle closes what a new block ends: the open message, unless the block goes on with it, and open
// thoughts. Calls stay open, as their pieces may come by turns.
func (w *writer) settle(dst []byte, next *outItem) []byte {
	if w.message != nil && next != nil {
		dst = w.endPart(dst, w.message)
		dst = w.done(dst, w.message)
		w.message = nil
	}
	for _, it := range w.items {
		if it.kind == reasoningItem && !it.over && it != next {
			dst = w.endThought(dst, it)
		}
	}
	return dst
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

// blockEnd closes a block. A message stays open for a text that follows.
func (w *writer) blockEnd(dst []byte, index int) []byte {
	if it := w.at[place{index, reasoningItem}]; it != nil {
		dst = w.endThought(dst, it)
	}
	if it := w.at[place{index, callItem}]; it != nil {
		dst = w.endCall(dst, it)
	}
	if it := w.at[place{index, imageItem}]; it != nil {
		dst = w.done(dst, it)
	}
	if w.part(index) != nil {
		dst = w.endPart(dst, w.message)
	}
	return dst
}

// finish closes everything that is still open.
func (w *writer) finish(dst []byte) []byte {
	for _, it := range w.items {
		if it.over {
			continue
		}
		switch it.kind {
		case reasoningItem:
			dst = w.endThought(dst, it)
		case callItem:
			dst = w.endCall(dst, it)
		case messageItem:
			dst = w.endPart(dst, it)
			dst = w.done(dst, it)
		case webItem, codeItem:
			dst = w.endHosted(dst, it)
		case imageItem:
			dst = w.done(dst, it)
		}
	}
	w.message = nil
	return dst
}

// ending is the status of the response and why it is incomplete, by why the upstream stopped.
func (w *writer) ending() (status, reason string) {
	switch w.why {
	case canon.StopLength:
		return "incomplete", "max_output_tokens"
	case canon.StopFilter:
		return "incomplete", "content_filter"
	case canon.StopRefusal:
		if !w.refused { // it broke off without a word
			return "incomplete", "content_filter"
		}
	case canon.StopCancelled, canon.StopOther:
		if w.word == "" {
			return "incomplete", string(w.why)
		}
		return "incomplete", w.word
	case canon.StopEnd, canon.StopTools, canon.StopSequence, canon.StopPause:
	}
	return "completed", ""
}

// Close appends the last event, or the whole answer.
func (w *writer) Close(dst []byte) []byte {
	if w.over {
		return dst
	}
	mark := len(dst)
	dst = w.start(dst)
	dst = w.finish(dst)
	w.over, w.closed = true, true
	status, _ := w.ending()
	if !w.sse {
		return w.response(dst[:mark], status, nil)
	}
	dst = w.begin(dst, "response."+status)
	dst = append(dst, `,"response":`...)
	dst = w.response(dst, status, nil)
	return end(dst)
}

// Fail appends the two events with which OpenAI itself breaks off; see AppendStreamError.
func (w *writer) Fail(dst []byte, e *canon.Error) []byte {
	if w.over || !w.sse {
		return dst
	}
	dst = w.start(dst)
	w.over = true
	b := openai.Body(e)
	dst = append(dst, "event: error\n"...)
	dst = openai.AppendData(dst, errorEvent{Type: "error", Sequence: int(w.seq), Code: b.Code, Message: b.Message, Param: b.Param, Error: b})
	w.seq++
	code := "server_error"
	if b.Code != nil {
		code = *b.Code
	}
	dst = w.begin(dst, "response.failed")
	dst = append(dst, `,"response":`...)
	dst = w.response(dst, "failed", &responseError{Code: code, Message: b.Message})
	return end(dst)
}

// countWriter writes the count of a request's tokens.
type countWriter struct{ n int64 }

func (*countWriter) ContentType() []string { return []string{"application/json"} }

func (w *countWriter) Write(dst []byte, e canon.Event) []byte {
	if u, ok := e.(canon.Used); ok {
		w.n = u.Usage.In()
	}
	return dst
}

func (w *countWriter) Close(dst []byte) []byte {
	dst = append(dst, `{"object":"response.input_tokens","input_tokens":`...)
	dst = strconv.AppendInt(dst, w.n, 10)
	return append(dst, '}')
}

func (*countWriter) Fail(dst []byte, _ *canon.Error) []byte { return dst }

func (*countWriter) Losses() []canon.Loss { return nil }
