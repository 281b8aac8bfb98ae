package openaichat

import (
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonpull"
)

// This file reads what an answer says of how it was thought.

// detail is an entry of OpenRouter's reasoning_details.
// Types as in OpenRouter's own @openrouter/ai-sdk-provider 0.7.2, read 2026-11-20.
type detail struct {
	text, seal string
	alone      bool // what is encrypted is a thought of its own; a signature is of the text before
}

// readDetail reads an entry; ok is false if it says nothing. A gateway like this one puts another dialect's seal
// there and at the call that it belongs to (calls, raw), where it is read.
func (c *choice) readDetail(entry, calls string) (d detail, ok bool) {
	p := jsonpull.NewString(entry)
	if !p.Object() {
		return d, false
	}
	for p.Member() {
		switch p.Name {
		case "text", "summary":
			d.text = p.String()
		case "data", "signature":
			name := p.Name
			if s := p.String(); s != "" {
				d.seal, d.alone = s, name == "data"
			}
		default:
			p.Skip()
		}
	}
	if wrapped := d.seal; wrapped != "" {
		if d.seal = sealOf(entry, wrapped); d.seal == wrapped && d.alone {
			if strings.Contains(calls, d.seal) {
				return d, false
			}
			c.wrapped = append(c.wrapped, d.seal)
		}
	}
	return d, d.text != "" || d.seal != ""
}

// thought appends a piece of thought. One that begins after another was set apart from it by an empty line.
func (c *choice) thought(text string, out []canon.Event) []canon.Event {
	if c.thinks && c.open != "reasoning" {
		text = strings.TrimPrefix(text, "\n\n")
	}
	if text == "" {
		return out
	}
	c.thinks = true
	return append(out, canon.ReasoningDelta{Choice: c.number, Index: c.block("reasoning"), Text: text})
}

// details reads the reasoning_details of a chunk: seals always, text only if it stands nowhere else.
func (c *choice) details(raw, calls string, withText bool, out []canon.Event) []canon.Event {
	p := jsonpull.NewString(raw)
	p.Array()
	for p.Element() {
		d, ok := c.readDetail(p.Raw(), calls)
		if !withText {
			d.text = ""
		}
		if !ok || d.text == "" && d.seal == "" {
			continue
		}
		out = c.detail(d, out)
	}
	return out
}

func (c *choice) detail(d detail, out []canon.Event) []canon.Event {
	if d.alone {
		c.open = ""
	}
	out = append(out, canon.ReasoningDelta{Choice: c.number, Index: c.block("reasoning"), Text: d.text, Seal: d.seal})
	if d.seal != "" { // what comes next is another thought
		c.open = ""
	}
	return out
}

// wholeThoughts reads the thoughts of a message that is not streamed: each entry of reasoning_details is one, and
// so is what the plain text has beside them.
func (c *choice) wholeThoughts(m *message, out []canon.Event) []canon.Event {
	rest, known := m.reasoning, true
	plain := func(text string) {
		if text != m.reasoning { // the line breaks between it and its neighbours
			text = strings.Trim(text, "\n")
		}
		out = c.thought(text, out)
		c.open = ""
	}
	p := jsonpull.NewString(m.details)
	p.Array()
	for p.Element() {
		d, ok := c.readDetail(p.Raw(), m.calls)
		if !ok {
			continue
		}
		if d.text != "" && known {
			var gap, more string
			if gap, more, known = strings.Cut(rest, d.text); known {
				plain(gap)
				rest = more
			} else {
				rest = "" // written another way: believe the details
			}
		}
		c.thinks = c.thinks || d.text != ""
		c.open = ""
		out = c.detail(d, out)
	}
	plain(rest)
	return out
}
