package ledger

import (
	"time"

	"tollgate/internal/catalog"
)

// Usage sums the calls of a model by an account on a day.
type Usage struct {
	Day       time.Time // its start, UTC
	AccountID string
	Model     string
	Calls     int64
	InTokens  int64 // canon.Usage.In
	CacheRead int64
	OutTokens int64 // canon.Usage.Out
	Cost      catalog.Nanos
}

// UsageQuery selects days by their starts: From is the first that counts, To the first that does not;
// zero is no bound.
type UsageQuery struct {
	AccountIDs []string // none: nothing
	From, To   time.Time
	Total      bool // one sum for each account: without days and models
}
