package openaichat

import (
	"cmp"
	"encoding/json"
	"slices"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonpull"
)

// This file reads what stands beside the words of an answer.

// cited reads annotations: openai/openai-python, types/chat/chat_completion_message.py, read 2026-11-20.
func (c *choice) cited(raw string, out []canon.Event) []canon.Event {
	p := jsonpull.NewString(raw)
	p.Array()
	for p.Element() {
		one := p.Raw()
		q := jsonpull.NewString(one)
		if !q.Object() {
			continue
		}
		cite := canon.Citation{}
		for q.Member() {
			if q.Name != "url_citation" || !q.Object() {
				if q.Name != "url_citation" {
					q.Skip()
				}
				continue
			}
			for q.Member() {
				switch q.Name {
				case "url":
					cite.URL = q.String()
				case "title":
					cite.Title = q.String()
				case "content": // OpenRouter: a piece of the page
					cite.Text = q.String()
				case "start_index":
					cite.From = offset(&q)
				case "end_index":
					cite.To = offset(&q)
				default:
					q.Skip()
				}
			}
		}
		if cite.URL == "" {
			out = append(out, canon.Other{Name: "annotation", Content: true, Raw: json.RawMessage(one)})
			continue
		}
		cite.Raw = json.RawMessage(one)
		out = append(out, canon.Cited{Choice: c.number, Index: c.text, Citation: cite})
	}
	return out
}

// sources reads what stands beside the choices: the sources of the whole answer. Perplexity repeats them in every
// chunk; xAI sends them with the last (https://docs.x.ai/docs/guides/live-search, read 2026-11-21).
func (r *reader) sources(c *chunk, out []canon.Event) []canon.Event {
	raw := first(c.found, c.sources)
	if raw == "" || r.cited || len(r.choices) == 0 {
		return out
	}
	r.cited = true
	p := jsonpull.NewString(raw)
	p.Array()
	for p.Element() {
		var cite canon.Citation
		switch p.Kind() {
		case '"':
			cite.URL = p.String()
		case '{':
			p.Object()
			for p.Member() {
				switch p.Name {
				case "url":
					cite.URL = p.String()
				case "title":
					cite.Title = p.String()
				case "snippet":
					cite.Text = p.String()
				default:
					p.Skip()
				}
			}
		default:
			p.Skip()
		}
		if cite.URL != "" {
			out = append(out, canon.Cited{Choice: r.choices[0].number, Index: r.choices[0].text, Citation: cite})
		}
	}
	return out
}

func offset(p *jsonpull.Parser) int { return int(min(max(p.Int(), 0), 1<<31-1)) }

// probabilities reads logprobs, in the form of chats or in that of legacy completions.
func (c *choice) probabilities(raw string, out []canon.Event) []canon.Event {
	var l struct {
		Content       []tokenProb          `json:"content"`
		Refusal       []tokenProb          `json:"refusal"`
		Tokens        []string             `json:"tokens"`
		TokenLogProbs []*float64           `json:"token_logprobs"`
		Top           []map[string]float64 `json:"top_logprobs"`
	}
	if json.Unmarshal([]byte(raw), &l) != nil {
		return append(out, canon.Other{Name: "logprobs", Raw: json.RawMessage(raw)})
	}
	var list []canon.TokenProb
	for _, t := range append(l.Content, l.Refusal...) {
		list = append(list, t.canon())
	}
	for i, token := range l.Tokens {
		t := canon.TokenProb{Token: token}
		if i < len(l.TokenLogProbs) && l.TokenLogProbs[i] != nil {
			t.LogProb = *l.TokenLogProbs[i]
		}
		if i < len(l.Top) {
			t.Top = likeliest(l.Top[i])
		}
		list = append(list, t)
	}
	if len(list) == 0 {
		return out
	}
	return append(out, canon.TokenProbs{Choice: c.number, Index: c.index, Tokens: list})
}

// tokenProb is a token in logprobs.content.
type tokenProb struct {
	Token   string      `json:"token"`
	LogProb float64     `json:"logprob"`
	Bytes   []int       `json:"bytes"`
	Top     []tokenProb `json:"top_logprobs"`
}

func (t tokenProb) canon() canon.TokenProb {
	c := canon.TokenProb{Token: t.Token, LogProb: t.LogProb}
	if t.Bytes != nil {
		c.Bytes = make([]byte, len(t.Bytes))
		for i, b := range t.Bytes {
			c.Bytes[i] = byte(b)
		}
	}
	for _, top := range t.Top {
		c.Top = append(c.Top, top.canon())
	}
	return c
}

// likeliest returns the alternatives of a legacy completion, the likeliest first.
func likeliest(m map[string]float64) []canon.TokenProb {
	var list []canon.TokenProb
	for token, p := range m {
		list = append(list, canon.TokenProb{Token: token, LogProb: p})
	}
	slices.SortFunc(list, func(a, b canon.TokenProb) int {
		return cmp.Or(cmp.Compare(b.LogProb, a.LogProb), cmp.Compare(a.Token, b.Token))
	})
	return list
}

// embeddings reads the vectors of an answer.
func embeddings(raw string, out []canon.Event) []canon.Event {
	p := jsonpull.NewString(raw)
	p.Array()
	for n := 0; p.Element(); n++ {
		if !p.Object() {
			continue
		}
		e := canon.Embedding{Number: n}
		for p.Member() {
			switch p.Name {
			case "index":
				e.Number = offset(&p)
			case "embedding":
				e.Values = json.RawMessage(p.Raw())
			default:
				p.Skip()
			}
		}
		if len(e.Values) > 0 {
			out = append(out, e)
		}
	}
	return out
}

// embedded reports whether vectors are among events.
func embedded(events []canon.Event) bool {
	return slices.ContainsFunc(events, func(e canon.Event) bool { _, ok := e.(canon.Embedding); return ok })
}
