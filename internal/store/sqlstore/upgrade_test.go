package sqlstore

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"tollgate/internal/ledger"
	"tollgate/internal/store/migrations"
	"tollgate/internal/store/storetest"
)

// oldDatabase opens an empty database with the schema of a version.
func oldDatabase(t *testing.T, engine migrations.Engine, version int64) (db *sql.DB, dsn string) {
	t.Helper()
	var err error
	switch engine {
	case migrations.SQLite:
		dsn = filepath.Join(t.TempDir(), "old.db")
		db, err = sql.Open("sqlite", "file:"+dsn+"?_foreign_keys=on")
		dsn = "sqlite:" + dsn
	default:
		dsn = storetest.Postgres(t)
		db, err = sql.Open("pgx", dsn)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := migrations.UpTo(t.Context(), engine, db, version); err != nil {
		t.Fatal(err)
	}
	return db, dsn
}

// TestUpgradeOfEntries writes books as the first schema had them, one row for both sides, and opens
// them with this program: the chain holds them all, and they are in order.
func TestUpgradeOfEntries(t *testing.T) {
	for _, engine := range []migrations.Engine{migrations.SQLite, migrations.Postgres} {
		for _, many := range []int{0, 2500} { // pages are of 2,000
			t.Run(fmt.Sprint(engine, many), func(t *testing.T) {
				db, dsn := oldDatabase(t, engine, 4)
				tx, err := db.BeginTx(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				exec := func(query string, args ...any) {
					t.Helper()
					if _, err := tx.ExecContext(t.Context(), query, args...); err != nil {
						t.Fatal(err)
					}
				}
				entry := func(kind, counter string, amount int64, card, call string) {
					t.Helper()
					n++
					exec(`INSERT INTO entries (id, at_ms, kind, account_id, counter, amount, card_id, call_id, note) VALUES ($1, $2, $3, 'a', $4, $5, $6, $7, $8)`,
						fmt.Sprintf("%012d", n), 1000+n, kind, counter, amount, card, call, map[bool]string{true: "note"}[call == ""])
				}
				call := func(id string, cost int64) {
					t.Helper()
					exec(`INSERT INTO calls (id, at_ms, account_id, key_id, model, channel_id, failed, quarantined, doc) VALUES ($1, 1, 'a', '', '', '', FALSE, FALSE, $2)`,
						id, fmt.Sprintf(`{"id":%q,"at":1,"account":"a","cost":%d}`, id, cost))
				}
				entry("grant", "@operator", 50, "one", "")
				entry("grant", "@operator", 1_000_000, "two", "")
				call("first", 70)
				entry("spend", "@revenue", -50, "one", "first")
				entry("spend", "@revenue", -20, "two", "first")
				spent := int64(70)
				for i := range many {
					id := fmt.Sprintf("many %05d", i)
					call(id, 3)
					entry("spend", "@revenue", -3, "two", id)
					spent += 3
				}
				rest := 1_000_050 - spent
				call("last", rest+30)
				entry("spend", "@revenue", -rest, "two", "last")
				entry("debt", "@revenue", -30, "", "last")
				entry("grant", "@operator", 100, "three", "")
				entry("repay", "a", -30, "three", "")
				for _, c := range []string{"'one', 'a', 50, 0, '', 1001, 9000", "'two', 'a', 1000000, 0, 'ref', 1002, 9000", fmt.Sprintf("'three', 'a', 100, 70, '', %d, 9000", 1000+n-1)} {
					exec(`INSERT INTO cards (id, account_id, amount, balance, reference, granted_ms, expires_ms) VALUES (` + c + `)`)
				}
				exec(`INSERT INTO balances (account_id, debt, spent) VALUES ('a', 0, $1)`, 1_000_080)
				if err := tx.Commit(); err != nil {
					t.Fatal(err)
				}

				s := openTest(t, dsn, testSealer(t))
				var a ledger.Audit
				if err := s.Verify(t.Context(), &a); err != nil {
					t.Fatal(err)
				}
				if want := int64(2*4 + 3 + 3 + 2*many); a.Entries != want || a.Calls != int64(2+many) {
					t.Errorf("%d entries, %d calls, want %d and %d", a.Entries, a.Calls, want, 2+many)
				}
				rows, err := s.Entries(t.Context(), "a", ledger.Page{Limit: 4})
				if err != nil || rows[2].Reference != "" || rows[2].Note != "note" || rows[2].Transfer != "three" || rows[0].Amount != 30 || rows[3].Kind != ledger.EntryDebt {
					t.Errorf("%+v, %v", rows, err)
				}
				// A grant of before is known by its id.
				at := instant(5000)
				again, err := s.Transfer(t.Context(), ledger.Transfer{ID: "two", Kind: ledger.EntryGrant, From: "root", To: "a", Amount: 1_000_000, At: at, ExpiresAt: at.Add(1e9)})
				if err != nil || !again.Repeated || again.Card.Balance != 0 {
					t.Errorf("%+v, %v", again, err)
				}
				give(t, s, "a", 5, at, at.Add(1e9))
				if err := s.Verify(t.Context(), &ledger.Audit{Known: a.Head}); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestUpgradeOfNothing brings databases without a single row from each version to the newest.
func TestUpgradeOfNothing(t *testing.T) {
	for _, engine := range []migrations.Engine{migrations.SQLite, migrations.Postgres} {
		for version := int64(1); version <= 9; version++ {
			if engine == migrations.Postgres && version%4 != 1 {
				continue // they differ in few ways, and a new database for each takes its time
			}
			_, dsn := oldDatabase(t, engine, version)
			s := openTest(t, dsn, testSealer(t))
			if err := s.Verify(t.Context(), &ledger.Audit{}); err != nil {
				t.Errorf("%s from version %d: %v", engine, version, err)
			}
		}
	}
}
