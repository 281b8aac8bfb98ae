package gemini

import (
	"strconv"
	"strings"

	"tollgate/internal/canon"
)

// calling is a call that is not whole.
type calling struct {
	index    int
	id, name string
	seal     string
	args     []byte
	ended    bool
}

// call begins a call. It is written when it is whole: Google's come in one part.
func (w *answering) call(dst []byte, c *saying, e canon.ToolStart) []byte {
	w.mindEnds(c)
	k := &calling{index: e.Index, id: e.ID, name: e.Name, seal: c.take(true)}
	if k.id == "" {
		w.calls++
		k.id = "call_" + strings.ReplaceAll(w.a.ID, "-", "") + "_" + strconv.Itoa(w.calls)
	}
	c.endCall(e.Index) // of two calls with one index, the second goes on
	if c.calls == nil {
		c.calls = map[int]*calling{}
	}
	c.calls[e.Index] = k
	c.pending = append(c.pending, k)
	return dst
}

// endCall marks the call of that index, if there is one, as whole.
func (c *saying) endCall(index int) {
	if k := c.calls[index]; k != nil {
		k.ended = true
		delete(c.calls, index)
	}
}

// flushCalls writes the calls that have ended, in their order; all of them if nothing more can come.
func (w *answering) flushCalls(dst []byte, c *saying, all bool) []byte {
	for len(c.pending) > 0 && (all || c.pending[0].ended) {
		k := c.pending[0]
		c.pending = c.pending[1:]
		if c.calls[k.index] == k {
			c.endCall(k.index)
		}
		dst = w.add(dst, c, func(b []byte) []byte {
			b = appendString(append(b, `{"functionCall":{"id":`...), k.id)
			b = appendString(append(b, `,"name":`...), k.name)
			b, ok := appendObject(append(b, `,"args":`...), string(k.args))
			if !ok {
				w.note(canon.ChangedAt(canon.WhatToolArguments, "", "the model wrote arguments that are no JSON object; their text stands in the member input"))
			}
			return append(appendSeal(append(b, '}'), k.seal), '}')
		})
	}
	return dst
}
