package gemini

import (
	"encoding/json"
	"errors"
	"fmt"
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
	var text, seal, call, media, code, codeName, otherName string
	var hasText, thought bool
	var notes []aside
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
			otherName, codeName = p.Name, p.Name
			code = p.Raw()
		default:
			otherName = p.Name
			notes = append(notes, asideAt(p))
		}
	}
	if hasText || call != "" || media != "" || code != "" {
		for _, n := range notes { // partMetadata …
			c.beside(n)
		}
	}
	if hasText && text == "" && seal == "" && !thought {
		return out // the last chunk often has such a part, with nothing but the reason to stop beside it
	}
	if call == "" {
		out = c.endCall(out)
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
		return append(out, c.code(codeName, code, whole.Raw()))
	}
	c.block(0)
	raw := whole.Raw()
	if otherName == "fileData" {
		out = keptFile(raw, out)
	}
	return append(out, canon.Other{Name: otherName, Content: true, Raw: json.RawMessage(raw)})
}

// keptFile tells of the file that a part names, if the upstream's account keeps it.
func keptFile(part string, out []canon.Event) []canon.Event {
	p := jsonpull.NewString(part)
	for in := p.Object(); in && p.Member(); {
		if p.Name != "fileData" {
			p.Skip()
			continue
		}
		for in := p.Object(); in && p.Member(); {
			if p.Name != "fileUri" {
				p.Skip()
			} else if uri := p.String(); isFilesAPI(uri) {
				out = append(out, canon.Kept{ID: uri})
			}
		}
	}
	return out
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

// call reads a functionCall. Vertex can stream its arguments: then the call with its name comes first, its
// arguments follow in calls without one, and the last of all of them does not say that it will continue.
func (c *choice) call(raw string, out []canon.Event) []canon.Event {
	var id, name, args, partials string
	more := false
	p := jsonpull.NewString(raw)
	for in := p.Object(); in && p.Member(); {
		switch p.Name {
		case "id":
			id = p.String()
		case "name":
			name = p.String()
		case "args":
			args = p.Raw()
		case "partialArgs":
			partials = p.Raw()
		case "willContinue":
			more = p.Bool()
		default:
			c.beside(asideAt(&p))
		}
	}
	c.calls = true
	if args == "null" || more && isEmpty(args) {
		args = ""
	}
	if name != "" {
		out = c.endCall(out)
		index := c.block(0)
		out = append(out, canon.ToolStart{Choice: c.number, Index: index, ID: id, Name: name})
		c.args = &arguments{index: index, name: name}
	}
	switch {
	case c.args == nil && args != "":
		return append(out, canon.Other{Name: "functionCall", Content: true, Raw: json.RawMessage(raw)})
	case c.args == nil && partials == "":
		return out // the end of a call that had ended
	case c.args == nil:
		c.fail("arguments of a call that has not begun")
		return append(out, canon.ToolDelta{Choice: c.number, Index: c.index, JSON: partials})
	}
	out = c.arguments(args, partials, out)
	if !more {
		out = c.endCall(out)
	}
	return out
}

// isEmpty reports whether raw is an object without members.
func isEmpty(raw string) bool {
	p := jsonpull.NewString(raw)
	return p.Object() && !p.Member()
}

// arguments reads what a chunk brings of the arguments of the call that goes on.
func (c *choice) arguments(args, partials string, out []canon.Event) []canon.Event {
	a := c.args
	var dst []byte
	if args != "" {
		if a.bytes > 0 || partials != "" {
			return c.broken(a, args+partials, out, errors.New("are whole and in pieces"))
		}
		c.args = nil // whole, whatever it says
		return append(out, canon.ToolDelta{Choice: c.number, Index: a.index, JSON: args})
	}
	p := jsonpull.NewString(partials)
	for in := partials != "" && p.Array(); in && p.Element(); {
		one, err := readPartial(&p)
		if err == nil {
			dst, err = a.add(dst, one)
		}
		if err != nil {
			return c.broken(a, partials, out, err)
		}
	}
	if len(dst) == 0 {
		return out
	}
	return append(out, canon.ToolDelta{Choice: c.number, Index: a.index, JSON: string(dst)})
}

// broken gives up on the arguments of a call. raw is what came of them, which a client that is passed it may make more of.
func (c *choice) broken(a *arguments, raw string, out []canon.Event, err error) []canon.Event {
	c.fail("arguments of the call %.80q: %w", a.name, err)
	c.args = nil
	return append(out, canon.ToolDelta{Choice: c.number, Index: a.index, JSON: raw})
}

// endCall ends the call that goes on, if one does.
func (c *choice) endCall(out []canon.Event) []canon.Event {
	a := c.args
	if a == nil {
		return out
	}
	c.args = nil
	return append(out, canon.ToolDelta{Choice: c.number, Index: a.index, JSON: string(a.end(nil))})
}

// fail keeps the first thing that makes the answer none.
func (c *choice) fail(format string, args ...any) {
	if c.bad == nil {
		c.bad = fmt.Errorf(format, args...)
	}
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
		case "outcome":
			outcome := p.String()
			use.Failed = outcome != "OUTCOME_OK" && outcome != "OUTCOME_UNSPECIFIED"
		case "language":
			if language := p.String(); language != "PYTHON" && language != "LANGUAGE_UNSPECIFIED" {
				c.beside(aside{"language", `"` + language + `"`})
			}
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
		default: // displayName
			c.beside(asideAt(&p))
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
