package admin

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"

	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
)

// operations returns every operation of the API.
func operations(t *testing.T, a *API) []*huma.Operation {
	t.Helper()
	var all []*huma.Operation
	for _, p := range a.huma.OpenAPI().Paths {
		for _, op := range []*huma.Operation{p.Get, p.Put, p.Post, p.Delete, p.Patch, p.Head, p.Options, p.Trace} {
			if op != nil {
				all = append(all, op)
			}
		}
	}
	if len(all) < 25 {
		t.Fatalf("only %d operations: the test does not see the routes", len(all))
	}
	slices.SortFunc(all, func(a, b *huma.Operation) int { return strings.Compare(a.OperationID, b.OperationID) })
	return all
}

// Every route has a policy, and it is the one that is meant. A new operation must be added here.
func TestEveryRouteHasAPolicy(t *testing.T) {
	want := map[Policy]string{
		PolicyAnyone: "get-account get-balance get-call get-key get-limits get-me get-model get-receipt get-usage list-accounts list-audit list-calls list-entries list-keys list-models list-providers rotate-key",
		// What a manager may do, it may do to its own sub-tree.
		PolicyManager: "change-account change-key create-account create-key delete-account delete-key grant-credit move-account take-credit",
		PolicyRoot:    "change-channel check-channel create-channel delete-channel delete-model get-channel get-status lift-address list-addresses list-channels put-model",
	}
	have := map[Policy]string{}
	for _, op := range operations(t, newGate(t).api) {
		p, ok := op.Metadata[policyKey].(Policy)
		if !ok {
			t.Errorf("%s %s has no policy", op.Method, op.Path)
		}
		have[p] = strings.TrimSpace(have[p] + " " + op.OperationID)
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Error(d)
	}
}

// A route whose policy is missing or misspelt lets nobody in.
func TestNoPolicyAdmitsNobody(t *testing.T) {
	g := newGate(t)
	for _, op := range operations(t, g.api) {
		op.Metadata[policyKey] = Policy("")
		if op.Method != http.MethodGet || strings.Contains(op.Path, "{") {
			continue
		}
		if r := g.do("root", op.Method, strings.TrimPrefix(op.Path, Prefix), ""); r.code != 403 {
			t.Errorf("%s: %d", op.OperationID, r.code)
		}
	}
}

// sample is how an operation is asked about what belongs to the account leaf.
type sample struct {
	query  string // behind the path
	body   string
	shared bool // it is about nobody's data: whoever passes the policy is answered
	hidden int  // answer to a manager outside; 0: 404
}

// samples by operation. A new operation must be added here.
func samples(g *gate) map[string]sample {
	leaf := g.ids["leaf"]
	return map[string]sample{
		"get-me":         {shared: true},
		"list-accounts":  {shared: true},
		"create-account": {body: `{"name":"new","parent_id":"` + leaf + `"}`, hidden: 422},
		"get-account":    {},
		"change-account": {body: `{"alias":"x"}`},
		"delete-account": {},
		"move-account":   {body: `{"parent_id":"` + g.ids["team"] + `"}`},
		"get-limits":     {},
		"rotate-key":     {body: `{}`},
		"list-audit":     {query: "?account_id=" + leaf},
		"list-addresses": {},
		"lift-address":   {},
		"grant-credit":   {body: `{"amount":"1"}`},
		"take-credit":    {body: `{"amount":"1"}`},
		"get-balance":    {},
		"list-entries":   {},
		"list-keys":      {query: "?account_id=" + leaf},
		"create-key":     {body: `{"account_id":"` + leaf + `"}`, hidden: 422},
		"get-key":        {},
		"change-key":     {body: `{"name":"renamed"}`},
		"delete-key":     {},
		"list-channels":  {},
		"create-channel": {body: `{"provider":"openai","key":"sk-0123456789012345678901234567890"}`},
		"get-channel":    {},
		"change-channel": {body: `{"weight":2}`},
		"delete-channel": {},
		"check-channel":  {},
		"list-models":    {shared: true},
		"get-model":      {shared: true},
		"put-model":      {body: `{"name":"m1","free":true}`},
		"delete-model":   {},
		"list-calls":     {query: "?account_id=" + leaf},
		"get-call":       {},
		"get-receipt":    {},
		"get-usage":      {query: "?account_id=" + leaf},
		"get-status":     {},
		"list-providers": {shared: true},
	}
}

// Who may do what, over all routes. The data is that of leaf; "team" is the manager above it.
func TestAuthorization(t *testing.T) {
	g := newGate(t)
	for _, op := range operations(t, g.api) {
		if _, ok := samples(g)[op.OperationID]; !ok {
			t.Errorf("%s has no sample", op.OperationID)
			continue
		}
		for _, who := range []string{"", "sk-nobody", "leaf", "team", "other", "root"} {
			name := who
			if who == "" {
				name = "no key"
			}
			t.Run(op.OperationID+"/"+name, func(t *testing.T) { checkAccess(t, op, who) })
		}
	}
}

func checkAccess(t *testing.T, op *huma.Operation, who string) {
	g := newGate(t)
	s := samples(g)[op.OperationID]
	r := g.do(who, op.Method, target(g, op)+s.query, s.body)
	policy := op.Metadata[policyKey].(Policy)
	want := op.DefaultStatus
	switch {
	case who == "" || who == "sk-nobody":
		want = 401
	case who == "root":
	case policy == PolicyRoot, policy == PolicyManager && who == "leaf":
		want = 403
	case who == "other" && !s.shared:
		if want = s.hidden; want == 0 {
			want = 404
		}
	}
	if r.code != want {
		t.Errorf("%s %s as %q: %d, want %d: %s", op.Method, op.Path, who, r.code, want, r.body)
	}
	if want >= 400 && r.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("an error is %s", r.header.Get("Content-Type"))
	}
	if who == "other" || who == "sk-nobody" || who == "" {
		for _, foreign := range []string{"leaf@example.com", "leaf-key", "team@example.com", g.ids["team"]} {
			if strings.Contains(r.body, foreign) {
				t.Errorf("the answer to %q tells %q: %s", who, foreign, r.body)
			}
		}
	}
}

// target fills the path of an operation with what belongs to leaf.
func target(g *gate, op *huma.Operation) string {
	path := strings.TrimPrefix(op.Path, Prefix)
	id := ""
	switch {
	case strings.HasPrefix(path, "/accounts"):
		id = g.ids["leaf"]
	case strings.HasPrefix(path, "/keys"):
		id = g.reg.Keys(g.ids["leaf"])[0].ID
		if op.OperationID != "rotate-key" { // which a caller does to its own alone
			g.giveKey("leaf") // the caller's own key is another one
		}
	case strings.HasPrefix(path, "/channels"):
		id = g.addChannel("sk-0123456789012345678901234567890")
	case strings.HasPrefix(path, "/models"):
		g.memory.models = []catalog.Model{{Name: "m1", Free: true}}
	case strings.HasPrefix(path, "/addresses"):
		for _, who := range []string{"team", "leaf"} {
			g.api.Guard.Admit(netip.MustParseAddr("192.0.2.1"), g.ids[who], time.Now())
		}
	default:
		id = "call-1"
		g.memory.calls = []ledger.Call{{ID: "call-1", AtMillis: time.Now().UnixMilli(), AccountID: g.ids["leaf"]}}
	}
	return strings.NewReplacer("{id}", id, "{name}", "m1", "{address}", "192.0.2.1").Replace(path)
}

// What a list shows follows from who asks.
func TestListsShowOwnTree(t *testing.T) {
	g := newGate(t)
	now := time.Now()
	for _, name := range []string{"root", "team", "leaf", "other"} {
		g.memory.calls = append(g.memory.calls, ledger.Call{ID: "call-" + name, AtMillis: now.UnixMilli(), AccountID: g.ids[name], ChannelID: "ch"})
		g.memory.rollups = append(g.memory.rollups, ledger.Rollup{Hour: now.Truncate(time.Hour), AccountID: g.ids[name], Calls: 1, Cost: 1e9})
	}
	g.memory.models = []catalog.Model{{Name: "hidden-1", Free: true}, {Name: "open-1", Free: true}, {Name: "open-*", Free: true}}
	sees := map[string][]string{"root": {"root", "team", "leaf", "other"}, "team": {"team", "leaf"}, "leaf": {"leaf"}, "other": {"other"}}
	for who, names := range sees {
		var ids []string
		for _, n := range names {
			ids = append(ids, g.ids[n])
		}
		if got := column(g.must(200, g.do(who, "GET", "/accounts", "")), "id"); !same(got, ids) {
			t.Errorf("%s sees accounts %v, want %v", who, got, ids)
		}
		if got := column(g.must(200, g.do(who, "GET", "/calls", "")), "account_id"); !same(got, ids) {
			t.Errorf("%s sees calls of %v, want %v", who, got, ids)
		}
		if got := column(g.must(200, g.do(who, "GET", "/usage?group_by=account", "")), "account_id"); !same(got, ids) {
			t.Errorf("%s sees usage of %v, want %v", who, got, ids)
		}
		models := []string{"open-1"}
		if who == "root" {
			models = []string{"hidden-1", "open-*", "open-1"}
		}
		if got := column(g.must(200, g.do(who, "GET", "/models", "")), "name"); !same(got, models) {
			t.Errorf("%s sees models %v, want %v", who, got, models)
		}
		for _, path := range []string{"/calls?channel_id=ch", "/usage?group_by=channel"} {
			if r := g.do(who, "GET", path, ""); (r.code == 200) != (who == "root") {
				t.Errorf("%s as %s: %d", path, who, r.code)
			}
		}
		if r := g.do(who, "GET", "/calls", ""); strings.Contains(r.body, "channel_id") != (who == "root") {
			t.Errorf("calls as %s: %s", who, r.body)
		}
	}
}

func column(m map[string]any, name string) []string {
	var out []string
	for _, row := range m["data"].([]any) {
		v, _ := row.(map[string]any)[name].(string)
		out = append(out, v)
	}
	return out
}

func same(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
