package openairesponses

import (
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
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
		dst = w.stop(dst, e)
	case canon.Used:
		u := e.Usage
		if w.usage = &u; len(e.Beside) > 0 {
			w.lose(canon.WhatAnswerUsage, canon.Lost, canon.LostUsage(e.Beside).Reason)
		}
	case canon.Failed:
		if w.sse {
			dst = w.Fail(dst, e.Err)
		}
	case canon.Other:
		switch home := w.a.Origin == canon.OpenAIResponses; {
		case !e.Content && !e.Aside:
		case home && len(e.Raw) > 0 && strings.HasPrefix(e.Name, "item."):
			it := &outItem{kind: ownItem, own: oneLine(e.Raw)}
			dst = w.done(w.add(w.settle(dst, it), it), it)
		case home && (strings.HasPrefix(e.Name, "item.") || strings.HasPrefix(e.Name, "response.")): // the item comes whole
		default:
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
	if it.id == "" {
		it.id = it.prefix() + w.base + hexByte(it.number)
	}
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
