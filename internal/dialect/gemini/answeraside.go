package gemini

import (
	"encoding/json"
	"slices"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonpull"
)

// aside is a member beside what an answer says.
type aside struct{ name, raw string }

// maxAsides bounds them; Google has a handful.
const maxAsides = 32

// beside remembers a member that canon has no word for, for the end: it is content only where there is some.
// Chunks repeat what earlier ones said.
func (c *choice) beside(a aside) {
	if a.empty() {
		return
	}
	for i := range c.asides {
		if c.asides[i].name == a.name {
			c.asides[i].raw = a.raw
			return
		}
	}
	if len(c.asides) < maxAsides {
		c.asides = append(c.asides, a)
	}
}

// empty reports whether it says nothing.
func (a aside) empty() bool {
	return a.raw == "null" || a.raw == "[]" || a.raw == "{}" || a.raw == `""`
}

// asideAt takes the member at hand.
func asideAt(p *jsonpull.Parser) aside {
	name := p.Name // of a value's own members it becomes theirs
	return aside{name, p.Raw()}
}

// beside tells, once, what a chunk says that canon has no word for: it is content where there is an answer already.
func (r *reader) beside(others []aside, out []canon.Event) []canon.Event {
	for _, a := range others {
		if len(r.told) == maxAsides || slices.Contains(r.told, a.name) || a.empty() {
			continue
		}
		r.told = append(r.told, a.name)
		said := len(r.choices) > 0 && r.choices[0].index >= 0
		out = append(out, canon.Other{Name: a.name, Content: said, Aside: true, Raw: json.RawMessage(a.raw)})
	}
	return out
}
