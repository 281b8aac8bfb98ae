package app_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
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
	// A name that reads as a mark hides nothing of what the mark selects.
	_, gID := x.user(a, "G500", "10")
	_, tID := x.user(a, "T-500", "10")
	x.ok(a, "PUT", "/x-users/alpha-1", `{"Gear":500}`)
	for _, c := range []struct{ path, want string }{
		{"/x-dna/G500", "alpha-1"},
		{"/x-dna/g500", "alpha-1"},
		{"/x-dna?id=G500", "alpha-1"},
		{"/x-dna?name=G500", "G500"},
		{"/x-dna/" + gID, "G500"},
		{"/x-dna/G500@example.com", "G500"},
		{"/x-users/G500", "G500"},
		{"/x-dna/T-500", "T-500"},
		{"/x-dna?id=" + tID, "T-500"},
	} {
		if got := names(a, c.path); got != c.want {
			t.Errorf("%s: %q, want %q", c.path, got, c.want)
		}
	}
	for _, c := range []struct{ key, path string }{{b, "/x-dna/" + a1ID}, {b, "/x-dna/alpha-1"}, {a, "/x-users/" + a21ID}, {a, "/x-dna/" + bID}, {a, "/x-dna/alpha"}, {a, "/x-dna/root"}, {a, "/x-dna/nobody"}} {
		x.refused(c.key, "GET", c.path, "", 404, "no such account")
	}
	for _, q := range []string{"size=1001", "size=0", "page=0", "level=x", "naam=alpha"} {
		x.refused(xroot, "GET", "/x-users?"+q, "", 400, "")
	}
}
