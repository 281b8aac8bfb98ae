package app_test

import (
	"fmt"
	"strings"
	"testing"
)

// Names that a client makes up and the catalogue prices by a pattern count as that pattern, however many they are, and
// models of the catalogue keep labels of their own.
func TestMetricsLabelEntries(t *testing.T) {
	_, url := simulate(t)
	const prices = `price: {input: "1", output: "2"}`
	g := startGateway(t, "models:\n  - {name: \"made-*\", "+prices+"}\n  - {name: named, aliases: [nick], "+prices+"}\nchannels:\n"+
		fmt.Sprintf("  - {name: c, provider: simulator, base_url: %q, key: sk-up, models: [\"*\"], mapping: {\"*\": sim-gpt}}\n", url)+alice("10"))
	ask := func(model string) {
		t.Helper()
		if a := g.send("POST", "/v1/chat/completions", `{"model":"`+model+`","messages":[{"role":"user","content":"hi"}]}`); a.status != 200 {
			t.Fatalf("%s: %d %s", model, a.status, a.body)
		}
	}
	const names = 250 // more than there is room for
	for i := range names {
		ask(fmt.Sprint("made-up-", i))
	}
	ask("named")
	ask("nick")
	metrics := g.asRoot("GET", "/metrics", "").body
	for model, n := range map[string]int{"made-*": names, "named": 2} {
		if want := fmt.Sprintf(`tollgate_calls_total{dialect="openaichat",error="",model=%q,op="generate",status="2xx"} %d`+"\n", model, n); !strings.Contains(metrics, want) {
			t.Errorf("lacks %s", want)
		}
	}
	if n := strings.Count(metrics, "tollgate_calls_total{"); n != 2 {
		t.Errorf("%d series of calls", n)
	}
}
