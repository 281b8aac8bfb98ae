package gemini

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

// Spent is always 0: Google tells its limits only when they are met.
func (*Protocol) Spent(http.Header) time.Duration { return 0 }

// ReadError reads an error answer: Google's RPC status, alone or in a list, and what proxies and
// compatible gateways say instead.
//
// Source: https://ai.google.dev/gemini-api/docs/troubleshooting, google/rpc/error_details.proto and
// the answers quoted in public issues (google-gemini/gemini-cli #8437, #14831, #25198), read 2026-11-20.
func (*Protocol) ReadError(status int, h http.Header, body []byte) *canon.Error {
	text := strings.TrimSpace(string(body))
	e := readError(status, text)
	e.Status = status
	now := fault.AnsweredAt(h)
	if said := fault.RetryAfter(h, now); said > 0 {
		e.RetryAfter = said
	}
	if !fault.MayWait(e.Kind) {
		e.RetryAfter = 0
	}
	if e.Kind == canon.KindRateLimited && perDay(errorObject(text)) {
		// retryDelay says seconds here all the same; the quota comes back at midnight in California.
		e.RetryAfter = untilReset(now)
	}
	return e
}

// errorObject returns the object that describes an error, or nothing.
func errorObject(text string) gjson.Result {
	if text == "" || !gjson.Valid(text) {
		return gjson.Result{}
	}
	v := gjson.Parse(text)
	if v.IsArray() {
		v = v.Get("0")
	}
	inner := v.Get("error")
	if !inner.IsObject() {
		return v
	}
	// Some gateways put the whole of Google's answer into the message of theirs.
	if m := inner.Get("message"); m.Type == gjson.String && strings.HasPrefix(strings.TrimSpace(m.Str), "{") && gjson.Valid(m.Str) {
		if deeper := gjson.Get(m.Str, "error"); deeper.IsObject() {
			return deeper
		}
	}
	return inner
}

// readError reads {"error":{"code":…,"message":…,"status":…,"details":[…]}}. status is 0 inside a stream,
// where the code stands for it.
func readError(status int, text string) *canon.Error {
	v := errorObject(text)
	if status == 0 {
		status = int(v.Get("code").Int())
	}
	e := &canon.Error{
		Message: firstString(v.Get("message"), v.Get("error"), v.Get("detail"), v.Get("error_description")),
		Code:    firstString(v.Get("status"), v.Get("code"), v.Get("type")),
	}
	reason := ""
	v.Get("details").ForEach(func(_, d gjson.Result) bool {
		switch kind := d.Get("@type").Str; {
		case strings.HasSuffix(kind, "google.rpc.ErrorInfo"):
			reason = d.Get("reason").Str
		case strings.HasSuffix(kind, "google.rpc.RetryInfo"):
			if wait, err := time.ParseDuration(d.Get("retryDelay").Str); err == nil {
				e.RetryAfter = fault.Bounded(wait)
			}
		case strings.HasSuffix(kind, "google.rpc.BadRequest"):
			e.Param = fault.Clean(d.Get("fieldViolations.0.field").String())
		case kind == "" && d.Get("reason").Type == gjson.String: // a gateway that lost the type
			reason = d.Get("reason").Str
		}
		return true
	})
	kind, known := kindOf(v, reason, e.Message)
	if !known || status >= 400 && blames(kind) { // a status that is not the caller's fault counts for more than such a word
		byStatus, ok := fault.ByStatus(status)
		switch {
		case ok && (byStatus != canon.KindInvalid || !known):
			kind = byStatus
		case !known:
			kind = canon.KindUpstream
		}
	}
	e.Kind = kind
	if e.Message == "" {
		e.Message = fault.Describe(status, text, v.Exists())
	}
	e.NoModel = kind == canon.KindNotFound && (strings.HasPrefix(e.Message, "models/") || e.Code == "model_not_found")
	e.Message, e.Code = fault.Clean(e.Message), fault.Clean(e.Code)
	return e
}

// blames reports whether an error of the kind is the caller's, for what it asked.
func blames(k canon.Kind) bool { return k == canon.KindInvalid || k == canon.KindUnsupported }

// kindOf sorts an error by its own words: the reason in its details, its message where only that
// tells, and its status word.
func kindOf(v gjson.Result, reason, message string) (canon.Kind, bool) {
	switch reason {
	case "API_KEY_INVALID", "API_KEY_EXPIRED", "CONSUMER_SUSPENDED", "ACCESS_TOKEN_EXPIRED", "CREDENTIALS_MISSING":
		return canon.KindAuth, true // the first comes with 400 INVALID_ARGUMENT
	case "API_KEY_SERVICE_BLOCKED", "API_KEY_IP_ADDRESS_BLOCKED", "API_KEY_HTTP_REFERRER_BLOCKED", "SERVICE_DISABLED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "IAM_PERMISSION_DENIED":
		return canon.KindDenied, true
	case "BILLING_DISABLED":
		return canon.KindQuota, true
	}
	text := strings.ToLower(message)
	switch {
	case strings.Contains(text, "api key not valid"), strings.Contains(text, "api key not found"),
		strings.Contains(text, "api key expired"), strings.Contains(text, "reported as leaked"),
		strings.Contains(text, "unregistered callers"):
		return canon.KindAuth, true
	case strings.Contains(text, "prepayment credits"), strings.Contains(text, "spending cap"),
		strings.Contains(text, "enable billing"), strings.Contains(text, "billing account"):
		return canon.KindQuota, true
	case strings.Contains(text, "input token count"), strings.Contains(text, "exceeds the maximum number of tokens"),
		strings.Contains(text, "payload size exceeds"):
		return canon.KindTooLarge, true
	}
	switch v.Get("status").Str {
	case "INVALID_ARGUMENT", "OUT_OF_RANGE", "ALREADY_EXISTS":
		return canon.KindInvalid, true
	case "FAILED_PRECONDITION": // a country without the free tier, a project that is not set up
		return canon.KindDenied, true
	case "UNAUTHENTICATED":
		return canon.KindAuth, true
	case "PERMISSION_DENIED":
		return canon.KindDenied, true
	case "NOT_FOUND":
		return canon.KindNotFound, true
	case "RESOURCE_EXHAUSTED":
		if noQuota(v) {
			return canon.KindDenied, true
		}
		return canon.KindRateLimited, true
	case "UNAVAILABLE", "ABORTED":
		return canon.KindOverloaded, true
	case "DEADLINE_EXCEEDED":
		return canon.KindTimeout, true
	case "UNIMPLEMENTED":
		return canon.KindUnsupported, true
	case "INTERNAL", "UNKNOWN", "DATA_LOSS", "CANCELLED":
		return canon.KindUpstream, true
	}
	switch word := firstString(v.Get("code"), v.Get("type")); word { // OpenAI's, of a gateway
	case "invalid_api_key", "authentication_error":
		return canon.KindAuth, true
	case "insufficient_quota", "billing_error":
		return canon.KindQuota, true
	}
	return "", false
}

// violations calls fn for each quota that an error says was exceeded.
func violations(v gjson.Result, fn func(gjson.Result)) {
	v.Get("details").ForEach(func(_, d gjson.Result) bool {
		if strings.HasSuffix(d.Get("@type").Str, "google.rpc.QuotaFailure") {
			d.Get("violations").ForEach(func(_, one gjson.Result) bool {
				fn(one)
				return true
			})
		}
		return true
	})
}

// noQuota reports a limit of 0: the project's plan does not have this model at all, and waiting won't
// change that.
func noQuota(v gjson.Result) (none bool) {
	violations(v, func(one gjson.Result) { none = none || one.Get("quotaValue").String() == "0" })
	return none || strings.Contains(v.Get("message").Str, "limit: 0,")
}

// perDay reports whether a day's quota is used up. It belongs to one model of a project, so the key is
// not out of quota for good: KindRateLimited, and a long wait.
func perDay(v gjson.Result) (day bool) {
	violations(v, func(one gjson.Result) { day = day || strings.Contains(one.Get("quotaId").Str, "PerDay") })
	return day
}

// untilReset is the time until daily quotas are renewed: midnight in California, which is 8:00 UTC, or
// an hour before that in summer.
func untilReset(now time.Time) time.Duration {
	now = now.UTC()
	reset := time.Date(now.Year(), now.Month(), now.Day(), 8, 0, 0, 0, time.UTC)
	if !reset.After(now) {
		reset = reset.AddDate(0, 0, 1)
	}
	return reset.Sub(now)
}

func firstString(vs ...gjson.Result) string {
	for _, v := range vs {
		if v.Type == gjson.String && v.Str != "" {
			return v.Str
		}
	}
	return ""
}

// WriteError writes e as Google's RPC status.
func (*Protocol) WriteError(w http.ResponseWriter, e *canon.Error) {
	h := w.Header()
	if e.RetryAfter > 0 {
		h.Set("Retry-After", fault.WholeSeconds(e.RetryAfter))
	}
	fault.WriteJSON(w, statusOf(e), appendError(nil, e))
}

// AppendStreamError appends e as the last event, or bare, as the last element of an array: brackets and
// commas are the framer's. Google ends its events with CR LF, and so does this one: its SDK for Go looks
// for two bare line feeds first and would take all events that wait before such an end for one.
//
// Source: google.golang.org/genai v1.77.0, api_client.go (scan), read 2026-11-20.
func (*Protocol) AppendStreamError(dst []byte, head dialect.Head, e *canon.Error) []byte {
	if head.Framing == dialect.FramingJSONArray {
		return appendError(dst, e)
	}
	dst = append(dst, "data: "...)
	dst = appendError(dst, e)
	return append(dst, "\r\n\r\n"...)
}

type wireError struct {
	Error status `json:"error"`
}

// status is google.rpc.Status as the REST API writes it.
type status struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status"`
	Details []any  `json:"details,omitempty"`
}

type retryInfo struct {
	Type       string `json:"@type"`
	RetryDelay string `json:"retryDelay"`
}

type errorInfo struct {
	Type   string `json:"@type"`
	Reason string `json:"reason"`
	Domain string `json:"domain"`
}

type badRequest struct {
	Type            string           `json:"@type"`
	FieldViolations []fieldViolation `json:"fieldViolations"`
}

type fieldViolation struct {
	Field       string `json:"field"`
	Description string `json:"description"`
}

// appendError appends e as JSON on one line.
func appendError(dst []byte, e *canon.Error) []byte {
	_, word := wordsOf(e.Kind)
	s := status{Code: statusOf(e), Message: e.Message, Status: word}
	if s.Message == "" {
		s.Message = word
	}
	if e.Kind == canon.KindAuth {
		s.Details = append(s.Details, errorInfo{Type: "type.googleapis.com/google.rpc.ErrorInfo", Reason: "API_KEY_INVALID", Domain: "googleapis.com"})
	}
	if e.Param != "" {
		s.Details = append(s.Details, badRequest{
			Type:            "type.googleapis.com/google.rpc.BadRequest",
			FieldViolations: []fieldViolation{{Field: e.Param, Description: s.Message}},
		})
	}
	if e.RetryAfter > 0 {
		s.Details = append(s.Details, retryInfo{Type: "type.googleapis.com/google.rpc.RetryInfo", RetryDelay: fault.WholeSeconds(e.RetryAfter) + "s"})
	}
	b, err := json.Marshal(wireError{s})
	if err != nil {
		// Strings always marshal; the line is for a reader who wonders.
		b = []byte(`{"error":{"code":500,"message":"internal error","status":"INTERNAL"}}`)
	}
	return append(dst, b...)
}

func statusOf(e *canon.Error) int {
	if e.Status >= 400 && e.Status <= 599 {
		return e.Status
	}
	code, _ := wordsOf(e.Kind)
	return code
}

// wordsOf returns the HTTP status and the status word of a kind.
//
// Source: google/rpc/code.proto. 502 has no word of its own; UNAVAILABLE is what Google's own front
// ends say there.
func wordsOf(k canon.Kind) (code int, word string) {
	switch k {
	case canon.KindInvalid, canon.KindTooLarge, canon.KindUnsupported:
		return 400, "INVALID_ARGUMENT"
	case canon.KindAuth:
		return 401, "UNAUTHENTICATED"
	case canon.KindDenied:
		return 403, "PERMISSION_DENIED"
	case canon.KindNotFound:
		return 404, "NOT_FOUND"
	case canon.KindRateLimited, canon.KindQuota:
		return 429, "RESOURCE_EXHAUSTED"
	case canon.KindOverloaded:
		return 503, "UNAVAILABLE"
	case canon.KindUpstream:
		return 502, "UNAVAILABLE"
	case canon.KindTimeout:
		return 504, "DEADLINE_EXCEEDED"
	case canon.KindCanceled:
		return 499, "CANCELLED"
	case canon.KindInternal:
	}
	return 500, "INTERNAL"
}
