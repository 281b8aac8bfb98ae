package pool

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/internal/canon"
)

func weighing(n int) func(*Channel)            { return func(c *Channel) { c.Weight = n } }
func at(priority int) func(*Channel)           { return func(c *Channel) { c.Priority = priority } }
func pools(names ...string) func(*Channel)     { return func(c *Channel) { c.Pools = names } }
func models(patterns ...string) func(*Channel) { return func(c *Channel) { c.Models = patterns } }
func of(provider string) func(*Channel)        { return func(c *Channel) { c.Provider = provider } }
func disabled(c *Channel)                      { c.Enabled = false }

func renamed(pairs ...string) func(*Channel) {
	return func(c *Channel) {
		c.Mapping = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			c.Mapping[pairs[i]] = pairs[i+1]
		}
	}
}

// Of every run of calls, each channel gets its share to within two calls.
func TestShares(t *testing.T) {
	b := newBench(t, nil, channel("a", weighing(3)), channel("b", weighing(1)), channel("c")) // 0 counts as 1
	got := map[string]int{}
	for n := 1; n <= 5000; n++ {
		got[b.next(want).Channel.ID]++
		for id, weight := range map[string]int{"a": 3, "b": 1, "c": 1} {
			if off := 5*got[id] - weight*n; off < -10 || off > 10 {
				t.Fatalf("after %d calls: %v", n, got)
			}
		}
	}
	if diff := cmp.Diff(map[string]int{"a": 3000, "b": 1000, "c": 1000}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSharesOfAnyWeights(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(1, 20), 1, 6).Draw(rt, "weights")
		var rows []Channel
		sum := 0
		for i, w := range weights {
			rows = append(rows, channel(name("c", i), weighing(w)))
			sum += w
		}
		b := newBench(t, nil, rows...)
		const rounds = 20
		got := b.counts(rounds * sum)
		for i, w := range weights {
			if n := got[name("c", i)]; n < rounds*w-1 || n > rounds*w+1 {
				rt.Fatalf("weights %v: %v", weights, got)
			}
		}
	})
}

// Who comes back from a rest does not get the turns that it missed.
func TestNoTurnsAreMadeUpFor(t *testing.T) {
	b := newBench(t, nil, channel("a"), channel("b"))
	l := b.next(want)
	l.Failed(&canon.Error{Kind: canon.KindRateLimited, RetryAfter: time.Minute}, b.clock)
	rested := l.Channel.ID
	if got := b.counts(100); got[rested] != 0 {
		t.Fatalf("%s was barred: %v", rested, got)
	}
	b.clock = b.clock.Add(time.Minute)
	if got := b.counts(100); got[rested] < 49 || got[rested] > 51 {
		t.Errorf("%v, want about 50 each", got)
	}
}

func TestOrderOfTiersAndPools(t *testing.T) {
	b := newBench(t, nil,
		channel("low", at(-1)), channel("high", at(5)), channel("mid"),
		channel("x-top", pools("x"), at(99)), channel("x-low", pools("x")), channel("both", pools("x", DefaultPool), at(4)), channel("off", at(100), disabled))
	for _, c := range []struct {
		pools string
		want  []string
	}{
		{"", []string{"high", "both", "mid", "low"}},
		{"default", []string{"high", "both", "mid", "low"}},
		{"default x", []string{"high", "both", "mid", "low", "x-top", "x-low"}},
		{"x default", []string{"x-top", "both", "x-low", "high", "mid", "low"}},
		{"nowhere x", []string{"x-top", "both", "x-low"}},
	} {
		w := want
		w.Pools = c.pools
		if diff := cmp.Diff(c.want, b.order(w)); diff != "" {
			t.Errorf("pools %q: %s", c.pools, diff)
		}
	}
}

func TestUpstreamNames(t *testing.T) {
	c := channel("c", renamed("gpt-5", "exact", "gpt-*", "short", "gpt-5-*", "long", "GPT-6", "folded", "*-x", "suffix"))
	for model, want := range map[string]string{
		"gpt-5": "exact", "gpt-5-mini": "long", "gpt-4": "short", "GPT-4": "short", "gpt-6": "folded", "claude-x": "suffix", "claude": "claude", "": "",
	} {
		if got := c.upstream(model); got != want {
			t.Errorf("%q goes as %q, want %q", model, got, want)
		}
	}
	b := newBench(t, nil, c)
	w := want
	w.Model = "gpt-5-nano"
	if l := b.next(w); l.Upstream != "long" {
		t.Errorf("leased as %q", l.Upstream)
	}
}

func TestServes(t *testing.T) {
	b := newBench(t, nil,
		channel("list", models("claude-*", "solo"), renamed("alias", "solo"), pools("a")),
		channel("vendor", of("picky"), pools("b")),
		channel("anything", pools("c")),
		channel("off", pools("d"), disabled),
		channel("free", of("home"), models("llama"), pools("e")))
	for _, c := range []struct{ pool, yes, no string }{
		{"a", "claude-5 CLAUDE-5 solo alias", "gpt-5 claude solos"},
		{"b", "gpt-5 o3", "o3-mini claude-5"},
		{"c", "gpt-5 whatever", ""},
		{"d", "", "gpt-5"},
		{"nowhere", "", "gpt-5"},
	} {
		for _, m := range strings.Fields(c.yes) {
			if !b.Serves([]string{"nowhere", c.pool}, m) {
				t.Errorf("pool %s does not serve %s", c.pool, m)
			}
			w := want
			w.Pools, w.Model = c.pool, m
			if _, err := b.Route(w); err != nil {
				t.Errorf("pool %s, model %s: %v", c.pool, m, err)
			}
		}
		for _, m := range strings.Fields(c.no) {
			if b.Serves([]string{c.pool}, m) {
				t.Errorf("pool %s serves %s", c.pool, m)
			}
			w := want
			w.Pools, w.Model = c.pool, m
			if _, err := b.Route(w); err == nil {
				t.Errorf("pool %s routes %s", c.pool, m)
			}
		}
	}
	if b.Serves(nil, "gpt-5") {
		t.Error("the default pool is empty")
	}
	if diff := cmp.Diff([]string{"alias", "llama", "solo"}, b.Named([]string{"a", "b", "d", "e"})); diff != "" {
		t.Error(diff)
	}
	if !b.OnlyFree([]string{"e", "a"}, "llama") || b.OnlyFree([]string{"e", "c"}, "llama") || b.OnlyFree([]string{"e"}, "gpt-5") {
		t.Error("a model is free if it is served, and by free providers alone")
	}
}

func TestNoRoute(t *testing.T) {
	b := newBench(t, nil, channel("p", of("picky"), pools("b")), channel("a", models("only"), pools("a")))
	long := strings.Repeat("é", 4000)
	for _, c := range []struct {
		w    Want
		kind canon.Kind
		code string
	}{
		{Want{Model: "gpt-5", Dialect: canon.OpenAIChat, Op: canon.OpGenerate}, canon.KindOverloaded, ""},
		{Want{Model: "x", Dialect: canon.OpenAIChat, Op: canon.OpGenerate, Pools: "a"}, canon.KindNotFound, "model_not_found"},
		{Want{Model: long, Dialect: canon.OpenAIChat, Op: canon.OpGenerate, Pools: "a"}, canon.KindNotFound, "model_not_found"},
		{Want{Model: "gpt-5", Dialect: canon.Gemini, Op: canon.OpCountTokens, Pools: "b"}, canon.KindNotFound, ""},
		{Want{Model: "gpt-5", Dialect: canon.OpenAIChat, Op: canon.OpEmbed, Pools: "b"}, canon.KindNotFound, ""},
		{Want{Model: "gpt-5", Dialect: canon.OpenAIChat, Op: canon.OpGenerate, Only: "gone"}, canon.KindNotFound, ""},
	} {
		_, err := b.Route(c.w)
		if err == nil || err.Kind != c.kind || err.Code != c.code {
			t.Errorf("%.50v: %.200v", c.w, err)
			continue
		}
		if len(err.Message) > 400 || !utf8.ValidString(err.Message) {
			t.Errorf("%d bytes of message: %.100q", len(err.Message), err.Message)
		}
	}
	w := Want{Model: "gpt-5", Dialect: canon.Anthropic, Op: canon.OpGenerate, Pools: "b"}
	if l := b.next(w); l.Spoken.Dialect != canon.Anthropic {
		t.Errorf("called in %s", l.Spoken.Dialect)
	}
}

// The owner of an object answers alone. To read the object, which names no model, it answers also when
// it is switched off or in another pool; a new answer is for channels that would get the call anyway.
func TestOnly(t *testing.T) {
	b := newBench(t, nil, channel("a"), channel("off", disabled), channel("c", models("other")), channel("d", pools("elsewhere")))
	for _, id := range []string{"a", "off", "c", "d"} {
		read := Want{Dialect: canon.OpenAIChat, Op: canon.OpGenerate, Pools: "x default y", Only: id}
		if diff := cmp.Diff([]string{id}, b.order(read)); diff != "" {
			t.Error(diff)
		}
		answer := read
		answer.Model = "gpt-5"
		if id == "a" {
			if diff := cmp.Diff([]string{id}, b.order(answer)); diff != "" {
				t.Error(diff)
			}
		} else if err := b.refused(answer); err.Kind != canon.KindNotFound || err.Code != "model_not_found" {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// Resting channels come after all healthy ones, whatever their tier; the one that is back first is first.
func TestRestingComeLast(t *testing.T) {
	b := newBench(t, nil, channel("a", at(9)), channel("b", at(8)), channel("c", at(1)))
	for range 5 {
		b.next(only("a")).Failed(failure(canon.KindUpstream), b.clock) // four seconds
	}
	for range 3 {
		b.next(only("b")).Failed(failure(canon.KindUpstream), b.clock) // one second
	}
	if diff := cmp.Diff([]string{"c", "b", "a"}, b.order(want)); diff != "" {
		t.Error(diff)
	}
}

func TestWhy(t *testing.T) {
	type fault struct {
		id   string
		kind canon.Kind
		wait time.Duration
	}
	for _, c := range []struct {
		name   string
		faults []fault
		kind   canon.Kind
		code   string
		wait   time.Duration
	}{
		{"limited", []fault{{"a", canon.KindRateLimited, 40 * time.Second}, {"b", canon.KindRateLimited, 30 * time.Second}}, canon.KindRateLimited, "", 30 * time.Second},
		{"limited and busy", []fault{{"a", canon.KindRateLimited, 40 * time.Second}, {"b", canon.KindOverloaded, 50 * time.Second}}, canon.KindOverloaded, "", 40 * time.Second},
		{"busy", []fault{{"a", canon.KindOverloaded, time.Minute}, {"b", canon.KindOverloaded, time.Minute}}, canon.KindOverloaded, "", time.Minute},
		{"nowhere", []fault{{"a", canon.KindNotFound, 0}, {"b", canon.KindNotFound, 0}}, canon.KindNotFound, "model_not_found", 0},
		{"one has it, but not for us", []fault{{"a", canon.KindNotFound, 0}, {"b", canon.KindDenied, 0}}, canon.KindOverloaded, "", denyCool},
		{"refused keys", []fault{{"a", canon.KindAuth, 0}, {"b", canon.KindQuota, 0}}, canon.KindOverloaded, "", 0},
		{"a limit and a refused key", []fault{{"a", canon.KindAuth, 0}, {"b", canon.KindRateLimited, time.Millisecond}}, canon.KindRateLimited, "", time.Second},
	} {
		b := newBench(t, nil, channel("a"), channel("b"))
		for _, f := range c.faults {
			w := want
			w.Only = f.id
			b.next(w).Failed(&canon.Error{Kind: f.kind, Message: "no", RetryAfter: f.wait}, b.clock)
		}
		err := b.refused(want)
		if err.Kind != c.kind || err.Code != c.code || err.RetryAfter != c.wait {
			t.Errorf("%s: %s %q, retry after %s: %s", c.name, err.Kind, err.Code, err.RetryAfter, err.Message)
		}
	}
}

func TestRoutesAreBounded(t *testing.T) {
	b := newBench(t, nil, channel("a"))
	for i := range maxRoutes + 500 {
		w := want
		w.Model = name("made-up-", i)
		b.next(w).Dropped()
	}
	s := b.snap.Load()
	if n := len(s.routes); n == 0 || n > maxRoutes {
		t.Errorf("%d routes are kept", n)
	}
	if n := len(s.entries[0].health.models); n == 0 || n > maxModelsPerChannel {
		t.Errorf("%d models are kept", n)
	}
	w := want
	w.Model, w.Pools = "x", "nowhere"
	before := len(s.routes)
	if _, err := b.Route(w); err == nil || len(s.routes) != before {
		t.Errorf("a refusal is kept: %v", err)
	}
}

// A call goes to channels of its own dialect first, translated to others of the same priority, and to
// another dialect of a channel only once the better one is known not to be there.
func TestTranslated(t *testing.T) {
	b := newBench(t, nil, channel("one", of("any")), channel("both", of("picky")))
	w := want
	w.Dialect, w.Model = canon.Anthropic, "gpt-5"
	spoken := func(w Want) (out []string) {
		walk, err := b.Route(w)
		if err != nil {
			t.Fatal(err)
		}
		for {
			l, _ := walk.Next(b.clock)
			if l == nil {
				return out
			}
			out = append(out, l.Channel.ID+" "+string(l.Spoken.Dialect)+" "+string(l.Op)+" "+strconv.FormatBool(l.Native))
			l.Dropped()
		}
	}
	if diff := cmp.Diff([]string{"both anthropic generate true", "one openaichat generate false"}, spoken(w)); diff != "" {
		t.Error(diff)
	}
	complete := w
	complete.Dialect, complete.Op = canon.OpenAIChat, canon.OpComplete
	if diff := cmp.Diff([]string{"one openaichat generate false", "both anthropic generate false"}, spoken(complete)); diff != "" {
		t.Error(diff)
	}
	pinned := w
	pinned.Dialect, pinned.Only = canon.OpenAIResponses, "both"
	if _, err := b.Route(pinned); err == nil {
		t.Error("what a channel keeps is translated")
	}

	walk, err := b.Route(w)
	if err != nil {
		t.Fatal(err)
	}
	l, _ := walk.Next(b.clock)
	none := failure(canon.KindNotFound)
	none.NoModel = true
	l.Failed(none, b.clock)
	if diff := cmp.Diff([]string{"one openaichat generate false"}, spoken(w)); diff != "" {
		t.Errorf("a model that is not there is asked for in another dialect: %s", diff)
	}
	b.clock = b.clock.Add(denyCool)
	if walk, err = b.Route(w); err != nil {
		t.Fatal(err)
	}
	l, _ = walk.Next(b.clock)
	l.Failed(failure(canon.KindNotFound), b.clock)
	after := spoken(w)
	slices.Sort(after) // whose turn it is does not matter here
	if diff := cmp.Diff([]string{"both openaichat generate false", "one openaichat generate false"}, after); diff != "" {
		t.Errorf("after the dialect was not there: %s", diff)
	}
}
