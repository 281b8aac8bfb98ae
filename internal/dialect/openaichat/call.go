package openaichat

import (
	"slices"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonpull"
	"tollgate/internal/jsonedit"
)

// maxCalls bounds what a reader keeps; no real answer comes near.
const maxCalls = 4096

// call is a tool call.
type call struct {
	number   int64 // the dialect's index; -1 if the vendor sends none
	id, name string
	block    int
	started  bool
	custom   bool // its input is free text, which travels as a JSON string
	begun    bool // of a custom call: the opening quote was sent

	sealed int // block of its signature (Google), which stands before it; 0 if none, else its index + 1
}

// callDelta is one element of tool_calls in one chunk.
type callDelta struct {
	number      int64 // -1: not said
	id, name    string
	input       string
	said        bool // input stands there, if only as ""
	custom      bool
	signed      string // extra_content, if Google's signature of the call is in it
	nothingElse bool
}

func readCall(p *jsonpull.Parser) callDelta {
	d := callDelta{number: -1}
	if !p.Object() {
		d.nothingElse = true
		return d
	}
	for p.Member() {
		switch p.Name {
		case "index":
			if p.Kind() == '0' {
				d.number = p.Int()
			} else {
				p.Skip()
			}
		case "id":
			d.id = p.String()
		case "function", "custom":
			d.custom = p.Name == "custom"
			d.function(p)
		case "extra_content": // https://ai.google.dev/gemini-api/docs/thought-signatures, read 2026-11-20
			if raw := p.Raw(); strings.Contains(raw, `"thought_signature"`) {
				d.signed = sealOfCall(raw)
			}
		default:
			p.Skip()
		}
	}
	return d
}

// function reads {name, arguments} or, of a custom tool, {name, input}.
func (d *callDelta) function(p *jsonpull.Parser) {
	if !p.Object() {
		return
	}
	for p.Member() {
		switch p.Name {
		case "name":
			d.name = p.String()
		case "arguments", "input":
			switch p.Kind() {
			case '"':
				d.input, d.said = p.String(), true
			case '{': // a few vendors forget to make a string of it
				d.input, d.said = p.Raw(), true
			default:
				p.Skip()
			}
		default:
			p.Skip()
		}
	}
}

// call appends the events of one piece of a tool call.
func (c *choice) call(d callDelta, out []canon.Event) ([]canon.Event, error) {
	if d.nothingElse || d.id == "" && d.name == "" && d.input == "" {
		return out, nil
	}
	k, err := c.callFor(d)
	if err != nil {
		return out, err
	}
	if k.id == "" {
		k.id = d.id
	}
	if k.name == "" {
		k.name = d.name
	}
	k.custom = k.custom || d.custom
	if !k.started {
		if k.name == "" && d.input == "" {
			return out, nil // only an id so far; the name is on its way
		}
		k.started = true
		if k.sealed > 0 {
			out = append(out, canon.ReasoningDelta{Choice: c.number, Index: k.sealed - 1, Seal: d.signed})
		}
		out = append(out, canon.ToolStart{Choice: c.number, Index: k.block, ID: k.id, Name: k.name, Custom: k.custom})
	}
	input := d.input
	if k.custom && input != "" {
		quoted := jsonedit.Quote(input)
		input = string(quoted[1 : len(quoted)-1])
		if !k.begun {
			k.begun = true
			input = `"` + input
		}
	}
	if input != "" {
		out = append(out, canon.ToolDelta{Choice: c.number, Index: k.block, JSON: input})
	}
	return out, nil
}

// callFor finds the call that d continues, or opens one. OpenAI numbers calls and names each once.
// Google's compatible endpoint gives all of them the number 0; Ollama and others send none; some
// repeat the id in every chunk. So a new id together with a name is a new call, whatever its number.
func (c *choice) callFor(d callDelta) (*call, error) {
	for i := len(c.calls) - 1; i >= 0; i-- {
		k := &c.calls[i]
		other := d.id != "" && k.id != "" && d.id != k.id && d.name != ""
		switch {
		case d.number >= 0 && k.number == d.number && !other,
			d.number < 0 && d.id != "" && k.id == d.id:
			return k, nil
		}
	}
	if last := len(c.calls) - 1; d.number < 0 && last >= 0 && d.id == "" && d.name == "" {
		return &c.calls[last], nil
	}
	if len(c.calls) == maxCalls {
		return nil, errTooMany
	}
	k := call{number: d.number}
	if d.signed != "" && d.name != "" && !slices.Contains(c.wrapped, d.signed) {
		k.sealed = c.newBlock() + 1
	}
	k.block = c.newBlock()
	c.calls = append(c.calls, k)
	return &c.calls[len(c.calls)-1], nil
}

// closeCustom ends the JSON strings that carry the input of custom tools.
func (c *choice) closeCustom(out []canon.Event) []canon.Event {
	for i := range c.calls {
		k := &c.calls[i]
		if !k.custom || !k.started {
			continue
		}
		end := `"`
		if !k.begun {
			end = `""`
		}
		k.custom = false
		out = append(out, canon.ToolDelta{Choice: c.number, Index: k.block, JSON: end})
	}
	return out
}
