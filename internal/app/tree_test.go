package app_test

import (
	"net/http"
	"strings"
	"testing"
)

// What is laid down for an account holds for all below it, also when it is laid down later: its rate is
// shared by them, and a model it may not use they may not either.
func TestAccountsAboveCount(t *testing.T) {
	_, url := simulate(t)
	yaml := strings.Replace(channels(url, "sk-up-1"), "accounts:\n", `accounts:
  - {name: agency, credit: 10, limits: {rpm: 4}, models: ["sim-*", "-sim-claude"]}
  - {name: one, parent: agency, credit: 5, keys: [{name: k, key: sk-test-child-one-0123456789abcdefghijk}]}
  - {name: two, parent: agency, credit: 5, keys: [{name: k, key: sk-test-child-two-0123456789abcdefghijk}]}
`, 1)
	g := startGateway(t, yaml)
	one := []string{"Authorization", "Bearer sk-test-child-one-0123456789abcdefghijk"}
	two := []string{"Authorization", "Bearer sk-test-child-two-0123456789abcdefghijk"}
	if a := g.send("POST", "/v1/messages", `{"model":"sim-claude","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, one...); a.status != http.StatusNotFound {
		t.Errorf("a model that the account above may not use: %d %s", a.status, a.body)
	}
	if a := g.send("GET", "/v1/models", "", one...); strings.Contains(a.body, `"sim-claude"`) || !strings.Contains(a.body, `"sim-gpt"`) {
		t.Errorf("the list of models: %s", a.body)
	}
	for i := range 4 {
		if a := g.send("POST", "/v1/chat/completions", hello, [][]string{one, two}[i%2]...); a.status != http.StatusOK {
			t.Fatalf("call %d: %d %s", i, a.status, a.body)
		}
	}
	for _, who := range [][]string{one, two} {
		if a := g.send("POST", "/v1/chat/completions", hello, who...); a.status != http.StatusTooManyRequests {
			t.Errorf("the fifth call of the agency: %d %s", a.status, a.body)
		}
	}
}
