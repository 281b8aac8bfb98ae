package main

import (
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tollgate/internal/obs"
)

// TestFirstStart keeps what is promised of the first minute: the terminal shows the admin key once, with the
// addresses and a call that works, and from then on only where it is; a key from the environment stands
// above the file and is not shown.
func TestFirstStart(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	args := []string{"serve", "--listen", "127.0.0.1:0", "--data", data}
	welcome := func(environ ...string) (text, base string, stop func() int) {
		t.Helper()
		stdout, stderr, stop := start(t, environ, args...)
		addr := stderr.waitFor(t, `"address":"([^"]+)"`)
		return stdout.String(), "http://" + addr, stop
	}
	works := func(base, key string, want int) {
		t.Helper()
		if status, body := ask(t, base, key); status != want {
			t.Errorf("status %d, want %d: %s", status, want, body)
		}
	}

	text, base, stop := welcome()
	path := filepath.Join(data, "admin.key")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info.Mode(), err)
	}
	key := strings.TrimSpace(string(raw))
	_, port, _ := strings.Cut(strings.TrimPrefix(base, "http://"), ":")
	for _, want := range []string{
		"admin key  " + key + "\n", "kept in " + path, "http://localhost:" + port + "/v1\n",
		"curl http://localhost:" + port + "/v1/chat/completions -H \"Authorization: Bearer " + key + "\"",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the first start does not show %q:\n%s", want, text)
		}
	}
	works(base, key, http.StatusOK)
	stop()

	text, base, stop = welcome()
	if strings.Contains(text, key) || !strings.Contains(text, "admin key  in "+path) || !strings.Contains(text, "Bearer $(cat '"+path+"')") {
		t.Errorf("the second start shows\n%s", text)
	}
	works(base, key, http.StatusOK)
	stop()

	const own = "sk-of-my-own-0123456789abcdef"
	text, base, _ = welcome("ADMIN_KEY=" + own)
	if strings.Contains(text, own) || strings.Contains(text, key) {
		t.Errorf("with ADMIN_KEY the start shows\n%s", text)
	}
	works(base, own, http.StatusOK)
	works(base, key, http.StatusUnauthorized)
}

// TestReceipt recomputes the receipt of a call that was made, and of the same call once somebody has
// changed what is stored of it.
func TestReceipt(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	environ := []string{"TOLLGATE_DATA=" + data, "ADMIN_KEY=sk-admin-0123456789abcdef"}
	_, stderr, stop := start(t, environ, "serve", "--listen", "127.0.0.1:0")
	addr := stderr.waitFor(t, `"address":"([^"]+)"`)
	if status, body := ask(t, "http://"+addr, "sk-admin-0123456789abcdef"); status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	id := stderr.waitFor(t, `"call":"([^"]+)"`)
	stop() // drains the journal into the store

	if code, out, errs := command(t, environ, "receipt", id); code != exitOK || !strings.Contains(out, "call "+id) || !strings.Contains(out, ": equal\n") {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
	if code, _, errs := command(t, environ, "receipt", obs.NewRequestID()); code != exitFailed || !strings.Contains(errs, "there is no call") {
		t.Errorf("of a call that never was: exit code %d, %s", code, errs)
	}

	db, err := sql.Open("sqlite", "file:"+filepath.Join(data, "tollgate.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var stored string
	if err := db.QueryRowContext(t.Context(), `SELECT doc FROM calls WHERE id = $1`, id).Scan(&stored); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"$.cost", "$.usage.input", "$.usage.output", "$.receipt.total", "$.receipt.items[0].quantity", "$.receipt.items[1].amount"} {
		done, err := db.ExecContext(t.Context(), `UPDATE calls SET doc = json_set($1, $2, json_extract($1, $2) + 1) WHERE id = $3`, stored, path, id)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := done.RowsAffected(); n != 1 || err != nil {
			t.Fatalf("changed %d calls, %v", n, err)
		}
		if code, out, errs := command(t, environ, "receipt", id); code != exitFailed || !strings.Contains(out, "NOT EQUAL") || strings.Contains(out, ": equal") || !strings.Contains(errs, "does not add up") {
			t.Errorf("of a call whose %s was changed: exit code %d, %s%s", path, code, out, errs)
		}
	}
}
