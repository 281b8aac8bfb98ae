package simulator

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// This file is Anthropic Messages.
// Source: https://platform.claude.com/docs/en/api/messages and .../build-with-claude/streaming;
// read by anthropic-sdk-go v1.84.0 without complaint, 2026-11-20.

var (
	messagesMembers = set(`model messages max_tokens system stream temperature top_p top_k stop_sequences tools tool_choice
		thinking metadata service_tier container context_management mcp_servers output_config output_format inference_geo cache_control speed`)
	countMembers = set(`model messages system tools tool_choice thinking mcp_servers context_management output_config output_format cache_control speed`)
)

func serveMessages(c *call) *fault {
	a, done, f := c.messagesHead(messagesMembers)
	if done || f != nil {
		return f
	}
	mt := c.top.get("max_tokens")
	switch {
	case !mt.Exists():
		return invalid("", "", "max_tokens: Field required")
	case !isInt(mt):
		return invalid("", "", "max_tokens: Input should be a valid integer")
	case mt.Int() < 0:
		return invalid("", "", "max_tokens: Input should be greater than or equal to 0")
	}
	a.max, a.dry = mt.Int(), mt.Int() == 0
	if f := c.readMessages(a); f != nil {
		return f
	}
	p := c.plan(a)
	if p.think != "" {
		p.seal = c.s.seal("thinking", p.think)
		p.use.Output, p.use.Reasoning = p.use.Output+p.use.Reasoning, 0
		c.rec.Usage = p.use
	}
	id := c.s.newID("msg_01", base62, 22)
	c.rec.AnswerID = id
	if a.stream {
		c.streamMessages(p, id)
		return nil
	}
	if c.be.inband >= 0 {
		_, body := c.anthropicFault(&fault{kind: overloaded})
		c.plain("application/json", body)
		return nil
	}
	c.rec.Reported = !p.noUsage
	c.plain("application/json", c.messageBody(p, id))
	return nil
}

func serveCountTokens(c *call) *fault {
	a, done, f := c.messagesHead(countMembers)
	if done || f != nil {
		return f
	}
	if f := c.readMessages(a); f != nil {
		return f
	}
	var b jsonBuf
	b.raw(`{"input_tokens":`).int(a.promptTokens()).raw(`}`)
	c.plain("application/json", b)
	return nil
}

// messagesHead checks what both endpoints share.
func (c *call) messagesHead(members map[string]bool) (a *ask, done bool, f *fault) {
	if c.r.Header.Get("Anthropic-Version") == "" {
		return nil, false, invalid("", "", "anthropic-version: header is required")
	}
	model := c.top.get("model")
	switch {
	case !model.Exists():
		return nil, false, invalid("", "", "model: Field required")
	case model.Type != gjson.String:
		return nil, false, invalid("", "", "model: Input should be a valid string")
	}
	stream := c.top.get("stream")
	if stream.Exists() && !stream.IsBool() {
		return nil, false, invalid("", "", "stream: Input should be a valid boolean")
	}
	if done, f = c.begin(model.Str, stream.Bool()); done || f != nil {
		return nil, done, f
	}
	if name := c.unknown(members); name != "" {
		return nil, false, invalid("", "", "%s: Extra inputs are not permitted", clip(name, 100))
	}
	return &ask{model: model.Str, family: family(model.Str), stream: stream.Bool()}, false, nil
}

func (c *call) readMessages(a *ask) *fault {
	if v := c.top.get("temperature"); v.Type == gjson.Number && (v.Num < 0 || v.Num > 1) {
		return invalid("", "", "temperature: range: 0..1")
	}
	a.stops = stringList(c.top.get("stop_sequences"))
	for _, s := range a.stops {
		if strings.TrimSpace(s) == "" {
			return invalid("", "", "stop_sequences: each stop sequence must contain non-whitespace")
		}
	}
	if f := c.readThinking(a); f != nil {
		return f
	}
	if f := c.readMessagesTools(a); f != nil {
		return f
	}
	if f := c.readSystem(a); f != nil {
		return f
	}
	if format := c.top.get("output_config").Get("format"); format.Exists() {
		readFormat(a, format.Get("type").Str, format.Get("schema"))
	} else if format := c.top.get("output_format"); format.Exists() {
		readFormat(a, format.Get("type").Str, format.Get("schema"))
	}
	msgs := c.top.get("messages")
	if !msgs.Exists() {
		return invalid("", "", "messages: Field required")
	}
	if !msgs.IsArray() {
		return invalid("", "", "messages: Input should be a valid list")
	}
	r := messageReader{c: c, a: a}
	each(msgs, func(_, m gjson.Result) bool {
		r.message(m)
		r.n++
		return r.fault == nil
	})
	switch {
	case r.fault != nil:
		return r.fault
	case r.n == 0:
		return invalid("", "", "messages: at least one message is required")
	case len(r.open) > 0 && !r.last:
		return r.unanswered()
	}
	if c.top.get("cache_control").IsObject() {
		a.marks = append(a.marks, mark{seg: len(a.segs), hour: c.top.get("cache_control").Get("ttl").Str == "1h"})
	}
	if len(a.marks) > 4 {
		return invalid("", "", "A maximum of 4 blocks with cache_control may be provided. Found %d.", len(a.marks))
	}
	for i := 1; i < len(a.marks); i++ {
		if a.marks[i].hour && !a.marks[i-1].hour {
			return invalid("", "", "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note that blocks are processed in the following order: `tools`, `system`, `messages`.")
		}
	}
	return nil
}

func (c *call) readThinking(a *ask) *fault {
	th := c.top.get("thinking")
	switch th.Get("type").Str {
	case "enabled":
		b := th.Get("budget_tokens")
		switch {
		case !b.Exists():
			return invalid("", "", "thinking.enabled.budget_tokens: Field required")
		case b.Int() < 1024:
			return invalid("", "", "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
		case a.max > 0 && b.Int() >= a.max:
			return invalid("", "", "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size")
		}
		if t := c.top.get("temperature"); t.Exists() && t.Num != 1 {
			return invalid("", "", "`temperature` may only be set to 1 when thinking is enabled. Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking#important-considerations-when-using-extended-thinking")
		}
		a.thinks, a.budget = true, b.Int()
	case "adaptive":
		a.thinks = true
	case "disabled", "":
		if th.Exists() && th.Type != gjson.Null && th.Get("type").Str == "" {
			return invalid("", "", "thinking: Input tag '' found using 'type' does not match any of the expected tags: 'adaptive', 'disabled', 'enabled'")
		}
	default:
		return invalid("", "", "thinking: Input tag '%s' found using 'type' does not match any of the expected tags: 'adaptive', 'disabled', 'enabled'", clip(th.Get("type").Str, 40))
	}
	return nil
}

func (c *call) readMessagesTools(a *ask) *fault {
	var f *fault
	i := 0
	each(c.top.get("tools"), func(_, t gjson.Result) bool {
		typ, name, schema := t.Get("type").Str, t.Get("name").Str, t.Get("input_schema")
		if typ == "" || typ == "custom" {
			switch {
			case !toolName(name, 128):
				f = invalid("", "", "tools.%d.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'", i)
			case !schema.Exists():
				f = invalid("", "", "tools.%d.custom.input_schema: Field required", i)
			case schema.Get("type").Str != "object":
				f = invalid("", "", "tools.%d.custom.input_schema.type: Input should be 'object'", i)
			}
			a.tools = append(a.tools, tool{name: name, schema: schema.Raw})
		}
		a.read(t.Raw)
		a.cachePoint(t)
		i++
		return f == nil
	})
	if f != nil {
		return f
	}
	tc := c.top.get("tool_choice")
	a.single = tc.Get("disable_parallel_tool_use").Bool()
	switch typ := tc.Get("type").Str; typ {
	case "", "auto":
	case "none":
		a.choice = choiceNone
	case "any":
		a.choice = choiceAny
	case "tool":
		a.choice, a.forced = choiceNamed, tc.Get("name").Str
		if !slices.ContainsFunc(a.tools, func(t tool) bool { return t.name == a.forced }) {
			return invalid("", "", "tool_choice: Tool '%s' not found in provided tools", clip(a.forced, 80))
		}
	default:
		return invalid("", "", "tool_choice: Input tag '%s' found using 'type' does not match any of the expected tags: 'auto', 'any', 'tool', 'none'", clip(typ, 40))
	}
	if a.choice != choiceAuto && a.choice != choiceNone && i == 0 {
		return invalid("", "", "tool_choice: tools must be provided when tool_choice is set")
	}
	if a.thinks && (a.choice == choiceAny || a.choice == choiceNamed) {
		return invalid("", "", "Thinking may not be enabled when tool_choice forces tool use.")
	}
	return nil
}

// cachePoint notes a cache_control on what was just read.
func (a *ask) cachePoint(block gjson.Result) {
	if cc := block.Get("cache_control"); cc.IsObject() {
		a.marks = append(a.marks, mark{seg: len(a.segs), hour: cc.Get("ttl").Str == "1h"})
	}
}

func (c *call) readSystem(a *ask) *fault {
	sys := c.top.get("system")
	if sys.Type == gjson.String {
		a.system = sys.Str
		a.read(sys.Str)
		return nil
	}
	if sys.Exists() && !sys.IsArray() && sys.Type != gjson.Null {
		return invalid("", "", "system: Input should be a valid string or list")
	}
	var f *fault
	i := 0
	each(sys, func(_, b gjson.Result) bool {
		switch {
		case b.Get("type").Str != "text":
			f = invalid("", "", "system.%d.type: Input should be 'text'", i)
		case b.Get("text").Str == "":
			f = invalid("", "", "system: text content blocks must be non-empty")
		}
		if a.system == "" {
			a.system = b.Get("text").Str
		}
		a.read(b.Get("text").Str)
		a.cachePoint(b)
		i++
		return f == nil
	})
	return f
}

// messageReader reads the conversation and checks that tool results follow their calls.
type messageReader struct {
	c     *call
	a     *ask
	n     int      // index of the message
	open  []result // tool_use blocks of the message before
	last  bool     // the message before was the assistant's
	fault *fault
}

func (r *messageReader) unanswered() *fault {
	ids := make([]string, len(r.open))
	for i, o := range r.open {
		ids[i] = o.id
	}
	return invalid("", "", "messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s. Each `tool_use` block must have a corresponding `tool_result` block in the next message.", r.n-1, strings.Join(ids, ", "))
}

func (r *messageReader) message(m gjson.Result) {
	a := r.a
	role := m.Get("role").Str
	switch role {
	case "user":
		a.turn(true)
	case "assistant":
		if len(r.open) > 0 {
			r.fault = r.unanswered()
			return
		}
		a.turn(false)
		a.results = a.results[:0]
	case "system":
		r.fault = invalid("", "", "messages: Unexpected role \"system\". The Messages API accepts a top-level `system` parameter, not \"system\" as an input message role.")
		return
	default:
		r.fault = invalid("", "", "messages: Unexpected role \"%s\". Allowed roles are \"user\" or \"assistant\".", clip(role, 40))
		return
	}
	content := m.Get("content")
	switch {
	case content.Type == gjson.String:
		if content.Str == "" && role == "user" {
			r.fault = invalid("", "", "messages.%d: user messages must have non-empty content", r.n)
			return
		}
		if role == "user" {
			a.says(content.Str)
		} else {
			a.read(content.Str)
		}
	case content.IsArray():
		i := 0
		each(content, func(_, b gjson.Result) bool {
			r.block(role, b, i)
			i++
			return r.fault == nil
		})
		if i == 0 && role == "user" {
			r.fault = invalid("", "", "messages.%d: user messages must have non-empty content", r.n)
		}
	case !content.Exists():
		r.fault = invalid("", "", "messages.%d.content: Field required", r.n)
	default:
		r.fault = invalid("", "", "messages.%d.content: Input should be a valid list", r.n)
	}
	if r.fault == nil && role == "user" && len(r.open) > 0 {
		r.fault = r.unanswered()
	}
	r.last = role == "assistant"
}

func (r *messageReader) block(role string, b gjson.Result, i int) {
	a := r.a
	switch typ := b.Get("type").Str; typ {
	case "text":
		if b.Get("text").Str == "" {
			r.fault = invalid("", "", "messages: text content blocks must be non-empty")
			return
		}
		switch {
		case role != "user":
			a.read(b.Get("text").Str)
		case len(a.results) > 0: // words beside a tool's result are still the tool's turn
			a.read(b.Get("text").Str)
		default:
			a.says(b.Get("text").Str)
		}
	case "image", "document":
		r.source(typ, b.Get("source"), i)
	case "tool_use":
		if role != "assistant" {
			r.fault = invalid("", "", "messages.%d.content.%d: `tool_use` blocks can only be in `assistant` messages", r.n, i)
			return
		}
		if !b.Get("input").IsObject() {
			r.fault = invalid("", "", "messages.%d.content.%d.tool_use.input: Input should be a valid dictionary", r.n, i)
			return
		}
		r.open = append(r.open, result{name: b.Get("name").Str, id: b.Get("id").Str})
		a.read(b.Get("input").Raw)
	case "tool_result":
		r.toolResult(role, b, i)
	case "thinking":
		text := b.Get("thinking").Str
		if role != "assistant" || !r.c.s.sealed("thinking", text, b.Get("signature").Str) {
			r.fault = invalid("", "", "messages.%d.content.%d: Invalid `signature` in `thinking` block", r.n, i)
		}
		a.read(text)
	case "redacted_thinking":
		if _, ok := r.c.s.unbox("redacted", b.Get("data").Str); !ok {
			r.fault = invalid("", "", "messages.%d.content.%d: Invalid `data` in `redacted_thinking` block", r.n, i)
		}
	case "server_tool_use", "web_search_tool_result", "web_fetch_tool_result", "search_result", "container_upload",
		"code_execution_tool_result", "mcp_tool_use", "mcp_tool_result", "tool_search_tool_result", "tool_reference":
		a.read(b.Raw)
	default:
		r.fault = invalid("", "", "messages.%d.content.%d: Input tag '%s' found using 'type' does not match any of the expected tags: 'document', 'image', 'redacted_thinking', 'search_result', 'server_tool_use', 'text', 'thinking', 'tool_result', 'tool_use', 'web_search_tool_result'", r.n, i, clip(typ, 40))
		return
	}
	if r.fault == nil {
		a.cachePoint(b)
	}
}

func (r *messageReader) toolResult(role string, b gjson.Result, i int) {
	id := b.Get("tool_use_id").Str
	n := slices.IndexFunc(r.open, func(o result) bool { return o.id == id })
	if role != "user" || n < 0 {
		r.fault = invalid("", "", "messages.%d.content.%d: unexpected `tool_use_id` found in `tool_result` blocks: %s. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.", r.n, i, clip(id, 80))
		return
	}
	name := r.open[n].name
	r.open = slices.Delete(r.open, n, n+1)
	content := b.Get("content")
	text := content.Str
	each(content, func(_, part gjson.Result) bool {
		switch part.Get("type").Str {
		case "text":
			text += part.Get("text").Str
		case "image", "document":
			r.source(part.Get("type").Str, part.Get("source"), i)
		}
		return r.fault == nil
	})
	r.a.answered(name, id, text)
}

// source reads where an image or document comes from.
func (r *messageReader) source(kind string, src gjson.Result, i int) {
	mime := src.Get("media_type").Str
	switch src.Get("type").Str {
	case "base64":
		data := src.Get("data").Str
		if kind == "image" && !slices.Contains([]string{"image/jpeg", "image/png", "image/gif", "image/webp"}, mime) {
			r.fault = invalid("", "", "messages.%d.content.%d.image.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'", r.n, i)
			return
		}
		if data == "" || !validBase64(data) {
			r.fault = invalid("", "", "messages.%d.content.%d.%s.source.base64.data: Input should be valid base64", r.n, i, kind)
			return
		}
		r.a.attach(kind, mime, data, "")
	case "text":
		r.a.read(src.Get("data").Str)
		r.a.media = append(r.a.media, "document text/plain")
	case "url":
		r.a.attach(kind, mime, "", src.Get("url").Str)
	case "file":
		r.a.attach(kind, mime, "", src.Get("file_id").Str)
	case "content":
		r.a.read(src.Raw)
	default:
		r.fault = invalid("", "", "messages.%d.content.%d.%s.source: Field required", r.n, i, kind)
	}
}
