package gemini

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/jsonpull"
)

// NewReader returns a reader for one answer to head.
func (*Protocol) NewReader(head dialect.Head) dialect.Reader {
	return &reader{op: head.Op, stream: head.Stream, passing: head.Passing}
}

// reader reads the chunks of a stream, or a whole answer, which is one chunk.
//
// Gemini has no terminal mark, streamed or not: there is never an Ended. An answer is whole when all
// its candidates have stopped.
type reader struct {
	op       canon.Op
	stream   bool
	passing  bool // calls need not become whole
	started  bool
	blocked  bool // the prompt was; there are no candidates
	answered bool // an operation without candidates was
	usage    counters
	choices  []choice
	searched searches
	model    string   // as the last chunk that said so named it
	told     []string // names of what chunks said beside the answer
}

// choice is what is known of one candidate.
type choice struct {
	number  int
	kind    byte // of the block that goes on, see block
	index   int  // of that block
	calls   bool // it called a function
	thought bool // it showed a thought
	stopped string
	said    said
	notes   []canon.Event // on the whole of what was said: they wait for its end
	cited   map[cited]struct{}
	args    *arguments // of the call that goes on
	bad     error      // what can't be an answer
	asides  []aside    // what else was said of it, which canon has no word for
}

// Hidden is always false: usage is part of every chunk.
func (*reader) Hidden() bool { return false }

// Complete reports whether what was read can be a whole answer; a chunk with nothing but usage can
// still follow.
func (r *reader) Complete() bool {
	if r.blocked || r.answered {
		return true
	}
	for i := range r.choices {
		if r.choices[i].stopped == "" {
			return false
		}
	}
	return len(r.choices) > 0
}

// Read reads one chunk. What is in a list is read one by one: upstreams wrap errors so, and a stream
// that was not asked for as server-sent events is one list.
func (r *reader) Read(_ string, data []byte, out []canon.Event) ([]canon.Event, error) {
	if r.stream && len(data) == 0 {
		return out, nil
	}
	p := jsonpull.New(data)
	if p.Kind() != '[' {
		return r.chunk(&p, out)
	}
	elements := 0
	p.Array()
	for p.Element() {
		elements++
		one := jsonpull.NewString(p.Raw())
		var err error
		if out, err = r.chunk(&one, out); err != nil {
			return out, err
		}
	}
	if err := p.End(); err != nil {
		return out, err
	}
	if elements == 0 {
		return out, errors.New("an empty list is no answer")
	}
	return out, nil
}

// chunk is the members of a chunk that mean something, as JSON; "" is absent.
type chunk struct {
	candidates, usage bool
	feedback, fault   string
	start             canon.Start
	embeds            bool
	embedded          int64 // tokens of what was embedded, as Vertex says
	others            []aside
}

// seconds reads a time as Vertex writes it; 0 if it is none.
func seconds(s string) int64 {
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return 0
	}
	return at.Unix()
}

func (r *reader) chunk(p *jsonpull.Parser, out []canon.Event) ([]canon.Event, error) {
	if p.Kind() != '{' {
		return out, errors.New("not a JSON object")
	}
	var c chunk
	var bad error
	from, searched := len(out), r.searched.count
	p.Object()
	for p.Member() {
		var err error
		switch p.Name {
		case "candidates":
			c.candidates = true
			for in := p.Array(); err == nil && in && p.Element(); {
				out, err = r.candidate(p, out)
			}
			if err != nil {
				return out, err
			}
		case "promptFeedback":
			c.feedback = p.Raw()
		case "error":
			c.fault = p.Raw()
		case "usageMetadata":
			c.usage = p.Kind() == '{'
			err = r.usage.merge(p)
		case "responseId":
			c.start.ID = p.String()
		case "modelVersion":
			c.start.Model = p.String()
		case "totalTokens": // countTokens: no consumption, and nobody bills that operation
			c.usage, r.answered, r.usage.said = true, true, true
			err = take(p, &r.usage.prompt)
		case "cachedContentTokenCount":
			err = take(p, &r.usage.cached)
		case "promptTokensDetails":
			err = readModality(p, &r.usage.promptBy)
		case "createTime":
			c.start.Created = seconds(p.String())
		case "embedding":
			r.answered, c.embeds = true, true
			out, err = r.embedding(p, &c, 0, out)
		case "embeddings":
			r.answered, c.embeds = true, true
			var number int
			for in := p.Array(); err == nil && in && p.Element(); number++ {
				out, err = r.embedding(p, &c, number, out)
			}
			r.usage.prompt = max(r.usage.prompt, c.embedded)
		default: // modelStatus …
			c.others = append(c.others, asideAt(p))
		}
		if err != nil && bad == nil {
			bad = err
		}
	}
	if err := p.End(); err != nil {
		return out, err
	}
	if c.fault != "" && c.fault != "null" {
		return append(out, canon.Failed{Err: readError(0, `{"error":`+c.fault+`}`)}), nil
	}
	if c.start.Model != "" {
		r.model = c.start.Model
	}
	if bad != nil {
		return out, fmt.Errorf("usage: %w", bad)
	}
	generated := c.candidates || c.feedback != "" || c.start != (canon.Start{}) || c.usage && r.op == canon.OpGenerate
	if !generated && !r.answered && !r.stream {
		return out, errors.New("neither candidates nor anything else of an answer")
	}
	if generated && !r.started && !r.answered {
		r.started = true
		out = slices.Insert(out, from, canon.Event(c.start)) // its members stand at the end
	}
	if c.feedback != "" {
		feedback := jsonpull.NewString(c.feedback)
		block := canon.Stopped{Why: canon.StopFilter, Prompt: true}
		for in := feedback.Object(); in && feedback.Member(); {
			switch feedback.Name {
			case "blockReason":
				block.Raw = feedback.String()
			case "blockReasonMessage":
				block.Detail = feedback.String()
			default: // safetyRatings
				a := asideAt(&feedback)
				a.name = "promptFeedback." + a.name
				c.others = append(c.others, a)
			}
		}
		if block.Raw != "" && block.Raw != "BLOCK_REASON_UNSPECIFIED" && block.Raw != "BLOCKED_REASON_UNSPECIFIED" {
			r.blocked = true
			out = append(out, block)
		}
	}
	if c.embeds && !slices.ContainsFunc(out[from:], isVector) {
		out = append(out, canon.Other{Name: string(r.op), Content: true})
	}
	out = r.beside(c.others, out)
	if c.usage && r.usage.said || r.searched.count != searched {
		u := r.usage.usage()
		u.WebSearches = r.searched.billed(r.model)
		out = append(out, canon.Used{Usage: u, Beside: r.usage.beside})
	}
	return out, nil
}

func isVector(e canon.Event) bool {
	_, ok := e.(canon.Embedding)
	return ok
}

// embedding reads one embedding, and what Vertex says of the tokens of its text.
func (r *reader) embedding(p *jsonpull.Parser, c *chunk, number int, out []canon.Event) ([]canon.Event, error) {
	var bad error
	for in := p.Object(); in && p.Member(); {
		switch p.Name {
		case "values":
			if p.Kind() == '[' {
				out = append(out, canon.Embedding{Number: number, Values: json.RawMessage(p.Raw())})
			} else {
				p.Skip()
			}
		case "statistics":
			for in := p.Object(); in && p.Member(); {
				if p.Name != "tokenCount" {
					p.Skip()
					continue
				}
				var n int64
				if err := take(p, &n); err != nil && bad == nil {
					bad = err
				}
				c.usage, r.usage.said = true, true
				c.embedded = min(c.embedded+n, maxCount)
			}
		default:
			p.Skip()
		}
	}
	return out, bad
}

// maxChoices bounds the candidates of an answer; the API gives eight at most.
const maxChoices = 128

func (r *reader) choice(number int64) (*choice, error) {
	for i := range r.choices {
		if int64(r.choices[i].number) == number {
			return &r.choices[i], nil
		}
	}
	if number < 0 || number >= maxChoices {
		return nil, fmt.Errorf("a candidate with the index %d", number)
	}
	r.choices = append(r.choices, choice{number: int(number), index: -1})
	return &r.choices[len(r.choices)-1], nil
}

// candidate reads one candidate. Its index comes after its content.
func (r *reader) candidate(p *jsonpull.Parser, out []canon.Event) ([]canon.Event, error) {
	var number int64
	var content jsonpull.Parser
	var reason, message, grounding, citations, pages, probs string
	var others []aside
	for in := p.Object(); in && p.Member(); {
		switch p.Name {
		case "index":
			number = p.Int()
		case "content":
			content = *p
			p.Skip()
		case "finishReason":
			reason = p.String()
		case "finishMessage":
			message = p.String()
		case "groundingMetadata":
			grounding = p.Raw()
		case "citationMetadata":
			citations = p.Raw()
		case "urlContextMetadata":
			pages = p.Raw()
		case "logprobsResult":
			probs = p.Raw()
		default: // safetyRatings, avgLogprobs, continuationToken …
			others = append(others, asideAt(p))
		}
	}
	c, err := r.choice(number)
	if err != nil {
		return out, err
	}
	for _, o := range others {
		c.beside(o)
	}
	whole, before := content, c.said.bytes
	for in := content.Object(); in && content.Member(); {
		switch content.Name {
		case "parts":
			for in := content.Array(); in && content.Element(); {
				out = c.part(&content, out)
			}
		case "role":
			content.Skip()
		default:
			c.beside(asideAt(&content))
		}
	}
	if c.bad != nil && !r.passing {
		return out, c.bad
	}
	if probs != "" {
		out = c.logProbs(probs, out)
	}
	if grounding != "" {
		c.grounding(&r.searched, grounding, whole, before)
	}
	if citations != "" {
		c.citations(citations)
	}
	if pages != "" {
		c.pages(pages)
	}
	if reason == "" || reason == "FINISH_REASON_UNSPECIFIED" {
		return out, nil
	}
	if reason == "STOP" {
		out = c.endCall(out) // one that was cut by another reason stays as it is
	}
	c.args = nil
	for _, e := range c.notes { // sources first, while the text that they are of is the last thing said
		if _, ok := e.(canon.Cited); ok {
			out = append(out, e)
		}
	}
	for _, e := range c.notes {
		if _, ok := e.(canon.Cited); !ok {
			out = append(out, c.placed(e))
		}
	}
	c.notes = c.notes[:0]
	for _, a := range c.asides { // no content where nothing was said, and another may be asked
		out = append(out, canon.Other{Name: a.name, Content: c.index >= 0, Aside: true, Raw: json.RawMessage(a.raw)})
	}
	c.asides = c.asides[:0]
	if reason != c.stopped {
		c.stopped = reason // old models say it in every chunk
		if reason == "STOP" {
			message = "" // that functions were called, or nothing more than the word
		}
		out = append(out, canon.Stopped{Choice: c.number, Why: stopOf(reason, c.calls), Raw: reason, Detail: message})
	}
	return out, nil
}

// stopOf says why a candidate ended. A model that wants functions called says STOP like any other.
func stopOf(reason string, calls bool) canon.Stop {
	switch reason {
	case "STOP":
		if calls {
			return canon.StopTools
		}
		return canon.StopEnd
	case "MAX_TOKENS":
		return canon.StopLength
	case "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII",
		"IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR":
		return canon.StopFilter
	case "CONTINUATION": // goes on when its continuationToken is sent back
		return canon.StopPause
	}
	// LANGUAGE, OTHER, MALFORMED_FUNCTION_CALL, UNEXPECTED_TOOL_CALL, TOO_MANY_TOOL_CALLS, NO_IMAGE …
	return canon.StopOther
}
