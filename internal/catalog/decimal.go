package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// nanoDigits are the decimal places of a nano-dollar.
const nanoDigits = 9

var (
	errNotDecimal = errors.New("is not a plain decimal number like 0.25 (digits and at most one point; no sign, exponent or currency)")
	errTooFine    = errors.New("is finer than a nano-dollar: more than nine decimal places")
	errTooLarge   = errors.New("is larger than an amount can be")
)

// ParseNanos reads an amount in dollars, written as a plain decimal number, e.g. "0.25". It is exact
// or it fails: no sign, no exponent, no rounding.
func ParseNanos(s string) (Nanos, error) {
	n, err := parseDecimal(s)
	if err != nil {
		return 0, fmt.Errorf("amount %.40q %w", s, err)
	}
	return Nanos(n), nil
}

// String writes n in dollars, exactly and as short as possible, e.g. "-0.0125".
func (n Nanos) String() string { return formatNanos(int64(n)) }

// String writes r in dollars per million units.
func (r Rate) String() string { return formatNanos(int64(r)) }

// parseDecimal reads s times 1e9.
func parseDecimal(s string) (int64, error) {
	whole, frac, point := strings.Cut(s, ".")
	if whole == "" || point && frac == "" {
		return 0, errNotDecimal
	}
	for _, part := range []string{whole, frac} {
		for i := range len(part) {
			if part[i] < '0' || part[i] > '9' {
				return 0, errNotDecimal
			}
		}
	}
	frac = strings.TrimRight(frac, "0")
	if len(frac) > nanoDigits {
		return 0, errTooFine
	}
	var n int64
	digits := whole + frac + strings.Repeat("0", nanoDigits-len(frac))
	for i := range len(digits) {
		d := int64(digits[i] - '0')
		if n > (math.MaxInt64-d)/10 {
			return 0, errTooLarge
		}
		n = n*10 + d
	}
	return n, nil
}

func formatNanos(n int64) string {
	var room [32]byte
	b, u := room[:0], uint64(n)
	if n < 0 {
		b, u = append(b, '-'), -u
	}
	b = strconv.AppendUint(b, u/1e9, 10)
	if part := u % 1e9; part > 0 {
		point := len(b)
		b = strconv.AppendUint(b, 1e9+part, 10) // nine digits behind a one
		b[point] = '.'
		b = bytes.TrimRight(b, "0")
	}
	return string(b)
}
