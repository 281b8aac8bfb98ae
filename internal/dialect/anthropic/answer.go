package anthropic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/jsonfield"
	"tollgate/internal/dialect/jsonpull"
)

// redactedMark stands before the data of a redacted_thinking block in a Seal.
const redactedMark = "redacted_thinking:"

// NewReader returns a reader for one answer to head.
func (*Protocol) NewReader(head dialect.Head) dialect.Reader { return &reader{stream: head.Stream} }

// reader reads the events of a stream, or the one message of a whole answer, which it takes apart into
// the same events. What it gets says which of them it is.
type reader struct {
	stream bool
	usage  counters
	open   map[int]*openBlock // tool calls and blocks that canon has no word for, while they are open
	ended  bool
	said   bool    // a block has begun
	late   besides // what message_start said beside the message, for its end
}

// openBlock is what later frames of a block need to know of its start.
type openBlock struct {
	tool   bool
	input  string           // of a tool: the JSON in its start, used if no delta brings any
	hosted *canon.HostedUse // a call of the vendor's own tool
	deltas []byte           // of such a call: its input so far
}

// Hidden is always false: usage is part of every answer.
func (*reader) Hidden() bool { return false }

// Complete reports whether the answer has been read to its end, which is marked.
func (r *reader) Complete() bool { return r.ended }

// frame is the members of one frame that mean something, as JSON; "" is absent.
type frame struct {
	kind                              string
	index                             int64
	delta, block, message, usage, err string
	content, id, model                string // of a whole message
	stop                              stopping
	beside                            besides
	counted                           bool
	tokens                            int64
}

// Read reads one frame.
func (r *reader) Read(event string, data []byte, out []canon.Event) ([]canon.Event, error) {
	if r.stream && (len(data) == 0 || string(bytes.TrimSpace(data)) == "[DONE]") {
		// A ping may be empty, and some compatible vendors end with OpenAI's mark. Neither is ours.
		return out, nil
	}
	text := string(data) // owns the memory of all events of this frame
	p := jsonpull.NewString(text)
	f := frame{index: -1}
	var bad error
	if p.Kind() != '{' {
		return out, fmt.Errorf("not a JSON object: %.60q", text)
	}
	p.Object()
	for p.Member() {
		switch p.Name {
		case "type":
			f.kind = p.String()
		case "index":
			f.index = p.Int()
		case "delta":
			f.delta = p.Raw()
		case "content_block":
			f.block = p.Raw()
		case "message":
			f.message = p.Raw()
		case "usage":
			f.usage = p.Raw()
		case "error":
			if p.Kind() == 'n' {
				p.Skip()
			} else {
				f.err = p.Raw()
			}
		case "content":
			f.content = p.Raw()
		case "id":
			f.id = p.String()
		case "model":
			f.model = p.String()
		case "stop_reason", "stop_sequence", "stop_details":
			f.stop.take(&p)
		case "input_tokens":
			f.counted = true
			bad = take(&p, &f.tokens)
		case "role":
			p.Skip()
		default: // container, context_management …
			f.beside.take(&p)
		}
	}
	if err := p.End(); err != nil {
		return out, fmt.Errorf("%w: %.60q", err, text)
	}
	if f.kind == "" {
		f.kind = event
	}
	if !r.stream && f.kind != "" && f.kind != "message" && f.kind != "error" {
		if f.err == "" {
			return out, fmt.Errorf("an event of a stream where a message was due: %.60q", text)
		}
		f.kind = "error"
	}
	switch {
	case f.kind == "content_block_delta":
		return r.blockDelta(&f, out)
	case f.kind == "content_block_start":
		return r.blockStart(f.index, f.block, out)
	case f.kind == "content_block_stop":
		return r.blockStop(f.index, out)
	case f.kind == "ping":
		return append(out, canon.Other{Name: "ping"}), nil
	case f.kind == "message_start":
		return r.start(f.message, out)
	case f.kind == "message_delta":
		out = r.beside(f.beside, out)
		return r.used(f.usage, r.messageDelta(f.delta, out))
	case f.kind == "message_stop":
		r.ended = true
		return append(out, canon.Ended{}), nil
	case f.kind == "message":
		return r.whole(&f, out)
	case f.kind == "error", f.err != "":
		return append(out, canon.Failed{Err: readError(0, text)}), nil
	case f.kind == "" && f.counted && bad == nil:
		// The answer of count_tokens. It is no consumption, and nobody bills that operation.
		r.ended = true
		return append(out, canon.Used{Usage: canon.Usage{Input: f.tokens}}, canon.Ended{}), nil
	case r.stream && f.kind != "":
		return append(out, canon.Other{Name: f.kind, Raw: json.RawMessage(text)}), nil
	}
	return out, fmt.Errorf("neither a message nor an event of one: %.60q", text)
}

// start reads message_start. Its content is empty but where a call goes on in a container: then it holds
// what the container did meanwhile, and no block events follow.
func (r *reader) start(message string, out []canon.Event) ([]canon.Event, error) {
	p := jsonpull.NewChecked(message)
	if p.Kind() != '{' {
		return out, errors.New("message_start without a message")
	}
	var start canon.Start
	var usage, content string
	var stop stopping
	var beside besides
	p.Object()
	for p.Member() {
		switch p.Name {
		case "id":
			start.ID = p.String()
		case "model":
			start.Model = p.String()
		case "content":
			content = p.Raw()
		case "stop_reason", "stop_sequence", "stop_details":
			stop.take(&p)
		case "usage":
			usage = p.Raw()
		case "type", "role":
			p.Skip()
		default:
			beside.take(&p)
		}
	}
	out, err := r.blocks(content, append(out, start))
	if err != nil {
		return out, err
	}
	r.late = append(r.late, beside...)
	return r.used(usage, stop.append(out))
}

// blocks reads the blocks of a message that are there as a whole.
func (r *reader) blocks(content string, out []canon.Event) ([]canon.Event, error) {
	p := jsonpull.NewChecked(content)
	index := int64(0)
	for in := content != "" && p.Array(); in && p.Element(); index++ {
		var err error
		if out, err = r.blockStart(index, p.Raw(), out); err != nil {
			return out, err
		}
		if out, err = r.blockStop(index, out); err != nil {
			return out, err
		}
	}
	return out, nil
}

// whole reads a message that was not streamed.
func (r *reader) whole(f *frame, out []canon.Event) ([]canon.Event, error) {
	if f.content == "" || f.content[0] != '[' {
		return out, errors.New("a message without content")
	}
	out, err := r.blocks(f.content, append(out, canon.Start{ID: f.id, Model: f.model}))
	if err != nil {
		return out, err
	}
	out = r.beside(f.beside, out)
	if out, err = r.used(f.usage, f.stop.append(out)); err != nil {
		return out, err
	}
	r.ended = true
	return append(out, canon.Ended{}), nil
}

// maxIndex bounds the blocks of an answer, maxHostedInput the input of a call of the vendor's own tools
// in bytes; of a longer one the rest is left out.
const (
	maxIndex       = 1 << 16
	maxHostedInput = 1 << 20
)

// blockStart reads the start of a block, which in a whole message is all of it.
func (r *reader) blockStart(at int64, block string, dst []canon.Event) (out []canon.Event, err error) {
	out = dst
	index := int(at)
	p := jsonpull.NewChecked(block)
	if at < 0 || at > maxIndex || p.Kind() != '{' {
		return out, fmt.Errorf("a content block with the index %d: %.60q", at, block)
	}
	var kind, text, seal, id, name, input, citations string
	var beside besides
	r.said = true
	p.Object()
	for p.Member() {
		switch p.Name {
		case "type":
			kind = p.String()
		case "text", "thinking":
			text = p.String()
		case "signature", "data":
			seal = p.String()
		case "id":
			id = p.String()
		case "name":
			name = p.String()
		case "input":
			input = p.Raw()
		case "citations":
			citations = p.Raw()
		case "caller":
			if raw := p.Raw(); !isDirect(raw) && raw != "null" {
				beside = append(beside, jsonfield.Member{Name: "caller", Raw: raw})
			}
		default:
			beside.take(&p)
		}
	}
	switch kind {
	case "text", "thinking", "redacted_thinking", "tool_use": // others are told whole
		defer func() { out = r.beside(beside, out) }()
	}
	switch kind {
	case "text":
		if text != "" {
			out = append(out, canon.TextDelta{Index: index, Text: text})
		}
		c := jsonpull.NewChecked(citations)
		for in := citations != "" && c.Array(); in && c.Element(); {
			out = append(out, canon.Cited{Index: index, Citation: citationOf(c.Raw())})
		}
	case "thinking":
		if text != "" || seal != "" {
			out = append(out, canon.ReasoningDelta{Index: index, Text: text, Seal: seal})
		}
	case "redacted_thinking":
		out = append(out, canon.ReasoningDelta{Index: index, Seal: redactedMark + seal})
	case "tool_use":
		if input == "null" {
			input = ""
		}
		r.remember(index, &openBlock{tool: true, input: input})
		out = append(out, canon.ToolStart{Index: index, ID: id, Name: name})
	case "":
		return out, errors.New("a content block without a type")
	default:
		use, ok := hostedUse(index, kind, id, name, block)
		switch {
		case !ok:
			r.remember(index, &openBlock{})
			out = append(out, canon.Other{Name: kind, Content: true, Raw: json.RawMessage(block)})
		case use.Done || !r.stream:
			out = keptFiles(kind, block, append(out, use))
		default:
			use.Open = true
			r.remember(index, &openBlock{hosted: &use})
			out = append(out, use)
		}
	}
	return out, nil
}

func (r *reader) remember(index int, b *openBlock) {
	if r.open == nil {
		r.open = make(map[int]*openBlock)
	}
	r.open[index] = b
}

func (r *reader) blockDelta(f *frame, out []canon.Event) ([]canon.Event, error) {
	p := jsonpull.NewChecked(f.delta)
	if f.index < 0 || f.index > maxIndex || p.Kind() != '{' {
		return out, fmt.Errorf("content_block_delta with the index %d: %.60q", f.index, f.delta)
	}
	var kind, text, cited string
	var beside besides
	p.Object()
	for p.Member() {
		switch p.Name {
		case "type":
			kind = p.String()
		case "text", "thinking", "signature", "partial_json":
			text = p.String()
		case "citation":
			cited = p.Raw()
		default:
			beside.take(&p)
		}
	}
	index := int(f.index)
	if b := r.open[index]; b == nil || b.tool {
		if len(beside) > 0 {
			out = r.beside(beside, out)
		}
		switch kind {
		case "text_delta":
			return append(out, canon.TextDelta{Index: index, Text: text}), nil
		case "thinking_delta":
			return append(out, canon.ReasoningDelta{Index: index, Text: text}), nil
		case "signature_delta":
			return append(out, canon.ReasoningDelta{Index: index, Seal: text}), nil
		case "citations_delta":
			return append(out, canon.Cited{Index: index, Citation: citationOf(cited)}), nil
		case "input_json_delta":
			if b != nil && text != "" {
				b.input = "" // the deltas say it, from the first byte
			}
			return append(out, canon.ToolDelta{Index: index, JSON: text}), nil
		}
	}
	if kind == "" {
		return out, errors.New("content_block_delta without a type")
	}
	if b := r.open[index]; b != nil && b.hosted != nil && kind == "input_json_delta" && len(b.deltas)+len(text) <= maxHostedInput {
		b.deltas = append(b.deltas, text...) // said as a whole when the block ends
		return r.beside(beside, out), nil
	}
	return append(out, canon.Other{Name: kind, Content: true, Raw: json.RawMessage(f.delta)}), nil
}

func (r *reader) blockStop(at int64, out []canon.Event) ([]canon.Event, error) {
	if at < 0 || at > maxIndex {
		return out, fmt.Errorf("content_block_stop with the index %d", at)
	}
	index := int(at)
	if b := r.open[index]; b != nil {
		switch {
		case b.tool && b.input != "":
			out = append(out, canon.ToolDelta{Index: index, JSON: b.input})
		case b.hosted != nil:
			out = append(out, completed(*b.hosted, string(b.deltas)))
		}
		delete(r.open, index)
	}
	return append(out, canon.BlockEnd{Index: index}), nil
}

// used merges a usage object, if there is one, and says what is known by now.
func (r *reader) used(usage string, out []canon.Event) ([]canon.Event, error) {
	p := jsonpull.NewChecked(usage)
	if p.Kind() != '{' {
		return out, nil
	}
	if err := r.usage.merge(&p); err != nil {
		return out, fmt.Errorf("usage: %w", err)
	}
	return append(out, canon.Used{Usage: r.usage.usage(), Beside: r.usage.other}), nil
}
