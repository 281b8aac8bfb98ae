// Package catalog owns the models: names, abilities, limits and prices; and what a usage costs.
//
// Prices are exact: decimal strings at the border, nano-dollars inside, rounded once per item. It
// leaves balances to ledger and the choice of a channel to pool.
package catalog

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"tollgate/internal/canon"
)

// Nanos is money in nano-dollars (1e-9 USD).
type Nanos int64

// Rate is a price per million units, in nano-dollars.
type Rate int64

// Receipt is what a call cost and why.
type Receipt struct {
	Model   string `json:"model"`           // catalogue name that was priced
	Version string `json:"version"`         // version of the price: recomputing with it gives the same total
	Tier    string `json:"tier,omitempty"`  // service tier that answered, in the vendor's word
	Above   int64  `json:"above,omitempty"` // the long-input tier that held, by its AboveInput; 0: none
	Note    string `json:"note,omitempty"`  // what a person who checks the receipt should know
	Items   []Item `json:"items"`
	Total   Nanos  `json:"total"`

	// Rates is what the account was shown prices multiplied with at that time; 0: they were as they are.
	Rates Multiplier `json:"rates,omitempty"`

	When string `json:"when,omitempty"` // the condition that held, in words
}

// Item is one line of a Receipt.
type Item struct {
	What     string `json:"what"`     // the bucket of canon.Usage, by its JSON name; or "requests"
	Quantity int64  `json:"quantity"` // tokens, or a count
	Rate     Rate   `json:"rate"`     // nano-dollars per million units
	Amount   Nanos  `json:"amount"`   // quantity × rate ÷ 1e6, rounded half up
}

// NoPriceError says that a usage has no known price. It must not become a zero: the call is put
// aside for an operator, or refused beforehand.
type NoPriceError struct {
	Model  string
	Reason string // for the operator: what is missing and where to add it
}

// Error describes e.
func (e *NoPriceError) Error() string {
	return fmt.Sprintf("no price for %.80q: %s", e.Model, e.Reason)
}

// Errors that callers branch on.
var (
	ErrTooLarge = errors.New("amount is larger than money can be")
	ErrUsage    = errors.New("usage has a negative count")
)

// Price is PriceIn for a call that nothing else is known of.
func (e *Entry) Price(u canon.Usage) (Receipt, error) { return e.PriceIn(Case{}, u) }

// PriceIn says what usage costs on e in a case. It does not depend on anything but its arguments. Each bucket
// that is not zero is one item. The error is a *NoPriceError, ErrUsage or ErrTooLarge.
func (e *Entry) PriceIn(c Case, u canon.Usage) (Receipt, error) {
	r := Receipt{Model: e.Model.Name, Version: e.Version, Tier: u.Tier}
	rates, counts, err := e.ratesFor(&r, &c, &u)
	if err != nil {
		return r, err
	}
	n := 0 // one item for each, at most
	for _, count := range counts {
		if count > 0 {
			n++
		}
	}
	r.Items = make([]Item, 0, n)
	r.Total, err = e.sum(&rates, &counts, func(it Item) { r.Items = append(r.Items, it) })
	if len(r.Items) == 0 {
		r.Items = nil
	}
	return r, err
}

// CeilingIn is the most that u may cost if nobody knows yet what its Output will be, text, thoughts, images or
// sound: all of it is taken for the dearest.
func (e *Entry) CeilingIn(c Case, u canon.Usage) (Nanos, error) {
	var r Receipt
	rates, counts, err := e.ratesFor(&r, &c, &u)
	if err != nil {
		return 0, err
	}
	dearest := output
	if most, ok := rates.of(output); ok { // else there is no price for text, however dear the rest is
		for b := reasoning; b <= outputAudio; b++ {
			if rate, ok := rates.of(b); ok && rate > most {
				dearest, most = b, rate
			}
		}
	}
	if dearest != output {
		if counts[dearest] > math.MaxInt64-counts[output] {
			return 0, ErrTooLarge
		}
		counts[dearest] += counts[output]
		counts[output] = 0
	}
	return e.sum(&rates, &counts, func(Item) {})
}

// ratesFor returns the rates that hold for usage in a case, and the usage by buckets; r is told why they hold.
func (e *Entry) ratesFor(r *Receipt, c *Case, u *canon.Usage) (rates rateList, counts [buckets]int64, err error) {
	if e.reason != "" {
		return rates, counts, &NoPriceError{Model: e.Model.Name, Reason: e.reason}
	}
	counts, in, err := countsOf(u)
	if err != nil {
		return rates, counts, err
	}
	set := &e.prices
	for i := range e.when {
		if w := &e.when[i]; w.fits(c, u.Out()) {
			set, r.When = &w.prices, w.text
			break
		}
	}
	list := set.standard
	if u.Tier != "" && !e.Model.Free {
		tier := strings.ToLower(u.Tier)
		if s, ok := set.services[tier]; ok {
			list = s
		} else if !isStandard(tier) {
			r.Note = "no price for this service tier: standard rates"
		}
	}
	rates = list.rates
	for i := range list.tiers {
		if t := &list.tiers[i]; in > t.above {
			rates, r.Above = t.rates, t.above
		}
	}
	return rates, counts, nil
}

// sum adds up what counts cost at rates, and hands each item to add.
func (e *Entry) sum(rates *rateList, counts *[buckets]int64, add func(Item)) (total Nanos, err error) {
	for b, n := range counts {
		if n == 0 || rates.flat && bucket(b) != requests {
			continue
		}
		rate, ok := rates.of(bucket(b))
		if !ok && bucket(b) == requests {
			continue // nothing is charged for the call as such
		}
		if !ok {
			return total, &NoPriceError{Model: e.Model.Name, Reason: "its price does not say " + bucket(b).field()}
		}
		amount, err := rate.times(n)
		if err != nil {
			return total, err
		}
		if total > math.MaxInt64-amount {
			return total, ErrTooLarge
		}
		total += amount
		add(Item{What: bucket(b).String(), Quantity: n, Rate: rate, Amount: amount})
	}
	return total, nil
}

// Recompute returns the total that the quantities and rates of r give, for an audit. It is an error
// if an item or the total of r says anything else.
func Recompute(r Receipt) (Nanos, error) {
	var total Nanos
	for _, it := range r.Items {
		if it.Quantity < 0 || it.Rate < 0 {
			return 0, fmt.Errorf("item %s: negative quantity or rate", it.What)
		}
		amount, err := it.Rate.times(it.Quantity)
		if err != nil {
			return 0, fmt.Errorf("item %s: %w", it.What, err)
		}
		if amount != it.Amount {
			return 0, fmt.Errorf("item %s: %d at %s per million is %s, the receipt says %s", it.What, it.Quantity, it.Rate, amount, it.Amount)
		}
		if total > math.MaxInt64-amount {
			return 0, ErrTooLarge
		}
		total += amount
	}
	if total != r.Total {
		return total, fmt.Errorf("the items sum to %s, the receipt says %s", total, r.Total)
	}
	return total, nil
}

// Covers returns nil if r charges for u, and for nothing else; what a call used then gives the quantities that
// Recompute goes by. A price per request alone charges for no tokens.
func (r *Receipt) Covers(u canon.Usage) error {
	counts, _, err := countsOf(&u)
	if err != nil {
		return err
	}
	var seen [buckets]bool
	for _, it := range r.Items {
		i := slices.Index(bucketNames[:], it.What)
		switch {
		case i < 0:
			return fmt.Errorf("item %.40s: nothing that a call uses", it.What)
		case seen[i]:
			return fmt.Errorf("item %s: charged twice", it.What)
		case it.Quantity != counts[i]:
			return fmt.Errorf("item %s: the receipt charges %d, used was %d", it.What, it.Quantity, counts[i])
		}
		seen[i] = true
	}
	if len(r.Items) == 1 && seen[requests] {
		return nil
	}
	for b, n := range counts {
		if n > 0 && bucket(b) != requests && !seen[b] {
			return fmt.Errorf("item %s: missing, used was %d", bucket(b), n)
		}
	}
	return nil
}

// times returns n × r ÷ 1e6, rounded half up. Neither is negative.
func (r Rate) times(n int64) (Nanos, error) { return scale(uint64(n), uint64(r)) }

// isStandard reports whether tier is a vendor's word for the ordinary service.
//
// Sources: OpenAI service_tier (auto, default), Anthropic usage.service_tier (standard), Groq
// (on_demand), Gemini trafficType (on_demand); read 2026-11-20.
func isStandard(tier string) bool {
	switch tier {
	case "auto", "default", "standard", "standard_only", "on_demand", "ondemand":
		return true
	}
	return false
}

// countsOf spreads u over the buckets and returns its input tokens. Sums that overflow are refused.
func countsOf(u *canon.Usage) (counts [buckets]int64, in int64, err error) {
	counts = [buckets]int64{
		input: u.Input, cacheRead: u.CacheRead, cacheWrite5m: u.CacheWrite5m, cacheWrite1h: u.CacheWrite1h,
		inputImage: u.InputImage, inputAudio: u.InputAudio, inputVideo: u.InputVideo,
		output: u.Output, reasoning: u.Reasoning, outputImage: u.OutputImage, outputAudio: u.OutputAudio,
		webSearches: u.WebSearches, requests: 1,
	}
	for b, n := range counts {
		if n < 0 {
			return counts, 0, ErrUsage
		}
		if bucket(b) <= inputVideo {
			if in > math.MaxInt64-n {
				return counts, 0, ErrTooLarge
			}
			in += n
		}
	}
	return counts, in, nil
}
