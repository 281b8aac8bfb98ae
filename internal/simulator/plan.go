package simulator

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// plan is an answer before a dialect writes it. It holds no string of the request.
type plan struct {
	model   string
	created int64 // unix seconds
	think   string
	seal    string // signature of think; "" without thinking
	choices []draft
	piece   int // bytes of a content event; 0: a word
	events  int // content events, when asked for; else 0
	big     int
	use     Usage
	wrong   bool
	noUsage bool
}

// draft is one alternative answer.
type draft struct {
	text  string
	calls []toolCall
	end   end
	stop  string // the sequence met, with endSequence
}

type toolCall struct {
	id, name, args string
	custom         bool
}

// end says why an answer ended.
type end int

const (
	endTurn end = iota
	endLength
	endSequence
	endTools
)

// corpus is what answers are cut from. It is plain ASCII without quotes, so it needs no escaping, and
// long enough that most answers are slices of it.
var corpus = buildCorpus()

// sentences are told in order from a start that the request decides.
const sentences = "The tide turns twice a day and keeps its own ledger. " +
	"A small lamp in the window is seen from far away. " +
	"Copper wires carry voices under the cold sea. " +
	"Every bridge begins with a single rope thrown across. " +
	"The baker counts the loaves before the street wakes. " +
	"Maps are promises that the land has to keep. " +
	"Nobody measures the wind, yet every sail knows it. " +
	"An old clock in the hall is wrong in a way one can rely on. " +
	"Rain on the roof makes a long list of short words. " +
	"The toll keeper lifts the gate and writes a line. " +
	"Some rivers go underground and come back with another name. " +
	"A letter takes as long as the road it travels. "

func buildCorpus() string { return strings.Repeat(sentences, 1+(64<<10)/len(sentences)) }

// thought is what thinking models think, cut to size.
const thought = "The person asks for something, so I look at what was given first. I weigh a short answer against a long one. Nothing here needs more than what I know. I will answer plainly and keep to the limits."

// textOf returns n bytes of sentences (0: two or three sentences), starting where seed says.
func textOf(seed uint64, n int) string {
	start := int(seed % uint64(len(sentences)))
	if i := strings.Index(sentences[start:], ". "); i >= 0 && start+i+2 < len(sentences) {
		start += i + 2
	} else {
		start = 0
	}
	if n == 0 {
		rest := corpus[start:]
		for range 2 + int(seed>>32)%2 {
			i := strings.Index(rest[n:], ". ")
			n += i + 2
		}
		return rest[:n-1]
	}
	if start+n <= len(corpus) {
		return corpus[start : start+n]
	}
	return strings.Repeat(corpus, 1+(start+n)/len(corpus))[start : start+n]
}

// draftSeed turns what the request says into the start of its answer: the model, and both ends of the prompt.
func (s *Simulator) draftSeed(a *ask, i int) uint64 {
	h := s.cfg.Seed + uint64(i)*0x9e3779b97f4a7c15
	h ^= uint64(len(a.user))
	for _, str := range []string{a.family, a.user[:min(512, len(a.user))], a.user[max(0, len(a.user)-512):]} {
		for j := range len(str) {
			h = (h ^ uint64(str[j])) * 0x100000001b3
		}
	}
	return mix(h)
}

// plan decides the answer to a. It fills in the usage that will be reported.
func (c *call) plan(a *ask) *plan {
	b := &c.be
	p := &plan{
		model: strings.Clone(a.model), created: c.s.now().Unix(),
		big: b.big, piece: b.size, wrong: b.wrongUsage, noUsage: b.noUsage, events: b.events,
	}
	if p.events > 0 && p.piece == 0 {
		p.piece = 5
	}
	if p.events > 0 {
		a.max, a.stops = 0, nil // so many events were wished for, whatever the limits
	}
	if a.thinks || b.reasoning || b.reasoningText {
		p.think = thought
		if a.budget > 0 && tokens(len(thought)) > a.budget {
			p.think = thought[:a.budget*4]
		}
	}
	budget := int64(-1) // tokens left for content; -1: as many as wanted
	if a.max > 0 {
		if t := a.max * 4; p.think != "" && int64(len(p.think)) > t {
			p.think = p.think[:t]
		}
		budget = a.max - tokens(len(p.think))
	}
	calls := c.wantedCalls(a)
	if a.dry {
		budget, calls, p.think = 0, nil, ""
	}
	n := max(1, a.n)
	p.choices = make([]draft, n)
	for i := range p.choices {
		d := &p.choices[i]
		if len(calls) > 0 {
			d.calls, d.end = calls, endTools
			if i > 0 {
				d.calls = c.renamed(calls)
			}
		} else {
			d.text = c.text(a, p, i)
			d.cut(a.stops, budget)
			if i == 0 && p.big > 0 {
				d.text = textOf(0, p.big) + d.text
			}
		}
		out := len(d.text)
		for _, tc := range d.calls {
			out += len(tc.name) + len(tc.args)
		}
		p.use.Output += tokens(out)
	}
	p.use.Reasoning = tokens(len(p.think))
	if p.use.Output+p.use.Reasoning == 0 && !a.dry {
		p.use.Output = 1
	}
	c.promptUsage(a, p)
	c.rec.Usage, c.rec.Reported, c.rec.Wrong = p.use, false, p.wrong
	return p
}

// text is the answer in words (or JSON, when asked for) before limits.
func (c *call) text(a *ask, p *plan, i int) string {
	seed := c.s.draftSeed(a, i)
	if c.be.events > 0 {
		return textOf(seed, c.be.events*p.piece)
	}
	switch {
	case a.asJSON:
		return string(sample(a.schema, hints{}))
	case len(a.results) > 0 && !a.isUser:
		var out strings.Builder
		for j, r := range a.results {
			if j > 0 {
				out.WriteByte('\n')
			}
			out.WriteString("The tool")
			if r.name != "" {
				out.WriteString(" " + r.name)
			}
			out.WriteString(" answered: ")
			out.WriteString(cutRunes(r.text, 400))
		}
		return out.String()
	case c.be.echo:
		return strings.Clone(a.user)
	}
	if _, after, ok := strings.Cut(a.user, "echo:"); ok {
		return strings.Clone(strings.TrimSpace(after))
	}
	text := textOf(seed, 0)
	if len(a.media) > 0 {
		text = "I received " + strconv.Itoa(len(a.media)) + ": " + strings.Join(a.media, "; ") + ". " + text
	}
	return text
}

// cut applies stop sequences and the budget of tokens; the one that comes first decides.
func (d *draft) cut(stops []string, budget int64) {
	at := -1
	for _, s := range stops {
		if i := strings.Index(d.text, s); i >= 0 && (at < 0 || i < at) {
			at, d.stop = i, strings.Clone(s)
		}
	}
	if at >= 0 {
		d.text, d.end = d.text[:at], endSequence
	}
	if budget >= 0 && tokens(len(d.text)) > budget {
		d.text, d.end, d.stop = cutRunes(d.text, int(budget)*4), endLength, ""
	}
}

// cutRunes returns at most n bytes of s and splits no rune.
func cutRunes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// pieces calls f with the parts of text that become events.
func (p *plan) pieces(text string, f func(string)) {
	first := p.big
	for len(text) > 0 {
		n := p.piece
		if first > 0 {
			n, first = first, 0
		}
		if n == 0 {
			n = strings.IndexByte(text[min(1, len(text)):], ' ') + 1
			if n == 0 {
				n = len(text)
			}
		}
		part := cutRunes(text, n)
		if part == "" { // a rune longer than a piece
			_, size := utf8.DecodeRuneInString(text)
			part = text[:size]
		}
		f(part)
		text = text[len(part):]
	}
}

// fragments splits a tool's arguments as they are streamed.
func fragments(args string, f func(string)) {
	for len(args) > 0 {
		part := cutRunes(args, max(4, min(16, len(args)/3)))
		f(part)
		args = args[len(part):]
	}
}

// promptUsage divides the prompt into what was read from a cache, written to it, and the rest.
func (c *call) promptUsage(a *ask, p *plan) {
	b := &c.be
	total := a.promptTokens()
	u := &p.use
	switch c.rt.dialect {
	case gemini:
		u.InputImage, u.InputAudio = a.imageTokens, a.audioTokens
	case openAI:
		u.InputAudio = a.audioTokens
	case responses, anthropic: // one count for all kinds of input
	}
	if a.speaks {
		u.OutputAudio = 2 * u.Output
	}
	text := total - u.InputImage - u.InputAudio
	if c.rt.dialect == anthropic {
		u.CacheRead, u.CacheWrite5m, u.CacheWrite1h = c.s.cache.marked(c.key, a, c.s.now())
	} else {
		u.CacheRead = min(text, c.s.cache.prefix(c.key, a, c.s.now()))
	}
	forced := func(dst *int64, want int) {
		if want == half {
			*dst = total / 2
		} else if want >= 0 {
			*dst = int64(want)
		}
	}
	forced(&u.CacheRead, b.cached)
	if c.rt.dialect == anthropic {
		forced(&u.CacheWrite5m, b.cacheWrite)
		forced(&u.CacheWrite1h, b.cacheWrite1h)
	}
	// A forced count larger than the prompt makes the prompt larger: the parts always add up.
	u.Input = max(0, text-u.CacheRead-u.CacheWrite5m-u.CacheWrite1h)
}

// thoughts calls f with the parts of the thinking that become events, by sentence.
func (p *plan) thoughts(f func(string)) {
	for rest := p.think; rest != ""; {
		part, after, ok := strings.Cut(rest, ". ")
		if ok {
			part = rest[:len(part)+2]
		}
		f(part)
		rest = after
	}
}
