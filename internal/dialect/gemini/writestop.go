package gemini

import "tollgate/internal/canon"

// reason is the word for why the candidate stopped. What Google's words do not say is declared, with the
// vendor's own.
func (w *answering) reason(c *saying) string {
	s := c.stop
	switch {
	case s == nil:
		return "STOP"
	case w.home && s.Raw != "":
		return s.Raw // its own word, which may be newer than we are
	}
	told := func(reason, why string) string {
		w.note(canon.ChangedStop("finishReason", s.Raw, why))
		return reason
	}
	switch s.Why {
	case canon.StopLength:
		return "MAX_TOKENS"
	case canon.StopFilter:
		return "SAFETY"
	case canon.StopRefusal:
		return told("SAFETY", "Google's answers have no refusals; it is told as withheld by a filter")
	case canon.StopPause:
		return told("OTHER", "Google's answers can't be gone on from")
	case canon.StopCancelled:
		return told("OTHER", "Google's answers can't say that they were cancelled")
	case canon.StopOther:
		return told("OTHER", "Google has no word for this end")
	case canon.StopSequence:
		return told("STOP", "Google's answers do not say which stop sequence was met")
	default:
	}
	return "STOP" // the end and calls are one to Google
}

// appendStop appends why the candidate stopped.
func (w *answering) appendStop(dst []byte, c *saying) []byte {
	dst = appendString(append(dst, `,"finishReason":`...), w.reason(c))
	if c.stop == nil {
		return dst
	}
	if c.stop.Detail != "" {
		dst = appendString(append(dst, `,"finishMessage":`...), c.stop.Detail)
	}
	if c.stop.Category != "" {
		w.note(canon.ChangedStop("finishReason", c.stop.Category, "Google's answers do not say what kind of refusal it is"))
	}
	return dst
}

// blocked reports whether there is no answer because what was asked was stopped.
func (c *saying) blocked() bool {
	return c.stop != nil && c.stop.Prompt && len(c.text) == 0 && c.count == 0
}

// appendBlock opens an answer that says why there is none.
func appendBlock(dst []byte, s *canon.Stopped) []byte {
	dst = appendString(append(dst, `{"promptFeedback":{"blockReason":`...), s.Raw)
	if s.Detail != "" {
		dst = appendString(append(dst, `,"blockReasonMessage":`...), s.Detail)
	}
	return append(dst, '}')
}

// usageLost declares what of the usage Google has no figures for.
func (w *answering) usageLost() {
	u := w.usage
	if w.home {
		return
	}
	switch {
	case u.CacheWrite5m+u.CacheWrite1h > 0:
		w.note(canon.ChangedAt(canon.WhatAnswerUsage, "", "what was written to a cache is told as part of the prompt"))
	case u.WebSearches > 0:
		w.note(canon.ChangedAt(canon.WhatAnswerUsage, "", "how many searches are billed is not told"))
	case u.Tier != "" && u.Tier != "default" && u.Tier != "standard" && u.Tier != "flex" && u.Tier != "priority":
		w.note(canon.ChangedAt(canon.WhatAnswerUsage, "", "Google has no such service tier"))
	}
}
