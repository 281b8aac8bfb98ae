package dialect

import "tollgate/internal/canon"

// Framer frames a streamed answer to the client. An upstream always streams server-sent events.
type Framer interface {
	// ContentType is the value of the answer's Content-Type header.
	ContentType() []string
	// Append appends a frame as the client gets it; raw is the whole SSE frame, data its data.
	Append(dst, raw, data []byte) []byte
	// Close appends what ends a whole answer.
	Close(dst []byte) []byte
	// Fail appends what ends a broken one, so that it can't be taken for whole.
	Fail(dst []byte, e *canon.Error) []byte
}

// OwnFramer is a Serving whose streams end in words that depend on what was passed on before.
type OwnFramer interface {
	Serving

	// NewFramer returns a framer of server-sent events.
	NewFramer(head Head) Framer
}

// NewFramer returns the framer of a call.
func NewFramer(p Serving, head Head) Framer {
	if head.Framing == FramingJSONArray {
		return &arrayFramer{p: p, head: head}
	}
	if own, ok := p.(OwnFramer); ok {
		return own.NewFramer(head)
	}
	return sseFramer{p: p, head: head}
}

// sseFramer passes frames on as they are.
type sseFramer struct {
	p    Serving
	head Head
}

func (sseFramer) ContentType() []string            { return EventStream() }
func (sseFramer) Append(dst, raw, _ []byte) []byte { return append(dst, raw...) }
func (sseFramer) Close(dst []byte) []byte          { return dst }
func (f sseFramer) Fail(dst []byte, e *canon.Error) []byte {
	return f.p.AppendStreamError(dst, f.head, e)
}

// arrayFramer writes frames as the elements of one JSON array, each as soon as it is there.
type arrayFramer struct {
	p    Serving
	head Head
	n    int
}

func (*arrayFramer) ContentType() []string { return jsonArray }

func (f *arrayFramer) Append(dst, _, data []byte) []byte {
	if len(data) == 0 {
		return dst // a comment keeps the connection alive and means nothing
	}
	return append(f.next(dst), data...)
}

func (f *arrayFramer) next(dst []byte) []byte {
	f.n++
	if f.n == 1 {
		return append(dst, '[')
	}
	return append(dst, ",\r\n"...)
}

func (f *arrayFramer) Close(dst []byte) []byte {
	if f.n == 0 {
		dst = append(dst, '[')
	}
	return append(dst, ']')
}

func (f *arrayFramer) Fail(dst []byte, e *canon.Error) []byte {
	return append(f.p.AppendStreamError(f.next(dst), f.head, e), ']')
}

// Ping returns what a client of a dialect may be sent at any time after the first event of a stream, to tell it that the
// stream goes on; "" where it is sent nothing. Comments are part of every event stream, but the SDKs of Google
// for Go and JavaScript take them for an error, and its API sends none (google.golang.org/genai v1.77.0, api_client.go).
func Ping(d canon.Dialect, framing Framing) string {
	switch {
	case framing != FramingSSE || d == canon.Gemini:
		return ""
	case d == canon.Anthropic:
		return "event: ping\ndata: {\"type\":\"ping\"}\n\n"
	default:
		return ": ping\n\n"
	}
}

// EventStream is the Content-Type of server-sent events.
func EventStream() []string { return eventStream }

var (
	eventStream = []string{"text/event-stream; charset=utf-8"}
	jsonArray   = []string{"application/json; charset=UTF-8"}
)
