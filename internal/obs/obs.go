// Package obs owns what a Tollgate says about itself: its log, its metrics and the id that ties both
// to a request.
//
// It knows the shape of a log line and of a metric, not what a call is: relay fills them. It leaves
// what is stored about calls to ledger.
package obs

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/google/uuid"
)

// NewRequestID returns a fresh id for a request, a UUIDv7. An id that a client sends is never taken
// over: ids are keys in the journal, and a client could send the same one twice.
func NewRequestID() string {
	return uuid.Must(uuid.NewV7FromReader(random{})).String() // which fails only if its reader does
}

// random reads from the runtime's generator. An id must be unlike any other; it is no secret.
type random struct{}

func (random) Read(p []byte) (int, error) {
	for i := 0; i < len(p); i += 8 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], rand.Uint64())
		copy(p[i:], word[:])
	}
	return len(p), nil
}
