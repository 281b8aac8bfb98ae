package obs

import (
	"testing"

	"pgregory.net/rapid"
)

// The cheap test must never let through what the thorough one would hide.
func TestSuspiciousMissesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`([a-z0-9-]{0,12}[ :/?&=.-]?)((sk|SK|rk|pk|xai|gsk|pplx|r8|hf|fw)[-_][A-Za-z0-9_-]{8,30}|[Aa][Ii][Zz]a[A-Za-z0-9]{20}|[Bb]eare[rR][ \t\n\r\f]{1,2}[a-z]{8}|https://u:pw@h|://:pw@h|[?&](key|api_key|API-key|token)=abc123|[a-f0-9-]{20,40})([ -][a-z]{0,8})?`).Draw(t, "text")
		if Redact(s) != s && !suspicious(s) {
			t.Fatalf("%q holds a credential and is not suspicious", s)
		}
	})
}

func BenchmarkRedactAttrID(b *testing.B) {
	for b.Loop() {
		if suspicious("01a1faf1-6fda-7b58-a221-ed0be5de609a") {
			b.Fatal("an id is suspicious")
		}
	}
}
