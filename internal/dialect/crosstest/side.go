package crosstest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/sse"
)

// Side is a dialect that stands on either side of a translated call.
type Side interface {
	dialect.Protocol
	dialect.Translator
}

// Target is what a request is written for in these tests.
func Target(stream bool) dialect.Target {
	return dialect.Target{Op: canon.OpGenerate, Model: "m", Stream: stream, MaxOutput: 16384}
}

// Read reads a request as the relay does.
func Read(s Side, raw []byte, stream bool) (*canon.Request, error) {
	req, err := s.ReadRequest(canon.OpGenerate, raw)
	if err != nil {
		return nil, err
	}
	req.Origin, req.Model, req.Stream = s.Dialect(), "m", stream
	canon.Pair(req)
	return req, nil
}

// Head is the head of a call, as a client of any dialect makes it.
func Head(stream bool) dialect.Head {
	h := dialect.Head{Op: canon.OpGenerate, Model: "m", Stream: stream, Choices: 1, IncludeUsage: true}
	if stream {
		h.Framing = dialect.FramingSSE
	}
	return h
}

// Answer is the frame of an answer to asked, read from an upstream of the dialect origin.
func Answer(asked *canon.Request, origin canon.Dialect, stream bool) dialect.Answer {
	return dialect.Answer{
		Head: Head(stream), Request: asked, ID: "0193f0a0-0000-7000-8000-000000000000", Model: "m", Origin: origin, Created: time.Unix(1_790_000_000, 0),
	}
}

// WriteAnswer writes an answer to a client of s.
func WriteAnswer(s Side, asked *canon.Request, origin canon.Dialect, stream bool, events []canon.Event) ([]byte, []canon.Loss) {
	w := s.NewWriter(Answer(asked, origin, stream))
	var out []byte
	for _, e := range events {
		out = w.Write(out, e)
	}
	out = w.Close(out)
	return out, w.Losses()
}

// ReadAnswer reads an answer of an upstream that speaks s, cut into pieces of n bytes (0: in one).
func ReadAnswer(s Side, stream bool, raw []byte, n int) ([]canon.Event, error) {
	r := s.NewReader(Head(stream))
	if !stream {
		return r.Read("", raw, nil)
	}
	var pool sse.Pool
	frames := pool.Get(pieces(raw, n), 64<<20)
	defer pool.Put(frames)
	var out []canon.Event
	for {
		f, err := frames.Next()
		if errors.Is(err, io.EOF) {
			if !r.Complete() {
				return out, fmt.Errorf("the stream ends before the answer does: %w", io.ErrUnexpectedEOF)
			}
			return out, nil
		}
		if err != nil {
			return out, err
		}
		if out, err = r.Read(string(f.Event), f.Data, out); err != nil {
			return out, err
		}
	}
}

// pieces returns a reader of raw that gives n bytes at a time.
func pieces(raw []byte, n int) io.Reader {
	if n <= 0 {
		return bytes.NewReader(raw)
	}
	return &chopped{rest: raw, n: n}
}

type chopped struct {
	rest []byte
	n    int
}

func (c *chopped) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(c.n, len(p))], c.rest)
	c.rest = c.rest[n:]
	return n, nil
}
