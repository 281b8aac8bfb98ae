package simulator

// This file writes response objects and their events.

// final is the status that the response ends with.
func (r *reply) final() string {
	if r.plan.choices[0].end == endLength {
		return "incomplete"
	}
	return "completed"
}

// object appends the response object in a status; output and usage are there once it has ended.
func (r *reply) object(b *jsonBuf, status, err string) {
	p, e := r.plan, &r.echo
	ended := status == "completed" || status == "incomplete"
	b.raw(`{"id":`).str(r.id).raw(`,"object":"response","created_at":`).int(p.created).raw(`,"status":"`).raw(status)
	b.raw(`","background":`).bool(r.background).raw(`,"completed_at":`)
	if status == "completed" {
		b.int(p.created)
	} else {
		b.raw("null")
	}
	b.raw(`,"error":`).raw(err).raw(`,"incomplete_details":`)
	if status == "incomplete" {
		b.raw(`{"reason":"max_output_tokens"}`)
	} else {
		b.raw("null")
	}
	b.raw(`,"instructions":`).raw(e.instructions).raw(`,"max_output_tokens":`).raw(e.maxOutput).raw(`,"max_tool_calls":`).raw(e.maxTools)
	b.raw(`,"model":`).str(p.model).raw(`,"output":[`)
	if ended {
		for i := range r.items {
			if i > 0 {
				b.raw(",")
			}
			state := "completed"
			if status == "incomplete" && i == len(r.items)-1 {
				state = "incomplete"
			}
			r.items[i].full(b, state)
		}
	}
	b.raw(`],"parallel_tool_calls":`).raw(e.parallel).raw(`,"previous_response_id":`).raw(e.previous).raw(`,"prompt_cache_key":`).raw(e.cacheKey)
	b.raw(`,"reasoning":`).raw(e.reasoning).raw(`,"safety_identifier":`).raw(e.safety).raw(`,"service_tier":"default","store":`).bool(r.keep)
	b.raw(`,"temperature":`).raw(e.temperature).raw(`,"text":`).raw(e.text).raw(`,"tool_choice":`).raw(e.choice).raw(`,"tools":`).raw(e.tools)
	b.raw(`,"top_logprobs":`).raw(e.topLogprobs).raw(`,"top_p":`).raw(e.topP).raw(`,"truncation":`).raw(e.truncation).raw(`,"usage":`)
	if ended && !p.noUsage {
		responsesUsage(b, p)
	} else {
		b.raw("null")
	}
	b.raw(`,"user":`).raw(e.user).raw(`,"metadata":`).raw(e.metadata).raw(`}`)
}

func responsesUsage(b *jsonBuf, p *plan) {
	u := p.use
	in, out := u.prompt(), u.Output+u.Reasoning
	total := in + out
	if p.wrong {
		total, in = total/2, in+out
	}
	b.raw(`{"input_tokens":`).int(in).raw(`,"input_tokens_details":{"cached_tokens":`).int(u.CacheRead)
	b.raw(`},"output_tokens":`).int(out).raw(`,"output_tokens_details":{"reasoning_tokens":`).int(u.Reasoning)
	b.raw(`},"total_tokens":`).int(total).raw(`}`)
}

// full appends the item as it is when it has ended.
func (it *outItem) full(b *jsonBuf, state string) {
	switch it.kind {
	case "reasoning":
		b.raw(`{"id":`).str(it.id).raw(`,"type":"reasoning","summary":[`)
		if it.summary != "" {
			b.raw(`{"type":"summary_text","text":`).str(it.summary).raw(`}`)
		}
		b.raw(`]`)
		if it.encrypted != "" {
			b.raw(`,"encrypted_content":`).str(it.encrypted)
		}
		b.raw(`}`)
	case "message":
		b.raw(`{"id":`).str(it.id).raw(`,"type":"message","status":"`).raw(state)
		b.raw(`","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":`).str(it.text).raw(`}],"role":"assistant"}`)
	default:
		it.toolCall(b, state, it.call.args)
	}
}

func (it *outItem) toolCall(b *jsonBuf, state, args string) {
	member := "arguments"
	if it.call.custom {
		member = "input"
	}
	b.raw(`{"id":`).str(it.id).raw(`,"type":"`).raw(it.kind).raw(`","status":"`).raw(state).raw(`","`).raw(member).raw(`":`).str(args)
	b.raw(`,"call_id":`).str(it.call.id).raw(`,"name":`).str(it.call.name).raw(`}`)
}

// opening appends the item as it is when it begins.
func (it *outItem) opening(b *jsonBuf) {
	switch it.kind {
	case "reasoning":
		b.raw(`{"id":`).str(it.id).raw(`,"type":"reasoning","summary":[]`)
		if it.encrypted != "" {
			b.raw(`,"encrypted_content":`).str(it.encrypted)
		}
		b.raw(`}`)
	case "message":
		b.raw(`{"id":`).str(it.id).raw(`,"type":"message","status":"in_progress","content":[],"role":"assistant"}`)
	default:
		it.toolCall(b, "in_progress", "")
	}
}

// replyStream writes the events of one response, numbered from 0.
type replyStream struct {
	s     *stream
	f     *jsonBuf
	seq   int64
	after int64 // events up to this number are left out
}

// begin opens an event; end sends it.
func (w *replyStream) begin(typ string) *jsonBuf {
	return w.f.raw("event: ").raw(typ).raw("\ndata: {\"type\":\"").raw(typ).raw(`","sequence_number":`).int(w.seq)
}

func (w *replyStream) end() {
	w.f.raw("}\n\n")
	w.seq++
	if w.seq-1 <= w.after {
		*w.f = (*w.f)[:0]
		return
	}
	w.s.send()
}

// streamReply writes all events of r after the number given; -1: all.
func (c *call) streamReply(r *reply, after int64) {
	w := &replyStream{after: after}
	s := c.openStream("text/event-stream; charset=utf-8", func(s *stream) {
		if s.sent == 0 {
			w.begin("error").raw(`,"code":"server_error","message":`).str(serverTrouble).raw(`,"param":null`)
		} else {
			w.begin("response.failed").raw(`,"response":`)
			r.object(w.f, "failed", `{"code":"server_error","message":`+quoted(serverTrouble)+`}`)
		}
		w.f.raw("}\n\n")
	})
	w.s, w.f = s, &s.frame
	opening := "in_progress"
	if r.background {
		opening = "queued"
	}
	w.begin("response.created").raw(`,"response":`)
	r.object(w.f, opening, "null")
	w.end()
	if r.background {
		w.begin("response.queued").raw(`,"response":`)
		r.object(w.f, "queued", "null")
		w.end()
	}
	w.begin("response.in_progress").raw(`,"response":`)
	r.object(w.f, "in_progress", "null")
	w.end()
	if c.be.slow > 0 && cap(s.frame) > 8<<10 {
		s.frame = make(jsonBuf, 0, 512) // the large opening events are over; a slow stream should not hold their room
	}
	status := r.final()
	for i := range r.items {
		it := &r.items[i]
		n := int64(i)
		w.begin("response.output_item.added").raw(`,"output_index":`).int(n).raw(`,"item":`)
		it.opening(w.f)
		w.end()
		state := "completed"
		switch it.kind {
		case "reasoning":
			w.reasoning(it, n, r.plan)
		case "message":
			if status == "incomplete" {
				state = "incomplete"
			}
			w.message(it, n, r.plan)
		default:
			s.enterContent()
			w.toolCall(it, n)
		}
		w.begin("response.output_item.done").raw(`,"output_index":`).int(n).raw(`,"item":`)
		it.full(w.f, state)
		w.end()
	}
	if c.be.noDone {
		s.end()
		return
	}
	w.begin("response." + status).raw(`,"response":`)
	r.object(w.f, status, "null")
	w.end()
	c.rec.Reported = !s.over && !r.plan.noUsage
	s.end()
}

// place appends the members that say where in the output an event belongs.
func (w *replyStream) place(it *outItem, n int64, within string) *jsonBuf {
	w.f.raw(`,"item_id":`).str(it.id).raw(`,"output_index":`).int(n)
	if within != "" {
		w.f.raw(`,"`).raw(within).raw(`":0`)
	}
	return w.f
}

func (w *replyStream) reasoning(it *outItem, n int64, p *plan) {
	if it.summary == "" {
		return
	}
	w.begin("response.reasoning_summary_part.added")
	w.place(it, n, "summary_index").raw(`,"part":{"type":"summary_text","text":""}`)
	w.end()
	w.s.enterContent()
	p.thoughts(func(part string) {
		w.begin("response.reasoning_summary_text.delta")
		w.place(it, n, "summary_index").raw(`,"delta":`).str(part)
		w.end()
	})
	w.begin("response.reasoning_summary_text.done")
	w.place(it, n, "summary_index").raw(`,"text":`).str(it.summary)
	w.end()
	w.begin("response.reasoning_summary_part.done")
	w.place(it, n, "summary_index").raw(`,"part":{"type":"summary_text","text":`).str(it.summary).raw(`}`)
	w.end()
}

func (w *replyStream) message(it *outItem, n int64, p *plan) {
	w.begin("response.content_part.added")
	w.place(it, n, "content_index").raw(`,"part":{"type":"output_text","annotations":[],"logprobs":[],"text":""}`)
	w.end()
	w.s.enterContent()
	p.pieces(it.text, func(part string) {
		w.begin("response.output_text.delta")
		w.place(it, n, "content_index").raw(`,"delta":`).str(part).raw(`,"logprobs":[]`)
		w.end()
	})
	w.begin("response.output_text.done")
	w.place(it, n, "content_index").raw(`,"text":`).str(it.text).raw(`,"logprobs":[]`)
	w.end()
	w.begin("response.content_part.done")
	w.place(it, n, "content_index").raw(`,"part":{"type":"output_text","annotations":[],"logprobs":[],"text":`).str(it.text).raw(`}`)
	w.end()
}

func (w *replyStream) toolCall(it *outItem, n int64) {
	event, member := "response.function_call_arguments", "arguments"
	if it.call.custom {
		event, member = "response.custom_tool_call_input", "input"
	}
	fragments(it.call.args, func(part string) {
		w.begin(event + ".delta")
		w.place(it, n, "").raw(`,"delta":`).str(part)
		w.end()
	})
	w.begin(event + ".done")
	w.place(it, n, "").raw(`,"`).raw(member).raw(`":`).str(it.call.args)
	if !it.call.custom {
		w.f.raw(`,"name":`).str(it.call.name)
	}
	w.end()
}
