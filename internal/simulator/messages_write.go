package simulator

// This file writes the answers of Anthropic Messages.

func stopReason(d *draft) (reason, sequence string) {
	switch d.end {
	case endLength:
		return "max_tokens", "null"
	case endSequence:
		return "stop_sequence", quoted(d.stop)
	case endTools:
		return "tool_use", "null"
	case endTurn:
	}
	return "end_turn", "null"
}

// messagesUsage appends the usage; out is what has been written so far.
func messagesUsage(b *jsonBuf, p *plan, out int64, opening bool) {
	u := p.use
	in := u.Input
	if p.wrong && !opening {
		in = in*2 + 1000 // says something else than the opening did
	}
	write := u.CacheWrite5m + u.CacheWrite1h
	if p.wrong {
		write++
	}
	b.raw(`{"input_tokens":`).int(in).raw(`,"cache_creation_input_tokens":`).int(write)
	b.raw(`,"cache_read_input_tokens":`).int(u.CacheRead)
	if opening {
		b.raw(`,"cache_creation":{"ephemeral_5m_input_tokens":`).int(u.CacheWrite5m).raw(`,"ephemeral_1h_input_tokens":`).int(u.CacheWrite1h).raw(`}`)
	}
	b.raw(`,"output_tokens":`).int(out)
	if opening {
		b.raw(`,"service_tier":"standard"`)
	}
	b.raw(`}`)
}

func (c *call) messageBody(p *plan, id string) jsonBuf {
	d := &p.choices[0]
	b := make(jsonBuf, 0, 1024)
	b.raw(`{"model":`).str(p.model).raw(`,"id":`).str(id).raw(`,"type":"message","role":"assistant","content":[`)
	comma := ""
	if p.think != "" {
		b.raw(`{"type":"thinking","thinking":`).str(p.think).raw(`,"signature":`).str(p.seal).raw(`}`)
		comma = ","
	}
	if d.text != "" {
		b.raw(comma).raw(`{"type":"text","text":`).str(d.text).raw(`}`)
		comma = ","
	}
	for i := range d.calls {
		tc := &d.calls[i]
		b.raw(comma).raw(`{"type":"tool_use","id":`).str(tc.id).raw(`,"name":`).str(tc.name).raw(`,"input":`).raw(tc.args).raw(`}`)
		comma = ","
	}
	reason, seq := stopReason(d)
	b.raw(`],"stop_reason":"`).raw(reason).raw(`","stop_sequence":`).raw(seq)
	if !p.noUsage {
		b.raw(`,"usage":`)
		messagesUsage(&b, p, p.use.Output, true)
	}
	b.raw(`}`)
	return b
}

func (c *call) streamMessages(p *plan, id string) {
	d := &p.choices[0]
	requestID := c.requestID()
	s := c.openStream("text/event-stream; charset=utf-8", func(s *stream) {
		s.frame.raw("event: error\ndata: {\"type\":\"error\",\"error\":{\"details\":null,\"type\":\"overloaded_error\",\"message\":\"Overloaded\"},\"request_id\":").str(requestID).raw("}\n\n")
	})
	f := &s.frame
	f.raw("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":").str(p.model).raw(`,"id":`).str(id)
	f.raw(`,"type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null`)
	if !p.noUsage {
		f.raw(`,"usage":`)
		messagesUsage(f, p, 1, true)
	}
	f.raw("}}\n\n")
	s.send()

	index := int64(0)
	start := func(block string) {
		f.raw("event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":").int(index).raw(`,"content_block":`).raw(block).raw("}\n\n")
		s.send()
		if index == 0 {
			f.raw("event: ping\ndata: {\"type\":\"ping\"}\n\n")
			s.send()
			s.enterContent()
		}
	}
	delta := func(typ, member, value string) {
		f.raw("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":").int(index)
		f.raw(`,"delta":{"type":"`).raw(typ).raw(`","`).raw(member).raw(`":`).str(value).raw("}}\n\n")
		s.send()
	}
	stop := func() {
		f.raw("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":").int(index).raw("}\n\n")
		s.send()
		index++
	}
	if p.think != "" {
		start(`{"type":"thinking","thinking":"","signature":""}`)
		p.thoughts(func(part string) { delta("thinking_delta", "thinking", part) })
		delta("signature_delta", "signature", p.seal)
		stop()
	}
	if d.text != "" {
		start(`{"type":"text","text":""}`)
		p.pieces(d.text, func(part string) { delta("text_delta", "text", part) })
		stop()
	}
	for i := range d.calls {
		tc := &d.calls[i]
		start(`{"type":"tool_use","id":"` + tc.id + `","name":` + quoted(tc.name) + `,"input":{}}`)
		delta("input_json_delta", "partial_json", "")
		fragments(tc.args, func(part string) { delta("input_json_delta", "partial_json", part) })
		stop()
	}
	reason, seq := stopReason(d)
	f.raw("event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"").raw(reason).raw(`","stop_sequence":`).raw(seq).raw(`}`)
	if !p.noUsage {
		f.raw(`,"usage":`)
		messagesUsage(f, p, p.use.Output, false)
	}
	f.raw("}\n\n")
	s.send()
	c.rec.Reported = !s.over && !p.noUsage
	if !c.be.noDone {
		f.raw("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
		s.send()
	}
	s.end()
}
