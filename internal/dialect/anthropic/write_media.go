package anthropic

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"tollgate/internal/canon"
)

// addMedia takes what the API takes: images as JPEG, PNG, GIF or WebP, documents as PDF or text, in what
// the user says and in results.
func (w *requestWriter) addMedia(dst []piece, where spot, path string, m canon.Media) []piece {
	data, link, file := canon.WhatImageData, canon.WhatImageURL, canon.WhatImageFile
	switch m.Kind {
	case canon.MediaImage:
	case canon.MediaFile:
		data, link, file = canon.WhatFileData, canon.WhatFileURL, canon.WhatFileID
	case canon.MediaAudio:
		w.lose(w.whatOf(where, canon.WhatAudio), path, "the upstream does not hear")
		return dst
	default:
		w.lose(w.whatOf(where, canon.WhatVideo), path, "the upstream does not see videos")
		return dst
	}
	if w.home {
		p := piece{b: m, path: path, mime: m.MIME}
		if m.Data != "" && p.mime == "text/plain" {
			if _, err := base64.StdEncoding.DecodeString(m.Data); err != nil {
				p.mime = "text/plain; base64" // not ours to read, so not to be taken for text
			}
		}
		return append(dst, p)
	}
	switch where {
	case inSystem:
		w.lose(canon.WhatSystemContent, path, "instructions are text there")
		return dst
	case inAssistant:
		w.lose(data, path, "the model's own turns hold no media there")
		return dst
	case inUser, inResult:
	}
	p := piece{path: path}
	switch {
	case m.Data != "":
		var ok bool
		if m.Data, p.mime, ok = w.mediaData(path, m); !ok {
			return dst
		}
		if p.mime == "" {
			w.lose(data, path, mimeReason(m))
			return dst
		}
	case m.FileID != "":
		w.lose(file, path, "the file is kept by another vendor")
		return dst
	case !fetched(m.URL):
		w.lose(link, path, "only http and https are fetched there")
		return dst
	case m.Kind == canon.MediaFile && m.MIME != "" && m.MIME != "application/pdf":
		w.lose(link, path, "only PDFs are fetched there")
		return dst
	}
	if m.Detail != "" && m.Detail != "auto" {
		w.lose(canon.WhatImageDetail, path, "images have one level of detail there")
	}
	if m.Name != "" && m.Kind == canon.MediaImage {
		w.lose(canon.WhatFileName, path, "images have no names there")
	}
	p.b = m
	return append(dst, p)
}

// whatOf is what a medium is called that can't be carried: in a result it is part of that.
func (w *requestWriter) whatOf(where spot, what canon.What) canon.What {
	if where == inResult {
		return canon.WhatToolResultMedia
	}
	return what
}

func mimeReason(m canon.Media) string {
	if m.Kind == canon.MediaImage {
		return "images must be JPEG, PNG, GIF or WebP, not " + strings.ToValidUTF8(clip(m.MIME), "")
	}
	return "documents must be PDF or text, not " + strings.ToValidUTF8(clip(m.MIME), "")
}

// fetched reports whether the API fetches what is at url.
func fetched(url string) bool {
	return strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://")
}

// mediaData returns the bytes in standard base64 and what they are; mime is "" for what the API does not
// take. What is no base64 is the client's mistake.
func (w *requestWriter) mediaData(path string, m canon.Media) (data, mime string, ok bool) {
	data, ok = standardBase64(m.Data)
	if !ok {
		w.fail(path, "holds data that is not base64")
		return "", "", false
	}
	found := sniff(data)
	if m.Kind == canon.MediaImage {
		mime = strings.ToLower(m.MIME)
		if mime == "image/jpg" {
			mime = "image/jpeg"
		}
		switch {
		case strings.HasPrefix(found, "image/"): // what it is counts, not what it is called
			return data, found, true
		case mime == "image/jpeg", mime == "image/png", mime == "image/gif", mime == "image/webp":
			return data, mime, true
		}
		return data, "", true
	}
	switch {
	case found == "application/pdf", m.MIME == "application/pdf":
		return data, "application/pdf", true
	case found != "":
		return data, "", true
	}
	kind, _, _ := strings.Cut(strings.ToLower(m.MIME), ";")
	if isText(kind) {
		if words, err := base64.StdEncoding.DecodeString(data); err == nil && utf8.Valid(words) {
			return data, "text/plain", true
		}
	}
	return data, "", true
}

// isText reports whether a media type is text.
func isText(mime string) bool {
	switch mime {
	case "application/json", "application/xml", "application/yaml", "application/x-yaml", "application/toml", "application/javascript",
		"application/x-javascript", "application/typescript", "application/x-sh", "application/x-python", "application/sql", "application/x-ndjson":
		return true
	}
	return strings.HasPrefix(mime, "text/")
}

// sniff returns what the first bytes say that data is, "" if they say nothing.
func sniff(data string) string {
	for _, s := range [...]struct{ start, mime string }{
		{"iVBORw0KGgo", "image/png"}, {"/9j/", "image/jpeg"}, {"R0lGOD", "image/gif"}, {"JVBERi", "application/pdf"},
	} {
		if strings.HasPrefix(data, s.start) {
			return s.mime
		}
	}
	if strings.HasPrefix(data, "UklGR") && len(data) >= 16 {
		if head, err := base64.StdEncoding.DecodeString(data[:16]); err == nil && string(head[8:12]) == "WEBP" {
			return "image/webp"
		}
	}
	return ""
}

// standardBase64 returns s in the standard alphabet with padding and without line breaks; ok is false if
// it is no base64.
func standardBase64(s string) (string, bool) {
	clean := true
	pad := 0
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '+', c == '/':
			if pad > 0 {
				return "", false
			}
		case c == '=':
			pad++
		case c == '-', c == '_', c == '\n', c == '\r':
			clean = false
		default:
			return "", false
		}
	}
	if clean && len(s)%4 == 0 && pad <= 2 {
		return s, s != ""
	}
	b := make([]byte, 0, len(s)+3)
	for i := range len(s) {
		switch c := s[i]; c {
		case '\n', '\r', '=':
		case '-':
			b = append(b, '+')
		case '_':
			b = append(b, '/')
		default:
			b = append(b, c)
		}
	}
	if len(b)%4 == 1 || len(b) == 0 {
		return "", false
	}
	for len(b)%4 != 0 {
		b = append(b, '=')
	}
	return string(b), true
}
