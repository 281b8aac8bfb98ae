package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
)

// Call is a settled call as the API shows it.
type Call struct {
	ID         string            `json:"id"`
	At         time.Time         `json:"at" doc:"When it was settled."`
	RequestID  string            `json:"request_id,omitempty"`
	AccountID  string            `json:"account_id"`
	KeyID      string            `json:"key_id,omitempty"`
	Dialect    canon.Dialect     `json:"dialect"`
	Op         canon.Op          `json:"op"`
	Model      string            `json:"model,omitempty" doc:"As the client asked."`
	Stream     bool              `json:"stream"`
	Status     int               `json:"status" doc:"HTTP status that the client got; 0 if it left before."`
	Error      canon.Kind        `json:"error,omitempty"`
	ErrorText  string            `json:"error_text,omitempty"`
	ClientGone bool              `json:"client_gone,omitempty" doc:"The client had left when the call was settled, before the last byte of its answer; missing: it had not."`
	Stop       canon.Stop        `json:"stop,omitempty"`
	FirstMs    int64             `json:"first_ms,omitempty" doc:"Milliseconds to the first content byte."`
	TotalMs    int64             `json:"total_ms"`
	ClientIP   string            `json:"client_ip,omitempty"`
	Usage      canon.Usage       `json:"usage"`
	Source     canon.UsageSource `json:"usage_source,omitempty" doc:"measured, derived or estimated; missing when nothing was consumed."`
	Cost       string            `json:"cost" doc:"Dollars."`
	Quarantine string            `json:"quarantine,omitempty" doc:"Why the price is not known; then the cost is 0 and an operator must look."`
	Losses     []string          `json:"losses,omitempty" doc:"What translation between dialects lost or changed, or would have where the call was refused for it: place, feature and which of the two."`

	ChannelID string    `json:"channel_id,omitempty" doc:"The last one tried. This and what follows is for root."`
	Provider  string    `json:"provider,omitempty"`
	Upstream  string    `json:"upstream,omitempty" doc:"The model as it was sent."`
	Spoken    string    `json:"spoken,omitempty" doc:"Dialect of the channel, where the call was translated."`
	Attempts  []Attempt `json:"attempts,omitempty"`
}

// Attempt is one try at one channel.
type Attempt struct {
	ChannelID string     `json:"channel_id"`
	Status    int        `json:"status,omitempty" doc:"The upstream's; missing: none came."`
	Error     canon.Kind `json:"error,omitempty"`
	Ms        int64      `json:"ms"`
}

// Receipt is what a call cost and why.
type Receipt struct {
	CallID     string        `json:"call_id"`
	AccountID  string        `json:"account_id"`
	At         time.Time     `json:"at"`
	Model      string        `json:"model" doc:"Name in the catalogue that was priced."`
	Version    string        `json:"price_version,omitempty"`
	Tier       string        `json:"tier,omitempty" doc:"Service tier that answered."`
	Above      int64         `json:"above,omitempty" doc:"The long-input tier that held, by the input tokens it begins above."`
	When       string        `json:"when,omitempty" doc:"The condition of the price that held."`
	Note       string        `json:"note,omitempty"`
	Items      []ReceiptItem `json:"items"`
	Total      string        `json:"total" doc:"Dollars, as the receipt says."`
	Charged    string        `json:"charged" doc:"Dollars, as the ledger took them."`
	Recomputed string        `json:"recomputed" doc:"Dollars, as the quantities and rates of the items give them now."`
	Rates      string        `json:"rates,omitempty" doc:"What the account was shown prices multiplied with; missing: they were as they are."`
	Face       string        `json:"face" doc:"Dollars, as the account sees them: charged, times rates."`
	Equal      bool          `json:"equal" doc:"All three are the same, and every item is what was used at its rate."`
	Fault      string        `json:"fault,omitempty" doc:"What is not the same."`
	Quarantine string        `json:"quarantine,omitempty"`
}

// ReceiptItem is a line of a Receipt.
type ReceiptItem struct {
	What     string `json:"what"`
	Quantity int64  `json:"quantity" doc:"Tokens, or a count."`
	Rate     string `json:"rate" doc:"Dollars per million."`
	Amount   string `json:"amount" doc:"Dollars."`
}

func viewCall(who account.Caller) func(ledger.Call) Call {
	return func(c ledger.Call) Call {
		v := Call{
			ID: c.ID, At: time.UnixMilli(c.AtMillis).UTC(), RequestID: c.RequestID, AccountID: c.AccountID, KeyID: c.KeyID, Dialect: c.Dialect, Op: c.Op,
			Model: c.Model, Stream: c.Stream, Status: c.Status, Error: c.ErrorKind, ErrorText: c.ErrorText, ClientGone: c.ClientGone, Stop: c.Stop, FirstMs: c.FirstMs, TotalMs: c.TotalMs,
			ClientIP: c.ClientIP, Usage: c.Usage, Source: c.Source, Cost: c.Cost.String(), Quarantine: c.Quarantine, Losses: c.Losses,
		}
		if who.IsRoot() {
			v.ChannelID, v.Provider, v.Upstream, v.Spoken = c.ChannelID, c.Provider, c.Upstream, string(c.Spoken)
			for _, t := range c.Attempts {
				v.Attempts = append(v.Attempts, Attempt{ChannelID: t.ChannelID, Status: t.Status, Error: t.Kind, Ms: t.Ms})
			}
		}
		return v
	}
}

// viewReceipt recomputes what a call cost.
func viewReceipt(c ledger.Call) Receipt {
	v := Receipt{
		CallID: c.ID, AccountID: c.AccountID, At: time.UnixMilli(c.AtMillis).UTC(), Model: c.Model, Items: []ReceiptItem{},
		Charged: c.Cost.String(), Face: c.Cost.String(), Quarantine: c.Quarantine,
	}
	var said, total catalog.Nanos
	if r := c.Receipt; r != nil {
		v.Model, v.Version, v.Tier, v.Above, v.When, v.Note, said = r.Model, r.Version, r.Tier, r.Above, r.When, r.Note, r.Total
		if r.Rates != 0 {
			v.Rates, v.Face = r.Rates.String(), r.Rates.ToFace(c.Cost).String()
		}
		for _, it := range r.Items {
			v.Items = append(v.Items, ReceiptItem{What: it.What, Quantity: it.Quantity, Rate: it.Rate.String(), Amount: it.Amount.String()})
		}
		var err error
		if total, err = catalog.Recompute(*r); err == nil {
			err = r.Covers(c.Usage)
		}
		if err != nil {
			v.Fault = err.Error()
		}
	}
	v.Total, v.Recomputed = said.String(), total.String()
	if v.Fault == "" && total != c.Cost {
		v.Fault = "the items sum to " + total.String() + ", charged was " + c.Cost.String()
	}
	v.Equal = v.Fault == ""
	return v
}

// CallID names a call in a path.
type CallID struct {
	ID string `path:"id" maxLength:"100" doc:"Id of the call: X-Request-Id of its answer."`
}

type callFilter struct {
	Page
	AccountID   string    `query:"account_id" maxLength:"100" doc:"Without it, all accounts that the caller may see."`
	KeyID       string    `query:"key_id" maxLength:"100"`
	Model       string    `query:"model" maxLength:"200" doc:"As the client asked."`
	ChannelID   string    `query:"channel_id" maxLength:"100" doc:"For root."`
	From        time.Time `query:"from" doc:"First instant that counts."`
	To          time.Time `query:"to" doc:"First instant that does not count any more."`
	Errors      bool      `query:"errors" doc:"Only calls that failed."`
	Quarantined bool      `query:"quarantined" doc:"Only calls whose price is not known."`
}

func (a *API) registerCalls() {
	handle(a, route{
		id: "list-calls", method: http.MethodGet, path: "/calls", policy: PolicyAnyone, tag: "calls", summary: "List calls",
		more: "Newest first. A call is here some moments after its answer.",
	}, a.listCalls)
	handle(a, route{id: "get-call", method: http.MethodGet, path: "/calls/{id}", policy: PolicyAnyone, tag: "calls", summary: "Read a call"}, a.getCall)
	handle(a, route{id: "get-receipt", method: http.MethodGet, path: "/receipts/{id}", policy: PolicyAnyone, tag: "calls", summary: "Read and recompute the receipt of a call"}, a.getReceipt)
}

// scope returns the ids of the accounts that a report is about: one, or all that who may see. Empty
// is all there are.
func (a *API) scope(who account.Caller, accountID string) ([]string, error) {
	if accountID == "" {
		return a.accounts(who), nil
	}
	x, err := a.account(who, accountID)
	if err != nil {
		return nil, err
	}
	return []string{x.ID}, nil
}

func (a *API) listCalls(ctx context.Context, who account.Caller, in *callFilter) (*listed[Call], error) {
	if in.ChannelID != "" && !who.IsRoot() {
		return nil, huma.Error403Forbidden("only root may ask for the calls of a channel")
	}
	ids, err := a.scope(who, in.AccountID)
	if err != nil {
		return nil, err
	}
	rows, err := a.Records.Calls(ctx, ledger.CallQuery{
		Page: ledger.Page{Before: in.After, Limit: in.Limit + 1}, AccountIDs: ids, KeyID: in.KeyID, Model: in.Model, ChannelID: in.ChannelID,
		From: in.From, To: in.To, OnlyErrors: in.Errors, Quarantined: in.Quarantined,
	})
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, invalid("query.after", "there is no such call; begin again without it")
	}
	if err != nil {
		return nil, err
	}
	return paged(rows, in.Limit, func(c ledger.Call) string { return c.ID }, viewCall(who)), nil
}

// flushTimeout bounds how long a question about a call waits for the calls of the last moments.
const flushTimeout = 2 * time.Second

// record returns a call, also one that ended just now: a client asks for the receipt of the answer it
// has in hand.
func (a *API) record(ctx context.Context, id string) (ledger.Call, error) {
	c, err := a.Records.Call(ctx, id)
	if !errors.Is(err, ledger.ErrNotFound) {
		return c, err
	}
	brief, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	if a.Money.Flush(brief) != nil {
		return c, err // the store is slow or away: then it is not there yet
	}
	return a.Records.Call(ctx, id)
}

// call returns a call of an account that who may see. Root also sees calls of accounts that are gone.
func (a *API) call(ctx context.Context, who account.Caller, id string) (ledger.Call, error) {
	c, err := a.record(ctx, id)
	if err == nil && !who.IsRoot() {
		_, err = a.account(who, c.AccountID)
	}
	if errors.Is(err, ledger.ErrForgotten) {
		return c, notFound("call any more: it would be older than the retention (CALLS_KEEP_DAYS)")
	}
	if err != nil && (errors.Is(err, ledger.ErrNotFound) || isNotFound(err)) {
		return c, notFound("call; a call of the last moments may not be stored yet")
	}
	return c, err
}

func (a *API) getCall(ctx context.Context, who account.Caller, in *CallID) (*one[Call], error) {
	c, err := a.call(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	return &one[Call]{viewCall(who)(c)}, nil
}

func (a *API) getReceipt(ctx context.Context, who account.Caller, in *CallID) (*one[Receipt], error) {
	c, err := a.call(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	return &one[Receipt]{viewReceipt(c)}, nil
}

func isNotFound(err error) bool {
	var s huma.StatusError
	return errors.As(err, &s) && s.GetStatus() == http.StatusNotFound
}
