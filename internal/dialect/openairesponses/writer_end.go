package openairesponses

import (
	"tollgate/internal/canon"
	"tollgate/internal/dialect/openai"
)

// stop notes why the answer ended.
func (w *writer) stop(dst []byte, e canon.Stopped) []byte {
	w.stopped, w.why, w.word = true, e.Why, e.Raw
	change := func(raw, reason string) { w.lost = append(w.lost, canon.ChangedStop("status", raw, reason)) }
	told := e.Detail == ""
	switch e.Why {
	case canon.StopRefusal:
		if !w.refused && !told {
			w.refused, told = true, true
			dst = w.text(dst, -1, true, e.Detail)
		}
		if !w.refused {
			change(e.Raw, "a refusal without words reads as a filter's")
		}
	case canon.StopPause:
		change(e.Raw, "a response can't say that it is paused")
	case canon.StopSequence:
		change(e.Raw, "a response does not say which stop sequence was met")
	default:
	}
	if !told {
		change(e.Raw, "a response has no place for what the vendor says of this end")
	}
	if e.Category != "" {
		change(e.Category, "a response does not say what kind of refusal it is")
	}
	return dst
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
		case imageItem, ownItem:
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
	dst = openai.AppendData(dst, errorEvent{Type: "error", Sequence: w.seq, Code: b.Code, Message: b.Message, Param: b.Param, Error: b})
	w.seq++
	dst = w.begin(dst, "response.failed")
	dst = append(dst, `,"response":`...)
	dst = w.response(dst, "failed", &responseError{Code: failedCode(e, b), Message: b.Message})
	return end(dst)
}
