package crosstest_test

import (
	"encoding/json"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/jsonedit"
)

// maxDepth is the nesting that the gateway takes of a client.
const maxDepth = 256

// FuzzTranslate feeds what the scan lets through to the dialect numbered by from: whatever it reads, every
// dialect writes as JSON that it reads itself, with losses that can be named, or refuses.
func FuzzTranslate(f *testing.F) {
	goldens(f, "client.json", func(i int, _ string, raw []byte) { f.Add(byte(i), raw) })
	all := sides()
	f.Fuzz(func(t *testing.T, from byte, raw []byte) {
		if _, err := jsonedit.Scan(raw, maxDepth); err != nil {
			return
		}
		a := all[int(from)%len(all)]
		for _, stream := range []bool{false, true} {
			asked, err := crosstest.Read(a, raw, stream)
			if err != nil {
				return
			}
			if r, ok := a.(dialect.Refuser); ok && r.Refuse(canon.OpGenerate, asked) != nil {
				return
			}
			for _, b := range all {
				over, lost, cerr := b.WriteRequest(asked, crosstest.Target(stream))
				if cerr != nil {
					if cerr.Kind == "" || cerr.Message == "" {
						t.Fatalf("%s refuses without a word: %+v", b.Dialect(), cerr)
					}
					if a.Dialect() != b.Dialect() && cerr.Kind == canon.KindInternal {
						t.Fatalf("%s calls the caller's mistake its own: %v\n%s", b.Dialect(), cerr, raw)
					}
					continue
				}
				if _, err := jsonedit.Scan(over, 2*maxDepth); err != nil {
					t.Fatalf("%s writes what no gateway would take: %v\nsent %s\nover %s", b.Dialect(), err, raw, over)
				}
				if _, err := crosstest.Read(b, over, stream); err != nil {
					t.Fatalf("%s can't read what it wrote: %v\nsent %s\nover %s", b.Dialect(), err, raw, over)
				}
				for _, l := range lost {
					if l.What == "" || l.Kind == "" {
						t.Fatalf("%s loses something without a name: %+v", b.Dialect(), l)
					}
				}
			}
		}
	})
}

// FuzzAnswer feeds bytes to the reader of the dialect numbered by from, as a stream and as a whole answer:
// whatever it reads, every dialect writes as an answer that its own clients can read.
func FuzzAnswer(f *testing.F) {
	goldens(f, "stream.sse", func(i int, _ string, raw []byte) { f.Add(byte(i), true, raw) })
	goldens(f, "answer.json", func(i int, _ string, raw []byte) { f.Add(byte(i), false, raw) })
	all := sides()
	asked := &canon.Request{Model: "m", Tools: []canon.Tool{{Name: "tool_0"}, {Name: "tool_1", Custom: true}}}
	f.Fuzz(func(t *testing.T, from byte, stream bool, raw []byte) {
		b := all[int(from)%len(all)]
		events, err := crosstest.ReadAnswer(b, stream, raw, 0)
		if len(events) == 0 {
			return
		}
		broken := err != nil
		for _, a := range all {
			for _, streamed := range []bool{false, true} {
				if broken && !streamed {
					continue
				}
				theirs := *asked
				theirs.Origin = a.Dialect()
				checkAnswer(t, a, b, &theirs, streamed, broken, events)
			}
		}
	})
}

// checkAnswer writes events of b for a client of a as the relay does, and reads them as that client.
func checkAnswer(t *testing.T, a, b crosstest.Side, asked *canon.Request, stream, broken bool, events []canon.Event) {
	t.Helper()
	w := a.NewWriter(crosstest.Answer(asked, b.Dialect(), stream))
	var out []byte
	for _, e := range events {
		if _, failed := e.(canon.Failed); failed {
			broken = true
			break
		}
		out = w.Write(out, e)
		if _, ended := e.(canon.Ended); ended {
			break
		}
	}
	switch {
	case broken && !stream:
		return // none of it leaves
	case broken:
		out = w.Fail(out, canon.Errorf(canon.KindUpstream, "the upstream broke"))
	default:
		out = w.Close(out)
	}
	if !stream && !json.Valid(out) {
		t.Fatalf("%s writes no JSON: %s", a.Dialect(), out)
	}
	got, err := crosstest.ReadAnswer(a, stream, out, 0)
	told := crosstest.Collect(got)
	if broken {
		if err == nil && told.Failed == nil {
			t.Fatalf("%s over %s: a broken answer reads as whole:\n%s", a.Dialect(), b.Dialect(), out)
		}
	} else if err != nil {
		t.Fatalf("%s over %s: stream %v: what it wrote can't be read: %v\nevents %#v\n%s", a.Dialect(), b.Dialect(), stream, err, events, out)
	}
	for _, l := range w.Losses() {
		if l.What == "" || l.Kind == "" {
			t.Fatalf("%s loses something without a name: %+v", a.Dialect(), l)
		}
	}
}
