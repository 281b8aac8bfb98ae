package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// upstreams are channels that speak one dialect each, for models named after it.
var upstreams = []struct{ name, provider, model string }{
	{"chat", "openai-compatible", "gpt-4o"},
	{"responses", "openai", "gpt-4o-codex"}, // such names are served as responses alone
	{"messages", "anthropic", claude},
	{"gemini", "gemini", gemini},
}

// variants are the models of every upstream: what follows its name, and the words of the simulator.
var variants = map[string]string{
	"model": "", "many": "+tools=4", "thinker": "+reasoningtext", "long": "+events=60+slow=5ms", "slow": "+events=6+first=60ms+slow=30ms",
	"cut": "+events=30+cut=12", "garbled": "+events=30+garble=12", "failing": "+events=30+inband=12",
}

// crossFaults are the ways in which an upstream refuses. Each call has a channel of its own for it, as
// channels rest after some.
var crossFaults = []string{"status=400", "nomodel", "overloaded", "ratelimit", "quota", "invalidkey", "status=500"}

// faulty names the model whose channel has a fault for one SDK's calls.
func faulty(upstream, fault, sdk string, streamed bool) string {
	return fmt.Sprintf("%s-%s-%s-%v", upstream, strings.ReplaceAll(fault, "=", ""), sdk, streamed)
}

// crossConfig is a gateway whose every model is behind another dialect.
func crossConfig(sim string) string {
	var b strings.Builder
	b.WriteString("channels:\n")
	channel := func(name, provider, models, mapping string) {
		fmt.Fprintf(&b, "  - {name: %q, provider: %s, base_url: %q, key: \"sk-up-%s\", models: [%s], mapping: {%s}}\n", name, provider, sim, name, models, mapping)
	}
	for _, u := range upstreams {
		var names, maps []string
		for v, words := range variants {
			names = append(names, fmt.Sprintf("%q", u.name+"-"+v))
			maps = append(maps, fmt.Sprintf("%q: %q", u.name+"-"+v, u.model+words))
		}
		channel(u.name, u.provider, strings.Join(names, ", "), strings.Join(maps, ", "))
		channel(u.name+"-embed", u.provider, fmt.Sprintf("%q", u.name+"-embed"), fmt.Sprintf("%q: text-embedding-3-small", u.name+"-embed"))
		for _, fault := range crossFaults {
			for _, s := range sdks {
				for _, streamed := range []bool{false, true} {
					name := faulty(u.name, fault, s.name, streamed)
					channel(name, u.provider, fmt.Sprintf("%q", name), fmt.Sprintf("%q: %q", name, u.model+"+"+fault))
				}
			}
		}
	}
	b.WriteString("models:\n")
	for _, u := range upstreams {
		for _, f := range families {
			switch f.name {
			case u.model:
				fmt.Fprintf(&b, "  - {name: \"%s-*\", output_tokens: 16384, price: %s}\n", u.name, f.rate)
			case "text-embedding-3-small":
				fmt.Fprintf(&b, "  - {name: \"%s-embed\", ops: [%s], price: %s}\n", u.name, f.ops, f.rate)
			}
		}
	}
	fmt.Fprintf(&b, "accounts:\n  - {name: alice, credit: \"100\", keys: [{name: main, key: %s}]}\n", aliceKey)
	return b.String()
}

// crossGateway starts the gateway of crossConfig, once for all tests that need it.
func crossGateway(t *testing.T) *gateway {
	t.Helper()
	for _, g := range fix.all {
		if g.name == "cross" {
			return g
		}
	}
	g, err := startGateway("cross", crossConfig(fix.sim.base), "PING_AFTER=4ms")
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// wish is what a conversation is about.
type wish struct {
	model, system          string
	tools, weather, thinks bool
	max                    int64
	piece                  func() // called for every piece of a stream; nil: nobody
}

// turn is what the user of an SDK got for one call.
type turn struct {
	text, thoughts string
	sealed         bool // something came that upstreams check when it comes back
	calls          []toolCall
	stop           string // end, tools, length, or the SDK's own word
	id, model      string
	in, out        int64
	cached         int64
	reasoned       int64 // part of out; -1: this API does not tell
	header         http.Header
}

type toolCall struct{ id, name, args string }

// conversation is one SDK's, by its own types: what it got it sends back as its users do.
type conversation interface {
	say(text string, images ...string)                     // as the user; images are PNG in base64
	answer(result func(call toolCall) string)              // the calls of the last turn
	next(ctx context.Context, streamed bool) (turn, error) // with what came, when it broke off
}

// sdks are the clients, named as the upstreams of their own dialect.
var sdks = []struct {
	name string
	open func(t *testing.T, g *gateway, w wish) conversation
}{
	{"chat", openChat}, {"responses", openResponses}, {"messages", openMessages}, {"gemini", openGemini},
}

// cross runs f for every SDK on every upstream of another dialect, plain and streamed.
func cross(t *testing.T, f func(t *testing.T, c cell)) {
	g := crossGateway(t)
	for _, s := range sdks {
		for _, u := range upstreams {
			if s.name == u.name {
				continue
			}
			t.Run(s.name+" on "+u.name, func(t *testing.T) {
				bothWays(t, func(t *testing.T, streamed bool) {
					f(t, cell{g, s.name, u.name, streamed, func(w wish) conversation { return s.open(t, g, w) }})
				})
			})
		}
	}
}

// cell is one SDK on one upstream.
type cell struct {
	g             *gateway
	sdk, upstream string
	streamed      bool
	open          func(w wish) conversation
}

// next makes a call that must succeed, and compares its usage with the simulator's count.
func (c cell) next(t *testing.T, talk conversation) turn {
	t.Helper()
	got, err := talk.next(t.Context(), c.streamed)
	if err != nil {
		t.Fatal(err)
	}
	s := fix.sim.answered(t, requestID(t, got.header))
	if got.in != s.Usage.in() || got.out != s.Usage.out() || got.cached != s.Usage.CacheRead || got.reasoned >= 0 && got.reasoned != s.Usage.Reasoning {
		t.Errorf("told %+v, the simulator counted %+v", got, s.Usage)
	}
	if got.id == "" || got.model == "" || strings.Contains(got.id+got.model, s.Model) {
		t.Errorf("id %q of model %q", got.id, got.model)
	}
	return got
}

// same compares the streamed answer with the plain one, by what was told but not by ids.
func (c cell) same(t *testing.T, got turn, plain conversation) {
	t.Helper()
	if !c.streamed {
		return
	}
	c.streamed = false
	want := c.next(t, plain)
	bare := func(calls []toolCall) (out []toolCall) {
		for _, call := range calls {
			out = append(out, toolCall{name: call.name, args: call.args})
		}
		return out
	}
	if got.text != want.text || got.thoughts != want.thoughts || got.stop != want.stop || got.in != want.in || got.out != want.out ||
		got.sealed != want.sealed || !slices.Equal(bare(got.calls), bare(want.calls)) {
		t.Errorf("streamed %+v\nplain    %+v", got, want)
	}
}

// talkAbout opens two like conversations.
func (c cell) talkAbout(w wish, text string, images ...string) (talk, twin conversation) {
	talk, twin = c.open(w), c.open(w)
	talk.say(text, images...)
	twin.say(text, images...)
	return talk, twin
}

func TestCrossText(t *testing.T) {
	cross(t, func(t *testing.T, c cell) {
		model := c.upstream + "-model"
		talk, twin := c.talkAbout(wish{model: model, system: "You keep a lighthouse."}, `echo: the "gate" <is> open — 門が開いた`)
		got := c.next(t, talk)
		if got.text != `the "gate" <is> open — 門が開いた` || got.stop != "end" || got.model != model || got.thoughts != "" {
			t.Errorf("%+v", got)
		}
		c.same(t, got, twin)
		talk.say("echo: and a second turn")
		if second := c.next(t, talk); second.text != "and a second turn" || second.in <= got.in || second.id == got.id {
			t.Errorf("%+v after %+v", second, got)
		}
		talk, twin = c.talkAbout(wish{model: model, max: 16}, "Tell me a long story.")
		got = c.next(t, talk)
		if got.stop != "length" || got.out != 16 || got.text == "" {
			t.Errorf("%+v", got)
		}
		c.same(t, got, twin)
	})
}

func TestCrossVision(t *testing.T) {
	cross(t, func(t *testing.T, c cell) {
		talk, twin := c.talkAbout(wish{model: c.upstream + "-model"}, "What do you see?", pixel)
		got := c.next(t, talk)
		if !strings.Contains(got.text, "I received 1: image image/png") || !strings.Contains(got.text, "1x1") {
			t.Errorf("%q", got.text)
		}
		c.same(t, got, twin)
	})
}

func TestCrossStructured(t *testing.T) {
	cross(t, func(t *testing.T, c cell) {
		talk, twin := c.talkAbout(wish{model: c.upstream + "-model", weather: true}, "The weather as JSON.")
		got := c.next(t, talk)
		checkWeather(t, got.text)
		c.same(t, got, twin)
	})
}

// The signs of life of a slow stream disturb no SDK.
func TestCrossSlow(t *testing.T) {
	cross(t, func(t *testing.T, c cell) {
		talk, twin := c.talkAbout(wish{model: c.upstream + "-slow"}, "Tell me a story.")
		got := c.next(t, talk)
		if got.text == "" || got.stop != "end" {
			t.Errorf("%+v", got)
		}
		c.same(t, got, twin)
	})
	for path, sign := range map[string]string{"/v1/chat/completions": "\n: ping\n", "/v1/messages": "\nevent: ping\n"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, crossGateway(t).base+path,
			strings.NewReader(`{"model":"gemini-slow","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"Hello."}]}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+aliceKey)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if status, body, _ := readAll(t, resp); status != http.StatusOK || !strings.Contains(body, sign) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}
