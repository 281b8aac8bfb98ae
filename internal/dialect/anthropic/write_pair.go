package anthropic

import (
	"slices"

	"tollgate/internal/canon"
)

// pairing is a call and where its result stands.
type pairing struct {
	turn, piece int // of the call
	result      int // number of the turn that holds the result; 0: none does
	at          int // of the result there
}

// pairCalls gives every call its id and its result the same, and sees to it that results stand in the
// message after their calls: the API refuses everything else. A later call of the same id has the results
// from there on.
func (w *requestWriter) pairCalls() {
	used := map[string]int{}
	open := map[string][]int{} // by id: the calls without a result yet, all of one message
	var calls []pairing
	for i := range w.turns {
		for k := range w.turns[i].pieces {
			p := &w.turns[i].pieces[k]
			switch b := p.b.(type) {
			case canon.ToolUse:
				p.id = uniqueID(b.ID, used)
				wait := open[b.ID]
				if len(wait) > 0 && calls[wait[0]].turn != i {
					wait = nil
				}
				open[b.ID] = append(wait, len(calls))
				calls = append(calls, pairing{turn: i, piece: k})
			case canon.ToolResult:
				if wait := open[b.ID]; len(wait) > 0 {
					c := &calls[wait[0]]
					c.result, c.at = i, k
					p.id = w.turns[c.turn].pieces[c.piece].id
					open[b.ID] = wait[1:]
				}
			}
		}
	}
	w.checkPairs(calls)
	w.moveResults(calls)
}

// checkPairs refuses what has no partner. Calls of the last message are still to be answered.
func (w *requestWriter) checkPairs(calls []pairing) {
	for _, c := range calls {
		p := &w.turns[c.turn].pieces[c.piece]
		if use, ok := p.b.(canon.ToolUse); ok && c.result == 0 && c.turn < len(w.turns)-1 {
			w.fail(p.path, "calls a tool (%q) whose result is not in the conversation", clip(use.ID))
			return
		}
	}
	for i := range w.turns {
		for _, p := range w.turns[i].pieces {
			if r, ok := p.b.(canon.ToolResult); ok && p.id == "" {
				w.fail(p.path, "is the result of a tool call %q that is not in the conversation", clip(r.ID))
				return
			}
		}
	}
}

// moveResults brings results that come too late into the message after their calls, behind those that are
// there.
func (w *requestWriter) moveResults(calls []pairing) {
	late := map[int][]piece{} // by the turn of their calls, in the order of these
	gone := map[int][]bool{}  // of a turn: its pieces that are moved
	for _, c := range calls {
		if c.result <= c.turn+1 {
			continue
		}
		from := w.turns[c.result].pieces
		w.change(canon.WhatToolResult, from[c.at].path, "results must stand directly after the turn that called: moved there")
		late[c.turn] = append(late[c.turn], from[c.at])
		if gone[c.result] == nil {
			gone[c.result] = make([]bool, len(from))
		}
		gone[c.result][c.at] = true
	}
	if len(late) == 0 {
		return
	}
	turns := make([]outTurn, 0, len(w.turns)+len(late))
	for i, t := range w.turns {
		t.pieces = without(t.pieces, gone[i])
		if add := late[i-1]; add != nil {
			if t.role == "user" {
				at := slices.IndexFunc(t.pieces, func(p piece) bool { return p.order() > 0 })
				if at < 0 {
					at = len(t.pieces)
				}
				t.pieces = slices.Insert(t.pieces, at, add...)
			} else {
				turns = append(turns, outTurn{role: "user", at: add[0].path, pieces: add})
			}
		}
		turns = append(turns, t)
	}
	w.turns = turns
}

// without returns the pieces that are not gone.
func without(pieces []piece, gone []bool) []piece {
	if gone == nil {
		return pieces
	}
	kept := make([]piece, 0, len(pieces))
	for k, p := range pieces {
		if !gone[k] {
			kept = append(kept, p)
		}
	}
	return kept
}
