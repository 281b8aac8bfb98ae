package simulator_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tollgate/internal/simulator"
)

func TestCounts(t *testing.T) {
	t.Parallel()
	u := start(t, simulator.Config{MaxCalls: 3})
	chat := func(words, id string) {
		u.post("/v1/chat/completions", `{"model":"m`+words+`","messages":[{"role":"user","content":"echo: four"}]}`, "X-Client-Request-Id", id)
	}
	chat("", "a")
	u.post("/v1/messages", `{"model":"c","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"echo: four"}]}`, "X-Client-Request-Id", "b")
	u.key = "sk-bad-000000"
	chat("+status=500", "c")
	chat("+cut=0", "d")

	var want []simulator.Call
	want = append(want,
		simulator.Call{Seq: 2, Key: "abcdef", CallID: "b", Dialect: "anthropic", Endpoint: "messages", Model: "c", Stream: true, Status: 200, Events: 7, Complete: true, Reported: true, Usage: simulator.Usage{Input: 3, Output: 1}},
		simulator.Call{Seq: 3, Key: "000000", CallID: "c", Dialect: "openaichat", Endpoint: "chat.completions", Model: "m+status=500", Status: 500, Complete: true},
		simulator.Call{Seq: 4, Key: "000000", CallID: "d", Dialect: "openaichat", Endpoint: "chat.completions", Model: "m+cut=0", Status: 200, Usage: simulator.Usage{Input: 3, Output: 1}},
	)
	opts := cmpopts.IgnoreFields(simulator.Call{}, "At", "Took", "AnswerID")
	if diff := cmp.Diff(want, u.Calls(0), opts); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if got := u.Calls(3); len(got) != 1 || got[0].CallID != "d" {
		t.Errorf("calls since 3 are %+v", got)
	}
	st := u.Stats()
	if st.Calls != 4 || st.Complete != 3 || st.Dropped != 1 || st.Status["200"] != 3 || st.Status["500"] != 1 || st.Keys["abcdef"].Usage != (simulator.Usage{Input: 6, Output: 2}) || st.Keys["000000"].Complete != 1 {
		t.Errorf("stats are %+v", st)
	}

	u.key = ""
	lines := strings.Split(strings.TrimSpace(u.get("/sim/calls?since=2").body), "\n")
	if len(lines) != 2 || num(tree(t, lines[0]), "seq") != 3 || str(tree(t, lines[1]), "call_id") != "d" {
		t.Errorf("/sim/calls gave %q", lines)
	}
	if m := tree(t, u.get("/sim/stats").body); num(m, "calls") != 4 || num(m, "keys", "abcdef", "status", "200") != 2 {
		t.Errorf("/sim/stats gave %v", m)
	}
	if a := u.do(t.Context(), http.MethodDelete, "/sim/calls", ""); a.status != 204 || u.Stats().Calls != 0 || len(u.Calls(0)) != 0 {
		t.Errorf("DELETE /sim/calls gave %d and left %+v", a.status, u.Stats())
	}
	if a := u.get("/sim/calls?since=x"); a.status != 400 {
		t.Errorf("since=x gave %d", a.status)
	}
}

// TestKeysStayPrivate makes sure that no record tells more of a key than its end.
func TestKeysStayPrivate(t *testing.T) {
	t.Parallel()
	u := start(t, simulator.Config{Keys: []string{"other"}})
	u.key = "sk-very-secret-thing-123456"
	a := u.post("/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"x"}]}`)
	u.key = ""
	for where, text := range map[string]string{"the answer": a.body, "calls": u.get("/sim/calls").body, "stats": u.get("/sim/stats").body} {
		if strings.Contains(text, "secret") {
			t.Errorf("%s tells the key: %s", where, text)
		}
		if !strings.Contains(text, "123456") {
			t.Errorf("%s does not tell the end of the key: %s", where, text)
		}
	}
}

func TestRedirectsAreCounted(t *testing.T) {
	t.Parallel()
	u := start(t, simulator.Config{})
	u.get("/sim/redirected")
	if c := u.last(); c.Endpoint != "redirected" || c.Key != "abcdef" {
		t.Errorf("recorded %+v", c)
	}
}
