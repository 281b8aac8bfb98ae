package catalog

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
)

// Override is what someone pays for models instead of what the catalogue says.
type Override struct {
	Model string `json:"model"`          // name, or pattern with '*'
	Off   bool   `json:"off,omitempty"`  // kept, but without effect
	Free  bool   `json:"free,omitempty"` // costs nothing; then no rate is said

	// Rates replace those of the catalogue one by one; what is not said stays as it is there, and "0"
	// is a price like any other. A rate that is said holds for every call: of any length, in any service tier
	// and under any condition. PerRequest alone is the whole price.
	Rates
}

// Check reports what is wrong with o.
func (o *Override) Check() error {
	if o.Model == "" || len(o.Model) > maxName || strings.ContainsFunc(o.Model, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("model %.80q: must have 1 to %d characters and no white space", o.Model, maxName)
	}
	own, err := o.parse("")
	switch {
	case err != nil:
		return err
	case o.Free && own != (rateList{}):
		return errors.New("free: what is free has no rates")
	case !o.Free && own == (rateList{}):
		return errors.New("says neither a rate nor free")
	}
	return nil
}

// With returns e with what o says of its price; e itself stays as it is. What is free by o, or has every
// rate that a call needs, needs no price in the catalogue.
func (e *Entry) With(o *Override) *Entry {
	out := *e
	if o.Free {
		out.Model.Free, out.Model.Price = true, nil
		out.prices, out.when, out.reason, out.Version = prices{standard: free()}, nil, "", "free"
		return &out
	}
	own, err := o.parse("")
	if err != nil { // it was checked when it was written
		out.reason = "the price that was laid down for the account can't be read"
		return &out
	}
	out.Version = e.Version + "+" + o.version()
	out.Model.Free = false
	if e.Model.Free {
		out.standard = free()
	}
	if e.reason != "" && (own.said[input] && own.said[output] || own.flat) {
		out.reason = ""
	}
	replace := func(p priceList) (priceList, error) { return p.replaced(own), nil } // it never fails
	out.prices, _ = out.each(replace)
	out.when = nil
	for _, w := range e.when {
		w.prices, _ = w.prices.each(replace)
		out.when = append(out.when, w)
	}
	return &out
}

// replaced returns p with the rates that own says in every one of its lists. Where own is the price of a
// request and nothing else, that is all that is left.
func (p priceList) replaced(own rateList) priceList {
	if own.flat {
		return priceList{rates: own}
	}
	out := priceList{rates: own.over(p.rates)}
	for _, t := range p.tiers {
		out.tiers = append(out.tiers, rateTier{above: t.above, rates: own.over(t.rates)})
	}
	return out
}

// version names what o says of prices.
func (o *Override) version() string {
	h := fnv.New64a()
	for _, s := range o.fields() {
		_, _ = h.Write([]byte(s)) // it never fails
		_, _ = h.Write([]byte{0})
	}
	return strconv.FormatUint(h.Sum64(), 16)
}
