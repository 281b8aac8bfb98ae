package proxyxai

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"tollgate/internal/account"
	"tollgate/internal/ledger"
	"tollgate/internal/news"
	"tollgate/internal/pool"
	"tollgate/internal/setting"
)

// fault is an error that the client sees.
type fault struct {
	status  int
	message string
}

func (f *fault) Error() string { return f.message }

func badRequest(format string, args ...any) error {
	return &fault{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// refuse writes an error in the API's shape. What we do not know stays in our log.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var f *fault
	var in *pool.InputError
	var set *setting.InputError
	var acc *account.InputError
	var taken *account.TakenError
	var piece *news.InputError
	var short *ledger.ShortError
	switch {
	case errors.As(err, &f):
	case errors.As(err, &set):
		f = &fault{http.StatusBadRequest, set.Error()}
	case errors.As(err, &acc):
		f = &fault{http.StatusBadRequest, accountWord(acc.Field) + ": " + acc.Reason}
	case errors.As(err, &taken):
		f = &fault{http.StatusBadRequest, accountWord(taken.Field) + " belongs to another account"}
	case errors.As(err, &piece):
		f = &fault{http.StatusBadRequest, piece.Error()}
	case errors.Is(err, news.ErrFull):
		f = &fault{http.StatusBadRequest, news.ErrFull.Error()}
	case errors.As(err, &short):
		f = &fault{http.StatusBadRequest, "the balance does not cover this"}
	case errors.Is(err, account.ErrHasBelow):
		f = &fault{http.StatusBadRequest, "there are accounts below it: delete those first"}
	case errors.Is(err, account.ErrNotFound):
		f = &fault{http.StatusNotFound, "it is not there any more"}
	case errors.Is(err, account.ErrConflict):
		f = &fault{http.StatusBadRequest, "it was changed by someone else in the meantime, or what must be unique is taken; read it again"}
	case errors.As(err, &in):
		f = &fault{http.StatusBadRequest, channelWord(in.Field) + ": " + in.Reason}
	case errors.Is(err, pool.ErrNotFound):
		f = &fault{http.StatusNotFound, "there is no such key"}
	case errors.Is(err, pool.ErrConflict):
		f = &fault{http.StatusBadRequest, "the key was changed by someone else in the meantime; read it again"}
	default:
		a.Log.LogAttrs(r.Context(), slog.LevelError, "x-api request failed", slog.Any("error", err))
		f = &fault{http.StatusInternalServerError, "this failed inside the gateway; its log says why"}
	}
	var body struct {
		Error struct {
			Message string `json:"message"`
			Type    string `json:"type"`
			Code    string `json:"code"`
		} `json:"error"`
	}
	body.Error.Message = f.message
	body.Error.Type, body.Error.Code = errorWords(f.status)
	write(w, f.status, body)
}

// channelWord is the API's word for a field of a channel.
func channelWord(field string) string {
	switch field {
	case "key":
		return "SecretKey"
	case "provider", "base_url":
		return "Provider"
	case "name":
		return "Name"
	case "id":
		return "ID"
	}
	return field
}

// accountWord is the API's word for a field of an account.
func accountWord(field string) string {
	name, rest, _ := strings.Cut(field, ".")
	switch name {
	case "limits":
		return strings.ToUpper(rest)
	case "parent_id", "id":
		return "the account above"
	case "paths":
		return "Resources"
	case "ips":
		return "AllowIPs"
	case "models":
		return "AllowModels"
	case "enabled":
		return "Status"
	}
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	if rest != "" {
		b.WriteString(" " + rest)
	}
	return b.String()
}

// errorWords are type and code of an error, as OpenAI's clients know them.
func errorWords(status int) (kind, code string) {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error", "invalid_api_key"
	case http.StatusForbidden:
		return "permission_error", "permission_denied"
	case http.StatusNotFound:
		return "invalid_request_error", "not_found"
	case http.StatusInternalServerError:
		return "server_error", "internal_error"
	}
	return "invalid_request_error", "invalid_request"
}
