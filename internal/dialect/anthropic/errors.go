package anthropic

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/fault"
)

// ReadError reads an error answer. Besides Anthropic's own shape it knows OpenAI's, which many
// gateways in front of Claude use, and what proxies and load balancers say in plain text and HTML.
//
// Source: https://platform.claude.com/docs/en/api/errors and …/rate-limits, read 2026-11-20.
func (*Protocol) ReadError(status int, h http.Header, body []byte) *canon.Error {
	text := strings.TrimSpace(string(body))
	e := readError(status, text)
	e.Status = status
	if fault.MayWait(e.Kind) {
		e.RetryAfter = retryAfter(h)
	}
	return e
}

// errorObject returns text as JSON if it is an object, also where a proxy has put it into a list.
func errorObject(text string) gjson.Result {
	if text == "" || !gjson.Valid(text) {
		return gjson.Result{}
	}
	v := gjson.Parse(text)
	if v.IsArray() {
		v = v.Get("0")
	}
	return v
}

// readError reads {"type":"error","error":{…}} and its relatives. status is 0 inside a stream.
func readError(status int, text string) *canon.Error {
	v := errorObject(text)
	inner := v.Get("error")
	if !inner.IsObject() {
		inner = v
	}
	word := firstString(inner.Get("type"), v.Get("type"))
	code := inner.Get("code").String()
	message := firstString(inner.Get("message"), v.Get("error"), v.Get("message"), v.Get("detail"), v.Get("error.details"))
	kind, known := kindOf(word, code, message)
	if !known || (status != 0 && vague(kind)) {
		if byStatus, ok := fault.ByStatus(status); ok && (byStatus != canon.KindInvalid || !known) {
			kind = byStatus
		} else if !known {
			kind = canon.KindUpstream
		}
	}
	if message == "" {
		message = fault.Describe(status, text, v.Exists())
	}
	if word == "error" {
		word = ""
	}
	return &canon.Error{
		Kind: kind, Message: fault.Clean(message), Param: inner.Get("param").String(), Code: firstWord(word, code),
		NoModel: kind == canon.KindNotFound && (strings.HasPrefix(message, "model:") || code == "model_not_found"),
	}
}

// vague reports whether a status says more than kind does: compatible vendors answer 401 and 429 with
// invalid_request_error or api_error.
func vague(k canon.Kind) bool { return k == canon.KindInvalid || k == canon.KindUpstream }

// kindOf sorts an error by its own words. The first three cases are 400s with the type
// invalid_request_error, told apart by nothing but their text.
func kindOf(word, code, message string) (kind canon.Kind, known bool) {
	text := strings.ToLower(message)
	switch {
	case strings.Contains(text, "credit balance is too low"),
		strings.Contains(text, "reached your specified api usage limits"):
		return canon.KindQuota, true
	case strings.Contains(text, "prompt is too long"),
		strings.Contains(text, "exceed context limit"):
		return canon.KindTooLarge, true
	case strings.Contains(text, "organization has been disabled"):
		return canon.KindAuth, true
	}
	for _, w := range [...]string{code, word} {
		switch w {
		case "authentication_error", "invalid_api_key", "invalid_authentication", "account_deactivated":
			return canon.KindAuth, true
		case "permission_error", "permission_denied":
			return canon.KindDenied, true
		case "billing_error", "insufficient_quota", "billing_not_active", "insufficient_user_quota":
			return canon.KindQuota, true
		case "not_found_error", "model_not_found":
			return canon.KindNotFound, true
		case "request_too_large", "context_length_exceeded":
			return canon.KindTooLarge, true
		case "rate_limit_error", "rate_limit_exceeded":
			return canon.KindRateLimited, true
		case "overloaded_error":
			return canon.KindOverloaded, true
		case "timeout_error":
			return canon.KindTimeout, true
		}
	}
	switch word {
	case "invalid_request_error":
		return canon.KindInvalid, true
	case "api_error", "server_error":
		return canon.KindUpstream, true
	}
	return "", false
}

// retryAfter reads how long to wait: retry-after, else the latest reset of an exhausted limit.
func retryAfter(h http.Header) time.Duration {
	now := fault.AnsweredAt(h)
	if wait := fault.RetryAfter(h, now); wait > 0 {
		return wait
	}
	return spent(h, now)
}

// Spent reads the limits of which nothing remains.
// Source: https://docs.anthropic.com/en/api/rate-limits#response-headers, read 2026-11-20.
func (*Protocol) Spent(h http.Header) time.Duration {
	for _, l := range rateLimits {
		if v := h[l.remaining]; len(v) > 0 && v[0] == "0" {
			return spent(h, fault.AnsweredAt(h))
		}
	}
	return 0
}

// rateLimits are the header names of the limits, in canonical form.
var rateLimits = [...]struct{ remaining, reset string }{
	{"Anthropic-Ratelimit-Requests-Remaining", "Anthropic-Ratelimit-Requests-Reset"},
	{"Anthropic-Ratelimit-Tokens-Remaining", "Anthropic-Ratelimit-Tokens-Reset"},
	{"Anthropic-Ratelimit-Input-Tokens-Remaining", "Anthropic-Ratelimit-Input-Tokens-Reset"},
	{"Anthropic-Ratelimit-Output-Tokens-Remaining", "Anthropic-Ratelimit-Output-Tokens-Reset"},
}

// spent is the latest reset of an exhausted limit.
func spent(h http.Header, now time.Time) time.Duration {
	var wait time.Duration
	for _, l := range rateLimits {
		if h.Get(l.remaining) != "0" {
			continue
		}
		if t, err := time.Parse(time.RFC3339, h.Get(l.reset)); err == nil {
			wait = max(wait, t.Sub(now))
		}
	}
	return fault.Bounded(wait)
}

func firstString(vs ...gjson.Result) string {
	for _, v := range vs {
		if v.Type == gjson.String && v.Str != "" {
			return v.Str
		}
	}
	return ""
}

func firstWord(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}

// WriteError writes e in Anthropic's shape. The request id is the one that the server has put into the
// header; Anthropic's clients look for it in Request-Id and in the body.
func (*Protocol) WriteError(w http.ResponseWriter, e *canon.Error) {
	h := w.Header()
	id := firstWord(h.Get("Request-Id"), h.Get("X-Request-Id"))
	if id != "" {
		h.Set("Request-Id", id)
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", fault.WholeSeconds(e.RetryAfter))
	}
	status, _ := wordsOf(e.Kind)
	if e.Status >= 400 && e.Status <= 599 {
		status = e.Status
	}
	fault.WriteJSON(w, status, appendError(nil, e, id))
}

// AppendStreamError appends an error event. Anthropic's streams have no other framing than SSE.
func (*Protocol) AppendStreamError(dst []byte, _ dialect.Head, e *canon.Error) []byte {
	dst = append(dst, "event: error\ndata: "...)
	dst = appendError(dst, e, "")
	return append(dst, "\n\n"...)
}

type wireError struct {
	Type      string      `json:"type"`
	Error     errorDetail `json:"error"`
	RequestID string      `json:"request_id,omitempty"`
}

type errorDetail struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// appendError appends e as JSON on one line. Anthropic has no field for the parameter at fault; its own
// messages begin with it.
func appendError(dst []byte, e *canon.Error, id string) []byte {
	_, word := wordsOf(e.Kind)
	message := e.Message
	if message == "" {
		message = word
	}
	if e.Param != "" && !strings.Contains(message, e.Param) {
		message = e.Param + ": " + message
	}
	b, err := json.Marshal(wireError{Type: "error", Error: errorDetail{Type: word, Message: message}, RequestID: id})
	if err != nil {
		// Strings always marshal; the line is for a reader who wonders.
		b = []byte(`{"type":"error","error":{"type":"api_error","message":"internal error"}}`)
	}
	return append(dst, b...)
}

// wordsOf returns the status and the error type of a kind.
func wordsOf(k canon.Kind) (status int, word string) {
	switch k {
	case canon.KindInvalid, canon.KindUnsupported:
		return 400, "invalid_request_error"
	case canon.KindAuth:
		return 401, "authentication_error"
	case canon.KindQuota:
		return 402, "billing_error"
	case canon.KindDenied:
		return 403, "permission_error"
	case canon.KindNotFound:
		return 404, "not_found_error"
	case canon.KindTooLarge:
		return 413, "request_too_large"
	case canon.KindRateLimited:
		return 429, "rate_limit_error"
	case canon.KindOverloaded:
		return 529, "overloaded_error"
	case canon.KindTimeout:
		return 504, "timeout_error"
	case canon.KindUpstream:
		return 502, "api_error"
	case canon.KindCanceled:
		return 499, "api_error"
	case canon.KindInternal:
	}
	return 500, "api_error"
}
