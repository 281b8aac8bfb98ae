package openaichat

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonpull"
	"tollgate/internal/dialect/openai"
	"tollgate/internal/jsonedit"
)

// conversation writes messages. What is said between two turns of the assistant begins with the results
// of its calls, as the dialect demands.
func (w *requestWriter) conversation() {
	req := w.req
	w.b = append(key(w.b, "messages"), '[')
	w.system()
	w.calls = map[string]bool{}
	for n := 0; n < len(req.Turns) && w.err == nil; {
		end := n + 1
		if req.Turns[n].Role == canon.RoleAssistant {
			// Results must stand right behind the message with their calls.
			for !w.own && end < len(req.Turns) && req.Turns[end].Role == canon.RoleAssistant && calls(req.Turns[end-1]) {
				end++
			}
			w.assistant(req.Turns[n:end])
		} else {
			for end < len(req.Turns) && req.Turns[end].Role != canon.RoleAssistant {
				end++
			}
			w.others(req.Turns[n:end])
		}
		n = end
		if last := n == len(req.Turns); len(w.calls) > 0 && (last || req.Turns[n].Role == canon.RoleAssistant) {
			w.unanswered(req.Turns[:n])
		}
	}
	w.b = append(w.b, ']')
}

func calls(t canon.Turn) bool {
	return slices.ContainsFunc(t.Blocks, func(b canon.Block) bool { _, ok := b.(canon.ToolUse); return ok })
}

// unanswered refuses calls without a result, as OpenAI does.
func (w *requestWriter) unanswered(turns []canon.Turn) {
	if w.own {
		return // the upstream says it itself
	}
	for n := range turns {
		t := &turns[n]
		for i, b := range t.Blocks {
			if u, ok := b.(canon.ToolUse); ok && w.calls[callID(u.ID)] {
				w.fail(canon.KindInvalid, t.Path(i), "The call of %s at %s (id %q) has no result. Put its result right behind it.", u.Name, t.Path(i), u.ID)
				return
			}
		}
	}
}

// message begins a message.
func (w *requestWriter) message(role string) {
	if w.messages++; w.messages > 1 {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '{')
	w.str("role", role)
}

// system writes the instructions before the conversation: as one text, which all vendors take; at home as
// the messages that they were.
func (w *requestWriter) system() {
	req := w.req
	path := func(i int) string {
		if i < len(req.SystemPaths) {
			return req.SystemPaths[i]
		}
		return ""
	}
	for i := 0; i < len(req.System); {
		end := len(req.System)
		if w.own {
			for end = i + 1; end < len(req.System) && messageOf(path(end)) == messageOf(path(i)); end++ {
			}
		}
		w.message("system")
		c := w.newContent("\n\n")
		from := i
		for ; i < end; i++ {
			if !c.add(req.System, i, path(i)) {
				w.lose(canon.WhatSystemContent, path(i), "instructions are text")
			}
		}
		c.write()
		w.members(req.System[from:end])
		w.b = append(w.b, '}')
	}
}

// messageOf returns the message that a path of this dialect leads into.
func messageOf(path string) string {
	i := strings.IndexByte(path, ']')
	return path[:i+1]
}

// members writes the members of a message that canon has no word for.
func (w *requestWriter) members(list []canon.Block) {
	if !w.own {
		return
	}
	for _, b := range list {
		if name, inner := w.foreign(b); name == inMessage {
			inner.ForEach(func(name, v gjson.Result) bool {
				w.b = appendMember(w.b, name.Str, v)
				return true
			})
		}
	}
}

// foreign returns what a block of this dialect's own is: one of the words of inMessage and its like and
// what stands there, or "" and the part that it is. For other blocks both are zero.
func (w *requestWriter) foreign(b canon.Block) (name string, inner gjson.Result) {
	f, ok := b.(canon.Foreign)
	if !ok || !w.own || f.Dialect != canon.OpenAIChat {
		return "", gjson.Result{}
	}
	whole := gjson.ParseBytes(f.Raw)
	if whole.Get("type").Exists() {
		return "", whole
	}
	whole.ForEach(func(n, v gjson.Result) bool {
		name, inner = n.Str, v
		return false
	})
	return name, inner
}

// assistant writes what the assistant said as one message: thoughts, words, then calls.
func (w *requestWriter) assistant(turns []canon.Turn) {
	w.message("assistant")
	if turns[0].Name != "" {
		w.str("name", turns[0].Name)
	}
	said := w.newContent("")
	var thought []thought
	var refused []string
	var calls []byte
	var signed string // extra_content of the next call
	open := false     // the last call may still get members
	audio, whole, empty := "", canon.CachePoint{TTL: -1}, true
	point := ""
	for n := range turns {
		t := &turns[n]
		for i, b := range t.Blocks {
			path := t.Path(i)
			empty = false
			switch b := b.(type) {
			case canon.Reasoning:
				one := w.thought(b, path)
				thought = append(thought, one)
				if !w.own && one.text != "" && (said.n > 0 || calls != nil) {
					w.change(canon.WhatReasoningText, path, "it stands before what was said now")
				}
				if one.google != "" {
					signed = one.google
				}
				continue
			case canon.Refusal:
				refused = append(refused, b.Text)
				continue
			case canon.ToolUse:
				if open {
					calls = append(calls, '}')
				}
				calls, open = w.call(calls, b, path, t.Blocks, i), true
				if signed != "" {
					calls = append(append(calls, `,"extra_content":`...), signed...)
					signed = ""
				}
				continue
			case canon.CachePoint:
				if calls != nil || said.n == 0 {
					whole, point = b, path // a call can't have one; the message can
					continue
				}
			case canon.Media:
				if b.FileID != "" && b.Kind == canon.MediaAudio && w.own {
					audio = b.FileID
					continue
				}
				if !w.own {
					w.lose(mediaWhat(b), path, "an assistant's message can't hold it")
					continue
				}
			case canon.Text:
				if calls != nil && b.Text != "" {
					w.change(canon.WhatText, path, "it stands before the calls now")
				}
			case canon.Foreign:
				name, inner := w.foreign(b)
				switch name {
				case inMessage:
					continue
				case inCall:
					inner.ForEach(func(name, v gjson.Result) bool {
						if open && name.Str != "function" && name.Str != "custom" {
							calls = appendMember(calls, name.Str, v)
						}
						return true
					})
					continue
				case wholeCall:
					if open {
						calls = append(calls, '}')
					}
					open = false
					if calls != nil {
						calls = append(calls, ',')
					}
					calls = append(calls, inner.Raw...)
					continue
				}
			}
			if !said.add(t.Blocks, i, path) {
				w.lose(blockWhat(b), path, "an assistant's message can't hold it")
			}
		}
	}
	if open {
		calls = append(calls, '}')
	}
	if said.n > 0 || calls == nil && audio == "" && refused == nil {
		said.write()
	} else {
		said.drop()
		w.raw("content", []byte("null"))
	}
	w.thoughts(thought)
	if refused != nil {
		w.str("refusal", strings.Join(refused, "\n\n"))
	}
	if audio != "" {
		w.b = append(key(w.b, "audio"), `{"id":`...)
		w.b = append(jsonedit.AppendQuoted(w.b, audio), '}')
	}
	if calls != nil {
		w.b = append(append(append(key(w.b, "tool_calls"), '['), calls...), ']')
	}
	if whole.TTL >= 0 {
		w.cachePoint(whole, point)
	}
	for n := range turns {
		w.members(turns[n].Blocks)
	}
	w.b = append(w.b, '}')
	if empty && !w.own {
		w.change(canon.WhatEmptyTurn, turns[0].At, "an empty text")
	}
}

// thought is how the upstream gets a thought: its text, an entry of reasoning_details, or Google's
// extra_content for the call that follows.
type thought struct {
	text   string
	entry  []byte
	google string
}

func (w *requestWriter) thought(r canon.Reasoning, path string) (t thought) {
	home := r.Seal != "" && r.Origin == canon.OpenAIChat && w.takes(canon.WhatReasoningSeal)
	if home {
		seal := gjson.Parse(r.Seal)
		switch {
		case seal.Get("google").Exists():
			t.google = r.Seal
		default:
			t.entry = unseal(r.Seal, r.Text)
		}
	}
	if r.Seal != "" && !home {
		w.lose(canon.WhatReasoningSeal, path, "it is of use only to "+string(r.Origin))
	}
	switch {
	case r.Text == "":
	case w.takes(canon.WhatReasoningText):
		t.text = r.Text
	case t.entry == nil:
		w.lose(canon.WhatReasoningText, path, "the upstream takes no thoughts back")
	}
	return t
}

// thoughts writes the texts of thoughts, and, if one of them has an entry, entries for all.
func (w *requestWriter) thoughts(list []thought) {
	var texts []string
	entries := 0
	for _, t := range list {
		if t.text != "" {
			texts = append(texts, t.text)
		}
		if t.entry != nil {
			entries++
		}
	}
	if len(texts) > 0 {
		w.str("reasoning_content", strings.Join(texts, "\n\n"))
	}
	if entries == 0 {
		return
	}
	w.b = append(key(w.b, "reasoning_details"), '[')
	for _, t := range list {
		if t.entry == nil && t.text != "" {
			t.entry = append(jsonedit.AppendQuoted([]byte(`{"type":"reasoning.text","text":`), t.text), '}')
		}
		if t.entry == nil {
			continue
		}
		if w.b[len(w.b)-1] == '}' {
			w.b = append(w.b, ',')
		}
		w.b = append(w.b, t.entry...)
	}
	w.b = append(w.b, ']')
}

// unseal returns the entry of reasoning_details that sealOf made seal of.
func unseal(seal, text string) []byte {
	if !strings.HasPrefix(seal, "{") {
		return sealEntry(seal, text, 0)
	}
	name := "text"
	if gjson.Get(seal, "type").Str == "reasoning.summary" {
		name = "summary"
	}
	b := []byte(strings.TrimSuffix(seal, "}"))
	if text != "" {
		b = jsonedit.AppendQuoted(key(b, name), text)
	}
	return append(b, '}')
}

// call appends a tool call, without its closing brace.
func (w *requestWriter) call(dst []byte, u canon.ToolUse, path string, list []canon.Block, i int) []byte {
	if dst != nil {
		dst = append(dst, ',')
	}
	id := u.ID
	if !w.own {
		id = callID(id)
	}
	w.calls[callID(u.ID)] = true
	dst = jsonedit.AppendQuoted(append(dst, `{"id":`...), id)
	var whole gjson.Result // what is called, as it came
	if i+1 < len(list) {
		if name, inner := w.foreign(list[i+1]); name == inCall {
			whole = inner
		}
	}
	if u.Custom && w.takes(canon.WhatToolCustom) {
		if own := openai.Member(whole, "custom"); own.Exists() {
			return append(append(dst, `,"type":"custom","custom":`...), own.Raw...)
		}
		dst = jsonedit.AppendQuoted(append(dst, `,"type":"custom","custom":{"name":`...), u.Name)
		return append(jsonedit.AppendQuoted(append(dst, `,"input":`...), text(u.Input)), '}')
	}
	if own := openai.Member(whole, "function"); own.Exists() {
		return append(append(dst, `,"type":"function","function":`...), own.Raw...)
	}
	dst = jsonedit.AppendQuoted(append(dst, `,"type":"function","function":{"name":`...), u.Name)
	dst = append(dst, `,"arguments":`...)
	input := u.Input
	switch {
	case u.Custom:
		if input = canon.CustomArguments(quotedInput(input)); !w.custom {
			w.custom = true
			w.change(canon.WhatToolCustom, path, "the upstream has no tools that take free text; it became a call of a function")
		}
		dst = jsonedit.AppendQuoted(dst, string(input))
	case len(input) == 0:
		dst = append(dst, `"{}"`...)
	case input[0] == '"': // no JSON, as the model wrote it
		dst = jsonedit.AppendQuoted(dst, text(input))
	default:
		dst = jsonedit.AppendQuoted(dst, string(input))
	}
	return append(dst, '}')
}

func quotedInput(input json.RawMessage) json.RawMessage {
	if len(input) > 0 && input[0] == '"' {
		return input
	}
	return jsonedit.Quote(string(input))
}

// text returns what a JSON string stands for; other JSON as it is.
func text(raw json.RawMessage) string {
	p := jsonpull.New(raw)
	if p.Kind() != '"' {
		return string(raw)
	}
	return p.String()
}

// callID returns id as OpenAI takes it; one that is too long for it, in a shorter form that is always the same.
func callID(id string) string {
	if len(id) <= maxCallID {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "call_" + hex.EncodeToString(sum[:16])
}
