package app_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/internal/secret"
)

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

// Of several who replace a key at once one gets the new one; nobody is given a key that is dead.
func TestXRotateAtOnce(t *testing.T) {
	x := startX(t)
	key, _ := x.user(xroot, "alpha", "100")
	body := `{"confirm":"` + time.Now().UTC().Format(time.DateOnly) + `-ROTATE-SELF"}`
	answers := make([]answer, 8)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = x.as(key, "POST", "/x-self", body) })
	}
	wg.Wait()
	given := 0
	for _, a := range answers {
		switch a.status {
		case 200:
			given++
			if fresh := a.decode(t, 200)["rotate"].(map[string]any)["key"].(string); x.balance(fresh) != 100 {
				t.Error("the new key sees another balance")
			}
		case 400, 401:
		default:
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if given != 1 {
		t.Errorf("%d were given a key", given)
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
	if got := x.ok(a, "DELETE", "/x-news/.root."+aID+".", ""); got["deleted"] != 0.0 { // root's stays
		t.Errorf("%v", got)
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
