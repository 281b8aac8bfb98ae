package openaichat

import (
	"bytes"
	"errors"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/jsonpull"
	"tollgate/internal/dialect/openai"
)

// reader reads the chunks of a stream, or the one object of a whole answer: the latter has message
// where the former has delta, and else they are the same.
type reader struct {
	op      canon.Op
	asked   int  // alternatives
	stream  bool // this and the next as the head has them
	usage   bool
	started bool
	failed  bool
	hidden  bool
	ended   bool // [DONE] came, or the whole body
	tier    string
	choices []choice
	first   [1]choice // what choices begins as
	cited   bool      // the sources of the whole answer have come
	repeat  repeat
}

// NewReader returns a reader for one answer to head.
func (*Protocol) NewReader(head dialect.Head) dialect.Reader { return newReader(head) }

func newReader(head dialect.Head) *reader {
	return &reader{op: head.Op, asked: head.Choices, stream: head.Stream, usage: head.IncludeUsage}
}

// Hidden reports whether the frame just read is the chunk with the usage of all, which the client has
// not asked for.
func (r *reader) Hidden() bool { return r.hidden }

// Complete reports whether [DONE] has come, or every alternative that was asked for said why it
// stopped: some vendors never send the mark, and no client needs it.
func (r *reader) Complete() bool {
	if r.failed {
		return false
	}
	stopped := 0
	for i := range r.choices {
		if r.choices[i].stopped {
			stopped++
		}
	}
	return r.ended || stopped > 0 && stopped == len(r.choices) && stopped >= r.asked
}

var (
	errNotAnswer = errors.New("not an answer of the Chat Completions dialect")
	errTooMany   = errors.New("more alternatives or tool calls than an answer can have")
)

// chunk is what the top level of a chunk says beside its choices.
type chunk struct {
	id, model, object, kind, fault string
	counts                         openai.Counts
	counted                        bool // there are some, though they may count nothing
	minimax                        openai.Fault
	created                        int64
	choices                        bool   // the member is there
	alternatives                   int    // elements of choices
	sources, found                 string // raw JSON
	payload                        bool   // embeddings or moderation results are there
	stopFault                      *canon.Error
}

// Skim returns the text of a frame that is one more delta of text, and nothing else.
func (r *reader) Skim(data []byte) (text []byte, ok bool) { return r.repeat.skim(data) }

// Read reads one frame.
func (r *reader) Read(event string, data []byte, out []canon.Event) ([]canon.Event, error) {
	r.hidden = false
	data = bytes.TrimSpace(data)
	if r.stream {
		if len(data) == 0 {
			return out, nil
		}
		if isDone(data) {
			r.ended = true
			return append(out, canon.Ended{}), nil
		}
	}
	if d, ok := r.repeat.match(data); ok {
		return append(out, d), nil
	}
	r.repeat.forget()
	mark := len(out)
	p := jsonpull.New(data)
	if p.Kind() != '{' {
		return out, errNotAnswer
	}
	var c chunk
	out, err := r.top(&p, &c, out)
	if err == nil {
		err = p.End()
	}
	if err != nil {
		return out[:mark], err
	}
	if !r.started && (c.id != "" || c.model != "" || len(out) > mark) {
		r.started = true
		out = append(out, nil)
		copy(out[mark+1:], out[mark:])
		out[mark] = canon.Start{ID: c.id, Model: c.model, Created: c.created}
	}
	if c.counted {
		if u, ok := c.counts.Used(r.tier); ok {
			out = append(out, u)
		}
	}
	if e := r.fault(event, &c, data); e != nil {
		if !r.failed {
			r.failed = true
			out = append(out, canon.Failed{Err: e})
		}
		return out, nil
	}
	if r.stream {
		r.hidden = c.counted && c.choices && c.alternatives == 0 && !r.usage
		if len(out) == mark && !c.choices {
			out = append(out, canon.Other{Name: first(c.kind, c.object, event, "unknown")})
		}
		if d, ok := only(out[mark:]); ok {
			r.repeat.learn(data, d)
		}
		return out, nil
	}
	if !c.choices && !c.payload {
		return out[:mark], errNotAnswer
	}
	r.ended = true
	return append(out, canon.Ended{}), nil
}

// only returns the delta of text that events consist of.
func only(events []canon.Event) (canon.TextDelta, bool) {
	if len(events) != 1 {
		return canon.TextDelta{}, false
	}
	d, ok := events[0].(canon.TextDelta)
	return d, ok && d.Text != ""
}

// top reads the members of a chunk.
func (r *reader) top(p *jsonpull.Parser, c *chunk, out []canon.Event) ([]canon.Event, error) {
	p.Object()
	for p.Member() {
		switch p.Name {
		case "id":
			c.id = p.String()
		case "model":
			c.model = p.String()
		case "object":
			c.object = p.String()
		case "created":
			if r.started {
				p.Skip()
			} else {
				c.created = p.Int()
			}
		case "type":
			c.kind = p.String()
		case "choices":
			c.choices = p.Kind() == '['
			if !p.Array() {
				continue
			}
			for p.Element() {
				c.alternatives++
				var err error
				if out, err = r.choice(p, c, out); err != nil {
					return out, err
				}
			}
		case "usage":
			if p.Kind() == '{' {
				c.counts, c.counted = openai.Counts{}, true
				c.counts.Read(p)
			} else {
				p.Skip()
			}
		case "service_tier":
			if t := p.String(); t != "" {
				r.tier = t
			}
		case "error":
			c.fault = p.Raw()
		case "base_resp":
			c.minimax, _ = openai.MiniMaxFault(p.Raw())
		case "x_groq": // https://console.groq.com/docs/api-reference; clients of it read usage here
			if !p.Object() {
				continue
			}
			for p.Member() {
				switch p.Name {
				case "usage":
					if c.counted {
						p.Skip()
					} else {
						c.counted = true
						c.counts.Read(p)
					}
				case "error":
					c.fault = p.Raw()
				default:
					p.Skip()
				}
			}
		case "citations": // xAI, Perplexity: URLs
			c.sources = list(p)
		case "search_results": // Perplexity: the same with their titles
			c.found = list(p)
		case "data":
			if r.op != canon.OpEmbed || p.Kind() != '[' {
				p.Skip()
				continue
			}
			c.payload = true
			out = embeddings(p.Raw(), out)
		case "results":
			c.payload = c.payload || r.op == canon.OpModerate && p.Kind() == '['
			p.Skip()
		default:
			p.Skip()
		}
	}
	if out = r.sources(c, out); c.payload && !embedded(out) {
		out = append(out, canon.Other{Name: string(r.op), Content: true})
	}
	return out, nil
}

// fault returns the error that a chunk reports with status 200, in whatever shape; nil if none.
func (r *reader) fault(event string, c *chunk, data []byte) *canon.Error {
	switch {
	case c.fault != "" && c.fault != "null":
		if f := openai.ParseFault(c.fault); f != (openai.Fault{}) {
			return f.Err(200)
		}
		if event == "error" {
			return openai.ReadError(200, nil, data)
		}
	case c.minimax.MiniMax:
		return c.minimax.Err(200)
	case event == "error", c.object == "error", c.kind == "error":
		return openai.ReadError(200, nil, data)
	case !r.stream && !c.choices && !c.payload:
		// Some vendors answer 200 with {"code":…,"message":…}.
		if f, ok := openai.BodyFault(data); ok {
			return f.Err(200)
		}
	}
	return c.stopFault
}

// stop maps finish_reason. https://developers.openai.com/api/reference/resources/chat; the
// others are vendors': Mistral model_length, Zhipu sensitive, DeepSeek repetition_truncation.
func stop(reason string) canon.Stop {
	switch reason {
	case "stop", "eos", "end_turn":
		return canon.StopEnd
	case "length", "max_tokens", "model_length":
		return canon.StopLength
	case "tool_calls", "function_call", "tool_use":
		return canon.StopTools
	case "content_filter", "sensitive", "safety":
		return canon.StopFilter
	case "stop_sequence":
		return canon.StopSequence
	case "refusal":
		return canon.StopRefusal
	case "abort", "cancelled":
		return canon.StopCancelled
	}
	return canon.StopOther
}

// broken returns the error that a finish_reason stands for, nil if it is a reason to end.
// DeepSeek: https://api-docs.deepseek.com/api/create-chat-completion, OpenRouter:
// https://openrouter.ai/docs/api/reference/errors-and-debugging (read 2026-11-20), Zhipu: https://docs.bigmodel.cn.
func broken(reason string) *canon.Error {
	switch reason {
	case "insufficient_system_resource":
		return canon.Errorf(canon.KindOverloaded, "The upstream ran out of resources and broke off its answer.")
	case "error", "network_error":
		return canon.Errorf(canon.KindUpstream, "The upstream broke off its answer: %s.", reason)
	}
	return nil
}

func first(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}
