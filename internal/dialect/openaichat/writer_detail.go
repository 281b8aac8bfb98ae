package openaichat

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/openai"
	"tollgate/internal/jsonedit"
)

// appendUsage appends a usage in OpenAI's arithmetic, where the details are parts of the sums.
func appendUsage(b []byte, u canon.Usage) []byte {
	b = strconv.AppendInt(append(b, `{"prompt_tokens":`...), u.In(), 10)
	b = strconv.AppendInt(append(b, `,"completion_tokens":`...), u.Out(), 10)
	b = strconv.AppendInt(append(b, `,"total_tokens":`...), u.In()+u.Out(), 10)
	b = strconv.AppendInt(append(b, `,"prompt_tokens_details":{"cached_tokens":`...), u.CacheRead, 10)
	b = strconv.AppendInt(append(b, `,"audio_tokens":`...), u.InputAudio, 10)
	for _, m := range [...]struct {
		name string
		n    int64
	}{{"cache_write_tokens", u.CacheWrite5m + u.CacheWrite1h}, {"image_tokens", u.InputImage}, {"video_tokens", u.InputVideo}} {
		if m.n > 0 {
			b = strconv.AppendInt(key(b, m.name), m.n, 10)
		}
	}
	b = openai.AppendCreation(b, u)
	b = strconv.AppendInt(append(b, `},"completion_tokens_details":{"reasoning_tokens":`...), u.Reasoning, 10)
	b = strconv.AppendInt(append(b, `,"audio_tokens":`...), u.OutputAudio, 10)
	if u.OutputImage > 0 {
		b = strconv.AppendInt(key(b, "image_tokens"), u.OutputImage, 10)
	}
	b = append(b, `,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}`...)
	if u.WebSearches > 0 { // as OpenRouter counts them
		b = append(strconv.AppendInt(append(b, `,"server_tool_use":{"web_search_requests":`...), u.WebSearches, 10), '}')
	}
	return append(b, '}')
}

// appendTier appends the service tier that answered, unless it is the usual one.
func (w *writer) appendTier(b []byte) []byte {
	switch tier := w.usage.Tier; {
	case tier == "":
		return b
	case w.a.Origin == canon.OpenAIChat, tier == "flex", tier == "priority", tier == "scale":
		return jsonedit.AppendQuoted(append(b, `,"service_tier":`...), tier)
	}
	w.lose(canon.Changed, canon.WhatAnswerUsage, "a chat has no such service tier")
	return b
}

// appendProbs appends logprobs as chats have them.
func appendProbs(b []byte, tokens []canon.TokenProb) []byte {
	b = append(b, `{"content":[`...)
	for i, t := range tokens {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendProb(b, t), `,"top_logprobs":[`...)
		for j, top := range t.Top {
			if j > 0 {
				b = append(b, ',')
			}
			b = append(appendProb(b, top), '}')
		}
		b = append(b, "]}"...)
	}
	return append(b, `],"refusal":null}`...)
}

func appendProb(b []byte, t canon.TokenProb) []byte {
	b = jsonedit.AppendQuoted(append(b, `{"token":`...), t.Token)
	b = appendFloat(append(b, `,"logprob":`...), t.LogProb)
	if t.Bytes == nil {
		return append(b, `,"bytes":null`...)
	}
	b = append(b, `,"bytes":[`...)
	for i, c := range t.Bytes {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(c), 10)
	}
	return append(b, ']')
}

// appendOlderProbs appends logprobs as legacy completions have them.
func appendOlderProbs(b []byte, tokens []canon.TokenProb) []byte {
	type older struct {
		Tokens  []string             `json:"tokens"`
		Probs   []float64            `json:"token_logprobs"`
		Top     []map[string]float64 `json:"top_logprobs"` // encoding/json sorts the names
		Offsets []int                `json:"text_offset"`
	}
	o := older{Tokens: []string{}, Probs: []float64{}, Top: []map[string]float64{}, Offsets: []int{}}
	at := 0
	for _, t := range tokens {
		top := map[string]float64{}
		for _, alt := range t.Top {
			top[alt.Token] = alt.LogProb
		}
		o.Tokens, o.Probs, o.Top, o.Offsets = append(o.Tokens, t.Token), append(o.Probs, t.LogProb), append(o.Top, top), append(o.Offsets, at)
		at += utf8.RuneCountInString(t.Token)
	}
	raw, err := json.Marshal(o)
	if err != nil { // an infinite probability
		return append(b, "null"...)
	}
	return append(b, raw...)
}
