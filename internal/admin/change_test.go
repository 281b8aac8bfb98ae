package admin

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/account"
	"tollgate/internal/canon"
	"tollgate/internal/catalog"
	"tollgate/internal/ledger"
	"tollgate/internal/limit"
)

// A PATCH changes what it names, and nothing else.
func TestPatchKeepsTheRest(t *testing.T) {
	g := newGate(t)
	before := g.must(201, g.do("root", "POST", "/accounts",
		`{"name":"bob","email":"bob@example.com","alias":"b","models":["gpt-*"],"pools":["p1","p2"],"limits":{"rpm":10,"tpm":20}}`))
	path := "/accounts/" + before["id"].(string)
	for _, c := range []struct {
		body string
		want map[string]any
	}{
		{`{}`, nil},
		{`{"alias":"\\u0000"}`, map[string]any{"alias": `\u0000`}},
		{`{"alias":"c"}`, map[string]any{"alias": "c"}},
		{`{"email":null}`, map[string]any{"email": ""}},
		{`{"limits":{"rpm":11}}`, map[string]any{"limits": map[string]any{"rpm": 11.0, "tpm": 20.0}}},
		{`{"limits":{"tpm":null}}`, map[string]any{"limits": map[string]any{"rpm": 11.0}}},
		{`{"limits":null}`, map[string]any{"limits": map[string]any{}}},
		{`{"models":[]}`, map[string]any{"models": []any{}}},
		{`{"pools":null,"role":"manager"}`, map[string]any{"pools": []any{}, "role": "manager"}},
		{`{"enabled":false}`, map[string]any{"enabled": false}},
		{`{"level":3,"allow_levels":[1,2],"level_mapper":"gpt-4=2, gpt-5*=1"}`, map[string]any{"level": 3.0, "allow_levels": []any{1.0, 2.0}, "level_mapper": "gpt-4=2,gpt-5*=1"}},
		{`{"model_mapper":"a=b","ips":["192.0.2.1","2001:db8::/32"],"paths":["/v1/*"]}`, map[string]any{"model_mapper": "a=b", "ips": []any{"192.0.2.1/32", "2001:db8::/32"}, "paths": []any{"/v1/*"}}},
		{`{"rates":"1.5","hard_limit":"100","soft_limit":"0.5","time_zone":"Asia/Shanghai"}`, map[string]any{"rates": "1.5", "hard_limit": "100", "soft_limit": "0.5", "time_zone": "Asia/Shanghai"}},
		{`{"hard_limit":null,"level_mapper":null}`, map[string]any{"hard_limit": "0", "level_mapper": ""}},
		{`{"model_limits":{"gpt-4":{"rpm":30,"tpm":90000}},"limit_ratio":"2","child_limit":4}`, map[string]any{"model_limits": map[string]any{"gpt-4": map[string]any{"rpm": 30.0, "tpm": 90000.0}}, "limit_ratio": "2", "child_limit": 4.0}},
		{`{"prices":[{"model":"gpt-*","input":"0"}],"unbilled":true}`, map[string]any{"prices": []any{map[string]any{"model": "gpt-*", "input": "0"}}, "unbilled": true}},
		{`{"gear":1,"factor":2,"tier":3,"labels":{"qr":"x"},"billing_email":"b@example.com"}`, map[string]any{"gear": 1.0, "factor": 2.0, "tier": 3.0, "labels": map[string]any{"qr": "x"}, "billing_email": "b@example.com"}},
	} {
		after := g.must(200, g.do("root", "PATCH", path, c.body))
		for k, v := range c.want {
			before[k] = v
		}
		before["version"], before["updated_at"], before["effective"] = after["version"], after["updated_at"], after["effective"]
		if d := cmp.Diff(before, after); d != "" {
			t.Errorf("%s: %s", c.body, d)
		}
		if read := g.must(200, g.do("root", "GET", path, "")); cmp.Diff(after, read) != "" {
			t.Errorf("%s: read back %s", c.body, cmp.Diff(after, read))
		}
	}
}

func TestPatchOfKey(t *testing.T) {
	g := newGate(t)
	before := g.must(201, g.do("team", "POST", "/keys", `{"name":"k","expires_at":"2100-01-02T03:04:05Z","models":["a"],"limits":{"rpm":1}}`))
	delete(before, "secret")
	path := "/keys/" + before["id"].(string)
	for _, c := range []struct {
		body string
		want map[string]any
	}{
		{`{"name":"n"}`, map[string]any{"name": "n"}},
		{`{"expires_at":"2100-01-02T05:04:05+01:00"}`, map[string]any{"expires_at": "2100-01-02T04:04:05Z"}},
		{`{"expires_at":null}`, map[string]any{"expires_at": nil}},
		{`{"enabled":false,"limits":{"tpm":5}}`, map[string]any{"enabled": false, "limits": map[string]any{"rpm": 1.0, "tpm": 5.0}}},
	} {
		after := g.must(200, g.do("team", "PATCH", path, c.body))
		for k, v := range c.want {
			if before[k] = v; v == nil {
				delete(before, k)
			}
		}
		before["version"], before["updated_at"] = after["version"], after["updated_at"]
		if d := cmp.Diff(before, after); d != "" {
			t.Errorf("%s: %s", c.body, d)
		}
	}
}

// A version that is not the one there is refuses the change; so does one that another writer made old.
func TestVersions(t *testing.T) {
	g := newGate(t)
	channel := "/channels/" + g.addChannel("sk-0123456789012345678901234567890")
	key := "/keys/" + g.giveKey("leaf").ID
	for _, path := range []string{"/accounts/" + g.ids["leaf"], channel, key} {
		g.must(200, g.do("root", "PATCH", path, `{"version":1,"name":"new`+path[1:4]+`"}`))
		m := g.must(409, g.do("root", "PATCH", path, `{"version":1,"name":"newer"}`))
		if !strings.Contains(m["detail"].(string), "version") {
			t.Errorf("%s: %v", path, m)
		}
		g.must(200, g.do("root", "PATCH", path, `{"version":2,"name":"newest`+path[1:4]+`"}`))
	}
}

// What is wrong is refused with the field's name, and nothing changes.
func TestRefusals(t *testing.T) {
	g := newGate(t)
	leaf, team := "/accounts/"+g.ids["leaf"], "/accounts/"+g.ids["team"]
	channel := "/channels/" + g.addChannel("sk-0123456789012345678901234567890")
	key := "/keys/" + g.giveKey("root").ID
	before := g.must(200, g.do("root", "GET", leaf, ""))
	for _, c := range []struct {
		who, method, path, body string
		code                    int
		says                    string
	}{
		{"root", "PATCH", leaf, `{"colour":"red"}`, 422, `body.colour`},
		{"root", "PATCH", leaf, `{"enabled":null}`, 422, `body.enabled`},
		{"root", "PATCH", leaf, `{"enabled":"no"}`, 422, `body.enabled`},
		{"root", "PATCH", leaf, `{"role":"king"}`, 422, `body.role`},
		{"root", "PATCH", leaf, `{"role":null}`, 422, `body.role`},
		{"root", "PATCH", leaf, `{"name":null}`, 422, `body.name`},
		{"root", "PATCH", leaf, `{"name":"a@b"}`, 422, `body.name`},
		{"root", "PATCH", leaf, `{"name":"team"}`, 409, `taken`},
		{"root", "PATCH", leaf, `{"limits":{"rpm":-1}}`, 422, `body.limits.rpm`},
		{"root", "PATCH", leaf, `{"limits":{"rpm":1.5}}`, 422, `body.limits.rpm`},
		{"root", "PATCH", leaf, `{"alias":"x","alias":"y"}`, 400, `alias`},
		{"root", "PATCH", leaf, `{"alias":"x","Alias":"y"}`, 422, `body.Alias`},
		{"root", "PATCH", leaf, `{"limits":{"rpm":1,"RPM":-1}}`, 422, `body.limits.RPM`},
		{"root", "POST", leaf + "/credit", `{"amount":"1","Amount":"2"}`, 422, `body.Amount`},
		{"root", "POST", leaf + "/credit", `{"amount":1e400}`, 400, `1e400 is out of range`},
		{"root", "PATCH", leaf, `{"alias":`, 400, `JSON`},
		{"root", "PATCH", leaf, `[]`, 400, `JSON`},
		{"root", "PATCH", leaf, `{"alias":"a\u0000b"}`, 400, `NUL`},
		{"root", "PATCH", leaf, ``, 400, `body`},
		{"root", "PATCH", "/accounts/root", `{"enabled":false}`, 422, `body.enabled`},
		{"root", "PATCH", "/accounts/nobody", `{"alias":"x"}`, 404, `account`},
		{"root", "POST", "/accounts", `{}`, 422, `name`},
		{"root", "POST", "/accounts", `{"name":"team"}`, 409, `taken`},
		{"root", "POST", "/accounts", `{"name":"x","parent_id":"nobody"}`, 422, `body.parent_id`},
		{"root", "GET", "/accounts?limit=0", ``, 422, `query.limit`},
		{"root", "GET", "/accounts?limt=5", ``, 422, `query.limt`},
		{"root", "GET", "/calls?from=yesterday", ``, 422, `query.from`},
		{"root", "GET", "/calls?after=nothing", ``, 422, `query.after`},
		{"root", "GET", "/usage?from=2020-01-01T00:00:00Z", ``, 422, `query.from`},
		{"root", "GET", "/usage?group_by=colour", ``, 422, `query.group_by`},
		{"root", "POST", leaf + "/credit", `{"amount":2.5}`, 422, `body.amount`},
		{"root", "POST", leaf + "/credit", `{"amount":"-1"}`, 422, `body.amount`},
		{"root", "POST", leaf + "/credit", `{"amount":"0"}`, 422, `body.amount`},
		{"root", "POST", leaf + "/credit", `{"amount":"1e3"}`, 422, `body.amount`},
		{"root", "POST", leaf + "/credit", `{"amount":"0.0000000001"}`, 422, `body.amount`},
		{"root", "POST", leaf + "/credit", `{"amount":"99999999999999"}`, 422, `body.amount`},
		{"root", "POST", leaf + "/credit", `{"amount":"1","days":0}`, 422, `body.days`},
		{"root", "POST", "/accounts/root/credit", `{"amount":"1"}`, 422, `path.id`},
		{"root", "POST", "/keys", `{"expires_at":"2001-01-01T00:00:00Z"}`, 422, `body.expires_at`},
		{"root", "POST", "/keys", `{"account_id":"nobody"}`, 422, `body.account_id`},
		{"root", "POST", "/channels", `{"key":"sk-0123456789012345678901234567890"}`, 422, `body.provider`},
		{"root", "POST", "/channels", `{"provider":"nobody","key":"sk-0123456789012345678901234567890"}`, 422, `body.provider`},
		{"root", "POST", "/channels", `{"provider":"openai"}`, 422, `body.key`},
		{"root", "POST", "/channels", `{"provider":"openai","key":"two words"}`, 422, `body.key`},
		{"root", "POST", "/channels", `{"base_url":"ftp://x","key":"sk-0123456789012345678901234567890"}`, 422, `body.base_url`},
		{"root", "PATCH", channel, `{"weight":-1}`, 422, `body.weight`},
		{"root", "PUT", "/models/m", `{"name":"n","free":true}`, 422, `body.name`},
		{"root", "PUT", "/models/m", `{"name":"m","price":{"input":"cheap"}}`, 422, `cheap`},
		{"root", "PUT", "/models/m", `{"name":"m","price":{"in":"1"}}`, 422, `body.price.in`},
		{"root", "DELETE", "/models/m", ``, 404, ``},
		{"root", "DELETE", key + "x", ``, 404, ``},
		{"root", "PUT", leaf, `{}`, 405, `PATCH`},
		{"root", "GET", "/nothing", ``, 404, `openapi.json`},
		{"team", "PATCH", team, `{"limits":{"rpm":1}}`, 403, `above`},
		{"team", "PATCH", team, `{"role":"caller"}`, 403, `above`},
		{"leaf", "PATCH", leaf, `{"alias":"x"}`, 403, `manager`},
	} {
		r := g.do(c.who, c.method, c.path, c.body)
		if r.code != c.code || !strings.Contains(r.body, c.says) {
			t.Errorf("%s %s %s: %d %s, want %d with %q", c.method, c.path, c.body, r.code, r.body, c.code, c.says)
		}
		if ct := r.header.Get("Content-Type"); ct != "application/problem+json" {
			t.Errorf("%s %s %s: the error is %s", c.method, c.path, c.body, ct)
		}
	}
	if d := cmp.Diff(before, g.must(200, g.do("root", "GET", leaf, ""))); d != "" {
		t.Errorf("something was changed: %s", d)
	}
	if r := g.do("root", "POST", "/accounts", `{"name":"`+strings.Repeat("x", maxBody)+`"}`); r.code != 413 {
		t.Errorf("a body that is too large: %d", r.code)
	}
	if r := g.do("root", "POST", "/accounts", `name=x`, "Content-Type", "application/x-www-form-urlencoded"); r.code != 415 {
		t.Errorf("a form: %d %s", r.code, r.body)
	}
}

// A manager gives away what its account has, and no more.
func TestManagerGivesWhatItHas(t *testing.T) {
	g := newGate(t)
	g.must(200, g.do("root", "PATCH", "/accounts/"+g.ids["team"], `{"limits":{"rpm":100},"rates":"2","models":["gpt-*"],"pools":["default","gold"],"child_limit":3}`))
	made := g.must(201, g.do("team", "POST", "/accounts", `{"name":"heir"}`))
	for field, want := range map[string]any{"limits": map[string]any{"rpm": 100.0}, "rates": "2", "pools": []any{"default", "gold"}, "child_limit": 3.0} {
		if d := cmp.Diff(want, made["effective"].(map[string]any)[field]); d != "" {
			t.Errorf("%s is not inherited: %s", field, d)
		}
	}
	path := "/accounts/" + made["id"].(string)
	for body, code := range map[string]int{
		`{"limits":{"rpm":101}}`:                 422,
		`{"limits":{"rpm":0}}`:                   200, // no limit of its own
		`{"limits":{"rpm":99,"tpm":5}}`:          200,
		`{"rates":"1.9"}`:                        422,
		`{"rates":"2.1"}`:                        200,
		`{"pools":["gold"]}`:                     200,
		`{"pools":["silver"]}`:                   422,
		`{"level":2}`:                            422,
		`{"allow_levels":[2]}`:                   422,
		`{"level_mapper":"a=2"}`:                 422,
		`{"child_limit":4}`:                      422,
		`{"models":["claude-x"]}`:                200, // what is above must allow it too, at every call
		`{"prices":[{"model":"*","free":true}]}`: 403,
		`{"unbilled":true}`:                      403,
		`{"limit_ratio":"9"}`:                    403,
	} {
		if r := g.do("team", "PATCH", path, body); r.code != code {
			t.Errorf("%s: %d %s, want %d", body, r.code, r.body, code)
		}
	}
	for _, body := range []string{`{"name":"rich","unbilled":true}`, `{"name":"rich","prices":[{"model":"*","free":true}]}`, `{"name":"rich","limit_ratio":"2"}`} {
		if r := g.do("team", "POST", "/accounts", body); r.code != 403 {
			t.Errorf("%s: %d %s", body, r.code, r.body)
		}
	}
	own := "/accounts/" + g.ids["team"]
	for body, code := range map[string]int{
		`{"alias":"t","soft_limit":"5","labels":{"a":"b"},"billing_email":"b@example.com"}`: 200,
		`{"hard_limit":"1000"}`: 403, `{"time_zone":"UTC"}`: 403, `{"ips":[]}`: 403, `{"rates":"1"}`: 403, `{"gear":1}`: 403, `{"models":null}`: 403,
	} {
		if r := g.do("team", "PATCH", own, body); r.code != code {
			t.Errorf("own account, %s: %d %s, want %d", body, r.code, r.body, code)
		}
	}
}

func TestBadAccounts(t *testing.T) {
	g := newGate(t)
	for body, says := range map[string]string{
		`{"name":"x","hard_limit":"-1"}`:                     "body.hard_limit",
		`{"name":"x","hard_limit":"NaN"}`:                    "body.hard_limit",
		`{"name":"x","hard_limit":"1e9"}`:                    "body.hard_limit",
		`{"name":"x","hard_limit":"0.0000000001"}`:           "body.hard_limit",
		`{"name":"x","hard_limit":"99999999999999999999"}`:   "body.hard_limit",
		`{"name":"x","rates":"0.5"}`:                         "body.rates",
		`{"name":"x","rates":"two"}`:                         "body.rates",
		`{"name":"x","ips":["10.0.0.1/8"]}`:                  "body.ips",
		`{"name":"x","ips":["home"]}`:                        "body.ips",
		`{"name":"x","models":["gpt-[45]"]}`:                 "body.models",
		`{"name":"x","model_mapper":"a=b,c"}`:                "body.model_mapper",
		`{"name":"x","time_zone":"Mars/Olympus"}`:            "body.time_zone",
		`{"name":"x","hardlimit":"1"}`:                       "body.hardlimit",
		`{"name":"123"}`:                                     "body.name",
		`{"name":"a@b"}`:                                     "body.name",
		`{"name":"0199f000-0000-7000-8000-000000000000"}`:    "body.name",
		`{"name":"x","model_limits":{"gpt-4":{"rpx":1}}}`:    "rpx",
		`{"name":"x","prices":[{"model":"a","input":"-1"}]}`: "body.prices",
	} {
		if r := g.do("root", "POST", "/accounts", body); r.code != 422 || !strings.Contains(r.body, says) {
			t.Errorf("%s: %d %s", body, r.code, r.body)
		}
	}
	if r := g.do("root", "POST", "/accounts", `{"name":"TEAM"}`); r.code != 409 || !strings.Contains(r.body, "the name is taken") {
		t.Errorf("a taken name: %d %s", r.code, r.body)
	}
	if n := len(g.memory.accounts); n != 4 {
		t.Errorf("%d accounts are there", n)
	}
}

func TestMoveAndDeleteAccounts(t *testing.T) {
	g := newGate(t)
	team, leaf, other := g.ids["team"], g.ids["leaf"], g.ids["other"]
	sub := g.must(201, g.do("team", "POST", "/accounts", `{"name":"sub"}`))["id"].(string)
	for _, c := range []struct {
		who, id, to string
		code        int
	}{
		{"team", leaf, other, 422},
		{"team", team, sub, 403},
		{"other", leaf, other, 404},
		{"root", team, leaf, 422},
		{"root", "root", team, 422},
		{"team", leaf, sub, 200},
		{"root", leaf, other, 200},
		{"team", leaf, team, 404},
		{"root", leaf, team, 200},
	} {
		if r := g.do(c.who, "POST", "/accounts/"+c.id+"/move", `{"parent_id":"`+c.to+`"}`); r.code != c.code {
			t.Errorf("%s moves %s to %s: %d %s", c.who, c.id, c.to, r.code, r.body)
		}
	}
	if r := g.do("root", "POST", "/accounts/"+leaf+"/move", `{"parent_id":"`+other+`","version":1}`); r.code != 409 {
		t.Errorf("an old version: %d %s", r.code, r.body)
	}
	for path, code := range map[string]int{"/accounts/root": 422, "/accounts/" + team: 409, "/accounts/nobody": 404} {
		if r := g.do("root", "DELETE", path, ""); r.code != code {
			t.Errorf("%s: %d %s", path, r.code, r.body)
		}
	}
	if r := g.do("team", "DELETE", "/accounts/"+team+"?below=true", ""); r.code != 403 {
		t.Errorf("its own account: %d %s", r.code, r.body)
	}
	g.must(204, g.do("team", "DELETE", "/accounts/"+sub, ""))
	g.must(204, g.do("root", "DELETE", "/accounts/"+team+"?below=true", ""))
	if r := g.do("leaf", "GET", "/me", ""); r.code != 401 {
		t.Errorf("a key of a deleted account: %d", r.code)
	}
	var closed []string
	for _, c := range g.memory.closed {
		closed = append(closed, c.From+">"+c.To)
	}
	if d := cmp.Diff([]string{sub + ">" + team, leaf + ">" + team, team + ">root"}, closed); d != "" {
		t.Errorf("credit: %s", d)
	}
}

// A manager gives what its account has to those below, and takes from them; never upwards, nor to itself.
func TestManagersMoveCredit(t *testing.T) {
	g := newGate(t)
	team, leaf, other := g.ids["team"], g.ids["leaf"], g.ids["other"]
	for _, c := range []struct {
		who, path, body string
		code            int
	}{
		{"team", leaf + "/credit", `{"amount":"5"}`, 201},
		{"team", leaf + "/credit/take", `{"amount":"2"}`, 200},
		{"root", leaf + "/credit", `{"amount":"500"}`, 201},
		{"root", team + "/credit/take", `{"amount":"3"}`, 200},
		{"team", leaf + "/credit", `{"amount":"11"}`, 409},
		{"team", leaf + "/credit/take", `{"amount":"11"}`, 409},
		{"team", team + "/credit", `{"amount":"1"}`, 403},
		{"team", "root/credit", `{"amount":"1"}`, 404},
		{"team", other + "/credit", `{"amount":"1"}`, 404},
		{"team", other + "/credit/take", `{"amount":"1"}`, 404},
		{"leaf", team + "/credit", `{"amount":"1"}`, 403},
		{"root", "root/credit/take", `{"amount":"1"}`, 422},
		{"team", leaf + "/credit", `{"amount":"0"}`, 422},
		{"team", leaf + "/credit", `{"amount":"-1"}`, 422},
		{"team", leaf + "/credit", `{"amount":"1e3"}`, 422},
		{"team", leaf + "/credit/take", `{"amount":"NaN"}`, 422},
		{"team", leaf + "/credit/take", `{"amount":"0.0000000001"}`, 422},
		{"root", leaf + "/credit", `{"amount":"10000001"}`, 422},
	} {
		if r := g.do(c.who, "POST", "/accounts/"+c.path, c.body); r.code != c.code {
			t.Errorf("%s %s %s: %d %s, want %d", c.who, c.path, c.body, r.code, r.body, c.code)
		}
	}
	var moved []string
	for _, m := range g.memory.moved {
		moved = append(moved, m.From+">"+m.To+" "+m.Parent+" "+m.Amount.String())
	}
	want := []string{team + ">" + leaf + "  5", leaf + ">" + team + "  2", "root>" + leaf + " " + team + " 500", team + ">root  3"}
	if d := cmp.Diff(want, moved); d != "" {
		t.Error(d)
	}
}

func TestRotate(t *testing.T) {
	g := newGate(t)
	key := func(name string) string { return "/keys/" + g.reg.Keys(g.ids[name])[0].ID }
	second := g.giveKey("leaf") // leaf uses this one now
	if r := g.do("leaf", "POST", key("leaf")+"/rotate", `{}`); r.code != 403 {
		t.Errorf("another key than its own: %d %s", r.code, r.body)
	}
	old := g.keys["leaf"]
	new := g.must(200, g.do("leaf", "POST", "/keys/"+second.ID+"/rotate", `{}`))["secret"].(string)
	if g.do(old, "GET", "/me", "").code != 401 || g.do(new, "GET", "/me", "").code != 200 {
		t.Error("the old key works, or the new one does not")
	}
	kept := g.must(200, g.do("team", "POST", "/keys/"+second.ID+"/rotate", `{"grace_seconds":60}`))
	if g.do(new, "GET", "/me", "").code != 200 || g.do(kept["secret"].(string), "GET", "/me", "").code != 200 || kept["old_until"] == nil {
		t.Error("the time of grace")
	}
	if r := g.do(new, "POST", "/keys/"+second.ID+"/rotate", `{}`); r.code != 403 || g.do(kept["secret"].(string), "GET", "/me", "").code != 200 {
		t.Errorf("a replaced key replaces the new one: %d %s", r.code, r.body)
	}
	if r := g.do("other", "POST", "/keys/"+second.ID+"/rotate", `{}`); r.code != 404 {
		t.Errorf("a stranger: %d", r.code)
	}
	if r := g.do("root", "POST", "/keys/"+second.ID+"/rotate", `{"grace_seconds":-1}`); r.code != 422 {
		t.Errorf("%d", r.code)
	}
	if want := []string{"leaf " + second.ID, "leaf " + second.ID}; !slices.Equal(g.memory.mailed, want) {
		t.Errorf("told of %v, want %v: those that were refused replaced nothing", g.memory.mailed, want)
	}
	for _, secret := range []string{old, new, kept["secret"].(string)} {
		if strings.Contains(g.log.String(), secret) {
			t.Error("the log tells a key")
		}
	}
}

// A key that is narrowed can't widen itself, nor make another one.
func TestNarrowKeyDoesNotManage(t *testing.T) {
	g := newGate(t)
	for _, narrow := range []string{`"models":["gpt-*"]`, `"paths":["/v1/*"]`, `"limits":{"rpm":1}`, `"quota":{"day":"1"}`} {
		made := g.must(201, g.do("team", "POST", "/keys", `{`+narrow+`}`))
		plain, path := made["secret"].(string), "/keys/"+made["id"].(string)
		for _, c := range []struct{ method, path, body string }{
			{"PATCH", path, `{"models":null,"limits":null,"quota":null,"paths":null}`},
			{"POST", "/keys", `{}`},
			{"POST", "/accounts", `{"name":"x"}`},
			{"POST", "/keys/" + g.reg.Keys(g.ids["team"])[0].ID + "/rotate", `{}`},
		} {
			if r := g.do(plain, c.method, c.path, c.body); r.code != 403 {
				t.Errorf("%s: %s %s: %d %s", narrow, c.method, c.path, r.code, r.body)
			}
		}
		g.must(200, g.do(plain, "GET", "/me", ""))
		g.must(200, g.do(plain, "POST", path+"/rotate", `{}`))
	}
	guarded := g.must(201, g.do("team", "POST", "/keys", `{"ips":["0.0.0.0/0"]}`))["secret"].(string)
	g.must(201, g.do(guarded, "POST", "/keys", `{}`))
}

func TestKeyQuotas(t *testing.T) {
	g := newGate(t)
	made := g.must(201, g.do("team", "POST", "/keys", `{"quota":{"day":"1.5","total":"100"},"ips":["192.0.2.1"],"paths":["/v1/*"]}`))
	path := "/keys/" + made["id"].(string)
	if d := cmp.Diff(map[string]any{"day": "1.5", "total": "100", "week": "0", "month": "0"}, made["quota"]); d != "" {
		t.Error(d)
	}
	after := g.must(200, g.do("team", "PATCH", path, `{"quota":{"week":"3","day":null}}`))
	if d := cmp.Diff(map[string]any{"day": "0", "total": "100", "week": "3", "month": "0"}, after["quota"]); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{"-1", "abc", "0.0000000001", "99999999999"} {
		if r := g.do("team", "PATCH", path, `{"quota":{"month":"`+bad+`"}}`); r.code != 422 || !strings.Contains(r.body, "quota.month") {
			t.Errorf("%s: %d %s", bad, r.code, r.body)
		}
	}
}

// The trail tells who did what, done or refused, to those whom it concerns.
func TestAuditTrail(t *testing.T) {
	g := newGate(t)
	g.must(200, g.do("team", "PATCH", "/accounts/"+g.ids["leaf"], `{"alias":"l","limits":{"rpm":3}}`))
	g.must(422, g.do("team", "PATCH", "/accounts/"+g.ids["leaf"], `{"name":"4711"}`))
	g.must(201, g.do("root", "POST", "/channels", `{"provider":"openai","key":"sk-0123456789012345678901234567890"}`))
	g.must(201, g.do("team", "POST", "/keys", `{"account_id":"`+g.ids["leaf"]+`","name":"k"}`))
	list := func(who, query string) []string {
		t.Helper()
		var out []string
		for _, row := range g.must(200, g.do(who, "GET", "/audit"+query, ""))["data"].([]any) {
			e := row.(map[string]any)
			out = append(out, e["action"].(string)+" "+e["status"].(string))
		}
		return out
	}
	mine := []string{"key.create done", "account.change failed", "account.change done"}
	for who, want := range map[string][]string{"leaf": mine, "team": mine, "other": nil, "root": {mine[0], "channel.create done", mine[1], mine[2]}} {
		if d := cmp.Diff(want, list(who, "")); d != "" {
			t.Errorf("%s: %s", who, d)
		}
	}
	if d := cmp.Diff(mine, list("team", "?account_id="+g.ids["leaf"])); d != "" {
		t.Error(d)
	}
	if r := g.do("other", "GET", "/audit?account_id="+g.ids["leaf"], ""); r.code != 404 {
		t.Errorf("a stranger: %d", r.code)
	}
	r := g.do("root", "GET", "/audit", "")
	for _, says := range []string{`"details":{"alias":"l","limits":{"rpm":3}}`, `"object":"`, `"refused":"validation failed"`} {
		if !strings.Contains(r.body, says) {
			t.Errorf("%s is not in %s", says, r.body)
		}
	}
	if strings.Contains(r.body, "sk-01234") {
		t.Errorf("a secret is in the trail: %s", r.body)
	}
}

func TestLimitsInUse(t *testing.T) {
	g := newGate(t)
	g.must(200, g.do("root", "PATCH", "/accounts/"+g.ids["team"], `{"limits":{"rpm":10},"hard_limit":"50","model_limits":{"gpt-*":{"tpm":1000}}}`))
	g.must(200, g.do("root", "PATCH", "/accounts/"+g.ids["leaf"], `{"limits":{"concurrent":2}}`))
	call, refused := g.limits.Admit(time.Now(), []limit.Rule{{Subject: g.ids["team"], Limits: account.Limits{RPM: 10}}}, 0)
	if refused != nil {
		t.Fatal(refused)
	}
	defer call.Release()
	r := g.do("team", "GET", "/accounts/"+g.ids["team"]+"/limits", "")
	for _, says := range []string{`"scope":"account","what":"rpm","limit":10,"remaining":9,`, `"scope":"model","pattern":"gpt-*","what":"tpm","limit":1000,"remaining":1000`, `"limit":"50","spent":"1","held":"2"`} {
		if !strings.Contains(r.body, says) {
			t.Errorf("%s is not in %s", says, r.body)
		}
	}
	r = g.do("leaf", "GET", "/accounts/"+g.ids["leaf"]+"/limits", "")
	if !strings.Contains(r.body, `"what":"concurrent","limit":2,"remaining":2`) || strings.Contains(r.body, "rpm") {
		t.Errorf("leaf sees %s", r.body)
	}
	if r := g.do("team", "GET", "/accounts/"+g.ids["leaf"]+"/limits", ""); !strings.Contains(r.body, `"scope":"above","what":"rpm"`) {
		t.Errorf("team sees %s", r.body)
	}
}

// Every account that was there when the walk began comes exactly once, whatever is added meanwhile.
func TestPagesAreStable(t *testing.T) {
	g := newGate(t)
	want := map[string]bool{}
	for i := range 23 {
		want[g.must(201, g.do("root", "POST", "/accounts", fmt.Sprintf(`{"name":"a-%d"}`, i)))["id"].(string)] = true
	}
	for _, id := range g.ids {
		want[id] = true
	}
	seen := map[string]int{}
	after, extra := "", 0
	for range 100 {
		m := g.must(200, g.do("root", "GET", "/accounts?limit=5&after="+after, ""))
		if n := len(m["data"].([]any)); n > 5 {
			t.Fatalf("a page of %d", n)
		}
		for _, id := range column(m, "id") {
			seen[id]++
		}
		next, ok := m["next"].(string)
		if !ok {
			break
		}
		if extra < 7 {
			g.must(201, g.do("root", "POST", "/accounts", fmt.Sprintf(`{"name":"late-%d"}`, extra)))
			extra++
		}
		after = next
	}
	for id := range want {
		if seen[id] != 1 {
			t.Errorf("%s came %d times", id, seen[id])
		}
	}
	if len(seen) != len(want)+extra {
		t.Errorf("%d accounts came, want %d", len(seen), len(want)+extra)
	}
	if m := g.must(200, g.do("root", "GET", "/accounts?name=LATE-3", "")); len(column(m, "id")) != 1 {
		t.Errorf("by name: %v", m)
	}
	if m := g.must(200, g.do("root", "GET", "/accounts?parent_id="+g.ids["team"], "")); !same(column(m, "name"), []string{"leaf"}) {
		t.Errorf("below team: %v", m)
	}
}

func TestPagesOfKeysAndCalls(t *testing.T) {
	g := newGate(t)
	for range 6 {
		g.giveKey("leaf")
	}
	for i := range 7 {
		g.memory.calls = append(g.memory.calls, ledger.Call{ID: fmt.Sprintf("call-%d", 9-i), AccountID: g.ids["leaf"]})
	}
	for _, path := range []string{"/keys?limit=2", "/calls?limit=2"} {
		seen := map[string]bool{}
		after := ""
		for range 10 {
			m := g.must(200, g.do("leaf", "GET", path+after, ""))
			for _, id := range column(m, "id") {
				if seen[id] {
					t.Errorf("%s: %s came twice", path, id)
				}
				seen[id] = true
			}
			next, ok := m["next"].(string)
			if !ok {
				break
			}
			after = "&after=" + next
		}
		if len(seen) != 7 {
			t.Errorf("%s: %d rows, want 7", path, len(seen))
		}
	}
}

func TestCallsTellOfClientsThatLeft(t *testing.T) {
	g := newGate(t)
	g.memory.calls = []ledger.Call{{ID: "gone", AccountID: g.ids["leaf"], ClientGone: true}, {ID: "stayed", AccountID: g.ids["leaf"]}}
	for id, want := range map[string]any{"gone": true, "stayed": nil} {
		if m := g.must(200, g.do("leaf", "GET", "/calls/"+id, "")); m["client_gone"] != want {
			t.Errorf("%s: %v", id, m)
		}
	}
}

// Nothing but the answer to the POST that made a key ever holds it, and nothing ever holds a channel's.
func TestSecretsStayInside(t *testing.T) {
	g := newGate(t)
	const canary, second = "sk-canary-7d1f0c55e2b94a67-first", "sk-canary-7d1f0c55e2b94a67-second"
	id := g.addChannel(canary)
	plain := g.must(201, g.do("root", "POST", "/keys", `{"name":"k"}`))["secret"].(string)
	g.answer.Reset()
	if m := g.must(200, g.do("root", "GET", "/channels/"+id, "")); m["hint"] != "irst" {
		t.Errorf("hint: %v", m)
	}
	for _, r := range []struct{ method, path, body string }{
		{"PATCH", "/channels/" + id, `{"key":"` + second + `"}`},
		{"PATCH", "/channels/" + id, `{"key":"` + canary + ` with a space"}`},
		{"PATCH", "/channels/" + id, `{"key":["` + canary + `"]}`},
		{"PATCH", "/channels/" + id, `{"key":"` + canary + `","colour":"red"}`},
		{"PATCH", "/channels/" + id, `{"key":"` + canary + ``},
		{"PATCH", "/channels/" + id, `{"key":"` + canary + strings.Repeat("x", 20001) + `"}`},
		{"POST", "/channels", `{"provider":"nobody","key":"` + canary + `"}`},
		{"POST", "/channels", `"` + canary + `"`},
		{"POST", "/channels/" + id + "/check", ``},
		{"GET", "/channels", ``},
		{"GET", "/channels/" + id, ``},
		{"GET", "/keys", ``},
		{"GET", "/me", ``},
		{"GET", "/accounts", ``},
		{"GET", "/status", ``},
		{"GET", "/calls", ``},
	} {
		g.do("root", r.method, r.path, r.body)
	}
	g.do("no-such-key-"+canary, "GET", "/me", "")
	g.do(plain, "GET", "/me", "")
	for where, text := range map[string]string{"answers": g.answer.String(), "log": g.log.String()} {
		for _, s := range []string{"sk-canary", plain, g.keys["root"]} {
			if strings.Contains(text, s) {
				t.Errorf("the %s hold %q: %s", where, s, text)
			}
		}
	}
	if g.memory.channels[id].Secret.Reveal() != second {
		t.Error("the new key was not taken, so this test shows nothing")
	}
	if log := g.log.String(); !strings.Contains(log, "change-channel") || !strings.Contains(log, "status=200") || strings.Contains(log, "status=0") {
		t.Errorf("changes are not logged, or without what came of them:\n%s", log)
	}
}

// A check retires a key that the provider refuses, and says so.
func TestCheckChannel(t *testing.T) {
	g := newGate(t)
	path := "/channels/" + g.addChannel("sk-0123456789012345678901234567890")
	if m := g.must(200, g.do("root", "POST", path+"/check", "")); m["ok"] != true {
		t.Errorf("%v", m)
	}
	g.memory.verdict = canon.Errorf(canon.KindTimeout, "no answer")
	if m := g.must(200, g.do("root", "POST", path+"/check", "")); m["ok"] != false || m["message"] != "no answer" || m["channel"].(map[string]any)["retired"] != false {
		t.Errorf("%v", m)
	}
	g.memory.verdict = canon.Errorf(canon.KindAuth, "bad key")
	g.must(200, g.do("root", "POST", path+"/check", ""))
	m := g.must(200, g.do("root", "GET", path, ""))
	if m["retired"] != true || !strings.Contains(m["reason"].(string), "bad key") || m["next_check"] == nil || m["retired_at"] == nil {
		t.Errorf("%v", m)
	}
	if got := column(g.must(200, g.do("root", "GET", "/channels?retired=true", "")), "id"); len(got) != 1 {
		t.Errorf("retired: %v", got)
	}
	m = g.must(200, g.do("root", "PATCH", path, `{"key":"sk-0123456789012345678901234567891"}`))
	if m["retired"] != false {
		t.Errorf("a new key: %v", m)
	}
}

// Nobody takes the key out of service that the request is made with.
func TestOwnKeyStays(t *testing.T) {
	g := newGate(t)
	own := "/keys/" + g.reg.Keys(g.ids["team"])[0].ID
	g.must(409, g.do("team", "DELETE", own, ""))
	g.must(409, g.do("team", "PATCH", own, `{"enabled":false}`))
	g.must(409, g.do("team", "PATCH", own, `{"expires_at":"2001-01-01T00:00:00Z"}`))
	g.must(200, g.do("team", "PATCH", own, `{"name":"mine"}`))
	g.must(204, g.do("root", "DELETE", own, ""))
	g.must(401, g.do("team", "GET", "/me", ""))
}

// The same key of a grant gives once, also when all come at the same time.
func TestGrantOnce(t *testing.T) {
	g := newGate(t)
	path := "/accounts/" + g.ids["leaf"] + "/credit"
	var wg sync.WaitGroup
	codes := make([]int, 16)
	for i := range codes {
		wg.Go(func() {
			r := request(g, path, `{"amount":"2.000000001","days":7}`, "k1")
			codes[i] = r
		})
	}
	wg.Wait()
	for _, c := range codes {
		if c != 201 {
			t.Errorf("answers: %v", codes)
			break
		}
	}
	if left := g.must(200, g.do("leaf", "GET", "/accounts/"+g.ids["leaf"]+"/balance", ""))["left"]; left != "2.000000001" {
		t.Errorf("left %v", left)
	}
	for body, code := range map[string]int{`{"amount":"2.000000001","days":7}`: 201, `{"amount":"2","days":7}`: 409, `{"amount":"2.000000001"}`: 409} {
		if c := request(g, path, body, "k1"); c != code {
			t.Errorf("%s again: %d, want %d", body, c, code)
		}
	}
	// The same text is another grant at another account, and without it each one counts.
	for _, c := range []int{
		request(g, "/accounts/"+g.ids["team"]+"/credit", `{"amount":"1"}`, "k1"),
		request(g, path, `{"amount":"1"}`, ""), request(g, path, `{"amount":"1"}`, ""),
	} {
		if c != 201 {
			t.Errorf("%d", c)
		}
	}
	if left := g.must(200, g.do("leaf", "GET", "/accounts/"+g.ids["leaf"]+"/balance", ""))["left"]; left != "4.000000001" {
		t.Errorf("left %v", left)
	}
}

// A receipt is recomputed, and says when it does not add up.
func TestReceipt(t *testing.T) {
	g := newGate(t)
	snap, err := catalog.NewSnapshot([]catalog.Model{{Name: "m", Price: &catalog.Price{Rates: catalog.Rates{Input: "2", Output: "10"}}}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := snap.Entry("m").Price(canon.Usage{Input: 1000, Output: 500})
	if err != nil {
		t.Fatal(err)
	}
	call := ledger.Call{ID: "c", AccountID: g.ids["leaf"], AtMillis: 1, Usage: canon.Usage{Input: 1000, Output: 500}, Receipt: &r, Cost: r.Total}
	g.memory.calls = []ledger.Call{call}
	m := g.must(200, g.do("leaf", "GET", "/receipts/c", ""))
	if m["total"] != "0.007" || m["recomputed"] != "0.007" || m["charged"] != "0.007" || m["equal"] != true || len(m["items"].([]any)) != 2 {
		t.Errorf("%v", m)
	}
	late := call
	late.ID = "late"
	g.memory.unstored = []ledger.Call{late}
	for _, path := range []string{"/receipts/late", "/calls/late"} { // of an answer that a client has just read
		if m := g.must(200, g.do("leaf", "GET", path, "")); m["account_id"] != g.ids["leaf"] {
			t.Errorf("%s: %v", path, m)
		}
	}
	g.must(404, g.do("leaf", "GET", "/receipts/none", ""))
	call.Cost++
	g.memory.calls = []ledger.Call{call}
	if m := g.must(200, g.do("leaf", "GET", "/receipts/c", "")); m["equal"] != false || m["charged"] != "0.007000001" || m["fault"] == nil {
		t.Errorf("charged more: %v", m)
	}
	call.Cost--
	bad := r
	bad.Items = append([]catalog.Item(nil), r.Items...)
	bad.Items[0].Quantity++
	call.Receipt = &bad
	g.memory.calls = []ledger.Call{call}
	if m := g.must(200, g.do("leaf", "GET", "/receipts/c", "")); m["equal"] != false || m["fault"] == nil {
		t.Errorf("another quantity: %v", m)
	}
	call.Receipt = &r
	call.Usage.Output++
	g.memory.calls = []ledger.Call{call}
	if m := g.must(200, g.do("leaf", "GET", "/receipts/c", "")); m["equal"] != false || m["fault"] == nil {
		t.Errorf("another usage: %v", m)
	}
}

func TestModels(t *testing.T) {
	g := newGate(t)
	put := g.must(200, g.do("root", "PUT", "/models/vendor%2Fm-1", `{"name":"vendor/m-1","aliases":["m-one"],"price":{"input":"1.25","output":"10"},"price_source":"https://example.com/prices","price_date":"2026-11-01"}`))
	if put["priced"] != true || put["origin"] != "api" || put["price_version"] == "" {
		t.Errorf("%v", put)
	}
	if m := g.must(200, g.do("leaf", "GET", "/models/vendor%2Fm-1", "")); m["price"].(map[string]any)["input"] != "1.25" || m["price_source"] != "https://example.com/prices" {
		t.Errorf("%v", m)
	}
	g.must(200, g.do("leaf", "GET", "/models/m-one", ""))
	g.must(204, g.do("root", "DELETE", "/models/vendor%2Fm-1", ""))
	g.must(404, g.do("leaf", "GET", "/models/vendor%2Fm-1", ""))
}
