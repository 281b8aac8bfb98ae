// Package obs owns what a Tollgate says about itself: its log, its metrics and the ids that tie both
// to a request.
//
// It knows the shape of a log line and of a metric, not what a call is: relay fills them. It leaves
// what is stored about calls to ledger.
package obs

import (
	"context"

	"github.com/google/uuid"
)

type requestIDKey struct{}

// NewRequestID returns a fresh id for a request, a UUIDv7. An id that a client sends is never taken
// over: ids are keys in the journal, and a client could send the same one twice.
func NewRequestID() string {
	return uuid.Must(uuid.NewV7()).String() // fails only if crypto/rand does, which ends the process since Go 1.24
}

// WithRequestID returns a context that carries id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the id that ctx carries, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
