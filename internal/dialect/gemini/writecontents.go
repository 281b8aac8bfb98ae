package gemini

import (
	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/jsonfield"
)

// placeholder is the signature that Gemini 3 takes for a call that it did not make, or whose signature is
// lost. It refuses (400) the first call of a step without any; models before it do not look.
//
// Source: https://ai.google.dev/gemini-api/docs/thought-signatures for what is refused; for the word,
// strands-agents/sdk-python#1298, which sends it; both read 2026-11-21.
const placeholder = "skip_thought_signature_validator"

// paired refuses a result without its call and a call without its result, as Google does. Calls at the end
// of the conversation may wait.
func (o *outgoing) paired() {
	waiting := map[string]string{} // id to path
	var order []string
	last := len(o.req.Turns)
	for last > 0 && o.req.Turns[last-1].Role == canon.RoleAssistant {
		last--
	}
	for n := range o.req.Turns {
		t := &o.req.Turns[n]
		for i, b := range t.Blocks {
			switch b := b.(type) {
			case canon.ToolUse:
				if n < last {
					waiting[b.ID] = t.Path(i)
					order = append(order, b.ID)
				}
			case canon.ToolResult:
				if _, ok := waiting[b.ID]; !ok {
					o.fail(t.Path(i), "is the result of a call (%q) that does not stand before it or has a result already", b.ID)
				}
				delete(waiting, b.ID)
			}
		}
	}
	for _, id := range order {
		if path, ok := waiting[id]; ok {
			o.fail(path, "is a call (%q) without a result; what it gave must follow it", id)
		}
	}
}

// system writes the instructions that stand before the conversation.
func (o *outgoing) system() {
	if len(o.req.System) == 0 || len(o.req.Turns) == 0 && !o.home {
		return // see conversation
	}
	o.object("systemInstruction", func() {
		o.name("parts")
		o.b = append(o.b, '[')
		empty := len(o.b)
		t := canon.Turn{Blocks: o.req.System, Paths: o.req.SystemPaths}
		for i, b := range t.Blocks {
			switch b := b.(type) {
			case canon.Text:
				o.text(b.Text)
			case canon.Media:
				if !o.home {
					o.lose(canon.WhatSystemContent, t.Path(i), "the instructions of a Gemini model are text")
					continue
				}
				o.media(b, t.Path(i))
			case canon.ToolUse, canon.ToolResult:
				o.lose(canon.WhatSystemContent, t.Path(i), "instructions call no tools")
			default:
				o.rest(b, t.Path(i))
			}
		}
		if len(o.b) == empty {
			o.b = o.b[:empty-len(`"parts":[`)]
			return
		}
		o.b = append(o.b, ']')
	})
}

// conversation writes contents. What the model said at once is one of them, whatever turns it is in; so are
// the results that answer its calls.
func (o *outgoing) conversation() {
	o.name("contents")
	o.b = append(o.b, '[')
	turns := o.req.Turns
	if len(turns) == 0 && !o.home && len(o.req.System) > 0 { // Google wants something to answer
		o.change(canon.WhatSystemPosition, "", "a conversation of nothing but instructions is sent as what the user says")
		turns = []canon.Turn{{Role: canon.RoleUser, Blocks: o.req.System, Paths: o.req.SystemPaths}}
	}
	for i := 0; i < len(turns); {
		if turns[i].Role != canon.RoleAssistant {
			o.user(&turns[i])
			i++
			continue
		}
		var said canon.Turn
		for ; i < len(turns) && turns[i].Role == canon.RoleAssistant && (said.Blocks == nil || !o.home); i++ {
			o.named(&turns[i])
			if len(turns[i].Blocks) == 0 {
				o.lose(canon.WhatEmptyTurn, turns[i].At, "Gemini models take no turn without content")
			}
			for n, b := range turns[i].Blocks {
				said.Blocks, said.Paths = append(said.Blocks, b), append(said.Paths, turns[i].Path(n))
			}
		}
		o.end()
		o.model(&said)
		o.end()
	}
	o.end()
	o.b = append(o.b, ']')
	if o.contents == 0 && o.bad == nil {
		o.bad = canon.Errorf(canon.KindInvalid, "the conversation has no content that a Gemini model could answer")
	}
}

func (o *outgoing) named(t *canon.Turn) {
	if t.Name != "" {
		o.lose(canon.WhatName, t.At, "Gemini models are not told the names of speakers")
	}
}

// begin opens a content of the role, unless one is open.
func (o *outgoing) begin(role string) {
	if o.role != "" {
		return
	}
	o.comma()
	o.b = append(append(append(o.b, `{"role":"`...), role...), `","parts":[`...)
	o.role, o.kind = role, ""
	o.contents++
}

// end closes the content that is open.
func (o *outgoing) end() {
	if o.role != "" {
		o.b = append(o.b, "]}"...)
		o.role = ""
	}
}

// part opens a part with its signature, if it has one.
func (o *outgoing) part(kind, seal string) {
	o.comma()
	o.b = append(o.b, '{')
	if seal != "" {
		o.str("thoughtSignature", seal)
	}
	o.kind = kind
}

func (o *outgoing) text(s string) {
	o.part("text", "")
	o.str("text", s)
	o.b = append(o.b, '}')
}

// user writes a turn that is not the model's.
func (o *outgoing) user(t *canon.Turn) {
	if o.open == 0 || o.home {
		o.end()
	}
	o.named(t)
	contents, role := o.contents, "user"
	if o.home && t.Role == canon.RoleTool {
		role = "function"
	}
	switch t.Role {
	case canon.RoleSystem, canon.RoleDeveloper:
		o.change(canon.WhatSystemPosition, t.At, "Gemini models take instructions before the conversation only; here they stand as marked text of the user")
	default:
	}
	for i, b := range t.Blocks {
		path := t.Path(i)
		switch b := b.(type) {
		case canon.Text:
			if b.Text == "" && !o.home {
				continue
			}
			o.begin(role)
			if t.Role == canon.RoleSystem || t.Role == canon.RoleDeveloper {
				o.text("<system>\n" + b.Text + "\n</system>")
			} else {
				o.text(b.Text)
			}
		case canon.Media:
			before := len(o.b)
			fresh := o.role == ""
			o.begin(role)
			if !o.media(b, path) && fresh {
				o.b, o.role = o.b[:before], ""
				o.contents--
			}
		case canon.ToolResult:
			o.begin(role)
			o.result(b, path)
		case canon.ToolUse:
			o.fail(path, "is a call of a tool, which only the model makes")
		case canon.Foreign:
			if b.Dialect == canon.Gemini {
				o.begin(role)
			}
			o.rest(b, path)
		default:
			if _, ok := b.(canon.Refusal); ok {
				o.begin(role)
			}
			o.rest(b, path)
		}
	}
	if o.contents == contents && o.role == "" {
		if o.home {
			o.begin(role)
			return
		}
		o.lose(canon.WhatEmptyTurn, t.At, "Gemini models take no turn without content")
	}
}

// rest writes a block that has no other place: at home as it came, else not at all.
func (o *outgoing) rest(b canon.Block, path string) {
	switch b := b.(type) {
	case canon.Refusal:
		o.change(canon.WhatRefusal, path, "Gemini models have no refusals; it is plain text")
		o.text(b.Text)
	case canon.CachePoint:
		o.lose(canon.WhatCachePoint, path, "Google's cache finds common beginnings by itself")
	case canon.Foreign:
		if b.Dialect != canon.Gemini {
			o.lose(canon.WhatForeign, path, "only the API that the caller speaks has it")
			return
		}
		o.foreign(string(b.Raw))
	case canon.Reasoning:
		if b.Seal != "" {
			o.lose(canon.WhatReasoningSeal, path, "thoughts are the model's own")
		}
		if b.Text != "" {
			o.lose(canon.WhatReasoningText, path, "thoughts are the model's own")
		}
	}
}

// foreign writes a part that canon has no word for, or adds to the part before what it has none for.
func (o *outgoing) foreign(raw string) {
	fields, err := jsonfield.ReadObject(raw)
	if err != nil || len(fields) == 0 {
		return
	}
	notes := o.kind != ""
	for _, f := range fields {
		notes = notes && isNote(camel(f.Name))
	}
	end := 0
	switch {
	case notes:
		end = 1
	case o.kind != "" && len(fields) == 1 && o.kind == fields[0].Name && isRest(fields[0].Raw):
		raw, end = fields[0].Raw, 2
	default:
		o.comma()
		o.b = append(o.b, raw...)
		o.kind = ""
		return
	}
	o.b = o.b[:len(o.b)-end]
	o.comma()
	o.b = append(o.b, raw[1:len(raw)-1]...)
	o.b = append(o.b, "}}"[:end]...)
}

// isRest reports whether the value of a part's member lacks what makes it one.
func isRest(raw string) bool {
	o, err := fields(raw)
	return err == nil && o.Find("name") == "" && o.Find("data") == "" && o.Find("fileUri") == "" && o.Find("mimeType") == ""
}

// model writes what the model said. A signature stands on the part that it came with. Where another
// dialect carried it, that is the next call, if there is one before the next signature: on the first call
// of a step Gemini 3 looks for it.
func (o *outgoing) model(said *canon.Turn) {
	seal, waits := "", false // that no part has yet; only a call may have it
	first := true            // no call so far
	take := func(call bool) string {
		s := seal
		if waits && !call {
			return ""
		}
		seal = ""
		return s
	}
	flush := func() {
		if seal != "" {
			o.begin("model")
			o.part("text", seal)
			o.str("text", "")
			o.b = append(o.b, '}')
			seal = ""
		}
	}
	contents := o.contents
	for i, b := range said.Blocks {
		path := said.Path(i)
		switch b := b.(type) {
		case canon.Text:
			if b.Text == "" && !o.home && (seal == "" || waits) {
				continue
			}
			o.begin("model")
			o.part("text", take(false))
			o.str("text", b.Text)
			o.b = append(o.b, '}')
		case canon.Reasoning:
			if b.Origin != canon.Gemini {
				if b.Seal != "" {
					o.lose(canon.WhatReasoningSeal, path, "only the vendor that sealed these thoughts can read them")
				}
				o.thought(b.Text, "", false)
				continue
			}
			if b.Seal != "" {
				flush()
			}
			if o.home && (b.Text != "" || b.Seal == "") {
				o.thought(b.Text, b.Seal, true)
				continue
			}
			o.thought(b.Text, "", false)
			if b.Seal != "" {
				seal, waits = reseal(b.Seal, b.Text), !o.home && callAhead(said.Blocks[i+1:])
			}
		case canon.Media:
			o.begin("model")
			o.mediaSealed(b, path, take(false))
		case canon.ToolUse:
			o.begin("model")
			s := take(true)
			if s == "" && first && o.modern() {
				o.change(canon.WhatReasoningSeal, path, "Gemini models want their own signature on a call; a placeholder stands for it")
				s = placeholder
			}
			first = false
			o.call(b, s, path)
			o.open++
		case canon.ToolResult:
			o.fail(path, "is the result of a tool, which the model does not give")
		case canon.Foreign:
			if b.Dialect == canon.Gemini {
				o.begin("model")
			}
			o.rest(b, path)
		default:
			if _, ok := b.(canon.Refusal); ok {
				o.begin("model")
			}
			o.rest(b, path)
		}
	}
	flush()
	if o.contents == contents && len(said.Blocks) > 0 {
		o.lose(canon.WhatEmptyTurn, said.Path(0), "Gemini models take no turn without content")
	}
}

// modern reports whether the model is, or may be, one from Gemini 3 on.
func (o *outgoing) modern() bool {
	return o.to.Thinking != dialect.ThinkingBudget && o.to.Thinking != dialect.ThinkingNone
}

// callAhead reports whether a call comes before the next signature of Gemini's.
func callAhead(blocks []canon.Block) bool {
	for _, b := range blocks {
		switch b := b.(type) {
		case canon.ToolUse:
			return true
		case canon.Reasoning:
			if b.Origin == canon.Gemini && b.Seal != "" {
				return false
			}
		}
	}
	return false
}

// thought writes a thought; one without a text only where even that must be kept.
func (o *outgoing) thought(text, seal string, empty bool) {
	if text == "" && !empty {
		return
	}
	o.begin("model")
	o.part("thought", seal)
	o.str("text", text)
	o.bool("thought", true)
	o.b = append(o.b, '}')
}

func (o *outgoing) call(b canon.ToolUse, seal, path string) {
	o.part("functionCall", seal)
	o.name("functionCall")
	o.b = append(o.b, '{')
	if b.ID != "" {
		o.str("id", b.ID)
	}
	o.str("name", b.Name)
	o.name("args")
	if b.Custom {
		o.b = append(o.b, canon.CustomArguments(b.Input)...)
		if !o.customs[b.Name] { // else it is declared at the tool
			o.change(canon.WhatToolCustom, path, "Gemini models call tools with JSON only: the text stands in its member input")
		}
	} else {
		var ok bool
		if o.b, ok = appendObject(o.b, string(b.Input)); !ok {
			o.change(canon.WhatToolArguments, path, "Gemini models take arguments as an object only; the text stands in its member input")
		}
	}
	o.b = append(o.b, "}}"...)
}
