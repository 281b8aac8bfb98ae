package jsonedit

import (
	"encoding/json"
	"strings"
	"testing"
)

// Whatever stands at whatever place of a string comes back from its quoted form, and what needs no escape
// gets none.
func TestQuote(t *testing.T) {
	for _, c := range []string{"", "a", `"`, `\`, "/", "<", "\n", "\r", "\t", "\x00", "\x1f", "\x7f", "é", "漢", "🦊", "\u2028", "\xff", "\xe6\xbc", "\"\\\n"} {
		for before := range 18 {
			for _, after := range []int{0, 1, 7, 8, 17} {
				s := strings.Repeat("x", before) + c + strings.Repeat("y", after)
				quoted := string(AppendQuoted([]byte("at"), s))
				var got string
				if err := json.Unmarshal([]byte(quoted[2:]), &got); err != nil || got != strings.ToValidUTF8(s, "\uFFFD") && got != string([]rune(s)) {
					t.Fatalf("%q became %s, which is %q (%v)", s, quoted, got, err)
				}
				if _, err := Scan([]byte(`{"a":`+quoted[2:]+`}`), 9); err != nil {
					t.Fatalf("%s: %v", quoted, err)
				}
				if plain := c == "" || c[0] >= ' ' && c != `"` && c != `\` && c[0] != '"' && strings.ToValidUTF8(c, "") == c; plain && quoted != `at"`+s+`"` {
					t.Fatalf("%q was escaped: %s", s, quoted)
				}
			}
		}
	}
}
