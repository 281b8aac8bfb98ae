package openaichat

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/openai"
)

// Seals of this dialect are JSON objects, as vendors know reasoning by more than a signature: an entry of
// OpenRouter's reasoning_details without its text, which has a type, or the extra_content of a tool call
// at Google. To everyone else they are opaque.

// thoughts is what an assistant's message says of how it was thought. Clients send it under several
// names at once: reasoning_content (DeepSeek) or reasoning (OpenRouter), and reasoning_details
// (OpenRouter), which also carry the seals.
type thoughts struct {
	text, textAt string
	sealed       blocks
}

func (t *thoughts) plain(path, text string) {
	if t.text == "" && text != "" {
		t.text, t.textAt = text, path
	}
}

// details reads reasoning_details. Types as in OpenRouter's @openrouter/ai-sdk-provider 0.7.2, read 2026-11-20.
func (t *thoughts) details(q *openai.Request, path string, v gjson.Result) {
	q.Each(path, v, func(path string, v gjson.Result) {
		if !v.IsObject() {
			q.Fail(path, "Invalid type for '%s': expected an object.", path)
			return
		}
		r := canon.Reasoning{Origin: canon.OpenAIChat}
		seal := ""
		for _, name := range [...]string{"text", "summary", "signature", "data"} {
			s := q.String(path+"."+name, v.Get(name))
			switch {
			case s == "":
			case name == "text" || name == "summary":
				r.Text = s
			default:
				seal = s
			}
		}
		if origin, inner := canon.UnwrapSeal(canon.OpenAIChat, seal); origin != canon.OpenAIChat {
			r.Origin, r.Seal = origin, inner
		} else if seal != "" {
			r.Seal = sealOf(v.Raw)
		}
		if r.Text != "" || r.Seal != "" {
			t.sealed.add(path, r)
		}
	})
}

// blocks returns the thoughts in order, without the seals that stand at the calls as well. What was
// thought without being sealed comes before what was.
func (t *thoughts) blocks(calls blocks) blocks {
	var out blocks
	var texts strings.Builder
	for i, b := range t.sealed.list {
		r, _ := b.(canon.Reasoning)
		if r.Text == "" && hasReasoning(calls.list, r) {
			continue
		}
		texts.WriteString(r.Text)
		out.add(t.sealed.paths[i], r)
	}
	plain := t.text
	if texts.Len() > 0 {
		cut, all := strings.CutSuffix(plain, texts.String())
		if !all {
			cut = "" // told apart by line breaks or another way: believe the details
		}
		plain = strings.TrimRight(cut, "\n")
	}
	if plain == "" {
		return out
	}
	first := blocks{}
	first.add(t.textAt, canon.Reasoning{Text: plain, Origin: canon.OpenAIChat})
	first.join(out)
	return first
}

func hasReasoning(list []canon.Block, r canon.Reasoning) bool {
	for _, b := range list {
		if c, ok := b.(canon.Reasoning); ok && c.Origin == r.Origin && c.Seal == r.Seal {
			return true
		}
	}
	return false
}

// sealOf returns an entry of reasoning_details without its text.
func sealOf(raw string) string {
	var b []byte
	gjson.Parse(raw).ForEach(func(name, v gjson.Result) bool {
		if name.Str != "text" && name.Str != "summary" {
			b = appendMember(b, name.Str, v)
		}
		return true
	})
	return "{" + string(b) + "}"
}

// compact returns JSON without white space.
func compact(raw string) string {
	var b bytes.Buffer
	if json.Compact(&b, []byte(raw)) != nil {
		return raw
	}
	return b.String()
}
