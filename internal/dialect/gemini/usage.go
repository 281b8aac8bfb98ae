package gemini

import (
	"fmt"
	"strconv"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonpull"
)

// counters are the figures of a usageMetadata as Google counts them. Every chunk of a stream says
// those that are known by then, and zeros are left out, so what a chunk does not say still holds.
type counters struct {
	prompt     int64 // includes cached
	cached     int64
	tool       int64 // what tools gave back to the model, not part of prompt
	candidates int64 // see candidatesAlone
	thoughts   int64
	total      int64

	said           bool // any figure was; Vertex sends usageMetadata without one until the last chunk
	saidCandidates bool

	promptBy, cachedBy, toolBy, candBy modality
	tier                               string
	beside                             canon.Beside // what else was said
}

// modality is the part of a figure that is not text. A DOCUMENT counts as image: Google bills PDFs at
// the price of images, and has been seen to report them as IMAGE (gemini-3.1-pro, 2026-07).
type modality struct {
	image, audio, video int64
	document            bool // some of image is
}

func (m *modality) sum() int64 { return m.image + m.audio + m.video }

// less takes what is known to be cached out of m.
func (m modality) less(cached modality) modality {
	return modality{image: max(m.image-cached.image, 0), audio: max(m.audio-cached.audio, 0), video: max(m.video-cached.video, 0)}
}

// fit cuts m down to total. It is too big where the vendor does not say which tokens the cache held,
// and then text is taken to be cached first.
func (m modality) fit(total int64) modality {
	over := max(m.sum()-total, 0)
	for _, part := range [...]*int64{&m.image, &m.video, &m.audio} {
		cut := min(over, *part)
		*part -= cut
		over -= cut
	}
	return m
}

// maxCount is more tokens than any answer can have. A figure beyond it is a broken upstream, and
// settling by it would be worse than not knowing.
const maxCount = 1 << 40

// merge takes in one usageMetadata.
func (c *counters) merge(p *jsonpull.Parser) error {
	var err error
	take := func(dst *int64) {
		c.said = true
		if e := take(p, dst); e != nil && err == nil {
			err = e
		}
	}
	details := func(dst *modality) {
		e := readModality(p, dst)
		if e != nil && err == nil {
			err = e
		}
		if dst.document {
			c.beside.Add("tokens of documents", "1")
		}
	}
	for in := p.Object(); in && p.Member(); {
		switch p.Name {
		case "promptTokenCount":
			take(&c.prompt)
		case "cachedContentTokenCount":
			take(&c.cached)
		case "toolUsePromptTokenCount":
			take(&c.tool)
			c.beside.Add("toolUsePromptTokenCount", strconv.FormatInt(c.tool, 10))
		case "candidatesTokenCount":
			c.saidCandidates = c.saidCandidates || p.Kind() != 'n'
			take(&c.candidates)
		case "thoughtsTokenCount":
			take(&c.thoughts)
		case "totalTokenCount":
			take(&c.total)
		case "promptTokensDetails", "promptTokenDetails": // the second is what embeddings say
			details(&c.promptBy)
		case "cacheTokensDetails":
			details(&c.cachedBy)
		case "toolUsePromptTokensDetails":
			details(&c.toolBy)
		case "candidatesTokensDetails":
			details(&c.candBy)
		case "serviceTier", "trafficType":
			if s := p.String(); s != "" {
				c.tier = tierOf(s)
			}
		default:
			name := p.Name // of a value's own members it becomes theirs
			c.beside.Add(name, p.Raw())
		}
	}
	return err
}

// readModality reads a list of {"modality":"IMAGE","tokenCount":258}.
func readModality(p *jsonpull.Parser, dst *modality) error {
	if p.Kind() == 'n' {
		p.Skip()
		return nil
	}
	var sum modality
	for in := p.Array(); in && p.Element(); {
		kind, n := "", int64(0)
		for in := p.Object(); in && p.Member(); {
			switch p.Name {
			case "modality":
				kind = p.String()
			case "tokenCount":
				if err := take(p, &n); err != nil {
					return err
				}
			default:
				p.Skip()
			}
		}
		switch kind {
		case "IMAGE", "DOCUMENT":
			sum.image = min(sum.image+n, maxCount)
			sum.document = sum.document || kind == "DOCUMENT" && n > 0
		case "AUDIO":
			sum.audio = min(sum.audio+n, maxCount)
		case "VIDEO":
			sum.video = min(sum.video+n, maxCount)
		}
	}
	*dst = sum
	return nil
}

// usage converts to disjoint buckets.
//
// promptTokenCount includes what the cache held, so that is subtracted; toolUsePromptTokenCount stands
// beside it and is added to the input.
//
// Source: comments of GenerateContentResponseUsageMetadata in google.golang.org/genai v1.77.0.
func (c *counters) usage() canon.Usage {
	cached := min(c.cached, c.prompt)
	fresh := c.prompt - cached
	in := c.promptBy.less(c.cachedBy).fit(fresh)
	tool := c.toolBy.fit(c.tool)
	answer := c.candidatesAlone()
	out := c.candBy.fit(answer)
	return canon.Usage{
		Input:       fresh - in.sum() + c.tool - tool.sum(),
		CacheRead:   cached,
		InputImage:  in.image + tool.image,
		InputAudio:  in.audio + tool.audio,
		InputVideo:  in.video + tool.video,
		Output:      answer - out.image - out.audio,
		Reasoning:   c.thoughts,
		OutputImage: out.image,
		OutputAudio: out.audio,
		Tier:        c.tier,
	}
}

// candidatesAlone is the count of visible output. The Gemini API keeps thoughts out of
// candidatesTokenCount; Vertex has had it both ways. The total tells: it counts every token once. It
// also tells what was answered where candidatesTokenCount is left out, as some image models do.
func (c *counters) candidatesAlone() int64 {
	rest := c.total - c.prompt - c.tool
	switch {
	case !c.saidCandidates:
		return max(rest-c.thoughts, 0)
	case c.thoughts > 0 && c.total > 0 && rest == c.candidates:
		return max(c.candidates-c.thoughts, 0)
	}
	return c.candidates
}

// tierOf brings the Gemini API's serviceTier and Vertex's trafficType to one word; "" is standard.
func tierOf(s string) string {
	switch s = strings.ToLower(s); s {
	case "standard", "unspecified", "service_tier_unspecified", "on_demand", "traffic_type_unspecified":
		return ""
	}
	return strings.TrimPrefix(s, "on_demand_")
}

// take reads one figure into dst and leaves dst alone if it is null.
func take(p *jsonpull.Parser, dst *int64) error {
	if p.Kind() == 'n' {
		p.Skip()
		return nil
	}
	quoted := p.Kind() == '"' // as the JSON mapping of protocol buffers writes 64 bits
	number := quoted || p.Kind() == '0'
	name, raw := p.Name, ""
	if quoted {
		raw = p.String()
	} else {
		raw = p.Raw()
	}
	if number {
		n, err := strconv.ParseInt(raw, 10, 64)
		if err != nil { // statistics of embeddings are floats
			if f, ferr := strconv.ParseFloat(raw, 64); ferr == nil && f >= 0 && f <= maxCount && f == float64(int64(f)) {
				n, err = int64(f), nil
			}
		}
		if err == nil && n >= 0 && n <= maxCount {
			*dst = n
			return nil
		}
	}
	return fmt.Errorf("%s is not a count of tokens: %.40s", name, raw)
}
