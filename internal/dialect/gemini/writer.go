package gemini

import (
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
)

// NewWriter returns a writer of one answer to a client of this dialect.
//
// A stream ends with a chunk that holds the reasons to stop and the usage, as Google's does. Every chunk
// has a candidate with a part, if only an empty text: Google's SDK for Go leaves an answer out of its
// chat's history for want of one.
//
// Source: google.golang.org/genai v1.77.0, chats.go (SendStream), read 2026-11-21.
func (p *Protocol) NewWriter(a dialect.Answer) dialect.Writer {
	w := &answering{a: a, home: a.Origin == canon.Gemini}
	if a.Request != nil && a.Request.Reasoning != nil {
		w.shown = a.Request.Reasoning.Show == canon.ThoughtsShown
	}
	if a.Head.Stream && a.Head.Framing != dialect.FramingNone {
		w.framer = dialect.NewFramer(p, a.Head)
	}
	w.tail = append(w.tail, `,"modelVersion":`...)
	w.tail = appendString(w.tail, a.Model)
	w.tail = append(w.tail, `,"responseId":`...)
	w.tail = append(appendString(w.tail, a.ID), '}')
	return w
}

// answering writes one answer.
type answering struct {
	a      dialect.Answer
	framer dialect.Framer // nil: not streamed
	tail   []byte         // what ends every chunk
	frame  []byte         // the frame at hand
	home   bool           // the answer is read from this dialect
	shown  bool           // the client asked for thoughts; without that Google keeps them to itself

	choices  []*saying
	vectors  []canon.Embedding
	usage    canon.Usage
	used     bool
	calls    int // that had no id
	finished bool
	lost     []canon.Loss
}

// saying is one candidate of the answer.
type saying struct {
	number int
	parts  []byte // of an answer that is not streamed
	count  int    // of parts
	stop   *canon.Stopped

	text   []byte // visible text so far
	blocks []spoken
	from   int    // where in text the part begins that is open; not streamed
	open   byte   // kindText or kindThought: the part that goes on; not streamed
	seal   string // of the part that is open
	hidden []byte // text of the thought part that is open

	mind     thinking
	sealed   []string // envelopes for the next part
	unsealed []string // envelopes for the next call: nobody needs them before
	own      string   // Google's own signature for the next part

	pending []*calling
	known   map[string]bool // code that was shown, by the id of its run

	cites   []canon.Cited
	queries []string
	sources []canon.Citation
	pages   []string
	chosen  []byte // elements of chosenCandidates; not streamed
	top     []byte
}

// spoken is where a text block begins.
type spoken struct {
	index int
	from  int // in saying.text
	part  int // number of the part
	base  int // where in saying.text that part begins
}

// thinking is a block of thoughts of another dialect.
type thinking struct {
	open  bool
	index int
	text  []byte
	seal  string
}

// calling is a call that is not whole.
type calling struct {
	index    int
	id, name string
	seal     string
	args     []byte
	ended    bool
}

// ContentType is that of the framing.
func (w *answering) ContentType() []string {
	if w.framer != nil {
		return w.framer.ContentType()
	}
	return []string{"application/json; charset=UTF-8"}
}

// Losses returns what could not be carried.
func (w *answering) Losses() []canon.Loss { return w.lost }

func (w *answering) note(l canon.Loss) {
	if !slices.ContainsFunc(w.lost, func(o canon.Loss) bool { return o.What == l.What && o.Kind == l.Kind }) {
		w.lost = append(w.lost, l)
	}
}

func (w *answering) saying(number int) *saying {
	for _, c := range w.choices {
		if c.number == number {
			return c
		}
	}
	c := &saying{number: number}
	w.choices = append(w.choices, c)
	return c
}

// Write appends the chunk that e becomes.
func (w *answering) Write(dst []byte, e canon.Event) []byte {
	switch e := e.(type) {
	case canon.TextDelta:
		return w.text(dst, w.saying(e.Choice), e.Index, e.Text)
	case canon.RefusalDelta:
		w.note(canon.ChangedAt(canon.WhatAnswerRefusal, "", "Google's answers have no refusals; it is plain text"))
		return w.text(dst, w.saying(e.Choice), e.Index, e.Text)
	case canon.ReasoningDelta:
		return w.thought(dst, w.saying(e.Choice), e)
	case canon.ToolStart:
		return w.call(dst, w.saying(e.Choice), e)
	case canon.ToolDelta:
		c := w.saying(e.Choice)
		for _, k := range c.pending {
			if k.index == e.Index {
				k.args = append(k.args, e.JSON...)
			}
		}
	case canon.BlockEnd:
		c := w.saying(e.Choice)
		for _, k := range c.pending {
			k.ended = k.ended || k.index == e.Index
		}
		return w.flushCalls(dst, c, false)
	case canon.MediaDelta:
		return w.media(dst, w.saying(e.Choice), e)
	case canon.HostedUse:
		return w.hosted(dst, w.saying(e.Choice), e)
	case canon.Cited:
		c := w.saying(e.Choice)
		c.cites = append(c.cites, e)
	case canon.TokenProbs:
		return w.probs(dst, w.saying(e.Choice), e.Tokens)
	case canon.Embedding:
		w.vectors = append(w.vectors, e)
	case canon.Stopped:
		c := w.saying(e.Choice)
		c.stop = &e
		return w.flushCalls(dst, c, true)
	case canon.Used:
		w.usage, w.used = e.Usage, true
	case canon.Other:
		if e.Content {
			w.note(canon.LostAt(canon.WhatAnswerOther, "", "only the model's own API has "+e.Name))
		}
	case canon.Ended:
		return w.finish(dst)
	}
	return dst // Start: its names are ours to give. Failed: Fail ends the answer
}

// Close ends the answer.
func (w *answering) Close(dst []byte) []byte {
	if w.framer != nil {
		return w.framer.Close(w.finish(dst))
	}
	switch w.a.Head.Op {
	case canon.OpCountTokens:
		return w.counted(dst)
	case canon.OpEmbed, canon.OpBatchEmbed:
		return w.embedded(dst)
	default:
	}
	return w.chunk(dst, w.ends())
}

// Fail ends a broken stream.
func (w *answering) Fail(dst []byte, e *canon.Error) []byte {
	if w.framer == nil {
		return appendError(dst, e)
	}
	return w.framer.Fail(dst, e)
}

// finish writes the last chunk of a stream.
func (w *answering) finish(dst []byte) []byte {
	if w.framer == nil || w.finished {
		return dst
	}
	w.finished = true
	for _, c := range w.choices {
		dst = w.flushCalls(dst, c, true)
	}
	return w.send(dst, func(b []byte) []byte { return w.chunk(b, w.ends()) })
}

// ends returns the candidates for the last chunk, or for all of an answer that is not streamed.
func (w *answering) ends() []*saying {
	if len(w.choices) == 0 {
		w.saying(0)
	}
	slices.SortStableFunc(w.choices, func(a, b *saying) int { return a.number - b.number })
	for _, c := range w.choices {
		if w.framer == nil {
			w.flushCalls(nil, c, true)
			c.flushOpen()
		}
		w.mindEnds(c)
		if seal := c.take(false); seal != "" || c.count == 0 || w.framer != nil {
			c.parts = appendPart(c.parts, seal, "")
		}
	}
	return w.choices
}

// chunk appends one object of the answer.
func (w *answering) chunk(dst []byte, choices []*saying) []byte {
	dst = append(dst, `{"candidates":[`...)
	for i, c := range choices {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, `{"content":{"parts":[`...), c.parts...), `],"role":"model"}`...)
		dst = append(append(append(dst, `,"finishReason":"`...), c.reason()...), '"')
		dst = append(append(dst, `,"index":`...), strconv.Itoa(c.number)...)
		dst = c.appendGrounding(dst, w.framer != nil)
		dst = c.appendPages(dst)
		if len(c.chosen) > 0 {
			dst = appendLogProbs(dst, c.chosen, c.top)
		}
		dst = append(dst, '}')
	}
	dst = append(dst, ']')
	if w.used {
		dst = appendUsage(append(dst, `,"usageMetadata":`...), w.usage)
	}
	return append(dst, w.tail...)
}

// reason is the word for why the candidate stopped.
func (c *saying) reason() string {
	if c.stop == nil {
		return "STOP"
	}
	switch c.stop.Why {
	case canon.StopLength:
		return "MAX_TOKENS"
	case canon.StopFilter, canon.StopRefusal:
		return "SAFETY"
	case canon.StopPause, canon.StopCancelled, canon.StopOther:
		return "OTHER"
	default:
	}
	return "STOP" // the end, a stop sequence, calls: to Google they are one
}

// send appends a frame with the JSON that fill writes.
func (w *answering) send(dst []byte, fill func([]byte) []byte) []byte {
	const open, shut = "data: ", "\r\n\r\n" // CR LF: see AppendStreamError
	w.frame = append(fill(append(w.frame[:0], open...)), shut...)
	return w.framer.Append(dst, w.frame, w.frame[len(open):len(w.frame)-len(shut)])
}

// add appends the part that fill writes to candidate c.
func (w *answering) add(dst []byte, c *saying, fill func([]byte) []byte) []byte {
	c.count++
	if w.framer == nil {
		c.flushOpen()
		if len(c.parts) > 0 {
			c.parts = append(c.parts, ',')
		}
		c.parts = fill(c.parts)
		return dst
	}
	return w.send(dst, func(b []byte) []byte {
		b = fill(append(b, `{"candidates":[{"content":{"parts":[`...))
		b = strconv.AppendInt(append(b, `],"role":"model"},"index":`...), int64(c.number), 10)
		return append(append(b, "}]"...), w.tail...)
	})
}

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

// mindEnds makes an envelope of the block of thoughts that is open.
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

// call begins a call. It is written when it is whole: Google's come in one part.
func (w *answering) call(dst []byte, c *saying, e canon.ToolStart) []byte {
	w.mindEnds(c)
	k := &calling{index: e.Index, id: e.ID, name: e.Name, seal: c.take(true)}
	if k.id == "" {
		w.calls++
		k.id = "call_" + strings.ReplaceAll(w.a.ID, "-", "") + "_" + strconv.Itoa(w.calls)
	}
	c.pending = append(c.pending, k)
	return dst
}

// flushCalls writes the calls that have ended, in their order; all of them if nothing more can come.
func (w *answering) flushCalls(dst []byte, c *saying, all bool) []byte {
	for len(c.pending) > 0 && (all || c.pending[0].ended) {
		k := c.pending[0]
		c.pending = c.pending[1:]
		dst = w.add(dst, c, func(b []byte) []byte {
			b = appendString(append(b, `{"functionCall":{"id":`...), k.id)
			b = appendString(append(b, `,"name":`...), k.name)
			b, ok := appendObject(append(b, `,"args":`...), string(k.args))
			if !ok {
				w.note(canon.ChangedAt(canon.WhatToolArguments, "", "the model wrote arguments that are no JSON object; their text stands in the member input"))
			}
			return append(appendSeal(append(b, '}'), k.seal), '}')
		})
	}
	return dst
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
