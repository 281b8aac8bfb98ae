package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"tollgate/internal/ledger"
)

// Grant adds a card to an account and pays a debt from it first. An empty ID or a zero GrantedAt is
// filled in. The card is returned as it stands after; times are cut to milliseconds, as everywhere here.
func (s *Store) Grant(ctx context.Context, card ledger.Card, note string) (ledger.Card, error) {
	card, err := completeCard(card, note)
	if err == nil {
		err = s.tx(ctx, func(tx *txn) (err error) {
			card, err = grant(ctx, tx, card, note)
			return err
		})
	}
	if err != nil {
		return ledger.Card{}, fmt.Errorf("grant to account %q: %w", card.AccountID, err)
	}
	return card, nil
}

func completeCard(card ledger.Card, note string) (ledger.Card, error) {
	if card.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return card, err
		}
		card.ID = id.String()
	}
	if card.GrantedAt.IsZero() {
		card.GrantedAt = time.Now()
	}
	card.GrantedAt, card.ExpiresAt = instant(millis(card.GrantedAt)), instant(millis(card.ExpiresAt))
	switch {
	case card.AccountID == "":
		return card, errors.New("no account is named")
	case card.Amount <= 0:
		return card, fmt.Errorf("the amount is %d nano-dollars, want above 0", card.Amount)
	case !card.ExpiresAt.After(card.GrantedAt):
		return card, fmt.Errorf("it expires at %s, not after it is granted at %s", card.ExpiresAt.Format(time.RFC3339), card.GrantedAt.Format(time.RFC3339))
	}
	return card, checkText(map[string]string{"id": card.ID, "account": card.AccountID, "reference": card.Reference, "note": note})
}

func grant(ctx context.Context, tx *txn, card ledger.Card, note string) (ledger.Card, error) {
	accounts, err := lockAccounts(ctx, tx, []string{card.AccountID})
	if err != nil {
		return card, err
	}
	m := accounts[card.AccountID]
	held, err := collect(ctx, tx, scanCard, `
		SELECT id, account_id, amount, balance, reference, granted_ms, expires_ms FROM cards WHERE account_id = $1 AND balance > 0`, card.AccountID)
	if err != nil {
		return card, err
	}
	total := card.Amount
	for _, c := range held {
		if total = plus(total, c.Balance); total == math.MaxInt64 {
			return card, errors.New("the account would hold more than can be counted")
		}
	}
	entry := ledger.Entry{At: card.GrantedAt, Kind: ledger.EntryGrant, Account: card.AccountID, Counter: ledger.SideOperator, Amount: card.Amount, CardID: card.ID, Note: note}
	entries := []ledger.Entry{entry}
	repaid := min(m.debt, card.Amount)
	card.Balance = card.Amount - repaid
	if repaid > 0 {
		// Both sides are the account: its card pays its debt, and what it is worth stays the same.
		entry.Kind, entry.Counter, entry.Amount = ledger.EntryRepay, card.AccountID, -repaid
		entries = append(entries, entry)
		m.debt -= repaid
		m.moved = true
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO cards (id, account_id, amount, balance, reference, granted_ms, expires_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)`, cardRow(card)...)
	if isDuplicate(err) {
		return card, fmt.Errorf("card %s was granted already", card.ID)
	}
	if err != nil {
		return card, err
	}
	return card, errors.Join(insertEntries(ctx, tx, entries), saveMoney(ctx, tx, accounts))
}

// Card returns one card, empty or expired ones too, or ledger.ErrNotFound.
func (s *Store) Card(ctx context.Context, id string) (ledger.Card, error) {
	c, err := scanCard(s.read.QueryRowContext(ctx, `
		SELECT id, account_id, amount, balance, reference, granted_ms, expires_ms FROM cards WHERE id = $1`, clean(id)))
	if errors.Is(err, sql.ErrNoRows) {
		return ledger.Card{}, ledger.ErrNotFound
	}
	if err != nil {
		return ledger.Card{}, fmt.Errorf("read card %q: %w", id, err)
	}
	return c, nil
}

// loadCards gives the accounts the cards that their calls can be paid from.
func loadCards(ctx context.Context, tx *txn, accounts map[string]*money, calls []ledger.Call) error {
	first := int64(math.MaxInt64)
	var ids []string
	for i := range calls {
		if calls[i].Cost > 0 {
			first = min(first, calls[i].AtMillis)
			ids = append(ids, calls[i].AccountID)
		}
	}
	slices.Sort(ids)
	for some := range slices.Chunk(slices.Compact(ids), maxList) {
		query, args := in(`
			SELECT id, account_id, amount, balance, reference, granted_ms, expires_ms FROM cards
			WHERE account_id IN {list} AND balance > 0 AND expires_ms > $1
			ORDER BY expires_ms, granted_ms, id`, 2, some)
		cards, err := collect(ctx, tx, scanCard, query, append([]any{first}, args...)...)
		if err != nil {
			return err
		}
		for _, c := range cards {
			accounts[c.AccountID].cards = append(accounts[c.AccountID].cards, c)
		}
	}
	return nil
}

// saveMoney writes what changed. The rows exist and are held, so the upserts only update.
func saveMoney(ctx context.Context, tx *txn, accounts map[string]*money) error {
	var cards, balances [][]any
	for _, m := range accounts {
		if m.moved {
			balances = append(balances, []any{m.account, int64(m.debt), int64(m.spent)})
		}
		for _, c := range m.cards {
			if m.changed[c.ID] {
				cards = append(cards, cardRow(c))
			}
		}
	}
	if err := execMany(ctx, tx, `
		INSERT INTO cards (id, account_id, amount, balance, reference, granted_ms, expires_ms) VALUES {rows}
		ON CONFLICT (id) DO UPDATE SET balance = excluded.balance`, cards); err != nil {
		return err
	}
	return execMany(ctx, tx, `
		INSERT INTO balances (account_id, debt, spent) VALUES {rows}
		ON CONFLICT (account_id) DO UPDATE SET debt = excluded.debt, spent = excluded.spent`, balances)
}

func cardRow(c ledger.Card) []any {
	return []any{c.ID, c.AccountID, int64(c.Amount), int64(c.Balance), c.Reference, millis(c.GrantedAt), millis(c.ExpiresAt)}
}

func scanCard(row scanner) (ledger.Card, error) {
	var c ledger.Card
	var granted, expires int64
	err := row.Scan(&c.ID, &c.AccountID, &c.Amount, &c.Balance, &c.Reference, &granted, &expires)
	c.GrantedAt, c.ExpiresAt = instant(granted), instant(expires)
	return c, err
}

// sortCards puts cards into the order they are spent in.
func sortCards(cards []ledger.Card) {
	slices.SortFunc(cards, func(a, b ledger.Card) int {
		return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), a.GrantedAt.Compare(b.GrantedAt), strings.Compare(a.ID, b.ID))
	})
}
