package catalog

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Condition is the price of calls that fit all that it says. Of several that fit, the first holds.
type Condition struct {
	Hours       string `json:"hours,omitempty"`        // of the day in UTC in which the call began, e.g. "16:30-00:30": from the first minute to before the last
	AboveOutput int64  `json:"above_output,omitempty"` // more output tokens than this, all buckets together
	Size        string `json:"size,omitempty"`         // of images, as the client asked: "1024x1536"
	Quality     string `json:"quality,omitempty"`      // of images, as the client asked: "high"

	// Either Percent of all token rates, e.g. 50 for half the price, or Rates in the place of those that
	// hold otherwise: one by one, for inputs of every length and every service tier.
	Percent int64 `json:"percent,omitempty"`
	Rates
}

// Case is what a price may depend on beside the usage. The zero Case fits no condition on it.
type Case struct {
	Began   time.Time // of the call
	Size    string
	Quality string
}

// prices are a standard price list and those of other service tiers.
type prices struct {
	standard priceList
	services map[string]priceList
}

// condition is a Condition, compiled.
type condition struct {
	Condition
	from, to int // minutes of the day; equal: any
	text     string
	prices   prices
}

// fits reports whether a call of this case, with so many output tokens, is under the condition.
func (w *condition) fits(c *Case, out int64) bool {
	if w.from != w.to {
		if c.Began.IsZero() {
			return false
		}
		t := c.Began.UTC()
		at := t.Hour()*60 + t.Minute()
		if in := at >= w.from && at < w.to; w.from < w.to && !in || w.from > w.to && at < w.from && at >= w.to {
			return false
		}
	}
	return (w.AboveOutput == 0 || out > w.AboveOutput) &&
		(w.Size == "" || strings.EqualFold(w.Size, c.Size)) && (w.Quality == "" || strings.EqualFold(w.Quality, c.Quality))
}

// compileConditions checks and parses the conditions of a price.
func compileConditions(list []Condition, base prices) ([]condition, error) {
	var out []condition
	var errs []error
	for i, w := range list {
		at := fmt.Sprintf("price.when[%d].", i)
		own, err := w.parse(at)
		errs = append(errs, err)
		c := condition{Condition: w, text: w.text()}
		if w.Hours != "" {
			if c.from, c.to, err = parseHours(w.Hours); err != nil {
				errs = append(errs, fmt.Errorf("%shours: %w", at, err))
			}
		}
		switch {
		case c.text == "":
			errs = append(errs, fmt.Errorf("%shours, above_output, size, quality: none is said, so it would hold for every call", at))
		case w.AboveOutput < 0:
			errs = append(errs, fmt.Errorf("%sabove_output: must not be negative", at))
		case w.Percent < 0 || w.Percent > maxPercent:
			errs = append(errs, fmt.Errorf("%spercent: %d is not between 0 and %d", at, w.Percent, maxPercent))
		case (w.Percent > 0) == (own != (rateList{})):
			errs = append(errs, fmt.Errorf("%spercent: either a percentage or rates", at))
		}
		c.prices, err = base.each(func(p priceList) (priceList, error) {
			if w.Percent > 0 && w.Percent <= maxPercent {
				return p.percent(w.Percent)
			}
			return p.replaced(own), nil
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("%spercent: %w", at, err))
		}
		out = append(out, c)
	}
	return out, errors.Join(errs...)
}

// each returns p with every list changed by f.
func (p prices) each(f func(priceList) (priceList, error)) (out prices, err error) {
	var errs []error
	if out.standard, err = f(p.standard); err != nil {
		errs = append(errs, err)
	}
	for name, list := range p.services {
		if list, err = f(list); err != nil {
			errs = append(errs, fmt.Errorf("service %s: %w", name, err))
		}
		if out.services == nil {
			out.services = make(map[string]priceList, len(p.services))
		}
		out.services[name] = list
	}
	return out, errors.Join(errs...)
}

// text says a condition in words, for a receipt.
func (w *Condition) text() string {
	var parts []string
	if w.Hours != "" {
		parts = append(parts, "hours "+w.Hours+" UTC")
	}
	if w.AboveOutput > 0 {
		parts = append(parts, fmt.Sprintf("above %d output tokens", w.AboveOutput))
	}
	if w.Size != "" {
		parts = append(parts, "size "+w.Size)
	}
	if w.Quality != "" {
		parts = append(parts, "quality "+w.Quality)
	}
	return strings.Join(parts, ", ")
}

// parseHours reads "16:30-00:30".
func parseHours(s string) (from, to int, err error) {
	a, b, ok := strings.Cut(s, "-")
	start, err1 := time.Parse("15:04", a)
	end, err2 := time.Parse("15:04", b)
	if !ok || err1 != nil || err2 != nil || start.Equal(end) {
		return 0, 0, fmt.Errorf("%.40q is not a part of the day like 16:30-00:30", s)
	}
	return start.Hour()*60 + start.Minute(), end.Hour()*60 + end.Minute(), nil
}
