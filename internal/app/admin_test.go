package app_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// asRoot sends a request with root's key.
func (g *gateway) asRoot(method, path, body string, headers ...string) answer {
	g.t.Helper()
	return g.send(method, path, body, append(headers, "Authorization", "Bearer "+adminKey)...)
}

// decode reads the body of an answer that must have this status.
func (a answer) decode(t *testing.T, status int) map[string]any {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return m
}

const hello = `{"model":"sim-gpt","messages":[{"role":"user","content":"hi"}]}`

// A key that is entered by the old API serves the very next request, and none after it is gone.
func TestXKeyServesTheNextRequest(t *testing.T) {
	sim, url := simulate(t)
	g := startGateway(t, "accounts:\n  - {name: alice, credit: 10, keys: [{name: main, key: "+userKey+"}]}\n")
	if a := g.send("POST", "/v1/chat/completions", hello); a.status != 503 && a.status != 529 {
		t.Fatalf("without a key: %d %s", a.status, a.body)
	}
	const upstream = "sk-canary-0123456789-upstream"
	added := g.asRoot("POST", "/x-keys", fmt.Sprintf(`{"SecretKey":%q,"Provider":%q,"Name":"first"}`, upstream, url)).decode(t, 200)
	if a := g.send("POST", "/v1/chat/completions", hello); a.status != 200 {
		t.Fatalf("with a key: %d %s", a.status, a.body)
	}
	if n := len(counted(t, sim)); n != 1 {
		t.Fatalf("the upstream saw %d calls, want 1", n)
	}
	key := added["Key"].(map[string]any)
	id := key["ID"].(string)
	if added["Action"] != "add" || key["Status"] != true || key["Level"] != 0.0 || key["Provider"] != url || key["SecretKey"] != "***ream" {
		t.Errorf("added: %v", added)
	}

	// Bare keys, as management pages send them.
	if a := g.send("GET", "/x-keys", "", "Authorization", adminKey); a.status != 200 || !strings.Contains(a.body, id) || strings.Contains(a.body, upstream) {
		t.Errorf("list: %d %s", a.status, a.body)
	}
	g.asRoot("PUT", "/x-keys/"+id, `{"Level":3}`).decode(t, 200)
	if a := g.send("POST", "/v1/chat/completions", hello); a.status == 200 {
		t.Error("a key of level 3 serves an account of the default pool")
	}
	if a := g.asRoot("GET", "/x-keys?level=3", ""); !strings.Contains(a.body, id) {
		t.Errorf("level 3: %s", a.body)
	}
	if a := g.asRoot("GET", "/x-keys?level=0", ""); strings.Contains(a.body, id) {
		t.Errorf("level 0: %s", a.body)
	}
	put := g.asRoot("PUT", "/x-keys/"+id, `{"Level":0,"Status":false}`).decode(t, 200)["Key"].(map[string]any)
	if put["Name"] != "first" || put["Status"] != false || put["Level"] != 0.0 {
		t.Errorf("changed: %v", put)
	}
	if a := g.send("POST", "/v1/chat/completions", hello); a.status == 200 {
		t.Error("a key that is switched off serves")
	}
	g.asRoot("PUT", "/x-keys/"+id, `{"Status":true}`).decode(t, 200)
	if a := g.asRoot("POST", "/x-conf", `{"LoadKeys":true}`); a.status != 200 {
		t.Errorf("x-conf: %d %s", a.status, a.body)
	}
	if a := g.send("POST", "/v1/chat/completions", hello); a.status != 200 {
		t.Errorf("switched on again: %d %s", a.status, a.body)
	}
	g.asRoot("DELETE", "/x-keys/"+id, "").decode(t, 200)
	if a := g.send("POST", "/v1/chat/completions", hello); a.status == 200 {
		t.Error("a deleted key serves")
	}
	if a := g.asRoot("GET", "/x-keys/"+id, ""); a.status != 404 || !strings.Contains(a.body, `"error":{"message"`) {
		t.Errorf("deleted: %d %s", a.status, a.body)
	}
	if strings.Contains(g.logs.String(), upstream) {
		t.Error("the upstream key is in the log")
	}
}

// Keys in the environment are channels by themselves: those under their vendors' own names, and INIT_KEYS.
func TestKeysOfTheEnvironmentAreChannels(t *testing.T) {
	sim, url := simulate(t)
	g := startGateway(t, alice("10"), "OPENAI_API_KEY=sk-env-openai", "ANTHROPIC_API_KEY=sk-env-anthropic", "GEMINI_API_KEY=sk-env-gemini",
		"INIT_KEYS=sk-env-first::"+url)
	list := g.asRoot("GET", "/api/v1/channels", "")
	var got []string
	for _, c := range list.decode(t, 200)["data"].([]any) {
		c := c.(map[string]any)
		got = append(got, fmt.Sprint(c["provider"], " ", c["origin"], " ", c["enabled"]))
	}
	slices.Sort(got)
	want := []string{"anthropic env true", "gateway env true", "gemini env true", "openai env true"}
	if !slices.Equal(got, want) || strings.Contains(list.body+g.logs.String(), "sk-env") {
		t.Errorf("channels %q, want %q: %s", got, want, list.body)
	}
	if a := g.send("POST", "/v1/chat/completions", hello); a.status != 200 || len(counted(t, sim)) != 1 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// XAI_BASE is where a key belongs that names no provider.
func TestXKeyWithoutProvider(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, "accounts:\n  - {name: alice, credit: 10, keys: [{name: main, key: "+userKey+"}]}\n", "XAI_BASE="+url)
	key := g.asRoot("POST", "/x-keys", `{"SecretKey":"sk-up-1"}`).decode(t, 200)["Key"].(map[string]any)
	if key["Provider"] != url {
		t.Errorf("added: %v", key)
	}
	if a := g.send("POST", "/v1/chat/completions", hello); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// The life of an account over the admin API: made, funded, called with, read, switched off.
func TestAdminAccount(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, channels(url, "sk-up-1"))
	id := g.asRoot("POST", "/api/v1/accounts", `{"name":"bob","email":"bob@example.com"}`).decode(t, 201)["id"].(string)
	key := g.asRoot("POST", "/api/v1/keys", `{"account_id":"`+id+`","name":"laptop"}`).decode(t, 201)["secret"].(string)
	bob := []string{"Authorization", "Bearer " + key}
	if a := g.send("POST", "/v1/chat/completions", hello, bob...); a.status != 429 && a.status != 402 && a.status != 403 {
		t.Errorf("without credit: %d %s", a.status, a.body)
	}
	g.asRoot("POST", "/api/v1/accounts/"+id+"/credit", `{"amount":"2.50"}`).decode(t, 201)
	call := g.send("POST", "/v1/chat/completions", hello, bob...)
	if call.status != 200 {
		t.Fatalf("with credit: %d %s", call.status, call.body)
	}
	callID := call.header.Get("X-Request-Id")
	waitFor(t, "the call in the store", func() bool { return g.send("GET", "/api/v1/calls/"+callID, "", bob...).status == 200 })
	receipt := g.send("GET", "/api/v1/receipts/"+callID, "", bob...).decode(t, 200)
	if receipt["equal"] != true || receipt["total"] != receipt["charged"] || receipt["total"] == "0" || len(receipt["items"].([]any)) == 0 {
		t.Errorf("receipt: %v", receipt)
	}
	balance := g.send("GET", "/api/v1/accounts/"+id+"/balance", "", bob...).decode(t, 200)
	if balance["spent"] != receipt["total"] || balance["held"] != "0" || balance["debt"] != "0" {
		t.Errorf("balance: %v", balance)
	}
	entries := g.send("GET", "/api/v1/accounts/"+id+"/entries", "", bob...).decode(t, 200)["data"].([]any)
	if len(entries) != 2 || entries[0].(map[string]any)["amount"] != "-"+receipt["total"].(string) || entries[1].(map[string]any)["amount"] != "2.5" {
		t.Errorf("entries: %v", entries)
	}
	usage := g.send("GET", "/api/v1/usage?group_by=model,key", "", bob...).decode(t, 200)["data"].([]any)
	if len(usage) == 0 || usage[len(usage)-1].(map[string]any)["model"] != "sim-gpt" {
		t.Errorf("usage: %v", usage)
	}
	if calls := g.send("GET", "/api/v1/calls", "", bob...).decode(t, 200)["data"].([]any); len(calls) < 1 || calls[0].(map[string]any)["channel_id"] != nil {
		t.Errorf("calls: %v", calls)
	}
	if calls := g.asRoot("GET", "/api/v1/calls?account_id="+id, "").decode(t, 200)["data"].([]any); len(calls) < 1 || calls[0].(map[string]any)["channel_id"] == nil {
		t.Errorf("calls for root: %v", calls)
	}
	status := g.asRoot("GET", "/api/v1/status", "").decode(t, 200)
	if status["version"] != "test" || status["held"] != "0" || status["channels"].(map[string]any)["enabled"] != 1.0 {
		t.Errorf("status: %v", status)
	}

	g.asRoot("PATCH", "/api/v1/accounts/"+id, `{"enabled":false}`).decode(t, 200)
	if a := g.send("POST", "/v1/chat/completions", hello, bob...); a.status != 403 {
		t.Errorf("switched off: %d %s", a.status, a.body)
	}
	if a := g.send("GET", "/api/v1/me", "", bob...); a.status != 403 {
		t.Errorf("switched off, admin: %d %s", a.status, a.body)
	}
}

// The same grant, sent many times at once, is given once.
func TestGrantOnce(t *testing.T) {
	g := startGateway(t, "")
	id := g.asRoot("POST", "/api/v1/accounts", `{"name":"bob"}`).decode(t, 201)["id"].(string)
	var wg sync.WaitGroup
	answers := make([]answer, 20)
	for i := range answers {
		wg.Go(func() {
			answers[i] = g.asRoot("POST", "/api/v1/accounts/"+id+"/credit", `{"amount":"3"}`, "Idempotency-Key", "order-1")
		})
	}
	wg.Wait()
	http.DefaultClient.CloseIdleConnections() // one that was dialled and never used would hold up the end
	first := 0
	for _, a := range answers {
		if m := a.decode(t, 201); m["repeated"] == false {
			first++
		}
	}
	balance := g.asRoot("GET", "/api/v1/accounts/"+id+"/balance", "").decode(t, 200)
	if first != 1 || balance["left"] != "3" || len(balance["cards"].([]any)) != 1 {
		t.Errorf("%d first answers, balance %v", first, balance)
	}
	if a := g.asRoot("POST", "/api/v1/accounts/"+id+"/credit", `{"amount":"4"}`, "Idempotency-Key", "order-1"); a.status != 409 {
		t.Errorf("another amount: %d %s", a.status, a.body)
	}
	if a := g.asRoot("POST", "/api/v1/accounts/"+id+"/credit", `{"amount":"3"}`, "Idempotency-Key", "order-2"); a.status != 201 {
		t.Errorf("another order: %d %s", a.status, a.body)
	}
}

// Secrets that came in over any way are in no answer, no log and no file as they are.
func TestSecretsAreNowhere(t *testing.T) {
	_, url := simulate(t)
	const canary = "sk-canary-5e2b94a67d1f0c55"
	g := startGateway(t, fmt.Sprintf("channels:\n  - {name: fixed, provider: simulator, base_url: %q, key: %s-file}\n", url, canary))
	fixed := g.asRoot("GET", "/api/v1/channels", "").decode(t, 200)["data"].([]any)[0].(map[string]any)
	if fixed["origin"] != "file" || fixed["hint"] != "file" {
		t.Errorf("the channel of the file: %v", fixed)
	}
	body := func(more string) string {
		return fmt.Sprintf(`{"provider":"simulator","base_url":%q,"key":%q}`, url, canary+more)
	}
	id := g.asRoot("POST", "/api/v1/channels", body("-api")).decode(t, 201)["id"].(string)
	g.asRoot("POST", "/x-keys", fmt.Sprintf(`{"SecretKey":%q,"Provider":%q}`, canary+"-xkey", url)).decode(t, 200)
	key := g.asRoot("POST", "/api/v1/keys", `{"name":"k"}`).decode(t, 201)["secret"].(string)
	for range 3 { // over every channel
		if a := g.send("POST", "/v1/chat/completions", hello, "Authorization", "Bearer "+key); a.status != 200 {
			t.Errorf("call: %d %s", a.status, a.body)
		}
	}
	var all strings.Builder
	for _, path := range []string{
		"/api/v1/channels", "/api/v1/channels/" + id, "/api/v1/keys", "/api/v1/me", "/api/v1/accounts", "/api/v1/calls", "/api/v1/status",
		"/api/v1/usage?group_by=key,channel", "/api/v1/providers", "/x-keys", "/x-keys/" + id, "/api/v1/openapi.json", "/metrics",
	} {
		a := g.asRoot("GET", path, "")
		if a.status != 200 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		all.WriteString(a.body)
	}
	all.WriteString(g.asRoot("PATCH", "/api/v1/channels/"+id, `{"key":"`+canary+` x"}`).body)
	all.WriteString(g.asRoot("POST", "/api/v1/channels/"+id+"/check", "").body)
	if a := g.asRoot("PATCH", "/api/v1/channels/"+fixed["id"].(string), `{"weight":2}`); a.status != 409 || !strings.Contains(a.body, "configuration file") {
		t.Errorf("a channel of the file was changed: %d %s", a.status, a.body)
	}
	g.stop()
	err := filepath.WalkDir(filepath.Join(g.dir, "data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		all.Write(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for where, text := range map[string]string{"answers and files": all.String(), "log": g.logs.String()} {
		for _, s := range []string{"sk-canary", key, adminKey} {
			if strings.Contains(text, s) {
				t.Errorf("%s hold %q", where, s)
			}
		}
	}
	if !strings.Contains(g.logs.String(), "create-channel") {
		t.Error("what root did is not in the log, so this shows little")
	}
}

// What operators say of a model prices the next call; what would break the catalogue is refused, so
// that the next start still works.
func TestAdminModels(t *testing.T) {
	_, url := simulate(t)
	dir := t.TempDir()
	g := startGatewayIn(t, dir, channels(url, "sk-up-1"))
	if m := g.asRoot("GET", "/api/v1/models/sim-gpt", "").decode(t, 200); m["origin"] != "builtin" || m["priced"] != true {
		t.Errorf("built in: %v", m)
	}
	g.asRoot("PUT", "/api/v1/models/sim-gpt", `{"name":"sim-gpt","price":{"per_request":"0.5"}}`).decode(t, 200)
	if a := g.send("POST", "/v1/chat/completions", hello); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if m := g.send("GET", "/api/v1/me", "").decode(t, 200); m["root"] != false {
		t.Errorf("me: %v", m)
	} else {
		id := m["account"].(map[string]any)["id"].(string)
		if b := g.send("GET", "/api/v1/accounts/"+id+"/balance", "").decode(t, 200); b["spent"] != "0.5" || b["left"] != "9.5" {
			t.Errorf("balance: %v", b)
		}
	}
	g.asRoot("PUT", "/api/v1/models/mine", `{"name":"mine","aliases":["shared"],"free":true}`).decode(t, 200)
	for _, body := range []string{`{"name":"other","aliases":["shared"],"free":true}`, `{"name":"MINE","free":true}`} {
		name := strings.Split(body, `"`)[3]
		if a := g.asRoot("PUT", "/api/v1/models/"+name, body); a.status != 422 {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	g.asRoot("PUT", "/api/v1/models/rule-%2A", `{"name":"rule-*","price":{"input":"1","output":"2"}}`).decode(t, 200)
	g.asRoot("PUT", "/api/v1/models/rule-long-%2A", `{"name":"rule-long-*","free":true}`).decode(t, 200)
	g.stop()

	g = startGatewayIn(t, dir, channels(url, "sk-up-1"))
	for name, origin := range map[string]string{"sim-gpt": "api", "shared": "api", "rule-%2A": "api", "rule-long-%2A": "api"} {
		if m := g.asRoot("GET", "/api/v1/models/"+name, "").decode(t, 200); m["origin"] != origin {
			t.Errorf("%s after a start: %v", name, m)
		}
	}
	if a := g.asRoot("DELETE", "/api/v1/models/sim-gpt", ""); a.status != 204 {
		t.Errorf("delete: %d %s", a.status, a.body)
	}
	if m := g.asRoot("GET", "/api/v1/models/sim-gpt", "").decode(t, 200); m["origin"] != "builtin" {
		t.Errorf("after the delete: %v", m)
	}
	if a := g.asRoot("DELETE", "/api/v1/models/sim-gpt", ""); a.status != 404 {
		t.Errorf("deleted twice: %d %s", a.status, a.body)
	}
}
