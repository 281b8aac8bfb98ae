package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"tollgate/internal/store/migrations"
)

// statements returns every SQL text of this package by its place in the source, with lists expanded.
func statements(t *testing.T, engine migrations.Engine) map[string]string {
	t.Helper()
	all := map[string]string{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING || lit.Value[0] != '`' {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
			if !strings.Contains("SELECT INSERT UPDATE DELETE WITH", word) || word == "" {
				return true // a part of one; behaviour tests run the whole
			}
			if strings.Contains(text, "{rows}") {
				columns, _, _ := strings.Cut(text, ")")
				text = strings.Replace(text, "{rows}", brackets(engine, 3, 1+strings.Count(columns, ",")), 1)
			}
			first := 1 + strings.Count(text, "$")
			text, _ = in(text, first, []string{"a", "b", "c"})
			all[fset.Position(lit.Pos()).String()] = text
			return true
		})
	}
	return all
}

// TestStatementsPrepare has both engines read every statement: tables, columns and syntax are right.
func TestStatementsPrepare(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			s := openTest(t, e.dsn(t), testSealer(t))
			all := statements(t, s.engine)
			if len(all) < 30 {
				t.Fatalf("only %d statements were found in the source", len(all))
			}
			for place, text := range all {
				stmt, err := s.write.PrepareContext(t.Context(), text)
				if err != nil {
					t.Errorf("%s: %v\n%s", place, err, text)
					continue
				}
				if err := stmt.Close(); err != nil { //nolint:sqlclosecheck // many in a loop, each closed before the next
					t.Errorf("%s: %v", place, err)
				}
			}
		})
	}
}

// TestMigrateTwice pins that the second Up changes nothing, and that a database of a newer release is
// left alone.
func TestMigrateTwice(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			dsn, sealer := e.dsn(t), testSealer(t)
			s := openTest(t, dsn, sealer)
			before := applied(t, s.write)
			if len(before) < 2 {
				t.Fatalf("migrations applied: %v", before)
			}
			if err := migrations.Up(t.Context(), s.engine, s.write); err != nil {
				t.Fatal(err)
			}
			again := openTest(t, dsn, sealer)
			if after := applied(t, again.write); len(after) != len(before) {
				t.Errorf("applied %v, then %v", before, after)
			}
			_, err := s.write.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, $2)`, 9999, true)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Open(t.Context(), Config{DSN: dsn, Sealer: sealer})
			if err == nil || !strings.Contains(err.Error(), "newer release") {
				t.Errorf("opening a database of version 9999: %v, want a refusal", err)
			}
		})
	}
}

func applied(t *testing.T, db *sql.DB) []string {
	t.Helper()
	all, err := collect(t.Context(), db, scanString, `SELECT CAST(version_id AS TEXT) FROM goose_db_version`)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestManyOpeners starts several nodes at once on an empty database; on SQLite with the file not even
// there. All must come up.
func TestManyOpeners(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			dsn, sealer := e.dsn(t), testSealer(t)
			const openers = 4
			var stores [openers]*Store
			var errs [openers]error
			var wg sync.WaitGroup
			for i := range openers {
				wg.Go(func() { stores[i], errs[i] = Open(t.Context(), Config{DSN: dsn, Sealer: sealer}) })
			}
			wg.Wait()
			for i := range openers {
				if errs[i] != nil {
					t.Errorf("opener %d: %v", i, errs[i])
					continue
				}
				if err := stores[i].PutSetting(t.Context(), strconv.Itoa(i), "here"); err != nil {
					t.Errorf("opener %d: %v", i, err)
				}
			}
			for i := range openers {
				if errs[i] != nil {
					continue
				}
				all, err := stores[i].Settings(t.Context())
				if err != nil || len(all) != openers {
					t.Errorf("opener %d sees %v, %v", i, all, err)
				}
				if err := stores[i].Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestIndexesServeQueries asks SQLite how it would run what large tables are asked for: by an index,
// and without sorting.
func TestIndexesServeQueries(t *testing.T) {
	s := openTest(t, engines[0].dsn(t), testSealer(t))
	for query, index := range map[string]string{
		`SELECT at_ms, key_id, model, channel_id, doc FROM calls ORDER BY at_ms DESC, id DESC LIMIT 10`:                                                      "calls_at",
		`SELECT at_ms, key_id, model, channel_id, doc FROM calls WHERE (at_ms, id) < (1, 'x') AND account_id IN ('a') ORDER BY at_ms DESC, id DESC LIMIT 10`: "calls_account",
		`SELECT at_ms, key_id, model, channel_id, doc FROM calls WHERE key_id = 'k' AND at_ms >= 5 ORDER BY at_ms DESC, id DESC LIMIT 10`:                    "calls_at",
		`SELECT at_ms, key_id, model, channel_id, doc FROM calls WHERE model = 'm' ORDER BY at_ms DESC, id DESC LIMIT 10`:                                    "calls_at",
		`SELECT at_ms, key_id, model, channel_id, doc FROM calls WHERE channel_id = 'c' ORDER BY at_ms DESC, id DESC LIMIT 10`:                               "calls_at",
		`SELECT at_ms, key_id, model, channel_id, doc FROM calls WHERE quarantined ORDER BY at_ms DESC, id DESC LIMIT 10`:                                    "calls_quarantined",
		`SELECT seq FROM entries WHERE account_id = 'a' AND seq < 7 ORDER BY seq DESC LIMIT 10`:                                                              "entries_account",
		`SELECT account_id FROM cards WHERE balance > 0 AND expires_ms <= 1 LIMIT 5`:                                                                         "cards_expires",
		`SELECT id FROM cards WHERE account_id IN ('a', 'b') AND balance > 0 AND expires_ms > 1`:                                                             "cards_account",
		`SELECT calls FROM rollups WHERE hour_ms >= 1 AND hour_ms < 2 ORDER BY hour_ms`:                                                                      "rollups_hour",
		`SELECT channel_id FROM owned_objects WHERE account_id = 'a' AND object_id = 'o'`:                                                                    "sqlite_autoindex_owned_objects",
		`DELETE FROM owned_objects WHERE expires_ms < 1`:                                                                                                     "owned_objects_expires",
		`SELECT calls FROM rollups WHERE hour_ms >= 1 AND hour_ms < 2 AND account_id IN ('a')`:                                                               "sqlite_autoindex_rollups",
	} {
		plan, err := collect(t.Context(), s.read, func(row scanner) (string, error) {
			var a, b, c int
			var detail string
			err := row.Scan(&a, &b, &c, &detail)
			return detail, err
		}, `EXPLAIN QUERY PLAN `+query)
		if err != nil {
			t.Fatal(err)
		}
		how := strings.Join(plan, "; ")
		if !strings.Contains(how, index) || strings.Contains(how, "TEMP B-TREE") {
			t.Errorf("%s\nruns as %s, want index %s and no sorting", query, how, index)
		}
	}
}

// TestNoSecretInTheFile looks for plain secrets in every byte that SQLite wrote.
func TestNoSecretInTheFile(t *testing.T) {
	dir, sealer := t.TempDir(), testSealer(t)
	s, err := Open(context.WithoutCancel(t.Context()), Config{DataDir: dir, Sealer: sealer})
	if err != nil {
		t.Fatal(err)
	}
	secrets := fillWithSecrets(t, s)
	look := func(when string) {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		var all []byte
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, data...)
			info, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s: others may read %s: %v", when, name, info.Mode())
			}
		}
		if !bytes.Contains(all, []byte("visible-channel-name")) {
			t.Errorf("%s: not even what is no secret was found; the test looks in the wrong place", when)
		}
		for _, plain := range secrets {
			if bytes.Contains(all, []byte(plain)) {
				t.Errorf("%s: the file holds %s…", when, plain[:8])
			}
		}
	}
	look("open")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	look("closed")
}
