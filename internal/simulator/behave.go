package simulator

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Behaviour is one word that changes how a call is answered.
type Behaviour struct {
	Word  string // as written in a model, a header or a key
	Value string // what may follow "="; in brackets when it may be left out; "" for none
	Means string
}

// Behaviours returns every word, in the order of the package comment.
func Behaviours() []Behaviour {
	return []Behaviour{
		{"slow", "DUR", "pause between events"},
		{"first", "DUR", "pause before the first byte"},
		{"hang", "[N]", "headers (and N events), then nothing until the client leaves"},
		{"cut", "N", "connection reset after N events; cut=0 after the headers"},
		{"cutsetup", "", "connection reset after the opening events, before any content"},
		{"cutbody", "", "plain answers: Content-Length promises more than is sent"},
		{"garble", "N", "event N (plain answers: the body) is not JSON"},
		{"html", "", "200 with an HTML page"},
		{"empty", "", "200 with an empty body, or a stream that ends with no event"},
		{"nodone", "", "the stream ends without its terminal mark"},
		{"inband", "[N]", "200, then an error inside: as the body, or as an event after N events"},
		{"status", "CODE", "that status with the vendor's body"},
		{"retryafter", "SEC", "429 with Retry-After"},
		{"ratelimit", "", "429 without Retry-After"},
		{"overloaded", "", "the vendor's \"overloaded\" answer"},
		{"invalidkey", "", "the vendor's \"wrong key\" answer"},
		{"quota", "", "the vendor's \"out of money\" answer"},
		{"nomodel", "", "the vendor's \"no such model\" answer"},
		{"nousage", "", "no usage anywhere"},
		{"wrongusage", "", "usage whose sums contradict each other"},
		{"events", "N", "N content events, whatever the limits"},
		{"size", "N", "N bytes of content an event"},
		{"big", "N", "the first content event (or the body) carries N bytes more"},
		{"echo", "", "the answer is the last user text"},
		{"reasoning", "", "thinks before it answers, asked or not"},
		{"reasoningtext", "", "chat: thinking as delta.reasoning_content, as DeepSeek does"},
		{"cached", "[N]", "N prompt tokens (default half) count as read from the cache"},
		{"cachewrite", "[N]", "Anthropic: N prompt tokens count as written for 5 minutes"},
		{"cachewrite1h", "[N]", "Anthropic: N prompt tokens count as written for 1 hour"},
		{"tools", "N", "N parallel tool calls"},
		{"notools", "", "never calls a tool unless forced"},
		{"gzip", "", "answers gzip although not asked"},
		{"flap", "N", "every Nth call of a key and model fails with 500"},
		{"redirect", "", "307 to /sim/redirected, which counts who follows"},
		{"hugeheaders", "[N]", "N bytes of headers (default 262144)"},
		{"trailers", "", "HTTP trailers after the body"},
		{"lax", "", "accepts unknown request members"},
	}
}

// behaviour is how one call shall be answered. Counts are -1 when the word was not said.
type behaviour struct {
	slow, first                              time.Duration
	hang, cut, garble, inband                int
	cutSetup, cutBody, html, empty, noDone   bool
	status, retryAfter                       int
	rateLimit, overloaded, invalidKey, quota bool
	noModel, noUsage, wrongUsage             bool
	events, size, big                        int
	echo, reasoning, reasoningText           bool
	cached, cacheWrite, cacheWrite1h         int
	tools                                    int
	noTools, gzip, redirect, trailers, lax   bool
	flap, hugeHeaders                        int
}

// half stands for "cached" without a number.
const half = -2

const (
	maxBig    = 256 << 20 // bytes; a larger wish is a slip
	maxEvents = 10_000_000
)

func noBehaviour() behaviour {
	return behaviour{hang: -1, cut: -1, garble: -1, inband: -1, cached: -1, cacheWrite: -1, cacheWrite1h: -1}
}

// applyModel reads the words of a model name and returns its family.
func (b *behaviour) applyModel(model string) (family string, err error) {
	family, rest, ok := strings.Cut(model, "+")
	if !ok {
		return family, nil
	}
	return family, b.applyAll(rest, "+")
}

// applyHeader reads the words of an X-Simulate header; spaces and commas separate as well as "+".
func (b *behaviour) applyHeader(v string) error {
	if v == "" {
		return nil
	}
	return b.applyAll(strings.NewReplacer(" ", "+", ",", "+").Replace(v), "+")
}

func (b *behaviour) applyAll(words, sep string) error {
	for word := range strings.SplitSeq(words, sep) {
		if word == "" {
			continue
		}
		name, value, _ := strings.Cut(word, "=")
		known, err := b.apply(name, value)
		if err != nil {
			return err
		}
		if !known {
			return fmt.Errorf("unknown behaviour %q; the words are listed in the simulator's documentation", clip(word, 60))
		}
	}
	return nil
}

// applyKey reads the words between the dashes of a key. What is no word is part of the key.
func (b *behaviour) applyKey(key string) {
	for rest := key; ; {
		_, after, ok := strings.Cut(rest, "-")
		if !ok {
			return
		}
		word, _, more := strings.Cut(after, "-")
		if !more {
			return
		}
		rest = after
		name := strings.TrimRight(word, "0123456789")
		value := word[len(name):]
		switch name {
		case "fail":
			name = "status"
		case "invalid":
			name = "invalidkey"
		case "slow":
			if value == "" {
				value = "50"
			}
			if b.first == 0 {
				b.first = 500 * time.Millisecond // so that plain answers are slow as well
			}
		}
		// A malformed word in a key (no number where one is needed) is just a part of the key.
		if _, err := b.apply(name, value); err != nil {
			continue
		}
	}
}

// apply sets one word; known is false if there is none of that name.
func (b *behaviour) apply(name, value string) (known bool, err error) {
	count := func(dst *int, least, most, fallback int) {
		if value == "" && fallback != 0 {
			*dst = fallback
			return
		}
		n, perr := strconv.Atoi(value)
		if perr != nil || n < least || n > most {
			err = fmt.Errorf("behaviour %s wants a number from %d to %d, not %q", name, least, most, clip(value, 40))
			return
		}
		*dst = n
	}
	span := func(dst *time.Duration) {
		if n, perr := strconv.Atoi(value); perr == nil && n >= 0 {
			*dst = time.Duration(n) * time.Millisecond
			return
		}
		d, perr := time.ParseDuration(value)
		if perr != nil || d < 0 {
			err = fmt.Errorf("behaviour %s wants a duration such as 20ms, not %q", name, clip(value, 40))
			return
		}
		*dst = d
	}
	flag := func(dst *bool) {
		if value != "" {
			err = fmt.Errorf("behaviour %s takes no value", name)
			return
		}
		*dst = true
	}
	switch name {
	case "slow":
		span(&b.slow)
	case "first":
		span(&b.first)
	case "hang":
		if value == "" {
			b.hang = 0
			break
		}
		count(&b.hang, 0, maxEvents, 0)
	case "cut":
		count(&b.cut, 0, maxEvents, 0)
	case "cutsetup":
		flag(&b.cutSetup)
	case "cutbody":
		flag(&b.cutBody)
	case "garble":
		count(&b.garble, 1, maxEvents, 1)
	case "html":
		flag(&b.html)
	case "empty":
		flag(&b.empty)
	case "nodone":
		flag(&b.noDone)
	case "inband":
		if value == "" {
			b.inband = 0
			break
		}
		count(&b.inband, 0, maxEvents, 0)
	case "status":
		count(&b.status, 300, 599, 0)
	case "retryafter":
		count(&b.retryAfter, 1, 1<<30, 0)
	case "ratelimit":
		flag(&b.rateLimit)
	case "overloaded":
		flag(&b.overloaded)
	case "invalidkey":
		flag(&b.invalidKey)
	case "quota":
		flag(&b.quota)
	case "nomodel":
		flag(&b.noModel)
	case "nousage":
		flag(&b.noUsage)
	case "wrongusage":
		flag(&b.wrongUsage)
	case "events":
		count(&b.events, 1, maxEvents, 0)
	case "size":
		count(&b.size, 1, maxBig, 0)
	case "big":
		count(&b.big, 1, maxBig, 0)
	case "echo":
		flag(&b.echo)
	case "reasoning":
		flag(&b.reasoning)
	case "reasoningtext":
		flag(&b.reasoningText)
	case "cached":
		count(&b.cached, 0, 1<<30, half)
	case "cachewrite":
		count(&b.cacheWrite, 0, 1<<30, half)
	case "cachewrite1h":
		count(&b.cacheWrite1h, 0, 1<<30, half)
	case "tools":
		count(&b.tools, 1, 128, 0)
	case "notools":
		flag(&b.noTools)
	case "gzip":
		flag(&b.gzip)
	case "flap":
		count(&b.flap, 1, 1<<30, 0)
	case "redirect":
		flag(&b.redirect)
	case "hugeheaders":
		count(&b.hugeHeaders, 1, 64<<20, 256<<10)
	case "trailers":
		flag(&b.trailers)
	case "lax":
		flag(&b.lax)
	default:
		return false, nil
	}
	return true, err
}

// flapCounter counts calls by key and model, for flap. It forgets all once it holds many.
type flapCounter struct {
	mu sync.Mutex
	n  map[string]int
}

func (f *flapCounter) reset() { f.n = map[string]int{} }

// next returns how many calls of key and model came so far, this one included.
func (f *flapCounter) next(key, model string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.n) >= 4096 {
		f.n = map[string]int{}
	}
	k := clip(key, 256) + "\x00" + clip(model, 256)
	f.n[k]++
	return f.n[k]
}
