package ledger

import (
	"encoding/json"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
)

// Call is the record of one settled call: what is written to the journal, and from there to the
// store. Fields are never renamed or reused: an old journal must stay readable.
type Call struct {
	ID         string            `json:"id"` // UUIDv7; settling twice is a no-op
	AtMillis   int64             `json:"at"` // when it was settled, UTC milliseconds
	RequestID  string            `json:"request_id,omitempty"`
	AccountID  string            `json:"account"`
	Above      []string          `json:"above,omitempty"` // accounts above it but root, whose budgets it counts for
	KeyID      string            `json:"key,omitempty"`
	ChannelID  string            `json:"channel,omitempty"` // the last one tried; "" if none was
	Provider   string            `json:"provider,omitempty"`
	Dialect    canon.Dialect     `json:"dialect"`
	Op         canon.Op          `json:"op"`
	Model      string            `json:"model,omitempty"`    // as the client asked
	Upstream   string            `json:"upstream,omitempty"` // as sent to the channel
	Stream     bool              `json:"stream,omitempty"`
	ClientGone bool              `json:"client_gone,omitempty"` // the client had left when the call was settled, before the last byte; all may have gone well
	Status     int               `json:"status"`                // HTTP status that the client got; 0 if it left before
	ErrorKind  canon.Kind        `json:"error,omitempty"`
	ErrorText  string            `json:"error_text,omitempty"` // bounded, no secrets
	Stop       canon.Stop        `json:"stop,omitempty"`
	Attempts   []Attempt         `json:"attempts,omitempty"`
	FirstMs    int64             `json:"first_ms,omitempty"` // to the first content byte
	TotalMs    int64             `json:"total_ms"`           // rounded up: see Began
	ClientIP   string            `json:"ip,omitempty"`
	Usage      canon.Usage       `json:"usage"`
	Source     canon.UsageSource `json:"source,omitempty"` // "" when nothing was consumed
	Receipt    *catalog.Receipt  `json:"receipt,omitempty"`
	Cost       catalog.Nanos     `json:"cost"`                 // what it cost; the account is charged this, see Charged
	Quarantine string            `json:"quarantine,omitempty"` // why the price is not known; then Cost is 0 and an operator must look
	Unbilled   bool              `json:"unbilled,omitempty"`   // metered only: it counts for budgets, but no money was taken
	ObjectID   string            `json:"object,omitempty"`     // stored response that ChannelID now owns
	Objects    []string          `json:"objects,omitempty"`    // what else the answer names that ChannelID keeps: containers, files, items
	Spoken     canon.Dialect     `json:"spoken,omitempty"`     // dialect of the channel, where the call was translated
	Losses     []string          `json:"losses,omitempty"`     // what translation lost or changed: "path: feature kind"

	// Document is what AppendRecord writes, where whoever made the call has that already; nil otherwise.
	Document json.RawMessage `json:"-"`
}

// Charged is what the account pays for the call.
func (c *Call) Charged() catalog.Nanos {
	if c.Unbilled || c.AccountID == account.RootID {
		return 0
	}
	return max(c.Cost, 0)
}

// Began is when the call began and money was held for it, or a millisecond before that.
func (c *Call) Began() time.Time { return time.UnixMilli(c.AtMillis - max(c.TotalMs, 0)) }

// Attempt is one try at one channel.
type Attempt struct {
	ChannelID string     `json:"channel"`
	Status    int        `json:"status,omitempty"` // upstream's; 0: none came
	Kind      canon.Kind `json:"error,omitempty"`
	Ms        int64      `json:"ms"`
}
