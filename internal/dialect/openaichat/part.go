package openaichat

import (
	"encoding/base64"
	"time"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/openai"
)

// explicitTTL is how long OpenAI keeps what an explicit cache breakpoint marks: at least 30 minutes, the
// only life it offers. A CachePoint with it is written as OpenAI's, others as Anthropic's cache_control.
// https://developers.openai.com/api/docs/guides/prompt-caching, read 2026-11-20.
const explicitTTL = 30 * time.Minute

// readContent reads content: a string or an array of parts.
func readContent(q *openai.Request, path string, v gjson.Result) (out blocks) {
	switch {
	case openai.Absent(v):
	case v.Type == gjson.String:
		out.add(path, canon.Text{Text: v.Str})
	case v.IsArray():
		q.Each(path, v, func(path string, v gjson.Result) { readPart(q, path, v, &out) })
	default:
		q.Fail(path, "Invalid type for '%s': expected a string or an array of parts.", path)
	}
	return out
}

// readPart reads a part, what canon has no word for in it, and its cache point.
func readPart(q *openai.Request, path string, v gjson.Result, out *blocks) {
	if v.Type == gjson.String {
		out.add(path, canon.Text{Text: v.Str})
		return
	}
	if !v.IsObject() {
		q.Fail(path, "Invalid type for '%s': expected a part of a message.", path)
		return
	}
	kind := q.Text(path, v, "type")
	var inner, source, title, cached, marked gjson.Result
	var foreign []byte
	v.ForEach(func(name, e gjson.Result) bool {
		switch name.Str {
		case "type":
		case kind: // text, image_url, input_audio and file are named like their type
			inner = e
		case "source", "title":
			switch {
			case kind != "document" && kind != "image":
				foreign = appendMember(foreign, name.Str, e)
			case name.Str == "source":
				source = e
			default:
				title = e
			}
		case "cache_control":
			cached = e
		case "prompt_cache_breakpoint":
			marked = e
		default:
			if !openai.Absent(e) {
				foreign = appendMember(foreign, name.Str, e)
			}
		}
		return true
	})
	var b canon.Block
	odd := false // inner says more than b
	switch kind {
	case "text":
		b = canon.Text{Text: q.String(path+".text", inner)}
	case "refusal":
		b = canon.Refusal{Text: q.String(path+".refusal", inner)}
	case "image_url", "video_url":
		b, odd = readPicture(q, path+"."+kind, kind, inner)
	case "input_audio":
		format := q.String(path+".input_audio.format", openai.Member(inner, "format"))
		b = canon.Media{Kind: canon.MediaAudio, MIME: openai.AudioMIME(format), Data: q.String(path+".input_audio.data", openai.Member(inner, "data"))}
		odd = others(inner, "format", "data")
	case "file":
		b, odd = readFile(q, path+".file", inner)
	case "document", "image": // Anthropic's, which many clients send in chats too
		b = readSource(q, path, kind, source, title)
	default:
		if kind == "" {
			q.Fail(path+".type", "Missing required parameter: '%s.type'.", path)
			return
		}
	}
	if b == nil {
		out.add(path, q.Foreign(v.Raw)) // its cache point goes home with it
		return
	}
	out.add(path, b)
	if odd {
		foreign = appendMember(foreign, kind, inner)
	}
	if len(foreign) > 0 {
		out.add(path, rest(q, inPart, foreign))
	}
	if p, ok := cachePoint(cached); ok { // OpenRouter, DashScope: as Anthropic has it
		out.add(path+".cache_control", p)
	}
	if !openai.Absent(marked) { // OpenAI since gpt-5.6
		out.add(path+".prompt_cache_breakpoint", canon.CachePoint{TTL: explicitTTL})
	}
}

// others reports whether the object v has other members than known.
func others(v gjson.Result, known ...string) (yes bool) {
	v.ForEach(func(name, e gjson.Result) bool {
		for _, k := range known {
			if name.Str == k {
				return true
			}
		}
		yes = yes || !openai.Absent(e)
		return !yes
	})
	return yes
}

// readPicture reads an image_url or video_url: an object, or the URL itself.
func readPicture(q *openai.Request, path, kind string, v gjson.Result) (m canon.Media, odd bool) {
	m.Kind = canon.MediaImage
	if kind == "video_url" {
		m.Kind = canon.MediaVideo
	}
	if !v.IsObject() {
		url := q.String(path, v)
		if url == "" {
			q.Fail(path, "Missing required parameter: '%s'.", path)
		}
		return openai.Located(m, url), false
	}
	m.Detail = q.Text(path, v, "detail")
	url := q.Text(path, v, "url")
	if url == "" {
		q.Fail(path+".url", "Missing required parameter: '%s.url'.", path)
	}
	return openai.Located(m, url), others(v, "url", "detail")
}

func readFile(q *openai.Request, path string, v gjson.Result) (m canon.Media, odd bool) {
	m = canon.Media{
		Kind:   canon.MediaFile,
		FileID: q.Text(path, v, "file_id"),
		Name:   q.Text(path, v, "filename"),
	}
	data := q.Text(path, v, "file_data")
	switch {
	case isURL(data): // OpenRouter takes one here
		m.URL = data
	case data != "":
		if _, _, ok := openai.DataURL(data); ok {
			m = openai.Located(m, data)
		} else {
			m.Data = data
		}
	case m.FileID == "":
		q.Fail(path, "Invalid value for '%s': a file needs a file_id or file_data.", path)
	}
	return m, others(v, "file_id", "filename", "file_data")
}

func isURL(s string) bool {
	return len(s) > 8 && (s[:8] == "https://" || s[:7] == "http://")
}

// readSource reads a document or an image in Anthropic's form; nil if canon has no word for it.
// https://docs.claude.com/en/api/messages, read 2026-11-20.
func readSource(q *openai.Request, path, kind string, v, title gjson.Result) canon.Block {
	m := canon.Media{Kind: canon.MediaFile, Name: q.String(path+".title", title), MIME: q.String(path+".source.media_type", openai.Member(v, "media_type"))}
	if kind == "image" {
		m.Kind = canon.MediaImage
	}
	switch q.String(path+".source.type", openai.Member(v, "type")) {
	case "base64":
		m.Data = q.String(path+".source.data", openai.Member(v, "data"))
	case "text":
		m.Data = base64.StdEncoding.EncodeToString([]byte(q.String(path+".source.data", openai.Member(v, "data"))))
		if m.MIME == "" {
			m.MIME = "text/plain"
		}
	case "url":
		m.URL = q.String(path+".source.url", openai.Member(v, "url"))
	case "file":
		m.FileID = q.String(path+".source.file_id", openai.Member(v, "file_id"))
	default:
		return nil
	}
	if m.Data == "" && m.URL == "" && m.FileID == "" {
		return nil
	}
	return m
}

// cachePoint reads a cache_control: {"type":"ephemeral","ttl":"1h"}.
func cachePoint(v gjson.Result) (canon.CachePoint, bool) {
	if !v.IsObject() {
		return canon.CachePoint{}, false
	}
	d, err := time.ParseDuration(openai.Member(v, "ttl").Str)
	if err != nil {
		d = 0 // the vendor's default
	}
	return canon.CachePoint{TTL: d}, true
}
