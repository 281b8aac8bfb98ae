package openairesponses

import (
	"strconv"

	"tollgate/internal/canon"
)

// countWriter writes the count of a request's tokens.
type countWriter struct{ n int64 }

func (*countWriter) ContentType() []string { return []string{"application/json"} }

func (w *countWriter) Write(dst []byte, e canon.Event) []byte {
	if u, ok := e.(canon.Used); ok {
		w.n = u.Usage.In()
	}
	return dst
}

func (w *countWriter) Close(dst []byte) []byte {
	dst = append(dst, `{"object":"response.input_tokens","input_tokens":`...)
	dst = strconv.AppendInt(dst, w.n, 10)
	return append(dst, '}')
}

func (*countWriter) Fail(dst []byte, _ *canon.Error) []byte { return dst }

func (*countWriter) Losses() []canon.Loss { return nil }
