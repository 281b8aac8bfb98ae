package proxyxai

import (
	"fmt"
	"math/big"
	"strings"

	"tollgate/internal/catalog"
)

// amount is money as the API writes it: a JSON number of dollars, exact on both sides.
type amount catalog.Nanos

// MarshalJSON implements json.Marshaler.
func (a amount) MarshalJSON() ([]byte, error) { return []byte(catalog.Nanos(a).String()), nil }

// UnmarshalJSON implements json.Unmarshaler. A script that writes an amount as text is understood.
func (a *amount) UnmarshalJSON(raw []byte) error {
	n, err := parseAmount(strings.Trim(string(raw), `"`))
	*a = amount(n)
	return err
}

// maxDigits bounds the text of a number: what is longer is no amount, and might take long to read.
const maxDigits = 40

// parseAmount reads a JSON number of dollars. Scripts write numbers from binary fractions, so up to the
// 17 digits that a double has are read, and rounded to the nano-dollar where they are finer: 0.1+0.2 is
// 0.3. Nothing that is finer on purpose is meant with fewer digits than that.
func parseAmount(text string) (catalog.Nanos, error) {
	bad := func(why string) error { return badRequest("%.40q %s", text, why) }
	if len(text) > maxDigits || !isNumber(text) {
		return 0, bad("is not an amount of dollars such as 12.5")
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return 0, bad("is not an amount of dollars such as 12.5")
	}
	r.Mul(r, big.NewRat(1e9, 1))
	if !r.IsInt() {
		if significant(text) < doubleDigits {
			return 0, bad("is finer than a nano-dollar: it has more than nine decimal places")
		}
		half := big.NewRat(1, 2)
		if r.Sign() < 0 {
			half.Neg(half)
		}
		r.Add(r, half)
	}
	n := new(big.Int).Quo(r.Num(), r.Denom())
	if !n.IsInt64() || n.CmpAbs(big.NewInt(int64(maxAmount))) > 0 {
		return 0, bad(fmt.Sprintf("is out of range: amounts go up to %s", maxAmount))
	}
	return catalog.Nanos(n.Int64()), nil
}

// maxAmount is the most that one amount may be, as for a card of the ledger.
const maxAmount catalog.Nanos = 1e7 * 1e9

// doubleDigits are the fewest significant digits of a number that a computer wrote from a binary
// fraction which no shorter text stands for.
const doubleDigits = 15

// significant counts the digits of a number after its leading zeros.
func significant(text string) int {
	mantissa, _, _ := strings.Cut(strings.ToLower(text), "e")
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, mantissa)
	return len(strings.TrimLeft(digits, "0"))
}

// isNumber reports whether text is a number as JSON has them, with an exponent of two digits at most.
func isNumber(text string) bool {
	text = strings.TrimPrefix(text, "-")
	mantissa, exponent, hasExponent := strings.Cut(strings.ToLower(text), "e")
	whole, fraction, hasFraction := strings.Cut(mantissa, ".")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	if !digits(whole) || len(whole) > 1 && whole[0] == '0' || hasFraction && !digits(fraction) {
		return false
	}
	if !hasExponent {
		return true
	}
	exponent = strings.TrimLeft(exponent, "+-")
	return digits(exponent) && len(exponent) <= 2
}
