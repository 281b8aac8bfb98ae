package ledger

import (
	"context"
	"errors"
	"time"

	"tollgate/internal/catalog"
)

// Card is prepaid credit with an expiry. Spending takes the card that expires first.
type Card struct {
	ID        string
	AccountID string
	Amount    catalog.Nanos // what ever came onto it: what was granted, and cards merged into it
	Reference string
	Balance   catalog.Nanos // what is left, never negative
	GrantedAt time.Time
	ExpiresAt time.Time
}

// ErrNotFound says that there is no such row.
var ErrNotFound = errors.New("not found")

// Balance is what the store knows of an account's money.
type Balance struct {
	AccountID string
	Cards     []Card        // with a balance above zero, expiry ascending
	Debt      catalog.Nanos // spent beyond the cards, at least 0
	Spent     catalog.Nanos // in all time
}

// Position is a place in the journal.
type Position struct {
	Segment int64
	Offset  int64
}

// Store keeps what the ledger settled.
type Store interface {
	// Apply writes calls, in order, with their entries, card balances, debts, counters, roll-ups and
	// owners of stored objects, and moves the journal position of node to pos, all in one transaction.
	// A call whose id is already there changes nothing. Money moves by Teller.Charge; calls of root are
	// recorded and rolled up but move none. Without calls only the position moves. The calls stay the caller's.
	Apply(ctx context.Context, node string, calls []Call, pos Position) error

	// JournalPosition returns where the journal of node was applied up to; zero if never.
	JournalPosition(ctx context.Context, node string) (Position, error)

	// Transfer moves credit by Teller.Transfer, in one transaction. A transfer whose id is there already
	// changes nothing: its outcome is returned again, or ErrReused if it was another one.
	Transfer(ctx context.Context, t Transfer) (Transferred, error)
	// Transferred returns the outcome of a transfer that may have happened, and ErrNotFound, with the
	// balances of its accounts as they are, if it has not and will not. It waits for what is under way.
	Transferred(ctx context.Context, t Transfer) (Transferred, error)

	// Expired returns up to limit accounts with something on cards whose life ended at the instant
	// before or earlier. Expire takes it off by Teller.Expire and returns the account's money.
	Expired(ctx context.Context, before time.Time, limit int) ([]string, error)
	Expire(ctx context.Context, accountID string, before time.Time) (Balance, error)

	// Balances returns the money of all accounts that have a card or a debt or that spent something;
	// Balance that of one, ErrNotFound or zero if there is nothing.
	Balances(ctx context.Context) ([]Balance, error)
	Balance(ctx context.Context, accountID string) (Balance, error)

	// Moved returns what other processes at the same store moved and counted since, and the journal
	// position of node at that moment.
	Moved(ctx context.Context, node string, since Changes) (Moved, error)

	// PutClosing keeps a closing until DropClosing; a second one of the same account changes nothing.
	PutClosing(ctx context.Context, c Closing) error
	Closings(ctx context.Context) ([]Closing, error)
	DropClosing(ctx context.Context, accountID string) error

	// Counters returns all counters of budgets. Apply counts calls on them by Counter.Count, in the
	// same transaction, for every subject of Call.CountsFor.
	Counters(ctx context.Context) ([]Counter, error)
	// Count begins to keep a counter and returns it, with all calls in its period that the store has,
	// together with the journal position of node at that moment. One that is kept already is returned
	// as it is.
	Count(ctx context.Context, node string, c Counter) (Counter, Position, error)
	// Warn notes on the counter of a subject, period and zone that its soft limit was reported in the
	// period from Start on. It is true for the first one to do so.
	Warn(ctx context.Context, c Counter) (bool, error)

	Call(ctx context.Context, id string) (Call, error)
	Calls(ctx context.Context, q CallQuery) ([]Call, error)
	Entries(ctx context.Context, accountID string, q Page) ([]Entry, error)
	Rollups(ctx context.Context, q RollupQuery) ([]Rollup, error)
}

// Page asks for rows newest first: at most Limit, before the id Before ("" for the newest).
type Page struct {
	Before string
	Limit  int
}

// CallQuery selects calls. Empty fields select all.
type CallQuery struct {
	Page
	AccountIDs  []string
	KeyID       string
	Model       string
	ChannelID   string
	From, To    time.Time
	OnlyErrors  bool
	Quarantined bool
}

// Rollup sums the calls of an hour.
type Rollup struct {
	Hour        time.Time // start of the hour, UTC
	AccountID   string
	KeyID       string
	Model       string
	ChannelID   string
	Calls       int64
	Errors      int64
	InTokens    int64 // canon.Usage.In
	CacheRead   int64
	OutTokens   int64 // canon.Usage.Out
	Cost        catalog.Nanos
	Quarantined int64
}

// RollupQuery selects roll-ups.
type RollupQuery struct {
	AccountIDs []string
	From, To   time.Time
}
