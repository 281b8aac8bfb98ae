package sse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// got is a Frame that owns its bytes.
type got struct {
	Event, Data string // "-" if nil
	Comment     bool
	Partial     bool
}

func own(f Frame) got {
	text := func(b []byte) string {
		if b == nil {
			return "-"
		}
		return string(b)
	}
	return got{text(f.Event), text(f.Data), f.Comment, f.Partial}
}

// readAll returns all frames but the empty ones, and all bytes.
func readAll(d *Reader) (frames []got, raw []byte, err error) {
	for {
		f, err := d.Next()
		if err != nil {
			return frames, raw, err
		}
		if g := own(f); g != (got{Event: "-", Data: "-"}) || !blank(f.Raw) {
			frames = append(frames, g)
		}
		raw = append(raw, f.Raw...)
	}
}

func blank(raw []byte) bool { return len(bytes.Trim(raw, "\r\n\xEF\xBB\xBF")) == 0 }

var streams = []struct {
	name, stream string
	want         []got
}{
	{"one", "data: a\n\n", []got{{Event: "-", Data: "a"}}},
	{"named", "event: x\ndata: a\n\nevent: y\ndata: b\n\n", []got{{Event: "x", Data: "a"}, {Event: "y", Data: "b"}}},
	{"CRLF", "event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n", []got{{Event: "x", Data: "a"}, {Event: "-", Data: "b"}}},
	{"CR", "event: x\rdata: a\r\rdata: b\r\r", []got{{Event: "x", Data: "a"}, {Event: "-", Data: "b"}}},
	{"mixed ends", "event: x\r\ndata: a\ndata: b\r\n\ndata: c\n\r\ndata: d\r\r\ndata: e\n\r", []got{
		{Event: "x", Data: "a\nb"}, {Event: "-", Data: "c"}, {Event: "-", Data: "d"}, {Event: "-", Data: "e"},
	}},
	{"many data lines", "data: a\ndata:\ndata:  b\ndata\nid: 7\ndata:c\n\n", []got{{Event: "-", Data: "a\n\n b\n\nc"}}},
	{"no space", "event:x\ndata:{\"a\": 1}\n\n", []got{{Event: "x", Data: `{"a": 1}`}}},
	{"colons in the value", "data: a: b:c\n\n", []got{{Event: "-", Data: "a: b:c"}}},
	{"empty data", "data\n\ndata:\n\ndata: \n\n", []got{{Event: "-"}, {Event: "-"}, {Event: "-"}}},
	{"two empty data lines", "data\ndata\n\n", []got{{Event: "-", Data: "\n"}}},
	{"field without colon", "event\ndata\nretry\nfoo\n\n", []got{{}}},
	{"last event counts", "event: x\nevent: y\ndata: a\n\n", []got{{Event: "y", Data: "a"}}},
	{"similar names", "datum: a\nDATA: b\ndata : c\n data: d\nevents: e\n\n", []got{{Event: "-", Data: "-"}}},
	{"comments", ": OPENROUTER PROCESSING\n\n:\n:x\n\n: c\ndata: a\n\n", []got{
		{Event: "-", Data: "-", Comment: true}, {Event: "-", Data: "-", Comment: true}, {Event: "-", Data: "a"},
	}},
	{"other fields", "id: 1\nretry: 3\n\n: c\nid: 2\n\n", []got{{Event: "-", Data: "-"}, {Event: "-", Data: "-"}}},
	{"blank lines", "\n\r\n\r\rdata: a\n\n\n\n\ndata: b\n\n\n", []got{{Event: "-", Data: "a"}, {Event: "-", Data: "b"}}},
	{"blank lines alone", "\n\r\n\n", nil},
	{"nothing", "", nil},
	{"byte order mark", "\xEF\xBB\xBFdata: a\n\n\xEF\xBB\xBFdata: b\ndata: c\ndata: d\n\n", []got{{Event: "-", Data: "a"}, {Event: "-", Data: "c\nd"}}},
	{"byte order mark, many lines", "\xEF\xBB\xBFdata: a\ndata: b\n\n", []got{{Event: "-", Data: "a\nb"}}},
	{"byte order mark alone", "\xEF\xBB\xBF", nil},
	{"byte order mark, blank", "\xEF\xBB\xBF\n\ndata: a\n\n", []got{{Event: "-", Data: "a"}}},
	{"no blank line", "data: a\n\ndata: [DONE]\n", []got{{Event: "-", Data: "a"}, {Event: "-", Data: "[DONE]", Partial: true}}},
	{"no line end", "event: x\ndata: {\"a\"", []got{{Event: "x", Data: `{"a"`, Partial: true}}},
	{"cut inside a name", "data: a\n\nda", []got{{Event: "-", Data: "a"}, {Event: "-", Data: "-", Partial: true}}},
	{"cut after CR", "data: a\r\ndata: b\r", []got{{Event: "-", Data: "a\nb", Partial: true}}},
	{"cut comment", ": a", []got{{Event: "-", Data: "-", Comment: true, Partial: true}}},
	{"NUL and UTF-8", "data: \x00é中\xff\n\n", []got{{Event: "-", Data: "\x00é中\xff"}}},
}

func TestFrames(t *testing.T) {
	for _, c := range streams {
		frames, raw, err := readAll(NewReader(strings.NewReader(c.stream), 1<<20))
		if diff := cmp.Diff(c.want, frames); diff != "" || string(raw) != c.stream || !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v, raw %q\n%s", c.name, err, raw, diff)
		}
	}
}

// Every stream, split anywhere, has the same frames.
func TestSplits(t *testing.T) {
	for _, c := range streams {
		readers := map[string]io.Reader{
			"byte by byte":   iotest.OneByteReader(strings.NewReader(c.stream)),
			"data with EOF":  iotest.DataErrReader(strings.NewReader(c.stream)),
			"half of a read": iotest.HalfReader(strings.NewReader(c.stream)),
		}
		for i := range len(c.stream) {
			readers[fmt.Sprintf("at %d", i)] = io.MultiReader(strings.NewReader(c.stream[:i]), strings.NewReader(c.stream[i:]))
		}
		for how, r := range readers {
			frames, raw, err := readAll(NewReader(r, 1<<20))
			if diff := cmp.Diff(c.want, frames); diff != "" || string(raw) != c.stream || !errors.Is(err, io.EOF) {
				t.Errorf("%s, %s: %v, raw %q\n%s", c.name, how, err, raw, diff)
			}
		}
	}
}

// steps is a reader that returns one string a read, and fails the test when it is read once too often.
type steps struct {
	t     *testing.T
	parts []string
	err   error
}

func (s *steps) Read(p []byte) (int, error) {
	if len(s.parts) == 0 {
		if s.err == nil {
			s.t.Error("read though a complete frame was there")
			return 0, io.EOF
		}
		return 0, s.err
	}
	n := copy(p, s.parts[0])
	if s.parts[0] = s.parts[0][n:]; s.parts[0] == "" {
		s.parts = s.parts[1:]
	}
	return n, nil
}

func TestDoesNotWait(t *testing.T) {
	for _, first := range []string{"data: a\n\n", "data: a\r\n\r\n", "data: a\r\n\r", "data: a\r\r", ": c\n\n", "\n", "\r", "data: a\n\r"} {
		d := NewReader(&steps{t: t, parts: []string{first}}, 1<<10)
		if f, err := d.Next(); err != nil || string(f.Raw) != first {
			t.Errorf("%q: got %q, %v", first, f.Raw, err)
		}
	}
}

func TestBuffered(t *testing.T) {
	d := NewReader(&steps{t: t, err: io.EOF, parts: []string{"data: a\ndata: A\n\ndata: b\ndata: B\n\ndata: c\r\n\r", "\ndata: d\n\nda", "ta: e\n"}}, 1<<10)
	for i, want := range []struct {
		data     string
		buffered bool
	}{{"a\nA", true}, {"b\nB", true}, {"c", false}, {"d", false}, {"e", false}} {
		f, err := d.Next()
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Buffered(); got != want.buffered || string(f.Data) != want.data { // Data after Buffered: it must still be valid
			t.Errorf("frame %d: %q, Buffered() = %v, want %q, %v", i, f.Data, got, want.data, want.buffered)
		}
	}
	if _, err := d.Next(); !errors.Is(err, io.EOF) || d.Buffered() {
		t.Errorf("in the end: %v, Buffered() = %v", err, d.Buffered())
	}
}

func TestBrokenStream(t *testing.T) {
	broken := errors.New("connection reset")
	d := NewReader(&steps{t: t, err: broken, parts: []string{"data: a\n\ndata: b"}}, 1<<10)
	frames, raw, err := readAll(d)
	want := []got{{Event: "-", Data: "a"}, {Event: "-", Data: "b", Partial: true}}
	if diff := cmp.Diff(want, frames); diff != "" || !errors.Is(err, broken) || string(raw) != "data: a\n\ndata: b" {
		t.Errorf("%v, %q\n%s", err, raw, diff)
	}
	if _, err := d.Next(); !errors.Is(err, broken) {
		t.Errorf("the error does not stay: %v", err)
	}
	if _, err := NewReader(iotest.ErrReader(broken), 1<<10).Next(); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestNoProgress(t *testing.T) {
	if _, err := NewReader(idle{}, 1<<10).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v", err)
	}
}

func TestLimit(t *testing.T) {
	const limit = 10_000
	event := func(size int) string { return "data: " + strings.Repeat("x", size-8) + "\n\n" }
	for _, read := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader} {
		d := NewReader(read(strings.NewReader("data: a\n\n"+event(limit)+event(limit)+event(limit+1)+"data: b\n\n")), limit)
		for range 3 {
			if _, err := d.Next(); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // and the error stays
			_, err := d.Next()
			if e := (*TooLongError)(nil); !errors.As(err, &e) || e.Limit != limit || d.Buffered() {
				t.Fatalf("got %v", err)
			}
		}
	}
	// What never ends is not read beyond the limit.
	endless := &counter{}
	if _, err := NewReader(endless, limit).Next(); err == nil || endless.n > limit+1 {
		t.Errorf("%v after %d bytes", err, endless.n)
	}
}

type counter struct{ n int }

func (c *counter) Read(p []byte) (int, error) {
	c.n += len(p)
	return len(p), nil
}

func TestBufferShrinks(t *testing.T) {
	d := NewReader(&steps{t: t, err: io.EOF, parts: []string{"data: a\n\n", "data: " + strings.Repeat("x", 1<<20) + "\n", "data: y\n\n", "data: b\n\n", "data: c\n\n"}}, 2<<20)
	var sizes []int
	for {
		f, err := d.Next()
		if err != nil {
			break
		}
		sizes = append(sizes, len(d.buf)+cap(d.join))
		_ = f
	}
	if len(sizes) != 4 || sizes[0] > smallBuffer || sizes[1] < 1<<20 || sizes[2] > smallBuffer || sizes[3] > smallBuffer {
		t.Errorf("buffer sizes after each frame: %v", sizes)
	}
}

func TestPool(t *testing.T) {
	var p Pool
	for i := range 3 {
		d := p.Get(strings.NewReader(streams[4].stream), 1<<10)
		frames, _, err := readAll(d)
		if diff := cmp.Diff(streams[4].want, frames); diff != "" || !errors.Is(err, io.EOF) {
			t.Errorf("use %d: %v\n%s", i, err, diff)
		}
		p.Put(d)
	}
}

func FuzzReader(f *testing.F) {
	for _, c := range streams {
		f.Add([]byte(c.stream), uint8(3))
	}
	f.Fuzz(func(t *testing.T, stream []byte, piece uint8) {
		whole, raw, err := readAll(NewReader(bytes.NewReader(stream), 1<<20))
		if !errors.Is(err, io.EOF) || !bytes.Equal(raw, stream) {
			t.Fatalf("whole: %v, raw %q", err, raw)
		}
		frames, raw, err := readAll(NewReader(&pieces{stream, int(piece%17) + 1}, 1<<20))
		if diff := cmp.Diff(whole, frames); diff != "" || !errors.Is(err, io.EOF) || !bytes.Equal(raw, stream) {
			t.Fatalf("pieces of %d: %v, raw %q\n%s", piece%17+1, err, raw, diff)
		}
	})
}

type pieces struct {
	b []byte
	n int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.b[:min(p.n, len(p.b))])
	p.b = p.b[n:]
	return n, nil
}

func BenchmarkStream(b *testing.B) {
	var stream []byte
	for i := range 200 {
		stream = fmt.Appendf(stream, `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"word %d"},"finish_reason":null}]}`+"\n\n", i)
	}
	run := func(b *testing.B, piece int) {
		var pool Pool
		b.ReportAllocs()
		b.SetBytes(int64(len(stream)))
		for b.Loop() {
			d := pool.Get(&pieces{stream, piece}, 1<<20)
			n := 0
			for {
				f, err := d.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
				n += len(f.Data)
			}
			if n == 0 {
				b.Fatal("no data")
			}
			pool.Put(d)
		}
	}
	b.Run("at once", func(b *testing.B) { run(b, len(stream)) })
	b.Run("an event a read", func(b *testing.B) { run(b, len(stream)/200) })
}
