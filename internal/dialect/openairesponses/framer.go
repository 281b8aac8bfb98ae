package openairesponses

import (
	"bytes"
	"cmp"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
)

// NewFramer returns a framer that passes frames on as they are; what breaks them off goes on with their numbers and has
// the id of their response.
func (*Protocol) NewFramer(head dialect.Head) dialect.Framer { return &framer{head: head} }

type framer struct {
	head  dialect.Head
	began bool
	id    string // of the response, by its first event
	next  int64  // sequence number
}

func (*framer) ContentType() []string { return dialect.EventStream() }

// Append appends a frame and notes its number.
func (f *framer) Append(dst, raw, data []byte) []byte {
	if !f.began && len(data) > 0 { // comments have none
		f.began, f.id = true, gjson.GetBytes(data, "response.id").String()
	}
	f.next = max(f.next, sequenceAfter(data))
	return append(dst, raw...)
}

func (*framer) Close(dst []byte) []byte { return dst }

func (f *framer) Fail(dst []byte, e *canon.Error) []byte {
	return appendStreamError(dst, cmp.Or(f.head.StoredID, f.id), f.next, e)
}

// maxSequence is more than any stream has events.
const maxSequence = 1 << 40

// sequenceAfter returns the number that follows that of an event; 0 if it has none. The event is not parsed: within a
// string the quotes of a name are escaped, and what has the name further down, as a schema may, holds no number.
func sequenceAfter(data []byte) (next int64) {
	name := []byte(`"sequence_number":`)
	for {
		at := bytes.Index(data, name)
		if at < 0 {
			return next
		}
		data = bytes.TrimLeft(data[at+len(name):], " ")
		var n int64
		digits := 0
		for ; digits < len(data) && '0' <= data[digits] && data[digits] <= '9' && n < maxSequence; digits++ {
			n = 10*n + int64(data[digits]-'0')
		}
		if digits > 0 && n < maxSequence {
			next = max(next, n+1)
		}
	}
}
