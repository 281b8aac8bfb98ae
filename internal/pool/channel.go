// Package pool owns the upstream credentials: channels, which of them to try next, their health and
// cool-down, and which channel owns a stored object. It leaves sending to relay, facts about vendors
// to provider, and who may use which pool to account.
package pool

import (
	"context"
	"errors"
	"time"

	"tollgate/internal/limit"
	"tollgate/internal/secret"
)

// DefaultPool is the pool of channels and accounts that name none.
const DefaultPool = "default"

// Channel is one upstream credential. Values in a snapshot are immutable.
type Channel struct {
	ID       string // UUIDv7, or derived from its origin for channels from the environment or a file
	Name     string
	Provider string // name in provider/builtin
	BaseURL  string // "" means the provider's own
	Secret   secret.Secret
	Models   []string          // wildcard patterns; empty: what the provider serves
	Mapping  map[string]string // requested model (wildcards allowed) to the upstream's name for it
	Pools    []string          // empty: DefaultPool
	Priority int               // higher is tried first
	Weight   int               // share among equals; 0 counts as 1
	Limits   limit.Limits      // what it may be sent; over them the next channel is tried
	Enabled  bool
	Origin   Origin

	Retired   bool // the provider refused the key; it rests until a check succeeds
	Reason    string
	RetiredAt time.Time

	CreatedAt time.Time
	UpdatedAt time.Time
	Version   int64
}

// Origin says where a channel came from. Only OriginAPI rows may be changed through the API.
type Origin string

// The origins.
const (
	OriginAPI  Origin = "api"
	OriginEnv  Origin = "env"
	OriginFile Origin = "file"
)

// Errors that a Store answers and callers branch on.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("changed by someone else in the meantime, or it exists already")
)

// Store keeps channels (their secrets sealed) and the owners of stored objects.
type Store interface {
	Channels(ctx context.Context) ([]Channel, error)
	Channel(ctx context.Context, id string) (Channel, error)
	InsertChannel(ctx context.Context, c Channel) error
	UpdateChannel(ctx context.Context, c Channel) error // compares Version
	DeleteChannel(ctx context.Context, id string) error

	// SetRetired records health without touching Version: it is not a change of configuration.
	SetRetired(ctx context.Context, id string, retired bool, reason string, at time.Time) error

	// Owner looks up which channel keeps the object id for an account. It is written by the ledger's
	// drain, from the record of the call that made the object.
	Owner(ctx context.Context, accountID, objectID string) (channelID string, err error)
}
