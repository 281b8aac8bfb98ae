package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"modernc.org/sqlite" // also the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"tollgate/internal/store/migrations"
)

// openerSQLite returns an opener of the database at uri ("file:PATH?parameters").
func openerSQLite(uri string) func(context.Context, Config) (*Store, error) {
	return func(ctx context.Context, _ Config) (*Store, error) {
		path, query, _ := strings.Cut(strings.TrimPrefix(uri, "file:"), "?")
		params, err := url.ParseQuery(query)
		if err != nil {
			return nil, fmt.Errorf("the parameters after the file name: %w", err)
		}
		memory := path == ":memory:" || path == "" || params.Get("mode") == "memory"
		if !memory {
			if err := prepareFile(path); err != nil {
				return nil, err
			}
		}
		// The driver runs _busy_timeout before all others, whatever their order: turning WAL on needs
		// the lock that another opener may hold.
		params.Set("_busy_timeout", "10000")
		params.Set("_journal_mode", "WAL")
		params.Set("_synchronous", "NORMAL")
		params.Set("_foreign_keys", "on")
		params.Set("_txlock", "immediate")
		params.Set("_dqs", "0")
		// A call takes more than 1 KB, so larger pages are fewer writes; an old file keeps the size it has.
		// The default checkpoint, after 1000 pages, would make every few batches of calls wait for it.
		params["_pragma"] = []string{"page_size(8192)", "wal_autocheckpoint(2000)"}

		s := &Store{engine: migrations.SQLite}
		reading := maps.Clone(params)
		// A statement of many rows keeps the pages that it changes until it is done, in case it fails: in
		// memory, not in a file. Queries may need much more room than that.
		params["_pragma"] = append(params["_pragma"], "temp_store(MEMORY)")
		if s.write, err = openSQLite(ctx, path, params, 1); err != nil {
			return nil, err
		}
		if memory { // lives in its one connection
			s.read = s.write
			return s, s.migrate(ctx)
		}
		if err := s.migrate(ctx); err != nil {
			return nil, err
		}
		reading.Set("_query_only", "on")
		reading.Del("_txlock")
		if s.read, err = openSQLite(ctx, path, reading, max(4, runtime.GOMAXPROCS(0))); err != nil {
			return nil, errors.Join(err, s.write.Close())
		}
		return s, nil
	}
}

func openSQLite(ctx context.Context, path string, params url.Values, conns int) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?"+params.Encode())
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	if err := patientPing(ctx, db); err != nil {
		return nil, fmt.Errorf("sqlite %s: %w", path, errors.Join(err, db.Close()))
	}
	return db, nil
}

// openWait is how long an opener waits for others who turn WAL on at the same moment: SQLite answers
// "busy" there at once, whatever the busy timeout is, since two who wait for each other never end.
const openWait = 10 * time.Second

func patientPing(ctx context.Context, db *sql.DB) error {
	for end := time.Now().Add(openWait); ; {
		err := db.PingContext(ctx)
		var busy *sqlite.Error
		if err == nil || !errors.As(err, &busy) || busy.Code()&0xff != sqlite3.SQLITE_BUSY || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// migrate brings the schema up to date; on failure it closes the database.
func (s *Store) migrate(ctx context.Context) error {
	if err := migrations.Up(ctx, s.engine, s.write); err != nil {
		return errors.Join(err, s.write.Close())
	}
	return nil
}

// prepareFile makes the database's file readable for its owner alone; SQLite gives its side files the
// same mode. A file that exists keeps its mode.
func prepareFile(escaped string) error {
	path, err := url.PathUnescape(escaped)
	if err != nil {
		return fmt.Errorf("the file name: %w", err)
	}
	path = strings.TrimPrefix(path, "//")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}
