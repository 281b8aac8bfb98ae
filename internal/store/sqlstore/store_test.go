package sqlstore

import (
	"path/filepath"
	"strings"
	"testing"

	"tollgate/internal/secret"
	"tollgate/internal/store/storetest"
)

func testSealer(t testing.TB) *secret.Sealer {
	t.Helper()
	master, err := secret.LoadMaster(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := secret.NewSealer(master)
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

func openTest(t testing.TB, dsn string, sealer *secret.Sealer) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{DSN: dsn, Sealer: sealer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// engines are the databases that outlive a connection; each call of dsn makes a new one.
var engines = []struct {
	name string
	dsn  func(t testing.TB) string
}{
	{"sqlite", func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "odd %3f #name?.db") }},
	{"postgres", storetest.Postgres},
}

func TestStore(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.Stores { return openTest(t, e.dsn(t), testSealer(t)) })
		})
	}
	t.Run("memory", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) storetest.Stores { return openTest(t, "sqlite::memory:", testSealer(t)) })
	})
}

// TestOpenRefuses pins what people who mistype an address are told, and that no password is among it.
func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	for dsn, want := range map[string]string{
		"mysql://root:hunter2@tcp(127.0.0.1)/x":  `begins with "mysql://" is not understood; understood are`,
		"root:hunter2@tcp(127.0.0.1:3306)/x":     "not understood; understood are",
		"host=127.0.0.1 password=hunter2":        "not understood; understood are",
		"sqlite:":                                "names no file",
		"file:":                                  "names no file",
		":hunter2":                               "begins with a colon",
		"":                                       "neither a database address nor a data directory",
		"sqlite:" + file + "/below/a-file.db":    "not a directory",
		"postgres://u:hunter2@127.0.0.1:99999/x": "postgres",
		"postgres://u:hunter2@127.0.0.1:1/x?sslmode=no": "postgres",
		"postgres://u:hunter2@127.0.0.1:1/x":            "postgres",
	} {
		if strings.Contains(dsn, "below") {
			if s, err := Open(t.Context(), Config{DSN: "sqlite:" + file, Sealer: testSealer(t)}); err != nil || s.Close() != nil {
				t.Fatal(err)
			}
		}
		s, err := Open(t.Context(), Config{DSN: dsn, Sealer: testSealer(t)})
		if err == nil {
			t.Errorf("%q: opened", dsn)
			_ = s.Close()
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", dsn, err, want)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the error shows the password: %v", dsn, err)
		}
	}
	if _, err := Open(t.Context(), Config{DSN: "sqlite::memory:"}); err == nil {
		t.Error("opened without a sealer")
	}
}
