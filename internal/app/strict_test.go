package app_test

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tollgate/internal/canon"
	"tollgate/internal/dialect"
	"tollgate/internal/dialect/crosstest"
	"tollgate/internal/dialect/matrix"
	"tollgate/internal/provider/builtin"
)

var modelMember = regexp.MustCompile(`"model": ?"[^"]*"`)

// of makes a call of a whole request of the client's dialect, for this model.
func (w wireClient) of(raw []byte, model string, stream bool) (path, body string) {
	path, _ = w.ask(model, "", stream, "")
	if strings.Contains(w.path, "%s") {
		return path, string(raw)
	}
	body = modelMember.ReplaceAllString(string(raw), fmt.Sprintf(`"model":%q`, model))
	if stream {
		body = strings.Replace(body, "{", `{"stream":true,`, 1)
	}
	return path, body
}

// far is the dialect of an upstream, and what its channel takes of a request without further knowledge of
// the model.
func far(t *testing.T, upstream string) (crosstest.Side, dialect.Target) {
	t.Helper()
	for _, u := range upstreams {
		if u.name != upstream {
			continue
		}
		p, ok := builtin.ByName(u.provider)
		for _, s := range p.Speaks {
			if ok && string(s.Dialect) == u.dialect {
				return clients[upstream].side, dialect.Target{Op: canon.OpGenerate, Model: u.model, Knows: s.Knows}
			}
		}
	}
	t.Fatalf("no upstream %s", upstream)
	return nil, dialect.Target{}
}

// declared are the losses of a request as X-Tollgate-Loss tells them, each feature once, and the place of the
// first one.
func declared(near crosstest.Side, lost []canon.Loss) (list []string, first string) {
	for i, l := range canon.Fold(lost) {
		at := l.Path
		if at == "" {
			at = near.Field(l.What)
		}
		if at == "" {
			at = string(l.What)
		}
		if i == 0 {
			first = at
		}
		line := at + ": " + string(l.What) + " " + string(l.Kind)
		if l.More > 0 {
			line += fmt.Sprintf(" (and at %d more)", l.More)
		}
		list = append(list, line)
	}
	return list, first
}

// Every feature of every client's dialect, on every upstream of another one: what is lost is told in the header
// and the record, and whoever is strict is refused in its own dialect with the name of the place, before any
// upstream is called and without a charge. A call that loses nothing passes all the same.
func TestStrictEverywhere(t *testing.T) {
	sim, url := simulate(t)
	g := startGateway(t, translated(url, ""), "FETCH_MEDIA=off", "SHARED_OBJECTS=on")
	type made struct {
		at     string
		losses int
		strict bool // refused for its losses
	}
	calls := map[string]made{}
	foreign(func(name string, c wireClient, upstream string) {
		features, err := matrix.Features(c.side.Dialect(), os.DirFS("../dialect/"+string(c.side.Dialect())))
		if err != nil {
			t.Fatal(err)
		}
		side, to := far(t, upstream)
		for _, f := range features {
			asked, err := matrix.Read(c.side, f.Raw)
			if err != nil {
				t.Fatal(err)
			}
			if asked.PreviousID != "" {
				continue // belongs to whoever keeps it: see TestKeptResponses
			}
			for _, stream := range []bool{false, true} {
				asked.Stream, to.Stream = stream, stream
				_, lost, cerr := side.WriteRequest(asked, to)
				list, _ := declared(c.side, lost)
				grave, first := declared(c.side, slices.DeleteFunc(slices.Clone(lost), func(l canon.Loss) bool {
					return l.What == canon.WhatReasoningSeal && l.Kind == canon.Changed // a placeholder is told alone
				}))
				at := fmt.Sprintf("%s on %s, %s, stream %v", name, upstream, f.What, stream)
				path, body := c.of(f.Raw, upstream+"-model", stream)
				loose := g.send("POST", path, body)
				strict := g.send("POST", path, body, "X-Tollgate-Strict", "true", "Authorization", "Bearer "+userKey)
				calls[loose.header.Get("X-Request-Id")] = made{at, len(list), false}
				calls[strict.header.Get("X-Request-Id")] = made{at, len(list), cerr == nil && len(grave) > 0}
				if cerr != nil {
					if loose.status < 400 || strict.status != loose.status {
						t.Errorf("%s: refused by the dialect (%v), answered with %d and %d: %s", at, cerr, loose.status, strict.status, loose.body)
					}
					continue
				}
				if told := loose.header.Get("X-Tollgate-Loss"); loose.status != http.StatusOK || !strings.HasPrefix(told, strings.Join(list, "; ")) {
					t.Errorf("%s: %d, loss %q, declared %q: %.500s", at, loose.status, told, list, loose.body)
				}
				if len(grave) == 0 {
					if strict.status != http.StatusOK {
						t.Errorf("%s: nothing is lost, and yet %d %s", at, strict.status, strict.body)
					}
					continue
				}
				e := c.side.ReadError(strict.status, strict.header, []byte(strict.body))
				if strict.status != http.StatusBadRequest || e.Kind != canon.KindInvalid || !strings.Contains(e.Message, first) {
					t.Errorf("%s: %d %s, does not name %s", at, strict.status, strict.body, first)
				}
				if name == "chat" || name == "responses" {
					if e.Param != first {
						t.Errorf("%s: param %q, want %q", at, e.Param, first)
					}
				}
				if h := strict.header; h.Get("X-Tollgate-Loss") != "" || h.Get("X-Tollgate-Cost") != "" && h.Get("X-Tollgate-Cost") != "0" {
					t.Errorf("%s: headers of an answer: %v", at, h)
				}
			}
		}
	})
	refused := 0
	for _, m := range calls {
		if m.strict {
			refused++
		}
	}
	if refused < 500 {
		t.Errorf("of %d calls only %d were refused for losses", len(calls), refused)
	}
	for _, c := range counted(t, sim) {
		if calls[c.CallID].strict {
			t.Errorf("%s: refused, and yet the upstream was called: %+v", calls[c.CallID].at, c)
		}
	}
	for _, line := range g.lines("call") {
		m := calls[line["call"].(string)]
		if m.strict && (line["error"] != string(canon.KindInvalid) || line["nanos"].(float64) != 0 || line["usage"] != "") {
			t.Errorf("%s: refused, and yet %v", m.at, line)
		}
		if got := int(line["losses"].(float64)); got < m.losses {
			t.Errorf("%s: %d losses in the record, %d were declared", m.at, got, m.losses)
		}
	}
}

// lossy is a request of every client that some other dialect can't carry, and the feature.
func lossy(t *testing.T, name, upstream string) (raw []byte, first string, lost []canon.Loss) {
	t.Helper()
	side, to := far(t, upstream)
	c := clients[name]
	features, err := matrix.Features(c.side.Dialect(), os.DirFS("../dialect/"+string(c.side.Dialect())))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range features {
		asked, err := matrix.Read(c.side, f.Raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, lost, cerr := side.WriteRequest(asked, to); cerr == nil && len(lost) == 1 && lost[0].Kind == canon.Lost {
			_, first = declared(c.side, lost)
			return f.Raw, first, lost
		}
	}
	t.Fatalf("%s on %s loses nothing", name, upstream)
	return nil, "", nil
}

// Strict can be asked for by the request, the key or the model. Its refusals are counted as calls, but not as
// losses: what was refused was not lost.
func TestStrictByKeyAndModel(t *testing.T) {
	_, url := simulate(t)
	g := startGateway(t, translated(url, ""), "FETCH_MEDIA=off", "SHARED_OBJECTS=on")
	var records []func() // looked at in the end: the store takes them in batches
	foreign(func(name string, c wireClient, upstream string) {
		raw, first, lost := lossy(t, name, upstream)
		series := fmt.Sprintf("tollgate_translation_losses_total{dialect=%q,feature=%q,kind=\"lost\",spoken=%q} ", c.side.Dialect(), lost[0].What, dialectOf(t, upstream))
		for _, stream := range []bool{false, true} {
			at := fmt.Sprintf("%s on %s, stream %v", name, upstream, stream)
			for _, way := range []struct {
				name, model string
				headers     []string
				refused     bool
			}{
				{"not asked for", "-model", []string{"Authorization", "Bearer " + userKey}, false},
				{"asked not to", "-model", []string{"X-Tollgate-Strict", "false", "Authorization", "Bearer " + userKey}, false},
				{"1", "-model", []string{"X-Tollgate-Strict", "1", "Authorization", "Bearer " + userKey}, true},
				{"yes", "-model", []string{"X-Tollgate-Strict", "yes", "Authorization", "Bearer " + userKey}, true},
				{"the key", "-model", []string{"Authorization", "Bearer " + strictKey}, true},
				{"the key, asked not to", "-model", []string{"X-Tollgate-Strict", "false", "Authorization", "Bearer " + strictKey}, true},
				{"the model", "-exact", []string{"Authorization", "Bearer " + userKey}, true},
			} {
				before := metric(g, series)
				path, body := c.of(raw, upstream+way.model, stream)
				a := g.send("POST", path, body, way.headers...)
				if way.refused && (a.status != http.StatusBadRequest || !strings.Contains(a.body, first)) || !way.refused && a.status != http.StatusOK {
					t.Errorf("%s, %s: %d %s", at, way.name, a.status, a.body)
				}
				want := 1.0
				if way.refused {
					want = 0
				}
				if got := metric(g, series) - before; got != want {
					t.Errorf("%s, %s: %v losses counted, want %v", at, way.name, got, want)
				}
				if stream || way.name != "not asked for" && way.name != "the key" {
					continue
				}
				records = append(records, func() {
					rec := g.recorded(a)
					if list, ok := rec["losses"].([]any); !ok || len(list) != 1 || !strings.HasPrefix(list[0].(string), first) || rec["spoken"] != string(dialectOf(t, upstream)) {
						t.Errorf("%s, %s: the record has %v in %v", at, way.name, rec["losses"], rec["spoken"])
					}
					if way.refused != (rec["cost"] == "0") {
						t.Errorf("%s, %s: %v", at, way.name, rec)
					}
				})
			}
		}
	})
	for _, check := range records {
		check()
	}
}

// dialectOf is the dialect of an upstream.
func dialectOf(t *testing.T, upstream string) canon.Dialect {
	t.Helper()
	side, _ := far(t, upstream)
	return side.Dialect()
}

// metric is what a series has counted.
func metric(g *gateway, series string) (n float64) {
	g.t.Helper()
	for line := range strings.Lines(g.asRoot("GET", "/metrics", "").body) {
		if rest, ok := strings.CutPrefix(line, series); ok {
			if _, err := fmt.Sscan(rest, &n); err != nil {
				g.t.Fatal(err)
			}
		}
	}
	return n
}

// recorded is the record of a call as root sees it.
func (g *gateway) recorded(a answer) (rec map[string]any) {
	g.t.Helper()
	id := a.header.Get("X-Request-Id")
	waitFor(g.t, "the record of "+id, func() bool {
		got := g.asRoot("GET", "/api/v1/calls/"+id, "")
		if got.status != http.StatusOK {
			return false
		}
		rec = got.decode(g.t, http.StatusOK)
		return true
	})
	return rec
}

// Where a channel of one dialect can't carry a request as it is, one of another dialect that can is tried, and the
// first one's health does not suffer.
func TestStrictFindsAnotherChannel(t *testing.T) {
	sim, url := simulate(t)
	var b strings.Builder
	b.WriteString("channels:\n")
	for i := range 40 {
		fmt.Fprintf(&b, "  - {name: c%d, provider: anthropic, base_url: %q, key: sk-c%d-1, models: [\"m\"], mapping: {m: sim-claude}, priority: 5}\n", i, url, i)
	}
	fmt.Fprintf(&b, "  - {name: g, provider: gemini, base_url: %q, key: sk-g-1, models: [\"m\"], mapping: {m: sim-gemini}}\n", url)
	b.WriteString("models:\n  - {name: m, price: {input: \"1\", output: \"2\"}}\n" + alice("10"))
	g := startGateway(t, b.String())
	ask := `{"model":"m","messages":[{"role":"user","content":"echo: hi"}],"seed":7}`
	for _, stream := range []bool{false, true} {
		body := ask
		if stream {
			body = strings.Replace(ask, "{", `{"stream":true,`, 1)
		}
		a := g.send("POST", "/v1/chat/completions", body, "X-Tollgate-Strict", "true", "Authorization", "Bearer "+userKey)
		if a.status != http.StatusOK || a.header.Get("X-Tollgate-Loss") != "" || !strings.Contains(a.body, "hi") {
			t.Fatalf("%d %v %s", a.status, a.header, a.body)
		}
		rec := g.recorded(a)
		if tries, ok := rec["attempts"].([]any); !ok || len(tries) != 32 || rec["losses"] != nil || rec["spoken"] != "gemini" { // the record is bounded
			t.Errorf("%v", rec)
		}
	}
	for _, c := range counted(t, sim) {
		if c.Endpoint == "messages" {
			t.Errorf("called all the same: %+v", c)
		}
	}
	if s := channelState(t, g, "c0"); s["state"] != "ready" && s["state"] != nil {
		t.Errorf("%v", s)
	}
	both := strings.Replace(ask, `"seed":7`, `"seed":7,"logit_bias":{"5":1}`, 1)
	if a := g.send("POST", "/v1/chat/completions", both, "X-Tollgate-Strict", "true", "Authorization", "Bearer "+userKey); a.status != http.StatusBadRequest || !strings.Contains(a.body, "logit_bias") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// Where the channel that could carry a request fails, its failure is told, which is worth another try, and not that the
// others could not carry it.
func TestStrictTellsTheBetterFailure(t *testing.T) {
	_, url := simulate(t)
	for word, status := range map[string]int{"fail500": http.StatusBadGateway, "ratelimit": http.StatusTooManyRequests, "overloaded": http.StatusServiceUnavailable} {
		g := startGateway(t, fmt.Sprintf("channels:\n  - {name: a, provider: moonshot, base_url: %q, key: sk-%s-1, models: [\"m\"], mapping: {m: sim-gpt}, priority: 5}\n"+
			"  - {name: b, provider: anthropic, base_url: %q, key: sk-b-1, models: [\"m\"], mapping: {m: sim-claude}}\n"+
			"models:\n  - {name: m, price: {input: \"1\", output: \"2\"}}\n", url, word, url)+alice("10"))
		a := g.send("POST", "/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"hi"}],"seed":7}`, "X-Tollgate-Strict", "true", "Authorization", "Bearer "+userKey)
		if a.status != status || strings.Contains(a.body, "seed") {
			t.Errorf("%s: %d %s", word, a.status, a.body)
		}
		if line := g.onlyCall(); line["attempts"].(float64) != 2 || line["nanos"].(float64) != 0 || line["losses"].(float64) != 0 {
			t.Errorf("%s: %v", word, line)
		}
	}
}
