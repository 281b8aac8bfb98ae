package anthropic

import (
	"strconv"

	"tollgate/internal/jsonedit"
)

// blockWriter writes blocks one after the other: as events, or gathered for the body.
type blockWriter struct {
	stream bool
	next   int  // index of the next block
	signed bool // the block that is open has its signature

	whole                 []byte // the blocks so far
	text, signature, args []byte // of the block that is open, in a whole answer
	citations             []byte
}

func (o *blockWriter) open(dst []byte, b *block) []byte {
	o.signed = false
	if !o.stream {
		o.text, o.signature, o.args, o.citations = o.text[:0], o.signature[:0], nil, o.citations[:0]
		return dst
	}
	dst = append(dst, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":"...)
	dst = strconv.AppendInt(dst, int64(o.next), 10)
	dst = append(dst, `,"content_block":`...)
	switch b.kind {
	case blockText:
		dst = append(dst, `{"type":"text","text":""}`...)
	case blockThinking:
		dst = append(dst, `{"type":"thinking","thinking":"","signature":""}`...)
	case blockTool:
		dst = appendCall(dst, b, nil)
	case blockRaw:
		dst = appendLine(dst, b.raw)
	}
	dst = append(dst, "}\n\n"...)
	if b.input != "" {
		dst = o.delta(dst, deltaInput, b.input)
	}
	return dst
}

// appendLine appends JSON without line breaks, which would end a field of an event. In JSON they stand only
// between tokens.
func appendLine(dst []byte, raw string) []byte {
	for i := range len(raw) {
		if c := raw[i]; c != '\n' && c != '\r' {
			dst = append(dst, c)
		}
	}
	return dst
}

// appendCall appends a tool_use block; in a stream its input follows.
func appendCall(dst []byte, b *block, input []byte) []byte {
	dst = append(dst, `{"type":"tool_use","id":`...)
	dst = jsonedit.AppendQuoted(dst, b.id)
	dst = append(dst, `,"name":`...)
	dst = jsonedit.AppendQuoted(dst, b.name)
	dst = append(dst, `,"input":`...)
	if input == nil {
		dst = append(dst, "{}"...)
	}
	dst = append(dst, input...)
	return append(dst, '}')
}

func (o *blockWriter) delta(dst []byte, kind deltaKind, text string) []byte {
	o.signed = o.signed || kind == deltaSignature
	if !o.stream {
		switch kind {
		case deltaText, deltaThinking:
			o.text = append(o.text, text...)
		case deltaSignature:
			o.signature = append(o.signature, text...)
		case deltaInput:
			o.args = append(o.args, text...)
		case deltaCitation:
			if len(o.citations) > 0 {
				o.citations = append(o.citations, ',')
			}
			o.citations = append(o.citations, text...)
		}
		return dst
	}
	dst = append(dst, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"...)
	dst = strconv.AppendInt(dst, int64(o.next), 10)
	switch kind {
	case deltaText:
		dst = append(dst, `,"delta":{"type":"text_delta","text":`...)
	case deltaThinking:
		dst = append(dst, `,"delta":{"type":"thinking_delta","thinking":`...)
	case deltaSignature:
		dst = append(dst, `,"delta":{"type":"signature_delta","signature":`...)
	case deltaInput:
		dst = append(dst, `,"delta":{"type":"input_json_delta","partial_json":`...)
	case deltaCitation:
		dst = append(dst, `,"delta":{"type":"citations_delta","citation":`...)
		dst = appendLine(dst, text)
		return append(dst, "}}\n\n"...)
	}
	dst = jsonedit.AppendQuoted(dst, text)
	return append(dst, "}}\n\n"...)
}

func (o *blockWriter) close(dst []byte, b *block) []byte {
	if o.stream {
		dst = append(dst, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":"...)
		dst = strconv.AppendInt(dst, int64(o.next), 10)
		o.next++
		return append(dst, "}\n\n"...)
	}
	if o.next++; o.next > 1 {
		o.whole = append(o.whole, ',')
	}
	switch b.kind {
	case blockText:
		o.whole = append(o.whole, `{"type":"text","text":`...)
		o.whole = jsonedit.AppendQuoted(o.whole, string(o.text))
		if len(o.citations) > 0 {
			o.whole = append(o.whole, `,"citations":[`...)
			o.whole = append(o.whole, o.citations...)
			o.whole = append(o.whole, ']')
		}
		o.whole = append(o.whole, '}')
	case blockThinking:
		o.whole = append(o.whole, `{"type":"thinking","thinking":`...)
		o.whole = jsonedit.AppendQuoted(o.whole, string(o.text))
		o.whole = append(o.whole, `,"signature":`...)
		o.whole = jsonedit.AppendQuoted(o.whole, string(o.signature))
		o.whole = append(o.whole, '}')
	case blockTool:
		o.whole = appendCall(o.whole, b, o.args)
	case blockRaw:
		o.whole = append(o.whole, withInput(b.raw, b.input)...)
	}
	return dst
}

func (o *blockWriter) ping(dst []byte) []byte {
	if !o.stream {
		return dst
	}
	return append(dst, "event: ping\ndata: {\"type\":\"ping\"}\n\n"...)
}
