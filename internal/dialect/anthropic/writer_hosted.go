package anthropic

import (
	"strconv"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/jsonedit"
)

// ownHosted begins the ids of calls of hosted tools that another vendor ran. Blocks with it are not sent
// to Anthropic, which did not make them: see ReadRequest.
const ownHosted = "srvtoolu_tollgate_"

// emptyInput is how a call of a hosted tool ends before its input is known.
const emptyInput = `"input":{}}`

// search is a call of a hosted tool that was shown to the client.
type search struct {
	from     string // the upstream's id
	id       string
	kind     canon.HostedKind
	answered bool
}

// hosted writes the call of a tool that the vendor ran, and its result. Vendors tell the two in one event
// or in two, with or without ids.
func (w *writer) hosted(dst []byte, e canon.HostedUse) []byte {
	if w.a.Origin == canon.Anthropic && e.Raw != nil {
		if e.Open {
			return dst
		}
		return w.begin(dst, &block{kind: blockRaw, index: e.Index, raw: string(e.Raw), done: true})
	}
	if e.Kind != canon.HostedWebSearch && e.Kind != canon.HostedCode {
		w.lose(canon.LostAt(canon.WhatAnswerHosted, "", "what was read of the web can't be shown"))
		return dst
	}
	if e.Open {
		return dst
	}
	var s *search
	if e.Done {
		s = w.answeredBy(e)
	}
	if s == nil {
		s = &search{from: e.ID, kind: e.Kind, id: ownHosted + w.id + "_" + strconv.Itoa(len(w.searches))}
		w.searches = append(w.searches, s)
		if w.asked == nil {
			w.asked = map[searchKey][]*search{}
		}
		for _, key := range [...]searchKey{{e.Kind, e.ID, false}, {e.Kind, "", true}} {
			w.asked[key] = append(w.asked[key], s)
		}
		name, input := "web_search", `{"query":`
		if e.Kind == canon.HostedCode {
			name, input = "code_execution", `{"code":`
		}
		w.lose(canon.ChangedAt(canon.WhatAnswerHosted, "", "what another vendor ran is shown, but can't be sent back"))
		dst = w.follow(dst, &block{
			kind: blockRaw, index: e.Index, done: true,
			raw:   `{"type":"server_tool_use","id":"` + s.id + `","name":"` + name + `",` + emptyInput,
			input: string(append(jsonedit.AppendQuoted([]byte(input), e.Input), '}')),
		})
	}
	if !e.Done && len(e.Sources) == 0 && e.Output == "" {
		return dst
	}
	return w.result(dst, s, e)
}

// searchKey names searches of one kind: those with an id of the upstream's, or any.
type searchKey struct {
	kind canon.HostedKind
	from string
	any  bool
}

// answeredBy returns the first search without an answer that e is the result of; nil if there is none.
func (w *writer) answeredBy(e canon.HostedUse) *search {
	key := searchKey{e.Kind, e.ID, e.ID == ""}
	for queue := w.asked[key]; len(queue) > 0; queue = queue[1:] {
		if s := queue[0]; !s.answered {
			w.asked[key] = queue
			return s
		}
	}
	delete(w.asked, key)
	return nil
}

// result writes what a hosted tool found.
func (w *writer) result(dst []byte, s *search, e canon.HostedUse) []byte {
	s.answered = true
	raw := []byte(`{"type":"web_search_tool_result","tool_use_id":"` + s.id + `","content":[`)
	if s.kind == canon.HostedCode {
		raw = []byte(`{"type":"code_execution_tool_result","tool_use_id":"` + s.id + `","content":{"type":"code_execution_result","stdout":`)
		out, fault, code := e.Output, "", "0"
		if e.Failed {
			out, fault, code = "", e.Output, "1"
		}
		raw = jsonedit.AppendQuoted(raw, out)
		raw = append(raw, `,"stderr":`...)
		raw = jsonedit.AppendQuoted(raw, fault)
		raw = append(append(append(raw, `,"return_code":`...), code...), `,"content":[]}}`...)
	} else if e.Failed {
		raw = append(raw[:len(raw)-1], `{"type":"web_search_tool_result_error","error_code":"unavailable"}}`...)
	} else {
		seen := map[string]bool{}
		for _, c := range e.Sources {
			if c.URL == "" || seen[c.URL] {
				continue
			}
			if len(seen) > 0 {
				raw = append(raw, ',')
			}
			seen[c.URL] = true
			raw = append(raw, `{"type":"web_search_result","url":`...)
			raw = jsonedit.AppendQuoted(raw, c.URL)
			raw = append(raw, `,"title":`...)
			raw = jsonedit.AppendQuoted(raw, keep(c.Title, c.URL))
			raw = append(raw, `,"encrypted_content":"`+ownCitation+`","page_age":null}`...)
		}
		raw = append(raw, "]}"...)
	}
	return w.follow(dst, &block{kind: blockRaw, index: e.Index, raw: string(raw), done: true})
}

// follow puts b in line, but leaves text open that is being said: vendors that tell of a search after the
// words that rest on it cite it in them yet.
func (w *writer) follow(dst []byte, b *block) []byte {
	if w.cur != nil && w.cur.kind == blockText {
		w.queue = append(w.queue, b)
		return dst
	}
	return w.begin(dst, b)
}

// endSearches gives every search a result: what was cited, where the vendor told nothing else.
func (w *writer) endSearches(dst []byte) []byte {
	for _, s := range w.searches {
		if !s.answered {
			dst = w.result(dst, s, canon.HostedUse{Sources: w.sources})
		}
	}
	return w.flush(dst)
}

// withInput puts the input of a call into its block.
func withInput(raw, input string) string {
	if head, ok := strings.CutSuffix(raw, emptyInput); ok && input != "" {
		return head + `"input":` + input + "}"
	}
	return raw
}
