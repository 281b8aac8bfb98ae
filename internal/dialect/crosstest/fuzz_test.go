package crosstest_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/jsonedit"
)

// maxDepth is the nesting that the gateway takes of a client.
const maxDepth = 256

// translated are the operations that one dialect can do for another, by their numbers in the seeds.
var translated = [...]canon.Op{canon.OpGenerate, canon.OpComplete, canon.OpEmbed, canon.OpBatchEmbed, canon.OpCountTokens}

// ops returns what a client of s may ask for and another dialect may answer.
func ops(s crosstest.Side) []canon.Op {
	switch s.Dialect() {
	case canon.OpenAIChat:
		return []canon.Op{canon.OpGenerate, canon.OpComplete, canon.OpEmbed}
	case canon.Gemini:
		return []canon.Op{canon.OpGenerate, canon.OpEmbed, canon.OpBatchEmbed, canon.OpCountTokens}
	default:
		return []canon.Op{canon.OpGenerate, canon.OpCountTokens}
	}
}

// standIn returns the operation by which b answers a client's op; "" if it can't. See pool.
func standIn(b crosstest.Side, op canon.Op) canon.Op {
	switch op {
	case canon.OpComplete:
		return canon.OpGenerate
	case canon.OpEmbed, canon.OpBatchEmbed:
		if op = canon.OpEmbed; b.Dialect() == canon.Gemini {
			op = canon.OpBatchEmbed
		}
	default:
	}
	if !slices.Contains(ops(b), op) {
		return ""
	}
	return op
}

// opByte returns the number of op in translated.
func opByte(op canon.Op) byte { return byte(slices.Index(translated[:], op)) }

// others are the operations of s that a golden file concerns beside OpGenerate, as its name says.
func others(s crosstest.Side, file string) (out []canon.Op) {
	for _, op := range ops(s)[1:] {
		for _, word := range [...]string{"embed", "complet", "count", "tokens", "text", "plain"} {
			if strings.Contains(file, word) {
				out = append(out, op)
				break
			}
		}
	}
	return out
}

// read reads a request for op as the relay does.
func read(s crosstest.Side, op canon.Op, raw []byte, stream bool) (*canon.Request, error) {
	req, err := s.ReadRequest(op, raw)
	if err != nil {
		return nil, err
	}
	req.Origin, req.Model, req.Stream = s.Dialect(), "m", stream
	canon.Pair(req)
	return req, nil
}

// FuzzTranslate feeds what the scan lets through to the dialect numbered by from, as a request for the operation
// numbered by op: whatever it reads, every dialect that can stand in writes as JSON that it reads itself, with
// losses that can be named, or refuses.
func FuzzTranslate(f *testing.F) {
	all := sides()
	goldens(f, "client.json", func(i int, file string, raw []byte) {
		f.Add(byte(i), opByte(canon.OpGenerate), raw)
		for _, op := range others(all[i], file) {
			f.Add(byte(i), opByte(op), raw)
		}
	})
	f.Fuzz(func(t *testing.T, from, what byte, raw []byte) {
		a, op := all[int(from)%len(all)], translated[int(what)%len(translated)]
		if !slices.Contains(ops(a), op) {
			return
		}
		if _, err := jsonedit.Scan(raw, maxDepth); err != nil {
			return
		}
		for _, stream := range []bool{false, true} {
			if stream && op != canon.OpGenerate && op != canon.OpComplete {
				continue
			}
			asked, err := read(a, op, raw, stream)
			if err != nil {
				return
			}
			if r, ok := a.(dialect.Refuser); ok && r.Refuse(op, asked) != nil {
				return
			}
			for _, b := range all {
				to := crosstest.Target(stream)
				if to.Op = standIn(b, op); to.Op == "" {
					continue
				}
				over, lost, cerr := b.WriteRequest(asked, to)
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
				arrived, err := read(b, to.Op, over, stream)
				if err != nil {
					t.Fatalf("%s can't read what it wrote: %v\nsent %s\nover %s", b.Dialect(), err, raw, over)
				}
				if embeds(op) && len(arrived.Turns) != len(asked.Turns) {
					t.Fatalf("%s embeds %d texts of %d\nsent %s\nover %s", b.Dialect(), len(arrived.Turns), len(asked.Turns), raw, over)
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

func embeds(op canon.Op) bool { return op == canon.OpEmbed || op == canon.OpBatchEmbed }

// FuzzAnswer feeds bytes to the reader of the dialect numbered by from, as an answer to the operation numbered
// by op, streamed or whole: whatever it reads, every dialect whose operations that stands in for writes as an
// answer that its own clients can read, in each of the forms that they may ask for.
func FuzzAnswer(f *testing.F) {
	all := sides()
	goldens(f, "stream.sse", func(i int, _ string, raw []byte) { f.Add(byte(i), opByte(canon.OpGenerate), true, raw) })
	goldens(f, "answer.json", func(i int, file string, raw []byte) {
		f.Add(byte(i), opByte(canon.OpGenerate), false, raw)
		for _, op := range others(all[i], file) {
			f.Add(byte(i), opByte(op), false, raw)
		}
	})
	f.Fuzz(func(t *testing.T, from, what byte, stream bool, raw []byte) {
		b, far := all[int(from)%len(all)], translated[int(what)%len(translated)]
		if standIn(b, far) != far || stream && far != canon.OpGenerate {
			return
		}
		events, err := readAnswer(b, far, stream, raw)
		if len(events) == 0 {
			return
		}
		for _, a := range all {
			for _, near := range ops(a) {
				if standIn(b, near) != far {
					continue
				}
				forms := []dialect.Framing{dialect.FramingNone}
				if far == canon.OpGenerate {
					forms = append(forms, dialect.FramingSSE)
					if a.Dialect() == canon.Gemini {
						forms = append(forms, dialect.FramingJSONArray)
					}
				}
				for _, framing := range forms {
					if err != nil && framing == dialect.FramingNone {
						continue
					}
					checkAnswer(t, a, b, near, framing, err != nil, events)
				}
			}
		}
	})
}

// head is the head of a call for op.
func head(op canon.Op, framing dialect.Framing) dialect.Head {
	h := crosstest.Head(framing != dialect.FramingNone)
	h.Op, h.Framing = op, framing
	return h
}

// readAnswer reads an answer to a call for op.
func readAnswer(s crosstest.Side, op canon.Op, stream bool, raw []byte) ([]canon.Event, error) {
	if stream {
		return crosstest.ReadAnswer(s, true, raw, 0)
	}
	return s.NewReader(head(op, dialect.FramingNone)).Read("", bytes.TrimSpace(raw), nil)
}

// checkAnswer writes events of b for a client of a as the relay does, and reads them as that client.
func checkAnswer(t *testing.T, a, b crosstest.Side, op canon.Op, framing dialect.Framing, broken bool, events []canon.Event) {
	t.Helper()
	stream := framing != dialect.FramingNone
	asked := &canon.Request{Origin: a.Dialect(), Model: "m", Tools: []canon.Tool{{Name: "tool_0"}, {Name: "tool_1", Custom: true}}}
	answer := crosstest.Answer(asked, b.Dialect(), stream)
	answer.Head = head(op, framing)
	w := a.NewWriter(answer)
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
	if framing != dialect.FramingSSE && !json.Valid(out) {
		t.Fatalf("%s writes no JSON: %s", a.Dialect(), out)
	}
	var got []canon.Event
	var err error
	if framing == dialect.FramingJSONArray {
		got, err = a.NewReader(head(op, framing)).Read("", out, nil)
	} else {
		got, err = readAnswer(a, op, stream, out)
	}
	told := crosstest.Collect(got)
	if broken {
		if err == nil && told.Failed == nil {
			t.Fatalf("%s over %s: a broken answer reads as whole:\n%s", a.Dialect(), b.Dialect(), out)
		}
	} else if err != nil {
		t.Fatalf("%s over %s: %s as %q: what it wrote can't be read: %v\nevents %#v\n%s", a.Dialect(), b.Dialect(), op, framing, err, events, out)
	}
	if embeds(op) {
		checkVectors(t, op, events, got, out)
	}
	for _, l := range w.Losses() {
		if l.What == "" || l.Kind == "" {
			t.Fatalf("%s loses something without a name: %+v", a.Dialect(), l)
		}
	}
}

// checkVectors checks that the client gets every vector of an answer, or the first if it asked for one.
func checkVectors(t *testing.T, op canon.Op, sent, got []canon.Event, out []byte) {
	t.Helper()
	count := func(events []canon.Event) (n int) {
		for _, e := range events {
			if _, ok := e.(canon.Embedding); ok {
				n++
			}
		}
		return n
	}
	if n, m := count(sent), count(got); n != m && (op != canon.OpEmbed || m != 1) {
		t.Fatalf("%d vectors became %d: %s", n, m, out)
	}
}
