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

// media writes a picture, a file, sound or a film.
func (c *content) media(m canon.Media, replaced gjson.Result, path string) {
	w := c.w
	if m.Data == "" && m.URL == "" && m.FileID == "" {
		w.fail(canon.KindInvalid, path, "The %s at %s has no content: neither data nor a URL.", m.Kind, path)
		return
	}
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
	if m.Detail == "original" && !c.w.own {
		c.w.change(canon.WhatImageDetail, path, "the most that the upstream looks at is high")
		m.Detail = "high"
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
	if m.Detail != "" {
		c.w.lose(canon.WhatImageDetail, path, "the upstream looks at all pages alike")
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
