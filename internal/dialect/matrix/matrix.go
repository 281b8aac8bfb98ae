// Package matrix says what translation does to every feature: the content of docs/translation.md.
//
// It runs the fixtures of each dialect (testdata/feature/WHAT.json: the smallest request of that dialect's
// clients that has the feature) through every other dialect and looks what became of it, so the page can't
// promise what the code does not do. Whether a feature that counts as kept really arrives is checked by
// package crosstest, on the same fixtures.
package matrix

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
)

// Side is a dialect that stands on either side of a translated call.
type Side interface {
	dialect.Protocol
	dialect.Translator
}

// Outcome says what became of a feature.
type Outcome string

// The outcomes, best first.
const (
	Kept    Outcome = "kept"
	Changed Outcome = "changed"
	Lost    Outcome = "lost"
	Refused Outcome = "refused"
)

func (o Outcome) rank() int {
	return slices.Index([]Outcome{Kept, Changed, Lost, Refused}, o)
}

// Feature is a fixture: a request of a client of Client that has What.
type Feature struct {
	Client canon.Dialect
	What   canon.What
	Raw    []byte
}

// Features reads the fixtures of a dialect, in the order of their names. fsys is the folder of its package.
func Features(client canon.Dialect, fsys fs.FS) ([]Feature, error) {
	names, err := fs.Glob(fsys, "testdata/feature/*.json")
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s has no testdata/feature/*.json", client)
	}
	var out []Feature
	for _, name := range names {
		raw, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		out = append(out, Feature{Client: client, What: canon.What(strings.TrimSuffix(path.Base(name), ".json")), Raw: raw})
	}
	return out, nil
}

// Read reads a request as the relay does.
func Read(s Side, raw []byte) (*canon.Request, error) {
	req, err := s.ReadRequest(canon.OpGenerate, raw)
	if err != nil {
		return nil, err
	}
	req.Origin, req.Model = s.Dialect(), "m"
	canon.Pair(req)
	return req, nil
}

// Target is what fixtures are written for: an upstream of which nothing is known but its dialect.
func Target() dialect.Target {
	return dialect.Target{Op: canon.OpGenerate, Model: "m", MaxOutput: 16384}
}

// Cell is what became of one feature in one dialect.
type Cell struct {
	Outcome Outcome
	Reason  string // "" when kept
}

// Run writes a feature for an upstream that speaks to.
func Run(from, to Side, f Feature) (Cell, error) {
	req, err := Read(from, f.Raw)
	if err != nil {
		return Cell{}, fmt.Errorf("%s can't read its own feature %s: %w", from.Dialect(), f.What, err)
	}
	_, lost, cerr := to.WriteRequest(req, Target())
	if cerr != nil {
		return Cell{Refused, cerr.Message}, nil //nolint:nilerr // to be refused is an outcome
	}
	cell := Cell{Outcome: Kept}
	for _, l := range lost {
		o := Lost
		if l.Kind == canon.Changed {
			o = Changed
		}
		if covers(l.What, f.What) && o.rank() > cell.Outcome.rank() {
			cell = Cell{o, l.Reason}
		}
	}
	return cell, nil
}

// covers reports whether what is lost takes the feature with it: it is that, or has it as a part. Citations are
// asked for by a member of a block that only one dialect has.
func covers(lost, feature canon.What) bool {
	return lost == feature || strings.HasPrefix(string(feature), string(lost)+".") || lost == canon.WhatForeign && feature == canon.WhatCitations
}

// Write writes the page. folder gives the folder of a dialect's package.
func Write(w io.Writer, sides []Side, folder func(canon.Dialect) fs.FS) error {
	var b bytes.Buffer
	b.WriteString(head)
	for _, from := range sides {
		if err := requests(&b, from, sides, folder(from.Dialect())); err != nil {
			return err
		}
	}
	if err := answers(&b, sides); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

const head = `# What translation keeps

A client of one dialect may reach a model behind a channel that speaks another. This page says what becomes of every feature on
its way: **kept** (maybe in other words), **changed** (carried, but not as it was), **lost** (left out) or **refused** (the call gets an error that names the
place). It is written by ` + "`make generate`" + ` from the code and the fixtures of its tests; ` + "`make verify`" + ` fails if it is stale.

What was lost or changed is told with every call: in the header ` + "`X-Tollgate-Loss`" + ` (path in the client's own words, feature, kind; what happens at
many places is told once, with their number), in the record of the call and in the metric ` + "`tollgate_translation_losses_total`" + `. With the header ` + "`X-Tollgate-Strict: true`" + `, or ` + "`strict`" + ` set on the key or the model, a call whose request would lose or
change something goes to a channel that carries it, or else is refused with the place's name. Strict is about requests: an answer has been made and has to be paid for, so what it loses is told, never refused. Of an answer
that is not streamed the header tells all; the headers of a stream leave with its first content, so what is lost after that is told by the record and the metric alone. Where client
and channel speak the same dialect nothing is translated: the bytes pass, but for thoughts in the conversation that another vendor's model has sealed. They stay behind, which is told and no
reason for strict to refuse, and so is a placeholder for a signature that Gemini models want of a call which has none.

While a model that has begun to stream is silent, Claude clients get the ` + "`ping`" + ` events of their API and OpenAI's get comments (` + "`PING_AFTER`" + `). Gemini's get neither: Google's API sends none,
and its SDKs for Go and JavaScript break, or broke, on both.

Some vendors know more than their dialect (see ` + "`knows`" + ` in the providers' data); these tables are for one that does not.
`

// titles of the dialects.
var titles = map[canon.Dialect]string{
	canon.OpenAIChat: "Chat Completions", canon.OpenAIResponses: "Responses", canon.Anthropic: "Claude Messages", canon.Gemini: "Gemini",
}

func requests(b *bytes.Buffer, from Side, sides []Side, fsys fs.FS) error {
	features, err := Features(from.Dialect(), fsys)
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "\n## Requests of %s clients\n\n| feature |", titles[from.Dialect()])
	rule := "|---|"
	for _, to := range sides {
		if to.Dialect() != from.Dialect() {
			fmt.Fprintf(b, " to %s |", titles[to.Dialect()])
			rule += "---|"
		}
	}
	b.WriteString("\n" + rule + "\n")
	var notes []string
	for _, f := range features {
		fmt.Fprintf(b, "| `%s` |", f.What)
		for _, to := range sides {
			if to.Dialect() == from.Dialect() {
				continue
			}
			cell, err := Run(from, to, f)
			if err != nil {
				return err
			}
			fmt.Fprintf(b, " %s |", cell.Outcome)
			if cell.Reason != "" {
				notes = append(notes, fmt.Sprintf("- `%s` to %s: %s", f.What, titles[to.Dialect()], oneLine(cell.Reason)))
			}
		}
		b.WriteString("\n")
	}
	if len(notes) > 0 {
		b.WriteString("\nWhy:\n\n" + strings.Join(notes, "\n") + "\n")
	}
	return nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// answerFeatures are answers that have one feature each.
var answerFeatures = []struct {
	what   canon.What
	name   string
	events []canon.Event
}{
	{"", "text", []canon.Event{canon.TextDelta{Text: "hello"}}},
	{"", "tool calls, parallel and interleaved", []canon.Event{
		canon.ToolStart{Index: 0, ID: "call_a", Name: "f"},
		canon.ToolStart{Index: 1, ID: "call_b", Name: "g"},
		canon.ToolDelta{Index: 0, JSON: `{"x"`},
		canon.ToolDelta{Index: 1, JSON: `{}`},
		canon.ToolDelta{Index: 0, JSON: `:1}`},
	}},
	{canon.WhatAnswerReasoning, "thoughts", []canon.Event{canon.ReasoningDelta{Text: "hm"}, canon.TextDelta{Index: 1, Text: "hello"}}},
	{canon.WhatAnswerSeal, "signatures and encrypted thoughts", []canon.Event{canon.ReasoningDelta{Text: "hm", Seal: "c2ln"}, canon.TextDelta{Index: 1, Text: "hello"}}},
	{canon.WhatAnswerOrder, "order of thoughts, text and calls", []canon.Event{
		canon.TextDelta{Text: "hello"},
		canon.ReasoningDelta{Index: 1, Text: "hm", Seal: "c2ln"},
		canon.TextDelta{Index: 2, Text: "there"},
		canon.ToolStart{Index: 3, ID: "call_a", Name: "f"},
		canon.ToolDelta{Index: 3, JSON: "{}"},
	}},
	{canon.WhatAnswerRefusal, "refusals", []canon.Event{canon.RefusalDelta{Text: "no"}}},
	{canon.WhatAnswerCitation, "citations", []canon.Event{
		canon.TextDelta{Text: "hello"}, canon.Cited{Citation: canon.Citation{URL: "https://example.com", Title: "Example", To: 5}},
	}},
	{canon.WhatAnswerHosted, "searches that the vendor ran", []canon.Event{
		canon.HostedUse{Kind: canon.HostedWebSearch, ID: "s1", Name: "web_search", Input: "query"},
		canon.HostedUse{Kind: canon.HostedWebSearch, ID: "s1", Name: "web_search", Done: true, Sources: []canon.Citation{{URL: "https://example.com", Title: "Example"}}},
		canon.TextDelta{Index: 1, Text: "hello"},
	}},
	{canon.WhatAnswerMedia, "images", []canon.Event{canon.MediaDelta{Kind: canon.MediaImage, MIME: "image/png", Data: "iVBORw0KGgo="}}},
	{canon.WhatAnswerLogProbs, "log probabilities", []canon.Event{
		canon.TextDelta{Text: "hello"}, canon.TokenProbs{Tokens: []canon.TokenProb{{Token: "hello", LogProb: -0.5}}},
	}},
	{canon.WhatAnswerStop, "the end, where a filter made it", []canon.Event{canon.TextDelta{Text: "hello"}, canon.Stopped{Why: canon.StopFilter, Raw: "SAFETY"}}},
	{canon.WhatAnswerUsage, "usage by medium and kind of cache", []canon.Event{
		canon.TextDelta{Text: "hello"}, canon.Used{Usage: canon.Usage{Input: 1, InputImage: 1, CacheWrite1h: 1, Output: 1}},
	}},
	{canon.WhatAnswerOther, "what only one vendor says (ratings, containers)", []canon.Event{canon.TextDelta{Text: "hello"}, canon.Other{Name: "ratings", Content: true, Raw: json.RawMessage("{}")}}},
	{canon.WhatAnswerChoice, "several alternatives", []canon.Event{canon.TextDelta{Text: "one"}, canon.TextDelta{Choice: 1, Text: "two"}}},
}

// answers writes what becomes of an answer, by the dialect of the client. The answer comes from another
// dialect that has the feature.
func answers(b *bytes.Buffer, sides []Side) error {
	b.WriteString("\n## Answers\n\nBy the dialect of the client. Stop reasons, sums of tokens, those cached and thought, and errors are kept in each dialect's words; an end without such a word is changed.\n\n| feature |")
	rule := "|---|"
	for _, s := range sides {
		fmt.Fprintf(b, " %s |", titles[s.Dialect()])
		rule += "---|"
	}
	b.WriteString("\n" + rule + "\n")
	var notes []string
	for _, f := range answerFeatures {
		fmt.Fprintf(b, "| %s |", f.name)
		for i, s := range sides {
			origin := sides[(i+1)%len(sides)].Dialect()
			cell, err := answer(s, origin, f.what, f.events)
			if err != nil {
				return fmt.Errorf("%s to %s: %w", f.name, s.Dialect(), err)
			}
			fmt.Fprintf(b, " %s |", cell.Outcome)
			if cell.Reason != "" {
				notes = append(notes, fmt.Sprintf("- %s to %s: %s", f.name, titles[s.Dialect()], oneLine(cell.Reason)))
			}
		}
		b.WriteString("\n")
	}
	if len(notes) > 0 {
		b.WriteString("\nWhy:\n\n" + strings.Join(notes, "\n") + "\n")
	}
	return nil
}

// answer writes an answer streamed and whole and returns the worse outcome.
func answer(s Side, origin canon.Dialect, what canon.What, events []canon.Event) (Cell, error) {
	worst := Cell{Outcome: Kept}
	for _, stream := range []bool{false, true} {
		head := dialect.Head{Op: canon.OpGenerate, Model: "m", Stream: stream, Choices: 2, IncludeUsage: true}
		if stream {
			head.Framing = dialect.FramingSSE
		}
		one := 1
		w := s.NewWriter(dialect.Answer{
			Head: head, Request: &canon.Request{Origin: s.Dialect(), Model: "m", LogProbs: &one, N: 2}, ID: "0193f0a0-0000-7000-8000-000000000000", Model: "m",
			Origin: origin, Created: time.Unix(1_790_000_000, 0),
		})
		var out []byte
		all := append([]canon.Event{canon.Start{ID: "x", Model: "m"}}, events...)
		switch events[len(events)-1].(type) {
		case canon.Stopped, canon.Used: // its end is the feature
		default:
			all = append(all, canon.Stopped{Why: canon.StopEnd}, canon.Used{Usage: canon.Usage{Input: 1, Output: 1}})
		}
		all = append(all, canon.Ended{})
		for _, e := range all {
			out = w.Write(out, e)
		}
		out = w.Close(out)
		if !stream && !json.Valid(out) {
			return worst, errors.New("no JSON: " + string(out))
		}
		for _, l := range w.Losses() {
			o := Lost
			if l.Kind == canon.Changed {
				o = Changed
			}
			if l.What == what && cmp.Compare(o.rank(), worst.Outcome.rank()) > 0 {
				worst = Cell{o, l.Reason}
			}
		}
	}
	return worst, nil
}
