package app_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tollgate/internal/catalog"
)

// accounts is a configuration of these accounts over one simulated channel in each of the pools.
func accounts(t *testing.T, list string, pools ...string) string {
	t.Helper()
	_, url := simulate(t)
	yaml := channels(url, "sk-up-1")
	for _, p := range pools {
		yaml = strings.Replace(yaml, "channels:\n", "channels:\n  - {name: "+p+", provider: simulator, base_url: \""+url+"\", key: sk-up-"+p+", pools: ["+p+"]}\n", 1)
	}
	at := strings.Index(yaml, "accounts:\n")
	return yaml[:at] + "accounts:\n" + list
}

const helloClaude = `{"model":"sim-claude","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`

// Who may still call, and when again, is told in the words of the caller's vendor: on good answers too.
func TestLimitHeaders(t *testing.T) {
	g := startGateway(t, accounts(t, "  - {name: alice, credit: 10, limits: {rpm: 3, tpm: 100000}, keys: [{name: main, key: "+userKey+"}]}\n"))
	a := g.send("POST", "/v1/chat/completions", hello)
	for name, want := range map[string]string{
		"X-Ratelimit-Limit-Requests": "3", "X-Ratelimit-Remaining-Requests": "2", "X-Ratelimit-Limit-Tokens": "100000",
	} {
		if got := a.header.Get(name); got != want || a.status != 200 {
			t.Errorf("%d %s: %q, want %q", a.status, name, got, want)
		}
	}
	if d, err := time.ParseDuration(a.header.Get("X-Ratelimit-Reset-Requests")); err != nil || d <= 0 || d > 61*time.Second {
		t.Errorf("reset in %s, %v", d, err)
	}
	a = g.send("POST", "/v1/messages", helloClaude)
	for _, what := range []string{"Requests", "Tokens", "Input-Tokens", "Output-Tokens"} {
		if a.header.Get("Anthropic-Ratelimit-"+what+"-Limit") == "" || a.header.Get("Anthropic-Ratelimit-"+what+"-Remaining") == "" || a.status != 200 {
			t.Errorf("%d %s: %v", a.status, what, a.header)
		}
		if at, err := time.Parse(time.RFC3339, a.header.Get("Anthropic-Ratelimit-"+what+"-Reset")); err != nil || time.Until(at) > 62*time.Second {
			t.Errorf("%s: %v %v", what, at, err)
		}
	}
	if a := g.send("POST", "/v1/chat/completions", hello); a.status != 200 {
		t.Fatal(a)
	}
	for path, body := range map[string]string{
		"/v1/chat/completions": hello, "/v1/messages": helloClaude, "/v1beta/models/sim-gemini:generateContent": `{"contents":[{"parts":[{"text":"hi"}]}]}`,
	} {
		a := g.send("POST", path, body)
		if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
		switch {
		case strings.HasSuffix(path, "completions") && a.header.Get("X-Ratelimit-Remaining-Requests") != "0",
			strings.HasSuffix(path, "messages") && a.header.Get("Anthropic-Ratelimit-Requests-Remaining") != "0",
			strings.Contains(path, "gemini") && !strings.Contains(a.body, "RetryInfo"):
			t.Errorf("%s: %v %s", path, a.header, a.body)
		}
	}
}

// A call that names no maximum takes as many tokens for its output as a small limit allows, of an account
// and of a channel, instead of being refused for ever.
func TestSmallTokenLimits(t *testing.T) {
	_, url := simulate(t)
	yaml := strings.NewReplacer("key: \"sk-up-1\"", "key: \"sk-up-1\", limits: {tpm: 3000}").Replace(channels(url, "sk-up-1"))
	at := strings.Index(yaml, "accounts:\n")
	g := startGateway(t, yaml[:at]+"accounts:\n  - {name: alice, credit: 10, limits: {tpm: 1000}, keys: [{name: main, key: "+userKey+"}]}\n")
	a := g.send("POST", "/v1/chat/completions", hello)
	if a.status != 200 || a.header.Get("X-Ratelimit-Limit-Tokens") != "1000" || a.header.Get("X-Ratelimit-Remaining-Tokens") != "0" {
		t.Fatalf("%d %v %s", a.status, a.header, a.body)
	}
	a = g.send("POST", "/v1/chat/completions", hello)
	if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "names no maximum of output tokens, 1000 tokens are reserved") {
		t.Errorf("beside another one: %d %v %s", a.status, a.header, a.body)
	}
	a = g.send("POST", "/v1/chat/completions", strings.Replace(hello, "{", `{"max_tokens":200,`, 1))
	if left, err := strconv.Atoi(a.header.Get("X-Ratelimit-Remaining-Tokens")); a.status != 200 || err != nil || left <= 0 {
		t.Errorf("with a maximum: %d %v %s", a.status, a.header, a.body)
	}
	a = g.send("POST", "/v1/chat/completions", strings.Replace(hello, "{", `{"max_tokens":1000,`, 1))
	if a.status != http.StatusRequestEntityTooLarge || a.header.Get("Retry-After") != "" || !strings.Contains(a.body, "more than the limit of 1000 tokens per minute") {
		t.Errorf("with one that is too large: %d %v %s", a.status, a.header, a.body)
	}
}

// Limits of an account on a model hold beside its others, by the pattern that says most.
func TestModelLimits(t *testing.T) {
	g := startGateway(t, accounts(t, `  - {name: team, credit: 1, model_limits: {"sim-*": {rpm: 3}}}
  - name: alice
    parent: team
    credit: 10
    model_limits: {"sim-gpt": {rpm: 1}, "sim-*": {rpm: 9}}
    keys: [{name: main, key: `+userKey+`}]
`))
	for i, want := range []int{200, 429, 429} {
		if a := g.send("POST", "/v1/chat/completions", hello); a.status != want {
			t.Errorf("call %d: %d %s", i, a.status, a.body)
		}
	}
	for i, want := range []int{200, 200, 429} { // the team's limit, of which one is used
		if a := g.send("POST", "/v1/messages", helloClaude); a.status != want {
			t.Errorf("other model, call %d: %d %s", i, a.status, a.body)
		}
	}
}

// What the catalogue lets one account ask of a model is multiplied by the account's ratio, and by what it has
// spent in its life; an account with a limit of its own on the model has that.
func TestLimitRatios(t *testing.T) {
	const bob, carl, dora = "sk-test-bob-0123456789abcdefghijklmnopqr", "sk-test-carl-0123456789abcdefghijklmnopq", "sk-test-dora-0123456789abcdefghijklmnopq"
	yaml := accounts(t, `  - {name: alice, credit: 10, keys: [{name: main, key: `+userKey+`}]}
  - {name: team, credit: 10, limit_ratio: "2"}
  - {name: bob, parent: team, credit: 10, keys: [{name: main, key: `+bob+`}]}
  - {name: carl, parent: team, credit: 10, limit_ratio: "0.1", keys: [{name: main, key: `+carl+`}]}
  - {name: dora, credit: 10, model_limits: {"sim-*": {rpm: 3}}, keys: [{name: main, key: `+dora+`}]}
models:
  - {name: sim-gpt, account_rpm: 2, price: {input: "1000", output: "1000"}}
`)
	check := func(g *gateway, what, key string, want int) {
		t.Helper()
		for i := range want + 1 {
			a := g.as(key, hello)
			if status := map[bool]int{true: 200, false: 429}[i < want]; a.status != status {
				t.Errorf("%s, call %d: %d %s", what, i, a.status, a.body)
			}
		}
	}
	g := startGateway(t, yaml)
	check(g, "the catalogue's limit", userKey, 2)
	check(g, "twice that, as the account above says", bob, 4)
	check(g, "a part of it, at least one", carl, 1)
	check(g, "one of its own", dora, 3)
	for i := range 5 {
		if a := g.asRoot("POST", "/v1/chat/completions", hello); a.status != 200 {
			t.Errorf("root, call %d: %d %s", i, a.status, a.body)
		}
	}
	g = startGateway(t, yaml, "LIMIT_RATIOS=0.005=3,9999=50")
	check(g, "three times, once it has spent", userKey, 6)
	check(g, "both", bob, 12)
	check(g, "an own limit is not multiplied", dora, 3)
}

func TestAccessLists(t *testing.T) {
	const bob, carl = "sk-test-bob-0123456789abcdefghijklmnopqr", "sk-test-carl-0123456789abcdefghijklmnopq"
	g := startGateway(t, accounts(t, `  - {name: team, credit: 1, paths: ["/v1/*", "-/v1/embeddings"], ips: [127.0.0.1, 192.0.2.0/24]}
  - {name: alice, parent: team, credit: 10, keys: [{name: main, key: `+userKey+`, paths: ["/v1/chat/*", "/v1/embeddings"]}]}
  - {name: bob, parent: team, credit: 10, keys: [{name: main, key: `+bob+`, ips: ["192.0.2.8/29"]}]}
  - {name: carl, credit: 10, ips: ["2001:db8::/32"], keys: [{name: main, key: `+carl+`}]}
`), "TRUSTED_PROXIES=127.0.0.0/8")
	for _, c := range []struct {
		key, from, path, body string
		status                int
		says                  string
	}{
		{userKey, "", "/v1/chat/completions", hello, 200, ""},
		{userKey, "", "/v1/messages", helloClaude, 403, "may not call /v1/messages"},
		{userKey, "", "/v1/embeddings", `{"model":"text-embedding-3-small","input":"x"}`, 403, "may not call"},
		{userKey, "203.0.113.1", "/v1/chat/completions", hello, 403, "may not be used from 203.0.113.1"},
		{bob, "192.0.2.9:4711", "/v1/chat/completions", hello, 200, ""},
		{bob, "192.0.2.16", "/v1/chat/completions", hello, 403, "may not be used from 192.0.2.16"},
		{bob, "", "/v1/messages", helloClaude, 403, "may not be used from 127.0.0.1"},
		{carl, "2001:db8::7", "/v1/messages", helloClaude, 200, ""},
		{carl, "2001:db9::7", "/v1/messages", helloClaude, 403, "may not be used"},
	} {
		var h []string
		if c.from != "" {
			h = append(h, "X-Forwarded-For", c.from)
		}
		h = append(h, "Authorization", "Bearer "+c.key)
		if a := g.send("POST", c.path, c.body, h...); a.status != c.status || !strings.Contains(a.body, c.says) {
			t.Errorf("%s from %q: %d %s", c.path, c.from, a.status, a.body)
		}
	}
	for _, path := range []string{"/v1/models", "/api/v1/me"} { // the list holds wherever the key is used
		if a := g.send("GET", path, "", "Authorization", "Bearer "+bob); a.status != 403 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

// Mappings, levels and pools decide calls and lists of models alike.
func TestLevelsOfAccounts(t *testing.T) {
	const bob = "sk-test-bob-0123456789abcdefghijklmnopqr"
	g := startGateway(t, accounts(t, `  - {name: alice, credit: 10, model_mapper: "nice=sim-gpt", keys: [{name: main, key: `+userKey+`}]}
  - {name: bob, credit: 10, level: 2, level_mapper: "sim-claude=3", keys: [{name: main, key: `+bob+`}]}
`, "level-2", "level-3"))
	served := func(key, path, body string) string {
		t.Helper()
		a := g.send("POST", path, body, "Authorization", "Bearer "+key)
		if a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		id := a.header.Get("X-Request-Id")
		var call map[string]any
		waitFor(t, "the record", func() bool {
			a := g.asRoot("GET", "/api/v1/calls/"+id, "")
			if a.status == 200 {
				call = a.decode(t, 200)
			}
			return a.status == 200
		})
		return g.asRoot("GET", "/api/v1/channels/"+call["channel_id"].(string), "").decode(t, 200)["name"].(string)
	}
	for _, c := range []struct{ key, path, body, want string }{
		{userKey, "/v1/chat/completions", hello, "c0"},
		{userKey, "/v1/chat/completions", strings.Replace(hello, "sim-gpt", "nice", 1), "c0"},
		{bob, "/v1/chat/completions", hello, "level-2"},
		{bob, "/v1/messages", helloClaude, "level-3"},
	} {
		if got := served(c.key, c.path, c.body); got != c.want {
			t.Errorf("%s %s was served by %s, want %s", c.path, c.body, got, c.want)
		}
	}
	if a := g.send("GET", "/v1/models", ""); !strings.Contains(a.body, `"nice"`) {
		t.Errorf("a name that a mapping adds is not listed: %s", a.body)
	}
	if a := g.send("GET", "/v1/models", "", "Authorization", "Bearer "+bob); strings.Contains(a.body, `"nice"`) || !strings.Contains(a.body, `"sim-claude"`) {
		t.Errorf("the other one's list: %s", a.body)
	}
}

// What a list of models holds can be called, and a model is found where a call of it is taken: also by a
// name that no list has, since channels serve patterns and letters match in either case.
func TestModelsAndCallsAgree(t *testing.T) {
	const bob, carl = "sk-test-bob-0123456789abcdefghijklmnopqr", "sk-test-carl-0123456789abcdefghijklmnopq"
	g := startGateway(t, accounts(t, `  - {name: alice, credit: 10, models: ["sim-*", "-sim-claude", "gpt-*"], model_mapper: "gpt-nice=sim-gpt,gpt-not=sim-claude", keys: [{name: main, key: `+userKey+`}]}
  - {name: bob, credit: 10, prices: [{model: "omni-new", input: "1", output: "2"}], keys: [{name: main, key: `+bob+`}]}
  - {name: carl, unbilled: true, keys: [{name: main, key: `+carl+`, models: ["-sim-gpt"]}]}
`))
	for _, c := range []struct {
		key     string
		yes, no []string
	}{
		{userKey, []string{"sim-gpt", "SIM-GPT", "gpt-nice"}, []string{"sim-claude", "SIM-Claude", "gpt-not", "omni-new", "nobody"}},
		{bob, []string{"sim-gpt", "sim-claude", "omni-new"}, []string{"omni-newer", "gpt-nice", "nobody"}},
		{carl, []string{"sim-claude", "omni-newer"}, []string{"sim-gpt", "nobody"}},
	} {
		as := []string{"Authorization", "Bearer " + c.key}
		taken := func(name string) bool {
			return g.send("POST", "/v1/chat/completions", strings.Replace(hello, "sim-gpt", name, 1), as...).status == 200
		}
		found := func(name string) bool { return g.send("GET", "/v1/models/"+name, "", as...).status == 200 }
		for i, names := range [][]string{c.yes, c.no} {
			for _, name := range names {
				if taken(name) != (i == 0) || found(name) != (i == 0) {
					t.Errorf("%s %s: call %t, model %t, want %t", c.key[:12], name, taken(name), found(name), i == 0)
				}
			}
		}
		list := g.send("GET", "/v1/models", "", as...).decode(t, 200)["data"].([]any)
		for _, m := range list {
			if name := m.(map[string]any)["id"].(string); !found(name) || slices.Contains(c.no, name) {
				t.Errorf("%s: the list has %s", c.key[:12], name)
			}
		}
	}
}

// What an account pays for a model can be laid down for it; the receipt recomputes, and the answer tells
// the sum.
func TestOwnPrices(t *testing.T) {
	const bob = "sk-test-bob-0123456789abcdefghijklmnopqr"
	g := startGateway(t, accounts(t, `  - {name: alice, credit: 10, prices: [{model: "sim-*", input: "0", output: "1000"}, {model: sim-claude, free: true}], keys: [{name: main, key: `+userKey+`}]}
  - {name: bob, credit: 10, rates: "1.5", keys: [{name: main, key: `+bob+`}]}
`))
	for _, c := range []struct {
		key, path, body string
		free            bool
	}{{userKey, "/v1/chat/completions", hello, false}, {userKey, "/v1/messages", helloClaude, true}, {bob, "/v1/chat/completions", hello, false}} {
		a := g.send("POST", c.path, c.body, "Authorization", "Bearer "+c.key)
		cost, err := catalog.ParseNanos(a.header.Get("X-Tollgate-Cost"))
		if a.status != 200 || err != nil || (cost == 0) != c.free {
			t.Fatalf("%d, cost %s, %v", a.status, cost, err)
		}
		id := a.header.Get("X-Request-Id")
		waitFor(t, "the receipt", func() bool { return g.asRoot("GET", "/api/v1/receipts/"+id, "").status == 200 })
		r := g.asRoot("GET", "/api/v1/receipts/"+id, "").decode(t, 200)
		face := cost // the caller is told what it sees: its rates are its seller's business
		if c.key == bob {
			cost = face * 2 / 3
		}
		if r["equal"] != true || r["charged"] != cost.String() {
			t.Errorf("%v", r)
		}
		if r["face"] != face.String() || (r["rates"] == "1.5") != (c.key == bob) {
			t.Errorf("rates %v, face %v of %s", r["rates"], r["face"], cost)
		}
		rates := map[string]string{}
		for _, it := range r["items"].([]any) {
			rates[it.(map[string]any)["what"].(string)] = it.(map[string]any)["rate"].(string)
		}
		if c.key == userKey && !c.free && (rates["input"] != "0" || rates["output"] != "1000") || c.key == bob && rates["output"] == "1000" {
			t.Errorf("%s: %v", c.path, rates)
		}
	}
	if a := g.send("POST", "/v1/chat/completions", strings.Replace(hello, `{`, `{"stream":true,`, 1)); a.header.Get("X-Tollgate-Cost") != "" {
		t.Error("a stream told its cost before it was known")
	}
}

// Many accounts from one address: the operator is told, then the address is refused, and may be lifted.
func TestSharedAddress(t *testing.T) {
	key := func(i int) string { return "sk-test-shared-0123456789abcdefghijkl-" + string(rune('a'+i)) }
	var list strings.Builder
	for i := range 4 {
		list.WriteString("  - {name: u" + string(rune('a'+i)) + ", credit: 1, keys: [{name: main, key: " + key(i) + "}]}\n")
	}
	g := startGateway(t, accounts(t, list.String()), "TRUSTED_PROXIES=127.0.0.0/8", "IP_GROUPS_THRESHOLD=2", "IP_GROUPS_BAN_THRESHOLD=4")
	send := func(i int, from string) int {
		return g.send("POST", "/v1/chat/completions", hello, "X-Forwarded-For", from, "Authorization", "Bearer "+key(i)).status
	}
	for i, want := range []int{200, 200, 200, 403} {
		if got := send(i, "203.0.113.5"); got != want {
			t.Errorf("account %d: %d, want %d", i, got, want)
		}
	}
	if send(0, "203.0.113.5") != 403 || send(0, "203.0.113.6") != 200 || send(3, "") != 200 {
		t.Error("the address is refused, not the accounts")
	}
	if a := g.send("GET", "/api/v1/me", "", "X-Forwarded-For", "203.0.113.5", "Authorization", "Bearer "+adminKey); a.status != 200 {
		t.Errorf("root from there: %d %s", a.status, a.body)
	}
	if n := len(g.lines("many accounts call from one address")); n != 2 {
		t.Errorf("the operator was told %d times", n)
	}
}

// Quotas of keys and monthly limits of accounts and those above bound what is spent, before it is spent.
func TestBudgets(t *testing.T) {
	const second, bob = "sk-test-second-0123456789abcdefghijklmn", "sk-test-bob-0123456789abcdefghijklmnopqr"
	g := startGateway(t, accounts(t, `  - {name: team, credit: 1, hard_limit: "0.05"}
  - name: alice
    parent: team
    credit: 10
    rates: "2"
    prices: [{model: "*", input: "0", output: "1000"}]
    keys: [{name: main, key: `+userKey+`, quota: {day: "0.02"}}, {name: second, key: `+second+`}]
  - {name: bob, credit: 10, hard_limit: "0.001", prices: [{model: "*", per_request: "0.01"}], keys: [{name: main, key: `+bob+`}]}
`))
	send := func(key string, most int) answer {
		body := `{"model":"sim-gpt","max_tokens":` + strconv.Itoa(most) + `,"messages":[{"role":"user","content":"hi"}]}`
		return g.send("POST", "/v1/chat/completions", body, "Authorization", "Bearer "+key)
	}
	if a := send(userKey, 21); a.status != http.StatusTooManyRequests && a.status != http.StatusPaymentRequired || !strings.Contains(a.body, "the daily quota of this API key is $0.04 ") ||
		!strings.Contains(a.body, "it may cost up to $0.042, $0.04 is left; it begins anew at ") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := send(userKey, 20); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := send(second, 51); a.status == 200 || !strings.Contains(a.body, "monthly limit of an account above") || strings.Contains(a.body, "0.05") {
		t.Errorf("%d %s", a.status, a.body)
	}
	for i := 0; ; i++ { // answers have some tokens each
		a := send(second, 20)
		if a.status != 200 {
			if !strings.Contains(a.body, "monthly limit of an account above") || i == 0 {
				t.Errorf("call %d: %d %s", i, a.status, a.body)
			}
			break
		}
		if i > 60 {
			t.Fatal("the limit of the account above does not hold")
		}
	}
	if a := send(bob, 5); a.status == 200 || !strings.Contains(a.body, "the monthly limit of this account is $0.001 ") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestBillingOff(t *testing.T) {
	const bob = "sk-test-bob-0123456789abcdefghijklmnopqr"
	list := `  - {name: free, unbilled: true, keys: [{name: main, key: ` + userKey + `}]}
  - {name: bob, parent: free, keys: [{name: main, key: ` + bob + `}]}
  - {name: poor, keys: [{name: main, key: sk-test-poor-0123456789abcdefghijklmnopqr}]}
`
	check := func(g *gateway, key string, want int) {
		t.Helper()
		a := g.send("POST", "/v1/chat/completions", hello, "Authorization", "Bearer "+key)
		if a.status != want {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if want != 200 {
			return
		}
		cost := a.header.Get("X-Tollgate-Cost")
		if cost == "" || cost == "0" {
			t.Errorf("it is metered: %q", cost)
		}
		id := a.header.Get("X-Request-Id")
		waitFor(t, "the record", func() bool { return g.asRoot("GET", "/api/v1/calls/"+id, "").status == 200 })
		call := g.asRoot("GET", "/api/v1/calls/"+id, "").decode(t, 200)
		b := g.asRoot("GET", "/api/v1/accounts/"+call["account_id"].(string)+"/balance", "").decode(t, 200)
		if call["cost"] != cost || b["spent"] != "0" || b["debt"] != "0" || b["held"] != "0" {
			t.Errorf("%v %v", call["cost"], b)
		}
	}
	g := startGateway(t, accounts(t, list))
	check(g, userKey, 200)
	check(g, bob, 200)
	check(g, "sk-test-poor-0123456789abcdefghijklmnopqr", http.StatusTooManyRequests)
	g = startGateway(t, accounts(t, list), "BILLING_ENABLED=false")
	check(g, "sk-test-poor-0123456789abcdefghijklmnopqr", 200)
}

// A channel that has reached its limits is left alone, and the next one takes over; when all have, the
// client is told when to come back.
func TestLimitsOfChannels(t *testing.T) {
	_, url := simulate(t)
	yaml := strings.NewReplacer("key: \"sk-up-1\"", "key: \"sk-up-1\", priority: 9, limits: {rpm: 2}", "key: \"sk-up-2\"", "key: \"sk-up-2\", limits: {rpm: 3}").Replace(channels(url, "sk-up-1", "sk-up-2"))
	g := startGateway(t, yaml)
	for i := range 5 {
		if a := g.send("POST", "/v1/chat/completions", hello); a.status != 200 {
			t.Fatalf("call %d: %d %s", i, a.status, a.body)
		}
	}
	count := map[string]int{}
	for _, line := range g.lines("call") {
		count[line["channel"].(string)]++
	}
	var n []int
	for _, c := range count {
		n = append(n, c)
	}
	slices.Sort(n)
	if !slices.Equal(n, []int{2, 3}) {
		t.Errorf("calls by channel: %v", count)
	}
	a := g.send("POST", "/v1/chat/completions", hello)
	if wait, err := strconv.Atoi(a.header.Get("Retry-After")); a.status != http.StatusTooManyRequests || err != nil || wait < 1 || wait > 62 {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
}

// A manager funds an account below it, takes some back, and gets the rest when it deletes it; its key stops
// at once. The trail says so.
func TestManagerLife(t *testing.T) {
	g := startGateway(t, accounts(t, "  - {name: team, role: manager, credit: 10, keys: [{name: main, key: "+userKey+"}]}\n"))
	team := []string{"Authorization", "Bearer " + userKey}
	do := func(status int, method, path, body string) map[string]any {
		t.Helper()
		a := g.send(method, "/api/v1"+path, body, team...)
		if a.status != status {
			t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
		}
		if a.body == "" {
			return nil
		}
		return a.decode(t, status)
	}
	me := do(200, "GET", "/me", "")["account"].(map[string]any)["id"].(string)
	left := func(id string) string {
		t.Helper()
		return do(200, "GET", "/accounts/"+id+"/balance", "")["left"].(string)
	}
	kid := do(201, "POST", "/accounts", `{"name":"kid","limits":{"rpm":9}}`)["id"].(string)
	key := do(201, "POST", "/keys", `{"account_id":"`+kid+`","quota":{"day":"1"}}`)["secret"].(string)
	do(201, "POST", "/accounts/"+kid+"/credit", `{"amount":"4"}`)
	do(200, "POST", "/accounts/"+kid+"/credit/take", `{"amount":"1"}`)
	if left(me) != "7" || left(kid) != "3" {
		t.Errorf("team has %s, kid %s", left(me), left(kid))
	}
	a := g.send("POST", "/v1/chat/completions", hello, "Authorization", "Bearer "+key)
	if a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	cost, err := catalog.ParseNanos(a.header.Get("X-Tollgate-Cost"))
	if err != nil || cost == 0 {
		t.Fatal(cost, err)
	}
	report := g.send("GET", "/api/v1/accounts/"+kid+"/limits", "", team...)
	if !strings.Contains(report.body, `"what":"rpm","limit":9,"remaining":8`) {
		t.Errorf("limits in use: %s", report.body)
	}
	do(409, "POST", "/accounts/"+kid+"/credit/take", `{"amount":"3"}`) // some of it is spent
	do(204, "DELETE", "/accounts/"+kid, "")
	if a := g.send("POST", "/v1/chat/completions", hello, "Authorization", "Bearer "+key); a.status != http.StatusUnauthorized {
		t.Errorf("its key: %d %s", a.status, a.body)
	}
	if want := (10e9 - cost).String(); left(me) != want {
		t.Errorf("team has %s, want %s", left(me), want)
	}
	var trail []string
	for _, e := range do(200, "GET", "/audit", "")["data"].([]any) {
		trail = append(trail, e.(map[string]any)["action"].(string)+" "+e.(map[string]any)["status"].(string))
	}
	want := []string{"account.delete done", "credit.take failed", "credit.take done", "credit.grant done", "key.create done", "account.create done"}
	if !slices.Equal(trail, want) {
		t.Errorf("the trail: %q", trail)
	}
}

// A key that was replaced calls and reads in its time of grace, and manages over neither API.
func TestReplacedKeyDoesNotManage(t *testing.T) {
	g := startGateway(t, accounts(t, "  - {name: team, role: manager, credit: 100, keys: [{name: main, key: "+userKey+"}]}\n"))
	who := g.send("GET", "/api/v1/me", "").decode(t, 200)
	id := who["key"].(map[string]any)["id"].(string)
	fresh := g.send("POST", "/api/v1/keys/"+id+"/rotate", `{"grace_seconds":600}`).decode(t, 200)["secret"].(string)
	other := g.send("POST", "/api/v1/keys", `{}`, "Authorization", "Bearer "+fresh).decode(t, 201)["id"].(string)
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/v1/chat/completions", hello, 200},
		{"GET", "/api/v1/keys", "", 200},
		{"GET", "/dashboard/info", "", 200},
		{"POST", "/api/v1/keys", `{}`, 403},
		{"POST", "/api/v1/accounts", `{"name":"child"}`, 403},
		{"PATCH", "/api/v1/keys/" + id, `{"name":"mine"}`, 403},
		{"POST", "/api/v1/keys/" + id + "/rotate", `{}`, 403},
		{"POST", "/api/v1/keys/" + other + "/rotate", `{}`, 403},
		{"DELETE", "/api/v1/keys/" + other, "", 403},
		{"POST", "/x-users", `{"Name":"child","Email":"child@example.com","CreditGranted":10}`, 403},
		{"POST", "/x-self", `{"confirm":"` + time.Now().UTC().Format("2006-01-02") + `-ROTATE-SELF"}`, 403},
	} {
		if a := g.send(c.method, c.path, c.body); a.status != c.status || c.status == 403 && !strings.Contains(a.body, "replaced") {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.status, a.body)
		}
	}
}

// A narrowed key of a manager calls, and manages over neither API.
func TestNarrowKey(t *testing.T) {
	const narrow = "sk-test-narrow-0123456789abcdefghijklmno"
	g := startGateway(t, accounts(t, "  - {name: team, role: manager, credit: 100, keys: [{name: main, key: "+userKey+"}, {name: ci, key: "+narrow+", quota: {day: 1}}]}\n"))
	for _, c := range []struct {
		key, path, body string
		status          int
	}{
		{narrow, "/v1/chat/completions", hello, 200},
		{narrow, "/api/v1/keys", `{}`, 403},
		{narrow, "/x-users", `{"Name":"child","Email":"child@example.com","CreditGranted":10}`, 403},
		{userKey, "/x-users", `{"Name":"child","Email":"child@example.com","CreditGranted":10}`, 200},
	} {
		if a := g.send("POST", c.path, c.body, "Authorization", "Bearer "+c.key); a.status != c.status {
			t.Errorf("%s: %d %s", c.path, a.status, a.body)
		}
	}
	for _, method := range []string{"GET", "HEAD"} {
		for _, path := range []string{"/dashboard/info", "/x-users", "/v1/models"} {
			if a := g.send(method, path, "", "Authorization", "Bearer "+narrow); a.status != 200 || method == "HEAD" && a.body != "" {
				t.Errorf("%s %s: %d %s", method, path, a.status, a.body)
			}
		}
	}
}

// A key that anybody could guess works, as it is the operator's, and is told of.
func TestShortAdminKey(t *testing.T) {
	for key, want := range map[string]int{"short-enough-to-": 0, "short-enough-to": 1} {
		g := startGateway(t, "", "ADMIN_KEY="+key)
		if n := len(g.lines("the admin key is short enough to be guessed; set ADMIN_KEY to 32 random characters")); n != want {
			t.Errorf("%d characters: told %d times", len(key), n)
		}
		if a := g.send("GET", "/api/v1/accounts", "", "Authorization", "Bearer "+key); a.status != 200 {
			t.Errorf("%d characters: %d %s", len(key), a.status, a.body)
		}
	}
}
