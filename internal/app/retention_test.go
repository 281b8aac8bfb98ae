package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tollgate/internal/app"
	"tollgate/internal/config"
	"tollgate/internal/ledger"
	"tollgate/internal/secret"
	"tollgate/internal/store/sqlstore"
)

// Records of calls go when they are older than CALLS_KEEP_DAYS. Who asks for one is told so, and the books
// are proved without it.
func TestOldCallsGo(t *testing.T) {
	_, url := simulate(t)
	dir := t.TempDir()
	g := startGatewayIn(t, dir, channels(url, "sk-up"))
	account := g.send("GET", "/api/v1/me", "").decode(t, 200)["account"].(map[string]any)["id"].(string)
	fresh := g.send("POST", "/v1/chat/completions", hello).header.Get("X-Request-Id")
	g.stop()

	cfg, err := config.Load(config.Source{Environ: []string{"TOLLGATE_DATA=" + dir + "/data"}})
	if err != nil {
		t.Fatal(err)
	}
	old := ago(t, 40*24*time.Hour)
	insertCall(t, cfg, ledger.Call{ID: old, AtMillis: time.Now().AddDate(0, 0, -40).UnixMilli(), AccountID: account, Status: 200, Cost: 12345})

	g = startGatewayIn(t, dir, channels(url, "sk-up"))
	if a := g.asRoot("GET", "/api/v1/calls/"+old, ""); a.status != 200 {
		t.Errorf("kept for ever unless said: %d %s", a.status, a.body)
	}
	g.stop()
	g = startGatewayIn(t, dir, channels(url, "sk-up"), "CALLS_KEEP_DAYS=35", "AUDIT_KEEP_DAYS=1")
	waitFor(t, "the old call to go", func() bool { return g.asRoot("GET", "/api/v1/calls/"+old, "").status == 404 })
	if a := g.asRoot("GET", "/api/v1/receipts/"+old, ""); a.status != 404 || !strings.Contains(a.body, "older than the retention") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := g.asRoot("GET", "/api/v1/calls/"+fresh, ""); a.status != 200 {
		t.Errorf("a fresh call: %d %s", a.status, a.body)
	}
	g.stop()
	var out strings.Builder
	if err := app.Receipt(t.Context(), cfg, old, &out); err == nil || !strings.Contains(err.Error(), "older than the retention") {
		t.Errorf("receipt: %v %s", err, out.String())
	}
	if err := app.Receipt(t.Context(), cfg, fresh, &out); err != nil {
		t.Error(err)
	}
	if err := app.VerifyLedger(t.Context(), cfg, "", &out); err != nil || !strings.Contains(out.String(), "kept no more") {
		t.Errorf("verify: %v %s", err, out.String())
	}
}

// ago is the id of a call that began so long ago.
func ago(t *testing.T, d time.Duration) string {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	ms := time.Now().Add(-d).UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return id.String()
}

// insertCall stores a call while no gateway runs.
func insertCall(t *testing.T, cfg *config.Config, c ledger.Call) {
	t.Helper()
	master, err := secret.LoadMaster(cfg.Data, "")
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := secret.NewSealer(master)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{DataDir: cfg.Data, Sealer: sealer})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), "elsewhere", []ledger.Call{c}, ledger.Position{Segment: 1, Offset: 1}); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
