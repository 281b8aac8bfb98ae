package anthropic

import (
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/jsonedit"
)

// stopReason is the word for why the message ended. Some vendors say of an answer with calls that it is at
// its end, so what was called decides. What the words here do not say is declared, with the vendor's own.
func (w *writer) stopReason() string {
	s := w.stop
	done := "end_turn"
	switch {
	case w.calls > 0:
		done = "tool_use"
	case len(w.refusal) > 0:
		done = "refusal"
	}
	if w.a.Origin == canon.Anthropic && s.Raw != "" && s.Why != canon.StopEnd {
		return s.Raw // its own word, which may be newer than we are
	}
	told := func(reason, why string) string {
		w.lose(canon.ChangedStop("stop_reason", s.Raw, why))
		return reason
	}
	switch s.Why {
	case canon.StopLength:
		return "max_tokens"
	case canon.StopSequence:
		return "stop_sequence"
	case canon.StopRefusal:
		return "refusal"
	case canon.StopFilter:
		return told("refusal", "the vendor's filter withheld the answer, which is told as a refusal of the model's")
	case canon.StopPause:
		return told("pause_turn", "the answer can be gone on from, but not as the vendor would")
	case canon.StopCancelled:
		return told(done, "a message can't say that it was cancelled")
	case canon.StopOther:
		return told(done, "a message has no word for this end")
	default:
		return done
	}
}

// appendStop appends the members that say why the message ended.
func (w *writer) appendStop(dst []byte) []byte {
	reason := w.stopReason()
	dst = append(dst, `"stop_reason":`...)
	dst = jsonedit.AppendQuoted(dst, reason)
	dst = append(dst, `,"stop_sequence":`...)
	sequence := w.stop.Sequence
	if r := w.a.Request; sequence == "" && r != nil && len(r.Stop) == 1 {
		sequence = r.Stop[0] // there was no other
	}
	if w.stop.Why == canon.StopSequence && sequence != "" {
		dst = jsonedit.AppendQuoted(dst, sequence)
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"stop_details":`...)
	if reason != "refusal" {
		if w.stop.Detail+w.stop.Category != "" {
			w.lose(canon.ChangedStop("stop_reason", w.stop.Raw, "what the vendor says of this end has no place in a message"))
		}
		return append(dst, "null"...)
	}
	dst = append(dst, `{"type":"refusal","category":`...)
	dst = appendOrNull(dst, w.stop.Category)
	dst = append(dst, `,"explanation":`...)
	dst = appendOrNull(dst, w.explanation())
	return append(dst, '}')
}

// explanation is what is said to people of a refusal.
func (w *writer) explanation() string {
	switch s := w.stop; {
	case s.Detail != "":
		return s.Detail
	case len(w.refusal) > 0:
		return string(w.refusal)
	case s.Why == canon.StopFilter && s.Raw != "":
		return "Withheld by a filter of the vendor's: " + strings.ToValidUTF8(clip(s.Raw), "")
	}
	return ""
}

// usageLost declares what of the usage a message has no figures for. A message_delta does not say the tier, so
// that of a stream is what was known when it began.
func (w *writer) usageLost() {
	u := w.usage
	switch {
	case w.a.Origin == canon.Anthropic:
	case u.InputImage+u.InputAudio+u.InputVideo+u.OutputImage+u.OutputAudio > 0:
		w.lose(canon.ChangedAt(canon.WhatAnswerUsage, "", "tokens of images, sound and films are told as tokens of text"))
	case u.Tier != "" && u.Tier != "default" && u.Tier != "standard" && u.Tier != "priority" && u.Tier != "batch":
		w.lose(canon.ChangedAt(canon.WhatAnswerUsage, "", "a message has no such service tier"))
	}
}
