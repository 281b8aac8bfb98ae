package openaichat

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/jsonedit"
)

// body appends an answer that is not streamed.
func (w *writer) body(dst []byte) []byte {
	if op := w.a.Head.Op; op == canon.OpEmbed || op == canon.OpBatchEmbed {
		return w.embeddings(dst)
	}
	dst = append(dst, w.head...)
	if len(w.choices) == 0 {
		w.at(0)
	}
	slices.SortFunc(w.choices, func(a, b *written) int { return a.number - b.number })
	for i, c := range w.choices {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(append(dst, `{"index":`...), int64(c.number), 10)
		for _, k := range c.calls {
			dst = w.endCall(dst, c, k)
		}
		dst = w.flushCites(dst, c, -1)
		w.follow(c, c.stage) // a seal may wait for a call still
		if c.finish == "" {
			c.finish = w.reason(c, canon.StopEnd, "")
		}
		if w.text {
			dst = w.textChoice(dst, c)
		} else {
			dst = w.message(dst, c)
		}
	}
	dst = append(dst, ']')
	if w.used {
		dst = w.appendTier(appendUsage(append(dst, `,"usage":`...), w.usage))
	}
	return append(dst, '}')
}

func (w *writer) textChoice(dst []byte, c *written) []byte {
	text := c.whole.content.String()
	if w.a.Request != nil && w.a.Request.Echo {
		text = promptOf(w.a.Request) + text
	}
	dst = jsonedit.AppendQuoted(append(dst, `,"text":`...), text)
	dst = append(dst, `,"logprobs":`...)
	if c.whole.probs == nil {
		dst = append(dst, "null"...)
	} else {
		dst = appendOlderProbs(dst, c.whole.probs)
	}
	dst = append(appendInside(append(dst, `,"finish_reason":"`...), c.finish), '"')
	return append(c.appendMet(dst), '}')
}

// message appends a whole message and how it ended. Content is null where nothing was said, as OpenAI has it.
func (w *writer) message(dst []byte, c *written) []byte {
	m := c.whole
	dst = append(dst, `,"message":{"role":"assistant","content":`...)
	if m.said || len(c.calls) == 0 && m.refusal.Len() == 0 && !m.sound {
		dst = jsonedit.AppendQuoted(dst, m.content.String())
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"refusal":`...)
	if m.refusal.Len() > 0 {
		dst = jsonedit.AppendQuoted(dst, m.refusal.String())
	} else {
		dst = append(dst, "null"...)
	}
	if m.reasoning.Len() > 0 {
		dst = jsonedit.AppendQuoted(append(dst, `,"reasoning_content":`...), m.reasoning.String())
	}
	dst = appendList(dst, "reasoning_details", m.details)
	dst = append(append(append(dst, `,"annotations":[`...), strings.Join(m.cites, ",")...), ']')
	dst = appendList(dst, "images", m.images)
	if m.sound {
		dst = jsonedit.AppendQuoted(append(dst, `,"audio":{"id":`...), w.audioID(c))
		dst = append(append(dst, `,"data":"`...), base64.StdEncoding.EncodeToString(m.audio)...)
		dst = strconv.AppendInt(append(dst, `","expires_at":`...), w.a.Created.Unix(), 10) // no later request can use it
		dst = append(jsonedit.AppendQuoted(append(dst, `,"transcript":`...), m.content.String()), '}')
	}
	dst = w.wholeCalls(dst, c)
	dst = append(dst, `},"logprobs":`...)
	if m.probs == nil {
		dst = append(dst, "null"...)
	} else {
		dst = appendProbs(dst, m.probs)
	}
	dst = append(appendInside(append(dst, `,"finish_reason":"`...), c.finish), '"')
	return append(c.appendMet(dst), '}')
}

func appendList(dst []byte, name string, values []string) []byte {
	if len(values) == 0 {
		return dst
	}
	return append(append(append(key(dst, name), '['), strings.Join(values, ",")...), ']')
}

func (w *writer) wholeCalls(dst []byte, c *written) []byte {
	n := 0
	for _, k := range c.calls {
		if k.lost {
			continue
		}
		input := k.args.String()
		if w.legacy {
			dst = jsonedit.AppendQuoted(append(dst, `,"function_call":{"name":`...), k.name)
			return append(jsonedit.AppendQuoted(append(dst, `,"arguments":`...), input), '}')
		}
		if n++; n == 1 {
			dst = append(dst, `,"tool_calls":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = append(k.append(append(dst, '{'), input), '}')
	}
	if n > 0 {
		dst = append(dst, ']')
	}
	return dst
}

// embeddings appends a list of vectors, as numbers or as base64 of 32-bit floats.
// https://developers.openai.com/api/reference/resources/embeddings, read 2026-11-20.
func (w *writer) embeddings(dst []byte) []byte {
	packed := w.a.Request != nil && w.a.Request.Packed
	slices.SortStableFunc(w.vectors, func(a, b canon.Embedding) int { return a.Number - b.Number })
	dst = append(dst, `{"object":"list","data":[`...)
	for i, v := range w.vectors {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(append(dst, `{"object":"embedding","index":`...), int64(v.Number), 10)
		dst = append(dst, `,"embedding":`...)
		if text, ok := pack(v.Values); packed && ok {
			dst = append(append(append(dst, '"'), text...), '"')
		} else {
			dst = append(dst, v.Values...)
		}
		dst = append(dst, '}')
	}
	dst = jsonedit.AppendQuoted(append(dst, `],"model":`...), w.a.Model)
	dst = strconv.AppendInt(append(dst, `,"usage":{"prompt_tokens":`...), w.usage.In(), 10)
	dst = strconv.AppendInt(append(dst, `,"total_tokens":`...), w.usage.In()+w.usage.Out(), 10)
	return append(dst, "}}"...)
}

// pack returns a vector as base64 of 32-bit floats, little end first.
func pack(values json.RawMessage) (string, bool) {
	var list []float32
	if json.Unmarshal(values, &list) != nil {
		return "", false
	}
	raw := make([]byte, 0, 4*len(list))
	for _, f := range list {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
	}
	return base64.StdEncoding.EncodeToString(raw), true
}
