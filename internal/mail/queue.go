package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/textproto"
	"time"

	"github.com/google/uuid"
)

// Item is a message in the queue.
type Item struct {
	ID        string // UUIDv7
	Key       string // what it is about, unique: one who knows that mail already is not told again
	To        string
	Subject   string
	Body      string // "" once State is not Waiting
	State     State
	Tries     int64
	NextAt    time.Time // not tried before
	Error     string    // of the last try
	CreatedAt time.Time
}

// State is how an item stands.
type State string

// The states.
const (
	Waiting State = "waiting"
	Sent    State = "sent"
	Failed  State = "failed" // given up
)

// Store keeps the queue.
type Store interface {
	// AddMails adds items, but for those whose key is there already, unless that many wait already that
	// there would be more than most; then it adds none and answers ErrFull.
	AddMails(ctx context.Context, items []Item, most int) error

	// DueMails returns waiting items whose time has come, the oldest first.
	DueMails(ctx context.Context, now time.Time, limit int) ([]Item, error)

	// ClaimMail counts a try of a waiting item and puts the next one off until next, if the item still
	// stands as it was read: of several processes one gets it.
	ClaimMail(ctx context.Context, item Item, next time.Time) (bool, error)

	// SettleMail writes state, tries, next time and error of an item, and drops the text of one that is done.
	SettleMail(ctx context.Context, item Item) error

	// ForgetMails removes items that were done before t.
	ForgetMails(ctx context.Context, t time.Time) error
}

// ErrFull says that too many messages wait.
var ErrFull = errors.New("too many mails wait to be sent")

// Bounds of the queue.
const (
	maxWaiting = 20_000
	batch      = 20
	idle       = 15 * time.Second     // between two looks for what is due
	lease      = 5 * time.Minute      // a process that took a message and died has it that long
	firstPause = time.Minute          // after the first try; doubled with every further one
	longPause  = 24 * time.Hour       //
	giveUp     = 14                   // tries; that is after three days
	remember   = 400 * 24 * time.Hour // so long nobody is written to again under the same key
	forgetting = 6 * time.Hour        // between two looks for what is older
	maxError   = 300                  // characters of an error that are kept
)

// Queue holds messages in the store until the server has taken them. A message is tried again with
// growing pauses until the server refuses it for good or giveUp tries are over. What was handed over is
// marked after that: if the process dies between the two, the message goes out a second time, with the
// same Message-ID, which mail programs show once.
type Queue struct {
	store  Store
	server func() Server
	log    *slog.Logger
	now    func() time.Time
	wake   chan struct{}
}

// NewQueue returns a queue over store that sends through whatever server is set at the moment.
func NewQueue(store Store, server func() Server, log *slog.Logger, now func() time.Time) *Queue {
	return &Queue{store: store, server: server, log: log, now: now, wake: make(chan struct{}, 1)}
}

// Enabled reports whether there is a server to send through.
func (q *Queue) Enabled() bool { return q.server().Enabled() }

// Put queues messages. Their IDs are the keys: what was queued under a key within about a year is not
// queued again. Without a server nothing is queued: a mail that comes months late helps nobody.
func (q *Queue) Put(ctx context.Context, messages ...Message) error {
	if !q.Enabled() || len(messages) == 0 {
		return nil
	}
	now := q.now().UTC().Truncate(time.Millisecond)
	items := make([]Item, 0, len(messages))
	for _, m := range messages {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("make an id: %w", err)
		}
		if _, err := Address(m.To); err != nil {
			q.log.LogAttrs(ctx, slog.LevelWarn, "a mail has no address to go to", slog.String("about", m.ID))
			continue
		}
		items = append(items, Item{ID: id.String(), Key: m.ID, To: m.To, Subject: OneLine(m.Subject, maxSubject), Body: m.Body, State: Waiting, NextAt: now, CreatedAt: now})
	}
	if err := q.store.AddMails(ctx, items, maxWaiting); err != nil {
		return fmt.Errorf("queue a mail: %w", err)
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

// Run sends what waits until ctx is done.
func (q *Queue) Run(ctx context.Context) {
	var forgot time.Time
	for {
		more := false
		if q.Enabled() {
			more = q.send(ctx)
		}
		if now := q.now(); now.Sub(forgot) > forgetting {
			forgot = now
			if err := q.store.ForgetMails(ctx, now.Add(-remember)); err != nil && ctx.Err() == nil {
				q.log.LogAttrs(ctx, slog.LevelWarn, "old mails were not forgotten", slog.Any("error", err))
			}
		}
		if more && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-q.wake:
		case <-time.After(idle):
		}
	}
}

// send tries what is due and reports whether there may be more.
func (q *Queue) send(ctx context.Context) (more bool) {
	due, err := q.store.DueMails(ctx, q.now(), batch)
	if err != nil {
		if ctx.Err() == nil {
			q.log.LogAttrs(ctx, slog.LevelWarn, "the mails that wait could not be read", slog.Any("error", err))
		}
		return false
	}
	for _, item := range due {
		if ctx.Err() != nil || !q.try(ctx, item) {
			return false
		}
	}
	return len(due) == batch
}

// try sends one item. It reports whether the store takes what is written to it: if not, nothing may be
// sent, or it would be sent again and again.
func (q *Queue) try(ctx context.Context, item Item) bool {
	got, err := q.store.ClaimMail(ctx, item, q.now().Add(lease))
	if err != nil {
		if ctx.Err() == nil {
			q.log.LogAttrs(ctx, slog.LevelWarn, "a mail could not be claimed", slog.String("about", item.Key), slog.Any("error", err))
		}
		return false
	}
	if !got {
		return true
	}
	err = q.server().Send(ctx, Message{ID: item.ID, To: item.To, Subject: item.Subject, Body: item.Body, At: item.CreatedAt})
	if cutOff(ctx, err) {
		return q.settle(ctx, item) // as it was read: due at the next start, with as many tries left
	}
	item.Tries++
	var refused *RefusedError
	switch {
	case err == nil:
		item.State, item.Error = Sent, ""
	case errors.As(err, &refused), item.Tries >= giveUp:
		item.State, item.Error = Failed, OneLine(err.Error(), maxError)
	default:
		item.Error = OneLine(err.Error(), maxError)
		item.NextAt = q.now().Add(pause(item.Tries))
	}
	if err != nil {
		q.log.LogAttrs(ctx, slog.LevelWarn, "a mail was not sent", slog.String("about", item.Key), slog.Int64("tries", item.Tries),
			slog.Bool("given_up", item.State == Failed), slog.String("reason", item.Error))
	}
	return q.settle(ctx, item)
}

// cutOff reports whether a try failed because this process ends, not because of what the server said.
func cutOff(ctx context.Context, err error) bool {
	var said *textproto.Error
	var refused *RefusedError
	return err != nil && ctx.Err() != nil && !errors.As(err, &said) && !errors.As(err, &refused)
}

// settle writes down how a claimed item stands, also while the process ends.
func (q *Queue) settle(ctx context.Context, item Item) bool {
	if err := q.store.SettleMail(context.WithoutCancel(ctx), item); err != nil {
		q.log.LogAttrs(ctx, slog.LevelError, "a mail that was tried could not be marked; it may go out a second time", slog.String("about", item.Key), slog.Any("error", err))
		return false
	}
	return true
}

// pause is how long to wait after so many tries.
func pause(tries int64) time.Duration {
	p := firstPause
	for range tries - 1 {
		p = min(2*p, longPause)
	}
	return p
}
