package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
)

// Card is prepaid credit as the API shows it.
type Card struct {
	ID        string    `json:"id"`
	Amount    string    `json:"amount" doc:"Dollars, when it was granted."`
	Balance   string    `json:"balance" doc:"Dollars that are left."`
	Reference string    `json:"reference,omitempty"`
	GrantedAt time.Time `json:"granted_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Granted is a card that a grant made.
type Granted struct {
	Card
	Repeated bool `json:"repeated" doc:"An earlier request with this Idempotency-Key made the card; this one gave nothing."`
}

// Balance is the money of an account.
type Balance struct {
	AccountID string `json:"account_id"`
	Left      string `json:"left" doc:"Dollars that a new call may reserve: the cards less debt and what is held. May be below zero."`
	Held      string `json:"held" doc:"Dollars reserved for calls that run."`
	Debt      string `json:"debt" doc:"Dollars spent beyond the cards."`
	Spent     string `json:"spent" doc:"Dollars spent in all time."`
	Cards     []Card `json:"cards" doc:"Those that can pay, in the order they are spent."`
}

// Entry is a line of the ledger as the API shows it.
type Entry struct {
	ID      string           `json:"id"`
	At      time.Time        `json:"at"`
	Kind    ledger.EntryKind `json:"kind" enum:"grant,take,close,fee,commission,spend,debt,repay,merge,expire"`
	Counter string           `json:"counter" doc:"The other side: an account, @operator, @revenue, @fees or @expired."`
	Amount  string           `json:"amount" doc:"Dollars; positive arrives, negative leaves."`
	CardID  string           `json:"card_id,omitempty"`
	CallID  string           `json:"call_id,omitempty" doc:"The call that was charged, where it is just one."`
	Calls   int              `json:"calls,omitempty" doc:"How many calls the account was charged for by this entry and those written with it."`
	Note    string           `json:"note,omitempty"`
}

func viewCard(c ledger.Card) Card {
	return Card{
		ID: c.ID, Amount: c.Amount.String(), Balance: c.Balance.String(), Reference: c.Reference,
		GrantedAt: c.GrantedAt.UTC(), ExpiresAt: c.ExpiresAt.UTC(),
	}
}

func viewEntry(e ledger.Entry) Entry {
	calls, _ := e.Calls.List() // what cannot be read is for tollgate ledger verify to tell
	return Entry{
		Calls: len(calls),
		ID:    e.ID(), At: e.At.UTC(), Kind: e.Kind, Counter: e.Counter, Amount: e.Amount.String(), CardID: e.CardID, CallID: e.Calls.One(), Note: e.Note,
	}
}

type grantInput struct {
	AccountID
	Key  string `header:"Idempotency-Key" maxLength:"200" doc:"Any text that is new for each grant to the account. A request that repeats it gives nothing and is answered with the card of the first one."`
	Body struct {
		Amount string `json:"amount" maxLength:"30" pattern:"^[0-9]+(\\.[0-9]{1,9})?$" doc:"Dollars, e.g. \"25\" or \"0.50\"."`
		Days   int64  `json:"days,omitempty" minimum:"1" maximum:"3650" default:"365" doc:"Until it expires."`
		Note   string `json:"note,omitempty" maxLength:"500"`
	}
}

func (a *API) registerMoney() {
	const tag = "money"
	handle(a, route{
		id: "grant-credit", method: http.MethodPost, path: "/accounts/{id}/credit", policy: PolicyRoot, tag: tag, summary: "Give credit to an account", status: http.StatusCreated,
		more: "It makes a prepaid card; a debt is paid from it first.",
	}, a.grant)
	handle(a, route{id: "get-balance", method: http.MethodGet, path: "/accounts/{id}/balance", policy: PolicyAnyone, tag: tag, summary: "Read the money of an account"}, a.balance)
	handle(a, route{id: "list-entries", method: http.MethodGet, path: "/accounts/{id}/entries", policy: PolicyAnyone, tag: tag, summary: "List the ledger entries of an account", more: "Newest first."}, a.entries)
}

// maxGrant bounds one card; the ledger refuses more.
const maxGrant catalog.Nanos = 1e7 * 1e9

// cardSpace is the name space of the ids of cards that come from idempotency keys.
const cardSpace = "3f1f6a0e-0a2c-4d55-9d4e-6f2a6e6b1c7d"

// cardID makes the id of a card from what makes the grant unique, so that the store refuses the second.
func cardID(accountID, key string) (string, error) {
	if key == "" {
		id, err := uuid.NewV7()
		return id.String(), err
	}
	space, err := uuid.Parse(cardSpace)
	if err != nil {
		return "", err
	}
	return uuid.NewSHA1(space, fmt.Appendf(nil, "%d:%s%s", len(accountID), accountID, key)).String(), nil
}

func (a *API) grant(ctx context.Context, who account.Caller, in *grantInput) (*one[Granted], error) {
	x, err := a.account(who, in.ID)
	if err != nil {
		return nil, err
	}
	if x.ID == account.RootID {
		return nil, invalid("path.id", "root needs no credit: its calls are metered and not charged")
	}
	amount, err := catalog.ParseNanos(in.Body.Amount)
	if err != nil || amount <= 0 || amount > maxGrant {
		return nil, invalid("body.amount", "must be above 0 and at most "+maxGrant.String()+" dollars")
	}
	id, err := cardID(x.ID, in.Key)
	if err != nil {
		return nil, fmt.Errorf("make the id of a card: %w", err)
	}
	now, life := a.Now().UTC().Truncate(time.Millisecond), time.Duration(in.Body.Days)*24*time.Hour
	out, err := a.Money.Transfer(ctx, ledger.Transfer{
		ID: id, Kind: ledger.EntryGrant, From: account.RootID, To: x.ID, Amount: amount, Reference: "admin", Note: in.Body.Note,
		At: now, ExpiresAt: now.Add(life),
	})
	if errors.Is(err, ledger.ErrReused) || err == nil && out.Repeated && out.Card.ExpiresAt.Sub(out.Card.GrantedAt) != life {
		return nil, huma.Error409Conflict("an earlier grant with this Idempotency-Key had another amount or life; take a new key for a new grant")
	}
	if err != nil {
		return nil, err
	}
	return &one[Granted]{Granted{Card: viewCard(out.Card), Repeated: out.Repeated}}, nil
}

func (a *API) balance(_ context.Context, who account.Caller, in *AccountID) (*one[Balance], error) {
	x, err := a.account(who, in.ID)
	if err != nil {
		return nil, err
	}
	f := a.Money.Balance(x.ID, a.Now())
	out := Balance{AccountID: x.ID, Left: f.Left.String(), Held: f.Held.String(), Debt: f.Debt.String(), Spent: f.Spent.String(), Cards: make([]Card, 0, len(f.Cards))}
	for _, c := range f.Cards {
		out.Cards = append(out.Cards, viewCard(c))
	}
	return &one[Balance]{out}, nil
}

func (a *API) entries(ctx context.Context, who account.Caller, in *struct {
	AccountID
	Page
},
) (*listed[Entry], error) {
	x, err := a.account(who, in.ID)
	if err != nil {
		return nil, err
	}
	rows, err := a.Records.Entries(ctx, x.ID, ledger.Page{Before: in.After, Limit: in.Limit + 1})
	if err != nil {
		return nil, err
	}
	return paged(rows, in.Limit, func(e ledger.Entry) string { return e.ID() }, viewEntry), nil
}
