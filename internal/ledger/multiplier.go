package ledger

import (
	"fmt"
	"math"
	"math/bits"

	"tollgate/internal/catalog"
)

// Multiplier is what an account's prices are multiplied with, in billionths. It is a matter of the
// border alone: the ledger keeps real money, which is what the catalogue's prices cost, and an account
// sees face values, which are real money times its multiplier. Raising a multiplier so raises what an
// account sees, in balances and in prices alike; what it can buy stays the same.
type Multiplier int64

// One leaves real money as it is.
const One Multiplier = 1e9

// ParseMultiplier reads a plain decimal above zero with at most nine places, e.g. "1.25".
func ParseMultiplier(s string) (Multiplier, error) {
	n, err := catalog.ParseNanos(s)
	if err != nil {
		return 0, fmt.Errorf("multiplier %.40q: want a plain decimal like 1.25 with at most nine places", s)
	}
	if n <= 0 {
		return 0, fmt.Errorf("multiplier %.40q: must be above 0", s)
	}
	return Multiplier(n), nil
}

// String writes m exactly and as short as possible, e.g. "1.25".
func (m Multiplier) String() string { return catalog.Nanos(m).String() }

// ToFace returns what an account with this multiplier sees of real money: rounded down to a nano, so
// that it never shows more than there is. It stops at the ends of what an amount can be.
func (m Multiplier) ToFace(real catalog.Nanos) catalog.Nanos {
	return mulDiv(real, int64(m), int64(One))
}

// ToReal returns the real money that a face value stands for: rounded down to a nano, so that
// m.ToFace(m.ToReal(x)) <= x and m.ToReal(m.ToFace(x)) <= x: nothing grows by going back and forth. A
// transfer converts once and moves the real amount on both sides.
func (m Multiplier) ToReal(face catalog.Nanos) catalog.Nanos {
	return mulDiv(face, int64(One), int64(m))
}

// mulDiv is the floor of x*y/z for y not below zero, with 128 bits between; a z of zero, which no
// parser lets through, counts as one to one.
func mulDiv(x catalog.Nanos, y, z int64) catalog.Nanos {
	if z <= 0 {
		return x
	}
	u, below := uint64(x), x < 0
	if below {
		u = -u
	}
	hi, lo := bits.Mul64(u, uint64(y))
	if hi >= uint64(z) {
		return limitOf(below)
	}
	q, r := bits.Div64(hi, lo, uint64(z))
	if below && r > 0 {
		q++ // down is away from zero
	}
	if q > math.MaxInt64 {
		return limitOf(below)
	}
	if below {
		return -catalog.Nanos(q)
	}
	return catalog.Nanos(q)
}

func limitOf(below bool) catalog.Nanos {
	if below {
		return math.MinInt64
	}
	return math.MaxInt64
}
