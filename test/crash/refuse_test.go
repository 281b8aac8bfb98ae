package crash

import (
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
	_ "modernc.org/sqlite"             // driver "sqlite"

	"tollgate/internal/store/storetest"
)

// database opens a connection of the test's own, as an operator would have.
func database(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // BEGIN and ROLLBACK are for the same session
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func execute(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// While the store refuses writes, calls are answered and wait in the journal. A gateway that is killed
// meanwhile starts again, as long as the store can be read, and serves from the journal.
func TestStoreRefusesWrites(t *testing.T) {
	t.Run("sqlite locked", func(t *testing.T) {
		r := newRig(t, "")
		r.start() // makes the database
		db := database(t, "sqlite", "file:"+(&url.URL{Path: filepath.Join(r.data, "tollgate.db")}).EscapedPath()+"?_busy_timeout=10000")
		// Longer than the ten seconds that a statement of the gateway waits for the lock.
		refusing(t, r, 12*time.Second, func() { execute(t, db, "BEGIN EXCLUSIVE") }, func() { execute(t, db, "ROLLBACK") })
	})
	t.Run("postgres locked", func(t *testing.T) {
		r := newRig(t, storetest.Postgres(t))
		r.start()
		db := database(t, "pgx", r.dsn)
		var tx *sql.Tx
		refusing(t, r, 3*time.Second, func() {
			var err error
			if tx, err = db.BeginTx(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if _, err = tx.ExecContext(t.Context(), "LOCK TABLE calls, entries IN EXCLUSIVE MODE"); err != nil {
				t.Fatal(err)
			}
		}, func() {
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("postgres without table", func(t *testing.T) {
		r := newRig(t, storetest.Postgres(t))
		r.start()
		db := database(t, "pgx", r.dsn)
		refusing(t, r, 3*time.Second, func() { execute(t, db, "ALTER TABLE calls RENAME TO calls_away") }, func() { execute(t, db, "ALTER TABLE calls_away RENAME TO calls") })
	})
}

// refusing loads a gateway whose store is made to refuse for a while, and kills it twice meanwhile.
func refusing(t *testing.T, r *rig, while time.Duration, refuse, accept func()) {
	t.Helper()
	rnd := random(t)
	answered := func(d time.Duration) {
		t.Helper()
		before := r.got.answered()
		time.Sleep(d)
		waitUntil(t, "calls to be answered", func() bool { return r.got.answered() > before+10 })
	}
	r.loaded(rnd, 4, func() { answered(300 * time.Millisecond) })
	waitUntil(t, "the first calls to reach the store", func() bool { return r.lag() == 0 })

	refuse()
	began := time.Now()
	for range 2 {
		r.loaded(rnd, 4, func() {
			answered(while / 2)
			r.gate.kill()
		})
		r.start()
	}
	r.loaded(rnd, 4, func() {
		answered(300 * time.Millisecond)
		if r.lag() == 0 {
			t.Error("the store is said to have all calls, but it refuses them")
		}
		answered(max(0, while-time.Since(began)))
		accept()
		answered(300 * time.Millisecond)
	})
	waitUntil(t, "the rest of the journal to reach the store", func() bool { return r.lag() == 0 })
	r.stop()
	b := r.audit(0)
	t.Logf("%d answers to their last byte; %v", r.got.answered(), b)
	if n := r.got.refusals(); n > 0 {
		t.Errorf("%d calls were refused: %v", n, r.got.refused)
	}
}

// A gateway that runs goes on when its store can't be reached at all; one that starts does not, because
// it does not know what the accounts have. It says so, and the next start loses nothing.
func TestStoreIsGone(t *testing.T) {
	dsn := storetest.Postgres(t)
	rnd := random(t)
	r := newRig(t, dsn)
	address, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(address.Path, "/")
	address.Path = "/postgres"
	admin := database(t, "pgx", address.String())
	r.start()
	r.loaded(rnd, 4, func() {
		waitUntil(t, "calls", func() bool { return r.got.answered() > 50 })
		execute(t, admin, `ALTER DATABASE `+name+` ALLOW_CONNECTIONS false`,
			`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '`+name+`'`)
		before := r.got.answered()
		time.Sleep(time.Second)
		waitUntil(t, "calls without a store", func() bool { return r.got.answered() > before+50 })
		r.gate.kill()
	})
	r.launch()
	if err := r.gate.wait(patience); err == nil || r.gate.cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("without a store the start ends with %v, not with exit code 1", err)
	}
	if said := r.gate.said(); !strings.Contains(said, "open the store: postgres") || !strings.Contains(said, name) {
		t.Errorf("the start does not say which store is missing: %s", said)
	}
	execute(t, admin, `ALTER DATABASE `+name+` ALLOW_CONNECTIONS true`)
	r.start()
	r.stop()
	b := r.audit(0)
	t.Logf("%d answers to their last byte; %v", r.got.answered(), b)
	if n := r.got.refusals(); n > 0 {
		t.Errorf("%d calls were refused: %v", n, r.got.refused)
	}
}

// lag is how many bytes of the journal the store does not have, as the gateway's metrics say.
func (r *rig) lag() int64 {
	r.t.Helper()
	resp, err := getBody(r.gate.base + "/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	for line := range strings.Lines(resp) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasSuffix(name, "journal_lag_bytes") && !strings.HasPrefix(name, "#") {
			var n float64
			if _, err := fmt.Sscan(value, &n); err != nil {
				r.t.Fatalf("%s: %v", line, err)
			}
			return int64(n)
		}
	}
	r.t.Fatal("the metrics do not have journal_lag_bytes")
	return 0
}

func waitUntil(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
