package openairesponses

import (
	"strings"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonpull"
	"tollgate/internal/jsonedit"
)

// stringsOf reads an array of strings, or one.
func stringsOf(raw string) (list []string) {
	p := jsonpull.NewString(raw)
	if p.Kind() == '"' {
		return []string{p.String()}
	}
	for p.Array(); p.Element(); {
		list = append(list, p.String())
	}
	return list
}

// system writes instructions where they are one text; otherwise input begins with them.
func (w *requestWriter) system() {
	if n := w.instructed(); n > 0 {
		t, _ := w.req.System[0].(canon.Text) // instructed has looked
		w.str("instructions", t.Text)
	}
}

// instructed is the number of blocks of the system's that stand in instructions: 1 or 0.
func (w *requestWriter) instructed() int {
	s := w.req.System
	if len(s) == 0 {
		return 0
	}
	if _, ok := s[0].(canon.Text); !ok {
		return 0
	}
	if w.home {
		if len(w.req.SystemPaths) > 0 && w.req.SystemPaths[0] == atInstructions {
			return 1
		}
		return 0
	}
	if len(s) == 1 {
		return 1
	}
	return 0
}

// input writes the conversation.
func (w *requestWriter) input() {
	w.name("input")
	if w.home && w.req.Home != nil {
		w.own()
		return
	}
	w.b = append(w.b, '[')
	if n := w.instructed(); n < len(w.req.System) {
		t := canon.Turn{Role: canon.RoleDeveloper, At: "system"}
		for i, b := range w.req.System[n:] {
			path := t.At
			if n+i < len(w.req.SystemPaths) {
				path = w.req.SystemPaths[n+i]
			}
			t.Add(path, b)
		}
		w.turn(&t)
	}
	for i := range w.req.Turns {
		w.turn(&w.req.Turns[i])
	}
	w.b = append(w.b, ']')
	if len(w.open) == 0 || !w.paired() {
		return
	}
	for _, c := range w.made { // the first of them
		if paths := w.open[c.id]; len(paths) > 0 && paths[0] == c.path {
			w.refuse(c.path, "No result of the tool call %q was given.", clipped(c.id))
			return
		}
	}
}

// own writes the conversation as it came, but for what a model of another vendor has thought.
func (w *requestWriter) own() {
	if !canon.MayHoldWrapped(w.req.Home) {
		w.b = append(w.b, w.req.Home...)
		return
	}
	left, gone := withoutForeignSeals(w.req.Home)
	w.b = append(w.b, left...)
	w.lost = append(w.lost, unsealed(gone)...)
}

// item begins an item of the input.
func (w *requestWriter) item(kind string) {
	if w.b[len(w.b)-1] == '}' {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, `{"type":"`...)
	w.b = append(w.b, kind...)
	w.b = append(w.b, '"')
}

// turn writes what one side said: a message for the parts between calls, results and thoughts, which are
// items of their own.
func (w *requestWriter) turn(t *canon.Turn) {
	if t.Name != "" {
		w.lose(canon.WhatName, t.At, "the Responses API knows no names of speakers")
	}
	role := t.Role
	if role == canon.RoleTool { // what stands beside results there
		role = canon.RoleUser
	}
	w.unit = w.unit[:0]
	wrote := len(w.b)
	for i, b := range t.Blocks {
		path := t.Path(i)
		switch b := b.(type) {
		case canon.ToolUse:
			w.message(role)
			w.use(path, &b)
		case canon.ToolResult:
			w.message(role)
			w.result(path, &b)
		case canon.Reasoning:
			w.message(role)
			w.thought(path, &b)
		case canon.Foreign:
			w.lose(canon.WhatForeign, path, "the Responses API has no block like it")
		case canon.CachePoint:
			w.cachePoint(path, b)
		default:
			w.part(role, path, b)
		}
	}
	w.message(role)
	if len(t.Blocks) == 0 || len(w.b) == wrote && w.onlyEmpty(t) {
		w.lose(canon.WhatEmptyTurn, t.At, "it says nothing")
	}
}

// onlyEmpty reports whether nothing of the turn was there to be written or lost by itself.
func (w *requestWriter) onlyEmpty(t *canon.Turn) bool {
	for _, b := range t.Blocks {
		if _, ok := b.(canon.CachePoint); !ok {
			return false
		}
	}
	return true
}

func (w *requestWriter) comma() {
	if w.b[len(w.b)-1] == '}' {
		w.b = append(w.b, ',')
	}
}

// message writes the parts that were gathered as a message.
func (w *requestWriter) message(role canon.Role) {
	if len(w.unit) == 0 {
		return
	}
	w.item("message")
	w.str("role", string(role))
	w.name("content")
	w.b = append(w.b, '[')
	w.b = append(w.b, w.unit...)
	w.b = append(w.b, `]}`...)
	w.unit = w.unit[:0]
}

// part gathers a part of a message.
func (w *requestWriter) part(role canon.Role, path string, b canon.Block) {
	if n := len(w.unit); n > 0 && w.unit[n-1] == '}' {
		w.unit = append(w.unit, ',')
	}
	w.unit = w.appendPart(w.unit, role, path, b)
	if n := len(w.unit); n > 0 && w.unit[n-1] == ',' { // it was lost
		w.unit = w.unit[:n-1]
	}
}

// appendPart appends a part of a message, or of the output of a tool; nothing if it is lost.
func (w *requestWriter) appendPart(dst []byte, role canon.Role, path string, b canon.Block) []byte {
	switch b := b.(type) {
	case canon.Text:
		if role == canon.RoleAssistant {
			dst = append(dst, `{"type":"output_text","text":`...)
			dst = jsonedit.AppendQuoted(dst, b.Text)
			return append(dst, `,"annotations":[]}`...)
		}
		dst = append(dst, `{"type":"input_text","text":`...)
		dst = jsonedit.AppendQuoted(dst, b.Text)
		return append(dst, '}')
	case canon.Refusal:
		if role != canon.RoleAssistant {
			w.change(canon.WhatRefusal, path, "only an assistant can refuse; it is text here")
			return w.appendPart(dst, role, path, canon.Text(b))
		}
		dst = append(dst, `{"type":"refusal","refusal":`...)
		dst = jsonedit.AppendQuoted(dst, b.Text)
		return append(dst, '}')
	case canon.Media:
		return w.appendMedia(dst, role, path, b)
	case canon.Foreign:
		w.lose(canon.WhatForeign, path, "the Responses API has no part like it")
	default:
		w.lose(canon.WhatForeign, path, "the Responses API has no such part here")
	}
	return dst
}

// what names a medium in a Loss.
func what(m canon.Media) canon.What {
	switch m.Kind {
	case canon.MediaImage:
		switch {
		case m.Data != "":
			return canon.WhatImageData
		case m.FileID != "":
			return canon.WhatImageFile
		}
		return canon.WhatImageURL
	case canon.MediaAudio:
		return canon.WhatAudio
	case canon.MediaVideo:
		return canon.WhatVideo
	default:
	}
	switch {
	case m.Data != "":
		return canon.WhatFileData
	case m.FileID != "":
		return canon.WhatFileID
	}
	return canon.WhatFileURL
}

func (w *requestWriter) appendMedia(dst []byte, role canon.Role, path string, m canon.Media) []byte {
	switch {
	case role == canon.RoleAssistant:
		w.lose(what(m), path, "an assistant's message holds text alone in the Responses API")
		return dst
	case m.FileID != "" && m.Data == "" && m.URL == "":
		w.lose(what(m), path, "the file is kept by another vendor")
		return dst
	case m.Data != "" && !isBase64(m.Data):
		w.refuse(path, "The data of the %s is not base64.", string(m.Kind))
		return dst
	}
	switch m.Kind {
	case canon.MediaImage:
		return w.appendImage(dst, path, m)
	case canon.MediaAudio:
		return w.appendAudio(dst, path, m)
	case canon.MediaVideo:
		w.lose(canon.WhatVideo, path, "the Responses API takes no video")
		return dst
	default:
	}
	return w.appendFile(dst, path, m)
}

func (w *requestWriter) appendImage(dst []byte, path string, m canon.Media) []byte {
	if m.Data != "" && m.MIME != "" && !strings.HasPrefix(m.MIME, "image/") {
		w.refuse(path, "%q is not the media type of an image.", clipped(m.MIME))
		return dst
	}
	dst = append(dst, `{"type":"input_image"`...)
	switch {
	case m.Data != "":
		dst = append(dst, `,"image_url":`...)
		dst = appendDataURL(dst, orElse(m.MIME, "image/png"), m.Data)
	case m.URL != "":
		dst = append(dst, `,"image_url":`...)
		dst = jsonedit.AppendQuoted(dst, m.URL)
	}
	switch m.Detail {
	case "":
	case "low", "high", "auto", "original":
		dst = append(dst, `,"detail":"`...)
		dst = append(dst, m.Detail...)
		dst = append(dst, '"')
	default:
		w.lose(canon.WhatImageDetail, path, "the Responses API has no such detail")
	}
	return append(dst, '}')
}

// appendFile appends a document. Inline data needs a name: "Missing required parameter: 'filename'" is what
// OpenAI answers otherwise, https://community.openai.com/t/1268063, 2025-05.
func (w *requestWriter) appendFile(dst []byte, path string, m canon.Media) []byte {
	dst = append(dst, `{"type":"input_file"`...)
	switch {
	case m.Data != "":
		typ := orElse(m.MIME, "application/pdf")
		dst = append(dst, `,"filename":`...)
		dst = jsonedit.AppendQuoted(dst, orElse(m.Name, fileName(typ)))
		dst = append(dst, `,"file_data":`...)
		dst = appendDataURL(dst, typ, m.Data)
	case m.URL != "":
		dst = append(dst, `,"file_url":`...)
		dst = jsonedit.AppendQuoted(dst, m.URL)
		if m.Name != "" {
			w.lose(canon.WhatFileName, path, "the Responses API names no file that is given by its URL")
		}
	}
	return append(dst, '}')
}

// fileName is a name for a document that has none.
func fileName(mime string) string {
	switch mime {
	case "application/pdf":
		return "document.pdf"
	case "text/plain":
		return "document.txt"
	case "text/markdown":
		return "document.md"
	case "text/csv":
		return "document.csv"
	case "application/json":
		return "document.json"
	}
	if _, sub, ok := strings.Cut(mime, "/"); ok && sub != "" && strings.Trim(sub, "abcdefghijklmnopqrstuvwxyz0123456789") == "" {
		return "document." + sub
	}
	return "document"
}

func (w *requestWriter) appendAudio(dst []byte, path string, m canon.Media) []byte {
	format := audioFormat(m.MIME)
	if m.Data == "" || format == "" {
		w.lose(canon.WhatAudio, path, "the Responses API takes inline wav and mp3 alone")
		return dst
	}
	dst = append(dst, `{"type":"input_audio","input_audio":{"data":`...)
	dst = jsonedit.AppendQuoted(dst, m.Data)
	dst = append(dst, `,"format":"`...)
	dst = append(dst, format...)
	return append(dst, `"}}`...)
}

// audioFormat is the word of input_audio for a media type; "" if there is none.
func audioFormat(mime string) string {
	switch mime {
	case "audio/wav", "audio/x-wav", "audio/wave":
		return "wav"
	case "audio/mpeg", "audio/mp3":
		return "mp3"
	}
	return ""
}

func appendDataURL(dst []byte, mime, data string) []byte {
	dst = jsonedit.AppendQuoted(dst, "data:"+mime+";base64,")
	dst = append(dst[:len(dst)-1], data...) // base64 needs no escaping
	return append(dst, '"')
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// isBase64 reports whether s can be base64, of either alphabet, padded or not.
func isBase64(s string) bool {
	bare := strings.TrimRight(s, "=")
	if len(s)-len(bare) > 2 || len(bare)%4 == 1 {
		return false
	}
	for i := range len(bare) {
		if c := bare[i]; !nameByte(c) && c != '+' && c != '/' {
			return false
		}
	}
	return true
}

func clipped(s string) string { return strings.ToValidUTF8(s[:min(len(s), 64)], "") }

// cachePoint marks the part before it. OpenAI caches beginnings by itself; models from gpt-5.6 on take marks
// too, older ones refuse them, so they are written where the upstream is known to take them.
func (w *requestWriter) cachePoint(path string, c canon.CachePoint) {
	n := len(w.unit)
	switch {
	case !w.to.Takes(canon.WhatCachePoint):
		w.lose(canon.WhatCachePoint, path, "the upstream caches by itself")
		return
	case n == 0 || w.unit[n-1] != '}':
		w.lose(canon.WhatCachePoint, path, "only a part of a message can be marked")
		return
	}
	ttl := ""
	switch {
	case c.TTL == 0:
	case c.TTL <= 30*time.Minute:
		ttl = `,"ttl":"30m"`
	default:
		ttl = `,"ttl":"12h"`
	}
	if c.TTL != 0 && c.TTL != 30*time.Minute && c.TTL != 12*time.Hour {
		w.change(canon.WhatCacheTTL, path, "the Responses API knows 30 minutes and 12 hours")
	}
	w.unit = append(w.unit[:n-1], `,"prompt_cache_breakpoint":{"mode":"explicit"`...)
	w.unit = append(w.unit, ttl...)
	w.unit = append(w.unit, `}}`...)
}

// thought writes what a model thought before. Codex sends such items without an id too:
// https://github.com/openai/codex, codex-rs/protocol/src/models.rs, read 2026-11-21.
func (w *requestWriter) thought(path string, r *canon.Reasoning) {
	if r.Origin != canon.OpenAIResponses {
		if r.Seal != "" {
			w.lose(canon.WhatReasoningSeal, path, "it was sealed by another vendor")
		}
		if r.Text != "" {
			w.lose(canon.WhatReasoningText, path, "the Responses API takes thoughts back with their own seal alone")
		}
		return
	}
	w.item("reasoning")
	w.name("summary")
	w.b = append(w.b, '[')
	if r.Text != "" {
		w.b = append(w.b, `{"type":"summary_text","text":`...)
		w.b = jsonedit.AppendQuoted(w.b, r.Text)
		w.b = append(w.b, '}')
	}
	w.b = append(w.b, ']')
	if r.Seal != "" {
		w.str("encrypted_content", r.Seal)
	}
	w.b = append(w.b, '}')
}
