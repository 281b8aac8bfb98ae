package sqlstore

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tollgate/internal/store/storetest"
)

// TestSQLiteSettings reads back what each connection of both pools runs with.
func TestSQLiteSettings(t *testing.T) {
	s := openTest(t, "sqlite:"+filepath.Join(t.TempDir(), "x.db"), testSealer(t))
	for pool, db := range map[string]querier{"write": s.write, "read": s.read} {
		for pragma, want := range map[string]string{
			"journal_mode": "wal", "synchronous": "1", "foreign_keys": "1", "busy_timeout": "10000",
			"query_only": map[string]string{"write": "0", "read": "1"}[pool],
		} {
			got, err := collect(t.Context(), db, scanString, `PRAGMA `+pragma)
			if err != nil || len(got) != 1 || got[0] != want {
				t.Errorf("%s pool: %s is %v, %v, want %s", pool, pragma, got, err, want)
			}
		}
	}
	if n := s.write.Stats().MaxOpenConnections; n != 1 {
		t.Errorf("%d writers, want 1", n)
	}
}

// TestReadersDoNotWait holds the writer's transaction open: who only reads is not held up and sees the
// state before it.
func TestReadersDoNotWait(t *testing.T) {
	s := openTest(t, "sqlite:"+filepath.Join(t.TempDir(), "x.db"), testSealer(t))
	if err := s.PutSetting(t.Context(), "a", "before"); err != nil {
		t.Fatal(err)
	}
	err := s.tx(t.Context(), func(tx *txn) error {
		if _, err := tx.ExecContext(t.Context(), `UPDATE settings SET value = 'after'`); err != nil {
			return err
		}
		got, err := s.Setting(t.Context(), "a")
		if got != "before" {
			t.Errorf("beside an open transaction a reader sees %q, want what was committed", got)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Setting(t.Context(), "a"); err != nil || got != "after" {
		t.Errorf("after the commit a reader sees %q, %v", got, err)
	}
}

func TestPostgresTimeouts(t *testing.T) {
	dsn := storetest.Postgres(t)
	show := func(dsn, name string) string {
		t.Helper()
		s := openTest(t, dsn, testSealer(t))
		got, err := collect(t.Context(), s.read, scanString, `SELECT current_setting('`+name+`')`)
		if err != nil {
			t.Fatal(err)
		}
		return got[0]
	}
	with := func(param string) string {
		if strings.Contains(dsn, "?") {
			return dsn + "&" + param
		}
		return dsn + "?" + param
	}
	for _, test := range []struct{ dsn, name, want string }{
		{dsn, "statement_timeout", "30s"},
		{dsn, "lock_timeout", "15s"},
		{dsn, "idle_in_transaction_session_timeout", "1min"},
		{dsn, "application_name", "tollgate"},
		{with("statement_timeout=5s"), "statement_timeout", "5s"},
		{with("default_query_exec_mode=exec"), "statement_timeout", "0"},
	} {
		if got := show(test.dsn, test.name); got != test.want {
			t.Errorf("%s is %s, want %s", test.name, got, test.want)
		}
	}
}

// TestPostgresPoolerModes runs the whole path of money in the modes that poolers need: there the server
// is not asked for the types of parameters.
func TestPostgresPoolerModes(t *testing.T) {
	if testing.Short() {
		t.Skip("the whole suite twice more")
	}
	for _, mode := range []string{"exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.Stores {
				dsn := storetest.Postgres(t)
				mark := "?"
				if strings.Contains(dsn, "?") {
					mark = "&"
				}
				return openTest(t, dsn+mark+"default_query_exec_mode="+mode, testSealer(t))
			})
		})
	}
}

// TestPingSaysWhenItIsGone closes the database under the store.
func TestPingSaysWhenItIsGone(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			s, err := Open(t.Context(), Config{DSN: e.dsn(t), Sealer: testSealer(t)})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Ping(t.Context()); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := s.Ping(t.Context()); err == nil {
				t.Error("a closed store answers Ping")
			}
			if err := s.PutSetting(t.Context(), "a", time.Now().String()); err == nil {
				t.Error("a closed store takes settings")
			}
		})
	}
}
