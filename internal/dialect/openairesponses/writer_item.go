package openairesponses

import (
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
	ownItem // as the upstream of this dialect wrote it
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
	failed  bool // it went wrong

	own []byte // the whole item, as an upstream of this dialect wrote it; nil: as the rest says it
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
	case ownItem:
		return "item_"
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
	if it.own != nil {
		return append(dst, it.own...)
	}
	if it.failed {
		status = "failed"
	}
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
	case callItem, ownItem:
	}
	return it.appendCall(dst, status)
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
		raw = oneLine(c.Raw)
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

// oneLine is JSON without line breaks, which would end a field of an event.
func oneLine(raw []byte) []byte {
	return slices.DeleteFunc(slices.Clone(raw), func(b byte) bool { return b == '\n' || b == '\r' })
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
