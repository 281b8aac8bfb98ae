package storetest

import (
	"database/sql"
	"testing"

	_ "modernc.org/sqlite" // driver "sqlite"
)

// WithoutTable runs f while a database, a file of SQLite or an address of PostgreSQL, lacks a table.
func WithoutTable(t testing.TB, driver, source, table string, f func()) {
	t.Helper()
	db, err := sql.Open(driver, source)
	must(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), `ALTER TABLE `+table+` RENAME TO away`)
	must(t, err)
	f()
	_, err = db.ExecContext(t.Context(), `ALTER TABLE away RENAME TO `+table)
	must(t, err)
}
