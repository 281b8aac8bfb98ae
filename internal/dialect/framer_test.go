package dialect_test

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/gemini"
	"tollgate/internal/dialect/openaichat"
)

// Of a stream of events, the client gets the very bytes; only a failure adds something.
func TestStreamKeepsItsBytes(t *testing.T) {
	frames := []string{": hello\n\n", "event: a\r\ndata: {\"x\" : 1}\r\n\r\n", "data: one\ndata: two\n\n", "data: [DONE]\n\n"}
	for _, p := range []dialect.Serving{openaichat.New(), anthropic.New(), gemini.New()} {
		head := dialect.Head{Op: canon.OpGenerate, Stream: true, Framing: dialect.FramingSSE}
		f := dialect.NewFramer(p, head)
		if got := f.ContentType(); len(got) != 1 || !strings.HasPrefix(got[0], "text/event-stream") {
			t.Errorf("%s: %q", p.Dialect(), got)
		}
		dst := []byte("before")
		for _, frame := range frames {
			dst = f.Append(dst, []byte(frame), []byte("not this"))
		}
		whole := "before" + strings.Join(frames, "")
		if got := string(f.Close(dst)); got != whole {
			t.Errorf("%s: %q", p.Dialect(), got)
		}
		e := canon.Errorf(canon.KindUpstream, "it broke")
		broken := string(f.Fail(bytes.Clone(dst), e))
		if added, ok := strings.CutPrefix(broken, whole); !ok || added != string(p.AppendStreamError(nil, head, e)) || !strings.Contains(added, "it broke") {
			t.Errorf("%s: %q", p.Dialect(), broken)
		}
	}
}

// The array is valid JSON however many elements it has, and tells a failure in its last one.
func TestArrayIsJSON(t *testing.T) {
	head := dialect.Head{Op: canon.OpGenerate, Stream: true, Framing: dialect.FramingJSONArray}
	for n := range 4 {
		for _, fails := range []bool{false, true} {
			f := dialect.NewFramer(gemini.New(), head)
			if got := f.ContentType(); len(got) != 1 || !strings.HasPrefix(got[0], "application/json") {
				t.Errorf("%q", got)
			}
			var dst []byte
			for i := range n {
				dst = f.Append(dst, []byte(": a comment\n\n"), nil)
				data := `{"i": ` + strconv.Itoa(i) + `}`
				dst = f.Append(dst, []byte("data: "+data+"\r\n\r\n"), []byte(data))
				if !bytes.HasSuffix(dst, []byte(data)) {
					t.Errorf("%q is not there at once: %q", data, dst)
				}
			}
			if json.Valid(dst) {
				t.Errorf("cut off, it looks whole: %q", dst)
			}
			want := n
			if fails {
				dst = f.Fail(dst, canon.Errorf(canon.KindUpstream, "it \"broke\"\n"))
				want++
			} else {
				dst = f.Close(dst)
			}
			var got []struct {
				I     int
				Error *struct{ Message string }
			}
			if err := json.Unmarshal(dst, &got); err != nil || len(got) != want {
				t.Fatalf("%d elements, fails %v: %v in %q", n, fails, err, dst)
			}
			for i, el := range got {
				if broken := fails && i == n; broken != (el.Error != nil) || !broken && el.I != i {
					t.Errorf("element %d of %q", i, dst)
				}
			}
			if fails && !strings.Contains(got[n].Error.Message, `it "broke"`) {
				t.Errorf("%q", dst)
			}
		}
	}
}
