package openaichat

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/openai"
	"tollgate/internal/jsonedit"
)

// others writes what is said between two turns of the assistant.
func (w *requestWriter) others(turns []canon.Turn) {
	var moved []byte // media of results, for a message of the user's
	before := ""     // where something stands before a result
	for n := range turns {
		t := &turns[n]
		for i, b := range t.Blocks {
			r, ok := b.(canon.ToolResult)
			if !ok {
				_, foreign := b.(canon.Foreign) // which stays behind, or is a member of the message
				if name, _ := w.foreign(b); !foreign || w.own && name != inMessage {
					before = t.Path(i)
				}
				continue
			}
			if before != "" && !w.own {
				w.change(canon.WhatToolResult, t.Path(i), "it stands before "+before+" now, right behind its call")
				before = ""
			}
			moved = w.result(moved, r, t, i)
		}
	}
	if moved != nil {
		w.message("user")
		w.b = append(append(append(key(w.b, "content"), '['), moved...), ']', '}')
	}
	for n := range turns {
		w.turn(&turns[n])
	}
}

// result writes the result of a tool and appends what can't be in it to moved, as parts of a message.
func (w *requestWriter) result(moved []byte, r canon.ToolResult, t *canon.Turn, at int) []byte {
	path := t.Path(at)
	id := r.ID
	if !w.own {
		id = callID(id)
		if !w.calls[id] {
			w.fail(canon.KindInvalid, path, "The result at %s (id %q) belongs to no call of the turn before it.", path, r.ID)
			return moved
		}
	}
	delete(w.calls, callID(r.ID))
	w.message("tool")
	w.str("tool_call_id", id)
	c := w.newContent("\n")
	if r.IsError {
		w.change(canon.WhatToolResultError, path, "the mark became a word in the result")
		if !openai.SaysError(r.Blocks) {
			c.text("Error:")
		}
	}
	var media []int
	for i, b := range r.Blocks {
		switch b.(type) {
		case canon.Media:
			if !w.own {
				media = append(media, i)
				continue
			}
		default:
		}
		if !c.add(r.Blocks, i, path) {
			w.lose(blockWhat(b), path, "a result is text")
		}
	}
	for i := at + 1; i < len(t.Blocks); i++ { // cache points of the result, and members of the message
		p, ok := t.Blocks[i].(canon.CachePoint)
		if !ok {
			break
		}
		if c.n == 0 {
			c.text("")
		}
		c.point(p, t.Path(i))
	}
	if len(media) > 0 {
		w.change(canon.WhatToolResultMedia, path, "it follows in a message of the user's")
		c.text("(What the tool returned besides text follows in the next message of the user.)")
		part := w.newContent("")
		part.text("Returned by the tool " + r.Name + " (call " + id + "):")
		for _, i := range media {
			part.add(r.Blocks, i, path)
		}
		part.shut()
		if moved != nil {
			moved = append(moved, ',')
		}
		moved = append(moved, part.parts...)
	}
	c.write()
	if w.own { // what follows up to the next result is of this message
		rest := t.Blocks[at+1:]
		if next := slices.IndexFunc(rest, isResult); next >= 0 {
			rest = rest[:next]
		}
		w.members(rest)
	}
	w.b = append(w.b, '}')
	return moved
}

func isResult(b canon.Block) bool {
	_, ok := b.(canon.ToolResult)
	return ok
}

// turn writes what a turn of the user's or of the system's says besides results of tools.
func (w *requestWriter) turn(t *canon.Turn) {
	role := string(t.Role)
	if t.Role == canon.RoleTool {
		role = "user"
	}
	if t.Role == canon.RoleDeveloper && !w.own {
		role = "system" // which all vendors know
	}
	c := w.newContent("\n\n")
	results, behind := false, false
	for i, b := range t.Blocks {
		path := t.Path(i)
		_, point := b.(canon.CachePoint)
		if behind = behind && point; behind {
			continue // written with the result
		}
		switch b.(type) {
		case canon.ToolResult:
			results, behind = true, true
			continue
		case canon.Foreign:
			if name, _ := w.foreign(b); name == inMessage {
				continue
			}
		case canon.Media:
			if role == "system" && !w.own {
				w.lose(canon.WhatSystemContent, path, "instructions are text")
				continue
			}
		default:
		}
		if !c.add(t.Blocks, i, path) {
			w.lose(blockWhat(b), path, "a message of the "+role+"'s can't hold it")
		}
	}
	switch {
	case c.n == 0 && results:
		c.drop()
		return
	case c.n == 0 && !w.own:
		if len(t.Blocks) == 0 {
			w.lose(canon.WhatEmptyTurn, t.At, "a message says something")
		}
		return
	}
	w.message(role)
	if t.Name != "" {
		w.str("name", t.Name)
	}
	c.write()
	w.members(t.Blocks)
	w.b = append(w.b, '}')
}

// content collects the content of a message: parts, or one string where text alone is said, which every
// vendor takes.
type content struct {
	w     *requestWriter
	sep   string // between texts that become one
	parts []byte
	texts []string
	plain bool // nothing but text
	open  bool // the last part may still get members
	n     int
}

func (w *requestWriter) newContent(sep string) *content {
	c := &content{w: w, sep: sep, plain: true, parts: w.scratch[:0]}
	w.scratch = nil
	return c
}

// textPart begins a part of text.
const textPart = `{"type":"text","text":`

// write writes the member.
func (c *content) write() {
	c.shut()
	w := c.w
	switch {
	case c.plain && len(c.texts) == 1:
		w.raw("content", c.parts[len(textPart):len(c.parts)-1])
	case c.n == 0 && w.own:
		w.raw("content", []byte("null"))
	case c.plain && !w.own:
		w.str("content", strings.Join(c.texts, c.sep))
	default:
		w.b = append(append(append(key(w.b, "content"), '['), c.parts...), ']')
	}
	c.drop()
}

// drop gives the room back; what is not written by then is not.
func (c *content) drop() { c.w.scratch, c.parts = c.parts, nil }

func (c *content) shut() {
	if c.open {
		c.parts, c.open = append(c.parts, '}'), false
	}
}

// begin begins a part; members of it that stand in rest are not to be written again.
func (c *content) begin() {
	c.shut()
	if c.n++; c.n > 1 {
		c.parts = append(c.parts, ',')
	}
	c.open = true
}

func (c *content) text(s string) {
	c.begin()
	c.parts = jsonedit.AppendQuoted(append(c.parts, textPart...), s)
	c.texts = append(c.texts, s)
}

// point puts a cache point at the last part.
func (c *content) point(p canon.CachePoint, path string) {
	if !c.open {
		c.w.lose(canon.WhatCachePoint, path, "there is nothing before it that could carry it")
		return
	}
	b := c.w.b
	c.w.b = c.parts
	before := len(c.parts)
	c.w.cachePoint(p, path)
	c.parts, c.w.b = c.w.b, b
	c.plain = c.plain && len(c.parts) == before
}

// add adds the block i of list; false if content can't hold it.
func (c *content) add(list []canon.Block, i int, path string) bool {
	switch b := list[i].(type) {
	case canon.Text:
		c.text(b.Text)
	case canon.Refusal:
		if !c.w.own {
			c.w.change(canon.WhatRefusal, path, "only an assistant can refuse; it is text here")
		}
		c.text(b.Text)
	case canon.CachePoint:
		c.point(b, path)
	case canon.Media:
		var replaced gjson.Result
		if i+1 < len(list) {
			if name, inner := c.w.foreign(list[i+1]); name == inPart {
				replaced = inner
			}
		}
		c.media(b, replaced, path)
	case canon.Foreign:
		name, inner := c.w.foreign(b)
		switch {
		case !inner.Exists():
			return false
		case name == "":
			c.begin()
			c.plain = false
			c.parts = append(c.parts, strings.TrimRight(inner.Raw, " \t\r\n")...)
			c.parts = c.parts[:len(c.parts)-1] // its brace comes with shut
		case name == inPart && c.open:
			c.plain = false
			inner.ForEach(func(name, v gjson.Result) bool {
				if !isMedia(name.Str) {
					c.parts = appendMember(c.parts, name.Str, v)
				}
				return true
			})
		case name == inMessage:
		default:
			return false
		}
	default:
		return false
	}
	return true
}

func isMedia(name string) bool {
	return name == "image_url" || name == "video_url" || name == "input_audio" || name == "file"
}
