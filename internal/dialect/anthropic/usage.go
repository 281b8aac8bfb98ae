package anthropic

import (
	"fmt"
	"strconv"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonpull"
)

// counters are the figures of usage objects as Anthropic counts them. A streamed answer says them
// twice: all of them in message_start, and what has grown by then in message_delta.
type counters struct {
	input, read, w5m, w1h int64
	output, thinking      int64 // output includes thinking
	searches              int64
	tier, speed           string

	beside *counters    // what was billed beside these figures; nil: nothing
	other  canon.Beside // what else was said
}

// maxCount is more tokens than any answer can have. A figure beyond it is a broken upstream, and
// settling by it would be worse than not knowing.
const maxCount = 1 << 40

// absent marks a figure that a usage object does not have.
const absent = -1

// merge takes in one usage object. Members that are absent or null leave what was known: a
// message_delta with output_tokens alone must not wipe the input. Nor must zeros for the whole input
// side, which some compatible vendors send there.
func (c *counters) merge(p *jsonpull.Parser) error {
	if !p.Object() {
		return nil
	}
	var input, read, write, w5m, w1h int64 = absent, absent, absent, absent, absent
	var err error
	take := func(dst *int64) {
		if e := take(p, dst); e != nil && err == nil {
			err = e
		}
	}
	for p.Member() {
		switch p.Name {
		case "input_tokens":
			take(&input)
		case "cache_read_input_tokens":
			take(&read)
		case "cache_creation_input_tokens":
			take(&write)
		case "cache_creation":
			for in := p.Object(); in && p.Member(); {
				switch p.Name {
				case "ephemeral_5m_input_tokens":
					take(&w5m)
				case "ephemeral_1h_input_tokens":
					take(&w1h)
				default:
					c.also(p, "cache_creation.")
				}
			}
		case "output_tokens":
			take(&c.output)
		case "output_tokens_details":
			for in := p.Object(); in && p.Member(); {
				if p.Name == "thinking_tokens" {
					take(&c.thinking)
				} else {
					c.also(p, "output_tokens_details.")
				}
			}
		case "server_tool_use":
			for in := p.Object(); in && p.Member(); {
				if p.Name == "web_search_requests" {
					take(&c.searches)
				} else {
					c.also(p, "server_tool_use.")
				}
			}
		case "service_tier":
			c.tier = keep(p.String(), c.tier)
		case "speed":
			c.speed = keep(p.String(), c.speed)
		case "iterations":
			if e := c.iterations(p); e != nil && err == nil {
				err = e
			}
		default: // inference_geo …
			c.also(p, "")
		}
	}
	if err != nil {
		return err
	}
	if max(input, 0)+max(read, 0)+max(write, 0)+max(w5m, 0)+max(w1h, 0) == 0 {
		return nil
	}
	if input != absent {
		c.input = input
	}
	if read != absent {
		c.read = read
	}
	switch {
	case w5m != absent || w1h != absent:
		c.w5m, c.w1h = max(w5m, 0), max(w1h, 0)
		c.w5m += max(write-c.w5m-c.w1h, 0) // written for a life that we do not know
	case write >= c.w1h:
		c.w5m = write - c.w1h // the flat figure does not say which; what was said of it before still holds
	case write != absent:
		c.w5m, c.w1h = write, 0
	}
	return nil
}

// also takes a member that no Usage says.
func (c *counters) also(p *jsonpull.Parser, in string) {
	name := p.Name // of a value's own members it becomes theirs
	switch raw := p.Raw(); raw {
	case `"not_available"`, `"global"`: // where inference ran: nowhere in particular
	default:
		c.other.Add(in+name, raw)
	}
}

// iterations reads the figures of each sampling iteration. Those of "message" and "fallback_message"
// iterations are in the figures at the top already; those of server-side compaction and of an advisor
// are billed but left out there. An advisor is another model at another price, which a Usage can't say:
// its tokens are counted as the answering model's, which is nearer to the bill than leaving them out.
//
// Source: comments of BetaUsage in anthropic-sdk-go v1.84.0; an advisor's answer of 2026-04, recorded in
// vercel/ai packages/anthropic/src/__fixtures__/anthropic-advisor-20260301.1.json.
func (c *counters) iterations(p *jsonpull.Parser) error {
	if !p.Array() {
		return nil
	}
	var sum counters
	found := false
	for p.Element() {
		raw := p.Raw()
		if kind := typeOf(raw); kind != "compaction" && kind != "advisor_message" {
			continue
		}
		var one counters
		it := jsonpull.NewString(raw)
		if err := one.merge(&it); err != nil {
			return err
		}
		found = true
		sum.input = min(sum.input+one.input, maxCount)
		sum.read = min(sum.read+one.read, maxCount)
		sum.w5m = min(sum.w5m+one.w5m, maxCount)
		sum.w1h = min(sum.w1h+one.w1h, maxCount)
		sum.output = min(sum.output+one.output, maxCount)
	}
	if found {
		c.beside = &sum
		c.other.Add("iterations", "[…]")
	}
	return nil
}

// usage converts to disjoint buckets. Anthropic's input_tokens leaves out cached tokens, so nothing is
// subtracted. Its output_tokens includes thinking; what part of it that was is said since 2026 in
// output_tokens_details, and without that all output is Output.
func (c *counters) usage() canon.Usage {
	thinking := min(c.thinking, c.output)
	u := canon.Usage{
		Input: c.input, CacheRead: c.read, CacheWrite5m: c.w5m, CacheWrite1h: c.w1h,
		Output: c.output - thinking, Reasoning: thinking,
		WebSearches: c.searches, Tier: c.tierName(),
	}
	if k := c.beside; k != nil {
		u.Input += k.input
		u.CacheRead += k.read
		u.CacheWrite5m += k.w5m
		u.CacheWrite1h += k.w1h
		u.Output += k.output
	}
	return u
}

// tierName says what the price depends on. Fast mode is a speed, not a tier, in Anthropic's words, but
// it has prices of its own, as a tier has.
func (c *counters) tierName() string {
	switch {
	case c.speed == "fast":
		return "fast"
	case c.tier == "standard":
		return ""
	}
	return c.tier
}

// take reads one figure into dst and leaves dst alone if it is null.
func take(p *jsonpull.Parser, dst *int64) error {
	if p.Kind() == 'n' {
		p.Skip()
		return nil
	}
	number := p.Kind() == '0'
	name := p.Name
	raw := p.Raw()
	if number {
		n, err := strconv.ParseInt(raw, 10, 64)
		if err != nil { // 12.0 and 1e3 are integers too
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

func keep(said, known string) string {
	if said == "" {
		return known
	}
	return said
}

// typeOf returns the member type of a JSON object, "" if it has none.
func typeOf(raw string) string {
	p := jsonpull.NewString(raw)
	kind := ""
	for in := p.Object(); in && p.Member(); {
		if p.Name == "type" {
			kind = p.String()
		} else {
			p.Skip()
		}
	}
	return kind
}
