package simulator

import (
	"fmt"
	"net/http"
	"strconv"
)

// kind is the class of a fault; every dialect has its own status and words for it.
type kind int

const (
	badRequest kind = iota
	noKey
	badKey
	noMoney
	noPath
	badMethod
	badType
	badJSON
	tooLarge
	noModel
	notFound
	rateLimited
	overloaded
	broken
	byStatus
	answered // nothing to word: a behaviour has answered already
)

// fault is an error answer before a dialect words it.
type fault struct {
	kind       kind
	status     int    // with byStatus
	msg        string // badRequest: the vendor's message; noModel: the model; notFound: the message
	param      string // OpenAI only
	code       string // OpenAI only
	retryAfter int    // seconds; 0: not said
}

func invalid(param, code, format string, args ...any) *fault {
	return &fault{kind: badRequest, param: param, code: code, msg: fmt.Sprintf(format, args...)}
}

// fail writes f as the vendor does.
func (c *call) fail(f *fault) {
	c.be.garble, c.be.big, c.be.cutBody = 0, 0, false // these are about answers
	var status int
	var body jsonBuf
	switch c.rt.dialect {
	case anthropic:
		status, body = c.anthropicFault(f)
	case gemini:
		status, body = c.geminiFault(f)
	default:
		status, body = openAIFault(f, c)
	}
	if f.retryAfter > 0 {
		c.w.Header().Set("Retry-After", strconv.Itoa(f.retryAfter))
	}
	if f.kind == badMethod {
		c.w.Header().Set("Allow", c.rt.method)
	}
	ct := "application/json"
	if c.rt.dialect == gemini {
		ct = "application/json; charset=UTF-8"
	}
	c.answer(status, ct, body)
}

// openAIFault words f. Source: https://platform.openai.com/docs/guides/error-codes and the bodies that
// the API answers, as quoted in public issues (e.g. https://github.com/openai/codex/issues/8145), 2026-11-20.
func openAIFault(f *fault, c *call) (int, jsonBuf) {
	status, typ, code, param, msg := http.StatusBadRequest, "invalid_request_error", f.code, f.param, f.msg
	switch f.kind {
	case badRequest, answered:
	case noKey:
		status = http.StatusUnauthorized
		msg = "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're accessing the API from your browser and are prompted for a username and password. You can obtain an API key from https://platform.openai.com/account/api-keys."
	case badKey:
		status, code = http.StatusUnauthorized, "invalid_api_key"
		msg = "Incorrect API key provided: ***" + tail(c.key) + ". You can find your API key at https://platform.openai.com/account/api-keys."
	case noMoney:
		status, typ, code = http.StatusTooManyRequests, "insufficient_quota", "insufficient_quota"
		msg = "You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."
	case noPath:
		status = http.StatusNotFound
		msg = "Invalid URL (" + c.r.Method + " " + clip(c.r.URL.Path, 200) + ")"
	case badMethod:
		status, code = http.StatusMethodNotAllowed, "method_not_supported"
		msg = "Not allowed to " + c.r.Method + " on " + clip(c.r.URL.Path, 200) + "."
	case badType:
		status, code = http.StatusBadRequest, "unsupported_content_type"
		msg = "Unsupported content type: '" + clip(f.msg, 80) + "'. This API method only accepts 'application/json' requests, but you specified the header 'Content-Type: " + clip(f.msg, 80) + "'. Please try again with a supported content type."
	case badJSON:
		msg = "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"
	case tooLarge:
		status = http.StatusRequestEntityTooLarge
		msg = "Maximum content size limit (" + strconv.FormatInt(c.s.cfg.MaxBody, 10) + ") exceeded."
	case noModel:
		status, code = http.StatusNotFound, "model_not_found"
		msg = "The model `" + clip(f.msg, 200) + "` does not exist or you do not have access to it."
	case notFound:
		status = http.StatusNotFound
	case rateLimited:
		status, typ, code = http.StatusTooManyRequests, "requests", "rate_limit_exceeded"
		msg = "Rate limit reached for requests in organization org-simulated on requests per min (RPM): Limit 500, Used 500, Requested 1. Please try again later. Visit https://platform.openai.com/account/rate-limits to learn more."
	case overloaded:
		status, typ = http.StatusServiceUnavailable, "server_error"
		msg = "The engine is currently overloaded, please try again later"
	case broken:
		status, typ = http.StatusInternalServerError, "server_error"
		msg = serverTrouble
	case byStatus:
		status = f.status
		switch {
		case status == http.StatusTooManyRequests:
			return openAIFault(&fault{kind: rateLimited}, c)
		case status == http.StatusUnauthorized:
			return openAIFault(&fault{kind: badKey}, c)
		case status == http.StatusServiceUnavailable:
			return openAIFault(&fault{kind: overloaded}, c)
		case status == http.StatusNotFound:
			return openAIFault(&fault{kind: noModel, msg: c.rec.Model}, c)
		case status == http.StatusForbidden:
			msg, code = "You are not allowed to sample from this model", "permission_denied"
		case status >= 500:
			typ, msg = "server_error", serverTrouble
		default:
			msg = "The request was refused (" + strconv.Itoa(status) + ")."
		}
	}
	return status, openAIError("    ", msg, typ, param, code)
}

const serverTrouble = "The server had an error while processing your request. Sorry about that!"

// openAIError builds an error body, indented as the API does it when indent is set.
func openAIError(indent, msg, typ, param, code string) jsonBuf {
	null := func(s string) string {
		if s == "" {
			return "null"
		}
		return quoted(s)
	}
	var b jsonBuf
	if indent == "" {
		return *b.raw(`{"error":{"message":`).str(msg).raw(`,"type":`).str(typ).raw(`,"param":`).raw(null(param)).raw(`,"code":`).raw(null(code)).raw(`}}`)
	}
	b.raw("{\n" + indent + "\"error\": {\n" + indent + indent + "\"message\": ").str(msg)
	b.raw(",\n" + indent + indent + "\"type\": ").str(typ)
	b.raw(",\n" + indent + indent + "\"param\": ").raw(null(param))
	b.raw(",\n" + indent + indent + "\"code\": ").raw(null(code))
	b.raw("\n" + indent + "}\n}")
	return b
}

// anthropicFault words f. Source: https://platform.claude.com/docs/en/api/errors, and bodies quoted in
// public issues (e.g. https://github.com/anthropics/claude-code/issues/66297), 2026-11-20.
func (c *call) anthropicFault(f *fault) (int, jsonBuf) {
	status, typ, msg := http.StatusBadRequest, "invalid_request_error", f.msg
	switch f.kind {
	case badRequest, answered:
	case noKey:
		status, typ, msg = http.StatusUnauthorized, "authentication_error", "x-api-key header is required"
	case badKey:
		status, typ, msg = http.StatusUnauthorized, "authentication_error", "invalid x-api-key"
	case noMoney:
		msg = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."
	case noPath, notFound:
		status, typ = http.StatusNotFound, "not_found_error"
		if msg == "" {
			msg = "Not found"
		}
	case badMethod:
		status, msg = http.StatusMethodNotAllowed, "Method Not Allowed"
	case badType:
		msg = "Content-Type must be application/json"
	case badJSON:
		msg = "The request body is not valid JSON"
	case tooLarge:
		status, typ, msg = http.StatusRequestEntityTooLarge, "request_too_large", "Request exceeds the maximum size"
	case noModel:
		status, typ, msg = http.StatusNotFound, "not_found_error", "model: "+clip(f.msg, 200)
	case rateLimited:
		status, typ = http.StatusTooManyRequests, "rate_limit_error"
		msg = "This request would exceed your organization's rate limit of 50 requests per minute. Please reduce the prompt length or the maximum tokens requested, or try again later."
	case overloaded:
		status, typ, msg = 529, "overloaded_error", "Overloaded"
	case broken:
		status, typ, msg = http.StatusInternalServerError, "api_error", "Internal server error"
	case byStatus:
		status = f.status
		switch {
		case status == http.StatusTooManyRequests:
			return c.anthropicFault(&fault{kind: rateLimited})
		case status == http.StatusUnauthorized:
			return c.anthropicFault(&fault{kind: badKey})
		case status == 529:
			return c.anthropicFault(&fault{kind: overloaded})
		case status == http.StatusNotFound:
			return c.anthropicFault(&fault{kind: noModel, msg: c.rec.Model})
		case status == http.StatusForbidden:
			typ, msg = "permission_error", "Your API key does not have permission to use the specified resource."
		case status == http.StatusGatewayTimeout:
			typ, msg = "timeout_error", "Request timed out"
		case status >= 500:
			typ, msg = "api_error", "Internal server error"
		default:
			msg = "The request was refused (" + strconv.Itoa(status) + ")."
		}
	}
	var b jsonBuf
	b.raw(`{"type":"error","error":{"type":`).str(typ).raw(`,"message":`).str(msg).raw(`},"request_id":`).str(c.requestID()).raw(`}`)
	return status, b
}

// geminiFault words f. A wrong key is a 400 and a missing one a 403 there.
// Source: https://ai.google.dev/gemini-api/docs/troubleshooting and bodies quoted in public
// issues (e.g. https://github.com/cequence-io/openai-scala-client/issues/109), 2026-11-20.
func (c *call) geminiFault(f *fault) (int, jsonBuf) {
	status, word, msg, details := http.StatusBadRequest, "INVALID_ARGUMENT", f.msg, ""
	switch f.kind {
	case badRequest, answered:
	case noKey:
		status, word = http.StatusForbidden, "PERMISSION_DENIED"
		msg = "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API."
	case badKey:
		msg = "API key not valid. Please pass a valid API key."
		details = `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com","metadata":{"service":"generativelanguage.googleapis.com"}},{"@type":"type.googleapis.com/google.rpc.LocalizedMessage","locale":"en-US","message":"API key not valid. Please pass a valid API key."}`
	case noMoney:
		status, word = http.StatusTooManyRequests, "RESOURCE_EXHAUSTED"
		msg = "You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits."
		details = `{"@type":"type.googleapis.com/google.rpc.Help","links":[{"description":"Learn more about Gemini API quotas","url":"https://ai.google.dev/gemini-api/docs/rate-limits"}]},{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"generativelanguage.googleapis.com/generate_content_free_tier_requests","quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier","quotaValue":"50"}]}`
	case noPath:
		status, word, msg = http.StatusNotFound, "NOT_FOUND", "Requested entity was not found."
	case notFound:
		status, word = http.StatusNotFound, "NOT_FOUND"
	case badMethod:
		status, word, msg = http.StatusNotFound, "NOT_FOUND", "Requested entity was not found."
	case badType:
		msg = "Request content type must be application/json."
	case badJSON:
		msg = "Invalid JSON payload received. Expected an object."
	case tooLarge:
		status = http.StatusRequestEntityTooLarge
		msg = "Request payload size exceeds the limit: " + strconv.FormatInt(c.s.cfg.MaxBody, 10) + " bytes."
	case noModel:
		status, word = http.StatusNotFound, "NOT_FOUND"
		msg = "models/" + clip(f.msg, 200) + " is not found for API version v1beta, or is not supported for " + c.rt.endpoint + ". Call ListModels to see the list of available models and their supported methods."
	case rateLimited:
		status, word, msg = http.StatusTooManyRequests, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."
		if f.retryAfter > 0 {
			details = `{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"` + strconv.Itoa(f.retryAfter) + `s"}`
		}
	case overloaded:
		status, word, msg = http.StatusServiceUnavailable, "UNAVAILABLE", "The model is overloaded. Please try again later."
	case broken:
		status, word, msg = http.StatusInternalServerError, "INTERNAL", geminiTrouble
	case byStatus:
		status = f.status
		switch status {
		case http.StatusTooManyRequests:
			return c.geminiFault(&fault{kind: rateLimited})
		case http.StatusServiceUnavailable:
			return c.geminiFault(&fault{kind: overloaded})
		case http.StatusNotFound:
			return c.geminiFault(&fault{kind: noModel, msg: c.rec.Model})
		case http.StatusUnauthorized:
			word, msg = "UNAUTHENTICATED", "Request had invalid authentication credentials."
		case http.StatusForbidden:
			word, msg = "PERMISSION_DENIED", "The caller does not have permission"
		case http.StatusGatewayTimeout:
			word, msg = "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."
		default:
			msg = "The request was refused (" + strconv.Itoa(status) + ")."
			if status >= 500 {
				word, msg = "INTERNAL", geminiTrouble
			}
		}
	}
	b := geminiError(status, word, msg, details)
	if c.rt.endpoint == "streamGenerateContent" && c.r.URL.Query().Get("alt") != "sse" {
		b = append(append(jsonBuf{'['}, b...), "\n]"...)
	}
	return status, b
}

const geminiTrouble = "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting"

// geminiError builds an error body; details are the members of its list, or "".
func geminiError(status int, word, msg, details string) jsonBuf {
	var b jsonBuf
	b.raw("{\n  \"error\": {\n    \"code\": ").int(int64(status)).raw(",\n    \"message\": ").str(msg).raw(",\n    \"status\": ").str(word)
	if details != "" {
		b.raw(",\n    \"details\": [").raw(details).raw("]")
	}
	b.raw("\n  }\n}\n")
	return b
}

// requestID returns the id of this exchange, the same in body and header.
func (c *call) requestID() string {
	h := c.w.Header()
	name, prefix := "X-Request-Id", "req_"
	if c.rt.dialect == anthropic {
		name, prefix = "Request-Id", "req_01"
	}
	id := h.Get(name)
	if id == "" {
		id = c.s.newID(prefix, base62, 22)
		h.Set(name, id)
	}
	return id
}

// vendorHeaders adds what the vendor's answers carry besides the body.
func (c *call) vendorHeaders(h http.Header) {
	switch c.rt.dialect {
	case anthropic:
		c.requestID()
		h["Anthropic-Organization-Id"] = []string{"00000000-0000-4000-8000-000000000000"}
		h["Anthropic-Ratelimit-Requests-Limit"] = []string{"4000"}
		h["Anthropic-Ratelimit-Requests-Remaining"] = []string{"3999"}
	case gemini:
		h["Server-Timing"] = []string{"gfet4t7; dur=1"}
	default:
		c.requestID()
		h["Openai-Version"] = []string{"2020-10-01"}
		h["Openai-Processing-Ms"] = []string{"1"}
		h["X-Ratelimit-Limit-Requests"] = []string{"10000"}
		h["X-Ratelimit-Remaining-Requests"] = []string{"9999"}
	}
}
