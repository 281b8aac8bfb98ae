package sqlstore

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
)

// books writes a little of everything: grants with and without debts, transfers with fees and
// commissions, merges, calls over several cards, debts, expiries.
func books(t testing.TB, s *Store) {
	t.Helper()
	at := time.UnixMilli(1_800_000_000_000).UTC()
	move := func(tr ledger.Transfer) {
		t.Helper()
		tr.At = at
		if tr.ExpiresAt.IsZero() {
			tr.ExpiresAt = at.Add(time.Hour)
		}
		tr.Reference, tr.Note = "reference", "note"
		if _, err := s.Transfer(t.Context(), tr); err != nil {
			t.Fatal(err)
		}
	}
	pos := ledger.Position{}
	spend := func(costs ...catalog.Nanos) {
		t.Helper()
		var calls []ledger.Call
		for i, cost := range costs {
			calls = append(calls, ledger.Call{
				ID: fmt.Sprintf("call-%d-%d", pos.Offset, i), AtMillis: at.UnixMilli(), AccountID: []string{"a", "b", account.RootID}[i%3],
				Dialect: canon.Gemini, Op: canon.OpGenerate, Status: 200, Cost: cost,
			})
		}
		pos.Offset++
		if err := s.Apply(t.Context(), "node", calls, pos); err != nil {
			t.Fatal(err)
		}
	}
	spend(7, 0, 3)
	for i := range 12 {
		move(ledger.Transfer{ID: fmt.Sprint("grant ", i), Kind: ledger.EntryGrant, From: account.RootID, To: "a", Amount: catalog.Nanos(100 + i), ExpiresAt: at.Add(time.Duration(1+i) * time.Minute)})
	}
	move(ledger.Transfer{ID: "down", Kind: ledger.EntryGrant, From: "a", To: "c", Parent: "b", Amount: 250, Commission: ledger.Fee{Billionths: 50_000_000}})
	move(ledger.Transfer{ID: "up", Kind: ledger.EntryTake, From: "c", To: "a", Amount: 100, Fee: ledger.Fee{Fixed: 7}})
	spend(150, 20, 5, 33)
	move(ledger.Transfer{ID: "closed", Kind: ledger.EntryClose, From: "c", To: "a", Amount: 1e9, UpTo: true})
	if _, err := s.Expire(t.Context(), "a", at.Add(7*time.Minute)); err != nil {
		t.Fatal(err)
	}
}

// TestVerify goes through good books, and through books in which one bit of one row was changed: of
// every column of every row of every table that the proof is about.
func TestVerify(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			s := openTest(t, e.dsn(t), testSealer(t))
			books(t, s)
			var a ledger.Audit
			if err := s.Verify(t.Context(), &a); err != nil {
				t.Fatal(err)
			}
			if a.Head.Seq != a.Entries || a.Entries < 50 || a.Cards != 16 || a.Accounts != 4 || a.Calls != 7 {
				t.Errorf("%+v", a)
			}
			tables := map[string]string{"entries": "seq", "cards": "id", "balances": "account_id", "calls": "id", "chain_head": "id"}
			verifyChanged(t, s, tables)

			n, err := s.ForgetCalls(t.Context(), time.UnixMilli(1_800_000_000_001), 3)
			if err != nil || n != 3 {
				t.Fatal(n, err)
			}
			tables["forgotten"] = "account_id"
			verifyChanged(t, s, tables)
		})
	}
}

// verifyChanged changes every field of these tables in turn.
func verifyChanged(t *testing.T, s *Store, tables map[string]string) {
	t.Helper()
	for table, key := range tables {
		changed := 0
		for _, c := range columns(t, s, table, key) {
			undo := c.flip(t, s)
			if !c.shows {
				undo()
				continue
			}
			changed++
			var fault *ledger.Fault
			if err := s.Verify(t.Context(), &ledger.Audit{}); !errors.As(err, &fault) {
				t.Errorf("%s %s: %s %v became %v: %v", table, c.key, c.column, c.value, c.other, err)
			}
			undo()
		}
		if changed == 0 {
			t.Errorf("nothing was changed in %s", table)
		}
	}
	if err := s.Verify(t.Context(), &ledger.Audit{}); err != nil {
		t.Fatalf("with everything put back: %v", err)
	}
}

// field is a value in the database, and the one that it becomes.
type field struct {
	table, keyColumn, column string
	key, value, other        any
	shows                    bool // the proof is about this column
}

// columns returns all fields of a table, each with one bit changed somewhere.
func columns(t *testing.T, s *Store, table, key string) []field {
	t.Helper()
	rows, err := s.write.QueryContext(t.Context(), "SELECT * FROM "+table+" ORDER BY "+key)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var all []field
	for n := 0; rows.Next(); n++ {
		values := make([]any, len(names))
		dst := make([]any, len(names))
		for i := range values {
			dst[i] = &values[i]
		}
		if err := rows.Scan(dst...); err != nil {
			t.Fatal(err)
		}
		for i, name := range names {
			f := field{table: table, keyColumn: key, column: name, value: values[i], shows: true}
			for k, other := range names {
				if other == key {
					f.key = values[k]
				}
			}
			switch v := values[i].(type) {
			case int64:
				f.other = v ^ 1<<(n%3) // small amounts must change to something that a column takes
			case string:
				f.other = flipped(v, n)
			default:
				continue // booleans: failed, quarantined
			}
			if table == "calls" {
				switch name {
				case "at_ms", "key_id", "model", "channel_id", "failed", "quarantined":
					continue // copies for searching
				case "doc":
					at := strings.Index(f.value.(string), `"cost":`)
					doc := []byte(f.value.(string))
					doc[at+7] ^= 1 // the cost
					f.other = string(doc)
					f.shows = !strings.Contains(f.value.(string), `"account":"root"`)
				}
			}
			if table == "chain_head" && (name == "id" || name == "changes") || table == "balances" && f.key == account.RootID && name == "account_id" {
				continue // refused, for budgets, and nothing of an account without money: all as good
			}
			all = append(all, f)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// flipped changes one bit of one letter so that the text stays a text.
func flipped(s string, n int) string {
	if s == "" {
		return "\x01"
	}
	b := []byte(s)
	b[(n*7)%len(b)] ^= 1
	return string(b)
}

// flip changes the field and returns what puts it back.
func (f *field) flip(t *testing.T, s *Store) func() {
	t.Helper()
	set := func(key, value any) error {
		query := fmt.Sprintf("UPDATE %s SET %s = $1 WHERE %s = $2", f.table, f.column, f.keyColumn)
		r, err := s.write.ExecContext(t.Context(), query, value, key)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n != 1 {
			return fmt.Errorf("%s: %d rows, %w", query, n, err)
		}
		return nil
	}
	key := f.key
	if err := set(key, f.other); err != nil {
		f.shows = false // the schema refuses: a balance below zero, a number that is there
		return func() {}
	}
	if f.column == f.keyColumn {
		key = f.other
	}
	return func() {
		if err := set(key, f.value); err != nil {
			t.Fatal(err)
		}
	}
}

// TestVerifyFindsWhatIsMissing removes rows, swaps two, cuts the end off, puts one in between, and
// writes the end anew.
func TestVerifyFindsWhatIsMissing(t *testing.T) {
	for _, e := range engines {
		for what, do := range map[string]struct {
			where string
			run   func(t *testing.T, exec func(query string, args ...any))
		}{
			"an entry": {"entry 9", func(t *testing.T, exec func(string, ...any)) { exec(`DELETE FROM entries WHERE seq = 9`) }},
			"two swapped": {"entry 4", func(t *testing.T, exec func(string, ...any)) {
				exec(`UPDATE entries SET seq = 4000 WHERE seq = 4`)
				exec(`UPDATE entries SET seq = 4 WHERE seq = 5`)
				exec(`UPDATE entries SET seq = 5 WHERE seq = 4000`)
			}},
			"the end":  {"entry 30", func(t *testing.T, exec func(string, ...any)) { exec(`DELETE FROM entries WHERE seq >= 30`) }},
			"the head": {"the head of the chain", func(t *testing.T, exec func(string, ...any)) { exec(`DELETE FROM chain_head`) }},
			"one more": {"entry 0", func(t *testing.T, exec func(string, ...any)) {
				exec(`INSERT INTO entries SELECT 0, 0, at_ms, kind, account_id, counter, amount, card_id, expires_ms, reference, transfer, calls, note, hash FROM entries WHERE seq = 1`)
			}},
			"the end with its head": {"entry 29", func(t *testing.T, exec func(string, ...any)) {
				exec(`DELETE FROM entries WHERE seq >= 30`)
				exec(`UPDATE chain_head SET seq = 29, hash = (SELECT hash FROM entries WHERE seq = 29)`)
			}},
			"a card":      {"card grant 11", func(t *testing.T, exec func(string, ...any)) { exec(`DELETE FROM cards WHERE id = 'grant 11'`) }},
			"a balance":   {"balance of account a", func(t *testing.T, exec func(string, ...any)) { exec(`DELETE FROM balances WHERE account_id = 'a'`) }},
			"a call":      {"entry 1", func(t *testing.T, exec func(string, ...any)) { exec(`DELETE FROM calls WHERE id = 'call-0-0'`) }},
			"a free call": {"", func(t *testing.T, exec func(string, ...any)) { exec(`DELETE FROM calls WHERE id = 'call-0-1'`) }},
			"nobody's call": {"call new", func(t *testing.T, exec func(string, ...any)) {
				exec(`INSERT INTO calls (id, at_ms, account_id, key_id, model, channel_id, failed, quarantined, doc)
					VALUES ('new', 1, 'a', '', '', '', FALSE, FALSE, '{"id":"new","account":"a","at":1,"cost":5}')`)
			}},
		} {
			t.Run(e.name+"/"+what, func(t *testing.T) {
				s := openTest(t, e.dsn(t), testSealer(t))
				books(t, s)
				var good ledger.Audit
				if err := s.Verify(t.Context(), &good); err != nil {
					t.Fatal(err)
				}
				do.run(t, func(query string, args ...any) {
					t.Helper()
					if _, err := s.write.ExecContext(t.Context(), query, args...); err != nil {
						t.Fatal(err)
					}
				})
				err := s.Verify(t.Context(), &ledger.Audit{Known: good.Head})
				var fault *ledger.Fault
				if do.where == "" && err == nil {
					return
				}
				if !errors.As(err, &fault) || fault.Where != do.where {
					t.Errorf("%v, want a fault of %s", err, do.where)
				}
			})
		}
	}
}

// TestVerifyKnownHead writes books anew, as somebody would who has the database and the program: only
// a head noted elsewhere tells.
func TestVerifyKnownHead(t *testing.T) {
	s := openTest(t, engines[0].dsn(t), testSealer(t))
	books(t, s)
	var old ledger.Audit
	if err := s.Verify(t.Context(), &old); err != nil {
		t.Fatal(err)
	}
	anew := openTest(t, engines[0].dsn(t), testSealer(t))
	if _, err := anew.Transfer(t.Context(), ledger.Transfer{ID: "x", Kind: ledger.EntryGrant, From: account.RootID, To: "a", Amount: 1, At: instant(1), ExpiresAt: instant(2)}); err != nil {
		t.Fatal(err)
	}
	books(t, anew)
	if err := anew.Verify(t.Context(), &ledger.Audit{}); err != nil {
		t.Fatal(err)
	}
	var fault *ledger.Fault
	if err := anew.Verify(t.Context(), &ledger.Audit{Known: old.Head}); !errors.As(err, &fault) || fault.Where != "entry "+fmt.Sprint(old.Head.Seq) {
		t.Errorf("%v, want a fault of entry %d", err, old.Head.Seq)
	}
	if err := s.Verify(t.Context(), &ledger.Audit{Known: old.Head}); err != nil {
		t.Error(err)
	}
}
