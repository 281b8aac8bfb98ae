package catalog

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strings"
)

// Multiplier is what an account's prices are multiplied with, in billionths; 0 is not said. It changes
// what an account is shown, prices and balances alike, and never what a call really costs.
type Multiplier int64

// One leaves prices as they are. MaxMultiplier bounds a multiplier; more is a slip of the pen.
const (
	One           Multiplier = 1e9
	MaxMultiplier            = 1e6 * One
)

// ParseMultiplier reads a plain decimal number like "1.25", above zero and with at most nine decimal
// places.
func ParseMultiplier(s string) (Multiplier, error) {
	n, err := parseDecimal(s)
	switch {
	case err != nil:
		return 0, fmt.Errorf("multiplier %.40q %w", s, err)
	case n <= 0 || n > int64(MaxMultiplier):
		return 0, fmt.Errorf("multiplier %.40q must be above 0 and at most %s", s, MaxMultiplier)
	}
	return Multiplier(n), nil
}

// String writes m as ParseMultiplier reads it.
func (m Multiplier) String() string { return formatNanos(int64(m)) }

// scale returns n × m ÷ 1e6, rounded half up.
func scale(n, m uint64) (Nanos, error) {
	const million = 1_000_000
	hi, lo := bits.Mul64(n, m)
	lo, carry := bits.Add64(lo, million/2, 0)
	hi += carry
	if hi >= million {
		return 0, ErrTooLarge
	}
	q, _ := bits.Div64(hi, lo, million)
	if q > math.MaxInt64 {
		return 0, ErrTooLarge
	}
	return Nanos(q), nil
}

// Override is what someone pays for models instead of what the catalogue says.
type Override struct {
	Model string `json:"model"`          // name, or pattern with '*'
	Off   bool   `json:"off,omitempty"`  // kept, but without effect
	Free  bool   `json:"free,omitempty"` // costs nothing; then no rate is said

	// Rates replace those of the catalogue one by one; what is not said stays as it is there, and "0"
	// is a price like any other. A rate that is said holds for calls of every length and service tier.
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
