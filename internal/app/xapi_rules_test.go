package app_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"tollgate/internal/account"
	"tollgate/internal/catalog"
	"tollgate/internal/secret"
	"tollgate/internal/store/sqlstore"
)

// What must not happen is refused clearly, and nothing of it happens.
func TestXRefusals(t *testing.T) {
	x := startX(t)
	a, aID := x.user(xroot, "alpha", "1000", `"RPM":100`, `"Rates":2`)
	b, bID := x.user(xroot, "bravo", "1000")
	a1, a1ID := x.user(a, "alpha-1", "100")
	state := func() string {
		var out strings.Builder
		for _, u := range x.list(xroot, "/x-dna") {
			delete(u, "Requests")
			raw, err := json.Marshal(u)
			if err != nil {
				t.Fatal(err)
			}
			out.Write(raw)
			out.WriteString("\n")
		}
		return out.String()
	}
	before := state()
	good := `"Name":"new-1","Email":"new-1@example.com"`
	for _, c := range []struct {
		key, method, path, body string
		status                  int
		says                    string
	}{
		{a, "POST", "/x-users", `{` + good + `}`, 400, "CreditGranted"},
		{a, "POST", "/x-users", `{"Name":"new-1","CreditGranted":5}`, 400, "Email"},
		{a, "POST", "/x-users", `{"Email":"new-1@example.com","CreditGranted":5}`, 400, "Name"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"Colour":"red"}`, 400, "Colour"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"CreditGranted":6}`, 400, "CreditGranted"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"creditgranted":600}`, 400, "\"CreditGranted\" and \"creditgranted\""},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"ModelLimits":{"m":{"rpm":1,"RPM":9}}}`, 400, "\"rpm\" and \"RPM\""},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"HardLimit":1e400}`, 400, "HardLimit: "},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"Rates":"NaN"}`, 400, "Rates"},
		{a, "GET", "/x-bill?usr=alpha-1", ``, 400, "\"usr\" is no filter"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":1.99}`, 400, "2"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":-5}`, 400, "CreditGranted"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":"NaN"}`, 400, "CreditGranted: "},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":1e300}`, 400, "amount"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":10000001}`, 400, "range"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5.0000000001}`, 400, "nano"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":1000.01}`, 400, "balance"},
		{a, "POST", "/x-users", `{"Name":"new","Email":"new-1@example.com","CreditGranted":5}`, 400, "Name"},
		{a, "POST", "/x-users", `{"Name":"123456","Email":"new-1@example.com","CreditGranted":5}`, 400, "Name"},
		{a, "POST", "/x-users", `{"Name":"` + strings.Repeat("x", 64) + `","Email":"new-1@example.com","CreditGranted":5}`, 400, "Name"},
		{a, "POST", "/x-users", `{"Name":"new@example.com","Email":"new-1@example.com","CreditGranted":5}`, 400, "Name"},
		{a, "POST", "/x-users", `{"Name":"0199f000-0000-7000-8000-000000000000","Email":"new-1@example.com","CreditGranted":5}`, 400, "Name"},
		{a, "POST", "/x-users", `{"Name":"new-1","Email":"nobody","CreditGranted":5}`, 400, "Email"},
		{a, "POST", "/x-users", `{"Name":"BRAVO","Email":"new-1@example.com","CreditGranted":5}`, 400, "Name"},
		{a, "POST", "/x-users", `{"Name":"new-1","Email":"Bravo@example.com","CreditGranted":5}`, 400, "Email"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"RPM":101}`, 400, "RPM"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"RPM":-1}`, 400, "RPM"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"RPM":1.5}`, 400, "RPM must be a whole number"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"Rates":1}`, 400, "Rates"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"Rates":0}`, 400, "Rates"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"Rates":1e9}`, 400, "Rates"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"Days":366}`, 400, "Days"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"Days":0}`, 400, "Days"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"HardLimit":-1}`, 400, "HardLimit"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"AllowIPs":"home"}`, 400, "AllowIPs"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"AllowModels":"--gpt-4"}`, 400, "AllowModels: \"-gpt-4\" begins with a dash"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"AllowModels":"gpt-[4]"}`, 400, "AllowModels"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"Resources":"chat"}`, 400, "Resources"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"ModelLimits":{"-gpt-4":{"rpm":1}}}`, 400, "ModelLimits"},
		{a, "PUT", "/x-users/alpha-1", `{"AllowLevels":"11"}`, 400, "AllowLevels"},
		{a, "PUT", "/x-users/alpha-1", `{"AllowLevels":{}}`, 400, "AllowLevels"},
		{a, "PUT", "/x-users/alpha-1", `{"Days":5,"CreditGranted":-1}`, 400, "Days"},
		{a, "PUT", "/x-users/alpha-1", `{"CreditGranted":0.000000001,"Alias":"half"}`, 400, "less than can be moved"},
		{a, "PUT", "/x-users/alpha-1", `{"ModelLimits":[1]}`, 400, "ModelLimits must be an object"},
		{a, "PUT", "/x-users/alpha-1", `{"Name":5}`, 400, "Name must be text"},
		{a, "GET", "/dashboard/x-user-logs?page=0", ``, 400, "page"},
		{a, "GET", "/v1/dashboard/billing/usage?end_date=tomorrow", ``, 400, "end_date"},
		{a, "GET", "/v1/dashboard/billing/usage?start_date=2020-01-01&end_date=2026-01-01", ``, 400, "12 months"},
		{a, "GET", "/dashboard/bill?date=2026-02-30", ``, 400, "date"},
		{a, "GET", "/x-bill?start=2026-02-02&end=2026-02-01", ``, 400, "start"},
		{xroot, "DELETE", "/x-config", `{"keys":["NOPE"]}`, 400, "NOPE"},
		{a, "PUT", "/x-users/alpha-1", `{"DenyModels":"-gpt-4"}`, 400, "DenyModels: \"-gpt-4\""},
		{a, "PUT", "/x-users/alpha-1", `{"DenyResources":"-/v1/files"}`, 400, "DenyResources"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"ModelMapper":"x"}`, 400, "ModelMapper"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"LevelMapper":"x=11"}`, 400, "LevelMapper"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"Level":11}`, 400, "Level"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"ModelLimits":{"m":{"rps":1}}}`, 400, "rps"},
		{a, "POST", "/x-users", `[]`, 400, "object"},
		// An account without the least balance manages none; one that may only call neither.
		{a1, "PUT", "/x-users/alpha-1", `{"RPM":5}`, 403, "above"},
		{a1, "PUT", "/x-users/alpha-1", `{"CreditGranted":5}`, 403, "above"},
		// Ancestors, strangers, oneself, root.
		{a1, "PUT", "/x-users/alpha", `{"CreditGranted":5}`, 404, "no such account"},
		{a, "PUT", "/x-users/" + bID, `{"CreditGranted":5}`, 404, "no such account"},
		{a, "PUT", "/x-users/root", `{"Alias":"x"}`, 404, "no such account"},
		{a, "DELETE", "/x-users/bravo", ``, 404, "no such account"},
		{a, "DELETE", "/x-users/root", ``, 404, "no such account"},
		{a, "DELETE", "/x-users/alpha", ``, 403, "itself"},
		{xroot, "DELETE", "/x-users/root", ``, 403, "root"},
		{xroot, "PUT", "/x-users/root", `{"Status":false}`, 403, "above"},
		{xroot, "DELETE", "/x-users/alpha", ``, 400, "below"},
		{a, "PUT", "/x-users/alpha-1", `{"CreditGranted":900.01}`, 400, "balance"},
		{a, "PUT", "/x-users/alpha-1", `{"CreditGranted":-100.01}`, 400, "balance"},
		{a, "PUT", "/x-users/alpha-1", `{"CreditGranted":900.01,"Alias":"half"}`, 400, "balance"},
		{a, "PUT", "/x-users/alpha-1", `{"CreditGranted":-100.01,"Alias":"half","RPM":7}`, 400, "balance"},
		{a, "PUT", "/x-users/alpha-1", `{"CreditGranted":50,"Name":"bravo"}`, 400, "Name"},
		{a, "PUT", "/x-users/alpha-1", `{"Days":5}`, 400, "Days"},
		{a, "PUT", "/x-users/alpha-1", `{"RateLimit":5,"RPM":6}`, 400, "RateLimit"},
		{a, "PUT", "/x-users/alpha-1", `{"Factor":1.5}`, 400, "Factor"},
		{a, "PUT", "/x-users/alpha-1", `{"SecretKey":"x"}`, 400, "SecretKey"},
		{a, "PUT", "/x-users/alpha-1", `{"Status":"no"}`, 400, "Status"},
		{a, "PUT", "/x-users/alpha-1", `{"DenyIPs":"1.2.3.4"}`, 400, "DenyIPs"},
		{"", "GET", "/x-users", ``, 401, "key"},
		{"sk-XvsiLNxHImLIn0chuNDdi5wTs5WaoEWNcd87Z62etZZ1bz7y", "GET", "/x-users", ``, 401, "not known"},
		{a, "GET", "/x-keys", ``, 403, "root"},
		{a, "POST", "/x-conf", `{"LoadKeys":true}`, 403, "root"},
		{a, "GET", "/x-config", ``, 403, "root"},
		{a, "POST", "/x-root", `{}`, 403, "root"},
		{a, "POST", "/x-news", `{"title":"t","content":"c"}`, 403, "root"},
		{a, "DELETE", "/x-news", ``, 403, "root"},
		{a, "POST", "/x-news/bravo", `{"title":"t","content":"c"}`, 404, "no such account"},
		{a, "POST", "/x-news/.root.", `{"title":"t","content":"c"}`, 404, "no such account"},
		{a, "GET", "/x-bill?user=bravo", ``, 404, "no such account"},
		{a, "GET", "/x-bill?user=root", ``, 404, "no such account"},
	} {
		x.refused(c.key, c.method, c.path, c.body, c.status, c.says)
	}
	if after := state(); after != before {
		t.Errorf("something was half done: before\n%s\nafter\n%s", before, after)
	}
	if b := x.balance(b); b != 1000 {
		t.Errorf("bravo has %v", b)
	}
	_, _ = aID, a1ID
}

// Lists are added to and removed from, and hold for calls.
func TestXAccess(t *testing.T) {
	x := startX(t)
	key, _ := x.user(xroot, "alpha", "100")
	call := func() int { return x.as(key, "POST", "/v1/chat/completions", hello).status }
	for _, c := range []struct {
		body, field, want string
		status            int
	}{
		{`{"AllowIPs":"49.234.158.212"}`, "AllowIPs", "49.234.158.212", 403},
		{`{"AllowIPs":"127.0.0.0/8 119.24.12.11"}`, "AllowIPs", "49.234.158.212 127.0.0.0/8 119.24.12.11", 200},
		{`{"DenyIPs":"49.234.158.212 119.24.12.11"}`, "AllowIPs", "127.0.0.0/8", 200},
		{`{"AllowIPs":"*"}`, "AllowIPs", "*", 200},
		{`{"DenyIPs":"*"}`, "AllowIPs", "127.0.0.1", 200},
		{`{"AllowIPs":"*","AllowModels":"gpt-4 gpt-4o"}`, "AllowModels", "gpt-4 gpt-4o", 404},
		{`{"AllowModels":"sim-*"}`, "AllowModels", "gpt-4 gpt-4o sim-*", 200},
		{`{"DenyModels":"gpt-4"}`, "AllowModels", "gpt-4o sim-*", 200},
		{`{"AllowModels":"-sim-*"}`, "AllowModels", "gpt-4o", 404},
		{`{"AllowModels":"*"}`, "AllowModels", "*", 200},
		{`{"DenyModels":"sim-gpt"}`, "AllowModels", "-sim-gpt", 404},
		{`{"DenyModels":"*"}`, "AllowModels", "-*", 404},
		{`{"AllowModels":"sim-gpt"}`, "AllowModels", "sim-gpt", 200},
		{`{"Resources":"/v1/embeddings"}`, "Resources", "/v1/embeddings", 403},
		{`{"Resources":"/v1/chat/*"}`, "Resources", "/v1/embeddings /v1/chat/*", 200},
		{`{"Resources":"*"}`, "Resources", "*", 200},
		{`{"Resources":"/v1/*","DenyResources":"/v1/chat/*"}`, "Resources", "/v1/* -/v1/chat/*", 403},
		{`{"DenyResources":"*"}`, "Resources", "-*", 403},
		{`{"Resources":"*","AllowLevels":"*"}`, "AllowLevels", "0 1 2 3 4 5 6 7 8 9 10", 200},
		{`{"AllowLevels":[0,2]}`, "AllowLevels", "0 2", 200},
		{`{"AllowLevels":1}`, "AllowLevels", "1", 200}, // beside its own
		{`{"AllowLevels":""}`, "AllowLevels", "", 200},
	} {
		got := x.ok(xroot, "PUT", "/x-users/alpha", c.body)["User"].(map[string]any)["Updates"].(map[string]any)
		if got[c.field] != c.want {
			t.Errorf("%s: %s is %v, want %s", c.body, c.field, got[c.field], c.want)
		}
		if status := call(); status != c.status {
			t.Errorf("after %s a call answers %d, want %d", c.body, status, c.status)
		}
	}
}

// Of its own account a key changes how it is called and where its bills go, and nothing else.
func TestXSelf(t *testing.T) {
	x := startX(t)
	key, id := x.user(xroot, "alpha", "100")
	for _, who := range []string{id, "alpha", "ALPHA@example.com"} {
		got := x.ok(key, "PUT", "/x-users/"+who, `{"Name":"`+who+`","Alias":"of `+who+`","BillingEmail":"books@example.com"}`)
		u := got["User"].(map[string]any)
		if up := u["Updates"].(map[string]any); got["Action"] != "update" || u["ID"] != id || u["Name"] != "alpha" || u["Alias"] != "of "+who || up["BillingEmail"] != "books@example.com" || up["Balance"] != 100.0 {
			t.Errorf("%v", got)
		}
	}
	info := x.ok(key, "GET", "/dashboard/info", "")
	if info["alias"] != "of ALPHA@example.com" || info["billing_email"] != "books@example.com" {
		t.Errorf("%v", info)
	}
	x.refused(key, "PUT", "/x-users/alpha", `{"BillingEmail":"nobody"}`, 400, "BillingEmail")
	for _, body := range []string{`{"CreditGranted":5}`, `{"Alias":"x","RPM":5}`, `{"Days":5}`, `{"Status":false}`, `{"Rates":1}`, `{"Email":"x@example.com"}`, `{"AllowModels":"*"}`} {
		x.refused(key, "PUT", "/x-users/alpha", body, 403, "up to the account above")
	}
	if after := x.ok(key, "GET", "/dashboard/info", ""); after["alias"] != "of ALPHA@example.com" || after["email"] != "alpha@example.com" {
		t.Errorf("%v", after)
	}
}

// An account that may only call manages none; the original's numbers for roles are marks.
func TestXRoles(t *testing.T) {
	x := startX(t)
	key, _ := x.user(xroot, "alpha", "100")
	x.user(key, "alpha-1", "10")
	role := func(body string) any {
		t.Helper()
		return x.ok(xroot, "PUT", "/x-users/alpha", body)["User"].(map[string]any)["Updates"].(map[string]any)["Role"]
	}
	if got := role(`{"Role":"caller"}`); got != "caller" {
		t.Errorf("role %v", got)
	}
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/x-users", `{"Name":"alpha-2","Email":"alpha-2@example.com","CreditGranted":5}`},
		{"PUT", "/x-users/alpha-1", `{"RPM":5}`},
		{"PUT", "/x-users/alpha-1", `{"CreditGranted":5}`},
		{"PUT", "/x-users/alpha-1", `{"CreditGranted":-5}`},
		{"DELETE", "/x-users/alpha-1", ``},
	} {
		x.refused(key, c.method, c.path, c.body, 403, "not manage accounts")
	}
	if status := x.as(key, "POST", "/v1/chat/completions", hello).status; status != 200 {
		t.Errorf("a call: %d", status)
	}
	if got := role(`{"Role":7}`); got != 7.0 {
		t.Errorf("role %v", got)
	}
	x.refused(key, "DELETE", "/x-users/alpha-1", "", 403, "not manage accounts")
	if got := role(`{"Role":"manager"}`); got != 7.0 { // the mark stays what is shown
		t.Errorf("role %v", got)
	}
	x.ok(key, "DELETE", "/x-users/alpha-1", "")
	for _, body := range []string{`{"Role":"king"}`, `{"Role":-1}`, `{"Role":1.5}`, `{"Role":true}`, `{"Role":[]}`} {
		x.refused(xroot, "PUT", "/x-users/alpha", body, 400, "Role must be")
	}
}

// Two who spend the same credit at once: one of them gets it.
func TestXTwoWriters(t *testing.T) {
	x := startX(t, "USER_API_MIN_BALANCE=0")
	a, _ := x.user(xroot, "alpha", "100")
	x.user(a, "alpha-0", "2")
	var wg sync.WaitGroup
	var mu sync.Mutex
	made, granted := 0, 0
	for i := range 8 {
		wg.Go(func() {
			r := x.as(a, "POST", "/x-users", fmt.Sprintf(`{"Name":"same-%d","Email":"same-%d@example.com","CreditGranted":30}`, i%4, i%4))
			mu.Lock()
			defer mu.Unlock()
			switch r.status {
			case 200:
				made++
			case 400:
			default:
				t.Errorf("%d %s", r.status, r.body)
			}
		})
		wg.Go(func() {
			r := x.as(a, "PUT", "/x-users/alpha-0", `{"CreditGranted":30}`)
			mu.Lock()
			defer mu.Unlock()
			switch r.status {
			case 200:
				granted++
			case 400:
			default:
				t.Errorf("%d %s", r.status, r.body)
			}
		})
	}
	wg.Wait()
	if made+granted != 3 {
		t.Errorf("%d accounts and %d grants of 30 came out of 98", made, granted)
	}
	if got := len(x.list(a, "/x-users")); got != made+1 {
		t.Errorf("%d accounts, %d were made", got, made)
	}
	total := x.balance(a)
	for _, u := range x.list(a, "/x-users") {
		total += u["Balance"].(float64)
	}
	if total != 100 {
		t.Errorf("there is %v in all", total)
	}
}

// Least balances: to be made, and to manage.
func TestXMinimums(t *testing.T) {
	x := startX(t, "USER_MIN_BALANCE=5", "USER_API_MIN_BALANCE=50")
	x.refused(xroot, "POST", "/x-users", `{"Name":"alpha","Email":"a@example.com","CreditGranted":4.99}`, 400, "5")
	a, _ := x.user(xroot, "alpha", "60")
	x.user(a, "alpha-1", "20")
	x.refused(a, "POST", "/x-users", `{"Name":"alpha-2","Email":"a2@example.com","CreditGranted":5}`, 403, "50")
	x.refused(a, "PUT", "/x-users/alpha-1", `{"CreditGranted":5}`, 403, "50")
	x.ok(a, "PUT", "/x-users/alpha-1", `{"CreditGranted":-15}`) // taking back is how it gets there again
	x.ok(a, "PUT", "/x-users/alpha-1", `{"CreditGranted":1}`)
}

// Deep down: a grant may skip generations, taking back too; deleting the middle one is refused.
func TestXGenerations(t *testing.T) {
	x := startX(t)
	a, _ := x.user(xroot, "alpha", "1000")
	b, bID := x.user(a, "bravo", "100")
	c, _ := x.user(b, "charlie", "10")
	x.ok(a, "PUT", "/x-users/charlie", `{"CreditGranted":40}`)
	if x.balance(a) != 860 || x.balance(b) != 90 || x.balance(c) != 50 {
		t.Errorf("%v, %v, %v", x.balance(a), x.balance(b), x.balance(c))
	}
	x.ok(xroot, "PUT", "/x-users/charlie@example.com", `{"CreditGranted":-50}`)
	if x.balance(c) != 0 || x.balance(a) != 860 {
		t.Errorf("%v, %v", x.balance(c), x.balance(a))
	}
	x.refused(a, "DELETE", "/x-users/"+bID, "", 400, "below")
	x.ok(a, "DELETE", "/x-users/charlie", "")
	x.ok(a, "DELETE", "/x-users/bravo", "")
	if x.balance(a) != 950 {
		t.Errorf("%v", x.balance(a))
	}
}

// Fees and the commission of a grant that skips generations, as ProxyXAI takes them.
func TestXFees(t *testing.T) {
	x := startX(t, "TAKE_FEE=0.2", "CLOSE_FEE=0.2", "GRANT_COMMISSION=5%")
	a, _ := x.user(xroot, "alpha", "1000")
	b, _ := x.user(a, "bravo", "100")
	c, _ := x.user(b, "charlie", "10")
	x.ok(a, "PUT", "/x-users/charlie", `{"CreditGranted":20}`)
	if x.balance(a) != 880 || x.balance(b) != 91 || x.balance(c) != 29 {
		t.Errorf("a grant past bravo: %v, %v, %v", x.balance(a), x.balance(b), x.balance(c))
	}
	x.ok(a, "PUT", "/x-users/bravo", `{"CreditGranted":-50}`)
	if x.balance(a) != 929.8 || x.balance(b) != 41 {
		t.Errorf("taken back: %v, %v", x.balance(a), x.balance(b))
	}
	x.ok(b, "DELETE", "/x-users/charlie", "")
	if x.balance(b) != 69.8 {
		t.Errorf("deleted: %v", x.balance(b))
	}
}

// Whatever an account asks for by whatever name, it learns nothing of accounts beside and above it, and
// changes nothing of theirs.
func TestXStrangers(t *testing.T) {
	x := startX(t)
	a, aID := x.user(xroot, "alpha", "1000")
	_, a1ID := x.user(a, "alpha-1", "100")
	b, bID := x.user(xroot, "bravo", "1000")
	x.ok(xroot, "POST", "/x-news/alpha", `{"title":"secret-title","content":"secret-content"}`)
	before := x.as(xroot, "GET", "/x-dna", "").body
	secrets := []string{aID, a1ID, "alpha@example.com", "alpha-1@example.com", "root@example.com", "secret-"}
	for _, who := range []string{aID, a1ID, "alpha", "ALPHA-1", "alpha@example.com", "root", "root@example.com", ".root.", ".root." + aID + ".", "." + a1ID + ".", "L0", "..", "%2e%2e"} {
		for _, c := range []struct{ method, path, body string }{
			{"GET", "/x-users/" + who, ""},
			{"PUT", "/x-users/" + who, `{"Alias":"taken","CreditGranted":-5}`},
			{"PUT", "/x-users/" + who, `{"CreditGranted":5}`},
			{"PUT", "/x-users/" + who, `{"Status":false}`},
			{"DELETE", "/x-users/" + who, ""},
			{"GET", "/x-dna/" + who, ""},
			{"GET", "/x-dna?dna=" + who, ""},
			{"GET", "/x-dna?id=" + who, ""},
			{"GET", "/x-users?name=" + who, ""},
			{"GET", "/x-users?email=" + who, ""},
			{"GET", "/x-bill?user=" + who, ""},
			{"POST", "/x-news/" + who, `{"title":"t","content":"c"}`},
			{"DELETE", "/x-news/" + who, ""},
			{"GET", "/dashboard/x-user-logs?target_id=" + who, ""},
			{"POST", "/x-root", `{"name":"` + who + `","confirm":"x"}`},
		} {
			got := x.as(b, c.method, c.path, c.body)
			for _, s := range secrets {
				if strings.Contains(got.body, s) {
					t.Errorf("%s %s: %d %s tells of %s", c.method, c.path, got.status, got.body, s)
				}
			}
			if c.method != "GET" && got.status == 200 {
				t.Errorf("%s %s: %d %s", c.method, c.path, got.status, got.body)
			}
		}
	}
	for _, path := range []string{"/dashboard/x-user-status", "/dashboard/x-user-info", "/dashboard/bill", "/dashboard/x-user-logs", "/dashboard/x-user-news", "/x-users", "/x-dna", "/x-bill", "/v1/dashboard/billing/usage"} {
		got := x.as(b, "GET", path, "")
		for _, s := range secrets {
			if strings.Contains(got.body, s) {
				t.Errorf("%s tells of %s: %s", path, s, got.body)
			}
		}
	}
	if after := x.as(xroot, "GET", "/x-dna", "").body; after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
	if !strings.Contains(x.as(a, "GET", "/dashboard/x-user-news", "").body, "secret-title") {
		t.Error("the news of alpha is gone")
	}
	_ = bID
}

// More than ten cards become ten, with nothing lost; children have a limit.
func TestXCardsAndChildren(t *testing.T) {
	x := startX(t)
	a, _ := x.user(xroot, "alpha", "1000", `"ChildLimit":1`)
	x.user(a, "alpha-1", "2")
	for i := range 14 {
		x.ok(a, "PUT", "/x-users/alpha-1", fmt.Sprintf(`{"CreditGranted":%d.125,"Days":%d}`, i+1, 30+i))
	}
	u := x.list(a, "/x-users/alpha-1")[0]
	if n := len(u["CreditBalance"].([]any)); n > 10 || u["Balance"] != 2+105+14*0.125 {
		t.Errorf("%d cards with %v", n, u["Balance"])
	}
	x.refused(a, "POST", "/x-users", `{"Name":"alpha-2","Email":"alpha-2@example.com","CreditGranted":2}`, 400, "right below it")
	if x.balance(a) != 1000-2-105-14*0.125 {
		t.Errorf("%v", x.balance(a))
	}
}

// A new account may spend its first credit rounded up to a hundred in a month, unless more is said.
func TestXHardLimitByDefault(t *testing.T) {
	x := startX(t)
	key, id := x.user(xroot, "alpha", "100", `"Rates":3`)
	_, noneID := x.user(xroot, "bravo", "5", `"HardLimit":0`)
	x.ok(xroot, "PUT", "/x-users/alpha", `{"CreditGranted":900}`)
	for who, want := range map[string][2]float64{id: {100, 80}, noneID: {0, 0}} {
		u := x.list(xroot, "/x-users/"+who)[0]
		if u["HardLimit"] != want[0] || u["SoftLimit"] != want[1] {
			t.Errorf("%s: limits %v and %v, want %v", u["Name"], u["HardLimit"], u["SoftLimit"], want)
		}
	}
	if r := x.send("PATCH", "/api/v1/accounts/"+id, `{"prices":[{"model":"sim-gpt","per_request":"20"}]}`, "Authorization", "Bearer "+xroot); r.status != 200 { // $60 at rates 3
		t.Fatal(r)
	}
	if r := x.as(key, "POST", "/v1/chat/completions", hello); r.status != 200 {
		t.Fatal(r)
	}
	if r := x.as(key, "POST", "/v1/chat/completions", hello); r.status != 429 || !strings.Contains(r.body, "monthly limit of this account is $100 ") {
		t.Errorf("over the limit: %d %s", r.status, r.body)
	}
	x.ok(xroot, "PUT", "/x-users/alpha", `{"HardLimit":0}`)
	if r := x.as(key, "POST", "/v1/chat/completions", hello); r.status != 200 {
		t.Errorf("without a limit: %d %s", r.status, r.body)
	}
}

// Amounts that rates do not divide are shown as they were said, and what is shown can be taken back.
func TestXShownAmounts(t *testing.T) {
	x := startX(t)
	key, _ := x.user(xroot, "alpha", "100", `"Rates":3`)
	u := x.list(xroot, "/x-users/alpha")[0]
	if c := u["CreditBalance"].([]any)[0].(map[string]any); u["Balance"] != 100.0 || u["CreditGranted"] != 100.0 || c["amount"] != 100.0 || c["balance"] != 100.0 || x.balance(key) != 100 {
		t.Errorf("100 granted at rates 3: %v", u)
	}
	x.ok(xroot, "PUT", "/x-users/alpha", `{"CreditGranted":0.1}`)
	x.ok(xroot, "PUT", "/x-users/alpha", fmt.Sprintf(`{"CreditGranted":-%v}`, x.balance(key)))
	if left := x.balance(key); left != 0 {
		t.Errorf("%v is left", left)
	}
}

// What a gateway left of an account that died while it made it is in nobody's way: sent again, the same
// request makes the account, and what was moved to the first one is back. An account that somebody is at
// work on, or took as it is, is left alone.
func TestXUnfinishedAccounts(t *testing.T) {
	dir := t.TempDir()
	_, url := simulate(t)
	x := startXIn(t, dir, "INIT_KEYS=sk-up-1::"+url)
	a, aID := x.user(xroot, "alpha", "1000")
	b, _ := x.user(xroot, "bravo", "1000")
	x.stop()
	data := filepath.Join(dir, "data")
	master, err := secret.LoadMaster(data, "")
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := secret.NewSealer(master)
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DataDir: data, Sealer: sealer})
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for name, age := range map[string]time.Duration{"dead": time.Hour, "taken": time.Hour, "under-way": time.Second} {
		id := uuid.Must(uuid.NewV7()).String()
		ids[name] = id
		at := time.Now().Add(-age).UTC().Truncate(time.Millisecond)
		if err := store.InsertAccount(t.Context(), account.Account{
			ID: id, ParentID: aID, Path: ".root." + aID + "." + id + ".", Name: name, Email: name + "@example.com", Role: account.RoleManager,
			Labels: map[string]string{"unfinished": "true"}, CreatedAt: at, UpdatedAt: at, Version: 1,
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	x = startXIn(t, dir, "INIT_KEYS=sk-up-1::"+url)
	x.ok(a, "PUT", "/x-users/dead", `{"CreditGranted":30,"Status":false}`)
	x.ok(a, "PUT", "/x-users/taken", `{"CreditGranted":30,"Status":false}`)
	// A change takes the mark away; the one of dead is set again, as if its first credit had come so.
	patch := func(id, body string) {
		t.Helper()
		if r := x.send("PATCH", "/api/v1/accounts/"+id, body, "Authorization", "Bearer "+xroot); r.status != 200 {
			t.Fatal(r)
		}
	}
	patch(ids["dead"], `{"labels":{"unfinished":"true"}}`)
	body := func(name, mail string) string {
		return fmt.Sprintf(`{"Name":%q,"Email":"%s@example.com","CreditGranted":50}`, name, mail)
	}
	for _, c := range []struct{ key, body, says string }{
		{a, body("taken", "taken"), "Name"}, {a, body("under-way", "under-way"), "Name"}, {b, body("dead", "dead"), "Name"}, {a, body("dead", "other"), "Name"}, {a, body("other", "dead"), "Email"},
	} {
		x.refused(c.key, "POST", "/x-users", c.body, 400, c.says)
	}
	made := x.ok(a, "POST", "/x-users", body("dead", "dead"))["User"].(map[string]any)
	key := made["SecretKey"].(string)
	if r := x.as(key, "POST", "/v1/chat/completions", hello); r.status != 200 || made["ID"] == ids["dead"] {
		t.Errorf("%v: %d %s", made["ID"], r.status, r.body)
	}
	if got := x.balance(a); got != 1000-30-50 {
		t.Errorf("%v is left of 1000, 30 went to taken and 50 to the new account", got)
	}
	if r := x.send("GET", "/api/v1/accounts/"+made["ID"].(string), "", "Authorization", "Bearer "+xroot); r.status != 200 || strings.Contains(r.body, "unfinished") {
		t.Errorf("the mark is left: %s", r.body)
	}
}

// Calls, grants, taking back and moves at once: every cent is where it belongs, and none is spent twice.
func TestXMoneyMovesWhileCalling(t *testing.T) {
	x := startX(t)
	_, alpha := x.user(xroot, "alpha", "100")
	_, bravo := x.user(xroot, "bravo", "100")
	key, id := x.user(xroot, "mover", "2")
	api := func(method, path, body string) map[string]any {
		r := x.send(method, "/api/v1/accounts/"+id+path, body, "Authorization", "Bearer "+xroot)
		if r.status != 200 {
			t.Errorf("%s %s: %d %s", method, path, r.status, r.body)
			return map[string]any{}
		}
		return r.decode(t, 200)
	}
	api("PATCH", "", `{"prices":[{"model":"sim-gpt","per_request":"0.01"}]}`)
	var paid, refused, granted, taken atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 40 {
				switch r := x.as(key, "POST", "/v1/chat/completions", hello); r.status {
				case 200:
					paid.Add(1)
				case 429:
					refused.Add(1)
				default:
					t.Errorf("%d %s", r.status, r.body)
				}
			}
		})
	}
	wg.Go(func() {
		for range 30 {
			if r := x.as(xroot, "PUT", "/x-users/mover", `{"CreditGranted":0.05}`); r.status == 200 {
				granted.Add(1)
			} else {
				t.Errorf("%d %s", r.status, r.body)
			}
			if r := x.as(xroot, "PUT", "/x-users/mover", `{"CreditGranted":-0.03}`); r.status == 200 {
				taken.Add(1)
			} else if r.status != 400 {
				t.Errorf("%d %s", r.status, r.body)
			}
		}
	})
	wg.Go(func() {
		for i := range 20 {
			api("POST", "/move", fmt.Sprintf(`{"parent_id":%q}`, []string{alpha, bravo}[i%2]))
		}
	})
	wg.Wait()
	want := catalog.Nanos(2e9 + granted.Load()*5e7 - taken.Load()*3e7 - paid.Load()*1e7)
	b := api("GET", "/balance", "")
	if b["left"] != want.String() || b["debt"] != "0" || b["held"] != "0" || b["spent"] != catalog.Nanos(paid.Load()*1e7).String() {
		t.Errorf("%d calls paid, %d refused, %d grants, %d taken back: %v, want %s left", paid.Load(), refused.Load(), granted.Load(), taken.Load(), b, want)
	}
	if paid.Load() == 0 || refused.Load() == 0 || granted.Load() != 30 {
		t.Errorf("%d calls paid, %d refused, %d grants: nothing was in the balance", paid.Load(), refused.Load(), granted.Load())
	}
}
