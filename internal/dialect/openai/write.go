package openai

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
)

// ErrorBody is the error object of both dialects. Its four members are always there; param and code may be null.
type ErrorBody struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

// Body returns e in OpenAI's words. Types and codes are those of its error guide:
// https://developers.openai.com/api/docs/guides/error-codes, read 2026-11-20.
func Body(e *canon.Error) ErrorBody {
	b := ErrorBody{Message: e.Message}
	code := ""
	switch e.Kind {
	case canon.KindAuth:
		b.Type, code = "invalid_request_error", "invalid_api_key"
	case canon.KindDenied:
		b.Type, code = "invalid_request_error", "permission_denied"
	case canon.KindNotFound:
		b.Type, code = "invalid_request_error", "not_found"
		if e.Param == "model" {
			code = "model_not_found"
		}
	case canon.KindTooLarge:
		b.Type, code = "invalid_request_error", "request_too_large"
	case canon.KindUnsupported:
		b.Type, code = "invalid_request_error", "unsupported"
	case canon.KindRateLimited:
		b.Type, code = "rate_limit_error", "rate_limit_exceeded"
	case canon.KindQuota:
		b.Type, code = "insufficient_quota", "insufficient_quota"
	case canon.KindOverloaded:
		b.Type, code = "server_error", "server_is_overloaded"
	case canon.KindUpstream:
		b.Type, code = "server_error", "upstream_error"
	case canon.KindTimeout:
		b.Type, code = "server_error", "timeout"
	case canon.KindInternal:
		b.Type, code = "server_error", "server_error"
	case canon.KindCanceled:
		b.Type, code = "invalid_request_error", "request_cancelled"
	default:
		b.Type = "invalid_request_error"
	}
	if e.Code != "" {
		code = e.Code
	}
	if b.Message == "" {
		b.Message = "The request failed: " + string(e.Kind) + "."
	}
	if code != "" {
		b.Code = &code
	}
	if e.Param != "" {
		b.Param = &e.Param
	}
	return b
}

// status returns the HTTP status for e. An upstream's own word for what is wrong with a request (400,
// 422 …) is kept, as clients may branch on it.
func status(e *canon.Error) int {
	switch e.Kind {
	case canon.KindInvalid:
		if e.Status >= 400 && e.Status < 500 {
			return e.Status
		}
		return http.StatusBadRequest
	case canon.KindAuth:
		return http.StatusUnauthorized
	case canon.KindDenied:
		return http.StatusForbidden
	case canon.KindNotFound:
		if e.Code == "previous_response_not_found" {
			return http.StatusBadRequest // what a body refers to is a fault of the body; there the API says 404 of models alone
		}
		return http.StatusNotFound
	case canon.KindTooLarge:
		return http.StatusRequestEntityTooLarge
	case canon.KindUnsupported:
		return http.StatusUnsupportedMediaType
	case canon.KindRateLimited, canon.KindQuota:
		return http.StatusTooManyRequests
	case canon.KindOverloaded:
		return http.StatusServiceUnavailable
	case canon.KindUpstream:
		return http.StatusBadGateway
	case canon.KindTimeout:
		return http.StatusGatewayTimeout
	case canon.KindCanceled:
		return 499 // nginx's word for a client that went away; nobody is there to read it
	default:
		return http.StatusInternalServerError
	}
}

// WriteError writes e as the whole answer.
func WriteError(w http.ResponseWriter, e *canon.Error) {
	h := w.Header()
	if e.RetryAfter > 0 {
		seconds := (e.RetryAfter + time.Second - 1) / time.Second
		h.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	if e.Kind == canon.KindQuota {
		// OpenAI's SDKs try a 429 again unless told not to; an empty purse does not fill in seconds.
		h.Set("X-Should-Retry", "false")
	}
	writeJSON(w, status(e), struct {
		Error ErrorBody `json:"error"`
	}{Body(e)})
}

// AppendData appends v as the data of an event.
func AppendData(dst []byte, v any) []byte {
	dst = append(dst, "data: "...)
	dst = append(dst, marshal(v)...)
	return append(dst, "\n\n"...)
}

// model is an entry of the list of models: https://developers.openai.com/api/reference/resources/models.
type model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func modelOf(m dialect.Model) model {
	owner := m.Owner
	if owner == "" {
		owner = "system"
	}
	return model{ID: m.Name, Object: "model", Created: m.CreatedUnix, OwnedBy: owner}
}

// WriteModels writes the list of models.
func WriteModels(w http.ResponseWriter, models []dialect.Model) {
	list := struct {
		Object string  `json:"object"`
		Data   []model `json:"data"`
	}{Object: "list", Data: make([]model, 0, len(models))}
	for _, m := range models {
		list.Data = append(list.Data, modelOf(m))
	}
	writeJSON(w, http.StatusOK, list)
}

// WriteModel writes one model.
func WriteModel(w http.ResponseWriter, m dialect.Model) { writeJSON(w, http.StatusOK, modelOf(m)) }

func writeJSON(w http.ResponseWriter, status int, v any) {
	body := append(marshal(v), '\n')
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that hung up is the server's to notice
}

// SaysError reports whether the result of a tool that failed says so in its words.
func SaysError(result []canon.Block) bool {
	if len(result) == 0 {
		return false
	}
	t, ok := result[0].(canon.Text)
	return ok && len(t.Text) >= 5 && strings.EqualFold(t.Text[:5], "error")
}

// WithError returns the result of a tool that failed with a word for it at its beginning, unless it has one.
func WithError(result []canon.Block) []canon.Block {
	if SaysError(result) {
		return result
	}
	if len(result) > 0 {
		if t, ok := result[0].(canon.Text); ok {
			return append([]canon.Block{canon.Text{Text: "Error:\n" + t.Text}}, result[1:]...)
		}
	}
	return append([]canon.Block{canon.Text{Text: "Error:"}}, result...)
}
