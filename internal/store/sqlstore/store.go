// Package sqlstore keeps everything that outlives the process in SQLite or PostgreSQL, behind the
// Store interfaces that account, pool, ledger and catalog declare. All SQL of the program is here, one
// file a table, each statement next to its method, one text for both engines. It leaves the schema to
// migrations and every rule to the packages it stores for.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"tollgate/internal/account"
	"tollgate/internal/audit"
	"tollgate/internal/catalog"
	"tollgate/internal/change"
	"tollgate/internal/ledger"
	"tollgate/internal/mail"
	"tollgate/internal/news"
	"tollgate/internal/pool"
	"tollgate/internal/secret"
	"tollgate/internal/store/migrations"
)

// Config says where the data is.
type Config struct {
	// DSN chooses the engine: "" for SQLite in DataDir, "sqlite:PATH", "file:URI", "postgres://…".
	DSN string
	// DataDir is where SQLite lives when DSN is empty. It is made if it does not exist.
	DataDir string
	// Sealer seals the secrets of channels. It is needed.
	Sealer *secret.Sealer
	// MaxConns bounds the connections to PostgreSQL; 0 means 16.
	MaxConns int
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	engine migrations.Engine
	write  *sql.DB // on SQLite one connection, so that writers queue here and not in the file's lock
	read   *sql.DB // may be the same as write
	sealer *secret.Sealer

	prepared prepared

	ownEntries, ownCounts own // numbers of entries and of changes of counters
}

var (
	_ account.Store = (*Store)(nil)
	_ audit.Store   = (*Store)(nil)
	_ catalog.Store = (*Store)(nil)
	_ change.Store  = (*Store)(nil)
	_ pool.Store    = (*Store)(nil)
	_ ledger.Store  = (*Store)(nil)
	_ mail.Store    = (*Store)(nil)
	_ news.Store    = (*Store)(nil)
)

// ErrNotFound says that there is no such setting.
var ErrNotFound = errors.New("not found")

// Open opens the database that cfg names, brings its schema up to date and returns a Store, which the
// caller must Close.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Sealer == nil {
		return nil, errors.New("open the store: no sealer for secrets was given")
	}
	open, err := choose(cfg)
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	s, err := open(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	s.sealer = cfg.Sealer
	return s, nil
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.read.PingContext(ctx); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// Close waits for running statements and closes the database.
func (s *Store) Close() error {
	err := s.prepared.close()
	if s.read != s.write {
		err = errors.Join(err, s.read.Close())
	}
	return errors.Join(err, s.write.Close())
}

// snapshot is the isolation in which all statements of a transaction see one state. SQLite knows no
// other and takes no name for it.
func (s *Store) snapshot() sql.IsolationLevel {
	if s.engine == migrations.Postgres {
		return sql.LevelRepeatableRead
	}
	return sql.LevelDefault
}

// txn is a transaction and the engine it runs on.
type txn struct {
	*sql.Tx
	engine   migrations.Engine
	prepared *prepared

	entries [2]int64 // first and last that it appended
	change  int64    // of counters that it made; 0: none
}

// tx runs f in one transaction, which is rolled back if f answers an error.
func (s *Store) tx(ctx context.Context, f func(*txn) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	t := &txn{Tx: tx, engine: s.engine, prepared: &s.prepared}
	if err := f(t); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	if t.entries[0] > 0 {
		s.ownEntries.add(t.entries[0], t.entries[1])
	}
	if t.change > 0 {
		s.ownCounts.add(t.change, t.change)
	}
	if s.engine == migrations.SQLite {
		s.prepared.prepare(ctx, s.write)
	}
	return nil
}

// prepared keeps the statements that come again and again for SQLite, which takes as long to read
// their text as to run them. The other engine's driver does so itself. A statement can't be prepared
// while a transaction has the only connection, so it is noted there and prepared after it.
type prepared struct {
	mu     sync.Mutex
	byText map[string]*statement
}

// statement is a text that was run.
type statement struct {
	stmt *sql.Stmt // nil: not prepared
	runs int
}

// maxPrepared bounds the statements kept; there are a few tables times a few sizes. A text that came
// but once, a list of some length, makes room for another.
const (
	maxPrepared = 128
	oftenEnough = 3 // runs
)

// ExecContext runs a statement, prepared if it is.
func (t *txn) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if stmt := t.known(ctx, query); stmt != nil { //nolint:sqlclosecheck // it stays prepared; its transaction closes this one
		return stmt.ExecContext(ctx, args...)
	}
	return t.Tx.ExecContext(ctx, query, args...)
}

// QueryContext runs a query, prepared if it is.
func (t *txn) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if stmt := t.known(ctx, query); stmt != nil { //nolint:sqlclosecheck // it stays prepared; its transaction closes this one
		return stmt.QueryContext(ctx, args...)
	}
	return t.Tx.QueryContext(ctx, query, args...)
}

// QueryRowContext runs a query of one row, prepared if it is.
func (t *txn) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if stmt := t.known(ctx, query); stmt != nil { //nolint:sqlclosecheck // it stays prepared; its transaction closes this one
		return stmt.QueryRowContext(ctx, args...)
	}
	return t.Tx.QueryRowContext(ctx, query, args...)
}

// known returns the prepared statement of a text; the transaction closes its own copy, ours stays until
// prepared.close.
func (t *txn) known(ctx context.Context, query string) *sql.Stmt {
	if t.engine != migrations.SQLite {
		return nil
	}
	if stmt := t.prepared.get(query); stmt != nil {
		return t.StmtContext(ctx, stmt)
	}
	return nil
}

func (p *prepared) get(query string) *sql.Stmt {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.byText[query]
	if s == nil {
		if len(p.byText) >= maxPrepared && !p.forgetOne() {
			return nil
		}
		if p.byText == nil {
			p.byText = map[string]*statement{}
		}
		s = &statement{}
		p.byText[query] = s
	}
	s.runs++
	return s.stmt
}

// forgetOne makes room by a text that was never prepared. The caller holds mu.
func (p *prepared) forgetOne() bool {
	for text, s := range p.byText {
		if s.stmt == nil {
			delete(p.byText, text)
			return true
		}
	}
	return false
}

// prepare prepares what was wanted. What can't be prepared now is wanted again next time. It waits for
// a connection without holding mu, which whoever has the connection may need.
func (p *prepared) prepare(ctx context.Context, db *sql.DB) {
	p.mu.Lock()
	var wanted []string
	for query, s := range p.byText {
		if s.stmt == nil && s.runs >= oftenEnough {
			wanted = append(wanted, query)
		}
	}
	p.mu.Unlock()
	for _, query := range wanted {
		stmt, err := db.PrepareContext(ctx, query) //nolint:sqlclosecheck // it is kept for the next time, see prepared.close
		if err != nil {
			continue
		}
		p.mu.Lock()
		if s := p.byText[query]; s != nil && s.stmt == nil {
			s.stmt, stmt = stmt, nil
		}
		p.mu.Unlock()
		if stmt != nil { // another one was faster, the text was forgotten, or the store was closed
			_ = stmt.Close() // it was never used
		}
	}
}

// close closes what was prepared.
func (p *prepared) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, s := range p.byText {
		if s.stmt != nil {
			errs = append(errs, s.stmt.Close())
		}
	}
	p.byText = nil
	return errors.Join(errs...)
}
