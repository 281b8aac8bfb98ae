package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
	"tollgate/internal/pool"
)

// ErrUnsound is what Models.Put answers, with the reason, for a model that does not fit into the
// catalogue.
var ErrUnsound = errors.New("the catalogue would not be sound")

// errChanged says that the version a client named is not the one there is.
var errChanged = huma.Error409Conflict("it was changed in the meantime: read it again, and send the version you read")

// notFound is the answer for what is not there, and for what the caller may not know to be there.
func notFound(what string) error {
	return huma.Error404NotFound("there is no such " + what)
}

// invalid names a field at fault. where is "body.name", "query.name" or "path.name".
func invalid(where, reason string) error {
	return huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: where, Message: reason})
}

// problem turns an error of the domain into the one that the client sees. What it does not know stays
// in our log.
func (a *API) problem(ctx context.Context, err error) error {
	var known huma.StatusError
	var inAccount *account.InputError
	var taken *account.TakenError
	var inChannel *pool.InputError
	var short *ledger.ShortError
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &inAccount):
		return invalid("body."+inAccount.Field, inAccount.Reason)
	case errors.As(err, &inChannel) && inChannel.Field == "id":
		return huma.Error409Conflict(inChannel.Reason)
	case errors.As(err, &inChannel):
		return invalid("body."+inChannel.Field, inChannel.Reason)
	case errors.Is(err, ErrUnsound):
		return invalid("body", err.Error())
	case errors.Is(err, account.ErrNotFound), errors.Is(err, pool.ErrNotFound), errors.Is(err, catalog.ErrNotFound), errors.Is(err, ledger.ErrNotFound):
		return huma.Error404NotFound("it is not there, or not there any more")
	case errors.As(err, &short):
		return huma.Error409Conflict("there is less: $" + max(short.Left, 0).String() + " is left beyond debts and what is held for calls that run")
	case errors.Is(err, account.ErrHasBelow):
		return huma.Error409Conflict(account.ErrHasBelow.Error())
	case errors.As(err, &taken):
		return huma.Error409Conflict(taken.Error())
	case errors.Is(err, account.ErrConflict):
		return huma.Error409Conflict("it was changed in the meantime, or its name or mail address is taken: read it again")
	case errors.Is(err, pool.ErrConflict):
		return huma.Error409Conflict("it was changed in the meantime: read it again")
	case ctx.Err() != nil:
		return huma.Error503ServiceUnavailable("the request was given up before it was done")
	}
	a.Log.LogAttrs(ctx, slog.LevelError, "admin request failed", slog.Any("error", err))
	return huma.NewError(http.StatusInternalServerError, "this failed inside the gateway; its log says why")
}

// withoutValues takes what a client sent out of the errors about it: it may be a secret.
func withoutValues(_ huma.Context, _ string, v any) (any, error) {
	if p, ok := v.(*huma.ErrorModel); ok {
		for _, d := range p.Errors {
			if d != nil {
				d.Value = nil
			}
		}
	}
	return v, nil
}
