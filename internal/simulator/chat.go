package simulator

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// This file is OpenAI Chat Completions.
// Source: https://platform.openai.com/docs/api-reference/chat (create, object, streaming);
// read by openai-go v3.95.0 without complaint, 2026-11-20.

// chatMembers are the members that the API takes; any other is an error there.
var chatMembers = set(`messages model audio frequency_penalty function_call functions logit_bias logprobs
	max_completion_tokens max_tokens metadata modalities moderation n parallel_tool_calls prediction presence_penalty
	prompt_cache_key prompt_cache_retention prompt_cache_options reasoning_effort response_format safety_identifier seed service_tier stop store
	stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity web_search_options`)

func serveChat(c *call) *fault {
	model := c.top.get("model")
	stream := c.top.get("stream").Bool()
	if s := c.top.get("stream"); s.Exists() && !s.IsBool() && s.Type != gjson.Null {
		return invalid("stream", "invalid_type", "Invalid type for 'stream': expected a boolean, but got %s instead.", typeWord(s))
	}
	if model.Type != gjson.String || model.Str == "" {
		return openAIModel(model)
	}
	if done, f := c.begin(model.Str, stream); done || f != nil {
		return f
	}
	if name := c.unknown(chatMembers); name != "" {
		return unknownParameter(name)
	}
	a := &ask{model: model.Str, family: family(model.Str), stream: stream}
	if f := c.readChat(a); f != nil {
		return f
	}
	p := c.plan(a)
	id := c.s.newID("chatcmpl-", base62, 29)
	c.rec.AnswerID = id
	if stream {
		usage := c.top.get("stream_options").Get("include_usage").Bool()
		audio := a.speaks
		c.streamChat(p, id, usage && !p.noUsage, audio)
		return nil
	}
	if c.be.inband >= 0 {
		c.plain("application/json", openAIError("", serverTrouble, "server_error", "", ""))
		return nil
	}
	c.rec.Reported = !p.noUsage
	c.plain("application/json", c.chatBody(p, id, a.speaks))
	return nil
}

func family(model string) string {
	f, _, _ := strings.Cut(model, "+")
	return f
}

func openAIModel(model gjson.Result) *fault {
	if !model.Exists() || model.Type == gjson.String {
		return invalid("", "", "you must provide a model parameter")
	}
	return invalid("model", "invalid_type", "Invalid type for 'model': expected a string, but got %s instead.", typeWord(model))
}

func unknownParameter(name string) *fault {
	return invalid(name, "unknown_parameter", "Unknown parameter: '%s'.", clip(name, 100))
}

// typeWord names the type of r as the API's messages do.
func typeWord(r gjson.Result) string {
	switch {
	case r.IsObject():
		return "an object"
	case r.IsArray():
		return "an array"
	case r.IsBool():
		return "a boolean"
	case r.Type == gjson.Null:
		return "null"
	case r.Type == gjson.Number:
		if isInt(r) {
			return "an integer"
		}
		return "a decimal number"
	}
	return "a string"
}

// readChat reads a chat request into a.
func (c *call) readChat(a *ask) *fault {
	msgs := c.top.get("messages")
	switch {
	case !msgs.Exists():
		return invalid("messages", "missing_required_parameter", "Missing required parameter: 'messages'.")
	case !msgs.IsArray():
		return invalid("messages", "invalid_type", "Invalid type for 'messages': expected an array of objects, but got %s instead.", typeWord(msgs))
	}
	if f := openAILimits(c, a, "max_completion_tokens", "max_tokens"); f != nil {
		return f
	}
	if so := c.top.get("stream_options"); so.IsObject() && !a.stream {
		return invalid("stream_options", "", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	}
	if f := c.readChatTools(a); f != nil {
		return f
	}
	var f *fault
	i := 0
	var open []result // calls that wait for their results
	each(msgs, func(_, m gjson.Result) bool {
		f = readChatMessage(a, m, i, &open)
		i++
		return f == nil
	})
	switch {
	case f != nil:
		return f
	case i == 0:
		return invalid("messages", "empty_array", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	case len(open) > 0:
		return openCalls(open, i-1)
	}
	readFormat(a, c.top.get("response_format").Get("type").Str, c.top.get("response_format").Get("json_schema.schema"))
	if slices.Contains(stringList(c.top.get("modalities")), "audio") {
		if c.top.get("audio").Get("format").Str == "" {
			return invalid("audio", "missing_required_parameter", "Missing required parameter: 'audio.format'; it is needed when audio output is asked for with modalities: [\"audio\"].")
		}
		a.speaks = true
	}
	effort := c.top.get("reasoning_effort").Str
	a.thinks = effort != "" && effort != "none"
	return nil
}

func readFormat(a *ask, typ string, schema gjson.Result) {
	switch typ {
	case "json_object":
		a.asJSON = true
	case "json_schema":
		a.asJSON, a.schema = true, schema.Raw
	}
}

func openCalls(open []result, at int) *fault {
	ids := make([]string, len(open))
	for i, o := range open {
		ids[i] = o.id
	}
	return invalid("messages.["+strconv.Itoa(at)+"].role", "", "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: %s", strings.Join(ids, ", "))
}

// openAILimits reads what chat, completions and responses share.
func openAILimits(c *call, a *ask, maxNames ...string) *fault {
	for _, name := range maxNames {
		v := c.top.get(name)
		if v.Type == gjson.Null {
			continue
		}
		if !isInt(v) {
			return invalid(name, "invalid_type", "Invalid type for '%s': expected an unsigned integer, but got %s instead.", name, typeWord(v))
		}
		if v.Int() < 1 {
			return invalid(name, "integer_below_min_value", "Invalid '%s': integer below minimum value. Expected a value >= 1, but got %d instead.", name, v.Int())
		}
		if a.max > 0 {
			return invalid("", "", "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
		}
		a.max = v.Int()
	}
	if v := c.top.get("temperature"); v.Type == gjson.Number && (v.Num < 0 || v.Num > 2) {
		return invalid("temperature", "decimal_above_max_value", "Invalid 'temperature': decimal out of range. Expected a value between 0 and 2, but got %s instead.", v.Raw)
	}
	if v := c.top.get("n"); v.Type == gjson.Number {
		if v.Int() < 1 || v.Int() > 128 {
			return invalid("n", "integer_above_max_value", "Invalid 'n': integer out of range. Expected a value between 1 and 128, but got %s instead.", v.Raw)
		}
		a.n = int(v.Int())
	}
	a.stops = stringList(c.top.get("stop"))
	if len(a.stops) > 4 {
		return invalid("stop", "array_above_max_length", "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length %d instead.", len(a.stops))
	}
	return nil
}

func (c *call) readChatTools(a *ask) *fault {
	var f *fault
	i := 0
	each(c.top.get("tools"), func(_, t gjson.Result) bool {
		typ := t.Get("type").Str
		body := t.Get(typ)
		name := body.Get("name").Str
		switch {
		case typ != "function" && typ != "custom":
			f = invalid(at("tools", i)+".type", "invalid_value", "Invalid value: '%s'. Supported values are: 'function' and 'custom'.", clip(typ, 40))
		case name == "":
			f = invalid(at("tools", i)+"."+typ+".name", "missing_required_parameter", "Missing required parameter: '%s.%s.name'.", at("tools", i), typ)
		case !toolName(name, 64):
			f = invalid(at("tools", i)+"."+typ+".name", "invalid_value", "Invalid '%s.%s.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", at("tools", i), typ)
		}
		a.tools = append(a.tools, tool{name: name, schema: body.Get("parameters").Raw, custom: typ == "custom"})
		a.read(t.Raw)
		i++
		return f == nil
	})
	if f != nil {
		return f
	}
	if c.top.get("tools").IsArray() && i == 0 {
		return invalid("tools", "empty_array", "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	}
	tc := c.top.get("tool_choice")
	if tc.Exists() && tc.Type != gjson.Null && i == 0 {
		return invalid("tool_choice", "", "'tool_choice' is only allowed when 'tools' are specified.")
	}
	a.single = c.top.get("parallel_tool_calls").Exists() && !c.top.get("parallel_tool_calls").Bool()
	switch {
	case tc.Str == "none":
		a.choice = choiceNone
	case tc.Str == "required":
		a.choice = choiceAny
	case tc.IsObject() && (tc.Get("type").Str == "function" || tc.Get("type").Str == "custom"):
		a.choice, a.forced = choiceNamed, tc.Get(tc.Get("type").Str).Get("name").Str
		if !slices.ContainsFunc(a.tools, func(t tool) bool { return t.name == a.forced }) {
			return invalid("tool_choice", "", "Tool choice '%s' not found in 'tools' parameter.", clip(a.forced, 80))
		}
	case tc.Type == gjson.String && tc.Str != "auto":
		return invalid("tool_choice", "invalid_value", "Invalid value: '%s'. Supported values are: 'none', 'auto', and 'required'.", clip(tc.Str, 40))
	}
	return nil
}

func at(name string, i int) string { return name + "[" + strconv.Itoa(i) + "]" }

func toolName(s string, most int) bool {
	for i := range len(s) {
		if !wordByte(s[i]) && s[i] != '-' {
			return false
		}
	}
	return s != "" && len(s) <= most
}

func readChatMessage(a *ask, m gjson.Result, i int, open *[]result) *fault {
	role := m.Get("role").Str
	content := m.Get("content")
	if role != "tool" && len(*open) > 0 {
		return openCalls(*open, i)
	}
	switch role {
	case "system", "developer":
		return readChatContent(a, content, i, func(s string) {
			a.read(s)
			if a.system == "" {
				a.system = s
			}
		})
	case "user":
		a.turn(true)
		return readChatContent(a, content, i, a.says)
	case "assistant":
		a.turn(false)
		calls := m.Get("tool_calls")
		if content.Type == gjson.Null && !calls.IsArray() && !m.Get("function_call").Exists() && !m.Get("audio").Exists() && !m.Get("refusal").Exists() {
			return invalid(at("messages", i)+".content", "invalid_type", "Invalid value for 'content': expected a string, got null.")
		}
		a.results = a.results[:0]
		var f *fault
		each(calls, func(_, tc gjson.Result) bool {
			typ := tc.Get("type").Str
			body := tc.Get(typ)
			if tc.Get("id").Str == "" || body.Get("name").Str == "" || typ == "function" && body.Get("arguments").Type != gjson.String {
				f = invalid(at("messages", i)+".tool_calls", "missing_required_parameter", "Missing required parameter: '%s.tool_calls[].function'; id, name and arguments (a string) are needed.", at("messages", i))
				return false
			}
			*open = append(*open, result{name: body.Get("name").Str, id: tc.Get("id").Str})
			a.read(body.Raw)
			return true
		})
		if f != nil {
			return f
		}
		return readChatContent(a, content, i, a.read)
	case "tool":
		id := m.Get("tool_call_id").Str
		n := slices.IndexFunc(*open, func(r result) bool { return r.id == id })
		if n < 0 {
			return invalid("messages.["+strconv.Itoa(i)+"].role", "", "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.")
		}
		name := (*open)[n].name
		*open = slices.Delete(*open, n, n+1)
		var text string
		f := readChatContent(a, content, i, func(s string) { text += s })
		a.answered(name, id, text)
		return f
	case "function":
		a.answered(m.Get("name").Str, "", content.Str)
		return nil
	}
	return invalid(at("messages", i)+".role", "invalid_value", "Invalid value: '%s'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.", clip(role, 40))
}

// readChatContent reads a string or a list of parts.
func readChatContent(a *ask, content gjson.Result, i int, text func(string)) *fault {
	if content.Type == gjson.String {
		text(content.Str)
		return nil
	}
	if content.IsObject() || content.Type == gjson.Number || content.IsBool() {
		return invalid(at("messages", i)+".content", "invalid_type", "Invalid type for '%s.content': expected one of a string or array of objects, but got %s instead.", at("messages", i), typeWord(content))
	}
	var f *fault
	j := 0
	each(content, func(_, part gjson.Result) bool {
		where := at("messages", i) + "." + at("content", j)
		j++
		switch typ := part.Get("type").Str; typ {
		case "text":
			text(part.Get("text").String())
		case "refusal":
			a.read(part.Get("refusal").Str)
		case "image_url":
			f = attachURL(a, part.Get("image_url.url").Str, where+".image_url")
		case "input_audio":
			data := part.Get("input_audio.data").Str
			if format := part.Get("input_audio.format").Str; format != "wav" && format != "mp3" {
				f = invalid(where+".input_audio.format", "invalid_value", "Invalid value: '%s'. Supported values are: 'wav' and 'mp3'.", clip(format, 40))
				break
			}
			a.attach("audio", "audio/"+part.Get("input_audio.format").Str, data, "")
		case "file":
			a.attach("file", part.Get("file.filename").Str, "", part.Get("file.file_data").Str)
		default:
			f = invalid(where+".type", "invalid_value", "Invalid value: '%s'. Supported values are: 'text', 'image_url', 'input_audio', 'refusal', and 'file'.", clip(typ, 40))
		}
		return f == nil
	})
	return f
}

// attachURL attaches an image by URL, which may be a data URL.
func attachURL(a *ask, url, where string) *fault {
	if rest, ok := strings.CutPrefix(url, "data:"); ok {
		meta, data, _ := strings.Cut(rest, ",")
		if !strings.HasSuffix(meta, ";base64") || !strings.HasPrefix(meta, "image/") || !validBase64(data) || data == "" {
			return invalid(where, "invalid_image_url", "Invalid base64 image_url.")
		}
	} else if !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") {
		return invalid(where, "invalid_image_url", "Invalid image URL: expected an http, https or base64 data URL.")
	}
	a.attach("image", "", "", url)
	return nil
}
