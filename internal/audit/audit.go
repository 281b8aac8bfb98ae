// Package audit owns the trail of what people did to accounts, keys, money, channels and models: who,
// what, when and how it ended. The APIs record what they carried out or refused; calls of models are
// not its business, their records are ledger's.
package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Event is one thing that somebody did, or tried to.
type Event struct {
	ID         string // UUIDv7
	At         time.Time
	Action     string // noun and verb: "account.create", "key.rotate", "credit.grant" …
	Status     Status
	OperatorID string          // account of who did it
	KeyID      string          // its key
	TargetID   string          // account that it was done to; "" if it is about something else
	Object     string          // what else it is about: id of a key or a channel, name of a model; may be ""
	Details    json.RawMessage // a JSON object, bounded, without secrets; nil: nothing to say
}

// Status says how it ended.
type Status string

// How it may end.
const (
	Done   Status = "done"
	Failed Status = "failed" // refused, or it went wrong: nothing changed
)

// Query selects events, newest first.
type Query struct {
	AccountIDs []string // as operator or target; empty: all there are
	Action     string   // "": any; "account." any that begins so
	Status     Status   // "": any
	OperatorID string   // "": any
	TargetID   string   // "": any
	From, To   time.Time

	Before string // id of the last event of the page before; "" for the newest
	Offset int    // events to skip instead
	Limit  int
}

// Store keeps events.
type Store interface {
	InsertEvent(ctx context.Context, e Event) error
	Events(ctx context.Context, q Query) ([]Event, error)
	CountEvents(ctx context.Context, q Query) (int, error) // without Before, Offset and Limit
}

// Trail records events.
type Trail struct {
	store Store
	log   *slog.Logger
	now   func() time.Time
}

// NewTrail returns a Trail over store.
func NewTrail(store Store, log *slog.Logger, now func() time.Time) *Trail {
	return &Trail{store: store, log: log, now: now}
}

// Bounds of what is kept of an event, in bytes.
const (
	maxText    = 200
	maxDetails = 4 << 10
)

// timeout bounds how long recording may hold up whoever did something.
const timeout = 5 * time.Second

// Record keeps an event; details is written as JSON and must hold no secrets. What was done is done:
// when the store does not take the event, our log has it.
func (t *Trail) Record(ctx context.Context, e Event, details any) {
	e.At = t.now().UTC().Truncate(time.Millisecond)
	e.Object = cut(e.Object)
	err := t.record(ctx, &e, details)
	if err != nil {
		t.log.LogAttrs(ctx, slog.LevelError, "the audit trail does not take an event", slog.String("action", e.Action), slog.String("operator", e.OperatorID),
			slog.String("target", e.TargetID), slog.String("object", e.Object), slog.String("status", string(e.Status)), slog.Any("error", err))
	}
}

func (t *Trail) record(ctx context.Context, e *Event, details any) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make an id: %w", err)
	}
	e.ID = id.String()
	if details != nil {
		if e.Details, err = json.Marshal(details); err != nil {
			return fmt.Errorf("write the details: %w", err)
		}
		if len(e.Details) > maxDetails {
			e.Details = json.RawMessage(`{"too_long":true}`)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	return t.store.InsertEvent(ctx, *e)
}

// Events returns the events that q selects.
func (t *Trail) Events(ctx context.Context, q Query) ([]Event, error) { return t.store.Events(ctx, q) }

// Count returns how many events q selects, without paging.
func (t *Trail) Count(ctx context.Context, q Query) (int, error) { return t.store.CountEvents(ctx, q) }

func cut(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return s
}
