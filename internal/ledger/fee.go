package ledger

import (
	"fmt"
	"strings"

	"tollgate/internal/catalog"
)

// Fee is what a transfer costs: a part of it and a fixed amount.
type Fee struct {
	Billionths int64         // of the amount; rounded down
	Fixed      catalog.Nanos // at most the amount is taken
}

// Fees are the fees of a gateway; none by default.
type Fees struct {
	Take       Fee // of what is taken back from an account
	Close      Fee // of what is left when an account is closed
	Commission Fee // of a grant that skips generations, to the account right above the one that gets it
}

// ParseFee reads "0.2" as dollars and "5%" as a part.
func ParseFee(s string) (Fee, error) {
	part, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	n, err := catalog.ParseNanos(strings.TrimSpace(part))
	switch {
	case err != nil:
		return Fee{}, fmt.Errorf("fee %.40q: want dollars, like 0.2, or a part, like 5%%", s)
	case !percent:
		return Fee{Fixed: n}, nil
	case n > 100*1e9 || n%100 != 0:
		return Fee{}, fmt.Errorf("fee %.40q: want at most 100%%, with at most seven decimal places", s)
	}
	return Fee{Billionths: int64(n / 100)}, nil
}

// Of returns the fee of an amount.
func (f Fee) Of(amount catalog.Nanos) catalog.Nanos {
	return min(plus(catalog.Multiplier(f.Billionths).ToFace(amount), f.Fixed), amount)
}

// String writes f as ParseFee reads it.
func (f Fee) String() string {
	switch {
	case f.Billionths == 0:
		return f.Fixed.String()
	case f.Fixed == 0:
		return catalog.Nanos(f.Billionths*100).String() + "%"
	}
	return fmt.Sprintf("%v%% and %v", catalog.Nanos(f.Billionths*100), f.Fixed)
}
