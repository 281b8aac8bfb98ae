package catalog_test

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"tollgate/internal/catalog"
)

const dollar catalog.Nanos = 1e9

func multiplier(t testing.TB, s string) catalog.Multiplier {
	t.Helper()
	m, err := catalog.ParseMultiplier(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestRaisingAMultiplier is the rule of the border in its own words: a child whose multiplier goes from
// 1 to 2 sees twice the money, a grant of 100 that it sees costs a parent at 1 just 50, and what can be
// bought with either is the same.
func TestRaisingAMultiplier(t *testing.T) {
	one, two := multiplier(t, "1"), multiplier(t, "2")
	const real = 40 * dollar
	if before, after := one.ToFace(real), two.ToFace(real); before != 40*dollar || after != 80*dollar {
		t.Errorf("$40 are seen as $%v, then as $%v", before, after)
	}
	moved := two.ToReal(100 * dollar)
	if paid, seen := one.ToFace(moved), two.ToFace(moved); paid != 50*dollar || seen != 100*dollar {
		t.Errorf("the parent pays $%v, the child sees $%v", paid, seen)
	}
	const price = 3 * dollar // of the catalogue
	if one.ToFace(real)/one.ToFace(price) != two.ToFace(real)/two.ToFace(price) {
		t.Error("what can be bought has changed")
	}
}

// TestFaceValuesNeverGrow compares with exact arithmetic, and goes back and forth.
func TestFaceValuesNeverGrow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := catalog.Multiplier(rapid.Int64Range(1, 1e15).Draw(rt, "multiplier"))
		x := catalog.Nanos(rapid.Int64().Draw(rt, "amount"))
		exact := func(y, z int64) catalog.Nanos {
			n := new(big.Int).Mul(big.NewInt(int64(x)), big.NewInt(y))
			n.Div(n, big.NewInt(z)) // Euclidean: the floor for z above zero
			switch {
			case n.IsInt64():
				return catalog.Nanos(n.Int64())
			case n.Sign() > 0:
				return math.MaxInt64
			default:
				return math.MinInt64
			}
		}
		face, real := m.ToFace(x), m.ToReal(x)
		if want := exact(int64(m), 1e9); face != want {
			rt.Errorf("face of %d at %s: %d, want %d", x, m, face, want)
		}
		if want := exact(1e9, int64(m)); real != want {
			rt.Errorf("real money of %d at %s: %d, want %d", x, m, real, want)
		}
		if back := m.ToReal(face); face > math.MinInt64 && back > x {
			rt.Errorf("%d is seen as %d at %s, which stands for %d", x, face, m, back)
		}
		if back := m.ToFace(real); real > math.MinInt64 && back > x {
			rt.Errorf("a face value of %d stands for %d at %s, which is seen as %d", x, real, m, back)
		}
	})
}

// TestShown is what an account sees of amounts that its multiplier does not divide.
func TestShown(t *testing.T) {
	for _, c := range []struct{ rates, granted, shown string }{
		{"3", "100", "100"},
		{"3", "0.1", "0.1"},
		{"7", "1000000", "1000000"},
		{"1.1", "12.34", "12.34"},
		{"1", "99.999999999", "99.999999999"},
		{"999999.999999999", "5", "5"},
		{"1", "0.000000001", "0.000000001"},
		{"3", "10000000", "10000000"},
		{"6", "0", "0"},
	} {
		m := multiplier(t, c.rates)
		face, err := catalog.ParseNanos(c.granted)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Shown(m.ToReal(face)).String(); got != c.shown {
			t.Errorf("%s granted at rates %s are shown as %s", c.granted, c.rates, got)
		}
	}
	if got := multiplier(t, "3").Shown(-10); got != -30 {
		t.Errorf("a debt of 10 at 3 is shown as %d", got)
	}
}

// TestShownIsNoMoney moves what is shown back: exactly what there is moves, however often, and more is shown for more. What was
// granted in whole cents is shown as it was granted.
func TestShownIsNoMoney(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := catalog.Multiplier(rapid.Int64Range(1e9, 1e15).Draw(rt, "multiplier"))
		real := catalog.Nanos(rapid.Int64Range(0, min(1e18, math.MaxInt64/int64(m)*5e8)).Draw(rt, "amount"))
		shown := m.Shown(real)
		if back := m.ToReal(shown); back != real {
			rt.Errorf("%d at %s is shown as %d, which stands for %d", real, m, shown, back)
		}
		if next := m.Shown(real + 1); next <= shown {
			rt.Errorf("%d at %s is shown as %d, one more as %d", real, m, shown, next)
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		m := catalog.Multiplier(rapid.Int64Range(1e9, 9e9).Draw(rt, "multiplier"))
		face := catalog.Nanos(rapid.Int64Range(1, 1e9).Draw(rt, "cents")) * 1e7
		if shown := m.Shown(m.ToReal(face)); shown != face {
			rt.Errorf("%d granted at %s is shown as %d", face, m, shown)
		}
	})
}
