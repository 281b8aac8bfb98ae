package openairesponses

import (
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonpull"
	"tollgate/internal/jsonedit"
)

// Parts of an item that have no content_index of their own.
const (
	itemPart      = -1 // a call, or a hosted tool's item as a whole
	summaryPart   = -2 // all parts of a reasoning summary: one block
	reasoningPart = -3 // all parts of open reasoning: one block
	audioPart     = -4
)

// maxSlots bounds what a reader keeps; no real answer comes near.
const maxSlots = 1 << 14

// slot is a block of the answer. Blocks are numbered in the order in which they appear.
type slot struct {
	output, part int64
	index        int
	summary      int64 // summary part that the last delta was of
	cited        int   // sources that have come
	probed       bool  // log probabilities have come
	seen         bool  // some of its content has come
	ended        bool
	custom       bool // free text input of a custom tool, which travels as a JSON string
}

func (r *reader) find(output, part int64) *slot {
	for i := len(r.slots) - 1; i >= 0; i-- {
		if r.slots[i].output == output && r.slots[i].part == part {
			return &r.slots[i]
		}
	}
	return nil
}

// at returns the block for a part of an item, and opens it if it is new. kind tells apart blocks that
// a vendor places at the same part.
func (r *reader) at(output, part int64, kind string) (*slot, error) {
	if kind == "refusal" {
		part += 1 << 32
	}
	if s := r.find(output, part); s != nil {
		return s, nil
	}
	if len(r.slots) == maxSlots {
		return nil, errTooMany
	}
	r.slots = append(r.slots, slot{output: output, part: part, index: r.next})
	r.next++
	return &r.slots[len(r.slots)-1], nil
}

// thought appends a piece of reasoning. Parts of a summary are set apart by an empty line.
func (r *reader) thought(f *frame, part int64, out []canon.Event) ([]canon.Event, error) {
	s, err := r.at(f.output, part, "reasoning")
	if err != nil || f.delta == "" {
		return out, err
	}
	at := f.summary
	if part == reasoningPart {
		at = f.content
	}
	if s.seen && at != s.summary {
		f.delta = "\n\n" + f.delta
	}
	r.seen, s.seen, s.summary = true, true, at
	return append(out, canon.ReasoningDelta{Index: s.index, Text: f.delta}), nil
}

// textDone ends a block of text, and brings its text if no delta has.
func (r *reader) textDone(f *frame, kind string, out []canon.Event) ([]canon.Event, error) {
	s, err := r.at(f.output, f.content, kind)
	if err != nil {
		return out, err
	}
	out = r.say(s, kind, f.text, out)
	return s.end(out), nil
}

// say appends the whole text of a block unless it has come already.
func (r *reader) say(s *slot, kind, text string, out []canon.Event) []canon.Event {
	if s.seen || text == "" {
		return out
	}
	r.seen, s.seen = true, true
	if kind == "refusal" {
		return append(out, canon.RefusalDelta{Index: s.index, Text: text})
	}
	return append(out, canon.TextDelta{Index: s.index, Text: text})
}

func (s *slot) end(out []canon.Event) []canon.Event {
	if s.ended {
		return out
	}
	s.ended = true
	if s.custom {
		closing := `"`
		if !s.seen {
			closing = `""`
		}
		out = append(out, canon.ToolDelta{Index: s.index, JSON: closing})
	}
	return append(out, canon.BlockEnd{Index: s.index})
}

// input appends a piece of a tool call's input.
func (r *reader) input(f *frame, text string, out []canon.Event) ([]canon.Event, error) {
	s := r.find(f.output, itemPart)
	if s == nil { // the item was never announced
		var err error
		if s, err = r.at(f.output, itemPart, "call"); err != nil {
			return out, err
		}
		s.custom = strings.HasPrefix(f.kind, "response.custom_tool_call")
		r.seen, r.acts = true, true
		out = append(out, canon.ToolStart{Index: s.index, ID: f.itemID, Custom: s.custom})
	}
	return s.input(text, out), nil
}

func (s *slot) input(text string, out []canon.Event) []canon.Event {
	if text == "" || s.ended {
		return out
	}
	if s.custom {
		quoted := jsonedit.Quote(text)
		text = string(quoted[:len(quoted)-1])
		if s.seen {
			text = text[1:]
		}
	}
	s.seen = true
	return append(out, canon.ToolDelta{Index: s.index, JSON: text})
}

// item is an element of output.
type item struct {
	kind, id, callID     string
	name, group          string
	input                string // arguments, or input of a custom tool
	content, summary     string // raw JSON
	seal, result, format string
	act                  action
	code, outputs        string // of code that was run: itself, and what came of it as raw JSON
	execution            string // of a search for tools: client or server
	container            string // that code was run in
	phase                string // of a message
	status               string
	environment, results string // of a shell, of a search in files; raw JSON
	raw                  string
}

// action is what a web search did.
type action struct {
	kind, query, url, pattern, sources string // sources is raw JSON
}

func (a *action) read(p *jsonpull.Parser) {
	a.kind = "search"
	if !p.Object() {
		return
	}
	for p.Member() {
		switch p.Name {
		case "type":
			a.kind = p.String()
		case "query":
			a.query = p.String()
		case "url":
			a.url = p.String()
		case "pattern":
			a.pattern = p.String()
		case "sources":
			a.sources = p.Raw()
		default:
			p.Skip()
		}
	}
}

func readItem(raw string) item {
	it := item{raw: raw}
	p := jsonpull.NewChecked(raw)
	if raw == "" || !p.Object() {
		return it
	}
	for p.Member() {
		switch p.Name {
		case "type":
			it.kind = p.String()
		case "id":
			it.id = p.String()
		case "call_id":
			it.callID = p.String()
		case "name":
			it.name = p.String()
		case "arguments", "input":
			if p.Kind() == '{' { // of a search for tools
				it.input = p.Raw()
			} else {
				it.input = p.String()
			}
		case "content":
			it.content = p.Raw()
		case "summary":
			it.summary = p.Raw()
		case "encrypted_content":
			it.seal = p.String()
		case "result":
			it.result = p.String()
		case "output_format":
			it.format = p.String()
		case "action":
			it.act.read(&p)
		case "namespace":
			it.group = p.String()
		case "code":
			it.code = p.String()
		case "outputs":
			it.outputs = p.Raw()
		case "execution":
			it.execution = p.String()
		case "container_id":
			it.container = p.String()
		case "phase":
			it.phase = p.String()
		case "status":
			it.status = p.String()
		case "environment":
			it.environment = p.Raw()
		case "results":
			it.results = p.Raw()
		default:
			p.Skip()
		}
	}
	return it
}

// isCall reports whether the item is a call of a tool that canon has words for.
func (it *item) isCall() bool {
	switch it.kind {
	case "function_call", "custom_tool_call":
		return true
	case "tool_search_call":
		return it.execution == "client" && it.callID != ""
	}
	return false
}

// acts reports whether the client must do something before the model can go on.
func (it *item) acts() bool {
	switch it.kind {
	case "function_call", "custom_tool_call", "computer_call", "local_shell_call", "apply_patch_call", "shell_call", "mcp_approval_request":
		return true
	case "tool_search_call":
		return it.isCall()
	}
	return false
}

// isSearch reports whether the item is a web search. To open a page that was found, or to look into it,
// is none: OpenAI's guide prices search actions, https://developers.openai.com/api/docs/guides/tools-web-search.
func (it *item) isSearch() bool {
	return it.kind == "web_search_call" && (it.act.kind == "" || it.act.kind == "search")
}

// tally keeps what an item of a finished response says of how it ended.
func (r *reader) tally(raw string) {
	it := readItem(raw)
	r.acts = r.acts || it.acts()
	if it.isSearch() {
		r.searches++
	}
}

// itemAdded reads the announcement of an item. Texts and thoughts begin with their deltas.
func (r *reader) itemAdded(f *frame, out []canon.Event) ([]canon.Event, error) {
	it := readItem(f.item)
	if it.kind == "message" || it.kind == "reasoning" {
		return out, nil
	}
	_, out, err := r.open(f.output, &it, out)
	return out, err
}

// open opens the block of a call or of a hosted tool's item.
func (r *reader) open(output int64, it *item, out []canon.Event) (*slot, []canon.Event, error) {
	if s := r.find(output, itemPart); s != nil {
		return s, out, nil
	}
	s, err := r.at(output, itemPart, "call")
	if err != nil {
		return nil, out, err
	}
	r.seen = true
	if !it.isCall() {
		if kind, ok := it.hosted(); ok {
			return s, append(out, canon.HostedUse{Index: s.index, Kind: kind, ID: it.id, Name: it.kind, Open: true}), nil
		}
		return s, append(out, canon.Other{Name: "item." + it.kind, Content: true}), nil
	}
	id := it.callID
	if id == "" {
		id = it.id
	}
	s.custom = it.kind == "custom_tool_call"
	name := flatName(it.group, it.name)
	if it.kind == "tool_search_call" {
		name = homeSearch
	}
	return s, append(out, canon.ToolStart{Index: s.index, ID: id, Name: name, Custom: s.custom}), nil
}

// item reads a finished item: what of it has not come in deltas, and what comes only now.
func (r *reader) item(output int64, raw string, out []canon.Event) ([]canon.Event, error) {
	it := readItem(raw)
	r.acts = r.acts || it.acts()
	if it.isSearch() {
		r.searches++
	}
	var err error
	out = r.kept(&it, out)
	switch it.kind {
	case "message":
		if it.phase != "" { // whether this is said on the way or at the end
			out = append(out, canon.Other{Name: "message.phase", Content: true})
		}
		return r.message(output, it.content, out)
	case "reasoning":
		if out, err = r.reasoning(output, summaryPart, it.summary, out); err == nil {
			out, err = r.reasoning(output, reasoningPart, it.content, out)
		}
		if err == nil && it.seal != "" {
			var s *slot
			if s, err = r.at(output, summaryPart, "reasoning"); err == nil {
				r.seen = true
				out = append(out, canon.ReasoningDelta{Index: s.index, Seal: it.seal})
			}
		}
		for _, part := range [...]int64{summaryPart, reasoningPart} {
			if s := r.find(output, part); s != nil {
				out = s.end(out)
			}
		}
		return out, err
	}
	s, out, err := r.open(output, &it, out)
	if err != nil {
		return out, err
	}
	switch {
	case it.isCall():
		if !s.seen {
			out = s.input(it.input, out)
		}
		out = s.end(out)
	case it.kind == "image_generation_call" && it.result != "":
		typ := ""
		if it.format != "" {
			typ = "image/" + it.format
		}
		out = append(out, canon.MediaDelta{Index: s.index, Kind: canon.MediaImage, MIME: typ, Data: it.result})
	case it.kind == "image_generation_call": // without a picture
	default:
		if used := it.use(s.index, out); len(used) > len(out) {
			return used, nil
		}
		out = append(out, canon.Other{Name: "item." + it.kind, Content: true, Raw: []byte(raw)})
	}
	return out, nil
}

// message reads the parts of a finished message.
func (r *reader) message(output int64, content string, out []canon.Event) ([]canon.Event, error) {
	p := jsonpull.NewChecked(content)
	if content == "" || !p.Array() {
		return out, nil
	}
	for i := int64(0); p.Element(); i++ {
		if !p.Object() {
			continue
		}
		var kind, text, data, annotations, logprobs string
		for p.Member() {
			switch p.Name {
			case "type":
				kind = p.String()
			case "text", "refusal", "transcript":
				text = p.String()
			case "data":
				data = p.String()
			case "annotations":
				annotations = p.Raw()
			case "logprobs":
				logprobs = p.Raw()
			default:
				p.Skip()
			}
		}
		switch {
		case kind == "refusal":
			r.refused = true
		case text == "" && data == "" && kind != "output_text" && kind != "text":
			out = append(out, canon.Other{Name: "message." + kind, Content: true})
			continue
		default:
			kind = "text"
		}
		if data != "" {
			if s := r.find(output, audioPart); s == nil || !s.seen {
				s, err := r.at(output, audioPart, "audio")
				if err != nil {
					return out, err
				}
				r.seen, s.seen = true, true
				out = append(out, canon.MediaDelta{Index: s.index, Kind: canon.MediaAudio, Data: data})
			}
			if text == "" {
				continue
			}
		}
		s, err := r.at(output, i, kind)
		if err != nil {
			return out, err
		}
		if out = r.say(s, kind, text, out); !s.probed {
			out = s.probs(logprobs, out)
		}
		out = s.cite(annotations, out)
		out = s.end(out)
	}
	return out, nil
}

// reasoning reads the parts of a summary or of open reasoning that no delta has brought.
func (r *reader) reasoning(output, part int64, raw string, out []canon.Event) ([]canon.Event, error) {
	if s := r.find(output, part); s != nil && s.seen {
		return out, nil
	}
	text := parts(raw)
	if text == "" {
		return out, nil
	}
	s, err := r.at(output, part, "reasoning")
	if err != nil {
		return out, err
	}
	r.seen, s.seen = true, true
	return append(out, canon.ReasoningDelta{Index: s.index, Text: text}), nil
}

// parts joins the texts of an array of parts by empty lines.
func parts(raw string) string {
	p := jsonpull.NewChecked(raw)
	if raw == "" || !p.Array() {
		return ""
	}
	var texts []string
	for p.Element() {
		if !p.Object() {
			continue
		}
		for p.Member() {
			if p.Name == "text" {
				if s := p.String(); s != "" {
					texts = append(texts, s)
				}
			} else {
				p.Skip()
			}
		}
	}
	return strings.Join(texts, "\n\n")
}
