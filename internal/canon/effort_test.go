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
