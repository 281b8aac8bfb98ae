package gemini

import (
	"encoding/json"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonpull"
)

// The kinds of block that go on over several parts and chunks. All others are one part each.
const (
	kindText    = 't'
	kindThought = 'r'
)

// block returns the index of a block of the kind; text and thoughts go on until another kind comes.
func (c *choice) block(kind byte) int {
	if kind == 0 || kind != c.kind {
		c.index++
	}
	c.kind = kind
	return c.index
}

// part reads one part.
func (c *choice) part(p *jsonpull.Parser, out []canon.Event) []canon.Event {
	var text, seal, call, media, code, otherName string
	var hasText, thought bool
	whole := *p
	for in := p.Object(); in && p.Member(); {
		switch p.Name {
		case "text":
			hasText = p.Kind() == '"'
			text = p.String()
		case "thought":
			thought = p.Bool()
		case "thoughtSignature":
			seal = p.String()
		case "functionCall":
			call = p.Raw()
		case "inlineData":
			media = p.Raw()
		case "executableCode", "codeExecutionResult":
			otherName = p.Name
			code = p.Raw()
		default:
			otherName = p.Name
			p.Skip()
		}
	}
	if hasText && text == "" && seal == "" && !thought {
		return out // the last chunk often has such a part, with nothing but the reason to stop beside it
	}
	if hasText && thought {
		c.thought = true
		return append(out, canon.ReasoningDelta{Choice: c.number, Index: c.block(kindThought), Text: text, Seal: seal})
	}
	if seal != "" {
		out = c.sealed(seal, out)
	}
	switch {
	case call != "":
		return c.call(call, out)
	case hasText:
		index := c.block(kindText)
		c.said.add(index, text)
		return append(out, canon.TextDelta{Choice: c.number, Index: index, Text: text})
	case media != "" && !thought:
		return append(out, c.media(media))
	case media != "":
		otherName = "inlineData" // a draft of a thinking image model, no part of the answer proper
	case otherName == "":
		return out
	case code != "" && !thought:
		return append(out, c.code(otherName, code, whole.Raw()))
	}
	c.block(0)
	return append(out, canon.Other{Name: otherName, Content: true, Raw: json.RawMessage(whole.Raw())})
}

// sealed reads the signature of a part that is no thought. It belongs to this part, so a new block begins
// with it. What another gateway put into it are thoughts of other models, whose text may have been shown.
func (c *choice) sealed(seal string, out []canon.Event) []canon.Event {
	if !strings.HasPrefix(seal, ownMark) {
		return append(out, canon.ReasoningDelta{Choice: c.number, Index: c.block(0), Seal: seal})
	}
	for _, r := range openSignature(seal) {
		if c.thought {
			r.Text = ""
		}
		if r.Text == "" && r.Seal == "" {
			continue
		}
		index := c.index
		if c.kind != kindThought {
			index = c.block(0)
		}
		c.kind = 0
		out = append(out, canon.ReasoningDelta{Choice: c.number, Index: index, Text: r.Text, Seal: canon.WrapSeal(r.Origin, canon.Gemini, r.Seal)})
	}
	return out
}

// call reads a functionCall. Vertex can stream its arguments as paths and values (partialArgs), ended by
// a call without a name; only its own clients ask for that and can put it together, so it is passed on.
func (c *choice) call(raw string, out []canon.Event) []canon.Event {
	var id, name, args string
	partial := false
	p := jsonpull.NewString(raw)
	for in := p.Object(); in && p.Member(); {
		switch p.Name {
		case "id":
			id = p.String()
		case "name":
			name = p.String()
		case "args":
			args = p.Raw()
		case "partialArgs", "willContinue":
			partial = true
			p.Skip()
		default:
			p.Skip()
		}
	}
	c.calls = true
	if name != "" {
		out = append(out, canon.ToolStart{Choice: c.number, Index: c.block(0), ID: id, Name: name})
	}
	if partial || name == "" {
		return append(out, canon.Other{Name: "functionCall", Content: true, Raw: json.RawMessage(raw)})
	}
	if args == "" || args == "null" {
		args = "{}"
	}
	return append(out, canon.ToolDelta{Choice: c.number, Index: c.index, JSON: args})
}

// code reads code that Google ran, or what came of it. raw is the whole part.
func (c *choice) code(name, member, raw string) canon.Event {
	use := canon.HostedUse{
		Choice: c.number, Index: c.block(0), Kind: canon.HostedCode, Name: "codeExecution", Done: name == "codeExecutionResult", Raw: json.RawMessage(raw),
	}
	p := jsonpull.NewString(member)
	for in := p.Object(); in && p.Member(); {
		switch p.Name {
		case "id":
			use.ID = p.String()
		case "code":
			use.Input = p.String()
		case "output":
			use.Output = p.String()
		default:
			p.Skip()
		}
	}
	return use
}

func (c *choice) media(raw string) canon.Event {
	m := canon.MediaDelta{Choice: c.number, Index: c.block(0)}
	p := jsonpull.NewString(raw)
	for in := p.Object(); in && p.Member(); {
		switch p.Name {
		case "mimeType":
			m.MIME = p.String()
		case "data":
			m.Data = p.String()
		default:
			p.Skip()
		}
	}
	m.Kind = mediaKind(m.MIME)
	return m
}

func mediaKind(mime string) canon.MediaKind {
	kind, _, _ := strings.Cut(mime, "/")
	switch strings.ToLower(kind) {
	case "image":
		return canon.MediaImage
	case "audio":
		return canon.MediaAudio
	case "video":
		return canon.MediaVideo
	}
	return canon.MediaFile
}
