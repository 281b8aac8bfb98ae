package openairesponses

import (
	"strconv"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonpull"
)

// readCitation reads an annotation of a text: url_citation, file_citation, container_file_citation or
// file_path. openai/openai-go v3.95.0, responses/response.go, read 2026-11-21.
func readCitation(raw string) canon.Citation {
	c := canon.Citation{Raw: []byte(raw)}
	p := jsonpull.NewString(raw)
	if raw == "" || !p.Object() {
		return c
	}
	for p.Member() {
		switch p.Name {
		case "url":
			c.URL = p.String()
		case "title", "filename":
			c.Title = p.String()
		case "start_index":
			c.From = int(p.Int())
		case "end_index":
			c.To = int(p.Int())
		case "file_id":
			c.FileID = p.String()
		default:
			p.Skip()
		}
	}
	return c
}

// cite appends the annotations of a finished text that have not come yet.
func (s *slot) cite(raw string, out []canon.Event) []canon.Event {
	if len(raw) <= len("[]") {
		return out
	}
	p := jsonpull.NewString(raw)
	if !p.Array() {
		return out
	}
	for i := 0; p.Element(); i++ {
		one := p.Raw()
		if i >= s.cited {
			s.cited++
			out = append(out, canon.Cited{Index: s.index, Citation: readCitation(one)})
		}
	}
	return out
}

// probs appends the log probabilities of what was just said, if there are any.
func (s *slot) probs(raw string, out []canon.Event) []canon.Event {
	if len(raw) <= len("[]") {
		return out
	}
	p := jsonpull.NewString(raw)
	if list := readProbs(&p, 0); len(list) > 0 {
		s.probed = true
		out = append(out, canon.TokenProbs{Index: s.index, Tokens: list})
	}
	return out
}

func readProbs(p *jsonpull.Parser, depth int) (list []canon.TokenProb) {
	if !p.Array() {
		return nil
	}
	for p.Element() {
		if !p.Object() {
			continue
		}
		var t canon.TokenProb
		for p.Member() {
			switch {
			case p.Name == "token":
				t.Token = p.String()
			case p.Name == "logprob" && p.Kind() == '0':
				t.LogProb, _ = strconv.ParseFloat(p.Raw(), 64) // what does not fit is the nearest that does
			case p.Name == "bytes" && p.Kind() == '[':
				t.Bytes = []byte{}
				for p.Array(); p.Element(); {
					t.Bytes = append(t.Bytes, byte(p.Int()))
				}
			case p.Name == "top_logprobs" && depth == 0:
				t.Top = readProbs(p, 1)
			default:
				p.Skip()
			}
		}
		list = append(list, t)
	}
	return list
}

// hosted is the kind of tool that an item is a use of, where others have it too.
func (it *item) hosted() (kind canon.HostedKind, ok bool) {
	switch it.kind {
	case "web_search_call": // also where it opens a page that was found: the item begins before it says so
		return canon.HostedWebSearch, true
	case "code_interpreter_call":
		return canon.HostedCode, true
	}
	return "", false
}

// use appends what a finished item says of a tool that OpenAI ran: the call, and what came of it.
func (it *item) use(index int, out []canon.Event) []canon.Event {
	kind, ok := it.hosted()
	if !ok {
		return out
	}
	u := canon.HostedUse{Index: index, Kind: kind, ID: it.id, Name: it.kind, Input: it.code, Raw: []byte(it.raw)}
	if kind != canon.HostedCode {
		u.Input = it.act.query
		if u.Input == "" {
			u.Input = it.act.url
		}
	}
	out = append(out, u)
	u.Done = true
	u.Output, u.Sources = it.printed(), it.found()
	return append(out, u)
}

// printed is what code printed.
func (it *item) printed() string {
	p := jsonpull.NewString(it.outputs)
	if it.outputs == "" || !p.Array() {
		return ""
	}
	var logs []string
	for p.Element() {
		if !p.Object() {
			continue
		}
		for p.Member() {
			if p.Name == "logs" {
				logs = append(logs, p.String())
			} else {
				p.Skip()
			}
		}
	}
	return strings.Join(logs, "\n")
}

// found is the sources that a search says it looked at.
func (it *item) found() (list []canon.Citation) {
	p := jsonpull.NewString(it.act.sources)
	if it.act.sources == "" || !p.Array() {
		return nil
	}
	for p.Element() {
		if c := readCitation(p.Raw()); c.URL != "" {
			list = append(list, c)
		}
	}
	return list
}
