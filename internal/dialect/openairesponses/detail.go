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
	p := jsonpull.NewChecked(raw)
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

// named appends what an object of the vendor's own says is kept of the answer: the container and the file of an
// annotation, of a result of a search in files, or of the place where a shell ran.
func named(raw string, out []canon.Event) []canon.Event {
	p := jsonpull.NewChecked(raw)
	if raw == "" || !p.Object() {
		return out
	}
	for p.Member() {
		switch p.Name {
		case "container_id", "file_id":
			if id := p.String(); id != "" {
				out = append(out, canon.Kept{ID: id})
			}
		default:
			p.Skip()
		}
	}
	return out
}

// kept appends what is kept of a finished item. Only what the vendor itself writes is read: arguments, outputs
// and schemas of tools may name what is another's.
func (r *reader) kept(it *item, out []canon.Event) []canon.Event {
	if it.id != "" && (r.head.Stored || r.head.StoredID != "") {
		out = append(out, canon.Kept{ID: it.id}) // a reference to it may be sent instead of it
	}
	switch it.kind {
	case "code_interpreter_call":
		if it.container != "" {
			out = append(out, canon.Kept{ID: it.container})
		}
	case "shell_call":
		out = named(it.environment, out)
	case "file_search_call":
		p := jsonpull.NewChecked(it.results)
		if it.results != "" && p.Array() {
			for p.Element() {
				out = named(p.Raw(), out)
			}
		}
	}
	return out
}

// cite appends the annotations of a finished text that have not come yet.
func (s *slot) cite(raw string, out []canon.Event) []canon.Event {
	if len(raw) <= len("[]") {
		return out
	}
	p := jsonpull.NewChecked(raw)
	if !p.Array() {
		return out
	}
	for i := 0; p.Element(); i++ {
		one := p.Raw()
		if i >= s.cited {
			s.cited++
			out = named(one, append(out, canon.Cited{Index: s.index, Citation: readCitation(one)}))
		}
	}
	return out
}

// probs appends the log probabilities of what was just said, if there are any.
func (s *slot) probs(raw string, out []canon.Event) []canon.Event {
	if len(raw) <= len("[]") {
		return out
	}
	p := jsonpull.NewChecked(raw)
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
	u.Done, u.Failed = true, it.status == "failed"
	drawn := false
	u.Output, drawn = it.printed()
	u.Sources = it.found()
	if out = append(out, u); drawn {
		out = append(out, canon.Other{Name: "item." + it.kind + ".image", Content: true})
	}
	return out
}

// printed is what code printed, and whether it drew pictures, which are kept in its container.
func (it *item) printed() (text string, drawn bool) {
	p := jsonpull.NewChecked(it.outputs)
	if it.outputs == "" || !p.Array() {
		return "", false
	}
	var logs []string
	for p.Element() {
		if !p.Object() {
			continue
		}
		for p.Member() {
			switch p.Name {
			case "logs":
				logs = append(logs, p.String())
			case "url":
				drawn = p.String() != "" || drawn
			default:
				p.Skip()
			}
		}
	}
	return strings.Join(logs, "\n"), drawn
}

// found is the sources that a search says it looked at.
func (it *item) found() (list []canon.Citation) {
	p := jsonpull.NewChecked(it.act.sources)
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
