package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/ledger"
	"tollgate/internal/secret"
	"tollgate/internal/store/sqlstore"
	"tollgate/internal/store/storetest"
)

// TestLedgerVerify runs the command on good books, against a head of before, and on books that somebody
// changed.
func TestLedgerVerify(t *testing.T) {
	for name, dsn := range map[string]func(*testing.T, string) (dsn, driver, open string){
		"sqlite": func(_ *testing.T, dir string) (string, string, string) {
			return "", "sqlite", "file:" + filepath.Join(dir, "tollgate.db")
		},
		"postgres": func(t *testing.T, _ string) (string, string, string) {
			dsn := storetest.Postgres(t)
			return dsn, "pgx", dsn
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			dsn, driver, open := dsn(t, dir)
			environ := []string{"TOLLGATE_DATA=" + dir, "SQL_DSN=" + dsn}
			grantDirectly(t, dir, dsn, "first")
			code, out, errs := command(t, environ, "ledger", "verify")
			head := regexp.MustCompile(`head +(\d+:[0-9a-f]{64})\n`).FindStringSubmatch(out)
			if code != exitOK || head == nil || !strings.Contains(out, "2 entries") || !strings.Contains(out, "@operator   $-5\n") {
				t.Fatalf("exit code %d, %s%s", code, out, errs)
			}
			grantDirectly(t, dir, dsn, "second")
			if code, out, errs = command(t, environ, "ledger", "verify", "--head", head[1]); code != exitOK || !strings.Contains(out, "4 entries") {
				t.Errorf("exit code %d, %s%s", code, out, errs)
			}
			other := head[1][:len(head[1])-1] + string(head[1][len(head[1])-1]^1)
			for _, h := range []string{other, "99" + head[1], "x"} {
				if code, _, errs = command(t, environ, "ledger", "verify", "--head", h); code != exitFailed || errs == "" {
					t.Errorf("head %s: exit code %d, %s", h, code, errs)
				}
			}
			db, err := sql.Open(driver, open)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.ExecContext(t.Context(), `UPDATE entries SET amount = amount + 1 WHERE seq = 4`); err != nil {
				t.Fatal(err)
			}
			if code, out, errs = command(t, environ, "ledger", "verify"); code != exitFailed || !strings.Contains(errs, "entry 4") {
				t.Errorf("exit code %d, %s%s", code, out, errs)
			}
		})
	}
}

// grantDirectly grants five dollars in the store of a gateway that does not run.
func grantDirectly(t *testing.T, dir, dsn, id string) {
	t.Helper()
	master, err := secret.LoadMaster(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := secret.NewSealer(master)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{DSN: dsn, DataDir: dir, Sealer: sealer})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	at := time.UnixMilli(1_800_000_000_000).UTC()
	_, err = s.Transfer(t.Context(), ledger.Transfer{ID: id, Kind: ledger.EntryGrant, From: account.RootID, To: "a", Amount: 5e9, At: at, ExpiresAt: at.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNoBooks: of a directory in which no gateway ever ran nothing is in order, and nothing is made there.
func TestNoBooks(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{{"ledger", "verify"}, {"receipt", "01990000-0000-7000-8000-000000000000"}} {
		code, out, errs := command(t, []string{"TOLLGATE_DATA=" + dir}, args...)
		if code != exitFailed || out != "" || !strings.Contains(errs, filepath.Join(dir, "tollgate.db")) || !strings.Contains(errs, "--data") {
			t.Errorf("%v: exit code %d, %s%s", args, code, out, errs)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}
