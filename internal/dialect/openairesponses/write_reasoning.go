package openairesponses

import (
	"tollgate/internal/canon"
	"tollgate/internal/dialect"
)

// thinks reports whether the model is known to reason, and is not told to leave it. Such models of OpenAI
// refuse to be told how to draw tokens: "Unsupported parameter: 'temperature' is not supported with this
// model.", https://github.com/openai/openai-agents-python/issues/1397, 2025-08.
func (w *requestWriter) thinks() bool {
	switch w.to.Thinking {
	case dialect.ThinkingUnknown, dialect.ThinkingNone:
		return false
	default:
	}
	return w.req.Reasoning == nil || !w.req.Reasoning.Disabled
}

// reasoning writes how much the model shall think, and whether the answer shows it.
func (w *requestWriter) reasoning() {
	e := w.req.Reasoning
	inner := w.within("reasoning")
	if e == nil && len(inner) == 0 {
		return
	}
	mark := len(w.b)
	w.name("reasoning")
	w.b = append(w.b, '{')
	if e != nil {
		w.effort(e)
	}
	shown := false
	for _, f := range inner {
		name := f.Own()
		shown = shown || name == "summary" || name == "generate_summary"
		w.raw(name, string(f.Value))
	}
	switch {
	case shown || !w.req.ShowsThoughts() || w.home && e.Show != canon.ThoughtsShown:
	case w.to.Thinking == dialect.ThinkingNone:
		if e.Show == canon.ThoughtsShown { // else it is said with what asks for thinking
			w.lose(canon.WhatThoughts, "", "the model does not reason")
		}
	default: // which hides thoughts unless it is asked for what they come to
		w.str("summary", "auto")
	}
	if w.b[len(w.b)-1] == '{' { // nothing was said after all
		w.b = w.b[:mark]
		return
	}
	w.b = append(w.b, '}')
}

func (w *requestWriter) effort(e *canon.Effort) {
	if w.to.Thinking == dialect.ThinkingNone {
		switch {
		case e.Disabled:
		case e.Budget > 0:
			w.lose(canon.WhatBudget, "", "the model does not reason")
		case e.Level != "":
			w.lose(canon.WhatEffort, "", "the model does not reason")
		case e.Adaptive:
			w.lose(canon.WhatAdaptive, "", "the model does not reason")
		}
		return
	}
	switch {
	case e.Disabled:
		w.str("effort", "none")
	case e.Level != "":
		w.str("effort", e.Level)
		if e.Budget > 0 {
			w.lose(canon.WhatBudget, "", "the level of reasoning stands for it")
		}
	case e.Budget > 0:
		w.str("effort", canon.BudgetEffort(e.Budget))
		w.change(canon.WhatBudget, "", "the Responses API takes a level of reasoning, not a number of tokens")
	}
	// An adaptive model decides itself, which is what a reasoning model of OpenAI's does without an effort.
}
