// Package account owns tenants: the tree of accounts, their virtual keys and what these may reach.
//
// It keeps a Directory that a call is looked up in without a lock or a database. It leaves money to
// ledger, rates to limit, models and prices to catalog.
package account

import (
	"net/netip"
	"time"

	"tollgate/internal/catalog"
	"tollgate/internal/limit"
	"tollgate/internal/mapping"
)

// RootID is the id of the account on top of the tree. It manages everything; its own calls are
// metered and never refused for money.
const RootID = "root"

// Account is a node of the tree. Values in a Directory are immutable: change a copy and Put it.
//
// Every field holds what was laid down for this account itself. What is not said here is inherited: it
// is looked up along the line to root when it is needed, so a change above holds below at once. What
// is said here can be narrower than what is said above, never wider; see Directory.Effective.
type Account struct {
	ID           string // UUIDv7, or RootID
	ParentID     string // "" for root
	Path         string // ids from root down, "." before, between and after: ".root.a.b."
	Name         string // unique, whatever the case of its letters
	Email        string // unique unless "", whatever the case
	Alias        string
	BillingEmail string // where bills go; "": Email
	Enabled      bool   // false stops it and all below it
	Role         Role

	Limits      Limits             // of it and all below it together; zero: those above hold alone
	ModelLimits map[string]Limits  // the same for models, by pattern; the most telling one that fits holds
	LimitRatio  catalog.Multiplier // of the limits that the catalogue has for one account on a model; 0: as said above
	ChildLimit  int64              // most accounts right below it; 0: as said above

	Models      []string       // patterns of models it may call; empty: all. "-x" excludes
	Paths       []string       // patterns of API paths it may call, as Models
	IPs         []netip.Prefix // where its keys may be used from; empty: anywhere
	Pools       []string       // pools that serve it, in order; empty: the pool of its Level
	Level       int            // level of keys that serves it, 1 to mapping.MaxLevel; 0: as said above, the default pool for root
	AllowLevels []int          // further levels it may use, where a rule names them
	Mapping     mapping.Models // models sent instead of those asked for, before the rules above it and the gateway's
	Levels      mapping.Levels // levels that serve models, before the rules above it and the gateway's

	Rates     catalog.Multiplier // what its calls cost, over list prices; at least that of the account above; 0: as said above
	Prices    []catalog.Override // prices and free models of its own, by pattern; the most telling one that fits holds
	Unbilled  bool               // its calls, and those of all below, are metered and cost nothing
	HardLimit catalog.Nanos      // most that it and all below may spend in a month of its TimeZone; 0: no bound
	SoftLimit catalog.Nanos      // what it and all below may spend in a month before its owner is told; 0: see SoftLimitOf

	Gear, Factor, Tier int               // marks to find accounts by; nothing here depends on them
	Labels             map[string]string // what clients of the management APIs keep with it; nothing here reads it
	TimeZone           string            // IANA name by which its days and months begin; "": as said above, UTC for root

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
type Limits = limit.Limits

// Key is a virtual key. The plain key is never stored.
type Key struct {
	ID        string
	AccountID string
	Name      string
	Hash      [32]byte // secret.HashKey of the plain key
	Hint      string   // last four characters, to recognise it by
	Tail      string   // last twenty characters of a key that was made here; "" of one that someone chose
	Enabled   bool
	ExpiresAt time.Time      // zero: never
	Models    []string       // as Account.Models
	Paths     []string       // as Account.Paths
	IPs       []netip.Prefix // as Account.IPs
	Limits    Limits
	Quota     Quota
	Strict    bool // its calls are refused rather than answered with losses of translation

	// After a rotation with a time of grace, the key it had before works until OldUntil.
	OldHash  [32]byte
	OldUntil time.Time

	CreatedAt time.Time
	UpdatedAt time.Time
	Version   int64
}

// Quota bounds what a key may spend, in all time and in each day, week (from Monday) and month of its
// account's time zone. Zero is no bound.
type Quota struct {
	Total catalog.Nanos `json:"total,omitempty"`
	Day   catalog.Nanos `json:"day,omitempty"`
	Week  catalog.Nanos `json:"week,omitempty"`
	Month catalog.Nanos `json:"month,omitempty"`
}

// Narrow reports whether a key was made for less than its account may do. Such a key must not manage: it
// could widen itself, or make another one that is wider. Addresses that it may be used from do not count:
// they guard it.
func (k *Key) Narrow() bool {
	return len(k.Models) > 0 || len(k.Paths) > 0 || k.Limits != (Limits{}) || k.Quota != (Quota{})
}
