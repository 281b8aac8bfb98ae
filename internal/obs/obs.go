// Package obs owns what a Tollgate says about itself: its log, its metrics and the id that ties both
// to a request.
//
// It knows the shape of a log line and of a metric, not what a call is: relay fills them. It leaves
// what is stored about calls to ledger.
package obs

import "github.com/google/uuid"

// NewRequestID returns a fresh id for a request, a UUIDv7. An id that a client sends is never taken
// over: ids are keys in the journal, and a client could send the same one twice.
func NewRequestID() string {
	return uuid.Must(uuid.NewV7()).String() // fails only if crypto/rand does, which ends the process since Go 1.24
}
