// Package news owns what operators and managers tell account holders: who is addressed, for how long
// it is shown, and how much of it there may be. Mailing it is up to others.
package news

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Item is a piece of news.
type Item struct {
	ID        string // UUIDv7
	Target    Target
	Title     string
	Content   string
	AuthorID  string // account id
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Target says whom news is for.
type Target struct {
	Path  string // path of an account; "": everybody
	Below bool   // those below it too
}

// InputError says which field was wrong, and why.
type InputError struct{ Field, Reason string }

func (e *InputError) Error() string { return e.Field + ": " + e.Reason }

// Bounds.
const (
	DefaultDays       = 7  // of news for everybody
	DefaultTargetDays = 32 // of other news
	maxDays           = 366
	maxTitle          = 200      // characters
	maxContent        = 20 << 10 // bytes
	maxShown          = 100      // for one target at a time
)

// Store keeps news.
type Store interface {
	// AddNews adds an item unless that many for the same target are shown at its time already; then it
	// answers ErrFull. What expired before is removed.
	AddNews(ctx context.Context, item Item, most int) error

	// News returns what is shown at now to the account with this path, the newest first.
	News(ctx context.Context, path string, now time.Time) ([]Item, error)

	// DeleteNews removes what is for exactly this target, of one author unless that is "", and returns how
	// many that were.
	DeleteNews(ctx context.Context, target Target, authorID string) (int64, error)
}

// ErrFull says that a target has as much news as it may have.
var ErrFull = errors.New("there is as much news for this target as can be shown; delete some first")

// Board changes and shows news.
type Board struct {
	store Store
	now   func() time.Time
}

// New returns a board over store.
func New(store Store, now func() time.Time) *Board { return &Board{store: store, now: now} }

// Post publishes item for days; 0 is the default of its target. It fills in id and times.
func (b *Board) Post(ctx context.Context, item Item, days int) (Item, error) {
	item.Title, item.Content = strings.TrimSpace(item.Title), strings.TrimSpace(item.Content)
	if days == 0 {
		days = DefaultTargetDays
		if item.Target.Path == "" {
			days = DefaultDays
		}
	}
	switch n := utf8.RuneCountInString(item.Title); {
	case n == 0 || n > maxTitle || strings.ContainsAny(item.Title, "\r\n\x00"):
		return Item{}, &InputError{"title", fmt.Sprintf("must have 1 to %d characters on one line", maxTitle)}
	case item.Content == "" || len(item.Content) > maxContent || strings.ContainsRune(item.Content, 0):
		return Item{}, &InputError{"content", fmt.Sprintf("must have 1 to %d bytes of text", maxContent)}
	case days < 1 || days > maxDays:
		return Item{}, &InputError{"days", fmt.Sprintf("must be between 1 and %d", maxDays)}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Item{}, fmt.Errorf("make an id: %w", err)
	}
	item.ID = id.String()
	item.CreatedAt = b.now().UTC().Truncate(time.Millisecond)
	item.ExpiresAt = item.CreatedAt.AddDate(0, 0, days)
	return item, b.store.AddNews(ctx, item, maxShown)
}

// Shown returns what an account is shown, the newest first: news for everybody, and news for it.
func (b *Board) Shown(ctx context.Context, path string) (all, own []Item, err error) {
	items, err := b.store.News(ctx, path, b.now())
	for _, i := range items {
		if i.Target.Path == "" {
			all = append(all, i)
		} else {
			own = append(own, i)
		}
	}
	return all, own, err
}

// Withdraw removes the news for exactly this target, of one author unless that is "", and returns how
// many pieces that were.
func (b *Board) Withdraw(ctx context.Context, target Target, authorID string) (int64, error) {
	return b.store.DeleteNews(ctx, target, authorID)
}
