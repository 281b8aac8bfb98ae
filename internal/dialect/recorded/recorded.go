// Package recorded holds answers, errors and requests that real vendors gave and got, and checks that all
// dialects read them, write them on and bill them right.
//
// It owns the recordings: testdata/DIALECT/NAME.txtar, copied from the tests of public projects, each with
// its source on top. What was made up by those projects' authors is not among them. The rules for files that
// we write ourselves belong to dialecttest, the comparison of what came through to crosstest.
//
// A file has prose on top, then lines "Source: ", "License: ", "Fetched: ", "Changed: " (what differs from the
// source) and "Model: " (whose price holds, by the name in testdata/prices.json; empty: not priced), maybe "Untranslated: " (why it
// is not written on in other dialects), then some of these sections:
//
//	request.json    the body that was sent
//	answer.json     the whole answer
//	answer.sse      the streamed answer, byte for byte
//	answer.chunks   the streamed answer, the data of an event on each line
//	error-400.json  the error, by its status
//	failed          the kind of error that the answer reports
//	usage           what was consumed, by hand from the vendor's figures: a canon.Usage
//	cost            what it cost in nano-dollars, by hand: a sum of products
package recorded

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"golang.org/x/tools/txtar"

	"tollgate/internal/canon"
)

//go:embed testdata
var files embed.FS

// Recording is one exchange with a vendor, or what is known of it.
type Recording struct {
	Name    string // of its file, with its folder
	Dialect canon.Dialect
	About   map[string]string // the lines on top: Source, License, Fetched, Changed, Model
	Request []byte            // nil: not known
	Answer  []byte            // nil: none, or not known
	Stream  bool              // Answer is a stream of events
	Status  int               // of Error
	Error   []byte            // nil: none
	Failed  canon.Kind        // that the answer ends with; "": it does not fail
	Usage   canon.Usage
	Cost    int64 // nano-dollars
}

// All returns the recordings by their names.
func All() ([]Recording, error) {
	names, err := fs.Glob(files, "testdata/*/*.txtar")
	if err != nil {
		return nil, err
	}
	var all []Recording
	for _, name := range names {
		raw, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		r, err := read(strings.TrimSuffix(strings.TrimPrefix(name, "testdata/"), ".txtar"), raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, r)
	}
	return all, nil
}

func read(name string, raw []byte) (Recording, error) {
	r := Recording{Name: name, Dialect: canon.Dialect(path.Dir(name)), About: map[string]string{}}
	archive := txtar.Parse(raw)
	for line := range strings.Lines(string(archive.Comment)) {
		if word, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ":"); ok && !strings.Contains(word, " ") {
			r.About[word] = strings.TrimSpace(value)
		}
	}
	for _, f := range archive.Files {
		var err error
		switch f.Name {
		case "request.json":
			r.Request = f.Data
		case "answer.json":
			r.Answer = f.Data
		case "answer.sse":
			r.Answer, r.Stream = f.Data, true
		case "answer.chunks":
			r.Stream = true
			r.Answer, err = frames(r.Dialect, f.Data)
		case "failed":
			r.Failed = canon.Kind(strings.TrimSpace(string(f.Data)))
		case "usage":
			err = json.Unmarshal(f.Data, &r.Usage)
		case "cost":
			r.Cost, err = sum(string(f.Data))
		default:
			status, ok := strings.CutPrefix(strings.TrimSuffix(f.Name, ".json"), "error-")
			if !ok {
				return r, fmt.Errorf("section %q has no meaning", f.Name)
			}
			r.Error = f.Data
			r.Status, err = strconv.Atoi(status)
		}
		if err != nil {
			return r, fmt.Errorf("section %s: %w", f.Name, err)
		}
	}
	return r, nil
}

// frames frames lines of data as the vendors of dialect d do.
func frames(d canon.Dialect, lines []byte) ([]byte, error) {
	var out bytes.Buffer
	for line := range bytes.Lines(lines) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		var event struct{ Type string }
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, err
		}
		if d == canon.Anthropic || d == canon.OpenAIResponses {
			out.WriteString("event: " + event.Type + "\n")
		}
		out.WriteString("data: ")
		out.Write(line)
		out.WriteString("\n\n")
	}
	if d == canon.OpenAIChat {
		out.WriteString("data: [DONE]\n\n")
	}
	return out.Bytes(), nil
}

// sum adds up "a × b + c × d".
func sum(text string) (int64, error) {
	var total int64
	for term := range strings.SplitSeq(text, "+") {
		product := int64(1)
		for factor := range strings.SplitSeq(term, "×") {
			n, err := strconv.ParseInt(strings.TrimSpace(factor), 10, 64)
			if err != nil {
				return 0, err
			}
			product *= n
		}
		total += product
	}
	return total, nil
}
