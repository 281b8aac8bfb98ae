package openaichat

import (
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonpull"
	"tollgate/internal/dialect/openai"
)

// maxAlternatives bounds what a reader keeps; no real answer comes near.
const maxAlternatives = 1024

// choice is what later chunks of one alternative need to know. Blocks are numbered in the order in
// which they appear, as the dialect itself numbers only tool calls.
type choice struct {
	number  int
	open    string   // "text", "reasoning" or "refusal": the block that a delta of the same kind continues
	index   int      // of that block
	next    int      // index of the next new block
	wrapped []string // seals of other dialects so far
	thinks  bool     // thoughts come as plain text, so that details say nothing new
	text    int      // the last block of text, which citations are of
	audio   int      // block of generated audio, 0 if none yet, else its index + 1
	aloud   string   // its id
	calls   []call
	stopped bool
}

// at returns the state of an alternative.
func (r *reader) at(number int64) (*choice, error) {
	for i := range r.choices {
		if int64(r.choices[i].number) == number {
			return &r.choices[i], nil
		}
	}
	if number < 0 || number >= maxAlternatives {
		return nil, errTooMany
	}
	if r.choices == nil {
		r.choices = r.first[:0]
	}
	r.choices = append(r.choices, choice{number: int(number)})
	return &r.choices[len(r.choices)-1], nil
}

// block returns the index of the open block of this kind, or opens one.
func (c *choice) block(kind string) int {
	if c.open != kind {
		c.open, c.index = kind, c.next
		if kind == "text" {
			c.text = c.index
		}
		c.next++
	}
	return c.index
}

// newBlock returns the index of a block that no delta without an index of its own continues.
func (c *choice) newBlock() int {
	c.open = ""
	c.next++
	return c.next - 1
}

// choice reads one element of choices.
func (r *reader) choice(p *jsonpull.Parser, top *chunk, out []canon.Event) ([]canon.Event, error) {
	if !p.Object() {
		return out, nil
	}
	var (
		m             message
		number        int64
		text, reason  string
		probs, met    string // logprobs, raw; stop sequence
		whole, usable bool
	)
	for p.Member() {
		switch p.Name {
		case "index":
			number = p.Int()
		case "message", "delta":
			whole = p.Name == "message"
			if usable = p.Kind() == '{'; usable {
				m.read(p)
			} else {
				p.Skip()
			}
		case "text": // legacy completions
			text = p.String()
		case "finish_reason":
			reason = p.String()
		case "logprobs":
			if p.Kind() == '{' {
				probs = p.Raw()
			} else {
				p.Skip()
			}
		case "stop_reason", "matched_stop": // vLLM and SGLang: the stop sequence, or the number of a token
			met = p.String()
		case "usage": // Moonshot puts the usage of a stream here
			if p.Kind() == '{' && !top.counted {
				top.counted = true
				top.counts.Read(p)
			} else {
				p.Skip()
			}
		case "error": // OpenRouter, for one alternative
			if e := p.Raw(); top.fault == "" {
				top.fault = e
			}
		default:
			p.Skip()
		}
	}
	c, err := r.at(number)
	if err != nil {
		return out, err
	}
	if text != "" {
		out = append(out, canon.TextDelta{Choice: c.number, Index: c.block("text"), Text: text})
	}
	if usable {
		if out, err = c.message(&m, whole, out); err != nil {
			return out, err
		}
	}
	if probs != "" {
		out = c.probabilities(probs, out)
	}
	if reason != "" || whole {
		out = c.closeCustom(out)
	}
	if reason == "" || c.stopped {
		return out, nil
	}
	if e := broken(reason); e != nil {
		top.stopFault = e
		return out, nil //nolint:nilerr // it is told with the stop, after what was delivered
	}
	c.stopped = true
	why := stop(reason)
	if why == canon.StopEnd && len(c.calls) > 0 {
		why = canon.StopTools // Google always says stop, and so does OpenAI of a call that tool_choice forced
	}
	if met != "" && why == canon.StopEnd {
		why = canon.StopSequence
	} else {
		met = ""
	}
	if c.number == 0 && reason == "stop" && why == canon.StopEnd {
		return append(out, canon.Stopped{Why: canon.StopEnd, Raw: "stop"}), nil // the usual end: a constant needs no memory
	}
	return append(out, canon.Stopped{Choice: c.number, Why: why, Raw: reason, Sequence: met}), nil
}

// message is a delta or a message, read but not yet in order: members come in any.
type message struct {
	text, reasoning, refusal                                    string
	parts, details, calls, function, audio, images, annotations string // raw JSON
	odd                                                         string // name of a member that is none of these, with something in it
}

func (m *message) read(p *jsonpull.Parser) {
	p.Object()
	for p.Member() {
		switch p.Name {
		case "content":
			if p.Kind() == '[' { // Mistral
				m.parts = p.Raw()
			} else {
				m.text = p.String()
			}
		case "reasoning_content": // DeepSeek, and most after it
			if s := p.String(); s != "" {
				m.reasoning = s
			}
		case "reasoning": // OpenRouter, Groq, vLLM; some send it beside reasoning_content
			if s := p.String(); m.reasoning == "" {
				m.reasoning = s
			}
		case "refusal":
			m.refusal = p.String()
		case "tool_calls":
			m.calls = list(p)
		case "function_call": // what tool_calls was before 2023-11
			if p.Kind() == '{' {
				m.function = p.Raw()
			} else {
				p.Skip()
			}
		case "audio":
			if p.Kind() == '{' {
				m.audio = p.Raw()
			} else {
				p.Skip()
			}
		case "images":
			m.images = list(p)
		case "reasoning_details":
			m.details = list(p)
		case "annotations":
			m.annotations = list(p)
		case "role", "name", "prefix", "partial", "channel", "tool_call_id", "token_ids": // say nothing that is shown
			p.Skip()
		default:
			name := p.Name
			if raw := strings.Trim(p.Raw(), " \t\r\n"); len(raw) > 2 && strings.ContainsRune(`"[{`, rune(raw[0])) {
				m.odd = name
			}
		}
	}
}

// list takes the next value and returns it if it is an array with something in it.
func list(p *jsonpull.Parser) string {
	isArray := p.Kind() == '['
	raw := p.Raw()
	if !isArray || strings.TrimSpace(raw[min(1, len(raw)):]) == "]" {
		return ""
	}
	return raw
}

// message appends the events of m: first what was thought, then what was said, then what is to be done.
func (c *choice) message(m *message, whole bool, out []canon.Event) ([]canon.Event, error) {
	if whole && m.details != "" {
		out = c.wholeThoughts(m, out)
	} else {
		out = c.thought(m.reasoning, out)
		if m.details != "" {
			out = c.details(m.details, m.calls, !c.thinks, out)
		}
	}
	if m.parts != "" {
		out = c.parts(m.parts, out)
	}
	if m.text != "" {
		out = append(out, canon.TextDelta{Choice: c.number, Index: c.block("text"), Text: m.text})
	}
	if m.refusal != "" {
		out = append(out, canon.RefusalDelta{Choice: c.number, Index: c.block("refusal"), Text: m.refusal})
	}
	if m.annotations != "" {
		out = c.cited(m.annotations, out)
	}
	if m.odd != "" {
		out = append(out, canon.Other{Name: "message." + m.odd, Content: true})
	}
	if m.audio != "" {
		out = c.sound(m.audio, out)
	}
	if m.images != "" {
		out = c.images(m.images, out)
	}
	var err error
	if m.calls != "" {
		p := jsonpull.NewString(m.calls)
		p.Array()
		for p.Element() && err == nil {
			out, err = c.call(readCall(&p), out)
		}
	}
	if m.function != "" && err == nil {
		d := callDelta{number: -1}
		p := jsonpull.NewString(m.function)
		d.function(&p)
		if d.name == "" || len(c.calls) == 0 { // a second name would be a second call, which this form cannot have
			d.number = 0
		}
		out, err = c.call(d, out)
	}
	return out, err
}

// parts reads content that is an array: Mistral's text and thinking.
// Recorded 2026-07-22: vercel/ai, packages/openai-compatible/src/chat/__fixtures__/issue-13703-mistral-thinking.chunks.txt.
func (c *choice) parts(raw string, out []canon.Event) []canon.Event {
	p := jsonpull.NewString(raw)
	p.Array()
	for p.Element() {
		if p.Kind() == '"' {
			if s := p.String(); s != "" {
				out = append(out, canon.TextDelta{Choice: c.number, Index: c.block("text"), Text: s})
			}
			continue
		}
		part := p.Raw()
		q := jsonpull.NewString(part)
		if !q.Object() {
			continue
		}
		var kind, text, thought string
		for q.Member() {
			switch q.Name {
			case "type":
				kind = q.String()
			case "text":
				text = q.String()
			case "thinking":
				thought = joined(&q)
			default:
				q.Skip()
			}
		}
		switch kind {
		case "thinking":
			if thought != "" {
				out = append(out, canon.ReasoningDelta{Choice: c.number, Index: c.block("reasoning"), Text: thought})
			}
		case "text", "output_text":
			if text != "" {
				out = append(out, canon.TextDelta{Choice: c.number, Index: c.block("text"), Text: text})
			}
		default:
			out = append(out, canon.Other{Name: "content." + kind, Content: true, Raw: []byte(part)})
		}
	}
	return out
}

// joined takes a string, or an array of parts with text, as one string.
func joined(p *jsonpull.Parser) string {
	if p.Kind() == '"' {
		return p.String()
	}
	var b strings.Builder
	if p.Array() {
		for p.Element() {
			if !p.Object() {
				continue
			}
			for p.Member() {
				if p.Name == "text" {
					b.WriteString(p.String())
				} else {
					p.Skip()
				}
			}
		}
	}
	return b.String()
}

// sound reads generated audio. Its transcript is the text of the answer.
func (c *choice) sound(raw string, out []canon.Event) []canon.Event {
	var data, transcript string
	p := jsonpull.NewString(raw)
	p.Object()
	for p.Member() {
		switch p.Name {
		case "id": // by which a later request may name it
			if id := p.String(); id != "" && id != c.aloud {
				c.aloud = id
				out = append(out, canon.Kept{ID: id})
			}
		case "data":
			data = p.String()
		case "transcript":
			transcript = p.String()
		default:
			p.Skip()
		}
	}
	if transcript != "" {
		out = append(out, canon.TextDelta{Choice: c.number, Index: c.block("text"), Text: transcript})
	}
	if data != "" {
		if c.audio == 0 {
			c.next++
			c.audio = c.next
		}
		out = append(out, canon.MediaDelta{Choice: c.number, Index: c.audio - 1, Kind: canon.MediaAudio, Data: data})
	}
	return out
}

// images reads the pictures that OpenRouter's image models answer with.
// https://openrouter.ai/docs/features/multimodal/image-generation.
func (c *choice) images(raw string, out []canon.Event) []canon.Event {
	p := jsonpull.NewString(raw)
	p.Array()
	for p.Element() {
		image := p.Raw()
		q := jsonpull.NewString(image)
		if !q.Object() {
			continue
		}
		var url string
		for q.Member() {
			if q.Name != "image_url" || !q.Object() {
				if q.Name != "image_url" {
					q.Skip()
				}
				continue
			}
			for q.Member() {
				if q.Name == "url" {
					url = q.String()
				} else {
					q.Skip()
				}
			}
		}
		if mime, data, ok := openai.DataURL(url); ok {
			out = append(out, canon.MediaDelta{Choice: c.number, Index: c.newBlock(), Kind: canon.MediaImage, MIME: mime, Data: data})
		} else {
			out = append(out, canon.Other{Name: "images", Content: true, Raw: []byte(image)})
		}
	}
	return out
}
