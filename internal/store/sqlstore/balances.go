package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tollgate/internal/ledger"
)

// Balances returns the money of all accounts that ever had any, by account id.
func (s *Store) Balances(ctx context.Context) ([]ledger.Balance, error) {
	byID := map[string]ledger.Balance{}
	err := s.readBalances(ctx, byID, `
		SELECT account_id, debt, spent FROM balances WHERE debt > 0 OR spent > 0`, `
		SELECT id, account_id, amount, balance, reference, granted_ms, expires_ms FROM cards WHERE balance > 0`)
	if err != nil {
		return nil, fmt.Errorf("read balances: %w", err)
	}
	return slices.SortedFunc(maps.Values(byID), func(a, b ledger.Balance) int { return strings.Compare(a.AccountID, b.AccountID) }), nil
}

// Balance returns the money of one account; of one that never had any, none.
func (s *Store) Balance(ctx context.Context, accountID string) (ledger.Balance, error) {
	byID := map[string]ledger.Balance{accountID: {AccountID: accountID}}
	err := s.readBalances(ctx, byID, `
		SELECT account_id, debt, spent FROM balances WHERE account_id = $1`, `
		SELECT id, account_id, amount, balance, reference, granted_ms, expires_ms FROM cards WHERE account_id = $1 AND balance > 0`,
		clean(accountID))
	if err != nil {
		return ledger.Balance{}, fmt.Errorf("read the balance of account %q: %w", accountID, err)
	}
	return byID[accountID], nil
}

// readBalances fills byID from one state of the database: between two a call may have moved money.
func (s *Store) readBalances(ctx context.Context, byID map[string]ledger.Balance, balances, cards string, args ...any) error {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{Isolation: s.snapshot(), ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	owed, err := collect(ctx, tx, scanBalance, balances, args...)
	if err != nil {
		return err
	}
	held, err := collect(ctx, tx, scanCard, cards, args...)
	if err != nil {
		return err
	}
	for _, m := range owed {
		byID[m.AccountID] = *m
	}
	for _, c := range held {
		b := byID[c.AccountID]
		b.AccountID = c.AccountID
		b.Cards = append(b.Cards, c)
		byID[c.AccountID] = b
	}
	for _, b := range byID {
		sortCards(b.Cards)
	}
	return nil
}

// lockAccounts returns the money of accounts, without cards, and holds their rows until the end of the
// transaction. ids ascend, so that two nodes never wait for each other.
func lockAccounts(ctx context.Context, tx *txn, ids []string) ([]*ledger.Balance, error) {
	rows := make([][]any, len(ids))
	for i, id := range ids {
		rows[i] = []any{id, int64(0), int64(0)}
	}
	return queryMany(ctx, tx, scanBalance, `
		INSERT INTO balances (account_id, debt, spent) VALUES {rows}
		ON CONFLICT (account_id) DO UPDATE SET debt = balances.debt
		RETURNING account_id, debt, spent`, rows)
}

func scanBalance(row scanner) (*ledger.Balance, error) {
	var b ledger.Balance
	return &b, row.Scan(&b.AccountID, &b.Debt, &b.Spent)
}
