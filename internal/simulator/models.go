package simulator

import (
	"strconv"
	"strings"
)

// This file is the model lists. Sources: https://platform.openai.com/docs/api-reference/models,
// https://platform.claude.com/docs/en/api/models-list, https://ai.google.dev/api/models, 2026-11-20.

const (
	modelsSince     = 1735689600 // when every model was made, unix seconds
	modelsSinceText = "2025-01-01T00:00:00Z"
)

func serveModels(c *call) *fault {
	if done, f := c.begin("", false); done || f != nil {
		return f
	}
	list := c.s.cfg.Models
	q := c.r.URL.Query()
	var b jsonBuf
	switch c.rt.dialect {
	case anthropic:
		list, more := page(list, q.Get("after_id"), q.Get("before_id"), atoi(q.Get("limit"), 20))
		b.raw(`{"data":[`)
		for i, m := range list {
			if i > 0 {
				b.raw(",")
			}
			claudeModel(&b, m)
		}
		first, last := "null", "null"
		if len(list) > 0 {
			first, last = quoted(list[0]), quoted(list[len(list)-1])
		}
		b.raw(`],"has_more":`).bool(more).raw(`,"first_id":`).raw(first).raw(`,"last_id":`).raw(last).raw(`}`)
	case gemini:
		size := min(max(1, atoi(q.Get("pageSize"), 50)), 1000)
		from := min(max(0, atoi(q.Get("pageToken"), 0)), len(list))
		till := min(from+size, len(list))
		b.raw(`{"models":[`)
		for i, m := range list[from:till] {
			if i > 0 {
				b.raw(",")
			}
			geminiModel(&b, m)
		}
		b.raw(`]`)
		if till < len(list) {
			b.raw(`,"nextPageToken":`).str(strconv.Itoa(till))
		}
		b.raw("}\n")
	default:
		b.raw(`{"object":"list","data":[`)
		for i, m := range list {
			if i > 0 {
				b.raw(",")
			}
			gptModel(&b, m)
		}
		b.raw(`]}`)
	}
	c.plain(c.jsonType(), b)
	return nil
}

func serveModel(c *call) *fault {
	name := strings.TrimPrefix(c.rt.id, "models/")
	if done, f := c.begin(name, false); done || f != nil {
		return f
	}
	var b jsonBuf
	switch c.rt.dialect {
	case anthropic:
		claudeModel(&b, name)
	case gemini:
		geminiModel(&b, name)
	default:
		gptModel(&b, name)
	}
	c.plain(c.jsonType(), b)
	return nil
}

func (c *call) jsonType() string {
	if c.rt.dialect == gemini {
		return "application/json; charset=UTF-8"
	}
	return "application/json"
}

func gptModel(b *jsonBuf, m string) {
	b.raw(`{"id":`).str(m).raw(`,"object":"model","created":`).int(modelsSince).raw(`,"owned_by":"system"}`)
}

func claudeModel(b *jsonBuf, m string) {
	b.raw(`{"type":"model","id":`).str(m).raw(`,"display_name":`).str(m).raw(`,"created_at":"` + modelsSinceText + `"}`)
}

func geminiModel(b *jsonBuf, m string) {
	b.raw(`{"name":`).str("models/" + m).raw(`,"version":"001","displayName":`).str(m)
	b.raw(`,"description":"A simulated model","inputTokenLimit":1048576,"outputTokenLimit":65536,"supportedGenerationMethods":`)
	if strings.Contains(m, "embed") {
		b.raw(`["embedContent","countTextTokens"]}`)
		return
	}
	b.raw(`["generateContent","countTokens","createCachedContent","batchGenerateContent"],"temperature":1,"topP":0.95,"topK":64,"maxTemperature":2,"thinking":true}`)
}

// page returns the part of list that Anthropic's cursors ask for, and whether more follows.
func page(list []string, after, before string, limit int) ([]string, bool) {
	limit = min(max(1, limit), 1000)
	for i, m := range list {
		if m == after {
			list = list[i+1:]
			break
		}
		if m == before {
			list = list[:i]
			return list[max(0, i-limit):], i > limit
		}
	}
	return list[:min(limit, len(list))], len(list) > limit
}

func atoi(s string, fallback int) int {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	return fallback
}
