package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/ledger"
)

// defaultLimit is how many rows a page has that does not say.
const defaultLimit = 100

// maxList is how many values go into one list of a query; more are asked for in turns.
const maxList = 1024

// Call returns one call, or ledger.ErrNotFound.
func (s *Store) Call(ctx context.Context, id string) (ledger.Call, error) {
	c, err := scanCall(s.read.QueryRowContext(ctx, `SELECT at_ms, key_id, model, channel_id, doc FROM calls WHERE id = $1`, clean(id)))
	if errors.Is(err, sql.ErrNoRows) {
		err = ledger.ErrNotFound
		if began := ledger.Began(id); !began.IsZero() {
			from, ferr := keptFrom(ctx, s.read)
			if ferr != nil {
				return ledger.Call{}, fmt.Errorf("read call %q: %w", id, ferr)
			}
			if began.Before(from) {
				err = ledger.ErrForgotten
			}
		}
		return ledger.Call{}, err
	}
	if err != nil {
		return ledger.Call{}, fmt.Errorf("read call %q: %w", id, err)
	}
	return c, nil
}

// Calls returns a page of the calls that q selects, newest first. From is the first instant that
// counts, To the first that does not.
func (s *Store) Calls(ctx context.Context, q ledger.CallQuery) ([]ledger.Call, error) {
	all, err := s.calls(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read calls: %w", err)
	}
	return all, nil
}

func (s *Store) calls(ctx context.Context, q ledger.CallQuery) ([]ledger.Call, error) {
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	where, args, err := s.callFilter(ctx, q)
	if err != nil {
		return nil, err
	}
	if len(q.AccountIDs) == 0 {
		return s.callPage(ctx, where, args, q.Limit)
	}
	// The page of many accounts is in the pages of some of them each.
	var all []ledger.Call
	for some := range slices.Chunk(q.AccountIDs, maxList) {
		list, more := in(`account_id IN {list}`, len(args)+1, some)
		page, err := s.callPage(ctx, append(slices.Clip(where), list), append(slices.Clip(args), more...), q.Limit)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
	}
	if len(q.AccountIDs) > maxList {
		slices.SortFunc(all, func(a, b ledger.Call) int {
			return cmp.Or(cmp.Compare(b.AtMillis, a.AtMillis), strings.Compare(b.ID, a.ID))
		})
		// An account named twice, in two chunks, is there twice.
		all = slices.CompactFunc(all, func(a, b ledger.Call) bool { return a.ID == b.ID })
	}
	return all[:min(len(all), q.Limit)], nil
}

// callFilter returns the conditions of q but for its accounts, and their parameters.
func (s *Store) callFilter(ctx context.Context, q ledger.CallQuery) (where []string, args []any, err error) {
	param := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	if q.Before != "" {
		var at int64
		err := s.read.QueryRowContext(ctx, `SELECT at_ms FROM calls WHERE id = $1`, clean(q.Before)).Scan(&at)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, nil, fmt.Errorf("the page before call %q: %w", q.Before, ledger.ErrNotFound)
		}
		if err != nil {
			return nil, nil, err
		}
		where = append(where, "(at_ms, id) < ("+param(at)+", "+param(clean(q.Before))+")")
	}
	for _, is := range []struct{ column, value string }{{"key_id", q.KeyID}, {"model", q.Model}, {"channel_id", q.ChannelID}} {
		if is.value != "" {
			where = append(where, is.column+" = "+param(indexed(is.value)))
		}
	}
	if !q.From.IsZero() {
		where = append(where, "at_ms >= "+param(ceilMillis(q.From)))
	}
	if !q.To.IsZero() {
		where = append(where, "at_ms < "+param(ceilMillis(q.To)))
	}
	if q.OnlyErrors {
		where = append(where, "failed")
	}
	if q.Quarantined {
		where = append(where, "quarantined")
	}
	return where, args, nil
}

func (s *Store) callPage(ctx context.Context, where []string, args []any, limit int) ([]ledger.Call, error) {
	query := `SELECT at_ms, key_id, model, channel_id, doc FROM calls`
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	query += " ORDER BY at_ms DESC, id DESC LIMIT $" + strconv.Itoa(len(args)+1)
	return collect(ctx, s.read, scanCall, query, append(slices.Clip(args), int64(limit))...)
}

// errSomeKnown says that an insert found calls that are there already, and that its transaction must
// be given up.
var errSomeKnown = errors.New("some calls are there already")

// insertCalls adds the calls that are not there yet and returns those, in their order. Nearly always
// none is there; so unless it is told to sort them, it takes that for granted, and answers
// errSomeKnown when it was wrong.
func insertCalls(ctx context.Context, tx *txn, calls []ledger.Call, sort bool) ([]ledger.Call, error) {
	args := callRows(calls)
	const insert = `
		INSERT INTO calls (id, at_ms, account_id, key_id, model, channel_id, failed, quarantined, doc) VALUES {rows}
		ON CONFLICT (id) DO NOTHING`
	if !sort {
		n, err := countMany(ctx, tx, insert, callColumns, args)
		if err == nil && n < int64(len(calls)) {
			err = errSomeKnown
		}
		return calls, err
	}
	fresh := make(map[string]bool, len(calls))
	err := eachChunkOf(tx.engine, insert+` RETURNING id`, callColumns, args, func(query string, args []any) error {
		ids, err := collect(ctx, tx, scanString, query, args...)
		for _, id := range ids {
			fresh[id] = true
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	list := make([]ledger.Call, 0, len(fresh))
	for i := range calls {
		if fresh[calls[i].ID] {
			delete(fresh, calls[i].ID) // of two with the same id the first was stored
			list = append(list, calls[i])
		}
	}
	return list, nil
}

const callColumns = 9

// callRows returns the columns of calls, one row behind the other.
func callRows(calls []ledger.Call) []any {
	var docs strings.Builder // one piece of memory for all
	size := 0
	for i := range calls {
		size += len(calls[i].Document)
	}
	docs.Grow(size)
	args := make([]any, 0, len(calls)*callColumns)
	var doc []byte
	var account, key, model, channel any
	var whole bool // the columns have what the call says
	for i := range calls {
		c := &calls[i]
		if i == 0 || !alike(c, &calls[i-1]) {
			k, m, ch := indexed(c.KeyID), indexed(c.Model), indexed(c.ChannelID)
			account, key, model, channel = c.AccountID, k, m, ch
			whole = k == c.KeyID && m == c.Model && ch == c.ChannelID
		}
		if whole {
			doc = c.AppendStored(doc[:0])
		} else {
			doc = c.AppendRecord(doc[:0])
		}
		from := docs.Len()
		docs.Write(doc)
		args = append(args, c.ID, c.AtMillis, account, key, model, channel, failed(c), c.Quarantine != "", docs.String()[from:])
	}
	return args
}

// alike reports whether two calls are of one account, key, model and channel, as many are that come behind each other.
func alike(a, b *ledger.Call) bool {
	return a.AccountID == b.AccountID && a.KeyID == b.KeyID && a.Model == b.Model && a.ChannelID == b.ChannelID
}

// failed reports whether a call counts as an error.
func failed(c *ledger.Call) bool { return c.ErrorKind != "" || c.Status >= http.StatusBadRequest }

// scanCall reads a row of at_ms, key_id, model, channel_id and doc. The document wins over the others: it says
// what they could not keep as it was, and in old rows it says everything.
func scanCall(row scanner) (ledger.Call, error) {
	var c ledger.Call
	var doc string
	if err := row.Scan(&c.AtMillis, &c.KeyID, &c.Model, &c.ChannelID, &doc); err != nil {
		return c, err
	}
	return c, fromJSON(doc, "call", &c)
}

func scanString(row scanner) (string, error) {
	var s string
	err := row.Scan(&s)
	return s, err
}
