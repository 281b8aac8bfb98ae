// Package catalog owns the models: names, abilities, limits and prices; and what a usage costs.
//
// Prices are exact: decimal strings at the border, nano-dollars inside, rounded once per item. It
// leaves balances to ledger and the choice of a channel to pool.
package catalog

// Nanos is money in nano-dollars (1e-9 USD).
type Nanos int64

// Rate is a price per million units, in nano-dollars.
type Rate int64

// Receipt is what a call cost and why.
type Receipt struct {
	Model   string `json:"model"`   // catalogue name that was priced
	Version string `json:"version"` // version of the price: recomputing with it gives the same total
	Tier    string `json:"tier,omitempty"`
	Items   []Item `json:"items"`
	Total   Nanos  `json:"total"`
}

// Item is one line of a Receipt.
type Item struct {
	What     string `json:"what"`     // the bucket of canon.Usage, by its JSON name
	Quantity int64  `json:"quantity"` // tokens, or a count
	Rate     Rate   `json:"rate"`     // nano-dollars per million units
	Amount   Nanos  `json:"amount"`   // quantity × rate ÷ 1e6, rounded half up
}
