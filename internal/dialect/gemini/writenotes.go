package gemini

import (
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"

	"tollgate/internal/canon"
)

// hosted writes a tool that the vendor ran: code as parts, searches and pages beside the answer, at its end.
func (w *answering) hosted(dst []byte, c *saying, e canon.HostedUse) []byte {
	if e.Open {
		return dst
	}
	if e.Raw != nil && !w.home {
		w.note(canon.ChangedAt(canon.WhatAnswerHosted, "", "it is told in Google's words; the model can't be shown it again"))
	}
	switch e.Kind {
	case canon.HostedCode:
		return w.code(dst, c, e)
	case canon.HostedWebSearch:
		if e.Input != "" && !slices.Contains(c.queries, e.Input) {
			c.queries = append(c.queries, e.Input)
		}
		c.sources = append(c.sources, e.Sources...)
	case canon.HostedWebFetch:
		if e.Input != "" && !slices.Contains(c.pages, e.Input) {
			c.pages = append(c.pages, e.Input)
		}
		c.sources = append(c.sources, e.Sources...)
	default:
		c.sources = append(c.sources, e.Sources...)
		if len(e.Sources) == 0 {
			w.note(canon.LostAt(canon.WhatAnswerHosted, "", "Google has no such tool"))
		}
	}
	return dst
}

func (w *answering) code(dst []byte, c *saying, e canon.HostedUse) []byte {
	w.mindEnds(c)
	dst = w.flushCalls(dst, c, true)
	if !e.Done || e.Input != "" && !c.known[e.ID] {
		seal := c.take(false)
		dst = w.add(dst, c, func(b []byte) []byte {
			b = appendString(append(b, `{"executableCode":{"language":"PYTHON","code":`...), e.Input)
			return append(appendSeal(append(b, '}'), seal), '}')
		})
		if c.known == nil {
			c.known = map[string]bool{}
		}
		c.known[e.ID] = true
	}
	if e.Done {
		dst = w.add(dst, c, func(b []byte) []byte {
			b = appendString(append(b, `{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":`...), e.Output)
			return append(b, "}}"...)
		})
		delete(c.known, e.ID)
	}
	return dst
}

// appendGrounding appends what the answer rests on. Offsets count bytes: of all the text in a stream, where
// parts are no more than pieces of it, else of the part.
func (c *saying) appendGrounding(dst []byte, streamed bool) []byte {
	if len(c.queries) == 0 && len(c.sources) == 0 && len(c.cites) == 0 {
		return dst
	}
	var chunks []canon.Citation
	chunk := func(source canon.Citation) int {
		for i, s := range chunks {
			if s.URL == source.URL && s.Title == source.Title && (s.URL != "" || s.Text == source.Text) {
				return i
			}
		}
		chunks = append(chunks, source)
		return len(chunks) - 1
	}
	var supports []byte
	for i := 0; i < len(c.cites); i++ {
		first := c.cites[i]
		number := []int{chunk(first.Citation)}
		for i+1 < len(c.cites) && c.cites[i+1].Index == first.Index && c.cites[i+1].Citation.From == first.Citation.From && c.cites[i+1].Citation.To == first.Citation.To {
			i++
			number = append(number, chunk(c.cites[i].Citation))
		}
		supports = c.appendSupport(supports, first, number, streamed)
	}
	for _, s := range c.sources {
		chunk(s)
	}
	dst = append(dst, `,"groundingMetadata":{`...)
	member := func(name string) {
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), name...), `":[`...)
	}
	if len(chunks) > 0 {
		member("groundingChunks")
		for i, s := range chunks {
			dst = appendSource(comma(dst, i), s)
		}
		dst = append(dst, ']')
	}
	if len(supports) > 0 {
		member("groundingSupports")
		dst = append(append(dst, supports...), ']')
	}
	if len(c.queries) > 0 {
		member("webSearchQueries")
		for i, q := range c.queries {
			dst = appendString(comma(dst, i), q)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func comma(dst []byte, i int) []byte {
	if i > 0 {
		return append(dst, ',')
	}
	return dst
}

// appendSource appends an element of groundingChunks: a page of the web, or a document without an address.
func appendSource(dst []byte, s canon.Citation) []byte {
	if s.URL != "" {
		dst = appendString(append(dst, `{"web":{"uri":`...), s.URL)
		if s.Title != "" {
			dst = appendString(append(dst, `,"title":`...), s.Title)
		}
		return append(dst, "}}"...)
	}
	dst = appendString(append(dst, `{"retrievedContext":{"title":`...), s.Title)
	if s.Text != "" {
		dst = appendString(append(dst, `,"text":`...), s.Text)
	}
	return append(dst, "}}"...)
}

// appendSupport appends an element of groundingSupports. A citation without a place supports its block.
func (c *saying) appendSupport(dst []byte, e canon.Cited, chunks []int, streamed bool) []byte {
	at := -1
	for i, b := range c.blocks {
		if b.index == e.Index {
			at = i
			break
		}
	}
	if at < 0 {
		return dst
	}
	block, end := c.blocks[at], len(c.text)
	for _, next := range c.blocks[at+1:] {
		if next.index != e.Index {
			end = next.from
			break
		}
	}
	text := c.text[block.from:end]
	from, to := 0, len(text)
	if e.Citation.From != 0 || e.Citation.To != 0 {
		from, to = byteOffset(text, e.Citation.From), byteOffset(text, e.Citation.To)
	}
	if from >= to {
		return dst
	}
	segment := string(text[from:to])
	from, to = from+block.from, to+block.from
	part := 0
	if !streamed {
		from, to, part = from-block.base, to-block.base, block.part
	}
	if len(dst) > 0 {
		dst = append(dst, ',')
	}
	dst = append(dst, `{"segment":{`...)
	if part > 0 {
		dst = append(strconv.AppendInt(append(dst, `"partIndex":`...), int64(part), 10), ',')
	}
	if from > 0 {
		dst = append(strconv.AppendInt(append(dst, `"startIndex":`...), int64(from), 10), ',')
	}
	dst = strconv.AppendInt(append(dst, `"endIndex":`...), int64(to), 10)
	dst = appendString(append(dst, `,"text":`...), segment)
	dst = append(dst, `},"groundingChunkIndices":[`...)
	for i, n := range chunks {
		dst = strconv.AppendInt(comma(dst, i), int64(n), 10)
	}
	return append(dst, "]}"...)
}

// byteOffset returns how many bytes the first n characters of text are.
func byteOffset(text []byte, n int) int {
	at := 0
	for ; n > 0 && at < len(text); n-- {
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	return at
}

// appendPages appends the pages that were read.
func (c *saying) appendPages(dst []byte) []byte {
	if len(c.pages) == 0 {
		return dst
	}
	dst = append(dst, `,"urlContextMetadata":{"urlMetadata":[`...)
	for i, url := range c.pages {
		dst = appendString(append(comma(dst, i), `{"retrievedUrl":`...), url)
		dst = append(dst, `,"urlRetrievalStatus":"URL_RETRIEVAL_STATUS_SUCCESS"}`...)
	}
	return append(dst, "]}"...)
}

// probs writes log probabilities: at once in a stream, else with the answer.
func (w *answering) probs(dst []byte, c *saying, tokens []canon.TokenProb) []byte {
	var chosen, top []byte
	for i, t := range tokens {
		chosen = appendProb(comma(chosen, i), t)
		top = append(comma(top, i), `{"candidates":[`...)
		for n, t := range t.Top {
			top = appendProb(comma(top, n), t)
		}
		top = append(top, "]}"...)
	}
	if w.framer == nil {
		if len(c.chosen) > 0 && len(chosen) > 0 {
			c.chosen, c.top = append(c.chosen, ','), append(c.top, ',')
		}
		c.chosen, c.top = append(c.chosen, chosen...), append(c.top, top...)
		return dst
	}
	if len(chosen) == 0 {
		return dst
	}
	return w.send(dst, func(b []byte) []byte {
		b = append(b, `{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"index":`...)
		b = strconv.AppendInt(b, int64(c.number), 10)
		b = appendLogProbs(b, chosen, top)
		return append(append(b, "}]"...), w.tail...)
	})
}

func appendProb(dst []byte, t canon.TokenProb) []byte {
	dst = appendString(append(dst, `{"token":`...), t.Token)
	return append(appendFloat(append(dst, `,"logProbability":`...), t.LogProb), '}')
}

func appendLogProbs(dst, chosen, top []byte) []byte {
	dst = append(append(dst, `,"logprobsResult":{"chosenCandidates":[`...), chosen...)
	dst = append(append(dst, `],"topCandidates":[`...), top...)
	return append(dst, "]}"...)
}

// appendUsage appends a usageMetadata: Google counts what the cache held as part of the prompt, and
// thoughts beside the candidates. Source: see counters.usage.
func appendUsage(dst []byte, u canon.Usage) []byte {
	in, out := u.In(), u.Out()-u.Reasoning
	dst = strconv.AppendInt(append(dst, `{"promptTokenCount":`...), in, 10)
	dst = strconv.AppendInt(append(dst, `,"candidatesTokenCount":`...), out, 10)
	dst = strconv.AppendInt(append(dst, `,"totalTokenCount":`...), in+out+u.Reasoning, 10)
	if u.CacheRead > 0 {
		dst = strconv.AppendInt(append(dst, `,"cachedContentTokenCount":`...), u.CacheRead, 10)
	}
	dst = appendModalities(append(dst, `,"promptTokensDetails":`...), in, modality{u.InputImage, u.InputAudio, u.InputVideo})
	if u.OutputImage+u.OutputAudio > 0 {
		dst = appendModalities(append(dst, `,"candidatesTokensDetails":`...), out, modality{image: u.OutputImage, audio: u.OutputAudio})
	}
	if u.Reasoning > 0 {
		dst = strconv.AppendInt(append(dst, `,"thoughtsTokenCount":`...), u.Reasoning, 10)
	}
	switch u.Tier {
	case "flex", "priority":
		dst = appendString(append(dst, `,"serviceTier":`...), u.Tier)
	}
	return append(dst, '}')
}

func appendModalities(dst []byte, total int64, m modality) []byte {
	dst = append(dst, '[')
	for _, one := range [...]struct {
		name  string
		count int64
	}{{"TEXT", total - m.sum()}, {"IMAGE", m.image}, {"AUDIO", m.audio}, {"VIDEO", m.video}} {
		if one.count <= 0 {
			continue
		}
		if dst[len(dst)-1] != '[' {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, `{"modality":"`...), one.name...), `","tokenCount":`...)
		dst = append(strconv.AppendInt(dst, one.count, 10), '}')
	}
	return append(dst, ']')
}

// counted appends the answer of countTokens.
func (w *answering) counted(dst []byte) []byte {
	u := w.usage
	dst = strconv.AppendInt(append(dst, `{"totalTokens":`...), u.In(), 10)
	if u.CacheRead > 0 {
		dst = strconv.AppendInt(append(dst, `,"cachedContentTokenCount":`...), u.CacheRead, 10)
	}
	dst = appendModalities(append(dst, `,"promptTokensDetails":`...), u.In(), modality{u.InputImage, u.InputAudio, u.InputVideo})
	return append(dst, '}')
}

// embedded appends the answer of embedContent or batchEmbedContents.
func (w *answering) embedded(dst []byte) []byte {
	slices.SortStableFunc(w.vectors, func(a, b canon.Embedding) int { return a.Number - b.Number })
	if w.a.Head.Op == canon.OpEmbed {
		values := json.RawMessage("[]")
		if len(w.vectors) > 0 {
			values = w.vectors[0].Values
		}
		dst = append(appendRaw(append(dst, `{"embedding":{"values":`...), string(values)), '}')
	} else {
		dst = append(dst, `{"embeddings":[`...)
		for i, v := range w.vectors {
			dst = append(appendRaw(append(comma(dst, i), `{"values":`...), string(v.Values)), '}')
		}
		dst = append(dst, ']')
	}
	if n := w.usage.In(); n > 0 {
		dst = strconv.AppendInt(append(dst, `,"usageMetadata":{"promptTokenCount":`...), n, 10)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}
