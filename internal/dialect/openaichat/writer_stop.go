package openaichat

import (
	"slices"
	"strconv"

	"tollgate/internal/canon"
	"tollgate/internal/jsonedit"
)

func (w *writer) stopped(dst []byte, c *written, e canon.Stopped) []byte {
	if c.stopped {
		return dst
	}
	for _, k := range c.calls {
		dst = w.endCall(dst, c, k)
	}
	dst = w.flushCites(dst, c, -1)
	if e.Why == canon.StopRefusal && !c.refused && !w.text {
		dst = w.refuse(dst, c, e.Detail)
	} else if e.Detail != "" {
		w.changeStop(c, e.Raw, "a chat has no place for what the vendor says of this end")
	}
	if e.Category != "" {
		w.changeStop(c, e.Category, "a chat does not say what kind of refusal it is")
	}
	c.stopped, c.finish, c.met = true, w.reason(c, e.Why, e.Raw), e.Sequence
	if !w.stream {
		return dst
	}
	if w.text {
		dst = append(w.open(dst, c, ""), `"","logprobs":null,"finish_reason":"`...)
	} else {
		dst = append(w.open(dst, c, `""`), `},"logprobs":null,"finish_reason":"`...)
	}
	return w.shut(append(c.appendMet(append(appendInside(dst, c.finish), '"')), '}'))
}

// appendInside appends what stands between the quotes of s as JSON.
func appendInside(dst []byte, s string) []byte {
	quoted := jsonedit.Quote(s)
	return append(dst, quoted[1:len(quoted)-1]...)
}

// appendMet appends the stop sequence that was met, as vLLM tells it.
func (c *written) appendMet(dst []byte) []byte {
	if c.met == "" {
		return dst
	}
	return jsonedit.AppendQuoted(append(dst, `,"stop_reason":`...), c.met)
}

// changeStop notes that the end of an answer, raw in the vendor's word, is told by another word.
func (w *writer) changeStop(c *written, raw, reason string) {
	l := canon.ChangedStop("choices["+strconv.Itoa(c.number)+"].finish_reason", raw, reason)
	if !slices.Contains(w.lost, l) {
		w.lost = append(w.lost, l)
	}
}

// reason is finish_reason: stop, length, tool_calls, content_filter or function_call; at home also what a vendor
// says instead.
func (w *writer) reason(c *written, why canon.Stop, raw string) string {
	calls := slices.ContainsFunc(c.calls, func(k *writtenCall) bool { return !k.lost }) && !w.text
	switch why {
	case canon.StopLength:
		return "length"
	case canon.StopFilter:
		return "content_filter"
	case canon.StopRefusal:
		if c.refused {
			return "stop" // the refusal says it
		}
		w.changeStop(c, raw, "a refusal without words reads as a filter's")
		return "content_filter"
	case canon.StopPause:
		w.changeStop(c, raw, "a chat can't say that the answer is paused")
	case canon.StopCancelled, canon.StopOther:
		if w.a.Origin == canon.OpenAIChat && raw != "" {
			return raw
		}
		w.changeStop(c, raw, "a chat has no word for it")
	default:
	}
	switch {
	case calls && w.legacy:
		return "function_call"
	case calls:
		return "tool_calls"
	}
	return "stop"
}
