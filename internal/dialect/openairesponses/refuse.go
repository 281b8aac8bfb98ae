package openairesponses

import (
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonpull"
	"tollgate/internal/dialect/openai"
)

// Refuse returns why req can't be answered in another dialect: what it goes on with, or is made of, is kept
// by an upstream of this dialect or can be read by that alone.
func (*Protocol) Refuse(_ canon.Op, req *canon.Request) *canon.Error {
	for _, f := range req.Extra {
		switch f.Name {
		case "conversation", "prompt":
			return openai.Invalid(f.Name, "'%s' names what OpenAI keeps, and the model is served by another vendor: send the messages themselves.", f.Name)
		}
	}
	for i := range req.Turns {
		t := &req.Turns[i]
		for j, b := range t.Blocks {
			f, ok := b.(canon.Foreign)
			if at := t.Path(j); !ok || f.Dialect != canon.OpenAIResponses || strings.Contains(at, ".content[") || !strings.HasSuffix(at, "]") {
				continue // no item
			}
			switch kind := kindOf(string(f.Raw)); kind {
			case "item_reference", "":
				return openai.Invalid(t.Path(j), "'%s' refers to an item that is not kept here, and the model is served by another vendor: send the item itself.", t.Path(j))
			case "compaction", "compaction_summary", "context_compaction", "compaction_trigger":
				return openai.Invalid(t.Path(j), "'%s' is a conversation that OpenAI compacted and it alone can read, and the model is served by another vendor: send the conversation itself.", t.Path(j))
			}
		}
	}
	return nil
}

// kindOf is the type of an item; "" if it says none, as a reference may.
func kindOf(raw string) string {
	p := jsonpull.NewString(raw)
	if !p.Object() {
		return ""
	}
	for p.Member() {
		if p.Name == "type" {
			return p.String()
		}
		p.Skip()
	}
	return ""
}
