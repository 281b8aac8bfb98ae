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
			r.Seal = sealOf(v.Raw, seal)
		}
		if r.Text != "" || r.Seal != "" {
			t.sealed.add(path, r)
		}
	})
}

// blocks returns the thoughts in order, without the seals that stand at the calls as well. What was
// thought without being sealed is what the text has beyond the details.
func (t *thoughts) blocks(calls blocks) blocks {
	var out blocks
	rest, known := t.text, true
	plain := func(text string) {
		if text != t.text { // the line breaks between it and its neighbours
			text = strings.Trim(text, "\n")
		}
		if text != "" {
			out.add(t.textAt, canon.Reasoning{Text: text, Origin: canon.OpenAIChat})
		}
	}
	atCalls := calls.seals()
	for i, b := range t.sealed.list {
		r, _ := b.(canon.Reasoning)
		if r.Text == "" && atCalls[canon.Reasoning{Origin: r.Origin, Seal: r.Seal}] {
			continue
		}
		if r.Text != "" && known {
			var gap, more string
			if gap, more, known = strings.Cut(rest, r.Text); known {
				plain(gap)
				rest = more
			} else {
				rest = "" // written another way: believe the details
			}
		}
		out.add(t.sealed.paths[i], r)
	}
	plain(rest)
	return out
}

// seals are the seals among blocks, each without a text.
func (b *blocks) seals() map[canon.Reasoning]bool {
	var found map[canon.Reasoning]bool
	for _, one := range b.list {
		if r, ok := one.(canon.Reasoning); ok {
			if found == nil {
				found = map[canon.Reasoning]bool{}
			}
			found[canon.Reasoning{Origin: r.Origin, Seal: r.Seal}] = true
		}
	}
	return found
}

// sealOf returns an entry of reasoning_details without its text. Of one that a gateway like this one wrote
// for another dialect's seal, that is all.
func sealOf(raw, seal string) string {
	if origin, _ := canon.UnwrapSeal(canon.OpenAIChat, seal); origin != canon.OpenAIChat {
		return seal
	}
	var b []byte
	gjson.Parse(raw).ForEach(func(name, v gjson.Result) bool {
		if name.Str != "text" && name.Str != "summary" {
			b = appendMember(b, name.Str, v)
		}
		return true
	})
	return "{" + string(b) + "}"
}

// sealOfCall returns the seal that the extra_content of a call stands for: itself, or the other dialect's
// seal that a gateway like this one put there.
func sealOfCall(raw string) string {
	signature := gjson.Get(raw, "google.thought_signature").String()
	if origin, _ := canon.UnwrapSeal(canon.OpenAIChat, signature); origin != canon.OpenAIChat {
		return signature
	}
	return compact(raw)
}

// compact returns JSON without white space.
func compact(raw string) string {
	var b bytes.Buffer
	if json.Compact(&b, []byte(raw)) != nil {
		return raw
	}
	return b.String()
}
