package dialecttest

import (
	"io/fs"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/jsonedit"
)

// sections returns every section called name in the golden files, as seeds for fuzzing.
func sections(f *testing.F, testdata fs.FS, name string) (out []string) {
	f.Helper()
	files, err := fs.Glob(testdata, "*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		raw, err := fs.ReadFile(testdata, file)
		if err != nil {
			f.Fatal(err)
		}
		for _, s := range txtar.Parse(raw).Files {
			if s.Name == name {
				out = append(out, strings.TrimSuffix(string(s.Data), "\n"))
			}
		}
	}
	return out
}

// FuzzRequest feeds ReadRequest what the scan has let through, for op.
func FuzzRequest(f *testing.F, p dialect.Protocol, op canon.Op, testdata fs.FS) {
	for _, s := range sections(f, testdata, "client.json") {
		f.Add([]byte(s))
	}
	for _, s := range oddBodies() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := jsonedit.Scan(raw, maxDepth); err != nil {
			return
		}
		req, err := p.ReadRequest(op, raw)
		if (req == nil) == (err == nil) {
			t.Fatalf("want a request or an error, got %v and %v", req, err)
		}
		if err == nil {
			_ = dump(req)
		}
	})
}

// FuzzReader feeds a reader the lines of input, each as a frame of a stream, and all of it as a whole
// answer. Whatever it reads, it must not make usage negative.
func FuzzReader(f *testing.F, p dialect.Protocol, testdata fs.FS) {
	for _, s := range sections(f, testdata, "stream.sse") {
		var data []string
		for _, l := range strings.Split(s, "\n") {
			if d, ok := strings.CutPrefix(l, "data: "); ok {
				data = append(data, d)
			}
		}
		f.Add([]byte(strings.Join(data, "\n")))
	}
	for _, s := range sections(f, testdata, "answer.json") {
		f.Add([]byte(s))
	}
	for _, s := range append(badAnswers(), oddAnswers()...) {
		if len(s) < 1<<10 {
			f.Add([]byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, stream := range []bool{false, true} {
			head := dialect.Head{Op: canon.OpGenerate, Stream: stream, Choices: 1}
			frames := []string{string(raw)}
			if stream {
				head.Framing = dialect.FramingSSE
				frames = strings.Split(string(raw), "\n")
			}
			r := p.NewReader(head)
			var all []canon.Event
			for _, data := range frames {
				events, err := r.Read("", []byte(data), nil)
				if err != nil {
					break
				}
				_ = r.Hidden()
				_ = r.Complete()
				all = append(all, events...)
			}
			_ = lines(all)
			if m := measure(all); m.Usage != nil {
				u := *m.Usage
				for _, n := range []int64{u.Input, u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, u.InputImage, u.InputAudio, u.InputVideo, u.Output, u.Reasoning, u.OutputImage, u.OutputAudio, u.WebSearches, u.In(), u.Out()} {
					if n < 0 {
						t.Fatalf("negative usage: %+v", u)
					}
				}
			}
		}
	})
}
