package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"time"

	"github.com/google/uuid"

	"tollgate/internal/catalog"
)

// LeastKept is how long calls are kept at least: the months of budgets are counted anew from them.
const LeastKept = 35 * 24 * time.Hour

// ErrForgotten says that a call is not there, and is so old that it may have been removed. It is an
// ErrNotFound.
var ErrForgotten = fmt.Errorf("older than calls are kept: %w", ErrNotFound)

// Began returns when the call with this id began, as the id says, or the zero time.
func Began(callID string) time.Time {
	id, err := uuid.Parse(callID)
	if err != nil || id.Version() != 7 {
		return time.Time{}
	}
	sec, nsec := id.Time().UnixTime()
	return time.Unix(sec, nsec)
}

// Digest stands for calls and what they were charged: it is the same for the same ones in any order, and
// for no others. It keeps the proof that an account is charged for its calls when these are gone.
type Digest struct {
	Calls int64
	sum   [4]uint64 // of 256 bits for each call
}

// Add takes in a call.
func (d *Digest) Add(callID string, amount catalog.Nanos) {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 64), uint64(amount))
	h := sha256.Sum256(append(b, callID...))
	one := Digest{Calls: 1}
	for i := range one.sum {
		one.sum[i] = binary.BigEndian.Uint64(h[8*i:])
	}
	d.join(one)
}

func (d *Digest) join(o Digest) {
	var carry uint64
	for i := range d.sum {
		d.sum[i], carry = bits.Add64(d.sum[i], o.sum[i], carry)
	}
	d.Calls += o.Calls
}

// Text is the sum as it is stored beside the number of calls.
func (d *Digest) Text() string {
	b := make([]byte, 0, 32)
	for _, n := range d.sum {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return hex.EncodeToString(b)
}

// ReadDigest reads what Text wrote; "" is that of no calls.
func ReadDigest(calls int64, text string) (Digest, error) {
	d := Digest{Calls: calls}
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != 32 && len(b) != 0 {
		return Digest{}, fmt.Errorf("the digest of %d calls that are kept no more is damaged", calls)
	}
	for i := range d.sum[:len(b)/8] {
		d.sum[i] = binary.BigEndian.Uint64(b[8*i:])
	}
	return d, nil
}
