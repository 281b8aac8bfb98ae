package openaichat

import (
	"bytes"
	"strconv"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/jsonpull"
	"tollgate/internal/dialect/openai"
	"tollgate/internal/jsonedit"
)

// kept are the names of members, in lower case, that hold ids of what an upstream account keeps.
// OpenAI: file_id (types/chat/chat_completion_content_part_param.py); tools of vendors: vector_store_ids,
// knowledge_id (Zhipu), container; Google's compatible endpoint: extra_body.google.cached_content
// (https://ai.google.dev/gemini-api/docs/openai); OpenRouter: preset. All read 2026-11-21.
var kept = [...]string{
	"file_id", "file_ids", "vector_store_id", "vector_store_ids", "knowledge_id", "knowledge_ids", "cached_content", "cachedcontent",
	"container", "container_id", "preset", "conversation", "conversation_id", "assistant_id", "thread_id",
}

// chosen are the names of members that hold models, besides all that end in _model or _models.
// OpenRouter: models and those of plugins and tools (https://openrouter.ai/docs/features/model-routing);
// Groq: compound_custom.models (https://console.groq.com/docs/compound); LiteLLM: fallbacks. Read 2026-11-21.
var chosen = [...]string{"model", "models", "fallbacks", "fallback", "allowed_models", "answering_model", "reasoning_model", "fallback_models"}

// Where names can stand, in depth: in a tool of a vendor's (3), in its settings (4, 5); in a part of a
// message (5), in what it is made of (6).
const (
	toolFrom = 3
	toolTo   = 5
	partAt   = 5
)

// guard finds what a request names beside its model: what an upstream account keeps (Refs), and further
// models (Also). The usual request has none of the names, and that is all that is looked at.
func guard(head *dialect.Head, body *jsonedit.Object) *canon.Error {
	g := guardWalk{head: head}
	for _, m := range body.Members() {
		value := body.Value(m)
		switch m.Name {
		case "model", "input", "stop", "metadata", "response_format", "functions", "logit_bias", "prediction":
			continue
		case "messages":
			if mayRefer(body, value) {
				p := jsonpull.New(value)
				g.messages(&p)
			}
			continue
		case "tools":
			if mayChoose(body) {
				p := jsonpull.New(value)
				g.tools(&p)
			}
			continue
		case "prompt":
			if head.Op == canon.OpComplete {
				continue
			}
		case "previous_response_id":
			id, _, e := openai.String(body, m.Name)
			if e != nil {
				return e
			}
			head.PreviousID = id
			continue
		}
		low := strings.ToLower(m.Name)
		if low != m.Name && (isKept(low) || isModel(low)) {
			if e := openai.CheckName(body, low); e != nil {
				return e // another parser may take it for the name
			}
		}
		if c := value[0]; c != '[' && c != '{' && (c != '"' || !isKept(low) && !isModel(low)) {
			continue
		}
		p := jsonpull.New(value)
		if m.Name == "prompt" {
			g.ids(&p, m.Name) // a stored one
		} else {
			g.member(&p, low, m.Name)
		}
		if g.err != nil {
			return g.err
		}
	}
	return g.err
}

// mayRefer reports whether messages may name a file, or what the assistant said aloud before.
func mayRefer(body *jsonedit.Object, messages []byte) bool {
	if body.MayName(3, "audio") || body.MayNameAmong(partAt, partAt+1, "file_id") {
		return true
	}
	return (body.MayName(partAt, "image_url") || body.MayName(partAt, "video_url")) && mayLocate(messages)
}

// mayLocate reports whether a URL of the scheme ms, by which Moonshot names its files, may be in messages.
// https://platform.moonshot.ai/docs/guide/use-kimi-vision-model, read 2026-11-21.
func mayLocate(messages []byte) bool {
	for at := 0; ; at++ {
		i := bytes.IndexByte(messages[at:], ':')
		if i < 0 {
			return false
		}
		at += i
		if at < 3 || at+1 >= len(messages) || messages[at+1] != '/' && messages[at+1] != '\\' {
			continue
		}
		if bytes.EqualFold(messages[at-2:at], []byte("ms")) || bytes.LastIndex(messages[max(at-12, 0):at], []byte(`\u`)) >= 0 {
			return true
		}
	}
}

// mayChoose reports whether tools may name models or what is kept.
func mayChoose(body *jsonedit.Object) bool {
	return body.MayNameAmong(toolFrom, toolTo, kept[:]...) || body.MayNameAmong(toolFrom, toolTo, chosen[:]...)
}

func isKept(name string) bool {
	for _, k := range kept {
		if k == name {
			return true
		}
	}
	return false
}

func isModel(name string) bool {
	for _, c := range chosen {
		if c == name {
			return true
		}
	}
	return strings.HasSuffix(name, "_model") || strings.HasSuffix(name, "_models")
}

type guardWalk struct {
	head *dialect.Head
	err  *canon.Error
}

func (g *guardWalk) refuse(path string) {
	if g.err == nil {
		g.err = openai.Invalid(path, "Invalid value for '%s': it can't be checked whose it is. Write a string, or leave it out.", path)
	}
}

// member takes the value of a member that is called name, in lower case.
func (g *guardWalk) member(p *jsonpull.Parser, name, path string) {
	switch {
	case isKept(name):
		g.ids(p, path)
	case isModel(name):
		g.models(p, path)
	default:
		g.value(p, path)
	}
}

// value looks for names within a value.
func (g *guardWalk) value(p *jsonpull.Parser, path string) {
	switch p.Kind() {
	case '{':
		p.Object()
		for p.Member() {
			name := p.Name
			g.member(p, strings.ToLower(name), path+"."+name)
		}
	case '[':
		p.Array()
		for i := 0; p.Element(); i++ {
			g.value(p, path+"["+strconv.Itoa(i)+"]")
		}
	default:
		p.Skip()
	}
}

// ids takes an id, a list of them, or an object with one.
func (g *guardWalk) ids(p *jsonpull.Parser, path string) {
	switch p.Kind() {
	case 'n':
		p.Skip()
	case '"':
		g.head.Refs = append(g.head.Refs, dialect.Ref{Path: path, ID: p.String()})
	case '[':
		p.Array()
		for i := 0; p.Element(); i++ {
			g.ids(p, path+"["+strconv.Itoa(i)+"]")
		}
	case '{':
		found := false
		p.Object()
		for p.Member() {
			if name := p.Name; name == "id" {
				found = p.Kind() == '"'
				g.ids(p, path+".id")
			} else {
				g.member(p, strings.ToLower(name), path+"."+name)
			}
		}
		if !found {
			g.refuse(path)
		}
	default:
		p.Skip()
		g.refuse(path)
	}
}

// models takes a model, a list of them, or objects that name some.
func (g *guardWalk) models(p *jsonpull.Parser, path string) {
	switch p.Kind() {
	case 'n':
		p.Skip()
	case '"':
		g.head.Also = append(g.head.Also, dialect.Ref{Path: path, ID: p.String()})
	case '[':
		p.Array()
		for i := 0; p.Element(); i++ {
			g.models(p, path+"["+strconv.Itoa(i)+"]")
		}
	case '{':
		before := len(g.head.Also)
		p.Object()
		for p.Member() {
			name := p.Name
			g.member(p, strings.ToLower(name), path+"."+name)
		}
		if len(g.head.Also) == before {
			g.refuse(path)
		}
	default:
		p.Skip()
		g.refuse(path)
	}
}

// tools goes through the tools of vendors. What a function says of its input names nothing.
func (g *guardWalk) tools(p *jsonpull.Parser) {
	if !p.Array() {
		return
	}
	for i := 0; p.Element(); i++ {
		if !p.Object() {
			continue
		}
		path := "tools[" + strconv.Itoa(i) + "]"
		for p.Member() {
			switch name := p.Name; name {
			case "function", "custom":
				p.Skip()
			default:
				g.member(p, strings.ToLower(name), path+"."+name)
			}
		}
	}
}

// messages goes through the parts of messages, and what the assistant said aloud.
func (g *guardWalk) messages(p *jsonpull.Parser) {
	if !p.Array() {
		return
	}
	for i := 0; p.Element(); i++ {
		if !p.Object() {
			continue
		}
		path := "messages[" + strconv.Itoa(i) + "]"
		for p.Member() {
			switch {
			case p.Name == "audio":
				g.ids(p, path+".audio")
			case p.Name == "content" && p.Kind() == '[':
				p.Array()
				for j := 0; p.Element(); j++ {
					g.part(p, path+".content["+strconv.Itoa(j)+"]")
				}
			default:
				p.Skip()
			}
		}
	}
}

// part takes a part, or what is within one: a file or a source by its id, a picture by a vendor's URL.
func (g *guardWalk) part(p *jsonpull.Parser, path string) {
	switch p.Kind() {
	case '{':
		p.Object()
		for p.Member() {
			name := p.Name
			at := path + "." + name
			switch {
			case strings.EqualFold(name, "file_id"):
				g.ids(p, at)
			case p.Kind() == '"' && (name == "url" || name == "image_url" || name == "video_url"):
				if url := p.String(); len(url) > 5 && strings.EqualFold(url[:5], "ms://") {
					g.head.Refs = append(g.head.Refs, dialect.Ref{Path: at, ID: url[5:]})
				}
			default:
				g.part(p, at)
			}
		}
	case '[':
		p.Array()
		for i := 0; p.Element(); i++ {
			g.part(p, path+"["+strconv.Itoa(i)+"]")
		}
	default:
		p.Skip()
	}
}
