package anthropic

import (
	"strconv"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/jsonedit"
)

// NewWriter returns a writer of one message, streamed or whole, or of a count of tokens.
func (p *Protocol) NewWriter(a dialect.Answer) dialect.Writer {
	w := &writer{p: p, a: a, id: strings.ReplaceAll(a.ID, "-", "")}
	w.out.stream = a.Head.Stream
	if a.Head.Stream { // message_start tells the input, which most others tell last; many clients read it there alone
		w.usage.Input = a.About
	}
	if r := a.Request; r != nil && r.Reasoning != nil {
		w.hidden = r.Reasoning.Show == canon.ThoughtsHidden
	}
	return w
}

// writer writes a message: one block after the other, with indexes that count up. Strict clients (Claude
// Code, the SDKs) take nothing else, so what comes in between waits until the block before it is whole;
// the block that is open is never held up.
//
// Source: https://platform.claude.com/docs/en/build-with-claude/streaming and the accumulators of
// anthropic-sdk-go v1.84.0 (messageutil.go), read 2026-11-21.
type writer struct {
	p  *Protocol
	a  dialect.Answer
	id string // of the call, without dashes

	started, ended bool
	out            blockWriter
	cur            *block
	queue          []*block            // what waits for cur, in order
	live           map[blockKey]*block // of cur and queue what goes on
	held           int                 // bytes that wait
	calls          int
	ids            map[string]int        // of calls
	hidden         bool                  // the client wants no thoughts, only their seals
	said           bool                  // what came last is text
	tail           *canon.ReasoningDelta // another vendor's seal after text: Google signs the last part of an answer

	searches []*search
	asked    map[searchKey][]*search // those without an answer
	sources  []canon.Citation        // of all citations so far
	usage    canon.Usage
	stop     canon.Stopped
	refusal  []byte

	lost []canon.Loss
}

// maxHeld bounds what waits, in bytes. Beyond it the open block is ended, whole or not.
const maxHeld = 16 << 20

// ContentType is that of the answer.
func (w *writer) ContentType() []string {
	if w.out.stream {
		return eventStreamType()
	}
	return []string{"application/json"}
}

func eventStreamType() []string { return []string{"text/event-stream; charset=utf-8"} }

// Losses returns what was lost so far.
func (w *writer) Losses() []canon.Loss { return w.lost }

func (w *writer) lose(l canon.Loss) {
	for _, have := range w.lost {
		if have.What == l.What && have.Kind == l.Kind {
			return
		}
	}
	w.lost = append(w.lost, l)
}

// Write appends what the client gets for e.
func (w *writer) Write(dst []byte, e canon.Event) []byte {
	if w.ended || w.a.Head.Op == canon.OpCountTokens {
		if u, ok := e.(canon.Used); ok {
			w.usage = u.Usage
		}
		return dst
	}
	if w.tail != nil && canon.IsContent(e) {
		tail := *w.tail
		w.tail = nil
		dst = w.reasoning(dst, tail)
	}
	switch e := e.(type) {
	case canon.Start:
		return w.start(dst)
	case canon.TextDelta:
		if e.Text == "" || !w.first(e.Choice) {
			return dst
		}
		w.said = true
		return w.text(dst, e.Index, e.Text)
	case canon.ReasoningDelta:
		if !w.first(e.Choice) {
			return dst
		}
		if e.Text == "" && e.Seal != "" && w.said && w.a.Origin != canon.Anthropic {
			w.tail = &e // it may be the last thing, and then it has no place: see end
			return dst
		}
		return w.reasoning(dst, e)
	case canon.RefusalDelta:
		if e.Text == "" || !w.first(e.Choice) {
			return dst
		}
		w.lose(canon.ChangedAt(canon.WhatAnswerRefusal, "", "a refusal is text here"))
		w.refusal = append(w.refusal, e.Text...)
		return w.text(dst, e.Index, e.Text)
	case canon.ToolStart:
		if !w.first(e.Choice) {
			return dst
		}
		w.said = false
		return w.begin(w.start(dst), w.call(e))
	case canon.ToolDelta:
		if !w.first(e.Choice) {
			return dst
		}
		return w.arguments(dst, e)
	case canon.MediaDelta:
		if w.first(e.Choice) {
			w.lose(canon.LostAt(canon.WhatAnswerMedia, "", "a message holds no media"))
		}
	case canon.Cited:
		if w.first(e.Choice) {
			return w.cite(w.start(dst), e)
		}
	case canon.HostedUse:
		if w.first(e.Choice) {
			return w.hosted(w.start(dst), e)
		}
	case canon.BlockEnd:
		if e.Choice == 0 {
			return w.blockEnd(dst, e.Index)
		}
	case canon.Stopped:
		if e.Choice == 0 {
			w.stop = e
			return w.flush(w.start(dst))
		}
	case canon.Used:
		if w.usage = e.Usage; len(e.Beside) > 0 {
			w.lose(canon.LostUsage(e.Beside))
		}
	case canon.Other:
		if e.Name == "ping" && w.started {
			return w.out.ping(dst)
		}
		if e.Content || e.Aside {
			w.lose(canon.LostAt(canon.WhatAnswerOther, "", "a message has nothing like it"))
		}
	case canon.Ended:
		return w.end(dst)
	case canon.TokenProbs:
		if w.first(e.Choice) { // nobody can ask for them here, but some upstreams tell them all the same
			w.lose(canon.LostAt(canon.WhatAnswerLogProbs, "", "a message tells no probabilities"))
		}
	case canon.Embedding, canon.Failed:
		// Nobody can ask for the first here; the second is told by Fail.
	}
	return dst
}

// first reports whether a choice is the one that a message can hold.
func (w *writer) first(choice int) bool {
	if choice == 0 {
		return true
	}
	w.lose(canon.LostAt(canon.WhatAnswerChoice, "", "a message is one answer"))
	return false
}

// Close appends what ends the answer.
func (w *writer) Close(dst []byte) []byte {
	if w.a.Head.Op == canon.OpCountTokens {
		dst = append(dst, `{"input_tokens":`...)
		dst = strconv.AppendInt(dst, w.usage.In(), 10)
		return append(dst, '}')
	}
	dst = w.end(dst)
	if w.out.stream {
		return dst
	}
	dst = w.appendHead(dst)
	dst = append(dst, `"content":[`...)
	dst = append(dst, w.out.whole...)
	dst = append(dst, `],`...)
	dst = w.appendStop(dst)
	dst = append(dst, `,"usage":`...)
	dst = w.appendUsage(dst, true)
	return append(dst, '}')
}

// Fail appends the error that ends a broken stream. Of an answer that is not streamed nothing was said.
func (w *writer) Fail(dst []byte, e *canon.Error) []byte {
	w.ended = true
	if !w.out.stream {
		return dst
	}
	return w.p.AppendStreamError(dst, w.a.Head, e)
}

// start opens the message, once.
func (w *writer) start(dst []byte) []byte {
	if w.started {
		return dst
	}
	w.started = true
	if !w.out.stream {
		return dst
	}
	dst = append(dst, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":"...)
	dst = w.appendHead(dst)
	dst = append(dst, `"content":[],"stop_reason":null,"stop_sequence":null,"stop_details":null,"usage":`...)
	dst = w.appendUsage(dst, true)
	return append(dst, "}}\n\n"...)
}

// appendHead opens the message object.
func (w *writer) appendHead(dst []byte) []byte {
	dst = append(dst, `{"id":"msg_`...)
	dst = append(dst, w.id...)
	dst = append(dst, `","type":"message","role":"assistant","model":`...)
	dst = jsonedit.AppendQuoted(dst, w.a.Model)
	return append(dst, ',')
}

// end ends the message, once.
func (w *writer) end(dst []byte) []byte {
	if w.ended {
		return dst
	}
	if w.tail != nil {
		w.tail = nil
		w.lose(canon.LostAt(canon.WhatAnswerSeal, "", "a message ends with what was said: clients take its last block for the answer, and nobody needs the signature of a finished text"))
	}
	dst = w.flush(w.start(dst))
	dst = w.endSearches(dst)
	w.usageLost()
	w.ended = true
	if !w.out.stream {
		return dst
	}
	dst = append(dst, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{"...)
	dst = w.appendStop(dst)
	dst = append(dst, `},"usage":`...)
	dst = w.appendUsage(dst, false)
	return append(dst, "}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...)
}

// appendUsage says the usage as far as it is known: all of it, or what a message_delta says of it. The
// SDKs let the later one replace the earlier.
func (w *writer) appendUsage(dst []byte, all bool) []byte {
	u := w.usage
	count := func(name string, n int64) {
		dst = append(dst, name...)
		dst = strconv.AppendInt(dst, n, 10)
	}
	count(`{"input_tokens":`, u.Input+u.InputImage+u.InputAudio+u.InputVideo)
	count(`,"cache_creation_input_tokens":`, u.CacheWrite5m+u.CacheWrite1h)
	count(`,"cache_read_input_tokens":`, u.CacheRead)
	if all {
		count(`,"cache_creation":{"ephemeral_5m_input_tokens":`, u.CacheWrite5m)
		count(`,"ephemeral_1h_input_tokens":`, u.CacheWrite1h)
		dst = append(dst, '}')
	}
	count(`,"output_tokens":`, u.Out())
	if u.Reasoning > 0 {
		count(`,"output_tokens_details":{"thinking_tokens":`, u.Reasoning)
		dst = append(dst, '}')
	}
	if u.WebSearches > 0 {
		count(`,"server_tool_use":{"web_search_requests":`, u.WebSearches)
		dst = append(dst, '}')
	}
	if w.a.Origin == canon.Anthropic && u.Tier == "fast" { // which is a speed in its own words: see counters
		dst = append(dst, `,"speed":"fast"`...)
	}
	if all {
		tier := "standard"
		if u.Tier == "priority" || u.Tier == "batch" {
			tier = u.Tier
		}
		dst = append(dst, `,"service_tier":"`...)
		dst = append(dst, tier...)
		dst = append(dst, '"')
	}
	return append(dst, '}')
}
