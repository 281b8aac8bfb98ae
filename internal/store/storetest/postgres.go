package storetest

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
)

// Postgres makes a new, empty database on the server that PG_DSN names, or the one on this machine,
// and returns its address; the database goes when the test ends. Without a server the test is skipped,
// but under CI it fails: there a suite that silently tests nothing would look like one that passes.
func Postgres(t testing.TB) string {
	t.Helper()
	server := os.Getenv("PG_DSN")
	if server == "" {
		server = "postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable"
	}
	address, err := url.Parse(server)
	if err != nil {
		t.Fatal("PG_DSN is not a URL")
	}
	admin, err := sql.Open("pgx", server)
	must(t, err)
	t.Cleanup(func() { must(t, admin.Close()) })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := admin.PingContext(ctx); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("CI must have PostgreSQL: start it on 127.0.0.1:5432 or set PG_DSN: %v", err)
		}
		t.Skipf("PostgreSQL does not answer (set PG_DSN to use another): %v", err)
	}
	name := "tollgate_test_" + strings.ReplaceAll(newID(t), "-", "")
	_, err = admin.ExecContext(ctx, `CREATE DATABASE `+name)
	must(t, err)
	t.Cleanup(func() {
		_, err := admin.ExecContext(context.WithoutCancel(ctx), `DROP DATABASE `+name+` WITH (FORCE)`)
		if err != nil {
			t.Errorf("drop %s: %v", name, err)
		}
	})
	address.Path = "/" + name
	return address.String()
}
