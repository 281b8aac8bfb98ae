package canon

// efforts are the words for how much a model shall think, weakest first, with the budget in tokens that
// stands for each where a vendor counts.
var efforts = [...]struct {
	word   string
	budget int64
}{
	{"minimal", 1024}, {"low", 2048}, {"medium", 8192}, {"high", 16384}, {"xhigh", 24576}, {"max", 32768},
}

// EffortBudget returns the budget in tokens that stands for an effort word; ok is false for a word that
// nobody knows.
func EffortBudget(word string) (budget int64, ok bool) {
	for _, e := range efforts {
		if e.word == word {
			return e.budget, true
		}
	}
	return 0, false
}

// BudgetEffort returns the weakest effort word whose budget covers budget tokens, the strongest if none does.
func BudgetEffort(budget int64) string {
	for _, e := range efforts {
		if budget <= e.budget {
			return e.word
		}
	}
	return efforts[len(efforts)-1].word
}

// NearestEffort returns the word in known, weakest first, that is nearest to word: itself, else the next
// weaker one, else the weakest. A word that nobody knows is returned as it is.
func NearestEffort(word string, known ...string) string {
	want, ok := EffortBudget(word)
	if !ok || len(known) == 0 {
		return word
	}
	best := known[0]
	for _, k := range known {
		if b, ok := EffortBudget(k); ok && b <= want {
			best = k
		}
	}
	return best
}

// ShowsThoughts reports whether who asks expects to see what the model thinks: it says so, or asks for thinking
// in a form whose answers show it unless they are told not to, as Claude's do and OpenRouter's with a budget.
func (r *Request) ShowsThoughts() bool {
	e := r.Reasoning
	switch {
	case e == nil || e.Disabled:
		return false
	case e.Show != ThoughtsNotSaid:
		return e.Show == ThoughtsShown
	}
	return r.Origin == Anthropic && (e.Budget > 0 || e.Adaptive) || r.Origin == OpenAIChat && e.Budget > 0
}
