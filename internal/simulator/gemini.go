package simulator

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// This file is the Gemini API. Members may be written in camel or snake case there.
// Source: https://ai.google.dev/api/generate-content and .../embeddings, .../tokens;
// read by genai v1.77.0 without complaint, 2026-11-20.

var (
	generateMembers = set(`contents tools toolConfig safetySettings systemInstruction generationConfig cachedContent model store serviceTier labels`)
	countGemMembers = set(`contents generateContentRequest`)
	configMembers   = set(`stopSequences responseMimeType responseSchema responseJsonSchema _responseJsonSchema responseModalities
		candidateCount maxOutputTokens temperature topP topK seed presencePenalty frequencyPenalty responseLogprobs logprobs
		enableEnhancedCivicAnswers speechConfig thinkingConfig imageConfig mediaResolution responseFormat enableAffectiveDialog audioTimestamp`)
	partMembers = set(`text thought thoughtSignature inlineData fileData functionCall functionResponse executableCode codeExecutionResult videoMetadata mediaResolution partMetadata toolCall toolResponse`)
)

// camel turns a snake_case member name into camelCase.
func camel(s string) string {
	if !strings.Contains(s[min(1, len(s)):], "_") {
		return s
	}
	lead := s[:1]
	parts := strings.Split(s[1:], "_")
	for i, p := range parts[1:] {
		if p != "" {
			parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
		}
	}
	return lead + strings.Join(parts, "")
}

// gget returns a member by its camelCase name in either spelling.
func gget(r gjson.Result, name string) gjson.Result {
	if v := r.Get(name); v.Exists() {
		return v
	}
	var snake []byte
	for i := range len(name) {
		if c := name[i]; c >= 'A' && c <= 'Z' {
			snake = append(snake, '_', c|0x20)
		} else {
			snake = append(snake, c)
		}
	}
	return r.Get(string(snake))
}

func unknownName(name, where string) *fault {
	if where != "" {
		where = " at '" + where + "'"
	}
	return invalid("", "", "Invalid JSON payload received. Unknown name \"%s\"%s: Cannot find field.", clip(name, 100), where)
}

// camelTop renames the members of the body and checks them.
func (c *call) camelTop(known map[string]bool) *fault {
	for i := range c.top {
		c.top[i].name = camel(c.top[i].name)
	}
	if name := c.unknown(known); name != "" {
		return unknownName(name, "")
	}
	return nil
}

func serveGenerateContent(c *call) *fault {
	model := strings.TrimPrefix(c.rt.model, "models/")
	stream := c.rt.endpoint == "streamGenerateContent"
	if done, f := c.begin(model, stream); done || f != nil {
		return f
	}
	if f := c.camelTop(generateMembers); f != nil {
		return f
	}
	a := &ask{model: model, family: family(model), stream: stream}
	if f := c.readGenerate(a, gjson.Result{}); f != nil {
		return f
	}
	p := c.plan(a)
	p.seal = c.geminiSeal(p)
	shown := c.be.reasoning || gget(gget(c.top.get("generationConfig"), "thinkingConfig"), "includeThoughts").Bool()
	id := c.s.newID("", base62, 22)
	c.rec.AnswerID = id
	if stream {
		c.streamGemini(p, id, shown, c.r.URL.Query().Get("alt") == "sse")
		return nil
	}
	if c.be.inband >= 0 {
		c.plain("application/json; charset=UTF-8", geminiError(503, "UNAVAILABLE", "The model is overloaded. Please try again later.", ""))
		return nil
	}
	c.rec.Reported = !p.noUsage
	c.plain("application/json; charset=UTF-8", c.geminiBody(p, id, shown))
	return nil
}

// geminiSeal makes the signature that goes with the first call or the end of the text.
func (c *call) geminiSeal(p *plan) string {
	if p.think == "" {
		return ""
	}
	return c.s.stamp("part", p.think[:min(24, len(p.think))])
}

// readGenerate reads a request, from the top of the body or from within countTokens.
func (c *call) readGenerate(a *ask, from gjson.Result) *fault {
	get := func(name string) gjson.Result {
		if from.Exists() {
			return gget(from, name)
		}
		return c.top.get(name)
	}
	cfg := get("generationConfig")
	var f *fault
	each(cfg, func(k, _ gjson.Result) bool {
		if !configMembers[camel(k.Str)] && !c.be.lax {
			f = unknownName(k.Str, "generation_config")
		}
		return f == nil
	})
	if f != nil {
		return f
	}
	if v := gget(cfg, "maxOutputTokens"); v.Exists() {
		if v.Int() < 1 {
			return invalid("", "", "Unable to submit request because it has a maxOutputTokens value of %d but the supported range is from 1 (inclusive) to 65537 (exclusive). Update the value and try again.", v.Int())
		}
		a.max = v.Int()
	}
	a.stops = stringList(gget(cfg, "stopSequences"))
	if a.n = int(gget(cfg, "candidateCount").Int()); a.n > 8 {
		return invalid("", "", "Invalid value at 'generation_config.candidate_count': the supported range is from 1 to 8.")
	}
	if gget(cfg, "responseMimeType").Str == "application/json" {
		a.asJSON = true
		for _, name := range []string{"responseSchema", "responseJsonSchema", "_responseJsonSchema"} {
			if v := gget(cfg, name); v.IsObject() {
				a.schema = v.Raw
			}
		}
	} else if gget(cfg, "responseSchema").Exists() {
		return invalid("", "", "Function calling config or response schema is set with an unsupported response mime type: 'text/plain'. Use 'application/json'.")
	}
	if th := gget(cfg, "thinkingConfig"); th.Exists() {
		budget := gget(th, "thinkingBudget")
		a.thinks = !budget.Exists() || budget.Int() != 0
		a.budget = max(0, budget.Int())
	}
	if f := c.readGeminiTools(a, get("tools"), get("toolConfig")); f != nil {
		return f
	}
	sys := get("systemInstruction")
	if sys.Type == gjson.String {
		a.read(sys.Str)
		a.system = sys.Str
	}
	each(sys.Get("parts"), func(_, part gjson.Result) bool {
		a.read(part.Get("text").Str)
		if a.system == "" {
			a.system = part.Get("text").Str
		}
		return true
	})
	return c.readContents(a, get("contents"))
}

func (c *call) readGeminiTools(a *ask, tools, config gjson.Result) *fault {
	var f *fault
	i := 0
	each(tools, func(_, t gjson.Result) bool {
		j := 0
		each(gget(t, "functionDeclarations"), func(_, d gjson.Result) bool {
			name := d.Get("name").Str
			if !toolName(strings.NewReplacer(".", "_", ":", "_").Replace(name), 128) || name[0] >= '0' && name[0] <= '9' {
				f = invalid("", "", "* GenerateContentRequest.tools[%d].function_declarations[%d].name: Invalid function name. Must start with a letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 64.\n", i, j)
				return false
			}
			schema := d.Get("parameters")
			if p := gget(d, "parametersJsonSchema"); p.Exists() {
				schema = p
			} else if bad := foreignSchema(schema, 0); bad != "" && !c.be.lax {
				f = unknownName(bad, "tools["+strconv.Itoa(i)+"].function_declarations["+strconv.Itoa(j)+"].parameters")
				return false
			}
			a.tools = append(a.tools, tool{name: name, schema: schema.Raw})
			j++
			return true
		})
		a.read(t.Raw)
		i++
		return f == nil
	})
	if f != nil {
		return f
	}
	fc := gget(config, "functionCallingConfig")
	switch strings.ToUpper(fc.Get("mode").Str) {
	case "ANY":
		a.choice = choiceAny
		if names := stringList(gget(fc, "allowedFunctionNames")); len(names) > 0 {
			a.choice, a.forced = choiceNamed, names[0]
			if !slices.ContainsFunc(a.tools, func(t tool) bool { return t.name == a.forced }) {
				return invalid("", "", "Function calling config's allowed_function_names contains %s, which is not declared.", clip(a.forced, 80))
			}
		}
	case "NONE":
		a.choice = choiceNone
	}
	return nil
}

// foreignSchema returns a schema word that the API's own Schema type does not have.
func foreignSchema(s gjson.Result, depth int) string {
	if depth > deepest {
		return ""
	}
	var bad string
	each(s, func(k, v gjson.Result) bool {
		switch camel(k.Str) {
		case "type", "format", "title", "description", "nullable", "enum", "maxItems", "minItems", "required", "minProperties", "maxProperties",
			"minLength", "maxLength", "pattern", "example", "propertyOrdering", "default", "minimum", "maximum":
		case "anyOf":
			each(v, func(_, alt gjson.Result) bool {
				bad = foreignSchema(alt, depth+1)
				return bad == ""
			})
		case "properties":
			each(v, func(_, p gjson.Result) bool {
				bad = foreignSchema(p, depth+1)
				return bad == ""
			})
		case "items":
			bad = foreignSchema(v, depth+1)
		default:
			bad = k.Str
		}
		return bad == ""
	})
	return bad
}

func (c *call) readContents(a *ask, contents gjson.Result) *fault {
	if contents.IsObject() { // one content is taken for a list of one
		return c.readContent(a, contents, 0, new(int))
	}
	var f *fault
	i, calls := 0, 0
	each(contents, func(_, m gjson.Result) bool {
		f = c.readContent(a, m, i, &calls)
		i++
		return f == nil
	})
	if f == nil && i == 0 {
		f = invalid("", "", "* GenerateContentRequest.contents: contents is not specified\n")
	}
	return f
}

// readContent reads one turn; calls counts the function calls of the turn before, which this one must answer.
func (c *call) readContent(a *ask, m gjson.Result, i int, calls *int) *fault {
	role := m.Get("role").Str
	switch role {
	case "user", "", "function":
		a.turn(true)
	case "model":
		a.turn(false)
		a.results = a.results[:0]
	default:
		return invalid("", "", "Please use a valid role: user, model.")
	}
	var f *fault
	j, called, answered := 0, 0, 0
	each(m.Get("parts"), func(_, part gjson.Result) bool {
		each(part, func(k, _ gjson.Result) bool {
			if !partMembers[camel(k.Str)] && !c.be.lax {
				f = unknownName(k.Str, "contents["+strconv.Itoa(i)+"].parts["+strconv.Itoa(j)+"]")
			}
			return f == nil
		})
		if f != nil {
			return false
		}
		if sig := gget(part, "thoughtSignature"); sig.Exists() && f == nil {
			f = c.checkPartSeal(sig.Str)
		}
		if call := gget(part, "functionCall"); call.Exists() {
			called++
			a.read(call.Raw)
		} else if resp := gget(part, "functionResponse"); resp.Exists() {
			answered++
			a.answered(resp.Get("name").Str, resp.Get("id").Str, geminiResult(resp.Get("response")))
		} else if d := gget(part, "inlineData"); d.Exists() {
			f = geminiMedia(a, d, i, j, f)
		} else if d := gget(part, "fileData"); d.Exists() {
			a.attach(mediaKind(gget(d, "mimeType").Str), gget(d, "mimeType").Str, "", gget(d, "fileUri").Str)
		} else if text := part.Get("text"); text.Exists() {
			if role == "model" || answered > 0 {
				a.read(text.Str)
			} else {
				a.says(text.Str)
			}
		} else {
			f = invalid("", "", "* GenerateContentRequest.contents[%d].parts[%d].data: required oneof field 'data' must have one initialized field\n", i, j)
		}
		j++
		return f == nil
	})
	switch {
	case f != nil:
		return f
	case j == 0:
		return invalid("", "", "* GenerateContentRequest.contents[%d].parts: contents.parts must not be empty.\n", i)
	case answered != *calls && (answered > 0 || *calls > 0):
		return invalid("", "", "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.")
	}
	*calls = called
	return nil
}

// checkPartSeal refuses a signature that is not ours; two words are taken in place of one, as documented
// at https://ai.google.dev/gemini-api/docs/thought-signatures (2026-11-20).
func (c *call) checkPartSeal(sig string) *fault {
	if sig == "skip_thought_signature_validator" || sig == "context_engineering_is_the_way_to_go" {
		return nil
	}
	if !c.s.stamped("part", sig) {
		return invalid("", "", "Thought signature is not valid.")
	}
	return nil
}

func geminiResult(r gjson.Result) string {
	for _, name := range []string{"result", "output", "content"} {
		if v := r.Get(name); v.Type == gjson.String {
			return v.Str
		}
	}
	return r.Raw
}

func mediaKind(mime string) string {
	kind, _, _ := strings.Cut(mime, "/")
	switch kind {
	case "image", "audio", "video":
		return kind
	}
	return "file"
}

func geminiMedia(a *ask, d gjson.Result, i, j int, f *fault) *fault {
	if f != nil {
		return f
	}
	mime, data := gget(d, "mimeType").Str, d.Get("data").Str
	if mime == "" {
		return invalid("", "", "* GenerateContentRequest.contents[%d].parts[%d].inline_data.mime_type: must be set\n", i, j)
	}
	if data == "" || !validBase64(data) {
		return invalid("", "", "Invalid value at 'contents[%d].parts[%d].inline_data.data' (TYPE_BYTES), Base64 decoding failed", i, j)
	}
	a.attach(mediaKind(mime), mime, data, "")
	return nil
}
