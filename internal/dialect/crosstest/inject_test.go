package crosstest_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/jsonedit"
)

// goldens calls add for every section of that name in the golden files of the dialects, which are numbered as
// sides numbers them.
func goldens(t testing.TB, name string, add func(side int, file string, raw []byte)) {
	t.Helper()
	for i, s := range sides() {
		dir := os.DirFS("../" + string(s.Dialect()) + "/testdata")
		err := fs.WalkDir(dir, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			raw, err := fs.ReadFile(dir, path)
			switch {
			case err != nil:
				return err
			case strings.HasSuffix(path, ".txtar"):
				for _, part := range txtar.Parse(raw).Files {
					if part.Name == name {
						add(i, path, part.Data)
					}
				}
			case strings.HasPrefix(path, "feature/") && strings.HasSuffix(path, ".json") && name == "client.json":
				add(i, path, raw)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// evil is text that breaks out of a string which is not escaped, and out of an event.
const evil = "x\",\"injected\":{\"a\":\"\\\n\ndata: {\"injected\":1}\r\n\u2028\x00}"

// poisoned calls f with raw in which one string after the other, the end of it, and a name
// in each object is evil.
func poisoned(raw []byte, f func(raw []byte)) {
	var root any
	if json.Unmarshal(raw, &root) != nil {
		return
	}
	told := func() {
		if out, err := json.Marshal(root); err == nil {
			f(out)
		}
	}
	var walk func(v any, set func(any))
	walk = func(v any, set func(any)) {
		switch v := v.(type) {
		case string:
			set(evil)
			told()
			set(v + evil)
			told()
			set(v)
		case []any:
			for i, e := range v {
				walk(e, func(to any) { v[i] = to })
			}
		case map[string]any:
			for k, e := range v {
				walk(e, func(to any) { v[k] = to })
			}
			v[evil] = evil
			told()
			delete(v, evil)
		}
	}
	walk(root, func(to any) { root = to })
}

// injected reports whether a member of raw came out of a string.
func injected(raw []byte) bool {
	var root any
	if json.Unmarshal(raw, &root) != nil {
		return true
	}
	var found func(v any) bool
	found = func(v any) bool {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				if found(e) {
					return true
				}
			}
		case map[string]any:
			for k, e := range v {
				if k == "injected" || found(e) {
					return true
				}
			}
		}
		return false
	}
	return found(root)
}

// No text of a client's becomes a member of what the upstream is sent.
func TestRequestsAreNotInjected(t *testing.T) {
	tried := 0
	goldens(t, "client.json", func(from int, file string, raw []byte) {
		a := sides()[from]
		poisoned(raw, func(raw []byte) {
			asked, err := crosstest.Read(a, raw, false)
			if err != nil {
				return
			}
			for _, b := range sides() {
				over, _, cerr := b.WriteRequest(asked, crosstest.Target(false))
				if cerr != nil {
					continue
				}
				tried++
				if _, err := jsonedit.Scan(over, 2*maxDepth); err != nil || injected(over) {
					t.Errorf("%s %s to %s: %v\n%.400s\n%.400s", a.Dialect(), file, b.Dialect(), err, raw, over)
				}
			}
		})
	})
	if tried < 1000 {
		t.Errorf("only %d requests were written", tried)
	}
}

// No text of a model's becomes a member, or an event, of what the client gets.
func TestAnswersAreNotInjected(t *testing.T) {
	tried := 0
	write := func(from int, file string, streamed bool, raw []byte) {
		b := sides()[from]
		events, err := crosstest.ReadAnswer(b, streamed, raw, 0)
		if err != nil {
			return
		}
		for _, a := range sides() {
			for _, stream := range []bool{false, true} {
				out, _ := crosstest.WriteAnswer(a, &canon.Request{Origin: a.Dialect(), Model: "m"}, b.Dialect(), stream, events)
				tried++
				if !stream {
					if injected(out) {
						t.Errorf("%s over %s %s: %s", a.Dialect(), b.Dialect(), file, out)
					}
					continue
				}
				for line := range strings.Lines(string(out)) {
					if data, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "data: "); ok && data != "[DONE]" && injected([]byte(data)) {
						t.Errorf("%s over %s %s: %s", a.Dialect(), b.Dialect(), file, line)
					}
				}
			}
		}
	}
	goldens(t, "answer.json", func(from int, file string, raw []byte) {
		poisoned(raw, func(raw []byte) { write(from, file, false, raw) })
	})
	goldens(t, "stream.sse", func(from int, file string, raw []byte) {
		lines := strings.SplitAfter(string(raw), "\n")
		if len(lines) > 40 {
			return // those of one kind alone
		}
		for i, line := range lines {
			data, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "data: ")
			if !ok {
				continue
			}
			poisoned([]byte(data), func(raw []byte) {
				lines[i] = "data: " + string(raw) + "\n"
				write(from, file, true, []byte(strings.Join(lines, "")))
			})
			lines[i] = line
		}
	})
	if tried < 1000 {
		t.Errorf("only %d answers were written", tried)
	}
}
