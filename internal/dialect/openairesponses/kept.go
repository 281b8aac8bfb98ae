package openairesponses

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/jsonfield"
	"tollgate/internal/dialect/openai"
	"tollgate/internal/jsonedit"
)

// Kept is a response that the gateway keeps itself, as an upstream of another dialect can't: enough to
// show it, to list its input and to go on with it.
type Kept struct {
	Items    []json.RawMessage // the items of the conversation, up to the response
	Own      int               // how many of them, the last ones, its own request brought
	Response json.RawMessage   // the response object; its output ends the conversation
}

// maxDepth is the nesting of a request that the server has let through already.
const maxDepth = 1 << 20

// maxItems bounds the items of a kept conversation.
const maxItems = 1 << 14

// responder is a writer that has written a response.
type responder interface{ Response() []byte }

// Response returns the response object of an answer that w has written to its end; nil if it was cut off, is
// no response, or the request asked that it not be stored.
func Response(w dialect.Writer) []byte {
	if r, ok := w.(responder); ok {
		return r.Response()
	}
	return nil
}

// Response returns the response object, once the answer is closed.
func (w *writer) Response() []byte {
	if !w.closed || w.a.Request.Store != nil && !*w.a.Request.Store {
		return nil
	}
	status, _ := w.ending()
	return w.response(nil, status, nil)
}

// Keep returns what is kept of the response to the request body, which Continue has made whole if it
// continued another one; before is what was kept of that, nil if there was none.
func Keep(body []byte, before *Kept, response []byte) (*Kept, *canon.Error) {
	o, err := jsonfield.ReadObject(string(body))
	if err != nil {
		return nil, openai.Invalid("", "The request body must be one JSON object.")
	}
	items, e := inputItems(o.Find("input"))
	if e != nil {
		return nil, e
	}
	k := &Kept{Items: items, Own: len(items), Response: response}
	if before != nil {
		k.Own = max(0, len(items)-len(before.all()))
	}
	if len(k.Items) > maxItems {
		return nil, openai.Invalid("input", "A conversation of more than %d items can't be kept.", maxItems)
	}
	return k, nil
}

// inputItems returns input as items; a text is a message of the user's.
func inputItems(raw string) ([]json.RawMessage, *canon.Error) {
	switch {
	case raw == "":
		return nil, nil
	case raw[0] == '"':
		item := append([]byte(`{"type":"message","role":"user","content":[{"type":"input_text","text":`), raw...)
		return []json.RawMessage{append(item, `}]}`...)}, nil
	}
	list, err := jsonfield.Array(raw)
	if err != nil {
		return nil, openai.Invalid("input", "Invalid type for 'input': expected a string or an array of items.")
	}
	items := make([]json.RawMessage, len(list))
	for i, s := range list {
		items[i] = json.RawMessage(s)
	}
	return items, nil
}

// all returns the whole conversation: what was asked, and the output.
func (k *Kept) all() []json.RawMessage {
	o, err := jsonfield.ReadObject(string(k.Response))
	if err != nil {
		return k.Items
	}
	out, _ := inputItems(o.Find("output")) // one that can't be read has nothing to go on with
	return append(slices.Clip(k.Items), out...)
}

// Continue returns the request body as one that needs nothing kept: its input is the conversation of before
// and then its own, previous_response_id is gone. References to items of the conversation become the items.
// Instructions are those of the request alone, as OpenAI has it. earlier is how many items stand before the
// request's own.
func Continue(raw []byte, before *Kept) (whole []byte, earlier int, e *canon.Error) {
	body, err := jsonedit.Scan(raw, maxDepth)
	if err != nil {
		return nil, 0, &canon.Error{Kind: canon.KindInvalid, Message: err.Error(), Cause: err}
	}
	own := ""
	if m, ok := body.Find("input"); ok {
		own = string(body.Value(m))
	}
	items, e := inputItems(own)
	if e != nil {
		return nil, 0, e
	}
	said := before.all()
	if len(said)+len(items) > maxItems {
		return nil, 0, openai.Invalid("input", "The conversation has more than %d items.", maxItems)
	}
	var b []byte
	b = append(b, '[')
	add := func(item json.RawMessage) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(b, item...)
	}
	for _, item := range said {
		add(item)
	}
	for _, item := range items {
		if id := referred(item); id != "" {
			if at := slices.IndexFunc(said, func(s json.RawMessage) bool { return idOf(s) == id }); at >= 0 {
				continue // it is in the conversation already
			}
		}
		add(item)
	}
	b = append(b, ']')
	edits := []jsonedit.Edit{body.Set("input", b)}
	if gone, ok := body.Remove("previous_response_id"); ok {
		edits = append(edits, gone)
	}
	raw, err = jsonedit.Apply(raw, edits...)
	if err != nil {
		return nil, 0, &canon.Error{Kind: canon.KindInternal, Message: "the conversation could not be continued", Cause: err}
	}
	return raw, len(said), nil
}

// referred is the id of the item that raw refers to; "" if it is an item itself.
func referred(raw []byte) string {
	o, err := jsonfield.ReadObject(string(raw))
	if err != nil {
		return ""
	}
	kind, _ := o.Text("type") // what is no string is no reference
	if kind != "item_reference" && (kind != "" || o.Find("role") != "") {
		return ""
	}
	id, _ := o.Text("id")
	return id
}

func idOf(raw []byte) string {
	id := memberOf(string(raw), "id")
	if id == "" || id[0] != '"' {
		return ""
	}
	return unquoted(id)
}

// keptForm is Kept as it is stored.
type keptForm struct {
	Items    []json.RawMessage `json:"items"`
	Own      int               `json:"own"`
	Response json.RawMessage   `json:"response"`
}

// ID returns the id of the response.
func (k *Kept) ID() string { return idOf(k.Response) }

// Encode returns k as JSON.
func (k *Kept) Encode() ([]byte, error) { return json.Marshal(keptForm(*k)) }

// DecodeKept reads what Encode has written.
func DecodeKept(raw []byte) (*Kept, error) {
	var f keptForm
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, err
	}
	k := Kept(f)
	k.Own = min(max(k.Own, 0), len(k.Items))
	return &k, nil
}

// Bounds of a page of input items: https://platform.openai.com/docs/api-reference/responses/input-items, read 2026-11-21.
const (
	defaultPage = 20
	maxPage     = 100
)

// ListItems returns the answer to a call for the input items of the kept response id: a page of them, the
// newest first unless query says otherwise.
func (k *Kept) ListItems(id string, query url.Values) ([]byte, *canon.Error) {
	items := slices.Clone(k.Items[len(k.Items)-k.Own:])
	for i, item := range items {
		if idOf(item) == "" {
			items[i] = withID(item, "item_"+idBase(id)+hexByte(i))
		}
	}
	switch query.Get("order") {
	case "asc":
	case "", "desc":
		slices.Reverse(items)
	default:
		return nil, openai.Invalid("order", "Invalid value for 'order': supported are 'asc' and 'desc'.")
	}
	limit := defaultPage
	if s := query.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxPage {
			return nil, openai.Invalid("limit", "Invalid value for 'limit': expected 1 to %d.", maxPage)
		}
		limit = n
	}
	if after := query.Get("after"); after != "" {
		at := slices.IndexFunc(items, func(raw json.RawMessage) bool { return idOf(raw) == after })
		if at < 0 {
			return nil, openai.Invalid("after", "Invalid value for 'after': no such item.")
		}
		items = items[at+1:]
	}
	more := len(items) > limit
	items = items[:min(limit, len(items))]
	b := []byte(`{"object":"list","data":[`)
	for i, item := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, item...)
	}
	b = append(b, `],"first_id":`...)
	if len(items) == 0 {
		b = append(b, `null,"last_id":null`...)
	} else {
		b = jsonedit.AppendQuoted(b, idOf(items[0]))
		b = append(b, `,"last_id":`...)
		b = jsonedit.AppendQuoted(b, idOf(items[len(items)-1]))
	}
	b = append(b, `,"has_more":`...)
	b = strconv.AppendBool(b, more)
	return append(b, '}'), nil
}

// withID gives an item an id, in the place of one that says nothing (null), or else in front.
func withID(item json.RawMessage, id string) json.RawMessage {
	o, err := jsonedit.Scan(item, maxDepth)
	if err != nil {
		return item // no object
	}
	if _, ok := o.Find("id"); ok {
		out, err := jsonedit.Apply(item, o.Set("id", jsonedit.Quote(id)))
		if err != nil {
			return item
		}
		return out
	}
	b := append([]byte(`{"id":`), jsonedit.Quote(id)...)
	if len(o.Members()) > 0 {
		b = append(b, ',')
	}
	return append(b, o.Raw()[1:]...)
}

// Deleted returns the answer to a call that has deleted the response id.
func Deleted(id string) []byte {
	b := append([]byte(`{"id":`), jsonedit.Quote(id)...)
	return append(b, `,"object":"response","deleted":true}`...)
}
