package gemini

import (
	"encoding/json"
	"strings"

	"tollgate/internal/canon"
	"tollgate/internal/dialect/jsonfield"
)

// readConfig reads a generationConfig.
func readConfig(req *canon.Request, raw string) error {
	o, err := fields(raw)
	if err != nil {
		return err
	}
	for _, m := range o {
		switch m.Name {
		case "temperature":
			req.Temperature, err = pointer(jsonfield.Float(m.Raw))
		case "topP":
			req.TopP, err = pointer(jsonfield.Float(m.Raw))
		case "topK":
			req.TopK, err = pointer(integer(m.Raw))
		case "seed":
			req.Seed, err = pointer(integer(m.Raw))
		case "maxOutputTokens":
			req.MaxOutput, err = integer(m.Raw)
		case "candidateCount":
			var n int64
			n, err = integer(m.Raw)
			req.N = int(min(max(n, 0), 1<<31-1))
		case "stopSequences":
			req.Stop, err = jsonfield.Strings(m.Raw)
		case "presencePenalty":
			req.PresencePenalty, err = pointer(jsonfield.Float(m.Raw))
		case "frequencyPenalty":
			req.FrequencyPenalty, err = pointer(jsonfield.Float(m.Raw))
		case "responseLogprobs", "logprobs":
			// Together they are one thing; see readLogProbs.
		case "thinkingConfig":
			err = readThinking(req, m.Raw)
		case "responseMimeType", "responseSchema", "responseJsonSchema":
			// Together they are the format; see below.
		default: // responseModalities, speechConfig, mediaResolution …
			extra(req, "generationConfig", m)
		}
		if err != nil {
			return jsonfield.Within(err, m.Name)
		}
	}
	if err := readLogProbs(req, o); err != nil {
		return err
	}
	return readFormat(req, o)
}

// readLogProbs reads responseLogprobs, which asks for those of the chosen tokens, and logprobs, which asks
// for those of the likeliest as well.
func readLogProbs(req *canon.Request, config jsonfield.Object) error {
	n := 0
	if raw := config.Find("logprobs"); raw != "" {
		many, err := integer(raw)
		if err != nil {
			return jsonfield.Within(err, "logprobs")
		}
		n = int(min(max(many, 0), 1<<31-1))
	}
	switch raw := config.Find("responseLogprobs"); raw {
	case "":
	case "true":
		req.LogProbs = &n
		return nil
	case "false":
	default:
		return jsonfield.Within(jsonfield.Wrong("true or false", raw), "responseLogprobs")
	}
	for _, m := range config { // without responseLogprobs, none are asked for
		if m.Name == "logprobs" || m.Name == "responseLogprobs" {
			extra(req, "generationConfig", m)
		}
	}
	return nil
}

func pointer[T any](v T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// readThinking reads how much to think: a budget in tokens where 0 is off and -1 is up to the model,
// or, from Gemini 3 on, a level.
func readThinking(req *canon.Request, raw string) error {
	o, err := fields(raw)
	if err != nil {
		return err
	}
	for _, m := range o {
		switch m.Name {
		case "thinkingBudget":
			n, err := integer(m.Raw)
			if err != nil {
				return jsonfield.Within(err, m.Name)
			}
			e := effort(req)
			e.Budget, e.Disabled, e.Adaptive = max(n, 0), n == 0, n < 0
		case "thinkingLevel":
			level, err := jsonfield.String(m.Raw)
			if err != nil {
				return jsonfield.Within(err, m.Name)
			}
			if level != "THINKING_LEVEL_UNSPECIFIED" {
				effort(req).Level = strings.ToLower(level)
			}
		case "includeThoughts":
			show, err := jsonfield.Bool(m.Raw)
			if err != nil {
				return jsonfield.Within(err, m.Name)
			}
			if show { // else nothing is asked for: the answer's writer keeps thoughts to itself
				effort(req).Show = canon.ThoughtsShown
			}
		default:
			extra(req, "generationConfig.thinkingConfig", m)
		}
	}
	return nil
}

func effort(req *canon.Request) *canon.Effort {
	if req.Reasoning == nil {
		req.Reasoning = &canon.Effort{}
	}
	return req.Reasoning
}

// readFormat reads the three members that ask for JSON.
func readFormat(req *canon.Request, config jsonfield.Object) error {
	mime, err := config.Text("responseMimeType")
	if err != nil {
		return err
	}
	schema := config.Find("responseSchema")
	jsonSchemaRaw := config.Find("responseJsonSchema")
	if mime != "" && mime != "application/json" && mime != "text/plain" {
		// text/x.enum and others: what canon calls a format is JSON.
		for _, m := range config {
			switch m.Name {
			case "responseMimeType", "responseSchema", "responseJsonSchema":
				extra(req, "generationConfig", m)
			}
		}
		return nil
	}
	switch {
	case jsonSchemaRaw != "":
		req.Format = &canon.Format{Schema: json.RawMessage(jsonSchemaRaw)}
		if schema != "" {
			extra(req, "generationConfig", jsonfield.Member{Name: "responseSchema", Raw: schema})
		}
	case schema != "":
		s, err := jsonSchema(schema)
		if err != nil {
			return jsonfield.Within(err, "responseSchema")
		}
		req.Format = &canon.Format{Schema: s}
	case mime == "application/json":
		req.Format = &canon.Format{}
	}
	return nil
}
