package gemini

import (
	"math"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
)

// Limits of a generationConfig.
// Source of the budgets: https://hexdocs.pm/gemini_ex/0.11.0/Gemini.Validation.ThinkingConfig.html, read
// 2026-11-21. The five stop sequences are hearsay.
const (
	maxStops  = 5
	maxBudget = 24576 // tokens that every 2.5 model can be told to think; Pro takes up to 32768
)

// config writes the members of generationConfig.
func (o *outgoing) config() {
	req := o.req
	if n := req.MaxOutput; n != 0 {
		if most := o.to.MaxOutput; most > 0 && n > most && !o.home {
			o.change(canon.WhatMaxOutput, "", "the model can write less")
			n = most
		}
		o.int("maxOutputTokens", n)
	}
	if req.N != 0 {
		o.int("candidateCount", int64(req.N))
	}
	if req.Temperature != nil {
		o.float("temperature", *req.Temperature)
	}
	if req.TopP != nil {
		o.float("topP", *req.TopP)
	}
	if req.TopK != nil {
		o.int("topK", *req.TopK)
	}
	if stop := req.Stop; stop != nil && (o.home || len(stop) > 0) {
		if len(stop) > maxStops && !o.home {
			o.change(canon.WhatStop, "", "Gemini models take five stop sequences; the rest is left out")
			stop = stop[:maxStops]
		}
		o.strings("stopSequences", stop)
	}
	if req.Seed != nil {
		seed := *req.Seed
		if seed != int64(int32(seed)) {
			o.change(canon.WhatSeed, "", "Gemini models take a seed of 32 bits; the lower ones are sent")
			seed &= math.MaxInt32
		}
		o.int("seed", seed)
	}
	if req.PresencePenalty != nil {
		o.float("presencePenalty", *req.PresencePenalty)
	}
	if req.FrequencyPenalty != nil {
		o.float("frequencyPenalty", *req.FrequencyPenalty)
	}
	if req.LogProbs != nil {
		o.bool("responseLogprobs", true)
		if *req.LogProbs > 0 {
			o.int("logprobs", int64(*req.LogProbs))
		}
	}
	o.format()
	o.object("thinkingConfig", o.thinking)
	o.extrasIn("generationConfig")
}

// format writes what asks for JSON. A schema is sent as it is: responseJsonSchema is JSON Schema.
func (o *outgoing) format() {
	f := o.req.Format
	if f == nil {
		return
	}
	if !o.hasExtra("generationConfig", "responseMimeType") {
		o.str("responseMimeType", "application/json")
	}
	if f.Schema != nil {
		o.raw("responseJsonSchema", f.Schema)
		if f.Strict != nil {
			o.change(canon.WhatFormatStrict, "", "Gemini models always keep to the schema, and are not told whether to")
		}
	}
	if f.Name != "" || f.Description != "" {
		o.lose(canon.WhatFormatName, "", "Gemini models are not told the name or description of a format")
	}
}

// thinking writes the members of thinkingConfig. Models from Gemini 3 on take a level, those of 2.5 a
// budget in tokens, where 0 is off and -1 up to the model; both at once are refused.
//
// Source: https://hexdocs.pm/gemini_ex/0.13.0/Gemini.Types.GenerationConfig.ThinkingConfig.html, read 2026-11-21.
func (o *outgoing) thinking() {
	e := o.req.Reasoning
	switch {
	case e == nil:
	case o.home:
		o.thinkingHome(e)
	case o.to.Thinking == dialect.ThinkingNone:
		o.thinkingNot(e)
	case o.to.Thinking == dialect.ThinkingBudget:
		o.thinkingBudget(e)
		o.show(e)
	default:
		o.thinkingLevel(e)
		o.show(e)
	}
	o.extrasIn("generationConfig.thinkingConfig")
}

// show asks for thoughts where the caller did. Without a word they stay hidden, but for those who give a
// budget to think with: where budgets come from (Claude Messages, OpenRouter), thoughts are shown unless one
// says otherwise. https://platform.claude.com/docs/en/build-with-claude/extended-thinking, read 2026-11-21.
func (o *outgoing) show(e *canon.Effort) {
	if e.Show == canon.ThoughtsShown || e.Show == canon.ThoughtsNotSaid && e.Budget > 0 {
		o.bool("includeThoughts", true)
	}
}

func (o *outgoing) thinkingHome(e *canon.Effort) {
	switch {
	case e.Adaptive:
		o.int("thinkingBudget", -1)
	case e.Disabled:
		o.int("thinkingBudget", 0)
	case e.Budget != 0:
		o.int("thinkingBudget", e.Budget)
	}
	if e.Level != "" {
		o.str("thinkingLevel", strings.ToUpper(e.Level))
	}
	if e.Show != canon.ThoughtsNotSaid {
		o.bool("includeThoughts", e.Show == canon.ThoughtsShown)
	}
}

func (o *outgoing) thinkingNot(e *canon.Effort) {
	const why = "the model does not think"
	if e.Disabled || e.Level == "none" {
		return
	}
	if e.Level != "" {
		o.lose(canon.WhatEffort, "", why)
	}
	if e.Budget != 0 {
		o.lose(canon.WhatBudget, "", why)
	}
	if e.Adaptive {
		o.lose(canon.WhatAdaptive, "", why)
	}
	if e.Show == canon.ThoughtsShown {
		o.lose(canon.WhatThoughts, "", why)
	}
}

func (o *outgoing) thinkingBudget(e *canon.Effort) {
	budget, what := e.Budget, canon.WhatBudget
	switch {
	case e.Disabled || e.Level == "none":
		o.int("thinkingBudget", 0)
		return
	case budget != 0:
		if e.Level != "" {
			o.lose(canon.WhatEffort, "", "the model counts its thoughts in tokens, whose number is given too")
		}
	case e.Level != "":
		n, ok := canon.EffortBudget(e.Level)
		if !ok {
			o.lose(canon.WhatEffort, "", "the model counts its thoughts in tokens, and the word stands for no number")
			return
		}
		budget, what = n, canon.WhatEffort
		o.change(what, "", "the model counts its thoughts in tokens")
	case e.Adaptive:
		o.int("thinkingBudget", -1)
		return
	default:
		return
	}
	if budget > maxBudget {
		if what == canon.WhatBudget {
			o.change(what, "", "the model can't be told to think more")
		}
		budget = maxBudget
	}
	o.int("thinkingBudget", budget)
}

// levels are those that all models from Gemini 3.1 on take. Some take minimal too: Gemini 3 Flash does,
// 3.8 Flash does not.
//
// Source: https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/thinking, read 2026-11-21.
func levels() []string { return []string{"low", "medium", "high"} }

func (o *outgoing) thinkingLevel(e *canon.Effort) {
	level := e.Level
	switch {
	case e.Disabled || level == "none":
		o.change(canon.WhatNoReasoning, "", "the model can't be kept from thinking; it is told to think little")
		level = levels()[0]
	case level != "":
		if near := canon.NearestEffort(level, levels()...); near != level {
			o.change(canon.WhatEffort, "", "the levels of the model are low, medium and high")
			level = near
		}
		if e.Budget != 0 {
			o.lose(canon.WhatBudget, "", "the model takes a level, which is given too")
		}
	case e.Budget != 0:
		o.change(canon.WhatBudget, "", "the model takes a level instead of a number of tokens")
		level = canon.NearestEffort(canon.BudgetEffort(e.Budget), levels()...)
	default: // up to the model, as it is without a word
		return
	}
	o.str("thinkingLevel", strings.ToUpper(level))
}
