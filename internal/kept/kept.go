// Package kept keeps what the gateway itself must remember of answers, so that their callers can go on with
// them: responses that an upstream of another dialect gave and can't keep.
//
// It owns how much is kept, for whom, and for how long. What is kept is bytes to it: their form belongs to the
// dialect. Where it is kept belongs to the stores.
package kept

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Doc is something kept.
type Doc struct {
	AccountID string
	ID        string // of the response; unique within the account
	Body      []byte // UTF-8 without NUL
	At        time.Time
	Expires   time.Time
}

// Bytes is what the document counts for.
func (d *Doc) Bytes() int64 { return int64(len(d.Body) + len(d.ID) + len(d.AccountID)) }

// Limits bounds what is kept.
type Limits struct {
	DocBytes     int64         // of one document
	AccountBytes int64         // of all of one account; the oldest go first
	TotalBytes   int64         // of all; the oldest go first
	For          time.Duration // how long
}

// Defaults are the limits that nobody has chosen: OpenAI keeps responses for 30 days
// (https://platform.openai.com/docs/api-reference/responses, "store", read 2026-11-21).
func Defaults() Limits {
	return Limits{DocBytes: 8 << 20, AccountBytes: 64 << 20, TotalBytes: 1 << 30, For: 30 * 24 * time.Hour}
}

// Errors of a Keeper.
var (
	ErrNotFound = errors.New("not kept, or no longer")
	ErrTooLarge = errors.New("too large to be kept")
)

// Store keeps documents.
type Store interface {
	// PutKept adds a document, in place of one with the same id, and removes the oldest of its account until
	// those left have no more than accountBytes.
	PutKept(ctx context.Context, doc Doc, accountBytes int64) error

	// Kept returns a document that has not expired at now, or ErrNotFound.
	Kept(ctx context.Context, accountID, id string, now time.Time) (Doc, error)

	// DeleteKept removes a document that has not expired at now, or answers ErrNotFound.
	DeleteKept(ctx context.Context, accountID, id string, now time.Time) error

	// TrimKept removes what has expired at now, and then the oldest of all until those left have no more than
	// totalBytes. It returns how many went.
	TrimKept(ctx context.Context, now time.Time, totalBytes int64) (int64, error)
}

// Keeper keeps documents within limits.
type Keeper struct {
	store  Store
	limits Limits
	now    func() time.Time
}

// New returns a keeper that keeps in store.
func New(store Store, limits Limits, now func() time.Time) *Keeper {
	return &Keeper{store: store, limits: limits, now: now}
}

// Keep keeps body for an account under an id. It answers ErrTooLarge if that is more than is kept at all.
func (k *Keeper) Keep(ctx context.Context, accountID, id string, body []byte) error {
	now := k.now()
	doc := Doc{AccountID: accountID, ID: id, Body: body, At: now, Expires: now.Add(k.limits.For)}
	if n := doc.Bytes(); n > k.limits.DocBytes || n > k.limits.AccountBytes || n > k.limits.TotalBytes {
		return fmt.Errorf("%d bytes: %w", n, ErrTooLarge)
	}
	return k.store.PutKept(ctx, doc, k.limits.AccountBytes)
}

// Load returns what is kept, or ErrNotFound.
func (k *Keeper) Load(ctx context.Context, accountID, id string) ([]byte, error) {
	doc, err := k.store.Kept(ctx, accountID, id, k.now())
	return doc.Body, err
}

// Delete forgets what is kept, or answers ErrNotFound.
func (k *Keeper) Delete(ctx context.Context, accountID, id string) error {
	return k.store.DeleteKept(ctx, accountID, id, k.now())
}

// Trim removes what has expired and what is too much in total. Whoever owns the keeper calls it from time to
// time: every few minutes is often.
func (k *Keeper) Trim(ctx context.Context) (int64, error) {
	return k.store.TrimKept(ctx, k.now(), k.limits.TotalBytes)
}
