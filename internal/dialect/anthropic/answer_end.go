package anthropic

import (
	"encoding/json"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonfield"
	"tollgate/internal/dialect/jsonpull"
)

// stopping is what a message says of its end.
type stopping struct{ reason, sequence, details string }

// take reads the member at hand.
func (s *stopping) take(p *jsonpull.Parser) {
	switch p.Name {
	case "stop_reason":
		s.reason = p.String()
	case "stop_sequence":
		s.sequence = p.String()
	case "stop_details":
		s.details = p.Raw()
	}
}

// messageDelta reads the delta of a message_delta.
func (r *reader) messageDelta(delta string, out []canon.Event) []canon.Event {
	var s stopping
	var beside besides
	p := jsonpull.NewChecked(delta)
	for in := delta != "" && p.Object(); in && p.Member(); {
		switch p.Name {
		case "stop_reason", "stop_sequence", "stop_details":
			s.take(&p)
		default:
			beside.take(&p)
		}
	}
	beside, r.late = append(beside, r.late...), nil
	return s.append(r.beside(beside, out))
}

// besides are members of a message, or of a block, that canon has no word for.
type besides []jsonfield.Member

// take reads the member at hand, if it says something.
func (b *besides) take(p *jsonpull.Parser) {
	name := p.Name // of a value's own members it becomes theirs
	switch raw := p.Raw(); raw {
	case "null", "[]", "{}", `""`:
	default:
		*b = append(*b, jsonfield.Member{Name: name, Raw: raw})
	}
}

// beside tells what is said beside a message, which is content where there is any of it yet. The container is kept for
// the next call.
func (r *reader) beside(members besides, out []canon.Event) []canon.Event {
	for _, m := range members {
		if m.Name == "container" {
			out = kept(text(member(m.Raw, "id")), out)
		}
		if m.Name == "context_management" && emptyEdits(m.Raw) {
			continue
		}
		out = append(out, canon.Other{Name: m.Name, Content: r.said, Aside: true, Raw: json.RawMessage(m.Raw)})
	}
	return out
}

func kept(id string, out []canon.Event) []canon.Event {
	if id == "" {
		return out
	}
	return append(out, canon.Kept{ID: id})
}

// keptFiles tells of the files that code left behind, by the result of its run. Their ids stand in a list that
// Anthropic makes; what the code printed is not read.
//
// Source: CodeExecutionResultBlock and BashCodeExecutionResultBlock of anthropic-sdk-go v1.84.0, read 2026-11-21.
func keptFiles(kind, block string, out []canon.Event) []canon.Event {
	switch kind {
	case "code_execution_tool_result", "bash_code_execution_tool_result":
	default:
		return out
	}
	files := member(member(block, "content"), "content")
	p := jsonpull.NewString(files)
	for in := files != "" && p.Array(); in && p.Element(); {
		if one := p.Raw(); one[0] == '{' {
			out = kept(text(member(one, "file_id")), out)
		}
	}
	return out
}

// emptyEdits reports whether nothing was done to the context.
func emptyEdits(raw string) bool {
	o, err := jsonfield.ReadObject(raw)
	return err == nil && len(o) == 1 && o[0].Name == "applied_edits" && o[0].Raw == "[]"
}

// append says why an answer ended, if that is known yet.
func (s stopping) append(out []canon.Event) []canon.Event {
	if s.reason == "" {
		return out
	}
	for p, in := jsonpull.NewString(s.details), s.details != ""; in && p.Object(); in = false {
		var others besides
		for p.Member() {
			switch p.Name {
			case "type", "category", "explanation":
				p.Skip()
			default:
				others.take(&p)
			}
		}
		for _, m := range others {
			out = append(out, canon.Other{Name: "stop_details." + m.Name, Aside: true, Raw: json.RawMessage(m.Raw)})
		}
	}
	return append(out, canon.Stopped{
		Why: stopOf(s.reason), Raw: s.reason, Sequence: s.sequence, Category: text(member(s.details, "category")), Detail: text(member(s.details, "explanation")),
	})
}

func stopOf(reason string) canon.Stop {
	switch reason {
	case "end_turn":
		return canon.StopEnd
	case "max_tokens", "model_context_window_exceeded":
		return canon.StopLength
	case "stop_sequence":
		return canon.StopSequence
	case "tool_use":
		return canon.StopTools
	case "pause_turn", "compaction": // both go on when the answer is sent back
		return canon.StopPause
	case "refusal":
		return canon.StopRefusal
	}
	return canon.StopOther
}
