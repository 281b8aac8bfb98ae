package gemini

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonpull"
)

// searches counts the web searches behind an answer. Google bills models from Gemini 3 on by search
// query and earlier ones by grounded request; we count distinct queries, at least one where an
// answer is grounded in the web, and of the earlier models no more than one. Chunks repeat what
// earlier ones said.
//
// Source: https://ai.google.dev/gemini-api/docs/google-search#pricing, read 2026-11.
type searches struct {
	count int64
	seen  map[string]struct{}
}

// billed is the count that Google bills model for, by its name in modelVersion.
func (s *searches) billed(model string) int64 {
	if strings.HasPrefix(model, "gemini-1.") || strings.HasPrefix(model, "gemini-2.") {
		return min(s.count, 1)
	}
	return s.count
}

// maxQueries bounds the queries that are remembered; a model makes a handful.
const maxQueries = 1000

// add counts a query; fresh is false if it was counted before.
func (s *searches) add(query string) (fresh bool) {
	if _, seen := s.seen[query]; query == "" || seen || len(s.seen) >= maxQueries {
		return false
	}
	if s.seen == nil {
		s.seen = make(map[string]struct{})
	}
	s.seen[query] = struct{}{}
	s.count = max(s.count, int64(len(s.seen)))
	return true
}

// said knows of the text of a candidate what it takes to find the place of a citation, which Google counts
// in bytes and canon in characters. Up to the first character that has several bytes there is nothing to
// keep, and few answers are cited at all.
type said struct {
	bytes int   // so far
	first int   // index of the first text block
	more  []run // the text blocks after it
	plain int   // bytes before wide
	wide  []byte
	marks []int // characters of wide before each markBytes-th byte of it
	lost  bool  // wide is not whole
}

// run is where a text block begins.
type run struct{ index, from int }

// markBytes is the distance of marks in bytes.
const markBytes = 4096

// maxWide bounds the text that is kept; the place of a citation behind it is not said.
const maxWide = 1 << 20

func (s *said) add(index int, text string) {
	last := s.first
	if n := len(s.more); n > 0 {
		last = s.more[n-1].index
	}
	if s.bytes == 0 && s.more == nil {
		s.first = index
	} else if index != last {
		s.more = append(s.more, run{index: index, from: s.bytes})
	}
	s.bytes += len(text)
	switch {
	case s.wide == nil && isASCII(text):
		s.plain = s.bytes
	case len(s.wide)+len(text) > maxWide:
		s.lost = true
	case !s.lost:
		s.wide = append(s.wide, text...)
		for n := len(s.marks); (n+1)*markBytes <= len(s.wide); n++ {
			s.marks = append(s.marks, s.starts((n+1)*markBytes))
		}
	}
}

// starts counts the characters that begin in the first n bytes of wide.
func (s *said) starts(n int) (chars int) {
	from := 0
	if marks := min(n/markBytes, len(s.marks)); marks > 0 {
		chars, from = s.marks[marks-1], marks*markBytes
	}
	for _, b := range s.wide[from:n] {
		if utf8.RuneStart(b) {
			chars++
		}
	}
	return chars
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// chars returns how many characters the first n bytes are.
func (s *said) chars(n int) int {
	if n <= s.plain {
		return n
	}
	return s.plain + s.starts(n-s.plain)
}

// place returns the text block in which the bytes from to to stand, and the characters of it that they
// are; these are 0 if that can't be told.
func (s *said) place(from, to int) (index, fromChar, toChar int) {
	block, end := run{index: s.first}, s.bytes
	next, _ := slices.BinarySearchFunc(s.more, from+1, func(r run, from int) int { return r.from - from })
	if next > 0 {
		block = s.more[next-1]
	}
	if next < len(s.more) {
		end = s.more[next].from
	}
	if from < 0 || to <= from || to > s.bytes || s.lost && to > s.plain+len(s.wide) {
		return block.index, 0, 0
	}
	base := s.chars(block.from)
	return block.index, s.chars(from) - base, s.chars(min(to, end)) - base
}

// cited is a citation as Google's chunks repeat it.
type cited struct {
	from, to int
	url      string
}

// cite notes a source of the bytes from to to, once.
func (c *choice) cite(from, to int, source canon.Citation) {
	key := cited{from, to, source.URL}
	if _, seen := c.cited[key]; seen || len(c.cited) >= maxQueries {
		return
	}
	if c.cited == nil {
		c.cited = make(map[cited]struct{})
	}
	c.cited[key] = struct{}{}
	index, first, end := c.said.place(from, to)
	source.From, source.To = first, end
	c.notes = append(c.notes, canon.Cited{Choice: c.number, Index: index, Citation: source})
}

// placed gives a note that is a block of its own its index.
func (c *choice) placed(e canon.Event) canon.Event {
	if use, ok := e.(canon.HostedUse); ok {
		use.Index = c.block(0)
		return use
	}
	return e
}

// grounding reads what an answer rests on: queries, what they found, and what of the text it supports.
// content is that of the same chunk, and before the text that earlier ones held.
func (c *choice) grounding(s *searches, raw string, content jsonpull.Parser, before int) {
	var queries []string
	var sources []canon.Citation
	var supports string
	web, understood := false, false
	p := jsonpull.NewString(raw)
	for in := p.Object(); in && p.Member(); {
		switch p.Name {
		case "webSearchQueries", "imageSearchQueries":
			for in := p.Array(); in && p.Element(); {
				understood = true
				if q := p.String(); s.add(q) {
					queries = append(queries, q)
				}
			}
		case "groundingChunks":
			for in := p.Array(); in && p.Element(); {
				source, isWeb := readSource(&p)
				web = web || isWeb
				sources = append(sources, source)
			}
		case "groundingSupports":
			supports = p.Raw()
		default: // searchEntryPoint, googleMapsWidgetContextToken …
			c.beside(asideAt(&p))
		}
	}
	if web {
		s.count = max(s.count, 1)
	}
	for _, q := range queries {
		c.notes = append(c.notes, canon.HostedUse{Choice: c.number, Kind: canon.HostedWebSearch, Name: "googleSearch", Input: q})
	}
	if len(sources) > 0 {
		understood = true
		use := canon.HostedUse{Choice: c.number, Done: true, Raw: json.RawMessage(raw)}
		if web {
			use.Kind, use.Name = canon.HostedWebSearch, "googleSearch"
		}
		for _, source := range sources {
			if source.URL != "" {
				use.Sources = append(use.Sources, source)
			}
		}
		c.notes = append(c.notes, use)
	}
	if !understood && raw != "{}" && raw != "null" {
		c.notes = append(c.notes, canon.Other{Name: "groundingMetadata", Content: true, Raw: json.RawMessage(raw)})
	}
	c.supports(supports, sources, content, before)
}

// readSource reads one element of groundingChunks, which has one member.
func readSource(p *jsonpull.Parser) (source canon.Citation, web bool) {
	for in := p.Object(); in && p.Member(); {
		web = web || p.Name == "web"
		for in := p.Object(); in && p.Member(); {
			switch p.Name {
			case "uri", "sourceUri":
				source.URL = p.String()
			case "title":
				source.Title = p.String()
			case "text":
				source.Text = p.String()
			default:
				p.Skip()
			}
		}
	}
	return source, web
}

// supports reads groundingSupports.
func (c *choice) supports(raw string, sources []canon.Citation, content jsonpull.Parser, before int) {
	if raw == "" {
		return
	}
	p := jsonpull.NewString(raw)
	for in := p.Array(); in && p.Element(); {
		whole := p
		var from, to, part int64
		var chunks []int64
		for in := p.Object(); in && p.Member(); {
			switch p.Name {
			case "segment":
				for in := p.Object(); in && p.Member(); {
					switch p.Name {
					case "startIndex":
						from = p.Int()
					case "endIndex":
						to = p.Int()
					case "partIndex":
						part = p.Int()
					default:
						p.Skip()
					}
				}
			case "groundingChunkIndices":
				for in := p.Array(); in && p.Element(); {
					chunks = append(chunks, p.Int())
				}
			default: // confidenceScores
				c.beside(asideAt(&p))
			}
		}
		base := 0
		if part > 0 {
			base = before + textBefore(content, part)
		}
		if from < 0 || to > maxCount || from > to {
			continue
		}
		for _, i := range chunks {
			if i < 0 || i >= int64(len(sources)) {
				continue
			}
			source := sources[i]
			source.Raw = json.RawMessage(whole.Raw())
			c.cite(base+int(from), base+int(to), source)
		}
	}
}

// textBefore counts the bytes of text in the parts of a content before the part with the index.
func textBefore(content jsonpull.Parser, index int64) (n int) {
	for in := content.Object(); in && content.Member(); {
		if content.Name != "parts" {
			content.Skip()
			continue
		}
		i := int64(0)
		if !content.Array() {
			continue
		}
		for ; content.Element(); i++ {
			text, thought := "", false
			for in := content.Object(); in && content.Member(); {
				switch content.Name {
				case "text":
					text = content.String()
				case "thought":
					thought = content.Bool()
				default:
					content.Skip()
				}
			}
			if i < index && !thought {
				n += len(text)
			}
		}
	}
	return n
}

// citations reads a citationMetadata: what the model quotes at length. Vertex has another name for the list.
func (c *choice) citations(raw string) {
	p := jsonpull.NewString(raw)
	for in := p.Object(); in && p.Member(); {
		if p.Name != "citationSources" && p.Name != "citations" {
			c.beside(asideAt(&p))
			continue
		}
		for in := p.Array(); in && p.Element(); {
			whole := p
			var from, to int64
			var source canon.Citation
			for in := p.Object(); in && p.Member(); {
				switch p.Name {
				case "startIndex":
					from = p.Int()
				case "endIndex":
					to = p.Int()
				case "uri":
					source.URL = p.String()
				case "title":
					source.Title = p.String()
				default: // license, publicationDate
					c.beside(asideAt(&p))
				}
			}
			if from < 0 || to > maxCount || from > to {
				from, to = 0, 0
			}
			source.Raw = json.RawMessage(whole.Raw())
			c.cite(int(from), int(to), source)
		}
	}
}

// pages reads a urlContextMetadata: the pages that were read.
func (c *choice) pages(raw string) {
	p := jsonpull.NewString(raw)
	for in := p.Object(); in && p.Member(); {
		for in := p.Array(); in && p.Element(); {
			use := canon.HostedUse{Choice: c.number, Kind: canon.HostedWebFetch, Name: "urlContext", Done: true}
			whole := p
			for in := p.Object(); in && p.Member(); {
				switch p.Name {
				case "retrievedUrl":
					use.Input = p.String()
				case "urlRetrievalStatus":
					status := p.String()
					if use.Failed = status != "URL_RETRIEVAL_STATUS_SUCCESS" && status != "URL_RETRIEVAL_STATUS_UNSPECIFIED"; use.Failed {
						use.Output = status
					}
				default:
					p.Skip()
				}
			}
			use.Raw = json.RawMessage(whole.Raw())
			key := cited{to: -1, url: use.Input}
			if _, seen := c.cited[key]; seen || len(c.cited) >= maxQueries {
				continue
			}
			if c.cited == nil {
				c.cited = make(map[cited]struct{})
			}
			c.cited[key] = struct{}{}
			c.notes = append(c.notes, use)
		}
	}
}

// logProbs reads a logprobsResult.
func (c *choice) logProbs(raw string, out []canon.Event) []canon.Event {
	var tokens []canon.TokenProb
	var top [][]canon.TokenProb
	p := jsonpull.NewString(raw)
	for in := p.Object(); in && p.Member(); {
		switch p.Name {
		case "chosenCandidates":
			tokens = c.readProbs(&p)
		case "topCandidates":
			for in := p.Array(); in && p.Element(); {
				var step []canon.TokenProb
				for in := p.Object(); in && p.Member(); {
					if p.Name == "candidates" {
						step = c.readProbs(&p)
					} else {
						p.Skip()
					}
				}
				top = append(top, step)
			}
		default: // logProbabilitySum
			c.beside(asideAt(&p))
		}
	}
	for i := range min(len(tokens), len(top)) {
		tokens[i].Top = top[i]
	}
	if len(tokens) == 0 {
		return out
	}
	return append(out, canon.TokenProbs{Choice: c.number, Index: max(c.index, 0), Tokens: tokens})
}

func (c *choice) readProbs(p *jsonpull.Parser) (probs []canon.TokenProb) {
	for in := p.Array(); in && p.Element(); {
		var one canon.TokenProb
		for in := p.Object(); in && p.Member(); {
			switch p.Name {
			case "token":
				one.Token = p.String()
			case "logProbability":
				if p.Kind() != '0' {
					p.Skip()
					continue
				}
				if f, err := strconv.ParseFloat(p.Raw(), 64); err == nil {
					one.LogProb = f
				}
			default: // tokenId
				c.beside(asideAt(p))
			}
		}
		probs = append(probs, one)
	}
	return probs
}
