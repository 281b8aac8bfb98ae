package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"tollgate/internal/store/migrations"
)

func openPostgres(ctx context.Context, cfg Config) (*Store, error) {
	conn, err := pgx.ParseConfig(cfg.DSN)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err) // pgx blanks out the password
	}
	if conn.RuntimeParams["application_name"] == "" {
		conn.RuntimeParams["application_name"] = "tollgate"
	}
	// A migration may take longer than any statement of a running gateway.
	if err := migratePostgres(ctx, conn); err != nil {
		return nil, err
	}
	setTimeouts(conn)
	db := stdlib.OpenDB(*conn)
	maxConns := cfg.MaxConns
	if maxConns <= 0 {
		maxConns = 16
	}
	db.SetMaxOpenConns(maxConns)
	db.SetMaxIdleConns(maxConns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	db.SetConnMaxLifetime(time.Hour) // so that a failover or a new password reaches every connection
	if err := db.PingContext(ctx); err != nil {
		return nil, fmt.Errorf("postgres: %w", errors.Join(err, db.Close()))
	}
	return &Store{engine: migrations.Postgres, write: db, read: db}, nil
}

// setTimeouts bounds what a hanging statement, lock or transaction may cost. What the address sets
// itself stands. Nothing is set when it chooses how queries are executed: that is written for a pooler
// (PgBouncer), which refuses such start-up parameters.
func setTimeouts(conn *pgx.ConnConfig) {
	if conn.DefaultQueryExecMode != pgx.QueryExecModeCacheStatement {
		return
	}
	for name, value := range map[string]string{
		"statement_timeout":                   "30s",
		"lock_timeout":                        "15s",
		"idle_in_transaction_session_timeout": "60s",
	} {
		if _, ok := conn.RuntimeParams[name]; !ok {
			conn.RuntimeParams[name] = value
		}
	}
}

func migratePostgres(ctx context.Context, conn *pgx.ConnConfig) error {
	db := stdlib.OpenDB(*conn)
	db.SetMaxOpenConns(2)
	err := db.PingContext(ctx)
	if err != nil {
		err = fmt.Errorf("postgres: %w", err)
	} else {
		err = migrations.Up(ctx, migrations.Postgres, db)
	}
	return errors.Join(err, closeDB(db))
}

func closeDB(db *sql.DB) error {
	if err := db.Close(); err != nil {
		return fmt.Errorf("close the database: %w", err)
	}
	return nil
}
