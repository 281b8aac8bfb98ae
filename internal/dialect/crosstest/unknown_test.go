package crosstest_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/anthropic"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/gemini"
	"tollgate/internal/dialect/matrix"
)

// newMember is one that no dialect knows yet.
const newMember = "newIn2027"

// free are the members whose value is the client's or the model's own, to which anything may belong.
var free = []string{"input_schema", "schema", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema", "input", "args", "response", "metadata", "labels"}

// with calls f with each copy of raw in which one object has a new member, and with the path of that.
func with(raw []byte, f func(at string, raw []byte)) {
	var root any
	if json.Unmarshal(raw, &root) != nil {
		return
	}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(at+"[]", e)
			}
		case map[string]any:
			v[newMember] = "new"
			if out, err := json.Marshal(root); err == nil {
				f(at, out)
			}
			delete(v, newMember)
			for k, e := range v {
				if !slices.Contains(free, k) {
					walk(at+"."+k, e)
				}
			}
		}
	}
	walk("", root)
}

// A member that is new to us, wherever it stands, goes home, or is told as lost there; elsewhere it is told as
// lost.
func TestNewMembersAreNotPassedOver(t *testing.T) {
	tried := 0
	for _, from := range []crosstest.Side{anthropic.New(), gemini.New()} {
		features, err := matrix.Features(from.Dialect(), os.DirFS("../"+string(from.Dialect())))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range features {
			plain, err := crosstest.Read(from, f.Raw, false)
			if err != nil {
				t.Fatal(err)
			}
			with(f.Raw, func(at string, raw []byte) {
				asked, err := crosstest.Read(from, raw, false)
				if err != nil {
					return // refused is not passed over
				}
				for _, to := range sides() {
					tried++
					over, lost, cerr := to.WriteRequest(asked, crosstest.Target(false))
					if cerr != nil {
						continue
					}
					_, before, cerr := to.WriteRequest(plain, crosstest.Target(false))
					if cerr != nil {
						continue
					}
					home := to.Dialect() == from.Dialect() && strings.Contains(string(over), newMember)
					if !home && !wholly(before) && !tellsMore(lost, before) {
						t.Errorf("%s to %s, %s: what is new at %q is passed over: %v\n%s", from.Dialect(), to.Dialect(), f.What, at, lost, raw)
					}
				}
			})
		}
	}
	if tried < 500 {
		t.Errorf("only %d were tried", tried)
	}
}

// wholly reports whether what has the feature is lost as a whole, and what is new in it with that.
func wholly(lost []canon.Loss) bool {
	return slices.ContainsFunc(lost, func(l canon.Loss) bool {
		switch l.What {
		case canon.WhatForeign, canon.WhatExtra, canon.WhatToolExtra, canon.WhatToolAllowed:
			return true
		default:
			return l.What == canon.WhatToolHosted && l.Kind == canon.Lost
		}
	})
}

// tellsMore reports whether lost tells of more than before.
func tellsMore(lost, before []canon.Loss) bool {
	return slices.ContainsFunc(lost, func(l canon.Loss) bool {
		return !slices.ContainsFunc(before, func(b canon.Loss) bool { return b.What == l.What && b.Path == l.Path })
	})
}

// What is new in an answer, wherever it stands, is told to whoever writes it in other words: as something of its
// own, or with what it belongs to.
func TestNewMembersOfAnswersAreNotPassedOver(t *testing.T) {
	tried := 0
	goldens(t, "answer.json", func(side int, file string, raw []byte) {
		from := sides()[side]
		if d := from.Dialect(); d != canon.Anthropic && d != canon.Gemini {
			return
		}
		events, err := crosstest.ReadAnswer(from, false, raw, 0)
		if err != nil || !slices.ContainsFunc(events, canon.IsContent) || strings.HasPrefix(file, "embed") {
			return
		}
		with(raw, func(at string, raw []byte) {
			if strings.Contains(at, "sage") || strings.Contains(at, "error") || strings.Contains(at, "embedding") || strings.Contains(at, "promptFeedback") {
				return // counted, refused, or of what was asked
			}
			tried++
			events, err := crosstest.ReadAnswer(from, false, raw, 0)
			if err != nil {
				return
			}
			dump, err := json.Marshal(events)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(dump), newMember) {
				t.Errorf("%s %s: what is new at %q is passed over\n%s", from.Dialect(), file, at, dump)
			}
		})
	})
	if tried < 30 {
		t.Errorf("only %d were tried", tried)
	}
}

// The same of a stream, in all that its frames hold: what stands at the top of a frame is framing, of Claude's.
func TestNewMembersOfStreamsAreNotPassedOver(t *testing.T) {
	tried := 0
	goldens(t, "stream.sse", func(side int, file string, raw []byte) {
		from := sides()[side]
		if d := from.Dialect(); d != canon.Anthropic && d != canon.Gemini || file == "stream-refusal.txtar" || file == "stream-blocked.txtar" {
			return // in the latter two nothing is said
		}
		lines := strings.SplitAfter(string(raw), "\n")
		for i, line := range lines {
			data, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "data: ")
			if !ok {
				continue
			}
			with([]byte(data), func(at string, raw []byte) {
				if at == "" || strings.Contains(at, "sage") || strings.Contains(at, "rror") || strings.Contains(at, "partialArgs") {
					return
				}
				lines[i] = "data: " + string(raw) + "\n"
				events, err := crosstest.ReadAnswer(from, true, []byte(strings.Join(lines, "")), 0)
				if err != nil {
					return
				}
				tried++
				dump, err := json.Marshal(events)
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(string(dump), newMember) {
					t.Errorf("%s %s: what is new at %q is passed over: %s", from.Dialect(), file, at, line)
				}
			})
			lines[i] = line
		}
	})
	if tried < 50 {
		t.Errorf("only %d were tried", tried)
	}
}
