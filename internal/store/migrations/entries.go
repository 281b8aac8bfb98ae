package migrations

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
)

// oldEntry is a row of the first schema: one row had both sides.
type oldEntry struct {
	id, kind, account, card, call, note string
	at, amount                          int64
	expires                             int64 // of its card
	reference                           string
}

// chainOldEntries carries the entries of the first schema over, in the order they were written in.
func chainOldEntries(ctx context.Context, tx *sql.Tx) error {
	c := carrier{tx: tx}
	for last, more := "", true; more; {
		page, err := readOld(ctx, tx, last)
		if err != nil {
			return fmt.Errorf("read the old entries: %w", err)
		}
		for _, e := range page {
			if err := c.take(ctx, e); err != nil {
				return fmt.Errorf("carry over entry %s: %w", e.id, err)
			}
			last = e.id
		}
		more = len(page) > 0
	}
	if err := c.flush(ctx); err != nil {
		return err
	}
	if err := c.write(ctx, 1); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE chain_head SET seq = $1, hash = $2 WHERE id = 1`, c.head.Seq, headHash(c.head)); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `DROP TABLE entries_old`)
	return err
}

func headHash(h ledger.Head) string {
	if h.Seq == 0 {
		return ""
	}
	return hex.EncodeToString(h.Hash[:])
}

func readOld(ctx context.Context, tx *sql.Tx, after string) ([]oldEntry, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT e.id, e.kind, e.account_id, e.card_id, e.call_id, e.note, e.at_ms, e.amount, COALESCE(c.expires_ms, 0), COALESCE(c.reference, '')
		FROM entries_old e LEFT JOIN cards c ON c.id = e.card_id WHERE e.id > $1 ORDER BY e.id LIMIT 2000`, after)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var page []oldEntry
	for rows.Next() {
		var e oldEntry
		if err := rows.Scan(&e.id, &e.kind, &e.account, &e.card, &e.call, &e.note, &e.at, &e.amount, &e.expires, &e.reference); err != nil {
			return nil, err
		}
		page = append(page, e)
	}
	return page, rows.Err()
}

// carrier turns old entries into movements.
type carrier struct {
	tx    *sql.Tx
	head  ledger.Head
	group []oldEntry     // of one call, or one grant
	rows  []ledger.Entry // chained and not written yet
}

func (c *carrier) take(ctx context.Context, e oldEntry) error {
	if len(c.group) > 0 {
		first := c.group[0]
		same := e.account == first.account && e.call == first.call
		if e.call == "" {
			same = same && e.kind == string(ledger.EntryRepay) && e.card == first.card
		}
		if !same {
			if err := c.flush(ctx); err != nil {
				return err
			}
		}
	}
	c.group = append(c.group, e)
	return nil
}

// flush writes the group as one movement.
func (c *carrier) flush(ctx context.Context) error {
	if len(c.group) == 0 {
		return nil
	}
	var list []ledger.Entry
	var spent catalog.Nanos
	for _, o := range c.group {
		e := ledger.Entry{
			At: time.UnixMilli(o.at).UTC(), Kind: ledger.EntryKind(o.kind), Account: o.account, Amount: catalog.Nanos(o.amount), CardID: o.card, Note: o.note,
		}
		switch e.Kind {
		case ledger.EntryGrant:
			e.Counter, e.Transfer = ledger.SideOperator, o.card
			e.ExpiresAt, e.Reference = time.UnixMilli(o.expires).UTC(), o.reference
			list = append(list, e)
			e.Account, e.Counter, e.Amount, e.CardID = ledger.SideOperator, o.account, -e.Amount, ""
			e.ExpiresAt, e.Reference = time.Time{}, ""
			list = append(list, e)
		case ledger.EntryRepay:
			e.Counter, e.Transfer = o.account, o.card
			list = append(list, e)
			e.Amount, e.CardID = -e.Amount, ""
			list = append(list, e)
		case ledger.EntrySpend, ledger.EntryDebt:
			e.Counter = ledger.SideRevenue
			spent -= e.Amount
			list = append(list, e)
		default:
			return fmt.Errorf("entry %s is of kind %q, which this release does not know", o.id, o.kind)
		}
	}
	if call := c.group[0].call; call != "" {
		list[0].Calls = ledger.WriteCharges([]ledger.Charge{{CallID: call, Amount: spent}})
		list = append(list, ledger.Entry{At: list[0].At, Kind: ledger.EntrySpend, Account: ledger.SideRevenue, Amount: spent})
	}
	for i := range list {
		list[i].Movement = 1
	}
	c.head = c.head.Chain(list)
	c.rows, c.group = append(c.rows, list...), c.group[:0]
	return c.write(ctx, 100)
}

const entryColumns = 14

// write inserts what has gathered, if that is at least so many rows.
func (c *carrier) write(ctx context.Context, least int) error {
	for len(c.rows) >= least {
		some := c.rows[:min(len(c.rows), 100)]
		c.rows = c.rows[len(some):]
		var text strings.Builder
		text.WriteString(`INSERT INTO entries (seq, movement, at_ms, kind, account_id, counter, amount, card_id, expires_ms, reference, transfer, calls, note, hash) VALUES `)
		args := make([]any, 0, len(some)*entryColumns)
		for i, e := range some {
			if i > 0 {
				text.WriteString(", ")
			}
			for k := range entryColumns {
				text.WriteString(map[bool]string{true: "($", false: ", $"}[k == 0] + strconv.Itoa(i*entryColumns+k+1))
			}
			text.WriteString(")")
			expires := int64(0)
			if !e.ExpiresAt.IsZero() {
				expires = e.ExpiresAt.UnixMilli()
			}
			args = append(args, e.Seq, e.Movement, e.At.UnixMilli(), string(e.Kind), e.Account, e.Counter, int64(e.Amount), e.CardID, expires,
				e.Reference, e.Transfer, string(e.Calls), e.Note, hex.EncodeToString(e.Hash[:]))
		}
		if _, err := c.tx.ExecContext(ctx, text.String(), args...); err != nil {
			return err
		}
	}
	return nil
}
