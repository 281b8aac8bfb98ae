package app_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/internal/store/storetest"
)

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
	deadline := time.Now().Add(time.Minute)
	told := func() bool {
		return got("To: <books@example.com>", "A key was replaced") && got("To: <books@example.com>", "For all") && got("To: <bravo@example.com>", "For all") && got("To: <root@example.com>", "For all")
	}
	for !told() {
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
	case <-time.After(time.Minute):
		t.Error("no letter came")
	}
	x.ok(xroot, "PUT", "/x-users/alpha", fmt.Sprintf(`{"HardLimit":%.9f}`, used))
	if r := ask(); r.status != 429 && r.status != 402 && r.status != 403 {
		t.Errorf("over the hard limit: %d %s", r.status, r.body)
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

// A gateway in front of a gateway: a key of the one is an upstream key of the other.
func TestXCascade(t *testing.T) {
	back := startX(t)
	paying, _ := back.user(xroot, "reseller", "100")
	front := startXIn(t, t.TempDir(), "XAI_BASE="+back.base)
	front.ok(xroot, "POST", "/x-keys", fmt.Sprintf(`{"SecretKey":%q}`, paying)) // without a provider: XAI_BASE
	user, _ := front.user(xroot, "customer", "10", `"Rates":3`)
	for _, c := range [][2]string{{"/v1/chat/completions", hello}, {"/v1/messages", `{"model":"sim-claude","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`}} {
		if r := front.as(user, "POST", c[0], c[1]); r.status != 200 {
			t.Errorf("%s: %d %s", c[0], r.status, r.body)
		}
	}
	paid := back.ok(paying, "GET", "/dashboard/info", "")["credit_used"].(float64)
	charged := front.ok(user, "GET", "/dashboard/info", "")["credit_used"].(float64)
	if paid <= 0 || charged < paid*3-1e-6 || charged > paid*3+1e-6 {
		t.Errorf("the reseller paid %v, the customer at rates 3 %v", paid, charged)
	}
	// When the reseller is switched off, its customer is told without a word of its key.
	back.ok(xroot, "PUT", "/x-users/reseller", `{"Status":false}`)
	if r := front.as(user, "POST", "/v1/chat/completions", hello); r.status == 200 || strings.Contains(r.body, paying[31:]) {
		t.Errorf("%d %s", r.status, r.body)
	}
}
