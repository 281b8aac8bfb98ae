package simulator

// This file writes the answers of the Gemini API.

func geminiFinish(e end) string {
	if e == endLength {
		return "MAX_TOKENS"
	}
	return "STOP" // also for calls and stop sequences
}

// geminiUsage appends usageMetadata; out is the visible output so far.
func geminiUsage(b *jsonBuf, p *plan, out int64) {
	u := p.use
	in := u.prompt()
	total := in + out + u.Reasoning
	if p.wrong {
		total, out = total/2, total+7
	}
	b.raw(`{"promptTokenCount":`).int(in)
	if out > 0 {
		b.raw(`,"candidatesTokenCount":`).int(out)
	}
	b.raw(`,"totalTokenCount":`).int(total)
	if u.CacheRead > 0 {
		b.raw(`,"cachedContentTokenCount":`).int(u.CacheRead)
	}
	b.raw(`,"promptTokensDetails":[{"modality":"TEXT","tokenCount":`).int(in - u.InputImage - u.InputAudio).raw(`}`)
	if u.InputImage > 0 {
		b.raw(`,{"modality":"IMAGE","tokenCount":`).int(u.InputImage).raw(`}`)
	}
	if u.InputAudio > 0 {
		b.raw(`,{"modality":"AUDIO","tokenCount":`).int(u.InputAudio).raw(`}`)
	}
	b.raw(`]`)
	if u.CacheRead > 0 {
		b.raw(`,"cacheTokensDetails":[{"modality":"TEXT","tokenCount":`).int(u.CacheRead).raw(`}]`)
	}
	if u.Reasoning > 0 {
		b.raw(`,"thoughtsTokenCount":`).int(u.Reasoning)
	}
	b.raw(`}`)
}

func (c *call) geminiBody(p *plan, id string, shown bool) jsonBuf {
	b := make(jsonBuf, 0, 1024)
	b.raw(`{"candidates":[`)
	for i := range p.choices {
		d := &p.choices[i]
		if i > 0 {
			b.raw(",")
		}
		b.raw(`{"content":{`)
		parts := 0
		open := func() {
			if parts == 0 {
				b.raw(`"parts":[`)
			} else {
				b.raw(",")
			}
			parts++
		}
		if shown && p.think != "" {
			open()
			b.raw(`{"text":`).str(p.think).raw(`,"thought":true}`)
		}
		if d.text != "" {
			open()
			b.raw(`{"text":`).str(d.text)
			if p.seal != "" {
				b.raw(`,"thoughtSignature":`).str(p.seal)
			}
			b.raw(`}`)
		}
		for j := range d.calls {
			open()
			functionCall(&b, &d.calls[j], p.seal, j)
		}
		if parts > 0 {
			b.raw("],")
		}
		b.raw(`"role":"model"},"finishReason":"`).raw(geminiFinish(d.end)).raw(`","index":`).int(int64(i)).raw(`}`)
	}
	b.raw(`]`)
	if !p.noUsage {
		b.raw(`,"usageMetadata":`)
		geminiUsage(&b, p, p.use.Output)
	}
	b.raw(`,"modelVersion":`).str(p.model).raw(`,"responseId":`).str(id).raw("}\n")
	return b
}

// functionCall appends a part with a call; only the first of several carries the signature.
func functionCall(b *jsonBuf, tc *toolCall, seal string, nth int) {
	b.raw(`{"functionCall":{"name":`).str(tc.name).raw(`,"args":`).raw(tc.args).raw(`,"id":`).str(tc.id).raw(`}`)
	if nth == 0 && seal != "" {
		b.raw(`,"thoughtSignature":`).str(seal)
	}
	b.raw(`}`)
}

// streamGemini writes p as server-sent events or as one JSON array written piece by piece. Every piece
// has the usage so far; the last of each candidate has its finishReason.
func (c *call) streamGemini(p *plan, id string, shown, sse bool) {
	contentType := "application/json; charset=UTF-8"
	if sse {
		contentType = "text/event-stream"
	}
	var s *stream
	open := func(f *jsonBuf) {
		switch {
		case sse:
			f.raw("data: ")
		case s.sent == 0:
			f.raw("[")
		default:
			f.raw(",\r\n")
		}
	}
	shut := func(f *jsonBuf) {
		if sse {
			f.raw("\r\n\r\n")
		}
	}
	s = c.openStream(contentType, func(s *stream) {
		open(&s.frame)
		s.frame.raw(`{"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}`)
		shut(&s.frame)
	})
	if !sse && c.be.empty {
		return
	}
	f := &s.frame
	written := int64(0)
	begin := func(i int) {
		open(f)
		f.raw(`{"candidates":[{"content":{`)
	}
	finish := func(i int, reason string, out int64) {
		f.raw(`"role":"model"}`)
		if reason != "" {
			f.raw(`,"finishReason":"`).raw(reason).raw(`"`)
		}
		f.raw(`,"index":`).int(int64(i)).raw(`}]`)
		if !p.noUsage {
			f.raw(`,"usageMetadata":`)
			geminiUsage(f, p, out)
		}
		f.raw(`,"modelVersion":`).str(p.model).raw(`,"responseId":`).str(id).raw(`}`)
		shut(f)
		s.send()
	}
	s.enterContent() // there are no opening events here
	for i := range p.choices {
		d := &p.choices[i]
		if shown && p.think != "" {
			p.thoughts(func(part string) {
				begin(i)
				f.raw(`"parts":[{"text":`).str(part).raw(`,"thought":true}],`)
				finish(i, "", 0)
			})
		}
		p.pieces(d.text, func(part string) {
			written += int64(len(part))
			begin(i)
			f.raw(`"parts":[{"text":`).str(part).raw(`}],`)
			finish(i, "", min(p.use.Output, tokens(int(written))))
		})
		for j := range d.calls {
			begin(i)
			f.raw(`"parts":[`)
			functionCall(f, &d.calls[j], p.seal, j)
			f.raw(`],`)
			finish(i, "", p.use.Output)
		}
		if c.be.noDone {
			continue
		}
		begin(i)
		f.raw(`"parts":[{"text":""`)
		if p.seal != "" && len(d.calls) == 0 {
			f.raw(`,"thoughtSignature":`).str(p.seal)
		}
		f.raw(`}],`)
		finish(i, geminiFinish(d.end), p.use.Output)
	}
	c.rec.Reported = !s.over && !p.noUsage && !c.be.noDone
	if !sse && !s.over && !c.be.noDone {
		s.write([]byte("\n]\n"))
		s.sent-- // the closing bracket is no event
		c.rec.Events = s.sent
	}
	s.end()
}
