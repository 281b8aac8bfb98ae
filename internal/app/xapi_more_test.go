package app_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"tollgate/internal/store/storetest"
)

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

// The same on PostgreSQL, with the address as ProxyXAI's compose file writes it.
func TestXOnPostgres(t *testing.T) {
	u, err := url.Parse(storetest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	dsn := fmt.Sprintf("host=%s port=%s dbname=%s", u.Hostname(), u.Port(), strings.TrimPrefix(u.Path, "/"))
	if u.User != nil {
		password, _ := u.User.Password()
		dsn += fmt.Sprintf(" user=%s password='%s'", u.User.Username(), password)
	}
	for name, values := range u.Query() {
		dsn += " " + name + "='" + values[0] + "'"
	}
	x := startX(t, "POSTGRES_DSN="+dsn)
	a, _ := x.user(xroot, "alpha", "1000")
	a1, _ := x.user(a, "alpha-1", "100")
	if r := x.as(a1, "POST", "/v1/chat/completions", hello); r.status != 200 {
		t.Fatal(r)
	}
	x.ok(a, "PUT", "/x-users/alpha-1", `{"CreditGranted":20,"Days":7,"AllowModels":"sim-*","RPM":5}`)
	x.ok(xroot, "POST", "/x-config", `{"MODEL_MAPPER":"house=sim-gpt","EMAIL_PASS":"secret"}`)
	x.ok(a, "POST", "/x-news/alpha-1", `{"title":"Hello","content":"World"}`)
	for path, want := range map[string]string{
		"/dashboard/bill": `"total_requests":1`, "/dashboard/x-user-info": `"Requests":1`, "/dashboard/x-user-news": `"Hello"`, "/dashboard/x-user-logs": `"credit.grant"`, "/dashboard/x-user-status": `"balance":119.99`,
	} {
		if r := x.as(a1, "GET", path, ""); r.status != 200 || !strings.Contains(r.body, want) {
			t.Errorf("%s: %d %s, want %s", path, r.status, r.body, want)
		}
	}
	if r := x.as(xroot, "GET", "/x-bill", ""); !strings.Contains(r.body, `"name":"alpha-1"`) {
		t.Errorf("%s", r.body)
	}
	x.ok(a, "DELETE", "/x-users/alpha-1", "")
	if got := x.balance(a); got <= 999 || got >= 1000 {
		t.Errorf("%v", got)
	}
}
