package simulator

import (
	"strings"

	"github.com/tidwall/gjson"
)

// This file is token counts and embeddings of the Gemini API.

func serveGeminiCountTokens(c *call) *fault {
	model := strings.TrimPrefix(c.rt.model, "models/")
	if done, f := c.begin(model, false); done || f != nil {
		return f
	}
	if f := c.camelTop(countGemMembers); f != nil {
		return f
	}
	a := &ask{model: model, family: family(model)}
	if inner := c.top.get("generateContentRequest"); inner.Exists() {
		if f := c.readGenerate(a, inner); f != nil {
			return f
		}
	} else if f := c.readContents(a, c.top.get("contents")); f != nil {
		return f
	}
	var b jsonBuf
	b.raw(`{"totalTokens":`).int(a.promptTokens())
	b.raw(`,"promptTokensDetails":[{"modality":"TEXT","tokenCount":`).int(max(1, tokens(a.bytes))).raw(`}`)
	if a.imageTokens > 0 {
		b.raw(`,{"modality":"IMAGE","tokenCount":`).int(a.imageTokens).raw(`}`)
	}
	if a.audioTokens > 0 {
		b.raw(`,{"modality":"AUDIO","tokenCount":`).int(a.audioTokens).raw(`}`)
	}
	b.raw("]}\n")
	c.plain("application/json; charset=UTF-8", b)
	return nil
}

var embedMembers = set(`content taskType title outputDimensionality model`)

func serveEmbedContent(c *call) *fault {
	if done, f := c.begin(strings.TrimPrefix(c.rt.model, "models/"), false); done || f != nil {
		return f
	}
	if f := c.camelTop(embedMembers); f != nil {
		return f
	}
	text, f := contentText(c.top.get("content"))
	if f != nil {
		return f
	}
	var b jsonBuf
	b.raw(`{"embedding":{"values":`)
	b = appendVector(b, c.s.cfg.Seed, text, geminiDimensions(c.top.get("outputDimensionality")))
	b.raw("}}\n")
	c.plain("application/json; charset=UTF-8", b)
	return nil
}

func serveBatchEmbedContents(c *call) *fault {
	if done, f := c.begin(strings.TrimPrefix(c.rt.model, "models/"), false); done || f != nil {
		return f
	}
	if f := c.camelTop(set("requests model")); f != nil {
		return f
	}
	var b jsonBuf
	b.raw(`{"embeddings":[`)
	var f *fault
	i := 0
	each(c.top.get("requests"), func(_, r gjson.Result) bool {
		if m := strings.TrimPrefix(r.Get("model").Str, "models/"); m != strings.TrimPrefix(c.rt.model, "models/") {
			f = invalid("", "", "* BatchEmbedContentsRequest.requests[%d].model: model must match the one of the batch, models/%s\n", i, clip(c.rt.model, 100))
			return false
		}
		var text string
		if text, f = contentText(r.Get("content")); f != nil {
			return false
		}
		if i > 0 {
			b.raw(",")
		}
		b.raw(`{"values":`)
		b = appendVector(b, c.s.cfg.Seed, text, geminiDimensions(gget(r, "outputDimensionality")))
		b.raw(`}`)
		i++
		return true
	})
	if f == nil && i == 0 {
		f = invalid("", "", "* BatchEmbedContentsRequest.requests: at least one request is required\n")
	}
	if f != nil {
		return f
	}
	b.raw("]}\n")
	c.plain("application/json; charset=UTF-8", b)
	return nil
}

func geminiDimensions(v gjson.Result) int {
	if n := int(v.Int()); n > 0 && n <= 3072 {
		return n
	}
	return 768
}

// contentText joins the text of one content.
func contentText(content gjson.Result) (string, *fault) {
	var out strings.Builder
	n := 0
	each(content.Get("parts"), func(_, p gjson.Result) bool {
		out.WriteString(p.Get("text").Str)
		n++
		return true
	})
	if n == 0 {
		return "", invalid("", "", "* EmbedContentRequest.content: content is empty\n")
	}
	return out.String(), nil
}
