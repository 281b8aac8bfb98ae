package app_test

import (
	"fmt"
	"strings"
	"testing"

	"tollgate/internal/secret"
	"tollgate/internal/store/sqlstore"
	"tollgate/internal/store/storetest"
)

// pair is two gateways on one database.
func pair(t *testing.T, url string) (one, two *gateway) {
	t.Helper()
	return pairOn(t, url, storetest.Postgres(t))
}

func pairOn(t *testing.T, url, dsn string) (one, two *gateway) {
	t.Helper()
	env := []string{"SQL_DSN=" + dsn, "TOLLGATE_MASTER_KEY=" + strings.Repeat("0123456789abcdef", 4)}
	yaml := "channels:\n" + member("c", "simulator", url, "sk-up", "")
	return startGateway(t, yaml, env...), startGateway(t, yaml, env...)
}

// as sends a call with this key.
func (g *gateway) as(key, body string) answer {
	g.t.Helper()
	return g.send("POST", "/v1/chat/completions", body, "Authorization", "Bearer "+key)
}

// soon waits until a call with this key is answered with the status.
func (g *gateway) soon(what, key, body string, status int) {
	g.t.Helper()
	waitFor(g.t, what, func() bool { return g.as(key, body).status == status })
}

// What is changed at one gateway holds at the other on the same database, without a restart.
func TestChangesReachOtherGateways(t *testing.T) {
	t.Parallel() // it waits most of the time
	_, url := simulate(t)
	one, two := pair(t, url)

	ann := one.asRoot("POST", "/api/v1/accounts", `{"name":"ann","role":"manager"}`).decode(t, 201)["id"].(string)
	// A request to the other's management API needs no second: it knows what was answered before.
	two.asRoot("POST", "/api/v1/accounts/"+ann+"/credit", `{"amount":"5"}`).decode(t, 201)
	made := two.asRoot("POST", "/api/v1/keys", `{"account_id":"`+ann+`","name":"laptop"}`).decode(t, 201)
	key, id := made["secret"].(string), made["id"].(string)
	for _, g := range []*gateway{one, two} {
		g.soon("a new account, its credit and its key", key, hello, 200)
	}

	t.Run("keys", func(t *testing.T) {
		fresh := one.asRoot("POST", "/api/v1/keys/"+id+"/rotate", `{}`).decode(t, 200)["secret"].(string)
		two.soon("a replaced key to stop", key, hello, 401)
		two.soon("the one that took its place", fresh, hello, 200)
		key = fresh
		other := one.asRoot("POST", "/api/v1/keys", `{"account_id":"`+ann+`","name":"other"}`).decode(t, 201)
		two.soon("a further key", other["secret"].(string), hello, 200)
		two.asRoot("PATCH", "/api/v1/keys/"+other["id"].(string), `{"enabled":false}`).decode(t, 200)
		one.soon("a key that was switched off", other["secret"].(string), hello, 401)
		two.asRoot("PATCH", "/api/v1/keys/"+other["id"].(string), `{"enabled":true}`).decode(t, 200)
		one.soon("a key that was switched on", other["secret"].(string), hello, 200)
		if a := one.asRoot("DELETE", "/api/v1/keys/"+other["id"].(string), ""); a.status != 204 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		two.soon("a deleted key to stop", other["secret"].(string), hello, 401)
	})
	t.Run("accounts", func(t *testing.T) {
		one.asRoot("PATCH", "/api/v1/accounts/"+ann, `{"models":["sim-claude"]}`).decode(t, 200)
		two.soon("a model that was taken away", key, hello, 404)
		one.asRoot("PATCH", "/api/v1/accounts/"+ann, `{"models":[]}`).decode(t, 200)
		two.soon("a model that was given back", key, hello, 200)
		one.asRoot("PATCH", "/api/v1/accounts/"+ann, `{"enabled":false}`).decode(t, 200)
		two.soon("a disabled account to stop", key, hello, 403)
		one.asRoot("PATCH", "/api/v1/accounts/"+ann, `{"enabled":true}`).decode(t, 200)
		two.soon("an enabled account", key, hello, 200)

		// A tree that moves below a disabled account stops; what hangs below it moved too.
		off := one.asRoot("POST", "/api/v1/accounts", `{"name":"off","role":"manager","enabled":false}`).decode(t, 201)["id"].(string)
		ben := one.asRoot("POST", "/api/v1/accounts", `{"name":"ben","parent_id":"`+ann+`"}`).decode(t, 201)["id"].(string)
		one.asRoot("POST", "/api/v1/accounts/"+ann+"/move", `{"parent_id":"`+off+`"}`).decode(t, 200)
		two.soon("an account below a disabled one to stop", key, hello, 403)
		if path := two.asRoot("GET", "/api/v1/accounts/"+ben, "").decode(t, 200)["path"]; path != ".root."+off+"."+ann+"."+ben+"." {
			t.Errorf("what is below the moved one is at %v", path)
		}
		one.asRoot("POST", "/api/v1/accounts/"+ann+"/move", `{"parent_id":"root"}`).decode(t, 200)
		two.soon("an account that moved back", key, hello, 200)
	})
	t.Run("limits", func(t *testing.T) {
		one.asRoot("PATCH", "/api/v1/accounts/"+ann, `{"hard_limit":"0.000001"}`).decode(t, 200)
		two.soon("a monthly limit", key, hello, 429)
		one.asRoot("PATCH", "/api/v1/accounts/"+ann, `{"hard_limit":"0"}`).decode(t, 200)
		two.soon("no monthly limit", key, hello, 200)
	})
	t.Run("x-users", func(t *testing.T) {
		x := one.asRoot("POST", "/x-users", `{"Name":"carl","Email":"carl@example.com","CreditGranted":3}`).decode(t, 200)["User"].(map[string]any)
		two.soon("an account of the old API", x["SecretKey"].(string), hello, 200)
		two.asRoot("PUT", "/x-users/carl", `{"Status":false}`).decode(t, 200)
		one.soon("it to stop", x["SecretKey"].(string), hello, 403)
	})
	t.Run("channels, models and settings", func(t *testing.T) {
		const house = `{"model":"house-1","messages":[{"role":"user","content":"hi"}]}`
		ch := one.asRoot("POST", "/api/v1/channels", fmt.Sprintf(`{"name":"h","provider":"simulator","base_url":%q,"key":"sk-house","models":["house-*"],"mapping":{"house-1":"sim-gpt"}}`, url)).decode(t, 201)["id"].(string)
		one.asRoot("PUT", "/api/v1/models/house-1", `{"name":"house-1","price":{"input":"1","output":"2"}}`).decode(t, 200)
		two.soon("a channel and a price", key, house, 200)
		two.asRoot("POST", "/x-config", `{"MODEL_MAPPER":"nick=house-1"}`).decode(t, 200)
		one.soon("a mapping", key, strings.Replace(house, "house-1", "nick", 1), 200)
		two.asRoot("PATCH", "/api/v1/channels/"+ch, `{"enabled":false}`)
		waitFor(t, "a channel that was switched off", func() bool { return one.as(key, house).status >= 400 })
		two.asRoot("PATCH", "/api/v1/channels/"+ch, `{"enabled":true}`)
		one.soon("a channel that was switched on", key, house, 200)
	})
	if a := one.asRoot("DELETE", "/api/v1/accounts/"+ann+"?below=true", ""); a.status != 204 {
		t.Errorf("%d %s", a.status, a.body)
	}
	two.soon("a deleted account to stop", key, hello, 401)
}

// A gateway that was away for so long that nobody knows what it missed reads everything again.
func TestForgottenChangesReachOtherGateways(t *testing.T) {
	t.Parallel() // it waits most of the time
	_, url := simulate(t)
	dsn := storetest.Postgres(t)
	one, two := pairOn(t, url, dsn)
	master, err := secret.ParseMaster(strings.Repeat("0123456789abcdef", 4))
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := secret.NewSealer(master)
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DSN: dsn, Sealer: sealer})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	const house = `{"model":"house-1","messages":[{"role":"user","content":"hi"}]}`
	gone := one.asRoot("POST", "/x-users", `{"Name":"gone","Email":"gone@example.com","CreditGranted":5}`).decode(t, 200)["User"].(map[string]any)["SecretKey"].(string)
	two.soon("the first account", gone, hello, 200)
	var keys []string
	// Each is forgotten as soon as it was made; a look of the other gateway rarely comes between.
	waitFor(t, "a gateway that missed something", func() bool {
		name := fmt.Sprint("user", len(keys))
		made := one.asRoot("POST", "/x-users", `{"Name":"`+name+`","Email":"`+name+`@example.com","CreditGranted":5}`).decode(t, 200)
		keys = append(keys, made["User"].(map[string]any)["SecretKey"].(string))
		if len(keys) == 1 {
			one.asRoot("POST", "/api/v1/channels", fmt.Sprintf(`{"name":"h","provider":"simulator","base_url":%q,"key":"sk-house","models":["house-*"],"mapping":{"house-1":"sim-gpt"}}`, url)).decode(t, 201)
			one.asRoot("PUT", "/api/v1/models/house-1", `{"name":"house-1","price":{"input":"1","output":"2"}}`).decode(t, 200)
			one.asRoot("POST", "/x-config", `{"MODEL_MAPPER":"nick=house-1"}`).decode(t, 200)
			one.asRoot("DELETE", "/x-users/gone", "").decode(t, 200)
		}
		if _, err := store.ForgetChanges(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		return len(two.lines("this gateway did not follow the changes of others for long; it reads everything again")) > 0
	})
	for i, key := range keys {
		two.soon(fmt.Sprint("account ", i), key, hello, 200)
	}
	two.soon("a channel, a price and a mapping", keys[0], strings.Replace(house, "house-1", "nick", 1), 200)
	two.soon("a deleted account to stop", gone, hello, 401)
}
