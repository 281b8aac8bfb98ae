package app_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/internal/secret"
)

// The management API of ProxyXAI, as its clients use it, against a running gateway.

// xroot is root's key as that system has it: 51 characters.
const xroot = "sk-XvsiLNxHImLIn0chuNDdi5wTs5WaoEWNcd87Z62etZZ1bz7z"

// xapi is a gateway with an account of its own to call as.
type xapi struct {
	*gateway
	t *testing.T
}

// startX runs a gateway as ProxyXAI's compose file would, in front of a simulator.
func startX(t *testing.T, env ...string) *xapi {
	t.Helper()
	_, url := simulate(t)
	return startXIn(t, t.TempDir(), append([]string{"INIT_KEYS=sk-up-1::" + url}, env...)...)
}

func startXIn(t *testing.T, dir string, env ...string) *xapi {
	t.Helper()
	return &xapi{startGatewayIn(t, dir, "", append([]string{"INIT_USERS=root::root@example.com::" + xroot}, env...)...), t}
}

// as calls with a key, sent bare as management pages send it.
func (x *xapi) as(key, method, path, body string) answer {
	x.t.Helper()
	return x.send(method, path, body, "Authorization", key)
}

// ok calls and decodes an answer that must be 200.
func (x *xapi) ok(key, method, path, body string) map[string]any {
	x.t.Helper()
	a := x.as(key, method, path, body)
	if a.status != 200 {
		x.t.Fatalf("%s %s %s: %d %s", method, path, body, a.status, a.body)
	}
	return a.decode(x.t, 200)
}

// list calls and decodes an array.
func (x *xapi) list(key, path string) []map[string]any {
	x.t.Helper()
	a := x.as(key, "GET", path, "")
	var out []map[string]any
	if err := json.Unmarshal([]byte(a.body), &out); err != nil || a.status != 200 {
		x.t.Fatalf("GET %s: %d %s", path, a.status, a.body)
	}
	return out
}

// refused calls what must be refused, in the API's shape.
func (x *xapi) refused(key, method, path, body string, status int, says string) {
	x.t.Helper()
	a := x.as(key, method, path, body)
	var e struct {
		Error struct{ Message, Type, Code string }
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || e.Error.Type == "" || e.Error.Code == "" {
		x.t.Errorf("%s %s %s: not an error of this API: %d %s", method, path, body, a.status, a.body)
	}
	if a.status != status || !strings.Contains(e.Error.Message, says) {
		x.t.Errorf("%s %s %s: %d %s, want %d with %q", method, path, body, a.status, a.body, status, says)
	}
}

// user makes an account with credit and returns its key and id.
func (x *xapi) user(key, name string, credit string, more ...string) (plain, id string) {
	x.t.Helper()
	body := fmt.Sprintf(`{"Name":%q,"Email":"%s@example.com","CreditGranted":%s%s}`, name, name, credit, strings.Join(append([]string{""}, more...), ","))
	u := x.ok(key, "POST", "/x-users", body)["User"].(map[string]any)
	return u["SecretKey"].(string), u["ID"].(string)
}

func (x *xapi) balance(key string) float64 {
	x.t.Helper()
	return x.ok(key, "GET", "/dashboard/x-user-status", "")["balance"].(float64)
}

// fields returns the names in an object, sorted.
func fields(m map[string]any) string {
	var names []string
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func has(t *testing.T, what string, m map[string]any, names string) {
	t.Helper()
	for _, n := range strings.Fields(names) {
		if _, ok := m[n]; !ok {
			t.Errorf("%s has no %s: %s", what, n, fields(m))
		}
	}
}

const userFields = "ID Level Name Alias Rates CreditUsed CreditBalance CreditGranted HardLimit SoftLimit RPM RPH RPD TPM TPH TPD RateLimit ChildLimit Child Requests Status Email BillingEmail PartialKey SecretKey AllowIPs AllowModels Resources DNA CreatedAt UpdatedAt"

// An account is made, works at once, is funded, read, changed and deleted.
func TestXUserLife(t *testing.T) {
	x := startX(t)
	made := x.ok(xroot, "POST", "/x-users", `{"Name":"beta","Email":"beta@example.com","CreditGranted":10000,"Alias":"Nick","RPM":600,"ChildLimit":3}`)
	user := made["User"].(map[string]any)
	key, id := user["SecretKey"].(string), user["ID"].(string)
	if !secret.WellFormed(key) || made["Action"] != "add" || user["Name"] != "beta" || user["Alias"] != "Nick" {
		t.Errorf("%v", made)
	}
	has(t, "the parent", made["Parent"].(map[string]any), "ID Name Level Rates Balance CreditBalance Child ChildLimit HardLimit SoftLimit RateLimit")
	updates := user["Updates"].(map[string]any)
	has(t, "a new account", updates, userFields)
	if updates["CreditGranted"] != 10000.0 || updates["Balance"] != 10000.0 || updates["HardLimit"] != 10000.0 || updates["SoftLimit"] != 8000.0 || updates["RPM"] != 600.0 || updates["RateLimit"] != 600.0 || updates["SecretKey"] != "***" || updates["PartialKey"] != key[31:] {
		t.Errorf("%v", updates)
	}
	card := updates["CreditBalance"].([]any)[0].(map[string]any)
	has(t, "a card", card, "amount balance reference granted_at expires_at")
	if life := when(t, card["expires_at"]).Sub(when(t, card["granted_at"])); life != 365*24*time.Hour {
		t.Errorf("the card lives %v", life)
	}

	// It works at once, with either form of the header.
	for _, header := range []string{key, "Bearer " + key} {
		if a := x.send("POST", "/v1/chat/completions", hello, "Authorization", header); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if a := x.send("POST", "/v1/messages", `{"model":"sim-claude","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, "X-Api-Key", key); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}

	// A child of its own, by name, id and mail address.
	child, childID := x.user(key, "child-1", "100")
	for _, who := range []string{childID, "child-1", "child-1@example.com", "CHILD-1"} {
		for _, path := range []string{"/x-users/" + who, "/x-dna/" + who} {
			if got := x.list(key, path); len(got) != 1 || got[0]["ID"] != childID {
				t.Errorf("%s: %v", path, got)
			}
		}
	}
	has(t, "a listed account", x.list(key, "/x-users")[0], userFields)

	// More credit, with a life of its own; some back.
	before := x.balance(key)
	put := x.ok(key, "PUT", "/x-users/child-1", `{"CreditGranted":80,"Days":1.5}`)
	updates = put["User"].(map[string]any)["Updates"].(map[string]any)
	if put["Action"] != "update" || updates["Balance"] != 180.0 || updates["CreditGranted"] != 80.0 || put["Parent"].(map[string]any)["Balance"] != before-80 {
		t.Errorf("%v", put)
	}
	first := updates["CreditBalance"].([]any)[0].(map[string]any)
	if life := when(t, first["expires_at"]).Sub(when(t, first["granted_at"])); life != 36*time.Hour || first["amount"] != 80.0 {
		t.Errorf("the card that expires first: %v", first)
	}
	put = x.ok(key, "PUT", "/x-users/"+childID, `{"CreditGranted":-50}`)
	updates = put["User"].(map[string]any)["Updates"].(map[string]any)
	if updates["Balance"] != 130.0 || updates["CreditGranted"] != -50.0 || put["Parent"].(map[string]any)["Balance"] != before-30 || x.balance(child) != 130 {
		t.Errorf("%v", put)
	}

	// The face balance follows the rates; what can be bought does not.
	put = x.ok(key, "PUT", "/x-users/child-1", `{"Rates":2}`)
	if updates = put["User"].(map[string]any)["Updates"].(map[string]any); updates["Balance"] != 260.0 || updates["Rates"] != 2.0 || updates["CreditGranted"] != 0.0 {
		t.Errorf("%v", updates)
	}
	put = x.ok(key, "PUT", "/x-users/child-1", `{"CreditGranted":100}`)
	if got := put["Parent"].(map[string]any)["Balance"]; got != before-30-50 || put["User"].(map[string]any)["Updates"].(map[string]any)["Balance"] != 360.0 {
		t.Errorf("granting 100 of face to rates 2: %v", put)
	}

	// Names, limits, lists. What an account gives away it must have itself.
	x.refused(key, "PUT", "/x-users/child-1", `{"AllowLevels":"1 2"}`, 400, "AllowLevels")
	x.ok(xroot, "PUT", "/x-users/beta", `{"AllowLevels":[1,2,3]}`)
	x.ok(key, "PUT", "/x-users/child-1", `{"Name":"child-x","Email":"child-x@example.com","RateLimit":5,"TPD":100000,"BillingEmail":"books@example.com","Gear":3,"Factor":2,"Tier":4,"Role":7,"QRCode":"https://example.com/q","AllowModels":"sim-*","AllowLevels":"1 2","ModelMapper":"a=b","LevelMapper":"x=1","ModelLimits":{"sim-gpt":{"rpm":30,"tpm":90000}},"HardLimit":500,"SoftLimit":300}`)
	got := x.list(key, "/x-users?name=child-x")[0]
	for name, want := range map[string]any{
		"Name": "child-x", "Email": "child-x@example.com", "RPM": 5.0, "RateLimit": 5.0, "TPD": 100000.0, "BillingEmail": "books@example.com", "Gear": 3.0, "Factor": 2.0, "Tier": 4.0, "Role": 7.0,
		"QRCode": "https://example.com/q", "AllowModels": "sim-*", "AllowLevels": "1 2", "ModelMapper": "a=b", "LevelMapper": "x=1", "HardLimit": 500.0, "SoftLimit": 300.0, "Alias": "child-x",
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	// Pages send what the account was found by as its name.
	for _, who := range []string{childID, "child-x@example.com", "child-x"} {
		x.ok(key, "PUT", "/x-users/"+who, fmt.Sprintf(`{"Name":%q,"RPM":6}`, who))
	}
	if got := x.list(key, "/x-users/"+childID)[0]; got["Name"] != "child-x" || got["RPM"] != 6.0 {
		t.Errorf("%v", got)
	}

	// Switched off, it and all below it are refused at once.
	x.ok(xroot, "PUT", "/x-users/"+id, `{"Status":false}`)
	for _, k := range []string{key, child} {
		if a := x.as(k, "POST", "/v1/chat/completions", hello); a.status != 403 {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	x.ok(xroot, "PUT", "/x-users/"+id, `{"Status":true}`)

	// Deleted, what is left goes back at the parent's rates, for 180 days.
	before = x.balance(key)
	gone := x.ok(key, "DELETE", "/x-users/child-x", "")
	user = gone["User"].(map[string]any)
	if gone["Action"] != "delete" || user["ID"] != childID || user["Rates"] != 2.0 || x.balance(key) != before+180 {
		t.Errorf("%v; the parent has %v after %v", gone, x.balance(key), before)
	}
	back := 0
	for _, c := range gone["Parent"].(map[string]any)["CreditBalance"].([]any) {
		c := c.(map[string]any)
		if when(t, c["expires_at"]).Sub(when(t, c["granted_at"])) == 180*24*time.Hour && c["amount"] == 180.0 {
			back++
		}
	}
	if back != 1 {
		t.Errorf("the card that came back: %v", gone)
	}
	if a := x.as(child, "GET", "/dashboard/x-user-status", ""); a.status != 401 {
		t.Errorf("the key of a deleted account: %d %s", a.status, a.body)
	}
	x.refused(key, "GET", "/x-users/child-x", "", 404, "no such account")
}

func when(t *testing.T, text any) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text.(string))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// Lists, pages and filters show what is below the caller, and nothing else.
func TestXLists(t *testing.T) {
	x := startX(t)
	a, aID := x.user(xroot, "alpha", "1000", `"Gear":1`)
	b, bID := x.user(xroot, "bravo", "1000", `"Level":2`)
	_, a1ID := x.user(a, "alpha-1", "100", `"Gear":5`)
	a2, a2ID := x.user(a, "alpha-2", "100", `"Tier":5`)
	_, a21ID := x.user(a2, "alpha-21", "10", `"Factor":5`)
	names := func(key, path string) string {
		var out []string
		for _, u := range x.list(key, path) {
			out = append(out, u["Name"].(string))
		}
		return strings.Join(out, " ")
	}
	x.ok(a, "PUT", "/x-users/alpha-1", `{"Role":3}`)
	for _, c := range []struct{ key, path, want string }{
		{xroot, "/x-users", "bravo alpha"},
		{xroot, "/x-dna", "alpha-21 alpha-2 alpha-1 bravo alpha"},
		{a, "/x-users", "alpha-2 alpha-1"},
		{a, "/x-dna", "alpha-21 alpha-2 alpha-1"},
		{b, "/x-dna", ""},
		{a, "/x-dna?page=1&size=2", "alpha-21 alpha-2"},
		{a, "/x-dna?page=2&size=2", "alpha-1"},
		{a, "/x-dna?page=3&size=2", ""},
		{a, "/x-dna?id=" + a21ID, "alpha-21"},
		{a, "/x-users?id=" + a21ID, ""},
		{a, "/x-dna?name=ALPHA-21", "alpha-21"},
		{a, "/x-dna?email=alpha-2@example.com", "alpha-2"},
		{xroot, "/x-dna?level=2", "bravo"},
		{xroot, "/x-dna/L2", "bravo"},
		{xroot, "/x-dna/G5", "alpha-1"},
		{xroot, "/x-dna/T5", "alpha-2"},
		{xroot, "/x-dna/F5", "alpha-21"},
		{xroot, "/x-dna/R3", "alpha-1"},
		{xroot, "/x-dna?id=G1", "alpha"},
		{xroot, "/x-dna?dna=." + a2ID + ".", "alpha-21 alpha-2"},
		{xroot, "/x-dna/.root." + aID + ".", "alpha-21 alpha-2 alpha-1 alpha"},
		// Nobody sees beside or above oneself.
		{b, "/x-dna?id=" + a1ID, ""},
		{b, "/x-dna?dna=." + aID + ".", ""},
		{a, "/x-dna?name=bravo", ""},
		{a, "/x-dna?id=" + aID, ""},
		{a, "/x-dna?name=root", ""},
	} {
		if got := names(c.key, c.path); got != c.want {
			t.Errorf("%s: %q, want %q", c.path, got, c.want)
		}
	}
	for _, c := range []struct{ key, path string }{{b, "/x-dna/" + a1ID}, {b, "/x-dna/alpha-1"}, {a, "/x-users/" + a21ID}, {a, "/x-dna/" + bID}, {a, "/x-dna/alpha"}, {a, "/x-dna/root"}, {a, "/x-dna/nobody"}} {
		x.refused(c.key, "GET", c.path, "", 404, "no such account")
	}
	for _, q := range []string{"size=1001", "size=0", "page=0", "level=x", "nmae=alpha"} {
		x.refused(xroot, "GET", "/x-users?"+q, "", 400, "")
	}
}

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
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":1.99}`, 400, "2"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":-5}`, 400, "CreditGranted"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":"NaN"}`, 400, "amount"},
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
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"RPM":1.5}`, 400, "RPM"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"Rates":1}`, 400, "Rates"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"Rates":0}`, 400, "Rates"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"Rates":1e9}`, 400, "Rates"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"Days":366}`, 400, "Days"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"Days":0}`, 400, "Days"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"HardLimit":-1}`, 400, "HardLimit"},
		{a, "POST", "/x-users", `{` + good + `,"CreditGranted":5,"AllowIPs":"home"}`, 400, "AllowIPs"},
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

// The accounts' own reports, and those of who is above.
func TestXBills(t *testing.T) {
	x := startX(t)
	a, aID := x.user(xroot, "alpha", "1000", `"Rates":2`)
	a1, a1ID := x.user(a, "alpha-1", "100")
	for range 3 {
		if got := x.as(a1, "POST", "/v1/chat/completions", hello); got.status != 200 {
			t.Fatal(got)
		}
	}
	if got := x.as(a1, "POST", "/v1/chat/completions", `{"model":"sim-gpt-mini","messages":[{"role":"user","content":"hi"}]}`); got.status != 200 {
		t.Logf("a second model: %d", got.status)
	}
	status := x.ok(a1, "GET", "/dashboard/x-user-status", "")
	if status["object"] != "user_status" || status["id"] != a1ID || status["name"] != "alpha-1" || status["email"] != "alpha-1@example.com" || status["dna"] != ".root."+aID+"."+a1ID+"." {
		t.Errorf("%v", status)
	}
	info := x.ok(a1, "GET", "/dashboard/x-user-info", "")
	for _, path := range []string{"/dashboard/info", "/dashboard/x_user/info"} {
		if other := x.ok(a1, "GET", path, ""); fields(other) != fields(info) {
			t.Errorf("%s: %v", path, other)
		}
	}
	has(t, "info", info, "id name alias email level rates child child_limit balance credit_used credit_granted credit_balance hard_limit soft_limit rpm rph rpd tpm tph tpd allow_ips allow_models resources status create_at daily_usage monthly_usage")
	daily := info["daily_usage"].(map[string]any)
	has(t, "daily usage", daily, "Requests Prompt Completion CreditUsed")
	used := info["credit_used"].(float64)
	if used <= 0 || daily["Requests"].(float64) < 3 || daily["CreditUsed"].(float64) != used || info["rates"] != 2.0 {
		t.Errorf("%v", info)
	}
	if left := info["balance"].(float64); left+used < 99.999999 || left+used > 100.000001 {
		t.Errorf("balance %v and use %v are not the 100 that were granted", left, used)
	}

	today := time.Now().UTC().Format(time.DateOnly)
	bill := x.ok(a1, "GET", "/dashboard/bill", "")
	has(t, "a bill", bill, "total_credit_used total_requests total_prompt total_completion usage_summary daily_costs")
	model := bill["usage_summary"].(map[string]any)["sim-gpt"].(map[string]any)
	has(t, "a model", model["model_stats"].(map[string]any), "Requests Prompt Completion CreditUsed")
	has(t, "its share", model["usage_analysis"].(map[string]any), "cost_percentage request_percentage")
	costs := bill["daily_costs"].([]any)[0].(map[string]any)
	has(t, "a day", costs, "date timestamp total_credit_used total_requests line_items")
	has(t, "an item", costs["line_items"].([]any)[0].(map[string]any), "name cost")
	if bill["total_credit_used"] != used || costs["date"] != today {
		t.Errorf("%v", bill)
	}
	for _, q := range []string{"?date=" + today, "?start=" + today + "&end=" + today, "?start=" + time.Now().UTC().AddDate(-1, 0, 0).Format(time.DateOnly) + "&end=" + today} {
		if got := x.ok(a1, "GET", "/dashboard/bill"+q, ""); got["total_credit_used"] != used {
			t.Errorf("%s: %v", q, got)
		}
	}
	if got := x.ok(a1, "GET", "/dashboard/bill?date=2026-01-01", ""); got["total_requests"] != 0.0 || len(got["daily_costs"].([]any)) != 0 {
		t.Errorf("%v", got)
	}
	for _, q := range []string{"?date=yesterday", "?start=2025-01-01&end=2026-06-01", "?start=2026-06-01&end=2026-05-01", "?date=20260101"} {
		x.refused(a1, "GET", "/dashboard/bill"+q, "", 400, "")
	}

	// The bill of those below; not of oneself, nor of strangers.
	for _, q := range []string{"", "?user=alpha-1", "?u=" + a1ID, "?user=alpha-1@example.com&d=" + today, "?s=" + today + "&e=" + today, "?days=30"} {
		tree := x.ok(a, "GET", "/x-bill"+q, "")
		has(t, "the bill of descendants", tree, "object data total_usage usage_users total_credit_used total_requests total_prompt total_completion usage_summary daily_costs")
		data := tree["data"].([]any)[0].(map[string]any)
		has(t, "its data", data, "aggregation_timestamp n_requests n_context_tokens_total n_generated_tokens_total n_cached_tokens_total usage_details")
		user := tree["usage_users"].([]any)[0].(map[string]any)
		has(t, "its users", user, "id name email total_requests total_cost usage_analysis")
		if tree["object"] != "list" || tree["total_usage"].(map[string]any)["cost"] != used || user["id"] != a1ID || user["total_cost"] != used {
			t.Errorf("%s: %v", q, tree)
		}
	}
	if got := x.ok(a1, "GET", "/x-bill", ""); got["total_requests"] != 0.0 {
		t.Errorf("%v", got)
	}

	// OpenAI's old shapes.
	old := x.ok(a1, "GET", "/v1/dashboard/billing/usage?start_date="+today+"&end_date="+time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly), "")
	has(t, "the old usage", old, "object daily_costs total_usage")
	if cents := old["total_usage"].(float64); cents < used*100-1e-6 || cents > used*100+1e-6 {
		t.Errorf("%v cents for %v dollars", cents, used)
	}
	sub := x.ok(a1, "GET", "/v1/dashboard/billing/subscription", "")
	has(t, "the subscription", sub, "object has_payment_method soft_limit_usd hard_limit_usd system_hard_limit_usd access_until")
	if total := sub["hard_limit_usd"].(float64); total < 99.999999 || total > 100.000001 || sub["object"] != "billing_subscription" {
		t.Errorf("%v", sub)
	}
	x.refused(a1, "GET", "/v1/dashboard/billing/usage?start_date=2024-01-01&end_date=2026-01-01", "", 400, "12 months")
}

// Keys are rotated with the date of today, and the old one stops at once; over a restart too.
func TestXRotate(t *testing.T) {
	dir := t.TempDir()
	_, url := simulate(t)
	env := "INIT_KEYS=sk-up-1::" + url
	x := startXIn(t, dir, env)
	a, aID := x.user(xroot, "alpha", "100")
	b, _ := x.user(xroot, "bravo", "100")
	today, yesterday := time.Now().UTC().Format(time.DateOnly), time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly)
	works := func(key string) bool { return x.as(key, "POST", "/v1/chat/completions", hello).status == 200 }
	for _, confirm := range []string{"", yesterday + "-ROTATE-SELF", today + "-ROTATE-ROOT", today} {
		x.refused(a, "POST", "/x-self", `{"confirm":"`+confirm+`"}`, 400, today+"-ROTATE-SELF")
	}
	x.refused(xroot, "POST", "/x-root", `{"confirm":"`+yesterday+`-ROTATE-ROOT"}`, 400, today)
	got := x.ok(a, "POST", "/x-self", `{"confirm":"`+today+`-ROTATE-SELF"}`)
	rotate := got["rotate"].(map[string]any)
	has(t, "a rotation", rotate, "action id name key timestamp")
	a2 := rotate["key"].(string)
	if got["success"] != true || !secret.WellFormed(a2) || rotate["id"] != aID || works(a) || !works(a2) {
		t.Errorf("%v, the old key works: %v", got, works(a))
	}
	// Root rotates another's, also to a key of its choice.
	fresh := x.ok(a2, "GET", "/x-gkey", "")["key"].(string)
	x.refused(xroot, "POST", "/x-root", `{"name":"alpha","key":"short","confirm":"`+today+`-ROTATE-ROOT"}`, 400, "51")
	x.refused(xroot, "POST", "/x-root", `{"name":"alpha","key":"`+b+`","confirm":"`+today+`-ROTATE-ROOT"}`, 400, "taken")
	x.refused(xroot, "POST", "/x-root", `{"name":"nobody","confirm":"`+today+`-ROTATE-ROOT"}`, 404, "")
	got = x.ok(xroot, "POST", "/x-root", `{"name":"alpha","key":"`+fresh+`","confirm":"`+today+`-ROTATE-ROOT"}`)
	if got["rotate"].(map[string]any)["key"] != fresh || works(a2) || !works(fresh) || !works(b) {
		t.Errorf("%v", got)
	}
	root2 := x.ok(xroot, "POST", "/x-root", `{"confirm":"`+today+`-ROTATE-ROOT"}`)["rotate"].(map[string]any)["key"].(string)
	check := func(when string) {
		t.Helper()
		if a := x.as(xroot, "GET", "/x-keys", ""); a.status != 401 {
			t.Errorf("%s, root's old key: %d", when, a.status)
		}
		if a := x.as(root2, "GET", "/x-keys", ""); a.status != 200 {
			t.Errorf("%s, root's new key: %d %s", when, a.status, a.body)
		}
	}
	check("at once")
	x.stop()
	x = startXIn(t, dir, env)
	check("after a restart with the environment of before")
	x.stop()
	const other = "sk-XvsAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	x = &xapi{startGatewayIn(t, dir, "", "INIT_USERS=root::root@example.com::"+other, env), t}
	if a := x.as(other, "GET", "/x-keys", ""); a.status != 200 {
		t.Errorf("a new key in the environment: %d %s", a.status, a.body)
	}
	if a := x.as(root2, "GET", "/x-keys", ""); a.status != 401 {
		t.Errorf("the key before it: %d", a.status)
	}
	if strings.Contains(x.logs.String(), fresh) || strings.Contains(x.logs.String(), root2) {
		t.Error("a key is in the log")
	}
}

// News is shown to those it is for.
func TestXNews(t *testing.T) {
	x := startX(t)
	a, aID := x.user(xroot, "alpha", "1000")
	a1, _ := x.user(a, "alpha-1", "100")
	b, _ := x.user(xroot, "bravo", "100")
	post := x.ok(xroot, "POST", "/x-news", `{"title":"All","content":"For everybody"}`)
	if post["success"] != true {
		t.Errorf("%v", post)
	}
	x.ok(xroot, "POST", "/x-news/alpha@example.com", `{"title":"One","content":"For alpha","days":3}`)
	x.ok(xroot, "POST", "/x-news/.root."+aID+".", `{"title":"Branch","content":"For alpha and below"}`)
	x.ok(a, "POST", "/x-news/alpha-1", `{"title":"Child","content":"From alpha"}`)
	shown := func(key string) string {
		got := x.ok(key, "GET", "/dashboard/x-user-news", "")
		var out []string
		for _, list := range []string{"system_news", "user_news"} {
			for _, n := range got[list].([]any) {
				n := n.(map[string]any)
				has(t, "news", n, "title content created_at expires_at")
				days := int(when(t, n["expires_at"]).Sub(when(t, n["created_at"])).Hours() / 24)
				out = append(out, fmt.Sprintf("%s:%d", n["title"], days))
			}
		}
		return strings.Join(out, " ")
	}
	for key, want := range map[string]string{a: "All:7 Branch:32 One:3", a1: "All:7 Child:32 Branch:32", b: "All:7", xroot: "All:7"} {
		if got := shown(key); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, body := range []string{`{}`, `{"title":"t"}`, `{"title":"t","content":"c","days":0}`, `{"title":"t","content":"c","days":1000}`, `{"title":"a\nb","content":"c"}`, `{"title":"t","content":"c","body":"x"}`, `{"title":"` + strings.Repeat("x", 300) + `","content":"c"}`} {
		x.refused(xroot, "POST", "/x-news", body, 400, "")
	}
	x.ok(a, "DELETE", "/x-news/alpha-1", "")
	x.ok(xroot, "DELETE", "/x-news", "")
	for key, want := range map[string]string{a: "Branch:32 One:3", a1: "Branch:32", b: ""} {
		if got := shown(key); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// The trail shows what was done to and by an account, and no one else's.
func TestXLogs(t *testing.T) {
	x := startX(t)
	a, aID := x.user(xroot, "alpha", "1000")
	_, a1ID := x.user(a, "alpha-1", "100")
	b, _ := x.user(xroot, "bravo", "100")
	x.ok(a, "PUT", "/x-users/alpha-1", `{"RPM":5,"CreditGranted":10}`)
	x.refused(a, "PUT", "/x-users/alpha-1", `{"Name":"bravo"}`, 400, "Name")
	logs := func(key, query string) ([]string, map[string]any) {
		got := x.ok(key, "GET", "/dashboard/x-user-logs"+query, "")
		has(t, "the log", got, "logs total page size has_more")
		var out []string
		for _, l := range got["logs"].([]any) {
			l := l.(map[string]any)
			has(t, "a line", l, "id action operator_id target_id details created_at")
			out = append(out, l["action"].(string))
			if l["operator_id"] != aID && l["target_id"] != aID && key == a {
				t.Errorf("a stranger's: %v", l)
			}
		}
		return out, got
	}
	all, page := logs(a, "")
	if page["size"] != 24.0 || page["total"].(float64) != float64(len(all)) || page["has_more"] != false {
		t.Errorf("%v", page)
	}
	want := []string{"account.update", "credit.grant", "account.update", "credit.grant", "account.create", "credit.grant", "account.create"}
	if !slices.Equal(all, want) {
		t.Errorf("%v, want %v", all, want)
	}
	for query, n := range map[string]int{
		"?action=credit.grant": 3, "?status=failed": 1, "?target_id=" + a1ID: 5, "?target_id=alpha-1&action=credit.grant": 2, "?size=2": 2, "?size=2&page=4": 1, "?target_id=bravo": 0,
	} {
		if got, _ := logs(a, query); len(got) != n {
			t.Errorf("%s: %v, want %d", query, got, n)
		}
	}
	if got, _ := logs(b, ""); len(got) != 2 {
		t.Errorf("bravo sees %v", got)
	}
	for _, q := range []string{"?size=101", "?page=0", "?status=maybe"} {
		x.refused(a, "GET", "/dashboard/x-user-logs"+q, "", 400, "")
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

// A page from anywhere may call; without a key it learns nothing.
func TestXOrigin(t *testing.T) {
	x := startX(t)
	a := x.send("OPTIONS", "/x-users/alpha", "", "Origin", "https://pages.example.com", "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "authorization")
	if a.status != 204 || a.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%d %v", a.status, a.header)
	}
	if a := x.as("", "GET", "/x-users", ""); a.status != 401 || a.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%d %v", a.status, a.header)
	}
}

// Scripts call with curl -d and no more.
func TestXCurl(t *testing.T) {
	x := startX(t)
	a := x.send("POST", "/x-users", `{"Name": "child-1", "Email": "child-1@example.com", "CreditGranted": 100}`, "Content-Type", "application/x-www-form-urlencoded", "Authorization", "Bearer "+xroot)
	if a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// Mails go out: news, a rotated key. What waits survives a restart.
func TestXMails(t *testing.T) {
	var mu sync.Mutex
	var letters []string
	server := mailServer(t, func(letter string) {
		mu.Lock()
		defer mu.Unlock()
		letters = append(letters, letter)
	})
	got := func(words ...string) bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.ContainsFunc(letters, func(l string) bool {
			return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(l, w) })
		})
	}
	dir := t.TempDir()
	x := startXIn(t, dir)
	a, _ := x.user(xroot, "alpha", "100", `"BillingEmail":"books@example.com"`)
	x.user(xroot, "bravo", "100")
	host, port, _ := strings.Cut(server, ":")
	x.ok(xroot, "POST", "/x-config", fmt.Sprintf(`{"EMAIL_SMTP":%q,"EMAIL_PORT":1,"EMAIL_TLS":false,"EMAIL_SENDER":"gate@example.com","XAI_MAIL":"ops@example.com"}`, host))
	x.ok(xroot, "POST", "/x-news/alpha", `{"title":"Maintenance","content":"Sunday at four."}`) // nobody listens at that port yet
	x.stop()
	x = startXIn(t, dir)
	x.ok(xroot, "POST", "/x-config", fmt.Sprintf(`{"EMAIL_PORT":%s}`, port))
	x.ok(a, "POST", "/x-self", `{"confirm":"`+time.Now().UTC().Format(time.DateOnly)+`-ROTATE-SELF"}`)
	x.ok(xroot, "POST", "/x-news", `{"title":"For all","content":"Hello."}`)
	deadline := time.Now().Add(30 * time.Second)
	for !(got("To: <books@example.com>", "A key was replaced") && got("To: <books@example.com>", "For all") && got("To: <bravo@example.com>", "For all") && got("To: <root@example.com>", "For all")) {
		if time.Now().After(deadline) {
			t.Fatalf("%d letters: %q", len(letters), letters)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if got("Bcc") {
		t.Error("a header that nobody wrote")
	}
}

// The environment of that system starts a gateway; a key of root that its pages can't use is warned of.
func TestXEnvironment(t *testing.T) {
	x := startX(t, "REDIS_ADDR=redis:6379", "REDIS_PASS=x", "STATS_INTERVAL=100", "XAI_SVC=example.com", "USER_API_BALANCE=20.00")
	if info := x.ok(xroot, "GET", "/dashboard/x-user-info", ""); info["name"] != "root" || info["email"] != "root@example.com" {
		t.Errorf("%v", info)
	}
	if !strings.Contains(x.logs.String(), "REDIS_ADDR") {
		t.Error("nobody is told that Redis is not used")
	}
	if a := x.send("GET", "/healthz", ""); a.status != 200 {
		t.Error(a)
	}
	odd := startGateway(t, "", "INIT_USERS=root:root@example.com:short-key")
	if !strings.Contains(odd.logs.String(), "51") {
		t.Error("nobody is told that the pages refuse the key")
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

// The limits of a month: a mail at the soft one, a refusal at the hard one.
func TestXMonthlyLimits(t *testing.T) {
	letters := make(chan string, 10)
	server := mailServer(t, func(letter string) { letters <- letter })
	host, port, _ := strings.Cut(server, ":")
	x := startX(t, "EMAIL_SMTP="+host, "EMAIL_PORT="+port, "EMAIL_TLS=false", "EMAIL_SENDER=gate@example.com", "XAI_SERVICE=Gate")
	a, _ := x.user(xroot, "alpha", "100")
	ask := func() answer {
		return x.as(a, "POST", "/v1/chat/completions", `{"model":"sim-gpt","max_tokens":20,"messages":[{"role":"user","content":"hi"}]}`)
	}
	if r := ask(); r.status != 200 {
		t.Fatal(r)
	}
	used := x.ok(a, "GET", "/dashboard/info", "")["credit_used"].(float64)
	x.ok(xroot, "PUT", "/x-users/alpha", fmt.Sprintf(`{"SoftLimit":%.9f,"HardLimit":100}`, used*2.5))
	for range 3 {
		if r := ask(); r.status != 200 {
			t.Fatal(r)
		}
	}
	select {
	case letter := <-letters:
		for _, word := range []string{"To: <alpha@example.com>", "Subject: The soft limit is reached [Gate]"} {
			if !strings.Contains(letter, word) {
				t.Errorf("%q is not in %s", word, letter)
			}
		}
	case <-time.After(20 * time.Second):
		t.Error("no letter came")
	}
	x.ok(xroot, "PUT", "/x-users/alpha", fmt.Sprintf(`{"HardLimit":%.9f}`, used))
	if r := ask(); r.status != 429 && r.status != 402 && r.status != 403 {
		t.Errorf("over the hard limit: %d %s", r.status, r.body)
	}
}

// A key of the configuration file that was replaced does not come back with a restart either.
func TestXRotateOfTheFile(t *testing.T) {
	dir := t.TempDir()
	file := "accounts:\n  - {name: alice, credit: 10, keys: [{name: main, key: " + userKey + "}]}\n"
	g := startGatewayIn(t, dir, file)
	x := &xapi{g, t}
	fresh := x.ok(userKey, "POST", "/x-self", `{"confirm":"`+time.Now().UTC().Format(time.DateOnly)+`-ROTATE-SELF"}`)["rotate"].(map[string]any)["key"].(string)
	g.stop()
	x = &xapi{startGatewayIn(t, dir, file), t}
	if a := x.as(userKey, "GET", "/dashboard/info", ""); a.status != 401 {
		t.Errorf("the old key: %d", a.status)
	}
	if a := x.as(fresh, "GET", "/dashboard/info", ""); a.status != 200 {
		t.Errorf("the new key: %d", a.status)
	}
}
