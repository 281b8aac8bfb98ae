package app_test

import (
	"encoding/json"
	"fmt"
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
	if n := len(sim.Calls(0)); n != 1 {
		t.Fatalf("the upstream saw %d calls, want 1", n)
	}
	key := added["Key"].(map[string]any)
	id := key["ID"].(string)
	if added["Action"] != "add" || key["Status"] != true || key["Level"] != 1.0 || key["Provider"] != url || key["SecretKey"] != "***ream" {
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
	if a := g.asRoot("GET", "/x-keys?level=1", ""); strings.Contains(a.body, id) {
		t.Errorf("level 1: %s", a.body)
	}
	put := g.asRoot("PUT", "/x-keys/"+id, `{"Level":0,"Status":false}`).decode(t, 200)["Key"].(map[string]any)
	if put["Name"] != "first" || put["Status"] != false || put["Level"] != 1.0 {
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
