package anthropic

import (
	"strconv"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/jsonedit"
)

// minBudget is the least that a model can be given to think.
const minBudget = 1024

// outThinking is how the model is asked to think.
type outThinking struct {
	kind    string // enabled, adaptive, disabled; "": not said
	budget  int64
	display string
	effort  string

	what  canon.What // what of the request it comes from, should it have to go
	whole bool       // that is as the client said it
}

// on reports whether the model is made to think.
func (t *outThinking) on() bool { return t.kind == "enabled" || t.kind == "adaptive" }

// noPrefill reports whether the model refuses to go on from words put into its mouth, as all do that
// think adaptively.
func (w *requestWriter) noPrefill() bool { return w.to.Thinking == dialect.ThinkingAdaptive }

// planThinking settles how the model thinks, and max_tokens with it.
func (w *requestWriter) planThinking() {
	r := w.req.Reasoning
	if r == nil {
		return
	}
	t := &w.think
	switch {
	case r.Disabled:
		if w.to.Thinking != dialect.ThinkingNone {
			t.kind = "disabled"
		}
		if w.home {
			t.effort = r.Level
		}
		return
	case w.home && w.to.Thinking == dialect.ThinkingUnknown:
		w.thinkAsSaid(r)
		return
	}
	switch w.to.Thinking {
	case dialect.ThinkingNone:
		w.cannotThink(r)
		return
	case dialect.ThinkingBudget:
		w.thinkByBudget(r)
	case dialect.ThinkingEffort:
		w.effort(r)
	default:
		w.effort(r)
		if t.effort != "" && !w.home || r.Adaptive || r.Budget > 0 || r.Show == canon.ThoughtsShown {
			t.kind = "adaptive"
			t.what = canon.WhatAdaptive
		}
	}
	switch {
	case !t.on() && r.Show == canon.ThoughtsShown && w.to.Thinking == dialect.ThinkingBudget && r.Level == "" && r.Budget == 0 && !r.Adaptive:
		w.lose(canon.WhatThoughts, "", "the model thinks only where it is told how much")
		return
	case !t.on():
		if r.Show == canon.ThoughtsShown && w.to.Thinking == dialect.ThinkingEffort {
			w.lose(canon.WhatThoughts, "", "the model can't be asked to show what it thinks")
		}
		return
	case r.Show == canon.ThoughtsShown:
		t.display = "summarized"
	case r.Show == canon.ThoughtsHidden:
		t.display = "omitted"
	}
	w.fitThinking()
}

// thinkAsSaid takes the client's own words.
func (w *requestWriter) thinkAsSaid(r *canon.Effort) {
	t := &w.think
	t.effort, t.budget = r.Level, r.Budget
	switch {
	case r.Adaptive:
		t.kind = "adaptive"
	case r.Budget > 0:
		t.kind = "enabled"
	}
	switch r.Show {
	case canon.ThoughtsShown:
		t.display = "summarized"
	case canon.ThoughtsHidden:
		t.display = "omitted"
	case canon.ThoughtsNotSaid:
	}
}

func (w *requestWriter) cannotThink(r *canon.Effort) {
	const reason = "the model does not think"
	if r.Level != "" {
		w.lose(canon.WhatEffort, "", reason)
	}
	if r.Budget > 0 {
		w.lose(canon.WhatBudget, "", reason)
	}
	if r.Adaptive {
		w.lose(canon.WhatAdaptive, "", reason)
	}
	if r.Show == canon.ThoughtsShown {
		w.lose(canon.WhatThoughts, "", reason)
	}
}

// thinkByBudget asks for thinking by a number of tokens.
func (w *requestWriter) thinkByBudget(r *canon.Effort) {
	t := &w.think
	switch {
	case r.Budget > 0:
		t.budget, t.what, t.whole = r.Budget, canon.WhatBudget, true
		if r.Level != "" {
			w.lose(canon.WhatEffort, "", "the model is asked to think by its budget alone")
		}
	case r.Level != "":
		budget, ok := canon.EffortBudget(r.Level)
		if !ok {
			w.lose(canon.WhatEffort, "", "is not known: "+clip(r.Level))
			return
		}
		t.budget, t.what = budget, canon.WhatEffort
	case r.Adaptive:
		t.budget, _ = canon.EffortBudget("high") // what adaptive models do where nothing is said
		t.what = canon.WhatAdaptive
	default:
		return
	}
	t.kind = "enabled"
}

// effort says how much to think in a word. The API knows low to max.
func (w *requestWriter) effort(r *canon.Effort) {
	t := &w.think
	_, known := canon.EffortBudget(r.Level)
	if r.Level != "" && !known && !w.home {
		w.lose(canon.WhatEffort, "", "is not known: "+clip(r.Level))
	}
	switch {
	case r.Level != "" && (known || w.home):
		if r.Budget > 0 {
			w.lose(canon.WhatBudget, "", "the effort stands for it")
		}
		if t.effort = canon.NearestEffort(r.Level, "low", "medium", "high", "xhigh", "max"); t.effort != r.Level {
			w.change(canon.WhatEffort, "", "the least effort there is "+t.effort)
		}
	case r.Budget > 0:
		if t.effort = canon.BudgetEffort(r.Budget); t.effort == "minimal" {
			t.effort = "low"
		}
		w.change(canon.WhatBudget, "", "the model is asked to think by an effort: "+t.effort)
	}
}

// fitThinking sees to what thinking demands of the rest of a request.
func (w *requestWriter) fitThinking() {
	t := &w.think
	switch {
	case w.home:
	case w.forced():
		// The call is a contract that somebody's code relies on, the thinking is not.
		w.stopThinking("a model that must call a tool can't think before it")
		return
	case t.kind == "enabled" && w.unsigned():
		w.stopThinking("the turn in which tools are being called did not begin with thoughts signed there")
		return
	}
	if t.kind != "enabled" {
		return
	}
	defer func() {
		if t.kind == "enabled" && !t.whole {
			w.change(t.what, "", "the model is asked to think by a budget: "+strconv.FormatInt(t.budget, 10)+" tokens")
		}
	}()
	least := func(n int64, reason string) {
		t.budget = n
		if t.whole {
			w.change(canon.WhatBudget, "", reason)
		}
	}
	if t.budget < minBudget {
		least(minBudget, "the least budget is "+strconv.Itoa(minBudget)+" tokens")
	}
	switch {
	case w.max == 0:
		w.max = t.budget + defaultMaxTokens
	case t.budget < w.max:
	case w.max <= minBudget:
		w.stopThinking("max_tokens leaves no room for thinking")
	default:
		n := max(minBudget, w.max/4*3)
		least(n, "the budget must be less than max_tokens: "+strconv.FormatInt(n, 10))
	}
}

func (w *requestWriter) stopThinking(reason string) {
	t := &w.think
	if t.what == canon.WhatAdaptive && t.effort != "" {
		w.change(canon.WhatEffort, "", reason) // the effort stays, and steers the rest
	} else {
		w.lose(t.what, "", reason)
	}
	t.kind, t.display, t.budget = "", "", 0
}

// unsigned reports whether tools are being called in a turn of the model's that began without signed
// thoughts: then the API refuses thinking by budget.
func (w *requestWriter) unsigned() bool {
	n := len(w.turns)
	if n < 2 || w.turns[n-1].role != "user" || w.turns[n-1].pieces[0].order() != 0 {
		return false
	}
	_, thought := w.turns[n-2].pieces[0].b.(canon.Reasoning)
	return !thought
}

func (w *requestWriter) appendThinking(dst []byte) []byte {
	t := &w.think
	from := len(dst)
	dst = append(dst, `,"thinking":{`...)
	empty := len(dst)
	if raw := w.extra("thinking", "type"); raw != nil {
		t.kind = ""
	}
	if t.kind != "" {
		dst = append(dst, `"type":"`...)
		dst = append(dst, t.kind...)
		dst = append(dst, '"')
	}
	if t.kind == "enabled" {
		dst = append(dst, `,"budget_tokens":`...)
		dst = strconv.AppendInt(dst, t.budget, 10)
	}
	if t.display != "" && t.kind != "disabled" {
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(dst, `"display":`...)
		dst = jsonedit.AppendQuoted(dst, t.display)
	}
	said := len(dst)
	dst = w.appendExtras(dst, "thinking")
	alone := said == empty && w.req.Reasoning == nil // as it came: members without a type
	if len(dst) == empty || t.kind == "" && w.extra("thinking", "type") == nil && !alone {
		for i, f := range w.req.Extra {
			if f.In == "thinking" {
				delete(w.extras, i)
			}
		}
		return dst[:from]
	}
	return append(dst, '}')
}

// appendSampling says temperature, top_p and top_k, as far as thinking leaves room for them: a model that
// is made to think takes none but top_p from 0.95 on; since Claude Opus 4.7 models take none at all, and
// since Claude Opus 4.1 not both of the first two.
// Sources: https://platform.claude.com/docs/en/build-with-claude/extended-thinking (feature
// compatibility), …/about-claude/models/migration-guide, read 2026-11-21.
func (w *requestWriter) appendSampling(dst []byte) []byte {
	req := w.req
	const never, thinking = "the model takes no sampling settings", "a model that thinks takes none"
	free := w.home || w.to.Thinking != dialect.ThinkingAdaptive || w.to.Takes(canon.WhatTemperature)
	on := w.think.on() && !w.home
	warm := false
	if p := req.Temperature; p != nil {
		v := *p
		switch {
		case (on || !free) && v == 1: // what holds anyway
		case !free:
			w.lose(canon.WhatTemperature, "", never)
		case on:
			w.lose(canon.WhatTemperature, "", thinking)
		default:
			if v > 1 && !w.home {
				w.change(canon.WhatTemperature, "", "the highest is 1")
				v = 1
			}
			warm = true
			dst = append(dst, `,"temperature":`...)
			dst = strconv.AppendFloat(dst, v, 'g', -1, 64)
		}
	}
	if p := req.TopP; p != nil {
		switch {
		case w.home, free && !warm && (!on || *p >= 0.95):
			dst = append(dst, `,"top_p":`...)
			dst = strconv.AppendFloat(dst, *p, 'g', -1, 64)
		case *p == 1: // what holds anyway
		case !free:
			w.lose(canon.WhatTopP, "", never)
		case warm:
			w.lose(canon.WhatTopP, "", "the model takes temperature or top_p, not both")
		default:
			w.lose(canon.WhatTopP, "", "a model that thinks takes 0.95 and more")
		}
	}
	if p := req.TopK; p != nil {
		switch {
		case !free:
			w.lose(canon.WhatTopK, "", never)
		case on:
			w.lose(canon.WhatTopK, "", thinking)
		default:
			dst = append(dst, `,"top_k":`...)
			dst = strconv.AppendInt(dst, *p, 10)
		}
	}
	return dst
}
