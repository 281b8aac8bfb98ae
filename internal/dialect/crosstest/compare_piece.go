package crosstest

import (
	"strconv"
	"strings"

	"tollgate/internal/canon"
)

// piece is one thing that was said, by whom, in a form that two dialects' ways of saying it share.
type piece struct {
	who  string
	what string
	any  bool // declared as lost or changed: stands for anything of at most six pieces
}

// plain joins what is text, without the white space that joining adds or takes.
func plain(blocks []canon.Block) string {
	var b strings.Builder
	for _, one := range blocks {
		if t, ok := one.(canon.Text); ok {
			b.WriteString(t.Text)
		}
	}
	return strings.Join(strings.Fields(b.String()), "")
}

// flatten lists what was said in order. A tool's id is replaced by the number of its call.
func flatten(r *canon.Request, at map[string]bool, lost map[canon.What]bool) []piece {
	var out []piece
	moved := 0
	ids := map[string]string{}
	number := func(id string) string {
		if ids[id] == "" {
			ids[id] = strconv.Itoa(len(ids) + 1)
		}
		return ids[id]
	}
	for n := range r.Turns {
		t := &r.Turns[n]
		who := string(t.Role)
		switch t.Role {
		case canon.RoleTool:
			who = string(canon.RoleUser)
		case canon.RoleDeveloper:
			who = string(canon.RoleSystem)
		default:
		}
		for i, b := range t.Blocks {
			p := piece{who: who, any: at[t.Path(i)] && t.Path(i) != "" || at[t.At] && t.At != ""}
			var of []canon.What
			p.what, of = said(b, number)
			if moved > 0 && !strings.HasPrefix(p.what, "result ") {
				out = append(out, piece{who: who, any: true})
				moved = 0
			}
			if p.any && strings.HasPrefix(p.what, "result ") && strings.Contains(p.what, ";media ") {
				moved++ // what is no text of a result may follow after all results
			}
			if p.what == "" && !p.any {
				continue
			}
			for _, w := range of {
				p.any = p.any || lost[w]
			}
			out = append(out, p)
		}
	}
	return out
}

// said is a block in words, and the features under which it may be declared lost.
func said(b canon.Block, number func(string) string) (string, []canon.What) {
	switch b := b.(type) {
	case canon.Text:
		if text := strings.Join(strings.Fields(b.Text), ""); text != "" {
			return "text " + text, []canon.What{canon.WhatText}
		}
		return "", nil // white space alone, which some refuse and nobody misses
	case canon.Reasoning:
		if b.Seal == "" { // anybody's
			return "reasoning " + b.Text, []canon.What{canon.WhatReasoningSeal, canon.WhatReasoningText}
		}
		return "reasoning " + string(b.Origin) + " " + b.Text + " " + b.Seal, []canon.What{canon.WhatReasoningSeal, canon.WhatReasoningText}
	case canon.Media:
		what := "media " + string(b.Kind) + " " + b.MIME + " " + b.Data + b.URL + b.FileID
		if b.URL != "" {
			what = "media " + string(b.Kind) + " " + b.URL // few dialects say the type of what is elsewhere
		}
		return what, []canon.What{
			canon.WhatImageURL, canon.WhatImageData, canon.WhatImageFile, canon.WhatFileURL, canon.WhatFileData, canon.WhatFileID, canon.WhatAudio, canon.WhatVideo,
		}
	case canon.ToolUse:
		return "call " + number(b.ID) + " " + b.Name + " " + compact(b.Input), []canon.What{canon.WhatToolUse, canon.WhatToolArguments, canon.WhatToolCustom}
	case canon.ToolResult:
		var in strings.Builder
		text := false
		for _, one := range b.Blocks {
			w, _ := said(one, number)
			if w == "" {
				continue
			}
			if rest, ok := strings.CutPrefix(w, "text "); ok && text {
				in.WriteString(rest)
				continue
			}
			text = strings.HasPrefix(w, "text ")
			in.WriteString(";" + w)
		}
		failed := ""
		if b.IsError {
			failed = "failed "
		}
		return "result " + number(b.ID) + " " + failed + in.String(), []canon.What{canon.WhatToolResult, canon.WhatToolResultError, canon.WhatToolResultMedia}
	case canon.Refusal:
		return "refusal " + b.Text, []canon.What{canon.WhatRefusal}
	}
	return "", nil
}

// match reports whether b is a, where a's wildcards stand for up to six pieces each, and neighbouring texts
// of one side may be joined or split.
func match(a, b []piece) bool {
	m := matcher{a: a, b: b, failed: map[[4]int]bool{}}
	return m.from(0, 0, 0, 0)
}

// matcher remembers which ways lead nowhere: places in a and b, and how much of the texts there is done.
type matcher struct {
	a, b   []piece
	failed map[[4]int]bool
}

func (m *matcher) from(i, j, doneA, doneB int) bool {
	at := [4]int{i, j, doneA, doneB}
	if m.failed[at] {
		return false
	}
	ok := m.try(i, j, doneA, doneB)
	m.failed[at] = !ok
	return ok
}

func (m *matcher) try(i, j, doneA, doneB int) bool {
	if i == len(m.a) {
		return j == len(m.b)
	}
	a := m.a[i]
	if a.any {
		if m.inside(i, j, doneB) {
			return true
		}
		for n := 0; n <= 6 && j+n <= len(m.b); n++ {
			rest := doneB
			if n > 0 {
				rest = 0
			}
			if m.from(i+1, j+n, 0, rest) {
				return true
			}
		}
		return false
	}
	if j == len(m.b) || a.who != m.b[j].who {
		return false
	}
	b := m.b[j]
	ta, isA := strings.CutPrefix(a.what, "text ")
	tb, isB := strings.CutPrefix(b.what, "text ")
	if !isA || !isB {
		return a.what == b.what && m.from(i+1, j+1, 0, 0)
	}
	ta, tb = ta[doneA:], tb[doneB:]
	switch {
	case ta == tb:
		return m.from(i+1, j+1, 0, 0)
	case strings.HasPrefix(tb, ta):
		return m.from(i+1, j, 0, doneB+len(ta))
	case strings.HasPrefix(ta, tb):
		return m.from(i, j+1, doneA+len(tb), 0)
	}
	return false
}

// inside reports whether the wildcards from i on became a part of the text at j, before what follows them.
func (m *matcher) inside(i, j, doneB int) bool {
	next := i
	for next < len(m.a) && m.a[next].any {
		next++
	}
	if next == len(m.a) || j == len(m.b) {
		return false
	}
	ta, isA := strings.CutPrefix(m.a[next].what, "text ")
	tb, isB := strings.CutPrefix(m.b[j].what, "text ")
	if !isA || !isB || m.a[next].who != m.b[j].who {
		return false
	}
	at := strings.Index(tb[doneB:], ta)
	return at > 0 && m.from(next, j, 0, doneB+at)
}

func list(pieces []piece) string {
	lines := make([]string, len(pieces))
	for i, p := range pieces {
		lines[i] = p.who + ": " + p.what
		if p.any {
			lines[i] += " (declared)"
		}
	}
	return strings.Join(lines, "\n  ")
}
