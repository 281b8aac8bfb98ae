package gemini

import (
	"encoding/json"
	"slices"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonfield"
)

// result writes what a tool gave: text as "output" or "error", media beside it.
func (o *outgoing) result(b canon.ToolResult, path string) {
	if o.open > 0 {
		o.open--
	}
	var texts []string
	var media []canon.Block
	ordered := true
	for _, inner := range b.Blocks {
		switch inner := inner.(type) {
		case canon.Text:
			ordered = ordered && media == nil
			texts = append(texts, inner.Text)
		case canon.Refusal:
			texts = append(texts, inner.Text)
		case canon.Media:
			media = append(media, inner)
		case canon.Foreign:
			if inner.Dialect == canon.Gemini {
				media = append(media, inner)
			} else {
				o.rest(inner, path)
			}
		default:
			o.rest(inner, path)
		}
	}
	if !ordered && !o.home {
		o.change(canon.WhatToolResultMedia, path, "what a tool shows stands behind all that it says")
	}
	o.part("functionResponse", "")
	o.name("functionResponse")
	o.b = append(o.b, '{')
	if b.ID != "" {
		o.str("id", b.ID)
	}
	o.str("name", b.Name)
	o.name("response")
	if o.home && sameTexts(b.Home, texts) {
		o.b = append(o.b, b.Home...)
	} else {
		o.response(texts, b.IsError)
	}
	beside := media
	if o.modern() || o.home {
		beside = o.inside(media, path)
	}
	o.b = append(o.b, "}}"...)
	for _, m := range beside {
		if m, ok := m.(canon.Media); ok {
			o.change(canon.WhatToolResultMedia, path, "the model takes what a tool shows only beside the tool's result")
			o.media(m, path)
			o.kind = ""
		}
	}
}

// sameTexts reports whether the object response says no more and no less than texts.
func sameTexts(response json.RawMessage, texts []string) bool {
	o, err := jsonfield.ReadObject(string(response))
	return err == nil && slices.Equal(responseTexts(string(response), o), texts)
}

// inside writes the parts of a response, which can only hold bytes, and returns what must stand beside it.
// Source: FunctionResponsePart in google.golang.org/genai v1.77.0 (types.go), read 2026-11-21; that only
// models from Gemini 3 on take them is hearsay.
func (o *outgoing) inside(media []canon.Block, path string) (beside []canon.Block) {
	before := len(o.b)
	o.name("parts")
	o.b = append(o.b, '[')
	empty := len(o.b)
	for _, b := range media {
		switch m := b.(type) {
		case canon.Media:
			if m.Data == "" && !o.home {
				beside = append(beside, m)
				continue
			}
			o.media(m, path)
		default:
			o.rest(m, path)
		}
	}
	o.kind = "functionResponse"
	if len(o.b) == empty {
		o.b = o.b[:before]
		return beside
	}
	o.b = append(o.b, ']')
	return beside
}

// response writes the object that a tool answered with. A text that is an object goes home as that.
func (o *outgoing) response(texts []string, failed bool) {
	if o.home && len(texts) == 1 && isObject(texts[0]) {
		object, err := jsonfield.ReadObject(texts[0])
		if err == nil && failed == (object.Find("error") != "" && object.Find("output") == "") {
			o.b = append(o.b, texts[0]...)
			return
		}
	}
	o.b = append(o.b, '{')
	name := "output"
	if failed {
		name = "error"
	}
	if len(texts) == 1 {
		o.str(name, texts[0])
	} else if len(texts) > 1 {
		o.str(name, strings.Join(texts, "\n"))
	} else if !o.home || failed {
		o.str(name, "")
	}
	o.b = append(o.b, '}')
}

// media writes an image, a document, sound or a film; ok is false if it is lost.
func (o *outgoing) media(m canon.Media, path string) (ok bool) { return o.mediaSealed(m, path, "") }

func (o *outgoing) mediaSealed(m canon.Media, path, seal string) (ok bool) {
	if m.FileID != "" && m.Data == "" && m.URL == "" {
		what := canon.WhatFileID
		if m.Kind == canon.MediaImage {
			what = canon.WhatImageFile
		}
		o.lose(what, path, "the file is kept by another vendor; send its bytes")
		return false
	}
	mime := m.MIME
	if mime == "" && !o.home {
		mime = guessMIME(m)
	}
	data := m.Data
	if strings.ContainsAny(data, "\r\n ") {
		data = strings.NewReplacer("\r", "", "\n", "", " ", "").Replace(data)
	}
	switch {
	case o.home:
	case data == "" && m.URL == "":
		o.fail(path, "has neither bytes nor a URL")
		return false
	case data != "" && !isBase64(data):
		o.fail(path, "has bytes that are no base64")
		return false
	case mime == "" && !isYouTube(m.URL):
		o.fail(path, "does not say what it is; send its media type")
		return false
	}
	if m.Name != "" && !o.home {
		o.lose(canon.WhatFileName, path, "Gemini models are not told the names of files")
	}
	if m.Detail != "" && m.Detail != "auto" {
		o.lose(canon.WhatImageDetail, path, "Gemini models look at all images of a call alike")
	}
	kind := "inlineData"
	if data == "" && m.URL != "" {
		kind = "fileData"
		if !o.home && o.WantsBytes(m) {
			what := canon.WhatFileURL
			if m.Kind == canon.MediaImage {
				what = canon.WhatImageURL
			}
			o.change(what, path, "it is left to Google to fetch it, which older models can't")
		}
	}
	o.part(kind, seal)
	o.name(kind)
	o.b = append(o.b, '{')
	if mime != "" {
		o.str("mimeType", mime)
	}
	if kind == "fileData" {
		o.str("fileUri", m.URL)
	} else if data != "" {
		o.str("data", data)
	}
	if m.Name != "" && o.home {
		o.str("displayName", m.Name)
	}
	o.b = append(o.b, "}}"...)
	return true
}

// WantsBytes is that of the dialect.
func (*outgoing) WantsBytes(m canon.Media) bool { return (*Protocol)(nil).WantsBytes(m) }
