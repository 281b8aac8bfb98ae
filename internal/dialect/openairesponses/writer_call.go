package openairesponses

import (
	"encoding/json"

	"tollgate/internal/canon"
	"tollgate/internal/jsonedit"
)

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

// tool opens a call.
func (w *writer) tool(dst []byte, e canon.ToolStart) []byte {
	it := &outItem{kind: callItem, call: "function_call", callID: e.ID, name: e.Name}
	req := w.a.Request
	t := findTool(req, e.Name)
	h := homeOf(req, t)
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
