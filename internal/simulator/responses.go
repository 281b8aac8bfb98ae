package simulator

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// This file is OpenAI Responses: requests and their checks; responses_write.go writes the answers.
// Source: https://platform.openai.com/docs/api-reference/responses;
// read by openai-go v3.95.0 without complaint, 2026-11-20. Codex 0.169 sends client_metadata, which the
// reference leaves out.

var responsesMembers = set(`background client_metadata context_management conversation include input instructions max_output_tokens max_tool_calls metadata model
	moderation parallel_tool_calls previous_response_id prompt prompt_cache_key prompt_cache_retention prompt_cache_options reasoning safety_identifier
	service_tier store stream stream_options temperature text tool_choice tools top_logprobs top_p truncation user`)

// inputMembers are those of a count: what decides what is read, and nothing of the answer.
// Source: openai-go v3.95.0, responses/inputtoken.go, read 2026-11-21.
var inputMembers = set(`conversation input instructions model parallel_tool_calls personality previous_response_id reasoning text tool_choice tools truncation`)

// serveInputTokens counts what a response would read.
func serveInputTokens(c *call) *fault {
	a, done, f := c.responsesHead(inputMembers)
	if done || f != nil {
		return f
	}
	if _, f := c.readResponses(a); f != nil {
		return f
	}
	var b jsonBuf
	b.raw(`{"object":"response.input_tokens","input_tokens":`).int(a.promptTokens()).raw(`}`)
	c.plain("application/json", b)
	return nil
}

// responsesHead checks what both endpoints share.
func (c *call) responsesHead(members map[string]bool) (a *ask, done bool, f *fault) {
	model := c.top.get("model")
	if model.Type != gjson.String || model.Str == "" {
		if !model.Exists() {
			return nil, false, invalid("model", "missing_required_parameter", "Missing required parameter: 'model'.")
		}
		return nil, false, openAIModel(model)
	}
	stream := c.top.get("stream").Bool()
	if done, f := c.begin(model.Str, stream); done || f != nil {
		return nil, done, f
	}
	if name := c.unknown(members); name != "" {
		return nil, false, unknownParameter(name)
	}
	return &ask{model: model.Str, family: family(model.Str), stream: stream}, false, nil
}

// reply is a response object: what was asked, and what the answer is.
type reply struct {
	id         string
	plan       *plan
	items      []outItem
	background bool
	keep       bool
	echo       echo
}

// echo is what a response repeats of its request, as raw JSON.
type echo struct {
	instructions, maxOutput, maxTools, metadata, parallel, previous, cacheKey, reasoning string
	safety, temperature, text, choice, tools, topLogprobs, topP, truncation, user        string
}

// outItem is one item of the output.
type outItem struct {
	kind      string // reasoning, message, function_call, custom_tool_call
	id        string
	text      string // of a message
	call      *toolCall
	summary   string
	encrypted string
}

func serveResponses(c *call) *fault {
	a, done, f := c.responsesHead(responsesMembers)
	if done || f != nil {
		return f
	}
	stream := a.stream
	keep := !c.top.get("store").Exists() || c.top.get("store").Type == gjson.Null || c.top.get("store").Bool()
	background := c.top.get("background").Bool()
	if background && !keep {
		return invalid("background", "", "Background mode requires 'store' to be true.")
	}
	input, f := c.readResponses(a)
	if f != nil {
		return f
	}
	r := c.newReply(a, keep, background)
	if keep {
		c.s.store.put(c.storedOf(r, a, input))
	}
	if stream {
		c.streamReply(r, -1)
		return nil
	}
	if c.be.inband >= 0 {
		var b jsonBuf
		r.object(&b, "failed", `{"code":"server_error","message":`+quoted(serverTrouble)+`}`)
		c.plain("application/json", b)
		return nil
	}
	status := r.final()
	if background {
		status = "queued"
	}
	c.rec.Reported = !r.plan.noUsage && !background
	var b jsonBuf
	r.object(&b, status, "null")
	c.plain("application/json", b)
	return nil
}

// newReply plans the answer and its items.
func (c *call) newReply(a *ask, keep, background bool) *reply {
	p := c.plan(a)
	r := &reply{id: c.s.newID("resp_", hex16, 48), plan: p, background: background, keep: keep}
	c.rec.AnswerID = r.id
	if p.think != "" {
		it := outItem{kind: "reasoning", id: c.s.newID("rs_", hex16, 48)}
		if s := c.top.get("reasoning").Get("summary").Str; s != "" {
			it.summary = p.think
		}
		if slices.Contains(stringList(c.top.get("include")), "reasoning.encrypted_content") {
			it.encrypted = c.s.box("reasoning", p.think[:min(48, len(p.think))])
		}
		r.items = append(r.items, it)
	}
	d := &p.choices[0]
	if d.text != "" || len(d.calls) == 0 && p.think == "" {
		r.items = append(r.items, outItem{kind: "message", id: c.s.newID("msg_", hex16, 48), text: d.text})
	}
	for i := range d.calls {
		it := outItem{kind: "function_call", id: c.s.newID("fc_", hex16, 48), call: &d.calls[i]}
		if it.call.custom {
			it.kind, it.id = "custom_tool_call", c.s.newID("ctc_", hex16, 48)
		}
		r.items = append(r.items, it)
	}
	raw := func(name, fallback string) string {
		if v := c.top.get(name); v.Exists() {
			return strings.Clone(v.Raw)
		}
		return fallback
	}
	r.echo = echo{
		instructions: raw("instructions", "null"), maxOutput: raw("max_output_tokens", "null"), maxTools: raw("max_tool_calls", "null"),
		metadata: raw("metadata", "{}"), parallel: raw("parallel_tool_calls", "true"), previous: raw("previous_response_id", "null"),
		cacheKey: raw("prompt_cache_key", "null"), safety: raw("safety_identifier", "null"), temperature: raw("temperature", "1.0"),
		choice: raw("tool_choice", `"auto"`), tools: raw("tools", "[]"), topLogprobs: raw("top_logprobs", "0"),
		topP: raw("top_p", "1.0"), truncation: raw("truncation", `"disabled"`), user: raw("user", "null"),
	}
	effort, summary := c.top.get("reasoning").Get("effort"), c.top.get("reasoning").Get("summary")
	r.echo.reasoning = `{"effort":` + orNull(effort) + `,"summary":` + orNull(summary) + `}`
	format, verbosity := c.top.get("text").Get("format").Raw, c.top.get("text").Get("verbosity").Raw
	if format == "" {
		format = `{"type":"text"}`
	}
	if verbosity == "" {
		verbosity = `"medium"`
	}
	r.echo.text = `{"format":` + format + `,"verbosity":` + verbosity + `}`
	return r
}

func orNull(r gjson.Result) string {
	if r.Raw == "" {
		return "null"
	}
	return r.Raw
}

// readResponses reads the request into a and returns its input items as they will be listed.
func (c *call) readResponses(a *ask) ([]string, *fault) {
	if f := openAILimits(c, a); f != nil {
		return nil, f
	}
	if v := c.top.get("max_output_tokens"); v.Exists() && v.Type != gjson.Null {
		if !isInt(v) {
			return nil, invalid("max_output_tokens", "invalid_type", "Invalid type for 'max_output_tokens': expected an integer, but got %s instead.", typeWord(v))
		}
		if v.Int() < 16 {
			return nil, invalid("max_output_tokens", "integer_below_min_value", "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got %d instead.", v.Int())
		}
		a.max = v.Int()
	}
	a.n, a.stops = 1, nil
	if f := c.readResponsesTools(a); f != nil {
		return nil, f
	}
	if ins := c.top.get("instructions").Str; ins != "" {
		a.read(ins)
		a.system = ins
	}
	effort := c.top.get("reasoning").Get("effort").Str
	a.thinks = effort != "" && effort != "none" || c.top.get("reasoning").Get("summary").Str != ""
	format := c.top.get("text").Get("format")
	switch typ := format.Get("type").Str; typ {
	case "", "text", "json_object", "json_schema":
		if typ == "json_schema" && format.Get("name").Str == "" {
			return nil, invalid("text.format.name", "missing_required_parameter", "Missing required parameter: 'text.format.name'.")
		}
		readFormat(a, typ, format.Get("schema"))
	default:
		return nil, invalid("text.format.type", "invalid_value", "Invalid value: '%s'. Supported values are: 'json_object', 'json_schema', and 'text'.", clip(typ, 40))
	}
	r := inputReader{c: c, a: a}
	if prev := c.top.get("previous_response_id").Str; prev != "" {
		st, ok := c.s.store.get(c.key, prev)
		if !ok {
			return nil, invalid("previous_response_id", "previous_response_not_found", "Previous response with id '%s' not found.", clip(prev, 100))
		}
		a.read(st.text)
		for _, it := range st.reply.items {
			if it.call != nil {
				r.open = append(r.open, result{name: it.call.name, id: it.call.id})
			}
		}
	}
	in := c.top.get("input")
	switch {
	case in.Type == gjson.String:
		a.turn(true)
		a.says(in.Str)
		r.items = []string{`{"id":"` + c.s.newID("msg_", hex16, 48) + `","type":"message","status":"completed","role":"user","content":[{"type":"input_text","text":` + quoted(in.Str) + `}]}`}
	case in.IsArray():
		each(in, func(_, item gjson.Result) bool {
			r.item(item)
			r.n++
			return r.fault == nil
		})
	case !in.Exists() && (c.top.get("previous_response_id").Exists() || c.top.get("prompt").Exists() || c.top.get("conversation").Exists()):
	case !in.Exists():
		return nil, invalid("input", "missing_required_parameter", "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation' must be provided.")
	default:
		return nil, invalid("input", "invalid_type", "Invalid type for 'input': expected one of an array of input items or string, but got %s instead.", typeWord(in))
	}
	switch {
	case r.fault != nil:
		return nil, r.fault
	case len(r.open) > 0:
		return nil, invalid("input", "", "No tool output found for function call %s.", clip(r.open[0].id, 80))
	case r.lonely != "":
		return nil, r.lone()
	}
	return r.items, nil
}

func (c *call) readResponsesTools(a *ask) *fault {
	var f *fault
	i := 0
	each(c.top.get("tools"), func(_, t gjson.Result) bool {
		typ, name := t.Get("type").Str, t.Get("name").Str
		switch typ {
		case "function", "custom":
			if name == "" {
				f = invalid(at("tools", i)+".name", "missing_required_parameter", "Missing required parameter: '%s.name'.", at("tools", i))
			} else if !toolName(name, 64) {
				f = invalid(at("tools", i)+".name", "invalid_value", "Invalid '%s.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", at("tools", i))
			}
			a.tools = append(a.tools, tool{name: name, schema: t.Get("parameters").Raw, custom: typ == "custom"})
		case "":
			f = invalid(at("tools", i)+".type", "missing_required_parameter", "Missing required parameter: '%s.type'.", at("tools", i))
		}
		a.read(t.Raw)
		i++
		return f == nil
	})
	if f != nil {
		return f
	}
	a.single = c.top.get("parallel_tool_calls").Type == gjson.False
	tc := c.top.get("tool_choice")
	switch {
	case tc.Str == "none":
		a.choice = choiceNone
	case tc.Str == "required":
		a.choice = choiceAny
	case tc.Get("type").Str == "function" || tc.Get("type").Str == "custom":
		a.choice, a.forced = choiceNamed, tc.Get("name").Str
		if !slices.ContainsFunc(a.tools, func(t tool) bool { return t.name == a.forced }) {
			return invalid("tool_choice", "", "Tool choice '%s' not found in 'tools' parameter.", clip(a.forced, 80))
		}
	case tc.Type == gjson.String && tc.Str != "auto":
		return invalid("tool_choice", "invalid_value", "Invalid value: '%s'. Supported values are: 'none', 'auto', and 'required'.", clip(tc.Str, 40))
	}
	return nil
}

// inputReader reads the items of an input and checks what must follow what.
type inputReader struct {
	c      *call
	a      *ask
	n      int
	items  []string // as input_items will list them
	open   []result // calls without an output yet
	lonely string   // id of a reasoning item that nothing of the model's follows yet
	fault  *fault
}

func (r *inputReader) lone() *fault {
	return invalid("input", "", "Item '%s' of type 'reasoning' was provided without its required following item.", clip(r.lonely, 80))
}

func (r *inputReader) item(it gjson.Result) {
	a := r.a
	typ, role := it.Get("type").Str, it.Get("role").Str
	if typ == "" && role != "" {
		typ = "message"
	}
	mine := typ != "message" && !strings.HasSuffix(typ, "_output") || role == "assistant" // the model's own item
	if r.lonely != "" && !mine {
		r.fault = r.lone()
		return
	}
	if mine && typ != "reasoning" {
		r.lonely = ""
	}
	switch typ {
	case "message":
		r.message(it, role)
		return
	case "function_call", "custom_tool_call":
		if it.Get("call_id").Str == "" || it.Get("name").Str == "" {
			r.fault = invalid(at("input", r.n)+".call_id", "missing_required_parameter", "Missing required parameter: '%s'; call_id and name are needed.", at("input", r.n)+".call_id")
			return
		}
		if id := it.Get("id").Str; id != "" && !strings.HasPrefix(id, "fc") && !strings.HasPrefix(id, "ctc") {
			r.fault = invalid(at("input", r.n)+".id", "invalid_value", "Invalid '%s.id': '%s'. Expected an ID that begins with 'fc'.", at("input", r.n), clip(id, 80))
			return
		}
		a.turn(false)
		r.open = append(r.open, result{name: it.Get("name").Str, id: it.Get("call_id").Str})
		a.read(it.Get("arguments").Str + it.Get("input").Str)
		if len(r.open) == 1 {
			a.results = a.results[:0]
		}
	case "function_call_output", "custom_tool_call_output":
		id := it.Get("call_id").Str
		n := slices.IndexFunc(r.open, func(o result) bool { return o.id == id })
		if n < 0 {
			r.fault = invalid("input", "", "No tool call found for function call output with call_id %s.", clip(id, 80))
			return
		}
		name := r.open[n].name
		r.open = slices.Delete(r.open, n, n+1)
		out := it.Get("output")
		text := out.Str
		each(out, func(_, part gjson.Result) bool {
			text += part.Get("text").Str
			if url := part.Get("image_url").Str; url != "" {
				a.attach("image", "", "", url)
			}
			return true
		})
		a.answered(name, id, text)
	case "reasoning":
		id := it.Get("id").Str
		if enc := it.Get("encrypted_content"); enc.Type == gjson.String {
			if _, ok := r.c.s.unbox("reasoning", enc.Str); !ok {
				r.fault = invalid("", "invalid_encrypted_content", "The encrypted content for item %s could not be verified. Reason: Encrypted content could not be decrypted or parsed.", clip(id, 80))
				return
			}
		}
		if !it.Get("summary").IsArray() {
			r.fault = invalid(at("input", r.n)+".summary", "missing_required_parameter", "Missing required parameter: '%s.summary'.", at("input", r.n))
			return
		}
		r.lonely = id
		if id == "" {
			r.lonely = "rs"
		}
	case "item_reference", "web_search_call", "file_search_call", "computer_call", "computer_call_output", "code_interpreter_call",
		"image_generation_call", "local_shell_call", "local_shell_call_output", "shell_call", "shell_call_output", "apply_patch_call",
		"apply_patch_call_output", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response", "mcp_call", "compaction",
		"tool_search_call", "tool_search_output":
		a.read(it.Raw)
	default:
		r.fault = invalid(at("input", r.n), "invalid_value", "Invalid value: '%s'. Supported values are: 'message', 'reasoning', 'function_call', 'function_call_output', 'custom_tool_call', 'custom_tool_call_output', and 'item_reference'.", clip(typ, 40))
		return
	}
	r.list(it, typ)
}

// list keeps a copy of an item, with an id of ours when it had none.
func (r *inputReader) list(it gjson.Result, typ string) {
	raw := strings.TrimSpace(it.Raw)
	if it.Get("id").Str == "" {
		prefix := map[string]string{"function_call": "fc_", "function_call_output": "fc_", "reasoning": "rs_"}[typ]
		if prefix == "" {
			prefix = "item_"
		}
		raw = `{"id":"` + r.c.s.newID(prefix, hex16, 48) + `",` + raw[1:]
	}
	r.items = append(r.items, strings.Clone(raw))
}

func (r *inputReader) message(it gjson.Result, role string) {
	a := r.a
	if !slices.Contains([]string{"user", "assistant", "system", "developer"}, role) {
		r.fault = invalid(at("input", r.n)+".role", "invalid_value", "Invalid value: '%s'. Supported values are: 'assistant', 'system', 'developer', and 'user'.", clip(role, 40))
		return
	}
	text := a.read
	switch role {
	case "user":
		a.turn(true)
		text = a.says
	case "assistant":
		a.turn(false)
		a.results = a.results[:0]
	}
	var b jsonBuf
	id := it.Get("id").Str
	if id == "" {
		id = r.c.s.newID("msg_", hex16, 48)
	} else if !strings.HasPrefix(id, "msg_") {
		r.fault = invalid(at("input", r.n)+".id", "invalid_value", "Invalid '%s.id': '%s'. Expected an ID that begins with 'msg'.", at("input", r.n), clip(id, 80))
		return
	}
	b.raw(`{"id":`).str(id).raw(`,"type":"message","status":"completed","role":`).str(role).raw(`,"content":`)
	content := it.Get("content")
	if content.Type == gjson.String {
		text(content.Str)
		typ := "input_text"
		if role == "assistant" {
			typ = "output_text"
		}
		b.raw(`[{"type":"` + typ + `","text":`).str(content.Str)
		if role == "assistant" {
			b.raw(`,"annotations":[]`)
		}
		b.raw(`}]}`)
		r.items = append(r.items, string(b))
		return
	}
	if !content.IsArray() {
		r.fault = invalid(at("input", r.n)+".content", "invalid_type", "Invalid type for '%s.content': expected one of an array of objects or string, but got %s instead.", at("input", r.n), typeWord(content))
		return
	}
	i := 0
	each(content, func(_, part gjson.Result) bool {
		r.part(part, role, at("input", r.n)+"."+at("content", i), text)
		i++
		return r.fault == nil
	})
	b.raw(content.Raw).raw(`}`)
	r.items = append(r.items, string(b))
}

func (r *inputReader) part(part gjson.Result, role, where string, text func(string)) {
	typ := part.Get("type").Str
	if role == "assistant" && typ != "output_text" && typ != "refusal" {
		r.fault = invalid(where, "invalid_value", "Invalid value: '%s'. Supported values are: 'output_text' and 'refusal'.", clip(typ, 40))
		return
	}
	switch typ {
	case "input_text":
		text(part.Get("text").Str)
	case "output_text":
		if role != "assistant" {
			r.fault = invalid(where, "invalid_value", "Invalid value: 'output_text'. Supported values are: 'input_text', 'input_image', and 'input_file'.")
			return
		}
		text(part.Get("text").Str)
	case "refusal":
		text(part.Get("refusal").Str)
	case "input_image":
		if url := part.Get("image_url"); url.Type == gjson.String {
			r.fault = attachURL(r.a, url.Str, where+".image_url")
		} else if part.Get("file_id").Str == "" {
			r.fault = invalid(where+".image_url", "invalid_type", "Invalid type for '%s.image_url': expected an image URL, but got %s instead.", where, typeWord(url))
		} else {
			r.a.attach("image", "", "", part.Get("file_id").Str)
		}
	case "input_file":
		if data := part.Get("file_data").Str; data != "" {
			r.a.attach("file", "", "", data)
		} else {
			r.a.attach("file", "", "", part.Get("file_id").Str+part.Get("file_url").Str)
		}
	case "input_audio":
		r.a.attach("audio", "audio/"+part.Get("input_audio.format").Str, part.Get("input_audio.data").Str, "")
	default:
		r.fault = invalid(where, "invalid_value", "Invalid value: '%s'. Supported values are: 'input_text', 'input_image', 'output_text', 'refusal', and 'input_file'.", clip(typ, 40))
	}
}

// storedOf is what is kept of r under its id.
func (c *call) storedOf(r *reply, a *ask, input []string) *stored {
	var text strings.Builder
	for _, seg := range a.segs {
		if len(seg.text) == seg.weight { // media are not kept
			text.WriteString(seg.text)
		}
	}
	for _, it := range r.items {
		text.WriteString(it.text)
		if it.call != nil {
			text.WriteString(it.call.args)
		}
	}
	st := &stored{key: strings.Clone(c.key), reply: r, input: input, text: text.String(), created: c.s.now()}
	if r.background {
		st.ready = st.created.Add(c.s.cfg.Background)
	}
	return st
}
