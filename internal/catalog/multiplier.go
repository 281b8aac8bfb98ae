package catalog

import (
	"fmt"
	"math"
	"math/bits"
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
