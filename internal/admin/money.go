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
		id: "grant-credit", method: http.MethodPost, path: "/accounts/{id}/credit", policy: PolicyManager, tag: tag, summary: "Give credit to an account", status: http.StatusCreated,
		more: "It makes a prepaid card; a debt is paid from it first. Root's credit is made; a manager gives from what its own account has left, to accounts below it.",
	}, a.grant)
	handle(a, route{
		id: "take-credit", method: http.MethodPost, path: "/accounts/{id}/credit/take", policy: PolicyManager, tag: tag, summary: "Take credit back from an account", status: http.StatusOK,
		more: "What is held for calls that run, or owed, stays. It goes to the account of the caller, which is above; what root takes is gone.",
	}, a.take)
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

// moneyOf reads an amount of dollars that shall move to or from an account below who.
func (a *API) moneyOf(who account.Caller, id, text string) (*account.Account, catalog.Nanos, error) {
	x, err := a.below(who, id)
	if err != nil {
		return nil, 0, err
	}
	if x.ID == account.RootID {
		return nil, 0, invalid("path.id", "root needs no credit: its calls are metered and not charged")
	}
	amount, err := catalog.ParseNanos(text)
	if err != nil || amount <= 0 || amount > maxGrant {
		return nil, 0, invalid("body.amount", "must be above 0 and at most "+maxGrant.String()+" dollars")
	}
	return x, amount, nil
}

func (a *API) grant(ctx context.Context, who account.Caller, in *grantInput) (*one[Granted], error) {
	x, amount, err := a.moneyOf(who, in.ID, in.Body.Amount)
	about(ctx, in.ID, "", said(in.Body))
	if err != nil {
		return nil, err
	}
	scope, parent := x.ID, x.ParentID
	if !who.IsRoot() { // whose keys are its own
		scope = who.Account.ID + " " + x.ID
	}
	if parent == who.Account.ID {
		parent = ""
	}
	id, err := cardID(scope, in.Key)
	if err != nil {
		return nil, fmt.Errorf("make the id of a card: %w", err)
	}
	now, life := a.Now().UTC().Truncate(time.Millisecond), time.Duration(in.Body.Days)*24*time.Hour
	out, err := a.Money.Transfer(ctx, ledger.Transfer{
		ID: id, Kind: ledger.EntryGrant, From: who.Account.ID, To: x.ID, Parent: parent, Amount: amount, Reference: "admin", Note: in.Body.Note,
		At: now, ExpiresAt: now.Add(life),
	})
	if errors.Is(err, ledger.ErrReused) || err == nil && out.Repeated && out.Card.ExpiresAt.Sub(out.Card.GrantedAt) != life {
		return nil, huma.Error409Conflict("an earlier grant with this Idempotency-Key had another amount or life; take a new key for a new grant")
	}
	if err != nil {
		return nil, err
	}
	about(ctx, x.ID, out.Card.ID, said(in.Body))
	return &one[Granted]{Granted{Card: viewCard(out.Card), Repeated: out.Repeated}}, nil
}

// Taken is what was taken back.
type Taken struct {
	ID       string `json:"id" doc:"Of the movement, as entries name it."`
	Amount   string `json:"amount" doc:"Dollars that left the account."`
	Fee      string `json:"fee" doc:"Dollars of it that went to the operator."`
	Repeated bool   `json:"repeated" doc:"An earlier request with this Idempotency-Key took it; this one took nothing."`
}

func (a *API) take(ctx context.Context, who account.Caller, in *struct {
	AccountID
	Key  string `header:"Idempotency-Key" maxLength:"200" doc:"Any text that is new for each movement of the account."`
	Body struct {
		Amount string `json:"amount" maxLength:"30" pattern:"^[0-9]+(\\.[0-9]{1,9})?$" doc:"Dollars."`
		Note   string `json:"note,omitempty" maxLength:"500"`
	}
},
) (*one[Taken], error) {
	x, amount, err := a.moneyOf(who, in.ID, in.Body.Amount)
	about(ctx, in.ID, "", said(in.Body))
	if err != nil {
		return nil, err
	}
	id, err := cardID("take "+who.Account.ID+" "+x.ID, in.Key)
	if err != nil {
		return nil, fmt.Errorf("make the id of a movement: %w", err)
	}
	out, err := a.Money.Transfer(ctx, ledger.Transfer{
		ID: id, Kind: ledger.EntryTake, From: x.ID, To: who.Account.ID, Amount: amount, Reference: "admin", Note: in.Body.Note,
		At: a.Now().UTC().Truncate(time.Millisecond),
	})
	if errors.Is(err, ledger.ErrReused) {
		return nil, huma.Error409Conflict("an earlier request with this Idempotency-Key took another amount; take a new key")
	}
	if err != nil {
		return nil, err
	}
	about(ctx, x.ID, id, said(in.Body))
	return &one[Taken]{Taken{ID: id, Amount: out.Amount.String(), Fee: out.Fee.String(), Repeated: out.Repeated}}, nil
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
