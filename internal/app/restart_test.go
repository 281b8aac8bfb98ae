package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tollgate/internal/store/storetest"
)

// What was counted against rates counts on after a restart; a file that is damaged is left, and said so.
func TestRatesOutliveARestart(t *testing.T) {
	_, url := simulate(t)
	dir := t.TempDir()
	yaml := strings.Replace(channels(url, "sk-up"), "{name: alice, ", "{name: alice, limits: {rpd: 3, tpd: 100000}, ", 1)
	g := startGatewayIn(t, dir, yaml)
	left := func(want string) {
		t.Helper()
		if a := g.send("POST", "/v1/chat/completions", hello); a.status != 200 || a.header.Get("X-Ratelimit-Remaining-Requests") != want {
			t.Fatalf("%d %v, want %s left", a.status, a.header, want)
		}
	}
	left("2")
	left("1")
	g.stop()
	g = startGatewayIn(t, dir, yaml)
	left("0")
	g.stop()
	g = startGatewayIn(t, dir, yaml)
	if a := g.send("POST", "/v1/chat/completions", hello); a.status != 429 || !strings.Contains(a.body, "3 requests per day") {
		t.Errorf("the fourth call of the day: %d %s", a.status, a.body)
	}
	g.stop()
	file := filepath.Join(dir, "data", "rates")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, raw[:len(raw)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	g = startGatewayIn(t, dir, yaml)
	left("2")
	if len(g.lines("rates begin anew: what was counted before can't be read")) != 1 {
		t.Error("a damaged file goes unsaid")
	}
}

// sharedAddress is two accounts whose calls come from one address, which is then refused.
func sharedAddress(t *testing.T, url string) (yaml string, env []string, from func(g *gateway, key string) int) {
	t.Helper()
	const bob = "sk-test-bob-0123456789abcdefghijklmnopqr"
	yaml = channels(url, "sk-up") + "  - {name: bob, credit: 1, keys: [{name: k, key: " + bob + "}]}\n"
	from = func(g *gateway, key string) int {
		if key == "bob" {
			key = bob
		}
		return g.send("POST", "/v1/chat/completions", hello, "X-Forwarded-For", "203.0.113.9", "Authorization", "Bearer "+key).status
	}
	return yaml, []string{"TRUSTED_PROXIES=127.0.0.0/8", "IP_GROUPS_BAN_THRESHOLD=2"}, from
}

// A refused address stays so over a restart, for what is left of its hour, and a lifted one stays lifted.
func TestRefusedAddressesOutliveARestart(t *testing.T) {
	_, url := simulate(t)
	yaml, env, from := sharedAddress(t, url)
	dir := t.TempDir()
	g := startGatewayIn(t, dir, yaml, env...)
	if a, b := from(g, userKey), from(g, "bob"); a != 200 || b != 403 {
		t.Fatalf("%d %d", a, b)
	}
	g.stop()
	g = startGatewayIn(t, dir, yaml, env...)
	if got := from(g, userKey); got != 403 {
		t.Errorf("after a restart: %d", got)
	}
	list := g.asRoot("GET", "/api/v1/addresses", "").decode(t, 200)["data"].([]any)
	if len(list) != 1 || len(list[0].(map[string]any)["accounts"].([]any)) != 2 {
		t.Errorf("%v", list)
	}
	if a := g.asRoot("DELETE", "/api/v1/addresses/203.0.113.9/ban", ""); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	g.stop()
	g = startGatewayIn(t, dir, yaml, env...)
	if got := from(g, userKey); got != 200 {
		t.Errorf("lifted, after a restart: %d", got)
	}
}

// An address that one gateway refuses the others on its database refuse too, until it is lifted.
func TestRefusedAddressesReachOtherGateways(t *testing.T) {
	t.Parallel() // it waits most of the time
	_, url := simulate(t)
	yaml, env, from := sharedAddress(t, url)
	env = append(env, "SQL_DSN="+storetest.Postgres(t), "TOLLGATE_MASTER_KEY="+strings.Repeat("0123456789abcdef", 4))
	one := startGateway(t, yaml, env...)
	two := startGateway(t, yaml, env...)
	from(one, userKey)
	if got := from(one, "bob"); got != 403 {
		t.Fatal(got)
	}
	waitFor(t, "the other to refuse it", func() bool { return from(two, userKey) == 403 })
	two.asRoot("DELETE", "/api/v1/addresses/203.0.113.9/ban", "")
	waitFor(t, "the other to lift it", func() bool { return from(one, userKey) == 200 })
	time.Sleep(1500 * time.Millisecond) // a look that came too late would refuse it again
	if got := from(two, userKey); got != 200 {
		t.Errorf("lifted, and %d", got)
	}
}
