package anthropic

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"tollgate/internal/canon"
	"tollgate/internal/jsonedit"
)

// block is a content block on its way to the client.
type block struct {
	kind  blockKind
	index int // of its events
	done  bool

	id, name string
	custom   bool
	json     balance
	raw      string // of a blockRaw: all of it
	input    string // and the input that follows it, in a stream

	held []held // what came while it waits
}

// blockKind sorts blocks.
type blockKind byte

const (
	blockText blockKind = iota
	blockThinking
	blockTool
	blockRaw
)

// held is one delta that waits.
type held struct {
	kind deltaKind
	text string
}

type deltaKind byte

const (
	deltaText deltaKind = iota
	deltaThinking
	deltaSignature
	deltaInput
	deltaCitation
)

// yields reports whether the block can be ended when another one wants to begin: text and thoughts can
// always go on in a new block, a call not before it is whole.
func (b *block) yields() bool { return b.done || b.kind != blockTool || b.json.whole() }

// blockKey names a block by what its events say.
type blockKey struct {
	kind  blockKind
	index int
}

// find returns the block of that kind and index that is open or waits, and goes on.
func (w *writer) find(kind blockKind, index int) *block { return w.live[blockKey{kind, index}] }

// begin puts b in line. A block of the same kind and index before it is over.
func (w *writer) begin(dst []byte, b *block) []byte {
	if !b.done {
		w.finished(b.kind, b.index)
		if w.live == nil {
			w.live = map[blockKey]*block{}
		}
		w.live[blockKey{b.kind, b.index}] = b
	}
	w.queue = append(w.queue, b)
	return w.advance(dst)
}

// finished marks the block of that kind and index, if there is one, as one that nothing more comes for.
func (w *writer) finished(kind blockKind, index int) {
	key := blockKey{kind, index}
	if b := w.live[key]; b != nil {
		b.done = true
		delete(w.live, key)
	}
}

// advance opens what waits, as far as what is open lets it.
func (w *writer) advance(dst []byte) []byte {
	for len(w.queue) > 0 && (w.cur == nil || w.cur.yields() || w.held > maxHeld) {
		dst = w.closeBlock(dst)
		b := w.queue[0]
		w.queue = w.queue[1:]
		w.cur = b
		dst = w.out.open(dst, b)
		for _, h := range b.held {
			w.held -= len(h.text)
			dst = w.out.delta(dst, h.kind, h.text)
		}
		b.held = nil
		if b.done {
			dst = w.closeBlock(dst)
		}
	}
	return dst
}

// closeBlock ends what is open. A thought that nobody signed is signed with its origin, so that the
// client sends it back and we know where it belongs.
func (w *writer) closeBlock(dst []byte) []byte {
	b := w.cur
	if b == nil {
		return dst
	}
	w.cur = nil
	if w.live[blockKey{b.kind, b.index}] == b {
		w.finished(b.kind, b.index)
	}
	if b.kind == blockThinking && !w.out.signed && w.a.Origin != canon.Anthropic {
		dst = w.out.delta(dst, deltaSignature, canon.MarkSeal(w.a.Origin, canon.Anthropic, ""))
	}
	if b.custom && b.json.began {
		dst = w.out.delta(dst, deltaInput, "}")
	}
	if !w.out.stream && b.kind == blockTool {
		w.out.args = w.object(w.out.args)
	}
	return w.out.close(dst, b)
}

// object returns the arguments of a call as a JSON object.
func (w *writer) object(args []byte) []byte {
	text := strings.TrimSpace(string(args))
	switch {
	case text == "", text == "null":
		return []byte("{}")
	case text[0] == '{' && utf8.ValidString(text) && json.Valid([]byte(text)):
		return args
	}
	w.lose(canon.ChangedAt(canon.WhatToolArguments, "", "the model wrote arguments that are no JSON object; they are wrapped into one"))
	return canon.CustomArguments(jsonedit.Quote(text))
}

// flush ends all blocks.
func (w *writer) flush(dst []byte) []byte {
	for w.cur != nil || len(w.queue) > 0 {
		if w.cur != nil {
			w.cur.done = true
		}
		dst = w.advance(dst)
		if len(w.queue) == 0 {
			dst = w.closeBlock(dst)
		}
	}
	return dst
}

// put adds a delta to a block that is open or waits.
func (w *writer) put(dst []byte, b *block, kind deltaKind, text string) []byte {
	if b == w.cur {
		return w.out.delta(dst, kind, text)
	}
	w.held += len(text)
	b.held = append(b.held, held{kind, text})
	return dst
}

func (w *writer) blockEnd(dst []byte, index int) []byte {
	for _, kind := range [...]blockKind{blockText, blockThinking, blockTool} {
		w.finished(kind, index)
	}
	if w.cur != nil && w.cur.index == index {
		dst = w.closeBlock(dst)
	}
	return w.advance(dst)
}

func (w *writer) text(dst []byte, index int, text string) []byte {
	dst = w.start(dst)
	b := w.find(blockText, index)
	if b == nil {
		b = &block{kind: blockText, index: index}
		dst = w.begin(dst, b)
	}
	return w.put(dst, b, deltaText, text)
}

// reasoning writes thoughts. A seal ends them: clients keep one signature a block.
func (w *writer) reasoning(dst []byte, e canon.ReasoningDelta) []byte {
	if e.Text == "" && e.Seal == "" {
		return dst
	}
	dst = w.start(dst)
	if data, ok := strings.CutPrefix(e.Seal, redactedMark); ok && w.a.Origin == canon.Anthropic && e.Text == "" {
		raw := append([]byte(`{"type":"redacted_thinking","data":`), jsonedit.Quote(data)...)
		return w.begin(dst, &block{kind: blockRaw, index: e.Index, raw: string(append(raw, '}')), done: true})
	}
	b := w.find(blockThinking, e.Index)
	if b == nil {
		b = &block{kind: blockThinking, index: e.Index}
		dst = w.begin(dst, b)
	}
	if e.Text != "" && !w.hidden {
		dst = w.put(dst, b, deltaThinking, e.Text)
	}
	if e.Seal == "" {
		return dst
	}
	dst = w.put(dst, b, deltaSignature, canon.WrapSeal(w.a.Origin, canon.Anthropic, e.Seal))
	w.finished(blockThinking, e.Index)
	if b == w.cur {
		dst = w.closeBlock(dst)
	}
	return w.advance(dst)
}

// call opens a call. Its id comes back with the result; one that clients would refuse, or that another
// call has, is replaced.
func (w *writer) call(e canon.ToolStart) *block {
	if w.ids == nil {
		w.ids = map[string]int{}
	}
	id := e.ID
	if id == "" {
		id = "toolu_" + w.id + "_" + strconv.Itoa(w.calls)
	}
	w.calls++
	if e.Custom {
		w.lose(canon.ChangedAt(canon.WhatToolCustom, "", "a call with free text is one with a string here"))
	}
	return &block{kind: blockTool, index: e.Index, id: uniqueID(id, w.ids), name: e.Name, custom: e.Custom}
}

func (w *writer) arguments(dst []byte, e canon.ToolDelta) []byte {
	if e.JSON == "" {
		return dst
	}
	b := w.find(blockTool, e.Index)
	if b == nil {
		if strings.TrimSpace(e.JSON) != "" {
			w.lose(canon.LostAt(canon.WhatToolArguments, "", "arguments came for a call that had not begun or was whole"))
		}
		return dst
	}
	text := e.JSON
	if b.custom && !b.json.began {
		text = `{"input":` + text
	}
	b.json.feed(e.JSON)
	dst = w.put(dst, b, deltaInput, text)
	return w.advance(dst)
}

// cite adds a source to the text that is open.
func (w *writer) cite(dst []byte, e canon.Cited) []byte {
	c := e.Citation
	if c.URL != "" {
		w.sources = append(w.sources, c)
	}
	b := w.find(blockText, e.Index)
	if b == nil && w.cur != nil && w.cur.kind == blockText {
		b = w.cur
	}
	own := w.a.Origin == canon.Anthropic && c.Raw != nil
	if b == nil || c.URL == "" && !own {
		w.lose(canon.LostAt(canon.WhatAnswerCitation, "", "sources are cited by their URL, at the text that they support"))
		return dst
	}
	if !own && (c.From != 0 || c.To != 0) {
		w.lose(canon.ChangedAt(canon.WhatAnswerCitation, "", "a source supports all of a block of text"))
	}
	return w.put(dst, b, deltaCitation, string(appendCitation(nil, c, w.a.Origin)))
}

// ownCitation stands where Anthropic has a cipher, in citations that it did not make and must not see
// again: ReadRequest leaves them out.
const ownCitation = "tollgate"

func appendCitation(dst []byte, c canon.Citation, origin canon.Dialect) []byte {
	if origin == canon.Anthropic && c.Raw != nil {
		return append(dst, c.Raw...)
	}
	dst = append(dst, `{"type":"web_search_result_location","cited_text":`...)
	dst = jsonedit.AppendQuoted(dst, c.Text)
	dst = append(dst, `,"url":`...)
	dst = jsonedit.AppendQuoted(dst, c.URL)
	dst = append(dst, `,"title":`...)
	dst = appendOrNull(dst, c.Title)
	return append(dst, `,"encrypted_index":"`+ownCitation+`"}`...)
}

func appendOrNull(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return jsonedit.AppendQuoted(dst, s)
}

// balance follows JSON as it comes, to tell when its object is whole.
type balance struct {
	depth                  int
	began, quoted, escaped bool
}

func (b *balance) whole() bool { return b.began && b.depth == 0 && !b.quoted }

func (b *balance) feed(s string) {
	for i := range len(s) {
		c := s[i]
		switch {
		case b.escaped:
			b.escaped = false
		case b.quoted:
			b.escaped = c == '\\'
			b.quoted = c != '"'
		case c == '"':
			b.quoted, b.began = true, true
		case c == '{', c == '[':
			b.depth++
			b.began = true
		case c == '}', c == ']':
			b.depth--
		}
	}
}
