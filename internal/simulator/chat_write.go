package simulator

import (
	"encoding/base64"
	"strconv"
)

// This file writes the answers of Chat Completions.

func finishReason(e end) string {
	switch e {
	case endLength:
		return "length"
	case endTools:
		return "tool_calls"
	case endTurn, endSequence:
	}
	return "stop"
}

// chatUsage appends the usage object of chat and completions.
func chatUsage(b *jsonBuf, p *plan) {
	u := p.use
	in, out := u.prompt(), u.Output+u.Reasoning+u.OutputAudio
	total := in + out
	if p.wrong {
		total, in = total/2, in+out // the sum no longer fits its parts
	}
	b.raw(`{"prompt_tokens":`).int(in).raw(`,"completion_tokens":`).int(out).raw(`,"total_tokens":`).int(total)
	b.raw(`,"prompt_tokens_details":{"cached_tokens":`).int(u.CacheRead).raw(`,"audio_tokens":`).int(u.InputAudio)
	b.raw(`},"completion_tokens_details":{"reasoning_tokens":`).int(u.Reasoning).raw(`,"audio_tokens":`).int(u.OutputAudio)
	b.raw(`,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`)
}

func (c *call) chatBody(p *plan, id string, audio bool) jsonBuf {
	b := make(jsonBuf, 0, 1024)
	b.raw(`{"id":`).str(id).raw(`,"object":"chat.completion","created":`).int(p.created).raw(`,"model":`).str(p.model).raw(`,"choices":[`)
	for i := range p.choices {
		d := &p.choices[i]
		if i > 0 {
			b.raw(",")
		}
		b.raw(`{"index":`).int(int64(i)).raw(`,"message":{"role":"assistant","content":`)
		if len(d.calls) > 0 || audio {
			b.raw("null")
		} else {
			b.str(d.text)
		}
		if c.be.reasoningText {
			b.raw(`,"reasoning_content":`).str(p.think)
		}
		for j := range d.calls {
			if j == 0 {
				b.raw(`,"tool_calls":[`)
			} else {
				b.raw(",")
			}
			tc := &d.calls[j]
			b.raw(`{"id":`).str(tc.id)
			if tc.custom {
				b.raw(`,"type":"custom","custom":{"name":`).str(tc.name).raw(`,"input":`).str(tc.args).raw(`}}`)
			} else {
				b.raw(`,"type":"function","function":{"name":`).str(tc.name).raw(`,"arguments":`).str(tc.args).raw(`}}`)
			}
			if j == len(d.calls)-1 {
				b.raw("]")
			}
		}
		if audio && len(d.calls) == 0 {
			b.raw(`,"audio":{"id":`).str(c.s.newID("audio_", hex16, 24)).raw(`,"data":`).str(speech(d.text))
			b.raw(`,"expires_at":`).int(p.created + 3600).raw(`,"transcript":`).str(d.text).raw(`}`)
		}
		b.raw(`,"refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"`).raw(finishReason(d.end)).raw(`"}`)
	}
	b.raw("]")
	if !p.noUsage {
		b.raw(`,"usage":`)
		chatUsage(&b, p)
	}
	b.raw(`,"service_tier":"default","system_fingerprint":"fp_5137a70a7e"}`)
	return b
}

// streamChat writes p as chunks. With usage, every chunk but the last has "usage":null and the last has
// no choices, as the API documents stream_options.include_usage.
func (c *call) streamChat(p *plan, id string, usage, audio bool) {
	s := c.openStream("text/event-stream; charset=utf-8", func(s *stream) {
		s.frame = append(s.frame, "data: "...)
		s.frame = append(s.frame, openAIError("", serverTrouble, "server_error", "", "")...)
		s.frame = append(s.frame, "\n\n"...)
	})
	var head jsonBuf
	head.raw(`data: {"id":`).str(id).raw(`,"object":"chat.completion.chunk","created":`).int(p.created).raw(`,"model":`).str(p.model)
	head.raw(`,"service_tier":"default","system_fingerprint":"fp_5137a70a7e","choices":[`)
	prefix := string(head)
	tail := "],\"usage\":null}\n\n"
	if !usage {
		tail = "]}\n\n"
	}
	begin := func(i int, member string) *jsonBuf {
		return s.frame.raw(prefix).raw(`{"index":`).int(int64(i)).raw(`,"delta":{`).raw(member)
	}
	end := func() {
		s.frame.raw(`},"logprobs":null,"finish_reason":null}`).raw(tail)
		s.send()
	}
	delta := func(i int, member, value, shut string) {
		begin(i, member).str(value).raw(shut)
		end()
	}
	for i := range p.choices {
		if d := &p.choices[i]; len(d.calls) > 0 || audio {
			begin(i, `"role":"assistant","content":null,"refusal":null`)
		} else {
			begin(i, `"role":"assistant","content":"","refusal":null`)
		}
		end()
	}
	s.enterContent()
	for i := range p.choices {
		d := &p.choices[i]
		if c.be.reasoningText {
			p.pieces(p.think, func(part string) { delta(i, `"reasoning_content":`, part, "") })
		}
		for j := range d.calls {
			tc := &d.calls[j]
			typ, arg := "function", "arguments"
			if tc.custom {
				typ, arg = "custom", "input"
			}
			n := strconv.Itoa(j)
			delta(i, `"tool_calls":[{"index":`+n+`,"id":"`+tc.id+`","type":"`+typ+`","`+typ+`":{"name":`+quoted(tc.name)+`,"`+arg+`":`, "", "}}]")
			fragments(tc.args, func(part string) {
				delta(i, `"tool_calls":[{"index":`+n+`,"`+typ+`":{"`+arg+`":`, part, "}}]")
			})
		}
		if audio {
			c.streamAudio(p, d, func(member, value, shut string) { delta(i, member, value, shut) })
			continue
		}
		p.pieces(d.text, func(part string) { delta(i, `"content":`, part, "") })
	}
	for i := range p.choices {
		s.frame.raw(prefix).raw(`{"index":`).int(int64(i)).raw(`,"delta":{},"logprobs":null,"finish_reason":"`).raw(finishReason(p.choices[i].end)).raw(`"}`).raw(tail)
		s.send()
	}
	if usage {
		s.frame.raw(prefix).raw(`],"usage":`)
		chatUsage(&s.frame, p)
		s.frame.raw("}\n\n")
		s.send()
		c.rec.Reported = !s.over
	}
	if !c.be.noDone {
		s.frame.raw("data: [DONE]\n\n")
		s.send()
	}
	s.end()
}

// speech is what text sounds like: silence, as base64 of 16-bit samples, longer for a longer text.
func speech(text string) string { return base64.StdEncoding.EncodeToString(make([]byte, 8*len(text))) }

// streamAudio sends a spoken answer: its id, the transcript, the sound, and when it expires.
func (c *call) streamAudio(p *plan, d *draft, delta func(member, value, shut string)) {
	if len(d.calls) > 0 {
		return
	}
	delta(`"audio":{"id":`, c.s.newID("audio_", hex16, 24), "}")
	p.pieces(d.text, func(part string) { delta(`"audio":{"transcript":`, part, "}") })
	for sound := speech(d.text); sound != ""; {
		n := min(4096, len(sound))
		delta(`"audio":{"data":`, sound[:n], "}")
		sound = sound[n:]
	}
	delta(`"audio":{"data":`, "", `,"expires_at":`+strconv.FormatInt(p.created+3600, 10)+"}")
}
