package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	adminKey = "sk-crash-admin-0123456789abcdefghijklmnopq"
	credit   = 1000 // dollars of each account

	patience = 2 * time.Minute // for what must come, however busy the machine is
)

// accounts have these keys each.
var accounts = map[string][]string{
	"ada":   {"sk-crash-ada-1-0123456789abcdefghijklmnopq", "sk-crash-ada-2-0123456789abcdefghijklmnopq"},
	"boole": {"sk-crash-boole-1-0123456789abcdefghijklmno", "sk-crash-boole-2-0123456789abcdefghijklmno"},
	"curie": {"sk-crash-curie-1-0123456789abcdefghijklmno"},
}

// rig is one simulated provider that lives through the test, and a gateway before it that does not.
type rig struct {
	t    *testing.T
	dsn  string // "": SQLite in the data directory
	data string
	file string
	sim  *child
	gate *child // the present one
	got  tally
}

func newRig(t *testing.T, dsn string) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{t: t, dsn: dsn, data: filepath.Join(dir, "data"), file: filepath.Join(dir, "tollgate.yaml")}
	r.sim = spawn(t, "simulator", nil, "simulate", "--listen", "127.0.0.1:0")
	if err := r.sim.listening(`simulated provider on http://(127\.0\.0\.1:\d+)\s`, patience); err != nil {
		t.Fatalf("the simulator: %v", err)
	}
	var b strings.Builder
	b.WriteString("channels:\n")
	for i := range 3 {
		fmt.Fprintf(&b, "  - {name: c%d, provider: simulator, base_url: %q, key: sk-up-%d, models: [\"sim-*\"]}\n", i, r.sim.base, i)
	}
	b.WriteString("accounts:\n")
	for _, name := range []string{"ada", "boole", "curie"} {
		fmt.Fprintf(&b, "  - {name: %s, credit: %d, keys: [", name, credit)
		for i, key := range accounts[name] {
			fmt.Fprintf(&b, "{name: k%d, key: %s}, ", i, key)
		}
		b.WriteString("]}\n")
	}
	if err := os.WriteFile(r.file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// launch starts a gateway on the data directory and returns at once.
func (r *rig) launch() {
	r.t.Helper()
	r.gate = spawn(r.t, "gateway", []string{
		"TOLLGATE_CONFIG=" + r.file, "TOLLGATE_DATA=" + r.data, "LISTEN=127.0.0.1:0", "ADMIN_KEY=" + adminKey, "SIMULATOR=off",
		"SQL_DSN=" + r.dsn, "LOG_FORMAT=json", "TIMEOUT_SHUTDOWN=20s",
	}, "serve")
}

// start starts a gateway and waits until it takes calls.
func (r *rig) start() {
	r.t.Helper()
	r.launch()
	err := r.gate.listening(`"msg":"tollgate is listening","address":"([^"]+)"`, patience)
	if err == nil {
		err = r.gate.answers("/readyz", patience)
	}
	if err != nil {
		r.t.Fatalf("the gateway does not start: %v", err)
	}
}

// stop ends the gateway in order: it has to leave with exit code 0.
func (r *rig) stop() {
	r.t.Helper()
	if err := r.gate.terminate(patience); err != nil {
		r.t.Fatalf("the gateway does not stop well: %v", err)
	}
}
