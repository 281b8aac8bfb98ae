package sqlstore

import (
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// A store that closes while a statement is being prepared closes that one too.
func TestCloseWhilePreparing(t *testing.T) {
	s, err := Open(t.Context(), Config{DSN: "sqlite:" + filepath.Join(t.TempDir(), "db"), Sealer: testSealer(t)})
	if err != nil {
		t.Fatal(err)
	}
	tx, err := s.write.BeginTx(t.Context(), nil) // has the only connection
	if err != nil {
		t.Fatal(err)
	}
	var p prepared
	for range oftenEnough {
		p.get("SELECT 1")
	}
	done := make(chan any)
	go func() {
		defer func() { done <- recover() }()
		p.prepare(t.Context(), s.write)
	}()
	for s.write.Stats().WaitCount == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	if r := <-done; r != nil {
		t.Errorf("panic: %v", r)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Texts that come once don't keep out those that come again and again.
func TestPreparedForgetsWhatComesOnce(t *testing.T) {
	s, err := Open(t.Context(), Config{DSN: "sqlite:" + filepath.Join(t.TempDir(), "db"), Sealer: testSealer(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	run := func(query string) {
		err := s.tx(t.Context(), func(tx *txn) error {
			var n int
			return tx.QueryRowContext(t.Context(), query).Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2 * maxPrepared {
		run("SELECT " + strconv.Itoa(i))
	}
	for range oftenEnough + 1 {
		run("SELECT 12345")
	}
	if known := s.prepared.byText["SELECT 12345"]; known == nil || known.stmt == nil {
		t.Errorf("what comes again and again was not prepared: %+v", known)
	}
	if n := len(s.prepared.byText); n > maxPrepared {
		t.Errorf("%d texts are kept, want at most %d", n, maxPrepared)
	}
}
