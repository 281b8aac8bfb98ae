package app_test

import (
	"fmt"
	"strings"
	"testing"
)

// Statistics hold every call that has ended, whatever interval was asked for.
func TestStatisticsAreNeverBehind(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, channels(url, "sk-up-1"))
	for i, interval := range []int{1, 100, 1_000_000} {
		if a := g.asRoot("POST", "/x-conf", fmt.Sprintf(`{"StatsInterval":%d,"LogEnable":true}`, interval)); a.status != 200 || !strings.Contains(a.body, "every call") {
			t.Errorf("%d %s", a.status, a.body)
		}
		if a := g.send("POST", "/v1/chat/completions", hello); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		want := fmt.Sprintf(`"Requests":%d`, i+1)
		for _, path := range []string{"/dashboard/x-user-info", "/dashboard/bill"} {
			if a := g.send("GET", path, ""); !strings.Contains(strings.ReplaceAll(a.body, "total_requests", "Requests"), want) {
				t.Errorf("%s after %d calls: %s", path, i+1, a.body)
			}
		}
		if a := g.asRoot("GET", "/x-users/alice", ""); !strings.Contains(a.body, want) {
			t.Errorf("the list after %d calls: %s", i+1, a.body)
		}
	}
}

// Settings are in force at once, are kept over a restart, and go back to the environment's values.
func TestLiveSettings(t *testing.T) {
	sim, url := simulate(t)
	dir := t.TempDir()
	const env = "MODEL_MAPPER=from-env=sim-gpt"
	g := startGatewayIn(t, dir, channels(url, "sk-up-1"), env)
	ask := func(model string) answer {
		return g.send("POST", "/v1/chat/completions", `{"model":"`+model+`","messages":[{"role":"user","content":"hi"}]}`)
	}
	if a := ask("from-env"); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := ask("house"); a.status != 404 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	g.asRoot("POST", "/x-config", `{"MODEL_MAPPER":"hou*=sim-gpt"}`).decode(t, 200)
	check := func(when string) {
		t.Helper()
		if a := ask("house"); a.status != 200 {
			t.Errorf("%s: %d %s", when, a.status, a.body)
		}
		if a := ask("from-env"); a.status != 404 {
			t.Errorf("%s, the environment's rule: %d", when, a.status)
		}
	}
	check("at once")
	g.stop()
	g = startGatewayIn(t, dir, channels(url, "sk-up-1"), env)
	check("after a restart")
	if a := g.asRoot("POST", "/x-config", `{"MODEL_MAPPER":"a=b","LEVEL_MAPPER":"gpt-4=high"}`); a.status != 400 || !strings.Contains(a.body, `gpt-4=high`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	check("after a refused change")
	g.asRoot("DELETE", "/x-config", `{"keys":["MODEL_MAPPER"]}`).decode(t, 200)
	if a := ask("from-env"); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, c := range counted(t, sim) {
		if c.Model != "sim-gpt" {
			t.Errorf("the upstream was asked for %s", c.Model)
		}
	}
	// Paths.
	g.asRoot("POST", "/x-config", `{"RESOURCES":"/v1/embeddings,/v1/mess*"}`).decode(t, 200)
	if a := ask("sim-gpt"); a.status != 403 || !strings.Contains(a.body, "RESOURCES") {
		t.Errorf("a path that is not offered: %d %s", a.status, a.body)
	}
	if a := g.send("POST", "/v1/messages", `{"model":"sim-claude","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`); a.status != 200 {
		t.Errorf("a path that is offered: %d %s", a.status, a.body)
	}
	if a := g.asRoot("GET", "/x-config", ""); !strings.Contains(a.body, `"RESOURCES":"/v1/embeddings,/v1/mess*"`) {
		t.Error(a.body)
	}
}

// A model is served by the keys of its level; when they fail, by those of the level that takes over.
func TestLevels(t *testing.T) {
	sim, url := simulate(t)
	g := startGateway(t, "accounts:\n  - {name: alice, credit: 10, keys: [{name: main, key: "+userKey+"}]}\n")
	add := func(key string, level int) string {
		return g.asRoot("POST", "/x-keys", fmt.Sprintf(`{"SecretKey":%q,"Provider":%q,"Level":%d}`, key, url, level)).decode(t, 200)["Key"].(map[string]any)["ID"].(string)
	}
	ask := func(model string) int {
		return g.send("POST", "/v1/chat/completions", `{"model":"`+model+`","messages":[{"role":"user","content":"hi"}]}`).status
	}
	two := add("sk-level-2", 2)
	add("sk-level-3", 3)
	if status := ask("sim-gpt"); status == 200 {
		t.Error("keys of other levels serve an account of level 0")
	}
	g.asRoot("POST", "/x-config", `{"LEVEL_MAPPER":"sim-*=2"}`).decode(t, 200)
	if status := ask("sim-gpt"); status != 200 {
		t.Errorf("the level of the model: %d", status)
	}
	g.asRoot("PUT", "/x-keys/"+two, `{"Status":false}`).decode(t, 200)
	if status := ask("sim-gpt"); status == 200 {
		t.Error("nothing takes over from level 2 yet")
	}
	g.asRoot("POST", "/x-config", `{"SWITCH_OVER":"2=3,3=2"}`).decode(t, 200)
	if status := ask("sim-gpt"); status != 200 {
		t.Errorf("the level that takes over: %d", status)
	}
	if n := len(counted(t, sim)); n != 2 {
		t.Errorf("the upstream saw %d calls, want 2", n)
	}
}

// A key that the provider refuses leaves the pool by itself and is kept, with the reason.
func TestRefusedXKeyIsMarked(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, "accounts:\n  - {name: alice, credit: 10, keys: [{name: main, key: "+userKey+"}]}\n")
	id := g.asRoot("POST", "/x-keys", fmt.Sprintf(`{"SecretKey":"sk-invalid-1","Provider":%q}`, url)).decode(t, 200)["Key"].(map[string]any)["ID"].(string)
	if a := g.send("POST", "/v1/chat/completions", hello); a.status == 200 {
		t.Fatal("a refused key serves")
	}
	key := g.asRoot("GET", "/x-keys/"+id, "").decode(t, 200)
	if reason, _ := key["Reason"].(string); key["Status"] != false || reason == "" {
		t.Errorf("%v", key)
	}
	g.asRoot("POST", "/x-keys", fmt.Sprintf(`{"SecretKey":"sk-good","Provider":%q}`, url)).decode(t, 200)
	if a := g.send("POST", "/v1/chat/completions", hello); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := g.asRoot("GET", "/x-keys", ""); !strings.Contains(a.body, id) {
		t.Errorf("the refused key is gone: %s", a.body)
	}
}
