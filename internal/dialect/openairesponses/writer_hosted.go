package openairesponses

import (
	"tollgate/internal/canon"
	"tollgate/internal/jsonedit"
)

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
		if w.a.Origin == canon.OpenAIResponses && validID(e.ID) {
			it.id = e.ID
		}
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
	it.failed = it.failed || e.Failed
	if e.Failed && e.Output != "" && kind == webItem && w.a.Origin != canon.OpenAIResponses {
		w.lose(canon.WhatAnswerHosted, canon.Changed, "a response says that a search failed, not why")
	}
	it.sources = append(it.sources, e.Sources...)
	if e.Done {
		if w.a.Origin == canon.OpenAIResponses && len(e.Raw) > 0 {
			it.own = oneLine(e.Raw)
		}
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
