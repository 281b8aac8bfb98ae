package canon_test

import (
	"testing"

	"tollgate/internal/canon"
)

func TestEffort(t *testing.T) {
	for _, word := range []string{"minimal", "low", "medium", "high", "xhigh", "max"} {
		budget, ok := canon.EffortBudget(word)
		if !ok || canon.BudgetEffort(budget) != word || canon.BudgetEffort(budget-1) != word {
			t.Errorf("%s has budget %d, which means %s", word, budget, canon.BudgetEffort(budget))
		}
		if got := canon.NearestEffort(word, "minimal", "low", "medium", "high", "xhigh", "max"); got != word {
			t.Errorf("nearest to %s is %s", word, got)
		}
	}
	if got := canon.BudgetEffort(1 << 40); got != "max" {
		t.Errorf("a huge budget means %s", got)
	}
	for word, want := range map[string]string{"minimal": "low", "xhigh": "high", "medium": "low", "odd": "odd"} {
		if got := canon.NearestEffort(word, "low", "high"); got != want {
			t.Errorf("nearest to %s among low and high is %s, want %s", word, got, want)
		}
	}
}

func TestShowsThoughts(t *testing.T) {
	for _, c := range []struct {
		origin canon.Dialect
		e      *canon.Effort
		want   bool
	}{
		{canon.Anthropic, nil, false},
		{canon.Anthropic, &canon.Effort{Level: "high"}, false}, // thinking itself was not asked for
		{canon.Anthropic, &canon.Effort{Budget: 2000}, true},
		{canon.Anthropic, &canon.Effort{Adaptive: true}, true},
		{canon.Anthropic, &canon.Effort{Budget: 2000, Show: canon.ThoughtsHidden}, false},
		{canon.Anthropic, &canon.Effort{Disabled: true, Budget: 2000}, false},
		{canon.Gemini, &canon.Effort{Budget: 2000}, false},
		{canon.Gemini, &canon.Effort{Show: canon.ThoughtsShown}, true},
		{canon.OpenAIChat, &canon.Effort{Level: "high"}, false},
		{canon.OpenAIChat, &canon.Effort{Budget: 2000}, true},
		{canon.OpenAIResponses, &canon.Effort{Level: "high"}, false},
		{canon.OpenAIResponses, &canon.Effort{Show: canon.ThoughtsShown}, true},
	} {
		if got := (&canon.Request{Origin: c.origin, Reasoning: c.e}).ShowsThoughts(); got != c.want {
			t.Errorf("%s %+v: %v", c.origin, c.e, got)
		}
	}
}
