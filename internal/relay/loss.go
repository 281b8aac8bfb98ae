package relay

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/pool"
)

// Headers by which caller and gateway speak of translation.
const (
	strictHeader   = "X-Tollgate-Strict"   // from the caller: refuse rather than lose
	lossHeader     = "X-Tollgate-Loss"     // to the caller: what was lost or changed
	estimateHeader = "X-Tollgate-Estimate" // to the caller: a count is the gateway's own estimate
)

// tooMuch returns why a strict caller would rather not have a request sent that has lost this; nil if it may be. What
// the gateway itself put into the conversation does not count: see moved.
func (c *call) tooMuch(asked *canon.Request, lost []canon.Loss, l *pool.Lease) *canon.Error {
	if !c.strict || len(lost) == 0 {
		return nil
	}
	moved := moved(asked)
	stands := func(o canon.Loss) bool { // a placeholder for a seal that the caller's words hold none of: nothing of them is lost
		return o.What == canon.WhatReasoningSeal && o.Kind == canon.Changed
	}
	i := slices.IndexFunc(lost, func(l canon.Loss) bool { return !moved(l) && !stands(l) })
	if i < 0 {
		return nil
	}
	return c.refusal(lost[i], "the only channels left for this model speak "+string(l.Spoken.Dialect))
}

// refusal tells a strict caller that something can't be carried as it is, and because of what.
func (c *call) refusal(lost canon.Loss, because string) *canon.Error {
	at := c.lossPath(lost)
	return &canon.Error{
		Kind: canon.KindInvalid, Param: at,
		Message: because + ", which can't carry " + at + " as it is (" + string(lost.What) + ": " + lost.Reason + "); leave it out, or call without " + strictHeader,
	}
}

// moved tells the losses of thoughts that a model of another dialect than the client's has had: the gateway wrapped
// them for the client, they are of use where they come from alone, and the client still has them when it goes back
// there. A conversation that moves between vendors leaves them behind; it is told, and no reason to refuse it.
func moved(asked *canon.Request) func(canon.Loss) bool {
	places := map[string]bool{}
	for i := range asked.Turns {
		t := &asked.Turns[i]
		for n, b := range t.Blocks {
			if r, ok := b.(canon.Reasoning); ok && r.Origin != asked.Origin {
				places[t.Path(n)] = true
			}
		}
	}
	return func(l canon.Loss) bool {
		return (l.What == canon.WhatReasoningSeal || l.What == canon.WhatReasoningText) && places[l.Path]
	}
}

// named tells losses of what stands at the top by the names that the client took.
func named(asked *canon.Request, lost []canon.Loss) {
	for i := range lost {
		if l := &lost[i]; l.Path == "" {
			l.Path = asked.Names[l.What]
		}
	}
}

// lossPath says where a loss stood, in the client's words.
func (c *call) lossPath(l canon.Loss) string {
	if l.Path != "" {
		return c.ownPlace(l.Path)
	}
	if near, ok := c.proto.(dialect.Translator); ok {
		if f := near.Field(l.What); f != "" {
			return f
		}
	}
	return string(l.What)
}

// Bounds of what is told of losses. A long conversation may hold hundreds of one kind, which are one line.
const (
	maxLosses     = 32
	maxLossHeader = 2 << 10
)

// losses lists what was lost or changed so far, request first, for the record: each feature once, with the
// first place where it happened and how many more there are.
func (c *call) losses() (list []string, all []canon.Loss) {
	all = c.lost
	if len(c.unread) > 0 {
		all = append(c.unread[:len(c.unread):len(c.unread)], all...)
	}
	if c.translated && c.tr != nil && c.tr.out != nil {
		all = append(all[:len(all):len(all)], c.tr.out.Losses()...)
	}
	if c.earlier > 0 { // what is new comes first
		old := slices.DeleteFunc(slices.Clone(all), func(l canon.Loss) bool { return !c.told(l.Path) })
		all = append(slices.DeleteFunc(slices.Clone(all), func(l canon.Loss) bool { return c.told(l.Path) }), old...)
	}
	folded := canon.Fold(all)
	for i, l := range folded {
		if i == maxLosses {
			list = append(list, "and "+strconv.Itoa(len(folded)-i)+" more")
			break
		}
		line := printable(c.lossPath(l.Loss)) + ": " + string(l.What) + " " + string(l.Kind)
		if l.More > 0 {
			line += " (and at " + strconv.Itoa(l.More) + " more)"
		}
		list = append(list, line)
	}
	return list, all
}

// tellLosses puts what was lost so far into the answer's headers.
func (c *call) tellLosses(h http.Header) {
	list, _ := c.losses()
	if len(list) == 0 {
		return
	}
	text := strings.Join(list, "; ")
	if len(text) > maxLossHeader {
		text = text[:maxLossHeader] + "..."
	}
	h[lossHeader] = []string{text}
}

// printable bounds s and makes it fit for a header: names of members come from clients.
func printable(s string) string {
	const most = 160
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == ';' {
			return '?'
		}
		return r
	}, s)
}
