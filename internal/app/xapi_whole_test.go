package app_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"tollgate/internal/store/storetest"
)

// Fields and credit of one request are changed in one transaction: a store that fails between them leaves
// neither.
func TestFieldsAndCreditAreChangedTogether(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			dir, dsn := t.TempDir(), ""
			driver, source := "sqlite", filepath.Join(dir, "data", "tollgate.db")
			if engine == "postgres" {
				dsn = storetest.Postgres(t)
				driver, source = "pgx", dsn
			}
			_, url := simulate(t)
			g := startGatewayIn(t, dir, channels(url, "sk-up"), "SQL_DSN="+dsn)
			g.asRoot("POST", "/x-users", `{"Name":"alpha","Email":"alpha@example.com","CreditGranted":100}`).decode(t, 200)
			expect := func(when, alias string, balance float64) {
				t.Helper()
				var list []map[string]any
				if a := g.asRoot("GET", "/x-users/alpha", ""); json.Unmarshal([]byte(a.body), &list) != nil || len(list) != 1 {
					t.Fatalf("%d %s", a.status, a.body)
				}
				x, sum := list[0], 0.0
				for _, c := range x["CreditBalance"].([]any) {
					sum += c.(map[string]any)["balance"].(float64)
				}
				if x["Alias"] != alias || sum != balance {
					t.Errorf("%s: %v has %v, want %q with %v", when, x["Alias"], sum, alias, balance)
				}
			}
			const change = `{"Alias":"new","CreditGranted":50}`
			// The last thing that the transaction writes, and one in the middle of it.
			for _, table := range []string{"changes", "accounts", "entries"} {
				storetest.WithoutTable(t, driver, source, table, func() {
					if a := g.asRoot("PUT", "/x-users/alpha", change); a.status != 500 {
						t.Errorf("without %s: %d %s", table, a.status, a.body)
					}
				})
				expect("a store without "+table, "alpha", 100)
			}
			// The transfer before this one is in doubt until the store has been asked about it.
			waitFor(t, "the store to be trusted again", func() bool { return g.asRoot("PUT", "/x-users/alpha", change).status == 200 })
			expect("done", "new", 150)
			g.stop()
			g = startGatewayIn(t, dir, channels(url, "sk-up"), "SQL_DSN="+dsn)
			expect("after a restart", "new", 150)
			g.asRoot("PUT", "/x-users/alpha", `{"Alias":"less","RPM":7,"CreditGranted":-30}`).decode(t, 200)
			expect("taken back", "less", 120)
		})
	}
}
