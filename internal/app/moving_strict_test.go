package app_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"tollgate/internal/simulator"
)

// What models of other vendors have sealed is left out of a request also where its channel speaks the client's own
// dialect. That is told like any loss, and no reason to refuse a strict caller: the gateway itself put it into the
// conversation, and it goes home when the conversation does.
func TestSealsThatStayBehindAreTold(t *testing.T) {
	sim, url := simulate(t)
	g := startGateway(t, behaving(url, map[string]string{"thinks": "+reasoning"}))
	for name, talk := range talks() {
		for _, upstream := range []string{"claude", "gemini", "responses"} {
			if upstream == name || name == "chat" && upstream == "responses" { // that seals nothing for whom does not ask to see it
				continue
			}
			at := name + " from " + upstream
			turns := []any{talk.say("get_weather please")}
			path, body := talk.request(upstream+"-thinks", turns)
			if name == "claude" {
				body["thinking"] = obj{"type": "adaptive"}
			}
			a := g.send("POST", path, marshal(t, body))
			var got map[string]any
			if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK {
				t.Fatalf("%s: %d %v %s", at, a.status, err, a.body)
			}
			more, calls := talk.heard(got)
			turns = append(append(turns, more...), talk.results(calls)...)
			series := `tollgate_translation_losses_total{dialect="` + string(dialectOf(t, name)) + `",feature="reasoning.seal",kind="lost",spoken="` + string(dialectOf(t, name)) + `"} `
			before := metric(g, series)
			path, body = talk.request(name+"-thinks", turns)
			home := g.send("POST", path, marshal(t, body), "X-Tollgate-Strict", "true", "Authorization", "Bearer "+userKey)
			if told := home.header.Get("X-Tollgate-Loss"); home.status != http.StatusOK || !strings.Contains(told, "reasoning.seal lost") {
				t.Errorf("%s: %d, told %q: %.300s", at, home.status, told, home.body)
			}
			if metric(g, series) <= before {
				t.Errorf("%s: not counted", at)
			}
			if list := marshal(t, g.recorded(home)["losses"]); !strings.Contains(list, "reasoning.seal lost") {
				t.Errorf("%s: recorded %s", at, list)
			}
			// Back where the thoughts come from, nothing stays behind.
			path, body = talk.request(upstream+"-thinks", turns)
			back := g.send("POST", path, marshal(t, body))
			if told := back.header.Get("X-Tollgate-Loss"); back.status != http.StatusOK || strings.Contains(told, "reasoning.seal") {
				t.Errorf("%s, back: %d, told %q: %.300s", at, back.status, told, back.body)
			}
			// A call without such thoughts has nothing to tell.
			path, body = talk.request(name+"-thinks", []any{talk.say("hi")})
			if plain := g.send("POST", path, marshal(t, body)); plain.status != http.StatusOK || plain.header.Get("X-Tollgate-Loss") != "" {
				t.Errorf("%s, plain: %d %v", at, plain.status, plain.header)
			}
		}
	}
	for _, c := range slices.DeleteFunc(counted(t, sim), func(c simulator.Call) bool { return c.Endpoint == "unknown" }) {
		if c.Status != http.StatusOK {
			t.Errorf("an upstream refused: %+v", c)
		}
	}
}

// A call that a model without signatures made has none for Gemini models either. At home a placeholder stands for it
// where the request is written anew, which is told, and lets a strict caller go on.
func TestPlaceholdersAreTold(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, behaving(url, map[string]string{"thinks": "+reasoning"}))
	talk := talks()["gemini"]
	turns := []any{talk.say("get_weather please")}
	for _, upstream := range []string{"claude", "claude"} {
		path, body := talk.request(upstream+"-thinks", turns)
		a := g.send("POST", path, marshal(t, body))
		var got map[string]any
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK {
			t.Fatalf("%s: %d %v %s", upstream, a.status, err, a.body)
		}
		more, calls := talk.heard(got)
		turns = append(turns, more...)
		if len(calls) > 0 {
			turns = append(turns, talk.results(calls)...)
		}
	}
	unsigned := obj{"role": "model", "parts": []any{obj{"functionCall": obj{"name": "get_weather", "args": obj{"city": "Oslo"}}}}}
	result := obj{"role": "user", "parts": []any{obj{"functionResponse": obj{"name": "get_weather", "response": obj{"output": "cold"}}}}}
	path, body := talk.request("gemini-thinks", append(turns, talk.say("and get_weather again"), unsigned, result))
	a := g.send("POST", path, marshal(t, body), "X-Tollgate-Strict", "true", "Authorization", "Bearer "+userKey)
	if told := a.header.Get("X-Tollgate-Loss"); a.status != http.StatusOK || !strings.Contains(told, "reasoning.seal lost") || !strings.Contains(told, "reasoning.seal changed") {
		t.Errorf("%d, told %q: %.300s", a.status, told, a.body)
	}
}

// So it goes in translation: a strict caller may go on at a Gemini model with a conversation whose calls were made
// elsewhere, or whose client lets go of signatures.
func TestPlaceholdersPassInTranslation(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, behaving(url, map[string]string{"thinks": "+reasoning"}))
	for _, name := range []string{"chat", "responses", "claude"} {
		talk := talks()[name]
		turns := []any{talk.say("get_weather please")}
		path, body := talk.request("chat-thinks", turns) // which seals nothing
		a := g.send("POST", path, marshal(t, body))
		var got map[string]any
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK {
			t.Fatalf("%s: %d %v %s", name, a.status, err, a.body)
		}
		more, calls := talk.heard(got)
		turns = append(append(turns, more...), talk.results(calls)...)
		path, body = talk.request("gemini-thinks", turns)
		a = g.send("POST", path, marshal(t, body), "X-Tollgate-Strict", "true", "Authorization", "Bearer "+userKey)
		if told := a.header.Get("X-Tollgate-Loss"); a.status != http.StatusOK || !strings.Contains(told, "reasoning.seal changed") {
			t.Errorf("%s: %d, told %q: %.300s", name, a.status, told, a.body)
		}
	}
}
