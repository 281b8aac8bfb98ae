package catalog

import (
	"strings"
	"testing"
)

// What is said of thinking is a word that translation knows, and is said of every model that thinks and is
// asked for it in a way of its vendor's own.
func TestThinking(t *testing.T) {
	models, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range models {
		switch m.Thinking {
		case "", "none", "effort", "budget", "adaptive":
		default:
			t.Errorf("%s thinks by %q", m.Name, m.Thinking)
		}
		reasons := false
		for _, a := range m.Abilities {
			reasons = reasons || a == AbilityReasoning
		}
		if reasons && m.Thinking == "none" {
			t.Errorf("%s can reason, and can't", m.Name)
		}
		if (strings.HasPrefix(m.Name, "claude-") || strings.HasPrefix(m.Name, "gpt-") || strings.HasPrefix(m.Name, "gemini-")) && reasons && m.Thinking == "" {
			t.Errorf("%s: it is not said how it is asked to think", m.Name)
		}
	}
}
