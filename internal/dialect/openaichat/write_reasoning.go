package openaichat

import (
	"tollgate/internal/canon"
	"tollgate/internal/dialect"
)

// reasoning writes how much to think: reasoning_effort, or OpenRouter's object where the upstream has it.
func (w *requestWriter) reasoning() {
	e := w.req.Reasoning
	if e == nil {
		e = &canon.Effort{}
	}
	if w.own && (e.Budget > 0 || e.Show != canon.ThoughtsNotSaid || w.hasNested(inReasoning)) {
		w.openRouter(e)
		return
	}
	none := w.to.Thinking == dialect.ThinkingNone && !w.own
	switch {
	case none && e.Show != canon.ThoughtsShown: // what asks for thinking is told as lost
	case e.Show == canon.ThoughtsHidden:
		w.lose(canon.WhatThoughts, "", "the upstream can't be told to keep thoughts to itself")
	case w.req.ShowsThoughts() && !w.to.Takes(canon.WhatReasoningText): // those that take thoughts back have shown them
		w.lose(canon.WhatThoughts, "", "the upstream can't be asked to show thoughts")
	}
	level := e.Level
	switch {
	case e.Disabled:
		if !none {
			w.str("reasoning_effort", "none")
		}
		return
	case none:
		for _, l := range [...]struct {
			said bool
			what canon.What
		}{{e.Level != "", canon.WhatEffort}, {e.Budget > 0, canon.WhatBudget}, {e.Adaptive, canon.WhatAdaptive}} {
			if l.said {
				w.lose(l.what, "", "the model does not think")
			}
		}
		return
	case e.Budget > 0 && w.to.Takes(canon.WhatBudget):
		w.openRouter(&canon.Effort{Level: e.Level, Budget: e.Budget})
		return
	case e.Budget > 0 && level == "":
		level = canon.BudgetEffort(e.Budget)
		w.change(canon.WhatBudget, "", "the upstream knows no budget but words: "+level)
	case e.Budget > 0:
		w.lose(canon.WhatBudget, "", "the upstream knows no budget; the effort is "+level)
	}
	if e.Adaptive && w.to.Thinking != dialect.ThinkingAdaptive {
		w.lose(canon.WhatAdaptive, "", "the upstream can't be told to choose itself how much to think")
	}
	if level == "" {
		return
	}
	if !w.own {
		if near := canon.NearestEffort(level, "minimal", "low", "medium", "high", "xhigh"); near != level {
			w.change(canon.WhatEffort, "", "the upstream does not know the effort "+level+", the nearest is "+near)
			level = near
		}
	}
	w.str("reasoning_effort", level)
}

// openRouter writes reasoning as an object: https://openrouter.ai/docs/use-cases/reasoning-tokens, read 2026-11-20.
func (w *requestWriter) openRouter(e *canon.Effort) {
	w.b = append(key(w.b, "reasoning"), '{')
	if e.Disabled {
		w.raw("enabled", []byte("false"))
	}
	if e.Level != "" {
		w.str("effort", e.Level)
	}
	if e.Budget > 0 {
		w.number("max_tokens", e.Budget)
	}
	if e.Show != canon.ThoughtsNotSaid {
		hide := e.Show == canon.ThoughtsHidden
		w.boolean("exclude", &hide)
	}
	w.nested(inReasoning)
	w.b = append(w.b, '}')
}
