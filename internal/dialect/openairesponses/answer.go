package openairesponses

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/jsonpull"
	"tollgate/internal/dialect/openai"
)

// reader reads the events of a stream, or the one object of a whole answer.
type reader struct {
	head    dialect.Head
	started bool
	failed  bool
	ended   bool
	seen    bool // something of the output was read
	slots   []slot
	next    int // index of the next new block

	acts     bool // the model wants something done by the client
	refused  bool
	searches int64
}

// NewReader returns a reader for one answer to head.
func (*Protocol) NewReader(head dialect.Head) dialect.Reader { return &reader{head: head} }

// Hidden is always false: usage is part of every answer.
func (r *reader) Hidden() bool { return false }

// Complete reports whether the terminal event has come. response.failed is none of them: it is a
// failure, and reads as one.
func (r *reader) Complete() bool { return r.ended }

var (
	errNotAnswer = errors.New("not an answer of the Responses dialect")
	errTooMany   = errors.New("more output than an answer can have")
)

// frame is what an event says.
type frame struct {
	kind                     string
	delta, text              string // text: what a done event repeats as a whole
	item, response, fault    string // raw JSON
	annotation, logprobs     string // raw JSON
	object                   string
	itemID                   string
	output, content, summary int64
	placed                   bool // output or item is said
	deleted                  bool
	list                     bool
	counted                  int64 // input tokens, of a count
	body                     bool  // output or status is there: the frame is a response itself
}

// Read reads one frame.
func (r *reader) Read(event string, data []byte, out []canon.Event) ([]canon.Event, error) {
	data = bytes.TrimSpace(data)
	if r.head.Stream && (len(data) == 0 || bytes.Equal(data, []byte("[DONE]"))) {
		return out, nil // the mark is Chat Completions', some vendors send it here too
	}
	text := string(data)
	p := jsonpull.NewString(text)
	if p.Kind() != '{' {
		return out, errNotAnswer
	}
	var f frame
	var b body
	if r.head.Stream {
		f.read(&p, nil)
	} else {
		f.read(&p, &b)
	}
	if err := p.End(); err != nil {
		return out, err
	}
	if f.kind == "" {
		f.kind = event
	}
	mark := len(out)
	var err error
	if r.head.Stream && (f.kind != "" || !f.body) {
		out, err = r.event(&f, data, out)
	} else {
		if r.head.Stream {
			b = readBody(text)
		}
		out, err = r.object(&f, &b, data, out)
	}
	if err != nil {
		return out[:mark], err
	}
	if !r.started && r.seen { // a stored stream that is continued begins in the middle
		r.started = true
		out = slices.Insert(out, mark, canon.Event(canon.Start{ID: r.head.StoredID}))
	}
	return out, nil
}

// read takes the frame, and into b, which may be nil, what it says as a response itself.
func (f *frame) read(p *jsonpull.Parser, b *body) {
	p.Object()
	for p.Member() {
		switch p.Name {
		case "type":
			f.kind = p.String()
		case "delta":
			f.delta = p.String()
		case "text", "arguments", "input", "refusal":
			f.text = p.String()
		case "output_index":
			f.output, f.placed = p.Int(), true
		case "content_index":
			f.content = p.Int()
		case "summary_index":
			f.summary = p.Int()
		case "item_id":
			f.itemID, f.placed = p.String(), true
		case "item":
			f.item = p.Raw()
		case "response":
			f.response = p.Raw()
		case "error":
			f.fault = p.Raw()
			if b != nil {
				b.fault = f.fault
			}
		case "annotation":
			f.annotation = p.Raw()
		case "logprobs":
			f.logprobs = p.Raw()
		case "input_tokens":
			f.counted = p.Int()
		case "object":
			f.object = p.String()
		case "deleted":
			f.deleted = p.Bool()
		case "data":
			f.list = p.Kind() == '['
			p.Skip()
		case "output":
			f.body = f.body || p.Kind() == '['
			if raw := p.Raw(); b != nil {
				b.output = raw
			}
		case "status":
			f.body = f.body || p.Kind() == '"'
			if b == nil {
				p.Skip()
			} else {
				b.status = p.String()
			}
		default:
			if b == nil {
				p.Skip()
			} else {
				b.take(p)
			}
		}
	}
}

// event reads one event of a stream. The list of types is that of
// openai/openai-python, src/openai/types/responses/response_stream_event.py, read 2026-11-20.
func (r *reader) event(f *frame, data []byte, out []canon.Event) ([]canon.Event, error) {
	switch f.kind {
	case "response.output_text.delta", "response.audio.transcript.delta":
		s, err := r.at(f.output, f.content, "text")
		if err != nil || f.delta == "" {
			return out, err
		}
		r.seen, s.seen = true, true
		return s.probs(f.logprobs, append(out, canon.TextDelta{Index: s.index, Text: f.delta})), nil
	case "response.function_call_arguments.delta", "response.custom_tool_call_input.delta":
		return r.input(f, f.delta, out)
	case "response.reasoning_summary_text.delta":
		return r.thought(f, summaryPart, out)
	case "response.reasoning_text.delta":
		return r.thought(f, reasoningPart, out)
	case "response.refusal.delta":
		s, err := r.at(f.output, f.content, "refusal")
		if err != nil || f.delta == "" {
			return out, err
		}
		r.seen, s.seen, r.refused = true, true, true
		return append(out, canon.RefusalDelta{Index: s.index, Text: f.delta}), nil
	case "response.audio.delta":
		s, err := r.at(f.output, audioPart, "audio")
		if err != nil || f.delta == "" {
			return out, err
		}
		r.seen, s.seen = true, true
		return append(out, canon.MediaDelta{Index: s.index, Kind: canon.MediaAudio, Data: f.delta}), nil

	case "response.created", "response.in_progress", "response.queued":
		b := readBody(f.response)
		return r.start(&b, out), nil
	case "response.output_item.added":
		return r.itemAdded(f, out)
	case "response.output_item.done":
		return r.item(f.output, f.item, out)
	case "response.output_text.done":
		return r.textDone(f, "text", out)
	case "response.refusal.done":
		r.refused = true
		return r.textDone(f, "refusal", out)
	case "response.function_call_arguments.done", "response.custom_tool_call_input.done":
		if s := r.find(f.output, itemPart); s == nil || !s.seen {
			return r.input(f, f.text, out)
		}
		return out, nil
	case "response.output_text.annotation.added":
		s, err := r.at(f.output, f.content, "text")
		if err != nil {
			return out, err
		}
		r.seen = true
		s.cited++
		return named(f.annotation, append(out, canon.Cited{Index: s.index, Citation: readCitation(f.annotation)})), nil

	case "response.content_part.added", "response.content_part.done",
		"response.reasoning_summary_part.added", "response.reasoning_summary_part.done",
		"response.reasoning_summary_text.done", "response.reasoning_text.done",
		"response.audio.done", "response.audio.transcript.done":
		return out, nil // their content has come, or comes with the item

	case "response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.done":
		if !strings.HasPrefix(f.response, "{") {
			return out, errNotAnswer
		}
		b := readBody(f.response)
		if b.status == "" {
			b.status = strings.TrimPrefix(f.kind, "response.")
		}
		return r.finish(&b, out)
	case "error":
		return r.fail(openai.ReadError(200, nil, data), out), nil
	}
	if fault := openai.ParseFault(f.fault); f.fault != "" && fault != (openai.Fault{}) {
		return r.fail(fault.Err(200), out), nil
	}
	if f.kind == "" {
		f.kind = "unknown"
	}
	r.seen = r.seen || f.placed
	return append(out, canon.Other{Name: f.kind, Content: f.placed}), nil // progress of hosted tools; keepalive
}

// object reads a whole answer.
func (r *reader) object(f *frame, b *body, data []byte, out []canon.Event) ([]canon.Event, error) {
	switch {
	case f.deleted, f.list && r.head.Op == canon.OpStoredItems:
		out = r.start(b, out)
		r.ended = true
		return append(out, canon.Other{Name: string(r.head.Op), Content: true}, canon.Ended{}), nil
	case f.object == "response.input_tokens" && r.head.Op == canon.OpCountTokens:
		r.ended = true
		if f.counted > 0 {
			out = append(out, canon.Used{Usage: canon.Usage{Input: f.counted}})
		}
		return append(out, canon.Ended{}), nil
	case f.body:
		return r.finish(b, out)
	}
	if fault, ok := openai.BodyFault(data); ok {
		return r.fail(fault.Err(200), out), nil
	}
	return out, errNotAnswer
}

func (r *reader) start(b *body, out []canon.Event) []canon.Event {
	if r.started || b.id == "" && b.model == "" {
		return out
	}
	r.started = true
	return append(out, canon.Start{ID: b.id, Model: b.model, Created: b.created})
}

// fail reports an error once; an error event is often followed by response.failed with the same.
func (r *reader) fail(e *canon.Error, out []canon.Event) []canon.Event {
	if r.failed {
		return out
	}
	r.failed = true
	return append(out, canon.Failed{Err: e})
}

// finish reads a response that will not change any more in this answer.
func (r *reader) finish(b *body, out []canon.Event) ([]canon.Event, error) {
	out = r.start(b, out)
	fresh := !r.seen // some vendors send no deltas
	p := jsonpull.NewChecked(b.output)
	var err error
	counted := r.searches
	r.searches = 0
	if b.output != "" && p.Array() {
		for i := int64(0); p.Element(); i++ {
			raw := p.Raw()
			if fresh {
				out, err = r.item(i, raw, out)
			} else {
				r.tally(raw)
			}
			if err != nil {
				return out, err
			}
		}
	}
	r.searches = max(r.searches, counted) // an output that is left out of the last event empties nothing
	u, used := b.counts.Used(b.tier)
	if used {
		u.Usage.WebSearches = max(u.Usage.WebSearches, r.searches)
		if b.searches > 0 {
			u.Usage.WebSearches = b.searches
		}
		u.Usage.InputImage += b.imageIn
		u.Usage.OutputImage += b.imageOut
	}
	failed := b.status == "failed" && r.head.Op == canon.OpGenerate
	switch {
	case failed:
	case b.status == "failed", // fetched by its id: to learn that it has failed is no failure
		b.status == "queued", b.status == "in_progress": // background: the answer is to be fetched later
		out = append(out, canon.Other{Name: "response." + b.status, Content: true})
	default:
		out = append(out, canon.Stopped{Why: r.stop(b), Raw: b.why()})
	}
	if used {
		out = append(out, u)
	}
	if failed {
		fault := openai.ParseFault(b.fault)
		return r.fail(fault.Err(200), out), nil
	}
	r.ended = true
	return append(out, canon.Ended{}), nil
}

func (r *reader) stop(b *body) canon.Stop {
	switch b.status {
	case "incomplete":
		switch b.reason {
		case "max_output_tokens":
			return canon.StopLength
		case "content_filter":
			return canon.StopFilter
		}
		return canon.StopOther
	case "cancelled":
		return canon.StopCancelled
	}
	switch {
	case r.acts:
		return canon.StopTools
	case r.refused:
		return canon.StopRefusal
	}
	return canon.StopEnd
}

// body is a response object.
type body struct {
	id, model, status, tier string
	output, fault           string // raw JSON
	reason                  string // of an incomplete one
	counts                  openai.Counts
	created                 int64 // Unix seconds
	searches                int64 // that the vendor says it ran
	imageIn, imageOut       int64 // tokens of the image tool, which usage leaves out
}

// why is the dialect's own word for how it ended.
func (b *body) why() string {
	if b.reason != "" {
		return b.reason
	}
	return b.status
}

// readBody reads a response that is known to be JSON.
func readBody(raw string) body {
	var b body
	p := jsonpull.NewChecked(raw)
	if raw == "" || !p.Object() {
		return b
	}
	for p.Member() {
		b.take(&p)
	}
	return b
}

// take takes the member at hand.
func (b *body) take(p *jsonpull.Parser) {
	switch p.Name {
	case "id":
		b.id = p.String()
	case "model":
		b.model = p.String()
	case "status":
		b.status = p.String()
	case "created_at":
		b.created = p.Int()
	case "service_tier":
		b.tier = p.String()
	case "output":
		b.output = p.Raw()
	case "usage":
		b.counts = openai.Counts{}
		b.counts.Read(p)
	case "error":
		b.fault = p.Raw()
	case "incomplete_details":
		if p.Object() {
			for p.Member() {
				if p.Name == "reason" {
					b.reason = p.String()
				} else {
					p.Skip()
				}
			}
		}
	case "tool_usage":
		b.readTools(p)
	default:
		p.Skip()
	}
}

// readTools reads what hosted tools used. Recorded 2026-08-28: vercel/ai,
// packages/openai/src/responses/__fixtures__/issue-19921-prompt-cache-breakpoint.json.
func (b *body) readTools(p *jsonpull.Parser) {
	if !p.Object() {
		return
	}
	for p.Member() {
		tool := p.Name
		if tool != "web_search" && tool != "image_gen" || !p.Object() {
			if tool != "web_search" && tool != "image_gen" {
				p.Skip()
			}
			continue
		}
		for p.Member() {
			n := int64(0)
			switch p.Name {
			case "num_requests", "input_tokens", "output_tokens":
				name := p.Name
				n = min(max(p.Int(), 0), 1<<48)
				switch {
				case tool == "web_search" && name == "num_requests":
					b.searches = n
				case tool == "image_gen" && name == "input_tokens":
					b.imageIn = n
				case tool == "image_gen" && name == "output_tokens":
					b.imageOut = n
				}
			default:
				p.Skip()
			}
		}
	}
}
