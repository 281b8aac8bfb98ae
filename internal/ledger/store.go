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
	Amount    catalog.Nanos // face value when granted
	Balance   catalog.Nanos // what is left, never negative
	Reference string
	GrantedAt time.Time
	ExpiresAt time.Time
}

// DefaultCardLife is how long a card lives when nobody says.
const DefaultCardLife = 365 * 24 * time.Hour

// Entry is a line of the ledger. Every movement has two sides: what leaves Account arrives at
// Counter. Entries are append-only.
type Entry struct {
	ID      string
	At      time.Time
	Kind    EntryKind
	Account string        // account id
	Counter string        // account id, or one of the system sides below
	Amount  catalog.Nanos // of Account's balance: positive arrives, negative leaves
	CardID  string
	CallID  string
	Note    string
}

// EntryKind says what moved the money.
type EntryKind string

// The kinds.
const (
	EntryGrant  EntryKind = "grant"  // credit given
	EntryTake   EntryKind = "take"   // credit taken back
	EntrySpend  EntryKind = "spend"  // a call, paid from a card
	EntryDebt   EntryKind = "debt"   // a call, or a part of it, that no card covered
	EntryRepay  EntryKind = "repay"  // a debt paid from a new card
	EntryExpire EntryKind = "expire" // what was left on a card when it expired
)

// System sides of an Entry.
const (
	SideOperator = "@operator" // who grants credit to accounts below root
	SideRevenue  = "@revenue"  // where spent money goes
	SideExpired  = "@expired"
)

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
	// Apply writes calls, in order, with their entries, card balances, debts, roll-ups and owners of
	// stored objects, and moves the journal position of node to pos, all in one transaction. A call
	// whose id is already there changes nothing. A cost is distributed by Spend, at the AtMillis of
	// the call; calls of root are recorded and rolled up but move no money. Without calls only the
	// position moves.
	Apply(ctx context.Context, node string, calls []Call, pos Position) error

	// JournalPosition returns where the journal of node was applied up to; zero if never.
	JournalPosition(ctx context.Context, node string) (Position, error)

	// Grant adds a card to an account, with its entry; a debt is paid from it first. It returns the
	// card as it stands after.
	Grant(ctx context.Context, card Card, note string) (Card, error)

	// Balances returns the money of all accounts that have a card or a debt or that spent something;
	// Balance that of one, ErrNotFound or zero if there is nothing.
	Balances(ctx context.Context) ([]Balance, error)
	Balance(ctx context.Context, accountID string) (Balance, error)

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
