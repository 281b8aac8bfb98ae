package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// bucket counts the lines that a receipt may have, in the order in which it has them. The input
// buckets come first.
type bucket int

const (
	input bucket = iota
	cacheRead
	cacheWrite5m
	cacheWrite1h
	inputImage
	inputAudio
	inputVideo
	output
	reasoning
	outputImage
	outputAudio
	webSearches
	requests
	buckets
)

// String names b as canon.Usage does in JSON.
func (b bucket) String() string { return bucketNames[b] }

// bucketNames is never changed.
var bucketNames = [buckets]string{
	"input", "cache_read", "cache_write_5m", "cache_write_1h", "input_image", "input_audio", "input_video",
	"output", "reasoning", "output_image", "output_audio", "web_searches", "requests",
}

// field names b as Rates does in JSON.
func (b bucket) field() string {
	switch b {
	case webSearches:
		return "web_search_1k"
	case requests:
		return "per_request"
	default:
		return b.String()
	}
}

// scale is what turns the unit of the field of b into a million units.
func (b bucket) scale() int64 {
	switch b {
	case webSearches:
		return 1_000
	case requests:
		return 1_000_000
	default:
		return 1
	}
}

// isToken reports whether b counts tokens.
func (b bucket) isToken() bool { return b < webSearches }

// fallback is the bucket whose rate stands in for b.
func (b bucket) fallback() (bucket, bool) {
	switch b {
	case cacheWrite1h:
		return cacheWrite5m, true
	case cacheRead, cacheWrite5m, inputImage, inputAudio, inputVideo:
		return input, true
	case reasoning, outputImage, outputAudio:
		return output, true
	default:
		return b, false
	}
}

// rateList is Rates, parsed.
type rateList struct {
	rate [buckets]Rate
	said [buckets]bool
	flat bool // only PerRequest is said: that is the whole price
}

// of returns the rate of b or of what stands in for it.
func (l *rateList) of(b bucket) (Rate, bool) {
	for !l.said[b] {
		next, ok := b.fallback()
		if !ok {
			return 0, false
		}
		b = next
	}
	return l.rate[b], true
}

// over returns l with what it does not say taken from base.
func (l rateList) over(base rateList) rateList {
	for b := range buckets {
		if !l.said[b] {
			l.rate[b], l.said[b] = base.rate[b], base.said[b]
		}
	}
	l.flat = l.isFlat()
	return l
}

func (l *rateList) isFlat() bool {
	for b := range buckets {
		if l.said[b] != (b == requests) {
			return false
		}
	}
	return true
}

// priceList is a rateList with its long-input tiers, ascending.
type priceList struct {
	rates rateList
	tiers []rateTier
}

type rateTier struct {
	above int64
	rates rateList
}

func (r *Rates) fields() [buckets]string {
	return [buckets]string{
		r.Input, r.CacheRead, r.CacheWrite5m, r.CacheWrite1h, r.InputImage, r.InputAudio, r.InputVideo,
		r.Output, r.Reasoning, r.OutputImage, r.OutputAudio, r.WebSearch1k, r.PerRequest,
	}
}

// parse reads all rates and reports all faults.
func (r *Rates) parse(where string) (rateList, error) {
	var l rateList
	var errs []error
	for i, s := range r.fields() {
		b := bucket(i)
		if s == "" {
			continue
		}
		n, err := parseDecimal(s)
		if err == nil && (n > maxNanos/b.scale() || b.isToken() && n > maxTokenRate) {
			err = errTooLarge
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s%s: %.40q %w", where, b.field(), s, err))
			continue
		}
		l.rate[b], l.said[b] = Rate(n*b.scale()), true
	}
	l.flat = l.isFlat()
	return l, errors.Join(errs...)
}

// More than a dollar a token, or a thousand dollars a request, is a slip of the pen.
const (
	maxTokenRate = 1_000_000 * 1_000_000_000
	maxNanos     = 1_000 * maxTokenRate
	maxPercent   = 5_000
)

// compile checks p and parses it. The errors name the fields at fault, all of them.
func (p *Price) compile() (standard priceList, services map[string]priceList, err error) {
	var errs []error
	base, err := p.parse("price.")
	errs = append(errs, err)
	if !base.said[input] && !base.said[requests] {
		errs = append(errs, errors.New("price: neither input nor per_request is said; a model that costs nothing says free instead"))
	}
	standard.rates = base
	standard.tiers, err = compileTiers("price.", p.Tiers, base)
	errs = append(errs, err)

	for name, s := range p.Services {
		where := "price.services." + name + "."
		if name == "" || name != strings.ToLower(name) {
			errs = append(errs, fmt.Errorf("%.60s the name must be the vendor's word in lower case", where))
		}
		var list priceList
		own, err := s.parse(where)
		errs = append(errs, err)
		switch {
		case s.Percent < 0 || s.Percent > maxPercent:
			errs = append(errs, fmt.Errorf("%spercent: %d is not between 0 and %d", where, s.Percent, maxPercent))
		case s.Percent > 0 && (own != (rateList{}) || len(s.Tiers) > 0):
			errs = append(errs, fmt.Errorf("%spercent: either a percentage or a list of rates, not both", where))
		case s.Percent > 0:
			list, err = standard.percent(s.Percent)
			if err != nil {
				errs = append(errs, fmt.Errorf("%spercent: %w", where, err))
			}
		default:
			if len(p.Tiers) > 0 && len(s.Tiers) == 0 {
				errs = append(errs, fmt.Errorf("%stiers: missing; the standard list has them, so long inputs cost more here too", where))
			}
			list.rates = own.over(base)
			list.tiers, err = compileTiers(where, s.Tiers, list.rates)
			errs = append(errs, err)
		}
		if services == nil {
			services = make(map[string]priceList, len(p.Services))
		}
		services[name] = list
	}
	return standard, services, errors.Join(errs...)
}

// compileTiers reads tiers. Each must price every token bucket that base prices: a tier that forgot
// one would charge long inputs at the price of short ones.
func compileTiers(where string, tiers []Tier, base rateList) ([]rateTier, error) {
	var out []rateTier
	var errs []error
	for i, t := range tiers {
		at := fmt.Sprintf("%stiers[%d].", where, i)
		own, err := t.parse(at)
		errs = append(errs, err)
		if t.AboveInput <= 0 || i > 0 && t.AboveInput <= tiers[i-1].AboveInput {
			errs = append(errs, fmt.Errorf("%sabove_input: %d must be above zero and above the tier before", at, t.AboveInput))
		}
		for b := range buckets {
			if b.isToken() && base.said[b] && !own.said[b] {
				errs = append(errs, fmt.Errorf("%s%s: not said, but the list it is a tier of says it", at, b.field()))
			}
		}
		out = append(out, rateTier{above: t.AboveInput, rates: own.over(base)})
	}
	return out, errors.Join(errs...)
}

// percent scales the token rates; searches and calls cost as ever.
func (p priceList) percent(percent int64) (priceList, error) {
	var err error
	scale := func(l rateList) rateList {
		for b := range buckets {
			if !b.isToken() || !l.said[b] {
				continue
			}
			n := int64(l.rate[b]) // at most maxTokenRate, so the product below fits
			if n*percent%100 != 0 {
				err = fmt.Errorf("%d%% of %s %s is finer than a nano-dollar", percent, b.field(), l.rate[b])
			}
			l.rate[b] = Rate(n * percent / 100)
		}
		return l
	}
	out := priceList{rates: scale(p.rates), tiers: slices.Clone(p.tiers)}
	for i := range out.tiers {
		out.tiers[i].rates = scale(out.tiers[i].rates)
	}
	return out, err
}
