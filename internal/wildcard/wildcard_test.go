package wildcard_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tollgate/internal/wildcard"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"gpt-4o", "gpt-4o", true},
		{"gpt-4o", "GPT-4o", true},
		{"gpt-4o", "gpt-4o-mini", false},
		{"gpt-*", "GPT-4o", true},
		{"*", "", true},
		{"", "", true},
		{"", "a", false},
		{"gpt-4-*-preview", "gpt-4-1106-preview", true},
		{"gpt-4-*-preview", "gpt-4-preview", false}, // the two dashes are not one
		{"*claude*", "us.anthropic.claude-3", true},
		{"a*a", "a", false}, // a character is used once
		{"a*b*c", "aXbYbZc", true},
		{"*.gguf", "x.gguf.bak", false},
		{"a.b", "axb", false}, // a dot is a dot
	} {
		if got := wildcard.Match(c.pattern, c.name); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.pattern, c.name, got)
		}
	}
}

// TestMatchIsTheRegexp compares with a regular expression of the same meaning.
func TestMatchIsTheRegexp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[abA*.]{0,8}`).Draw(t, "pattern")
		name := rapid.StringMatching(`[abAB.]{0,10}`).Draw(t, "name")
		re := regexp.MustCompile("(?i)^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$")
		if got, want := wildcard.Match(pattern, name), re.MatchString(name); got != want {
			t.Fatalf("Match(%q, %q) = %v, the regular expression says %v", pattern, name, got, want)
		}
	})
}

func TestAny(t *testing.T) {
	if wildcard.Any(nil, "x") || wildcard.Any([]string{"y"}, "x") || !wildcard.Any([]string{"y", "x*"}, "X1") {
		t.Error("Any must be an or over Match")
	}
	if wildcard.Literals("gpt-*-x*") != 6 || wildcard.Is("gpt") || !wildcard.Is("*") {
		t.Error("Literals or Is")
	}
}
