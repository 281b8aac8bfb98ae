package anthropic

import (
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/jsonedit"
)

// outTurn is one message as it will be written: neighbours of one role are joined.
type outTurn struct {
	role   string
	at     string // of the first turn that is in it
	pieces []piece
	rest   []byte // members of the message that canon has no word for, as an object
}

// cachePoint is a cache_control on its way.
type cachePoint struct {
	ttl  time.Duration
	path string
	drop bool
}

// spot is where blocks stand, which decides what is allowed there.
type spot byte

const (
	inSystem spot = iota
	inUser
	inAssistant
	inResult
)

func (p spot) role() string {
	if p == inAssistant {
		return "assistant"
	}
	return "user"
}

// gatherSystem takes the instructions that stand before the conversation.
func (w *requestWriter) gatherSystem() {
	t := canon.Turn{Blocks: w.req.System, Paths: w.req.SystemPaths}
	w.instruct(&t)
}

// instruct adds the blocks of t to the instructions.
func (w *requestWriter) instruct(t *canon.Turn) {
	for i, b := range t.Blocks {
		w.system = w.add(w.system, inSystem, t.Path(i), b)
	}
}

// gatherTurns sorts the conversation into messages.
func (w *requestWriter) gatherTurns() {
	answered := w.answered()
	for i := range w.req.Turns {
		t := &w.req.Turns[i]
		if t.Name != "" && t.Role != canon.RoleTool {
			w.lose(canon.WhatName, t.At, "speakers have no names there")
		}
		switch t.Role {
		case canon.RoleSystem, canon.RoleDeveloper:
			w.gatherInstructions(t, answered[i])
			continue
		case canon.RoleUser, canon.RoleTool, canon.RoleAssistant:
		default:
			w.fail(t.At, "has a role that is not known: %q", clip(string(t.Role)))
			return
		}
		where := inUser
		if t.Role == canon.RoleAssistant {
			where = inAssistant
		}
		lost := len(w.lost)
		turns, pieces := w.end()
		for n, b := range t.Blocks {
			w.addTo(where, t, n, b)
		}
		if n, k := w.end(); n == turns && k == pieces && len(w.lost) == lost {
			w.lose(canon.WhatEmptyTurn, t.At, "a turn without content is refused")
		}
	}
	for i := range w.turns {
		w.resultsFirst(&w.turns[i])
	}
}

// resultsFirst brings results before all else: the API wants them directly after their calls.
func (w *requestWriter) resultsFirst(t *outTurn) {
	late := false
	for _, p := range t.pieces {
		late = late || p.order() > 0
		if late && p.order() == 0 && !w.home {
			w.change(canon.WhatToolResult, p.path, "results stand before all else that the user says")
		}
	}
	if late {
		slices.SortStableFunc(t.pieces, func(a, b piece) int { return a.order() - b.order() })
	}
}

// gatherInstructions takes a turn of instructions within the conversation. They stay where they are if
// nothing was said before them, or if they go home. Newer models take them between a user's turn and
// the answer (https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages,
// read 2026-11-21); which those are a Target may say. Else they join those at the top.
func (w *requestWriter) gatherInstructions(t *canon.Turn, answered bool) {
	switch {
	case w.home:
		turn := outTurn{role: "system", at: t.At}
		for n, b := range t.Blocks {
			if f, ok := b.(canon.Foreign); ok && isMessageRest(f) {
				turn.rest = f.Raw
				continue
			}
			turn.pieces = w.add(turn.pieces, inSystem, t.Path(n), b)
		}
		w.turns = append(w.turns, turn)
	case len(w.turns) == 0:
		w.instruct(t)
	case w.to.Takes(canon.WhatSystemPosition) && w.turns[len(w.turns)-1].role != "assistant" && answered:
		if last := &w.turns[len(w.turns)-1]; last.role != "system" {
			w.turns = append(w.turns, outTurn{role: "system", at: t.At})
		}
		last := &w.turns[len(w.turns)-1]
		for n, b := range t.Blocks {
			last.pieces = w.add(last.pieces, inSystem, t.Path(n), b)
		}
		if len(last.pieces) == 0 {
			w.turns = w.turns[:len(w.turns)-1]
		}
	default:
		w.change(canon.WhatSystemPosition, t.At, "instructions stand before the conversation there")
		w.instruct(t)
	}
}

// answered says of each turn whether the next one behind it that is no instruction is the model's, or there
// is none.
func (w *requestWriter) answered() []bool {
	out := make([]bool, len(w.req.Turns))
	next := true
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = next
		if r := w.req.Turns[i].Role; r != canon.RoleSystem && r != canon.RoleDeveloper {
			next = r == canon.RoleAssistant
		}
	}
	return out
}

// end says where the conversation ends so far, to see whether a block was added.
func (w *requestWriter) end() (turns, pieces int) {
	if turns = len(w.turns); turns > 0 {
		pieces = len(w.turns[turns-1].pieces)
	}
	return turns, pieces
}

// addTo adds a block of t to the last message, or to a new one if it is another's to say: calls are the
// model's, results the user's.
func (w *requestWriter) addTo(where spot, t *canon.Turn, n int, b canon.Block) {
	if !w.home {
		switch b.(type) {
		case canon.ToolUse:
			where = inAssistant
		case canon.ToolResult:
			where = inUser
		}
	}
	var last *outTurn
	if k := len(w.turns); k > 0 && w.turns[k-1].role == where.role() && w.turns[k-1].rest == nil {
		last = &w.turns[k-1]
	}
	if f, ok := b.(canon.Foreign); ok && isMessageRest(f) {
		if last != nil {
			last.rest = f.Raw
		}
		return
	}
	if last == nil {
		pieces := w.add(nil, where, t.Path(n), b)
		if len(pieces) > 0 {
			w.turns = append(w.turns, outTurn{role: where.role(), at: t.At, pieces: pieces})
		}
		return
	}
	last.pieces = w.add(last.pieces, where, t.Path(n), b)
}

// isMessageRest reports whether f is what a message says beside its content.
func isMessageRest(f canon.Foreign) bool {
	return f.Dialect == canon.Anthropic && member(string(f.Raw), "role") != "" && member(string(f.Raw), "type") == ""
}

// maxID is the longest id of a call that the API takes.
const maxID = 64

// maxTail is the length of what makes an id unique, at most.
const maxTail = 8

// uniqueID returns the id of a call as the API takes it: ^[a-zA-Z0-9_-]{1,64}$, once in a request.
// used says of each id that is taken, and of each "\x00" and beginning of ids, which number was tried last.
func uniqueID(id string, used map[string]int) string {
	if !validName(id, maxID) {
		h := fnv.New64a()
		_, _ = h.Write([]byte(id)) // never fails
		id = cleanName(id, maxID-17) + "_" + strconv.FormatUint(h.Sum64(), 16)
	}
	unique := id
	if used[id] != 0 { // a request may hold one id a hundred thousand times
		begins := "\x00" + id[:min(len(id), maxID-maxTail)]
		for n := max(used[begins], 1); used[unique] != 0; used[begins] = n {
			n++
			tail := "_" + strconv.Itoa(n)
			unique = id[:min(len(id), maxID-len(tail))] + tail
		}
	}
	used[unique] = 1
	return unique
}

// validName reports whether s is ^[a-zA-Z0-9_-]{1,longest}$.
func validName(s string, longest int) bool {
	if s == "" || len(s) > longest {
		return false
	}
	for i := range len(s) {
		if !nameByte(s[i]) {
			return false
		}
	}
	return true
}

func nameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// cleanName makes a name of s, of at most longest bytes.
func cleanName(s string, longest int) string {
	b := []byte(s[:min(len(s), longest)])
	for i, c := range b {
		if !nameByte(c) {
			b[i] = '_'
		}
	}
	if len(b) == 0 {
		return "_"
	}
	return string(b)
}

// goOn is what the user says where the API demands that he says something.
const goOn = "Continue."

// fitTurns makes the conversation one that the API takes: it begins with the user, no message is empty,
// and the last one does not end in white space.
func (w *requestWriter) fitTurns() {
	joined := w.turns[:0]
	for _, t := range w.turns {
		last := len(joined) - 1
		switch {
		case len(t.pieces) == 0:
		case last >= 0 && joined[last].role == t.role && t.role != "system":
			joined[last].pieces = append(joined[last].pieces, t.pieces...)
		default:
			joined = append(joined, t)
		}
	}
	w.turns = joined
	user := outTurn{role: "user", pieces: []piece{{b: canon.Text{Text: goOn}}}}
	switch {
	case len(w.turns) == 0:
		w.change(canon.WhatEmptyTurn, "", "a conversation must begin with the user, who was put in: "+goOn)
		w.turns = append(w.turns, user)
	case w.turns[0].role == "assistant":
		w.change(canon.WhatEmptyTurn, w.turns[0].at, "a conversation must begin with the user, who was put in: "+goOn)
		w.turns = slices.Insert(w.turns, 0, user)
	}
	last := &w.turns[len(w.turns)-1]
	if last.role != "assistant" {
		return
	}
	if w.noPrefill() && !last.calls() {
		w.change(canon.WhatEmptyTurn, last.at, "the model does not go on from its own words; the user was put in: "+goOn)
		w.turns = append(w.turns, user)
		return
	}
	end := &last.pieces[len(last.pieces)-1]
	if t, ok := end.b.(canon.Text); ok {
		if cut := strings.TrimRight(t.Text, " \t\r\n"); cut != t.Text {
			end.b = canon.Text{Text: cut}
			w.change(canon.WhatText, end.path, "white space at the end of the last turn is refused")
		}
	}
}

// calls reports whether a tool is called in the message.
func (t *outTurn) calls() bool {
	return slices.ContainsFunc(t.pieces, func(p piece) bool { _, ok := p.b.(canon.ToolUse); return ok })
}

// maxPoints is how many cache points the API takes.
const maxPoints = 4

// limitPoints drops cache points beyond what the API takes, keeping the first and the last ones, and sees
// to it that no longer life follows a shorter one.
func (w *requestWriter) limitPoints() {
	for i, p := range w.points {
		if over := len(w.points) - maxPoints; over > 0 && i >= 1 && i <= over {
			p.drop = true
			w.lose(canon.WhatCachePoint, p.path, "the upstream takes four cache points; the first and the last ones are kept")
		}
	}
	short := false
	for _, p := range w.points {
		if p.drop {
			continue
		}
		if p.ttl != 0 && p.ttl != 5*time.Minute && p.ttl != time.Hour {
			w.change(canon.WhatCacheTTL, p.path, "a cache lives five minutes or an hour there")
		}
		if long := p.ttl >= time.Hour; long && short {
			p.ttl = 5 * time.Minute
			w.change(canon.WhatCacheTTL, p.path, "a cache point of an hour may not follow a shorter one")
		} else if !long {
			short = true
		}
	}
}

func (w *requestWriter) appendTurn(dst []byte, t *outTurn) []byte {
	dst = append(dst, `{"role":`...)
	dst = jsonedit.AppendQuoted(dst, t.role)
	dst = append(dst, `,"content":`...)
	if len(t.pieces) == 1 && t.pieces[0].plain() {
		dst = jsonedit.AppendQuoted(dst, t.pieces[0].words())
	} else {
		dst = w.appendPieces(dst, t.pieces)
	}
	if t.rest != nil {
		dst = appendRest(dst, t.rest, "role")
	}
	return append(dst, '}')
}
