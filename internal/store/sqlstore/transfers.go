package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tollgate/internal/ledger"
)

// Transfer moves credit between accounts. One whose id is there already changes nothing.
func (s *Store) Transfer(ctx context.Context, t ledger.Transfer) (out ledger.Transferred, err error) {
	if err = checkTransfer(&t); err == nil {
		err = s.tx(ctx, func(tx *txn) error {
			balances, head, err := openAccounts(ctx, tx, t.Accounts())
			if err != nil {
				return err
			}
			if out, err = transferred(ctx, tx, &t, balances); !errors.Is(err, ledger.ErrNotFound) {
				return err
			}
			var teller ledger.Teller
			for _, b := range balances {
				teller.Open(*b)
			}
			if out, err = teller.Transfer(&t); err != nil {
				return err
			}
			if err := errors.Join(saveMoney(ctx, tx, &teller), appendEntries(ctx, tx, head, teller.Entries())); err != nil || t.Account == nil {
				return err
			}
			return changeAccount(ctx, tx, *t.Account)
		})
	}
	if err != nil {
		return ledger.Transferred{}, fmt.Errorf("transfer %q: %w", t.ID, err)
	}
	return out, nil
}

// Transferred returns the outcome of a transfer, or ledger.ErrNotFound with the balances of its
// accounts. What is under way on these has ended before it answers, since it waits for the same rows.
func (s *Store) Transferred(ctx context.Context, t ledger.Transfer) (out ledger.Transferred, err error) {
	err = s.tx(ctx, func(tx *txn) error {
		balances, _, err := openAccounts(ctx, tx, t.Accounts())
		if err == nil {
			out, err = transferred(ctx, tx, &t, balances)
		}
		return err
	})
	if err != nil {
		err = fmt.Errorf("look for transfer %q: %w", t.ID, err)
	}
	return out, err
}

func checkTransfer(t *ledger.Transfer) error {
	if err := t.Check(); err != nil {
		return err
	}
	return checkText(map[string]string{"id": t.ID, "from": t.From, "to": t.To, "parent": t.Parent, "reference": t.Reference, "note": t.Note})
}

// openAccounts locks accounts and the head of the chain, and returns what the accounts have, in the
// order given.
func openAccounts(ctx context.Context, tx *txn, ids []string) ([]*ledger.Balance, ledger.Head, error) {
	var none ledger.Head
	locked, err := lockAccounts(ctx, tx, slices.Sorted(slices.Values(ids)))
	if err != nil {
		return nil, none, err
	}
	balances := make([]*ledger.Balance, len(ids))
	for _, b := range locked {
		balances[slices.Index(ids, b.AccountID)] = b
		b.Cards, err = collect(ctx, tx, scanCard, `
			SELECT id, account_id, amount, balance, reference, granted_ms, expires_ms FROM cards WHERE account_id = $1 AND balance > 0
			ORDER BY expires_ms, granted_ms, id`, b.AccountID)
		if err != nil {
			return nil, none, err
		}
	}
	head, err := lockHead(ctx, tx)
	return balances, head, err
}

// transferred returns what a transfer did, or ledger.ErrNotFound, both with the balances as they are.
func transferred(ctx context.Context, tx *txn, t *ledger.Transfer, balances []*ledger.Balance) (out ledger.Transferred, err error) {
	for _, b := range balances {
		out.Balances = append(out.Balances, *b)
	}
	entries, err := entriesOf(ctx, tx, t.ID)
	switch {
	case err != nil:
		return out, err
	case len(entries) == 0:
		return out, ledger.ErrNotFound
	case !t.Same(entries):
		return ledger.Transferred{}, ledger.ErrReused
	}
	out.Repeat(entries)
	cards, err := collect(ctx, tx, scanCard, `
		SELECT id, account_id, amount, balance, reference, granted_ms, expires_ms FROM cards WHERE id = $1`, clean(t.ID))
	if err == nil && len(cards) > 0 {
		out.Card = cards[0]
	}
	return out, err
}

// Expired returns up to limit accounts with something on cards whose life ended at before or earlier.
func (s *Store) Expired(ctx context.Context, before time.Time, limit int) ([]string, error) {
	ids, err := collect(ctx, s.read, scanString, `
		SELECT DISTINCT account_id FROM cards WHERE balance > 0 AND expires_ms <= $1 LIMIT $2`, millis(before), int64(limit))
	if err != nil {
		return nil, fmt.Errorf("look for expired cards: %w", err)
	}
	return ids, nil
}

// Expire takes off the cards of an account what is left on those whose life ended at before or earlier.
func (s *Store) Expire(ctx context.Context, accountID string, before time.Time) (b ledger.Balance, err error) {
	err = s.tx(ctx, func(tx *txn) error {
		balances, head, err := openAccounts(ctx, tx, []string{accountID})
		if err != nil {
			return err
		}
		var teller ledger.Teller
		teller.Open(*balances[0])
		teller.Expire(accountID, before)
		b = teller.Balance(accountID)
		return errors.Join(saveMoney(ctx, tx, &teller), appendEntries(ctx, tx, head, teller.Entries()))
	})
	if err != nil {
		return ledger.Balance{}, fmt.Errorf("expire the cards of account %q: %w", accountID, err)
	}
	return b, nil
}
