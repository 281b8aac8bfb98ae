package openaichat

import (
	"encoding/base64"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
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
				if name, _ := w.foreign(b); name != inMessage {
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
		if !startsWithError(r.Blocks) {
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
	if at+1 < len(t.Blocks) {
		w.members(t.Blocks[at+1:])
	}
	w.b = append(w.b, '}')
	return moved
}

func startsWithError(list []canon.Block) bool {
	if len(list) == 0 {
		return false
	}
	t, ok := list[0].(canon.Text)
	return ok && len(t.Text) >= 5 && strings.EqualFold(t.Text[:5], "error")
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
	w.scratch, c.parts = c.parts, nil
}

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

// media writes a picture, a file, sound or a film.
func (c *content) media(m canon.Media, replaced gjson.Result, path string) {
	w := c.w
	if m.Data != "" {
		if m.Data = plainBase64(m.Data); m.Data == "" {
			w.fail(canon.KindInvalid, path, "The data at %s are not base64.", path)
			return
		}
	}
	if m.URL != "" && m.Data == "" && !isURL(m.URL) && !w.own {
		w.lose(mediaWhat(m), path, "the upstream can't fetch "+scheme(m.URL))
		return
	}
	switch kind := m.Kind; {
	case m.FileID != "" && (!w.own || kind == canon.MediaAudio):
		w.lose(mediaWhat(m), path, "the file is kept by another vendor")
	case m.FileID != "" && kind == canon.MediaImage: // it came in Anthropic's form
		c.begin()
		c.plain = false
		c.parts = append(c.parts, `{"type":"image","source":{"type":"file","file_id":`...)
		c.parts = append(jsonedit.AppendQuoted(c.parts, m.FileID), '}')
	case m.FileID != "":
		c.named("file", replaced, func(b []byte) []byte {
			return append(jsonedit.AppendQuoted(append(b, `{"file_id":`...), m.FileID), '}')
		})
	case kind == canon.MediaImage, kind == canon.MediaVideo && w.takes(canon.WhatVideo):
		c.picture(m, replaced, path)
	case kind == canon.MediaVideo:
		w.lose(canon.WhatVideo, path, "the upstream takes no videos")
	case kind == canon.MediaAudio && m.Data == "":
		w.lose(canon.WhatAudio, path, "the upstream takes sound only with its bytes")
	case kind == canon.MediaAudio:
		c.named("input_audio", replaced, func(b []byte) []byte {
			b = append(append(append(b, `{"data":"`...), m.Data...), `","format":`...)
			return append(jsonedit.AppendQuoted(b, audioFormat(m.MIME)), '}')
		})
	case m.Data == "" && !w.takes(canon.WhatFileURL):
		w.lose(canon.WhatFileURL, path, "the upstream takes files only with their bytes")
	default:
		c.file(m, replaced, path)
	}
}

// named writes a part whose inner object is called like its type; at home, as it came.
func (c *content) named(kind string, replaced gjson.Result, inner func([]byte) []byte) {
	c.begin()
	c.plain = false
	c.parts = append(append(append(c.parts, `{"type":"`...), kind...), `","`...)
	c.parts = append(append(c.parts, kind...), `":`...)
	if own := replaced.Get(kind); own.Exists() {
		c.parts = append(c.parts, own.Raw...)
		return
	}
	c.parts = inner(c.parts)
}

func (c *content) picture(m canon.Media, replaced gjson.Result, path string) {
	kind, family := "image_url", "image/"
	if m.Kind == canon.MediaVideo {
		kind, family = "video_url", "video/"
	}
	if m.Data != "" && m.MIME == "" {
		m.MIME = sniff(m.Data)
	}
	if m.Data != "" && !strings.HasPrefix(m.MIME, family) && !c.w.own {
		c.w.fail(canon.KindInvalid, path, "The data at %s are called %q, which is no %s.", path, m.MIME, strings.TrimSuffix(family, "/"))
		return
	}
	c.named(kind, replaced, func(b []byte) []byte {
		b = append(b, `{"url":`...)
		if m.Data != "" {
			b = jsonedit.AppendQuoted(append(b, ""...), "data:"+m.MIME+";base64,"+m.Data)
		} else {
			b = jsonedit.AppendQuoted(b, m.URL)
		}
		if m.Detail != "" {
			b = jsonedit.AppendQuoted(append(b, `,"detail":`...), m.Detail)
		}
		return append(b, '}')
	})
}

// file writes a document. One that is text becomes text, as files are PDFs in this dialect.
func (c *content) file(m canon.Media, replaced gjson.Result, path string) {
	if m.Data != "" && m.MIME == "" {
		m.MIME = sniff(m.Data)
	}
	if kind, _, _ := strings.Cut(m.MIME, ";"); m.Data != "" && !c.w.own && (strings.HasPrefix(kind, "text/") || kind == "application/json") {
		raw, err := base64.StdEncoding.DecodeString(m.Data)
		if err == nil && utf8.Valid(raw) {
			c.w.change(canon.WhatFileData, path, "a file of text became text")
			head := ""
			if m.Name != "" {
				head = m.Name + ":\n\n"
			}
			c.text(head + string(raw))
			return
		}
	}
	c.named("file", replaced, func(b []byte) []byte {
		name := m.Name
		if name == "" && (m.Data != "" && !c.w.own) {
			name = "document" // it must have one
			if m.MIME == "application/pdf" {
				name += ".pdf"
			}
		}
		b = append(b, '{')
		if name != "" {
			b = jsonedit.AppendQuoted(key(b, "filename"), name)
		}
		b = key(b, "file_data")
		switch {
		case m.Data == "":
			b = jsonedit.AppendQuoted(b, m.URL)
		case m.MIME == "":
			b = jsonedit.AppendQuoted(b, m.Data)
		default:
			b = jsonedit.AppendQuoted(b, "data:"+m.MIME+";base64,"+m.Data)
		}
		return append(b, '}')
	})
}

// sniff tells the type of data from how they begin; "" if it can't.
func sniff(data string) string {
	raw := make([]byte, 512)
	n, _ := base64.StdEncoding.Decode(raw, []byte(data[:min(len(data), 680)/4*4])) // what decodes is enough
	typ, _, _ := strings.Cut(http.DetectContentType(raw[:n]), ";")
	if n == 0 || typ == "application/octet-stream" {
		return ""
	}
	return typ
}

// plainBase64 returns data in the usual alphabet; "" if they are not base64.
func plainBase64(data string) string {
	url, breaks, pad := false, false, 0
	for i := range len(data) {
		switch c := data[i]; {
		case c == '=':
			pad++
		case c == '\n' || c == '\r':
			breaks = true
		case pad > 0:
			return ""
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '+', c == '/':
		case c == '-' || c == '_':
			url = true
		default:
			return ""
		}
	}
	if breaks {
		data = strings.NewReplacer("\n", "", "\r", "").Replace(data)
	}
	if url {
		data = strings.NewReplacer("-", "+", "_", "/").Replace(data)
	}
	switch bare := len(data) - pad; {
	case bare%4 == 1, pad > 2, pad > 0 && len(data)%4 != 0:
		return ""
	case pad == 0:
		data += "=="[:(4-bare%4)%4]
	}
	return data
}

func scheme(url string) string {
	s, _, ok := strings.Cut(url, ":")
	if !ok || len(s) > 16 {
		return "that"
	}
	return s + ": URLs"
}

// audioFormat is how input_audio calls a media type.
func audioFormat(mime string) string {
	name, _, _ := strings.Cut(mime, ";")
	switch name = strings.TrimPrefix(name, "audio/"); name {
	case "mpeg", "mpga":
		return "mp3"
	case "x-wav", "wave", "vnd.wave":
		return "wav"
	case "pcm", "l16", "L16":
		return "pcm16"
	}
	return name
}

// mediaWhat is the feature that m is.
func mediaWhat(m canon.Media) canon.What {
	by := func(url, data, id canon.What) canon.What {
		switch {
		case m.FileID != "":
			return id
		case m.Data != "":
			return data
		}
		return url
	}
	switch m.Kind {
	case canon.MediaImage:
		return by(canon.WhatImageURL, canon.WhatImageData, canon.WhatImageFile)
	case canon.MediaAudio:
		return canon.WhatAudio
	case canon.MediaVideo:
		return canon.WhatVideo
	default:
		return by(canon.WhatFileURL, canon.WhatFileData, canon.WhatFileID)
	}
}

// blockWhat is the feature that b is.
func blockWhat(b canon.Block) canon.What {
	switch b := b.(type) {
	case canon.Media:
		return mediaWhat(b)
	case canon.Reasoning:
		return canon.WhatReasoningText
	case canon.ToolUse:
		return canon.WhatToolUse
	case canon.ToolResult:
		return canon.WhatToolResult
	case canon.CachePoint:
		return canon.WhatCachePoint
	case canon.Refusal:
		return canon.WhatRefusal
	case canon.Foreign:
		return canon.WhatForeign
	default:
		return canon.WhatText
	}
}
