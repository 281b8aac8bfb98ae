package catalog

import (
	"math"
	"math/bits"
)

// ToFace returns what an account with this multiplier sees of real money, which is what prices cost and
// ledgers keep: rounded down to a nano, so that it never shows more than there is. It stops at the ends
// of what an amount can be.
func (m Multiplier) ToFace(real Nanos) Nanos { return mulDiv(real, int64(m), int64(One)) }

// Shown returns the roundest of the face values that stand for an amount of real money, those that ToReal
// makes that amount of: $100 granted at 3 are kept as 33.333333333 and shown as 100 again, not as
// 99.999999999. What is shown can be moved back as it is, and nothing comes of it. Below zero it is
// ToFace.
func (m Multiplier) Shown(real Nanos) Nanos {
	if real <= 0 || real == math.MaxInt64 {
		return m.ToFace(real)
	}
	least, most := -m.ToFace(-real), -m.ToFace(-real-1)-1 // both count
	if least <= 0 || least > math.MaxInt64/2 || most < least {
		return m.ToFace(real) // far more than there is, or a multiplier below one that shows less than a nano
	}
	shown := least
	for unit := Nanos(10); unit < 1e18 && (least-1)/unit*unit+unit <= most; unit *= 10 {
		shown = (least-1)/unit*unit + unit
	}
	return shown
}

// ToReal returns the real money that a face value stands for: rounded down to a nano, so that
// m.ToFace(m.ToReal(x)) <= x and m.ToReal(m.ToFace(x)) <= x: nothing grows by going back and forth. A
// transfer converts once and moves the real amount on both sides.
func (m Multiplier) ToReal(face Nanos) Nanos { return mulDiv(face, int64(One), int64(m)) }

// mulDiv is the floor of x*y/z for y not below zero, with 128 bits between; a z of zero, which no
// parser lets through, counts as one to one.
func mulDiv(x Nanos, y, z int64) Nanos {
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
		return -Nanos(q)
	}
	return Nanos(q)
}

func limitOf(below bool) Nanos {
	if below {
		return math.MinInt64
	}
	return math.MaxInt64
}
