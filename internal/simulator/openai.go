package simulator

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// This file is OpenAI completions, embeddings and moderations.
// Source: https://platform.openai.com/docs/api-reference (completions, embeddings, moderations);
// read by openai-go v3.95.0 without complaint, 2026-11-20.

var completionMembers = set(`model prompt best_of echo frequency_penalty logit_bias logprobs max_tokens n presence_penalty seed stop
	stream stream_options suffix temperature top_p user`)

func serveCompletions(c *call) *fault {
	model := c.top.get("model")
	if model.Type != gjson.String || model.Str == "" {
		return openAIModel(model)
	}
	stream := c.top.get("stream").Bool()
	if done, f := c.begin(model.Str, stream); done || f != nil {
		return f
	}
	if name := c.unknown(completionMembers); name != "" {
		return unknownParameter(name)
	}
	a := &ask{model: model.Str, family: family(model.Str), stream: stream}
	if f := openAILimits(c, a, "max_tokens"); f != nil {
		return f
	}
	if a.max == 0 {
		a.max = 16 // the default of this endpoint
	}
	prompts := stringList(c.top.get("prompt"))
	if list := c.top.get("prompt"); len(prompts) == 0 && list.IsArray() {
		prompts = []string{list.Raw} // token ids
	}
	a.turn(true)
	for _, p := range prompts {
		a.says(p)
	}
	a.n = max(1, a.n) * max(1, len(prompts))
	p := c.plan(a)
	p.use.Output, p.use.Reasoning, p.think = p.use.Output+p.use.Reasoning, 0, ""
	c.rec.Usage = p.use
	id := c.s.newID("cmpl-", base62, 29)
	c.rec.AnswerID = id
	if stream {
		usage := c.top.get("stream_options").Get("include_usage").Bool()
		c.streamCompletion(p, id, usage && !p.noUsage)
		return nil
	}
	if c.be.inband >= 0 {
		c.plain("application/json", openAIError("", serverTrouble, "server_error", "", ""))
		return nil
	}
	b := make(jsonBuf, 0, 512)
	completionHead(&b, p, id)
	for i := range p.choices {
		if i > 0 {
			b.raw(",")
		}
		d := &p.choices[i]
		b.raw(`{"text":`).str(d.text).raw(`,"index":`).int(int64(i)).raw(`,"logprobs":null,"finish_reason":"`).raw(finishReason(d.end)).raw(`"}`)
	}
	b.raw(`]`)
	if !p.noUsage {
		b.raw(`,"usage":`)
		chatUsage(&b, p)
	}
	b.raw(`}`)
	c.rec.Reported = !p.noUsage
	c.plain("application/json", b)
	return nil
}

func completionHead(b *jsonBuf, p *plan, id string) {
	b.raw(`{"id":`).str(id).raw(`,"object":"text_completion","created":`).int(p.created).raw(`,"model":`).str(p.model).raw(`,"system_fingerprint":"fp_5137a70a7e","choices":[`)
}

func (c *call) streamCompletion(p *plan, id string, usage bool) {
	s := c.openStream("text/event-stream; charset=utf-8", func(s *stream) {
		s.frame = append(s.frame, "data: "...)
		s.frame = append(s.frame, openAIError("", serverTrouble, "server_error", "", "")...)
		s.frame = append(s.frame, "\n\n"...)
	})
	f := &s.frame
	tail := "],\"usage\":null}\n\n"
	if !usage {
		tail = "]}\n\n"
	}
	chunk := func(i int, text, reason string) {
		f.raw("data: ")
		completionHead(f, p, id)
		f.raw(`{"text":`).str(text).raw(`,"index":`).int(int64(i)).raw(`,"logprobs":null,"finish_reason":`).raw(reason).raw(`}`).raw(tail)
		s.send()
	}
	s.enterContent()
	for i := range p.choices {
		d := &p.choices[i]
		p.pieces(d.text, func(part string) { chunk(i, part, "null") })
		chunk(i, "", `"`+finishReason(d.end)+`"`)
	}
	if usage {
		f.raw("data: ")
		completionHead(f, p, id)
		f.raw(`],"usage":`)
		chatUsage(f, p)
		f.raw("}\n\n")
		s.send()
		c.rec.Reported = !s.over
	}
	if !c.be.noDone {
		f.raw("data: [DONE]\n\n")
		s.send()
	}
	s.end()
}

var embeddingMembers = set(`model input encoding_format dimensions user`)

func serveEmbeddings(c *call) *fault {
	model := c.top.get("model")
	if model.Type != gjson.String || model.Str == "" {
		return openAIModel(model)
	}
	if done, f := c.begin(model.Str, false); done || f != nil {
		return f
	}
	if name := c.unknown(embeddingMembers); name != "" {
		return unknownParameter(name)
	}
	inputs, f := embeddingInputs(c.top.get("input"))
	if f != nil {
		return f
	}
	n := 1536
	if d := c.top.get("dimensions"); d.Exists() && d.Type != gjson.Null {
		if n = int(d.Int()); n < 1 || n > 3072 {
			return invalid("dimensions", "invalid_value", "Invalid value for 'dimensions': %s. It must be from 1 to 3072.", clip(d.Raw, 20))
		}
	}
	format := c.top.get("encoding_format").Str
	if !slices.Contains([]string{"", "float", "base64"}, format) {
		return invalid("encoding_format", "invalid_value", "Invalid value: '%s'. Supported values are: 'float' and 'base64'.", clip(format, 40))
	}
	b := make(jsonBuf, 0, len(inputs)*n*8)
	b.raw(`{"object":"list","data":[`)
	size := 0
	for i, in := range inputs {
		if i > 0 {
			b.raw(",")
		}
		size += len(in)
		b.raw(`{"object":"embedding","index":`).int(int64(i)).raw(`,"embedding":`)
		if format == "base64" {
			b = appendVector64(b, c.s.cfg.Seed, in, n)
		} else {
			b = appendVector(b, c.s.cfg.Seed, in, n)
		}
		b.raw(`}`)
	}
	in := max(1, tokens(size))
	b.raw(`],"model":`).str(model.Str)
	if !c.be.noUsage {
		total := in
		if c.be.wrongUsage {
			total = in * 3
		}
		b.raw(`,"usage":{"prompt_tokens":`).int(in).raw(`,"total_tokens":`).int(total).raw(`}`)
	}
	b.raw(`}`)
	c.rec.Usage, c.rec.Reported, c.rec.Wrong = Usage{Input: in}, !c.be.noUsage, c.be.wrongUsage
	if c.be.inband >= 0 {
		c.rec.Reported = false
		b = openAIError("", serverTrouble, "server_error", "", "")
	}
	c.plain("application/json", b)
	return nil
}

// embeddingInputs reads a string, strings, token ids or lists of token ids.
func embeddingInputs(in gjson.Result) ([]string, *fault) {
	if in.Type == gjson.String && in.Str != "" {
		return []string{in.Str}, nil
	}
	var out []string
	ids := false
	each(in, func(_, v gjson.Result) bool {
		if v.Type == gjson.Number {
			ids = true
			return false
		}
		out = append(out, v.String())
		return true
	})
	if ids {
		return []string{in.Raw}, nil
	}
	if len(out) == 0 || len(out) > 2048 {
		return nil, invalid("input", "", "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.")
	}
	return out, nil
}

// vector calls f with n numbers that follow from text, of length 1 together.
func vector(seed uint64, text string, n int, f func(float64)) {
	h := mix(seed)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 0x100000001b3
	}
	at := func(i int) float64 { return float64(int64(mix(h+uint64(i)))) / math.MaxInt64 }
	sum := 0.0
	for i := range n {
		sum += at(i) * at(i)
	}
	norm := math.Sqrt(sum)
	for i := range n {
		f(at(i) / norm)
	}
}

func appendVector(b []byte, seed uint64, text string, n int) []byte {
	b = append(b, '[')
	i := 0
	vector(seed, text, n, func(v float64) {
		if i++; i > 1 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, v, 'f', 8, 64)
	})
	return append(b, ']')
}

// appendVector64 appends the vector as base64 of little-endian float32.
func appendVector64(b []byte, seed uint64, text string, n int) []byte {
	raw := make([]byte, 0, 4*n)
	vector(seed, text, n, func(v float64) {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(v)))
	})
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, raw)
	return append(b, '"')
}

// categories of a moderation. Any that the input names counts as flagged.
const categories = "harassment harassment/threatening hate hate/threatening illicit illicit/violent self-harm self-harm/intent self-harm/instructions sexual sexual/minors violence violence/graphic"

func serveModerations(c *call) *fault {
	model := c.top.get("model").Str
	if model == "" {
		model = "omni-moderation-latest"
	}
	if done, f := c.begin(model, false); done || f != nil {
		return f
	}
	if name := c.unknown(set("model input")); name != "" {
		return unknownParameter(name)
	}
	in := c.top.get("input")
	var inputs []string
	if in.IsArray() && in.Get("0").IsObject() {
		var one strings.Builder
		each(in, func(_, p gjson.Result) bool {
			one.WriteString(p.Get("text").Str)
			return true
		})
		inputs = []string{one.String()}
	} else {
		inputs = stringList(in)
	}
	if len(inputs) == 0 {
		return invalid("input", "missing_required_parameter", "Missing required parameter: 'input'.")
	}
	id := c.s.newID("modr-", base62, 29)
	c.rec.AnswerID = id
	var b jsonBuf
	b.raw(`{"id":`).str(id).raw(`,"model":`).str(model).raw(`,"results":[`)
	for i, text := range inputs {
		if i > 0 {
			b.raw(",")
		}
		moderation(&b, strings.ToLower(text))
	}
	b.raw(`]}`)
	c.plain("application/json", b)
	return nil
}

func moderation(b *jsonBuf, text string) {
	names := strings.Fields(categories)
	hit := func(name string) bool { return strings.Contains(text, name) }
	b.raw(`{"flagged":`).bool(slices.ContainsFunc(names, hit))
	members := func(title string, value func(name string)) {
		b.raw(`,"`).raw(title).raw(`":{`)
		for i, name := range names {
			if i > 0 {
				b.raw(",")
			}
			b.str(name).raw(":")
			value(name)
		}
		b.raw("}")
	}
	members("categories", func(name string) { b.bool(hit(name)) })
	members("category_scores", func(name string) {
		if hit(name) {
			b.raw("0.98")
		} else {
			b.raw("0.0001")
		}
	})
	members("category_applied_input_types", func(name string) {
		if hit(name) {
			b.raw(`["text"]`)
		} else {
			b.raw("[]")
		}
	})
	b.raw("}")
}
