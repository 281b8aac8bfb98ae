package gemini

import (
	"encoding/json"
	"strconv"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
)

var _ dialect.Translator = (*Protocol)(nil)

// Field returns how Google's API names a feature that stands at the top of a request.
func (*Protocol) Field(what canon.What) string {
	switch what {
	case canon.WhatEmptyTurn, canon.WhatSystemPosition:
		return "contents"
	case canon.WhatMaxOutput:
		return "generationConfig.maxOutputTokens"
	case canon.WhatN:
		return "generationConfig.candidateCount"
	case canon.WhatTemperature:
		return "generationConfig.temperature"
	case canon.WhatTopP:
		return "generationConfig.topP"
	case canon.WhatTopK:
		return "generationConfig.topK"
	case canon.WhatStop:
		return "generationConfig.stopSequences"
	case canon.WhatSeed:
		return "generationConfig.seed"
	case canon.WhatPresencePenalty:
		return "generationConfig.presencePenalty"
	case canon.WhatFrequencyPenalty:
		return "generationConfig.frequencyPenalty"
	case canon.WhatLogProbs:
		return "generationConfig.responseLogprobs"
	case canon.WhatFormat:
		return "generationConfig.responseMimeType"
	case canon.WhatFormatSchema:
		return "generationConfig.responseJsonSchema"
	case canon.WhatEffort:
		return "generationConfig.thinkingConfig.thinkingLevel"
	case canon.WhatBudget, canon.WhatAdaptive, canon.WhatNoReasoning:
		return "generationConfig.thinkingConfig.thinkingBudget"
	case canon.WhatThoughts:
		return "generationConfig.thinkingConfig.includeThoughts"
	case canon.WhatToolChoice:
		return "toolConfig.functionCallingConfig.mode"
	case canon.WhatToolAllowed:
		return "toolConfig.functionCallingConfig.allowedFunctionNames"
	case canon.WhatSystemContent:
		return "systemInstruction"
	case canon.WhatStore:
		return "store"
	case canon.WhatMetadata:
		return "labels"
	case canon.WhatTier:
		return "serviceTier"
	case canon.WhatDimensions:
		return "outputDimensionality"
	case canon.WhatTool:
		return "tools"
	default:
	}
	return ""
}

// WriteRequest writes req for generateContent, countTokens, embedContent or batchEmbedContents. The model
// stands in the path; only where Google wants it in the body too is it written here.
func (*Protocol) WriteRequest(req *canon.Request, to dialect.Target) ([]byte, []canon.Loss, *canon.Error) {
	o := &outgoing{req: req, to: to, home: req.Origin == canon.Gemini, b: make([]byte, 0, size(req))}
	switch to.Op {
	case canon.OpGenerate:
		o.b = append(o.b, '{')
		o.generate()
		o.b = append(o.b, '}')
	case canon.OpCountTokens:
		o.b = append(o.b, `{"generateContentRequest":{"model":`...)
		o.b = appendString(o.b, "models/"+to.Model)
		o.generate()
		o.b = append(o.b, "}}"...)
	case canon.OpEmbed, canon.OpBatchEmbed:
		o.embed()
	default:
		return nil, nil, canon.Errorf(canon.KindUnsupported, "%s is nothing that the Gemini API does", to.Op)
	}
	if o.bad != nil {
		return nil, nil, o.bad
	}
	return o.b, o.lost, nil
}

// size guesses how many bytes req becomes.
func size(req *canon.Request) int {
	n := 1024
	visit := func(blocks []canon.Block) {
		for _, b := range blocks {
			switch b := b.(type) {
			case canon.Text:
				n += len(b.Text) + len(b.Text)/16 + 32
			case canon.Media:
				n += len(b.Data) + 128
			case canon.ToolUse:
				n += len(b.Input) + 256
			case canon.ToolResult:
				n += 256
				for _, b := range b.Blocks {
					if t, ok := b.(canon.Text); ok {
						n += len(t.Text) + len(t.Text)/8
					}
				}
			case canon.Reasoning:
				n += len(b.Text) + len(b.Seal) + 64
			}
		}
	}
	visit(req.System)
	for i := range req.Turns {
		visit(req.Turns[i].Blocks)
	}
	for i := range req.Tools {
		n += len(req.Tools[i].Description) + len(req.Tools[i].Schema) + 128
	}
	return n
}

// outgoing is a request on its way to the upstream.
type outgoing struct {
	b    []byte
	req  *canon.Request
	to   dialect.Target
	home bool // req came in this dialect
	lost []canon.Loss
	bad  *canon.Error
	said map[int]bool // the Extra that was written, by its numbers

	customs map[string]bool // tools that take free text

	// Of the contents, see writecontents.go.
	role     string // of the content that is open; "" if none is
	kind     string // member of the part that was written last
	open     int    // calls of the last turn of the model that have no result yet
	contents int    // how many there are
}

func (o *outgoing) lose(what canon.What, path, reason string) {
	o.lost = append(o.lost, canon.LostAt(what, path, reason))
}

func (o *outgoing) change(what canon.What, path, reason string) {
	o.lost = append(o.lost, canon.ChangedAt(what, path, reason))
}

// fail keeps the first thing that makes the request impossible.
func (o *outgoing) fail(path, format string, args ...any) {
	if o.bad == nil {
		o.bad = invalid(path, format, args...)
	}
}

// comma separates from what stands before in the same object or array.
func (o *outgoing) comma() {
	switch o.b[len(o.b)-1] {
	case '{', '[', ':':
	default:
		o.b = append(o.b, ',')
	}
}

// name begins a member.
func (o *outgoing) name(n string) {
	o.comma()
	o.b = append(appendString(o.b, n), ':') // it may be the client's
}

func (o *outgoing) str(n, v string) {
	o.name(n)
	o.b = appendString(o.b, v)
}

func (o *outgoing) raw(n string, v json.RawMessage) {
	o.name(n)
	o.b = append(o.b, v...)
}

func (o *outgoing) int(n string, v int64) {
	o.name(n)
	o.b = strconv.AppendInt(o.b, v, 10)
}

func (o *outgoing) float(n string, v float64) {
	o.name(n)
	o.b = appendFloat(o.b, v)
}

func (o *outgoing) bool(n string, v bool) {
	o.name(n)
	o.b = strconv.AppendBool(o.b, v)
}

func (o *outgoing) strings(n string, v []string) {
	o.name(n)
	o.b = append(o.b, '[')
	for i, s := range v {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = appendString(o.b, s)
	}
	o.b = append(o.b, ']')
}

// object writes the member n as an object with what fill writes into it, unless that is nothing.
func (o *outgoing) object(n string, fill func()) {
	before := len(o.b)
	o.name(n)
	o.b = append(o.b, '{')
	empty := len(o.b)
	fill()
	if len(o.b) == empty {
		o.b = o.b[:before]
		return
	}
	o.b = append(o.b, '}')
}

// appendFloat appends v as JSON writes numbers.
func appendFloat(dst []byte, v float64) []byte {
	b, err := json.Marshal(v)
	if err != nil { // no number; nothing that was read is
		return append(dst, '0')
	}
	return append(dst, b...)
}

// generate writes the members of a generateContent request.
func (o *outgoing) generate() {
	if o.req.PreviousID != "" {
		o.bad = canon.Errorf(canon.KindInvalid, "the model behind this call can't read the stored answer %q that it continues; send the whole conversation instead", o.req.PreviousID)
		return
	}
	for i := range o.req.Tools {
		if t := &o.req.Tools[i]; t.Custom {
			if o.customs == nil {
				o.customs = map[string]bool{}
			}
			o.customs[t.Name] = true
		}
	}
	o.paired()
	o.system()
	o.conversation()
	o.tools()
	o.toolConfig()
	o.object("generationConfig", o.config)
	o.service()
	o.extrasIn("")
	o.lostExtras()
}

// service writes how the call shall be served.
func (o *outgoing) service() {
	req := o.req
	switch tier := req.Tier; {
	case tier == "":
	case o.home && tier == "auto":
		o.str("serviceTier", "unspecified")
	case o.home && tier == "default":
		o.str("serviceTier", "standard")
	case o.home, tier == "flex", tier == "priority":
		o.str("serviceTier", tier)
	case tier == "auto", tier == "default", tier == "standard", tier == "standard_only": // what Google does unless asked
	default:
		o.lose(canon.WhatTier, "", "Google's tiers are standard, flex and priority")
	}
	if req.Store != nil {
		switch {
		case o.home:
			o.bool("store", *req.Store)
		case *req.Store: // Google keeps no answers that could be asked for again
			o.lose(canon.WhatStore, "", "the model's vendor keeps no answers that can be fetched later")
		}
	}
	if len(req.Metadata) > 0 {
		if o.home {
			o.object("labels", func() {
				for _, f := range req.Metadata {
					o.raw(f.Name, f.Value)
				}
			})
		} else {
			o.lose(canon.WhatMetadata, "", "the Gemini API takes no tags")
		}
	}
	if req.User != "" {
		o.lose(canon.WhatUser, "", "the Gemini API takes no name of the end user")
	}
	if req.CacheKey != "" {
		o.lose(canon.WhatCacheKey, "", "Google's cache finds common beginnings by itself")
	}
	if req.Verbosity != "" && req.Verbosity != "medium" { // which is what a model does that is not told
		o.lose(canon.WhatVerbosity, "", "Gemini models have no such setting")
	}
	if req.ParallelTools != nil && !*req.ParallelTools && len(req.Tools) > 0 {
		o.lose(canon.WhatParallelTools, "", "Gemini models can't be kept from calling several tools at once")
	}
}

// lostExtras declares the members that canon has no word for and that were not written: those of another
// dialect, and those within something that no longer is there.
func (o *outgoing) lostExtras() {
	for i, f := range o.req.Extra {
		switch {
		case !o.home && f.Idle:
		case !o.home:
			o.lose(canon.WhatExtra, f.Name, "only the API that the caller speaks has it")
		case !o.said[i]:
			o.lose(canon.WhatExtra, f.Name, "the Gemini API has no such member")
		}
	}
}

// extrasIn writes the members of what stands at in.
func (o *outgoing) extrasIn(in string) {
	if !o.home {
		return
	}
	for i, f := range o.req.Extra {
		if f.In == in {
			o.raw(f.Own(), f.Value)
			if o.said == nil {
				o.said = map[int]bool{}
			}
			o.said[i] = true
		}
	}
}

// hasExtra reports whether what stands at in has an Extra of this name that goes home.
func (o *outgoing) hasExtra(in, name string) bool {
	if !o.home {
		return false
	}
	for _, f := range o.req.Extra {
		if f.In == in && f.Own() == name {
			return true
		}
	}
	return false
}
