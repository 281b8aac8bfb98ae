package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"tollgate/internal/store/migrations"
)

// querier is a pool or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// scanner is a row.
type scanner interface{ Scan(dest ...any) error }

// collect runs a query and reads its rows with scan.
func collect[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// changed answers missing if an UPDATE or DELETE met no row.
func changed(r sql.Result, err, missing error) error {
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	if err == nil && n == 0 {
		return missing
	}
	return err
}

// execMany runs an INSERT whose text has "{rows}" for the values, for all rows.
func execMany(ctx context.Context, tx *txn, query string, rows [][]any) error {
	return eachChunk(tx.engine, query, rows, func(query string, args []any) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
}

// countMany is execMany that counts the rows it changed. The rows have this width and stand one behind the other.
func countMany(ctx context.Context, tx *txn, query string, width int, args []any) (int64, error) {
	var n int64
	err := eachChunkOf(tx.engine, query, width, args, func(query string, args []any) error {
		r, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		some, err := r.RowsAffected()
		n += some
		return err
	})
	return n, err
}

// queryMany is execMany for statements that return rows.
func queryMany[T any](ctx context.Context, tx *txn, scan func(scanner) (T, error), query string, rows [][]any) ([]T, error) {
	var all []T
	err := eachChunk(tx.engine, query, rows, func(query string, args []any) error {
		some, err := collect(ctx, tx, scan, query, args...)
		all = append(all, some...)
		return err
	})
	return all, err
}

// eachChunk runs a statement for as many rows at a time as fit. Few different sizes keep few prepared
// statements in PostgreSQL; the largest stays below SQLite's 32,766 parameters.
func eachChunk(engine migrations.Engine, query string, rows [][]any, run func(query string, args []any) error) error {
	if len(rows) == 0 {
		return nil
	}
	width := len(rows[0])
	args := make([]any, 0, len(rows)*width)
	for _, row := range rows {
		args = append(args, row...)
	}
	return eachChunkOf(engine, query, width, args, run)
}

// eachChunkOf is eachChunk for rows of this width that stand one behind the other.
func eachChunkOf(engine migrations.Engine, query string, width int, args []any, run func(query string, args []any) error) error {
	for _, size := range [...]int{512, 256, 64, 16, 4, 1} {
		if len(args) < size*width {
			continue
		}
		text := strings.Replace(query, "{rows}", brackets(engine, size, width), 1)
		for len(args) >= size*width {
			if err := run(text, args[:size*width]); err != nil {
				return err
			}
			args = args[size*width:]
		}
	}
	return nil
}

// brackets returns the parameters of rows: "($1, $2), ($3, $4)" for two of two columns. On SQLite they
// are question marks: "$1" is a name there, and it looks names up one by one, which for thousands of
// them takes longer than the insert.
func brackets(engine migrations.Engine, rows, width int) string {
	if engine == migrations.SQLite {
		row := "(?" + strings.Repeat(", ?", width-1) + ")"
		return row + strings.Repeat(", "+row, rows-1)
	}
	b := make([]byte, 0, rows*width*7)
	for i := range rows * width {
		switch {
		case i == 0:
			b = append(b, "($"...)
		case i%width == 0:
			b = append(b, "), ($"...)
		default:
			b = append(b, ", $"...)
		}
		b = strconv.AppendInt(b, int64(i+1), 10)
	}
	return string(append(b, ')'))
}

// in expands "{list}" in query to parameters from $first on, and returns the values for them: those
// given, and the last one again up to a power of two, so that few different texts come about.
func in(query string, first int, values []string) (string, []any) {
	size := 1
	for size < len(values) {
		size *= 2
	}
	args := make([]any, size)
	list := make([]string, size)
	for i := range args {
		args[i] = clean(values[min(i, len(values)-1)])
		list[i] = "$" + strconv.Itoa(first+i)
	}
	return strings.Replace(query, "{list}", "("+strings.Join(list, ", ")+")", 1), args
}

// Times are stored as milliseconds UTC; the zero time has its own, far below zero.
func millis(t time.Time) int64   { return t.UnixMilli() }
func instant(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// toJSON is for values that cannot fail to be written: strings, numbers, and lists and maps of them.
func toJSON(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// fromJSON reads what toJSON wrote into dst.
func fromJSON(text, what string, dst any) error {
	if err := json.Unmarshal([]byte(text), dst); err != nil {
		return fmt.Errorf("stored %s is damaged: %w", what, err)
	}
	return nil
}

// checkText refuses what PostgreSQL cannot keep in a text, on both engines alike.
func checkText(named map[string]string) error {
	for name, s := range named {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			return fmt.Errorf("%s: not valid UTF-8, or a NUL is in it", name)
		}
	}
	return nil
}

// maxIndexed is what a text may measure in an indexed column, in bytes. PostgreSQL refuses index rows
// above 2,704 bytes, and one refused call would hold up the drain for ever.
const maxIndexed = 400

// indexed returns s as it stands in columns that are searched, whatever a client or an upstream put
// into it: valid text without NUL, and if too long its start and its hash. Searching applies it too.
func indexed(s string) string {
	s = clean(s)
	if len(s) <= maxIndexed {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return strings.ToValidUTF8(s[:maxIndexed-80], "") + "…#" + hex.EncodeToString(sum[:])
}

// clean replaces what PostgreSQL cannot keep in a text.
func clean(s string) string {
	if isPlain(s) {
		return s
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	return strings.ReplaceAll(s, "\x00", "\uFFFD")
}

// isPlain reports whether s is ASCII without NUL, as nearly all texts that are cleaned.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i]-1 >= 0x7f { // 0 becomes the largest byte
			return false
		}
	}
	return true
}

// isDuplicate reports whether err says that a unique value is taken.
func isDuplicate(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "23505"
}

// isOrphan reports whether err says that a row refers to one that is not there.
func isOrphan(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "23503"
}
