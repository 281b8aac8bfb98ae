package gemini

import (
	"tollgate/internal/canon"
	"tollgate/internal/dialect"
)

// Framer frames a streamed answer for the client. Upstreams are always asked for server-sent events; a
// client that did not ask for alt=sse gets their data as the elements of one JSON array, written piece
// by piece. The zero value is not ready, NewFramer makes one for each answer.
type Framer struct {
	array    bool
	elements int // written so far, of an array
}

var (
	contentSSE  = []string{"text/event-stream"}
	contentJSON = []string{"application/json; charset=UTF-8"}
)

// NewFramer returns a framer for the answer to head.
func (*Protocol) NewFramer(head dialect.Head) *Framer {
	return &Framer{array: head.Framing == dialect.FramingJSONArray}
}

// ContentType returns the value of the header. It is shared and must not be changed.
func (f *Framer) ContentType() []string {
	if f.array {
		return contentJSON
	}
	return contentSSE
}

// Append appends one event of the upstream: raw as it came for server-sent events, else data, its
// payload, as the next element. An event without data is no element.
func (f *Framer) Append(dst, raw, data []byte) []byte {
	if !f.array {
		return append(dst, raw...)
	}
	if len(data) == 0 {
		return dst
	}
	if f.elements == 0 {
		dst = append(dst, '[')
	} else {
		dst = append(dst, ",\r\n"...) // as Google separates them
	}
	f.elements++
	return append(dst, data...)
}

// Close appends the end of a whole answer.
func (f *Framer) Close(dst []byte) []byte {
	switch {
	case !f.array:
		return dst
	case f.elements == 0:
		return append(dst, "[]"...)
	}
	return append(dst, ']')
}

// AppendStreamError appends e as the last event, or as the last element and the end of the array. For
// an array, at least one element must have been written: before that not a byte has left, the status
// line is still free, and WriteError is the answer.
func (*Protocol) AppendStreamError(dst []byte, head dialect.Head, e *canon.Error) []byte {
	if head.Framing == dialect.FramingJSONArray {
		f := Framer{array: true, elements: 1}
		return f.Close(f.Append(dst, nil, appendError(nil, e)))
	}
	dst = append(dst, "data: "...)
	dst = appendError(dst, e)
	return append(dst, "\n\n"...)
}
