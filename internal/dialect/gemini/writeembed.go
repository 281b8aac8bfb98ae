package gemini

import (
	"tollgate/internal/canon"
)

// embed writes embedContent, which takes one text, or batchEmbedContents.
func (o *outgoing) embed() {
	if o.to.Op == canon.OpEmbed {
		if len(o.req.Turns) != 1 {
			o.bad = canon.Errorf(canon.KindInvalid, "embedContent takes one text, not %d", len(o.req.Turns))
			return
		}
		o.b = append(o.b, '{')
		o.embedded(0)
		o.extrasIn("")
	} else {
		if len(o.req.Turns) == 0 {
			o.bad = canon.Errorf(canon.KindInvalid, "there is no text to embed")
			return
		}
		o.b = append(o.b, `{"requests":[`...)
		for i := range o.req.Turns {
			o.comma()
			o.b = append(o.b, '{')
			o.str("model", "models/"+o.to.Model)
			o.embedded(i)
			o.extrasIn("") // what was asked of one embedding is asked of all
			o.extrasIn("requests" + index(i))
			o.b = append(o.b, '}')
		}
		o.b = append(o.b, ']')
	}
	o.b = append(o.b, '}')
	o.lostExtras()
	if o.req.User != "" {
		o.lose(canon.WhatUser, "", "the Gemini API takes no name of the end user")
	}
}

const noText = "is nothing that a Gemini model can embed; send text"

// embedded writes what is embedded, and how.
func (o *outgoing) embedded(i int) {
	t := &o.req.Turns[i]
	o.name("content")
	o.b = append(o.b, `{"parts":[`...)
	o.kind = "" // of another text's last part
	for n, b := range t.Blocks {
		switch b := b.(type) {
		case canon.Text:
			o.text(b.Text)
		case canon.Media:
			o.media(b, t.Path(n))
		case canon.Foreign:
			if b.Dialect != canon.Gemini {
				o.fail(t.Path(n), noText)
				return
			}
			o.rest(b, t.Path(n))
		case canon.ToolUse, canon.ToolResult:
			o.fail(t.Path(n), noText)
			return
		default:
			o.rest(b, t.Path(n))
		}
	}
	o.b = append(o.b, "]}"...)
	if o.req.Dimensions != 0 {
		o.int("outputDimensionality", o.req.Dimensions)
	}
}
