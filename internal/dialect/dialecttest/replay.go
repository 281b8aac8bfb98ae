package dialecttest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/sse"
)

// maxFrame bounds one event of a replayed stream, as relay does.
const maxFrame = 16 << 20

// answers checks the answers to head, streamed and whole.
func (g *golden) answers(head dialect.Head) {
	stream, streamed := g.input("stream.sse")
	whole, plain := g.input("answer.json")
	if streamed {
		head.Stream = true
		if head.Framing == dialect.FramingNone {
			head.Framing = dialect.FramingSSE
		}
		text, events, err := replay(g.p, head, strings.NewReader(stream))
		if err != nil {
			text += "broken: " + err.Error() + "\n"
		}
		g.check("stream.events", text)
		g.check("meter", dump(measure(events)))
		g.cut(head, stream, text)
	}
	if plain {
		head.Stream, head.Framing = false, dialect.FramingNone
		r := g.p.NewReader(head)
		events, err := r.Read("", []byte(strings.TrimSuffix(whole, "\n")), nil)
		text := lines(events)
		if err != nil {
			text += "broken: " + err.Error() + "\n"
		}
		if r.Hidden() {
			g.t.Error("a whole answer is hidden from the client")
		}
		text += wholeness(r)
		g.check("answer.events", text)
		g.check("meter", dump(measure(events))) // the same golden as the stream's
	}
}

// cut replays stream a byte at a time, and in two pieces for every place to cut it.
func (g *golden) cut(head dialect.Head, stream, want string) {
	compare := func(how string, r io.Reader) bool {
		got, _, err := replay(g.p, head, r)
		if err != nil {
			got += "broken: " + err.Error() + "\n"
		}
		if got != want {
			g.t.Errorf("%s the stream reads differently (-whole +cut):\n%s", how, cmp.Diff(want, got))
		}
		return got == want
	}
	if !compare("a byte at a time", iotest.OneByteReader(strings.NewReader(stream))) {
		return
	}
	step := 1 + len(stream)/4096 // every place of a short stream, some of a long one
	for i := 1; i < len(stream); i += step {
		if !compare(fmt.Sprintf("cut at byte %d", i), io.MultiReader(strings.NewReader(stream[:i]), strings.NewReader(stream[i:]))) {
			return
		}
	}
}

// replay reads a stream and returns its events, as text and as values. The frames that the reader
// hides are marked.
func replay(p dialect.Protocol, head dialect.Head, r io.Reader) (string, []canon.Event, error) {
	frames := sse.NewReader(r, maxFrame)
	reader := p.NewReader(head)
	var all []canon.Event
	var text strings.Builder
	for {
		f, err := frames.Next()
		if errors.Is(err, io.EOF) {
			text.WriteString(wholeness(reader))
			return text.String(), all, nil
		}
		if err != nil {
			return text.String(), all, err
		}
		if f.Data == nil {
			continue // a comment or a blank line
		}
		data := bytes.Clone(f.Data)
		events, err := reader.Read(string(f.Event), data, nil)
		for i := range data {
			data[i] = '#' // events must own their memory
		}
		if reader.Hidden() {
			text.WriteString("hidden frame\n")
		}
		text.WriteString(lines(events))
		all = append(all, events...)
		if err != nil {
			return text.String(), all, err
		}
		if len(events) > 0 || reader.Hidden() {
			text.WriteString("\n")
		}
	}
}

// wholeness says whether the end of the bytes is the end of the answer.
func wholeness(r dialect.Reader) string {
	if r.Complete() {
		return "complete\n"
	}
	return "not complete\n"
}
