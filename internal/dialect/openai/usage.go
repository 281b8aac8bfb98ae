package openai

import (
	"strconv"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonpull"
)

// Counts is a usage object as vendors write it, of either dialect.
type Counts struct {
	in, out, total            int64
	cached, hit, read         int64 // three ways to say the same: details, DeepSeek and Moonshot, Anthropic
	write, write5m, write1h   int64
	inAudio, inImage, inVideo int64
	reasoning                 int64
	outAudio, outImage        int64
	searches                  int64
	generated                 bool // it counts output at all; embeddings do not
	beside                    canon.Beside
}

// ReadUsage is Read and Used of a usage object that stands alone.
func ReadUsage(raw, tier string) (u canon.Used, ok bool) {
	p := jsonpull.NewString(raw)
	var c Counts
	c.Read(&p)
	return c.Used(tier)
}

// Used converts the counts into disjoint buckets. ok is false if they count nothing: an upstream that
// reports zeros knows no more than one that reports nothing, and neither is free.
//
// The sums are the vendor's: In is what it calls prompt or input tokens, Out what it calls completion
// or output tokens, with the exceptions of outside.
func (c *Counts) Used(tier string) (u canon.Used, ok bool) {
	u.Usage, ok = c.usage(tier)
	u.Beside = c.beside
	return u, ok
}

// also takes a member that no Usage says. How long an upstream took is nothing that it used, and text is what is left of
// a sum without its other parts.
func (c *Counts) also(p *jsonpull.Parser, in string) {
	name := p.Name // of a value's own members it becomes theirs
	raw := p.Raw()
	if raw == "0" || name == "text_tokens" || strings.HasSuffix(name, "_time") || strings.HasSuffix(name, "_latency") {
		return
	}
	c.beside.Add(in+name, raw)
}

// Read takes the next value, which counts nothing if it is no object.
func (c *Counts) Read(p *jsonpull.Parser) {
	if !p.Object() {
		return
	}
	for p.Member() {
		switch p.Name {
		case "prompt_tokens", "input_tokens":
			c.in = count(p)
		case "completion_tokens", "output_tokens":
			c.out, c.generated = count(p), true
		case "total_tokens":
			c.total = count(p)
		case "prompt_cache_hit_tokens", "cached_tokens": // DeepSeek; Moonshot
			c.hit = max(c.hit, count(p))
		case "cache_read_input_tokens":
			c.read = count(p)
		case "cache_creation_input_tokens", "cache_write_tokens":
			c.write = max(c.write, count(p))
		case "cache_creation":
			c.readCreation(p)
		case "reasoning_tokens":
			c.reasoning = max(c.reasoning, count(p))
		case "prompt_tokens_details", "input_tokens_details":
			c.readInput(p)
		case "completion_tokens_details", "output_tokens_details":
			c.readOutput(p)
		case "server_tool_use": // of Anthropic's models behind OpenRouter and other proxies
			if p.Object() {
				for p.Member() {
					if p.Name == "web_search_requests" {
						c.searches = count(p)
					} else {
						c.also(p, "server_tool_use.")
					}
				}
			}
		default:
			c.also(p, "")
		}
	}
}

func (c *Counts) readInput(p *jsonpull.Parser) {
	if !p.Object() {
		return
	}
	for p.Member() {
		switch p.Name {
		case "cached_tokens":
			c.cached = count(p)
		case "cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens":
			c.write = max(c.write, count(p))
		case "cache_creation":
			c.readCreation(p)
		case "audio_tokens":
			c.inAudio = count(p)
		case "image_tokens":
			c.inImage = count(p)
		case "video_tokens":
			c.inVideo = count(p)
		default:
			c.also(p, "prompt_tokens_details.")
		}
	}
}

func (c *Counts) readOutput(p *jsonpull.Parser) {
	if !p.Object() {
		return
	}
	for p.Member() {
		switch p.Name {
		case "reasoning_tokens":
			c.reasoning = max(c.reasoning, count(p))
		case "audio_tokens":
			c.outAudio = count(p)
		case "image_tokens":
			c.outImage = count(p)
		default: // predictions, accepted or rejected, are inside completion_tokens and billed as output
			c.also(p, "completion_tokens_details.")
		}
	}
}

func (c *Counts) readCreation(p *jsonpull.Parser) {
	if !p.Object() {
		return
	}
	for p.Member() {
		switch p.Name {
		case "ephemeral_5m_input_tokens":
			c.write5m = count(p)
		case "ephemeral_1h_input_tokens":
			c.write1h = count(p)
		default:
			p.Skip()
		}
	}
}

// most is more tokens than any answer has, so that sums of hostile counts do not overflow.
const most = 1 << 48

func count(p *jsonpull.Parser) int64 { return min(max(p.Int(), 0), most) }

// outside adds to in and out what a vendor leaves out of them. Its own total tells:
//   - xAI counts reasoning beside completion_tokens: https://github.com/vercel/ai/pull/12425, 2026-02-11;
//   - what speaks for Gemini may leave thinking out of completion_tokens and name it nowhere:
//     https://github.com/mozilla-ai/any-llm/issues/1290, 2026-08-16;
//   - proxies that copy Anthropic's figures leave cache reads and writes out of prompt_tokens.
func (c *Counts) outside(cacheRead, cacheWrite int64) {
	cache := cacheRead + cacheWrite
	gap := c.total - c.in - c.out
	switch {
	case cache > c.in && (c.total == 0 || gap >= cache):
		c.in += cache
		gap -= cache
	case gap > 0 && gap != c.reasoning && (gap == cache || gap == cacheRead || gap == cacheWrite):
		c.in += gap
		gap = 0
	}
	switch {
	case c.reasoning > c.out && c.total == 0, c.reasoning > 0 && gap >= c.reasoning:
		c.out += c.reasoning
	case c.reasoning == 0 && gap > 0 && c.generated:
		c.reasoning = gap
		c.out += gap
	}
}

func (c *Counts) usage(tier string) (canon.Usage, bool) {
	read := max(c.cached, c.hit, c.read)
	write := max(c.write, c.write5m+c.write1h)
	c.outside(read, write)
	if c.in == 0 && c.out == 0 {
		if c.total == 0 {
			return canon.Usage{}, false
		}
		c.in = c.total // rerankers and some embedders say only this
	}
	u := canon.Usage{WebSearches: c.searches, Tier: Tier(tier)}

	// Each bucket takes from what is left, so that they add up to the vendor's figure whatever it says
	// of the parts.
	left := c.in
	take := func(n int64) int64 {
		n = min(n, left)
		left -= n
		return n
	}
	u.CacheRead = take(read)
	u.CacheWrite1h = take(c.write1h)
	u.CacheWrite5m = take(write - c.write1h)
	u.InputAudio = take(c.inAudio)
	u.InputImage = take(c.inImage)
	u.InputVideo = take(c.inVideo)
	u.Input = left

	left = c.out
	u.Reasoning = take(c.reasoning)
	u.OutputAudio = take(c.outAudio)
	u.OutputImage = take(c.outImage)
	u.Output = left
	return u, true
}

// Tier is the service tier as canon writes it: "" for the standard one, by whatever name.
func Tier(word string) string {
	switch word {
	case "default", "standard", "auto", "on_demand": // the last is Groq's
		return ""
	}
	return clip(word, 64)
}

// AppendCreation appends to the details of input for how long what was written to a cache lives there, as proxies
// of Anthropic's models tell it, where some of it lives longer than usual.
func AppendCreation(dst []byte, u canon.Usage) []byte {
	if u.CacheWrite1h == 0 {
		return dst
	}
	dst = strconv.AppendInt(append(dst, `,"cache_creation":{"ephemeral_5m_input_tokens":`...), u.CacheWrite5m, 10)
	dst = strconv.AppendInt(append(dst, `,"ephemeral_1h_input_tokens":`...), u.CacheWrite1h, 10)
	return append(dst, '}')
}
