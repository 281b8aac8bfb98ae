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

	"tollgate/internal/ledger"
)

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
func loadCards(ctx context.Context, tx *txn, accounts []*ledger.Balance, calls []ledger.Call) error {
	byID := make(map[string]*ledger.Balance, len(accounts))
	for _, b := range accounts {
		byID[b.AccountID] = b
	}
	first := int64(math.MaxInt64)
	var ids []string
	for i := range calls {
		if calls[i].Charged() > 0 {
			first = min(first, calls[i].Began().UnixMilli())
			if len(ids) == 0 || ids[len(ids)-1] != calls[i].AccountID {
				ids = append(ids, calls[i].AccountID)
			}
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
			byID[c.AccountID].Cards = append(byID[c.AccountID].Cards, c)
		}
	}
	return nil
}

// saveMoney writes what a teller changed of accounts that are held.
func saveMoney(ctx context.Context, tx *txn, teller *ledger.Teller) error {
	var cards, balances [][]any
	teller.Changed(
		func(c ledger.Card) { cards = append(cards, cardRow(c)) },
		func(b ledger.Balance) { balances = append(balances, []any{b.AccountID, int64(b.Debt), int64(b.Spent)}) })
	if err := execMany(ctx, tx, `
		INSERT INTO cards (id, account_id, amount, balance, reference, granted_ms, expires_ms) VALUES {rows}
		ON CONFLICT (id) DO UPDATE SET amount = excluded.amount, balance = excluded.balance`, cards); err != nil {
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
