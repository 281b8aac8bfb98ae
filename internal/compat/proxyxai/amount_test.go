package proxyxai

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"testing"
)

func TestAmounts(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "-0": 0, "12.5": 125e8, "-10": -10e9, "100": 100e9, "0.000000001": 1, `"2.50"`: 25e8, "1e2": 100e9, "1.5E-3": 15e5, "1e-9": 1, "9999999.999999999": 9999999999999999, "10000000": 1e16, "0.10": 1e8,
		"0.30000000000000004": 3e8, "-0.30000000000000004": -3e8, "1.1500000000000001": 115e7, "9719.799999999999": 97198e8, "2.675": 2675e6,
	} {
		var a amount
		if err := json.Unmarshal([]byte(text), &a); err != nil || int64(a) != want {
			t.Errorf("%s: %d, %v, want %d", text, a, err, want)
		}
	}
	for _, text := range []string{
		`""`, `"x"`, `"NaN"`, `"Infinity"`, `"1,5"`, `" 1"`, `"0x10"`, `"1/3"`, `"1_000"`, `"+1"`, `"01"`, `".5"`, `"1."`, "null", "true", "[]", "{}", "1e7000", "1e99", "10000000.000000001", "-10000001",
		"0.0000000001", "0.1234567891", "1e-10", "123456789012345678901234567890", `"` + "1111111111111111111111111111111111111111111" + `"`,
	} {
		var a amount
		if err := json.Unmarshal([]byte(text), &a); err == nil {
			t.Errorf("%s was read as %d", text, a)
		}
	}
	for n, want := range map[amount]string{0: "0", 125e8: "12.5", -1: "-0.000000001", 1e16: "10000000", 9223372036854775807: "9223372036.854775807"} {
		if raw, err := json.Marshal(n); err != nil || string(raw) != want {
			t.Errorf("%d is written as %s, %v", n, raw, err)
		}
	}
}

// Amounts come back as they were written, also by a client that computes in doubles.
func TestAmountsComeBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		n := rng.Int64N(int64(maxAmount)) >> rng.IntN(54)
		if rng.IntN(2) == 0 {
			n = -n
		}
		raw, err := json.Marshal(amount(n))
		if err != nil {
			t.Fatal(err)
		}
		var back amount
		if err := json.Unmarshal(raw, &back); err != nil || int64(back) != n {
			t.Fatalf("%s: %d, %v, want %d", raw, back, err, n)
		}
		if n > -4e15 && n < 4e15 { // beyond four million dollars doubles are further apart than a nano-dollar
			double, err := strconv.ParseFloat(string(raw), 64)
			if err != nil {
				t.Fatal(err)
			}
			text := strconv.FormatFloat(double, 'g', -1, 64)
			if err := json.Unmarshal([]byte(text), &back); err != nil || int64(back) != n {
				t.Fatalf("%s by way of a double, %s: %d, %v", raw, text, back, err)
			}
		}
	}
}
