package relay

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"net/url"
	"path"
	"runtime"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/document"
	"tollgate/internal/jsonedit"
)

// Bounds of the documents that the gateway reads itself.
const (
	maxDocuments = 5         // of a request
	maxDocument  = 4_500_000 // bytes of one
)

// maxReading is how many documents are read at once in the whole process: the worst one takes a second or two of a
// processor and a hundred megabytes, and the calls of others go on beside it.
func maxReading() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// documents turns the blocks of type document that the caller's dialect can't carry into ones that it can: into text,
// and in a chat, which has no such blocks, PDFs into files. What follows sees a request as any other. All other bytes
// stay.
//
// It comes after admission: nobody without credit or over a limit has anything fetched or unpacked. What the call may
// cost is then known better, so its hold is taken anew; its rates are corrected when it is settled, as those of any
// call. (Counting tokens is free for those who may use the model, so its documents cost them the rate of calls alone.)
func (c *call) documents() *canon.Error {
	if !c.mayHoldDocuments() {
		return nil
	}
	m, ok := c.obj.Find("messages")
	if !ok {
		return nil
	}
	w := documentWalk{c: c, claude: c.ep.Dialect == canon.Anthropic, offset: m.Start, room: c.h.Settings.MaxBody - int64(len(c.body))}
	if err := w.messages(gjson.ParseBytes(c.obj.Value(m))); err != nil || len(w.edits) == 0 {
		return err
	}
	body, err := jsonedit.Apply(c.body, w.edits...)
	if err != nil {
		return &canon.Error{Kind: canon.KindInternal, Message: "the documents could not be put into the request", Cause: err}
	}
	if len(c.unread) > 0 && c.strict {
		return c.refusal(c.unread[0], "the gateway sends the text of such a document")
	}
	if err := c.replace(body, "the request can't be read with its documents as text"); err != nil {
		return err
	}
	return c.readmit()
}

// mayHoldDocuments reports whether the call is of a kind that takes documents and may hold some. False costs next to
// nothing.
func (c *call) mayHoldDocuments() bool {
	switch {
	case c.obj == nil:
		return false
	case c.ep.Dialect == canon.Anthropic && (c.head.Op == canon.OpGenerate || c.head.Op == canon.OpCountTokens):
	case c.ep.Dialect == canon.OpenAIChat && c.head.Op == canon.OpGenerate:
	default:
		return false
	}
	const inMessage, inResult = 5, 7 // levels: request, messages, message, content, block; result's content, block
	return (c.obj.MayName(inMessage, "source") || c.obj.MayName(inResult, "source")) && bytes.Contains(c.body, []byte(`"document"`))
}

// readmit reserves what the call may cost with its documents read, in place of what it might have cost as it came.
func (c *call) readmit() *canon.Error {
	if !billed(c.head.Op) {
		return nil
	}
	if c.hold != nil {
		if err := c.hold.Release(); err != nil {
			c.h.Log.LogAttrs(c.r.Context(), slog.LevelError, "a hold ended twice", slog.String("call", c.id), slog.Any("error", err))
		}
		c.hold = nil
	}
	u, sure, guess := c.declared()
	c.tokens, c.guess = sure, guess
	return c.reserve(u)
}

// documentWalk goes through the documents of a request.
type documentWalk struct {
	c      *call
	claude bool
	offset int   // of what is walked in the body
	room   int64 // bytes by which the request may still grow
	count  int
	edits  []jsonedit.Edit
}

func (w *documentWalk) messages(list gjson.Result) *canon.Error {
	return each(list, "messages", func(m gjson.Result, at string) *canon.Error {
		return w.blocks(member(m, "content"), at+".content")
	})
}

func (w *documentWalk) blocks(list gjson.Result, at string) *canon.Error {
	return each(list, at, func(b gjson.Result, at string) *canon.Error {
		switch text(b, "type") {
		case "document":
			return w.document(b, at)
		case "tool_result":
			if w.claude {
				return w.blocks(member(b, "content"), at+".content")
			}
		}
		return nil
	})
}

// each calls f with the elements of an array and their places.
func each(list gjson.Result, at string, f func(e gjson.Result, at string) *canon.Error) (err *canon.Error) {
	if !list.IsArray() {
		return nil
	}
	i := 0
	list.ForEach(func(_, e gjson.Result) bool {
		err = f(e, at+"["+strconv.Itoa(i)+"]")
		i++
		return err == nil
	})
	return err
}

// member returns a member of an object; unlike gjson's Get it takes a name as it is, and knows where the value stands.
func member(o gjson.Result, name string) (found gjson.Result) {
	if !o.IsObject() {
		return found
	}
	o.ForEach(func(n, v gjson.Result) bool {
		if n.Str == name {
			found = v
		}
		return !found.Exists()
	})
	return found
}

// text returns a member that is a string, else "".
func text(o gjson.Result, name string) string {
	if v := member(o, name); v.Type == gjson.String {
		return v.Str
	}
	return ""
}

// brought is a document as the request has it.
type brought struct {
	block, source gjson.Result
	at            string // its place in the request
	mediaType     string
	title         string // as the caller calls it
	name          string // that of its file, as far as it is known
	data          []byte
}

// document reads one, if that is not left to the model.
func (w *documentWalk) document(b gjson.Result, at string) *canon.Error {
	source := member(b, "source")
	d := &brought{block: b, source: source, at: at, mediaType: text(source, "media_type")}
	for _, name := range []string{"title", "name", "filename"} {
		if d.title == "" {
			d.title = text(b, name)
		}
	}
	d.name = d.title
	var get func(*brought) *canon.Error
	switch text(source, "type") {
	case "base64":
		if w.claude && document.IsPDF(d.mediaType, nil) || text(source, "data") == "" {
			return nil
		}
		get = w.decode
	case "url":
		from, err := url.Parse(text(source, "url"))
		whole := err == nil && from.Host != ""
		if !whole || w.claude && !document.Telling(from.Path) { // what does not say that it is another is a PDF there
			return nil
		}
		if name := path.Base(from.Path); path.Ext(d.name) == "" && name != "/" && name != "." {
			d.name = name
		}
		get = w.fetch
	default:
		return nil
	}
	err := w.read(d, get)
	if err != nil && err.Param == "" {
		placed := *err
		placed.Param = at
		return &placed
	}
	return err
}

// read gets the bytes of a document and puts what the caller's dialect can carry in its place.
func (w *documentWalk) read(d *brought, get func(*brought) *canon.Error) *canon.Error {
	if w.count++; w.count > maxDocuments {
		return canon.Errorf(canon.KindInvalid, "the request has more than %d documents that the gateway has to read", maxDocuments)
	}
	if err := get(d); err != nil {
		return err
	}
	if document.IsPDF(d.mediaType, d.data) {
		return w.pdf(d)
	}
	words, cerr := w.text(d)
	if cerr != nil {
		return cerr
	}
	if !w.claude && member(d.block, "citations").Exists() {
		w.c.unread = append(w.c.unread, canon.LostAt(canon.WhatCitations, d.at+".citations", "a chat's parts of text ask for none"))
	}
	if w.claude {
		return w.put(d.source, append(append([]byte(`{"type":"text","media_type":"text/plain","data":`), jsonedit.Quote(words)...), '}'))
	}
	for _, head := range []string{text(d.block, "context"), d.label()} { // who reads them has no other place for these
		if head != "" {
			words = head + ":\n\n" + words
		}
	}
	return w.put(d.block, d.part(append([]byte(`{"type":"text","text":`), jsonedit.Quote(words)...)))
}

// text returns what a document says, when it is its turn.
func (w *documentWalk) text(d *brought) (string, *canon.Error) {
	select {
	case w.c.h.reading <- struct{}{}:
		defer func() { <-w.c.h.reading }()
	case <-w.c.r.Context().Done():
		return "", &canon.Error{Kind: canon.KindCanceled, Message: "the client closed the request", Cause: w.c.r.Context().Err()}
	}
	words, whole, err := document.Text(d.mediaType, d.name, d.data)
	if err != nil {
		return "", &canon.Error{Kind: canon.KindInvalid, Message: "the document can't be read: " + err.Error(), Cause: err}
	}
	if !whole {
		w.c.unread = append(w.c.unread, canon.ChangedAt(canon.WhatFileData, d.at, "only its text is sent"))
	}
	return words, nil
}

// label is what the model is told the document is called.
func (d *brought) label() string {
	if d.title != "" {
		return d.title
	}
	return d.name
}

// pdf has a model read a PDF.
func (w *documentWalk) pdf(d *brought) *canon.Error {
	if w.claude {
		if text(d.source, "type") == "url" {
			return nil // its URL said something else; the model fetches it as what it is
		}
		return w.put(d.source, append(base64.StdEncoding.AppendEncode([]byte(`{"type":"base64","media_type":"application/pdf","data":"`), d.data), `"}`...))
	}
	name := d.label()
	if name == "" {
		name = "document"
	}
	if !strings.EqualFold(path.Ext(name), ".pdf") {
		name += ".pdf"
	}
	b := append(append([]byte(`{"type":"file","file":{"filename":`), jsonedit.Quote(name)...), `,"file_data":"data:application/pdf;base64,`...)
	return w.put(d.block, d.part(append(base64.StdEncoding.AppendEncode(b, d.data), `"}`...)))
}

// part ends a part of a chat, with the mark for a cache that the document had.
func (d *brought) part(b []byte) []byte {
	if mark := member(d.block, "cache_control"); mark.Exists() {
		b = append(append(b, `,"cache_control":`...), mark.Raw...)
	}
	return append(b, '}')
}

// put notes what stands in place of a value.
func (w *documentWalk) put(v gjson.Result, instead []byte) *canon.Error {
	if w.room -= int64(len(instead) - len(v.Raw)); w.room < 0 {
		return canon.Errorf(canon.KindTooLarge, "with its documents as text the request is over the limit of %d bytes", w.c.h.Settings.MaxBody)
	}
	at := w.offset + v.Index
	w.edits = append(w.edits, jsonedit.Edit{Start: at, End: at + len(v.Raw), New: instead})
	return nil
}

var errDocumentSize = canon.Errorf(canon.KindInvalid, "the document is larger than %d bytes", maxDocument)

// decode takes the bytes of a document from the request.
func (w *documentWalk) decode(d *brought) *canon.Error {
	data := text(d.source, "data")
	if len(data) > 2*maxDocument { // line breaks are in it
		return errDocumentSize
	}
	if strings.ContainsAny(data, "-_") {
		data = strings.NewReplacer("-", "+", "_", "/").Replace(data)
	}
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(data, "=\r\n"))
	switch {
	case err != nil:
		return &canon.Error{Kind: canon.KindInvalid, Message: "the data of the document are not base64", Cause: err}
	case len(raw) > maxDocument:
		return errDocumentSize
	}
	d.data = raw
	return nil
}

// fetch gets the bytes of a document that is named by its URL.
func (w *documentWalk) fetch(d *brought) *canon.Error {
	if w.c.h.FetchDocument == nil {
		return canon.Errorf(canon.KindInvalid, "the document is named by its URL, and the gateway fetches nothing (FETCH_MEDIA is off); send its bytes inline")
	}
	mediaType, data, err := w.c.h.FetchDocument(w.c.r.Context(), text(d.source, "url"), maxDocument)
	if err != nil {
		return err
	}
	if document.IsPDF("", data) || !document.IsPDF(mediaType, nil) { // a server that calls a web page a PDF is not believed
		d.mediaType = mediaType
	} else {
		d.mediaType = ""
	}
	d.data = data
	return nil
}
