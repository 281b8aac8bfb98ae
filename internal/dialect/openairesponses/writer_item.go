package openairesponses

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/jsonedit"
)

// itemKind sorts the items of an output.
type itemKind byte

const (
	messageItem itemKind = iota
	reasoningItem
	callItem // of a function, of a custom tool, of the client's search for tools
	imageItem
	webItem
	codeItem
)

// outItem is an item of the output. Texts are kept as they stand inside of JSON strings.
type outItem struct {
	kind   itemKind
	number int // output_index
	id     string
	over   bool

	parts []*outPart // of a message
	text  []byte     // thoughts, arguments, input, base64 of an image, code
	seal  string

	call         string // function_call, custom_tool_call or tool_search_call
	callID, name string
	group        string
	custom       *canon.CustomText
	raw          []byte // arguments of a search for tools, which are no string
	mime         string

	useID   string // the upstream's id of a tool that it ran
	page    bool   // it opened a page
	query   string
	output  string
	sources []canon.Citation
	known   bool // what it is called with is known
}

// outPart is a part of a message.
type outPart struct {
	block   int
	refusal bool
	over    bool
	text    []byte
	runes   int
	cites   [][]byte         // annotations as JSON
	whole   []canon.Citation // sources of all of the part, which are told at its end
	probs   []canon.TokenProb
}

// prefix begins the ids of an item of this kind, as OpenAI has them.
func (it *outItem) prefix() string {
	switch it.kind {
	case messageItem:
		return "msg_"
	case reasoningItem:
		return "rs_"
	case imageItem:
		return "ig_"
	case webItem:
		return "ws_"
	case codeItem:
		return "ci_"
	case callItem:
	}
	switch it.call {
	case "custom_tool_call":
		return "ctc_"
	case "tool_search_call":
		return "tsc_"
	}
	return "fc_"
}

// append appends the item as JSON, as far as it has come.
func (it *outItem) append(dst []byte, status string) []byte {
	dst = append(dst, `{"id":"`...)
	dst = append(dst, it.id...)
	dst = append(dst, `","type":"`...)
	switch it.kind {
	case messageItem:
		dst = append(dst, `message","status":"`...)
		dst = append(dst, status...)
		dst = append(dst, `","role":"assistant","content":[`...)
		for i, p := range it.parts {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = p.append(dst)
		}
		return append(dst, `]}`...)
	case reasoningItem:
		dst = append(dst, `reasoning","summary":[`...)
		if len(it.text) > 0 {
			dst = append(dst, `{"type":"summary_text","text":"`...)
			dst = append(dst, it.text...)
			dst = append(dst, `"}`...)
		}
		dst = append(dst, ']')
		if it.over && it.seal != "" {
			dst = append(dst, `,"encrypted_content":`...)
			dst = jsonedit.AppendQuoted(dst, it.seal)
		}
		return append(dst, '}')
	case imageItem:
		dst = append(dst, `image_generation_call","status":"`...)
		dst = append(dst, status...)
		dst = append(dst, `","result":`...)
		if !it.over {
			return append(dst, `null}`...)
		}
		dst = append(dst, '"')
		dst = append(dst, it.text...)
		dst = append(dst, '"')
		if format, ok := strings.CutPrefix(it.mime, "image/"); ok {
			dst = append(dst, `,"output_format":`...)
			dst = jsonedit.AppendQuoted(dst, format)
		}
		return append(dst, '}')
	case webItem:
		return it.appendSearch(dst, status)
	case codeItem:
		return it.appendCode(dst, status)
	case callItem:
	}
	return it.appendCall(dst, status)
}

func (it *outItem) appendCall(dst []byte, status string) []byte {
	dst = append(dst, it.call...)
	dst = append(dst, `","status":"`...)
	dst = append(dst, status...)
	dst = append(dst, `","call_id":`...)
	dst = jsonedit.AppendQuoted(dst, it.callID)
	if it.call == "tool_search_call" {
		dst = append(dst, `,"execution":"client","arguments":`...)
		dst = append(dst, searchArguments(it.raw)...)
		return append(dst, '}')
	}
	dst = append(dst, `,"name":`...)
	dst = jsonedit.AppendQuoted(dst, it.name)
	if it.group != "" {
		dst = append(dst, `,"namespace":`...)
		dst = jsonedit.AppendQuoted(dst, it.group)
	}
	if it.custom != nil {
		dst = append(dst, `,"input":"`...)
	} else {
		dst = append(dst, `,"arguments":"`...)
	}
	dst = append(dst, it.text...)
	return append(dst, `"}`...)
}

// searchArguments are what a search for tools is called with: an object, whatever the model wrote.
func searchArguments(raw []byte) []byte {
	if len(raw) == 0 {
		return []byte(`{}`)
	}
	if raw[0] == '{' && json.Valid(raw) {
		return raw
	}
	return canon.CustomArguments(jsonedit.Quote(string(raw)))
}

func (it *outItem) appendSearch(dst []byte, status string) []byte {
	dst = append(dst, `web_search_call","status":"`...)
	dst = append(dst, status...)
	if it.page {
		dst = append(dst, `","action":{"type":"open_page","url":`...)
		dst = jsonedit.AppendQuoted(dst, it.query)
		return append(dst, `}}`...)
	}
	dst = append(dst, `","action":{"type":"search","query":`...)
	dst = jsonedit.AppendQuoted(dst, it.query)
	if len(it.sources) > 0 {
		dst = append(dst, `,"sources":[`...)
		for i, s := range it.sources {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `{"type":"url","url":`...)
			dst = jsonedit.AppendQuoted(dst, s.URL)
			dst = append(dst, '}')
		}
		dst = append(dst, ']')
	}
	return append(dst, `}}`...)
}

func (it *outItem) appendCode(dst []byte, status string) []byte {
	dst = append(dst, `code_interpreter_call","status":"`...)
	dst = append(dst, status...)
	dst = append(dst, `","code":"`...)
	dst = append(dst, it.text...)
	dst = append(dst, `","container_id":"cntr_`...)
	dst = append(dst, it.id...)
	dst = append(dst, `","outputs":[`...)
	if it.output != "" {
		dst = append(dst, `{"type":"logs","logs":`...)
		dst = jsonedit.AppendQuoted(dst, it.output)
		dst = append(dst, '}')
	}
	return append(dst, `]}`...)
}

func (p *outPart) append(dst []byte) []byte {
	if p.refusal {
		dst = append(dst, `{"type":"refusal","refusal":"`...)
		dst = append(dst, p.text...)
		return append(dst, `"}`...)
	}
	dst = append(dst, `{"type":"output_text","annotations":[`...)
	for i, c := range p.cites {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, c...)
	}
	dst = append(dst, `],"logprobs":`...)
	dst = appendProbs(dst, p.probs)
	dst = append(dst, `,"text":"`...)
	dst = append(dst, p.text...)
	return append(dst, `"}`...)
}

// appendProbs appends log probabilities.
func appendProbs(dst []byte, list []canon.TokenProb) []byte {
	dst = append(dst, '[')
	for i, t := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendProb(dst, t)
		dst = append(dst, `,"top_logprobs":[`...)
		for j, top := range t.Top {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendProb(dst, top), '}')
		}
		dst = append(dst, `]}`...)
	}
	return append(dst, ']')
}

func appendProb(dst []byte, t canon.TokenProb) []byte {
	dst = append(dst, `{"token":`...)
	dst = jsonedit.AppendQuoted(dst, t.Token)
	dst = append(dst, `,"logprob":`...)
	dst = strconv.AppendFloat(dst, max(t.LogProb, -9999), 'g', -1, 64) // never an infinity, which JSON has not
	dst = append(dst, `,"bytes":[`...)
	bytes := t.Bytes
	if bytes == nil {
		bytes = []byte(t.Token)
	}
	for i, c := range bytes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, int64(c), 10)
	}
	return append(dst, ']')
}

// tool opens a call.
func (w *writer) tool(dst []byte, e canon.ToolStart) []byte {
	it := &outItem{kind: callItem, call: "function_call", callID: e.ID, name: e.Name}
	req := w.a.Request
	t := findTool(req, e.Name)
	h := homeOf(req, e.Name)
	switch {
	case h != nil && h.Kind == homeSearch:
		it.call = "tool_search_call"
	case e.Custom || t != nil && t.Custom:
		it.call, it.custom = "custom_tool_call", &canon.CustomText{}
	}
	if h != nil && h.Group != "" {
		it.name, it.group = h.Name, h.Group
	}
	if it.callID == "" {
		it.callID = "call_" + w.base + hexByte(len(w.items))
	}
	dst = w.settle(dst, it)
	if old := w.at[place{e.Index, callItem}]; old != nil {
		dst = w.endCall(dst, old)
	}
	w.at[place{e.Index, callItem}] = it
	return w.add(dst, it)
}

// arguments appends a piece of what a tool is called with.
func (w *writer) arguments(dst []byte, it *outItem, piece string) []byte {
	switch {
	case it.call == "tool_search_call":
		it.raw = append(it.raw, piece...)
		return dst
	case it.custom != nil:
		piece = it.custom.Feed(piece)
	}
	return w.argue(dst, it, piece)
}

func (w *writer) argue(dst []byte, it *outItem, piece string) []byte {
	if piece == "" {
		return dst
	}
	if !w.sse {
		it.text = appendEscaped(it.text, piece)
		return dst
	}
	dst = w.begin(dst, it.event("delta"))
	dst = placeItem(dst, it)
	dst = append(dst, `,"delta":`...)
	from := len(dst)
	dst = jsonedit.AppendQuoted(dst, piece)
	it.text = append(it.text, dst[from+1:len(dst)-1]...)
	return end(dst)
}

func (it *outItem) event(what string) string {
	if it.custom != nil {
		return "response.custom_tool_call_input." + what
	}
	return "response.function_call_arguments." + what
}

// endCall closes a call.
func (w *writer) endCall(dst []byte, it *outItem) []byte {
	switch {
	case it.call == "tool_search_call":
		return w.done(dst, it)
	case it.custom != nil:
		dst = w.argue(dst, it, it.custom.End())
	case len(it.text) == 0:
		dst = w.argue(dst, it, "{}")
	}
	if w.sse {
		dst = w.begin(dst, it.event("done"))
		dst = placeItem(dst, it)
		if it.custom != nil {
			dst = append(dst, `,"input":"`...)
		} else {
			dst = append(dst, `,"name":`...)
			dst = jsonedit.AppendQuoted(dst, it.name)
			dst = append(dst, `,"arguments":"`...)
		}
		dst = append(dst, it.text...)
		dst = append(dst, '"')
		dst = end(dst)
	}
	return w.done(dst, it)
}

// media appends a generated image; nothing else that is generated has a place in a response.
func (w *writer) media(dst []byte, e canon.MediaDelta) []byte {
	if e.Kind != canon.MediaImage {
		w.lose(canon.WhatAnswerMedia, canon.Lost, "a response holds text and images alone")
		return dst
	}
	it := w.at[place{e.Index, imageItem}]
	if it == nil {
		it = &outItem{kind: imageItem, mime: e.MIME}
		dst = w.settle(dst, it)
		w.at[place{e.Index, imageItem}] = it
		dst = w.add(dst, it)
	}
	it.text = appendEscaped(it.text, e.Data)
	return dst
}

// cite appends a source of a text. One of the whole block is told when the end of the block is known.
func (w *writer) cite(dst []byte, e canon.Cited) []byte {
	c := e.Citation
	if c.URL == "" && c.FileID == "" || c.FileID != "" && c.URL == "" && w.a.Origin != canon.OpenAIResponses {
		w.lose(canon.WhatAnswerCitation, canon.Lost, "a response cites pages and files of OpenAI's alone")
		return dst
	}
	if c.Text != "" && w.a.Origin != canon.OpenAIResponses {
		w.lose(canon.WhatAnswerCitation, canon.Changed, "what is quoted has no place in a citation of a response")
	}
	p := w.part(e.Index)
	if p == nil || p.over || p.refusal {
		dst = w.text(dst, e.Index, false, "")
		p = w.part(e.Index)
	}
	if c.From == 0 && c.To == 0 && c.URL != "" {
		p.whole = append(p.whole, c)
		return dst
	}
	return w.annotate(dst, w.message, p, c)
}

func (w *writer) annotate(dst []byte, it *outItem, p *outPart, c canon.Citation) []byte {
	raw := annotation(c)
	if w.a.Origin == canon.OpenAIResponses && len(c.Raw) > 0 {
		raw = slices.DeleteFunc(slices.Clone(c.Raw), func(b byte) bool { return b == '\n' || b == '\r' }) // which would end a field of an event
	}
	p.cites = append(p.cites, raw)
	if !w.sse {
		return dst
	}
	dst = w.begin(dst, "response.output_text.annotation.added")
	dst = within(dst, it, "content_index", len(it.parts)-1)
	dst = append(dst, `,"annotation_index":`...)
	dst = strconv.AppendInt(dst, int64(len(p.cites)-1), 10)
	dst = append(dst, `,"annotation":`...)
	dst = append(dst, raw...)
	return end(dst)
}

// annotation is a source as JSON.
func annotation(c canon.Citation) []byte {
	var b []byte
	if c.URL == "" {
		b = append(b, `{"type":"file_citation","file_id":`...)
		b = jsonedit.AppendQuoted(b, c.FileID)
		b = append(b, `,"filename":`...)
		b = jsonedit.AppendQuoted(b, c.Title)
		b = append(b, `,"index":`...)
		b = strconv.AppendInt(b, int64(c.To), 10)
		return append(b, '}')
	}
	b = append(b, `{"type":"url_citation","start_index":`...)
	b = strconv.AppendInt(b, int64(c.From), 10)
	b = append(b, `,"end_index":`...)
	b = strconv.AppendInt(b, int64(c.To), 10)
	b = append(b, `,"url":`...)
	b = jsonedit.AppendQuoted(b, c.URL)
	b = append(b, `,"title":`...)
	b = jsonedit.AppendQuoted(b, c.Title)
	return append(b, '}')
}

// hosted appends the use of a tool that the upstream ran.
func (w *writer) hosted(dst []byte, e canon.HostedUse) []byte {
	kind := webItem
	switch e.Kind {
	case canon.HostedWebSearch, canon.HostedWebFetch:
	case canon.HostedCode:
		kind = codeItem
	default:
		w.lose(canon.WhatAnswerHosted, canon.Lost, "a response has no such tool")
		return dst
	}
	it := w.used(e, kind)
	if it == nil {
		it = &outItem{kind: kind, useID: e.ID, page: e.Kind == canon.HostedWebFetch}
		dst = w.settle(dst, it)
		w.at[place{e.Index, kind}] = it
		dst = w.add(dst, it)
		dst = w.progress(dst, it, "in_progress")
		if kind == webItem {
			dst = w.progress(dst, it, "searching")
		}
	}
	if e.Open {
		return dst
	}
	if e.Input != "" && !it.known {
		it.known = true
		if kind == webItem {
			it.query = e.Input
		} else {
			dst = w.code(dst, it, e.Input)
		}
	}
	it.output += e.Output
	it.sources = append(it.sources, e.Sources...)
	if e.Done {
		dst = w.endHosted(dst, it)
	}
	return dst
}

// used finds the open use that e goes on with: by its id, as a result may be a block of its own, or by its block.
func (w *writer) used(e canon.HostedUse, kind itemKind) *outItem {
	for _, it := range w.items {
		if it.kind == kind && !it.over && e.ID != "" && it.useID == e.ID {
			return it
		}
	}
	if it := w.at[place{e.Index, kind}]; it != nil && (it.useID == "" || e.ID == "") {
		return it
	}
	return nil
}

func (w *writer) code(dst []byte, it *outItem, code string) []byte {
	it.text = appendEscaped(it.text, code)
	if !w.sse {
		return dst
	}
	for _, f := range [...]struct{ event, member string }{{"delta", "delta"}, {"done", "code"}} {
		dst = w.begin(dst, "response.code_interpreter_call_code."+f.event)
		dst = placeItem(dst, it)
		dst = append(dst, `,"`...)
		dst = append(dst, f.member...)
		dst = append(dst, `":"`...)
		dst = append(dst, it.text...)
		dst = append(dst, '"')
		dst = end(dst)
	}
	return w.progress(dst, it, "interpreting")
}

func (w *writer) progress(dst []byte, it *outItem, what string) []byte {
	if !w.sse {
		return dst
	}
	typ := "response.web_search_call."
	if it.kind == codeItem {
		typ = "response.code_interpreter_call."
	}
	dst = w.begin(dst, typ+what)
	return end(placeItem(dst, it))
}

func (w *writer) endHosted(dst []byte, it *outItem) []byte {
	return w.done(w.progress(dst, it, "completed"), it)
}
