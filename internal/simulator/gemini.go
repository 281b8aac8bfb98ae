package simulator

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// This file is the Gemini API. Members may be written in camel or snake case there.
// Source: https://ai.google.dev/api/generate-content and .../embeddings, .../tokens, read 2026-08.

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
		a = nil
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
// at https://ai.google.dev/gemini-api/docs/thought-signatures (read 2026-08).
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

func geminiFinish(e end) string {
	if e == endLength {
		return "MAX_TOKENS"
	}
	return "STOP" // also for calls and stop sequences
}

// geminiUsage appends usageMetadata; out is the visible output so far.
func geminiUsage(b *jsonBuf, p *plan, out int64) {
	u := p.use
	in := u.prompt()
	total := in + out + u.Reasoning
	if p.wrong {
		total, out = total/2, total+7
	}
	b.raw(`{"promptTokenCount":`).int(in)
	if out > 0 {
		b.raw(`,"candidatesTokenCount":`).int(out)
	}
	b.raw(`,"totalTokenCount":`).int(total)
	if u.CacheRead > 0 {
		b.raw(`,"cachedContentTokenCount":`).int(u.CacheRead)
	}
	b.raw(`,"promptTokensDetails":[{"modality":"TEXT","tokenCount":`).int(in - u.InputImage - u.InputAudio).raw(`}`)
	if u.InputImage > 0 {
		b.raw(`,{"modality":"IMAGE","tokenCount":`).int(u.InputImage).raw(`}`)
	}
	if u.InputAudio > 0 {
		b.raw(`,{"modality":"AUDIO","tokenCount":`).int(u.InputAudio).raw(`}`)
	}
	b.raw(`]`)
	if u.CacheRead > 0 {
		b.raw(`,"cacheTokensDetails":[{"modality":"TEXT","tokenCount":`).int(u.CacheRead).raw(`}]`)
	}
	if u.Reasoning > 0 {
		b.raw(`,"thoughtsTokenCount":`).int(u.Reasoning)
	}
	b.raw(`}`)
}

func (c *call) geminiBody(p *plan, id string, shown bool) jsonBuf {
	b := make(jsonBuf, 0, 1024)
	b.raw(`{"candidates":[`)
	for i := range p.choices {
		d := &p.choices[i]
		if i > 0 {
			b.raw(",")
		}
		b.raw(`{"content":{`)
		parts := 0
		open := func() {
			if parts == 0 {
				b.raw(`"parts":[`)
			} else {
				b.raw(",")
			}
			parts++
		}
		if shown && p.think != "" {
			open()
			b.raw(`{"text":`).str(p.think).raw(`,"thought":true}`)
		}
		if d.text != "" {
			open()
			b.raw(`{"text":`).str(d.text)
			if p.seal != "" {
				b.raw(`,"thoughtSignature":`).str(p.seal)
			}
			b.raw(`}`)
		}
		for j := range d.calls {
			open()
			functionCall(&b, &d.calls[j], p.seal, j)
		}
		if parts > 0 {
			b.raw("],")
		}
		b.raw(`"role":"model"},"finishReason":"`).raw(geminiFinish(d.end)).raw(`","index":`).int(int64(i)).raw(`}`)
	}
	b.raw(`]`)
	if !p.noUsage {
		b.raw(`,"usageMetadata":`)
		geminiUsage(&b, p, p.use.Output)
	}
	b.raw(`,"modelVersion":`).str(p.model).raw(`,"responseId":`).str(id).raw("}\n")
	return b
}

// functionCall appends a part with a call; only the first of several carries the signature.
func functionCall(b *jsonBuf, tc *toolCall, seal string, nth int) {
	b.raw(`{"functionCall":{"name":`).str(tc.name).raw(`,"args":`).raw(tc.args).raw(`,"id":`).str(tc.id).raw(`}`)
	if nth == 0 && seal != "" {
		b.raw(`,"thoughtSignature":`).str(seal)
	}
	b.raw(`}`)
}

// streamGemini writes p as server-sent events or as one JSON array written piece by piece. Every piece
// has the usage so far; the last of each candidate has its finishReason.
func (c *call) streamGemini(p *plan, id string, shown, sse bool) {
	contentType := "application/json; charset=UTF-8"
	if sse {
		contentType = "text/event-stream"
	}
	var s *stream
	open := func(f *jsonBuf) {
		switch {
		case sse:
			f.raw("data: ")
		case s.sent == 0:
			f.raw("[")
		default:
			f.raw(",\r\n")
		}
	}
	shut := func(f *jsonBuf) {
		if sse {
			f.raw("\r\n\r\n")
		}
	}
	s = c.openStream(contentType, func(s *stream) {
		open(&s.frame)
		s.frame.raw(`{"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}`)
		shut(&s.frame)
	})
	if !sse && c.be.empty {
		return
	}
	f := &s.frame
	written := int64(0)
	begin := func(i int) {
		open(f)
		f.raw(`{"candidates":[{"content":{`)
	}
	finish := func(i int, reason string, out int64) {
		f.raw(`"role":"model"}`)
		if reason != "" {
			f.raw(`,"finishReason":"`).raw(reason).raw(`"`)
		}
		f.raw(`,"index":`).int(int64(i)).raw(`}]`)
		if !p.noUsage {
			f.raw(`,"usageMetadata":`)
			geminiUsage(f, p, out)
		}
		f.raw(`,"modelVersion":`).str(p.model).raw(`,"responseId":`).str(id).raw(`}`)
		shut(f)
		s.send()
	}
	s.enterContent() // there are no opening events here
	for i := range p.choices {
		d := &p.choices[i]
		if shown && p.think != "" {
			p.thoughts(func(part string) {
				begin(i)
				f.raw(`"parts":[{"text":`).str(part).raw(`,"thought":true}],`)
				finish(i, "", 0)
			})
		}
		p.pieces(d.text, func(part string) {
			written += int64(len(part))
			begin(i)
			f.raw(`"parts":[{"text":`).str(part).raw(`}],`)
			finish(i, "", min(p.use.Output, tokens(int(written))))
		})
		for j := range d.calls {
			begin(i)
			f.raw(`"parts":[`)
			functionCall(f, &d.calls[j], p.seal, j)
			f.raw(`],`)
			finish(i, "", p.use.Output)
		}
		if c.be.noDone {
			continue
		}
		begin(i)
		f.raw(`"parts":[{"text":""`)
		if p.seal != "" && len(d.calls) == 0 {
			f.raw(`,"thoughtSignature":`).str(p.seal)
		}
		f.raw(`}],`)
		finish(i, geminiFinish(d.end), p.use.Output)
	}
	c.rec.Reported = !s.over && !p.noUsage && !c.be.noDone
	if !sse && !s.over && !c.be.noDone {
		s.write([]byte("\n]\n"))
		s.sent-- // the closing bracket is no event
		c.rec.Events = s.sent
	}
	s.end()
}

func serveGeminiCountTokens(c *call) *fault {
	model := strings.TrimPrefix(c.rt.model, "models/")
	if done, f := c.begin(model, false); done || f != nil {
		return f
	}
	if f := c.camelTop(countGemMembers); f != nil {
		return f
	}
	a := &ask{model: model, family: family(model)}
	if inner := c.top.get("generateContentRequest"); inner.Exists() {
		if f := c.readGenerate(a, inner); f != nil {
			return f
		}
	} else if f := c.readContents(a, c.top.get("contents")); f != nil {
		return f
	}
	var b jsonBuf
	b.raw(`{"totalTokens":`).int(a.promptTokens())
	b.raw(`,"promptTokensDetails":[{"modality":"TEXT","tokenCount":`).int(max(1, tokens(a.bytes))).raw(`}`)
	if a.imageTokens > 0 {
		b.raw(`,{"modality":"IMAGE","tokenCount":`).int(a.imageTokens).raw(`}`)
	}
	if a.audioTokens > 0 {
		b.raw(`,{"modality":"AUDIO","tokenCount":`).int(a.audioTokens).raw(`}`)
	}
	b.raw("]}\n")
	c.plain("application/json; charset=UTF-8", b)
	return nil
}

var embedMembers = set(`content taskType title outputDimensionality model`)

func serveEmbedContent(c *call) *fault {
	if done, f := c.begin(strings.TrimPrefix(c.rt.model, "models/"), false); done || f != nil {
		return f
	}
	if f := c.camelTop(embedMembers); f != nil {
		return f
	}
	text, f := contentText(c.top.get("content"))
	if f != nil {
		return f
	}
	var b jsonBuf
	b.raw(`{"embedding":{"values":`)
	b = appendVector(b, c.s.cfg.Seed, text, geminiDimensions(c.top.get("outputDimensionality")))
	b.raw("}}\n")
	c.plain("application/json; charset=UTF-8", b)
	return nil
}

func serveBatchEmbedContents(c *call) *fault {
	if done, f := c.begin(strings.TrimPrefix(c.rt.model, "models/"), false); done || f != nil {
		return f
	}
	if f := c.camelTop(set("requests model")); f != nil {
		return f
	}
	var b jsonBuf
	b.raw(`{"embeddings":[`)
	var f *fault
	i := 0
	each(c.top.get("requests"), func(_, r gjson.Result) bool {
		if m := strings.TrimPrefix(r.Get("model").Str, "models/"); m != strings.TrimPrefix(c.rt.model, "models/") {
			f = invalid("", "", "* BatchEmbedContentsRequest.requests[%d].model: model must match the one of the batch, models/%s\n", i, clip(c.rt.model, 100))
			return false
		}
		var text string
		if text, f = contentText(r.Get("content")); f != nil {
			return false
		}
		if i > 0 {
			b.raw(",")
		}
		b.raw(`{"values":`)
		b = appendVector(b, c.s.cfg.Seed, text, geminiDimensions(gget(r, "outputDimensionality")))
		b.raw(`}`)
		i++
		return true
	})
	if f == nil && i == 0 {
		f = invalid("", "", "* BatchEmbedContentsRequest.requests: at least one request is required\n")
	}
	if f != nil {
		return f
	}
	b.raw("]}\n")
	c.plain("application/json; charset=UTF-8", b)
	return nil
}

func geminiDimensions(v gjson.Result) int {
	if n := int(v.Int()); n > 0 && n <= 3072 {
		return n
	}
	return 768
}

// contentText joins the text of one content.
func contentText(content gjson.Result) (string, *fault) {
	var out strings.Builder
	n := 0
	each(content.Get("parts"), func(_, p gjson.Result) bool {
		out.WriteString(p.Get("text").Str)
		n++
		return true
	})
	if n == 0 {
		return "", invalid("", "", "* EmbedContentRequest.content: content is empty\n")
	}
	return out.String(), nil
}
