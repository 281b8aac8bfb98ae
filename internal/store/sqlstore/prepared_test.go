package sqlstore

import (
	"path/filepath"
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
	p.get("SELECT 1")
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
