// Package account owns tenants: the tree of accounts, their virtual keys and what these may reach.
//
// It keeps a Directory that a call is looked up in without a lock or a database. It leaves money to
// ledger, rates to limit, models and prices to catalog.
package account

import "time"

// RootID is the id of the account on top of the tree. It manages everything; its own calls are
// metered and never refused for money.
const RootID = "root"

// Account is a node of the tree. Values in a Directory are immutable: change a copy and Put it.
type Account struct {
	ID       string // UUIDv7, or RootID
	ParentID string // "" for root
	Path     string // ids from root down, "." before, between and after: ".root.a.b."
	Name     string // unique
	Email    string // unique unless ""
	Alias    string
	Enabled  bool
	Role     Role
	Limits   Limits
	Models   []string // patterns of models it may call; empty: all. "-x" excludes
	Pools    []string // pools it may use, in order; empty: the default pool

	CreatedAt time.Time
	UpdatedAt time.Time
	Version   int64 // counts changes; a writer names the one it read
}

// Role says what an account may do besides calling models.
type Role string

// The roles.
const (
	RoleManager Role = "manager" // may manage its own sub-tree
	RoleCaller  Role = "caller"  // may only call
)

// Limits are rates; zero is no limit.
type Limits struct {
	RPM        int64 `json:"rpm,omitempty"` // requests per minute, hour, day
	RPH        int64 `json:"rph,omitempty"`
	RPD        int64 `json:"rpd,omitempty"`
	TPM        int64 `json:"tpm,omitempty"` // tokens per minute, hour, day
	TPH        int64 `json:"tph,omitempty"`
	TPD        int64 `json:"tpd,omitempty"`
	Concurrent int64 `json:"concurrent,omitempty"` // calls at once
}

// Key is a virtual key. The plain key is never stored.
type Key struct {
	ID        string
	AccountID string
	Name      string
	Hash      [32]byte // secret.HashKey of the plain key
	Hint      string   // last four characters, to recognise it by
	Enabled   bool
	ExpiresAt time.Time // zero: never
	Models    []string  // as Account.Models
	Limits    Limits
	CreatedAt time.Time
	UpdatedAt time.Time
	Version   int64
}
