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
