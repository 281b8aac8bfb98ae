package app_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"tollgate/internal/simulator"
)

// behaving is translated, with the models NAME-WORD for words of the simulator.
func behaving(url string, behaviours map[string]string) string {
	var b strings.Builder
	b.WriteString("channels:\n")
	for _, u := range upstreams {
		fmt.Fprintf(&b, "  - {name: %s, provider: %s, base_url: %q, key: sk-%s-1, models: [\"%s-*\"], mapping: {", u.name, u.provider, url, u.name, u.name)
		for word, means := range behaviours {
			fmt.Fprintf(&b, "%s-%s: %q, ", u.name, word, u.model+means)
		}
		b.WriteString("}}\n")
	}
	b.WriteString("models:\n  - {name: \"*-*\", price: {input: \"1\", output: \"2\"}}\n")
	return b.String() + alice("10")
}

// leave makes a streamed call and hangs up: after so many bytes of the answer, or, with none, once the upstream was asked.
func leave(t *testing.T, g *gateway, path, body string, after int, asked func() bool) {
	t.Helper()
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+userKey)
	if after == 0 {
		go func() {
			for !asked() && t.Context().Err() == nil {
				time.Sleep(time.Millisecond)
			}
			hangUp()
		}()
	}
	resp, err := http.DefaultClient.Do(req)
	if after == 0 {
		if err == nil {
			_ = resp.Body.Close()
			t.Fatal("the answer came before the client hung up")
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadFull(resp.Body, make([]byte, after)); err != nil {
		t.Fatal(err)
	}
}

// A client that hangs up on a translated stream: an upstream that bills the whole answer all the same is read to its
// end, and billed as measured; another is let go, and what was delivered is billed.
func TestTranslatedHangUp(t *testing.T) {
	drains := map[string]bool{"chat": true, "gemini": true} // what their providers say of themselves
	foreign(func(name string, c wireClient, upstream string) {
		t.Run(name+" on "+upstream, func(t *testing.T) {
			t.Parallel()
			sim, url := simulate(t)
			words := "+events=2000+slow=20ms"
			if drains[upstream] {
				words = "+events=40+slow=5ms"
			}
			g := startGateway(t, behaving(url, map[string]string{"long": words}))
			path, body := c.ask(upstream+"-long", "hi", true, "")
			leave(t, g, path, body, 200, nil)
			line := g.onlyCall()
			var call simulator.Call
			for _, s := range counted(t, sim) {
				if s.Status == http.StatusOK {
					call = s
				}
			}
			if drains[upstream] {
				if !call.Complete || line["usage"] != "measured" || line["out"].(float64) != float64(call.Usage.Output+call.Usage.Reasoning) || line["nanos"].(float64) <= 0 {
					t.Errorf("the upstream served %+v, the log has %v", call, line)
				}
				return
			}
			if out := line["out"].(float64); call.Complete || call.Events > 1000 || line["error"] != "canceled" || line["usage"] == "measured" || out <= 0 || out > 10_000 || line["nanos"].(float64) <= 0 {
				t.Errorf("the upstream served %+v, the log has %v", call, line)
			}
		})
	})
}

// A client that leaves before anything of a translated answer has come: what the upstream had not begun to answer
// costs nothing where it is let go, and nothing is tried elsewhere for nobody.
func TestTranslatedHangUpBeforeContent(t *testing.T) {
	foreign(func(name string, c wireClient, upstream string) {
		t.Run(name+" on "+upstream, func(t *testing.T) {
			t.Parallel()
			_, url, gate := gated(t)
			g := startGateway(t, behaving(url, map[string]string{"late": "+events=5"}))
			path, body := c.ask(upstream+"-late", "hi", true, "")
			leave(t, g, path, body, 0, func() bool { return gate.asked.Load() > 0 })
			if upstream == "chat" || upstream == "gemini" { // who has begun, ends
				gate.open()
			}
			line := g.onlyCall()
			if n := gate.asked.Load(); n != 1 || line["attempts"].(float64) > 2 { // Google's own gateway for chats may have been asked
				t.Errorf("%d calls of the upstream: %v", n, line)
			}
			switch upstream {
			case "chat", "gemini": // is billed all the same
				if line["usage"] != "measured" || line["nanos"].(float64) <= 0 {
					t.Errorf("log: %v", line)
				}
			default:
				if line["error"] != "canceled" || line["nanos"].(float64) != 0 {
					t.Errorf("log: %v", line)
				}
			}
		})
	})
}

// A count that the upstream fails to give is estimated, and says so; what it refuses is refused. Neither is a paid call.
func TestTranslatedCountsThatFail(t *testing.T) {
	sim, url := simulate(t)
	g := startGateway(t, behaving(url, map[string]string{"failing": "+status=500", "limited": "+ratelimit", "gone": "+nomodel", "cut": "+cutbody", "html": "+html"}))
	for _, u := range upstreams {
		for _, word := range []string{"failing", "limited", "gone", "cut", "html"} {
			model := u.name + "-" + word
			for path, body := range map[string]string{
				"/v1/messages/count_tokens":                `{"model":"` + model + `","messages":[{"role":"user","content":"how many tokens are these"}]}`,
				"/v1beta/models/" + model + ":countTokens": `{"contents":[{"role":"user","parts":[{"text":"how many tokens are these"}]}]}`,
				"/v1/responses/input_tokens":               `{"model":"` + model + `","input":"how many tokens are these"}`,
			} {
				a := g.send("POST", path, body)
				if a.status != http.StatusOK || a.header.Get("X-Tollgate-Estimate") != "tokens" || !strings.Contains(strings.ToLower(a.body), "tokens") {
					t.Errorf("%s on %s: %d %s", path, model, a.status, a.body)
				}
			}
		}
	}
	for _, c := range counted(t, sim) {
		if c.Status == http.StatusOK && c.Endpoint != "count_tokens" && c.Endpoint != "countTokens" && c.Endpoint != "input_tokens" && c.Endpoint != "unknown" {
			t.Errorf("a paid call: %+v", c)
		}
	}
	for _, line := range g.lines("call") {
		if line["nanos"].(float64) != 0 {
			t.Errorf("log: %v", line)
		}
	}
}
