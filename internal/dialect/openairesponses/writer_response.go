package openairesponses

import (
	"cmp"
	"strconv"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/openai"
	"tollgate/internal/jsonedit"
)

// echo is what a response repeats of its request, as members of JSON, written once.
type echo struct {
	front []byte // what stands before output
	back  []byte // what stands behind it, up to the tier
}

// newEcho writes the members that say what was asked. Where the request says nothing, OpenAI's defaults
// stand, as in its own responses; strict clients look for every one of them.
// openai/openai-go v3.95.0, responses/response.go, type Response, read 2026-11-21.
func newEcho(a *dialect.Answer) echo {
	req := a.Request
	var e echo
	b := append([]byte(nil), `,"instructions":`...)
	if t, ok := instructions(req); ok {
		b = jsonedit.AppendQuoted(b, t)
	} else {
		b = append(b, `null`...)
	}
	b = append(b, `,"max_output_tokens":`...)
	if req.MaxOutput > 0 {
		b = strconv.AppendInt(b, req.MaxOutput, 10)
	} else {
		b = append(b, `null`...)
	}
	b = append(b, `,"max_tool_calls":`...)
	b = appendExtra(b, req, "max_tool_calls", `null`)
	b = append(b, `,"model":`...)
	e.front = jsonedit.AppendQuoted(b, a.Model)

	w := &requestWriter{req: req, home: true, b: []byte{}}
	yes := func(p *bool, other bool) bool {
		if p != nil {
			return *p
		}
		return other
	}
	w.b = append(w.b, `,"parallel_tool_calls":`...)
	w.b = strconv.AppendBool(w.b, yes(req.ParallelTools, true))
	w.b = append(w.b, `,"previous_response_id":`...)
	w.b = appendOrNull(w.b, cmp.Or(a.Continues, req.PreviousID))
	w.b = append(w.b, `,"prompt_cache_key":`...)
	w.b = appendOrNull(w.b, req.CacheKey)
	w.echoReasoning()
	w.b = append(w.b, `,"safety_identifier":null,"store":`...)
	w.b = strconv.AppendBool(w.b, yes(req.Store, true))
	w.echoNumber("temperature", req.Temperature)
	mark := len(w.b)
	if w.text(); len(w.b) == mark {
		w.b = append(w.b, `,"text":{"format":{"type":"text"},"verbosity":"medium"}`...)
	}
	w.echoChoice()
	mark = len(w.b)
	if w.tools(); len(w.b) == mark {
		w.b = append(w.b, `,"tools":[]`...)
	}
	w.b = append(w.b, `,"top_logprobs":`...)
	n := 0
	if req.LogProbs != nil {
		n = *req.LogProbs
	}
	w.b = strconv.AppendInt(w.b, int64(n), 10)
	w.echoNumber("top_p", req.TopP)
	w.b = append(w.b, `,"truncation":`...)
	w.b = appendExtra(w.b, req, "truncation", `"disabled"`)
	w.b = append(w.b, `,"user":`...)
	w.b = appendOrNull(w.b, req.User)
	w.metadata()
	e.back = w.b
	return e
}

// instructions returns the instructions of a request, which are not part of its input.
func instructions(req *canon.Request) (string, bool) {
	if len(req.SystemPaths) == 0 || req.SystemPaths[0] != atInstructions || len(req.System) == 0 {
		return "", false
	}
	t, ok := req.System[0].(canon.Text)
	return t.Text, ok
}

func appendOrNull(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, `null`...)
	}
	return jsonedit.AppendQuoted(dst, s)
}

func appendExtra(dst []byte, req *canon.Request, name, other string) []byte {
	for _, f := range req.Extra {
		if f.Name == name {
			return append(dst, f.Value...)
		}
	}
	return append(dst, other...)
}

func (w *requestWriter) echoReasoning() {
	effort, summary := "", ""
	if e := w.req.Reasoning; e != nil {
		effort = e.Level
		if e.Show == canon.ThoughtsShown {
			summary = "auto"
		}
	}
	w.b = append(w.b, `,"reasoning":{"effort":`...)
	w.b = appendOrNull(w.b, effort)
	w.b = append(w.b, `,"summary":`...)
	w.b = appendOrNull(w.b, summary)
	w.b = append(w.b, '}')
}

func (w *requestWriter) echoNumber(name string, f *float64) {
	if f == nil {
		one := 1.0
		f = &one
	}
	w.float(name, f)
}

func (w *requestWriter) echoChoice() {
	mark := len(w.b)
	if w.toolChoice(); len(w.b) > mark {
		return
	}
	w.b = append(w.b, `,"tool_choice":`...)
	w.b = appendExtra(w.b, w.req, "tool_choice", `"auto"`)
}

// response appends the response object. Output and usage are there once it has ended.
func (w *writer) response(dst []byte, status string, failed *responseError) []byte {
	dst = append(dst, `{"id":"resp_`...)
	dst = append(dst, w.base...)
	dst = append(dst, `","object":"response","created_at":`...)
	created := w.a.Created.Unix()
	if w.a.Created.IsZero() {
		created = 0
	}
	dst = strconv.AppendInt(dst, created, 10)
	dst = append(dst, `,"status":"`...)
	dst = append(dst, status...)
	dst = append(dst, `","background":false,"completed_at":null,"error":`...)
	if failed != nil {
		dst = append(dst, `{"code":`...)
		dst = jsonedit.AppendQuoted(dst, failed.Code)
		dst = append(dst, `,"message":`...)
		dst = jsonedit.AppendQuoted(dst, failed.Message)
		dst = append(dst, '}')
	} else {
		dst = append(dst, `null`...)
	}
	dst = append(dst, `,"incomplete_details":`...)
	if status == "incomplete" {
		_, reason := w.ending()
		dst = append(dst, `{"reason":`...)
		dst = jsonedit.AppendQuoted(dst, reason)
		dst = append(dst, '}')
	} else {
		dst = append(dst, `null`...)
	}
	dst = append(dst, w.echo.front...)
	dst = append(dst, `,"output":[`...)
	if status != "in_progress" {
		dst = w.output(dst, status)
	}
	dst = append(dst, ']')
	dst = append(dst, w.echo.back...)
	dst = append(dst, `,"service_tier":`...)
	tier := "default"
	if w.usage != nil && w.usage.Tier != "" {
		tier = w.usage.Tier
	}
	dst = jsonedit.AppendQuoted(dst, tier)
	dst = append(dst, `,"usage":`...)
	if w.usage == nil || status == "in_progress" {
		return append(dst, `null}`...)
	}
	dst = appendUsage(dst, *w.usage)
	if n := w.usage.WebSearches; n > 0 {
		dst = strconv.AppendInt(append(dst, `,"tool_usage":{"web_search":{"num_requests":`...), n, 10)
		dst = append(dst, "}}"...)
	}
	return append(dst, '}')
}

// output appends the items. Where the answer was cut off, the last of them was.
func (w *writer) output(dst []byte, status string) []byte {
	for i, it := range w.items {
		if i > 0 {
			dst = append(dst, ',')
		}
		state := "completed"
		if i == len(w.items)-1 && status != "completed" {
			state = "incomplete"
		}
		dst = it.append(dst, state)
	}
	return dst
}

// appendUsage appends usage in OpenAI's arithmetic: input tokens with those of the cache, output tokens
// with those of reasoning.
func appendUsage(dst []byte, u canon.Usage) []byte {
	dst = append(dst, `{"input_tokens":`...)
	dst = strconv.AppendInt(dst, u.In(), 10)
	dst = append(dst, `,"input_tokens_details":{"cached_tokens":`...)
	dst = strconv.AppendInt(dst, u.CacheRead, 10)
	dst = append(dst, `,"cache_write_tokens":`...)
	dst = strconv.AppendInt(dst, u.CacheWrite5m+u.CacheWrite1h, 10)
	dst = appendParts(dst, part{"image", u.InputImage}, part{"audio", u.InputAudio}, part{"video", u.InputVideo})
	dst = openai.AppendCreation(dst, u)
	dst = append(dst, `},"output_tokens":`...)
	dst = strconv.AppendInt(dst, u.Out(), 10)
	dst = append(dst, `,"output_tokens_details":{"reasoning_tokens":`...)
	dst = strconv.AppendInt(dst, u.Reasoning, 10)
	dst = appendParts(dst, part{"image", u.OutputImage}, part{"audio", u.OutputAudio})
	dst = append(dst, `},"total_tokens":`...)
	dst = strconv.AppendInt(dst, u.In()+u.Out(), 10)
	return append(dst, '}')
}

// part is a part of a sum of tokens.
type part struct {
	name string
	n    int64
}

// appendParts appends the parts that OpenAI's own models have none of, where there are any.
func appendParts(dst []byte, parts ...part) []byte {
	for _, p := range parts {
		if p.n > 0 {
			dst = append(append(append(dst, `,"`...), p.name...), `_tokens":`...)
			dst = strconv.AppendInt(dst, p.n, 10)
		}
	}
	return dst
}
