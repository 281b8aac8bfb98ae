package openairesponses

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/jsonedit"
)

// minOutput is the smallest max_output_tokens that OpenAI takes: "integer below minimum value. Expected a
// value >= 16", https://github.com/vercel/ai/issues/5975, 2025-04-25.
const minOutput = 16

// maxUser is the longest name of a user that OpenAI takes, in bytes.
const maxUser = 64

// settings writes what says how the answer shall be made.
func (w *requestWriter) settings() {
	req := w.req
	if w.to.Stream {
		w.bool("stream", true)
	}
	switch n := req.MaxOutput; {
	case n >= minOutput, n > 0 && w.home:
		w.int("max_output_tokens", n)
	case n > 0:
		w.int("max_output_tokens", minOutput)
		w.change(canon.WhatMaxOutput, "", "the least that the Responses API takes is 16")
	}
	w.sampling()
	if req.Store != nil {
		w.bool("store", *req.Store)
	} else if !w.home {
		w.bool("store", false) // nobody can ask for it again: only clients of this dialect know how
	}
	if len(req.Metadata) > 0 {
		w.metadata()
	}
	if req.CacheKey != "" {
		w.str("prompt_cache_key", req.CacheKey)
	}
	w.user()
	w.tier()
	w.include()
}

func (w *requestWriter) previous() {
	switch {
	case w.req.PreviousID == "":
	case w.home:
		w.str("previous_response_id", w.req.PreviousID)
	default:
		w.lose(canon.WhatPrevious, "", "it names an answer of another dialect")
	}
}

// sampling writes how tokens are drawn.
func (w *requestWriter) sampling() {
	req := w.req
	for _, s := range [...]struct {
		name string
		what canon.What
		v    *float64
	}{{"temperature", canon.WhatTemperature, req.Temperature}, {"top_p", canon.WhatTopP, req.TopP}} {
		switch {
		case s.v == nil:
		case w.home, !w.thinks(), w.to.Takes(s.what):
			w.float(s.name, s.v)
		case *s.v != 1: // 1 is how they draw anyway
			w.lose(s.what, "", "a reasoning model of the Responses API can't be told")
		}
	}
	const none = "the Responses API has no such setting"
	if req.TopK != nil {
		if w.to.Takes(canon.WhatTopK) {
			w.int("top_k", *req.TopK)
		} else {
			w.lose(canon.WhatTopK, "", none)
		}
	}
	if len(req.Stop) > 0 {
		w.lose(canon.WhatStop, "", none)
	}
	if req.Seed != nil {
		w.lose(canon.WhatSeed, "", none)
	}
	if req.N > 1 {
		w.lose(canon.WhatN, "", "the Responses API gives one answer")
	}
	for _, p := range [...]struct {
		name string
		what canon.What
		v    *float64
	}{{"presence_penalty", canon.WhatPresencePenalty, req.PresencePenalty}, {"frequency_penalty", canon.WhatFrequencyPenalty, req.FrequencyPenalty}} {
		switch {
		case p.v == nil, *p.v == 0 && !w.to.Takes(p.what): // 0 is no penalty, which is what there is
		case w.to.Takes(p.what):
			w.float(p.name, p.v)
		default:
			w.lose(p.what, "", none)
		}
	}
	if req.LogProbs != nil && *req.LogProbs > 0 {
		w.int("top_logprobs", int64(*req.LogProbs))
	}
}

func (w *requestWriter) metadata() {
	w.name("metadata")
	w.b = append(w.b, '{')
	for i, f := range w.req.Metadata {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = jsonedit.AppendQuoted(w.b, f.Name)
		w.b = append(w.b, ':')
		w.b = append(w.b, f.Value...)
	}
	w.b = append(w.b, '}')
}

func (w *requestWriter) user() {
	user := w.req.User
	switch {
	case user == "":
		return
	case len(user) > maxUser && !w.home:
		sum := sha256.Sum256([]byte(user))
		user = hex.EncodeToString(sum[:])
		w.change(canon.WhatUser, "", "it is longer than the 64 characters that the Responses API takes: its SHA-256 stands for it")
	}
	w.str("user", user)
}

// tier writes the service tier. The words are those of ResponseNewParamsServiceTier, openai-go v3.95.0.
func (w *requestWriter) tier() {
	switch tier := w.req.Tier; tier {
	case "":
	case "auto", "default", "flex", "scale", "priority":
		w.str("service_tier", tier)
	case "standard", "standard_only":
		w.str("service_tier", "default")
	default:
		if w.home {
			w.str("service_tier", tier)
		} else {
			w.lose(canon.WhatTier, "", "the Responses API has no tier of this name")
		}
	}
}

// include asks for what an answer leaves out unless it is asked for: the ciphertext of reasoning, without
// which an answer that is not stored can't be gone on with. Models that do not reason refuse it ("Encrypted
// content is not supported with this model."), so it is asked for where the request or the target says that
// there is reasoning. A client of this dialect asks for it itself.
func (w *requestWriter) include() {
	var all []string
	for _, f := range w.req.Extra {
		if w.home && isInclude(f) {
			all = stringsOf(string(f.Value))
		}
	}
	if w.seals() && !slices.Contains(all, includeSeals) {
		all = append(all, includeSeals)
	}
	if w.req.LogProbs != nil && !slices.Contains(all, includeLogProbs) {
		all = append(all, includeLogProbs)
	}
	if len(all) > 0 {
		w.strings("include", all)
	}
}

func (w *requestWriter) seals() bool {
	switch thinking := w.to.Thinking; {
	case w.home:
		return w.req.WantsSeals
	case thinking == dialect.ThinkingNone:
		return false
	case thinking == dialect.ThinkingUnknown:
		return w.req.Reasoning != nil && !w.req.Reasoning.Disabled
	default:
	}
	return true
}

// extra writes the members that canon has no word for, at home; elsewhere they are lost.
func (w *requestWriter) extra() {
	for _, f := range w.req.Extra {
		switch {
		case !w.home && f.Idle:
		case !w.home:
			w.lose(canon.WhatExtra, f.Name, "the Responses API has no such member")
		case f.In != "", isInclude(f): // written where they belong
		case w.to.Op == canon.OpCountTokens && f.Name != "conversation" && f.Name != "truncation" && f.Name != "instructions" && f.Name != "tool_choice":
		default:
			w.raw(f.Name, string(f.Value))
		}
	}
}

func isInclude(f canon.Field) bool { return f.In == "" && f.Name == "include" }
