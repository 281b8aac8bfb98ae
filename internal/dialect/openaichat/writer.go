package openaichat

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/openai"
	"tollgate/internal/jsonedit"
)

// NewWriter returns a writer of one answer to a client of this dialect.
func (*Protocol) NewWriter(a dialect.Answer) dialect.Writer {
	w := &writer{a: a, legacy: isLegacy(a.Request), stream: a.Head.Stream}
	id := strings.ReplaceAll(a.ID, "-", "")
	object := "chat.completion"
	w.id = "chatcmpl-" + id
	switch {
	case a.Head.Op == canon.OpComplete:
		w.text, w.id, object = true, "cmpl-"+id, "text_completion"
	case w.stream:
		object = "chat.completion.chunk"
	}
	w.head = append(w.head, `{"id":`...)
	w.head = jsonedit.AppendQuoted(w.head, w.id)
	w.head = append(append(append(w.head, `,"object":"`...), object...), `","created":`...)
	w.head = strconv.AppendInt(w.head, a.Created.Unix(), 10)
	w.head = jsonedit.AppendQuoted(append(w.head, `,"model":`...), a.Model)
	w.head = append(w.head, `,"choices":[`...)
	return w
}

// writer writes one answer: each event as a chunk, or, of an answer that is not streamed, all of them at
// the end as one object.
type writer struct {
	a      dialect.Answer
	id     string
	head   []byte // what every chunk begins with, up to its choices
	stream bool
	text   bool // a legacy completion
	legacy bool // function_call instead of tool_calls

	choices []*written
	vectors []canon.Embedding
	usage   canon.Usage
	used    bool
	calls   int // made ids are counted by it
	lost    []canon.Loss
}

// written is one alternative, as far as it has been written.
type written struct {
	number  int
	begun   bool // its first chunk was sent
	stopped bool
	finish  string
	met     string // stop sequence

	calls   []*writtenCall
	blocks  []textBlock
	runes   int                      // characters of all text so far
	thought int                      // block of the last thought
	texts   map[int]*strings.Builder // thoughts by block, as a seal takes its text along
	seal    string                   // Google's signature for the call that comes next
	details int                      // entries of reasoning_details so far
	images  int                      // pictures so far
	sound   bool                     // the id of the sound was sent
	refused bool
	cites   []canon.Cited // that wait for the end of their block

	whole *wholeMessage // of an answer that is not streamed
	stage stage         // the last place of it that something was written to
	ahead bool          // a seal has come that is in its order only if a call follows
}

// stage is a place of a message, in the order in which all messages have them.
type stage byte

const (
	atThoughts stage = iota
	atText
	atRefusal
	atImages
	atCalls
)

// follow notes that the next thing belongs at s. Chunks come in any order, a message has one of its own.
func (w *writer) follow(c *written, s stage) {
	if w.stream {
		return
	}
	if s < c.stage || c.ahead {
		w.lose(canon.Changed, canon.WhatAnswerOrder, "a message that is not streamed holds what was thought, said and called apart")
	}
	c.stage, c.ahead = max(c.stage, s), false
}

// textBlock is where a block of text began, in characters.
type textBlock struct{ index, from int }

// writtenCall is one tool call.
type writtenCall struct {
	index  int // the block
	number int // among the calls
	custom bool
	said   bool // some of its input has come
	lost   bool // a second call, which the client's older form can't have
	text   canon.CustomText

	id, name, signed string
	args             strings.Builder // of an answer that is not streamed
}

// wholeMessage collects a message that is not streamed.
type wholeMessage struct {
	content, reasoning, refusal strings.Builder
	said                        bool
	details, cites, images      []string
	audio                       []byte // decoded
	sound                       bool
	probs                       []canon.TokenProb
}

// ContentType is the value of the answer's Content-Type header.
func (w *writer) ContentType() []string {
	if w.stream {
		return []string{"text/event-stream; charset=utf-8"}
	}
	return []string{"application/json"}
}

// Losses returns what of the answer could not be carried so far.
func (w *writer) Losses() []canon.Loss { return w.lost }

func (w *writer) lose(kind canon.LossKind, what canon.What, reason string) {
	for _, l := range w.lost {
		if l.What == what && l.Kind == kind {
			return
		}
	}
	w.lost = append(w.lost, canon.Loss{What: what, Kind: kind, Reason: reason})
}

func (w *writer) at(number int) *written {
	for _, c := range w.choices {
		if c.number == number {
			return c
		}
	}
	c := &written{number: number, thought: -1}
	if !w.stream {
		c.whole = &wholeMessage{}
	}
	w.choices = append(w.choices, c)
	return c
}

// Write appends the chunk for e.
func (w *writer) Write(dst []byte, e canon.Event) []byte {
	switch e := e.(type) {
	case canon.TextDelta:
		return w.say(dst, w.at(e.Choice), e.Index, e.Text)
	case canon.ReasoningDelta:
		return w.think(dst, w.at(e.Choice), e)
	case canon.RefusalDelta:
		return w.refuse(dst, w.at(e.Choice), e.Text)
	case canon.ToolStart:
		return w.call(dst, w.at(e.Choice), e)
	case canon.ToolDelta:
		return w.input(dst, w.at(e.Choice), e)
	case canon.MediaDelta:
		return w.media(dst, w.at(e.Choice), e)
	case canon.Cited:
		return w.cite(dst, w.at(e.Choice), e)
	case canon.TokenProbs:
		return w.probabilities(dst, w.at(e.Choice), e.Tokens)
	case canon.BlockEnd:
		return w.end(dst, w.at(e.Choice), e.Index)
	case canon.Stopped:
		return w.stopped(dst, w.at(e.Choice), e)
	case canon.Used:
		if w.usage, w.used = e.Usage, true; len(e.Beside) > 0 {
			w.lose(canon.Lost, canon.WhatAnswerUsage, canon.LostUsage(e.Beside).Reason)
		}
	case canon.HostedUse:
		w.lose(canon.Lost, canon.WhatAnswerHosted, "a chat can't show what the vendor's own tools did")
	case canon.Embedding:
		w.vectors = append(w.vectors, e)
	case canon.Other:
		if e.Content || e.Aside {
			w.lose(canon.Lost, canon.WhatAnswerOther, "a chat has no form for "+e.Name)
		}
	default: // Start, Failed and Ended say nothing that Close and Fail do not
	}
	return dst
}

// open begins a chunk with a delta of c. If it is the first, a chunk with the role goes before it, as
// OpenAI's own streams begin.
func (w *writer) open(dst []byte, c *written, content string) []byte {
	if !c.begun {
		c.begun = true
		if w.text {
			if w.a.Request != nil && w.a.Request.Echo {
				dst = w.openText(dst, c)
				dst = append(jsonedit.AppendQuoted(dst, promptOf(w.a.Request)), `,"logprobs":null,"finish_reason":null}`...)
				dst = w.shut(dst)
			}
		} else {
			dst = w.delta(dst, c)
			dst = append(append(append(dst, `"role":"assistant","content":`...), content...), `,"refusal":null`...)
			dst = w.shutDelta(dst)
		}
	}
	if w.text {
		return w.openText(dst, c)
	}
	return w.delta(dst, c)
}

func (w *writer) openText(dst []byte, c *written) []byte {
	dst = append(append(append(dst, "data: "...), w.head...), `{"index":`...)
	return append(strconv.AppendInt(dst, int64(c.number), 10), `,"text":`...)
}

func (w *writer) delta(dst []byte, c *written) []byte {
	dst = append(append(append(dst, "data: "...), w.head...), `{"index":`...)
	return append(strconv.AppendInt(dst, int64(c.number), 10), `,"delta":{`...)
}

// shutDelta ends a chunk that says nothing of how the answer ended.
func (w *writer) shutDelta(dst []byte) []byte {
	return w.shut(append(dst, `},"logprobs":null,"finish_reason":null}`...))
}

// shut ends a chunk behind its choices.
func (w *writer) shut(dst []byte) []byte {
	if w.a.Head.IncludeUsage {
		return append(dst, "],\"usage\":null}\n\n"...)
	}
	return append(dst, "]}\n\n"...)
}

func promptOf(req *canon.Request) string {
	var b strings.Builder
	for _, t := range req.Turns {
		for _, p := range t.Blocks {
			if s, ok := p.(canon.Text); ok {
				b.WriteString(s.Text)
			}
		}
	}
	return b.String()
}

func (w *writer) say(dst []byte, c *written, index int, text string) []byte {
	if text == "" {
		return dst
	}
	if n := len(c.blocks); n == 0 || c.blocks[n-1].index != index {
		dst = w.flushCites(dst, c, index)
		c.blocks = append(c.blocks, textBlock{index: index, from: c.runes})
	}
	c.runes += utf8.RuneCountInString(text)
	c.seal = ""
	w.follow(c, atText)
	switch {
	case !w.stream:
		c.whole.said = true
		c.whole.content.WriteString(text)
		return dst
	case w.text:
		dst = jsonedit.AppendQuoted(w.open(dst, c, ""), text)
		return w.shut(append(dst, `,"logprobs":null,"finish_reason":null}`...))
	}
	dst = append(w.open(dst, c, `""`), `"content":`...)
	return w.shutDelta(jsonedit.AppendQuoted(dst, text))
}

func (w *writer) refuse(dst []byte, c *written, text string) []byte {
	if text == "" {
		return dst
	}
	if c.refused = true; !w.text {
		w.follow(c, atRefusal)
	}
	switch {
	case w.text: // a completion has no other place for it
		w.lose(canon.Changed, canon.WhatAnswerRefusal, "it became text")
		return w.say(dst, c, -1, text)
	case !w.stream:
		c.whole.refusal.WriteString(text)
		return dst
	}
	dst = append(w.open(dst, c, "null"), `"refusal":`...)
	return w.shutDelta(jsonedit.AppendQuoted(dst, text))
}

func (w *writer) probabilities(dst []byte, c *written, tokens []canon.TokenProb) []byte {
	switch {
	case w.a.Request == nil || w.a.Request.LogProbs == nil:
		return dst // not asked for
	case !w.stream:
		c.whole.probs = append(c.whole.probs, tokens...)
		return dst
	case w.text:
		dst = append(w.open(dst, c, ""), `"","logprobs":`...)
		return w.shut(append(appendOlderProbs(dst, tokens), `,"finish_reason":null}`...))
	}
	dst = append(w.open(dst, c, `""`), `},"logprobs":`...)
	return w.shut(append(appendProbs(dst, tokens), `,"finish_reason":null}`...))
}

// end ends a block.
func (w *writer) end(dst []byte, c *written, index int) []byte {
	for _, k := range c.calls {
		if k.index == index {
			dst = w.endCall(dst, c, k)
		}
	}
	return w.flushCites(dst, c, -1)
}

// Close appends what ends the answer.
func (w *writer) Close(dst []byte) []byte {
	if !w.stream {
		return w.body(dst)
	}
	for _, c := range w.choices { // what came after the reason to stop, or without one
		for _, k := range c.calls {
			dst = w.endCall(dst, c, k)
		}
		dst = w.flushCites(dst, c, -1)
	}
	if w.a.Head.IncludeUsage && w.used {
		dst = append(append(append(dst, "data: "...), w.head...), `],"usage":`...)
		dst = append(w.appendTier(appendUsage(dst, w.usage)), "}\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...)
}

// Fail appends the error that ends a broken stream. There is no [DONE] after it.
func (w *writer) Fail(dst []byte, e *canon.Error) []byte {
	return openai.AppendData(dst, struct {
		Error openai.ErrorBody `json:"error"`
	}{openai.Body(e)})
}
