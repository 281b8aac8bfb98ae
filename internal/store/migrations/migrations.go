// Package migrations owns the schema: numbered SQL that only goes forward, and its application to a
// database. Statements that use the schema it leaves to sqlstore.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed common/*.sql
var files embed.FS

// Engine is a database that the schema is written for.
type Engine string

// The engines.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// lockID is the advisory lock that one node holds on PostgreSQL while it migrates.
const lockID = 0x746f6c6c67617465 // "tollgate"

// Up brings the schema of db to the newest version. It is a no-op on a database that is there
// already, safe to run by several nodes at once, and refuses a database that is ahead of this binary.
func Up(ctx context.Context, engine Engine, db *sql.DB) error {
	provider, err := newProvider(engine, db)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	before, err := version(ctx, provider)
	if err != nil {
		return err
	}
	for {
		_, err := provider.Up(ctx)
		if err == nil {
			return nil
		}
		// SQLite has no lock to hold across migrations. Two openers may so begin the same one, of
		// which the second fails as a whole; the first's progress shows that it is worth another try.
		after, verr := version(ctx, provider)
		if verr != nil || after <= before {
			return fmt.Errorf("migrate from version %d: %w", before, errors.Join(err, verr))
		}
		before = after
	}
}

// UpTo brings an older database to a version that is not the newest, for tests of what comes after it.
func UpTo(ctx context.Context, engine Engine, db *sql.DB, version int64) error {
	provider, err := newProvider(engine, db)
	if err == nil {
		_, err = provider.UpTo(ctx, version)
	}
	if err != nil {
		return fmt.Errorf("migrate to version %d: %w", version, err)
	}
	return nil
}

func newProvider(engine Engine, db *sql.DB) (*goose.Provider, error) {
	common, err := fs.Sub(files, "common")
	if err != nil {
		return nil, err
	}
	// What SQL alone cannot do. The version is one that no file has.
	inGo := goose.WithGoMigrations(goose.NewGoMigration(6, &goose.GoFunc{RunTx: chainOldEntries}, nil))
	switch engine {
	case SQLite:
		return goose.NewProvider(goose.DialectSQLite3, db, common, inGo)
	case Postgres:
		locker, err := lock.NewPostgresSessionLocker(
			lock.WithLockID(lockID), lock.WithLockTimeout(1, 300), lock.WithUnlockTimeout(1, 30))
		if err != nil {
			return nil, err
		}
		return goose.NewProvider(goose.DialectPostgres, db, common, inGo, goose.WithSessionLocker(locker))
	}
	return nil, fmt.Errorf("no schema for engine %q", engine)
}

// version returns that of the database, and an error if it is newer than any migration here.
func version(ctx context.Context, provider *goose.Provider) (int64, error) {
	current, newest, err := provider.GetVersions(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the schema version: %w", err)
	}
	if current > newest {
		return 0, fmt.Errorf("the database has schema version %d, this program knows %d: it was opened by a newer release; start that one, or restore the backup made before the upgrade", current, newest)
	}
	return current, nil
}
