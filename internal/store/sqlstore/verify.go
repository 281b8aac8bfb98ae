package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"tollgate/internal/ledger"
)

// verifyPage is how many rows are read at a time. A statement for all of them would meet the timeouts
// that statements have here.
const verifyPage = 2000

// Verify goes through the books with a, in one state of the database; the gateway may be running. It
// fails with the first *ledger.Fault.
func (s *Store) Verify(ctx context.Context, a *ledger.Audit) error {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{Isolation: s.snapshot(), ReadOnly: true})
	if err != nil {
		return fmt.Errorf("verify the ledger: %w", err)
	}
	defer tx.Rollback()
	err = s.verify(ctx, tx, a)
	var fault *ledger.Fault
	if err != nil && !errors.As(err, &fault) {
		err = fmt.Errorf("verify the ledger: %w", err)
	}
	return err
}

func (s *Store) verify(ctx context.Context, tx *sql.Tx, a *ledger.Audit) error {
	entries := func(after int64) ([]ledger.Entry, error) {
		return collect(ctx, tx, scanEntry, `
			SELECT seq, movement, at_ms, kind, account_id, counter, amount, card_id, expires_ms, reference, transfer, calls, note, hash FROM entries
			WHERE seq > $1 ORDER BY seq LIMIT $2`, after, verifyPage)
	}
	err := pages(int64(math.MinInt64), entries, func(e *ledger.Entry) (int64, error) { return e.Seq, a.Entry(e) })
	if err != nil {
		return err
	}
	head, err := scanHead(tx.QueryRowContext(ctx, `SELECT seq, hash FROM chain_head WHERE id = 1`))
	if errors.Is(err, sql.ErrNoRows) {
		return &ledger.Fault{Where: "the head of the chain", What: "is missing"}
	}
	if err != nil {
		return err
	}
	if err := a.End(head); err != nil {
		return err
	}
	cards := func(after string) ([]ledger.Card, error) {
		return collect(ctx, tx, scanCard, `
			SELECT id, account_id, amount, balance, reference, granted_ms, expires_ms FROM cards WHERE id > $1 ORDER BY id LIMIT $2`, after, verifyPage)
	}
	if err := pages("", cards, func(c *ledger.Card) (string, error) { return c.ID, a.Card(c) }); err != nil {
		return err
	}
	balances := func(after string) ([]*ledger.Balance, error) {
		return collect(ctx, tx, scanBalance, `SELECT account_id, debt, spent FROM balances WHERE account_id > $1 ORDER BY account_id LIMIT $2`, after, verifyPage)
	}
	if err := pages("", balances, func(b **ledger.Balance) (string, error) { return (*b).AccountID, a.Balance(*b) }); err != nil {
		return err
	}
	calls := func(after string) ([]storedCall, error) {
		return collect(ctx, tx, scanStoredCall, `SELECT id, account_id, at_ms, key_id, model, channel_id, doc FROM calls WHERE id > $1 ORDER BY id LIMIT $2`, after, verifyPage)
	}
	err = pages("", calls, func(c *storedCall) (string, error) {
		if c.err != nil || c.ID != c.id || c.AccountID != c.account {
			return c.id, &ledger.Fault{Where: "call " + c.id, What: "cannot be read, or says that it is another one or of another account"}
		}
		a.Call(&c.Call)
		return c.id, nil
	})
	if err != nil {
		return err
	}
	gone := func(after string) ([]forgotten, error) {
		return collect(ctx, tx, scanDigest, `SELECT account_id, calls, digest FROM forgotten WHERE account_id > $1 ORDER BY account_id LIMIT $2`, after, verifyPage)
	}
	removed := map[string]bool{}
	err = pages("", gone, func(f *forgotten) (string, error) {
		if f.err != nil {
			return f.account, &ledger.Fault{Where: "removed calls of account " + f.account, What: f.err.Error()}
		}
		a.Forget(f.account, f.Digest)
		removed[f.account] = true
		return f.account, nil
	})
	if err != nil {
		return err
	}
	wrong, err := a.Charged()
	if err != nil || len(wrong) == 0 {
		return err
	}
	return auditCharges(ctx, tx, wrong[0], !removed[wrong[0]])
}

// storedCall is a call with the columns that repeat what it says.
type storedCall struct {
	id, account string
	ledger.Call
	err error // why the call itself cannot be read
}

func scanStoredCall(row scanner) (storedCall, error) {
	var c storedCall
	var doc string
	err := row.Scan(&c.id, &c.account, &c.AtMillis, &c.KeyID, &c.Model, &c.ChannelID, &doc)
	c.err = fromJSON(doc, "call", &c.Call)
	return c, err
}

// pages calls each for all rows, page by page; it returns what the next page begins after.
func pages[Row any, Key comparable](after Key, read func(Key) ([]Row, error), each func(*Row) (Key, error)) error {
	for {
		rows, err := read(after)
		if err != nil || len(rows) == 0 {
			return err
		}
		for i := range rows {
			if after, err = each(&rows[i]); err != nil {
				return err
			}
		}
	}
}

// auditCharges finds what is wrong between an account's entries and its calls.
func auditCharges(ctx context.Context, tx *sql.Tx, accountID string, whole bool) error {
	entries, err := collect(ctx, tx, scanEntry, `
		SELECT seq, movement, at_ms, kind, account_id, counter, amount, card_id, expires_ms, reference, transfer, calls, note, hash FROM entries
		WHERE account_id = $1 AND calls <> '' ORDER BY seq`, accountID)
	if err != nil {
		return err
	}
	calls, err := collect(ctx, tx, scanCall, `SELECT at_ms, key_id, model, channel_id, doc FROM calls WHERE account_id = $1 ORDER BY at_ms, id`, accountID)
	if err != nil {
		return err
	}
	if err := ledger.AuditCharges(accountID, entries, calls, whole); err != nil {
		return err
	}
	if !whole {
		return &ledger.Fault{Where: "calls of account " + accountID, What: "those that are kept, and the digest of those that are not, are not what its entries charge it for"}
	}
	return &ledger.Fault{Where: "calls of account " + accountID, What: "are kept under another account or id than they have"}
}
