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
	numbered map[int]*saying
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
	placed map[int]*spokenText // of blocks; made at the end
	from   int                 // where in text the part begins that is open; not streamed
	open   byte                // kindText or kindThought: the part that goes on; not streamed
	seal   string              // of the part that is open
	hidden []byte              // text of the thought part that is open

	mind     thinking
	sealed   []string // envelopes for the next part
	unsealed []string // envelopes for the next call: nobody needs them before
	own      string   // Google's own signature for the next part

	pending []*calling       // in order
	calls   map[int]*calling // of pending, what goes on, by its index
	known   map[string]bool  // code that was shown, by the id of its run

	cites   []canon.Cited
	queries once
	sources []canon.Citation
	pages   once
	unread  map[string]bool // of pages, those that could not be read
	chosen  []byte          // elements of chosenCandidates; not streamed
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
	if c := w.numbered[number]; c != nil {
		return c
	}
	c := &saying{number: number}
	if w.numbered == nil {
		w.numbered = map[int]*saying{}
	}
	w.numbered[number] = c
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
		if k := w.saying(e.Choice).calls[e.Index]; k != nil {
			k.args = append(k.args, e.JSON...)
		} else if strings.TrimSpace(e.JSON) != "" {
			w.note(canon.LostAt(canon.WhatToolArguments, "", "arguments came for a call that had not begun or was whole"))
		}
	case canon.BlockEnd:
		c := w.saying(e.Choice)
		c.endCall(e.Index)
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
		if w.usage, w.used = e.Usage, true; len(e.Beside) > 0 {
			w.note(canon.LostUsage(e.Beside))
		}
	case canon.Other:
		if e.Content || e.Aside {
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
	if w.home && len(choices) == 1 && choices[0].blocked() {
		dst = appendBlock(dst, choices[0].stop)
		if w.used {
			dst = appendUsage(append(dst, `,"usageMetadata":`...), w.usage)
		}
		return append(dst, w.tail...)
	}
	dst = append(dst, `{"candidates":[`...)
	for i, c := range choices {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, `{"content":{"parts":[`...), c.parts...), `],"role":"model"}`...)
		dst = w.appendStop(dst, c)
		dst = append(append(dst, `,"index":`...), strconv.Itoa(c.number)...)
		dst = w.appendGrounding(dst, c)
		dst = c.appendPages(dst)
		if len(c.chosen) > 0 {
			dst = appendLogProbs(dst, c.chosen, c.top)
		}
		dst = append(dst, '}')
	}
	dst = append(dst, ']')
	w.usageLost()
	if w.used {
		dst = appendUsage(append(dst, `,"usageMetadata":`...), w.usage)
	}
	return append(dst, w.tail...)
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
