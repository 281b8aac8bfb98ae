package gemini

import (
	"encoding/json"
	"slices"
	"strconv"

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
		if e.Failed {
			w.note(canon.LostAt(canon.WhatAnswerHosted, "", "Google's answers do not say that a search failed"))
		}
		c.queries.add(e.Input)
		c.sources = append(c.sources, e.Sources...)
	case canon.HostedWebFetch:
		c.pages.add(e.Input)
		if e.Failed {
			if c.unread == nil {
				c.unread = map[string]bool{}
			}
			c.unread[e.Input] = true
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
			outcome := "OUTCOME_OK"
			if e.Failed {
				outcome = "OUTCOME_FAILED"
			}
			b = append(append(append(b, `{"codeExecutionResult":{"outcome":"`...), outcome...), `","output":`...)
			b = appendString(b, e.Output)
			return append(b, "}}"...)
		})
		delete(c.known, e.ID)
	}
	return dst
}

// once is a list of texts, each of which it has once.
type once struct {
	list []string
	has  map[string]bool
}

func (o *once) add(s string) {
	if s == "" || o.has[s] {
		return
	}
	if o.has == nil {
		o.has = map[string]bool{}
	}
	o.has[s] = true
	o.list = append(o.list, s)
}

// appendGrounding appends what the answer rests on. Offsets count bytes: of all the text in a stream, where
// parts are no more than pieces of it, else of the part.
func (w *answering) appendGrounding(dst []byte, c *saying) []byte {
	if len(c.queries.list) == 0 && len(c.sources) == 0 && len(c.cites) == 0 {
		return dst
	}
	var chunks []canon.Citation
	numbers := map[sourceKey]int{}
	chunk := func(source canon.Citation) int {
		key := sourceKey{source.URL, source.Title, ""}
		if source.URL == "" {
			key.text = source.Text
		}
		if _, have := numbers[key]; !have {
			numbers[key] = len(chunks)
			chunks = append(chunks, source)
		}
		if key.url != "" && source.Text != "" || source.FileID != "" {
			w.note(canon.ChangedAt(canon.WhatAnswerCitation, "", "what is quoted of a page, and the id of a file, can't be told"))
		}
		return numbers[key]
	}
	c.placeBlocks()
	var supports []byte
	for i := 0; i < len(c.cites); i++ {
		first := c.cites[i]
		number := []int{chunk(first.Citation)}
		for i+1 < len(c.cites) && c.cites[i+1].Index == first.Index && c.cites[i+1].Citation.From == first.Citation.From && c.cites[i+1].Citation.To == first.Citation.To {
			i++
			number = append(number, chunk(c.cites[i].Citation))
		}
		var ok bool
		if supports, ok = c.appendSupport(supports, first, number, w.framer != nil); !ok {
			w.note(canon.ChangedAt(canon.WhatAnswerCitation, "", "it can't be told which words a source supports"))
		}
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
	if len(c.queries.list) > 0 {
		member("webSearchQueries")
		for i, q := range c.queries.list {
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
func (c *saying) appendSupport(dst []byte, e canon.Cited, chunks []int, streamed bool) (out []byte, ok bool) {
	block := c.placed[e.Index]
	if block == nil {
		return dst, false
	}
	from, to := 0, len(block.text)
	if e.Citation.From != 0 || e.Citation.To != 0 {
		from, to = block.byteAt(e.Citation.From), block.byteAt(e.Citation.To)
	}
	if from >= to {
		return dst, false
	}
	segment := string(block.text[from:to])
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
	return append(dst, "]}"...), true
}

// appendPages appends the pages that were read.
func (c *saying) appendPages(dst []byte) []byte {
	if len(c.pages.list) == 0 {
		return dst
	}
	dst = append(dst, `,"urlContextMetadata":{"urlMetadata":[`...)
	for i, url := range c.pages.list {
		status := "URL_RETRIEVAL_STATUS_SUCCESS"
		if c.unread[url] {
			status = "URL_RETRIEVAL_STATUS_ERROR"
		}
		dst = appendString(append(comma(dst, i), `{"retrievedUrl":`...), url)
		dst = append(append(append(dst, `,"urlRetrievalStatus":"`...), status...), `"}`...)
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
	dst = appendModalities(append(dst, `,"promptTokensDetails":`...), in, modality{image: u.InputImage, audio: u.InputAudio, video: u.InputVideo})
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
	dst = appendModalities(append(dst, `,"promptTokensDetails":`...), u.In(), modality{image: u.InputImage, audio: u.InputAudio, video: u.InputVideo})
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
